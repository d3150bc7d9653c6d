//! Credits, pre-writing, trimming and oversized entries.

use std::future::Future;
use std::io;
use std::path::Path;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use super::support::*;
use crate::env::Files;
use crate::env::simulated::{CrashPlan, Fault, Operation, SimulatedWorld};
use crate::wal::{Lsn, NoCredit, OpenedWal, SyncMode, WalOptions, create};

fn provisioned(world: &SimulatedWorld) -> OpenedWal<u64> {
    let mut log = open_first(world);
    while log.provisioner.step().unwrap() {}
    log
}

fn file_names(world: &SimulatedWorld) -> Vec<String> {
    world.files.list(Path::new(DIR)).unwrap()
}

#[test]
fn one_slot_is_pre_written_before_the_log_opens_and_more_behind_it() {
    let world = SimulatedWorld::new(1);
    let mut log = open_first(&world);
    let (slot, waste) = (options().slot_bytes, options().slot_bytes / 2);
    assert_eq!(log.appender.status().file_bytes, slot);
    assert_eq!(log.appender.status().free_bytes, slot - waste);
    assert!(log.provisioner.step().unwrap());
    assert_eq!(log.appender.status().free_bytes, 2 * slot - waste);
    assert!(!log.provisioner.step().unwrap(), "the target is reached");
}

#[test]
fn credit_is_taken_at_once_and_what_is_not_used_returns() {
    let world = SimulatedWorld::new(1);
    let mut log = provisioned(&world);
    let free = |log: &OpenedWal<u64>| log.appender.status().free_bytes;
    let whole = free(&log);
    let credit = log.appender.try_reserve_all([100, 5000]).unwrap();
    assert_eq!(free(&log), whole - 4096 - 8192);
    drop(credit);
    assert_eq!(free(&log), whole);
    for number in 0..10 {
        log.append(number, 300);
    }
    assert_eq!(free(&log), whole - 4096, "ten entries share one frame");
    log.commit();
    assert_eq!(free(&log), whole - 4096);
}

#[test]
fn a_reservation_is_all_or_nothing() {
    let world = SimulatedWorld::new(1);
    let log = provisioned(&world);
    let free = log.appender.status().free_bytes;
    let pages = (free / 4096) as usize;
    let one = log.appender.try_reserve(1).unwrap();
    assert_eq!(log.appender.try_reserve_all(vec![100; pages]).err(), Some(NoCredit::Full));
    assert_eq!(log.appender.status().free_bytes, free - 4096);
    drop(one);
    let all = log.appender.try_reserve_all(vec![100; pages]).unwrap();
    assert_eq!(log.appender.try_reserve(1).err(), Some(NoCredit::Full));
    drop(all);
    assert!(log.appender.try_reserve(1).is_ok());
    assert_eq!(log.appender.try_reserve(2 << 30).err(), Some(NoCredit::TooLarge));
}

/// A request that waits for what no trimming makes room for would wait in vain.
#[test]
fn what_can_never_be_promised_is_too_large_and_all_else_is_promised_once_there_is_room() {
    let world = SimulatedWorld::new(1);
    let mut log = provisioned(&world);
    // One file of two may be full but for the part that no frame fits into.
    let largest = (options().file_bytes - options().slot_bytes / 2) as usize / 4096;
    assert_eq!(log.appender.try_reserve_all(vec![100; largest + 1]).err(), Some(NoCredit::TooLarge));
    for filled in 0..2 * largest as u64 {
        let mut credit = log.appender.try_reserve_all(vec![100; largest]);
        while credit.is_err() && log.provisioner.step().unwrap() {
            credit = log.appender.try_reserve_all(vec![100; largest]);
        }
        assert!(credit.is_ok(), "with {filled} pages written: {:?}", credit.err());
        drop(credit);
        let written = log.commit_one(filled, 100);
        log.appender.trim(Lsn(written.0 + 4096));
    }
}

/// Whatever is promised finds a place: the largest ordinary entries in the order that wastes most.
#[test]
fn promised_space_is_there_however_frames_fall() {
    for seed in 0..200u64 {
        let world = SimulatedWorld::new(seed);
        let mut log = provisioned(&world);
        let mut random = seed;
        let mut number = 0;
        let mut credits = Vec::new();
        loop {
            random = random.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            let length = ((random >> 33) % 32_000) as usize;
            match log.appender.try_reserve(length.max(8) as u64) {
                Ok(credit) => credits.push((credit, length)),
                Err(_) if log.provisioner.step().unwrap() => {}
                Err(_) => break,
            }
        }
        for (mut credit, length) in credits.drain(..) {
            let bytes = payload(number, length);
            log.appender.append(&mut credit, header(0), &bytes, |_| {}, number);
            number += 1;
            if number % 3 == 0 {
                log.commit();
            }
        }
        log.commit();
        let after = world.after_crash(CrashPlan::DropUnsynced);
        assert_eq!(replay(&after, &log.replay_start).unwrap().0, (0..number).collect::<Vec<_>>());
    }
}

#[test]
fn trimmed_files_are_written_again_and_none_is_added() {
    let world = SimulatedWorld::new(1);
    let mut log = provisioned(&world);
    let mut files = 0;
    let mut last = log.replay_start;
    for number in 0..300 {
        while log.provisioner.step().unwrap() {}
        log.commit_one(number, 6000);
        files = files.max(file_names(&world).len());
        if number % 5 == 4 {
            let here = log.appender.appended_lsn();
            last = log.appender.replay_start(here);
            assert_eq!(last.lsn, here);
            log.appender.trim(here);
        }
    }
    assert_eq!(files, 2, "the capacity is two files");
    log.commit_one(300, 100);
    assert_eq!(replay(&world, &last).unwrap().0, [300]);
}

#[test]
fn without_trimming_the_capacity_ends_credit_and_trimming_wakes_those_who_wait() {
    let world = SimulatedWorld::new(1);
    let mut log = provisioned(&world);
    let mut number = 0;
    while let Ok(mut credit) = log.appender.try_reserve(6000) {
        log.appender.append(&mut credit, header(0), &payload(number, 6000), |_| {}, number);
        drop(credit);
        log.commit();
        while log.provisioner.step().unwrap() {}
        number += 1;
    }
    assert!(number > 20);
    let mut waiting = pin!(log.appender.credit_available());
    let mut context = Context::from_waker(Waker::noop());
    assert_eq!(waiting.as_mut().poll(&mut context), Poll::Pending);
    log.appender.trim(log.appender.durable_lsn());
    assert_eq!(waiting.as_mut().poll(&mut context), Poll::Ready(()));
    assert!(log.appender.try_reserve(6000).is_ok());
}

#[test]
fn a_replay_start_sees_everything_at_and_above_its_lsn() {
    let world = SimulatedWorld::new(1);
    let mut log = provisioned(&world);
    let lsns: Vec<_> = (0..12).map(|number| log.commit_one(number, 4000 * (number as usize % 3))).collect();
    for (number, lsn) in lsns.iter().enumerate() {
        let (numbers, _) = replay(&world, &log.appender.replay_start(*lsn)).unwrap();
        assert!(numbers.contains(&(number as u64)) && numbers.ends_with(&[11]), "{number}: {numbers:?}");
    }
}

#[test]
fn an_oversized_entry_gets_a_file_of_its_own_that_goes_with_the_trim() {
    let world = SimulatedWorld::new(1);
    let mut log = provisioned(&world);
    let ordinary = file_names(&world);
    log.commit_one(0, 100);
    let length = 300 << 10;
    assert_eq!(log.appender.try_reserve(length as u64).err(), Some(NoCredit::Full), "its file is made first");
    while log.provisioner.step().unwrap() {}
    assert_eq!(file_names(&world).len(), ordinary.len() + 1);
    log.append(1, 200);
    log.append(2, length);
    log.append(3, 100);
    assert_eq!(log.commit(), [1, 2, 3]);
    let after = world.after_crash(CrashPlan::DropUnsynced);
    assert_eq!(replay(&after, &log.replay_start).unwrap().0, [0, 1, 2, 3]);
    let behind = log.appender.replay_start(log.appender.appended_lsn());
    log.commit_one(4, 100);
    assert_eq!(replay(&world, &behind).unwrap().0, [4], "replay can begin behind it, in the file before it");
    log.appender.trim(log.appender.durable_lsn());
    while log.provisioner.step().unwrap() {}
    assert_eq!(file_names(&world), ordinary);
}

#[test]
fn a_full_disk_stops_credit_but_never_a_frame() {
    let world = SimulatedWorld::new(1);
    world.files.set_capacity(options().slot_bytes + 10_000);
    let mut log = open_first(&world);
    assert!(!log.provisioner.step().unwrap(), "a full disk is no error");
    assert!(log.appender.status().disk_full);
    let mut number = 0;
    while log.appender.try_reserve(3000).is_ok() {
        log.commit_one(number, 3000);
        number += 1;
    }
    assert!(number > 5);
    assert_eq!(log.appender.try_reserve(3000).err(), Some(NoCredit::DiskFull));

    world.files.set_capacity(u64::MAX);
    assert!(!log.provisioner.step().unwrap(), "the next attempt waits its time");
    world.clock.advance(Duration::from_secs(2));
    assert!(log.provisioner.step().unwrap());
    assert!(!log.appender.status().disk_full);
    log.commit_one(number, 3000);
}

#[test]
fn a_disk_that_is_full_at_the_start_opens_a_log_without_credit() {
    let world = SimulatedWorld::new(1);
    world.files.inject(Fault::new(Operation::Write, ".wal", 0).with_error(io::ErrorKind::StorageFull));
    let mut log = open_first(&world);
    assert_eq!(log.appender.try_reserve(1).err(), Some(NoCredit::DiskFull));
    world.clock.advance(Duration::from_secs(2));
    assert!(log.provisioner.step().unwrap());
    log.commit_one(0, 100);
}

#[test]
fn durable_lsn_says_what_was_synced_in_os_mode_too() {
    let world = SimulatedWorld::new(1);
    let options = WalOptions { sync: SyncMode::Os, ..options() };
    let incarnation = crate::wal::NewIncarnation::first(WAL_ID);
    let mut log = create::<u64>(&world.env(), Path::new(DIR), options, incarnation).unwrap();
    log.commit_one(0, 100);
    assert_eq!(log.appender.durable_lsn().0, 0);
    assert!(!log.writer.idle().unwrap(), "nothing new is durable");
    assert_eq!(log.writer.sync_all().unwrap().0, 4096);
    assert_eq!(log.appender.durable_lsn().0, 4096);
    assert!(log.writer.idle().unwrap() && !log.writer.idle().unwrap(), "published once");
}

#[test]
fn replay_can_begin_behind_the_last_entries_although_idle_frames_follow() {
    let world = SimulatedWorld::new(1);
    let mut log = open_first(&world);
    log.commit_one(0, 100);
    let end = log.appender.durable_lsn();
    assert!(log.writer.idle().unwrap());
    let start = log.appender.replay_start(end);
    assert_eq!(replay(&world, &start).unwrap().0, [] as [u64; 0], "an idle frame is nothing to replay");
    log.commit_one(1, 100);
    assert_eq!(replay(&world, &start).unwrap().0, [1]);
    assert_eq!(
        replay(&world, &log.appender.replay_start(end)).unwrap().0,
        [0, 1],
        "entries above it are seen"
    );
}
