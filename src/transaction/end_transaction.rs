//! EndTxn: a transaction is decided.
//!
//! With version 2 (KIP-890) each end raises the epoch. An end that comes again is told from the next one by
//! its epoch: it is one behind. With versions before it cannot be told.

use super::error::TransactionError;
use super::input::Input;
use super::metadata::{EPOCH_MAX, ProducerIdAndEpoch, TransactionMetadata, TransactionVersion, is_exhausted};
use super::outcome::Outcome;
use super::reply::TransactionReply;
use super::request::EndTransaction;
use super::shard::{TransactionShard, decide};
use super::state::TransactionState;
use crate::model::TransactionResult;
use crate::model::{ProducerEpoch, ProducerId};

/// What an end comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// It is to be decided now.
    Decide,
    /// It was decided so before, and is complete.
    Done,
}

use TransactionResult::{Abort, Commit};
use TransactionState::{
    CompleteAbort, CompleteCommit, Dead, Empty, Ongoing, PrepareAbort, PrepareCommit, PrepareEpochFence,
};

impl TransactionShard {
    pub(super) fn end_transaction(
        &mut self,
        input: Input<'_>,
        request: &EndTransaction,
        outcome: &mut Outcome,
    ) -> TransactionReply {
        let answer = TransactionReply::EndTransaction;
        let transactional_id = &request.transactional_id;
        if transactional_id.is_empty() {
            return answer(Err(TransactionError::InvalidRequest));
        }
        let Some(metadata) = self.durable.get(transactional_id) else {
            return answer(Err(TransactionError::InvalidProducerIdMapping));
        };
        let bumps_epoch = request.transaction_version.bumps_epoch();
        let end = if bumps_epoch { end_2(request, metadata) } else { end_1(request, metadata) };
        match end {
            Err(error) => return answer(Err(error)),
            Ok(End::Done) if bumps_epoch => return answer(Ok(metadata.producer())),
            Ok(End::Done) => return answer(Ok(ProducerIdAndEpoch::NONE)),
            Ok(End::Decide) => {}
        }
        let next_producer_id = match request.fresh_producer_id {
            _ if !bumps_epoch || !is_exhausted(metadata.producer_epoch) => ProducerId::NONE,
            Some(producer_id) => producer_id,
            None => return TransactionReply::NeedsProducerId,
        };
        let state = if request.result == Commit { PrepareCommit } else { PrepareAbort };
        // Versions before 2 are written as 0, whatever the client is.
        let version = if bumps_epoch { TransactionVersion::V2 } else { TransactionVersion::V0 };
        let decided = metadata.decided(state, version, next_producer_id, input.wall);
        // The client goes on under what the transaction's completion leaves behind.
        let producer =
            if bumps_epoch { decided.completed(input.wall).producer() } else { ProducerIdAndEpoch::NONE };
        decide(input, transactional_id, decided, outcome);
        if bumps_epoch {
            self.soft.last_producer_epochs.remove(transactional_id);
        }
        self.soft.deadlines.cancel(transactional_id);
        answer(Ok(producer))
    }
}

/// Of a client that keeps its epoch.
fn end_1(request: &EndTransaction, metadata: &TransactionMetadata) -> Result<End, TransactionError> {
    let EndTransaction { producer, result, .. } = *request;
    if metadata.producer_id != producer.producer_id {
        return Err(TransactionError::InvalidProducerIdMapping);
    }
    if metadata.producer_epoch != producer.producer_epoch || producer.producer_epoch == EPOCH_MAX {
        return Err(TransactionError::ProducerFenced);
    }
    match (metadata.state, result) {
        (Ongoing, _) => Ok(End::Decide),
        (CompleteCommit, Commit) | (CompleteAbort, Abort) => Ok(End::Done),
        (PrepareCommit, Commit) | (PrepareAbort, Abort) => Err(TransactionError::ConcurrentTransactions),
        (Empty | CompleteCommit | CompleteAbort | PrepareCommit | PrepareAbort, _) => {
            Err(TransactionError::InvalidTxnState)
        }
        (Dead | PrepareEpochFence, _) => Err(never_written()),
    }
}

/// Of a client whose epoch each end raises.
fn end_2(request: &EndTransaction, metadata: &TransactionMetadata) -> Result<End, TransactionError> {
    let EndTransaction { producer, result, .. } = *request;
    // KAFKA-18660: the end that used up the id comes again, and there is another id.
    let is_retry_of_last = metadata.previous_producer_id == producer.producer_id
        && producer.producer_epoch == ProducerEpoch(EPOCH_MAX.0 - 1)
        && metadata.producer_epoch == ProducerEpoch(0);
    // Not where a producer that keeps its epoch took the id meanwhile: its epoch is nobody else's.
    let is_retry = is_retry_of_last
        || (metadata.client_transaction_version.bumps_epoch()
            && i32::from(metadata.producer_epoch.0) == i32::from(producer.producer_epoch.0) + 1);
    let is_current =
        metadata.producer_epoch == producer.producer_epoch && producer.producer_epoch != EPOCH_MAX;
    if metadata.is_next_producer(producer) {
        return Err(TransactionError::ConcurrentTransactions);
    }
    if metadata.producer_id != producer.producer_id && !is_retry_of_last {
        return Err(TransactionError::InvalidProducerIdMapping);
    }
    let is_valid = match metadata.state {
        Empty | Ongoing | Dead | PrepareEpochFence => is_current,
        PrepareCommit | PrepareAbort => is_retry,
        CompleteCommit | CompleteAbort => is_retry || is_current,
    };
    if !is_valid {
        return Err(TransactionError::ProducerFenced);
    }
    match (metadata.state, result) {
        (Ongoing, _) => Ok(End::Decide),
        // It timed out at the last epoch that a client can have: what it would be told nobody may be told.
        // So this abort is one to be sure, which gives it another id.
        (CompleteAbort, Abort) if is_retry && metadata.producer_epoch == EPOCH_MAX => Ok(End::Decide),
        (CompleteCommit, Commit) | (CompleteAbort, Abort) if is_retry => Ok(End::Done),
        // A client that does not know whether anything reached the broker aborts to be sure.
        (CompleteCommit | CompleteAbort, Abort) if !is_retry => Ok(End::Decide),
        (Empty, Abort) => Ok(End::Decide),
        (PrepareCommit, Commit) | (PrepareAbort, Abort) => Err(TransactionError::ConcurrentTransactions),
        (Empty | CompleteCommit | CompleteAbort | PrepareCommit | PrepareAbort, _) => {
            Err(TransactionError::InvalidTxnState)
        }
        (Dead | PrepareEpochFence, _) => Err(never_written()),
    }
}

fn never_written() -> TransactionError {
    TransactionError::UnknownServerError("a state that is never written")
}
