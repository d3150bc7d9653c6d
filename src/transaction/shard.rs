//! One shard: the transactional ids whose records go to one partition of `__transaction_state`.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use super::deadlines::Deadlines;
use super::durable::Durable;
use super::input::Input;
use super::markers::markers;
use super::metadata::{NamedPartition, TransactionMetadata, TransactionVersion};
use super::outcome::{Effect, Outcome, PORTION_BYTES, Ticket};
use super::record::TransactionRecord;
use super::reply::TransactionReply;
use super::request::TransactionRequest;
use super::state::TransactionState;
use crate::model::{ProducerEpoch, ProducerId};

/// How long a transaction goes on after a restart, at least: its producer could not end it meanwhile.
const LOADED_GRACE: Duration = Duration::from_secs(5);
/// When a transaction is tried again whose end was more than the log takes.
const TRY_AGAIN: Duration = Duration::from_secs(60);

/// All transactional ids of one partition of `__transaction_state`.
#[derive(Debug, Default)]
pub struct TransactionShard {
    /// Changed by [`TransactionShard::replay`] only.
    pub(super) durable: Durable,
    /// Lost with the process.
    pub(super) soft: Soft,
}

/// What a restart forgets.
#[derive(Debug, Default)]
pub(super) struct Soft {
    /// Of open transactions.
    pub deadlines: Deadlines,
    /// The epoch before, of producers that went on with what they had (KIP-360): their try again is told from
    /// that of a fenced one. As in Kafka, records do not tell it.
    pub last_producer_epochs: HashMap<Arc<str>, ProducerEpoch>,
    /// Of decided transactions, where markers are owed once some are written.
    pub owed_markers: HashMap<Arc<str>, BTreeSet<NamedPartition>>,
    /// What this round of [`TransactionShard::expire`] has looked at last.
    pub expiry_cursor: Option<Arc<str>>,
    /// Monotonic time of the last call.
    pub seen: Duration,
}

impl TransactionShard {
    /// Takes a request. Its reply is in this outcome.
    pub fn request(&mut self, input: Input<'_>, ticket: Ticket, request: TransactionRequest) -> Outcome {
        self.soft.seen = input.monotonic;
        let mut outcome = Outcome::default();
        let reply = match request {
            TransactionRequest::InitProducerId(request) => {
                self.init_producer_id(input, &request, &mut outcome)
            }
            TransactionRequest::AddPartitions(request) => {
                TransactionReply::AddPartitions(self.add_partitions(input, &request, &mut outcome))
            }
            TransactionRequest::VerifyPartitions(request) => {
                TransactionReply::VerifyPartitions(self.verify_partitions(&request))
            }
            TransactionRequest::EndTransaction(request) => {
                self.end_transaction(input, &request, &mut outcome)
            }
            TransactionRequest::MarkersWritten(request) => {
                let is_complete = self.markers_written(input, &request, &mut outcome);
                TransactionReply::MarkersWritten { is_complete }
            }
            TransactionRequest::DescribeTransaction { transactional_id } => {
                TransactionReply::DescribeTransaction(self.describe(&transactional_id))
            }
            TransactionRequest::ListTransactions(request) => {
                TransactionReply::ListTransactions(self.list(input, &request))
            }
        };
        outcome.replies.push((ticket, reply));
        outcome
    }

    /// The client of a request went away. Every request is answered at once: nothing waits for it.
    pub fn forget(&mut self, _ticket: Ticket) {}

    /// The next moment, in monotonic time, at which [`TransactionShard::advance`] is to be called.
    pub fn next_deadline(&self) -> Option<Duration> {
        // What is left of an earlier call is due since then: it was not missed.
        self.soft.deadlines.first().map(|(at, _)| at.max(self.soft.seen))
    }

    /// Aborts transactions that timed out: about [`PORTION_BYTES`] a call, and no more than the log takes at
    /// once, as their markers must not be written without their records.
    pub fn advance(&mut self, input: Input<'_>) -> Outcome {
        self.soft.seen = input.monotonic;
        let mut outcome = Outcome::default();
        let mut bytes = 0;
        while let Some((at, transactional_id)) = self.soft.deadlines.first()
            && at <= input.monotonic
        {
            let transactional_id = transactional_id.clone();
            let Outcome { records, effects, .. } = self.due(input, &transactional_id);
            let more: usize = records.iter().map(TransactionRecord::batch_bytes).sum();
            if !outcome.records.is_empty() && bytes + more > PORTION_BYTES.min(input.batch_bytes_max) {
                break;
            }
            bytes += more;
            outcome.timed_out += u64::from(self.is_open(&transactional_id));
            outcome.records.extend(records);
            outcome.effects.extend(effects);
            self.soft.deadlines.cancel(&transactional_id);
        }
        outcome
    }

    fn is_open(&self, transactional_id: &str) -> bool {
        let metadata = self.durable.get(transactional_id);
        metadata.is_some_and(|metadata| metadata.state == TransactionState::Ongoing)
    }

    /// What a transaction's deadline brings.
    fn due(&self, input: Input<'_>, transactional_id: &Arc<str>) -> Outcome {
        let mut outcome = Outcome::default();
        match self.durable.get(transactional_id) {
            Some(metadata) if metadata.state == TransactionState::Ongoing => {
                abort(input, transactional_id, metadata, &mut outcome);
            }
            Some(metadata) if metadata.state.is_decided() => {
                owe(input, transactional_id, metadata, &mut outcome);
            }
            _ => {}
        }
        outcome
    }

    /// Applies a record that was written, now or before the restart.
    pub fn replay(&mut self, record: TransactionRecord) {
        self.durable.replay(record);
    }

    /// Everything was replayed: open transactions go on, decided ones are ended.
    pub fn loaded(&mut self, input: Input<'_>) -> Outcome {
        self.soft = Soft { seen: input.monotonic, ..Soft::default() };
        let mut outcome = Outcome::default();
        for (transactional_id, metadata) in self.durable.iter() {
            match metadata.state {
                TransactionState::Ongoing if metadata.times_out() => {
                    let at = input.monotonic + remaining(input, metadata);
                    self.soft.deadlines.set(transactional_id, at);
                }
                // Only Kafka writes this: there may be many, so they are portioned.
                state if state.is_decided() && metadata.partitions.is_empty() => {
                    self.soft.deadlines.set(transactional_id, input.monotonic);
                }
                state if state.is_decided() => owe(input, transactional_id, metadata, &mut outcome),
                _ => {}
            }
        }
        outcome
    }

    /// What a call gave was more than the log takes, and was not written. What is soft of these transactions
    /// goes back to what is written.
    pub fn unwritten(&mut self, input: Input<'_>, records: &[TransactionRecord]) -> Outcome {
        for TransactionRecord { transactional_id, .. } in records {
            self.soft.last_producer_epochs.remove(transactional_id);
            self.soft.deadlines.cancel(transactional_id);
            let metadata = self.durable.get(transactional_id);
            let is_open = |metadata: &&TransactionMetadata| metadata.state == TransactionState::Ongoing;
            if metadata.filter(is_open).is_some_and(TransactionMetadata::times_out) {
                self.soft.deadlines.set(transactional_id, input.monotonic + TRY_AGAIN);
            }
        }
        Outcome::default()
    }
}

/// Aborts an open transaction that its producer does not end. KIP-890: that raises the epoch by one, which
/// fences the producer, and by no more than one (KAFKA-19367).
pub(super) fn abort(
    input: Input<'_>,
    transactional_id: &Arc<str>,
    ongoing: &TransactionMetadata,
    outcome: &mut Outcome,
) {
    let (state, version) = (TransactionState::PrepareAbort, TransactionVersion::V2);
    let decided = ongoing.decided(state, version, ProducerId::NONE, input.wall);
    decide(input, transactional_id, decided, outcome);
}

/// Writes down how a transaction ends, and asks for its markers.
pub(super) fn decide(
    input: Input<'_>,
    transactional_id: &Arc<str>,
    decided: TransactionMetadata,
    outcome: &mut Outcome,
) {
    let at = outcome.records.len();
    owe(input, transactional_id, &decided, outcome);
    outcome.records.insert(at, TransactionRecord::new(transactional_id, decided));
}

/// Asks for the markers of a decided transaction. Without partitions it is complete.
fn owe(input: Input<'_>, transactional_id: &Arc<str>, decided: &TransactionMetadata, outcome: &mut Outcome) {
    if decided.partitions.is_empty() {
        let completed = decided.completed(input.wall);
        outcome.records.push(TransactionRecord::new(transactional_id, completed));
    } else {
        outcome.effects.push(Effect::WriteMarkers(markers(input, transactional_id, decided)));
    }
}

/// What an open transaction has left of its time. A wall clock that went back gives it no more than all.
fn remaining(input: Input<'_>, metadata: &TransactionMetadata) -> Duration {
    let open = input.wall.0.saturating_sub(metadata.start_timestamp.0);
    let open = Duration::from_millis(u64::try_from(open).unwrap_or(0));
    let timeout = metadata.transaction_timeout;
    timeout.saturating_sub(open).max(LOADED_GRACE.min(timeout))
}
