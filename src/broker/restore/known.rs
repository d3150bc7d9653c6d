//! What the newest catalogue tells, in memory: as large as the metadata store, which every broker holds, and
//! an offset for each partition. Committed offsets themselves stay in the bucket until they are written.

use std::collections::{BTreeMap, HashMap};
use std::ops::RangeInclusive;

use super::ends::RestoredPartition;
use super::{RestoreError, is_internal};
use crate::broker::TRANSACTIONS_TOPIC;
use crate::group::GroupRecord;
use crate::metadata::{ClusterImage, MetadataChange, TierOwner, keys};
use crate::model::{Offset, TopicId, TopicPartition};
use crate::store::ObjectStore;
use crate::tier::{
    CatalogueKind, CatalogueNumber, CatalogueRoot, CataloguedPartition, ChunkReference, TierError,
    list_catalogues, read_catalogue, read_chunk,
};

/// How far the boot counter jumps, and with it every leader epoch: so many starts may have come after the
/// catalogue, one each second for twelve days. Two thousand restores reach 2^31.
const BOOTS_SKIPPED: i64 = 1 << 20;
/// How far producer ids jump: more than can have been given out after the catalogue.
const PRODUCER_IDS_SKIPPED: i64 = 1 << 40;

/// Times that catalogues are listed and read, where others come meanwhile.
const READS_MAX: u32 = 5;

/// A catalogue.
pub(super) struct Known {
    pub cluster_id: String,
    /// Which it is, for whoever restores.
    pub words: String,
    /// As the metadata store had it.
    metadata: BTreeMap<String, Vec<u8>>,
    /// The same as it is read.
    pub image: ClusterImage,
    /// Where partitions were.
    pub partitions: HashMap<TopicPartition, CataloguedPartition>,
    /// The largest offset that any group has committed.
    pub committed: HashMap<TopicPartition, Offset>,
    /// Where all committed offsets are.
    pub offsets: Vec<ChunkReference>,
    pub offsets_count: u64,
}

impl Known {
    /// Reads the newest catalogue that is whole. A node that lives on may put others meanwhile, and take away
    /// what is being read: then it is read once more, from the newest on.
    pub async fn read(store: &dyn ObjectStore) -> Result<Known, RestoreError> {
        let mut numbers = list_catalogues(store).await?;
        for _ in 1..READS_MAX {
            let read = Known::newest_of(store, &numbers).await;
            if !matches!(read, Err(RestoreError::Nothing(_))) {
                return read;
            }
            let before = std::mem::replace(&mut numbers, list_catalogues(store).await?);
            if numbers.first() == before.first() {
                return read;
            }
        }
        Known::newest_of(store, &numbers).await
    }

    async fn newest_of(store: &dyn ObjectStore, numbers: &[CatalogueNumber]) -> Result<Known, RestoreError> {
        let mut damage = None;
        for &number in numbers {
            let known = match read_catalogue(store, number).await {
                Ok(root) => Known::of(store, &root).await.map(|known| (known, root)),
                Err(error) => Err(error),
            };
            match known {
                Ok((mut known, root)) => {
                    let damage = damage.map(|error| format!(" (a newer one is damaged: {error})"));
                    known.words = format!(
                        "catalogue {}-{} of node {}, cluster {}, taken at {}: {} topics, \
                         {} offsets{}",
                        number.owner,
                        number.sequence,
                        root.node_id,
                        known.cluster_id,
                        root.taken_at.utc_seconds(),
                        known.image.topics_count(),
                        known.offsets_count,
                        damage.unwrap_or_default()
                    );
                    return Ok(known);
                }
                Err(error) if error.is_damage() || error.is_absence() => {
                    damage = damage.or(Some(error));
                }
                Err(error) => return Err(error.into()),
            }
        }
        Err(RestoreError::Nothing(match damage {
            Some(error) => format!("no catalogue in the bucket is whole: {error}"),
            None => "there is no catalogue in the bucket: look at the prefix; a broker puts one there every \
                     highwater.tier.catalogue.interval.ms"
                .to_owned(),
        }))
    }

    async fn of(store: &dyn ObjectStore, root: &CatalogueRoot) -> Result<Known, TierError> {
        let mut known = Known {
            cluster_id: root.cluster_id.clone(),
            words: String::new(),
            metadata: BTreeMap::new(),
            image: ClusterImage::default(),
            partitions: HashMap::new(),
            committed: HashMap::new(),
            offsets: Vec::new(),
            offsets_count: 0,
        };
        // Kinds come in their order: topics are known before who has committed offsets for them.
        for chunk in &root.chunks {
            if chunk.kind == CatalogueKind::Offsets {
                known.offsets.push(*chunk);
            }
            for (key, value) in read_chunk(store, chunk).await? {
                known.take(chunk.kind, &key, &value).ok_or_else(|| TierError::Damaged {
                    key: chunk.key(),
                    what: "it has an entry that this version cannot read".to_owned(),
                })?;
            }
        }
        Ok(known)
    }

    fn take(&mut self, kind: CatalogueKind, key: &bytes::Bytes, value: &bytes::Bytes) -> Option<()> {
        match kind {
            CatalogueKind::Metadata => {
                let key = std::str::from_utf8(key).ok()?;
                self.image.apply(MetadataChange { key, value: Some(value) }).ok()?;
                self.metadata.insert(key.to_owned(), value.to_vec());
            }
            CatalogueKind::Partitions => {
                let id = CataloguedPartition::parse_key(key)?;
                self.partitions.insert(id, CataloguedPartition::decode(value)?);
            }
            CatalogueKind::Offsets => {
                let record = GroupRecord::decode(key, Some(value)).ok()??;
                let GroupRecord::OffsetCommit { topic, partition, offset: Some(offset), .. } = record else {
                    return None;
                };
                self.offsets_count += 1;
                if let Some(topic) = self.image.topic(&topic) {
                    let id = TopicPartition { topic_id: topic.topic_id, partition };
                    let largest = self.committed.entry(id).or_default();
                    *largest = offset.offset.max(*largest);
                }
            }
        }
        Some(())
    }

    /// Whether a topic was deleted, and what is left of it in the bucket is to go.
    pub fn is_deleted(&self, topic_id: TopicId) -> bool {
        self.image.tier_deletions().any(|deleted| deleted == topic_id)
    }

    /// The numbers that a partition's manifest may have. Of one that left the tier others may be there that
    /// are to go; where it was tiered again, its own are above these.
    pub fn manifests_of(&self, id: TopicPartition) -> RangeInclusive<u64> {
        let Some(deletion) = self.image.tier_deletion(id.topic_id) else { return 0..=u64::MAX };
        match (deletion.manifest_max, self.image.tier(id)) {
            (Some(_), Some(record)) => record.manifest..=u64::MAX,
            (Some(max), None) => max + 1..=u64::MAX,
            (None, record) => 0..=record.map_or(0, |record| record.manifest),
        }
    }

    /// What the metadata store of the restored node begins with.
    pub fn metadata_after(
        &self,
        partitions: &[RestoredPartition],
        owner: TierOwner,
    ) -> BTreeMap<String, Vec<u8>> {
        let mut metadata = self.metadata.clone();
        // Coordinators of transactions begin anew.
        metadata.remove(&keys::topic(TRANSACTIONS_TOPIC));
        let internal = self.image.topics().filter(|topic| is_internal(&topic.name));
        for id in internal.flat_map(|topic| topic.topic_partitions()) {
            metadata.remove(&keys::log_start(id));
        }
        metadata.retain(|key, _| !key.starts_with(keys::TIERS));
        for partition in partitions {
            if partition.log_start_offset > Offset(0) {
                metadata
                    .insert(keys::log_start(partition.id), keys::offset_value(partition.log_start_offset));
            }
            if let Some(record) = partition.tier {
                metadata.insert(keys::tier(partition.id), record.encode());
            }
        }
        for (key, skipped) in [(keys::BOOT, BOOTS_SKIPPED), (keys::PRODUCER_IDS, PRODUCER_IDS_SKIPPED)] {
            let before = metadata.get(key).and_then(|value| keys::parse_number(value)).unwrap_or(0);
            metadata.insert(key.to_owned(), before.saturating_add(skipped).to_string().into_bytes());
        }
        metadata.insert(keys::TIER_OWNER.to_owned(), owner.encode());
        metadata
    }
}
