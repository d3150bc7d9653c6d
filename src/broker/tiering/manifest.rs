//! A partition's manifest: read from the bucket, and changed there.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

use super::progress::Progress;
use super::{Look, TieringError};
use crate::cluster::MetadataError;
use crate::log::retention::SegmentSummary;
use crate::metadata::{TierRecord, keys};
use crate::model::{Offset, Timestamp, TopicPartition};
use crate::store::Created;
use crate::tier::{ManifestEntry, RemoteReader, Retired, Root, Stamp, TierError, Update, newest_manifest};

/// Numbers that a crash before the metadata store knew of a root may have left behind, one each.
pub(in crate::broker) const MANIFESTS_TRIED_MAX: u32 = 64;
/// Times that a record is made up anew because the local log start moved meanwhile.
const RECORDS_TRIED_MAX: u32 = 5;

/// What is known of a partition in the tier.
pub(in crate::broker) struct RemotePartition {
    id: TopicPartition,
    /// Of the newest manifest that was read or made.
    summary: Mutex<Option<RootSummary>>,
    /// How it goes, for whoever runs the broker.
    pub(super) progress: Mutex<Progress>,
    /// Held by who changes the manifest, or what it names.
    pub(super) writer: tokio::sync::Mutex<Writer>,
}

/// What is remembered of a manifest for as long as its partition is here. All of the root is kept by the
/// [`RemoteReader`], as far as its memory reaches: an idle partition must not need it at every look, or as
/// many as do not fit would be read again each time.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(in crate::broker) struct RootSummary {
    /// Of the root; 0: nothing was ever copied.
    pub number: u64,
    /// The manifest's.
    pub log_start_offset: Offset,
    /// Where its first segment begins, if there is one.
    pub first_base_offset: Option<Offset>,
    /// The manifest's.
    pub end_offset: Offset,
    /// The manifest's.
    pub clean_offset: Offset,
    /// Segments that count.
    pub segments: u64,
    /// Log bytes of these.
    pub log_bytes: u64,
    /// Objects that wait for the end of a reader's grace.
    pub retired: u64,
    /// The one of these that goes last.
    pub retired_last: Option<Retired>,
    /// What retention found in the first leaf, once it has read it.
    pub oldest: Option<OldestSegment>,
    /// What compaction found, once it has looked.
    pub(super) dirty: Option<Dirty>,
}

/// The first segment from a log start on, and what there is in all.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::broker) struct OldestSegment {
    /// The log start at which it was the first.
    pub log_start_offset: Offset,
    /// `None`: there is none.
    pub segment: Option<DatedSegment>,
    /// Log bytes from the log start on.
    pub log_bytes: u64,
}

/// A segment in the tier, as its entry tells of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::broker) struct DatedSegment {
    /// Its first offset.
    pub base_offset: Offset,
    /// Exclusive end.
    pub end_offset: Offset,
    /// Of its records.
    pub log_bytes: u64,
    /// Of its newest record; of one whose records have no timestamp, when it was uploaded.
    pub newest: Timestamp,
}

/// What was added since the last compaction.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Dirty {
    /// Log bytes of it.
    pub log_bytes: u64,
    /// [`DatedSegment::newest`] of its first segment; `None`: there is none.
    pub oldest: Option<Timestamp>,
}

impl DatedSegment {
    /// As retention and compaction have it.
    pub(in crate::broker) fn of(entry: &ManifestEntry) -> DatedSegment {
        let has_time = entry.max_timestamp != Timestamp::NONE;
        DatedSegment {
            base_offset: entry.base_offset,
            end_offset: entry.end_offset,
            log_bytes: entry.log_bytes,
            newest: if has_time { entry.max_timestamp } else { entry.uploaded_at },
        }
    }

    /// How it looks now.
    pub(in crate::broker) fn summary(&self, now: Timestamp) -> SegmentSummary {
        SegmentSummary {
            base_offset: self.base_offset,
            end_offset: self.end_offset,
            bytes: self.log_bytes,
            age: SegmentSummary::age_at(now, self.newest),
        }
    }
}

impl RootSummary {
    pub(super) fn of(root: &Root) -> RootSummary {
        RootSummary {
            number: root.number,
            log_start_offset: root.log_start_offset,
            first_base_offset: root.leaves.first().map(|leaf| leaf.base_offset),
            end_offset: root.end_offset,
            clean_offset: root.clean_offset,
            segments: root.segments(),
            log_bytes: root.log_bytes(),
            retired: root.retired.len() as u64,
            retired_last: root.retired.last().copied(),
            oldest: None,
            dirty: (root.clean_offset >= root.end_offset).then_some(Dirty { log_bytes: 0, oldest: None }),
        }
    }

    /// Whether segments begin below `log_start` that a removal did not yet see.
    pub(super) fn has_some_below(&self, log_start: Offset) -> bool {
        self.log_start_offset < log_start && self.first_base_offset.is_some_and(|base| base < log_start)
    }

    /// Objects that wait for the end of a reader's grace: all that the manifest tells of, until the last one
    /// of them may go.
    pub(super) fn waiting(&self, now: Timestamp, grace: Duration) -> u64 {
        let last = self.retired_last.filter(|last| !last.is_over(now, grace));
        last.map_or(0, |_| self.retired)
    }
}

/// What the one that changes a manifest remembers.
#[derive(Default)]
pub(super) struct Writer {
    /// Monotonic time of the last look for orphans.
    pub collected: Option<Duration>,
}

impl RemotePartition {
    pub(super) fn new(id: TopicPartition) -> RemotePartition {
        RemotePartition {
            id,
            summary: Mutex::default(),
            progress: Mutex::default(),
            writer: Default::default(),
        }
    }

    /// Of the newest manifest that was read or made, if one was: what can be told of it without a request.
    pub(super) fn summary(&self) -> Option<RootSummary> {
        *self.summary.lock()
    }

    /// Of the manifest of that record, if it is known; of an empty one if there is none.
    pub(in crate::broker) fn summary_of(&self, record: Option<TierRecord>) -> Option<RootSummary> {
        let Some(record) = record else { return Some(RootSummary::default()) };
        self.summary().filter(|known| known.number == record.manifest)
    }

    /// The manifest of that record; an empty one if there is none.
    pub(in crate::broker) async fn root(
        &self,
        reader: &RemoteReader,
        record: Option<TierRecord>,
    ) -> Result<Arc<Root>, TierError> {
        let Some(record) = record else { return Ok(Arc::new(Root::empty(self.id, Offset(0)))) };
        let root = reader.root(self.id, record.manifest).await?;
        self.note_root(&root);
        Ok(root)
    }

    /// Takes note of a root, if it is newer than the one that is known: numbers ascend, and who asked for an
    /// earlier one may get it late.
    pub(super) fn note_root(&self, root: &Root) {
        let mut summary = self.summary.lock();
        if summary.is_none_or(|known| known.number < root.number) {
            *summary = Some(RootSummary::of(root));
        }
    }

    /// Adds to the summary of that root what else was found, unless a newer one has come.
    pub(in crate::broker) fn note_found(&self, number: u64, add: impl FnOnce(&mut RootSummary)) {
        if let Some(known) = self.summary.lock().as_mut().filter(|known| known.number == number) {
            add(known);
        }
    }
}

impl Look<'_> {
    /// Makes a change of `root` the one that holds; returns what holds then, and has its garbage removed.
    ///
    /// The order, and why it is right: the leaf before the root that names it; the root before the metadata
    /// store's record that names its number. A crash in between leaves objects that nothing names, and what
    /// held before holds still; the collector removes them. The record is compared with the one that the
    /// change was made from: whoever lost the partition changes nothing. Only when the record is durable
    /// goes what the former manifest named and this one does not.
    pub(super) async fn commit(
        &self,
        root: &Root,
        make: impl Fn(&Stamp) -> Result<Update, TierError>,
    ) -> Result<Update, TieringError> {
        let Look { broker, tiering, partition, .. } = self;
        let (leader_epoch, times) = (partition.leader_epoch(), broker.storage.times());
        let grace = tiering.config.grace;
        let mut stamp = Stamp::after(root, &*broker.env.random, leader_epoch, times, grace);
        if root.number == 0 {
            stamp.number = self.first_number().await?;
        }
        let mut update = make(&stamp)?;
        if let Some(leaf) = &update.leaf {
            tiering.store().put(&leaf.key, vec![leaf.bytes.clone()]).await?;
        }
        for _ in 0..MANIFESTS_TRIED_MAX {
            match tiering.store().create(&update.root.key, update.root.bytes.clone()).await? {
                Created::Mine => {
                    let made = self.make_current(root, &update).await;
                    if let Err(TieringError::Metadata(MetadataError::Conflict(_))) = made {
                        // It never will be current; what it names is about to go.
                        let leaf = update.leaf.as_ref().map(|leaf| leaf.key.clone());
                        let keys: Vec<_> = [update.root.key.clone()].into_iter().chain(leaf).collect();
                        drop(tiering.store().delete(&keys).await);
                    }
                    return made.map(|()| update);
                }
                // Of a commit that a crash cut off, or that failed: it was never current.
                Created::Taken(_) => stamp.number += 1,
            }
            update = make(&stamp)?;
        }
        Err(TieringError::NumbersTaken(stamp.number))
    }

    /// The number of a first manifest: above all that lie there, above all of those that are to go where the
    /// topic was tiered before, and above all that this process knew. Who restores takes the highest for the
    /// newest.
    async fn first_number(&self) -> Result<u64, TieringError> {
        let deletion = self.broker.metadata.image().tier_deletion(self.id().topic_id);
        let former = deletion.and_then(|deletion| deletion.manifest_max);
        let listed = newest_manifest(self.tiering.store(), self.id()).await?;
        // What is remembered goes by number, too.
        let remembered = self.remote.summary().map(|known| known.number);
        Ok(former.max(listed).max(remembered).unwrap_or(0) + 1)
    }

    async fn make_current(&self, root: &Root, update: &Update) -> Result<(), TieringError> {
        let Look { broker, tiering, partition, remote } = self;
        let id = self.id();
        for attempt in 1.. {
            let record = broker.metadata.image().tier(id);
            let is_former = match record {
                Some(record) => record.manifest == root.number,
                None => root.number == 0,
            };
            if !is_former {
                return Err(MetadataError::Conflict(keys::tier(id)).into());
            }
            let local_start = record.map_or_else(
                || partition.watermarks().local_log_start_offset,
                |record| record.local_log_start_offset,
            );
            let next = TierRecord {
                manifest: update.next.number,
                leader_epoch: update.next.leader_epoch,
                remote_end_offset: update.next.end_offset,
                local_log_start_offset: local_start.min(update.next.end_offset),
            };
            match broker.replace_tier_record(id, record, next).await {
                Err(MetadataError::Conflict(_)) if attempt < RECORDS_TRIED_MAX => {}
                Err(error) => return Err(error.into()),
                Ok(()) => break,
            }
        }
        remote.note_root(&update.next);
        tiering.reader().replaced_root(root.number, &Arc::new(update.next.clone()));
        // What stays because of an error, the collector finds.
        if let Err(error) = tiering.store().delete(&update.garbage).await {
            tracing::debug!(%error, "objects that nothing names stay in the tier for now");
        }
        Ok(())
    }
}
