//! Retention by time and size: what may go, durably, then really.

use std::sync::{Arc, Weak};
use std::time::Duration;

use super::{Broker, open};
use crate::cluster::{Change, MetadataError, MetadataStore, Transaction};
use crate::env::time;
use crate::log::LogError;
use crate::metadata::keys;
use crate::model::Offset;
use crate::partition::{Partition, PartitionStatus};

/// Log starts moved by one transaction: bounds an entry of the WAL to some 100 KiB.
pub(super) const MOVES_PER_TRANSACTION: usize = 1000;

/// Looks at every partition now and then until the broker is gone.
pub(super) async fn run(broker: Weak<Broker>) {
    loop {
        let Some(interval) = broker.upgrade().map(|broker| broker.config().log.retention_check_interval)
        else {
            return;
        };
        time::sleep(interval.clamp(Duration::from_millis(1), open::RETENTION_INTERVAL_MAX)).await;
        let Some(broker) = broker.upgrade() else { return };
        if let Err(error) = broker.retain().await {
            tracing::warn!(%error, "retention could not be carried out; tried again at the next interval");
        }
        broker.forget_tombstones().await;
    }
}

impl Broker {
    /// Rolls segments that are due, and removes what no topic wants to keep.
    pub async fn retain(&self) -> Result<(), MetadataError> {
        let partitions = self.storage.all_partitions();
        let now = self.storage.believed_now();
        let expiration_ms =
            i64::try_from(self.config().log.producer_id_expiration.as_millis()).unwrap_or(i64::MAX);
        let planned = tokio::task::spawn_blocking(move || {
            let online =
                partitions.into_iter().filter(|partition| partition.status() == PartitionStatus::Online);
            online
                .filter_map(|partition| {
                    partition.expire_producers(now, expiration_ms);
                    let start = plan(&partition);
                    if start.is_none() {
                        // What a client deleted and could not be removed then, or was just being written.
                        remove_old_segments(std::slice::from_ref(&partition));
                    }
                    start.map(|start| (partition, start))
                })
                .collect::<Vec<_>>()
        });
        let planned = planned.await.unwrap_or_default();
        for moves in planned.chunks(MOVES_PER_TRANSACTION) {
            let moved = self.move_log_starts(moves.to_vec()).await?;
            let removed = tokio::task::spawn_blocking(move || remove_old_segments(&moved));
            if removed.await.is_err() {
                tracing::error!("removing old segments panicked");
            }
        }
        Ok(())
    }

    /// Moves log starts forward, durably, and hides what lies below at once. Partitions that went away or are
    /// further already are left out; the rest is returned, for [`remove_old_segments`].
    ///
    /// The new starts are durable before any file is unlinked: replay skips below them, and a start that came
    /// back would promise records that are gone.
    pub(super) async fn move_log_starts(
        &self,
        mut moves: Vec<(Arc<Partition>, Offset)>,
    ) -> Result<Vec<Arc<Partition>>, MetadataError> {
        let change = |(partition, start): &(Arc<Partition>, Offset)| {
            Change::Put(keys::log_start(partition.topic_partition()), keys::offset_value(*start))
        };
        // A topic that is deleted meanwhile must not get a start back that nobody would remove, and where
        // retention and a client move the same start, the durable one must not go back.
        let _one_at_a_time = self.topic_changes.lock().await;
        moves.retain(|(partition, start)| {
            let is_forward = *start > partition.watermarks().log_start_offset;
            is_forward && partition.status() == PartitionStatus::Online
        });
        if moves.is_empty() {
            return Ok(Vec::new());
        }
        let changes = moves.iter().map(change).collect();
        let applied = self.metadata.transact(Transaction { compares: Vec::new(), changes }).await?;
        self.publish(applied.image);
        let moved = moves.into_iter().map(|(partition, start)| {
            partition.set_log_start_offset(start);
            partition
        });
        Ok(moved.collect())
    }
}

/// Unlinks what lies below the local log starts, which are durable. Waits for the disk.
pub(super) fn remove_old_segments(partitions: &[Arc<Partition>]) {
    for partition in partitions {
        if let Err(error) = partition.log().delete_old_segments() {
            report(partition, &error);
        }
    }
}

fn plan(partition: &Partition) -> Option<Offset> {
    if let Err(error) = partition.log().roll_if_due() {
        report(partition, &error);
        return None;
    }
    let (start, reason) = partition.log().next_log_start(partition.watermarks().high_watermark)?;
    let (topic, index) = (partition.topic(), partition.topic_partition().partition);
    tracing::info!(%topic, partition = index, %start, ?reason, "retention moves the log start");
    Some(start)
}

fn report(partition: &Partition, error: &LogError) {
    match error {
        damage if damage.is_damage() => drop(partition.stop(damage)),
        // Its topic was deleted meanwhile.
        LogError::Closed { .. } => {}
        error => {
            let (topic, index) = (partition.topic(), partition.topic_partition().partition);
            tracing::warn!(%topic, partition = index, %error, "retention; tried again later");
        }
    }
}

#[cfg(test)]
mod tests;
