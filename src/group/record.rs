//! Records of `__consumer_offsets` in Kafka's own key and value formats.
//!
//! A key begins with its type, a value with its version, both 16 bits, big-endian. Names and types are those
//! of the JSON schemas in Kafka's `group-coordinator/src/main/resources/common/message`.

mod consumer_group;
mod group_metadata;
mod offset_commit;

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

pub use self::consumer_group::{
    ClassicMemberMetadata, ConsumerGroupChange, ConsumerGroupMetadata, CurrentAssignment, MemberMetadata,
    MemberState, OwnedPartitions, ResolvedRegularExpression, TargetAssignmentMetadata,
};
use crate::model::{LeaderEpoch, Offset, Timestamp, TopicId};
pub use crate::wire::{RECORD_OVERHEAD_BYTES, UnreadableRecord};
pub(super) use crate::wire::{Reader, TEXT_BYTES_MAX, Writer};

/// One record, understood.
#[derive(Debug, Clone, PartialEq)]
pub enum GroupRecord {
    /// Key type 1, and 0 of old: a committed offset, or that there is none any more.
    OffsetCommit {
        /// The group.
        group_id: Arc<str>,
        /// The topic's name.
        topic: Arc<str>,
        /// The partition's index.
        partition: i32,
        /// `None` is a tombstone.
        offset: Option<CommittedOffset>,
    },
    /// Key type 2: a classic group, or that it is gone.
    GroupMetadata {
        /// The group.
        group_id: Arc<str>,
        /// `None` is a tombstone.
        metadata: Option<Arc<GroupMetadata>>,
    },
    /// Key types 3 to 8 and 16: a part of a consumer group (KIP-848).
    ConsumerGroup {
        /// The group.
        group_id: Arc<str>,
        /// Which part, and its new value.
        change: ConsumerGroupChange,
    },
}

/// A committed offset.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommittedOffset {
    /// The next offset to read.
    pub offset: Offset,
    /// Of the last record read; -1 for none.
    pub leader_epoch: LeaderEpoch,
    /// What the client keeps with it.
    pub metadata: Arc<str>,
    /// When it was committed.
    pub commit_timestamp: Timestamp,
    /// When it is forgotten, for clients that said so; -1 for the broker's retention.
    pub expire_timestamp: Timestamp,
    /// Of the topic it was committed for; zero in records of versions before 4, and in a transaction's.
    pub topic_id: TopicId,
}

/// What of a classic group outlives a restart.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct GroupMetadata {
    /// Empty for a group that never had members.
    pub protocol_type: Arc<str>,
    /// The generation.
    pub generation_id: i32,
    /// The chosen protocol; `None` without members.
    pub protocol_name: Option<Arc<str>>,
    /// Member id of the leader.
    pub leader: Option<Arc<str>>,
    /// Since when the group is in its state; -1 where a version before 2 did not say.
    pub current_state_timestamp: Timestamp,
    /// Members, by id as this broker writes them.
    pub members: Vec<GroupMetadataMember>,
}

/// A member of a classic group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupMetadataMember {
    /// Its id.
    pub member_id: Arc<str>,
    /// Of a static member.
    pub group_instance_id: Option<Arc<str>>,
    /// As its requests gave it.
    pub client_id: Arc<str>,
    /// Where it joined from.
    pub client_host: Arc<str>,
    /// How long others wait for it in a rebalance.
    pub rebalance_timeout: Duration,
    /// Silence after which it is taken for dead.
    pub session_timeout: Duration,
    /// Its metadata for the chosen protocol.
    pub subscription: Bytes,
    /// What the leader gave it.
    pub assignment: Bytes,
}

/// First 16 bits of a key.
mod key_type {
    pub const LEGACY_OFFSET_COMMIT: i16 = 0;
    pub const OFFSET_COMMIT: i16 = 1;
    pub const GROUP_METADATA: i16 = 2;
}

/// What the key of an offset takes beside its names.
const OFFSET_KEY_BYTES: usize = 10;
/// What an offset takes at most beside its metadata, in any version.
const OFFSET_BYTES: usize = 48;

impl GroupRecord {
    /// The group that it is of.
    pub fn group_id(&self) -> &Arc<str> {
        match self {
            GroupRecord::OffsetCommit { group_id, .. }
            | GroupRecord::GroupMetadata { group_id, .. }
            | GroupRecord::ConsumerGroup { group_id, .. } => group_id,
        }
    }

    /// Bytes that it takes in a batch, at most.
    pub fn batch_bytes(&self) -> usize {
        let bytes = match self {
            GroupRecord::OffsetCommit { group_id, topic, offset, .. } => {
                let value = offset.as_ref().map_or(0, |offset| OFFSET_BYTES + offset.metadata.len());
                OFFSET_KEY_BYTES + group_id.len() + topic.len() + value
            }
            _ => {
                let (key, value) = self.encode();
                key.len() + value.map_or(0, |value| value.len())
            }
        };
        bytes + RECORD_OVERHEAD_BYTES
    }

    /// Key and value as they are written; a value of `None` is a tombstone.
    pub fn encode(&self) -> (Vec<u8>, Option<Vec<u8>>) {
        match self {
            GroupRecord::OffsetCommit { group_id, topic, partition, offset } => {
                let mut key = Writer::new(key_type::OFFSET_COMMIT);
                key.string(group_id);
                key.string(topic);
                key.int32(*partition);
                (key.finish(), offset.as_ref().map(offset_commit::encode))
            }
            GroupRecord::GroupMetadata { group_id, metadata } => {
                let mut key = Writer::new(key_type::GROUP_METADATA);
                key.string(group_id);
                (key.finish(), metadata.as_deref().map(group_metadata::encode))
            }
            GroupRecord::ConsumerGroup { group_id, change } => {
                (consumer_group::encode_key(group_id, change), consumer_group::encode_value(change))
            }
        }
    }

    /// Reads a record. `None`: a key type that a newer version wrote and that may be skipped, as Kafka does.
    pub fn decode(key: &[u8], value: Option<&[u8]>) -> Result<Option<GroupRecord>, UnreadableRecord> {
        let mut reader = Reader::new(key, "key");
        let record = match reader.int16()? {
            key_type::LEGACY_OFFSET_COMMIT | key_type::OFFSET_COMMIT => GroupRecord::OffsetCommit {
                group_id: reader.string()?,
                topic: reader.string()?,
                partition: reader.int32()?,
                offset: value.map(offset_commit::decode).transpose()?,
            },
            key_type::GROUP_METADATA => GroupRecord::GroupMetadata {
                group_id: reader.string()?,
                metadata: value.map(group_metadata::decode).transpose()?.map(Arc::new),
            },
            key_type if consumer_group::has_type(key_type) => GroupRecord::ConsumerGroup {
                group_id: reader.string()?,
                change: consumer_group::decode(key_type, &mut reader, value)?,
            },
            _ => return Ok(None),
        };
        Ok(Some(record))
    }
}
