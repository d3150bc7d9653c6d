//! Retention, DeleteRecords, deletion of the whole partition.

use std::time::Duration;

use super::fixture::{
    BATCH, Batch, DATA, HOUR, PARTITION, TOPIC, bytes_of, content, create, directory, filled, names, open,
    row, small,
};
use crate::env::simulated::{CrashPlan, SimulatedWorld};
use crate::env::{Clock, Files};
use crate::log::retention::Reason;
use crate::log::{LogConfig, LogDirectory, LogError, PartitionLog, RecoveryPoint};
use crate::model::{Offset, Timestamp};

const YEAR_MS: i64 = 365 * 24 * 3_600_000;

fn hourly() -> LogConfig {
    // Only size ends a segment here.
    let segment_age_max = HOUR * 1_000_000;
    LogConfig { retention_age_max: Some(HOUR), segment_bytes: 300, segment_age_max, ..LogConfig::default() }
}

/// Appends one batch with the wall clock's time and makes it durable.
fn append_now(world: &SimulatedWorld, log: &PartitionLog) {
    let base = log.written_end_offset().0;
    log.append(&[Batch { base, timestamp: world.clock.now().0, ..BATCH }.build()]).unwrap();
    let synced = log.sync().unwrap();
    log.checkpointed(synced).unwrap();
}

fn next_start(log: &PartitionLog) -> Option<i64> {
    log.next_log_start(log.written_end_offset()).map(|(offset, _)| offset.0)
}

#[test]
fn records_go_once_they_are_old_by_a_clock_that_does_not_jump() {
    let minutes = |count: u64| Duration::from_secs(count * 60);
    // What the wall clock does between two appends ten minutes apart.
    let jumps = [
        ("keeps time", 0),
        ("jumps forward for years", 10 * YEAR_MS),
        ("jumps back for years", -10 * YEAR_MS),
        ("jumps back a day", -24 * 3_600_000),
    ];
    for (what, jump) in jumps {
        let world = SimulatedWorld::new(1);
        let log = create(&world, hourly());
        for round in 0..6 {
            let right = world.clock.now();
            if round % 2 == 1 {
                world.clock.set(Timestamp(right.0 + jump));
            }
            append_now(&world, &log);
            assert_eq!(next_start(&log), None, "{what}: the oldest is {} minutes old", round * 10);
            world.clock.set(right);
            assert_eq!(next_start(&log), None, "{what}, and back");
            world.clock.advance(minutes(10));
        }
        // Three batches to a segment: the first segment's youngest is forty minutes old.
        assert!(log.segments_count() > 1);
        assert_eq!(next_start(&log), None, "{what}");
        world.clock.advance(minutes(21));
        let first = log.next_log_start(Offset(6)).expect(what);
        assert_eq!(first, (Offset(3), Reason::Age), "{what}");
        assert_eq!(log.next_log_start(Offset(2)), None, "{what}: not above the high watermark");
    }
}

#[test]
fn a_restart_under_a_clock_that_jumped_deletes_nothing() {
    for (years, expected) in [(0, None), (10, None), (-10, None)] {
        let world = SimulatedWorld::new(1);
        let log = create(&world, hourly());
        (0..4).for_each(|_| append_now(&world, &log));
        let believed = directory(&world).believed_now();
        drop(log);
        world.clock.set(Timestamp(world.clock.now().0 + years * YEAR_MS));
        let shared = LogDirectory::new(world.env(), DATA.into(), 10, Some(believed));
        let point = RecoveryPoint { offset: Offset(4), ..RecoveryPoint::default() };
        let (log, _) = PartitionLog::open(&shared, TOPIC, PARTITION, hourly(), point).unwrap();
        assert_eq!(next_start(&log), expected, "{years} years");
        world.clock.advance(HOUR + Duration::from_secs(1));
        assert_eq!(next_start(&log), Some(4), "{years} years: an hour of uptime is an hour");
    }
}

#[test]
fn records_that_were_old_when_they_came_go_as_in_kafka() {
    let world = SimulatedWorld::new(1);
    let log = create(&world, hourly());
    let now = world.clock.now().0;
    for base in 0..3 {
        log.append(&[Batch { base, timestamp: now - 2 * 3_600_000, ..BATCH }.build()]).unwrap();
    }
    assert_eq!(next_start(&log), None, "not before the checkpoint");
    log.sync().unwrap();
    log.checkpointed(Offset(3)).unwrap();
    assert_eq!(next_start(&log), Some(3));
}

#[test]
fn whole_segments_below_the_log_start_go() {
    for start in 0..=40 {
        let world = SimulatedWorld::new(1);
        let log = filled(&world, small(), 40);
        log.sync().unwrap();
        log.set_log_start_offset(Offset(start));
        let held = log.read(Offset(start), Offset(40), u64::MAX, true).unwrap();
        let deleted = log.delete_old_segments().unwrap();
        // Eleven batches to a segment.
        assert_eq!(deleted as i64, if start == 40 { 4 } else { start / 11 }, "log start {start}");
        assert_eq!(content(&log).len() as u64, held.bytes, "log start {start}");
        bytes_of(&held.extents);
        assert_eq!(log.delete_old_segments().unwrap(), 0);
        let files = names(&world).iter().filter(|name| name.contains("index")).count();
        assert!(files <= log.segments_count() * 2, "indexes went with their segments");
    }
}

#[test]
fn the_end_survives_when_everything_is_gone() {
    let world = SimulatedWorld::new(1);
    let log = filled(&world, small(), 40);
    log.sync().unwrap();
    log.set_log_start_offset(Offset(40));
    log.delete_old_segments().unwrap();
    assert!(names(&world).contains(&"00000000000000000040.log".to_owned()));
    assert_eq!((log.size_bytes(), log.segments_count()), (0, 1));
    assert_eq!(log.sync().unwrap(), Offset(40));
    drop(log);
    for plan in CrashPlan::all(1, 5) {
        let world = world.after_crash(plan);
        let (log, state) = open(&world, small(), 40, 40).unwrap();
        assert_eq!(state.log_end_offset, Offset(40));
        assert_eq!(state.producers.len(), 1, "the producer's place survives its records");
        log.append(&row(40, 3)).unwrap();
        assert_eq!(content(&log), row(40, 3).concat());
        assert!(matches!(log.read(Offset(39), Offset(43), 1, true), Err(LogError::OutOfRange { .. })));
    }
}

#[test]
fn replay_below_the_log_start_counts_but_is_not_written() {
    let world = SimulatedWorld::new(1);
    drop(create(&world, small()));
    let (log, _) = open(&world, small(), 0, 20).unwrap();
    log.append(&row(0, 15)).unwrap();
    assert_eq!((log.size_bytes(), log.written_end_offset()), (0, Offset(15)));
    log.append(&row(15, 15)).unwrap();
    assert_eq!(content(&log), row(20, 10).concat());
    let producers = log.state().producers;
    assert_eq!(producers.iter().next().unwrap().1.batches[4].base_offset, Offset(29));
}

#[test]
fn state_files_go_when_two_newer_ones_are_below_the_checkpoint() {
    let world = SimulatedWorld::new(1);
    let log = create(&world, small());
    let states = || names(&world).iter().filter(|name| name.ends_with(".state")).count();
    for round in 1..=4 {
        log.append(&row(round * 5 - 5, 5)).unwrap();
        log.sync().unwrap();
        assert_eq!(states(), round as usize, "without a checkpoint none goes");
    }
    log.checkpointed(Offset(5)).unwrap();
    assert_eq!(states(), 4);
    log.checkpointed(Offset(15)).unwrap();
    assert_eq!(states(), 3, "the first goes: two others are at or below 15");
    log.checkpointed(Offset(20)).unwrap();
    assert_eq!(states(), 2);
}

#[test]
fn a_partition_goes_in_two_steps_whatever_happens_between() {
    let world = SimulatedWorld::new(1);
    let log = filled(&world, small(), 40);
    log.sync().unwrap();
    let read = log.read(Offset(0), Offset(40), u64::MAX, true).unwrap();
    let deleted = log.rename_for_deletion().unwrap().expect("it was there");
    assert!(matches!(log.append(&row(40, 1)), Err(LogError::Closed { .. })));
    assert!(matches!(log.sync(), Err(LogError::Closed { .. })));
    assert!(matches!(log.read(Offset(0), Offset(40), 9, true), Err(LogError::Closed { .. })));
    assert_eq!(bytes_of(&read.extents), row(0, 40).concat(), "a reader that holds its files goes on");
    let shared = directory(&world);
    assert_eq!(shared.rename_for_deletion(TOPIC, PARTITION).unwrap(), None, "a second time: nothing there");
    for plan in CrashPlan::all(4, 4) {
        let world = world.after_crash(plan);
        let shared = directory(&world);
        assert_eq!(shared.deleted().unwrap(), std::slice::from_ref(&deleted), "the name is durable");
        // The name is free.
        drop(filled(&world, small(), 1));
        shared.unlink(&deleted).unwrap();
        shared.unlink(&deleted).unwrap();
        assert_eq!(world.files.list(DATA.as_ref()).unwrap(), ["orders-3"]);
    }
}
