//! What a group refuses.

use std::sync::Arc;

/// A refusal, one to one with Kafka's error code of the same name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GroupError {
    /// UNKNOWN_MEMBER_ID: no such member, or it is one no longer.
    #[error("the member is not known")]
    UnknownMemberId,
    /// ILLEGAL_GENERATION: of another generation than the group's.
    #[error("the generation is not the group's")]
    IllegalGeneration,
    /// REBALANCE_IN_PROGRESS: join again.
    #[error("the group is rebalancing")]
    RebalanceInProgress,
    /// MEMBER_ID_REQUIRED (KIP-394): join again under this member id.
    #[error("join again as {0}")]
    MemberIdRequired(Arc<str>),
    /// FENCED_INSTANCE_ID (KIP-345): another member took the instance id.
    #[error("another member has the instance id")]
    FencedInstanceId,
    /// GROUP_MAX_SIZE_REACHED (KIP-389).
    #[error("the group is full")]
    GroupMaxSizeReached,
    /// INCONSISTENT_GROUP_PROTOCOL: no protocol in common with the others.
    #[error("the protocols do not fit the group's")]
    InconsistentGroupProtocol,
    /// INVALID_SESSION_TIMEOUT: outside of `group.min.session.timeout.ms` and `group.max.session.timeout.ms`.
    #[error("the session timeout is out of bounds")]
    InvalidSessionTimeout,
    /// INVALID_GROUP_ID: empty.
    #[error("the group id is not valid")]
    InvalidGroupId,
    /// GROUP_ID_NOT_FOUND, with Kafka's words for it, which some replies carry.
    #[error("{0}")]
    GroupIdNotFound(String),
    /// NON_EMPTY_GROUP.
    #[error("the group has members")]
    NonEmptyGroup,
    /// GROUP_SUBSCRIBED_TO_TOPIC.
    #[error("the group is subscribed to the topic")]
    GroupSubscribedToTopic,
    /// OFFSET_METADATA_TOO_LARGE: longer than `offset.metadata.max.bytes`.
    #[error("the metadata of the offset is too large")]
    OffsetMetadataTooLarge,
    /// UNKNOWN_SERVER_ERROR: more would have to be written than the log takes at once, or Kafka fails too.
    #[error("{0}")]
    UnknownServerError(&'static str),
    /// STALE_MEMBER_EPOCH (KIP-848).
    #[error("the member epoch is not the member's")]
    StaleMemberEpoch,
    /// FENCED_MEMBER_EPOCH (KIP-848), with words.
    #[error("{0}")]
    FencedMemberEpoch(String),
    /// UNSTABLE_OFFSET_COMMIT (KIP-447): a transaction has an offset of this partition.
    #[error("an open transaction has an offset of the partition")]
    UnstableOffsetCommit,
    /// UNSUPPORTED_ASSIGNOR (KIP-848), with words.
    #[error("{0}")]
    UnsupportedAssignor(String),
    /// UNRELEASED_INSTANCE_ID (KIP-848), with words.
    #[error("{0}")]
    UnreleasedInstanceId(String),
    /// INVALID_REGULAR_EXPRESSION (KIP-848), with words.
    #[error("{0}")]
    InvalidRegularExpression(String),
    /// UNSUPPORTED_VERSION: the group needs a newer version of the request, with words.
    #[error("{0}")]
    UnsupportedVersion(String),
    /// INVALID_REQUEST, with words.
    #[error("{0}")]
    InvalidRequest(String),
    /// UNKNOWN_TOPIC_OR_PARTITION.
    #[error("the topic or partition is not known")]
    UnknownTopicOrPartition,
    /// UNKNOWN_TOPIC_ID.
    #[error("the topic id is not known")]
    UnknownTopicId,
    /// Another one, with the words that Kafka has for it in the replies that carry any.
    #[error("{1}")]
    Worded(Box<GroupError>, String),
}
