//! A failed write or sync ends the log: nothing is acknowledged after it, whatever later calls return.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use super::support::*;
use crate::env::simulated::{CrashPlan, Fault, Operation, SimulatedWorld};
use crate::wal::{NewIncarnation, NoCredit, Wake, WalError, create};

#[test]
fn a_failed_sync_is_final() {
    let world = SimulatedWorld::new(1);
    let mut log = open_first(&world);
    log.commit_one(0, 100);
    let durable = log.appender.durable_lsn();
    log.append(1, 100);
    let written = log.writer.write_next().unwrap().unwrap();
    log.append(2, 100);
    world.files.inject(Fault::sync(".wal", 0));
    assert!(matches!(log.writer.sync(written), Err(WalError::Fatal(_))));
    assert!(matches!(log.writer.write_next(), Err(WalError::Fatal(_))), "the next sync would succeed");
    assert!(matches!(log.writer.sync_all(), Err(WalError::Fatal(_))));
    assert!(matches!(log.writer.idle(), Err(WalError::Fatal(_))));
    assert_eq!(log.appender.try_reserve(1).err(), Some(NoCredit::Stopped));
    assert_eq!(log.appender.durable_lsn(), durable, "nothing more is durable");
    let after = world.after_crash(CrashPlan::KeepUnsynced);
    assert_eq!(replay(&after, &log.replay_start).unwrap().0.first(), Some(&0));
}

#[test]
fn a_failed_write_is_final() {
    let world = SimulatedWorld::new(1);
    let mut log = open_first(&world);
    log.append(0, 100);
    world.files.inject(Fault::new(Operation::Write, ".wal", 0));
    assert!(matches!(log.writer.write_next(), Err(WalError::Fatal(_))));
    assert!(matches!(log.writer.write_next(), Err(WalError::Fatal(_))));
}

#[test]
fn a_broken_disk_under_the_provisioner_stops_the_writer_too() {
    let world = SimulatedWorld::new(1);
    let mut log = open_first(&world);
    log.append(0, 100);
    world.files.inject(Fault::sync(".wal", 0));
    assert!(matches!(log.provisioner.step(), Err(WalError::Fatal(_))));
    assert!(matches!(log.writer.write_next(), Err(WalError::Fatal(_))));
}

/// Counts how many of its clones were dropped.
struct Member(Arc<AtomicUsize>);

impl Drop for Member {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// A member that waits for a commit learns by its drop that there will be none.
#[test]
fn a_failure_drops_every_member_that_waits() {
    let world = SimulatedWorld::new(1);
    let dropped = Arc::new(AtomicUsize::new(0));
    let dir = std::path::Path::new(DIR);
    let mut log = create(&world.env(), dir, options(), NewIncarnation::first(WAL_ID)).unwrap();
    let mut credit = log.appender.try_reserve_all([100; 3]).unwrap();
    let mut append = |log: &crate::wal::OpenedWal<Member>| {
        let member = Member(Arc::clone(&dropped));
        log.appender.append(&mut credit, header(0), &payload(0, 100), |_| {}, member);
    };
    append(&log);
    let written = log.writer.write_next().unwrap().unwrap();
    append(&log);
    world.files.inject(Fault::sync(".wal", 0));
    assert!(log.writer.sync(written).is_err());
    assert_eq!(dropped.load(Ordering::Relaxed), 2, "the written one and the waiting one");
    append(&log);
    assert_eq!(dropped.load(Ordering::Relaxed), 3, "credit was given before the failure, a commit is not");
}

#[test]
fn shutting_down_lets_the_writer_finish() {
    let world = SimulatedWorld::new(1);
    let mut log = open_first(&world);
    assert_eq!(log.writer.wait(Duration::ZERO), Wake::TimedOut);
    log.append(0, 100);
    log.appender.shut_down();
    assert_eq!(log.writer.wait(Duration::ZERO), Wake::Work);
    assert_eq!(log.commit(), [0]);
    assert_eq!(log.writer.wait(Duration::from_secs(3600)), Wake::ShutDown);
    assert_eq!(log.appender.try_reserve(1).err(), Some(NoCredit::Stopped));
}

#[test]
fn an_append_wakes_a_writer_that_waits() {
    let world = SimulatedWorld::new(1);
    let log = open_first(&world);
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| log.writer.wait(Duration::from_secs(3600)));
        let bytes = payload(0, 100);
        let mut credit = log.appender.try_reserve(100).unwrap();
        log.appender.append(&mut credit, header(0), &bytes, |_| {}, 0);
        assert_eq!(waiting.join().unwrap(), Wake::Work);
    });
}
