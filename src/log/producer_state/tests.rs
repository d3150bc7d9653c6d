use super::{BATCHES_MAX, ProducerStates, SequenceVerdict};
use crate::model::{Offset, ProducerEpoch, ProducerId, Timestamp};
use crate::protocol::batch::{BatchBuilder, BatchHeader, NewRecord};

const NOW: Timestamp = Timestamp(5000);

/// A batch of producer 7: epoch, first sequence, records.
fn header(producer_epoch: i16, base_sequence: i32, records: i32, base: i64) -> BatchHeader {
    let mut builder = BatchBuilder::new();
    builder.base_offset = Offset(base);
    builder.producer_id = ProducerId(7);
    builder.producer_epoch = ProducerEpoch(producer_epoch);
    builder.base_sequence = base_sequence;
    for _ in 0..records {
        builder.push(NewRecord::default());
    }
    BatchHeader::parse(&builder.build()).unwrap()
}

/// After the batches `applied` (epoch, first sequence, records; offsets count up from 100), the verdict on
/// one more.
fn check(applied: &[(i16, i32, i32)], next: (i16, i32, i32), expected: &str) {
    let mut states = ProducerStates::default();
    let mut offset = 100;
    for &(producer_epoch, sequence, records) in applied {
        states.apply(&header(producer_epoch, sequence, records, offset), NOW);
        offset += i64::from(records);
    }
    let verdict = match states.check(&header(next.0, next.1, next.2, 0)) {
        SequenceVerdict::Append => "append".to_owned(),
        SequenceVerdict::Duplicate(of) => format!("duplicate of {}..={}", of.base_offset, of.last_offset),
        SequenceVerdict::OutOfOrder { expected } => format!("out of order, {expected} is due"),
        SequenceVerdict::StaleEpoch { current } => format!("stale, {current} is current"),
    };
    assert_eq!(verdict, expected, "after {applied:?}: {next:?}");
}

#[test]
fn verdicts() {
    const MAX: i32 = i32::MAX;
    let six: Vec<_> = (0..6).map(|n| (0, n * 2, 2)).collect();
    check(&[], (0, 0, 1), "append");
    // Kafka 4.3 accepts any sequence of a producer it does not know.
    check(&[], (0, 41, 1), "append");
    check(&[(0, 41, 1)], (0, 42, 1), "append");
    check(&[(0, 0, 3)], (0, 3, 1), "append");
    check(&[(0, 0, 3)], (0, 4, 1), "out of order, 3 is due");
    check(&[(0, 0, 3)], (0, 0, 3), "duplicate of 100..=102");
    // Only the whole batch is a duplicate, not a part of it.
    check(&[(0, 0, 3)], (0, 0, 2), "out of order, 3 is due");
    check(&[(0, 0, 3)], (0, 1, 2), "out of order, 3 is due");
    // The last five are remembered, the sixth from the end is not.
    check(&six, (0, 2, 2), "duplicate of 102..=103");
    check(&six, (0, 10, 2), "duplicate of 110..=111");
    check(&six, (0, 0, 2), "out of order, 12 is due");
    // A new epoch begins at 0; an old one is fenced.
    check(&six, (1, 0, 1), "append");
    check(&six, (1, 12, 1), "out of order, 0 is due");
    check(&[(3, 0, 1)], (2, 1, 1), "stale, 3 is current");
    check(&[(3, 0, 1)], (2, 0, 1), "stale, 3 is current");
    check(&[(0, 0, 2), (1, 0, 2)], (1, 0, 2), "duplicate of 102..=103");
    check(&[(0, 0, 2), (1, 0, 2)], (1, 2, 2), "append");
    // After 2^31-1 comes 0.
    check(&[(0, MAX, 1)], (0, 0, 1), "append");
    check(&[(0, MAX - 1, 2)], (0, 0, 1), "append");
    check(&[(0, MAX, 3)], (0, 2, 1), "append");
    check(&[(0, MAX, 3)], (0, MAX, 3), "duplicate of 100..=102");
    check(&[(0, MAX, 1)], (0, 1, 1), "out of order, 0 is due");
}

#[test]
fn batches_without_a_producer_are_not_checked() {
    let mut states = ProducerStates::default();
    let plain = BatchHeader { producer_id: ProducerId::NONE, ..header(0, 0, 1, 0) };
    states.apply(&plain, NOW);
    assert!(states.is_empty());
    assert_eq!(states.check(&plain), SequenceVerdict::Append);
}

#[test]
fn memory_of_one_producer_is_bounded() {
    let mut states = ProducerStates::default();
    (0..100).for_each(|n| states.apply(&header(0, n, 1, i64::from(n)), NOW));
    let batches = &states.get(ProducerId(7)).unwrap().batches;
    assert_eq!(batches.len(), BATCHES_MAX);
    assert_eq!(batches[0].base_offset, Offset(95));
}

#[test]
fn expiry_goes_by_the_brokers_clock() {
    let mut states = ProducerStates::default();
    // The record timestamps are -1: they do not matter.
    states.apply(&header(0, 0, 1, 0), NOW);
    states.expire(Timestamp(NOW.0 + 999), 1000);
    assert_eq!(states.len(), 1, "one millisecond is left");
    // A clock that went back keeps it.
    states.expire(Timestamp(0), 1000);
    assert_eq!(states.len(), 1);
    states.expire(Timestamp(NOW.0 + 1000), 1000);
    assert!(states.is_empty());
}
