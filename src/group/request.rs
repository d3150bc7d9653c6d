//! What a shard is asked: the fields of Kafka's requests that mean something to it, after `handlers` has
//! resolved what depends on a version.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use crate::model::{LeaderEpoch, Offset, ProducerId, Timestamp, TopicId};

/// One request to one group, or to all groups of the shard (`ListGroups`).
#[derive(Debug, Clone, PartialEq)]
pub enum GroupRequest {
    /// JoinGroup.
    JoinGroup(JoinGroup),
    /// SyncGroup.
    SyncGroup(SyncGroup),
    /// Heartbeat.
    Heartbeat(Heartbeat),
    /// LeaveGroup.
    LeaveGroup(LeaveGroup),
    /// OffsetCommit.
    OffsetCommit(OffsetCommit),
    /// OffsetFetch of one group.
    OffsetFetch(OffsetFetch),
    /// OffsetDelete.
    OffsetDelete(OffsetDelete),
    /// DescribeGroups for one group.
    DescribeGroup {
        /// Which one.
        group_id: Arc<str>,
    },
    /// ListGroups: all of this shard that pass the filters.
    ListGroups(ListGroups),
    /// DeleteGroups for one group.
    DeleteGroup {
        /// Which one.
        group_id: Arc<str>,
    },
    /// ConsumerGroupHeartbeat.
    ConsumerGroupHeartbeat(ConsumerGroupHeartbeat),
    /// ConsumerGroupDescribe for one group.
    ConsumerGroupDescribe {
        /// Which one.
        group_id: Arc<str>,
    },
}

/// JoinGroup.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JoinGroup {
    /// The group.
    pub group_id: Arc<str>,
    /// Empty for a member that has no id yet.
    pub member_id: Arc<str>,
    /// KIP-345: set for static members.
    pub group_instance_id: Option<Arc<str>>,
    /// `consumer`, `connect` or whatever the members agree on.
    pub protocol_type: Arc<str>,
    /// Protocols in the member's order of preference; no name twice.
    pub protocols: Vec<GroupProtocol>,
    /// Silence after which the member is taken for dead. A negative one of the wire is 0.
    pub session_timeout: Duration,
    /// How long others wait for this member in a rebalance. In version 0 the session timeout; a negative one
    /// of the wire is 0.
    pub rebalance_timeout: Duration,
    /// KIP-394, from version 4: a member without an id gets one by MEMBER_ID_REQUIRED and joins again.
    pub requires_known_member_id: bool,
    /// KIP-814, from version 9: the leader of a group that keeps its assignment can be told so.
    pub supports_skip_assignment: bool,
    /// KIP-800, from version 8: why it joins, for the log.
    pub reason: Option<Arc<str>>,
}

/// A way of assigning that a member knows, and what it tells the leader for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupProtocol {
    /// Its name: `range`, `cooperative-sticky`.
    pub name: Arc<str>,
    /// Opaque but to the members; of type `consumer` it begins with a subscription.
    pub metadata: Bytes,
}

/// SyncGroup.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SyncGroup {
    /// The group.
    pub group_id: Arc<str>,
    /// The member.
    pub member_id: Arc<str>,
    /// Of a static member.
    pub group_instance_id: Option<Arc<str>>,
    /// As the join's answer gave it.
    pub generation_id: i32,
    /// From version 5: what the member takes for the group's type.
    pub protocol_type: Option<Arc<str>>,
    /// From version 5: what the member takes for the group's protocol.
    pub protocol_name: Option<Arc<str>>,
    /// Of the leader: an assignment for each member; of others none.
    pub assignments: Vec<(Arc<str>, Bytes)>,
}

/// Heartbeat.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heartbeat {
    /// The group.
    pub group_id: Arc<str>,
    /// The member.
    pub member_id: Arc<str>,
    /// Of a static member.
    pub group_instance_id: Option<Arc<str>>,
    /// As the member knows it.
    pub generation_id: i32,
}

/// LeaveGroup. Versions 0 to 2 name one member, and the handler lifts its error to the top.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeaveGroup {
    /// The group.
    pub group_id: Arc<str>,
    /// Who leaves.
    pub members: Vec<LeavingMember>,
}

/// One member that leaves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeavingMember {
    /// Empty where an administrator removes a static member by its instance id.
    pub member_id: Arc<str>,
    /// Of a static member.
    pub group_instance_id: Option<Arc<str>>,
    /// KIP-800, from version 5: why, for the log.
    pub reason: Option<Arc<str>>,
}

/// OffsetCommit or TxnOffsetCommit. The handler has taken out topics and partitions that do not exist, and
/// answers for them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OffsetCommit {
    /// The group.
    pub group_id: Arc<str>,
    /// Empty for a consumer without group management.
    pub member_id: Arc<str>,
    /// Of a static member.
    pub group_instance_id: Option<Arc<str>>,
    /// Generation or, in a group of KIP-848, member epoch; -1 for a consumer without group management.
    pub generation_id_or_member_epoch: i32,
    /// Versions 2 to 4: how long to keep the offsets; `None` for the broker's own retention.
    pub retention: Option<Duration>,
    /// From version 9: the client knows GROUP_ID_NOT_FOUND and STALE_MEMBER_EPOCH.
    pub supports_member_epoch: bool,
    /// TxnOffsetCommit: the producer whose transaction the offsets are part of. They count when it commits.
    pub transaction: Option<ProducerId>,
    /// What to commit.
    pub topics: Vec<OffsetCommitTopic>,
}

/// Offsets of one topic to commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OffsetCommitTopic {
    /// Of the topic that has the name now. A member that has not heard of its newest epoch is judged by it,
    /// and it is written with the offset, so that a topic of the same name that comes later does not inherit
    /// it. Zero for none.
    pub topic_id: TopicId,
    /// Its name, from the catalogue where the request gave the id.
    pub name: Arc<str>,
    /// The partitions.
    pub partitions: Vec<OffsetCommitPartition>,
}

/// An offset to commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OffsetCommitPartition {
    /// Index.
    pub partition: i32,
    /// The next offset to read.
    pub offset: Offset,
    /// Of the last record read; -1 for none.
    pub leader_epoch: LeaderEpoch,
    /// Whatever the client wants to keep with it; the wire's null is empty.
    pub metadata: Arc<str>,
}

/// OffsetFetch of one group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OffsetFetch {
    /// The group.
    pub group_id: Arc<str>,
    /// From version 9: of a member of a KIP-848 group, else `None`.
    pub member_id: Option<Arc<str>>,
    /// From version 9: its member epoch, else -1.
    pub member_epoch: i32,
    /// Which offsets; `None` for all of the group.
    pub topics: Option<Vec<OffsetFetchTopic>>,
    /// KIP-447: an offset that an open transaction may change is answered with UNSTABLE_OFFSET_COMMIT.
    pub require_stable: bool,
}

/// Partitions of one topic whose offsets are asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OffsetFetchTopic {
    /// From version 10, else zero: an offset that was committed for another incarnation is not given.
    pub topic_id: TopicId,
    /// Its name, from the catalogue where the request gave the id.
    pub name: Arc<str>,
    /// Indexes.
    pub partitions: Vec<i32>,
}

/// OffsetDelete.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OffsetDelete {
    /// The group.
    pub group_id: Arc<str>,
    /// Names and partition indexes.
    pub topics: Vec<(Arc<str>, Vec<i32>)>,
}

/// ListGroups.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ListGroups {
    /// Names of states, in any case; none for all.
    pub states: Vec<Arc<str>>,
    /// Names of types (`classic`, `consumer`), in any case; none for all.
    pub types: Vec<Arc<str>>,
}

/// ConsumerGroupHeartbeat (KIP-848). What is `None` has not changed since the member said it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConsumerGroupHeartbeat {
    /// The group.
    pub group_id: Arc<str>,
    /// In version 0 empty for a member that has no id yet.
    pub member_id: Arc<str>,
    /// 0 to join, -1 to leave, -2 for a static member that leaves for a while.
    pub member_epoch: i32,
    /// Of a static member.
    pub instance_id: Option<Arc<str>>,
    /// `client.rack`.
    pub rack_id: Option<Arc<str>>,
    /// How long the member may take to give partitions up; -1 for not said.
    pub rebalance_timeout_ms: i32,
    /// Names of topics.
    pub subscribed_topic_names: Option<Vec<Arc<str>>>,
    /// Version 1: a regular expression for names of topics; empty for none.
    pub subscribed_topic_regex: Option<Arc<str>>,
    /// An assignor of the broker.
    pub server_assignor: Option<Arc<str>>,
    /// Partitions that the member has.
    pub owned: Option<Vec<(TopicId, Vec<i32>)>>,
    /// KIP-1082, from version 1: members make their ids themselves.
    pub client_makes_member_id: bool,
}

/// A topic that was deleted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeletedTopic {
    /// Its name.
    pub name: Arc<str>,
    /// Its id.
    pub topic_id: TopicId,
    /// When: what is committed later is for another topic of this name.
    pub deleted_at: Timestamp,
}
