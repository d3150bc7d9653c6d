//! Produce: versions, acks, refusals, what is written.

use highwater::model::{Offset, ProducerId, Timestamp};
use highwater::protocol::batch::{CompressionType, HEADER_BYTES, TimestampType, patch_base_offset_and_epoch};
use kafka_protocol::messages::ProduceRequest;

use crate::batches::{SOME_TIME, batch, batch_with, compressed, split, values};
use crate::eventually::eventually;
use crate::process::{DEADLINE, Process};
use crate::requests::{PRODUCE, error_name, produce, produced};

/// From the partition leader epoch's end on: all that a broker has to leave alone.
const UNCHANGED_FROM: usize = 16;

#[test]
fn what_is_acknowledged_can_be_read_at_once_in_every_version_and_with_every_acks() {
    let directory = tempfile::tempdir().unwrap();
    let process = Process::start(directory.path());
    let (mut producer, mut consumer) = (process.client(), process.client());
    let topic = producer.create_topic("versions", 1, &[]);
    let mut expected = Vec::new();
    for version in 3..=13 {
        for acks in [1, -1] {
            let value = format!("version {version}, acks {acks}");
            let request = produce(version, &topic, 0, acks, batch(&[&value, "second"]));
            let answer = produced(producer.ask(version, &request));
            assert_eq!(error_name(answer.error_code), "NONE", "{value}");
            assert_eq!(answer.base_offset, i64::try_from(expected.len()).unwrap(), "{value}");
            assert_eq!(answer.log_append_time_ms, -1, "the producer's time counts");
            for value in [value.as_str(), "second"] {
                expected.push((i64::try_from(expected.len()).unwrap(), value.to_owned()));
            }
            // acks=1 promises only that the leader has it; consumers see it when it is durable.
            let from = answer.base_offset;
            let mut read = || {
                let read = values(&consumer.fetch(&topic, 0, from).records.unwrap_or_default());
                (!read.is_empty()).then_some(read)
            };
            let read = match acks {
                1 => eventually(DEADLINE, "the record", read),
                _ => read().expect("it is committed, so it can be read at once"),
            };
            assert_eq!(read, expected[expected.len() - 2..], "{value}");
        }
    }
    assert_eq!(consumer.read_all(&topic, 0), expected);
}

#[test]
fn acks_0_gets_no_answer_and_an_error_closes_the_connection() {
    let directory = tempfile::tempdir().unwrap();
    let process = Process::start(directory.path());
    let mut client = process.client();
    let topic = client.create_topic("fire-and-forget", 1, &[]);
    for value in ["a", "b", "c"] {
        client.send(PRODUCE, &produce(PRODUCE, &topic, 0, 0, batch(&[value])));
    }
    // Its answer is the next one that comes.
    assert_eq!(client.append(&topic, 0, batch(&["d"])), 3);
    let read = client.read_all(&topic, 0);
    assert_eq!(read.iter().map(|(_, value)| value.as_str()).collect::<String>(), "abcd");
    client.send(PRODUCE, &produce(PRODUCE, &topic, 7, 0, batch(&["nowhere"])));
    assert!(client.is_closed_by_broker());
}

#[test]
fn other_acks_are_refused() {
    let directory = tempfile::tempdir().unwrap();
    let process = Process::start(directory.path());
    let mut client = process.client();
    let topic = client.create_topic("acks", 1, &[]);
    for acks in [2, -2, i16::MAX, i16::MIN] {
        let answer = produced(client.ask(PRODUCE, &produce(PRODUCE, &topic, 0, acks, batch(&["a"]))));
        assert_eq!(error_name(answer.error_code), "INVALID_REQUIRED_ACKS", "{acks}");
    }
    assert_eq!(client.append(&topic, 0, batch(&["b"])), 0, "nothing was written before");
}

#[test]
fn answers_come_in_the_order_of_requests() {
    let directory = tempfile::tempdir().unwrap();
    let process = Process::start(directory.path());
    let mut client = process.client();
    let topic = client.create_topic("pipelined", 1, &[]);
    let sent: Vec<_> = (0..50)
        .map(|number| client.send(PRODUCE, &produce(PRODUCE, &topic, 0, -1, batch(&[&number.to_string()]))))
        .collect();
    for (sent, expected) in sent.iter().zip(0..) {
        let (received, answer) = client.try_receive::<ProduceRequest>(PRODUCE).unwrap();
        let answer = produced(answer);
        assert_eq!((received, answer.error_code, answer.base_offset), (*sent, 0, expected));
    }
    let expected: Vec<_> = (0..50).map(|number: i64| (number, number.to_string())).collect();
    assert_eq!(client.read_all(&topic, 0), expected);
}

#[test]
fn a_batch_above_max_message_bytes_is_too_large() {
    let directory = tempfile::tempdir().unwrap();
    let process = Process::start(directory.path());
    let mut client = process.client();
    let exact = batch(&["x".repeat(1000).as_str()]);
    let limit = exact.len().to_string();
    let topic = client.create_topic("limited", 1, &[("max.message.bytes", &limit)]);
    let larger = batch(&["x".repeat(1001).as_str()]);
    let answer = client.produce(&topic, 0, larger);
    assert_eq!(error_name(answer.error_code), "MESSAGE_TOO_LARGE");
    assert_eq!(client.append(&topic, 0, exact), 0, "the largest one that is allowed");
}

#[test]
fn partitions_of_one_request_fail_one_by_one() {
    let directory = tempfile::tempdir().unwrap();
    let process = Process::start(directory.path());
    let mut client = process.client();
    let topic = client.create_topic("some", 2, &[]);
    let mut damaged = batch(&["damaged"]).to_vec();
    *damaged.last_mut().unwrap() ^= 1;
    let mut request = produce(PRODUCE, &topic, 0, -1, batch(&["first"]));
    let others = [(1, damaged.into()), (2, batch(&["nowhere"]))]
        .map(|(partition, batch)| produce(PRODUCE, &topic, partition, -1, batch).topic_data.remove(0));
    for mut other in others {
        request.topic_data[0].partition_data.append(&mut other.partition_data);
    }
    let answer = client.ask(PRODUCE, &request).responses.remove(0).partition_responses;
    let errors: Vec<_> =
        answer.iter().map(|partition| (partition.index, error_name(partition.error_code))).collect();
    assert_eq!(errors, [(0, "NONE"), (1, "CORRUPT_MESSAGE"), (2, "UNKNOWN_TOPIC_OR_PARTITION")]);
    assert_eq!(client.read_all(&topic, 0), [(0, "first".to_owned())]);
    assert_eq!(client.read_all(&topic, 1), []);
}

#[test]
fn transactional_and_control_batches_are_refused() {
    let directory = tempfile::tempdir().unwrap();
    let process = Process::start(directory.path());
    let mut client = process.client();
    let topic = client.create_topic("plain", 1, &[]);
    let transactional = batch_with(&["a"], SOME_TIME, |builder| {
        builder.is_transactional = true;
        builder.producer_id = ProducerId(1);
        builder.base_sequence = 0;
    });
    let control = batch_with(&["a"], SOME_TIME, |builder| builder.is_control = true);
    for refused in [transactional, control] {
        let answer = client.produce(&topic, 0, refused);
        assert_ne!(error_name(answer.error_code), "NONE");
    }
    assert_eq!(client.append(&topic, 0, batch(&["b"])), 0, "nothing was written before");
}

#[test]
fn log_append_time_replaces_timestamps() {
    let directory = tempfile::tempdir().unwrap();
    let process = Process::start(directory.path());
    let mut client = process.client();
    let topic = client.create_topic("stamped", 1, &[("message.timestamp.type", "LogAppendTime")]);
    for compression in [CompressionType::None, CompressionType::Zstd] {
        let answer = client.produce(&topic, 0, compressed(&["a", "b"], SOME_TIME, compression));
        assert_eq!(error_name(answer.error_code), "NONE");
        assert!(answer.log_append_time_ms > SOME_TIME, "{answer:?}");
        // `split` checks the checksum.
        let [(header, _)] = split(&client.fetch_all(&topic, 0, answer.base_offset)).try_into().unwrap();
        assert_eq!(header.attributes.timestamp_type(), TimestampType::LogAppendTime);
        assert_eq!(header.attributes.compression().unwrap(), compression);
        assert_eq!(header.max_timestamp, Timestamp(answer.log_append_time_ms));
    }
}

#[test]
fn batches_of_all_codecs_pass_as_they_came() {
    let directory = tempfile::tempdir().unwrap();
    let process = Process::start(directory.path());
    let mut client = process.client();
    let topic = client.create_topic("codecs", 1, &[]);
    let long = "0123456789".repeat(1000);
    let mut sent = Vec::new();
    for compression in CompressionType::ALL {
        let batch = compressed(&["a", &long, "b"], SOME_TIME, compression);
        assert_eq!(batch.len() < long.len(), compression != CompressionType::None, "{compression:?}");
        client.append(&topic, 0, batch.clone());
        sent.push(batch);
    }
    // Once from memory, once from segments.
    let mut process = Some(process);
    for restarted in [false, true] {
        if restarted {
            process.take().unwrap().stop();
            process = Some(Process::start(directory.path()));
            client = process.as_ref().unwrap().client();
        }
        let received = split(&client.fetch_all(&topic, 0, 0));
        assert_eq!(received.len(), sent.len());
        for ((header, received), (sent, base_offset)) in
            received.iter().zip(sent.iter().zip((0..).step_by(3)))
        {
            assert_eq!(header.base_offset, Offset(base_offset));
            assert!(received[UNCHANGED_FROM..] == sent[UNCHANGED_FROM..], "at offset {base_offset}");
            let mut patched = sent.to_vec();
            patch_base_offset_and_epoch(&mut patched, header.base_offset, header.partition_leader_epoch);
            assert!(received[..HEADER_BYTES] == patched[..HEADER_BYTES], "at offset {base_offset}");
        }
    }
}
