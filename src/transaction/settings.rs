//! The settings that transactions go by.

use std::time::Duration;

/// Kafka's `transaction.*`, as durations. The defaults are Kafka 4.3's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TransactionSettings {
    /// `transaction.max.timeout.ms`: the longest timeout that a producer may ask for.
    pub transaction_max_timeout: Duration,
    /// `transactional.id.expiration.ms`: a transactional id that was not used for so long is forgotten.
    pub transactional_id_expiration: Duration,
}

impl Default for TransactionSettings {
    fn default() -> TransactionSettings {
        TransactionSettings {
            transaction_max_timeout: Duration::from_secs(15 * 60),
            transactional_id_expiration: Duration::from_secs(7 * 24 * 3600),
        }
    }
}
