use super::{Appender, TransactionMarker, Transactions, VERIFYING_MAX, Verification};
use crate::log::{EndedTransaction, MarkerOrigin, Standing};
use crate::model::{CoordinatorEpoch, Offset, ProducerEpoch, ProducerId, Timestamp, TransactionResult};

const PRODUCER: ProducerId = ProducerId(7);
const NOW: Timestamp = Timestamp(1000);

fn begin(transactions: &mut Transactions, producer_epoch: i16, sequence: i32, version: i16) -> Verification {
    let producer = (PRODUCER, ProducerEpoch(producer_epoch));
    Verification::Verified(transactions.begin_verification(producer, sequence, version >= 2, NOW))
}

fn standing(transactions: &Transactions, verification: Verification) -> Standing {
    transactions.standing(PRODUCER, Appender { is_client: true, verification })
}

fn marker(producer_epoch: i16, transaction_version: i16) -> TransactionMarker {
    TransactionMarker {
        origin: MarkerOrigin::Client,
        producer_id: PRODUCER,
        producer_epoch: ProducerEpoch(producer_epoch),
        coordinator_epoch: CoordinatorEpoch(0),
        result: TransactionResult::Abort,
        transaction_version,
    }
}

#[test]
fn a_guard_is_good_until_the_producer_has_written_or_a_marker_has_come() {
    let mut transactions = Transactions::default();
    let first = begin(&mut transactions, 0, 5, 1);
    assert_eq!(begin(&mut transactions, 0, 6, 1), first, "another batch of the same transaction");
    assert!(standing(&transactions, first).may_begin);
    assert!(!standing(&transactions, Verification::Ongoing).may_begin);
    assert!(standing(&transactions, Verification::NotRequired).may_begin);
    transactions.wrote(PRODUCER);
    assert!(!standing(&transactions, first).may_begin);

    // The answer that comes after the marker is about a transaction that is over (ABA).
    let second = begin(&mut transactions, 0, 7, 1);
    transactions.marked(&marker(0, 1));
    let third = begin(&mut transactions, 0, 8, 1);
    assert!(second != third && !standing(&transactions, second).may_begin);
    assert!(standing(&transactions, third).may_begin);
}

/// A marker of version 2 carries the epoch of the transaction that follows.
#[test]
fn a_late_marker_of_version_2_leaves_the_next_transaction_alone() {
    for (version, producer_epoch, stays) in [(2, 4, true), (2, 5, false), (1, 4, false)] {
        let mut transactions = Transactions::default();
        let guard = begin(&mut transactions, 4, 0, version);
        transactions.marked(&marker(producer_epoch, version));
        assert_eq!(standing(&transactions, guard).may_begin, stays, "version {version}, {producer_epoch}");
    }
}

#[test]
fn the_lowest_sequence_that_waits_is_kept() {
    let mut transactions = Transactions::default();
    for (producer_epoch, sequence, lowest) in [(1, 5, 5), (1, 7, 5), (1, 3, 3), (0, 1, 3), (2, 9, 9)] {
        begin(&mut transactions, producer_epoch, sequence, 1);
        let known = standing(&transactions, Verification::Ongoing).lowest_sequence;
        assert_eq!(known, Some(lowest), "{producer_epoch} {sequence}");
    }
    transactions.expire(Timestamp(NOW.0 + 99), 100);
    assert!(standing(&transactions, Verification::Ongoing).lowest_sequence.is_some());
    transactions.expire(Timestamp(NOW.0 + 100), 100);
    assert!(standing(&transactions, Verification::Ongoing).lowest_sequence.is_none());
}

#[test]
fn what_all_who_asked_were_refused_is_forgotten() {
    let mut transactions = Transactions::default();
    let Verification::Verified(guard) = begin(&mut transactions, 0, 5, 1) else { panic!() };
    let known = |transactions: &Transactions| standing(transactions, Verification::Ongoing).lowest_sequence;
    begin(&mut transactions, 0, 6, 1);
    transactions.refused(PRODUCER, guard);
    assert_eq!(known(&transactions), Some(5), "the other one waits");
    transactions.refused(PRODUCER, guard);
    assert_eq!(
        (known(&transactions), transactions.verifying.len(), transactions.guarded.len()),
        (None, 0, 0)
    );
    // Nobody's answer concerns a later guard.
    begin(&mut transactions, 0, 7, 1);
    transactions.refused(PRODUCER, guard);
    assert_eq!(known(&transactions), Some(7));
}

#[test]
fn verifications_are_bounded_and_the_oldest_gives_way() {
    let mut transactions = Transactions::default();
    let begin = |transactions: &mut Transactions, id: i64| {
        transactions.begin_verification((ProducerId(id), ProducerEpoch(0)), 0, false, NOW)
    };
    let may_begin = |transactions: &Transactions, id: i64, guard| {
        let appender = Appender { is_client: true, verification: Verification::Verified(guard) };
        transactions.standing(ProducerId(id), appender).may_begin
    };
    let count = VERIFYING_MAX as i64;
    let guards: Vec<_> = (0..count + 5).map(|id| begin(&mut transactions, id)).collect();
    assert_eq!((transactions.verifying.len(), transactions.guarded.len()), (VERIFYING_MAX, VERIFYING_MAX));
    for (id, guard) in (0..).zip(guards) {
        assert_eq!(may_begin(&transactions, id, guard), id >= 5, "producer {id}");
    }
    // One that is known takes nobody's place, and who has written or gone gives its own back.
    begin(&mut transactions, 10);
    transactions.wrote(ProducerId(11));
    begin(&mut transactions, count + 5);
    assert!(transactions.verifying.contains_key(&ProducerId(5)));
    transactions.expire(Timestamp(i64::MAX), 1);
    assert_eq!((transactions.verifying.len(), transactions.guarded.len()), (0, 0));
}

#[test]
fn an_end_counts_once_its_marker_is_committed() {
    let mut transactions = Transactions::default();
    let ended = |first: i64, last: i64, result| EndedTransaction {
        producer_id: PRODUCER,
        first_offset: Offset(first),
        last_offset: Offset(last),
        result,
    };
    transactions.ended(ended(10, 20, TransactionResult::Abort), Some(Offset(5)));
    transactions.ended(ended(12, 21, TransactionResult::Commit), None);
    assert_eq!(transactions.first_uncommitted_end(), Some(Offset(10)));
    transactions.committed(Offset(20));
    assert_eq!(transactions.first_uncommitted_end(), Some(Offset(10)), "up to the marker is not enough");
    transactions.committed(Offset(21));
    assert_eq!(transactions.first_uncommitted_end(), Some(Offset(12)));
    transactions.committed(Offset(22));
    assert_eq!(transactions.first_uncommitted_end(), None);

    for (from, end, count) in [(0, 10, 0), (0, 11, 1), (20, 30, 1), (21, 30, 0)] {
        assert_eq!(transactions.aborted(Offset(from), Offset(end)).len(), count, "{from} to {end}");
    }
    transactions.flushed(Offset(20));
    assert_eq!(transactions.aborted(Offset(0), Offset(30)).len(), 1, "the marker is not in a segment");
    assert_eq!(transactions.first_unflushed_end(), Some(Offset(10)));
    transactions.flushed(Offset(21));
    assert!(transactions.aborted(Offset(0), Offset(30)).is_empty());
    assert_eq!(transactions.first_unflushed_end(), Some(Offset(12)));
    transactions.flushed(Offset(22));
    assert_eq!(transactions.first_unflushed_end(), None);
}
