//! Looking at a data directory without taking it over.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use super::checkpoint::{self, Checkpoint, Unreadable};
use super::directory::{self, LOCK_FILE, PROPERTIES_FILE, PROPERTIES_LENGTH_MAX};
use super::{DirectoryError, recovery, stranded};
use crate::env::{Files, LockGuard};
use crate::model::{Offset, Timestamp, TopicPartition};
use crate::wal::ReplayStart;

/// Names of the two copies of the checkpoint.
pub const CHECKPOINTS: [&str; 2] = checkpoint::COPIES;
/// Name of the directory of the write-ahead log.
pub const WAL_DIRECTORY: &str = recovery::WAL_DIRECTORY;
/// Name of the directory of stranded batches.
pub const STRANDED_DIRECTORY: &str = stranded::DIRECTORY;
/// Name of the file that makes a directory a data directory.
pub const PROPERTIES: &str = PROPERTIES_FILE;
/// Name of the file that is locked by a running broker.
pub const LOCK: &str = LOCK_FILE;

/// What a checkpoint says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CheckpointView {
    /// One more at each checkpoint.
    pub sequence: u64,
    /// From where the WAL is replayed.
    pub replay_start: ReplayStart,
    /// Wall-clock time, as it was kept for the next start.
    pub believed_now: Timestamp,
    /// The metadata store's content, encoded.
    pub metadata: Vec<u8>,
    /// Per partition the end of what its synced segments hold (exclusive). Absent means 0.
    pub recovery_offsets: BTreeMap<TopicPartition, Offset>,
}

/// One copy of the checkpoint.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum CheckpointCopy {
    /// As it was written.
    Whole(Box<CheckpointView>),
    /// Its checksum is wrong, or its lengths are.
    Damaged,
    /// Of a format that this version does not read.
    Newer(u16),
}

/// Reads one copy; `None` if there is no such file.
pub fn read_checkpoint(files: &dyn Files, path: &Path) -> io::Result<Option<CheckpointCopy>> {
    if !files.exists(path)? {
        return Ok(None);
    }
    Ok(Some(match Checkpoint::decode(&files.read(path, checkpoint::LENGTH_MAX)?) {
        Ok(found) => CheckpointCopy::Whole(Box::new(CheckpointView {
            sequence: found.sequence,
            replay_start: found.replay_start,
            believed_now: found.believed_now,
            metadata: found.metadata,
            recovery_offsets: found.recovery_offsets.into_iter().collect(),
        })),
        Err(Unreadable::Damaged) => CheckpointCopy::Damaged,
        Err(Unreadable::Newer(version)) => CheckpointCopy::Newer(version),
    }))
}

/// What `meta.properties` says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PropertiesView {
    /// Identity of the cluster.
    pub cluster_id: String,
    /// Number of the node.
    pub node_id: String,
    /// Identity of the directory.
    pub directory_id: Option<String>,
    /// Format of everything in the directory.
    pub format_version: u32,
}

/// Reads `meta.properties`.
pub fn read_properties(files: &dyn Files, path: &Path) -> Result<PropertiesView, DirectoryError> {
    let bytes = files
        .read(path, PROPERTIES_LENGTH_MAX)
        .map_err(|error| DirectoryError::Io { path: path.to_owned(), error })?;
    let found = directory::parse_properties(path, &bytes)?;
    Ok(PropertiesView {
        cluster_id: found.cluster_id,
        node_id: found.node_id,
        directory_id: found.directory_id,
        format_version: found.format_version,
    })
}

/// Keeps brokers out as long as the guard lives. `None` where no broker ever was: nothing is created.
pub fn lock(files: &dyn Files, root: &Path) -> Result<Option<Box<dyn LockGuard>>, DirectoryError> {
    let path = root.join(LOCK_FILE);
    let failed = |error| DirectoryError::Io { path: path.clone(), error };
    if !files.exists(&path).map_err(failed)? {
        return Ok(None);
    }
    files.lock(&path).map(Some).map_err(|error| match error.kind() {
        io::ErrorKind::WouldBlock => DirectoryError::InUse(root.to_owned()),
        _ => failed(error),
    })
}

/// Whose stranded batches a file of that name holds.
pub fn stranded_owner(name: &str) -> Option<TopicPartition> {
    stranded::parse(name)
}
