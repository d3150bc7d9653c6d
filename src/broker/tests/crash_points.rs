//! The storage crashes at every operation on its disk and comes back with all that it promised.

use std::collections::{BTreeSet, HashMap};

use crate::env::Random;
use crate::env::simulated::{CrashPlan, SeededRandom, SimulatedWorld};
use crate::partition::CheckpointReach;
use crate::wal::SyncMode;

use super::machine::{Ended, Life, Machine, Model};
use super::verify;

/// Crash points tried in CI, most of them on the optimised build (`tests/crash`); `HIGHWATER_CRASH_POINTS`
/// asks for more (`make soak`).
const CRASH_POINTS: u64 = if cfg!(debug_assertions) { 1_000 } else { 5_000 };
/// A recovery is interrupted at one of its first operations; a typical one has some 60.
const RECOVERY_OPERATIONS: u64 = 80;
/// Steps of one workload.
const STEPS: u64 = 60;
/// Most partitions that a topic of a workload grows to.
const PARTITIONS_MAX: usize = 5;

pub(super) fn crash_points() -> u64 {
    std::env::var("HIGHWATER_CRASH_POINTS").ok().and_then(|text| text.parse().ok()).unwrap_or(CRASH_POINTS)
}

/// What a seed stands for.
#[derive(Clone, Copy, Debug)]
pub(super) enum Workload {
    /// Topics of two partitions; records go by retention alone.
    Plain(u64),
    /// Beside that topics grow, some in vain, and clients delete records.
    Changing(u64),
    /// The same with compacted topics, which are cleaned.
    Compacting(u64),
    /// As `Changing`, and transactions beside what is in none.
    Transactional(u64),
    /// Both: transactions in compacted topics, which are cleaned.
    Mixed(u64),
    /// As `Changing`, with transactions, and what is decided is copied to a bucket, and leaves the disk.
    Tiered(u64),
    /// The same with compacted topics, of which is copied what was cleaned.
    TieredMixed(u64),
}

impl Workload {
    fn seed(self) -> u64 {
        match self {
            Workload::Plain(seed)
            | Workload::Changing(seed)
            | Workload::Compacting(seed)
            | Workload::Transactional(seed)
            | Workload::Mixed(seed)
            | Workload::Tiered(seed)
            | Workload::TieredMixed(seed) => seed,
        }
    }

    /// Of how many kinds its steps are, numbered as in [`work`].
    fn kinds(self) -> u64 {
        match self {
            Workload::Plain(_) => 32,
            Workload::Changing(_) => 40,
            Workload::Transactional(_) | Workload::Mixed(_) => 64,
            Workload::Compacting(_) => 46,
            Workload::Tiered(_) | Workload::TieredMixed(_) => 80,
        }
    }

    /// Another one of the same kind.
    fn other(self) -> Workload {
        match self {
            Workload::Plain(seed) => Workload::Plain(seed ^ 1),
            Workload::Changing(seed) => Workload::Changing(seed ^ 1),
            Workload::Compacting(seed) => Workload::Compacting(seed ^ 1),
            Workload::Transactional(seed) => Workload::Transactional(seed ^ 1),
            Workload::Mixed(seed) => Workload::Mixed(seed ^ 1),
            Workload::Tiered(seed) => Workload::Tiered(seed ^ 1),
            Workload::TieredMixed(seed) => Workload::TieredMixed(seed ^ 1),
        }
    }
}

/// A seeded workload over a handful of topics. Ends early when the disk crashes.
pub(super) fn work(machine: &mut Machine, workload: Workload) -> Result<(), Ended> {
    let random = SeededRandom::new(workload.seed());
    let kinds = workload.kinds();
    use Workload::{Compacting, Mixed, Tiered, TieredMixed};
    machine.compacts = matches!(workload, Compacting(_) | Mixed(_) | TieredMixed(_));
    machine.tiers = matches!(workload, Tiered(_) | TieredMixed(_));
    let mut name = 0;
    for _ in 0..STEPS {
        let live: Vec<usize> = machine
            .model
            .topics
            .iter()
            .enumerate()
            .filter(|(_, topic)| topic.life == Life::Created)
            .map(|(index, _)| index)
            .collect();
        let pick = |bound: usize| (random.next_u64() % bound.max(1) as u64) as usize;
        if live.is_empty() {
            // Now and then a name that a deleted topic had.
            name += random.next_u64() % 2;
            machine.create_topic(&format!("t{name}"), 2)?;
            continue;
        }
        // Where much happens to one partition: written, cleaned, copied, cleaned again.
        let is_busy = matches!(workload, TieredMixed(_)) && pick(4) > 0;
        let topic = live[if is_busy { 0 } else { pick(live.len()) }];
        let partitions = machine.model.topics[topic].partitions.len();
        let partition = if is_busy { 0 } else { pick(partitions) as i32 };
        match random.next_u64() % kinds {
            0 => machine.delete_topic(topic)?,
            1 if live.len() < 3 => {
                let names: Vec<_> =
                    live.iter().map(|index| machine.model.topics[*index].name.clone()).collect();
                let free = (0..8).map(|n| format!("t{n}")).find(|name| !names.contains(name)).unwrap();
                machine.create_topic(&free, 2)?;
            }
            2 => {
                machine.storage.checkpoint_step(CheckpointReach::All)?;
            }
            3 => {
                machine.storage.checkpoint_step(CheckpointReach::Older)?;
            }
            4 | 5 => machine.storage.flush_step(0)?,
            6 => machine.move_log_start(topic, partition)?,
            7 => {
                machine.storage.idle_step()?;
            }
            8 => {
                machine.storage.provision_step()?;
            }
            9 => machine.resend(topic, partition)?,
            // Not with every seed: the points that failed once keep their workloads.
            10..=12 if workload.seed() % 4 == 1 => machine.alter_configs(topic)?,
            10..=19 => machine.commit()?,
            32 if partitions < PARTITIONS_MAX => machine.grow_topic(topic, pick(2) + 1)?,
            33 if partitions < PARTITIONS_MAX => machine.grow_topic_in_vain(topic, pick(2) + 1)?,
            34..=36 => machine.delete_records(topic, partition, random.next_u64())?,
            37 => machine.remove_old_segments(topic, partition)?,
            kind @ 40..=79 if step_of_some(machine, workload, kind, (topic, partition), &random)? => {}
            _ => {
                let value = vec![random.next_u64() as u8; pick(900) + 1];
                machine.append(topic, partition, &value, pick(4) as i32 + 1)?;
            }
        }
    }
    machine.commit()?;
    // Some are stopped as a broker is that was told to.
    if workload.seed() % 2 == 1 { Ok(machine.storage.conclude()?) } else { Ok(()) }
}

/// A step of a kind that only some workloads have. `false`: this one has not, and nothing was done.
fn step_of_some(
    machine: &mut Machine,
    workload: Workload,
    kind: u64,
    (topic, partition): (usize, i32),
    random: &SeededRandom,
) -> Result<bool, Ended> {
    use Workload::{Mixed, Tiered, TieredMixed, Transactional};
    match kind {
        64..=71 => {
            let draw = random.next_u64();
            // What was not cleaned is not copied.
            if machine.compacts && !draw.is_multiple_of(4) {
                machine.clean(topic, partition, draw)?;
            }
            machine.copy_to_tier(topic, partition, draw)?;
        }
        72..=79 => machine.move_local_start(topic, partition, random.next_u64())?,
        40..=63 if matches!(workload, Transactional(_)) => {
            machine.go_on_with_a_transaction(topic, partition, random.next_u64())?;
        }
        58..=63 if matches!(workload, Tiered(_)) => {
            machine.run_transactions(topic, partition, random.next_u64())?;
        }
        46..=63 if matches!(workload, Mixed(_) | TieredMixed(_)) => {
            machine.run_transactions(topic, partition, random.next_u64())?;
        }
        40..=45 if machine.compacts => drop(machine.clean(topic, partition, random.next_u64())?),
        _ => return Ok(false),
    }
    Ok(true)
}

/// Runs the workload until the disk crashes at operation `point`, then recovers twice.
fn crash_at(workload: Workload, point: u64, plan: CrashPlan) -> Option<()> {
    let world = SimulatedWorld::new(workload.seed());
    world.files.crash_at(point);
    let model = match Machine::open(world.clone(), Model::default(), SyncMode::Fsync) {
        Ok(mut machine) => {
            let _ = work(&mut machine, workload);
            machine.model
        }
        // The crash came before the first start was through: nothing was promised.
        Err(_) => Model::default(),
    };
    if !world.files.crashed() {
        return None;
    }
    recover(world, model, plan, workload, point);
    Some(())
}

/// The disk that is found after the crash: after a power cut, after a kill, or after a power cut in the
/// middle of the recovery from either.
fn aftermath(world: &SimulatedWorld, plan: CrashPlan, point: u64) -> SimulatedWorld {
    let after = if point.is_multiple_of(5) { world.after_kill() } else { world.after_crash(plan) };
    if !point.is_multiple_of(3) {
        return after;
    }
    after.files.crash_at(1 + point % RECOVERY_OPERATIONS);
    let interrupted = Machine::open(after.clone(), Model::default(), SyncMode::Fsync);
    drop(interrupted);
    after.after_crash(plan)
}

fn recover(world: SimulatedWorld, model: Model, plan: CrashPlan, workload: Workload, point: u64) {
    let after = aftermath(&world, plan, point);
    if (workload.seed() + point).is_multiple_of(3) {
        verify::expect_whole(&after);
    }
    let first = Machine::open(after.clone(), model, SyncMode::Fsync).expect("the first recovery");
    let survivors = first.verify();
    let files = first.durable_files();
    drop(first);

    // A second recovery, after a kill or a power cut: what the first one left stays as it is.
    let again =
        if point.is_multiple_of(2) { after.after_kill() } else { after.after_crash(CrashPlan::DropUnsynced) };
    let mut second = Machine::open(again, survivors, SyncMode::Fsync).expect("the second recovery");
    let survivors = second.verify();
    assert_unchanged(&files, &second.durable_files());
    second.model = survivors;

    // And life goes on: producers are known, offsets continue.
    for index in 0..second.model.topics.len() {
        for partition in 0..second.model.topics[index].partitions.len() as i32 {
            second.resend(index, partition).expect("a resend after recovery");
            second.append(index, partition, b"after", 1).expect("an append after recovery");
        }
    }
    work(&mut second, workload.other()).expect("work after recovery");
    second.verify();
}

fn assert_unchanged(before: &HashMap<String, Vec<u8>>, after: &HashMap<String, Vec<u8>>) {
    let names: BTreeSet<_> = before.keys().chain(after.keys()).collect();
    let length = |files: &HashMap<String, Vec<u8>>, name: &String| files.get(name).map(Vec::len);
    let changed = names.into_iter().filter(|name| before.get(*name) != after.get(*name));
    let changed: Vec<_> = changed.map(|name| (name, length(before, name), length(after, name))).collect();
    assert!(changed.is_empty(), "the second recovery changed files (bytes before, bytes after): {changed:?}");
}

/// What the disk keeps of unsynced writes at that point: by turns nothing, all, or what a draw says.
fn plan_of(seed: u64, point: u64) -> CrashPlan {
    match point % 4 {
        0 => CrashPlan::DropUnsynced,
        1 => CrashPlan::KeepUnsynced,
        _ => CrashPlan::Random(seed.wrapping_mul(1_000_003) ^ point),
    }
}

/// Workloads of tasks that are played for the sake of what they may meet.
const WORKLOADS_MAX: u64 = 5;

/// Crashes workloads of tasks at every one of their operations, until so many points were tried; what was
/// found at each is handed on to `found`, which says whether all was met that is to be: else a few workloads
/// more are played, since tasks do not take turns in the same way every time. `crash_at`, of a seed and a
/// point, says `None` where the workload ends before. How many points, of how many workloads.
pub(super) async fn tasks_crash_at_every_operation<T>(
    points: u64,
    crash_at: impl AsyncFn(u64, u64, CrashPlan) -> Option<T>,
    mut found: impl FnMut(T) -> bool,
) -> (u64, u64) {
    let (mut tried, mut seed, mut is_all_met) = (0, 0, false);
    while tried < points || !(is_all_met || seed >= WORKLOADS_MAX) {
        seed += 1;
        for point in 1.. {
            let plan = plan_of(seed, point);
            let repeat = Repeat(seed, point, plan);
            let outcome = crash_at(seed, point, plan).await;
            drop(repeat);
            let Some(outcome) = outcome else { break };
            tried += 1;
            is_all_met = found(outcome);
        }
    }
    (tried, seed)
}

/// Says how to repeat what it is dropped in a panic of.
struct Repeat(u64, u64, CrashPlan);

impl Drop for Repeat {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("to repeat: crash_at({}, {}, CrashPlan::{:?})", self.0, self.1, self.2);
        }
    }
}

/// Crashes workloads at every one of their operations, until so many points were tried.
fn crash_at_every_operation(points: u64, workload_of: impl Fn(u64) -> Workload) {
    let mut tried = 0;
    let mut seed: u64 = 0;
    while tried < points {
        seed += 1;
        let workload = workload_of(seed);
        // Every operation of this seed's workload, each with one of the plans.
        for point in 1.. {
            let plan = plan_of(seed, point);
            let outcome = std::panic::catch_unwind(|| crash_at(workload, point, plan));
            match outcome {
                Ok(Some(())) => tried += 1,
                Ok(None) => break,
                Err(panic) => {
                    eprintln!("to repeat: crash_at(Workload::{workload:?}, {point}, CrashPlan::{plan:?})");
                    std::panic::resume_unwind(panic);
                }
            }
        }
    }
    println!("{tried} crash points of {seed} workloads");
}

#[test]
fn a_crash_at_any_operation_loses_nothing_that_was_acknowledged() {
    // Every other one is compacted, half of these with transactions; of the others two in three grow and
    // delete.
    crash_at_every_operation(crash_points(), |seed| match seed {
        _ if seed.is_multiple_of(4) => Workload::Compacting(seed),
        _ if seed.is_multiple_of(5) => Workload::Transactional(seed),
        _ if seed.is_multiple_of(2) => Workload::Mixed(seed),
        _ if seed.is_multiple_of(3) => Workload::Plain(seed),
        _ => Workload::Changing(seed),
    });
}

/// Copied, recorded, told and unlinked: what was acknowledged is on the disk, in the bucket, or in both.
#[test]
fn a_crash_at_any_operation_of_tiering_loses_nothing_that_was_acknowledged() {
    crash_at_every_operation(crash_points() / 4, |seed| match seed.is_multiple_of(2) {
        true => Workload::TieredMixed(seed),
        false => Workload::Tiered(seed),
    });
}

/// Points that failed once, beyond those that every run tries.
#[test]
fn points_that_failed_once() {
    let points = [
        (Workload::Plain(27), 205, CrashPlan::KeepUnsynced),
        (Workload::Plain(34), 66, CrashPlan::Random(34_000_036)),
        (Workload::Compacting(24), 275, CrashPlan::Random(24_000_347)),
        (Workload::Mixed(122), 875, CrashPlan::Random(121_999_493)),
    ];
    for (workload, point, plan) in points {
        assert!(crash_at(workload, point, plan).is_some(), "the workload {workload:?} ends before {point}");
    }
}

/// The workloads would prove nothing of compaction if there were none in them.
#[test]
fn workloads_compact() {
    let swapped = |workload: Workload| {
        let world = SimulatedWorld::new(workload.seed());
        let mut machine = Machine::open(world, Model::default(), SyncMode::Fsync).unwrap();
        work(&mut machine, workload).unwrap();
        let mut swapped = 0;
        machine.verify();
        machine.storage.checkpoint_step(CheckpointReach::All).unwrap();
        for topic in 0..machine.model.topics.len() {
            for partition in 0..machine.model.topics[topic].partitions.len() as i32 {
                let is_live = machine.model.topics[topic].life == Life::Created;
                swapped += u32::from(is_live && machine.clean(topic, partition, 1).unwrap());
            }
        }
        machine.verify();
        swapped
    };
    for kind in [Workload::Compacting, Workload::Mixed] {
        let all: u32 = (0..10).map(|seed| swapped(kind(seed))).sum();
        assert!(all > 5, "{all}");
    }
}
