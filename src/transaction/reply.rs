//! What a transaction answers.

use std::sync::Arc;
use std::time::Duration;

use super::error::TransactionError;
use super::metadata::{NamedPartition, ProducerIdAndEpoch};
use super::state::TransactionState;
use crate::model::{ProducerId, Timestamp};

/// One reply, named as its request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TransactionReply {
    /// To InitProducerId and EndTransaction: the same again with a `fresh_producer_id`, please. Nothing was
    /// done.
    NeedsProducerId,
    /// What to write under.
    InitProducerId(Result<ProducerIdAndEpoch, TransactionError>),
    /// All were added, or none.
    AddPartitions(Result<(), TransactionError>),
    /// Those that are not in the transaction: TRANSACTION_ABORTABLE.
    VerifyPartitions(Result<Vec<NamedPartition>, TransactionError>),
    /// It is decided. What the producer is to write under from now on: [`ProducerIdAndEpoch::NONE`] for
    /// clients that do not go by version 2.
    EndTransaction(Result<ProducerIdAndEpoch, TransactionError>),
    /// Whether that were the last ones, and the transaction is complete; also if it was before.
    MarkersWritten {
        /// Nothing is left to do.
        is_complete: bool,
    },
    /// As it is now.
    DescribeTransaction(Result<DescribedTransaction, TransactionError>),
    /// In the order of their ids.
    ListTransactions(ListedTransactions),
}

/// A transaction as it is now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DescribedTransaction {
    /// Of its producer.
    pub producer: ProducerIdAndEpoch,
    /// Where it stands.
    pub state: TransactionState,
    /// How long it may be open.
    pub transaction_timeout: Duration,
    /// When it began; -1 if it did not.
    pub start_timestamp: Timestamp,
    /// In order.
    pub partitions: Vec<NamedPartition>,
}

/// Transactions of one shard.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ListedTransactions {
    /// Names that were asked for and are none of a state.
    pub unknown_state_filters: Vec<Arc<str>>,
    /// In the order of their ids.
    pub transactions: Vec<ListedTransaction>,
}

/// One of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedTransaction {
    /// Whose.
    pub transactional_id: Arc<str>,
    /// Of its producer.
    pub producer_id: ProducerId,
    /// Where it stands.
    pub state: TransactionState,
}
