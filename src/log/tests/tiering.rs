//! A log whose oldest segments have left the disk for somewhere else.

use super::fixture::*;
use crate::env::Files;
use crate::env::simulated::{CrashPlan, SimulatedWorld};
use crate::log::{LogConfig, LogError, PartitionLog};
use crate::model::{LeaderEpoch, Offset};

/// A log of 60 records in several segments, by two leaders, all synced and under the checkpoint.
fn synced(world: &SimulatedWorld) -> PartitionLog {
    let log = create(world, LogConfig { segment_bytes: 700, ..small() });
    log.append(&row(0, 30)).unwrap();
    let second = |base| {
        let producer = Some((7, 0, i32::try_from(base).unwrap()));
        Batch { base, timestamp: 1000 + 10 * base, leader_epoch: 2, producer, ..BATCH }.build()
    };
    log.append(&(30..60).map(second).collect::<Vec<_>>()).unwrap();
    log.sync().unwrap();
    log.checkpointed(Offset(60)).unwrap();
    log
}

fn config() -> LogConfig {
    LogConfig { segment_bytes: 700, ..small() }
}

fn ends(log: &PartitionLog, from: i64, end_max: i64) -> Vec<[i64; 2]> {
    let tierable = log.tierable(Offset(from), Offset(0), Offset(end_max), 100).unwrap();
    tierable.iter().map(|segment| [segment.base_offset.0, segment.end_offset.0]).collect()
}

#[test]
fn closed_segments_below_the_checkpoint_can_be_copied() {
    let world = SimulatedWorld::new(1);
    let log = synced(&world);
    let all = ends(&log, 0, 60);
    assert!(all.len() >= 4, "{all:?}");
    assert!(all.windows(2).all(|pair| pair[0][1] == pair[1][0]), "one follows the other: {all:?}");
    let [base, end] = all[1];
    assert_eq!(ends(&log, base, end), [all[1]]);
    assert_eq!(ends(&log, base + 1, end), [all[1]], "one that is begun counts");
    assert_eq!(ends(&log, base, end - 1), [[0; 2]; 0]);
    assert_eq!(log.tierable(Offset(0), Offset(0), Offset(60), 2).unwrap().len(), 2);
    let copied = log.tierable(Offset(0), Offset(0), Offset(60), 100).unwrap();
    let first = &copied[0];
    assert_eq!(bases(&bytes_of(std::slice::from_ref(&first.extent))), (0..all[0][1]).collect::<Vec<_>>());
    assert_eq!(
        (first.max_timestamp.0, first.max_timestamp_offset.0),
        (1000 + 10 * (end_of(first) - 1), end_of(first) - 1)
    );

    log.append(&row(60, 60)).unwrap();
    log.sync().unwrap();
    assert!(ends(&log, 0, 120).iter().all(|[_, end]| *end <= 60), "the checkpoint does not cover more");

    // Its file may go, and the copy goes on.
    log.set_local_log_start_offset(Offset(60));
    log.delete_old_segments().unwrap();
    assert_eq!(bases(&bytes_of(std::slice::from_ref(&first.extent))), (0..all[0][1]).collect::<Vec<_>>());
}

#[test]
fn what_is_closed_and_not_copied_lags() {
    let world = SimulatedWorld::new(3);
    let log = synced(&world);
    let all = log.tierable(Offset(0), Offset(0), Offset(60), 100).unwrap();
    let bytes = |from: usize| all[from..].iter().map(|segment| segment.bytes).sum::<u64>();
    world.clock.advance(std::time::Duration::from_secs(90));
    let count = all.len() as u64;
    for (from, first) in [(0, 0), (end_of(&all[0]) - 1, 0), (end_of(&all[0]), 1), (end_of(&all[1]), 2)] {
        let lag = log.copy_lag(Offset(from));
        assert_eq!((lag.segments, lag.bytes), (count - first as u64, bytes(first)), "{from}");
        assert!(lag.age >= std::time::Duration::from_secs(90), "{lag:?}");
    }
    // The active segment is not behind: it cannot be copied.
    assert_eq!(log.copy_lag(all[all.len() - 1].end_offset), crate::log::CopyLag::default());
    assert_eq!(log.copy_lag(Offset(1_000)), crate::log::CopyLag::default());
}

fn end_of(segment: &crate::log::TierableSegment) -> i64 {
    segment.end_offset.0
}

#[test]
fn a_log_is_read_from_its_local_start_on() {
    let world = SimulatedWorld::new(2);
    let log = synced(&world);
    let start = ends(&log, 0, 60)[2][1];
    log.set_local_log_start_offset(Offset(start));
    assert_eq!(log.log_start_offset(), Offset(0));
    assert_eq!(log.local_log_start_offset(), Offset(start));
    let read = log.read(Offset(start - 1), Offset(60), 1 << 20, true);
    assert!(matches!(read, Err(LogError::OutOfRange { .. })));
    let found = log.find_by_timestamp(crate::model::Timestamp(1000), Offset(60)).unwrap().unwrap();
    assert_eq!(found.offset, Offset(start), "the first one on this disk");
    assert!(log.delete_old_segments().unwrap() >= 3);
    assert_eq!(content(&log), content_from(start));
    assert_eq!(log.state().leader_epochs.epoch_for(Offset(0)), Some(LeaderEpoch(1)));
    // The log start counts where it is further.
    log.set_log_start_offset(Offset(start + 3));
    assert_eq!(log.local_log_start_offset(), Offset(start + 3));
}

/// As [`synced`] has them.
fn content_from(start: i64) -> Vec<u8> {
    let world = SimulatedWorld::new(99);
    let log = synced(&world);
    log.set_local_log_start_offset(Offset(start));
    content(&log)
}

/// Whatever of the files below the local start is there or not, the log opens, and a second time changes
/// nothing.
#[test]
fn files_below_the_local_start_need_not_be_there() {
    let world = SimulatedWorld::new(3);
    let log = synced(&world);
    let closed = ends(&log, 0, 60);
    drop(log);
    for gone in 0..=closed.len() {
        let start = if gone == 0 { 0 } else { closed[gone - 1][1] };
        for unlinked in 0..(1 << gone) {
            let world = world.after_crash(CrashPlan::DropUnsynced);
            for (at, [base, _]) in closed[..gone].iter().enumerate() {
                if unlinked & (1 << at) != 0 {
                    world.files.remove_file(&path(&format!("{base:020}.log"))).unwrap();
                }
            }
            let what = format!("{gone} segments, removed {unlinked:b}");
            let (log, state) = open_tiered(&world, config(), [60, 0, start]).expect(&what);
            assert_eq!((state.log_end_offset.0, log.log_start_offset().0), (60, 0), "{what}");
            assert_eq!(content(&log), content_from(start), "{what}");
            assert_eq!(state.leader_epochs.epoch_for(Offset(0)), Some(LeaderEpoch(1)), "{what}");
            log.sync().unwrap();
            drop(log);
            let before = files(&world);
            let (log, _) = open_tiered(&world, config(), [60, 0, start]).expect(&what);
            log.sync().unwrap();
            drop(log);
            assert_eq!(files(&world), before, "{what}");
            // One above it is missed.
            if gone < closed.len() {
                world.files.remove_file(&path(&format!("{:020}.log", closed[gone][0]))).unwrap();
                let missed = open_tiered(&world, config(), [60, 0, start]).err();
                assert!(matches!(missed, Some(LogError::Corrupt { .. })), "{what}: {missed:?}");
            }
        }
    }
}

fn files(world: &SimulatedWorld) -> Vec<(String, Vec<u8>)> {
    let read = |name: String| {
        let bytes = world.files.read(&path(&name), 1 << 20).unwrap();
        (name, bytes)
    };
    names(world).into_iter().map(read).collect()
}

/// Its segments are all elsewhere, and the empty active one keeps the end's name.
#[test]
fn a_log_with_nothing_but_an_empty_active_segment_goes_on() {
    let world = SimulatedWorld::new(4);
    let log = synced(&world);
    let before = log.state();
    log.set_config(LogConfig { segment_age_max: std::time::Duration::from_millis(1), ..config() });
    world.clock.advance(HOUR);
    assert!(log.roll_if_due().unwrap());
    log.sync().unwrap();
    log.checkpointed(Offset(60)).unwrap();
    assert_eq!(ends(&log, 0, 60).last().unwrap()[1], 60, "the last one is closed as well");
    log.set_local_log_start_offset(Offset(60));
    log.delete_old_segments().unwrap();
    assert_eq!(log.segments_count(), 1);
    for plan in [CrashPlan::DropUnsynced, CrashPlan::KeepUnsynced] {
        let world = world.after_crash(plan);
        let (log, state) = open_tiered(&world, config(), [60, 0, 60]).unwrap();
        assert_eq!(state.log_end_offset, Offset(60));
        assert_eq!(state.producers, before.producers, "the producers are known");
        assert_eq!(state.leader_epochs, before.leader_epochs);
        log.append(&row(60, 10)).unwrap();
        log.sync().unwrap();
        assert_eq!(content(&log), row(60, 10).concat());
        drop(log);
        let (log, _) = open_tiered(&world, config(), [70, 0, 60]).unwrap();
        assert_eq!(content(&log), row(60, 10).concat());
    }
}
