//! The storage under threads of its own and of many clients, until its disk is pulled.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use crate::env::simulated::{CrashPlan, SimulatedWorld};
use crate::model::{Offset, TopicPartition};
use crate::partition::{CheckpointReach, Storage};
use crate::wal::SyncMode;

use super::machine::{Ended, Life, Machine, Model};

/// Worlds tried, each with other interleavings.
const WORLDS: u64 = 12;
/// Checkpoints and deletions until the disk is pulled, at the least.
const CHECKPOINTS: u32 = 30;
const DELETIONS: u32 = 10;
const TOPICS: usize = 4;
/// Records between two deletions of records by a producer.
const DELETE_EVERY: u64 = 16;

/// Commits, pre-writes and checkpoints until `done` or until the disk is gone.
fn background(storage: &Storage, done: &AtomicBool, step: impl Fn(&Storage) -> bool) {
    while !done.load(Ordering::Acquire) && step(storage) {
        std::thread::yield_now();
    }
}

/// Appends to one topic, waits for the high watermark as a producer with `acks=all` does, and remembers.
fn produce(machine: &mut Machine, stop: &AtomicBool) -> Result<(), Ended> {
    for number in 0_u64.. {
        if stop.load(Ordering::Acquire) {
            return Ok(());
        }
        let partition = (number % 2) as i32;
        machine.append(0, partition, &number.to_be_bytes(), 1)?;
        let topic_id = machine.model.topics[0].topic_id;
        let open = machine.storage.partition(TopicPartition { topic_id, partition }).ok_or(Ended)?;
        let promised = &mut machine.model.topics[0].partitions[partition as usize];
        let end = promised.batches.last().expect("it was just appended").end_offset;
        while open.watermarks().high_watermark < end {
            machine.storage.check()?;
            std::thread::yield_now();
        }
        promised.acknowledged = end;
        if number % DELETE_EVERY == 0 {
            machine.delete_records(0, partition, number / DELETE_EVERY)?;
            machine.remove_old_segments(0, partition)?;
        }
    }
    Ok(())
}

/// Creates, grows and deletes topics of its own.
fn administer(machine: &mut Machine, stop: &AtomicBool, deletions: &AtomicU32) -> Result<(), Ended> {
    while !stop.load(Ordering::Acquire) {
        let index = machine.model.topics.len();
        machine.create_topic("passing", 2)?;
        machine.append(index, 0, b"short-lived", 1)?;
        machine.grow_topic(index, 2)?;
        machine.append(index, 3, b"short-lived", 1)?;
        machine.grow_topic_in_vain(index, 1)?;
        machine.delete_topic(index)?;
        deletions.fetch_add(1, Ordering::AcqRel);
    }
    Ok(())
}

/// Another client of the same storage.
fn client(machine: &Machine, model: Model) -> Machine {
    let (world, storage, metadata) =
        (machine.world.clone(), machine.storage.clone(), machine.metadata.clone());
    Machine { world, storage, metadata, model, alone: false, compacts: false, tiers: false }
}

fn pull_the_disk(seed: u64) {
    let mut machine = Machine::open(SimulatedWorld::new(seed), Model::default(), SyncMode::Fsync).unwrap();
    for index in 0..TOPICS {
        machine.create_topic(&format!("t{index}"), 2).unwrap();
    }
    let topics = std::mem::take(&mut machine.model.topics);
    let clients: Vec<Machine> = topics
        .into_iter()
        .map(|topic| client(&machine, Model { topics: vec![topic], ..Model::default() }))
        .collect();
    let mut admin = client(&machine, Model::default());
    let (stop, done, deletions) = (AtomicBool::new(false), AtomicBool::new(false), AtomicU32::new(0));
    let storage = &machine.storage;
    let models: Vec<Model> = std::thread::scope(|scope| {
        scope.spawn(|| background(storage, &done, |storage| storage.commit_step().is_ok()));
        scope.spawn(|| background(storage, &done, |storage| storage.provision_step().is_ok()));
        let producing: Vec<_> = clients
            .into_iter()
            .map(|mut client| {
                let stop = &stop;
                scope.spawn(move || {
                    let _ = produce(&mut client, stop);
                    client.model
                })
            })
            .collect();
        let administering = scope.spawn(|| {
            let _ = administer(&mut admin, &stop, &deletions);
            admin.model
        });
        let mut moved = 0;
        while moved < CHECKPOINTS || deletions.load(Ordering::Acquire) < DELETIONS {
            storage.flush_step(16 << 10).expect("nothing fails before the disk is pulled");
            let checkpoint = storage.checkpoint_step(CheckpointReach::All);
            moved += u32::from(checkpoint.expect("nothing fails before the disk is pulled"));
        }
        machine.world.files.crash_now();
        // As the process would die: nobody waits for room any longer.
        storage.fail("the disk was pulled");
        stop.store(true, Ordering::Release);
        let joined = producing.into_iter().chain([administering]).map(|thread| thread.join().unwrap());
        let models = joined.collect();
        // Only now: who waits for a commit hears of its failure from the thread that commits.
        done.store(true, Ordering::Release);
        models
    });
    let topics = models.into_iter().flat_map(|model| model.topics).collect();
    let after = machine.world.after_crash(CrashPlan::DropUnsynced);
    let recovered =
        Machine::open(after, Model { topics, ..Model::default() }, SyncMode::Fsync).expect("it recovers");
    let survivors = recovered.verify();
    let appended = |topic: &super::machine::Topic| topic.partitions[0].acknowledged > Offset(0);
    assert!(survivors.topics.iter().any(appended), "seed {seed}: nothing was produced");
    let deleted = recovered.model.topics.iter().filter(|topic| topic.life == Life::Deleted).count();
    assert!(deleted >= DELETIONS as usize, "seed {seed}: {deleted} topics were deleted");
}

#[test]
fn checkpoints_beside_producers_and_deletions_lose_nothing() {
    (0..WORLDS).for_each(pull_the_disk);
}
