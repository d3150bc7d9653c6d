use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

use crate::model::{Offset, TopicId};

/// What went wrong, grouped by what the caller does about it.
#[derive(Debug, Error)]
pub enum LogError {
    /// The disk is full. The log stands at its last good end: make room, then append again what lies at or
    /// above `written_end_offset()` (or sync again).
    #[error("no space left for {path}: {source}")]
    NoSpace {
        /// The file.
        path: PathBuf,
        /// As the system said it.
        source: io::Error,
    },
    /// A sync failed for want of space: what was written since the last good sync may be gone although
    /// reads still show it. Call `rewind_to_synced()`, then append again from the WAL.
    #[error("unsynced data of {path} cannot be trusted after a failed sync: rewind and write it again")]
    RewindNeeded {
        /// The file whose sync failed.
        path: PathBuf,
    },
    /// A write, a sync or a directory operation failed. The kernel may have dropped pages: stop the
    /// process.
    #[error("cannot {action} {path}: {source}")]
    Io {
        /// What was tried, as a verb.
        action: &'static str,
        /// On which file.
        path: PathBuf,
        /// As the system said it.
        source: io::Error,
    },
    /// A file could not be read. Nothing was changed; this partition stops.
    #[error("cannot read {path}: {source}")]
    Read {
        /// Which file.
        path: PathBuf,
        /// As the system said it.
        source: io::Error,
    },
    /// Durable data is damaged or missing. Nothing was changed; this partition stops.
    #[error("{path} is damaged at byte {position}: {what}")]
    Corrupt {
        /// Which file.
        path: PathBuf,
        /// Where in it.
        position: u64,
        /// What was found, in plain words.
        what: String,
    },
    /// The directory belongs to another incarnation of the topic.
    #[error("{path} belongs to topic id {found}, not {expected}")]
    WrongTopic {
        /// The `partition.metadata` file.
        path: PathBuf,
        /// In the file.
        found: TopicId,
        /// In the catalogue.
        expected: TopicId,
    },
    /// The offset asked for is not in the log, or not on this disk any more (Kafka's OFFSET_OUT_OF_RANGE).
    #[error("offset {requested} lies outside {log_start_offset}..={log_end_offset}")]
    OutOfRange {
        /// Asked for.
        requested: Offset,
        /// First offset there is on this disk.
        log_start_offset: Offset,
        /// Offset after the last one.
        log_end_offset: Offset,
    },
    /// The caller passed batches that cannot follow what is there: a broken invariant of the caller.
    #[error("cannot append to {path}: {what}")]
    NotAppendable {
        /// The partition's directory.
        path: PathBuf,
        /// Which rule is broken.
        what: String,
    },
    /// The partition was deleted or closed while the call was under way.
    #[error("{path} is closed")]
    Closed {
        /// The partition's directory.
        path: PathBuf,
    },
}

/// Whether an error means that the disk or the quota is full.
pub(super) fn is_no_space(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

impl LogError {
    /// Whether this partition's files are to blame: it stops, and others go on. All else concerns the disk.
    pub fn is_damage(&self) -> bool {
        matches!(
            self,
            LogError::Read { .. }
                | LogError::Corrupt { .. }
                | LogError::WrongTopic { .. }
                | LogError::NotAppendable { .. }
        )
    }

    /// A file was not there.
    pub(super) fn is_missing_file(&self) -> bool {
        matches!(self, LogError::Read { source, .. } if source.kind() == io::ErrorKind::NotFound)
    }

    /// A failed change of a file or directory: no space is told apart from all else.
    pub(super) fn changing(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> LogError {
        let path = path.to_owned();
        move |source| {
            if is_no_space(&source) {
                LogError::NoSpace { path, source }
            } else {
                LogError::Io { action, path, source }
            }
        }
    }

    /// A failed read.
    pub(super) fn reading(path: &Path) -> impl FnOnce(io::Error) -> LogError {
        let path = path.to_owned();
        move |source| LogError::Read { path, source }
    }

    /// Damage at a place in a file.
    pub(super) fn corrupt(path: &Path, position: u64, what: impl Into<String>) -> LogError {
        LogError::Corrupt { path: path.to_owned(), position, what: what.into() }
    }
}
