//! Idempotent producers, through crashes.

use std::collections::HashSet;

use kafka_protocol::messages::ProduceRequest;

use crate::batches::{batch, idempotent};
use crate::client::Client;
use crate::process::Process;
use crate::requests::{PRODUCE, Topic, error_name, produce, produced};

/// Two records of a producer; the name of the error, and the offset.
fn send(client: &mut Client, topic: &Topic, producer: (i64, i16), sequence: i32) -> (&'static str, i64) {
    let (producer_id, producer_epoch) = producer;
    let values = [sequence, sequence.wrapping_add(1)].map(|number| number.to_string());
    let batch = idempotent(producer_id, producer_epoch, sequence, &values.each_ref().map(String::as_str));
    let answer = client.produce(topic, 0, batch);
    (error_name(answer.error_code), answer.base_offset)
}

/// Runs `check` against a broker that has taken `sequences` of a producer and was then killed, and against
/// one that was stopped.
fn after_restart(sequences: &[i32], check: impl Fn(&mut Client, &Topic, i64)) {
    for killed in [true, false] {
        let directory = tempfile::tempdir().unwrap();
        let process = Process::start(directory.path());
        let mut client = process.client();
        let topic = client.create_topic("t", 1, &[]);
        let producer_id = client.producer_id();
        for (sequence, offset) in sequences.iter().zip((0..).step_by(2)) {
            assert_eq!(send(&mut client, &topic, (producer_id, 1), *sequence), ("NONE", offset));
        }
        if killed {
            process.kill()
        } else {
            drop(process.stop())
        }
        let process = Process::start(directory.path());
        check(&mut process.client(), &topic, producer_id);
    }
}

#[test]
fn duplicates_are_answered_with_the_first_offset() {
    after_restart(&[0, 2, 4, 6, 8, 10], |client, topic, id| {
        // The last five batches are remembered.
        for sequence in [2, 4, 6, 8, 10] {
            assert_eq!(send(client, topic, (id, 1), sequence), ("NONE", i64::from(sequence)));
        }
        assert_eq!(send(client, topic, (id, 1), 0).0, "OUT_OF_ORDER_SEQUENCE_NUMBER", "older than five");
        let expected: Vec<_> = (0..12).map(|number: i64| (number, number.to_string())).collect();
        assert_eq!(client.read_all(topic, 0), expected, "nothing was written again");
        assert_eq!(send(client, topic, (id, 1), 12), ("NONE", 12));
    });
}

#[test]
fn a_gap_is_refused() {
    after_restart(&[0, 2], |client, topic, id| {
        for sequence in [5, 6, 1, 3, i32::MAX] {
            assert_eq!(
                send(client, topic, (id, 1), sequence).0,
                "OUT_OF_ORDER_SEQUENCE_NUMBER",
                "{sequence}"
            );
        }
        assert_eq!(send(client, topic, (id, 1), 4), ("NONE", 4), "what comes next is taken");
    });
}

#[test]
fn a_stale_epoch_is_refused_and_a_newer_one_begins_at_0() {
    after_restart(&[0, 2], |client, topic, id| {
        assert_eq!(send(client, topic, (id, 0), 4).0, "INVALID_PRODUCER_EPOCH");
        assert_eq!(send(client, topic, (id, 2), 4).0, "OUT_OF_ORDER_SEQUENCE_NUMBER");
        assert_eq!(send(client, topic, (id, 2), 0), ("NONE", 4));
        assert_eq!(send(client, topic, (id, 1), 4).0, "INVALID_PRODUCER_EPOCH", "it is the stale one now");
    });
}

#[test]
fn sequences_wrap() {
    // A producer that is not known may begin anywhere.
    after_restart(&[i32::MAX - 2, i32::MAX], |client, topic, id| {
        assert_eq!(send(client, topic, (id, 1), i32::MAX), ("NONE", 2), "a duplicate");
        // Of its two records the second had sequence 0.
        assert_eq!(send(client, topic, (id, 1), 1), ("NONE", 4));
    });
}

#[test]
fn requests_in_flight_are_admitted_in_order_and_their_duplicates_once() {
    let directory = tempfile::tempdir().unwrap();
    let process = Process::start(directory.path());
    let (mut client, mut other) = (process.client(), process.client());
    let topic = client.create_topic("t", 1, &[]);
    let id = client.producer_id();
    // As a producer does that lost its connection: what it had sent may or may not have come.
    for round in 0..20 {
        let first = 5 * round;
        for client in [&mut client, &mut other] {
            for sequence in first..first + 5 {
                let batch = idempotent(id, 0, sequence, &[&sequence.to_string()]);
                client.send(PRODUCE, &produce(PRODUCE, &topic, 0, -1, batch));
            }
        }
        for (client, is_first) in [(&mut client, true), (&mut other, false)] {
            for sequence in first..first + 5 {
                let (_, answer) = client.try_receive::<ProduceRequest>(PRODUCE).unwrap();
                let answer = produced(answer);
                let answered = (error_name(answer.error_code), answer.base_offset);
                assert_eq!(answered, ("NONE", i64::from(sequence)), "round {round}, {is_first}");
            }
        }
    }
    let expected: Vec<_> = (0..100).map(|number: i64| (number, number.to_string())).collect();
    assert_eq!(client.read_all(&topic, 0), expected);
}

#[test]
fn producers_are_told_apart_by_partition_and_id() {
    let directory = tempfile::tempdir().unwrap();
    let process = Process::start(directory.path());
    let mut client = process.client();
    let topic = client.create_topic("t", 2, &[]);
    let ids = [client.producer_id(), client.producer_id()];
    for (expected, id) in (0..).zip(ids) {
        for partition in [0, 1] {
            assert_eq!(client.append(&topic, partition, idempotent(id, 0, 0, &["a"])), expected);
            assert_eq!(client.append(&topic, partition, idempotent(id, 0, 0, &["a"])), expected);
        }
    }
    assert_eq!(client.append(&topic, 0, batch(&["of no producer"])), 2);
}

#[test]
fn producer_ids_never_repeat() {
    let directory = tempfile::tempdir().unwrap();
    let mut seen = HashSet::new();
    for start in 0..5 {
        let process = Process::start(directory.path());
        let mut client = process.client();
        for _ in 0..3 {
            let id = client.producer_id();
            assert!(id >= 0 && seen.insert(id), "{id} again, at start {start}");
        }
        process.kill();
    }
}
