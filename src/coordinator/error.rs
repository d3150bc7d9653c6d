/// Why a request got no reply from its shard.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CoordinatorError {
    /// The shard is read from its log: ask again.
    #[error("the coordinator is loading")]
    Loading,
    /// There is no such shard here, or its partition has stopped: look for the coordinator again.
    #[error("this is not the coordinator")]
    NotCoordinator,
    /// Too many requests wait, the log has no room, or the commit took too long. What was asked for may still
    /// have been done.
    #[error("the coordinator is not available")]
    NotAvailable,
    /// What it would write is part of a transaction that is not open any more, or not known to be.
    #[error("the producer's transaction is not open")]
    InvalidTransactionState,
    /// A newer instance of the producer whose transaction it is part of has written.
    #[error("a newer instance of the producer exists")]
    InvalidProducerEpoch,
    /// What the request would write is larger than the topic allows.
    #[error("the request's records are too large for the coordinator's topic")]
    TooLarge,
}
