use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use dashmap::DashMap;
use parking_lot::{Condvar, Mutex};
use tokio::sync::Notify;

use super::appending::Append;
use super::checkpoint::Checkpoint;
use super::durability::{Progress, StorageFailed};
use super::flush_queue::FlushQueue;
use super::leader::StatusChanges;
use super::recovery::make_way;
use super::transactions::{Appender, TransactionMarker};
use super::{Admission, AppendError, BrokerDirectory, Catalogue, Credits, Lookup, Partition, PartitionSpec};
use crate::env::Env;
use crate::log::{LogDirectory, LogError, PartitionLog, RecoveryPoint, Times};
use crate::model::{Offset, Timestamp, TopicId, TopicPartition};
use crate::protocol::batch::ProducedBatch;
use crate::wal::{
    EntryHeader, EntryKind, Lsn, OpenedWal, Provisioner, ReplayStart, WalAppender, WalError, WalOptions,
    WalWriter,
};

/// Bounds of the storage. Defaults are those of `config`.
#[derive(Debug, Clone)]
pub struct StorageOptions {
    /// The write-ahead log's own bounds.
    pub wal: WalOptions,
    /// Width of the tail window: WAL bytes between the oldest batch in memory and the newest.
    pub tail_bytes: u64,
    /// A checkpoint is made at the latest after so many bytes of WAL.
    pub checkpoint_bytes: u64,
    /// And at the latest after this time, if anything was written.
    pub checkpoint_interval: Duration,
    /// Bytes of one partition after which the disk is made to take them, before a checkpoint asks for all.
    pub write_back_bytes: u64,
    /// Free bytes below which appends are refused, so that what was promised still fits into segments.
    pub disk_reserve_bytes: u64,
    /// Open segment and index files.
    pub handles_max: usize,
}

/// Who hears that a WAL entry is committed.
pub enum Member {
    /// Records of a partition, up to `end_offset` (exclusive).
    Records {
        /// The partition.
        partition: Arc<Partition>,
        /// First offset after the batch.
        end_offset: Offset,
    },
    /// A change of the metadata store: who made it waits by its LSN.
    Metadata,
}

/// One commit of the WAL, as it is measured.
#[derive(Debug, Clone, Copy)]
pub struct CommitObservation {
    /// From the first write to the end of the sync.
    pub duration: Duration,
    /// Bytes of the group.
    pub bytes: u64,
    /// Entries in it.
    pub entries: u64,
}

/// Hears of every commit.
pub type CommitObserver = Box<dyn Fn(CommitObservation) + Send + Sync>;

/// The WAL, the partitions and what ties them together.
pub struct Storage {
    pub(super) env: Env,
    pub(super) options: StorageOptions,
    pub(super) directory: BrokerDirectory,
    pub(super) catalogue: Arc<dyn Catalogue>,
    wal: Arc<WalAppender<Member>>,
    writer: Mutex<WalWriter<Member>>,
    provisioner: Mutex<Provisioner>,
    pub(super) partitions: DashMap<TopicPartition, Arc<Partition>>,
    pub(super) status_changes: StatusChanges,
    pub(super) logs: Arc<LogDirectory>,
    pub(super) flush_queue: FlushQueue,
    /// The newest durable one.
    pub(super) checkpoint: Mutex<Checkpoint>,
    /// Per partition the end of what its synced segments hold: what the next checkpoint says.
    pub(super) recovery_offsets: Mutex<HashMap<TopicPartition, Offset>>,
    /// Partitions that exist and could not be opened, and why.
    pub(super) stopped: DashMap<TopicPartition, Arc<str>>,
    /// Deleted topics and the LSN behind which nothing of them stands.
    pub(super) deleted: Mutex<HashMap<TopicId, Lsn>>,
    /// Held while segments are written, so that a directory is not renamed meanwhile.
    pub(super) flushing: Mutex<()>,
    observer: OnceLock<CommitObserver>,
    /// Threads that pause wait here; woken when there is a reason to look earlier.
    pausing: (Mutex<()>, Condvar),
    written: Progress,
    durable: Progress,
    disk_full: AtomicBool,
    /// Somebody wanted more of the WAL than there was: a checkpoint would free some.
    wal_room_wanted: AtomicBool,
    room: Notify,
}

/// What [`super::recovery`] hands over.
pub(super) struct Parts {
    pub env: Env,
    pub options: StorageOptions,
    pub directory: BrokerDirectory,
    pub catalogue: Arc<dyn Catalogue>,
    pub wal: OpenedWal<Member>,
    pub logs: Arc<LogDirectory>,
    pub checkpoint: Checkpoint,
}

impl Storage {
    pub(super) fn assemble(parts: Parts) -> Storage {
        let start = parts.checkpoint.replay_start.lsn;
        Storage {
            env: parts.env,
            options: parts.options,
            directory: parts.directory,
            catalogue: parts.catalogue,
            wal: parts.wal.appender,
            writer: Mutex::new(parts.wal.writer),
            provisioner: Mutex::new(parts.wal.provisioner),
            partitions: DashMap::new(),
            status_changes: StatusChanges::default(),
            logs: parts.logs,
            flush_queue: FlushQueue::default(),
            recovery_offsets: Mutex::new(parts.checkpoint.recovery_offsets.clone()),
            checkpoint: Mutex::new(parts.checkpoint),
            stopped: DashMap::new(),
            deleted: Mutex::default(),
            flushing: Mutex::default(),
            observer: OnceLock::new(),
            pausing: Default::default(),
            written: Progress::starting_at(start),
            durable: Progress::starting_at(start),
            disk_full: AtomicBool::new(false),
            wal_room_wanted: AtomicBool::new(false),
            room: Notify::new(),
        }
    }

    /// The cluster's identity, from the data directory.
    pub fn cluster_id(&self) -> &str {
        &self.directory.cluster_id
    }

    /// Wall-clock time as retention believes it: a clock that jumps does not take it along.
    pub fn believed_now(&self) -> Timestamp {
        self.logs.believed_now()
    }

    /// The same, and what is written down as the begin of a time.
    pub fn times(&self) -> Times {
        self.logs.times()
    }

    /// The data directory.
    pub fn root(&self) -> &PathBuf {
        &self.directory.root
    }

    /// Names who hears of commits; the first one stays.
    pub fn observe_commits(&self, observer: CommitObserver) {
        let _ = self.observer.set(observer);
    }

    /// Why a partition that exists could not be opened.
    pub fn stopped_reason(&self, topic_partition: TopicPartition) -> Option<Arc<str>> {
        self.stopped.get(&topic_partition).map(|entry| entry.value().clone())
    }

    /// An open partition.
    pub fn partition(&self, topic_partition: TopicPartition) -> Option<Arc<Partition>> {
        self.partitions.get(&topic_partition).map(|entry| entry.value().clone())
    }

    /// How often a partition began or ceased to serve. A count taken before a look at partitions is found
    /// again as long as what was seen still holds.
    pub fn status_changes(&self) -> u64 {
        self.status_changes.count()
    }

    /// All open partitions, in no order.
    pub fn all_partitions(&self) -> Vec<Arc<Partition>> {
        self.partitions.iter().map(|entry| entry.value().clone()).collect()
    }

    /// Opens a partition whose topic exists durably in the catalogue. Its directory is made now; that it
    /// exists needs no sync of its own: until a segment is synced, everything in it can be replayed.
    pub fn open_partition(
        &self,
        topic_partition: TopicPartition,
        spec: &PartitionSpec,
    ) -> Result<Arc<Partition>, LogError> {
        if let Some(open) = self.partition(topic_partition) {
            return Ok(open);
        }
        make_way(&self.logs, self.catalogue.as_ref(), topic_partition, &spec.name)?;
        let offset = self.recovery_offsets.lock().get(&topic_partition).copied().unwrap_or_default();
        let point = spec.recovery_point(offset);
        let partition = Arc::new(self.load_partition(topic_partition, spec, point)?);
        let open = self.partitions.entry(topic_partition).or_insert(partition).clone();
        self.status_changes.happened();
        Ok(open)
    }

    pub(super) fn load_partition(
        &self,
        topic_partition: TopicPartition,
        spec: &PartitionSpec,
        point: RecoveryPoint,
    ) -> Result<Partition, LogError> {
        let (log, state) =
            PartitionLog::open(&self.logs, &spec.name, topic_partition, spec.log_config, point)?;
        Ok(Partition::new(spec.name.clone(), spec.leader_epoch, log, state, self.status_changes.clone()))
    }

    /// Appends a batch of a producer; see [`Partition::append`].
    pub fn append(
        &self,
        partition: &Arc<Partition>,
        credits: &mut Credits,
        batch: &ProducedBatch,
    ) -> Result<Admission, AppendError> {
        self.append_by(Appender::CLIENT, partition, credits, batch)
    }

    /// Appends a batch of a producer that may begin its transaction with it, or of a coordinator.
    pub fn append_by(
        &self,
        appender: Appender,
        partition: &Arc<Partition>,
        credits: &mut Credits,
        batch: &ProducedBatch,
    ) -> Result<Admission, AppendError> {
        partition.append(self.append_with(credits), batch, appender)
    }

    /// Ends transactions, each in one partition, all in one commit of the WAL. The answers are in the order
    /// of the markers; one that is refused keeps none of the others.
    ///
    /// May be repeated, by who does not know whether it was done before a crash. The credits are for as many
    /// payloads of [`TransactionMarker::PAYLOAD_BYTES`].
    pub fn append_markers(
        &self,
        credits: &mut Credits,
        markers: &[(Arc<Partition>, TransactionMarker)],
    ) -> Vec<Result<Admission, AppendError>> {
        let timestamp = self.env.clock.now();
        let _one_group = self.wal.together(markers.len(), TransactionMarker::PAYLOAD_BYTES);
        let append = |(partition, marker): &(Arc<Partition>, TransactionMarker)| {
            partition.append_marker(self.append_with(credits), marker, timestamp)
        };
        markers.iter().map(append).collect()
    }

    /// Holds the group of the WAL that fills, as [`Storage::append_markers`] does for a moment.
    #[cfg(test)]
    pub fn hold_group(&self) -> impl Sized + '_ {
        self.wal.together(0, 0)
    }

    fn append_with<'a>(&'a self, credits: &'a mut Credits) -> Append<'a> {
        Append { wal: &self.wal, queue: &self.flush_queue, credits, now: self.logs.times().stamp }
    }

    /// Puts a change of the metadata store into the WAL; it holds once [`Storage::committed`] says so.
    pub fn append_metadata(&self, credits: &mut Credits, entry: &[u8]) -> Lsn {
        let header = EntryHeader { kind: EntryKind::Metadata, topic_partition: None };
        self.wal.append(credits.wal(), header, entry, |_| {}, Member::Metadata).lsn
    }

    /// Waits until the entry at `lsn` is written (`acks=1`: it survives the process, not the machine).
    pub async fn written(&self, lsn: Lsn) -> Result<(), StorageFailed> {
        self.written.passed(lsn).await
    }

    /// Waits until the entry at `lsn` is committed.
    pub async fn committed(&self, lsn: Lsn) -> Result<(), StorageFailed> {
        self.durable.passed(lsn).await
    }

    /// Whether the entry at `lsn` is committed.
    pub fn is_committed(&self, lsn: Lsn) -> Result<bool, StorageFailed> {
        Ok(self.durable.position()? > lsn)
    }

    /// Waits for the storage to fail.
    pub async fn failed(&self) -> StorageFailed {
        self.durable.failed().await
    }

    /// Fails if the storage has failed.
    pub fn check(&self) -> Result<(), StorageFailed> {
        self.durable.position().map(|_| ())
    }

    /// Ends everything: no acknowledgement after this.
    pub fn fail(&self, reason: &str) {
        tracing::error!(reason, "the storage has failed; nothing more is acknowledged and the process stops");
        let failure = StorageFailed(reason.to_owned());
        self.written.fail(&failure);
        self.durable.fail(&failure);
        self.partitions.iter().for_each(|entry| entry.value().fail(&failure));
        self.room.notify_waiters();
    }

    /// Commits the group that is being filled, if any: write, answer `acks=1`, sync, advance high watermarks,
    /// answer `acks=all`. Returns whether there was one.
    pub fn commit_step(&self) -> Result<bool, StorageFailed> {
        self.check()?;
        self.commit_group().map_err(|error| {
            self.fail(&format!("write-ahead log: {error}"));
            StorageFailed(error.to_string())
        })
    }

    fn commit_group(&self) -> Result<bool, WalError> {
        let mut writer = self.writer.lock();
        let began = self.env.clock.monotonic();
        let Some(written) = writer.write_next()? else { return Ok(false) };
        self.written.advance(written.end_lsn);
        let (bytes, entries) = (written.bytes, u64::from(written.entries));
        let committed = writer.sync(written)?;
        // The writer stays ours until all have heard: groups are announced in the order of the WAL.
        for member in committed.members {
            if let Member::Records { partition, end_offset } = member {
                partition.advance_high_watermark(end_offset);
            }
        }
        // High watermarks first: who is told that a record is committed must find it when it looks.
        self.durable.advance(committed.end_lsn);
        if let Some(observe) = self.observer.get() {
            let duration = self.env.clock.monotonic().saturating_sub(began);
            observe(CommitObservation { duration, bytes, entries });
        }
        Ok(true)
    }

    /// Lets the WAL's writer do what needs no hurry: publish how far it is durable. Returns whether it did.
    pub fn idle_step(&self) -> Result<bool, StorageFailed> {
        let result = self.writer.lock().idle();
        result.map_err(|error| {
            self.fail(&format!("write-ahead log: {error}"));
            StorageFailed(error.to_string())
        })
    }

    /// Pre-writes one more slot of WAL if there is reason to. Returns whether there may be more to do.
    pub fn provision_step(&self) -> Result<bool, StorageFailed> {
        self.check()?;
        let result = self.provisioner.lock().step();
        result.map_err(|error| {
            self.fail(&format!("write-ahead log: {error}"));
            StorageFailed(error.to_string())
        })
    }

    /// Runs while nothing is written to the WAL, and none of its files comes or goes.
    pub(super) fn with_quiet_wal<R>(&self, act: impl FnOnce() -> R) -> R {
        let _no_frames = self.writer.lock();
        let _no_files = self.provisioner.lock();
        act()
    }

    /// Waits until the WAL wants for space, at most `duration`. Only the thread that provides it calls this.
    pub(super) fn wait_for_provisioning(&self, duration: Duration) {
        self.provisioner.lock().wait(duration);
    }

    pub(super) fn wal(&self) -> &Arc<WalAppender<Member>> {
        &self.wal
    }

    pub(super) fn with_writer<R>(&self, act: impl FnOnce(&mut WalWriter<Member>) -> R) -> R {
        act(&mut self.writer.lock())
    }

    /// End of what is committed.
    pub(super) fn committed_end(&self) -> Result<Lsn, StorageFailed> {
        self.durable.position()
    }

    /// Start of the WAL that a restart would replay.
    pub(super) fn replay_start(&self) -> ReplayStart {
        self.checkpoint.lock().replay_start
    }

    /// Records whether appends must be refused for want of disk.
    pub(super) fn set_disk_full(&self, full: bool) {
        let was = self.disk_full.swap(full, Ordering::Relaxed);
        match (was, full) {
            (false, true) => tracing::error!(
                path = %self.directory.root.display(),
                "no room on the disk that holds the log: producers get errors, reads go on; free some space"
            ),
            (true, false) => tracing::warn!("there is room on the disk again: writes go on"),
            _ => {}
        }
        if was && !full {
            self.room.notify_waiters();
        }
    }

    pub(super) fn disk_is_full(&self) -> bool {
        self.disk_full.load(Ordering::Relaxed)
    }

    /// Whether the tail window may grow.
    pub(super) fn tail_has_room(&self) -> bool {
        let oldest = self.flush_queue.oldest();
        oldest
            .is_none_or(|oldest| self.wal.appended_lsn().0.saturating_sub(oldest.0) < self.options.tail_bytes)
    }

    /// Lets a background thread wait for `duration`, or until somebody lacks room.
    pub(super) fn pause(&self, duration: Duration) {
        let (lock, wake) = &self.pausing;
        wake.wait_for(&mut lock.lock(), duration);
    }

    pub(super) fn want_wal_room(&self) {
        self.wal_room_wanted.store(true, Ordering::Relaxed);
        self.hurry();
    }

    pub(super) fn take_wal_room_wanted(&self) -> bool {
        self.wal_room_wanted.swap(false, Ordering::Relaxed)
    }

    /// Ends pauses early.
    pub(super) fn hurry(&self) {
        self.pausing.1.notify_all();
    }

    pub(super) fn room_grew(&self) {
        self.room.notify_waiters();
    }

    /// Completes when there may be more room than when this was called.
    pub(super) fn room_changed(&self) -> impl Future<Output = ()> {
        let (room, credits) = (self.room.notified(), self.wal.credit_available());
        async move {
            tokio::select! {
                () = room => {}
                () = credits => {}
            }
        }
    }

    pub(super) fn lookup(&self, topic_partition: TopicPartition) -> Lookup {
        self.catalogue.lookup(topic_partition)
    }
}
