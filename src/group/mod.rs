//! Consumer groups as a pure machine: classic groups, KIP-848's consumer groups, and committed offsets.
//!
//! **Owns** what a group is and does, what of it is written to `__consumer_offsets` and in which bytes, and
//! which deadlines a group has.
//! **Does not own** the log that its records go to, when a reply leaves, clocks, timers or tasks
//! (`coordinator`), nor any wire format of requests (`handlers`).
//! **Invariants**
//! - Same state, same input, same outcome: time, settings, catalogue and random identities come in with each
//!   call.
//! - What must outlive a restart changes only in [`GroupShard::replay`], which is called for a record when it
//!   is written and when it is loaded. Everything else may be lost with the process, and clients find their
//!   way back.

mod admin;
pub mod assignor;
mod classic;
mod consumer;
mod consumer_requests;
mod durable;
mod error;
mod expiry;
mod input;
mod lengths;
mod offset_requests;
mod offsets;
mod outcome;
mod pending;
mod record;
mod reply;
mod request;
mod settings;
mod shard;
mod subscription;
mod timers;
mod views;
mod work;

#[cfg(test)]
mod tests;

pub use assignor::Assignor;
pub use consumer::Expression;
pub use error::GroupError;
pub use input::{Caller, Input};
pub use outcome::{Outcome, Ticket};
pub use record::{
    ClassicMemberMetadata, CommittedOffset, ConsumerGroupChange, ConsumerGroupMetadata, CurrentAssignment,
    GroupMetadata, GroupMetadataMember, GroupRecord, MemberMetadata, MemberState, OwnedPartitions,
    RECORD_OVERHEAD_BYTES, ResolvedRegularExpression, TargetAssignmentMetadata, UnreadableRecord,
};
pub use reply::{
    ConsumerGroupHeartbeatReply, DescribedConsumerGroup, DescribedConsumerGroupMember, DescribedGroup,
    DescribedMember, DescribedTopicPartitions, GroupReply, JoinGroupMember, JoinGroupReply, LeftMember,
    ListedGroup, OffsetCommitTopicReply, OffsetDeleteTopicReply, OffsetFetchPartition, OffsetFetchTopicReply,
    SyncedGroup,
};
pub use request::{
    ConsumerGroupHeartbeat, DeletedTopic, GroupProtocol, GroupRequest, Heartbeat, JoinGroup, LeaveGroup,
    LeavingMember, ListGroups, OffsetCommit, OffsetCommitPartition, OffsetCommitTopic, OffsetDelete,
    OffsetFetch, OffsetFetchTopic, SyncGroup,
};
pub use settings::{GroupOverrides, GroupSettings, MigrationPolicy};
pub use shard::GroupShard;
pub use views::{GroupView, OffsetView};
