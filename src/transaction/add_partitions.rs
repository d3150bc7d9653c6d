//! AddPartitionsToTxn and its like: which partitions a transaction has.

use super::error::TransactionError;
use super::input::Input;
use super::metadata::{EPOCH_MAX, NamedPartition, ProducerIdAndEpoch, TransactionMetadata};
use super::outcome::Outcome;
use super::record::TransactionRecord;
use super::request::{AddPartitions, VerifyPartitions};
use super::shard::TransactionShard;
use super::state::TransactionState;

/// By how much the records that end a transaction may be longer than those that extend it.
const END_BYTES: usize = 64;

impl TransactionShard {
    pub(super) fn add_partitions(
        &mut self,
        input: Input<'_>,
        request: &AddPartitions,
        outcome: &mut Outcome,
    ) -> Result<(), TransactionError> {
        let transactional_id = &request.transactional_id;
        let metadata = self.writable_by(transactional_id, request.producer)?;
        let began = metadata.state != TransactionState::Ongoing;
        if !began && request.partitions.iter().all(|partition| metadata.partitions.contains(partition)) {
            return Ok(());
        }
        let partitions = request.partitions.iter().cloned();
        let next = metadata.with_partitions(partitions, request.transaction_version, input.wall);
        let (times_out, timeout) = (next.times_out(), next.transaction_timeout);
        let record = TransactionRecord::new(transactional_id, next);
        if record.batch_bytes() + END_BYTES > input.batch_bytes_max {
            return Err(TransactionError::UnknownServerError("more partitions than a record may hold"));
        }
        outcome.records.push(record);
        if began && times_out {
            self.soft.deadlines.set(transactional_id, input.monotonic.saturating_add(timeout));
        }
        Ok(())
    }

    pub(super) fn verify_partitions(
        &self,
        request: &VerifyPartitions,
    ) -> Result<Vec<NamedPartition>, TransactionError> {
        let metadata = self.writable_by(&request.transactional_id, request.producer)?;
        let is_missing = |partition: &&NamedPartition| !metadata.partitions.contains(partition);
        Ok(request.partitions.iter().filter(is_missing).cloned().collect())
    }

    /// The transactional id, if this producer may add to its transaction now.
    fn writable_by(
        &self,
        transactional_id: &str,
        producer: ProducerIdAndEpoch,
    ) -> Result<&TransactionMetadata, TransactionError> {
        if transactional_id.is_empty() {
            return Err(TransactionError::InvalidRequest);
        }
        let metadata =
            self.durable.get(transactional_id).ok_or(TransactionError::InvalidProducerIdMapping)?;
        if metadata.is_next_producer(producer) {
            return Err(TransactionError::ConcurrentTransactions);
        }
        if metadata.producer_id != producer.producer_id {
            return Err(TransactionError::InvalidProducerIdMapping);
        }
        // The last epoch is the coordinator's own: who says it, guesses.
        if metadata.producer_epoch != producer.producer_epoch || producer.producer_epoch == EPOCH_MAX {
            return Err(TransactionError::ProducerFenced);
        }
        match metadata.state {
            TransactionState::PrepareCommit | TransactionState::PrepareAbort => {
                Err(TransactionError::ConcurrentTransactions)
            }
            TransactionState::Dead | TransactionState::PrepareEpochFence => {
                Err(TransactionError::UnknownServerError("a state that is never written"))
            }
            _ => Ok(metadata),
        }
    }
}
