//! Over TCP: nothing that the guard did not pass reaches a handler, and so a decoder.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use highwater::config::{AdvertisedListener, Host, Listener, SecurityProtocol, ServerConfig};
use highwater::env::Env;
use highwater::handlers::{Connection, Handling, Reply, RequestHandler, RequestHeader};
use highwater::model::Timestamp;
use highwater::protocol::guard::Guard;
use highwater::protocol::versions;
use highwater::server::{Limits, Server};
use highwater::telemetry::Metrics;
use protocol_tests::frames::{Fill, frame};
use protocol_tests::mutate::mutant;
use protocol_tests::random::Random;

/// Frames per served key and version.
const FRAMES: u64 = 25;

/// What no read of a test may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// Answers everything with the correlation id, and remembers what it was given.
#[derive(Clone, Default)]
struct Recorder(Arc<Mutex<Vec<(RequestHeader, Bytes)>>>);

impl RequestHandler for Recorder {
    fn handle(&self, _: &Arc<Connection>, header: RequestHeader, body: Bytes) -> Handling {
        let reply = Reply::Message(Bytes::copy_from_slice(&header.correlation_id.to_be_bytes()));
        self.0.lock().expect("no test panics while it holds the lock").push((header, body));
        Box::pin(std::future::ready(reply))
    }
}

/// Sends one frame on its own connection; the answer, or `None` if the server closed instead.
fn send(address: SocketAddr, frame: &[u8]) -> Option<Vec<u8>> {
    let mut socket = TcpStream::connect(address).expect("the server accepts");
    socket.set_read_timeout(Some(PATIENCE)).expect("a valid time");
    socket.write_all(&(frame.len() as u32).to_be_bytes()).expect("a new connection takes some bytes");
    socket.write_all(frame).expect("a new connection takes some bytes");
    let mut length = [0; 4];
    match socket.read_exact(&mut length) {
        Ok(()) => {
            let mut answer = vec![0; u32::from_be_bytes(length) as usize];
            socket.read_exact(&mut answer).expect("an answer is whole");
            Some(answer)
        }
        Err(error) => {
            assert_ne!(
                error.kind(),
                std::io::ErrorKind::WouldBlock,
                "neither answered nor closed: {frame:02x?}"
            );
            None
        }
    }
}

/// The request as a frame again, with the smallest header.
fn reassembled(header: &RequestHeader, body: &[u8]) -> Vec<u8> {
    let mut frame = header.api_key.to_be_bytes().to_vec();
    frame.extend_from_slice(&header.api_version.to_be_bytes());
    frame.extend_from_slice(&[0, 0, 0, 1, 0xff, 0xff]);
    if versions::request_header_version(header.api_key, header.api_version) == Some(2) {
        frame.push(0);
    }
    frame.extend_from_slice(body);
    frame
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

#[test]
fn no_byte_reaches_a_handler_that_the_guard_did_not_pass() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    let runtime = runtime.expect("threads can be made");
    let recorder = Recorder::default();
    let limits = Limits::from(&ServerConfig::defaults().sockets);
    let server = runtime.block_on(async {
        Server::start(&Env::real(), Metrics::new(Timestamp(0), 0), limits, vec![listener()], recorder.clone())
            .expect("a free port on loopback")
    });
    let address = server.listeners()[0].address;
    let guard = Guard::default();
    let (mut answered, mut closed) = (0, 0);
    for row in versions::SERVED {
        let layout = guard.layout(row.key).expect("every served request has a layout");
        for api_version in row.served.clone() {
            for seed in 0..FRAMES {
                let mut random = Random::new(seed << 32 | (row.key as u64) << 8 | api_version as u64);
                let mut bytes = frame(layout, api_version, Fill::Random, &mut random);
                if seed > 0 {
                    bytes = mutant(&bytes, &bytes, &mut random);
                }
                match send(address, &bytes) {
                    Some(answer) => {
                        assert_eq!(answer, bytes[4..8], "the correlation id comes back");
                        answered += 1;
                    }
                    None => closed += 1,
                }
            }
        }
    }
    let handled = recorder.0.lock().expect("no test panics while it holds the lock");
    assert_eq!(handled.len(), answered);
    for (header, body) in handled.iter() {
        let frame = reassembled(header, body);
        let checked = guard.check(header.api_key, header.api_version, &frame);
        let checked = checked.unwrap_or_else(|error| panic!("{header:?} {body:02x?}: {error}"));
        assert_eq!(checked.body_end, frame.len(), "{header:?} {body:02x?}");
    }
    assert!(answered > 100 && closed > 100, "{answered} answered, {closed} closed");
}
