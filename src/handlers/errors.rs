//! The one translation of what goes wrong in the rooms below into Kafka's error codes. Every match names all
//! variants, so that a new one cannot be forgotten.

use super::exchange::Failure;
use crate::broker::{
    AlterConfigsError, DeleteRecordsError, FetchFailure, MarkerRefused, SessionError, TopicError,
    TransactionRefused,
};
use crate::cluster::MetadataError;
use crate::coordinator::CoordinatorError;
use crate::group::GroupError;
use crate::log::LogError;
use crate::partition::{AdmissionError, AppendError, ReadError, StorageFailed};
use crate::protocol::ErrorCode;
use crate::transaction::TransactionError;

/// The Kafka code of a room's error.
pub(super) trait KafkaError: std::fmt::Display {
    fn code(&self) -> ErrorCode;

    fn failure(&self) -> Failure {
        Failure::new(self.code(), self.to_string())
    }
}

impl KafkaError for AppendError {
    fn code(&self) -> ErrorCode {
        match self {
            AppendError::Stopped(_) => ErrorCode::KafkaStorageError,
            AppendError::Deleted => ErrorCode::UnknownTopicOrPartition,
            AppendError::OutOfOrderSequence(_) => ErrorCode::OutOfOrderSequenceNumber,
            AppendError::InvalidProducerEpoch(_) => ErrorCode::InvalidProducerEpoch,
            AppendError::InvalidTransactionState(_) => ErrorCode::InvalidTxnState,
            AppendError::CoordinatorFenced(_) => ErrorCode::TransactionCoordinatorFenced,
        }
    }
}

impl KafkaError for AdmissionError {
    fn code(&self) -> ErrorCode {
        match self {
            AdmissionError::DiskFull | AdmissionError::Failed(_) => ErrorCode::KafkaStorageError,
            AdmissionError::Slow(_) => ErrorCode::RequestTimedOut,
            // Clients that know the code split the batch.
            AdmissionError::TooLarge => ErrorCode::MessageTooLarge,
        }
    }
}

impl KafkaError for StorageFailed {
    fn code(&self) -> ErrorCode {
        ErrorCode::KafkaStorageError
    }
}

impl KafkaError for ReadError {
    fn code(&self) -> ErrorCode {
        match self {
            ReadError::OffsetOutOfRange { .. } => ErrorCode::OffsetOutOfRange,
            ReadError::Stopped(_) | ReadError::Remote { .. } => ErrorCode::KafkaStorageError,
            ReadError::Deleted => ErrorCode::UnknownTopicOrPartition,
        }
    }
}

impl KafkaError for FetchFailure {
    fn code(&self) -> ErrorCode {
        match self {
            FetchFailure::Read(error) => error.code(),
            // Measured against Kafka 4.3, which does not foresee it.
            FetchFailure::NegativeSize => ErrorCode::UnknownServerError,
            FetchFailure::Remote(_) => ErrorCode::KafkaStorageError,
        }
    }
}

impl KafkaError for SessionError {
    fn code(&self) -> ErrorCode {
        match self {
            SessionError::NotFound => ErrorCode::FetchSessionIdNotFound,
            SessionError::InvalidEpoch => ErrorCode::InvalidFetchSessionEpoch,
            SessionError::TopicIdMismatch => ErrorCode::FetchSessionTopicIdError,
        }
    }
}

impl KafkaError for LogError {
    fn code(&self) -> ErrorCode {
        match self {
            LogError::OutOfRange { .. } => ErrorCode::OffsetOutOfRange,
            LogError::Closed { .. } => ErrorCode::UnknownTopicOrPartition,
            LogError::NoSpace { .. }
            | LogError::RewindNeeded { .. }
            | LogError::Io { .. }
            | LogError::Read { .. }
            | LogError::Corrupt { .. }
            | LogError::WrongTopic { .. }
            | LogError::NotAppendable { .. } => ErrorCode::KafkaStorageError,
        }
    }
}

impl KafkaError for TransactionError {
    fn code(&self) -> ErrorCode {
        match self {
            TransactionError::InvalidRequest => ErrorCode::InvalidRequest,
            TransactionError::InvalidTransactionTimeout => ErrorCode::InvalidTransactionTimeout,
            TransactionError::InvalidProducerIdMapping => ErrorCode::InvalidProducerIdMapping,
            TransactionError::ProducerFenced => ErrorCode::ProducerFenced,
            TransactionError::ConcurrentTransactions => ErrorCode::ConcurrentTransactions,
            TransactionError::InvalidTxnState => ErrorCode::InvalidTxnState,
            TransactionError::TransactionalIdNotFound => ErrorCode::TransactionalIdNotFound,
            TransactionError::UnknownServerError(_) => ErrorCode::UnknownServerError,
        }
    }
}

impl KafkaError for TransactionRefused {
    fn code(&self) -> ErrorCode {
        match self {
            TransactionRefused::Coordinator(error) => error.code(),
            TransactionRefused::Transaction(error) => error.code(),
            TransactionRefused::NotAdded => ErrorCode::TransactionAbortable,
        }
    }
}

impl KafkaError for MarkerRefused {
    fn code(&self) -> ErrorCode {
        match self {
            MarkerRefused::UnknownPartition => ErrorCode::UnknownTopicOrPartition,
            MarkerRefused::Append(error) => error.code(),
            MarkerRefused::Coordinator(error) => error.code(),
            MarkerRefused::NoRoom => ErrorCode::KafkaStorageError,
        }
    }
}

impl KafkaError for TopicError {
    fn code(&self) -> ErrorCode {
        match self {
            TopicError::InvalidName(_) => ErrorCode::InvalidTopicException,
            TopicError::InvalidPartitions(_) => ErrorCode::InvalidPartitions,
            TopicError::InvalidReplicationFactor(_) => ErrorCode::InvalidReplicationFactor,
            TopicError::InvalidReplicaAssignment(_) => ErrorCode::InvalidReplicaAssignment,
            TopicError::InvalidConfig(_) => ErrorCode::InvalidConfig,
            TopicError::Exists(_) => ErrorCode::TopicAlreadyExists,
            TopicError::Unknown => ErrorCode::UnknownTopicOrPartition,
            TopicError::Metadata(error) => error.code(),
            TopicError::Storage(_) => ErrorCode::KafkaStorageError,
        }
    }
}

impl KafkaError for AlterConfigsError {
    fn code(&self) -> ErrorCode {
        match self {
            AlterConfigsError::InvalidConfig(_) => ErrorCode::InvalidConfig,
            AlterConfigsError::InvalidRequest(_) => ErrorCode::InvalidRequest,
            AlterConfigsError::UnknownTopic(_) => ErrorCode::UnknownTopicOrPartition,
            AlterConfigsError::TooMuch => ErrorCode::PolicyViolation,
            AlterConfigsError::Metadata(error) => error.code(),
        }
    }
}

impl KafkaError for DeleteRecordsError {
    fn code(&self) -> ErrorCode {
        match self {
            DeleteRecordsError::OffsetOutOfRange { .. } => ErrorCode::OffsetOutOfRange,
            DeleteRecordsError::Stopped(_) => ErrorCode::KafkaStorageError,
            DeleteRecordsError::Deleted => ErrorCode::UnknownTopicOrPartition,
            DeleteRecordsError::Metadata(error) => error.code(),
        }
    }
}

impl KafkaError for MetadataError {
    fn code(&self) -> ErrorCode {
        match self {
            // Somebody else was quicker: the client asks again and sees it.
            MetadataError::Conflict(_) => ErrorCode::RequestTimedOut,
            MetadataError::Admission(error) => error.code(),
            MetadataError::Failed(_) => ErrorCode::KafkaStorageError,
        }
    }
}

impl KafkaError for CoordinatorError {
    fn code(&self) -> ErrorCode {
        match self {
            CoordinatorError::Loading => ErrorCode::CoordinatorLoadInProgress,
            CoordinatorError::NotCoordinator => ErrorCode::NotCoordinator,
            CoordinatorError::NotAvailable => ErrorCode::CoordinatorNotAvailable,
            CoordinatorError::InvalidTransactionState => ErrorCode::InvalidTxnState,
            CoordinatorError::InvalidProducerEpoch => ErrorCode::InvalidProducerEpoch,
            CoordinatorError::TooLarge => ErrorCode::UnknownServerError,
        }
    }
}

impl KafkaError for GroupError {
    fn code(&self) -> ErrorCode {
        match self {
            GroupError::UnknownMemberId => ErrorCode::UnknownMemberId,
            GroupError::IllegalGeneration => ErrorCode::IllegalGeneration,
            GroupError::RebalanceInProgress => ErrorCode::RebalanceInProgress,
            GroupError::MemberIdRequired(_) => ErrorCode::MemberIdRequired,
            GroupError::FencedInstanceId => ErrorCode::FencedInstanceId,
            GroupError::GroupMaxSizeReached => ErrorCode::GroupMaxSizeReached,
            GroupError::InconsistentGroupProtocol => ErrorCode::InconsistentGroupProtocol,
            GroupError::InvalidSessionTimeout => ErrorCode::InvalidSessionTimeout,
            GroupError::InvalidGroupId => ErrorCode::InvalidGroupId,
            GroupError::GroupIdNotFound(_) => ErrorCode::GroupIdNotFound,
            GroupError::NonEmptyGroup => ErrorCode::NonEmptyGroup,
            GroupError::GroupSubscribedToTopic => ErrorCode::GroupSubscribedToTopic,
            GroupError::OffsetMetadataTooLarge => ErrorCode::OffsetMetadataTooLarge,
            GroupError::UnknownServerError(_) => ErrorCode::UnknownServerError,
            GroupError::StaleMemberEpoch => ErrorCode::StaleMemberEpoch,
            GroupError::FencedMemberEpoch(_) => ErrorCode::FencedMemberEpoch,
            GroupError::UnstableOffsetCommit => ErrorCode::UnstableOffsetCommit,
            GroupError::UnsupportedAssignor(_) => ErrorCode::UnsupportedAssignor,
            GroupError::UnreleasedInstanceId(_) => ErrorCode::UnreleasedInstanceId,
            GroupError::UnsupportedVersion(_) => ErrorCode::UnsupportedVersion,
            GroupError::InvalidRegularExpression(_) => ErrorCode::InvalidRegularExpression,
            GroupError::InvalidRequest(_) => ErrorCode::InvalidRequest,
            GroupError::UnknownTopicOrPartition => ErrorCode::UnknownTopicOrPartition,
            GroupError::UnknownTopicId => ErrorCode::UnknownTopicId,
            GroupError::Worded(error, _) => error.code(),
        }
    }
}
