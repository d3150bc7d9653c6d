//! Where partitions ask whether a transaction goes on before they let records of it in.

use super::Broker;
use crate::model::{ProducerEpoch, ProducerId};
use crate::protocol::ErrorCode;

/// What is asked of the coordinator of a transactional id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TransactionCheck {
    /// Whose transaction.
    pub transactional_id: String,
    /// Its producer.
    pub producer_id: ProducerId,
    /// The epoch that writes.
    pub producer_epoch: ProducerEpoch,
    /// Topics and partitions that are about to be written to.
    pub partitions: Vec<(String, i32)>,
    /// Takes the partitions into the transaction, which begins if it has not: version 2 (KIP-890). Otherwise
    /// they must be in it already.
    pub adds: bool,
}

impl Broker {
    /// Asks the coordinator of a transaction whether partitions belong to it, or adds them. One answer for
    /// each, in their order: no error, or the one that AddPartitionsToTxn would answer with. Where it adds,
    /// its record comes before everything that is appended after this returns.
    pub async fn verify_transaction(&self, check: TransactionCheck) -> Vec<ErrorCode> {
        // Until there is a coordinator.
        check.partitions.iter().map(|_| ErrorCode::CoordinatorNotAvailable).collect()
    }
}
