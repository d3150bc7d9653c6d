//! What a node must know that takes this one's place, put into the bucket now and then (ADR 33): the metadata
//! store's content, where partitions are, and committed offsets.
//!
//! It is gathered part by part, while the broker goes on: no cut, and nobody waits for it. At most a page of
//! the metadata store, the partitions of a topic, or one shard's offsets are held beside one chunk.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Weak};

use bytes::Bytes;

use super::coordinators::partition_of;
use super::tier_owner::TierOwnerError;
use super::{Broker, OFFSETS_TOPIC};
use crate::env::{BackgroundError, time};
use crate::group::GroupRecord;
use crate::metadata::{TopicImage, keys};
use crate::model::{Offset, ProducerId, Timestamp, TopicPartition};
use crate::partition::{Partition, ReadError};
use crate::tier::{
    CatalogueDraft, CatalogueKind, CatalogueStamp, CatalogueWriter, CataloguedPartition, TierError,
};

/// Keys of the metadata store that are copied at once.
const PAGE_KEYS: usize = 1000;

/// Why no catalogue was put. The one before stays.
#[derive(Debug, thiserror::Error)]
pub(super) enum CatalogueError {
    /// The bucket, or more than fits.
    #[error(transparent)]
    Tier(#[from] TierError),
    /// Nothing is written there.
    #[error(transparent)]
    Owner(#[from] TierOwnerError),
    /// A look at the disk did not end.
    #[error(transparent)]
    Background(#[from] BackgroundError),
}

/// What the last catalogue is of.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct PutCatalogue {
    /// When it was taken, or found to be as the bucket has it; 0: none was since the start.
    pub taken_at: Timestamp,
    /// Partitions of `__consumer_offsets` that it has as the one before.
    pub stale: Vec<i32>,
}

/// Puts catalogues until the broker is gone.
pub(super) async fn run(broker: Weak<Broker>) {
    loop {
        let interval = match broker.upgrade() {
            Some(broker) if broker.tiering.is_some() => broker.config().tiering.catalogue_interval,
            _ => return,
        };
        time::sleep(interval).await;
        let Some(broker) = broker.upgrade() else { return };
        match broker.put_catalogue().await {
            Ok(is_new) => {
                let stale = broker.tiering.as_ref().map(|tiering| tiering.put.lock().stale.clone());
                tracing::debug!(is_new, "the catalogue in the tier");
                if let Some(stale) = stale.filter(|stale| !stale.is_empty()) {
                    tracing::warn!(
                        partitions = ?stale,
                        "the catalogue in the tier has the last known offsets of partitions of \
                         __consumer_offsets that are loading or stopped: a restore would set their groups \
                         back to these"
                    );
                }
            }
            Err(error) => tracing::warn!(%error, "no catalogue was put into the tier; tried again later"),
        }
    }
}

impl Broker {
    /// Puts a catalogue if anything changed since the last one; whether it did.
    pub(super) async fn put_catalogue(&self) -> Result<bool, CatalogueError> {
        let Some(tiering) = &self.tiering else { return Ok(false) };
        self.own_tier().await?;
        let Some(owner) = tiering.ownership().number() else { return Ok(false) };
        let mut writer = tiering.catalogue.lock().await;
        writer.open().await?;
        let mut draft = CatalogueDraft::default();
        let taken_at = self.env.clock.now();
        let stale = match self.add_all(&mut writer, &mut draft).await {
            Ok(stale) => stale,
            Err(error) => {
                writer.give_up(draft).await;
                return Err(error);
            }
        };
        let stamp = CatalogueStamp {
            owner,
            taken_at,
            node_id: self.node_id,
            cluster_id: self.cluster_id().to_owned(),
        };
        let is_new = writer.finish(draft, &stamp).await?;
        *tiering.put.lock() = PutCatalogue { taken_at, stale };
        Ok(is_new)
    }

    async fn add_all(
        &self,
        writer: &mut CatalogueWriter,
        draft: &mut CatalogueDraft,
    ) -> Result<Vec<i32>, CatalogueError> {
        self.add_metadata(writer, draft).await?;
        self.add_partitions(writer, draft).await?;
        self.add_offsets(writer, draft).await
    }

    async fn add_metadata(
        &self,
        writer: &mut CatalogueWriter,
        draft: &mut CatalogueDraft,
    ) -> Result<(), CatalogueError> {
        let mut after = None;
        loop {
            let page = self.metadata.entries_after(after.as_deref(), PAGE_KEYS);
            let Some((last, _)) = page.last() else { return Ok(()) };
            after = Some(last.clone());
            for (key, value) in page.iter().filter(|(key, _)| is_catalogued(key)) {
                writer.add(draft, CatalogueKind::Metadata, key.as_bytes(), value).await?;
            }
        }
    }

    async fn add_partitions(
        &self,
        writer: &mut CatalogueWriter,
        draft: &mut CatalogueDraft,
    ) -> Result<(), CatalogueError> {
        let mut topics: Vec<Arc<TopicImage>> = self.image().topics().cloned().collect();
        topics.sort_unstable_by_key(|topic| topic.topic_id);
        let ids = topics.iter().flat_map(|topic| topic.topic_partitions());
        let closed: HashSet<TopicPartition> =
            ids.filter(|id| self.storage.partition(*id).is_none()).collect();
        let known = Arc::new(writer.known_partitions(&closed).await?);
        for topic in topics {
            for (id, partition) in self.catalogued(topic, &known).await? {
                let key = CataloguedPartition::key(id);
                writer.add(draft, CatalogueKind::Partitions, &key, &partition.encode()).await?;
            }
        }
        Ok(())
    }

    /// Those of a topic. Of one that could not be opened it is what was known before: a restore must not give
    /// its offsets out again.
    async fn catalogued(
        &self,
        topic: Arc<TopicImage>,
        known: &Arc<HashMap<TopicPartition, CataloguedPartition>>,
    ) -> Result<Vec<(TopicPartition, CataloguedPartition)>, BackgroundError> {
        let (storage, image, known) = (self.storage.clone(), self.image(), known.clone());
        let look = move || {
            let catalogued = topic.topic_partitions().filter_map(|id| {
                let Some(partition) = storage.partition(id) else {
                    return known.get(&id).map(|known| (id, known.clone()));
                };
                let remote_end = image.tier(id).map_or(Offset(0), |tier| tier.remote_end_offset);
                Some((id, catalogued(&partition, remote_end)))
            });
            catalogued.collect()
        };
        // Indexes of transactions may have to be read.
        tokio::task::spawn_blocking(look).await.map_err(|_| BackgroundError::Panicked)
    }

    /// Of a partition that is loading, or stopped, it is what the catalogue before says: one must not keep
    /// all others from being put, nor be forgotten. Which these are.
    async fn add_offsets(
        &self,
        writer: &mut CatalogueWriter,
        draft: &mut CatalogueDraft,
    ) -> Result<Vec<i32>, CatalogueError> {
        let kind = CatalogueKind::Offsets;
        let (image, mut stale) = (self.image(), Vec::new());
        let Some(topic) = image.topic(OFFSETS_TOPIC) else { return Ok(stale) };
        let section_of = |key: &Bytes| {
            let record = GroupRecord::decode(key, None).ok()??;
            Some(partition_of(record.group_id(), topic.partitions))
        };
        for id in topic.topic_partitions() {
            match self.committed_offsets(id) {
                Some(records) => {
                    for record in records {
                        let (key, Some(value)) = record.encode() else { continue };
                        writer.add(draft, kind, &key, &value).await?;
                    }
                }
                None => {
                    writer.keep_section(draft, kind, id.partition, section_of).await?;
                    stale.push(id.partition);
                }
            }
            writer.end_section(draft, kind, id.partition).await?;
        }
        Ok(stale)
    }
}

/// Whether another node has a use for it: not for who owns the bucket, nor for what stands in this one's WAL.
fn is_catalogued(key: &str) -> bool {
    key != keys::TIER_OWNER && !key.starts_with(keys::TOMBSTONES)
}

fn catalogued(partition: &Partition, remote_end_offset: Offset) -> CataloguedPartition {
    // First: what is decided below the remote end stays so.
    let aborted = match remote_end_offset {
        Offset(0) => Ok(Vec::new()),
        end => aborted_later(partition, end),
    };
    let watermarks = partition.watermarks();
    let catalogued = CataloguedPartition {
        leader_epoch: partition.leader_epoch(),
        log_start_offset: watermarks.log_start_offset,
        log_end_offset: watermarks.log_end_offset,
        remote_end_offset,
        aborted_are_all: aborted.is_ok(),
        aborted: aborted.unwrap_or_default(),
    };
    catalogued.within_bounds()
}

/// Transactions with records below `end` that were aborted by a marker at or above it. What lies below the
/// remote end is decided: it was below the last stable offset when it was copied.
fn aborted_later(partition: &Partition, end: Offset) -> Result<Vec<(ProducerId, Offset)>, ReadError> {
    let around = partition.local_aborted(Offset(end.0 - 1), end)?;
    let later = around.into_iter().filter(|aborted| aborted.last_offset >= end);
    Ok(later.map(|aborted| (aborted.producer_id, aborted.first_offset)).collect())
}

#[cfg(test)]
mod tests;
