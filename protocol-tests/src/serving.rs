//! A real broker inside the test's process: asked through the table of handlers, or over TCP.

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use highwater::broker::Broker;
use highwater::config::{AdvertisedListener, Host, Listener, SecurityProtocol, ServerConfig};
use highwater::env::{Env, RealFiles};
use highwater::handlers::{BrokerHandler, Connection, LongPoll, Reply, RequestHandler as _, RequestHeader};
use highwater::model::Timestamp;
use highwater::server::{Limits, Server};
use highwater::telemetry::Metrics;
use tempfile::TempDir;
use tokio::runtime::Runtime;

/// Settings that keep it small.
const SMALL: [(&str, &str); 6] = [
    ("highwater.wal.sync", "os"),
    ("highwater.wal.file.bytes", "8388608"),
    ("highwater.wal.capacity.bytes", "33554432"),
    ("highwater.segment.disk.reserve.bytes", "0"),
    ("log.segment.bytes", "1048576"),
    ("log.index.size.max.bytes", "65536"),
];

/// A broker on a directory of its own, gone with this.
pub struct Serving {
    runtime: Runtime,
    broker: Arc<Broker>,
    connection: Arc<Connection>,
    server: Option<Server>,
    config: ServerConfig,
    _directory: TempDir,
}

impl Serving {
    /// Opens it, with these settings beside the small ones.
    pub fn start(settings: &[(&str, &str)]) -> Serving {
        let directory = tempfile::tempdir().expect("a temporary directory can be made");
        let path = directory.path().to_str().expect("its name is ASCII");
        let owned = |(key, value): &(&str, &str)| ((*key).to_owned(), (*value).to_owned());
        let flags: Vec<_> = SMALL.iter().chain(settings).chain(&[("log.dirs", path)]).map(owned).collect();
        let loaded = ServerConfig::load(&RealFiles, None, std::iter::empty(), &flags);
        let (config, _) = loaded.expect("the settings are sound");
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let runtime = runtime.expect("threads can be made");
        let metrics = Metrics::new(Timestamp(0), 100);
        let opened = runtime.block_on(async { Broker::open(Env::real(), config.clone(), metrics) });
        let address = SocketAddr::from(([127, 0, 0, 1], 9092));
        let connection = Connection {
            id: 1,
            peer: address,
            local: address,
            listener_name: "PLAINTEXT".to_owned(),
            advertised_host: "localhost".to_owned(),
            advertised_port: address.port(),
            client_software: Default::default(),
        };
        let (broker, connection) = (opened.expect("the directory is empty"), Arc::new(connection));
        Serving { runtime, broker, connection, server: None, config, _directory: directory }
    }

    /// Opens a port on loopback, and gives its address.
    pub fn listen(&mut self) -> SocketAddr {
        let listener = Listener {
            name: "PLAINTEXT".to_owned(),
            protocol: SecurityProtocol::Plaintext,
            host: Host::Named("127.0.0.1".to_owned()),
            port: 0,
            advertised: AdvertisedListener { host: None, port: None },
        };
        let handler = BrokerHandler::new(self.broker.clone());
        let limits = Limits::from(&self.config.sockets);
        let metrics = Metrics::new(Timestamp(0), 0);
        let started = self
            .runtime
            .block_on(async { Server::start(&Env::real(), metrics, limits, vec![listener], handler) });
        let server = self.server.insert(started.expect("a free port on loopback"));
        server.listeners()[0].address
    }

    /// What the broker answers to a body that the guard passed; what it would wait for in vain is cut short.
    /// `None` is a connection that would be closed, or no answer (acks=0).
    pub fn ask(&self, header: RequestHeader, body: Bytes) -> Option<Bytes> {
        let handler = BrokerHandler::new(self.broker.clone());
        self.runtime.block_on(async {
            let reply = match handler.handle(&self.connection, header, body).await {
                Reply::Pending(pending) => pending.await,
                Reply::Waiting(LongPoll { reply, hurry, .. }) => {
                    hurry.ask();
                    reply.await
                }
                reply => reply,
            };
            match reply {
                Reply::Message(bytes) => Some(bytes),
                Reply::Pieces(pieces) => Some(crate::pieces::joined(&pieces)),
                _ => None,
            }
        })
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        drop(self.server.take());
        // A test that failed already says why.
        let closed = self.runtime.block_on(self.broker.close());
        assert!(closed.is_ok() || std::thread::panicking(), "the broker closes: {closed:?}");
    }
}
