//! Answers, by the kind of their requests.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::error::GroupError;
use crate::model::{LeaderEpoch, Offset, TopicId};

/// An answer, by the kind of its request.
#[derive(Debug, Clone, PartialEq)]
pub enum GroupReply {
    /// To JoinGroup.
    JoinGroup(JoinGroupReply),
    /// To SyncGroup.
    SyncGroup(Result<SyncedGroup, GroupError>),
    /// To Heartbeat.
    Heartbeat(Result<(), GroupError>),
    /// To LeaveGroup: each member that was named, in the order of the request.
    LeaveGroup(Result<Vec<LeftMember>, GroupError>),
    /// To OffsetCommit: each topic that was named, in the order of the request; or an error for all.
    OffsetCommit(Result<Vec<OffsetCommitTopicReply>, GroupError>),
    /// To OffsetFetch: each topic that was named, in the order of the request, or all that the group has.
    OffsetFetch(Result<Vec<OffsetFetchTopicReply>, GroupError>),
    /// To OffsetDelete.
    OffsetDelete(Result<Vec<OffsetDeleteTopicReply>, GroupError>),
    /// To DescribeGroup. `GroupIdNotFound`: no such classic group; before version 6 that is state `Dead`
    /// without an error.
    DescribeGroup(Result<DescribedGroup, GroupError>),
    /// To ListGroups, by group id.
    ListGroups(Vec<ListedGroup>),
    /// To DeleteGroup.
    DeleteGroup(Result<(), GroupError>),
    /// To ConsumerGroupHeartbeat.
    ConsumerGroupHeartbeat(Result<ConsumerGroupHeartbeatReply, GroupError>),
    /// To ConsumerGroupDescribe.
    ConsumerGroupDescribe(Result<DescribedConsumerGroup, GroupError>),
}

/// To JoinGroup. With an error the other fields are as Kafka leaves them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JoinGroupReply {
    /// What was refused.
    pub error: Option<GroupError>,
    /// The new generation; -1 with most errors.
    pub generation_id: i32,
    /// The group's type. `None` with an error.
    pub protocol_type: Option<Arc<str>>,
    /// The chosen protocol. `None` with an error.
    pub protocol_name: Option<Arc<str>>,
    /// Member id of the leader; empty with an error.
    pub leader: Arc<str>,
    /// KIP-814: the leader need not assign, the old assignment stands.
    pub skip_assignment: bool,
    /// The member's own id; with MEMBER_ID_REQUIRED the one to join with.
    pub member_id: Arc<str>,
    /// For the leader: all members; for others none.
    pub members: Vec<JoinGroupMember>,
}

/// A member as the leader is told of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JoinGroupMember {
    /// Its id.
    pub member_id: Arc<str>,
    /// Of a static member.
    pub group_instance_id: Option<Arc<str>>,
    /// Its metadata for the chosen protocol.
    pub metadata: Bytes,
}

/// An assignment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SyncedGroup {
    /// The group's type.
    pub protocol_type: Option<Arc<str>>,
    /// The group's protocol.
    pub protocol_name: Option<Arc<str>>,
    /// As the leader gave it; empty where it gave none.
    pub assignment: Bytes,
}

/// What became of one that leaves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeftMember {
    /// As the request had it.
    pub member_id: Arc<str>,
    /// As the request had it.
    pub group_instance_id: Option<Arc<str>>,
    /// `None` where it left.
    pub error: Option<GroupError>,
}

/// What became of a topic's offsets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OffsetCommitTopicReply {
    /// As the request had it.
    pub topic_id: TopicId,
    /// As the request had it.
    pub name: Arc<str>,
    /// Partition indexes and why an offset was not taken.
    pub partitions: Vec<(i32, Option<GroupError>)>,
}

/// Committed offsets of a topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OffsetFetchTopicReply {
    /// As the request had it; zero where all offsets were asked for.
    pub topic_id: TopicId,
    /// Name.
    pub name: Arc<str>,
    /// Each partition that was asked for.
    pub partitions: Vec<OffsetFetchPartition>,
}

/// A committed offset.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OffsetFetchPartition {
    /// Index.
    pub partition: i32,
    /// -1 where nothing is committed.
    pub offset: Offset,
    /// -1 where nothing is known.
    pub leader_epoch: LeaderEpoch,
    /// As it was committed.
    pub metadata: Arc<str>,
    /// `UnstableOffsetCommit`, where it was asked for stable offsets.
    pub error: Option<GroupError>,
}

/// What became of a topic's offsets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OffsetDeleteTopicReply {
    /// Name.
    pub name: Arc<str>,
    /// Partition indexes and why an offset was not deleted.
    pub partitions: Vec<(i32, Option<GroupError>)>,
}

/// A classic group as DescribeGroups shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DescribedGroup {
    /// The group.
    pub group_id: Arc<str>,
    /// `Empty`, `PreparingRebalance`, `CompletingRebalance` or `Stable`.
    pub state: &'static str,
    /// Empty for a group that only commits offsets.
    pub protocol_type: Arc<str>,
    /// The protocol in use; empty but in state `Stable`.
    pub protocol: Arc<str>,
    /// By member id.
    pub members: Vec<DescribedMember>,
}

/// A member as DescribeGroups shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DescribedMember {
    /// Its id.
    pub member_id: Arc<str>,
    /// Of a static member.
    pub group_instance_id: Option<Arc<str>>,
    /// As its requests gave it.
    pub client_id: Arc<str>,
    /// Where it joined from.
    pub client_host: Arc<str>,
    /// For the protocol in use; empty but in state `Stable`.
    pub metadata: Bytes,
    /// Its assignment.
    pub assignment: Bytes,
}

/// A group as ListGroups shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedGroup {
    /// The group.
    pub group_id: Arc<str>,
    /// Empty for a group that only commits offsets.
    pub protocol_type: Arc<str>,
    /// Name of its state.
    pub state: &'static str,
    /// `classic` or `consumer`.
    pub group_type: &'static str,
}

/// To ConsumerGroupHeartbeat.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConsumerGroupHeartbeatReply {
    /// The member's own id.
    pub member_id: Arc<str>,
    /// What its next request has to carry.
    pub member_epoch: i32,
    /// How often it is to be heard of; zero for one that leaves.
    pub heartbeat_interval: Duration,
    /// What it is to have; `None` if that has not changed.
    pub assignment: Option<Vec<(TopicId, Vec<i32>)>>,
}

/// A consumer group as ConsumerGroupDescribe shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DescribedConsumerGroup {
    /// The group.
    pub group_id: Arc<str>,
    /// `Empty`, `Assigning`, `Reconciling` or `Stable`.
    pub state: &'static str,
    /// Raised whenever a new assignment is due.
    pub group_epoch: i32,
    /// The group epoch that the assignment was made for.
    pub assignment_epoch: i32,
    /// Who assigns.
    pub assignor_name: &'static str,
    /// By member id.
    pub members: Vec<DescribedConsumerGroupMember>,
}

/// A member as ConsumerGroupDescribe shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DescribedConsumerGroupMember {
    /// Its id.
    pub member_id: Arc<str>,
    /// Of a static member.
    pub instance_id: Option<Arc<str>>,
    /// `client.rack`.
    pub rack_id: Option<Arc<str>>,
    /// Its epoch; -2 for a static member that left for a while.
    pub member_epoch: i32,
    /// As its requests gave it.
    pub client_id: Arc<str>,
    /// Where it sends from.
    pub client_host: Arc<str>,
    /// Names that it subscribes to.
    pub subscribed_topic_names: Vec<Arc<str>>,
    /// Regular expression that it subscribes to; empty for none.
    pub subscribed_topic_regex: Option<Arc<str>>,
    /// What it has, with what it has yet to give up.
    pub assignment: Vec<DescribedTopicPartitions>,
    /// What it is to have.
    pub target_assignment: Vec<DescribedTopicPartitions>,
    /// Whether it speaks the classic protocol: MemberType 0, else 1.
    pub is_classic: bool,
}

/// Partitions of a topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DescribedTopicPartitions {
    /// The topic.
    pub topic_id: TopicId,
    /// Its name.
    pub topic_name: Arc<str>,
    /// Indexes, ascending.
    pub partitions: Vec<i32>,
}
