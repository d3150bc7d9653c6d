use std::io::{Read, Write};
use std::net::TcpStream;

use compat::raw_producer;

use super::server::{Server, Step};
use super::{STEPS, median, sender};
use crate::raw::fetch;

const TOPIC: &str = "t";

/// What a server that goes as far as `step` answers to one batch, and what it leaves behind.
fn served(step: Step, batch: &[u8]) -> (Option<(i16, i64)>, Vec<u8>) {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(step, folder.path(), TOPIC).unwrap();
    let mut stream = TcpStream::connect(server.address()).unwrap();
    stream.write_all(&raw_producer::request(TOPIC, 0, -1, batch)).unwrap();
    let mut length = [0; 4];
    let answer = stream.read_exact(&mut length).ok().map(|()| {
        let mut answer = vec![0; u32::from_be_bytes(length) as usize];
        stream.read_exact(&mut answer).unwrap();
        raw_producer::answer(TOPIC, &answer).unwrap()
    });
    drop(stream);
    let stopped = server.stop();
    assert_eq!(stopped.is_ok(), answer.is_some(), "{stopped:?}");
    let segment = std::fs::read(folder.path().join("segment-0")).unwrap_or_default();
    (answer, segment)
}

#[test]
fn every_step_answers_and_the_last_keeps_the_batch() {
    let batch = raw_producer::batch(&[(None, b"value")], 1);
    for (step, shown) in STEPS {
        let (answer, segment) = served(step, &batch);
        assert_eq!(answer, Some((0, 0)), "{shown}");
        assert_eq!(segment, if step == Step::Keep { batch.clone() } else { Vec::new() }, "{shown}");
    }
}

#[test]
fn past_the_page_cache_whole_pieces_are_written() {
    let batch = raw_producer::batch(&[(None, &vec![7; 3 << 19])], 1);
    let (answer, segment) = served(Step::KeepPast, &batch);
    assert_eq!(answer, Some((0, 0)));
    assert_eq!(segment.len(), 1 << 20);
    assert!(batch.starts_with(&segment));
}

#[test]
fn a_damaged_batch_is_noticed_where_checksums_are_verified() {
    let mut batch = raw_producer::batch(&[(None, b"value")], 1);
    *batch.last_mut().unwrap() ^= 1;
    assert!(served(Step::Answer, &batch).0.is_some());
    assert!(served(Step::Check, &batch).0.is_none());
}

#[test]
fn the_sender_gives_whole_batches_as_far_as_it_is_asked() {
    let folder = tempfile::tempdir().unwrap();
    let server = sender::start(folder.path(), TOPIC, 2, 2 * 640, 1_000).unwrap();
    let mut stream = TcpStream::connect(server.address()).unwrap();
    for (partition, offset, bytes_max, records) in [
        (0, 0, 1 << 20, 640),
        (1, 3 * 64, 150_000, 128),
        (1, 9 * 64, 1 << 20, 64),
        (0, 64, 1, 64),
        (0, 640, 9, 0),
    ] {
        stream.write_all(&fetch::request(TOPIC, partition, offset, bytes_max)).unwrap();
        let mut length = [0; 4];
        stream.read_exact(&mut length).unwrap();
        let mut answer = vec![0; u32::from_be_bytes(length) as usize];
        stream.read_exact(&mut answer).unwrap();
        let fetched = fetch::fetched(&answer).unwrap().unwrap();
        assert_eq!((fetched.records, fetched.high_watermark), (records, 640), "{partition} {offset}");
        let next_offset = (records > 0).then(|| offset + records as i64);
        assert_eq!(fetched.next_offset, next_offset, "{partition} {offset}");
    }
    drop(stream);
    server.stop().unwrap();
}

#[test]
fn medians() {
    assert_eq!(median(vec![3.0, 1.0, 2.0]), 2.0);
    assert!(median(Vec::new()).is_nan());
}
