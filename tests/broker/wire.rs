//! Requests written by hand: the few that tests of the process need.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

/// A long poll of a partition at its start; it waits for `max_wait` while nothing is there.
pub fn fetch(topic: &str, max_wait: Duration) -> Vec<u8> {
    let mut body = (-1_i32).to_be_bytes().to_vec();
    let max_wait = i32::try_from(max_wait.as_millis()).expect("less than weeks");
    // max_wait_ms, min_bytes, max_bytes.
    [max_wait, 1, 1 << 20].iter().for_each(|number| body.extend(number.to_be_bytes()));
    // isolation_level, one topic.
    body.push(0);
    body.extend(1_i32.to_be_bytes());
    body.extend(string(topic));
    // One partition: index, fetch_offset, partition_max_bytes.
    body.extend([1_i32.to_be_bytes(), 0_i32.to_be_bytes()].concat());
    body.extend(0_i64.to_be_bytes());
    body.extend((1_i32 << 20).to_be_bytes());
    frame(1, 4, &body)
}

/// Asks for a topic's metadata until it has a leader; asking creates it.
pub fn create_topic(stream: &mut TcpStream, topic: &str) {
    let mut body = 1_i32.to_be_bytes().to_vec();
    body.extend(string(topic));
    // allow_auto_topic_creation.
    body.push(1);
    for _ in 0..2 {
        stream.write_all(&frame(3, 4, &body)).expect("it reads");
        let mut length = [0; 4];
        stream.read_exact(&mut length).expect("it answers");
        let mut response = vec![0; u32::from_be_bytes(length) as usize];
        stream.read_exact(&mut response).expect("it answers in full");
    }
}

fn string(text: &str) -> Vec<u8> {
    let length = i16::try_from(text.len()).expect("a short name");
    [&length.to_be_bytes(), text.as_bytes()].concat()
}

/// Length, header of version 1 without a client id, body.
fn frame(api_key: i16, api_version: i16, body: &[u8]) -> Vec<u8> {
    let mut frame = [api_key.to_be_bytes(), api_version.to_be_bytes()].concat();
    frame.extend(7_i32.to_be_bytes());
    frame.extend((-1_i16).to_be_bytes());
    frame.extend(body);
    let length = u32::try_from(frame.len()).expect("a short frame");
    [&length.to_be_bytes(), frame.as_slice()].concat()
}
