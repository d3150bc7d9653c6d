//! From the tail to synced segments, and the checkpoint behind them.

use std::collections::HashMap;
use std::io;
use std::sync::Arc;

use bytes::Bytes;

use super::checkpoint::Checkpoint;
use super::recovery::{WAL_DIRECTORY, replay_batch};
use super::stranded;
use super::{CatalogueSnapshot, Lookup, Partition, Storage, StorageFailed};

use crate::log::LogError;
use crate::model::{Offset, TopicPartition};
use crate::protocol::batch::BatchHeader;
use crate::wal::{self, Lsn, ReplayStart};

/// Bytes handed to a segment at once.
const FLUSH_BYTES: u64 = 4 << 20;

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
        let threshold = Lsn(self.wal().appended_lsn().0.saturating_sub(window));
        for partition in self.flush_queue.older_than(threshold) {
            self.flush_partition(&partition)?;
        }
        self.room_grew();
        Ok(())
    }

    /// Writes what is committed of one tail.
    fn flush_partition(&self, partition: &Arc<Partition>) -> Result<(), StorageFailed> {
        let _one_at_a_time = self.flushing.lock();
        if let Some(end) = partition.rewrite_end() {
            self.rewrite_from_wal(partition, end)?;
            if partition.rewrite_end().is_some() {
                return Ok(());
            }
        }
        loop {
            let batches = partition.flushable(FLUSH_BYTES);
            let Some(last) = batches.last() else { return self.write_back(partition) };
            let end = BatchHeader::parse(last).expect("it was checked when it was admitted").next_offset();
            match partition.log().append(&batches) {
                Ok(()) => partition.flushed(end, &self.flush_queue),
                Err(error) if error.is_damage() => {
                    partition.stop(&error);
                    return self.strand_tail(partition, &batches, end);
                }
                Err(error) => return self.segment_error(partition, &error),
            }
        }
    }

    /// Keeps small what a checkpoint will have to sync: while the disk works off a sync, commits of the WAL
    /// wait behind it. Nothing is promised by it, so its place among the other steps does not matter.
    fn write_back(&self, partition: &Arc<Partition>) -> Result<(), StorageFailed> {
        match partition.log().write_back(self.options.write_back_bytes) {
            Ok(()) => Ok(()),
            Err(error) => self.sync_error(partition, &error),
        }
    }

    /// Where a sync found no room, what segments hold since the last good one is not to be trusted.
    fn sync_error(&self, partition: &Arc<Partition>, error: &LogError) -> Result<(), StorageFailed> {
        if matches!(error, LogError::RewindNeeded { .. }) {
            self.set_disk_full(true);
            partition.needs_rewrite();
            return Ok(());
        }
        self.segment_error(partition, error)
    }

    /// The log takes nothing more, and the WAL must go on without it: what is owed of the tail is kept beside
    /// it.
    fn strand_tail(
        &self,
        partition: &Arc<Partition>,
        batches: &[Bytes],
        end: Offset,
    ) -> Result<(), StorageFailed> {
        let id = partition.topic_partition();
        match stranded::keep(self.env.files.as_ref(), &self.directory.root, id, batches) {
            Ok(()) => partition.flushed(end, &self.flush_queue),
            Err(error) if error.kind() == io::ErrorKind::StorageFull => self.set_disk_full(true),
            Err(error) => {
                let reason = format!("{}: {error}", stranded::path(&self.directory.root, id).display());
                self.fail(&reason);
                return Err(StorageFailed(reason));
            }
        }
        Ok(())
    }

    /// No space is not fatal: the batches stay in the tail and in the WAL. Damage stops the partition.
    /// Anything else stops the process: what the kernel did with the pages is unknown.
    fn segment_error(&self, partition: &Arc<Partition>, error: &LogError) -> Result<(), StorageFailed> {
        match error {
            LogError::NoSpace { .. } => self.set_disk_full(true),
            // Its topic was deleted meanwhile.
            LogError::Closed { .. } => {}
            damage if damage.is_damage() => {
                partition.stop(damage);
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
        // Read before the snapshot: a transaction below it was applied when it was appended, so the snapshot
        // has it. The other way round, one that comes in between would be in neither.
        let start = self.replay_start().lsn;
        // An idle frame may have let the last checkpoint reach further than the last commit.
        let end = self.committed_end()?.max(start);
        let snapshot = self.catalogue.snapshot();
        while self.committed_end()? < snapshot.end_lsn {
            // If another thread has the group, it announces it before it lets go of the writer.
            self.commit_step()?;
        }
        self.sync_wal()?;
        let target = match reach {
            CheckpointReach::All => end,
            CheckpointReach::Older => Lsn(start.0 + (end.0 - start.0) / 2),
        };
        let recovered = self.sync_segments(target)?;
        let oldest = self.flush_queue.dirty().first().map_or(end, |(lsn, _)| end.min(*lsn));
        // The WAL knows some places to start from, not all: one that was good stays better than an older one.
        let known = Some(self.wal().replay_start(oldest)).filter(|known| known.lsn > start);
        let replay_start = known.unwrap_or_else(|| self.replay_start());
        if recovered.is_empty() && replay_start.lsn == start {
            return Ok(false);
        }
        if !self.store_checkpoint(snapshot, recovered, replay_start)? {
            return Ok(false);
        }
        self.wal().trim(replay_start.lsn);
        self.room_grew();
        Ok(true)
    }

    /// With `wal.sync=os` nothing was synced yet: what the checkpoint builds on must be. Any thread may ask.
    ///
    /// Most of it while commits go on, which wait only for what came meanwhile.
    fn sync_wal(&self) -> Result<(), StorageFailed> {
        let failed = |error: &dyn std::fmt::Display| {
            self.fail(&format!("write-ahead log: {error}"));
            StorageFailed(error.to_string())
        };
        for file in self.with_writer(|writer| writer.unsynced_files()) {
            file.sync_data().map_err(|error| failed(&error))?;
        }
        self.with_writer(|writer| writer.sync_all().map(|_| ())).map_err(|error| failed(&error))
    }

    /// Waits until the entry at `lsn` survives a power cut, whatever the log's sync mode is: for what must be
    /// known for sure before something is done elsewhere that a power cut does not take back.
    pub async fn synced(self: &Arc<Self>, lsn: Lsn) -> Result<(), StorageFailed> {
        self.committed(lsn).await?;
        if self.wal().durable_lsn() > lsn {
            return Ok(());
        }
        let storage = self.clone();
        let synced = tokio::task::spawn_blocking(move || storage.sync_wal()).await;
        synced.unwrap_or_else(|_| Err(StorageFailed("a sync of the write-ahead log did not end".to_owned())))
    }

    /// Syncs the segments of partitions with a batch below `target` that is not in a synced segment.
    fn sync_segments(&self, target: Lsn) -> Result<HashMap<TopicPartition, Offset>, StorageFailed> {
        let mut recovered = HashMap::new();
        for (dirty_from, partition) in self.flush_queue.dirty() {
            if dirty_from >= target {
                break;
            }
            // Syncing many takes a while, and producers must not want for room in memory meanwhile.
            self.flush_step(self.options.tail_bytes / 2)?;
            self.flush_partition(&partition)?;
            let _one_at_a_time = self.flushing.lock();
            if partition.rewrite_end().is_some() {
                // Its segments end below what was flushed: they must not be taken for complete.
                continue;
            }
            match partition.log().sync() {
                Ok(end) => {
                    partition.synced(&self.flush_queue);
                    recovered.insert(partition.topic_partition(), end);
                }
                Err(error) => self.sync_error(&partition, &error)?,
            }
        }
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
        if self.disk_is_full() {
            return Ok(());
        }
        let log = partition.log();
        match log.rewind_to_synced() {
            Ok(()) => {}
            Err(LogError::Closed { .. }) => return Ok(()),
            Err(LogError::NoSpace { .. }) => {
                self.set_disk_full(true);
                return Ok(());
            }
            Err(error) => return Err(fail(&error)),
        }
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
            self.with_quiet_wal(|| wal::replay(&self.env, &directory, &self.replay_start(), &mut visit));
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
            Err(wal::ReplayError::Visitor(LogError::Closed { .. })) => Ok(()),
            Err(error) => Err(fail(&error)),
        }
    }

    fn store_checkpoint(
        &self,
        snapshot: CatalogueSnapshot,
        recovered: HashMap<TopicPartition, Offset>,
        replay_start: ReplayStart,
    ) -> Result<bool, StorageFailed> {
        let recovery_offsets = {
            let mut offsets = self.recovery_offsets.lock();
            offsets.extend(&recovered);
            offsets.retain(|id, _| !matches!(self.lookup(*id), Lookup::Unknown));
            // By the catalogue that is stored with them: a topic whose deletion is not durable yet must find
            // its offsets again. Of a topic that is younger than the snapshot everything is replayed.
            offsets.iter().filter(|(id, _)| (snapshot.is_live)(**id)).map(|(id, end)| (*id, *end)).collect()
        };
        let next = Checkpoint {
            sequence: self.checkpoint.lock().sequence + 1,
            replay_start,
            believed_now: self.logs.time_to_keep(),
            metadata: snapshot.bytes,
            recovery_offsets,
        };
        match next.store(self.env.files.as_ref(), &self.directory.root) {
            Ok(()) => {
                self.confirm(&recovered, &next);
                *self.checkpoint.lock() = next;
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

    /// Tells logs that a restart would not go further back than this: older state snapshots may go.
    fn confirm(&self, recovered: &HashMap<TopicPartition, Offset>, stored: &Checkpoint) {
        for (id, offset) in recovered.iter().filter(|(id, _)| stored.recovery_offsets.contains_key(*id)) {
            let Some(partition) = self.partition(*id) else { continue };
            if let Err(error) = partition.log().checkpointed(*offset) {
                tracing::warn!(%error, "an old state snapshot stays; the next checkpoint tries again");
            }
        }
    }
}
