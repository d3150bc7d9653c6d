use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use parking_lot::Mutex;

use super::StorageFailed;
use super::flush_queue::FlushQueue;
use super::tail::Tail;
use super::transactions::Transactions;
use super::waiters::{FetchWaiter, Waiters};
use crate::log::{LeaderEpochs, LogError, LogState, PartitionLog, ProducerStates};
use crate::model::{LeaderEpoch, Offset, Timestamp, TopicPartition};
use crate::wal::Lsn;

/// Whether a partition serves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PartitionStatus {
    /// Yes.
    Online,
    /// No: its log is damaged. The words say where and how.
    Stopped(Arc<str>),
    /// No: its topic was deleted.
    Deleted,
}

/// What became of a batch that was admitted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admission {
    /// It has its offsets and is on its way.
    Appended {
        /// Offset of its first record.
        base_offset: Offset,
        /// First offset after it.
        end_offset: Offset,
        /// Where it stands in the WAL.
        lsn: Lsn,
    },
    /// The producer sent it before. To be answered like the original once that is committed, never before.
    Duplicate {
        /// The original's first offset.
        base_offset: Offset,
        /// First offset after the original.
        end_offset: Offset,
        /// The original's append time, or the producer's own timestamp.
        timestamp: Timestamp,
    },
}

/// Why a batch was not admitted. Nothing was written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AppendError {
    /// The log is damaged.
    #[error("the partition is stopped: {0}")]
    Stopped(Arc<str>),
    /// The topic is gone.
    #[error("the topic was deleted")]
    Deleted,
    /// A gap between the producer's last sequence and this one.
    #[error("out of order sequence number: {0}")]
    OutOfOrderSequence(String),
    /// A newer instance of the producer exists.
    #[error("invalid producer epoch: {0}")]
    InvalidProducerEpoch(String),
    /// The batch does not fit what its producer's transaction is at.
    #[error("invalid transaction state: {0}")]
    InvalidTransactionState(String),
    /// A newer coordinator has ended a transaction of the producer.
    #[error("the transaction coordinator is fenced: {0}")]
    CoordinatorFenced(String),
}

/// Why nothing was read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// Below the log start or beyond the log end.
    #[error("offset {offset} is outside of {} to {}", watermarks.log_start_offset, watermarks.log_end_offset)]
    OffsetOutOfRange {
        /// As asked for.
        offset: Offset,
        /// As they are.
        watermarks: Watermarks,
    },
    /// Below the local log start: the tier has it.
    #[error("offset {offset} is in the tier, which ends its part at {}", watermarks.local_log_start_offset)]
    Remote {
        /// As asked for.
        offset: Offset,
        /// As they are.
        watermarks: Watermarks,
    },
    /// The log is damaged.
    #[error("the partition is stopped: {0}")]
    Stopped(Arc<str>),
    /// The topic is gone.
    #[error("the topic was deleted")]
    Deleted,
}

/// The offsets by which a partition is described.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Watermarks {
    /// First offset that still counts.
    pub log_start_offset: Offset,
    /// First offset that is on local disk, never below the log start: what lies between is in the tier.
    pub local_log_start_offset: Offset,
    /// First offset that is not committed: consumers see what lies below.
    pub high_watermark: Offset,
    /// First offset of which it is not decided, or not committed, whether it takes effect: consumers of
    /// committed transactions see what lies below. Never above the high watermark.
    pub last_stable_offset: Offset,
    /// First offset that was not given out.
    pub log_end_offset: Offset,
}

/// Where a reader's log leaves a partition's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Divergence {
    /// The last leader epoch that the two may have in common.
    pub leader_epoch: LeaderEpoch,
    /// Where that ends here.
    pub end_offset: Offset,
    /// As they are.
    pub watermarks: Watermarks,
}

/// What a read gave.
pub enum PartitionRead {
    /// Nothing committed at that offset yet.
    Empty(Watermarks),
    /// Slices of the in-memory tail.
    Tail(Vec<Bytes>, Watermarks),
    /// Below the tail: ask [`Partition::read_segments`] where a disk may be waited for.
    Segments(Watermarks),
    /// Below the local log start: it is in the tier.
    Remote(Watermarks),
}

pub(super) struct State {
    status: PartitionStatus,
    pub(super) watermarks: Watermarks,
    pub(super) tail: Tail,
    pub(super) producers: ProducerStates,
    pub(super) transactions: Transactions,
    pub(super) epochs: LeaderEpochs,
    /// LSN of the oldest batch that was flushed to a segment and not synced there.
    unsynced_from: Option<Lsn>,
    /// After a sync failed for want of space: segments below this offset must be written again from the WAL.
    rewrite_end: Option<Offset>,
}

/// Counts whenever a partition of the storage begins or ceases to serve, after it did: who remembers a count
/// from before a look at partitions, and finds it again, need not look again.
#[derive(Clone, Default)]
pub(super) struct StatusChanges(Arc<AtomicU64>);

impl StatusChanges {
    pub(super) fn count(&self) -> u64 {
        self.0.load(Ordering::Acquire)
    }

    pub(super) fn happened(&self) {
        self.0.fetch_add(1, Ordering::Release);
    }
}

/// One partition: its log on disk, its tail in memory, its watermarks.
pub struct Partition {
    topic_partition: TopicPartition,
    topic: Arc<str>,
    leader_epoch: LeaderEpoch,
    log: PartitionLog,
    pub(super) state: Mutex<State>,
    waiters: Waiters,
    /// How often its segments had to be written again: a read that overlaps says nothing about the log.
    rewrites: AtomicU64,
    status_changes: StatusChanges,
}

impl Partition {
    /// Takes over a log after recovery: what stands there is committed.
    pub(super) fn new(
        topic: Arc<str>,
        leader_epoch: LeaderEpoch,
        log: PartitionLog,
        recovered: LogState,
        status_changes: StatusChanges,
    ) -> Partition {
        let end = recovered.log_end_offset;
        let log_start_offset = log.log_start_offset();
        let watermarks = Watermarks {
            log_start_offset,
            local_log_start_offset: log.local_log_start_offset(),
            high_watermark: end,
            last_stable_offset: end,
            log_end_offset: end,
        };
        let mut epochs = recovered.leader_epochs;
        epochs.truncate_below(log_start_offset);
        // As a leader of Kafka does when it begins: an epoch that has written nothing yet begins at the end.
        epochs.assign(leader_epoch, end);
        let mut state = State {
            status: PartitionStatus::Online,
            watermarks,
            tail: Tail::default(),
            producers: recovered.producers,
            transactions: Transactions::default(),
            epochs,
            unsynced_from: None,
            rewrite_end: None,
        };
        state.settle();
        let waiters = Waiters::default();
        Partition {
            topic_partition: log.topic_partition(),
            topic,
            leader_epoch,
            log,
            state: Mutex::new(state),
            waiters,
            rewrites: AtomicU64::new(0),
            status_changes,
        }
    }

    /// Its identity.
    pub fn topic_partition(&self) -> TopicPartition {
        self.topic_partition
    }

    /// Name of its topic.
    pub fn topic(&self) -> &Arc<str> {
        &self.topic
    }

    /// Leader epoch in this boot.
    pub fn leader_epoch(&self) -> LeaderEpoch {
        self.leader_epoch
    }

    /// The log on disk.
    pub fn log(&self) -> &PartitionLog {
        &self.log
    }

    /// Whether it serves.
    pub fn status(&self) -> PartitionStatus {
        self.state.lock().status.clone()
    }

    /// The offsets by which it is described.
    pub fn watermarks(&self) -> Watermarks {
        self.state.lock().watermarks
    }

    /// Bytes on disk and in the tail.
    pub fn size_bytes(&self) -> u64 {
        self.log.size_bytes() + self.state.lock().tail.bytes()
    }

    /// Leader epoch of the record at an offset, as the epoch cache has it.
    pub fn leader_epoch_at(&self, offset: Offset) -> LeaderEpoch {
        self.state.lock().epochs.epoch_for(offset).unwrap_or(LeaderEpoch::NONE)
    }

    /// Where the records of a leader epoch end (exclusive): the largest epoch not above `requested`, and the
    /// offset after its last record. `None` for an epoch that is unknown here, or newer than all.
    ///
    /// The current epoch ends at the log end, not at the high watermark, as in Kafka.
    pub fn end_offset_for(&self, requested: LeaderEpoch) -> Option<(LeaderEpoch, Offset)> {
        let state = self.state.lock();
        state.epochs.end_offset_for(requested, state.watermarks.log_end_offset)
    }

    /// Where the log of a reader, whose last record before `offset` is of `last_fetched`, leaves this one, if
    /// it does (KIP-595). Nothing is checked for an epoch below zero.
    pub fn diverging(
        &self,
        last_fetched: LeaderEpoch,
        offset: Offset,
    ) -> Result<Option<Divergence>, ReadError> {
        if last_fetched.0 < 0 {
            return Ok(None);
        }
        let state = self.state.lock();
        state.readable()?;
        let watermarks = state.watermarks;
        match state.epochs.end_offset_for(last_fetched, watermarks.log_end_offset) {
            Some((leader_epoch, end_offset)) if offset >= watermarks.log_start_offset => {
                let diverges = leader_epoch < last_fetched || end_offset < offset;
                Ok(diverges.then_some(Divergence { leader_epoch, end_offset, watermarks }))
            }
            // As Kafka, which cannot tell where an epoch ends that it has not seen.
            None | Some(_) => Err(ReadError::OffsetOutOfRange { offset, watermarks }),
        }
    }

    /// Waits until everything below `end` is committed. Errors when the partition goes away first.
    pub async fn committed(&self, end: Offset) -> Result<(), AppendError> {
        let waiter = FetchWaiter::new();
        // Registered before looking, so that what is committed in between is not missed.
        self.waiters.register(&waiter);
        loop {
            {
                let state = self.state.lock();
                state.online()?;
                if state.watermarks.high_watermark >= end {
                    return Ok(());
                }
            }
            waiter.woken().await;
        }
    }

    /// Registers a waiting fetch: it is woken when the high watermark moves, the partition stops or is
    /// deleted.
    pub fn register(&self, waiter: &Arc<FetchWaiter>) {
        self.waiters.register(waiter);
    }

    /// The WAL has committed everything below `end`.
    pub(super) fn advance_high_watermark(&self, end: Offset) {
        let mut state = self.state.lock();
        if state.watermarks.high_watermark < end {
            debug_assert!(end <= state.watermarks.log_end_offset);
            state.watermarks.high_watermark = end;
            state.transactions.committed(end);
            state.settle();
            drop(state);
            self.waiters.wake();
        }
    }

    /// Stops serving because of damage; says so once. Others go on.
    pub fn stop(&self, error: &LogError) -> Arc<str> {
        let mut state = self.state.lock();
        let reason: Arc<str> = error.to_string().into();
        if state.status == PartitionStatus::Online {
            state.status = PartitionStatus::Stopped(reason.clone());
            drop(state);
            self.status_changes.happened();
            tracing::error!(
                topic = %self.topic, partition = self.topic_partition.partition, %reason,
                "the partition is stopped, nothing was changed on disk; other partitions go on"
            );
            self.waiters.wake();
        }
        reason
    }

    /// The storage has failed: nobody waits any longer.
    pub(super) fn fail(&self, failure: &StorageFailed) {
        self.state.lock().status = PartitionStatus::Stopped(failure.0.as_str().into());
        self.status_changes.happened();
        self.waiters.wake();
    }

    /// Refuses every further append and read until [`Partition::bring_back`]. After this returns, no entry of
    /// it follows in the WAL. What it owes stays: the deletion is not durable yet.
    pub(super) fn take_offline(&self) {
        let mut state = self.state.lock();
        if state.status == PartitionStatus::Online {
            state.status = PartitionStatus::Deleted;
        }
        drop(state);
        self.status_changes.happened();
        self.waiters.wake();
    }

    /// The deletion did not happen.
    pub(super) fn bring_back(&self) {
        let mut state = self.state.lock();
        if state.status == PartitionStatus::Deleted {
            state.status = PartitionStatus::Online;
        }
        drop(state);
        self.status_changes.happened();
    }

    /// The deletion is durable: nothing of it is owed to anybody.
    pub(super) fn discard(self: &Arc<Self>, queue: &FlushQueue) {
        let mut state = self.state.lock();
        state.status = PartitionStatus::Deleted;
        state.tail = Tail::default();
        state.unsynced_from = None;
        state.rewrite_end = None;
        queue.place(self, None, false);
        drop(state);
        self.status_changes.happened();
    }

    /// Forgets producers that have been silent for longer than `producer.id.expiration.ms`.
    pub fn expire_producers(&self, now: Timestamp, expiration_ms: i64) {
        {
            let mut state = self.state.lock();
            state.producers.expire(now, expiration_ms);
            state.transactions.expire(now, expiration_ms);
        }
        self.log.expire_producers(now, expiration_ms);
    }

    /// The new start is durable in the metadata store: hides what lies below it. As Kafka does, this wakes no
    /// waiting fetch: one that waits below it hears of it when it looks again.
    pub fn set_log_start_offset(&self, offset: Offset) {
        let mut state = self.state.lock();
        if state.watermarks.log_start_offset < offset {
            state.watermarks.log_start_offset = offset;
            let local = &mut state.watermarks.local_log_start_offset;
            *local = offset.max(*local);
            state.epochs.truncate_below(offset);
            state.settle();
            self.log.set_log_start_offset(offset);
        }
    }

    /// The new local start is durable in the metadata store: what lies below it is read from the tier.
    pub fn set_local_log_start_offset(&self, offset: Offset) {
        let mut state = self.state.lock();
        if state.watermarks.local_log_start_offset < offset {
            state.watermarks.local_log_start_offset = offset;
            self.log.set_local_log_start_offset(offset);
        }
    }

    /// Committed batches of the tail, oldest first, to be written to a segment.
    pub(super) fn flushable(&self, bytes_max: u64) -> Vec<Bytes> {
        // A partition that stopped because of damage further down is still written to: what it acknowledged
        // must not hold back the WAL of the others, nor be lost with it.
        let state = self.state.lock();
        state.tail.flushable(state.watermarks.high_watermark, bytes_max)
    }

    /// The batches below `end` stand in segments, not yet synced.
    pub(super) fn flushed(self: &Arc<Self>, end: Offset, queue: &FlushQueue) {
        let mut state = self.state.lock();
        if state.unsynced_from.is_none() {
            state.unsynced_from = state.tail.oldest_lsn();
        }
        state.tail.drop_below(end);
        state.transactions.flushed(end);
        queue.place(self, state.tail.oldest_lsn(), state.dirty_from().is_some());
    }

    /// Segments are synced as far as they are written.
    pub(super) fn synced(self: &Arc<Self>, queue: &FlushQueue) {
        let mut state = self.state.lock();
        state.unsynced_from = None;
        queue.place(self, state.tail.oldest_lsn(), state.dirty_from().is_some());
    }

    /// Segments since the last sync cannot be trusted.
    pub(super) fn needs_rewrite(&self) {
        let end = self.log.written_end_offset();
        self.rewrites.fetch_add(1, Ordering::AcqRel);
        self.state.lock().rewrite_end = Some(end);
    }

    /// How often that has happened.
    pub(super) fn rewrites(&self) -> u64 {
        self.rewrites.load(Ordering::Acquire)
    }

    /// End of what must be written again.
    pub(super) fn rewrite_end(&self) -> Option<Offset> {
        self.state.lock().rewrite_end
    }

    /// It was.
    pub(super) fn rewritten(&self) {
        self.state.lock().rewrite_end = None;
    }

    /// LSN of the oldest batch that is not in a synced segment.
    pub(super) fn dirty_from(&self) -> Option<Lsn> {
        self.state.lock().dirty_from()
    }
}

impl State {
    fn dirty_from(&self) -> Option<Lsn> {
        self.unsynced_from.or_else(|| self.tail.oldest_lsn())
    }

    pub(super) fn readable(&self) -> Result<(), ReadError> {
        match &self.status {
            PartitionStatus::Online => Ok(()),
            PartitionStatus::Stopped(reason) => Err(ReadError::Stopped(reason.clone())),
            PartitionStatus::Deleted => Err(ReadError::Deleted),
        }
    }

    /// Works out the last stable offset anew. A transaction holds it until its marker is committed; records
    /// below the log start hold nothing.
    pub(super) fn settle(&mut self) {
        let undecided = [self.producers.first_undecided(), self.transactions.first_uncommitted_end()];
        let first_unstable = undecided.into_iter().flatten().min().unwrap_or(Offset(i64::MAX));
        let Watermarks { log_start_offset, high_watermark, .. } = self.watermarks;
        self.watermarks.last_stable_offset = first_unstable.max(log_start_offset).min(high_watermark);
    }

    pub(super) fn online(&self) -> Result<(), AppendError> {
        match &self.status {
            PartitionStatus::Online => Ok(()),
            PartitionStatus::Stopped(reason) => Err(AppendError::Stopped(reason.clone())),
            PartitionStatus::Deleted => Err(AppendError::Deleted),
        }
    }
}

impl From<StorageFailed> for AppendError {
    fn from(failed: StorageFailed) -> AppendError {
        AppendError::Stopped(failed.0.into())
    }
}
