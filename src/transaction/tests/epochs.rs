//! KIP-360, epochs that run out, and the faults of Kafka's own history.

use std::time::Duration;

use super::driver::{Driver, ID, TIMEOUT, partition, producer};
use super::tables::record;
use crate::model::{ProducerEpoch, ProducerId};
use crate::transaction::TransactionResult::{Abort, Commit};
use crate::transaction::TransactionState::*;
use crate::transaction::TransactionVersion::{V0, V2};
use crate::transaction::{
    InitProducerId, ProducerIdAndEpoch, TransactionError, TransactionReply, TransactionRequest,
    TransactionState, TransactionVersion,
};

/// The last epoch that a client is told.
const LAST: i16 = i16::MAX - 1;

/// A transaction at an epoch of producer id 7.
fn at_epoch(state: TransactionState, version: TransactionVersion, producer_epoch: i16) -> Driver {
    let mut driver = Driver::default();
    let mut record = record(state, version);
    record.metadata.as_mut().unwrap().producer_epoch = ProducerEpoch(producer_epoch);
    driver.write(record);
    driver.restart();
    driver
}

#[test]
fn a_new_id_is_asked_for_and_nothing_is_done_before() {
    let mut driver = Driver::default();
    let mut request = InitProducerId {
        transactional_id: ID.into(),
        transaction_timeout: TIMEOUT,
        expected: None,
        fresh_producer_id: None,
    };
    let reply = driver.request(TransactionRequest::InitProducerId(request.clone()));
    assert_eq!((reply, driver.log.len()), (TransactionReply::NeedsProducerId, 0));
    request.fresh_producer_id = Some(ProducerId(44));
    // Another one was faster: the id is not needed.
    assert_eq!(driver.init(None), Ok(producer(1000, 0)));
    let reply = driver.request(TransactionRequest::InitProducerId(request));
    assert_eq!(reply, TransactionReply::InitProducerId(Ok(producer(1000, 1))));
}

#[test]
fn what_is_wrong_with_the_request_itself() {
    let longest = Driver::default().settings.transaction_max_timeout;
    let long_id = "x".repeat(40_000);
    for (id, timeout, error) in [
        ("", TIMEOUT, Some(TransactionError::InvalidRequest)),
        (ID, Duration::ZERO, Some(TransactionError::InvalidTransactionTimeout)),
        (ID, longest + Duration::from_millis(1), Some(TransactionError::InvalidTransactionTimeout)),
        (ID, longest, None),
        (ID, Duration::from_millis(1), None),
    ] {
        let mut driver = Driver::default();
        assert_eq!(driver.init_with(id, timeout, None).err(), error);
    }
    let mut driver = Driver::default();
    let refused = driver.init_with(&long_id, TIMEOUT, None);
    assert!(matches!(refused, Err(TransactionError::UnknownServerError(_))));
    assert_eq!(driver.add_to("", producer(7, 0), &[], V2), Err(TransactionError::InvalidRequest));
    assert_eq!(driver.end_of("", producer(7, 0), Commit, V2), Err(TransactionError::InvalidRequest));
    let unknown = Err(TransactionError::InvalidProducerIdMapping);
    assert_eq!(driver.add(producer(7, 0), &[], V2), unknown);
    assert_eq!(driver.end(producer(7, 0), Commit, V2).map(drop), unknown);
    assert_eq!(driver.verify(producer(7, 0), &[]).map(drop), unknown);
}

#[test]
fn a_producer_goes_on_with_what_it_has() {
    let mut driver = Driver::default();
    assert_eq!(driver.init(None), Ok(producer(1000, 0)));
    assert_eq!(driver.init(Some(producer(1000, 0))), Ok(producer(1000, 1)));
    // It did not hear, and asks again; as often as it likes.
    assert_eq!(driver.init(Some(producer(1000, 0))), Ok(producer(1000, 1)));
    assert_eq!(driver.init(Some(producer(1000, 0))), Ok(producer(1000, 1)));
    // Another one takes the transactional id.
    assert_eq!(driver.init(None), Ok(producer(1000, 2)));
    for fenced in [0, 1] {
        let answer = driver.init(Some(producer(1000, fenced)));
        assert_eq!(answer, Err(TransactionError::ProducerFenced));
    }
}

#[test]
fn an_unknown_id_with_what_a_producer_had_is_a_new_one() {
    // It expired, say, and the producer had UNKNOWN_PRODUCER_ID.
    let mut driver = Driver::default();
    assert_eq!(driver.init(Some(producer(7, 3))), Ok(producer(1000, 0)));
}

#[test]
fn an_id_without_epochs_is_replaced() {
    let mut driver = at_epoch(CompleteCommit, V0, LAST);
    assert_eq!(driver.init(None), Ok(producer(1000, 0)));
    let mut driver = at_epoch(Empty, V0, LAST);
    assert_eq!(driver.init(Some(producer(7, LAST))), Ok(producer(1000, 0)));
    // It did not hear, and still has the id before.
    assert_eq!(driver.init(Some(producer(7, LAST))), Ok(producer(1000, 0)));
    assert_eq!(driver.init(Some(producer(7, LAST - 1))), Err(TransactionError::ProducerFenced));
    // Another one takes the transactional id.
    assert_eq!(driver.init(None), Ok(producer(1000, 1)));
    assert_eq!(driver.init(Some(producer(7, LAST))), Err(TransactionError::ProducerFenced));
    let mut driver = at_epoch(Empty, V0, LAST - 1);
    assert_eq!(driver.init(Some(producer(7, LAST - 1))), Ok(producer(7, LAST)));
}

/// KAFKA-18660: the end of the last transaction of an id, and each thing that may come after it.
#[test]
fn the_last_transaction_of_an_id() {
    for result in [Commit, Abort] {
        let mut driver = at_epoch(Ongoing, V2, LAST);
        let (prepare, complete) = match result {
            Commit => (PrepareCommit, CompleteCommit),
            Abort => (PrepareAbort, CompleteAbort),
        };
        assert_eq!(driver.end(producer(7, LAST), result, V2), Ok(producer(1000, 0)));
        assert_eq!(driver.owed[0].producer, producer(7, i16::MAX));
        assert_eq!(driver.state(), prepare);
        // Again, before the markers are written; and with what the client was told.
        let concurrent = Err(TransactionError::ConcurrentTransactions);
        assert_eq!(driver.end(producer(7, LAST), result, V2), concurrent);
        let added = driver.add(producer(1000, 0), &[partition("debits", 0)], V2);
        assert_eq!(added, Err(TransactionError::ConcurrentTransactions));
        let verified = driver.verify(producer(1000, 0), &[partition("debits", 0)]);
        assert_eq!(verified, Err(TransactionError::ConcurrentTransactions));
        for other in [Commit, Abort] {
            assert_eq!(driver.end(producer(1000, 0), other, V2), concurrent);
        }
        assert_eq!(driver.init(Some(producer(1000, 0))), concurrent);
        // Not of anybody else.
        assert_eq!(driver.init(Some(producer(1000, 1))), Err(TransactionError::ProducerFenced));
        // The id to come is written down.
        driver.restart();
        driver.write_markers();
        assert_eq!(driver.state(), complete);
        assert_eq!(driver.describe().unwrap().producer, producer(1000, 0));
        // Again, after they are written.
        assert_eq!(driver.end(producer(7, LAST), result, V2), Ok(producer(1000, 0)));
        let other = if result == Commit { Abort } else { Commit };
        assert_eq!(driver.end(producer(7, LAST), other, V2), Err(TransactionError::InvalidTxnState));
        // InitProducerId by one that heard, by one that did not, by one that has nothing to do with it.
        assert_eq!(driver.init(Some(producer(7, LAST - 1))), Err(TransactionError::ProducerFenced));
        assert_eq!(driver.init(Some(producer(7, LAST))), Ok(producer(1000, 0)));
        assert_eq!(driver.init(Some(producer(1000, 0))), Ok(producer(1000, 1)));
        // The next transaction does not know the id before.
        driver.add(producer(1000, 1), &[partition("debits", 0)], V2).unwrap();
        let answer = driver.end(producer(7, LAST), result, V2);
        assert_eq!(answer, Err(TransactionError::InvalidProducerIdMapping));
    }
}

/// An abort to be sure, at the last epoch, of what has not begun.
#[test]
fn an_abort_without_a_transaction_uses_up_an_id_too() {
    for state in [Empty, CompleteCommit, CompleteAbort] {
        let mut driver = at_epoch(state, V2, LAST);
        assert_eq!(driver.end(producer(7, LAST), Abort, V2), Ok(producer(1000, 0)));
        assert_eq!(driver.describe().unwrap().producer, producer(1000, 0));
        assert_eq!(driver.owed, []);
    }
}

/// KAFKA-19367: InitProducerId that aborts a transaction raised the epoch twice.
#[test]
fn a_fence_raises_the_epoch_once() {
    for expected in [None, Some(producer(7, 5))] {
        let mut driver = at_epoch(Ongoing, V2, 5);
        assert_eq!(driver.init(expected), Err(TransactionError::ConcurrentTransactions));
        assert_eq!(driver.owed[0].producer, producer(7, 6));
        assert_eq!(driver.init(expected), Err(TransactionError::ConcurrentTransactions));
        driver.write_markers();
        assert_eq!(driver.describe().unwrap().producer, producer(7, 6));
        // A producer that goes on gets the epoch of the abort; a new one the next.
        let told = driver.init(expected).unwrap();
        assert_eq!(told, producer(7, if expected.is_some() { 6 } else { 7 }));
    }
}

/// The coordinator aborts at the last epoch that a client can have.
#[test]
fn a_fence_at_the_last_epoch() {
    for expected in [None, Some(producer(7, LAST))] {
        let mut driver = at_epoch(Ongoing, V2, LAST);
        driver.pass(TIMEOUT);
        assert_eq!(driver.owed[0].producer, producer(7, i16::MAX));
        driver.restart();
        driver.write_markers();
        assert_eq!(driver.describe().unwrap().producer, producer(7, i16::MAX));
        // Nobody was told that epoch: who says it guesses.
        let guessed = producer(7, i16::MAX);
        assert_eq!(driver.add(guessed, &[partition("debits", 0)], V2), Err(TransactionError::ProducerFenced));
        for version in [V0, V2] {
            assert_eq!(driver.end(guessed, Abort, version), Err(TransactionError::ProducerFenced));
        }
        // The client's own end, late: it is told that it was aborted, or that it cannot commit.
        let answer = driver.end(producer(7, LAST), Commit, V2);
        assert_eq!(answer, Err(TransactionError::InvalidTxnState));
        assert_eq!(driver.init(expected), Ok(producer(1000, 0)));
        assert_eq!(driver.init(Some(producer(7, LAST - 1))), Err(TransactionError::ProducerFenced));
    }
}

/// The client's own abort comes after the coordinator's: it goes on with another id, as often as it asks.
#[test]
fn an_abort_after_a_time_out_at_the_last_epoch_gives_another_id() {
    let mut driver = at_epoch(Ongoing, V2, LAST);
    driver.pass(TIMEOUT);
    let abort = |driver: &mut Driver| driver.end(producer(7, LAST), Abort, V2);
    assert_eq!(abort(&mut driver), Err(TransactionError::ConcurrentTransactions));
    driver.write_markers();
    for _ in 0..2 {
        assert_eq!(abort(&mut driver), Ok(producer(1000, 0)));
        driver.restart();
    }
    assert_eq!((driver.state(), &driver.owed[..]), (CompleteAbort, &[][..]));
    driver.add(producer(1000, 0), &[partition("debits", 0)], V2).unwrap();
    assert_eq!(driver.end(producer(1000, 0), Commit, V2), Ok(producer(1000, 1)));
    // Below the last epoch it goes on with its id.
    let mut driver = at_epoch(Ongoing, V2, LAST - 1);
    driver.pass(TIMEOUT);
    driver.write_markers();
    assert_eq!(driver.end(producer(7, LAST - 1), Abort, V2), Ok(producer(7, LAST)));
}

/// What version 1 cannot prevent, and version 2 does: an end that comes late ends the next transaction.
#[test]
fn a_late_end() {
    let partitions = [partition("debits", 0)];
    let mut driver = at_epoch(Ongoing, V0, 5);
    driver.end(producer(7, 5), Abort, V0).unwrap();
    driver.write_markers();
    driver.add(producer(7, 5), &partitions, V0).unwrap();
    // The first one was sent twice.
    assert_eq!(driver.end(producer(7, 5), Abort, V0), Ok(ProducerIdAndEpoch::NONE));
    assert_eq!(driver.state(), PrepareAbort, "version 1 cannot tell");

    let mut driver = at_epoch(Ongoing, V2, 5);
    driver.end(producer(7, 5), Abort, V2).unwrap();
    driver.write_markers();
    driver.add(producer(7, 6), &partitions, V2).unwrap();
    assert_eq!(driver.end(producer(7, 5), Abort, V2), Err(TransactionError::ProducerFenced));
    assert_eq!(driver.state(), Ongoing);
}

/// A client may come with another version from one transaction to the next.
#[test]
fn a_client_that_is_upgraded_or_downgraded() {
    let partitions = [partition("debits", 0)];
    let mut driver = Driver::default();
    driver.init(None).unwrap();
    driver.add(producer(1000, 0), &partitions, V0).unwrap();
    driver.end(producer(1000, 0), Commit, V0).unwrap();
    driver.write_markers();
    driver.add(producer(1000, 0), &partitions, V2).unwrap();
    assert_eq!(driver.end(producer(1000, 0), Commit, V2), Ok(producer(1000, 1)));
    driver.write_markers();
    driver.add(producer(1000, 1), &partitions, V0).unwrap();
    assert_eq!(driver.end(producer(1000, 1), Commit, V0), Ok(ProducerIdAndEpoch::NONE));
    assert_eq!(driver.owed[0].transaction_version, V0);
    driver.write_markers();
    assert_eq!(driver.describe().unwrap().producer, producer(1000, 1));
    // The epoch before is that of an end of version 2, which is not the last thing that happened.
    assert_eq!(driver.init(Some(producer(1000, 0))), Err(TransactionError::ProducerFenced));

    assert_eq!(driver.init(Some(producer(1000, 1))), Ok(producer(1000, 2)));
    driver.add(producer(1000, 2), &partitions, V2).unwrap();
    driver.end(producer(1000, 2), Commit, V2).unwrap();
    driver.write_markers();
    driver.add(producer(1000, 3), &partitions, V0).unwrap();
    driver.end(producer(1000, 3), Commit, V0).unwrap();
    driver.write_markers();
    // It had this before the one that it went on with, and then another one.
    assert_eq!(driver.init(Some(producer(1000, 1))), Err(TransactionError::ProducerFenced));
}

/// A producer of version 1 has the id meanwhile: the end of the one before is not one that comes again, and
/// what it would be told is the other's epoch.
#[test]
fn a_fenced_client_of_version_2_is_not_told_the_epoch_of_one_of_version_1() {
    for result in [Commit, Abort] {
        let mut driver = Driver::default();
        assert_eq!(driver.init(None), Ok(producer(1000, 0)));
        assert_eq!(driver.init(None), Ok(producer(1000, 1)));
        driver.add(producer(1000, 1), &[partition("debits", 0)], V0).unwrap();
        driver.end(producer(1000, 1), result, V0).unwrap();
        for _ in 0..2 {
            let late = driver.end(producer(1000, 0), result, V2);
            assert_eq!(late, Err(TransactionError::ProducerFenced), "{result:?}");
            driver.write_markers();
        }
    }
}
