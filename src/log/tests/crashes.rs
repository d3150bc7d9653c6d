//! A crash at every operation that changes the disk, under every plan of what survives.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::fixture::{content, create, names, open, path, row, small};
use crate::env::Files;
use crate::env::simulated::{CrashPlan, SimulatedWorld};
use crate::log::{LogConfig, LogError, PartitionLog};
use crate::model::Offset;

/// What outlives the crash: the caller's checkpoint, and (all of) its WAL.
#[derive(Clone, Copy, Default, Debug)]
struct Checkpoint {
    offset: i64,
    log_start: i64,
}

const END: i64 = 60;

fn config() -> LogConfig {
    LogConfig { segment_bytes: 700, ..small() }
}

/// Appends, syncs, rolls, deletes; stops at the first error, which must be the crash.
fn workload(world: &SimulatedWorld, checkpoint: &mut Checkpoint) -> Result<(), LogError> {
    let log = create_or_crash(world)?;
    for step in 0..END / 5 {
        log.append(&row(step * 5, 5))?;
        // Some checkpoints lag behind two syncs, some deletions come before the next sync.
        if step % 2 == 1 {
            let synced = log.sync()?;
            if step % 4 == 3 {
                checkpoint.offset = synced.0;
                log.checkpointed(synced)?;
            }
        }
        if step == 5 || step == 8 {
            checkpoint.log_start = step * 5 - 7;
            log.set_log_start_offset(Offset(checkpoint.log_start));
            log.delete_old_segments()?;
        }
        if step == 10 {
            // Everything goes; the end survives.
            checkpoint.log_start = log.written_end_offset().0;
            log.set_log_start_offset(Offset(checkpoint.log_start));
            log.delete_old_segments()?;
        }
    }
    Ok(())
}

fn create_or_crash(world: &SimulatedWorld) -> Result<PartitionLog, LogError> {
    open(world, config(), 0, 0).map(|(log, _)| log)
}

fn files(world: &SimulatedWorld) -> BTreeMap<String, Vec<u8>> {
    let read = |name: String| {
        let bytes = world.files.read(&path(&name), u64::MAX).unwrap();
        (name, bytes)
    };
    names(world).into_iter().map(read).collect()
}

fn expected(from: i64) -> Vec<u8> {
    row(from, END - from).concat()
}

/// Opens after a crash, replays the WAL, compares; then cuts the power once more and opens again.
fn recover(world: &SimulatedWorld, checkpoint: Checkpoint, what: &str) {
    let (log, state) = open(world, config(), checkpoint.offset, checkpoint.log_start)
        .unwrap_or_else(|error| panic!("{what}: {error}"));
    assert_eq!(state.log_end_offset, Offset(checkpoint.offset), "{what}");
    let last = state.producers.iter().next().map(|(_, entry)| entry.batches.last().unwrap().last_offset.0);
    assert_eq!(last, (checkpoint.offset > 0).then_some(checkpoint.offset - 1), "{what}: producer state");
    let wal: Vec<Bytes> = row(checkpoint.offset, END - checkpoint.offset);
    log.append(&wal).unwrap();
    log.delete_old_segments().unwrap();
    assert_eq!(content(&log), expected(checkpoint.log_start), "{what}: content");
    assert_eq!(log.written_end_offset(), Offset(END), "{what}");
    let synced = log.sync().unwrap();
    assert_eq!(synced, Offset(END), "{what}");
    log.checkpointed(synced).unwrap();
    let (before, state) = (files(world), log.state());
    for plan in [CrashPlan::DropUnsynced, CrashPlan::KeepUnsynced, CrashPlan::Random(9)] {
        let world = world.after_crash(plan);
        let (log, again) = open(&world, config(), END, checkpoint.log_start)
            .unwrap_or_else(|error| panic!("{what}, second recovery: {error}"));
        assert_eq!(again, state, "{what}: state of the second recovery");
        assert_eq!(log.sync().unwrap(), Offset(END), "{what}");
        let after = files(&world);
        for (name, bytes) in &before {
            assert_eq!(after.get(name), Some(bytes), "{what}: {name} after the second recovery");
        }
        // What was unlinked may come back from a crash: recovery removed it again, or its state is older.
        for name in after.keys().filter(|name| !before.contains_key(*name)) {
            assert!(name.ends_with(".state"), "{what}: {name} is there after the second recovery");
        }
        assert_eq!(content(&log), expected(checkpoint.log_start), "{what}");
    }
}

#[test]
fn a_crash_at_every_operation_loses_nothing() {
    let clean = SimulatedWorld::new(1);
    workload(&clean, &mut Checkpoint::default()).unwrap();
    let operations = clean.files.operations();
    assert!(operations > 150, "{operations} operations are too few to mean anything");
    for at in 0..operations {
        for plan in CrashPlan::all(at, 4) {
            let world = SimulatedWorld::new(at);
            world.files.create_dir_all("/data".as_ref()).unwrap();
            world.files.sync_dir("/".as_ref()).unwrap();
            let before = world.files.operations();
            world.files.crash_at(before + at);
            let mut checkpoint = Checkpoint::default();
            let result = workload(&world, &mut checkpoint);
            if !world.files.crashed() {
                result.unwrap();
            }
            recover(&world.after_crash(plan), checkpoint, &format!("operation {at}, {plan:?}"));
        }
    }
}

#[test]
fn a_killed_process_loses_nothing() {
    let clean = SimulatedWorld::new(1);
    workload(&clean, &mut Checkpoint::default()).unwrap();
    for at in (0..clean.files.operations()).step_by(3) {
        let world = SimulatedWorld::new(at);
        world.files.create_dir_all("/data".as_ref()).unwrap();
        world.files.sync_dir("/".as_ref()).unwrap();
        world.files.crash_at(world.files.operations() + at);
        let mut checkpoint = Checkpoint::default();
        let _crashed = workload(&world, &mut checkpoint);
        recover(&world.after_kill(), checkpoint, &format!("killed at operation {at}"));
    }
}

#[test]
fn a_crash_during_recovery_loses_nothing() {
    let clean = SimulatedWorld::new(1);
    workload(&clean, &mut Checkpoint::default()).unwrap();
    let world = SimulatedWorld::new(5);
    world.files.create_dir_all("/data".as_ref()).unwrap();
    world.files.sync_dir("/".as_ref()).unwrap();
    world.files.crash_at(clean.files.operations() * 9 / 10);
    let mut checkpoint = Checkpoint::default();
    workload(&world, &mut checkpoint).unwrap_err();
    let crashed = world.after_crash(CrashPlan::Random(3));
    for at in 0.. {
        let world = crashed.after_kill();
        world.files.crash_at(at);
        let recovered =
            open(&world, config(), checkpoint.offset, checkpoint.log_start).and_then(|(log, _)| {
                log.append(&row(checkpoint.offset, END - checkpoint.offset))?;
                log.sync()
            });
        if !world.files.crashed() {
            assert_eq!(recovered.unwrap(), Offset(END));
            assert!(at > 10, "recovery takes more than {at} operations");
            return;
        }
        for plan in CrashPlan::all(at, 2) {
            recover(&world.after_crash(plan), checkpoint, &format!("recovery, operation {at}, {plan:?}"));
        }
    }
}

#[test]
fn sync_without_changes_writes_nothing() {
    let world = SimulatedWorld::new(1);
    let log = create(&world, config());
    log.append(&row(0, 20)).unwrap();
    assert_eq!(log.sync().unwrap(), Offset(20));
    let before = world.files.operations();
    assert_eq!(log.sync().unwrap(), Offset(20));
    drop(log);
    let (log, _) = open(&world, config(), 20, 0).unwrap();
    assert_eq!(log.sync().unwrap(), Offset(20));
    assert_eq!(world.files.operations(), before, "neither the second sync nor opening changes the disk");
    assert_eq!(log.dirty_since(), None);
}

#[test]
fn a_segment_that_a_killed_process_made_becomes_durable() {
    let world = SimulatedWorld::new(1);
    let log = create(&world, config());
    log.append(&row(0, 20)).unwrap();
    log.sync().unwrap();
    log.set_log_start_offset(Offset(20));
    // Begins 20.log; nothing syncs its name.
    log.delete_old_segments().unwrap();
    let killed = world.after_kill();
    let (log, _) = open(&killed, config(), 20, 20).unwrap();
    log.append(&row(20, 3)).unwrap();
    assert_eq!(log.sync().unwrap(), Offset(23));
    let (log, _) = open(&killed.after_crash(CrashPlan::DropUnsynced), config(), 23, 20).unwrap();
    assert_eq!(content(&log), row(20, 3).concat());
}
