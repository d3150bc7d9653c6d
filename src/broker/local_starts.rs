//! What has left the local disk for the tier, as the metadata store knows it.

use std::sync::Arc;

use super::Broker;
use crate::cluster::{Change, Compare, MetadataError, MetadataStore, Transaction};
use crate::metadata::{TierRecord, keys};
use crate::model::{Offset, TopicPartition};
use crate::partition::{Partition, PartitionStatus};

/// Times that a transaction is made up anew because somebody else changed one of its keys meanwhile.
const ATTEMPTS_MAX: u32 = 5;

impl Broker {
    /// Moves local log starts forward, durably; what lies below is read from the tier from then on.
    /// Partitions that went away, are further already, or of which the tier does not hold that much, are left
    /// out; the rest is returned, for [`super::retention::remove_old_segments`].
    ///
    /// The new starts are durable before any file is unlinked: until then a start after a crash looks for the
    /// files, and a segment that is gone without a word is damage. What the tier holds was durable before:
    /// its record, which names it, is the one that is changed here.
    pub async fn move_local_log_starts(
        &self,
        moves: Vec<(Arc<Partition>, Offset)>,
    ) -> Result<Vec<Arc<Partition>>, MetadataError> {
        // A topic that is deleted meanwhile must not get a record back that nobody would remove.
        let _one_at_a_time = self.topic_changes.lock().await;
        let mut attempt = 1;
        loop {
            let (possible, transaction) = self.plan_local_starts(&moves);
            if possible.is_empty() {
                return Ok(Vec::new());
            }
            match self.metadata.transact(transaction).await {
                // Its manifest grew.
                Err(MetadataError::Conflict(_)) if attempt < ATTEMPTS_MAX => attempt += 1,
                Err(error) => return Err(error),
                Ok(applied) => {
                    self.publish(applied.image);
                    let moved = possible.into_iter().map(|(partition, start)| {
                        partition.set_local_log_start_offset(start);
                        partition
                    });
                    return Ok(moved.collect());
                }
            }
        }
    }

    fn plan_local_starts(
        &self,
        moves: &[(Arc<Partition>, Offset)],
    ) -> (Vec<(Arc<Partition>, Offset)>, Transaction) {
        let (mut possible, mut transaction) = (Vec::new(), Transaction::default());
        for (partition, start) in moves {
            let key = keys::tier(partition.topic_partition());
            let Some(current) = self.metadata.get(&key) else { continue };
            let Some(record) = TierRecord::decode(&current.value) else { continue };
            let is_forward = *start > partition.watermarks().local_log_start_offset;
            let is_held = *start <= record.remote_end_offset;
            if !is_forward || !is_held || partition.status() != PartitionStatus::Online {
                continue;
            }
            let next = TierRecord { local_log_start_offset: *start, ..record };
            transaction.compares.push(Compare::Unchanged(key.clone(), current.revision));
            transaction.changes.push(Change::Put(key, next.encode()));
            possible.push((partition.clone(), *start));
        }
        (possible, transaction)
    }

    /// Puts another record of what the tier holds of a partition in the place of `expected`, durably; `None`
    /// is one that does not exist. [`MetadataError::Conflict`] if another one is there, the topic is gone, or
    /// it has none and is not tiered.
    ///
    /// This is the fence of the manifests: who lost the partition expects a record of an older leader epoch.
    pub async fn replace_tier_record(
        &self,
        topic_partition: TopicPartition,
        expected: Option<TierRecord>,
        next: TierRecord,
    ) -> Result<(), MetadataError> {
        let key = keys::tier(topic_partition);
        let conflict = || Err(MetadataError::Conflict(key.clone()));
        let _one_at_a_time = self.topic_changes.lock().await;
        let image = self.metadata.image();
        let Some(topic) = image.topic_by_id(topic_partition.topic_id) else { return conflict() };
        // It left the tier while its first segments were on their way: they go with all that is there.
        let has_left = || self.tiering.is_some() && !self.topic_config(topic).is_tiered;
        if expected.is_none() && has_left() {
            return conflict();
        }
        let current = self.metadata.get(&key);
        let compare = match (&current, expected) {
            (None, None) => Compare::Absent(key.clone()),
            (Some(current), Some(expected)) if TierRecord::decode(&current.value) == Some(expected) => {
                Compare::Unchanged(key.clone(), current.revision)
            }
            _ => return conflict(),
        };
        let changes = vec![Change::Put(key.clone(), next.encode())];
        let applied = self.metadata.transact(Transaction { compares: vec![compare], changes }).await?;
        self.publish(applied.image);
        Ok(())
    }
}

#[cfg(test)]
mod tests;
