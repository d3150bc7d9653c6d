//! The server over real TCP on loopback, with handlers made for each test.

mod extents;
mod idle_memory;
mod limits;
mod long_polls;
mod order;
mod shutdown;

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};
use parking_lot::Mutex;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::*;
use crate::config::{AdvertisedListener, Host, SecurityProtocol};
use crate::handlers::{Connection, Handling, Reply, RequestHeader};
use crate::model::Timestamp;

/// What no step of a test may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// A handler out of a closure.
struct Fake<F>(F);

impl<F> RequestHandler for Fake<F>
where
    F: Fn(RequestHeader, Bytes) -> Handling + Send + Sync + 'static,
{
    fn handle(&self, _: &Arc<Connection>, header: RequestHeader, body: Bytes) -> Handling {
        (self.0)(header, body)
    }
}

/// A handling that is done at once.
fn done(reply: Reply) -> Handling {
    Box::pin(std::future::ready(reply))
}

/// A message of a correlation id and `rest`.
fn message(header: &RequestHeader, rest: &[u8]) -> Reply {
    let mut bytes = BytesMut::new();
    bytes.put_i32(header.correlation_id);
    bytes.put_slice(rest);
    Reply::Message(bytes.freeze())
}

fn listener() -> Listener {
    Listener {
        name: "PLAINTEXT".to_owned(),
        protocol: SecurityProtocol::Plaintext,
        host: Host::Named("127.0.0.1".to_owned()),
        port: 0,
        advertised: AdvertisedListener { host: None, port: None },
    }
}

/// Limits that no test reaches unless it lowers them.
fn limits() -> Limits {
    Limits {
        request_bytes_max: 100 << 20,
        request_memory_bytes_max: 256 << 20,
        in_flight_max: 64,
        connections_max: 100_000,
        connections_per_ip_max: 100_000,
        idle_max: Duration::MAX,
        request_timeout: PATIENCE,
        reply_timeout: PATIENCE,
        bytes_per_second_min: 1024,
        drain_timeout: PATIENCE,
        keepalive_time: Duration::from_secs(120),
        backlog: 1024,
        send_buffer_bytes: None,
        receive_buffer_bytes: None,
    }
}

fn metrics() -> Arc<Metrics> {
    Metrics::new(Timestamp(0), 0)
}

fn start(limits: Limits, handler: impl RequestHandler) -> Server {
    Server::start(&Env::real(), metrics(), limits, vec![listener()], handler)
        .expect("a free port on loopback")
}

/// A server that answers every request with its correlation id.
fn start_echo(limits: Limits) -> Server {
    start(limits, Fake(|header, _| done(message(&header, b""))))
}

async fn within<T>(future: impl Future<Output = T>) -> T {
    time::timeout(PATIENCE, future).await.expect("a step of the test hangs")
}

async fn eventually(mut condition: impl FnMut() -> bool) {
    within(async {
        while !condition() {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

/// Turns of the runtime that `settle` waits: many times what a request takes.
const TURNS: usize = 2_000;

/// Gives every task that could run the turns to do so. The runtime of a test has one thread, and looks at its
/// sockets every few turns.
async fn settle() {
    for _ in 0..TURNS {
        tokio::task::yield_now().await;
    }
}

/// The smallest request: ApiVersions, version 0.
fn request(correlation_id: i32) -> Bytes {
    let mut frame = BytesMut::new();
    frame.put_i32(10);
    frame.put_i16(18);
    frame.put_i16(0);
    frame.put_i32(correlation_id);
    frame.put_i16(-1);
    frame.freeze()
}

/// A Produce request, version 3, whose records are `records`.
fn produce(correlation_id: i32, records: &[u8]) -> Bytes {
    let mut rest = BytesMut::new();
    rest.put_slice(b"\0\0\0\x03");
    rest.put_i32(correlation_id);
    rest.put_slice(b"\xff\xff"); // no client id
    rest.put_slice(b"\xff\xff\xff\xff\0\0\0\0"); // no transactional id, acks, timeout
    rest.put_slice(b"\0\0\0\x01\0\x01t\0\0\0\x01\0\0\0\0"); // one topic, one partition
    rest.put_i32(records.len() as i32);
    rest.put_slice(records);
    let mut frame = BytesMut::new();
    frame.put_i32(rest.len() as i32);
    frame.put(rest);
    frame.freeze()
}

struct Client(TcpStream);

impl Client {
    async fn connect(server: &Server) -> Client {
        Client(within(TcpStream::connect(address(server))).await.expect("the server listens"))
    }

    async fn send(&mut self, bytes: &[u8]) {
        within(self.0.write_all(bytes)).await.expect("the server reads");
    }

    /// One reply: its correlation id and the rest.
    async fn receive(&mut self) -> (i32, Vec<u8>) {
        let length = within(self.0.read_i32()).await.expect("a reply");
        let correlation_id = within(self.0.read_i32()).await.expect("a reply");
        let mut rest = vec![0; length as usize - 4];
        within(self.0.read_exact(&mut rest)).await.expect("a whole reply");
        (correlation_id, rest)
    }

    /// Whether the server closed the connection with nothing more to read.
    async fn is_closed(&mut self) -> bool {
        let end = within(self.0.read_u8()).await.err().map(|error| error.kind());
        end == Some(std::io::ErrorKind::UnexpectedEof)
    }
}

fn address(server: &Server) -> SocketAddr {
    server.listeners()[0].address
}

/// Log lines of this thread while it lives: the runtime of a test has no other.
struct Log {
    lines: Arc<Mutex<Vec<u8>>>,
    _guard: tracing::subscriber::DefaultGuard,
}

impl Log {
    fn capture() -> Log {
        #[derive(Clone)]
        struct Sink(Arc<Mutex<Vec<u8>>>);
        impl std::io::Write for Sink {
            fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
                self.0.lock().extend_from_slice(bytes);
                Ok(bytes.len())
            }
            fn flush(&mut self) -> std::io::Result<()> {
                Ok(())
            }
        }
        let lines = Arc::new(Mutex::new(Vec::new()));
        let sink = Sink(lines.clone());
        let subscriber = tracing_subscriber::fmt()
            .with_ansi(false)
            .with_max_level(tracing::Level::DEBUG)
            .with_writer(move || sink.clone())
            .finish();
        Log { lines, _guard: tracing::subscriber::set_default(subscriber) }
    }

    /// Lines about closed connections, so far.
    fn closed(&self) -> Vec<String> {
        let text = String::from_utf8(self.lines.lock().clone()).expect("log lines are text");
        text.lines().filter(|line| line.contains("connection closed")).map(str::to_owned).collect()
    }
}
