//! From the tail to synced segments, and the checkpoint behind them.

use std::collections::{HashMap, VecDeque};
use std::io;
use std::sync::Arc;

use parking_lot::Mutex;

use super::recovery::{WAL_DIRECTORY, replay_batch};
use super::{Lookup, Partition, PartitionStatus, Storage, StorageFailed};
use crate::log::LogError;
use crate::model::{Offset, TopicPartition};
use crate::protocol::batch::BatchHeader;
use crate::wal::{self, Lsn, ReplayStart};

/// Bytes handed to a segment at once.
const FLUSH_BYTES: u64 = 4 << 20;

/// Partitions whose tail holds something, in the order in which their tails began, and those with unsynced
/// segments.
#[derive(Default)]
pub(super) struct FlushQueue {
    tails: Mutex<VecDeque<(Lsn, Arc<Partition>)>>,
    dirty: Mutex<HashMap<TopicPartition, Arc<Partition>>>,
}

impl FlushQueue {
    pub(super) fn push(&self, lsn: Lsn, partition: Arc<Partition>) {
        self.dirty.lock().insert(partition.topic_partition(), partition.clone());
        self.tails.lock().push_back((lsn, partition));
    }

    /// LSN of the oldest batch in memory. Two partitions that begin a tail at once may stand in the wrong
    /// order, by less than a group: the window is a bound on memory, not on correctness.
    pub(super) fn oldest(&self) -> Option<Lsn> {
        self.tails.lock().front().map(|(lsn, _)| *lsn)
    }

    fn pop(&self) -> Option<Arc<Partition>> {
        self.tails.lock().pop_front().map(|(_, partition)| partition)
    }

    fn push_front(&self, lsn: Lsn, partition: Arc<Partition>) {
        self.tails.lock().push_front((lsn, partition));
    }

    fn dirty(&self) -> Vec<(Lsn, Arc<Partition>)> {
        let partitions: Vec<_> = self.dirty.lock().values().cloned().collect();
        let mut dirty: Vec<_> = partitions
            .into_iter()
            .filter_map(|partition| Some((partition.dirty_from()?, partition)))
            .collect();
        dirty.sort_by_key(|(lsn, _)| *lsn);
        dirty
    }

    /// Forgets partitions that have nothing unsynced.
    fn settle(&self) {
        self.dirty.lock().retain(|_, partition| {
            partition.status() != PartitionStatus::Deleted && partition.dirty_from().is_some()
        });
    }

    pub(super) fn forget(&self, topic_partition: TopicPartition) {
        self.dirty.lock().remove(&topic_partition);
        self.tails.lock().retain(|(_, partition)| partition.topic_partition() != topic_partition);
    }
}

/// What a checkpoint covers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CheckpointReach {
    /// Everything committed: at a clean stop, and after recovery.
    All,
    /// Partitions whose oldest unsynced batch lies in the older half of the WAL since the last checkpoint, so
    /// that many partitions are not synced at once.
    Older,
}

impl Storage {
    /// Writes the oldest tails to their segments until the tail window is at most `window` bytes wide.
    /// Only committed batches are written: a segment never holds what could still be taken back.
    pub fn flush_step(&self, window: u64) -> Result<(), StorageFailed> {
        // Each round flushes a whole tail or stops: the loop ends.
        while let Some(oldest) = self.flush_queue.oldest() {
            if self.wal().appended_lsn().0.saturating_sub(oldest.0) <= window {
                break;
            }
            let Some(partition) = self.flush_queue.pop() else { break };
            let progressed = self.flush_partition(&partition)?;
            if let Some(lsn) = partition.tail_from() {
                self.flush_queue.push_front(lsn, partition);
                if !progressed {
                    break;
                }
            }
        }
        self.room_grew();
        Ok(())
    }

    /// Writes what is committed of one tail. Returns whether anything moved.
    fn flush_partition(&self, partition: &Arc<Partition>) -> Result<bool, StorageFailed> {
        let _one_at_a_time = self.flushing.lock();
        if let Some(end) = partition.rewrite_end() {
            self.rewrite_from_wal(partition, end)?;
            if partition.rewrite_end().is_some() {
                return Ok(false);
            }
        }
        let mut progressed = false;
        loop {
            let batches = partition.flushable(FLUSH_BYTES);
            let Some(last) = batches.last() else { return Ok(progressed) };
            let end = BatchHeader::parse(last).expect("it was checked when it was admitted").next_offset();
            match partition.log().append(&batches) {
                Ok(()) => partition.flushed(end),
                Err(error) => return self.segment_error(partition, &error).map(|()| progressed),
            };
            progressed = true;
        }
    }

    /// No space is not fatal: the batches stay in the tail and in the WAL. Damage stops the partition.
    /// Anything else stops the process: what the kernel did with the pages is unknown.
    fn segment_error(&self, partition: &Arc<Partition>, error: &LogError) -> Result<(), StorageFailed> {
        match error {
            LogError::NoSpace { .. } => self.set_disk_full(true),
            LogError::Corrupt { .. } => {
                partition.stop(error);
            }
            _ => {
                let reason =
                    format!("{}-{}: {error}", partition.topic(), partition.topic_partition().partition);
                self.fail(&reason);
                return Err(StorageFailed(reason));
            }
        }
        Ok(())
    }

    /// Looks whether the disk has room above the reserve.
    pub fn disk_step(&self) {
        match self.env.files.free_bytes(&self.directory.root) {
            Ok(free) => self.set_disk_full(free < self.options.disk_reserve_bytes),
            Err(error) => tracing::warn!(%error, "cannot ask how much room the disk has"),
        }
    }

    /// WAL bytes that a restart would replay now.
    pub fn replay_bytes(&self) -> u64 {
        self.wal().appended_lsn().0.saturating_sub(self.replay_start().lsn.0)
    }

    /// Makes a checkpoint: syncs segments, oldest first, then writes where replay starts, then frees the WAL
    /// below. Returns whether the checkpoint moved.
    ///
    /// The order is what keeps the promise. Segments before the checkpoint: it claims that they hold
    /// everything below. The checkpoint before the WAL is trimmed: until it is durable, a restart reads the
    /// older one and replays from there. Metadata in the checkpoint is no newer than what the WAL has made
    /// durable, so that it never knows of a change whose effects a power cut has taken back.
    pub fn checkpoint_step(&self, reach: CheckpointReach) -> Result<bool, StorageFailed> {
        let snapshot = self.catalogue.snapshot();
        while self.committed_end()? < snapshot.end_lsn {
            // If another thread has the group, it announces it before it lets go of the writer.
            self.commit_step()?;
        }
        self.sync_wal()?;
        let end = self.committed_end()?;
        let start = self.replay_start().lsn;
        let target = match reach {
            CheckpointReach::All => end,
            CheckpointReach::Older => Lsn(start.0 + (end.0 - start.0) / 2),
        };
        let recovered = self.sync_segments(target)?;
        let oldest = self.flush_queue.dirty().first().map_or(end, |(lsn, _)| end.min(*lsn));
        let replay_start = self.wal().replay_start(oldest);
        if recovered.is_empty() && replay_start.lsn == start {
            return Ok(false);
        }
        if !self.store_checkpoint(snapshot.bytes, recovered, replay_start)? {
            return Ok(false);
        }
        self.wal().trim(replay_start.lsn);
        self.room_grew();
        Ok(true)
    }

    /// With `wal.sync=os` nothing was synced yet: what the checkpoint builds on must be.
    fn sync_wal(&self) -> Result<(), StorageFailed> {
        self.with_writer(|writer| writer.sync_all().map(|_| ())).map_err(|error| {
            self.fail(&format!("write-ahead log: {error}"));
            StorageFailed(error.to_string())
        })
    }

    /// Syncs the segments of partitions with a batch below `target` that is not in a synced segment.
    fn sync_segments(&self, target: Lsn) -> Result<HashMap<TopicPartition, Offset>, StorageFailed> {
        let mut recovered = HashMap::new();
        for (dirty_from, partition) in self.flush_queue.dirty() {
            if dirty_from >= target {
                break;
            }
            self.flush_partition(&partition)?;
            let synced = {
                let _one_at_a_time = self.flushing.lock();
                partition.log().sync()
            };
            match synced {
                Ok(end) => {
                    partition.synced();
                    recovered.insert(partition.topic_partition(), end);
                }
                Err(LogError::RewindNeeded { .. }) => {
                    self.set_disk_full(true);
                    partition.needs_rewrite();
                }
                Err(error) => self.segment_error(&partition, &error)?,
            }
        }
        self.flush_queue.settle();
        Ok(recovered)
    }

    /// A sync failed for want of space: what was written since the last good one may be gone although reads
    /// still show it. The WAL still has it, since it is trimmed only behind a sync: written again from there.
    /// Should the disk fill up on the way, the next flush tries again.
    fn rewrite_from_wal(&self, partition: &Arc<Partition>, end: Offset) -> Result<(), StorageFailed> {
        let fail = |error: &dyn std::fmt::Display| {
            let reason = format!("{}: rewriting from the write-ahead log: {error}", partition.topic());
            self.fail(&reason);
            StorageFailed(reason)
        };
        let log = partition.log();
        log.rewind_to_synced().map_err(|error| fail(&error))?;
        let directory = self.directory.root.join(WAL_DIRECTORY);
        let id = partition.topic_partition();
        let mut visit = |entry: wal::ReplayedEntry| {
            // What lies at or above `end` is still in the tail and is written from there.
            let below = |header: BatchHeader| header.base_offset < end;
            let ours = entry.header.topic_partition == Some(id);
            let wanted = ours && BatchHeader::parse(&entry.payload).is_ok_and(below);
            if wanted { replay_batch(log, &entry.payload) } else { Ok(()) }
        };
        // Nothing is written meanwhile: a frame in the making would look like damage.
        let replayed =
            self.with_writer(|_| wal::replay(&self.env, &directory, &self.replay_start(), &mut visit));
        match replayed {
            Ok(_) if log.written_end_offset() >= end => {
                partition.rewritten();
                Ok(())
            }
            Ok(_) => Err(fail(&"it does not hold what was flushed")),
            Err(wal::ReplayError::Visitor(LogError::NoSpace { .. })) => {
                self.set_disk_full(true);
                Ok(())
            }
            Err(error) => Err(fail(&error)),
        }
    }

    /// Tells logs that a restart would not go further back than this: older state snapshots may go.
    fn confirm(&self, recovered: &HashMap<TopicPartition, Offset>) {
        for (topic_partition, offset) in recovered {
            let Some(partition) = self.partition(*topic_partition) else { continue };
            if let Err(error) = partition.log().checkpointed(*offset) {
                tracing::warn!(%error, "an old state snapshot stays; the next checkpoint tries again");
            }
        }
    }

    fn store_checkpoint(
        &self,
        metadata: Vec<u8>,
        recovered: HashMap<TopicPartition, Offset>,
        replay_start: ReplayStart,
    ) -> Result<bool, StorageFailed> {
        let mut checkpoint = self.checkpoint.lock();
        let mut next = checkpoint.clone();
        next.sequence += 1;
        next.believed_now = self.logs.believed_now();
        next.metadata = metadata;
        next.recovery_offsets.extend(&recovered);
        // A partition that could not be opened keeps its offset: without it the next start would cut its log.
        next.recovery_offsets
            .retain(|topic_partition, _| matches!(self.lookup(*topic_partition), Lookup::Live(_)));
        next.replay_start = replay_start;
        match next.store(self.env.files.as_ref(), &self.directory.root) {
            Ok(()) => {
                *checkpoint = next;
                drop(checkpoint);
                self.confirm(&recovered);
            }
            // The older checkpoint still holds, and so does the WAL above it.
            Err(error) if error.kind() == io::ErrorKind::StorageFull => {
                self.set_disk_full(true);
                return Ok(false);
            }
            Err(error) => {
                let reason = format!("checkpoint in {}: {error}", self.directory.root.display());
                self.fail(&reason);
                return Err(StorageFailed(reason));
            }
        }
        Ok(true)
    }
}
