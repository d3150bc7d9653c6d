//! What is known of one transactional id.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use super::state::TransactionState;
use crate::model::{ProducerEpoch, ProducerId, Timestamp};

/// A partition by its topic's name, as records and requests have it. Orders by topic, then index.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NamedPartition {
    /// The topic's name.
    pub topic: Arc<str>,
    /// The partition's index.
    pub partition: i32,
}

/// What a producer writes under.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProducerIdAndEpoch {
    /// The id.
    pub producer_id: ProducerId,
    /// The epoch of the id.
    pub producer_epoch: ProducerEpoch,
}

impl ProducerIdAndEpoch {
    /// Neither.
    pub const NONE: ProducerIdAndEpoch =
        ProducerIdAndEpoch { producer_id: ProducerId::NONE, producer_epoch: ProducerEpoch::NONE };
}

/// Which protocol a client keeps to (KIP-890): the level of the feature `transaction.version`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum TransactionVersion {
    /// One epoch for all transactions of a producer.
    #[default]
    V0,
    /// As [`TransactionVersion::V0`], written in records with tagged fields.
    V1,
    /// An epoch for each transaction.
    V2,
}

impl TransactionVersion {
    /// Its level.
    pub fn level(self) -> i16 {
        self as i16
    }

    /// Of a level.
    pub fn from_level(level: i16) -> Option<TransactionVersion> {
        [TransactionVersion::V0, TransactionVersion::V1, TransactionVersion::V2]
            .into_iter()
            .find(|version| version.level() == level)
    }

    /// Whether the end of a transaction raises the producer's epoch.
    pub fn bumps_epoch(self) -> bool {
        self >= TransactionVersion::V2
    }
}

/// The last epoch of a producer id. No client is ever told it, so that one that has the epoch before can
/// still be fenced.
pub(super) const EPOCH_MAX: ProducerEpoch = ProducerEpoch(i16::MAX);

/// Whether a producer id has no further epoch for a client.
pub(super) fn is_exhausted(producer_epoch: ProducerEpoch) -> bool {
    producer_epoch.0 >= EPOCH_MAX.0 - 1
}

/// A timeout that stands for none (KIP-939).
const NO_TIMEOUT: Duration = Duration::from_millis(i32::MAX as u64);

/// A transactional id as its last record has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TransactionMetadata {
    /// The producer's.
    pub producer_id: ProducerId,
    /// The producer id of the record before; the same for the first.
    pub previous_producer_id: ProducerId,
    /// What replaces the producer id once this transaction is complete; -1 for none.
    pub next_producer_id: ProducerId,
    /// The producer's. While a transaction of version 2 is being ended, that of its markers.
    pub producer_epoch: ProducerEpoch,
    /// How long a transaction may be open.
    pub transaction_timeout: Duration,
    /// Where it stands.
    pub state: TransactionState,
    /// What the transaction writes to.
    pub partitions: BTreeSet<NamedPartition>,
    /// When the record was written, or when the one before was if the wall clock went back. A decision has
    /// a later time than the record before: no two of a transactional id have the same.
    pub last_update_timestamp: Timestamp,
    /// When the transaction began; -1 if none did.
    pub start_timestamp: Timestamp,
    /// What the client went by that caused the record.
    pub client_transaction_version: TransactionVersion,
}

impl TransactionMetadata {
    /// Of the first record of a transactional id.
    pub(super) fn new(producer_id: ProducerId, transaction_timeout: Duration, now: Timestamp) -> Self {
        TransactionMetadata {
            producer_id,
            previous_producer_id: producer_id,
            next_producer_id: ProducerId::NONE,
            producer_epoch: ProducerEpoch(0),
            transaction_timeout,
            state: TransactionState::Empty,
            partitions: BTreeSet::new(),
            last_update_timestamp: now,
            start_timestamp: Timestamp::NONE,
            client_transaction_version: TransactionVersion::V0,
        }
    }

    /// Id and epoch.
    pub fn producer(&self) -> ProducerIdAndEpoch {
        ProducerIdAndEpoch { producer_id: self.producer_id, producer_epoch: self.producer_epoch }
    }

    /// Whether this is what a client was told to go on with, before the markers of the transaction that used
    /// up its id are written: it is to come again in a moment.
    pub(super) fn is_next_producer(&self, producer: ProducerIdAndEpoch) -> bool {
        let next =
            ProducerIdAndEpoch { producer_id: self.next_producer_id, producer_epoch: ProducerEpoch(0) };
        self.state.is_decided() && self.next_producer_id != ProducerId::NONE && producer == next
    }

    /// Whether the coordinator aborts it after a while.
    pub(super) fn times_out(&self) -> bool {
        self.transaction_timeout < NO_TIMEOUT
    }

    /// The next record.
    fn next(&self, state: TransactionState, now: Timestamp) -> TransactionMetadata {
        debug_assert!(self.state.may_become(state), "{:?} after {:?}", state, self.state);
        TransactionMetadata {
            previous_producer_id: self.producer_id,
            state,
            last_update_timestamp: now.max(self.last_update_timestamp),
            ..self.clone()
        }
    }

    /// A producer took the transactional id, or goes on with it.
    pub(super) fn initialized(
        &self,
        producer: ProducerIdAndEpoch,
        transaction_timeout: Duration,
        now: Timestamp,
    ) -> TransactionMetadata {
        TransactionMetadata {
            producer_id: producer.producer_id,
            producer_epoch: producer.producer_epoch,
            transaction_timeout,
            partitions: BTreeSet::new(),
            start_timestamp: Timestamp::NONE,
            ..self.next(TransactionState::Empty, now)
        }
    }

    /// Partitions were added.
    pub(super) fn with_partitions(
        &self,
        partitions: impl IntoIterator<Item = NamedPartition>,
        version: TransactionVersion,
        now: Timestamp,
    ) -> TransactionMetadata {
        let began = self.state != TransactionState::Ongoing;
        let mut next = self.next(TransactionState::Ongoing, now);
        next.partitions.extend(partitions);
        next.start_timestamp = if began { now } else { self.start_timestamp };
        next.client_transaction_version = version;
        next
    }

    /// It is decided. With version 2 markers are written under the next epoch, which also fences the producer
    /// if it did not ask for this.
    pub(super) fn decided(
        &self,
        state: TransactionState,
        version: TransactionVersion,
        next_producer_id: ProducerId,
        now: Timestamp,
    ) -> TransactionMetadata {
        let mut next = self.next(state, now.max(Timestamp(self.last_update_timestamp.0.saturating_add(1))));
        if version.bumps_epoch() {
            next.producer_epoch = ProducerEpoch(self.producer_epoch.0.saturating_add(1));
        }
        if self.state != TransactionState::Ongoing {
            // Nothing was begun: nobody knows when.
            next.start_timestamp = now;
        }
        next.next_producer_id = next_producer_id;
        next.client_transaction_version = version;
        next
    }

    /// All markers are written.
    pub(super) fn completed(&self, now: Timestamp) -> TransactionMetadata {
        let committed = self.state == TransactionState::PrepareCommit;
        let state =
            if committed { TransactionState::CompleteCommit } else { TransactionState::CompleteAbort };
        let mut next = self.next(state, now);
        if self.client_transaction_version.bumps_epoch() && self.next_producer_id != ProducerId::NONE {
            next.producer_id = self.next_producer_id;
            next.producer_epoch = ProducerEpoch(0);
        }
        next.next_producer_id = ProducerId::NONE;
        next.partitions = BTreeSet::new();
        next
    }
}
