//! What a transaction refuses.

/// A refusal, one to one with Kafka's error code of the same name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TransactionError {
    /// INVALID_REQUEST: without a transactional id.
    #[error("the transactional id is empty")]
    InvalidRequest,
    /// INVALID_TRANSACTION_TIMEOUT: none, or above `transaction.max.timeout.ms`.
    #[error("the transaction timeout is out of bounds")]
    InvalidTransactionTimeout,
    /// INVALID_PRODUCER_ID_MAPPING: the producer id is not the one of the transactional id, or there is none.
    #[error("the producer id is not the one of the transactional id")]
    InvalidProducerIdMapping,
    /// PRODUCER_FENCED: a newer producer, or the coordinator, raised the epoch. KIP-588: handlers tell old
    /// clients INVALID_PRODUCER_EPOCH.
    #[error("the producer's epoch is not the current one")]
    ProducerFenced,
    /// CONCURRENT_TRANSACTIONS: come again, the transaction before is being ended.
    #[error("the transaction before is being ended")]
    ConcurrentTransactions,
    /// INVALID_TXN_STATE: there is nothing to end, or it was ended otherwise.
    #[error("the transaction is not in a state that allows this")]
    InvalidTxnState,
    /// TRANSACTIONAL_ID_NOT_FOUND.
    #[error("the transactional id is not known")]
    TransactionalIdNotFound,
    /// UNKNOWN_SERVER_ERROR: more would have to be written than the log takes at once, or Kafka fails too.
    #[error("{0}")]
    UnknownServerError(&'static str),
}
