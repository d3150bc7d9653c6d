//! Transactions step by step.

use std::time::Duration;

use super::driver::{Driver, TIMEOUT, partition, producer};
use crate::model::TransactionResult::{Abort, Commit};
use crate::transaction::TransactionState::*;
use crate::transaction::TransactionVersion::{V0, V2};
use crate::transaction::{ListTransactions, Outcome, ProducerIdAndEpoch, TransactionError};

#[test]
fn a_transaction_of_version_2_raises_the_epoch() {
    let mut driver = Driver::default();
    let first = driver.init(None).unwrap();
    assert_eq!(first, producer(1000, 0));
    for (current, result) in [(0, Commit), (1, Abort), (2, Commit)] {
        let partitions = [partition("credits", 1), partition("debits", 0)];
        assert_eq!(driver.add(producer(1000, current), &partitions, V2), Ok(()));
        assert_eq!(driver.end(producer(1000, current), result, V2), Ok(producer(1000, current + 1)));
        let [markers] = &driver.owed[..] else { panic!("{:?}", driver.owed) };
        assert_eq!(markers.producer, producer(1000, current + 1));
        assert_eq!(markers.result, result);
        assert_eq!(markers.partitions, partitions);
        assert_eq!(markers.coordinator_epoch, driver.coordinator_epoch);
        driver.write_markers();
    }
    assert_eq!(
        driver.states(),
        [
            Empty,
            Ongoing,
            PrepareCommit,
            CompleteCommit,
            Ongoing,
            PrepareAbort,
            CompleteAbort,
            Ongoing,
            PrepareCommit,
            CompleteCommit
        ]
    );
}

#[test]
fn a_transaction_of_an_older_client_keeps_the_epoch() {
    let mut driver = Driver::default();
    driver.init(None).unwrap();
    for result in [Commit, Abort, Commit] {
        assert_eq!(driver.add(producer(1000, 0), &[partition("debits", 0)], V0), Ok(()));
        assert_eq!(driver.end(producer(1000, 0), result, V0), Ok(ProducerIdAndEpoch::NONE));
        assert_eq!(driver.owed[0].producer, producer(1000, 0));
        assert_eq!(driver.add(producer(1000, 0), &[], V0), Err(TransactionError::ConcurrentTransactions));
        driver.write_markers();
    }
}

#[test]
fn a_restart_goes_on_with_what_was_decided() {
    let mut driver = Driver::default();
    driver.init(None).unwrap();
    driver.add(producer(1000, 0), &[partition("debits", 0)], V2).unwrap();
    driver.end(producer(1000, 0), Commit, V2).unwrap();
    let asked = driver.owed.clone();
    driver.restart();
    assert_eq!(driver.state(), PrepareCommit);
    let mut again = driver.owed.clone();
    assert_eq!(again[0].coordinator_epoch.0, asked[0].coordinator_epoch.0 + 1);
    again[0].coordinator_epoch = asked[0].coordinator_epoch;
    assert_eq!(again, asked);
    driver.write_markers();
    assert_eq!(driver.state(), CompleteCommit);
    driver.restart();
    assert_eq!(driver.owed, []);
}

#[test]
fn a_transaction_is_complete_once_all_its_markers_are_written() {
    let mut driver = Driver::default();
    driver.init(None).unwrap();
    let partitions = [partition("credits", 0), partition("credits", 1), partition("debits", 0)];
    driver.add(producer(1000, 0), &partitions, V2).unwrap();
    assert_eq!(driver.verify(producer(1000, 0), &[partition("debits", 1)]), Ok(vec![partition("debits", 1)]));
    driver.end(producer(1000, 0), Abort, V2).unwrap();
    let markers = driver.owed.remove(0);
    assert!(!driver.tell(&markers, &partitions[1..]));
    assert!(!driver.tell(&markers, &partitions[1..2]), "told again");
    assert_eq!(driver.state(), PrepareAbort);
    assert!(driver.tell(&markers, &partitions[..1]));
    assert_eq!(driver.state(), CompleteAbort);
    assert_eq!(driver.describe().unwrap().partitions, []);
    let records = driver.log.len();
    assert!(driver.tell(&markers, &partitions), "told again");
    assert_eq!(driver.log.len(), records);
}

/// With versions before 2 its producer and epoch are those of the next transaction.
#[test]
fn markers_that_are_told_late_are_not_those_of_the_next_transaction() {
    for version in [V0, V2] {
        let mut driver = Driver::default();
        let mut told = driver.init(None).unwrap();
        let mut asked = Vec::new();
        for _ in 0..2 {
            driver.add(told, &[partition("debits", 0)], version).unwrap();
            let next = driver.end(told, Commit, version).unwrap();
            told = if version == V2 { next } else { told };
            asked.extend(driver.owed.last().cloned());
            if asked.len() == 1 {
                driver.write_markers();
            }
        }
        // In the same millisecond, too.
        assert_ne!(asked[0].decided_at, asked[1].decided_at);
        assert!(driver.tell(&asked[0], &asked[0].partitions), "nothing is left to do there");
        assert_eq!(driver.state(), PrepareCommit);
        assert!(driver.tell(&asked[1], &asked[1].partitions));
        assert_eq!(driver.state(), CompleteCommit);
    }
}

#[test]
fn an_open_transaction_times_out() {
    let mut driver = Driver::default();
    driver.init(None).unwrap();
    driver.add(producer(1000, 0), &[partition("debits", 0)], V2).unwrap();
    driver.pass(TIMEOUT - Duration::from_millis(1));
    assert_eq!(driver.state(), Ongoing);
    driver.pass(Duration::from_millis(1));
    assert_eq!(driver.state(), PrepareAbort);
    assert_eq!(driver.owed[0].producer, producer(1000, 1));
    assert_eq!(driver.advance(), Outcome::default());
    driver.write_markers();
    assert_eq!(driver.end(producer(1000, 0), Commit, V2), Err(TransactionError::InvalidTxnState));
    assert_eq!(driver.init(Some(producer(1000, 0))), Ok(producer(1000, 1)));
}

#[test]
fn an_id_that_nobody_uses_is_forgotten() {
    let mut driver = Driver::default();
    driver.init(None).unwrap();
    driver.pass(driver.settings.transactional_id_expiration - Duration::from_millis(1));
    assert_eq!(driver.expire().records, []);
    assert_eq!(driver.list(ListTransactions::default()).transactions.len(), 1);
    driver.pass(Duration::from_millis(1));
    assert_eq!(driver.expire().records.len(), 1);
    assert_eq!(driver.describe(), Err(TransactionError::TransactionalIdNotFound));
    assert_eq!(driver.expire().records, []);
    driver.restart();
    assert_eq!(driver.list(ListTransactions::default()).transactions, []);
}

#[test]
fn what_is_too_large_for_the_log_is_refused_or_tried_again() {
    let mut driver = Driver { batch_bytes_max: 300, ..Driver::default() };
    driver.init(None).unwrap();
    assert_eq!(driver.add(producer(1000, 0), &[partition("debits", 0)], V2), Ok(()));
    let many: Vec<_> = (0..40).map(|index| partition("debits", index)).collect();
    let refused = driver.add(producer(1000, 0), &many, V2);
    assert!(matches!(refused, Err(TransactionError::UnknownServerError(_))));
    // The bound is lower now: the runtime does not write what the shard gives.
    let written = driver.log.len();
    driver.pass(TIMEOUT);
    let records = driver.records[written..].to_vec();
    driver.restart_with(written);
    driver.unwritten(&records);
    assert_eq!(driver.state(), Ongoing);
    driver.pass(TIMEOUT * 2);
    assert_eq!(driver.state(), PrepareAbort);
}
