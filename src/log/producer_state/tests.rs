use super::{
    BATCHES_MAX, EndedTransaction, MarkerOrigin, MarkerVerdict, ProducerStates, SequenceVerdict, Standing,
};
use crate::env::alone::{alone, is_alone, resident_bytes};
use crate::model::{CoordinatorEpoch, Offset, ProducerEpoch, ProducerId, Timestamp, TransactionResult};
use crate::protocol::batch::{BatchBuilder, BatchHeader, EndTransactionMarker, NewRecord};

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
    let verdict = match states.check(&header(next.0, next.1, next.2, 0), Standing::CLIENT) {
        SequenceVerdict::Append => "append".to_owned(),
        SequenceVerdict::Duplicate(of) => format!("duplicate of {}..={}", of.base_offset, of.last_offset),
        SequenceVerdict::OutOfOrder { expected } => format!("out of order, {expected} is due"),
        SequenceVerdict::StaleEpoch { current } => format!("stale, {current} is current"),
        other => panic!("{other:?} without transactions"),
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
    assert_eq!(states.check(&plain, Standing::CLIENT), SequenceVerdict::Append);
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

/// A step in the life of producer 7. Each takes one offset, counted from 0.
#[derive(Clone, Copy, Debug)]
enum Step {
    /// A batch of one record: epoch, sequence.
    Plain(i16, i32),
    /// The same in a transaction.
    Records(i16, i32),
    /// A marker: epoch, coordinator epoch.
    Commit(i16, i32),
    Abort(i16, i32),
}
use Step::{Abort, Commit, Plain, Records};

fn batch(step: Step, offset: i64) -> Vec<u8> {
    let (producer_epoch, base_sequence, is_transactional) = match step {
        Plain(producer_epoch, sequence) => (producer_epoch, sequence, false),
        Records(producer_epoch, sequence) => (producer_epoch, sequence, true),
        Commit(producer_epoch, coordinator_epoch) | Abort(producer_epoch, coordinator_epoch) => {
            let mut bytes = marker(step, coordinator_epoch).batch(
                ProducerId(7),
                ProducerEpoch(producer_epoch),
                Timestamp(1),
            );
            bytes[..8].copy_from_slice(&offset.to_be_bytes());
            return bytes;
        }
    };
    let mut builder = BatchBuilder::new();
    builder.base_offset = Offset(offset);
    builder.producer_id = ProducerId(7);
    builder.producer_epoch = ProducerEpoch(producer_epoch);
    builder.base_sequence = base_sequence;
    builder.is_transactional = is_transactional;
    builder.push(NewRecord::default()).build()
}

fn marker(step: Step, coordinator_epoch: i32) -> EndTransactionMarker {
    let result = match step {
        Commit(..) => TransactionResult::Commit,
        _ => TransactionResult::Abort,
    };
    EndTransactionMarker { result, coordinator_epoch: CoordinatorEpoch(coordinator_epoch) }
}

/// The states after these steps, and how the last transaction ended.
fn after(steps: &[Step]) -> (ProducerStates, Option<EndedTransaction>) {
    let mut states = ProducerStates::default();
    let mut ended = None;
    for (offset, step) in (0..).zip(steps) {
        let bytes = batch(*step, offset);
        let header = BatchHeader::parse(&bytes).unwrap();
        ended = states.apply_batch(&header, &bytes, NOW).unwrap().or(ended);
    }
    (states, ended)
}

#[test]
fn a_transaction_is_open_from_its_first_record_to_its_marker() {
    for (steps, first_undecided, ended) in [
        (&[Plain(0, 0)][..], None, None),
        (&[Plain(0, 0), Records(0, 1), Records(0, 2)], Some(1), None),
        (&[Records(0, 0), Commit(0, 3)], None, Some((0, 1, TransactionResult::Commit))),
        (&[Records(0, 0), Records(0, 1), Abort(1, 3)], None, Some((0, 2, TransactionResult::Abort))),
        (&[Commit(0, 3)], None, None),
        (&[Records(0, 0), Abort(0, 3), Records(0, 1)], Some(2), Some((0, 1, TransactionResult::Abort))),
        // A newer epoch goes on with what an older one has open: its first record holds the offset.
        (&[Records(0, 0), Records(1, 0)], Some(0), None),
    ] {
        let (states, found) = after(steps);
        assert_eq!(states.first_undecided(), first_undecided.map(Offset), "{steps:?}");
        let ended = ended.map(|(first, last, result)| EndedTransaction {
            producer_id: ProducerId(7),
            first_offset: Offset(first),
            last_offset: Offset(last),
            result,
        });
        assert_eq!(found, ended, "{steps:?}");
    }
}

/// As Kafka 4.3's `UnifiedLog.analyzeAndValidateProducerState` and `ProducerAppendInfo`.
#[test]
fn verdicts_on_batches_in_transactions() {
    const UNVERIFIED: Standing = Standing::CLIENT;
    const VERIFIED: Standing = Standing { may_begin: true, lowest_sequence: Some(4), ..UNVERIFIED };
    const VERSION_2: Standing = Standing { lowest_sequence: Some(9), begins_at_zero: true, ..VERIFIED };
    const COORDINATOR: Standing = Standing { is_client: false, ..VERIFIED };
    let begun = [Records(1, 0), Records(1, 1)];
    let aborted = [Records(1, 0), Records(1, 1), Abort(1, 0)];
    let next = [Records(1, 0), Records(1, 1), Abort(1, 0), Records(1, 2)];
    let bumped = [Records(1, 0), Abort(2, 0)];
    let append = SequenceVerdict::Append;
    let due = |expected| SequenceVerdict::OutOfOrder { expected };
    for (steps, standing, next, expected) in [
        (&[][..], UNVERIFIED, Records(1, 0), SequenceVerdict::NotInTransaction),
        (&[], VERIFIED, Records(1, 0), append),
        // A batch of a higher sequence does not overtake the one that waits to be verified.
        (&[], VERIFIED, Records(1, 5), due(4)),
        // An unknown producer may begin anywhere, in version 2 only at 0.
        (&[], VERIFIED, Records(1, 3), append),
        (&[], VERSION_2, Records(1, 3), due(0)),
        (&[], COORDINATOR, Records(1, -1), append),
        (&begun, UNVERIFIED, Records(1, 2), append),
        (&begun, UNVERIFIED, Records(1, 3), due(2)),
        (&begun, UNVERIFIED, Plain(1, 2), SequenceVerdict::OutsideOfTransaction),
        (&begun, UNVERIFIED, Records(0, 2), SequenceVerdict::StaleEpoch { current: ProducerEpoch(1) }),
        // What is open is of another epoch: that has to be verified on its own.
        (&begun, UNVERIFIED, Records(2, 0), SequenceVerdict::NotInTransaction),
        (&begun, VERIFIED, Records(2, 0), append),
        (&aborted, UNVERIFIED, Records(1, 2), SequenceVerdict::NotInTransaction),
        (&aborted, VERIFIED, Records(1, 2), append),
        (&aborted, VERIFIED, Records(1, 3), due(2)),
        // ADR 36: the numbers of a batch of the transaction before.
        (&aborted, UNVERIFIED, Records(1, 1), SequenceVerdict::NotInTransaction),
        (&aborted, VERIFIED, Records(1, 1), due(2)),
        (&next, UNVERIFIED, Records(1, 1), due(3)),
        (&aborted, UNVERIFIED, Plain(1, 2), append),
        (&bumped, VERIFIED, Records(1, 1), SequenceVerdict::StaleEpoch { current: ProducerEpoch(2) }),
        (&bumped, VERIFIED, Records(2, 0), append),
        (&bumped, VERIFIED, Records(2, 1), due(0)),
    ] {
        let (states, _) = after(steps);
        let header = BatchHeader::parse(&batch(next, 0)).unwrap();
        assert_eq!(states.check(&header, standing), expected, "{steps:?}, then {next:?}");
    }
    for (steps, at) in [(&begun[..], Records(1, 1)), (&next, Records(1, 2)), (&[Plain(1, 0)], Plain(1, 0))] {
        let (states, _) = after(steps);
        let header = BatchHeader::parse(&batch(at, 0)).unwrap();
        let duplicate = states.check(&header, UNVERIFIED);
        assert!(matches!(duplicate, SequenceVerdict::Duplicate(_)), "{steps:?}, then {at:?}: {duplicate:?}");
    }
}

#[test]
fn verdicts_on_markers() {
    let stale = |current| MarkerVerdict::StaleEpoch { current: ProducerEpoch(current) };
    let fenced = |current| MarkerVerdict::StaleCoordinator { current: CoordinatorEpoch(current) };
    let open = [Records(1, 0)];
    let ended = [Records(1, 0), Commit(2, 5)];
    let next = [Records(1, 0), Commit(2, 5), Records(2, 0)];
    let append = MarkerVerdict::Append;
    for (steps, version, (producer_epoch, coordinator_epoch), expected) in [
        (&[][..], 0, (0, 0), append),
        (&[], 2, (0, 0), append),
        (&open, 1, (1, 0), append),
        (&open, 1, (0, 0), stale(1)),
        (&open, 1, (2, 0), append),
        // Version 2: the marker is always one above.
        (&open, 2, (1, 0), stale(1)),
        (&open, 2, (2, 0), append),
        // Written once more under version 1, known for written under version 2.
        (&ended, 1, (2, 5), append),
        (&ended, 2, (2, 5), MarkerVerdict::Written),
        (&ended, 2, (2, 6), MarkerVerdict::Written),
        (&ended, 2, (2, 4), stale(2)),
        (&ended, 2, (3, 4), fenced(5)),
        (&ended, 1, (2, 4), fenced(5)),
        // The one before comes late: it does not end the next one, which version 1 cannot tell apart.
        (&next, 2, (2, 5), stale(2)),
        (&next, 1, (2, 5), append),
        (&next, 2, (3, 5), append),
    ] {
        let (states, _) = after(steps);
        let (producer_epoch, coordinator_epoch) =
            (ProducerEpoch(producer_epoch), CoordinatorEpoch(coordinator_epoch));
        let check =
            |origin| states.check_marker(origin, ProducerId(7), producer_epoch, coordinator_epoch, version);
        let verdict = check(MarkerOrigin::Client);
        assert_eq!(verdict, expected, "{steps:?}, version {version}, {producer_epoch} {coordinator_epoch}");
        let is_fenced = matches!(expected, MarkerVerdict::StaleCoordinator { .. });
        let of_coordinator = if is_fenced { append } else { expected };
        assert_eq!(check(MarkerOrigin::Coordinator), of_coordinator, "{steps:?}, of the coordinator");
    }
}

#[test]
fn a_producer_with_an_open_transaction_never_expires() {
    let (mut states, _) = after(&[Records(0, 0)]);
    states.expire(Timestamp(i64::MAX), 1);
    assert_eq!(states.first_undecided(), Some(Offset(0)));
    let (mut states, _) = after(&[Records(0, 0), Commit(0, 0)]);
    states.expire(Timestamp(i64::MAX), 1);
    assert!(states.is_empty());
}

/// Producers with open transactions of one partition, and the bytes that they may take.
const OPEN_PRODUCERS: i64 = 10_000;
const OPEN_PRODUCERS_BYTES_MAX: usize = 10 << 20;

/// A partition keeps its producers twice: as of the log end, and as of what is in segments.
#[test]
fn ten_thousand_open_transactions_take_less_than_ten_mebibytes() {
    if is_alone() {
        return println!("{} bytes", bytes_of_open_producers());
    }
    let printed = alone(module_path!(), "ten_thousand_open_transactions_take_less_than_ten_mebibytes");
    let bytes = printed.lines().find_map(|line| line.strip_suffix(" bytes")).expect("it tells");
    let bytes: usize = bytes.parse().unwrap();
    assert!((1 << 20..OPEN_PRODUCERS_BYTES_MAX).contains(&bytes), "{bytes} bytes");
}

fn bytes_of_open_producers() -> usize {
    let of_one = BatchHeader::parse(&batch(Records(0, 0), 0)).unwrap();
    let before = resident_bytes();
    let mut copies = [ProducerStates::default(), ProducerStates::default()];
    for states in &mut copies {
        for sequence in 0..BATCHES_MAX as i32 {
            for producer_id in 0..OPEN_PRODUCERS {
                let base_offset = Offset(i64::from(sequence) * OPEN_PRODUCERS + producer_id);
                let producer_id = ProducerId(producer_id);
                states
                    .apply(&BatchHeader { producer_id, base_offset, base_sequence: sequence, ..of_one }, NOW);
            }
        }
        assert_eq!(states.open_transactions().len(), OPEN_PRODUCERS as usize);
    }
    let after = resident_bytes();
    assert_eq!(copies[0], copies[1]);
    after - before
}
