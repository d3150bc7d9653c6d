use uuid::Uuid;

use super::{Cleaned, SegmentRecord, Snapshot, decode, encode};
use crate::log::index::IndexSummary;
use crate::log::{AppendedBatch, LeaderEpochs, OpenTransaction, ProducerEntry, ProducerStates};
use crate::model::{
    CoordinatorEpoch, LeaderEpoch, Offset, ProducerEpoch, ProducerId, Timestamp, TopicId, TopicPartition,
};

const PARTITION: TopicPartition = TopicPartition { topic_id: TopicId(Uuid::from_u128(77)), partition: 4 };

/// Of a log in which no transaction was met.
fn plain_snapshot() -> Snapshot {
    let mut leader_epochs = LeaderEpochs::default();
    leader_epochs.assign(LeaderEpoch(2), Offset(10));
    leader_epochs.assign(LeaderEpoch(5), Offset(20));
    let batch = |first: i32| AppendedBatch {
        first_sequence: first,
        last_sequence: first + 3,
        base_offset: Offset(i64::from(first) + 100),
        last_offset: Offset(i64::from(first) + 103),
        max_timestamp: Timestamp(9),
    };
    let mut producers = ProducerStates::default();
    for (id, count) in [(1, 0), (9, 1), (i64::MAX, 5)] {
        let batches = (0..count).map(|at| batch(at * 4)).collect();
        let entry = ProducerEntry {
            producer_epoch: ProducerEpoch(3),
            coordinator_epoch: CoordinatorEpoch::NONE,
            transaction: None,
            last_append: Timestamp(8),
            batches,
        };
        producers.insert(ProducerId(id), entry);
    }
    let segment = SegmentRecord {
        base_offset: Offset(10),
        bytes: 1 << 33,
        max_timestamp: Timestamp(77),
        max_timestamp_offset: Offset(12),
        offset_index: IndexSummary { entries: 3, crc: 0xffff_0001 },
        time_index: IndexSummary { entries: 2, crc: 5 },
        transaction_index: IndexSummary::default(),
    };
    let cleaned = Cleaned { first_dirty_offset: Offset(25), end_offset: Offset(30) };
    Snapshot { offset: Offset(40), producers, leader_epochs, segments: vec![segment; 3], cleaned }
}

fn snapshot() -> Snapshot {
    let mut snapshot = plain_snapshot();
    let transaction = OpenTransaction { first_offset: Offset(31), since: Timestamp(7) };
    let entry = ProducerEntry {
        coordinator_epoch: CoordinatorEpoch(12),
        transaction: Some(transaction),
        ..snapshot.producers.get(ProducerId(9)).unwrap().clone()
    };
    snapshot.producers.insert(ProducerId(9), entry);
    snapshot.segments[1].transaction_index = IndexSummary { entries: 4, crc: 0xffff_0002 };
    snapshot
}

#[test]
fn what_is_written_is_read() {
    let bytes = encode(&snapshot(), PARTITION);
    assert_eq!(decode(&bytes, PARTITION), Ok(snapshot()));
    let other = TopicPartition { partition: 5, ..PARTITION };
    assert_eq!(decode(&bytes, other), Err("it belongs to another partition"));
}

#[test]
fn every_flipped_bit_and_every_truncation_is_found() {
    let bytes = encode(&snapshot(), PARTITION);
    for at in 0..bytes.len() * 8 {
        let mut flipped = bytes.clone();
        flipped[at / 8] ^= 1 << (at % 8);
        assert!(decode(&flipped, PARTITION).is_err(), "bit {at}");
    }
    for length in 0..bytes.len() {
        assert!(decode(&bytes[..length], PARTITION).is_err(), "{length} bytes");
    }
}

#[test]
fn counts_are_checked_before_memory_is_taken() {
    let bytes = encode(&snapshot(), PARTITION);
    // The count of leader epochs, with a right checksum.
    let at = 8 + 2 + 16 + 4 + 8;
    for count in [4_u32, 1_000_000, u32::MAX] {
        let mut content = bytes[..bytes.len() - 4].to_vec();
        content[at..at + 4].copy_from_slice(&count.to_be_bytes());
        content.extend_from_slice(&crc32c::crc32c(&content).to_be_bytes());
        assert_eq!(decode(&content, PARTITION), Err("its counts do not fit its length"), "{count}");
    }
}

/// What an older broker wrote: everything else, without what it did not know of.
fn encode_older(snapshot: &Snapshot, version: u16) -> Vec<u8> {
    let mut to = b"HWSTATE\n".to_vec();
    to.extend_from_slice(&version.to_be_bytes());
    to.extend_from_slice(PARTITION.topic_id.0.as_bytes());
    to.extend_from_slice(&PARTITION.partition.to_be_bytes());
    to.extend_from_slice(&snapshot.offset.0.to_be_bytes());
    let whole = encode(snapshot, PARTITION);
    let epochs_bytes = 4 + 12 * snapshot.leader_epochs.entries().len();
    to.extend_from_slice(&whole[38..38 + epochs_bytes]);
    let mut at = 38 + epochs_bytes;
    let mut copy = |to: &mut Vec<u8>, bytes: usize, left_out: usize| {
        to.extend_from_slice(&whole[at..at + bytes]);
        at += bytes + left_out;
    };
    copy(&mut to, 4, 0);
    for (_, entry) in snapshot.producers.iter() {
        copy(&mut to, 10, 20);
        copy(&mut to, 9 + 32 * entry.batches.len(), 0);
    }
    copy(&mut to, 4, 0);
    snapshot.segments.iter().for_each(|_| copy(&mut to, 48, 8));
    if version > 1 {
        copy(&mut to, 16, 0);
    }
    to.extend_from_slice(&crc32c::crc32c(&to).to_be_bytes());
    to
}

#[test]
fn states_of_older_versions_know_of_no_cleaning_and_no_transactions() {
    let second = encode_older(&plain_snapshot(), 2);
    assert_eq!(decode(&second, PARTITION), Ok(plain_snapshot()));
    let first = encode_older(&plain_snapshot(), 1);
    let expected = Snapshot { cleaned: Cleaned::default(), ..plain_snapshot() };
    assert_eq!(decode(&first, PARTITION), Ok(expected));
    for unknown in [0, 4] {
        let bytes = encode_older(&plain_snapshot(), unknown);
        assert_eq!(decode(&bytes, PARTITION), Err("its format version is none of 1 to 3"));
    }
}

/// The layout of `docs/formats/partition-state.md`, byte by byte.
#[test]
fn an_empty_snapshot_is_drawn_in_the_documents() {
    let empty = Snapshot {
        offset: Offset(0x0102),
        producers: ProducerStates::default(),
        leader_epochs: LeaderEpochs::default(),
        segments: Vec::new(),
        cleaned: Cleaned { first_dirty_offset: Offset(0x51), end_offset: Offset(0x52) },
    };
    let bytes = encode(&empty, PARTITION);
    let mut expected = b"HWSTATE\n\0\x03".to_vec();
    expected.extend_from_slice(&77_u128.to_be_bytes());
    expected.extend_from_slice(&[0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 1, 2]);
    expected.extend_from_slice(&[0; 12]);
    expected.extend_from_slice(&0x51_u64.to_be_bytes());
    expected.extend_from_slice(&0x52_u64.to_be_bytes());
    assert_eq!(&bytes[..bytes.len() - 4], expected);
}
