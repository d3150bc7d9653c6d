//! A crash at every operation of cleanings, under every plan of what survives.

use super::cleaning_fixture::{DELETE_RETENTION, History, checkpoint, clean, config, limits, records_of};
use super::fixture::{content, open, path};
use crate::env::Files;
use crate::env::simulated::{CrashPlan, SimulatedWorld};
use crate::log::{LogError, PartitionLog};
use crate::model::Offset;
use crate::protocol::batch::{BatchHeader, CompressionType};

/// One in so many operations is tried; all of them on the optimised build (`tests/crash`).
const STRIDE: usize = if cfg!(debug_assertions) { 7 } else { 1 };

/// What outlives the crash: the caller's checkpoint, and (all of) its WAL.
#[derive(Clone, Copy, Default, Debug)]
struct Checkpoint {
    offset: i64,
    log_start: i64,
}

/// Appends, checkpoints and cleans in turn; stops at the first error, which must be the crash.
fn workload(world: &SimulatedWorld, history: &History, kept: &mut Checkpoint) -> Result<(), LogError> {
    let log = open(world, config(), 0, 0)?.0;
    for (step, batches) in history.batches.chunks(12).enumerate() {
        log.append(batches)?;
        kept.offset = checkpoint_noting(&log, kept)?;
        if step % 2 == 1 {
            // The second sync has no checkpoint: recovery has one state that is too new.
            clean(&log, limits(if step == 3 { 4 } else { 100 }))?;
            log.sync()?;
        }
        if step == 3 {
            kept.log_start = kept.offset / 3;
            log.set_log_start_offset(Offset(kept.log_start));
            log.delete_old_segments()?;
        }
        world.clock.advance(DELETE_RETENTION / 3);
    }
    clean(&log, limits(100))?;
    Ok(())
}

/// The caller's checkpoint is durable before the log hears of it.
fn checkpoint_noting(log: &PartitionLog, kept: &mut Checkpoint) -> Result<i64, LogError> {
    kept.offset = log.sync()?.0;
    log.checkpointed(Offset(kept.offset))?;
    Ok(kept.offset)
}

fn history() -> History {
    History::draw(11, 84)
}

fn batches_from(history: &History, offset: i64) -> Vec<bytes::Bytes> {
    let header = |bytes: &bytes::Bytes| BatchHeader::parse(bytes).unwrap();
    history.batches.iter().filter(|bytes| header(bytes).base_offset.0 >= offset).cloned().collect()
}

/// Opens after a crash, replays the WAL, compares; cleans all, cuts the power once more and compares again.
fn recover(world: &SimulatedWorld, history: &History, kept: Checkpoint, what: &str) {
    let opened = open(world, config(), kept.offset, kept.log_start);
    let (log, state) = opened.unwrap_or_else(|error| panic!("{what}: {error}"));
    assert_eq!(state.log_end_offset, Offset(kept.offset), "{what}");
    let leftover = |name: &String| name.contains("cleaned") || name.contains("swap");
    let files = world.files.list(&path("")).unwrap_or_default();
    assert!(!files.iter().any(leftover), "{what}: {files:?}");
    log.append(&batches_from(history, kept.offset)).unwrap();
    log.delete_old_segments().unwrap();
    let found = records_of(&content(&log));
    history.check(&found, kept.log_start, kept.offset, what);
    checkpoint(&log).unwrap();
    clean(&log, limits(100)).unwrap();
    let cleaned = records_of(&content(&log));
    // Only the active segment is never cleaned, and nobody asks here where that begins.
    history.check(&cleaned, kept.log_start, history.end(), what);
    // Now tombstones go: no older value of their keys may be left anywhere.
    world.clock.advance(DELETE_RETENTION);
    let history = &followed(history);
    log.append(&batches_from(history, log.written_end_offset().0)).unwrap();
    checkpoint(&log).unwrap();
    clean(&log, limits(100)).unwrap();
    let cleaned = records_of(&content(&log));
    history.check(&cleaned, kept.log_start, history.end(), what);
    drop(log);
    for plan in [CrashPlan::DropUnsynced, CrashPlan::KeepUnsynced] {
        let world = world.after_crash(plan);
        let (log, _) = open(&world, config(), history.end(), kept.log_start)
            .unwrap_or_else(|error| panic!("{what}, second recovery: {error}"));
        let again = records_of(&content(&log));
        assert!(again == cleaned, "{what}: after the second recovery");
    }
}

/// The same, and then some records of one key more.
fn followed(history: &History) -> History {
    let mut more = history.clone();
    (0..20).for_each(|at| more.push(&[(200, Some(at))], (9, at as i32), CompressionType::None));
    more
}

fn crashed_at(at: u64, history: &History) -> Option<(SimulatedWorld, Checkpoint)> {
    let world = SimulatedWorld::new(at);
    world.files.create_dir_all("/data".as_ref()).unwrap();
    world.files.sync_dir("/".as_ref()).unwrap();
    world.files.crash_at(world.files.operations() + at);
    let mut kept = Checkpoint::default();
    let result = workload(&world, history, &mut kept);
    if world.files.crashed() { Some((world, kept)) } else { result.map(|()| None).unwrap() }
}

#[test]
fn a_crash_at_every_operation_loses_nothing_and_brings_nothing_back() {
    let history = history();
    let clean = SimulatedWorld::new(1);
    workload(&clean, &history, &mut Checkpoint::default()).unwrap();
    let operations = clean.files.operations();
    assert!(operations > 200, "{operations} operations are too few to mean anything");
    for at in (0..operations).step_by(STRIDE) {
        let Some((world, kept)) = crashed_at(at, &history) else { continue };
        for plan in CrashPlan::all(at, 3) {
            recover(&world.after_crash(plan), &history, kept, &format!("crash at {at}, {plan:?}"));
        }
        recover(&world.after_kill(), &history, kept, &format!("kill at {at}"));
        // A power cut in the middle of the recovery from it.
        let interrupted = world.after_crash(CrashPlan::KeepUnsynced);
        interrupted.files.crash_at(at % 30);
        let _ = open(&interrupted, config(), kept.offset, kept.log_start);
        let again = interrupted.after_crash(CrashPlan::Random(at));
        recover(&again, &history, kept, &format!("crash at {at}, and in the recovery"));
    }
}

/// The newest state is lost to rot: the one before it knows the segments of before the cleaning only in part.
#[test]
fn an_older_state_serves_after_a_cleaning() {
    let history = history();
    for at in (0..).step_by(7) {
        let Some((world, kept)) = crashed_at(at, &history) else { break };
        let world = world.after_crash(CrashPlan::KeepUnsynced);
        let states: Vec<String> = match world.files.list(&path("")) {
            Ok(names) => names.into_iter().filter(|name| name.ends_with(".state")).collect(),
            Err(_) => continue,
        };
        let usable = states.iter().filter(|name| name[..20].parse::<i64>().unwrap() <= kept.offset);
        let usable: Vec<&String> = usable.collect();
        let [.., _, newest] = usable[..] else { continue };
        world.files.flip_bit(&path(newest), 30, 3).unwrap();
        recover(&world, &history, kept, &format!("crash at {at}, and {newest} is damaged"));
    }
}
