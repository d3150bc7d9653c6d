//! Clients that mean harm or know no better: each loses its own connection, and nobody else theirs.

use std::io::{ErrorKind, Read, Write};
use std::time::Duration;

use kafka_protocol::messages::{ApiVersionsRequest, ApiVersionsResponse};
use kafka_protocol::protocol::Decodable;
use socket2::{Domain, Socket, Type};

use crate::batches::batch;
use crate::client::{Client, frame};
use crate::eventually::eventually;
use crate::process::{DEADLINE, Process};
use crate::requests::{FETCH, fetch};

/// A frame of key, version, correlation id, client id "c" and `rest`, with its length.
fn raw(api_key: u8, api_version: u8, rest: &[&[u8]]) -> Vec<u8> {
    let mut body = vec![0, api_key, 0, api_version, 0, 0, 0, 1, 0, 1, b'c'];
    rest.iter().for_each(|part| body.extend(*part));
    let length = u32::try_from(body.len()).expect("a short frame");
    [&length.to_be_bytes(), body.as_slice()].concat()
}

/// Frames that abort a process built on the codec crate alone: it reserves memory by counts from the wire.
fn aborting() -> Vec<(&'static str, Vec<u8>)> {
    const METADATA: u8 = 3;
    const PLAIN: u8 = 8;
    const FLEXIBLE: u8 = 9;
    let mut frames = Vec::new();
    for count in [[0x7f, 0xff, 0xff, 0xff], [0xff, 0xff, 0xff, 0xfe]] {
        frames.push(("an array", raw(METADATA, PLAIN, &[&count, &[1, 0, 0]])));
        // Produce 8: no transactional id, acks 1, a timeout, one topic.
        let before = [0xff, 0xff, 0, 1, 0, 0, 0, 9, 0, 0, 0, 1, 0, 1, b't'];
        frames.push(("an array in an array", raw(0, PLAIN, &[&before, &count])));
        frames.push(("a client id", [&[0, 0, 0, 14, 0, 3, 0, 1, 0, 0, 0, 1][..], &count, &[0, 0]].concat()));
    }
    for count in [[0xff, 0xff, 0xff, 0xff, 0x07], [0xff, 0xff, 0xff, 0xff, 0x0f]] {
        frames.push(("a compact array", raw(METADATA, FLEXIBLE, &[&[0], &count, &[1, 0, 0, 0]])));
        frames.push(("tagged fields in the header", raw(METADATA, FLEXIBLE, &[&count, &[1, 1, 0, 0, 0]])));
        frames.push(("tagged fields", raw(METADATA, FLEXIBLE, &[&[0, 1, 1, 0, 0], &count])));
        frames.push(("a tagged field's size", raw(METADATA, FLEXIBLE, &[&[0, 1, 1, 0, 0, 1, 9], &count])));
        frames.push(("a compact string", raw(METADATA, FLEXIBLE, &[&[0, 2], &count])));
    }
    frames.push(("shorter than a header", vec![0, 0, 0, 4, 0, 3, 0, 9]));
    frames.push(("an empty frame", vec![0; 4]));
    frames.push(("a negative length", vec![0xff; 4]));
    // 16 Mi of empty topic names of two bytes each, which take a hundred times that in memory.
    let names = vec![0; 2 << 24];
    frames.push((
        "a frame that multiplies",
        raw(METADATA, PLAIN, &[&(1_u32 << 24).to_be_bytes(), &names, &[0; 3]]),
    ));
    frames.push(("a key that does not exist", raw(200, 0, &[])));
    frames
}

#[test]
fn frames_that_abort_a_decoder_close_their_own_connection_only() {
    let directory = tempfile::tempdir().unwrap();
    let process = Process::start(directory.path());
    let mut good = process.client();
    let topic = good.create_topic("t", 1, &[]);
    for ((what, frame), expected) in aborting().into_iter().zip(0..) {
        let mut bad = process.client();
        // The broker may close before all of it was sent.
        let _ = bad.stream.write_all(&frame);
        assert!(bad.is_closed_by_broker(), "{what}");
        assert_eq!(good.append(&topic, 0, batch(&[what])), expected, "{what}");
    }
    process.stop();
}

#[test]
fn who_speaks_another_protocol_is_told_so_in_the_log() {
    let directory = tempfile::tempdir().unwrap();
    let process = Process::start(directory.path());
    for (hello, words) in [
        (&b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"[..], "the client speaks TLS"),
        (b"GET / HTTP/1.1\r\n\r\n", "the client speaks HTTP"),
    ] {
        let mut client = process.client();
        client.stream.write_all(hello).unwrap();
        assert!(client.is_closed_by_broker(), "{words}");
        process.wait_for_log(words);
    }
}

#[test]
fn a_version_of_api_versions_that_is_not_known_is_answered_in_version_0() {
    let directory = tempfile::tempdir().unwrap();
    let process = Process::start(directory.path());
    let mut client = process.client();
    client.stream.write_all(&raw(18, 99, &[b"whatever version 99 says"])).unwrap();
    let mut answer = client.read_frame().unwrap().split_off(4);
    let answer = ApiVersionsResponse::decode(&mut answer, 0).unwrap();
    assert_eq!(answer.error_code, 35);
    assert!(answer.api_keys.iter().any(|api| api.api_key == 18 && api.max_version >= 4), "{answer:?}");
    // The connection is kept.
    assert_eq!(client.ask(0, &ApiVersionsRequest::default()).error_code, 0);
}

#[test]
fn a_request_larger_than_allowed_closes_its_connection() {
    const LIMIT: u32 = 2000;
    let directory = tempfile::tempdir().unwrap();
    let limit = format!("socket.request.max.bytes={LIMIT}");
    let process = Process::start_with(directory.path(), &[&limit]);
    // ApiVersions 0 has an empty body; what follows it is a fault, found in a frame that was read.
    for (length, words) in [(LIMIT, "bytes left"), (LIMIT + 1, "socket.request.max.bytes")] {
        let mut client = process.client();
        client.stream.write_all(&length.to_be_bytes()).unwrap();
        if length == LIMIT {
            let name = "x".repeat(usize::try_from(LIMIT).unwrap() - 10);
            let name_length = u16::try_from(name.len()).unwrap().to_be_bytes();
            let whole = [&[0, 18, 0, 0, 0, 0, 0, 1][..], &name_length, name.as_bytes()].concat();
            client.stream.write_all(&whole).unwrap();
            assert!(client.read_frame().is_ok(), "the largest one that is allowed");
        } else {
            assert!(client.is_closed_by_broker(), "{length}");
            process.wait_for_log(words);
        }
    }
}

#[test]
fn a_half_sent_request_is_cut_off_and_an_idle_connection_is_not() {
    let directory = tempfile::tempdir().unwrap();
    let process = Process::start_with(directory.path(), &["highwater.frame.deadline.ms=200"]);
    let mut idle = process.client();
    idle.ask(0, &ApiVersionsRequest::default());
    let whole = frame(0, 1, &ApiVersionsRequest::default());
    for sent in [1, 3, 4, 7, whole.len() - 1] {
        let mut client = process.client();
        client.stream.write_all(&whole[..sent]).unwrap();
        assert!(client.is_closed_by_broker(), "{sent} bytes");
    }
    process.wait_for_log("the client stalled inside a request");
    idle.ask(0, &ApiVersionsRequest::default());
}

/// A connection with hardly a buffer: what a socket takes counts as read for a while.
pub fn deaf(process: &Process) -> Client {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.set_recv_buffer_size(2048).unwrap();
    socket.connect(&process.address().into()).unwrap();
    Client::new(socket.into())
}

#[test]
fn who_never_reads_is_cut_off() {
    let directory = tempfile::tempdir().unwrap();
    let settings = ["highwater.write.deadline.ms=200", "socket.send.buffer.bytes=4096"];
    let process = Process::start_with(directory.path(), &settings);
    let mut client = process.client();
    let topic = client.create_topic("t", 1, &[]);
    client.append(&topic, 0, batch(&[&"x".repeat(1_000_000)]));
    let mut deaf = deaf(&process);
    deaf.send(FETCH, &fetch(FETCH, &topic, 0, 0));
    process.wait_for_log("the client does not read its replies");
    let closed = "highwater_connections_closed_total{reason=\"stalled reply\"}";
    eventually(DEADLINE, "the connection to be counted", || (process.metric(closed)? >= 1.0).then_some(()));
    client.append(&topic, 0, batch(&["the others go on"]));
}

#[test]
fn connections_above_the_limit_wait_for_their_turn() {
    /// Long enough that a broker without the limit would have answered.
    const PATIENCE: Duration = Duration::from_millis(300);
    let directory = tempfile::tempdir().unwrap();
    let process = Process::start_with(directory.path(), &["max.connections=2"]);
    let mut clients = [process.client(), process.client()];
    for client in &mut clients {
        client.ask(0, &ApiVersionsRequest::default());
    }
    let mut third = process.client();
    third.send(0, &ApiVersionsRequest::default());
    third.stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let waited = third.stream.read(&mut [0]).unwrap_err();
    assert!([ErrorKind::WouldBlock, ErrorKind::TimedOut].contains(&waited.kind()), "{waited}");
    drop(clients);
    third.stream.set_read_timeout(Some(DEADLINE)).unwrap();
    third.try_receive::<ApiVersionsRequest>(0).unwrap();
}

#[test]
fn connections_of_one_address_above_its_limit_are_closed() {
    let directory = tempfile::tempdir().unwrap();
    let process = Process::start_with(directory.path(), &["max.connections.per.ip=1"]);
    let mut first = process.client();
    first.ask(0, &ApiVersionsRequest::default());
    assert!(process.client().is_closed_by_broker());
    first.ask(0, &ApiVersionsRequest::default());
}

#[test]
fn an_idle_connection_is_closed() {
    let directory = tempfile::tempdir().unwrap();
    let process = Process::start_with(directory.path(), &["connections.max.idle.ms=200"]);
    let mut client = process.client();
    client.ask(0, &ApiVersionsRequest::default());
    assert!(client.is_closed_by_broker());
}
