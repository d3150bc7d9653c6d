//! Kafka's own requests cut at every byte and sent to a real broker over TCP: each is answered or closes its
//! own connection, and nobody else notices.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

use bytes::Bytes;
use highwater::protocol::versions;
use protocol_tests::golden::{Golden, requests};
use protocol_tests::serving::Serving;

/// What no read of a test may take.
const PATIENCE: Duration = Duration::from_secs(20);
const RESPONSE_BYTES_MAX: usize = 1 << 20;

fn connect(address: SocketAddr) -> TcpStream {
    let socket = TcpStream::connect(address).expect("the broker accepts");
    socket.set_read_timeout(Some(PATIENCE)).expect("a valid time");
    socket.set_nodelay(true).expect("a socket");
    socket
}

/// Sends `sent` as a frame that says it has `length` bytes, and nothing after it. Whether it was answered;
/// else the broker closed.
fn answered(address: SocketAddr, length: usize, sent: &[u8]) -> bool {
    let mut socket = connect(address);
    let framed = [&(length as u32).to_be_bytes(), sent].concat();
    socket.write_all(&framed).expect("a new connection takes some bytes");
    // A broker that closed meanwhile is what the read shows.
    drop(socket.shutdown(Shutdown::Write));
    response(&mut socket).is_some()
}

/// A whole response; `None` if the connection was closed before its first byte.
fn response(socket: &mut TcpStream) -> Option<Vec<u8>> {
    let mut length = [0; 4];
    if let Err(error) = socket.read_exact(&mut length) {
        assert_ne!(error.kind(), std::io::ErrorKind::WouldBlock, "neither answered nor closed");
        return None;
    }
    let length = u32::from_be_bytes(length) as usize;
    assert!(length <= RESPONSE_BYTES_MAX, "a response of {length} bytes");
    let mut response = vec![0; length];
    socket.read_exact(&mut response).expect("an answer is whole");
    Some(response)
}

/// ApiVersions 0: a client that does nothing wrong.
fn still_served(socket: &mut TcpStream) {
    let request = [0, 0, 0, 10, 0, 18, 0, 0, 0, 0, 0, 5, 0xff, 0xff];
    socket.write_all(&request).expect("the broker reads");
    let response = response(socket).expect("the others go on");
    assert_eq!(response[..6], [0, 0, 0, 5, 0, 0]);
}

/// Of every served request the newest version, and the newest that is not flexible.
fn sample() -> Vec<Golden> {
    let mut sample = requests();
    sample.retain(|golden| {
        versions::find(golden.api_key).is_some_and(|row| {
            let chosen = [*row.served.end(), row.flexible_from - 1];
            golden.flavor == "full"
                && row.served.contains(&golden.api_version)
                && chosen.contains(&golden.api_version)
        })
    });
    sample
}

#[test]
fn requests_cut_at_every_byte_end_their_own_connection_only() {
    let mut serving = Serving::start(&[]);
    let address = serving.listen();
    let mut good = connect(address);
    let mut whole = 0;
    for golden in sample() {
        let frame: &Bytes = &golden.frame;
        for end in 0..frame.len() {
            // As a shorter frame, and as one whose end never comes.
            assert!(!answered(address, end, &frame[..end]), "{} cut at {end}", golden.name());
            assert!(!answered(address, frame.len(), &frame[..end]), "{} ended at {end}", golden.name());
        }
        whole += u32::from(answered(address, frame.len(), frame));
        still_served(&mut good);
    }
    // Produce does not always answer: its acks are what Kafka's classes were told to write.
    assert!(whole > 10, "{whole} requests were answered whole");
}
