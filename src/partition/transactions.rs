//! What a partition knows of transactions beside its producers' places: who waits to be verified, and which
//! ends are not committed, or not in a segment, yet.

use std::collections::{BTreeMap, HashMap, VecDeque};

use crate::log::{AbortedTransaction, EndedTransaction, Standing};
use crate::model::{CoordinatorEpoch, Offset, ProducerEpoch, ProducerId, Timestamp, TransactionResult};
use crate::protocol::batch::{EndTransactionMarker, ProducedBatch};

/// What ends a producer's transaction in a partition.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TransactionMarker {
    /// Whose.
    pub producer_id: ProducerId,
    /// In version 2 one above that of the transaction's records, before it the same.
    pub producer_epoch: ProducerEpoch,
    /// Of the coordinator that says so.
    pub coordinator_epoch: CoordinatorEpoch,
    /// How it ends.
    pub result: TransactionResult,
    /// `transaction.version` under which it was run: 0, 1 or 2.
    pub transaction_version: i16,
}

impl TransactionMarker {
    /// What it takes of the WAL: the payload to ask credits for.
    pub const PAYLOAD_BYTES: usize = EndTransactionMarker::BATCH_BYTES;

    pub(super) fn marker(&self) -> EndTransactionMarker {
        EndTransactionMarker { result: self.result, coordinator_epoch: self.coordinator_epoch }
    }

    pub(super) fn batch(&self, now: Timestamp) -> ProducedBatch {
        ProducedBatch::of_broker(self.marker().batch(self.producer_id, self.producer_epoch, now))
    }
}

/// Stands for one look that a partition has a coordinator take at one transaction, before records of it are
/// let in (KIP-890). No two are the same: an answer that comes after a marker is of no use.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct VerificationGuard(u64);

/// What the appender of a batch of a transaction has to show.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verification {
    /// Nothing: the transaction must be open here, or the batch be of none.
    Ongoing,
    /// The coordinator was asked under this guard, and knows of it.
    Verified(VerificationGuard),
    /// Nobody is asked (`transaction.partition.verification.enable=false`).
    NotRequired,
}

/// Who appends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Appender {
    /// A producer, whose sequence numbers count; a coordinator has none.
    pub is_client: bool,
    /// What it has to show.
    pub verification: Verification,
}

impl Appender {
    /// A producer that has begun its transaction before, or is in none.
    pub const CLIENT: Appender = Appender { is_client: true, verification: Verification::Ongoing };
    /// A coordinator, for itself.
    pub const COORDINATOR: Appender = Appender { is_client: false, verification: Verification::Ongoing };
}

/// A producer whose transaction is being verified.
#[derive(Clone, Copy, Debug)]
struct Verifying {
    guard: VerificationGuard,
    /// The lowest sequence number that was to be verified: one behind it must not be written before it, or
    /// the producer would try the lower one in vain.
    lowest_sequence: i32,
    producer_epoch: ProducerEpoch,
    /// Version 2.
    supports_epoch_bump: bool,
    since: Timestamp,
}

/// See the head of this file.
#[derive(Default)]
pub(super) struct Transactions {
    /// One for each producer at most.
    verifying: HashMap<ProducerId, Verifying>,
    guards_given: u64,
    /// Transactions whose markers are not committed: by first offset, the marker's.
    ended: BTreeMap<Offset, Offset>,
    /// Aborted ones whose markers are not in a segment, in the order of the markers.
    aborted: VecDeque<AbortedTransaction>,
}

impl Transactions {
    /// A guard for a batch that would begin a transaction, the same until the producer has written or a
    /// marker has come.
    pub(super) fn begin_verification(
        &mut self,
        (producer_id, producer_epoch): (ProducerId, ProducerEpoch),
        sequence: i32,
        supports_epoch_bump: bool,
        now: Timestamp,
    ) -> VerificationGuard {
        let guards_given = &mut self.guards_given;
        let verifying = self.verifying.entry(producer_id).or_insert_with(|| {
            *guards_given += 1;
            Verifying {
                guard: VerificationGuard(*guards_given),
                lowest_sequence: sequence,
                producer_epoch,
                supports_epoch_bump,
                since: now,
            }
        });
        if producer_epoch > verifying.producer_epoch {
            (verifying.producer_epoch, verifying.lowest_sequence) = (producer_epoch, sequence);
        } else if producer_epoch == verifying.producer_epoch {
            verifying.lowest_sequence = verifying.lowest_sequence.min(sequence);
        }
        verifying.guard
    }

    pub(super) fn standing(&self, producer_id: ProducerId, appender: Appender) -> Standing {
        let verifying = self.verifying.get(&producer_id);
        Standing {
            is_client: appender.is_client,
            may_begin: match appender.verification {
                Verification::Ongoing => false,
                Verification::Verified(guard) => verifying.is_some_and(|known| known.guard == guard),
                Verification::NotRequired => true,
            },
            lowest_sequence: verifying.map(|known| known.lowest_sequence),
            begins_at_zero: verifying.is_some_and(|known| known.supports_epoch_bump),
        }
    }

    /// A transactional batch was appended: the transaction is open now.
    pub(super) fn wrote(&mut self, producer_id: ProducerId) {
        self.verifying.remove(&producer_id);
    }

    /// A marker was appended. In version 2 it has the epoch of the next transaction, which may be verifying
    /// already; that one is not ended by it.
    pub(super) fn marked(&mut self, marker: &TransactionMarker) {
        let is_of_the_next =
            |known: &Verifying| known.supports_epoch_bump && known.producer_epoch == marker.producer_epoch;
        if !self.verifying.get(&marker.producer_id).is_some_and(is_of_the_next) {
            self.verifying.remove(&marker.producer_id);
        }
    }

    /// A transaction has a marker; `first_undecided` is the oldest that has none now.
    pub(super) fn ended(&mut self, ended: EndedTransaction, first_undecided: Option<Offset>) {
        self.ended.insert(ended.first_offset, ended.last_offset);
        self.aborted.extend(AbortedTransaction::of(ended, first_undecided));
    }

    /// Everything below is committed.
    pub(super) fn committed(&mut self, high_watermark: Offset) {
        self.ended.retain(|_, marker| *marker >= high_watermark);
    }

    /// Everything below stands in segments.
    pub(super) fn flushed(&mut self, end: Offset) {
        while self.aborted.pop_front_if(|aborted| aborted.last_offset < end).is_some() {}
    }

    /// First offset of the oldest transaction that has a marker which is not committed.
    pub(super) fn first_uncommitted_end(&self) -> Option<Offset> {
        self.ended.keys().next().copied()
    }

    /// Aborted transactions with their markers in the tail and records in `from..end`.
    pub(super) fn aborted(&self, from: Offset, end: Offset) -> Vec<AbortedTransaction> {
        self.aborted.iter().filter(|aborted| aborted.overlaps(from, end)).copied().collect()
    }

    /// Forgets who began to verify and never wrote.
    pub(super) fn expire(&mut self, now: Timestamp, expiration_ms: i64) {
        self.verifying.retain(|_, known| now.0.saturating_sub(known.since.0) < expiration_ms);
    }
}

#[cfg(test)]
mod tests;
