//! Compaction of what lies in the tier: of each key the newest record stays, also where it has left the disk.
//!
//! One pass over one partition: the keys of what was added since the last pass, then all segments, oldest
//! first, without what is obsolete: each group of neighbours becomes one segment. As the local cleaner does,
//! by the same rules; how the two go together, and when a tombstone may go, is ADR 35. It may break off
//! anywhere: what was replaced stays, and the next pass begins anew.

mod pass;
mod rest;

use std::sync::{Arc, Weak};
use std::time::Duration;

use super::manifest::{DatedSegment, Dirty, RootSummary};
use super::{Look, Tiering, TieringError, next_look};
use crate::broker::{Broker, cleaning};
use crate::cluster::MetadataError;
use crate::log::retention::SegmentSummary;
use crate::log::{Cleanable, Compaction};
use crate::model::{Offset, Timestamp};
use crate::partition::{Partition, PartitionStatus};
use crate::tier::{ManifestEntry, Root, TierError};
use pass::Pass;
pub(in crate::broker) use rest::SpoolError;

/// Segments that become one at most: so many objects a change of the manifest lets go.
const GROUP_SEGMENTS_MAX: usize = 64;

/// Looks now and then, until the broker is gone, for partitions whose part in the tier is to be compacted.
pub(in crate::broker) async fn run(broker: Weak<Broker>) {
    while let Some(broker) = next_look(&broker).await {
        broker.compact_tier().await;
    }
}

impl Broker {
    /// Compacts, one after the other, the part in the tier of each partition of which it is due.
    pub async fn compact_tier(&self) {
        let Some(tiering) = &self.tiering else { return };
        for partition in self.storage.all_partitions() {
            let settings = self.config().cleaner;
            let may = settings.enable && settings.threads > 0;
            let has_part = || self.image().tier(partition.topic_partition()).is_some();
            if !may || partition.status() != PartitionStatus::Online || !has_part() {
                continue;
            }
            let remote = tiering.partition(partition.topic_partition());
            if self.compaction_rests(&remote) {
                continue;
            }
            let compacted = self.compact_in_tier(tiering, &partition).await;
            let (topic, index) = (partition.topic(), partition.topic_partition().partition);
            match compacted {
                Ok(()) => drop(self.note_pass(tiering, &remote, None)),
                // Retention or a deletion was quicker.
                Err(TieringError::Tier(error)) if error.is_absence() => {
                    tracing::debug!(%topic, partition = index, %error, "compaction in the tier broke off");
                }
                Err(error) => {
                    let rest = self.note_pass(tiering, &remote, Some(&error));
                    let what = "compaction in the tier; tried again after a rest";
                    tracing::warn!(%topic, partition = index, %error, ?rest, "{what}");
                }
            }
        }
    }

    async fn compact_in_tier(
        &self,
        tiering: &Tiering,
        partition: &Arc<Partition>,
    ) -> Result<(), TieringError> {
        let Some(compaction) = partition.log().config().compaction else { return Ok(()) };
        let remote = tiering.partition(partition.topic_partition());
        let look = Look { broker: self, tiering, partition, remote: &remote };
        let record = look.record();
        let known = remote.summary_of(record).filter(|known| known.dirty.is_some());
        let known = match known {
            Some(known) => known,
            None => look.dirty(&*remote.root(tiering.reader(), record).await?).await?,
        };
        let cleanable = known.cleanable(&compaction, self.storage.believed_now());
        if !cleanable.is_due(&compaction) {
            return Ok(());
        }
        let root = remote.root(tiering.reader(), record).await?;
        let begun_at = self.env.clock.monotonic();
        let mut pass = Pass::begin(look, &compaction, &cleanable);
        let Some(clean_end) = pass.map(root).await? else { return Ok(()) };
        if !pass.sift(clean_end).await? {
            return Ok(());
        }
        pass.look.note_clean(clean_end).await?;
        let took = self.env.clock.monotonic().saturating_sub(begun_at);
        let (topic, index) = (partition.topic(), partition.topic_partition().partition);
        let (read, written) = (pass.read, pass.written);
        self.metrics.cleaned(read, written, pass.key_map_utilization(), took);
        tracing::info!(%topic, partition = index, read, written, %clean_end, ?took, "compacted in the tier");
        cleaning::warn_of_unreadable(topic, index, pass.unreadable_batches());
        Ok(())
    }

    /// Below it the tier has no older record of a key, nor a batch of a transaction, that the disk's cleaner
    /// does not know of; `None`: there is nothing in the tier, nor will there be.
    pub(in crate::broker) fn tier_clean_end(&self, partition: &Partition) -> Option<Offset> {
        let id = partition.topic_partition();
        let tiering = self.tiering.as_ref()?;
        let record = self.image().tier(id);
        if record.is_none() && partition.log().config().tiering.is_none() {
            return None;
        }
        // One that is known may be of before the topic left the tier, and came back.
        let known = tiering.partition(id).summary_of(record);
        Some(known.map_or(Offset(0), |known| known.clean_offset))
    }
}

impl RootSummary {
    /// How much is worth cleaning: of one whose dirty part was looked at.
    fn cleanable(&self, compaction: &Compaction, now: Timestamp) -> Cleanable {
        let cleanable_bytes = self.dirty.map_or(0, |dirty| dirty.log_bytes);
        let age = self.dirty.and_then(|dirty| dirty.oldest).map(|oldest| SegmentSummary::age_at(now, oldest));
        Cleanable {
            first_dirty_offset: self.clean_offset,
            first_uncleanable_offset: self.end_offset,
            clean_bytes: self.log_bytes.saturating_sub(cleanable_bytes),
            cleanable_bytes,
            overdue: age.map_or(Duration::ZERO, |age| age.saturating_sub(compaction.max_compaction_lag)),
        }
    }
}

impl Look<'_> {
    /// Finds how much of the part in the tier was added since the last pass, which is remembered.
    async fn dirty(&self, root: &Root) -> Result<RootSummary, TierError> {
        let at = root.leaves.partition_point(|leaf| leaf.end_offset <= root.clean_offset);
        let log_bytes = root.leaves.iter().skip(at + 1).map(|leaf| leaf.log_bytes).sum();
        let mut found = Dirty { log_bytes, oldest: None };
        if let Some(reference) = root.leaves.get(at) {
            let leaf = self.tiering.reader().leaf(root, reference).await?;
            let live = leaf.live(reference);
            let dirty = &live[live.partition_point(|entry| entry.end_offset <= root.clean_offset)..];
            found.log_bytes += dirty.iter().map(|entry| entry.log_bytes).sum::<u64>();
            found.oldest = dirty.first().map(|entry| DatedSegment::of(entry).newest);
        }
        self.remote.note_found(root.number, |known| known.dirty = Some(found));
        Ok(RootSummary { dirty: Some(found), ..RootSummary::of(root) })
    }

    /// The next neighbours from `at` on that become one segment: in one leaf, and by their sizes before.
    pub(super) async fn group(
        &self,
        root: &Root,
        at: Offset,
        end: Offset,
    ) -> Result<Vec<ManifestEntry>, TierError> {
        let at = at.max(root.log_start_offset);
        let Some(reference) = root.leaf_of(at) else { return Ok(Vec::new()) };
        let leaf = self.tiering.reader().leaf(root, reference).await?;
        let live = leaf.live(reference);
        let from = &live[live.partition_point(|entry| entry.end_offset <= at)..];
        let Some(first) = from.first().filter(|first| first.base_offset < end) else { return Ok(Vec::new()) };
        let bytes_max = u64::from(self.partition.log().config().segment_bytes);
        let mut bytes = first.log_bytes;
        let fits = |entry: &&ManifestEntry| {
            bytes += entry.log_bytes;
            let span = entry.end_offset.0 - first.base_offset.0;
            entry.base_offset < end && bytes <= bytes_max && span <= i64::from(i32::MAX)
        };
        let others = from[1..].iter().take(GROUP_SEGMENTS_MAX - 1).take_while(fits).count();
        Ok(from[..=others].to_vec())
    }

    /// Puts an object in the place of those of a group; `false` if these are not what the manifest names
    /// there any more.
    pub(super) async fn replace(
        &self,
        group: &[ManifestEntry],
        entry: ManifestEntry,
    ) -> Result<bool, TieringError> {
        let _writer = self.remote.writer.lock().await;
        let root = self.root().await?;
        let (begin, end) = (entry.base_offset, entry.end_offset);
        let mut is_replaced = Ok(false);
        if let Some(reference) = root.leaf_of(begin) {
            let leaf = self.tiering.reader().leaf(&root, reference).await?;
            let is_there = leaf.live(reference).windows(group.len()).any(|found| found == group);
            // Whoever collects what nothing names may have had the lock for longer than the grace.
            let is_whole = is_there && self.tiering.holds(&entry.key(self.id())).await?;
            if is_whole {
                let replaced = self.commit(&root, |stamp| root.replace(begin..end, &[entry], &leaf, stamp));
                is_replaced = replaced.await.map(|_| true);
            }
        }
        // As of a copy: after any other error the record that names it may be durable.
        if matches!(is_replaced, Ok(false) | Err(TieringError::Metadata(MetadataError::Conflict(_)))) {
            drop(self.tiering.store().delete(&[entry.key(self.id())]).await);
        }
        is_replaced
    }

    /// Every segment below was replaced, or has nothing obsolete: durable, as each replacement was.
    async fn note_clean(&self, clean_end: Offset) -> Result<(), TieringError> {
        let _writer = self.remote.writer.lock().await;
        let root = self.root().await?;
        let clean_end = clean_end.min(root.end_offset);
        self.commit(&root, |stamp| root.cleaned_below(clean_end, stamp)).await.map(|_| ())
    }
}
