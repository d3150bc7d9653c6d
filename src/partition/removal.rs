//! Deletion of partitions: out of sight, out of the way, off the disk.

use std::sync::Arc;

use super::{Partition, Storage, StorageFailed};
use crate::log::DeletedDirectory;
use crate::model::{TopicId, TopicPartition};
use crate::wal::Lsn;

/// Stands for "its files are not gone yet".
const NOT_YET: Lsn = Lsn(u64::MAX);

impl Storage {
    /// Refuses every further append and read of a partition. After this returns, no record of it follows in
    /// the WAL, so that a tombstone written now stands behind all of them. Returns the partition if it was
    /// open.
    pub fn take_offline(&self, topic_partition: TopicPartition) -> Option<Arc<Partition>> {
        self.deleted.lock().insert(topic_partition.topic_id, NOT_YET);
        self.stopped.remove(&topic_partition);
        let (_, partition) = self.partitions.remove(&topic_partition)?;
        partition.mark_deleted();
        self.flush_queue.forget(topic_partition);
        Some(partition)
    }

    /// Renames the directories of deleted partitions, so that their names are free. Returns the new paths.
    ///
    /// Called after the tombstone is durable: a crash before the rename leaves directories that the next
    /// start recognises by their topic id.
    pub fn set_aside(&self, partitions: &[Arc<Partition>]) -> Result<Vec<DeletedDirectory>, StorageFailed> {
        let _not_while_flushing = self.flushing.lock();
        let renamed =
            partitions.iter().filter_map(|partition| partition.log().rename_for_deletion().transpose());
        renamed.collect::<Result<_, _>>().map_err(|error| {
            self.fail(&error.to_string());
            StorageFailed(error.to_string())
        })
    }

    /// Frees the disk. What cannot be removed is left to the next start.
    pub fn unlink(&self, topic_id: TopicId, directories: &[DeletedDirectory]) {
        for directory in directories {
            if let Err(error) = self.logs.unlink(directory) {
                tracing::warn!(%error, "cannot remove a deleted topic's files; the next start tries again");
                return;
            }
        }
        self.deleted.lock().insert(topic_id, self.wal().appended_lsn());
    }

    /// Whether nothing of a deleted topic is left: no file, and no record in the WAL that a restart would
    /// replay. What earlier boots deleted was removed by this boot's recovery.
    pub fn is_forgotten(&self, topic_id: TopicId) -> bool {
        let deleted = self.deleted.lock().get(&topic_id).copied();
        deleted.is_none_or(|lsn| lsn <= self.replay_start().lsn)
    }

    /// The tombstone is gone.
    pub fn forgotten(&self, topic_id: TopicId) {
        self.deleted.lock().remove(&topic_id);
    }
}
