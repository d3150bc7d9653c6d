use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::env::Env;
use crate::log::metadata_file::{self, Metadata};
use crate::log::{HandleCache, LogError, RetentionClock, Times, names};
use crate::model::{Timestamp, TopicId, TopicPartition};

/// The data directory that holds the partitions' directories, with what all logs share.
pub struct LogDirectory {
    pub(super) env: Env,
    pub(super) path: PathBuf,
    pub(super) handles: Arc<HandleCache>,
    pub(super) clock: RetentionClock,
}

/// A partition's directory under its name for deletion.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DeletedDirectory(pub(super) PathBuf);

impl LogDirectory {
    /// `path` exists. At most `handles_max` unpinned files are held open. `last_believed`: see
    /// [`RetentionClock`].
    pub fn new(
        env: Env,
        path: PathBuf,
        handles_max: usize,
        last_believed: Option<Timestamp>,
    ) -> Arc<LogDirectory> {
        let clock = RetentionClock::new(Arc::clone(&env.clock), last_believed);
        Arc::new(LogDirectory { env, path, handles: HandleCache::new(handles_max), clock })
    }

    /// To be kept in the checkpoint for the next start.
    pub fn time_to_keep(&self) -> Timestamp {
        self.clock.to_keep()
    }

    /// Time as retention believes it.
    pub fn believed_now(&self) -> Timestamp {
        self.clock.believed_now()
    }

    /// The same, and what is written down as the begin of a time.
    pub fn times(&self) -> Times {
        self.clock.times()
    }

    /// Files held open now.
    pub fn open_handles(&self) -> usize {
        self.handles.open_count()
    }

    /// Which incarnation's data lies in a partition's directory; `None` if there is none, or nothing says
    /// whose.
    pub fn topic_id_of(&self, topic: &str, partition: i32) -> Result<Option<TopicId>, LogError> {
        let path = self.path.join(names::partition_directory(topic, partition));
        match metadata_file::read(&*self.env.files, &path)? {
            Metadata::Of(topic_id) => Ok(Some(topic_id)),
            Metadata::Unreadable => Ok(None),
        }
    }

    pub(super) fn partition_path(&self, topic: &str, partition: TopicPartition) -> PathBuf {
        self.path.join(names::partition_directory(topic, partition.partition))
    }

    /// First step of a deletion, for a partition that is not open: gives its directory the name for
    /// deletion and makes that durable, so that the topic's name is free. `None`: there is no such
    /// directory.
    ///
    /// The caller has made the deletion itself durable before.
    pub fn rename_for_deletion(
        &self,
        topic: &str,
        partition: TopicPartition,
    ) -> Result<Option<DeletedDirectory>, LogError> {
        self.rename(&self.partition_path(topic, partition), topic, partition)
    }

    /// Gives a directory that the catalogue does not know the name `<topic>-<partition>.<topic id>-stray`, as
    /// Kafka does: it is in nobody's way, and nothing of it is lost.
    pub fn rename_as_stray(&self, topic: &str, partition: TopicPartition) -> Result<(), LogError> {
        let from = self.partition_path(topic, partition);
        let name = names::stray_directory(topic, partition.partition, partition.topic_id);
        let files = &*self.env.files;
        files.rename(&from, &self.path.join(name)).map_err(LogError::changing("rename", &from))?;
        files.sync_dir(&self.path).map_err(LogError::changing("sync", &self.path))
    }

    pub(super) fn rename(
        &self,
        from: &Path,
        topic: &str,
        partition: TopicPartition,
    ) -> Result<Option<DeletedDirectory>, LogError> {
        let files = &*self.env.files;
        if !files.exists(from).map_err(LogError::reading(from))? {
            return Ok(None);
        }
        let to = self.path.join(names::deleted_directory(topic, partition.partition, partition.topic_id));
        if files.exists(&to).map_err(LogError::reading(&to))? {
            // Left by an interrupted deletion of the same incarnation.
            files.remove_dir_all(&to).map_err(LogError::changing("remove", &to))?;
        }
        files.rename(from, &to).map_err(LogError::changing("rename", from))?;
        files.sync_dir(&self.path).map_err(LogError::changing("sync", &self.path))?;
        Ok(Some(DeletedDirectory(to)))
    }

    /// Second step of a deletion: frees the disk. May be repeated.
    pub fn unlink(&self, deleted: &DeletedDirectory) -> Result<(), LogError> {
        let files = &*self.env.files;
        if files.exists(&deleted.0).map_err(LogError::reading(&deleted.0))? {
            files.remove_dir_all(&deleted.0).map_err(LogError::changing("remove", &deleted.0))?;
            files.sync_dir(&self.path).map_err(LogError::changing("sync", &self.path))?;
        }
        Ok(())
    }

    /// Directories whose second step is still to be done, after a start.
    pub fn deleted(&self) -> Result<Vec<DeletedDirectory>, LogError> {
        let found = self.env.files.list(&self.path).map_err(LogError::reading(&self.path))?;
        let deleted = found.iter().filter(|name| names::is_deleted_directory(name));
        Ok(deleted.map(|name| DeletedDirectory(self.path.join(name))).collect())
    }
}
