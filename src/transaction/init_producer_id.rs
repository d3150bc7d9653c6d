//! InitProducerId: an id and an epoch to write under.

use super::error::TransactionError;
use super::input::Input;
use super::metadata::{EPOCH_MAX, ProducerIdAndEpoch, TransactionMetadata, TransactionVersion, is_exhausted};
use super::outcome::Outcome;
use super::record::TransactionRecord;
use super::reply::TransactionReply;
use super::request::InitProducerId;
use super::shard::{TransactionShard, abort};
use super::state::TransactionState;
use crate::model::ProducerEpoch;
use crate::wire::TEXT_BYTES_MAX;

/// What a producer gets.
enum Grant {
    /// This, and the epoch that it had before, if it went on with that.
    Producer(ProducerIdAndEpoch, ProducerEpoch),
    /// Another id: this one has no epochs left. With the epoch that it had before.
    FreshId(ProducerEpoch),
}

impl TransactionShard {
    pub(super) fn init_producer_id(
        &mut self,
        input: Input<'_>,
        request: &InitProducerId,
        outcome: &mut Outcome,
    ) -> TransactionReply {
        let refused = |error| TransactionReply::InitProducerId(Err(error));
        if let Err(error) = check(input, request) {
            return refused(error);
        }
        let transactional_id = &request.transactional_id;
        let Some(metadata) = self.durable.get(transactional_id) else {
            let Some(producer_id) = request.fresh_producer_id else {
                return TransactionReply::NeedsProducerId;
            };
            let metadata = TransactionMetadata::new(producer_id, request.transaction_timeout, input.wall);
            return self.grant(request, metadata, ProducerEpoch::NONE, outcome);
        };
        match self.may_go_on(request, metadata) {
            Err(error) => refused(error),
            Ok(()) if metadata.state == TransactionState::Ongoing => {
                // The client comes again and gets its epoch once the markers are written. This one it is
                // never told.
                abort(input, transactional_id, metadata, outcome);
                self.soft.last_producer_epochs.remove(transactional_id);
                self.soft.deadlines.cancel(transactional_id);
                refused(TransactionError::ConcurrentTransactions)
            }
            Ok(()) => self.go_on(input, request, metadata.clone(), outcome),
        }
    }

    /// Whether the producer that asks is, or replaces, the one that is known.
    fn may_go_on(
        &self,
        request: &InitProducerId,
        metadata: &TransactionMetadata,
    ) -> Result<(), TransactionError> {
        if let Some(expected) = request.expected {
            if metadata.is_next_producer(expected) {
                return Err(TransactionError::ConcurrentTransactions);
            }
            // Its id was replaced, and it did not hear of it.
            let is_previous = expected.producer_id == metadata.previous_producer_id
                && is_exhausted(expected.producer_epoch);
            if expected.producer_id != metadata.producer_id && !is_previous {
                return Err(TransactionError::ProducerFenced);
            }
        }
        match metadata.state {
            TransactionState::PrepareCommit | TransactionState::PrepareAbort => {
                Err(TransactionError::ConcurrentTransactions)
            }
            // Kafka has a producer of an earlier epoch abort the transaction of its successor here.
            TransactionState::Ongoing
                if request.expected.is_some_and(|expected| expected != metadata.producer()) =>
            {
                Err(TransactionError::ProducerFenced)
            }
            TransactionState::Dead | TransactionState::PrepareEpochFence => {
                Err(TransactionError::UnknownServerError("a state that is never written"))
            }
            _ => Ok(()),
        }
    }

    fn go_on(
        &mut self,
        input: Input<'_>,
        request: &InitProducerId,
        metadata: TransactionMetadata,
        outcome: &mut Outcome,
    ) -> TransactionReply {
        let last = self.last_producer_epoch(&request.transactional_id, &metadata);
        let (producer, last) = match granted(request.expected, &metadata, last) {
            Err(error) => return TransactionReply::InitProducerId(Err(error)),
            Ok(Grant::Producer(producer, last)) => (producer, last),
            Ok(Grant::FreshId(last)) => {
                let Some(producer_id) = request.fresh_producer_id else {
                    return TransactionReply::NeedsProducerId;
                };
                (ProducerIdAndEpoch { producer_id, producer_epoch: ProducerEpoch(0) }, last)
            }
        };
        let next = metadata.initialized(producer, request.transaction_timeout, input.wall);
        self.grant(request, next, last, outcome)
    }

    fn grant(
        &mut self,
        request: &InitProducerId,
        metadata: TransactionMetadata,
        last: ProducerEpoch,
        outcome: &mut Outcome,
    ) -> TransactionReply {
        let transactional_id = &request.transactional_id;
        if last == ProducerEpoch::NONE {
            self.soft.last_producer_epochs.remove(transactional_id);
        } else {
            self.soft.last_producer_epochs.insert(transactional_id.clone(), last);
        }
        let producer = metadata.producer();
        outcome.records.push(TransactionRecord::new(transactional_id, metadata));
        TransactionReply::InitProducerId(Ok(producer))
    }

    /// The epoch that the producer had before the one that it has now, if it is the same producer: -1 if
    /// another one had it.
    fn last_producer_epoch(&self, transactional_id: &str, metadata: &TransactionMetadata) -> ProducerEpoch {
        let ended =
            matches!(metadata.state, TransactionState::CompleteCommit | TransactionState::CompleteAbort);
        if ended && metadata.client_transaction_version == TransactionVersion::V2 {
            // The end of the transaction raised it.
            return match metadata.producer_epoch {
                ProducerEpoch(0) => ProducerEpoch(EPOCH_MAX.0 - 1),
                ProducerEpoch(producer_epoch) => ProducerEpoch(producer_epoch - 1),
            };
        }
        self.soft.last_producer_epochs.get(transactional_id).copied().unwrap_or(ProducerEpoch::NONE)
    }
}

fn check(input: Input<'_>, request: &InitProducerId) -> Result<(), TransactionError> {
    if request.transactional_id.is_empty() {
        return Err(TransactionError::InvalidRequest);
    }
    if request.transactional_id.len() > TEXT_BYTES_MAX {
        return Err(TransactionError::UnknownServerError("the transactional id is longer than records hold"));
    }
    let timeout = request.transaction_timeout;
    if timeout.is_zero() || timeout > input.settings.transaction_max_timeout {
        return Err(TransactionError::InvalidTransactionTimeout);
    }
    Ok(())
}

/// KIP-360: a producer that says what it has gets the next epoch, or once more the one that it was given and
/// did not hear of. One that says nothing replaces all others.
fn granted(
    expected: Option<ProducerIdAndEpoch>,
    metadata: &TransactionMetadata,
    last: ProducerEpoch,
) -> Result<Grant, TransactionError> {
    let current = metadata.producer_epoch;
    let next = |last| {
        if is_exhausted(current) {
            return Grant::FreshId(last);
        }
        let producer_epoch = ProducerEpoch(current.0 + 1);
        Grant::Producer(ProducerIdAndEpoch { producer_epoch, ..metadata.producer() }, last)
    };
    match expected.map(|expected| expected.producer_epoch) {
        None => Ok(next(ProducerEpoch::NONE)),
        Some(expected) if expected == current => Ok(next(expected)),
        // No client is told the last epoch: Kafka answers UNKNOWN_SERVER_ERROR, for ever.
        Some(expected) if expected == last && current == EPOCH_MAX => Ok(Grant::FreshId(expected)),
        Some(expected) if expected == last && last != ProducerEpoch::NONE => {
            Ok(Grant::Producer(metadata.producer(), last))
        }
        Some(_) => Err(TransactionError::ProducerFenced),
    }
}
