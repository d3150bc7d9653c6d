//! What the broker does with the tier: copies closed segments there, takes away what counts no longer.
//!
//! A partition's manifest says what the tier has of it, and the metadata store which manifest holds
//! ([`TierRecord`]). Orders of steps, and why they are right, stand where the steps are: a new manifest at
//! [`Look`]'s `commit`, a deleted topic at `removing`.

pub(super) mod compacting;
mod copying;
mod manifest;
mod progress;
mod removing;
mod status;

use std::collections::HashMap;
use std::fmt::Display;
use std::sync::{Arc, Weak};
use std::time::Duration;

use bytes::BytesMut;
use dashmap::DashMap;
use futures_util::StreamExt;
use parking_lot::Mutex;

use super::Broker;
use super::catalogue::PutCatalogue;
use crate::cluster::MetadataError;
use crate::config::{ServerConfig, TieringConfig};
use crate::env::{BackgroundError, Env, time};
use crate::log::LogError;
use crate::metadata::{ClusterImage, TierRecord};
use crate::model::{TopicId, TopicPartition};
use crate::partition::{Partition, PartitionStatus};
use crate::store::{ObjectStore, StoreError};
use crate::tier::{
    CatalogueWriter, DiskCache, OwnedStore, Ownership, RemoteReader, RemoteReaderOptions, Root, TierError,
};

pub(super) use manifest::{DatedSegment, MANIFESTS_TRIED_MAX, OldestSegment, RemotePartition};
pub use status::{
    SegmentsPage, TierFailure, TierLookError, TierPartition, TierRequests, TierSegment, TierStatus,
};

/// Partitions that are seen to at the same time.
const PARTITIONS_AT_ONCE: usize = 2;
/// Longest wait between two looks, whatever `remote.log.manager.task.interval.ms` says.
const INTERVAL_MAX: Duration = Duration::from_secs(3600);
/// What comes before the records in an object of a segment of ordinary size, at most.
const HEADS_BYTES: usize = 4 << 20;

/// Why something in the tier was not done. It is tried again at the next look.
#[derive(Debug, thiserror::Error)]
pub(super) enum TieringError {
    /// The bucket.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A segment or a change that does not fit.
    #[error(transparent)]
    Tier(#[from] TierError),
    /// The record of what the tier has.
    #[error(transparent)]
    Metadata(#[from] MetadataError),
    /// The local log.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The disk, on the way of what compaction leaves.
    #[error(transparent)]
    Spool(#[from] compacting::SpoolError),
    /// Work on a thread of its own did not end.
    #[error(transparent)]
    Background(#[from] BackgroundError),
    /// Every number that was tried for a manifest is taken.
    #[error("manifests up to number {0} are there already, and none of them was ever current")]
    NumbersTaken(u64),
}

/// A bucket, and who reads from it.
#[derive(Clone)]
pub struct Tier {
    /// Where objects are put: only by the bucket's owner.
    pub store: Arc<dyn ObjectStore>,
    /// Who that is.
    pub ownership: Arc<Ownership>,
    /// Reads from there, and keeps what was read.
    pub reader: Arc<RemoteReader>,
}

impl Tier {
    /// With an empty cache in memory. Takes the share of the memory (`highwater.tier.memory.bytes`) that
    /// uploads leave.
    pub async fn open(store: Arc<dyn ObjectStore>, env: &Env, config: &ServerConfig) -> Tier {
        let (tier, tiering) = (&config.tier, &config.tiering);
        let memory_bytes = tiering.memory_bytes.saturating_sub(upload_memory_bytes(tiering));
        let disk = DiskCache { path: tier.cache_directory.clone(), bytes: tier.cache_bytes };
        let options = RemoteReaderOptions { memory_bytes, disk: Some(disk).filter(|disk| disk.bytes > 0) };
        let reader = Arc::new(RemoteReader::open(store.clone(), env, &options).await);
        let ownership = Arc::new(Ownership::new(store.clone(), env.clock.clone()));
        let store = Arc::new(OwnedStore { store, ownership: ownership.clone() });
        Tier { store, ownership, reader }
    }
}

/// An object of at most so many bytes is put by one request, and held meanwhile: a segment of 64 MiB with its
/// indexes, if half of 128 MiB are for uploads.
fn upload_memory_bytes(config: &TieringConfig) -> usize {
    config.memory_bytes / 2 + HEADS_BYTES
}

/// The tier of one broker.
pub(super) struct Tiering {
    tier: Tier,
    config: TieringConfig,
    /// One for each partition that has something in the tier, or may soon.
    partitions: DashMap<TopicPartition, Arc<RemotePartition>>,
    /// Held by the one upload that has a whole object in memory: this memory, while a look goes on.
    upload_memory: tokio::sync::Mutex<BytesMut>,
    /// Puts what a node must know that takes this one's place.
    pub(super) catalogue: tokio::sync::Mutex<CatalogueWriter>,
    /// Of the last one that was put.
    pub(super) put: Mutex<PutCatalogue>,
    /// Held by who makes sure whose the bucket is.
    pub(super) owning: tokio::sync::Mutex<()>,
    /// Monotonic time at which the bandwidth that uploads have used is paid for.
    paid_until: Mutex<Duration>,
    /// Topics whose objects are to go, and were all gone at this monotonic time.
    emptied: Mutex<HashMap<TopicId, Duration>>,
    /// What failed last, of all.
    last_failure: Mutex<Option<TierFailure>>,
}

impl Tiering {
    pub(super) fn new(tier: Tier, env: &Env, config: TieringConfig) -> Tiering {
        let catalogue = CatalogueWriter::new(tier.store.clone(), env.random.clone());
        Tiering {
            catalogue: tokio::sync::Mutex::new(catalogue),
            put: Mutex::default(),
            tier,
            config,
            partitions: DashMap::new(),
            upload_memory: tokio::sync::Mutex::default(),
            owning: tokio::sync::Mutex::default(),
            paid_until: Mutex::default(),
            emptied: Mutex::default(),
            last_failure: Mutex::default(),
        }
    }

    fn store(&self) -> &dyn ObjectStore {
        &*self.tier.store
    }

    /// Whether the bucket has such an object.
    pub(super) async fn holds(&self, key: &str) -> Result<bool, StoreError> {
        Ok(self.store().size(key).await?.is_some())
    }

    /// Topics that were deleted, or left the tier, as far as something of them may be left.
    fn pending_deletions(&self, image: &ClusterImage) -> Vec<TopicId> {
        let emptied = self.emptied.lock();
        image.tier_deletions().filter(|topic_id| !emptied.contains_key(topic_id)).collect()
    }

    /// Whose the bucket is.
    pub(super) fn ownership(&self) -> &Arc<Ownership> {
        &self.tier.ownership
    }

    /// Who reads from the bucket.
    pub(super) fn reader(&self) -> &Arc<RemoteReader> {
        &self.tier.reader
    }

    /// What is known of a partition in the tier.
    pub(super) fn partition(&self, id: TopicPartition) -> Arc<RemotePartition> {
        self.partitions.entry(id).or_insert_with(|| Arc::new(RemotePartition::new(id))).clone()
    }
}

/// Looks at all partitions now and then until the broker is gone.
pub(super) async fn run(broker: Weak<Broker>) {
    while let Some(broker) = next_look(&broker).await {
        broker.see_to_the_tier().await;
    }
}

/// The broker, when it is time for the next look; `None`: it is gone, or has no tier.
async fn next_look(broker: &Weak<Broker>) -> Option<Arc<Broker>> {
    let interval = broker.upgrade()?.tiering.as_ref()?.config.interval;
    time::sleep(interval.clamp(Duration::from_millis(1), INTERVAL_MAX)).await;
    broker.upgrade()
}

impl Broker {
    /// Copies what may be copied, and takes away what counts no longer, of each partition once.
    pub async fn see_to_the_tier(&self) {
        let Some(tiering) = &self.tiering else { return };
        let image = self.image();
        let concerned = |partition: &Arc<Partition>| {
            let id = partition.topic_partition();
            let is_online = partition.status() == PartitionStatus::Online;
            is_online && (partition.log().config().tiering.is_some() || image.tier(id).is_some())
        };
        let partitions = self.storage.all_partitions().into_iter().filter(concerned);
        if let Err(error) = self.own_tier().await {
            partitions.for_each(|partition| self.note(tiering, &partition, Some(&error)));
            return tracing::warn!(%error, "the tier; tried again later");
        }
        let looks = futures_util::stream::iter(partitions);
        looks
            .for_each_concurrent(PARTITIONS_AT_ONCE, |partition| async move {
                let seen = self.see_to(tiering, &partition).await;
                let error = seen.as_ref().err().map(|error| error as &dyn Display);
                self.note(tiering, &partition, error);
                if let Err(error) = seen {
                    let (topic, index) = (partition.topic(), partition.topic_partition().partition);
                    tracing::warn!(%topic, partition = index, %error, "the tier; tried again later");
                }
            })
            .await;
        *tiering.upload_memory.lock().await = BytesMut::new();
        self.remove_deleted_topics(tiering).await;
        // Of partitions that are gone.
        tiering.partitions.retain(|id, _| self.storage.partition(*id).is_some());
    }

    async fn see_to(&self, tiering: &Tiering, partition: &Arc<Partition>) -> Result<(), TieringError> {
        let remote = tiering.partition(partition.topic_partition());
        let mut writer = remote.writer.lock().await;
        let look = Look { broker: self, tiering, partition, remote: &remote };
        // What cannot be copied does not keep what counts no longer from going, which makes room.
        let copied = look.copy().await.inspect_err(|_| self.metrics.tier().copy_failed());
        let removed = async {
            look.remove_below_log_start().await?;
            look.collect_orphans(&mut writer).await
        };
        let removed = removed.await.inspect_err(|_| self.metrics.tier().delete_failed());
        copied.and(removed)
    }
}

/// A look at one partition, by the one who may change its manifest.
struct Look<'a> {
    broker: &'a Broker,
    tiering: &'a Tiering,
    partition: &'a Arc<Partition>,
    remote: &'a Arc<RemotePartition>,
}

/// On a thread that may wait for the disk.
async fn aside<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, TieringError> {
    tokio::task::spawn_blocking(work).await.map_err(|_| BackgroundError::Panicked.into())
}

impl Look<'_> {
    fn id(&self) -> TopicPartition {
        self.partition.topic_partition()
    }

    /// What the tier has of it, as the metadata store knows it.
    fn record(&self) -> Option<TierRecord> {
        self.broker.image().tier(self.id())
    }

    /// The manifest of that.
    async fn root(&self) -> Result<Arc<Root>, TierError> {
        self.remote.root(self.tiering.reader(), self.record()).await
    }
}

#[cfg(test)]
pub(super) mod tests;
