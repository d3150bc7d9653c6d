//! What leaves the tier: segments below the log start, what nothing names, and deleted topics.

use std::collections::HashSet;
use std::sync::Arc;

use super::manifest::Change;
use super::{Tiering, TieringError};
use crate::broker::Broker;
use crate::cluster::{Change as MetadataChange, MetadataStore, Transaction};
use crate::metadata::keys;
use crate::model::TopicId;
use crate::partition::Partition;
use crate::tier::{Leaf, ObjectKey, Root, partition_prefix, topic_prefix};

/// Removals of one partition in a row before others get their turn.
const REMOVALS_PER_TURN_MAX: u32 = 64;

impl Broker {
    /// Removes segments below the log start. That is durable and in force: nobody who asks for them would be
    /// answered with them, even where they are still named.
    pub(super) async fn remove_below_log_start(
        &self,
        tiering: &Tiering,
        partition: &Arc<Partition>,
    ) -> Result<(), TieringError> {
        let id = partition.topic_partition();
        let Some(record) = self.tier_record(id) else { return Ok(()) };
        let remote = tiering.partition(id);
        let _writer = remote.writer.lock().await;
        let log_start = partition.watermarks().log_start_offset;
        let mut root = remote.root(tiering.reader(), Some(record)).await?;
        for _ in 0..REMOVALS_PER_TURN_MAX {
            let is_concerned = root.leaves.first().is_some_and(|leaf| leaf.base_offset < log_start);
            if root.log_start_offset >= log_start || !is_concerned {
                break;
            }
            let mut leaves = Vec::new();
            for reference in root.leaves_below(log_start) {
                leaves.push(Leaf::clone(&*tiering.reader().leaf(id, reference).await?));
            }
            let change = Change { broker: self, tiering, partition, root: &root };
            let make = |stamp: &_| root.remove_below(log_start, &leaves, stamp);
            let update = remote.commit(&change, make).await?;
            let has_more = update.has_more;
            root = Arc::new(update.next);
            if !has_more {
                break;
            }
        }
        Ok(())
    }

    /// Removes objects that nothing names, of a partition at which nobody looked for the time of grace. What
    /// is younger may be on its way into a manifest: of an upload that is named in the end, and of one whose
    /// request was given up and arrives late.
    pub(super) async fn collect_orphans(
        &self,
        tiering: &Tiering,
        partition: &Arc<Partition>,
    ) -> Result<(), TieringError> {
        let id = partition.topic_partition();
        let Some(record) = self.tier_record(id) else { return Ok(()) };
        let remote = tiering.partition(id);
        let mut writer = remote.writer.lock().await;
        let now = self.env.clock.monotonic();
        let since = *writer.collected.get_or_insert(now);
        if now.saturating_sub(since) < tiering.options.grace {
            return Ok(());
        }
        writer.collected = Some(now);
        let root = remote.root(tiering.reader(), Some(record)).await?;
        let named = named(tiering, &root).await?;
        let grace_ms = i64::try_from(tiering.options.grace.as_millis()).unwrap_or(i64::MAX);
        let oldest_ms = self.storage.believed_now().0.saturating_sub(grace_ms);
        let mut pages = tiering.store().list(partition_prefix(id).trim_end_matches('/'));
        while let Some(page) = pages.next_page().await? {
            // What we did not put there is none of our concern.
            let is_orphan = |key: &str| !named.contains(key) && ObjectKey::parse(key).is_some();
            let old = page.into_iter().filter(|listed| listed.modified.0 < oldest_ms);
            let orphans: Vec<_> = old.map(|listed| listed.key).filter(|key| is_orphan(key)).collect();
            if !orphans.is_empty() {
                let (topic, index, count) = (partition.topic(), id.partition, orphans.len());
                tracing::info!(%topic, partition = index, count, "objects in the tier that nothing names go");
                tiering.store().delete(&orphans).await?;
            }
        }
        Ok(())
    }

    /// Removes the objects of deleted topics. What the metadata store says of them goes when there is nothing
    /// left to remove: an upload that was under way may come after the first look.
    pub(super) async fn remove_deleted_topics(&self, tiering: &Tiering) {
        let topics: Vec<TopicId> = self.image().tier_deletions().collect();
        for topic_id in topics {
            match self.remove_topic(tiering, topic_id).await {
                Ok(()) => {}
                Err(error) => {
                    tracing::warn!(%topic_id, %error, "a deleted topic stays in the tier; tried again later");
                }
            }
        }
    }

    async fn remove_topic(&self, tiering: &Tiering, topic_id: TopicId) -> Result<(), TieringError> {
        let mut pages = tiering.store().list(topic_prefix(topic_id).trim_end_matches('/'));
        let mut count = 0;
        while let Some(page) = pages.next_page().await? {
            let keys: Vec<_> = page.into_iter().map(|listed| listed.key).collect();
            count += keys.len();
            tiering.store().delete(&keys).await?;
        }
        if count > 0 {
            tracing::info!(%topic_id, count, "the objects of a deleted topic are gone from the tier");
            return Ok(());
        }
        let changes = vec![MetadataChange::Delete(keys::tier_deletion(topic_id))];
        let _one_at_a_time = self.topic_changes.lock().await;
        let applied = self.metadata.transact(Transaction { compares: Vec::new(), changes }).await?;
        self.publish(applied.image);
        Ok(())
    }
}

/// Keys of all that a manifest keeps alive.
async fn named(tiering: &Tiering, root: &Root) -> Result<HashSet<String>, TieringError> {
    let mut named: HashSet<String> = root.named().collect();
    for reference in &root.leaves {
        let leaf = tiering.reader().leaf(root.partition, reference).await?;
        named.extend(leaf.live(reference).iter().map(|entry| entry.key(root.partition)));
    }
    Ok(named)
}
