//! Timeouts and expiry: by which clock, after a restart, of many at once.

use std::time::Duration;

use super::driver::{Driver, START, TIMEOUT, partition, producer};
use super::tables::record;
use crate::model::{ProducerId, Timestamp};
use crate::transaction::TransactionResult::Commit;
use crate::transaction::TransactionState::*;
use crate::transaction::TransactionVersion::{V0, V2};
use crate::transaction::{ListTransactions, TransactionRecord, TransactionResult};

const SECOND: Duration = Duration::from_secs(1);

fn open() -> Driver {
    let mut driver = Driver::default();
    driver.init(None).unwrap();
    driver.add(producer(1000, 0), &[partition("debits", 0)], V2).unwrap();
    driver
}

/// When the open transaction is aborted, from now on.
fn left(driver: &Driver) -> Duration {
    driver.shard.next_deadline().unwrap() - driver.monotonic
}

#[test]
fn a_transaction_times_out_from_its_beginning() {
    let mut driver = open();
    assert_eq!(left(&driver), TIMEOUT);
    driver.pass(20 * SECOND);
    driver.add(producer(1000, 0), &[partition("debits", 1)], V2).unwrap();
    assert_eq!(left(&driver), TIMEOUT - 20 * SECOND);
    driver.end(producer(1000, 0), Commit, V2).unwrap();
    assert_eq!(driver.shard.next_deadline(), None);
    driver.write_markers();
    driver.add(producer(1000, 1), &[partition("debits", 0)], V2).unwrap();
    assert_eq!(left(&driver), TIMEOUT);
}

#[test]
fn the_wall_clock_aborts_nothing() {
    let mut driver = open();
    driver.wall.0 += 3_600_000;
    assert_eq!(driver.advance().records, []);
    driver.pass(TIMEOUT - SECOND);
    driver.wall.0 -= 7_200_000;
    assert_eq!(driver.state(), Ongoing);
    driver.pass(SECOND);
    assert_eq!(driver.state(), PrepareAbort);
}

#[test]
fn after_a_restart_what_was_left_is_left() {
    let hour = 3_600_000;
    for (wall_ms, expected) in [
        (0, TIMEOUT),
        (20_000, TIMEOUT - 20 * SECOND),
        // Its producer could not end it meanwhile.
        (57_000, 5 * SECOND),
        (hour, 5 * SECOND),
        // The wall clock went back.
        (-hour, TIMEOUT),
    ] {
        let mut driver = open();
        driver.wall = Timestamp(START.0 + wall_ms);
        driver.restart();
        assert_eq!(left(&driver), expected, "{wall_ms}");
        driver.pass(expected);
        assert_eq!(driver.state(), PrepareAbort);
    }
    let mut driver = Driver::default();
    driver.init_with(super::driver::ID, SECOND, None).unwrap();
    driver.add(producer(1000, 0), &[partition("debits", 0)], V2).unwrap();
    driver.wall.0 += hour;
    driver.restart();
    assert_eq!(left(&driver), SECOND, "no more than it ever had");
}

/// KIP-939, from a log of Kafka's.
#[test]
fn a_transaction_without_a_timeout() {
    let mut driver = Driver::default();
    let mut endless = record(Ongoing, V2);
    endless.metadata.as_mut().unwrap().transaction_timeout = Duration::from_millis(i32::MAX as u64);
    driver.write(endless);
    driver.restart();
    assert_eq!(driver.shard.next_deadline(), None);
    driver.end(producer(7, 5), Commit, V2).unwrap();
    driver.write_markers();
    driver.add(producer(7, 6), &[partition("debits", 0)], V2).unwrap();
    assert_eq!(driver.shard.next_deadline(), None);
}

/// Kafka writes the decision first, and dies.
#[test]
fn a_decision_without_partitions_is_completed_after_a_restart() {
    for (state, complete) in [(PrepareCommit, CompleteCommit), (PrepareAbort, CompleteAbort)] {
        let mut driver = Driver::default();
        let mut decided = record(state, V2);
        let metadata = decided.metadata.as_mut().unwrap();
        metadata.partitions.clear();
        metadata.next_producer_id = ProducerId(44);
        driver.write(decided);
        driver.restart();
        assert_eq!(driver.owed, []);
        driver.pass(Duration::ZERO);
        assert_eq!(driver.state(), complete);
        assert_eq!(driver.describe().unwrap().producer, producer(44, 0));
        assert_eq!(driver.shard.next_deadline(), None);
    }
}

/// They come in portions, whose markers are asked for with their records.
#[test]
fn many_time_out_at_once() {
    const COUNT: usize = 5_000;
    let mut driver = Driver::default();
    for at in 0..COUNT {
        let mut open = record(Ongoing, V0);
        open.transactional_id = format!("many-{at:05}").into();
        driver.write(open);
    }
    driver.restart();
    driver.batch_bytes_max = 100_000;
    let written = driver.log.len();
    driver.wall.0 += 60_000;
    driver.monotonic += TIMEOUT + 3 * SECOND;
    let (mut calls, mut timed_out) = (0, 0);
    while driver.shard.next_deadline().is_some_and(|deadline| deadline <= driver.monotonic) {
        let before = driver.owed.len();
        let outcome = driver.advance();
        let bytes: usize = outcome.records.iter().map(TransactionRecord::batch_bytes).sum();
        assert!(bytes <= 100_000);
        assert_eq!(driver.owed.len() - before, outcome.records.len());
        // What is left was not missed: it is due since this call.
        assert!(driver.shard.next_deadline().is_none_or(|deadline| deadline >= driver.monotonic));
        calls += 1;
        timed_out += outcome.timed_out;
    }
    assert!(calls > 3);
    assert_eq!(timed_out, COUNT as u64);
    assert_eq!(driver.log.len(), written + COUNT);
    assert!(driver.states()[written..].iter().all(|state| *state == PrepareAbort));
    assert!(driver.owed.iter().all(|markers| markers.result == TransactionResult::Abort));
    assert!(driver.owed.iter().all(|markers| markers.transaction_version == V2));
}

#[test]
fn ids_expire_in_portions_and_only_those_at_rest() {
    const COUNT: usize = 6_000;
    let mut driver = Driver::default();
    for at in 0..COUNT {
        let mut idle = record([Empty, CompleteCommit, CompleteAbort][at % 3], V2);
        idle.transactional_id = format!("many-{at:05}").into();
        driver.write(idle);
    }
    for (id, state) in [("x", Ongoing), ("y", PrepareCommit), ("z", PrepareAbort)] {
        let mut busy = record(state, V2);
        busy.transactional_id = id.into();
        driver.write(busy);
    }
    assert_eq!(driver.expire().records, []);
    driver.wall.0 += driver.settings.transactional_id_expiration.as_millis() as i64;
    let mut calls = 0;
    loop {
        let outcome = driver.expire();
        assert!(outcome.may_be_divided);
        if outcome.records.is_empty() {
            break;
        }
        calls += 1;
    }
    assert!(calls > 1);
    let left = driver.list(ListTransactions::default()).transactions;
    let left: Vec<&str> = left.iter().map(|listed| &*listed.transactional_id).collect();
    assert_eq!(left, ["x", "y", "z"]);
    assert_eq!(driver.expire().records, []);
}

#[test]
fn an_id_whose_tombstone_the_log_does_not_take_stays() {
    let mut driver = Driver::default();
    driver.init(None).unwrap();
    driver.wall.0 += driver.settings.transactional_id_expiration.as_millis() as i64;
    driver.batch_bytes_max = 20;
    assert_eq!(driver.expire().records, []);
}
