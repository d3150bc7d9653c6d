//! A partition's manifest: read from the bucket, and changed there.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::{Mutex, RwLock};

use super::progress::Progress;
use super::{Look, TieringError};
use crate::cluster::MetadataError;
use crate::log::CarriedState;
use crate::metadata::{TierRecord, keys};
use crate::model::{Offset, TopicPartition};
use crate::store::Created;
use crate::tier::{Flights, RemoteReader, Root, Stamp, TierError, Update, newest_manifest};

/// Numbers that a crash before the metadata store knew of a root may have left behind, one each.
pub(in crate::broker) const MANIFESTS_TRIED_MAX: u32 = 64;
/// Times that a record is made up anew because the local log start moved meanwhile.
const RECORDS_TRIED_MAX: u32 = 5;

/// What is known of a partition in the tier.
pub(in crate::broker) struct RemotePartition {
    id: TopicPartition,
    /// The manifest that was read last.
    root: RwLock<Option<Arc<Root>>>,
    /// By its number, the one that is being read.
    coming: Flights<u64, Root>,
    /// How it goes, for whoever runs the broker.
    pub(super) progress: Mutex<Progress>,
    /// Held by who changes the manifest, or what it names.
    pub(super) writer: tokio::sync::Mutex<Writer>,
}

/// What the one that changes a manifest remembers.
#[derive(Default)]
pub(super) struct Writer {
    /// As of the end of the manifest, if it is known.
    pub carried: Option<CarriedState>,
    /// Monotonic time of the last look for orphans.
    pub collected: Option<Duration>,
}

impl RemotePartition {
    pub(super) fn new(id: TopicPartition) -> RemotePartition {
        RemotePartition {
            id,
            root: RwLock::default(),
            coming: Flights::default(),
            progress: Mutex::default(),
            writer: Default::default(),
        }
    }

    /// The manifest that was read last, if one was: what can be told of it without a request.
    pub(super) fn known_root(&self) -> Option<Arc<Root>> {
        self.root.read().clone()
    }

    /// The manifest of that record; an empty one if there is none. It is read, and known from then on, even
    /// if whoever asked does not wait for it.
    pub(in crate::broker) async fn root(
        self: &Arc<Self>,
        reader: &Arc<RemoteReader>,
        record: Option<TierRecord>,
    ) -> Result<Arc<Root>, TierError> {
        let Some(record) = record else { return Ok(Arc::new(Root::empty(self.id, Offset(0)))) };
        let known = self.root.read().clone();
        if let Some(known) = known.filter(|known| known.number == record.manifest) {
            return Ok(known);
        }
        let (this, reader) = (Arc::clone(self), Arc::clone(reader));
        let load = async move {
            let root = Arc::new(reader.root(this.id, record.manifest).await?);
            *this.root.write() = Some(root.clone());
            Ok(root)
        };
        self.coming.join(record.manifest, load).await
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

    /// The number of a first manifest: above all that lie there, and above all of those that are to go where
    /// the topic was tiered before. Who restores takes the highest for the newest.
    async fn first_number(&self) -> Result<u64, TieringError> {
        let deletion = self.broker.metadata.image().tier_deletion(self.id().topic_id);
        let former = deletion.and_then(|deletion| deletion.manifest_max);
        let listed = newest_manifest(self.tiering.store(), self.id()).await?;
        Ok(former.max(listed).unwrap_or(0) + 1)
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
        *remote.root.write() = Some(Arc::new(update.next.clone()));
        // What stays because of an error, the collector finds.
        if let Err(error) = tiering.store().delete(&update.garbage).await {
            tracing::debug!(%error, "objects that nothing names stay in the tier for now");
        }
        Ok(())
    }
}
