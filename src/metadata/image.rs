use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::keys::{self, Growth, TierDeletion, TierRecord, Tombstone, TopicRecord};
use crate::model::{LeaderEpoch, NodeId, Offset, TopicId, TopicPartition};

/// One change of one key, as the metadata store reports it.
#[derive(Debug, Clone, Copy)]
pub struct MetadataChange<'a> {
    /// The key.
    pub key: &'a str,
    /// Its new value; `None` when it was removed.
    pub value: Option<&'a [u8]>,
}

/// A topic as requests see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicImage {
    /// Its name.
    pub name: Arc<str>,
    /// This incarnation's identity.
    pub topic_id: TopicId,
    /// Number of partitions.
    pub partitions: i32,
    /// As asked for at creation.
    pub replication_factor: i16,
    /// Configurations that were set on it.
    pub configs: BTreeMap<String, String>,
    /// The boot in which it was created.
    pub created_at_boot: i32,
    /// Partitions that were added in later boots, oldest first.
    pub growths: Vec<Growth>,
}

impl TopicImage {
    /// The topic of a record.
    pub fn new(name: Arc<str>, record: TopicRecord) -> TopicImage {
        TopicImage {
            name,
            topic_id: TopicId(record.topic_id),
            partitions: record.partitions,
            replication_factor: record.replication_factor,
            configs: record.configs,
            created_at_boot: record.created_at_boot,
            growths: record.growths,
        }
    }

    /// Its record, for whoever changes a part of it.
    pub fn record(&self) -> TopicRecord {
        TopicRecord {
            topic_id: self.topic_id.0,
            partitions: self.partitions,
            replication_factor: self.replication_factor,
            configs: self.configs.clone(),
            created_at_boot: self.created_at_boot,
            growths: self.growths.clone(),
        }
    }

    /// Leader epoch of a partition in the given boot: 0 in the boot that made it, one more at each start.
    pub fn leader_epoch(&self, partition: i32, boot: i32) -> LeaderEpoch {
        let later = self.growths.iter().rev().find(|growth| growth.first_partition <= partition);
        LeaderEpoch(boot - later.map_or(self.created_at_boot, |growth| growth.boot))
    }

    /// Its partitions' identities.
    pub fn topic_partitions(&self) -> impl Iterator<Item = TopicPartition> + use<> {
        let topic_id = self.topic_id;
        (0..self.partitions).map(move |partition| TopicPartition { topic_id, partition })
    }
}

/// The catalogue at one revision.
#[derive(Debug, Clone, Default)]
pub struct ClusterImage {
    topics: BTreeMap<Arc<str>, Arc<TopicImage>>,
    names: HashMap<TopicId, Arc<str>>,
    tombstones: HashMap<TopicId, Tombstone>,
    log_starts: HashMap<TopicPartition, Offset>,
    tiers: Arc<HashMap<TopicPartition, TierRecord>>,
    tier_deletions: BTreeMap<TopicId, TierDeletion>,
    broker_configs: Arc<BrokerConfigs>,
    group_configs: Arc<GroupConfigs>,
}

/// Dynamic settings as they were stored (KIP-226): of each broker, and of none for the whole cluster.
pub type BrokerConfigs = BTreeMap<Option<NodeId>, BTreeMap<String, String>>;

/// What was set on groups (KIP-848), whether or not there is such a group: by group id.
pub type GroupConfigs = BTreeMap<Arc<str>, Arc<BTreeMap<String, String>>>;

/// A key or value that this version cannot read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the metadata store holds {key} with a value that this version cannot read: {value}")]
pub struct UnreadableMetadata {
    key: String,
    value: String,
}

impl ClusterImage {
    /// All topics, by name.
    pub fn topics(&self) -> impl Iterator<Item = &Arc<TopicImage>> {
        self.topics.values()
    }

    /// A topic by name.
    pub fn topic(&self, name: &str) -> Option<&Arc<TopicImage>> {
        self.topics.get(name)
    }

    /// A topic by id.
    pub fn topic_by_id(&self, topic_id: TopicId) -> Option<&Arc<TopicImage>> {
        self.names.get(&topic_id).and_then(|name| self.topics.get(name))
    }

    /// What is left of a deleted topic.
    pub fn tombstone(&self, topic_id: TopicId) -> Option<&Tombstone> {
        self.tombstones.get(&topic_id)
    }

    /// Deleted topics whose records may still stand in the WAL.
    pub fn tombstones(&self) -> impl Iterator<Item = (TopicId, &Tombstone)> {
        self.tombstones.iter().map(|(topic_id, tombstone)| (*topic_id, tombstone))
    }

    /// First offset that still counts, 0 unless retention or a client moved it.
    pub fn log_start(&self, topic_partition: TopicPartition) -> Offset {
        self.log_starts.get(&topic_partition).copied().unwrap_or_default()
    }

    /// What of a partition lies in the tier; `None` where nothing does.
    pub fn tier(&self, topic_partition: TopicPartition) -> Option<TierRecord> {
        self.tiers.get(&topic_partition).copied()
    }

    /// Topics that were deleted or left the tier, and of which objects may be left there.
    pub fn tier_deletions(&self) -> impl Iterator<Item = TopicId> {
        self.tier_deletions.keys().copied()
    }

    /// What is known of the objects of such a topic.
    pub fn tier_deletion(&self, topic_id: TopicId) -> Option<TierDeletion> {
        self.tier_deletions.get(&topic_id).copied()
    }

    /// First offset that is on local disk: the log start, unless what follows it has left for the tier.
    pub fn local_log_start(&self, topic_partition: TopicPartition) -> Offset {
        let in_tier = self.tier(topic_partition).map(|tier| tier.local_log_start_offset);
        self.log_start(topic_partition).max(in_tier.unwrap_or_default())
    }

    /// Dynamic settings of all brokers. While none changes, the images share them.
    pub fn broker_configs(&self) -> &Arc<BrokerConfigs> {
        &self.broker_configs
    }

    /// Settings of all groups that have any. While none changes, the images share them.
    pub fn group_configs(&self) -> &Arc<GroupConfigs> {
        &self.group_configs
    }

    /// Number of topics.
    pub fn topics_count(&self) -> usize {
        self.topics.len()
    }

    /// Applies one change. Keys that the image does not hold (`boot`, `producer-ids`, `tier-owner`) change
    /// nothing.
    pub fn apply(&mut self, change: MetadataChange<'_>) -> Result<(), UnreadableMetadata> {
        self.try_apply(change).ok_or_else(|| UnreadableMetadata {
            key: change.key.to_owned(),
            value: String::from_utf8_lossy(change.value.unwrap_or_default()).into_owned(),
        })
    }

    fn try_apply(&mut self, MetadataChange { key, value }: MetadataChange<'_>) -> Option<()> {
        if let Some(name) = key.strip_prefix(keys::TOPICS) {
            self.apply_topic(name, value)?;
        } else if let Some(text) = key.strip_prefix(keys::TOMBSTONES) {
            let topic_id = keys::parse_topic_id(text)?;
            match value {
                Some(value) => self.tombstones.insert(topic_id, serde_json::from_slice(value).ok()?),
                None => self.tombstones.remove(&topic_id),
            };
        } else if let Some(text) = key.strip_prefix(keys::LOG_STARTS) {
            let topic_partition = keys::parse_topic_partition(text)?;
            match value {
                Some(value) => self.log_starts.insert(topic_partition, Offset(keys::parse_number(value)?)),
                None => self.log_starts.remove(&topic_partition),
            };
        } else if let Some(text) = key.strip_prefix(keys::TIERS) {
            let topic_partition = keys::parse_topic_partition(text)?;
            let tiers = Arc::make_mut(&mut self.tiers);
            match value {
                Some(value) => tiers.insert(topic_partition, TierRecord::decode(value)?),
                None => tiers.remove(&topic_partition),
            };
        } else if let Some(text) = key.strip_prefix(keys::TIER_DELETIONS) {
            let topic_id = keys::parse_topic_id(text)?;
            match value {
                Some(value) => self.tier_deletions.insert(topic_id, serde_json::from_slice(value).ok()?),
                None => self.tier_deletions.remove(&topic_id),
            };
        } else if let Some(text) = key.strip_prefix(keys::BROKER_CONFIGS) {
            let node_id = keys::parse_broker(text)?;
            let configs = Arc::make_mut(&mut self.broker_configs);
            match value {
                Some(value) => configs.insert(node_id, serde_json::from_slice(value).ok()?),
                None => configs.remove(&node_id),
            };
        } else if let Some(group_id) = key.strip_prefix(keys::GROUP_CONFIGS) {
            let configs = Arc::make_mut(&mut self.group_configs);
            match value {
                Some(value) => configs.insert(group_id.into(), Arc::new(serde_json::from_slice(value).ok()?)),
                None => configs.remove(group_id),
            };
        }
        Some(())
    }

    fn apply_topic(&mut self, name: &str, value: Option<&[u8]>) -> Option<()> {
        let removed = self.topics.remove(name);
        if let Some(topic) = removed {
            self.names.remove(&topic.topic_id);
        }
        if let Some(value) = value {
            let record: TopicRecord = serde_json::from_slice(value).ok()?;
            let name: Arc<str> = name.into();
            let topic_id = TopicId(record.topic_id);
            self.names.insert(topic_id, name.clone());
            self.topics.insert(name.clone(), Arc::new(TopicImage::new(name, record)));
        }
        Some(())
    }
}
