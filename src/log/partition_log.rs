use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::Duration;

use parking_lot::{Mutex, RwLock};

use crate::log::cleaner::PendingSwap;
use crate::log::directory::DeletedDirectory;
use crate::log::dirty::Dirty;
use crate::log::indexer::Indexer;
use crate::log::recovery::{Changed, Recovered, Recovery};
use crate::log::segment::Segment;
use crate::log::state_file::Cleaned;
use crate::log::{LeaderEpochs, LogConfig, LogDirectory, LogError, ProducerStates};
use crate::model::{Offset, TopicPartition};

/// Where recovery begins, from the caller's checkpoint.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct RecoveryPoint {
    /// Exclusive: everything below it was made durable by `sync`. What lies above is cut away at opening.
    pub offset: Offset,
    /// First offset of the log. Durable before anything below it was removed; may lie above `offset`.
    pub log_start_offset: Offset,
    /// First offset whose record must be on this disk: what lies between the log start and here is kept
    /// elsewhere. Durable before any file of it was removed. Below the log start it says nothing.
    pub local_log_start_offset: Offset,
}

impl RecoveryPoint {
    /// First offset that files are needed for.
    pub fn local_start(&self) -> Offset {
        self.log_start_offset.max(self.local_log_start_offset)
    }
}

/// What the log knew at its end when it was opened: the caller keeps a copy of its own at admission.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LogState {
    /// Idempotent producers.
    pub producers: ProducerStates,
    /// Leader epochs.
    pub leader_epochs: LeaderEpochs,
    /// Offset after the last record: the recovery offset. Appending goes on there.
    pub log_end_offset: Offset,
}

/// What readers see, always consistent in itself.
#[derive(Clone)]
pub(super) struct Published {
    /// At least one, oldest first; the last is active.
    pub segments: Arc<Vec<Arc<Segment>>>,
    /// Offset after the last record written.
    pub end: Offset,
    /// Bytes of the active segment that hold the records below `end`.
    pub active_bytes: u64,
}

/// What only the writer touches.
pub(super) struct Writer {
    pub producers: ProducerStates,
    pub leader_epochs: LeaderEpochs,
    pub cleaned: Cleaned,
    pub indexer: Indexer,
    /// What the next sync has to make durable.
    pub dirty: Dirty,
    pub changed: Changed,
    /// Monotonic time of the first unsynced change.
    pub dirty_since: Option<Duration>,
    /// Bytes appended since the last sync began.
    pub unsynced_bytes: u64,
    /// Bytes appended since the last sync or write-back began.
    pub unwritten_bytes: u64,
    /// The file whose sync failed for want of space.
    pub rewind_needed: Option<PathBuf>,
    pub active: ActiveAge,
    /// Offset of the last good sync.
    pub synced: Offset,
    /// `.state` files, ascending.
    pub states: Vec<Offset>,
    /// The newest recovery offset that the caller made durable.
    pub checkpointed: Offset,
    /// Whether there are a directory and a file of the active segment: not before the first batch.
    pub is_made: bool,
}

/// What decides when the active segment is old enough to be closed.
#[derive(Clone, Copy, Debug)]
pub(super) struct ActiveAge {
    /// Monotonic milliseconds when it was created or opened.
    pub opened_ms: i64,
    /// What this segment drew of `segment.jitter.ms`: so much earlier than `segment.ms` it is old.
    pub jitter_ms: u64,
    /// Max timestamp of its first batch, -1 without one.
    pub first_timestamp_ms: i64,
}

/// One partition's segments on local disk. All methods take `&self`; appends exclude each other, syncs
/// exclude each other, and readers wait for neither.
pub struct PartitionLog {
    pub(super) directory: Arc<LogDirectory>,
    pub(super) topic: String,
    pub(super) partition: TopicPartition,
    pub(super) path: PathBuf,
    pub(super) config: RwLock<LogConfig>,
    pub(super) published: RwLock<Published>,
    pub(super) log_start: AtomicI64,
    /// Counts where it lies above the log start.
    pub(super) local_log_start: AtomicI64,
    pub(super) writer: Mutex<Writer>,
    /// Held during a sync, and while segments go or are swapped; taken before `writer` where both are. The
    /// swap that was announced and could not be brought to its end, if there is one.
    pub(super) syncing: Mutex<Option<PendingSwap>>,
    pub(super) closed: AtomicBool,
}

impl PartitionLog {
    /// A new partition. Its directory is made with the first batch, and nothing is durable before the first
    /// `sync`: until then opening it at offset 0 is as good.
    pub fn create(
        directory: &Arc<LogDirectory>,
        topic: &str,
        partition: TopicPartition,
        config: LogConfig,
    ) -> Result<PartitionLog, LogError> {
        let opened = PartitionLog::open(directory, topic, partition, config, RecoveryPoint::default());
        opened.map(|(log, _)| log)
    }

    /// Opens a partition's directory. There need be none if nothing of it was ever durable (recovery offset
    /// 0).
    ///
    /// What lies above the recovery offset is cut away, for the WAL appends it again; what lies below must
    /// be there and sane, else [`LogError::Corrupt`]. Indexes that are missing or wrong are written anew.
    pub fn open(
        directory: &Arc<LogDirectory>,
        topic: &str,
        partition: TopicPartition,
        config: LogConfig,
        point: RecoveryPoint,
    ) -> Result<(PartitionLog, LogState), LogError> {
        let path = directory.partition_path(topic, partition);
        let index_interval_bytes = config.index_interval_bytes;
        let recovered = Recovery { directory, path: &path, partition, point, index_interval_bytes }.run()?;
        let (published, writer) = PartitionLog::assemble(directory, &config, point, recovered)?;
        let state = LogState {
            producers: writer.producers.clone(),
            leader_epochs: writer.leader_epochs.clone(),
            log_end_offset: point.offset,
        };
        let log = PartitionLog {
            directory: Arc::clone(directory),
            topic: topic.to_owned(),
            partition,
            path,
            config: RwLock::new(config),
            published: RwLock::new(published),
            log_start: AtomicI64::new(point.log_start_offset.0),
            local_log_start: AtomicI64::new(point.local_log_start_offset.0),
            writer: Mutex::new(writer),
            syncing: Mutex::new(None),
            closed: AtomicBool::new(false),
        };
        Ok((log, state))
    }

    /// Puts what recovery found into the two halves: what readers see, and what the writer goes on with.
    pub(super) fn assemble(
        directory: &LogDirectory,
        config: &LogConfig,
        point: RecoveryPoint,
        recovered: Recovered,
    ) -> Result<(Published, Writer), LogError> {
        let active = recovered.segments.last().expect("recovery leaves an active segment");
        let indexer = Indexer::resume(active, directory, config.index_interval_bytes)?;
        let first = active.scan(directory, 0, active.bytes())?.next()?;
        let mut age = ActiveAge::new(directory, config);
        age.first_timestamp_ms = first.map_or(-1, |found| found.header.max_timestamp.0);
        let is_dirty = recovered.changed.any() || !recovered.dirty.is_empty();
        let published = Published {
            end: point.offset,
            active_bytes: active.bytes(),
            segments: Arc::new(recovered.segments),
        };
        let writer = Writer {
            producers: recovered.producers,
            leader_epochs: recovered.leader_epochs,
            cleaned: recovered.cleaned,
            indexer,
            dirty: recovered.dirty,
            changed: recovered.changed,
            dirty_since: is_dirty.then(|| directory.env.clock.monotonic()),
            unsynced_bytes: 0,
            unwritten_bytes: 0,
            rewind_needed: None,
            active: age,
            synced: point.offset,
            states: recovered.states,
            checkpointed: point.offset,
            is_made: recovered.is_made,
        };
        Ok((published, writer))
    }

    /// The partition this is.
    pub fn topic_partition(&self) -> TopicPartition {
        self.partition
    }

    /// Offset after the last record written (to the page cache at least).
    pub fn written_end_offset(&self) -> Offset {
        self.published.read().end
    }

    /// Offset of the last good `sync`, or of opening.
    pub fn synced_end_offset(&self) -> Offset {
        self.writer.lock().synced
    }

    /// First offset of the log.
    pub fn log_start_offset(&self) -> Offset {
        Offset(self.log_start.load(Ordering::Acquire))
    }

    /// Moves the log start forward; it never moves back. The caller has made the new start durable, or does
    /// so before `delete_old_segments`.
    pub fn set_log_start_offset(&self, offset: Offset) {
        self.log_start.fetch_max(offset.0, Ordering::AcqRel);
    }

    /// First offset that is on this disk: the log start, or above it where the oldest records are kept
    /// elsewhere.
    pub fn local_log_start_offset(&self) -> Offset {
        Offset(self.local_log_start.load(Ordering::Acquire)).max(self.log_start_offset())
    }

    /// Moves the local log start forward, as [`PartitionLog::set_log_start_offset`] does the log start. What
    /// lies below is kept elsewhere, durably.
    pub fn set_local_log_start_offset(&self, offset: Offset) {
        self.local_log_start.fetch_max(offset.0, Ordering::AcqRel);
    }

    /// Where a recovery to `offset` would begin now.
    pub(super) fn point(&self, offset: Offset) -> RecoveryPoint {
        RecoveryPoint {
            offset,
            log_start_offset: self.log_start_offset(),
            local_log_start_offset: self.local_log_start_offset(),
        }
    }

    /// Bytes of all segments' records.
    pub fn size_bytes(&self) -> u64 {
        self.published().segments.iter().map(|segment| segment.bytes()).sum()
    }

    /// Number of segments, the active one included.
    pub fn segments_count(&self) -> usize {
        self.published().segments.len()
    }

    /// Monotonic time of the first change that no sync has covered; `None` if all is durable.
    pub fn dirty_since(&self) -> Option<Duration> {
        self.writer.lock().dirty_since
    }

    /// Bytes appended and not yet covered by a sync.
    pub fn unsynced_bytes(&self) -> u64 {
        self.writer.lock().unsynced_bytes
    }

    /// Producers and leader epochs as of the written end.
    pub fn state(&self) -> LogState {
        let writer = self.writer.lock();
        LogState {
            producers: writer.producers.clone(),
            leader_epochs: writer.leader_epochs.clone(),
            log_end_offset: self.written_end_offset(),
        }
    }

    /// The settings in force.
    pub fn config(&self) -> LogConfig {
        *self.config.read()
    }

    /// Takes other settings, at once: the active segment is closed when they say so, less the jitter that it
    /// drew; its index goes on as dense as it began.
    pub fn set_config(&self, config: LogConfig) {
        *self.config.write() = config;
    }

    /// Forgets silent producers in the log's own copy, so that snapshots do not keep them for ever. `now`
    /// is [`LogDirectory::believed_now`].
    pub fn expire_producers(&self, now: crate::model::Timestamp, expiration_ms: i64) {
        self.writer.lock().producers.expire(now, expiration_ms);
    }

    /// No more appends or syncs, for good; waits for those under way. Reads of open files still work.
    pub fn close(&self) {
        let _sync = self.syncing.lock();
        let mut writer = self.writer.lock();
        self.closed.store(true, Ordering::Release);
        writer.dirty.clear();
        for segment in self.published().segments.iter() {
            segment.forget_handles(&self.directory);
        }
    }

    /// Closes the log and does the first step of its deletion (see [`LogDirectory::rename_for_deletion`]).
    pub fn rename_for_deletion(&self) -> Result<Option<DeletedDirectory>, LogError> {
        self.close();
        self.directory.rename(&self.path, &self.topic, self.partition)
    }

    pub(super) fn published(&self) -> Published {
        self.published.read().clone()
    }

    pub(super) fn check_open(&self) -> Result<(), LogError> {
        if self.closed.load(Ordering::Acquire) {
            return Err(LogError::Closed { path: self.path.clone() });
        }
        Ok(())
    }
}

impl Drop for PartitionLog {
    fn drop(&mut self) {
        self.close();
    }
}

impl ActiveAge {
    /// For a segment that begins now.
    pub(super) fn new(directory: &LogDirectory, config: &LogConfig) -> ActiveAge {
        let jitter_max = u64::try_from(config.segment_jitter.as_millis()).unwrap_or(u64::MAX);
        let jitter = if jitter_max == 0 { 0 } else { directory.env.random.next_u64() % jitter_max };
        ActiveAge { opened_ms: directory.clock.monotonic_ms(), jitter_ms: jitter, first_timestamp_ms: -1 }
    }

    /// Age at which it is closed, in milliseconds.
    pub(super) fn age_max_ms(&self, config: &LogConfig) -> i64 {
        // As in Kafka: what must be compacted at some age must be in a closed segment by then.
        let bound = config.compaction.map_or(Duration::MAX, |compaction| compaction.max_compaction_lag);
        let age_max = config.segment_age_max.min(bound).saturating_sub(Duration::from_millis(self.jitter_ms));
        i64::try_from(age_max.as_millis()).unwrap_or(i64::MAX)
    }

    /// Whether it is time for another segment. `newest_ms`: the timestamp of a batch about to be appended.
    ///
    /// Two clocks: the records' own (as in Kafka, so that a backfill of old data makes segments of
    /// `segment.ms` each) and the monotonic one (so that an idle topic rolls, and no jump of the wall clock
    /// matters).
    pub(super) fn is_due(&self, config: &LogConfig, monotonic_ms: i64, newest_ms: i64) -> bool {
        let age_max_ms = self.age_max_ms(config);
        let by_records =
            self.first_timestamp_ms >= 0 && newest_ms.saturating_sub(self.first_timestamp_ms) >= age_max_ms;
        by_records || monotonic_ms.saturating_sub(self.opened_ms) >= age_max_ms
    }
}
