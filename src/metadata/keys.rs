//! What the metadata store holds. Values are JSON: there is one per topic, never one per batch, and a person
//! with `etcdctl` or a hex dump should be able to read them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::model::{LeaderEpoch, NodeId, Offset, TopicId, TopicPartition};

/// All topics, one key per name.
pub const TOPICS: &str = "topics/";
/// Deleted topics whose records may still stand in the WAL, one key per topic id.
pub const TOMBSTONES: &str = "tombstones/";
/// Log start offsets that retention or a client moved, one key per partition.
pub const LOG_STARTS: &str = "log-starts/";
/// What of a partition lies in the tier, one key per partition of which anything does.
pub const TIERS: &str = "tiers/";
/// Topics that were deleted or left the tier, and of which objects may be left there, one key per topic id.
pub const TIER_DELETIONS: &str = "tier-deletions/";
/// Which owner of the bucket this broker is, as [`TierOwner`].
pub const TIER_OWNER: &str = "tier-owner";
/// Where a node id would stand in [`BROKER_CONFIGS`].
const CLUSTER_DEFAULT: &str = "default";
/// How often the broker has started, a decimal number.
pub const BOOT: &str = "boot";
/// Dynamic settings of brokers, one key per node id, and one for all of them.
pub const BROKER_CONFIGS: &str = "broker-configs/";
/// Settings of groups, one key per group id. The value is a JSON object of texts; a group without any has no
/// key.
pub const GROUP_CONFIGS: &str = "group-configs/";
/// First producer id that was never given out, a decimal number.
pub const PRODUCER_IDS: &str = "producer-ids";

/// Value of a `topics/<name>` key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TopicRecord {
    /// This incarnation's identity.
    #[serde(with = "uuid_text")]
    pub topic_id: Uuid,
    /// Number of partitions, at least 1.
    pub partitions: i32,
    /// As asked for at creation, at least 1: remembered and reported; durability is the WAL's.
    pub replication_factor: i16,
    /// Topic configurations that were set, by Kafka's names.
    pub configs: BTreeMap<String, String>,
    /// The boot in which it was created: a partition's leader epoch is the current boot minus this, unless it
    /// came later.
    pub created_at_boot: i32,
    /// Partitions that were added in later boots, oldest first: at most one entry for each boot. Left out
    /// when there is none, so that a topic that never grew is written as it was before topics could grow.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub growths: Vec<Growth>,
}

/// Partitions that were added to a topic in one boot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Growth {
    /// The first of them.
    pub first_partition: i32,
    /// The boot in which they were made.
    pub boot: i32,
}

impl TopicRecord {
    /// Has `partitions` partitions from now on, more than before; the new ones are made in this boot.
    pub fn grow(&mut self, partitions: i32, boot: i32) {
        let newest = self.growths.last().map_or(self.created_at_boot, |growth| growth.boot);
        if newest != boot {
            self.growths.push(Growth { first_partition: self.partitions, boot });
        }
        self.partitions = partitions;
    }
}

/// Value of a `tombstones/<topic id>` key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tombstone {
    /// Name it had, for the directories that are still to be removed.
    pub name: String,
    /// Number of partitions it had.
    pub partitions: i32,
}

/// Value of a `tiers/<topic id>/<partition>` key. Whoever changes a part of it compares the whole, so that
/// nobody's change is lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "TierNumbers", into = "TierNumbers")]
pub struct TierRecord {
    /// Number of the manifest that holds.
    pub manifest: u64,
    /// Leader epoch of who wrote it.
    pub leader_epoch: LeaderEpoch,
    /// Everything from the log start up to here (exclusive) is in objects that the manifest names.
    pub remote_end_offset: Offset,
    /// First offset that is on local disk for sure; never above the remote end.
    pub local_log_start_offset: Offset,
}

/// A [`TierRecord`] as it is written.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct TierNumbers {
    manifest: u64,
    leader_epoch: i32,
    remote_end_offset: i64,
    local_log_start_offset: i64,
}

impl From<TierNumbers> for TierRecord {
    fn from(numbers: TierNumbers) -> TierRecord {
        TierRecord {
            manifest: numbers.manifest,
            leader_epoch: LeaderEpoch(numbers.leader_epoch),
            remote_end_offset: Offset(numbers.remote_end_offset),
            local_log_start_offset: Offset(numbers.local_log_start_offset),
        }
    }
}

impl From<TierRecord> for TierNumbers {
    fn from(record: TierRecord) -> TierNumbers {
        TierNumbers {
            manifest: record.manifest,
            leader_epoch: record.leader_epoch.0,
            remote_end_offset: record.remote_end_offset.0,
            local_log_start_offset: record.local_log_start_offset.0,
        }
    }
}

impl TierRecord {
    /// Reads a value back; `None` if it is none.
    pub fn decode(value: &[u8]) -> Option<TierRecord> {
        serde_json::from_slice(value).ok()
    }

    /// As it is stored.
    pub fn encode(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("numbers are always JSON")
    }
}

/// Value of a `tier-deletions/<topic id>` key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct TierDeletion {
    /// Manifests of what is to go have numbers up to this one, of whatever partition; `None`: of a topic that
    /// was deleted, or it was not noted. Those of a topic that is tiered again go on above.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub manifest_max: Option<u64>,
}

impl TierDeletion {
    /// As it is stored.
    pub fn encode(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("numbers are always JSON")
    }
}

/// Value of [`TIER_OWNER`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TierOwner {
    /// Of the owner's object.
    pub number: u64,
    /// What stands in it, if it is ours.
    #[serde(with = "uuid_text")]
    pub nonce: Uuid,
    /// When we took the bucket, in milliseconds since 1970.
    pub since_ms: i64,
    /// The object was seen in the bucket: one that is not there now is another bucket.
    pub confirmed: bool,
}

impl TierOwner {
    /// Reads a value back; `None` if it is none.
    pub fn decode(value: &[u8]) -> Option<TierOwner> {
        serde_json::from_slice(value).ok()
    }

    /// As it is stored.
    pub fn encode(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("numbers and texts are always JSON")
    }
}

/// Key of a topic.
pub fn topic(name: &str) -> String {
    format!("{TOPICS}{name}")
}

/// Key of a broker's dynamic settings; without an id, of those that hold for the whole cluster. The value is
/// a JSON object of texts.
pub fn broker_configs(node_id: Option<NodeId>) -> String {
    match node_id {
        Some(NodeId(id)) => format!("{BROKER_CONFIGS}{id}"),
        None => format!("{BROKER_CONFIGS}{CLUSTER_DEFAULT}"),
    }
}

/// Key of a group's settings.
pub fn group_configs(group_id: &str) -> String {
    format!("{GROUP_CONFIGS}{group_id}")
}

/// Key of a deleted topic.
pub fn tombstone(topic_id: TopicId) -> String {
    format!("{TOMBSTONES}{topic_id}")
}

/// Key of a partition's log start offset.
pub fn log_start(topic_partition: TopicPartition) -> String {
    format!("{LOG_STARTS}{}/{}", topic_partition.topic_id, topic_partition.partition)
}

/// All log start keys of one topic.
pub fn log_starts_of(topic_id: TopicId) -> String {
    format!("{LOG_STARTS}{topic_id}/")
}

/// Key of a topic that was deleted or left the tier, and of which objects may be left there.
pub fn tier_deletion(topic_id: TopicId) -> String {
    format!("{TIER_DELETIONS}{topic_id}")
}

/// Key of what a partition has in the tier.
pub fn tier(topic_partition: TopicPartition) -> String {
    format!("{TIERS}{}/{}", topic_partition.topic_id, topic_partition.partition)
}

/// Reads a node id, or that there is none, back from the part of a key after its prefix.
pub(super) fn parse_broker(text: &str) -> Option<Option<NodeId>> {
    match text {
        CLUSTER_DEFAULT => Some(None),
        id => Some(Some(NodeId(id.parse().ok()?))),
    }
}

/// Reads a topic id back from the part of a key after its prefix.
pub(super) fn parse_topic_id(text: &str) -> Option<TopicId> {
    Uuid::parse_str(text).ok().map(TopicId)
}

/// Reads `<topic id>/<partition>` back.
pub(super) fn parse_topic_partition(text: &str) -> Option<TopicPartition> {
    let (topic_id, partition) = text.split_once('/')?;
    Some(TopicPartition { topic_id: parse_topic_id(topic_id)?, partition: partition.parse().ok()? })
}

/// Reads a decimal value, as `boot`, `producer-ids` and log starts have.
pub fn parse_number(value: &[u8]) -> Option<i64> {
    std::str::from_utf8(value).ok()?.parse().ok()
}

/// Writes an offset as a value.
pub fn offset_value(offset: Offset) -> Vec<u8> {
    offset.0.to_string().into_bytes()
}

/// A UUID as people write it.
mod uuid_text {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};
    use uuid::Uuid;

    pub fn serialize<S: Serializer>(id: &Uuid, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(id)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Uuid, D::Error> {
        let text = String::deserialize(deserializer)?;
        Uuid::parse_str(&text).map_err(D::Error::custom)
    }
}
