//! From a data directory to a storage that serves.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use uuid::Uuid;

use super::checkpoint::{Checkpoint, CheckpointError};
use super::restored::MARK_FILE;
use super::storage::Parts;
use super::stranded;
use super::{
    BrokerDirectory, Catalogue, CatalogueError, DirectoryError, Lookup, Partition, PartitionSpec, Storage,
    StorageFailed, StorageOptions,
};
use crate::env::{Env, side_by_side};
use crate::log::{LogDirectory, LogError, PartitionLog};
use crate::model::{Offset, Timestamp, TopicPartition};
use crate::protocol::batch::BatchHeader;
use crate::wal::{self, EntryKind, Lsn, NewIncarnation, ReplayError, ReplayStart, ReplayedEntry};

pub(super) const WAL_DIRECTORY: &str = "wal";
/// Batches gathered for their segments at once.
const GATHERED_BYTES: usize = 2 << 20;

/// Why the storage could not be opened. Nothing was acknowledged, nothing that could be needed was changed.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The directory is somebody else's, in use or of a newer format.
    #[error(transparent)]
    Directory(#[from] DirectoryError),
    /// The checkpoint cannot be read.
    #[error("{0}")]
    Checkpoint(String),
    /// There are logs, and nothing says where the WAL starts.
    #[error(
        "{0} holds partition logs but no checkpoint: without it nobody knows what the write-ahead log adds \
         to them; nothing was changed"
    )]
    CheckpointMissing(PathBuf),
    /// A restore was cut off.
    #[error(
        "{0} is being restored, or that was cut off: run `highwater restore` again; it begins anew, and \
         nothing is lost by that"
    )]
    RestoreUnfinished(PathBuf),
    /// The WAL is damaged before something that was acknowledged.
    #[error("write-ahead log: {0}")]
    Wal(String),
    /// The catalogue in the checkpoint or the WAL cannot be read.
    #[error(transparent)]
    Catalogue(#[from] CatalogueError),
    /// The WAL holds records of a topic that was neither created nor deleted.
    #[error(
        "the write-ahead log holds records of partition {0}, of which the catalogue knows nothing: refusing \
         to start, since going on would lose them"
    )]
    UnknownPartition(TopicPartition),
    /// A file could not be read or written.
    #[error("{0}")]
    Io(String),
    /// It failed right after it was opened.
    #[error(transparent)]
    Failed(#[from] StorageFailed),
}

impl From<CheckpointError> for OpenError {
    fn from(error: CheckpointError) -> OpenError {
        OpenError::Checkpoint(error.to_string())
    }
}

/// A log on its way through replay.
enum Replaying {
    Open(Box<PartitionLog>),
    /// Damaged: it stays as it is, and says why. What the WAL holds of it is kept elsewhere.
    Stopped {
        reason: LogError,
        stranded: Vec<Bytes>,
    },
}

struct Recovery<'a> {
    env: &'a Env,
    root: &'a Path,
    catalogue: &'a dyn Catalogue,
    directory: &'a Arc<LogDirectory>,
    recovery_offsets: HashMap<TopicPartition, Offset>,
    logs: HashMap<TopicPartition, Replaying>,
    /// Batches of the WAL that are still to be appended.
    gathered: BTreeMap<TopicPartition, Vec<Bytes>>,
    gathered_bytes: usize,
    /// Partitions that an earlier start could not open, and of which it kept batches.
    stranded: HashSet<TopicPartition>,
}

impl Storage {
    /// Opens a data directory: reads the checkpoint, replays the WAL, makes what was replayed durable and
    /// writes a checkpoint that opens a new incarnation of the WAL.
    ///
    /// Until that checkpoint is durable nothing of the old WAL is overwritten, so that a crash anywhere in
    /// here finds the same starting point again.
    pub fn open(
        env: Env,
        directory: BrokerDirectory,
        options: StorageOptions,
        catalogue: Arc<dyn Catalogue>,
    ) -> Result<Storage, OpenError> {
        let checkpoint = Checkpoint::load(env.files.as_ref(), &directory.root)?;
        let checkpoint = match checkpoint {
            Some(checkpoint) => {
                catalogue.restore(&checkpoint.metadata)?;
                checkpoint
            }
            None => first_checkpoint(&env, &directory.root)?,
        };
        let believed_now = Some(checkpoint.believed_now).filter(|time| *time != Timestamp::NONE);
        let logs = LogDirectory::new(env.clone(), directory.root.clone(), options.handles_max, believed_now);
        let mut recovery = Recovery {
            env: &env,
            root: &directory.root,
            catalogue: catalogue.as_ref(),
            directory: &logs,
            recovery_offsets: checkpoint.recovery_offsets.clone(),
            logs: HashMap::new(),
            gathered: BTreeMap::new(),
            gathered_bytes: 0,
            stranded: stranded::all(env.files.as_ref(), &directory.root)
                .map_err(|error| io_error(&directory.root, &error))?,
        };
        let incarnation = recovery.replay(&checkpoint.replay_start)?;
        recovery.open_rest()?;
        recovery.sync()?;
        let Recovery { recovery_offsets, logs: recovered, stranded, .. } = recovery;
        catalogue.begin_boot();

        let wal_directory = directory.root.join(WAL_DIRECTORY);
        let wal = wal::create(&env, &wal_directory, options.wal.clone(), incarnation)
            .map_err(|error| OpenError::Wal(error.to_string()))?;
        let checkpoint = Checkpoint {
            sequence: checkpoint.sequence + 1,
            replay_start: wal.replay_start,
            believed_now: logs.time_to_keep(),
            metadata: catalogue.snapshot().bytes,
            recovery_offsets,
        };
        checkpoint
            .store(env.files.as_ref(), &directory.root)
            .map_err(|error| io_error(&directory.root, &error))?;
        // Only now: until the checkpoint was durable, the frames it replaces were what a restart needed.
        wal.appender.trim(checkpoint.replay_start.lsn);
        forget_stranded(&env, &directory.root, &stranded, &recovered)?;
        let parts = Parts { env, options, directory, catalogue, wal, logs, checkpoint };
        let storage = Storage::assemble(parts);
        storage.adopt(recovered);
        storage.remove_leftovers()?;
        Ok(storage)
    }

    /// Turns recovered logs into partitions, now that this boot's leader epochs are known.
    fn adopt(&self, logs: HashMap<TopicPartition, Replaying>) {
        for (topic_partition, replaying) in logs {
            let Lookup::Live(spec) = self.lookup(topic_partition) else { continue };
            match replaying {
                Replaying::Open(log) => {
                    let state = log.state();
                    let changes = self.status_changes.clone();
                    let partition = Partition::new(spec.name, spec.leader_epoch, *log, state, changes);
                    self.confirm_recovered(&partition);
                    self.partitions.insert(topic_partition, Arc::new(partition));
                }
                Replaying::Stopped { reason, .. } => {
                    self.stopped.insert(topic_partition, reason.to_string().into());
                }
            }
        }
    }

    fn confirm_recovered(&self, partition: &Partition) {
        if let Err(error) = partition.log().checkpointed(partition.log().written_end_offset()) {
            tracing::warn!(%error, "an old state snapshot stays; the next checkpoint tries again");
        }
    }

    /// Finishes deletions that a crash interrupted.
    fn remove_leftovers(&self) -> Result<(), OpenError> {
        let failed = |error: LogError| OpenError::Io(error.to_string());
        for (topic_id, name, partitions) in self.catalogue.tombstones() {
            for partition in 0..partitions {
                let id = TopicPartition { topic_id, partition };
                if self.logs.topic_id_of(&name, partition).map_err(failed)? == Some(topic_id) {
                    self.logs.rename_for_deletion(&name, id).map_err(failed)?;
                }
            }
        }
        self.logs
            .deleted()
            .map_err(failed)?
            .iter()
            .try_for_each(|found| self.logs.unlink(found).map_err(failed))
    }
}

/// Their partitions' segments hold them now, and the checkpoint that says so is durable.
fn forget_stranded(
    env: &Env,
    root: &Path,
    stranded: &HashSet<TopicPartition>,
    recovered: &HashMap<TopicPartition, Replaying>,
) -> Result<(), OpenError> {
    let stopped = |id: &&TopicPartition| matches!(recovered.get(*id), Some(Replaying::Stopped { .. }));
    stranded.iter().filter(|id| !stopped(id)).try_for_each(|id| {
        stranded::forget(env.files.as_ref(), root, *id).map_err(|error| io_error(root, &error))
    })
}

fn io_error(path: &Path, error: &io::Error) -> OpenError {
    OpenError::Io(format!("{}: {error}", path.display()))
}

/// A directory without a checkpoint is new, or its first start did not get as far as the port.
fn first_checkpoint(env: &Env, root: &Path) -> Result<Checkpoint, OpenError> {
    if env.files.exists(&root.join(MARK_FILE)).map_err(|error| io_error(root, &error))? {
        return Err(OpenError::RestoreUnfinished(root.to_owned()));
    }
    for name in env.files.list(root).map_err(|error| io_error(root, &error))? {
        let metadata = root.join(name).join("partition.metadata");
        // Beside directories there are files, of which this is an error, and they are not what is looked for.
        if matches!(env.files.exists(&metadata), Ok(true)) {
            return Err(OpenError::CheckpointMissing(root.to_owned()));
        }
    }
    let wal_id: Uuid = env.random.uuid();
    Ok(Checkpoint {
        sequence: 0,
        replay_start: ReplayStart { wal_id, incarnation: 0, lsn: Lsn(0), previous_crc: 0 },
        believed_now: Timestamp::NONE,
        metadata: Vec::new(),
        recovery_offsets: HashMap::new(),
    })
}

impl Recovery<'_> {
    /// Replays the WAL into the catalogue and the logs. Returns where this start may write.
    fn replay(&mut self, start: &ReplayStart) -> Result<NewIncarnation, OpenError> {
        let directory = self.root.join(WAL_DIRECTORY);
        if start.incarnation == 0 {
            return Ok(NewIncarnation::first(start.wal_id));
        }
        let env = self.env;
        match wal::replay_metadata_first(env, &directory, start, &mut |entry| self.entry(&entry)) {
            Ok(end) => {
                self.append_gathered()?;
                if end.entries > 0 {
                    let (groups, torn) = (end.groups, end.torn.is_some());
                    let bytes = end.end_lsn.0 - start.lsn.0;
                    tracing::info!(
                        groups,
                        entries = end.entries,
                        bytes,
                        torn,
                        "replayed the write-ahead log"
                    );
                }
                Ok(end.next_incarnation())
            }
            Err(ReplayError::Visitor(error)) => Err(error),
            Err(error) => Err(OpenError::Wal(error.to_string())),
        }
    }

    fn entry(&mut self, entry: &ReplayedEntry) -> Result<(), OpenError> {
        match entry.header.kind {
            EntryKind::Metadata => Ok(self.catalogue.replay(&entry.payload)?),
            EntryKind::Records => {
                let id = entry.header.topic_partition.expect("the WAL refuses records without a partition");
                self.records(id, &entry.payload)
            }
        }
    }

    fn records(&mut self, id: TopicPartition, batch: &Bytes) -> Result<(), OpenError> {
        if !self.logs.contains_key(&id) {
            match self.catalogue.lookup(id) {
                Lookup::Live(spec) => self.open(id, *spec)?,
                Lookup::Deleted => return Ok(()),
                Lookup::Unknown => return Err(OpenError::UnknownPartition(id)),
            }
        }
        self.gathered_bytes += batch.len();
        self.gathered.entry(id).or_default().push(batch.clone());
        if self.gathered_bytes >= GATHERED_BYTES { self.append_gathered() } else { Ok(()) }
    }

    /// Appends what was gathered, several batches in one write, unless a synced segment already holds it.
    fn append_gathered(&mut self) -> Result<(), OpenError> {
        self.gathered_bytes = 0;
        for (id, batches) in std::mem::take(&mut self.gathered) {
            if let Some(Replaying::Open(log)) = self.logs.get(&id)
                && let Err(error) = log.append(&batches)
            {
                self.failed(id, error)?;
            }
            if let Some(Replaying::Stopped { stranded, .. }) = self.logs.get_mut(&id) {
                stranded.extend(batches);
            }
        }
        Ok(())
    }

    /// Damage stops one partition; anything else stops the start.
    fn failed(&mut self, id: TopicPartition, error: LogError) -> Result<(), OpenError> {
        if !error.is_damage() {
            return Err(OpenError::Io(error.to_string()));
        }
        let topic = match self.catalogue.lookup(id) {
            Lookup::Live(spec) => spec.name,
            _ => id.to_string().into(),
        };
        tracing::error!(
            %topic, partition = id.partition, reason = %error,
            "the partition is stopped, nothing was changed on disk; other partitions go on"
        );
        self.logs.insert(id, Replaying::Stopped { reason: error, stranded: Vec::new() });
        Ok(())
    }

    fn open(&mut self, id: TopicPartition, spec: PartitionSpec) -> Result<(), OpenError> {
        let offset = self.recovery_offsets.get(&id).copied().unwrap_or_default();
        let point = spec.recovery_point(offset);
        make_way(self.directory, self.catalogue, id, &spec.name)
            .map_err(|error| OpenError::Io(error.to_string()))?;
        let opened = PartitionLog::open(self.directory, &spec.name, id, spec.log_config, point);
        match opened {
            Ok((log, _)) => {
                self.logs.insert(id, Replaying::Open(Box::new(log)));
                self.take_in_stranded(id)
            }
            Err(error) => self.failed(id, error),
        }
    }

    /// A log that can be opened again gets what an earlier start had to keep elsewhere; the WAL's batches
    /// follow.
    fn take_in_stranded(&mut self, id: TopicPartition) -> Result<(), OpenError> {
        if !self.stranded.contains(&id) {
            return Ok(());
        }
        let batches = stranded::load(self.env.files.as_ref(), self.root, id)
            .map_err(|error| io_error(&stranded::path(self.root, id), &error))?;
        batches.iter().try_for_each(|batch| self.records(id, batch))?;
        // Where nothing of the WAL follows, nobody else would.
        self.append_gathered()
    }

    /// Opens what the WAL did not mention.
    fn open_rest(&mut self) -> Result<(), OpenError> {
        for (id, spec) in self.catalogue.partitions() {
            if !self.logs.contains_key(&id) {
                self.open(id, spec)?;
            }
        }
        let catalogue = self.catalogue;
        self.logs.retain(|id, _| matches!(catalogue.lookup(*id), Lookup::Live(_)));
        self.recovery_offsets.retain(|id, _| matches!(catalogue.lookup(*id), Lookup::Live(_)));
        Ok(())
    }

    /// Makes what was replayed durable in segments, before a checkpoint claims it.
    fn sync(&mut self) -> Result<(), OpenError> {
        let (mut open, mut stopped) = (Vec::new(), Vec::new());
        for (id, replaying) in &self.logs {
            match replaying {
                Replaying::Open(log) => open.push((*id, log)),
                Replaying::Stopped { stranded, .. } => stopped.push((*id, stranded)),
            }
        }
        for (id, stranded) in stopped.into_iter().filter(|(_, stranded)| !stranded.is_empty()) {
            stranded::keep(self.env.files.as_ref(), self.root, id, stranded)
                .map_err(|error| io_error(&stranded::path(self.root, id), &error))?;
        }
        let ends = side_by_side(self.env.files.lanes(), &open, |(id, log)| {
            // What replay brought back below the log start, which the WAL's end knows: gone now, so that the
            // next recovery finds what this one left.
            log.delete_old_segments().and_then(|_| log.sync()).map(|end| (*id, end))
        });
        for end in ends {
            let (id, end) = end.map_err(|error| OpenError::Io(error.to_string()))?;
            self.recovery_offsets.insert(id, end);
        }
        self.env.files.sync_dir(self.root).map_err(|error| io_error(self.root, &error))
    }
}

/// An earlier topic of the same name may have left its directory: a crash came between its tombstone and the
/// renaming, or, with `wal.sync=os`, the machine forgot the creation and not the directory.
pub(super) fn make_way(
    logs: &LogDirectory,
    catalogue: &dyn Catalogue,
    id: TopicPartition,
    topic: &str,
) -> Result<(), LogError> {
    let Some(found) = logs.topic_id_of(topic, id.partition)? else { return Ok(()) };
    let other = TopicPartition { topic_id: found, ..id };
    match catalogue.lookup(other) {
        _ if other == id => {}
        Lookup::Live(_) => {}
        Lookup::Deleted => {
            logs.rename_for_deletion(topic, other)?;
        }
        Lookup::Unknown => {
            let partition = id.partition;
            tracing::warn!(topic, partition, topic_id = %found, "a stray directory is set aside");
            logs.rename_as_stray(topic, other)?;
        }
    }
    Ok(())
}

/// Appends a batch of the WAL unless a synced segment already holds it.
pub(super) fn replay_batch(log: &PartitionLog, batch: &Bytes) -> Result<(), LogError> {
    let header =
        BatchHeader::parse(batch).expect("a batch was checked when it was admitted, its frame just now");
    if header.next_offset() <= log.written_end_offset() {
        return Ok(());
    }
    log.append(std::slice::from_ref(batch))
}
