//! Deletion of partitions: out of sight, out of the way, off the disk.

use super::{Storage, StorageFailed};
use crate::log::{DeletedDirectory, LogError};
use crate::model::{TopicId, TopicPartition};
use crate::wal::Lsn;

/// Stands for "its files are not gone yet".
const NOT_YET: Lsn = Lsn(u64::MAX);

impl Storage {
    /// Refuses every further append and read of a topic's partitions. After this returns, no record of them
    /// follows in the WAL, so that a tombstone written now stands behind all of them. What they owe is kept
    /// until [`Storage::delete_partitions`] says that the tombstone is durable.
    pub fn take_offline(&self, topic_id: TopicId, partitions: impl Iterator<Item = TopicPartition>) {
        self.deleted.lock().insert(topic_id, NOT_YET);
        partitions.filter_map(|id| self.partition(id)).for_each(|partition| partition.take_offline());
    }

    /// The tombstone was not written: the partitions serve again.
    pub fn bring_back(&self, topic_id: TopicId, partitions: impl Iterator<Item = TopicPartition>) {
        partitions.filter_map(|id| self.partition(id)).for_each(|partition| partition.bring_back());
        self.deleted.lock().remove(&topic_id);
    }

    /// Forgets a deleted topic's partitions and renames their directories, so that the name is free. Returns
    /// what is left to unlink. Partitions that could not be opened have directories too.
    ///
    /// Called after the tombstone is durable: a crash before a rename leaves a directory that the next start
    /// recognises by its topic id.
    pub fn delete_partitions(
        &self,
        topic: &str,
        partitions: impl Iterator<Item = TopicPartition>,
    ) -> Result<Vec<DeletedDirectory>, StorageFailed> {
        let _not_while_flushing = self.flushing.lock();
        let renamed = partitions.filter_map(|id| self.delete_partition(topic, id).transpose());
        renamed.collect::<Result<_, LogError>>().map_err(|error| {
            self.fail(&error.to_string());
            StorageFailed(error.to_string())
        })
    }

    fn delete_partition(
        &self,
        topic: &str,
        id: TopicPartition,
    ) -> Result<Option<DeletedDirectory>, LogError> {
        self.stopped.remove(&id);
        self.recovery_offsets.lock().remove(&id);
        if let Some((_, partition)) = self.partitions.remove(&id) {
            partition.discard(&self.flush_queue);
            return partition.log().rename_for_deletion();
        }
        match self.logs.topic_id_of(topic, id.partition)? {
            Some(topic_id) if topic_id == id.topic_id => self.logs.rename_for_deletion(topic, id),
            _ => Ok(None),
        }
    }

    /// Undoes [`Storage::open_partition`] for partitions that are not in the catalogue, of which nobody was
    /// told and which never got a record. A directory that cannot be removed is in nobody's way: there is
    /// nothing in it, and a partition that is made there later begins anew.
    pub fn withdraw_partitions(&self, partitions: impl Iterator<Item = TopicPartition>) {
        let _not_while_flushing = self.flushing.lock();
        for id in partitions {
            self.recovery_offsets.lock().remove(&id);
            let Some((_, partition)) = self.partitions.remove(&id) else { continue };
            partition.discard(&self.flush_queue);
            let removed = partition.log().rename_for_deletion().and_then(|renamed| match renamed {
                Some(directory) => self.logs.unlink(&directory),
                None => Ok(()),
            });
            if let Err(error) = removed {
                tracing::warn!(%error, "the directory of a partition that was not made after all stays");
            }
        }
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
