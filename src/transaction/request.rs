//! What a transaction is asked.

use std::sync::Arc;
use std::time::Duration;

use super::metadata::{NamedPartition, ProducerIdAndEpoch, TransactionVersion};
use crate::group::Expression;
use crate::model::{ProducerId, Timestamp, TransactionResult};

/// One request. Those of Kafka that name several transactional ids are one for each.
#[derive(Debug, Clone)]
pub enum TransactionRequest {
    /// InitProducerId with a transactional id.
    InitProducerId(InitProducerId),
    /// AddPartitionsToTxn, AddOffsetsToTxn, and what Produce and TxnOffsetCommit add by themselves.
    AddPartitions(AddPartitions),
    /// AddPartitionsToTxn that only verifies.
    VerifyPartitions(VerifyPartitions),
    /// EndTxn.
    EndTransaction(EndTransaction),
    /// Markers that [`super::WriteMarkers`] asked for are written, or need not be: the partition is gone.
    MarkersWritten(MarkersWritten),
    /// DescribeTransactions, one id.
    DescribeTransaction {
        /// Which.
        transactional_id: Arc<str>,
    },
    /// ListTransactions: those of this shard.
    ListTransactions(ListTransactions),
}

/// Wants an id and an epoch to write under; ends what an earlier producer left open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InitProducerId {
    /// Not empty.
    pub transactional_id: Arc<str>,
    /// How long a transaction may be open. What is negative on the wire is zero here.
    pub transaction_timeout: Duration,
    /// KIP-360: what the producer has, if it goes on with it.
    pub expected: Option<ProducerIdAndEpoch>,
    /// An id that nobody has, for the reply [`super::TransactionReply::NeedsProducerId`] to an earlier try.
    pub fresh_producer_id: Option<ProducerId>,
}

/// Adds partitions, and begins the transaction if there is none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AddPartitions {
    /// Whose.
    pub transactional_id: Arc<str>,
    /// As the producer has it.
    pub producer: ProducerIdAndEpoch,
    /// Partitions that exist. AddOffsetsToTxn: the one of `__consumer_offsets` that has the group.
    pub partitions: Vec<NamedPartition>,
    /// What the client goes by: [`TransactionVersion::V2`] for AddPartitionsToTxn 4 and above, Produce 12
    /// and TxnOffsetCommit 5; [`TransactionVersion::V0`] for older ones and AddOffsetsToTxn.
    pub transaction_version: TransactionVersion,
}

/// Asks whether partitions are in the transaction; changes nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifyPartitions {
    /// Whose.
    pub transactional_id: Arc<str>,
    /// As the producer has it.
    pub producer: ProducerIdAndEpoch,
    /// Which.
    pub partitions: Vec<NamedPartition>,
}

/// Ends the transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndTransaction {
    /// Whose.
    pub transactional_id: Arc<str>,
    /// As the producer has it.
    pub producer: ProducerIdAndEpoch,
    /// How.
    pub result: TransactionResult,
    /// What the client goes by: [`TransactionVersion::V2`] for EndTxn 5 and above, else
    /// [`TransactionVersion::V0`].
    pub transaction_version: TransactionVersion,
    /// An id that nobody has, for the reply [`super::TransactionReply::NeedsProducerId`] to an earlier try.
    pub fresh_producer_id: Option<ProducerId>,
}

/// Markers are in the logs of these partitions, and committed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MarkersWritten {
    /// As in [`super::WriteMarkers`].
    pub transactional_id: Arc<str>,
    /// As in [`super::WriteMarkers`].
    pub producer: ProducerIdAndEpoch,
    /// As in [`super::WriteMarkers`].
    pub decided_at: Timestamp,
    /// All of them or some; each may be told again, and late.
    pub partitions: Vec<NamedPartition>,
}

/// Which transactions to list. What is empty or `None` is no filter.
#[derive(Debug, Clone, Default)]
pub struct ListTransactions {
    /// Names of states.
    pub states: Vec<Arc<str>>,
    /// Producer ids.
    pub producer_ids: Vec<ProducerId>,
    /// Only those that began longer ago.
    pub open_longer_than: Option<Duration>,
    /// The whole transactional id has to match.
    pub pattern: Option<Arc<Expression>>,
}

impl TransactionRequest {
    /// Whether it may give records.
    pub fn may_write(&self) -> bool {
        match self {
            TransactionRequest::InitProducerId(_)
            | TransactionRequest::AddPartitions(_)
            | TransactionRequest::EndTransaction(_)
            | TransactionRequest::MarkersWritten(_) => true,
            TransactionRequest::VerifyPartitions(_)
            | TransactionRequest::DescribeTransaction { .. }
            | TransactionRequest::ListTransactions(_) => false,
        }
    }
}
