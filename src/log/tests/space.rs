//! A full disk: nothing is lost, nothing is fatal, and a failed sync is not trusted.

use std::io;

use super::fixture::{BATCH, Batch, content, create, filled, open, path, row, small};
use crate::env::Files;
use crate::env::simulated::{CrashPlan, Fault, Operation, SimulatedWorld};
use crate::log::{LogConfig, LogError};
use crate::model::Offset;

/// An error of the next operation of that kind on files whose path contains `path`.
fn inject(world: &SimulatedWorld, operation: Operation, path: &str, error: io::ErrorKind) {
    world.files.inject(Fault::new(operation, path, 0).with_error(error));
}

#[test]
fn a_full_disk_leaves_the_log_at_its_last_good_end() {
    let size = row(0, 1)[0].len() as u64;
    for room in 0..size * 12 {
        let world = SimulatedWorld::new(room);
        let log = filled(&world, small(), 5);
        world.files.set_capacity(world.files.used_bytes() + room);
        let error = log.append(&row(5, 20)).expect_err("there is no room for twenty");
        assert!(matches!(error, LogError::NoSpace { .. }), "{room} bytes of room: {error}");
        let end = log.written_end_offset().0;
        assert_eq!(content(&log), row(0, end).concat(), "{room} bytes of room");
        world.files.set_capacity(u64::MAX);
        // The same call again: what is there is skipped.
        log.append(&row(5, 20)).unwrap();
        assert_eq!(content(&log), row(0, 25).concat(), "{room} bytes of room");
        assert_eq!(log.sync().unwrap(), Offset(25));
        drop(log);
        let (log, _) = open(&world.after_crash(CrashPlan::DropUnsynced), small(), 25, 0).unwrap();
        assert_eq!(content(&log), row(0, 25).concat(), "{room} bytes of room");
    }
}

#[test]
fn a_state_file_without_room_is_written_later() {
    let world = SimulatedWorld::new(1);
    let log = filled(&world, small(), 20);
    world.files.set_capacity(world.files.used_bytes() + 10);
    assert!(matches!(log.sync(), Err(LogError::NoSpace { .. })));
    assert_eq!(log.synced_end_offset(), Offset(0));
    assert!(log.dirty_since().is_some());
    world.files.set_capacity(u64::MAX);
    assert_eq!(log.sync().unwrap(), Offset(20));
    let (log, _) = open(&world.after_crash(CrashPlan::DropUnsynced), small(), 20, 0).unwrap();
    assert_eq!(content(&log), row(0, 20).concat());
}

#[test]
fn after_a_failed_sync_everything_since_the_last_good_one_is_written_again() {
    for seed in 0..50 {
        let world = SimulatedWorld::new(seed);
        let log = filled(&world, small(), 25);
        log.sync().unwrap();
        log.checkpointed(Offset(25)).unwrap();
        log.append(&row(25, 25)).unwrap();
        let before = log.state();
        // One of the dirty segments fails; its pages may be lost although they still read well.
        let base = if seed % 2 == 0 { "22.log" } else { "33.log" };
        inject(&world, Operation::Sync, base, io::ErrorKind::StorageFull);
        for _ in 0..2 {
            assert!(matches!(log.sync(), Err(LogError::RewindNeeded { .. })), "seed {seed}");
            assert!(matches!(log.append(&row(50, 1)), Err(LogError::RewindNeeded { .. })), "seed {seed}");
        }
        log.rewind_to_synced().unwrap();
        assert_eq!(log.written_end_offset(), Offset(25));
        assert_eq!(content(&log), row(0, 25).concat());
        log.append(&row(25, 25)).unwrap();
        assert_eq!(log.state(), before, "producers and leader epochs went back with it");
        assert_eq!(log.sync().unwrap(), Offset(50));
        let (log, state) = open(&world.after_crash(CrashPlan::DropUnsynced), small(), 50, 0).unwrap();
        assert_eq!(content(&log), row(0, 50).concat(), "seed {seed}");
        assert_eq!(state, before);
    }
}

#[test]
fn a_rewind_before_the_first_good_sync() {
    let world = SimulatedWorld::new(3);
    let log = filled(&world, small(), 25);
    inject(&world, Operation::Sync, ".log", io::ErrorKind::QuotaExceeded);
    assert!(matches!(log.sync(), Err(LogError::RewindNeeded { .. })));
    log.rewind_to_synced().unwrap();
    assert_eq!(log.written_end_offset(), Offset(0));
    log.append(&row(0, 25)).unwrap();
    assert_eq!(log.sync().unwrap(), Offset(25));
    let (log, _) = open(&world.after_crash(CrashPlan::DropUnsynced), small(), 25, 0).unwrap();
    assert_eq!(content(&log), row(0, 25).concat());
}

#[test]
fn any_other_error_is_for_the_caller_to_stop_on() {
    for (operation, file) in [
        (Operation::Write, ".log"),
        (Operation::Sync, ".log"),
        (Operation::Sync, ".state"),
        (Operation::Rename, ""),
    ] {
        let world = SimulatedWorld::new(1);
        let log = create(&world, small());
        inject(&world, operation, file, io::ErrorKind::Other);
        let result = log.append(&row(0, 20)).and_then(|()| log.sync().map(|_| ()));
        assert!(matches!(result, Err(LogError::Io { .. })), "{operation:?} {file}: {result:?}");
    }
    assert!(SimulatedWorld::new(1).files.exists(&path("")).is_ok());
}

#[test]
fn nothing_of_a_failed_write_is_left_in_a_segment_that_ends_there() {
    let world = SimulatedWorld::new(1);
    let log = filled(&world, small(), 5);
    let batch = |value_bytes| Batch { base: 5, value_bytes, ..BATCH }.build();
    world.files.set_capacity(world.files.used_bytes() + 100);
    assert!(matches!(log.append(&[batch(300)]), Err(LogError::NoSpace { .. })));
    world.files.set_capacity(u64::MAX);
    // Too large for what is left of the segment: the next one begins.
    log.append(&[batch(900)]).unwrap();
    assert_eq!((log.segments_count(), log.sync().unwrap()), (2, Offset(6)));
    drop(log);
    let (log, _) = open(&world, small(), 6, 0).unwrap();
    assert_eq!(content(&log), [row(0, 5).concat(), batch(900).to_vec()].concat());
}

#[test]
fn a_write_back_without_room_asks_for_a_rewind_as_a_sync_does() {
    for seed in 0..20 {
        let world = SimulatedWorld::new(seed);
        let log = filled(&world, small(), 25);
        log.sync().unwrap();
        log.append(&row(25, 25)).unwrap();
        inject(&world, Operation::Sync, ".log", io::ErrorKind::StorageFull);
        assert!(matches!(log.write_back(1), Err(LogError::RewindNeeded { .. })), "seed {seed}");
        assert!(matches!(log.sync(), Err(LogError::RewindNeeded { .. })), "seed {seed}");
        log.rewind_to_synced().unwrap();
        assert_eq!(content(&log), row(0, 25).concat(), "seed {seed}");
        log.append(&row(25, 25)).unwrap();
        assert_eq!(log.sync().unwrap(), Offset(50));
        let (log, _) = open(&world.after_crash(CrashPlan::DropUnsynced), small(), 50, 0).unwrap();
        assert_eq!(content(&log), row(0, 50).concat(), "seed {seed}");
    }
}

#[test]
fn a_write_back_leaves_the_disk_with_what_was_written_and_promises_nothing() {
    let world = SimulatedWorld::new(4);
    let large = LogConfig { segment_bytes: 1 << 20, ..small() };
    let log = filled(&world, large, 5);
    log.sync().unwrap();
    let more = row(5, 5).concat().len() as u64;
    log.append(&row(5, 5)).unwrap();
    let segment = path("00000000000000000000.log");
    let on_disk = || {
        let crashed = world.after_crash(CrashPlan::DropUnsynced);
        crashed.files.read(&segment, 1 << 20).unwrap()
    };
    log.write_back(more + 1).unwrap();
    assert_eq!(on_disk(), row(0, 5).concat(), "too little to write back");
    log.write_back(more).unwrap();
    assert_eq!(on_disk(), row(0, 10).concat());
    assert_eq!((log.synced_end_offset(), log.unsynced_bytes()), (Offset(5), more));
    // Counted from here on: what was written back is not written back again.
    log.append(&row(10, 1)).unwrap();
    log.write_back(more).unwrap();
    assert_eq!(on_disk(), row(0, 10).concat());
    assert_eq!(log.sync().unwrap(), Offset(11));
}
