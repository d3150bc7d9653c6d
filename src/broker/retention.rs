//! Retention by time and size: what may go, durably, then really.

use std::sync::{Arc, Weak};
use std::time::Duration;

use futures_util::StreamExt;

use super::remote::OldestRemote;
use super::{Broker, open};
use crate::cluster::{Change, MetadataError, MetadataStore, Transaction};
use crate::env::time::{self, Deadline};
use crate::log::LogError;
use crate::log::retention::{Reason, RemotePart};
use crate::metadata::{ClusterImage, keys};
use crate::model::Offset;
use crate::partition::{Partition, PartitionStatus};

/// Log starts moved by one transaction: bounds an entry of the WAL to some 100 KiB.
pub(super) const MOVES_PER_TRANSACTION: usize = 1000;
/// Partitions of which the tier is asked what it has, at once; how long for one, and for all.
const TIERS_AT_ONCE: usize = 8;
const TIER_LOOK_MAX: Duration = Duration::from_secs(5);
const TIER_LOOKS_MAX: Duration = Duration::from_secs(60);

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
        let image = self.image();
        let planned = tokio::task::spawn_blocking(move || {
            let mut planned = Planned::default();
            for partition in partitions {
                if partition.status() == PartitionStatus::Online {
                    partition.expire_producers(now, expiration_ms);
                    planned.look_at(partition, &image);
                }
            }
            planned
        });
        let planned = planned.await.unwrap_or_default();
        self.carry_out(&planned.starts).await?;
        for moves in planned.local_starts.chunks(MOVES_PER_TRANSACTION) {
            remove_aside(self.move_local_log_starts(moves.to_vec()).await?).await;
        }
        // After all else: a store may take its time.
        let starts = self.plan_over_tiers(planned.tiered).await;
        self.carry_out(&starts).await
    }

    async fn carry_out(&self, starts: &[(Arc<Partition>, Offset)]) -> Result<(), MetadataError> {
        for moves in starts.chunks(MOVES_PER_TRANSACTION) {
            remove_aside(self.move_log_starts(moves.to_vec()).await?).await;
        }
        Ok(())
    }

    /// The log starts of partitions of which the tier has a part, as far as it says in time what it has: what
    /// comes later is there for the next look.
    async fn plan_over_tiers(&self, tiered: Vec<Arc<Partition>>) -> Vec<(Arc<Partition>, Offset)> {
        let may_move = |partition: &Arc<Partition>| {
            let known = self.known_oldest_remote(partition);
            known.is_none_or(|remote| next_over(partition, &remote).is_some())
        };
        let looks = tiered.into_iter().filter(may_move).map(|partition| async move {
            let looked = time::timeout(TIER_LOOK_MAX, self.oldest_remote(&partition)).await;
            (partition, looked)
        });
        let mut looks = futures_util::stream::iter(looks).buffer_unordered(TIERS_AT_ONCE);
        let mut deadline = Deadline::after(TIER_LOOKS_MAX);
        let mut starts = Vec::new();
        loop {
            let (partition, looked) = tokio::select! {
                look = looks.next() => match look {
                    Some(look) => look,
                    None => return starts,
                },
                () = deadline.passed() => return starts,
            };
            let why = match looked {
                Ok(Ok(Some(remote))) => {
                    starts.extend(start_over(&partition, &remote).map(|start| (partition, start)));
                    continue;
                }
                Ok(Ok(None)) => continue,
                Ok(Err(error)) => error.to_string(),
                Err(time::Elapsed) => "the tier has not said yet what it has".to_owned(),
            };
            let (topic, index) = (partition.topic(), partition.topic_partition().partition);
            tracing::warn!(%topic, partition = index, error = why, "retention; tried again later");
        }
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

fn start_over(partition: &Partition, remote: &OldestRemote) -> Option<Offset> {
    report_move(partition, "the log start", next_over(partition, remote))
}

fn next_over(partition: &Partition, remote: &OldestRemote) -> Option<(Offset, Reason)> {
    let part = RemotePart { oldest: &remote.oldest, bytes: remote.bytes, end_offset: remote.end_offset };
    let high_watermark = partition.watermarks().high_watermark;
    partition.log().next_log_start_over_tiers(high_watermark, &part)
}

/// Unlinks what lies below the local log starts, which are durable. Waits for the disk.
pub(super) fn remove_old_segments(partitions: &[Arc<Partition>]) {
    for partition in partitions {
        if let Err(error) = partition.log().delete_old_segments() {
            report(partition, &error);
        }
    }
}

/// Unlinks on a thread that may wait for the disk.
async fn remove_aside(partitions: Vec<Arc<Partition>>) {
    let removed = tokio::task::spawn_blocking(move || remove_old_segments(&partitions));
    if removed.await.is_err() {
        tracing::error!("removing old segments panicked");
    }
}

/// What a look at all partitions has found.
#[derive(Default)]
struct Planned {
    starts: Vec<(Arc<Partition>, Offset)>,
    local_starts: Vec<(Arc<Partition>, Offset)>,
    /// Those of which the tier has a part, which has a say in where the log starts.
    tiered: Vec<Arc<Partition>>,
}

impl Planned {
    fn look_at(&mut self, partition: Arc<Partition>, image: &ClusterImage) {
        let moves = match self.try_look_at(&partition, image) {
            Ok(moves) => moves,
            Err(error) => return report(&partition, &error),
        };
        if !moves {
            // What a client deleted and could not be removed then, or was just being written.
            remove_old_segments(std::slice::from_ref(&partition));
        }
    }

    /// Whether anything moves.
    fn try_look_at(&mut self, partition: &Arc<Partition>, image: &ClusterImage) -> Result<bool, LogError> {
        let log = partition.log();
        log.roll_if_due()?;
        let high_watermark = partition.watermarks().high_watermark;
        let tier = image.tier(partition.topic_partition());
        let next = match (log.config().tiering, tier) {
            (None, _) => log.next_log_start(high_watermark),
            (Some(_), None) => log.next_log_start_over_tiers(high_watermark, &RemotePart::default()),
            (Some(_), Some(_)) => {
                self.tiered.push(partition.clone());
                None
            }
        };
        let start = report_move(partition, "the log start", next);
        self.starts.extend(start.map(|start| (partition.clone(), start)));
        // Both do nothing where nothing is tiered.
        let remote_end = tier.map_or(Offset(0), |tier| tier.remote_end_offset);
        log.roll_if_in_the_way(remote_end)?;
        let next = log.next_local_log_start(high_watermark, remote_end);
        let local_start = report_move(partition, "the local log start", next);
        self.local_starts.extend(local_start.map(|start| (partition.clone(), start)));
        Ok(start.or(local_start).is_some())
    }
}

fn report_move(partition: &Partition, what: &str, next: Option<(Offset, Reason)>) -> Option<Offset> {
    let (start, reason) = next?;
    let (topic, index) = (partition.topic(), partition.topic_partition().partition);
    tracing::info!(%topic, partition = index, %start, ?reason, "retention moves {what}");
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
