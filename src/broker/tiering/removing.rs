//! What leaves the tier: segments below the log start, what nothing names, and deleted topics.

use std::collections::HashSet;
use std::sync::Arc;

use super::manifest::Writer;
use super::progress::DeleteLag;
use super::{Look, Tiering, TieringError};
use crate::broker::Broker;
use crate::cluster::{Change as MetadataChange, MetadataStore, Transaction};
use crate::metadata::keys;
use crate::model::TopicId;
use crate::tier::{Leaf, ObjectKey, Root, partition_folder, topic_folder};

/// Removals of one partition in a row before others get their turn.
const REMOVALS_PER_TURN_MAX: u32 = 64;

impl Look<'_> {
    /// Removes segments below the log start. That is durable and in force: nobody who asks for them would be
    /// answered with them, even where they are still named.
    pub(super) async fn remove_below_log_start(&self) -> Result<(), TieringError> {
        let log_start = self.partition.watermarks().log_start_offset;
        let mut root = self.root().await?;
        for _ in 0..REMOVALS_PER_TURN_MAX {
            let is_concerned = root.leaves.first().is_some_and(|leaf| leaf.base_offset < log_start);
            if root.log_start_offset >= log_start || !is_concerned {
                break;
            }
            let mut leaves = Vec::new();
            for reference in root.leaves_below(log_start) {
                leaves.push(Leaf::clone(&*self.tiering.reader().leaf(self.id(), reference).await?));
            }
            let lag = DeleteLag::of(root.leaves_below(log_start), &leaves, log_start);
            self.remote.progress.lock().delete_lag = lag;
            let update = self.commit(&root, |stamp| root.remove_below(log_start, &leaves, stamp)).await?;
            self.remote.progress.lock().delete_lag = DeleteLag::default();
            self.broker.metrics.tier().deleted(lag.segments);
            root = Arc::new(update.next);
        }
        Ok(())
    }

    /// Removes objects that nothing names, of a partition at which nobody looked for the time of grace. What
    /// is younger may be on its way into a manifest: of an upload that is named in the end, and of one whose
    /// request was given up and arrives late.
    pub(super) async fn collect_orphans(&self, writer: &mut Writer) -> Result<(), TieringError> {
        let Look { broker, tiering, partition, .. } = self;
        if self.record().is_none() {
            return Ok(());
        }
        let now = broker.env.clock.monotonic();
        let since = *writer.collected.get_or_insert(now);
        if now.saturating_sub(since) < tiering.config.grace {
            return Ok(());
        }
        writer.collected = Some(now);
        let named = named(tiering, &*self.root().await?).await?;
        let grace_ms = i64::try_from(tiering.config.grace.as_millis()).unwrap_or(i64::MAX);
        let oldest_ms = broker.storage.believed_now().0.saturating_sub(grace_ms);
        let mut pages = tiering.store().list(&partition_folder(self.id()));
        while let Some(page) = pages.next_page().await? {
            // What we did not put there is none of our concern.
            let is_orphan = |key: &str| !named.contains(key) && ObjectKey::parse(key).is_some();
            let old = page.into_iter().filter(|listed| listed.modified.0 < oldest_ms);
            let orphans: Vec<_> = old.map(|listed| listed.key).filter(|key| is_orphan(key)).collect();
            if !orphans.is_empty() {
                let (topic, index, count) = (partition.topic(), self.id().partition, orphans.len());
                tracing::info!(%topic, partition = index, count, "objects in the tier that nothing names go");
                tiering.store().delete(&orphans).await?;
            }
        }
        Ok(())
    }
}

impl Broker {
    /// Removes the objects of topics that were deleted, or left the tier. What the metadata store says of
    /// them goes when there is nothing left to remove: an upload that was under way may come after the first
    /// look.
    ///
    /// A topic that is tiered again meanwhile has a manifest, or will have one: what it does not name, the
    /// collector finds.
    pub(super) async fn remove_deleted_topics(&self, tiering: &Tiering) {
        let image = self.image();
        let is_tiered =
            |id: &TopicId| image.topic_by_id(*id).is_some_and(|topic| self.topic_config(topic).is_tiered);
        for topic_id in image.tier_deletions().filter(|id| !is_tiered(id)) {
            if let Err(error) = self.remove_topic(tiering, topic_id).await {
                self.metrics.tier().delete_failed();
                tiering.failed(self.storage.believed_now(), &error);
                tracing::warn!(%topic_id, %error, "what is to go from the tier stays; tried again later");
            }
        }
    }

    async fn remove_topic(&self, tiering: &Tiering, topic_id: TopicId) -> Result<(), TieringError> {
        let mut pages = tiering.store().list(&topic_folder(topic_id));
        let mut count = 0;
        while let Some(page) = pages.next_page().await? {
            let keys: Vec<_> = page.into_iter().map(|listed| listed.key).collect();
            count += keys.len();
            tiering.store().delete(&keys).await?;
        }
        if count > 0 {
            tracing::info!(%topic_id, count, "the objects of a topic are gone from the tier");
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
