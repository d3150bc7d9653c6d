//! What a partition knows of transactions beside its producers' places: who waits to be verified, and which
//! ends are not committed, or not in a segment, yet.

use std::collections::{BTreeMap, HashMap, VecDeque};

use crate::log::{AbortedTransaction, EndedTransaction, MarkerOrigin, Standing};
use crate::model::{CoordinatorEpoch, Offset, ProducerEpoch, ProducerId, Timestamp, TransactionResult};
use crate::protocol::batch::{EndTransactionMarker, ProducedBatch};

/// What ends a producer's transaction in a partition.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TransactionMarker {
    /// Who says so.
    pub origin: MarkerOrigin,
    /// Whose.
    pub producer_id: ProducerId,
    /// In version 2 one above that of the transaction's records, before it the same.
    pub producer_epoch: ProducerEpoch,
    /// Of the coordinator.
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
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
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
    /// How often it was asked under the guard, less those who were refused.
    asking: u32,
    /// The lowest sequence number that was to be verified: one behind it must not be written before it, or
    /// the producer would try the lower one in vain.
    lowest_sequence: i32,
    producer_epoch: ProducerEpoch,
    /// Version 2.
    supports_epoch_bump: bool,
    since: Timestamp,
}

/// Producers of one partition whose transactions are being verified. Beyond it the one that has waited
/// longest is forgotten, and refused: anybody may begin any number of verifications in vain.
const VERIFYING_MAX: usize = 16_384;

/// See the head of this file.
#[derive(Default)]
pub(super) struct Transactions {
    /// One for each producer at most, and [`VERIFYING_MAX`] in all.
    verifying: HashMap<ProducerId, Verifying>,
    /// The same by their guards: the oldest is the first.
    guarded: BTreeMap<VerificationGuard, ProducerId>,
    guards_given: u64,
    /// Transactions whose markers are not committed: by first offset, the marker's.
    ended: BTreeMap<Offset, Offset>,
    /// The same of those whose markers are not in a segment: no more than the tail holds.
    unflushed: BTreeMap<Offset, Offset>,
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
        let is_new = !self.verifying.contains_key(&producer_id);
        if is_new
            && self.verifying.len() >= VERIFYING_MAX
            && let Some((_, oldest)) = self.guarded.pop_first()
        {
            self.verifying.remove(&oldest);
        }
        let (guards_given, guarded) = (&mut self.guards_given, &mut self.guarded);
        let verifying = self.verifying.entry(producer_id).or_insert_with(|| {
            *guards_given += 1;
            let guard = VerificationGuard(*guards_given);
            guarded.insert(guard, producer_id);
            let (lowest_sequence, since) = (sequence, now);
            Verifying { guard, asking: 0, lowest_sequence, producer_epoch, supports_epoch_bump, since }
        });
        verifying.asking = verifying.asking.saturating_add(1);
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
        self.forget(producer_id);
    }

    /// Whoever has asked under the guard once was refused for good. Nothing waits when all were.
    pub(super) fn refused(&mut self, producer_id: ProducerId, guard: VerificationGuard) {
        let Some(known) = self.verifying.get_mut(&producer_id).filter(|known| known.guard == guard) else {
            return;
        };
        known.asking = known.asking.saturating_sub(1);
        if known.asking == 0 {
            self.forget(producer_id);
        }
    }

    fn forget(&mut self, producer_id: ProducerId) {
        if let Some(known) = self.verifying.remove(&producer_id) {
            self.guarded.remove(&known.guard);
        }
    }

    /// A marker was appended. In version 2 it has the epoch of the next transaction, which may be verifying
    /// already; that one is not ended by it.
    pub(super) fn marked(&mut self, marker: &TransactionMarker) {
        let is_of_the_next =
            |known: &Verifying| known.supports_epoch_bump && known.producer_epoch == marker.producer_epoch;
        if !self.verifying.get(&marker.producer_id).is_some_and(is_of_the_next) {
            self.forget(marker.producer_id);
        }
    }

    /// A transaction has a marker; `first_undecided` is the oldest that has none now.
    pub(super) fn ended(&mut self, ended: EndedTransaction, first_undecided: Option<Offset>) {
        self.ended.insert(ended.first_offset, ended.last_offset);
        self.unflushed.insert(ended.first_offset, ended.last_offset);
        self.aborted.extend(AbortedTransaction::of(ended, first_undecided));
    }

    /// Everything below is committed.
    pub(super) fn committed(&mut self, high_watermark: Offset) {
        self.ended.retain(|_, marker| *marker >= high_watermark);
    }

    /// Everything below stands in segments.
    pub(super) fn flushed(&mut self, end: Offset) {
        while self.aborted.pop_front_if(|aborted| aborted.last_offset < end).is_some() {}
        self.unflushed.retain(|_, marker| *marker >= end);
    }

    /// First offset of the oldest transaction that has a marker which is not in a segment.
    pub(super) fn first_unflushed_end(&self) -> Option<Offset> {
        self.unflushed.keys().next().copied()
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
        self.guarded.retain(|_, producer_id| self.verifying.contains_key(producer_id));
    }
}

#[cfg(test)]
mod tests;
