//! Crashes at every operation: what was acknowledged is there, and nothing but a prefix of what was appended.

use super::life::{Known, Life, recover};
use crate::env::simulated::{CrashPlan, SimulatedWorld};
use crate::wal::SyncMode;

/// Steps of a life: enough to go round the files twice.
const STEPS: u64 = 160;
/// Each crash point is continued by this many more lives, crashed at random points.
const LATER_LIVES: u64 = 2;

/// Runs a life until it ends or the disk crashes, and returns what is known then.
fn live(world: &SimulatedWorld, seed: u64, sync: SyncMode, known: Known) -> Known {
    let mut life = match Life::start(world, seed, sync, known) {
        Ok(life) => life,
        Err(death) => {
            assert!(world.files.crashed(), "seed {seed}: a healthy disk fails the start: {death}");
            return known;
        }
    };
    for _ in 0..STEPS {
        if let Err(death) = life.step() {
            assert!(world.files.crashed(), "seed {seed}: a healthy disk fails a step: {death}");
            break;
        }
    }
    life.known
}

fn operations_of(seed: u64, sync: SyncMode) -> u64 {
    let world = SimulatedWorld::new(seed);
    let known = live(&world, seed, sync, Known::default());
    assert!(known.acknowledged > 20, "seed {seed}: the workload does something: {known:?}");
    world.files.operations()
}

#[test]
fn every_crash_point_keeps_what_was_acknowledged() {
    for seed in 0..3 {
        for number in 0..operations_of(seed, SyncMode::Fsync) {
            for plan in CrashPlan::all(seed * 1_000_000 + number * 100, 2) {
                crash_and_go_on(seed, number, plan);
            }
        }
    }
}

fn crash_and_go_on(seed: u64, number: u64, plan: CrashPlan) {
    let mut world = SimulatedWorld::new(seed);
    world.files.crash_at(number);
    let mut known = live(&world, seed, SyncMode::Fsync, Known::default());
    for later in 0..LATER_LIVES {
        world = world.after_crash(plan);
        let point = (number * 7 + later * 13 + seed) % 60;
        world.files.crash_at(point);
        known = live(&world, seed + 100 + later, SyncMode::Fsync, known);
    }
    let world = world.after_crash(plan);
    let (found, _) = recover(&world, known)
        .unwrap_or_else(|death| panic!("seed {seed}, crash at {number}, {plan:?}: {death}"));
    let range = known.acknowledged..=known.appended;
    assert!(range.contains(&found), "seed {seed}, crash at {number}, {plan:?}: {found} of {known:?}");
}

/// A killed process leaves pages that no sync covered; recovery must make durable what it trusts, for a
/// power cut may follow at once.
#[test]
fn what_a_recovery_after_a_kill_has_found_survives_a_power_cut() {
    for sync in [SyncMode::Fsync, SyncMode::Os] {
        for number in 0..operations_of(5, sync) {
            let world = SimulatedWorld::new(5);
            world.files.crash_at(number);
            let known = live(&world, 5, sync, Known::default());
            let killed = world.after_kill();
            let known = Known { acknowledged: known.written.max(known.acknowledged), ..known };
            let (found, _) = recover(&killed, known).expect("a kill damages nothing");
            assert!(found >= known.written, "{sync:?}, crash at {number}: {found} of {known:?}");
            let known = Known { acknowledged: found, ..known };
            let cut = killed.after_crash(CrashPlan::DropUnsynced);
            let (again, _) = recover(&cut, known).expect("the recovery has made it durable");
            assert_eq!(found, again, "{sync:?}, crash at {number}");
        }
    }
}

/// Without a sync per group a power cut loses groups, but never looks like damage, whatever order they went
/// in.
#[test]
fn a_power_cut_in_os_mode_leaves_a_prefix() {
    for number in 0..operations_of(6, SyncMode::Os) {
        for plan in CrashPlan::all(number * 100, 6) {
            let world = SimulatedWorld::new(6);
            world.files.crash_at(number);
            let known = live(&world, 6, SyncMode::Os, Known::default());
            let known = Known { acknowledged: 0, ..known };
            let (found, _) = recover(&world.after_crash(plan), known)
                .unwrap_or_else(|death| panic!("crash at {number}, {plan:?}: {death}"));
            assert!(found <= known.appended, "crash at {number}, {plan:?}: {found} of {known:?}");
        }
    }
}
