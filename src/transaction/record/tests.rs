use std::time::Duration;

use bytes::Bytes;

use super::TransactionRecord;
use crate::model::{ProducerEpoch, ProducerId, Timestamp};
use crate::transaction::{NamedPartition, TransactionMetadata, TransactionState, TransactionVersion};

/// What Kafka 4.3.1's own classes write: `name key value`, hexadecimal.
const GOLDEN: &str = include_str!("../../../protocol-tests/golden/transaction_records.txt");

const TIME: Timestamp = Timestamp(1_700_000_000_000);

fn bytes(hex: &str) -> Bytes {
    let digits = |at: usize| u8::from_str_radix(&hex[at..at + 2], 16).unwrap();
    (0..hex.len()).step_by(2).map(digits).collect()
}

fn golden(name: &str) -> (Bytes, Option<Bytes>) {
    let line = GOLDEN.lines().find(|line| line.split(' ').next() == Some(name)).unwrap();
    let words: Vec<&str> = line.split(' ').collect();
    (bytes(words[1]), (words[2] != "-").then(|| bytes(words[2])))
}

fn partition(topic: &str, partition: i32) -> NamedPartition {
    NamedPartition { topic: topic.into(), partition }
}

fn record(metadata: TransactionMetadata) -> TransactionRecord {
    TransactionRecord { transactional_id: "transfers".into(), metadata: Some(metadata) }
}

/// A transaction of one partition.
fn metadata(state: TransactionState) -> TransactionMetadata {
    TransactionMetadata {
        producer_id: ProducerId(7),
        previous_producer_id: ProducerId(7),
        next_producer_id: ProducerId::NONE,
        producer_epoch: ProducerEpoch(1),
        transaction_timeout: Duration::from_secs(60),
        state,
        partitions: [partition("debits", 3)].into(),
        last_update_timestamp: Timestamp(TIME.0 + 1),
        start_timestamp: TIME,
        client_transaction_version: TransactionVersion::V2,
    }
}

#[test]
fn records_are_written_as_kafka_writes_them_and_read_again() {
    let none = || [].into();
    let empty = TransactionMetadata {
        producer_epoch: ProducerEpoch(0),
        partitions: none(),
        start_timestamp: Timestamp::NONE,
        client_transaction_version: TransactionVersion::V0,
        ..metadata(TransactionState::Empty)
    };
    let ongoing =
        TransactionMetadata { producer_epoch: ProducerEpoch(0), ..metadata(TransactionState::Ongoing) };
    let old_client =
        TransactionMetadata { client_transaction_version: TransactionVersion::V0, ..ongoing.clone() };
    let last = TransactionMetadata {
        producer_epoch: ProducerEpoch(i16::MAX),
        next_producer_id: ProducerId(9),
        ..metadata(TransactionState::PrepareAbort)
    };
    let rotated = TransactionMetadata {
        producer_id: ProducerId(9),
        producer_epoch: ProducerEpoch(0),
        partitions: none(),
        ..metadata(TransactionState::CompleteAbort)
    };
    let complete = TransactionMetadata { partitions: none(), ..metadata(TransactionState::CompleteCommit) };
    for (name, record) in [
        ("empty-written", record(empty)),
        ("ongoing-written", record(ongoing)),
        ("ongoing-0-written", record(old_client)),
        ("prepare-commit-written", record(metadata(TransactionState::PrepareCommit))),
        ("prepare-abort-last-written", record(last)),
        ("complete-commit-written", record(complete)),
        ("complete-abort-rotated-written", record(rotated)),
        ("tombstone-written", TransactionRecord { transactional_id: "transfers".into(), metadata: None }),
    ] {
        let (key, value) = record.encode();
        assert!(key.len() + value.as_ref().map_or(0, Vec::len) < record.batch_bytes());
        assert_eq!((Bytes::from(key), value.map(Bytes::from)), golden(name), "{name}");
        let (key, value) = golden(name);
        assert_eq!(TransactionRecord::decode(&key, value.as_deref()), Ok(Some(record)), "{name}");
    }
}

#[test]
fn records_are_read_as_kafkas_classes_write_them() {
    for version in 0..=1 {
        let of = |version_1: i64| ProducerId(if version == 1 { version_1 } else { -1 });
        let expected = TransactionMetadata {
            previous_producer_id: of(6),
            next_producer_id: of(8),
            producer_epoch: ProducerEpoch(2),
            partitions: [partition("credits", 0), partition("credits", 5), partition("debits", 3)].into(),
            client_transaction_version: TransactionVersion::from_level(2 * version).unwrap(),
            ..metadata(TransactionState::Ongoing)
        };
        let (key, value) = golden(&format!("value-{version}"));
        assert_eq!(TransactionRecord::decode(&key, value.as_deref()), Ok(Some(record(expected))));

        let expected = TransactionMetadata {
            previous_producer_id: ProducerId::NONE,
            producer_epoch: ProducerEpoch(2),
            partitions: [].into(),
            start_timestamp: Timestamp::NONE,
            client_transaction_version: TransactionVersion::V0,
            ..metadata(TransactionState::Empty)
        };
        let (key, value) = golden(&format!("value-empty-{version}"));
        assert_eq!(TransactionRecord::decode(&key, value.as_deref()), Ok(Some(record(expected))));
    }
}

#[test]
fn unknown_key_types_are_skipped_and_damaged_records_are_named() {
    let (key, value) = golden("value-1");
    let value = value.unwrap();
    let with = |at: usize, byte: u8| {
        let mut damaged = value.to_vec();
        damaged[at] = byte;
        Some(Bytes::from(damaged))
    };
    let skipped = Bytes::from_static(&[0, 1, 1, 2, 3]);
    assert_eq!(TransactionRecord::decode(&skipped, None), Ok(None));
    let version_at = value.windows(3).position(|bytes| bytes == [2, 2, 0]).unwrap() + 3;
    for (key, value, problem) in [
        (key.slice(..1), None, "key: ends too early"),
        (key.slice(..9), None, "key: ends too early"),
        (key.clone(), Some(value.slice(..9)), "TransactionLogValue: ends too early"),
        (key.clone(), with(1, 2), "TransactionLogValue: version 2"),
        (key.clone(), with(12, 0xff), "TransactionLogValue: a negative timeout"),
        (key.clone(), with(16, 8), "TransactionLogValue: state 8"),
        (key.clone(), with(17, 0x7f), "TransactionLogValue: counts more elements than it holds"),
        (key, with(version_at, 3), "TransactionLogValue: transaction version 3"),
    ] {
        assert_eq!(TransactionRecord::decode(&key, value.as_deref()).unwrap_err().0, problem);
    }
}

#[test]
fn a_count_beyond_the_bytes_takes_no_memory() {
    for name in ["value-0", "value-1"] {
        let (key, value) = golden(name);
        let whole = value.unwrap();
        // Wherever a length or count stands, a damaged one is refused or read within what is there.
        for at in 0..whole.len() {
            let mut damaged = whole.to_vec();
            damaged[at] = 0xff;
            let _ = TransactionRecord::decode(&key, Some(&damaged));
            assert!(TransactionRecord::decode(&key, Some(&whole.slice(..at))).is_err(), "{name} at {at}");
        }
    }
}
