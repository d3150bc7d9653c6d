//! Kafka's error codes: numbers and names are the protocol's, the sentences are ours.

use std::fmt;

macro_rules! error_codes {
    ($($variant:ident = $code:literal, $name:literal, $message:literal;)*) => {
        /// An error code of the Kafka protocol (those of Kafka 4.3). Data in responses, not a failure of
        /// ours.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        #[repr(i16)]
        pub enum ErrorCode {
            $(
                #[doc = $message]
                $variant = $code,
            )*
        }

        impl ErrorCode {
            /// All codes, ascending.
            pub const ALL: &[ErrorCode] = &[$(ErrorCode::$variant),*];

            /// The code of a number on the wire, if it is known.
            pub fn from_code(code: i16) -> Option<ErrorCode> {
                match code {
                    $($code => Some(ErrorCode::$variant),)*
                    _ => None,
                }
            }

            /// Kafka's name of it, as its tools and logs print it.
            pub fn name(self) -> &'static str {
                match self {
                    $(ErrorCode::$variant => $name,)*
                }
            }

            /// A sentence for the `error_message` field when there is nothing more exact to say.
            pub fn message(self) -> &'static str {
                match self {
                    $(ErrorCode::$variant => $message,)*
                }
            }
        }
    };
}

impl ErrorCode {
    /// The number on the wire.
    pub fn code(self) -> i16 {
        self as i16
    }

    /// Whether this is an error at all.
    pub fn is_error(self) -> bool {
        self != ErrorCode::None
    }
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

error_codes! {
    UnknownServerError = -1, "UNKNOWN_SERVER_ERROR", "The broker failed in a way it did not foresee.";
    None = 0, "NONE", "No error.";
    OffsetOutOfRange = 1, "OFFSET_OUT_OF_RANGE", "The partition does not hold this offset.";
    CorruptMessage = 2, "CORRUPT_MESSAGE",
        "The record batch is damaged: checksum, length or structure is wrong.";
    UnknownTopicOrPartition = 3, "UNKNOWN_TOPIC_OR_PARTITION", "No such topic or partition on this broker.";
    InvalidFetchSize = 4, "INVALID_FETCH_SIZE", "The fetch size is invalid.";
    LeaderNotAvailable = 5, "LEADER_NOT_AVAILABLE", "The partition has no leader at the moment.";
    NotLeaderOrFollower = 6, "NOT_LEADER_OR_FOLLOWER", "This broker does not lead the partition.";
    RequestTimedOut = 7, "REQUEST_TIMED_OUT", "The request timed out; its outcome is unknown.";
    BrokerNotAvailable = 8, "BROKER_NOT_AVAILABLE", "The broker is not available.";
    ReplicaNotAvailable = 9, "REPLICA_NOT_AVAILABLE", "The replica is not available.";
    MessageTooLarge = 10, "MESSAGE_TOO_LARGE", "The record batch is larger than the topic allows.";
    StaleControllerEpoch = 11, "STALE_CONTROLLER_EPOCH", "The controller has moved.";
    OffsetMetadataTooLarge = 12, "OFFSET_METADATA_TOO_LARGE",
        "The metadata string of the offset commit is too long.";
    NetworkException = 13, "NETWORK_EXCEPTION", "The connection ended before the response came.";
    CoordinatorLoadInProgress = 14, "COORDINATOR_LOAD_IN_PROGRESS", "The coordinator is still loading.";
    CoordinatorNotAvailable = 15, "COORDINATOR_NOT_AVAILABLE", "The coordinator is not available.";
    NotCoordinator = 16, "NOT_COORDINATOR", "This broker is not the coordinator asked for.";
    InvalidTopicException = 17, "INVALID_TOPIC_EXCEPTION",
        "The topic name is invalid or the operation is not allowed on it.";
    RecordListTooLarge = 18, "RECORD_LIST_TOO_LARGE", "The record batch is larger than a segment.";
    NotEnoughReplicas = 19, "NOT_ENOUGH_REPLICAS", "There are fewer in-sync replicas than required.";
    NotEnoughReplicasAfterAppend = 20, "NOT_ENOUGH_REPLICAS_AFTER_APPEND",
        "Written, but to fewer in-sync replicas than required.";
    InvalidRequiredAcks = 21, "INVALID_REQUIRED_ACKS", "The value of acks is none of -1, 0 and 1.";
    IllegalGeneration = 22, "ILLEGAL_GENERATION", "The group generation is not the current one.";
    InconsistentGroupProtocol = 23, "INCONSISTENT_GROUP_PROTOCOL",
        "The member's protocols do not fit those of the group.";
    InvalidGroupId = 24, "INVALID_GROUP_ID", "The group id is invalid.";
    UnknownMemberId = 25, "UNKNOWN_MEMBER_ID", "The group does not know this member.";
    InvalidSessionTimeout = 26, "INVALID_SESSION_TIMEOUT",
        "The session timeout is outside the range the broker allows.";
    RebalanceInProgress = 27, "REBALANCE_IN_PROGRESS", "The group is rebalancing: join again.";
    InvalidCommitOffsetSize = 28, "INVALID_COMMIT_OFFSET_SIZE", "The size of the offset commit is invalid.";
    TopicAuthorizationFailed = 29, "TOPIC_AUTHORIZATION_FAILED", "Not authorized for the topic.";
    GroupAuthorizationFailed = 30, "GROUP_AUTHORIZATION_FAILED", "Not authorized for the group.";
    ClusterAuthorizationFailed = 31, "CLUSTER_AUTHORIZATION_FAILED", "Not authorized for the cluster.";
    InvalidTimestamp = 32, "INVALID_TIMESTAMP", "A record's timestamp is outside the range the topic allows.";
    UnsupportedSaslMechanism = 33, "UNSUPPORTED_SASL_MECHANISM", "The SASL mechanism is not enabled.";
    IllegalSaslState = 34, "ILLEGAL_SASL_STATE", "The request does not fit the state of authentication.";
    UnsupportedVersion = 35, "UNSUPPORTED_VERSION", "The version of the request is not supported.";
    TopicAlreadyExists = 36, "TOPIC_ALREADY_EXISTS", "A topic of this name already exists.";
    InvalidPartitions = 37, "INVALID_PARTITIONS", "The number of partitions is invalid.";
    InvalidReplicationFactor = 38, "INVALID_REPLICATION_FACTOR", "The replication factor is invalid.";
    InvalidReplicaAssignment = 39, "INVALID_REPLICA_ASSIGNMENT", "The replica assignment is invalid.";
    InvalidConfig = 40, "INVALID_CONFIG", "The configuration is invalid.";
    NotController = 41, "NOT_CONTROLLER", "This broker is not the controller.";
    InvalidRequest = 42, "INVALID_REQUEST", "The request contradicts itself or the protocol.";
    UnsupportedForMessageFormat = 43, "UNSUPPORTED_FOR_MESSAGE_FORMAT",
        "The record format does not allow the request.";
    PolicyViolation = 44, "POLICY_VIOLATION", "A policy forbids the request.";
    OutOfOrderSequenceNumber = 45, "OUT_OF_ORDER_SEQUENCE_NUMBER",
        "The producer's sequence number does not follow the last one.";
    DuplicateSequenceNumber = 46, "DUPLICATE_SEQUENCE_NUMBER",
        "The producer's sequence number was seen before.";
    InvalidProducerEpoch = 47, "INVALID_PRODUCER_EPOCH", "The producer epoch is older than the one known.";
    InvalidTxnState = 48, "INVALID_TXN_STATE", "The transaction is not in a state that allows this.";
    InvalidProducerIdMapping = 49, "INVALID_PRODUCER_ID_MAPPING",
        "The producer id does not belong to the transactional id.";
    InvalidTransactionTimeout = 50, "INVALID_TRANSACTION_TIMEOUT",
        "The transaction timeout exceeds the broker's maximum.";
    ConcurrentTransactions = 51, "CONCURRENT_TRANSACTIONS",
        "Another operation on the transaction is under way.";
    TransactionCoordinatorFenced = 52, "TRANSACTION_COORDINATOR_FENCED",
        "The transaction coordinator has been replaced.";
    TransactionalIdAuthorizationFailed = 53, "TRANSACTIONAL_ID_AUTHORIZATION_FAILED",
        "Not authorized for the transactional id.";
    SecurityDisabled = 54, "SECURITY_DISABLED", "No authorizer is configured.";
    OperationNotAttempted = 55, "OPERATION_NOT_ATTEMPTED",
        "Not attempted, because another operation of the request failed.";
    KafkaStorageError = 56, "KAFKA_STORAGE_ERROR", "The broker's disk failed or is full.";
    LogDirNotFound = 57, "LOG_DIR_NOT_FOUND", "The log directory is not configured.";
    SaslAuthenticationFailed = 58, "SASL_AUTHENTICATION_FAILED", "Authentication failed.";
    UnknownProducerId = 59, "UNKNOWN_PRODUCER_ID", "Nothing is known about the producer id.";
    ReassignmentInProgress = 60, "REASSIGNMENT_IN_PROGRESS", "A partition reassignment is under way.";
    DelegationTokenAuthDisabled = 61, "DELEGATION_TOKEN_AUTH_DISABLED", "Delegation tokens are not enabled.";
    DelegationTokenNotFound = 62, "DELEGATION_TOKEN_NOT_FOUND", "The delegation token is unknown.";
    DelegationTokenOwnerMismatch = 63, "DELEGATION_TOKEN_OWNER_MISMATCH",
        "The principal neither owns nor may renew the token.";
    DelegationTokenRequestNotAllowed = 64, "DELEGATION_TOKEN_REQUEST_NOT_ALLOWED",
        "Delegation token requests are not allowed on this connection.";
    DelegationTokenAuthorizationFailed = 65, "DELEGATION_TOKEN_AUTHORIZATION_FAILED",
        "Not authorized for the delegation token.";
    DelegationTokenExpired = 66, "DELEGATION_TOKEN_EXPIRED", "The delegation token has expired.";
    InvalidPrincipalType = 67, "INVALID_PRINCIPAL_TYPE", "The principal type is not supported.";
    NonEmptyGroup = 68, "NON_EMPTY_GROUP", "The group still has members.";
    GroupIdNotFound = 69, "GROUP_ID_NOT_FOUND", "There is no such group.";
    FetchSessionIdNotFound = 70, "FETCH_SESSION_ID_NOT_FOUND", "There is no such fetch session.";
    InvalidFetchSessionEpoch = 71, "INVALID_FETCH_SESSION_EPOCH",
        "The fetch session epoch is not the expected one.";
    ListenerNotFound = 72, "LISTENER_NOT_FOUND",
        "The leader has no listener of the name by which metadata was asked.";
    TopicDeletionDisabled = 73, "TOPIC_DELETION_DISABLED", "Topic deletion is disabled.";
    FencedLeaderEpoch = 74, "FENCED_LEADER_EPOCH", "The leader epoch is older than the broker's.";
    UnknownLeaderEpoch = 75, "UNKNOWN_LEADER_EPOCH", "The leader epoch is newer than the broker's.";
    UnsupportedCompressionType = 76, "UNSUPPORTED_COMPRESSION_TYPE",
        "The version of the request does not allow the compression type.";
    StaleBrokerEpoch = 77, "STALE_BROKER_EPOCH", "The broker epoch has changed.";
    OffsetNotAvailable = 78, "OFFSET_NOT_AVAILABLE", "The leader cannot vouch for its offsets yet.";
    MemberIdRequired = 79, "MEMBER_ID_REQUIRED", "Join again with the member id given.";
    PreferredLeaderNotAvailable = 80, "PREFERRED_LEADER_NOT_AVAILABLE",
        "The preferred leader is not available.";
    GroupMaxSizeReached = 81, "GROUP_MAX_SIZE_REACHED", "The group is full.";
    FencedInstanceId = 82, "FENCED_INSTANCE_ID", "Another member has taken over the group instance id.";
    EligibleLeadersNotAvailable = 83, "ELIGIBLE_LEADERS_NOT_AVAILABLE", "No eligible leader is available.";
    ElectionNotNeeded = 84, "ELECTION_NOT_NEEDED", "The partition needs no election.";
    NoReassignmentInProgress = 85, "NO_REASSIGNMENT_IN_PROGRESS", "No reassignment is under way.";
    GroupSubscribedToTopic = 86, "GROUP_SUBSCRIBED_TO_TOPIC", "The group still subscribes to the topic.";
    InvalidRecord = 87, "INVALID_RECORD", "The broker refused a record or record batch.";
    UnstableOffsetCommit = 88, "UNSTABLE_OFFSET_COMMIT", "Offsets of an open transaction are pending.";
    ThrottlingQuotaExceeded = 89, "THROTTLING_QUOTA_EXCEEDED", "A quota is exceeded.";
    ProducerFenced = 90, "PRODUCER_FENCED", "A newer producer uses the transactional id.";
    ResourceNotFound = 91, "RESOURCE_NOT_FOUND", "The resource does not exist.";
    DuplicateResource = 92, "DUPLICATE_RESOURCE", "The resource is named twice.";
    UnacceptableCredential = 93, "UNACCEPTABLE_CREDENTIAL", "The credential does not meet the criteria.";
    InconsistentVoterSet = 94, "INCONSISTENT_VOTER_SET", "Sender or recipient is not among the voters.";
    InvalidUpdateVersion = 95, "INVALID_UPDATE_VERSION", "The update version is invalid.";
    FeatureUpdateFailed = 96, "FEATURE_UPDATE_FAILED", "The features could not be updated.";
    PrincipalDeserializationFailure = 97, "PRINCIPAL_DESERIALIZATION_FAILURE",
        "The forwarded principal could not be read.";
    SnapshotNotFound = 98, "SNAPSHOT_NOT_FOUND", "There is no such snapshot.";
    PositionOutOfRange = 99, "POSITION_OUT_OF_RANGE", "The position lies outside the snapshot.";
    UnknownTopicId = 100, "UNKNOWN_TOPIC_ID", "No topic of this id on this broker.";
    DuplicateBrokerRegistration = 101, "DUPLICATE_BROKER_REGISTRATION", "The broker id is in use.";
    BrokerIdNotRegistered = 102, "BROKER_ID_NOT_REGISTERED", "The broker id is not registered.";
    InconsistentTopicId = 103, "INCONSISTENT_TOPIC_ID", "The topic id is not that of the topic's log.";
    InconsistentClusterId = 104, "INCONSISTENT_CLUSTER_ID", "The cluster id is not this cluster's.";
    TransactionalIdNotFound = 105, "TRANSACTIONAL_ID_NOT_FOUND", "There is no such transactional id.";
    FetchSessionTopicIdError = 106, "FETCH_SESSION_TOPIC_ID_ERROR",
        "The fetch session mixes requests with and without topic ids.";
    IneligibleReplica = 107, "INELIGIBLE_REPLICA", "A replica of the new in-sync set is not eligible.";
    NewLeaderElected = 108, "NEW_LEADER_ELECTED", "The partition changed, and so did its leader.";
    OffsetMovedToTieredStorage = 109, "OFFSET_MOVED_TO_TIERED_STORAGE", "The offset is in tiered storage.";
    FencedMemberEpoch = 110, "FENCED_MEMBER_EPOCH",
        "The member epoch is fenced: give up all partitions and join again.";
    UnreleasedInstanceId = 111, "UNRELEASED_INSTANCE_ID", "Another member still uses the group instance id.";
    UnsupportedAssignor = 112, "UNSUPPORTED_ASSIGNOR", "The group does not support the assignor.";
    StaleMemberEpoch = 113, "STALE_MEMBER_EPOCH", "The member epoch is stale: send a heartbeat, then retry.";
    MismatchedEndpointType = 114, "MISMATCHED_ENDPOINT_TYPE",
        "The request was sent to the wrong type of endpoint.";
    UnsupportedEndpointType = 115, "UNSUPPORTED_ENDPOINT_TYPE", "The endpoint type is not supported.";
    UnknownControllerId = 116, "UNKNOWN_CONTROLLER_ID", "The controller id is unknown.";
    UnknownSubscriptionId = 117, "UNKNOWN_SUBSCRIPTION_ID",
        "The telemetry subscription is unknown or outdated.";
    TelemetryTooLarge = 118, "TELEMETRY_TOO_LARGE", "The telemetry is larger than the broker accepts.";
    InvalidRegistration = 119, "INVALID_REGISTRATION", "The broker registration is invalid.";
    TransactionAbortable = 120, "TRANSACTION_ABORTABLE",
        "The transaction failed: abort it and go on with the same transactional id.";
    InvalidRecordState = 121, "INVALID_RECORD_STATE",
        "The record is not in a state that allows the acknowledgement.";
    ShareSessionNotFound = 122, "SHARE_SESSION_NOT_FOUND", "There is no such share session.";
    InvalidShareSessionEpoch = 123, "INVALID_SHARE_SESSION_EPOCH",
        "The share session epoch is not the expected one.";
    FencedStateEpoch = 124, "FENCED_STATE_EPOCH", "The share group's state epoch does not match.";
    InvalidVoterKey = 125, "INVALID_VOTER_KEY", "The voter's key is not the receiving replica's.";
    DuplicateVoter = 126, "DUPLICATE_VOTER", "The voter is already in the set.";
    VoterNotFound = 127, "VOTER_NOT_FOUND", "The voter is not in the set.";
    InvalidRegularExpression = 128, "INVALID_REGULAR_EXPRESSION", "The regular expression is invalid.";
    RebootstrapRequired = 129, "REBOOTSTRAP_REQUIRED",
        "The client's metadata is too old: start again from the bootstrap servers.";
    StreamsInvalidTopology = 130, "STREAMS_INVALID_TOPOLOGY", "The topology is invalid.";
    StreamsInvalidTopologyEpoch = 131, "STREAMS_INVALID_TOPOLOGY_EPOCH", "The topology epoch is invalid.";
    StreamsTopologyFenced = 132, "STREAMS_TOPOLOGY_FENCED", "The topology epoch is outdated.";
    ShareSessionLimitReached = 133, "SHARE_SESSION_LIMIT_REACHED", "There are too many share sessions.";
}

#[cfg(test)]
mod tests;
