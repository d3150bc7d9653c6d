//! Disks that fail without a crash: errors, no room, flipped bits.

use std::io;
use std::path::{Path, PathBuf};

use crate::env::Files;
use crate::env::simulated::{CrashPlan, Fault, Operation, SimulatedWorld};
use crate::model::{Offset, TopicPartition, TransactionResult};
use crate::partition::{CheckpointReach, PartitionStatus, ReadError};
use crate::wal::SyncMode;

use super::crash_points::{Workload, work};
use super::machine::{Ended, Machine, Model, ROOT, id};
use super::transactions;

fn fresh(seed: u64) -> Machine {
    let world = SimulatedWorld::new(seed);
    Machine::open(world, Model::default(), SyncMode::Fsync).expect("a fresh disk opens")
}

/// Two topics of two partitions with some batches, committed; the first topic's are in synced segments.
fn filled(seed: u64) -> Machine {
    let mut machine = fresh(seed);
    for (index, name) in ["first", "second"].into_iter().enumerate() {
        machine.create_topic(name, 2).unwrap();
        fill(&mut machine, index, 24).unwrap();
        machine.commit().unwrap();
        if index == 0 {
            machine.storage.checkpoint_step(CheckpointReach::All).unwrap();
        }
    }
    machine
}

fn fill(machine: &mut Machine, topic: usize, batches: u8) -> Result<(), Ended> {
    for byte in 0..batches {
        machine.append(topic, i32::from(byte % 2), &[byte; 300], 2)?;
    }
    Ok(())
}

fn reopen(machine: Machine, plan: CrashPlan) -> Machine {
    let Machine { world, model, storage, metadata, .. } = machine;
    drop((storage, metadata));
    Machine::open(world.after_crash(plan), model, SyncMode::Fsync).expect("it recovers")
}

#[test]
fn after_a_failed_sync_nothing_is_acknowledged_and_a_restart_has_all_that_was() {
    let mut struck = 0;
    for skip in 0..50 {
        let mut machine = fresh(skip);
        machine.world.files.inject(Fault::sync("/wal/", skip));
        let workload = match skip % 2 {
            0 => Workload::Changing(skip),
            _ => Workload::Transactional(skip),
        };
        if work(&mut machine, workload).is_ok() {
            continue;
        }
        struck += 1;
        assert!(machine.storage.check().is_err(), "sync {skip}: the storage goes on");
        assert!(machine.storage.commit_step().is_err(), "sync {skip}: something is committed");
        // What consumers could see counts as promised.
        let mut promised = machine.model.clone();
        for topic in &mut promised.topics {
            let topic_id = topic.topic_id;
            for (partition, promised) in (0..).zip(&mut topic.partitions) {
                let Some(open) = machine.storage.partition(TopicPartition { topic_id, partition }) else {
                    continue;
                };
                let status = open.status();
                assert!(matches!(status, PartitionStatus::Stopped(_)), "sync {skip}: {status:?}");
                promised.acknowledged = promised.acknowledged.max(open.watermarks().high_watermark);
            }
        }
        for plan in CrashPlan::all(skip, 2) {
            let world = machine.world.after_crash(plan);
            Machine::open(world, promised.clone(), SyncMode::Fsync).expect("it recovers").verify();
        }
    }
    assert!(struck >= 20, "only {struck} of 50 workloads met the fault");
}

#[test]
fn any_failed_operation_ends_or_passes_and_loses_nothing() {
    let operations = [
        Operation::Create,
        Operation::Write,
        Operation::Sync,
        Operation::SetLength,
        Operation::Rename,
        Operation::Remove,
        Operation::CreateDirectory,
        Operation::SyncDirectory,
    ];
    for operation in operations {
        for skip in 0..12 {
            let seed = skip + 100;
            let mut machine = fresh(seed);
            machine.world.files.inject(Fault::new(operation, "", skip * 3));
            let workload = match skip % 2 {
                0 => Workload::Changing(seed),
                _ => Workload::Transactional(seed),
            };
            let _ = work(&mut machine, workload);
            let world = machine.world.after_crash(CrashPlan::Random(seed));
            let recovered = Machine::open(world, machine.model.clone(), SyncMode::Fsync);
            recovered.unwrap_or_else(|error| panic!("{operation:?} {skip}: {error}")).verify();
        }
    }
}

#[test]
fn a_full_disk_refuses_writes_serves_reads_and_goes_on_when_there_is_room() {
    for seed in 0..10 {
        let mut machine = filled(seed);
        let files = machine.world.files.clone();
        files.set_capacity(files.used_bytes() + seed * 1500);
        let full = (0..1000).any(|_| fill(&mut machine, 0, 8).is_err());
        assert!(full, "seed {seed}: writes never met the end of the disk");
        assert!(machine.storage.check().is_ok(), "seed {seed}: a full disk is not a failure");
        machine.commit().unwrap();
        machine.verify();

        files.set_capacity(64 << 20);
        machine.storage.disk_step();
        machine.world.clock.advance(std::time::Duration::from_secs(2));
        fill(&mut machine, 0, 8).unwrap_or_else(|_| panic!("seed {seed}: writes do not resume"));
        machine.commit().unwrap();
        machine.verify();
        reopen(machine, CrashPlan::DropUnsynced).verify();
    }
}

#[test]
fn a_segment_sync_without_room_is_written_again_from_the_wal() {
    for skip in 0..6 {
        let mut machine = filled(skip);
        machine.world.files.inject(Fault::sync(".log", skip).with_error(io::ErrorKind::StorageFull));
        fill(&mut machine, 0, 20).unwrap();
        machine.commit().unwrap();
        machine.storage.checkpoint_step(CheckpointReach::All).unwrap();
        machine.storage.disk_step();
        let filled = fill(&mut machine, 0, 20);
        assert!(filled.is_ok(), "sync {skip}: {:?}", machine.storage.check());
        let committed = machine.commit();
        assert!(committed.is_ok(), "sync {skip}: {:?}", machine.storage.check());
        machine.verify();
        machine.storage.checkpoint_step(CheckpointReach::All).unwrap();
        machine.verify();
        // The pages of the failed sync are gone after a power cut: only what was written again is there.
        reopen(machine, CrashPlan::DropUnsynced).verify();
    }
}

/// Files of the first partition of the first topic, with one kind of name.
fn files_of(machine: &Machine, kind: &str) -> Vec<PathBuf> {
    let directory = Path::new(ROOT).join("first-0");
    let names = machine.world.files.list(&directory).unwrap();
    names.into_iter().filter(|name| name.ends_with(kind)).map(|name| directory.join(name)).collect()
}

#[test]
fn a_flipped_bit_in_an_index_or_a_state_file_is_mended() {
    for kind in [".index", ".timeindex", ".state"] {
        let machine = filled(1);
        machine.storage.checkpoint_step(CheckpointReach::All).unwrap();
        let paths = files_of(&machine, kind);
        assert!(!paths.is_empty(), "no {kind} file");
        for path in paths {
            let length = machine.world.files.read(&path, 1 << 20).unwrap().len() as u64;
            for offset in (0..length).step_by(5) {
                let world = machine.world.after_kill();
                world.files.flip_bit(&path, offset, 3).unwrap();
                let recovered = Machine::open(world, machine.model.clone(), SyncMode::Fsync);
                let recovered = recovered.unwrap_or_else(|error| panic!("{}: {error}", path.display()));
                recovered.verify();
                for topic in 0..2 {
                    let mut known = Machine { model: machine.model.clone(), ..recovered_again(&recovered) };
                    known.resend(topic, 0).unwrap();
                }
            }
        }
    }
}

/// The same storage, to be driven with another model.
fn recovered_again(machine: &Machine) -> Machine {
    Machine {
        world: machine.world.clone(),
        storage: machine.storage.clone(),
        metadata: machine.metadata.clone(),
        model: Model::default(),
        alone: true,
        compacts: false,
        tiers: false,
    }
}

#[test]
fn a_flipped_bit_in_a_segment_stops_that_partition_and_no_other() {
    let machine = filled(2);
    let mut found = 0;
    for path in files_of(&machine, ".log") {
        let length = machine.world.files.read(&path, 1 << 20).unwrap().len() as u64;
        for offset in (0..length).step_by(41) {
            let world = machine.world.after_kill();
            world.files.flip_bit(&path, offset, 6).unwrap();
            let recovered =
                Machine::open(world, machine.model.clone(), SyncMode::Fsync).expect("others go on");
            let first = id(&recovered.model.topics[0], 0);
            if let Some(open) = recovered.storage.partition(first) {
                // What recovery does not look at, the scrubber does.
                recovered.storage.scrub_partition(&open);
                let PartitionStatus::Stopped(reason) = open.status() else {
                    panic!("byte {offset} of {}: not noticed", path.display());
                };
                assert!(reason.contains(&path.display().to_string()), "{reason}");
            } else {
                let reason = recovered.storage.stopped_reason(first).expect("it says why");
                assert!(reason.contains(&path.display().to_string()), "{reason}");
            }
            found += 1;
            let mut others = recovered;
            for (topic, partition) in [(0, 1), (1, 0), (1, 1)] {
                others.append(topic, partition, b"goes on", 1).unwrap();
            }
            others.commit().unwrap();
        }
    }
    assert!(found > 50, "{found}");
}

#[test]
fn what_was_acknowledged_of_a_damaged_partition_is_there_once_it_is_mended() {
    let mut machine = filled(3);
    fill(&mut machine, 0, 20).unwrap();
    machine.commit().unwrap();
    let path = files_of(&machine, ".log").into_iter().next().unwrap();
    let mut world = machine.world.after_kill();
    // Somebody moves a segment away, and brings it back later.
    let (directory, away) = (path.parent().unwrap().to_owned(), Path::new(ROOT).join("away"));
    world.files.rename(&path, &away).unwrap();
    for changed in [directory.as_path(), Path::new(ROOT)] {
        world.files.sync_dir(changed).unwrap();
    }
    for _ in 0..3 {
        let recovered =
            Machine::open(world.clone(), machine.model.clone(), SyncMode::Fsync).expect("others go on");
        let first = id(&recovered.model.topics[0], 0);
        assert!(recovered.storage.partition(first).is_none(), "the damage was not noticed");
        world = recovered.world.after_crash(CrashPlan::DropUnsynced);
    }
    world.files.rename(&away, &path).unwrap();
    let mended = Machine::open(world, machine.model.clone(), SyncMode::Fsync).expect("it is whole again");
    mended.verify();
    let again = Machine::open(mended.world.after_kill(), machine.model.clone(), SyncMode::Fsync).unwrap();
    again.verify();
}

#[test]
fn a_disk_that_fills_up_again_during_a_rewrite_loses_nothing() {
    for skip in 0..4 {
        let mut machine = filled(skip + 20);
        fill(&mut machine, 0, 12).unwrap();
        machine.commit().unwrap();
        machine.storage.flush_step(0).unwrap();
        let full =
            |operation, skip| Fault::new(operation, ".log", skip).with_error(io::ErrorKind::StorageFull);
        machine.world.files.inject(full(Operation::Sync, 0));
        machine.storage.checkpoint_step(CheckpointReach::All).unwrap();
        // There is room again, they say; there is not.
        machine.storage.disk_step();
        machine.world.files.inject(full(Operation::Write, skip));
        for _ in 0..2 {
            machine.storage.checkpoint_step(CheckpointReach::All).unwrap();
        }
        machine.storage.disk_step();
        machine.storage.checkpoint_step(CheckpointReach::All).unwrap();
        machine.verify();
        reopen(machine, CrashPlan::DropUnsynced).verify();
    }
}

/// Segments are cut behind a record of an aborted transaction, and its marker is not written again yet.
#[test]
fn what_was_aborted_is_not_read_as_committed_during_a_rewrite() {
    let mut machine = transactions::machine(1);
    let partition = transactions::partition(&machine, 0);
    transactions::write(&machine, &partition, (1, 0), 0);
    machine.commit().unwrap();
    machine.storage.checkpoint_step(CheckpointReach::All).unwrap();
    let marker = transactions::marker((1, 0), TransactionResult::Abort, 1);
    transactions::mark(&machine, &partition, marker).unwrap();
    machine.commit().unwrap();
    machine.storage.flush_step(0).unwrap();
    let read = || {
        let below = Some(partition.watermarks().last_stable_offset);
        partition.read_segments_below(below, Offset(0), 1 << 20, true)
    };
    assert_eq!(read().unwrap().aborted.len(), 1);

    let full = |operation| Fault::new(operation, ".log", 0).with_error(io::ErrorKind::StorageFull);
    machine.world.files.inject(full(Operation::Sync));
    machine.storage.checkpoint_step(CheckpointReach::All).unwrap();
    machine.storage.disk_step();
    machine.world.files.inject(full(Operation::Write));
    machine.storage.checkpoint_step(CheckpointReach::All).unwrap();
    assert_eq!(partition.log().written_end_offset(), Offset(1), "the marker is not there");
    let during = read().map(|read| (read.bytes, read.aborted));
    assert!(matches!(during, Err(ReadError::Stopped(_))), "{during:?}");
    assert!(partition.read_segments_at_once(Some(Offset(2)), Offset(0), 1 << 20, true).is_none());
    assert_eq!(partition.status(), PartitionStatus::Online);

    machine.storage.disk_step();
    machine.storage.checkpoint_step(CheckpointReach::All).unwrap();
    assert_eq!(read().unwrap().aborted.len(), 1);
}

#[test]
fn a_deletion_that_does_not_happen_takes_nothing_away() {
    let mut machine = filled(5);
    fill(&mut machine, 1, 6).unwrap();
    machine.commit().unwrap();
    let topic_id = machine.model.topics[1].topic_id;
    let ids = || (0..2).map(|partition| TopicPartition { topic_id, partition });
    machine.storage.take_offline(topic_id, ids());
    assert!(machine.append(1, 0, b"refused", 1).is_err());
    machine.storage.checkpoint_step(CheckpointReach::All).unwrap();
    machine.storage.bring_back(topic_id, ids());
    machine.append(1, 0, b"taken", 1).unwrap();
    machine.commit().unwrap();
    machine.verify();
    reopen(machine, CrashPlan::DropUnsynced).verify();
}

#[test]
fn deleting_a_topic_with_a_damaged_partition_frees_its_name() {
    let machine = filled(6);
    for path in files_of(&machine, ".log") {
        machine.world.files.remove_file(&path).unwrap();
    }
    machine.world.files.sync_dir(&Path::new(ROOT).join("first-0")).unwrap();
    let mut damaged = reopen(machine, CrashPlan::DropUnsynced);
    assert!(damaged.storage.stopped_reason(id(&damaged.model.topics[0], 0)).is_some());
    damaged.delete_topic(0).unwrap();
    damaged.create_topic("first", 2).unwrap();
    let new = damaged.model.topics.len() - 1;
    damaged.append(new, 0, b"new", 1).unwrap();
    damaged.commit().unwrap();
    damaged.verify();
    let names = damaged.world.files.list(Path::new(ROOT)).unwrap();
    assert!(!names.iter().any(|name| name.contains("-delete")), "{names:?}");
    reopen(damaged, CrashPlan::DropUnsynced).verify();
}
