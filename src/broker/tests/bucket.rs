//! A bucket beside the simulated disk: what is copied there, and what leaves the disk because it was.

use bytes::Bytes;

use crate::cluster::Change;
use crate::env::Files;
use crate::env::simulated::{CrashPlan, SimulatedWorld};
use crate::log::AbortedTransaction;
use crate::metadata::{TierRecord, keys};
use crate::model::Offset;
use crate::partition::{CheckpointReach, PartitionStatus};
use crate::protocol::batch::BatchHeader;
use crate::wal::SyncMode;

use super::crash_points::{Workload, work};
use super::machine::{Ended, Machine, Model, id};

/// Set on topics that are tiered.
pub(super) const TIERED_KEY: &str = "remote.storage.enable";

/// What a bucket holds of a partition, and what was promised of its disk. No crash of the disk takes it away.
#[derive(Clone, Default, Debug)]
pub(super) struct Copied {
    /// Ascending; those that no record names among them.
    segments: Vec<CopiedSegment>,
    /// Local log start that was confirmed, and the largest that was asked for.
    pub local_start: Offset,
    pub local_start_asked: Offset,
}

#[derive(Clone, PartialEq, Eq, Debug)]
struct CopiedSegment {
    base_offset: Offset,
    end_offset: Offset,
    bytes: Bytes,
    aborted: Vec<AbortedTransaction>,
}

impl Copied {
    /// What was copied once is copied the same again, whatever happened in between; of a compacted topic what
    /// a cleaning has left by then, in place of all that no record names.
    fn put(&mut self, segment: CopiedSegment, is_compacted: bool) {
        if is_compacted {
            self.segments.retain(|known| known.end_offset <= segment.base_offset);
        }
        match self.segments.iter().find(|known| known.base_offset == segment.base_offset) {
            Some(known) => assert_eq!(known, &segment, "a segment that was copied has changed"),
            None => self.segments.push(segment),
        }
        self.segments.sort_by_key(|segment| segment.base_offset);
    }

    /// Batches that hold something of `start..end`, in order.
    pub(super) fn batches(&self, start: Offset, end: Offset) -> Vec<Bytes> {
        let mut batches = Vec::new();
        if start >= end {
            return batches;
        }
        for segment in self.segments.iter().filter(|segment| segment.end_offset > start) {
            let mut rest = segment.bytes.clone();
            while !rest.is_empty() {
                let header = BatchHeader::parse(&rest).unwrap();
                let batch = rest.split_to(header.size_bytes());
                if header.next_offset() > start && header.base_offset < end {
                    batches.push(batch);
                }
            }
        }
        batches
    }

    /// Where a read at `at` ends that does not leave its segment, and the aborted transactions in it whose
    /// markers are in the bucket.
    pub(super) fn read(&self, at: Offset) -> (Offset, Vec<AbortedTransaction>) {
        let from = self.segments.partition_point(|segment| segment.end_offset <= at);
        let next = self.segments[from].end_offset;
        let all = self.segments[from..].iter().flat_map(|segment| &segment.aborted);
        (next, all.filter(|aborted| aborted.overlaps(at, next)).copied().collect())
    }

    /// What is known after a recovery: the local start is what was found.
    pub(super) fn found(&self, local_start: Offset) -> Copied {
        Copied { local_start, local_start_asked: local_start, ..self.clone() }
    }

    /// Checks where the disk begins.
    pub(super) fn verify(&self, name: &str, start: Offset, local_start: Offset) {
        let (confirmed, asked) = (self.local_start.max(start), self.local_start_asked.max(start));
        assert!(
            confirmed <= local_start && local_start <= asked.max(confirmed),
            "{name}: the disk begins at {local_start}, confirmed {confirmed}, asked {asked}"
        );
    }
}

impl Machine {
    /// As the uploader does: objects first, then the record that names them. Now and then only the objects.
    pub(super) fn copy_to_tier(&mut self, index: usize, partition: i32, draw: u64) -> Result<(), Ended> {
        let topic_partition = id(&self.model.topics[index], partition);
        let Some(open) = self.storage.partition(topic_partition) else { return Err(Ended) };
        // What the checkpoint does not cover is not copied.
        if draw.is_multiple_of(2) {
            self.storage.checkpoint_step(CheckpointReach::All)?;
        }
        let record = self.metadata.image().tier(topic_partition);
        let watermarks = open.watermarks();
        let copied_end = record.map_or(Offset(0), |record| record.remote_end_offset);
        let (from, end_max) = (copied_end.max(watermarks.log_start_offset), watermarks.last_stable_offset);
        let found = open.log().tierable(from, copied_end, end_max, 1 + (draw % 3) as usize);
        let found = found.map_err(|_| Ended)?;
        let Some(last) = found.last() else { return Ok(()) };
        let next = TierRecord {
            manifest: record.map_or(0, |record| record.manifest) + 1,
            leader_epoch: open.leader_epoch(),
            remote_end_offset: last.end_offset,
            local_log_start_offset: record.map_or(Offset(0), |record| record.local_log_start_offset),
        };
        for segment in &found {
            assert!(segment.end_offset <= watermarks.last_stable_offset);
            let mut bytes = vec![0; usize::try_from(segment.bytes).unwrap()];
            segment.extent.file.read_exact_at(&mut bytes, segment.extent.offset).map_err(|_| Ended)?;
            let topic = &mut self.model.topics[index];
            let copied = CopiedSegment {
                base_offset: segment.base_offset,
                end_offset: segment.end_offset,
                bytes: bytes.into(),
                aborted: segment.aborted.clone(),
            };
            topic.partitions[partition as usize].copied.put(copied, topic.is_compacted);
        }
        if draw.is_multiple_of(5) {
            return Ok(());
        }
        self.transact(vec![Change::Put(keys::tier(topic_partition), next.encode())])
    }

    /// As local retention does: durable first, then told, then unlinked; that now and then later.
    pub(super) fn move_local_start(&mut self, index: usize, partition: i32, draw: u64) -> Result<(), Ended> {
        let topic_partition = id(&self.model.topics[index], partition);
        let Some(open) = self.storage.partition(topic_partition) else { return Err(Ended) };
        let Some(record) = self.metadata.image().tier(topic_partition) else { return Ok(()) };
        let copied = &mut self.model.topics[index].partitions[partition as usize].copied;
        let ends = copied.segments.iter().map(|segment| segment.end_offset);
        let possible: Vec<Offset> = ends
            .filter(|end| *end <= record.remote_end_offset && *end > record.local_log_start_offset)
            .collect();
        let Some(start) = possible.get(draw as usize % possible.len().max(1)).copied() else { return Ok(()) };
        copied.local_start_asked = copied.local_start_asked.max(start);
        let next = TierRecord { local_log_start_offset: start, ..record };
        self.transact(vec![Change::Put(keys::tier(topic_partition), next.encode())])?;
        open.set_local_log_start_offset(start);
        self.model.topics[index].partitions[partition as usize].copied.local_start = start;
        if !draw.is_multiple_of(3) {
            open.log().delete_old_segments().map_err(|_| Ended)?;
        }
        Ok(())
    }
}

/// A machine that has copied and removed, with a last stable offset, aborted transactions and an open one.
fn tiered(seed: u64) -> Machine {
    let mut machine = Machine::open(SimulatedWorld::new(seed), Model::default(), SyncMode::Fsync).unwrap();
    machine.tiers = true;
    machine.create_topic("orders", 1).unwrap();
    for round in 0..40_u64 {
        for step in 0..4 {
            let draw = (seed + 40 * step + round).wrapping_mul(2_654_435_761) >> 7;
            machine.go_on_with_a_transaction(0, 0, draw).unwrap();
            machine.append(0, 0, &[round as u8; 150], 1).unwrap();
        }
        machine.commit().unwrap();
        machine.copy_to_tier(0, 0, 2 * round + 2).unwrap();
        if round % 8 == 7 {
            machine.move_local_start(0, 0, round).unwrap();
        }
    }
    machine
}

/// Who reads what was copied is told of every transaction that was aborted, wherever its marker is.
#[test]
fn readers_of_both_tiers_are_told_what_to_leave_out() {
    let mut survivors = 0;
    for seed in 1..6 {
        let machine = tiered(seed);
        let promised = &machine.model.topics[0].partitions[0];
        assert!(promised.copied.segments.len() > 4 && promised.copied.local_start > Offset(0));
        let model = machine.verify();
        for plan in CrashPlan::all(seed, 2) {
            let world = machine.world.after_crash(plan);
            let recovered = Machine::open(world, model.clone(), SyncMode::Fsync).expect("it recovers");
            survivors += recovered.verify().topics.len();
        }
    }
    assert!(survivors > 5);
}

/// Checkpoint, object, record, record of the local start, unlinking: a power cut or a kill between any two,
/// and in the middle of each.
#[test]
fn what_leaves_the_disk_may_be_cut_off_at_every_operation() {
    let leave = |machine: &mut Machine| -> Result<(), Ended> {
        machine.copy_to_tier(0, 0, 2)?;
        machine.move_local_start(0, 0, 1)
    };
    let mut points = 0;
    for point in 0.. {
        let mut machine = tiered(2);
        let files = machine.world.files.clone();
        files.crash_at(files.operations() + point);
        let _ = leave(&mut machine);
        if !files.crashed() {
            break;
        }
        points += 1;
        let Machine { world, model, .. } = machine;
        for plan in CrashPlan::all(point, 1) {
            let recovered = Machine::open(world.after_crash(plan), model.clone(), SyncMode::Fsync);
            recovered.unwrap_or_else(|error| panic!("{point}, {plan:?}: {error}")).verify();
        }
        Machine::open(world.after_kill(), model, SyncMode::Fsync).expect("after a kill").verify();
    }
    assert!(points > 8, "{points}");
}

/// The index of aborted transactions cannot be written anew where the records that could tell have left the
/// disk: the partition stops, rather than showing what was aborted.
#[test]
fn a_lost_index_of_transactions_stops_a_partition_that_has_left_the_disk() {
    let machine = tiered(3);
    machine.storage.checkpoint_step(CheckpointReach::All).unwrap();
    let names = machine.durable_files();
    // What is left below the local start goes at the next start, and nobody misses it.
    let local_start = machine.model.topics[0].partitions[0].copied.local_start;
    let of_transactions = |name: &&String| {
        let base = name.rsplit_once('/').and_then(|(_, file)| file.split_once('.')?.0.parse().ok());
        name.ends_with(".txnindex") && !names[*name].is_empty() && base.map(Offset) >= Some(local_start)
    };
    let lost: Vec<&String> = names.keys().filter(of_transactions).collect();
    assert!(!lost.is_empty());
    for name in lost {
        let world = machine.world.after_kill();
        let path = std::path::Path::new(super::machine::ROOT).join(name);
        world.files.remove_file(&path).unwrap();
        super::verify::expect_error(&world, ".txnindex");
        let recovered = Machine::open(world, machine.model.clone(), SyncMode::Fsync).expect("others go on");
        let topic_partition = id(&recovered.model.topics[0], 0);
        let reason = recovered.storage.stopped_reason(topic_partition).expect("it says why");
        assert!(reason.contains(".txnindex"), "{reason}");
        assert!(recovered.storage.partition(topic_partition).is_none());
    }
}

/// Nothing is left on disk but an empty active segment; what is appended goes on behind it.
#[test]
fn a_partition_whose_disk_was_emptied_goes_on() {
    for plan in CrashPlan::all(9, 3) {
        let mut machine = Machine::open(SimulatedWorld::new(9), Model::default(), SyncMode::Fsync).unwrap();
        machine.tiers = true;
        machine.create_topic("orders", 1).unwrap();
        for round in 0..12 {
            machine.append(0, 0, &[round; 200], 2).unwrap();
        }
        machine.commit().unwrap();
        machine.storage.flush_step(0).unwrap();
        let topic_partition = id(&machine.model.topics[0], 0);
        let open = machine.storage.partition(topic_partition).unwrap();
        machine.world.clock.advance(std::time::Duration::from_hours(24 * 30));
        assert!(open.log().roll_if_due().unwrap());
        machine.storage.checkpoint_step(CheckpointReach::All).unwrap();
        while machine
            .metadata
            .image()
            .tier(topic_partition)
            .is_none_or(|tier| tier.remote_end_offset < Offset(24))
        {
            machine.copy_to_tier(0, 0, 2).unwrap();
        }
        while machine.model.topics[0].partitions[0].copied.local_start < Offset(24) {
            machine.move_local_start(0, 0, 1).unwrap();
        }
        assert_eq!((open.log().segments_count(), open.log().size_bytes()), (1, 0));
        drop(open);
        let world = machine.world.after_crash(plan);
        let mut recovered =
            Machine::open(world, machine.model.clone(), SyncMode::Fsync).expect("it recovers");
        recovered.verify();
        recovered.resend(0, 0).unwrap();
        recovered.append(0, 0, b"goes on", 1).unwrap();
        recovered.commit().unwrap();
        let open = recovered.storage.partition(topic_partition).unwrap();
        assert_eq!((open.status(), open.watermarks().log_end_offset), (PartitionStatus::Online, Offset(25)));
        recovered.verify();
    }
}

/// Few of them remove a tombstone on the disk whose key has an older record in the bucket.
const WORKLOADS: u64 = if cfg!(debug_assertions) { 200 } else { 3_000 };

/// The workloads would prove nothing of tiering if nothing left the disk in them.
#[test]
fn workloads_tier() {
    for workload in [Workload::Tiered, Workload::TieredMixed] {
        let (mut copied, mut moved) = (0, 0);
        for seed in 1..WORKLOADS {
            let world = SimulatedWorld::new(seed);
            let mut machine = Machine::open(world, Model::default(), SyncMode::Fsync).unwrap();
            work(&mut machine, workload(seed)).unwrap();
            for promised in machine.model.topics.iter().flat_map(|topic| &topic.partitions) {
                copied += promised.copied.segments.len();
                moved += usize::from(promised.copied.local_start > Offset(0));
            }
            machine.verify();
        }
        assert!(copied > 300 && moved > 60, "{:?}: {copied} copied, {moved} moved", workload(0));
    }
}
