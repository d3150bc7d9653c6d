//! A data directory that is written for a node which takes another one's place, and not by a broker that
//! serves.
//!
//! The order, and why it may be cut anywhere: a mark, before all else; the partitions, each synced; the
//! checkpoint, which makes a directory of it; the mark goes. A directory with the mark and no checkpoint is
//! begun anew, and no broker starts on it.

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use parking_lot::Mutex;

use super::checkpoint::{COPIES, Checkpoint};
use super::directory::LOCK_FILE;
use super::recovery::WAL_DIRECTORY;
use super::{BrokerDirectory, DirectoryError};
use crate::env::{Env, Files, LockGuard};
use crate::log::{CarriedState, LogConfig, LogDirectory, LogError, PartitionLog};
use crate::model::{NodeId, Offset, Timestamp, TopicPartition};
use crate::wal::{Lsn, ReplayStart};

/// There while a directory is being written.
pub(super) const MARK_FILE: &str = "restore.unfinished";
/// Made by file systems, not by us.
const LOST_AND_FOUND: &str = "lost+found";
/// Files held open at once: one for each log that is written.
const HANDLES_MAX: usize = 256;

/// Why a directory cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum RestoredDirectoryError {
    /// Something is there that no restore has left.
    #[error(
        "{0} is not empty: a restore writes into an empty directory only, so that nothing is lost there; \
         name another one with --data-dir"
    )]
    NotEmpty(PathBuf),
    /// In use, or somebody else's.
    #[error(transparent)]
    Directory(#[from] DirectoryError),
    /// The file system said no.
    #[error("{0}")]
    Io(String),
}

fn failed(path: &Path) -> impl Fn(io::Error) -> RestoredDirectoryError {
    move |error| RestoredDirectoryError::Io(format!("{}: {error}", path.display()))
}

/// A directory of which it was made sure that nothing is lost with what it holds.
pub struct EmptyDirectory {
    env: Env,
    root: PathBuf,
    _lock: Box<dyn LockGuard>,
}

/// A directory on its way.
pub struct RestoredDirectory {
    env: Env,
    directory: BrokerDirectory,
    logs: Arc<LogDirectory>,
    recovery_offsets: Mutex<HashMap<TopicPartition, Offset>>,
}

/// What a log begins with.
pub struct RestoredLog<'a> {
    /// Name of its topic.
    pub topic: &'a str,
    /// Which.
    pub topic_partition: TopicPartition,
    /// First offset that counts.
    pub log_start_offset: Offset,
    /// Below it offsets may be missing.
    pub gap_end_offset: Offset,
    /// As of the first offset of `batches`.
    pub state: CarriedState,
}

impl EmptyDirectory {
    /// Marks a directory as one that is being written, after a look whether it is empty; creates it if there
    /// is none. What a restore that was cut off has left there goes.
    pub fn prepare(env: &Env, root: &Path) -> Result<EmptyDirectory, RestoredDirectoryError> {
        let files = &*env.files;
        if !files.exists(root).map_err(failed(root))? {
            files.create_dir_all(root).map_err(failed(root))?;
            if let Some(parent) = root.parent().filter(|parent| !parent.as_os_str().is_empty()) {
                files.sync_dir(parent).map_err(failed(parent))?;
            }
        }
        let lock = files.lock(&root.join(LOCK_FILE)).map_err(|error| match error.kind() {
            io::ErrorKind::WouldBlock => DirectoryError::InUse(root.to_owned()).into(),
            _ => failed(root)(error),
        })?;
        let mark = root.join(MARK_FILE);
        if is_begun(files, root)? {
            clear(files, root)?;
        } else if !is_empty(files, root)? {
            return Err(RestoredDirectoryError::NotEmpty(root.to_owned()));
        }
        let words = b"`highwater restore` has not come to its end here. Run it again.\n";
        files.replace(&mark, words).map_err(failed(&mark))?;
        Ok(EmptyDirectory { env: env.clone(), root: root.to_owned(), _lock: lock })
    }

    /// Whether a restore could write there; nothing is changed.
    pub fn check(env: &Env, root: &Path) -> Result<(), RestoredDirectoryError> {
        let files = &*env.files;
        let is_free =
            !files.exists(root).map_err(failed(root))? || is_begun(files, root)? || is_empty(files, root)?;
        if is_free { Ok(()) } else { Err(RestoredDirectoryError::NotEmpty(root.to_owned())) }
    }

    /// Gives it to a node of a cluster.
    pub fn begin(
        self,
        node_id: NodeId,
        cluster_id: &str,
    ) -> Result<RestoredDirectory, RestoredDirectoryError> {
        let EmptyDirectory { env, root, _lock } = self;
        drop(_lock);
        let directory = BrokerDirectory::open(&env, &root, node_id, Some(cluster_id))?;
        let logs = LogDirectory::new(env.clone(), root, HANDLES_MAX, None);
        Ok(RestoredDirectory { env, directory, logs, recovery_offsets: Mutex::default() })
    }
}

/// Whether a restore was cut off there.
fn is_begun(files: &dyn Files, root: &Path) -> Result<bool, RestoredDirectoryError> {
    let exists = |name: &str| files.exists(&root.join(name)).map_err(failed(root));
    Ok(exists(MARK_FILE)? && !exists(COPIES[0])? && !exists(COPIES[1])?)
}

fn is_empty(files: &dyn Files, root: &Path) -> Result<bool, RestoredDirectoryError> {
    // The lock's file says nothing; the mark's temporary one is of a restore that was cut off at once.
    let temporary = format!("{MARK_FILE}.tmp");
    let found = files.list(root).map_err(failed(root))?;
    Ok(found.iter().all(|name| [LOCK_FILE, LOST_AND_FOUND, &temporary].contains(&name.as_str())))
}

fn clear(files: &dyn Files, root: &Path) -> Result<(), RestoredDirectoryError> {
    for name in files.list(root).map_err(failed(root))? {
        let path = root.join(&name);
        if [LOCK_FILE, LOST_AND_FOUND, MARK_FILE].contains(&name.as_str()) {
            continue;
        }
        let removed = match files.entry(&path).map_err(failed(&path))?.is_directory {
            true => files.remove_dir_all(&path),
            false => files.remove_file(&path),
        };
        removed.map_err(failed(&path))?;
    }
    files.sync_dir(root).map_err(failed(root))
}

impl RestoredDirectory {
    /// Opens a log to be written; [`RestoredDirectory::close_log`] ends that.
    pub fn open_log(&self, restored: &RestoredLog<'_>) -> Result<PartitionLog, LogError> {
        let RestoredLog { topic, topic_partition, log_start_offset, gap_end_offset, state } = restored;
        let log = PartitionLog::restore(
            &self.logs,
            topic,
            *topic_partition,
            LogConfig::default(),
            (*log_start_offset, state),
        )?;
        log.allow_gaps(*gap_end_offset);
        Ok(log)
    }

    /// Makes a log durable: that is what the checkpoint will say of it.
    pub fn close_log(&self, log: &PartitionLog) -> Result<(), LogError> {
        let end = log.sync()?;
        if end > Offset(0) {
            self.recovery_offsets.lock().insert(log.topic_partition(), end);
        }
        log.close();
        Ok(())
    }

    /// Writes a log of these batches, which have their offsets and follow one another.
    pub fn write_log(&self, restored: &RestoredLog<'_>, batches: &[Bytes]) -> Result<(), LogError> {
        let log = self.open_log(restored)?;
        log.append(batches)?;
        self.close_log(&log)
    }

    /// Makes a data directory of it, on which a broker starts; `metadata` is a snapshot of its metadata
    /// store.
    pub fn finish(self, metadata: Vec<u8>) -> Result<(), RestoredDirectoryError> {
        let RestoredDirectory { env, directory, recovery_offsets, .. } = self;
        let (files, root) = (&*env.files, &directory.root);
        // Empty, as of a log that was never written: without it somebody has lost one.
        let wal = root.join(WAL_DIRECTORY);
        files.create_dir_all(&wal).map_err(failed(&wal))?;
        // The partitions' names before what says that they are there.
        files.sync_dir(root).map_err(failed(root))?;
        let wal_id = env.random.uuid();
        let checkpoint = Checkpoint {
            sequence: 1,
            // As of a new directory: nothing of a WAL is there.
            replay_start: ReplayStart { wal_id, incarnation: 0, lsn: Lsn(0), previous_crc: 0 },
            believed_now: Timestamp::NONE,
            metadata,
            recovery_offsets: recovery_offsets.into_inner(),
        };
        checkpoint.store(files, root).map_err(failed(root))?;
        let mark = root.join(MARK_FILE);
        files.remove_file(&mark).map_err(failed(&mark))?;
        files.sync_dir(root).map_err(failed(root))
    }
}
