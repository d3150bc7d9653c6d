//! What leaves the tier: segments below the log start, what nothing names, and deleted topics.

use std::collections::HashSet;
use std::hash::{BuildHasher, RandomState};

use super::manifest::{RootSummary, Writer};
use super::progress::DeleteLag;
use super::{Look, Tiering, TieringError};
use crate::broker::Broker;
use crate::cluster::{Change as MetadataChange, Compare, MetadataStore, Transaction};
use crate::metadata::{TopicImage, keys};
use crate::model::{TopicId, TopicPartition};
use crate::tier::{Leaf, ObjectKey, Retired, Root, partition_folder, topic_folder};

/// Removals of one partition in a row before others get their turn.
const REMOVALS_PER_TURN_MAX: u32 = 64;

impl Look<'_> {
    /// Removes segments below the log start. That is durable and in force: nobody who asks for them would be
    /// answered with them, even where they are still named.
    pub(super) async fn remove_below_log_start(&self) -> Result<(), TieringError> {
        let log_start = self.partition.watermarks().log_start_offset;
        for _ in 0..REMOVALS_PER_TURN_MAX {
            let record = self.record();
            if self.remote.summary_of(record).is_some_and(|known| !known.has_some_below(log_start)) {
                break;
            }
            let root = self.remote.root(self.tiering.reader(), record).await?;
            if !RootSummary::of(&root).has_some_below(log_start) {
                break;
            }
            let mut leaves = Vec::new();
            for reference in root.leaves_below(log_start) {
                leaves.push(Leaf::clone(&*self.tiering.reader().leaf(&root, reference).await?));
            }
            let lag = DeleteLag::of(root.leaves_below(log_start), &leaves, log_start);
            self.remote.progress.lock().delete_lag = lag;
            self.commit(&root, |stamp| root.remove_below(log_start, &leaves, stamp)).await?;
            self.remote.progress.lock().delete_lag = DeleteLag::default();
            self.broker.metrics.tier().deleted(lag.segments);
        }
        Ok(())
    }

    /// Removes objects that nothing names, of a partition at which nobody looked for the time of grace. What
    /// is younger may be on its way into a manifest: of an upload that is named in the end, and of one whose
    /// request was given up and arrives late.
    pub(super) async fn collect_orphans(&self, writer: &mut Writer) -> Result<(), TieringError> {
        let Look { broker, tiering, partition, .. } = self;
        // Before the record: what lies there that this one does not name is of the deletion, or younger.
        let deletion = broker.metadata.get(&keys::tier_deletion(self.id().topic_id));
        if self.record().is_none() && deletion.is_none() {
            return Ok(());
        }
        let (now, grace) = (broker.env.clock.monotonic(), tiering.config.grace);
        let since = *writer.collected.get_or_insert(now);
        if now.saturating_sub(since) < grace {
            return Ok(());
        }
        writer.collected = Some(now);
        let root = self.root().await?;
        // An idle partition gets no next manifest that would let them go.
        let believed_now = broker.storage.believed_now();
        let is_over = |retired: &&Retired| retired.is_over(believed_now, grace);
        let over: HashSet<String> =
            root.retired.iter().filter(is_over).map(|retired| retired.what.key(self.id())).collect();
        let mut alive = Alive::default();
        named(tiering, &root, |key| {
            if !over.contains(&key) {
                alive.insert(&key);
            }
        })
        .await?;
        let grace_ms = i64::try_from(grace.as_millis()).unwrap_or(i64::MAX);
        let oldest_ms = believed_now.0.saturating_sub(grace_ms);
        let mut pages = tiering.store().list(&partition_folder(self.id()));
        let mut is_clean = true;
        while let Some(page) = pages.next_page().await? {
            // What we did not put there is none of our concern.
            let is_orphan = |key: &str| !alive.contains(key) && ObjectKey::parse(key).is_some();
            let unnamed: Vec<_> = page.into_iter().filter(|listed| is_orphan(&listed.key)).collect();
            is_clean &= unnamed.is_empty();
            let old = unnamed.into_iter().filter(|listed| listed.modified.0 < oldest_ms);
            let orphans: Vec<_> = old.map(|listed| listed.key).collect();
            if !orphans.is_empty() {
                let (topic, index, count) = (partition.topic(), self.id().partition, orphans.len());
                tracing::info!(%topic, partition = index, count, "objects in the tier that nothing names go");
                tiering.store().delete(&orphans).await?;
            }
        }
        let collected = deletion.filter(|_| is_clean).map(|deletion| deletion.revision);
        self.remote.progress.lock().collected_deletion = collected;
        Ok(())
    }
}

impl Broker {
    /// Removes the objects of topics that were deleted, or left the tier. What the metadata store says of
    /// them goes when a look a time of grace later finds nothing: an upload that was under way, or whose
    /// request was given up, may come after the first one. (That time begins anew with the process.)
    ///
    /// A topic that is tiered again meanwhile has a manifest, or will have one: what it does not name, the
    /// collector finds. The deletion is over once that found nothing more in any of its partitions.
    pub(super) async fn remove_deleted_topics(&self, tiering: &Tiering) {
        let image = self.image();
        tiering.emptied.lock().retain(|topic_id, _| image.tier_deletion(*topic_id).is_some());
        for topic_id in image.tier_deletions() {
            let tiered = image.topic_by_id(topic_id).filter(|topic| self.topic_config(topic).is_tiered);
            let removed = match tiered {
                Some(topic) => {
                    // Should it leave once more, what comes of it then may come late, too.
                    tiering.emptied.lock().remove(&topic_id);
                    self.end_collected_deletion(tiering, topic).await
                }
                None => self.remove_topic(tiering, topic_id).await,
            };
            if let Err(error) = removed {
                self.metrics.tier().delete_failed();
                tiering.failed(self.storage.believed_now(), &error);
                tracing::warn!(%topic_id, %error, "what is to go from the tier stays; tried again later");
            }
        }
    }

    async fn remove_topic(&self, tiering: &Tiering, topic_id: TopicId) -> Result<(), TieringError> {
        let now = self.env.clock.monotonic();
        let emptied_at = tiering.emptied.lock().get(&topic_id).copied();
        if emptied_at.is_some_and(|emptied_at| now.saturating_sub(emptied_at) < tiering.config.grace) {
            return Ok(());
        }
        let mut pages = tiering.store().list(&topic_folder(topic_id));
        let (mut count, mut segments) = (0, 0);
        while let Some(page) = pages.next_page().await? {
            let keys: Vec<_> = page.into_iter().map(|listed| listed.key).collect();
            let is_segment = |key: &&String| matches!(ObjectKey::parse(key), Some(ObjectKey::Segment(..)));
            count += keys.len();
            segments += keys.iter().filter(is_segment).count() as u64;
            tiering.store().delete(&keys).await?;
        }
        if count == 0 && emptied_at.is_some() {
            return self.end_deletion(topic_id, Vec::new()).await;
        }
        self.metrics.tier().deleted(segments);
        tiering.emptied.lock().insert(topic_id, self.env.clock.monotonic());
        tracing::info!(%topic_id, count, "the objects of a topic are gone from the tier");
        Ok(())
    }

    async fn end_collected_deletion(
        &self,
        tiering: &Tiering,
        topic: &TopicImage,
    ) -> Result<(), TieringError> {
        let key = keys::tier_deletion(topic.topic_id);
        let Some(deletion) = self.metadata.get(&key) else { return Ok(()) };
        let is_collected = |id: TopicPartition| {
            let remote = tiering.partitions.get(&id).map(|remote| remote.value().clone());
            remote.is_some_and(|remote| remote.progress.lock().collected_deletion == Some(deletion.revision))
        };
        match topic.topic_partitions().all(is_collected) {
            // It may leave once more meanwhile.
            true => self.end_deletion(topic.topic_id, vec![Compare::Unchanged(key, deletion.revision)]).await,
            false => Ok(()),
        }
    }

    async fn end_deletion(&self, topic_id: TopicId, compares: Vec<Compare>) -> Result<(), TieringError> {
        let changes = vec![MetadataChange::Delete(keys::tier_deletion(topic_id))];
        let _one_at_a_time = self.topic_changes.lock().await;
        let applied = self.metadata.transact(Transaction { compares, changes }).await?;
        self.publish(applied.image);
        Ok(())
    }
}

/// What is not to go, by hashes of its keys: of 100,000 segments 2 MiB at most, where their keys take 15.
/// What happens to have the hash of one of them stays, and nothing goes that is among them.
#[derive(Default)]
struct Alive {
    hashes: HashSet<u64>,
    hasher: RandomState,
}

impl Alive {
    fn insert(&mut self, key: &str) {
        self.hashes.insert(self.hasher.hash_one(key));
    }

    fn contains(&self, key: &str) -> bool {
        self.hashes.contains(&self.hasher.hash_one(key))
    }
}

/// Tells the keys of all that a manifest keeps alive.
pub(super) async fn named(
    tiering: &Tiering,
    root: &Root,
    mut tell: impl FnMut(String),
) -> Result<(), TieringError> {
    root.named().for_each(&mut tell);
    for reference in &root.leaves {
        let leaf = tiering.reader().leaf(root, reference).await?;
        leaf.live(reference).iter().for_each(|entry| tell(entry.key(root.partition)));
    }
    Ok(())
}
