use std::collections::BTreeMap;

use crate::log::AbortedTransaction;
use crate::model::{CoordinatorEpoch, Offset, ProducerEpoch, ProducerId, Timestamp, TransactionResult};
use crate::protocol::batch::{BatchError, BatchHeader, EndTransactionMarker};

/// Batches remembered per producer: a stock client has at most five requests in flight (KIP-98).
pub const BATCHES_MAX: usize = 5;

/// From this version on (KIP-890) a transaction ends under an epoch one above that of its records.
const TRANSACTION_VERSION_WITH_BUMP: i16 = 2;

/// What is remembered of an appended batch, to know it when it comes again.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct AppendedBatch {
    /// Sequence number of its first record.
    pub first_sequence: i32,
    /// Sequence number of its last record.
    pub last_sequence: i32,
    /// Offset of its first record.
    pub base_offset: Offset,
    /// Offset of its last record.
    pub last_offset: Offset,
    /// Its max timestamp: the append time where the topic says LogAppendTime.
    pub max_timestamp: Timestamp,
}

/// A transaction of which a partition holds records and no marker.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct OpenTransaction {
    /// Offset of its first record here.
    pub first_offset: Offset,
    /// When that was appended, by the broker's clock.
    pub since: Timestamp,
}

/// One producer's place in one partition.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ProducerEntry {
    /// The newest epoch that appended, or that a marker carried.
    pub producer_epoch: ProducerEpoch,
    /// Of the coordinator that wrote its last marker.
    pub coordinator_epoch: CoordinatorEpoch,
    /// The transaction that is not decided yet.
    pub transaction: Option<OpenTransaction>,
    /// When it last appended, by the broker's clock: record timestamps are the client's to choose, and a
    /// state that expires because of them lets a duplicate in.
    pub last_append: Timestamp,
    /// The last batches of that epoch, oldest first, at most [`BATCHES_MAX`].
    pub batches: Vec<AppendedBatch>,
}

/// A transaction that a marker has ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct EndedTransaction {
    /// Whose.
    pub producer_id: ProducerId,
    /// Offset of its first record.
    pub first_offset: Offset,
    /// Offset of the marker.
    pub last_offset: Offset,
    /// How it ended.
    pub result: TransactionResult,
}

/// What the appender of a batch is, and knows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Standing {
    /// Its sequence numbers count. A coordinator has none.
    pub is_client: bool,
    /// A transaction may begin with this batch: its coordinator knows of it.
    pub may_begin: bool,
    /// The lowest sequence number that waits to be verified: those behind it must not overtake it.
    pub lowest_sequence: Option<i32>,
    /// Transactions of version 2 that this partition does not know begin at sequence 0 (KIP-890).
    pub begins_at_zero: bool,
}

impl Standing {
    /// A client that is in no transaction.
    pub const CLIENT: Standing =
        Standing { is_client: true, may_begin: false, lowest_sequence: None, begins_at_zero: false };
}

/// What the sequence numbers of a batch say.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SequenceVerdict {
    /// It is the next one, or needs no check.
    Append,
    /// It was appended before, there. Answer with that offset once it is committed.
    Duplicate(AppendedBatch),
    /// Records between are missing (OUT_OF_ORDER_SEQUENCE_NUMBER).
    OutOfOrder {
        /// What should have come.
        expected: i32,
    },
    /// A newer epoch of this producer appended already (INVALID_PRODUCER_EPOCH).
    StaleEpoch {
        /// The newer one.
        current: ProducerEpoch,
    },
    /// It belongs to a transaction of which nobody has made sure that it goes on (INVALID_TXN_STATE).
    NotInTransaction,
    /// It belongs to none, and its producer has one open here (INVALID_TXN_STATE).
    OutsideOfTransaction,
}

/// Who has a marker written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum MarkerOrigin {
    /// The coordinator of the transaction, which is decided.
    Coordinator,
    /// A client that may, whatever the coordinator says.
    Client,
}

/// What a marker that is about to be written finds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum MarkerVerdict {
    /// It may be written.
    Append,
    /// It was: the producer's epoch is the marker's own, and nothing followed.
    Written,
    /// The producer has gone on (INVALID_PRODUCER_EPOCH).
    StaleEpoch {
        /// Its epoch here.
        current: ProducerEpoch,
    },
    /// One of a newer coordinator was written (TRANSACTION_COORDINATOR_FENCED).
    StaleCoordinator {
        /// The newer one.
        current: CoordinatorEpoch,
    },
}

/// The producers of one partition, idempotent and transactional. Pure; bounded by expiry, as in Kafka.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ProducerStates {
    entries: BTreeMap<ProducerId, ProducerEntry>,
    /// The open transactions, by their first offsets.
    open: BTreeMap<Offset, ProducerId>,
}

/// The sequence number after `last`: 0 follows 2^31-1 (KIP-98).
fn next_sequence(last: i32) -> i32 {
    last.checked_add(1).unwrap_or(0)
}

impl ProducerStates {
    /// Producers known.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// What they take in memory, about: nodes of the map are half full at worst.
    pub(super) fn memory_bytes(&self) -> usize {
        let entry = 2 * size_of::<(ProducerId, ProducerEntry)>();
        let open = 2 * size_of::<(Offset, ProducerId)>();
        let batches = |entry: &ProducerEntry| entry.batches.capacity() * size_of::<AppendedBatch>();
        self.entries.values().map(|producer| entry + batches(producer)).sum::<usize>()
            + self.open.len() * open
    }

    /// Whether no producer is known.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// One producer's entry.
    pub fn get(&self, producer_id: ProducerId) -> Option<&ProducerEntry> {
        self.entries.get(&producer_id)
    }

    /// All producers, by id.
    pub fn iter(&self) -> impl Iterator<Item = (ProducerId, &ProducerEntry)> {
        self.entries.iter().map(|(id, entry)| (*id, entry))
    }

    /// The open transactions and whose they are, by their first offsets.
    pub fn open_transactions(&self) -> impl ExactSizeIterator<Item = (ProducerId, Offset)> {
        self.open.iter().map(|(offset, id)| (*id, *offset))
    }

    /// First offset of the oldest open transaction: from there on nothing is decided.
    pub fn first_undecided(&self) -> Option<Offset> {
        self.open.keys().next().copied()
    }

    /// Whether a producer of this epoch has a transaction open.
    pub fn has_open(&self, producer_id: ProducerId, producer_epoch: ProducerEpoch) -> bool {
        self.entries
            .get(&producer_id)
            .is_some_and(|entry| entry.transaction.is_some() && entry.producer_epoch == producer_epoch)
    }

    /// Puts back an entry as it was saved.
    pub(super) fn insert(&mut self, producer_id: ProducerId, entry: ProducerEntry) {
        if let Some(transaction) = entry.transaction {
            self.open.insert(transaction.first_offset, producer_id);
        }
        self.entries.insert(producer_id, entry);
    }

    /// Whether a batch of records may be appended. The order is Kafka's: duplicate, transaction, epoch,
    /// sequence. Unlike there, a duplicate is one of the same transaction.
    pub fn check(&self, header: &BatchHeader, standing: Standing) -> SequenceVerdict {
        if !header.has_producer_id() {
            return SequenceVerdict::Append;
        }
        let entry = self.entries.get(&header.producer_id);
        if standing.is_client
            && let Some(original) = entry.and_then(|entry| entry.find(header))
        {
            return SequenceVerdict::Duplicate(original);
        }
        if let Some(current) =
            entry.map(|entry| entry.producer_epoch).filter(|it| header.producer_epoch < *it)
        {
            return SequenceVerdict::StaleEpoch { current };
        }
        let is_transactional = header.attributes.is_transactional();
        let goes_on = || self.has_open(header.producer_id, header.producer_epoch);
        if is_transactional && !standing.may_begin && !goes_on() {
            return SequenceVerdict::NotInTransaction;
        }
        if standing.is_client
            && let Some(expected) = due(entry, header, standing)
        {
            return SequenceVerdict::OutOfOrder { expected };
        }
        if !is_transactional && entry.is_some_and(|entry| entry.transaction.is_some()) {
            return SequenceVerdict::OutsideOfTransaction;
        }
        SequenceVerdict::Append
    }

    /// Whether a marker may be written.
    ///
    /// KIP-1228: transactions of version 2 end under an epoch that no record of theirs has, so that a marker
    /// that comes late cannot end the next one. Under version 1 it has the records' own.
    ///
    /// No coordinator epoch fences the coordinator itself (ADR 27).
    pub fn check_marker(
        &self,
        origin: MarkerOrigin,
        producer_id: ProducerId,
        producer_epoch: ProducerEpoch,
        coordinator_epoch: CoordinatorEpoch,
        transaction_version: i16,
    ) -> MarkerVerdict {
        let Some(entry) = self.entries.get(&producer_id) else { return MarkerVerdict::Append };
        let (current, known) = (entry.producer_epoch, entry.coordinator_epoch);
        let is_bumped = transaction_version >= TRANSACTION_VERSION_WITH_BUMP;
        if is_bumped && producer_epoch == current {
            // A coordinator that was restarted sends its markers again. Kafka 4.3 refuses this one with
            // INVALID_PRODUCER_EPOCH, after which its coordinator gives up.
            let is_last = entry.transaction.is_none()
                && entry.batches.is_empty()
                && known != CoordinatorEpoch::NONE
                && known <= coordinator_epoch;
            return if is_last { MarkerVerdict::Written } else { MarkerVerdict::StaleEpoch { current } };
        }
        if producer_epoch < current {
            return MarkerVerdict::StaleEpoch { current };
        }
        if coordinator_epoch < known && origin == MarkerOrigin::Client {
            return MarkerVerdict::StaleCoordinator { current: known };
        }
        MarkerVerdict::Append
    }

    /// Remembers an appended batch, whose offsets are final. `now` is the broker's clock. Tells of the
    /// transaction that it ended, if it did.
    pub fn apply_batch(
        &mut self,
        header: &BatchHeader,
        batch: &[u8],
        now: Timestamp,
    ) -> Result<Option<EndedTransaction>, BatchError> {
        if !header.attributes.is_control() {
            self.apply(header, now);
            return Ok(None);
        }
        // An emptied one is left of a transaction of which nothing else is.
        let marker = EndTransactionMarker::of_batch(batch)?;
        Ok(marker.and_then(|marker| self.end_transaction(header, marker, now)))
    }

    /// Remembers an appended batch of records, whose offsets are final. `now` is the broker's clock.
    pub fn apply(&mut self, header: &BatchHeader, now: Timestamp) {
        if !header.has_producer_id() || header.attributes.is_control() {
            return;
        }
        let entry = self.entry_at(header, now);
        if entry.batches.len() == BATCHES_MAX {
            entry.batches.remove(0);
        }
        if entry.batches.len() == entry.batches.capacity() {
            // All that it will ever need: growing in steps leaves holes as large as what it saves.
            entry.batches.reserve_exact(BATCHES_MAX - entry.batches.len());
        }
        entry.batches.push(AppendedBatch {
            first_sequence: header.base_sequence,
            last_sequence: header.last_sequence(),
            base_offset: header.base_offset,
            last_offset: header.last_offset(),
            max_timestamp: header.max_timestamp,
        });
        if header.attributes.is_transactional() && entry.transaction.is_none() {
            entry.transaction = Some(OpenTransaction { first_offset: header.base_offset, since: now });
            self.open.insert(header.base_offset, header.producer_id);
        }
    }

    /// Remembers a marker that stands in the batch of this header.
    pub fn end_transaction(
        &mut self,
        header: &BatchHeader,
        marker: EndTransactionMarker,
        now: Timestamp,
    ) -> Option<EndedTransaction> {
        let entry = self.entry_at(header, now);
        entry.coordinator_epoch = marker.coordinator_epoch;
        let OpenTransaction { first_offset, .. } = entry.transaction.take()?;
        self.open.remove(&first_offset);
        let (producer_id, last_offset) = (header.producer_id, header.base_offset);
        Some(EndedTransaction { producer_id, first_offset, last_offset, result: marker.result })
    }

    /// What the marker of an aborted transaction in the batch of this header will end, if anything.
    pub(super) fn aborted_by(&self, header: &BatchHeader) -> Option<AbortedTransaction> {
        let open = self.entries.get(&header.producer_id)?.transaction?;
        let (producer_id, first_offset) = (header.producer_id, open.first_offset);
        let others = self.open.iter().find(|(_, id)| **id != producer_id);
        let last_offset = header.base_offset;
        let ended =
            EndedTransaction { producer_id, first_offset, last_offset, result: TransactionResult::Abort };
        AbortedTransaction::of(ended, others.map(|(first_offset, _)| *first_offset))
    }

    /// The entry of a batch's producer, in the batch's epoch.
    fn entry_at(&mut self, header: &BatchHeader, now: Timestamp) -> &mut ProducerEntry {
        let entry = self.entries.entry(header.producer_id).or_insert_with(|| ProducerEntry {
            producer_epoch: header.producer_epoch,
            coordinator_epoch: CoordinatorEpoch::NONE,
            transaction: None,
            last_append: now,
            batches: Vec::new(),
        });
        if entry.producer_epoch != header.producer_epoch {
            entry.producer_epoch = header.producer_epoch;
            entry.batches.clear();
        }
        entry.last_append = entry.last_append.max(now);
        entry
    }

    /// Forgets producers silent for `expiration_ms` or longer (`producer.id.expiration.ms`), but none with a
    /// transaction that is not decided. `now` must come from a clock that is not taken in by jumps.
    pub fn expire(&mut self, now: Timestamp, expiration_ms: i64) {
        self.entries.retain(|_, entry| {
            entry.transaction.is_some() || now.0.saturating_sub(entry.last_append.0) < expiration_ms
        });
    }
}

/// The sequence number that should have come, if another did.
fn due(entry: Option<&ProducerEntry>, header: &BatchHeader, standing: Standing) -> Option<i32> {
    let found = header.base_sequence;
    let is_unknown = entry.is_none_or(|entry| entry.batches.is_empty());
    if standing.begins_at_zero && is_unknown && found != 0 {
        return Some(0);
    }
    if let Some(lowest) = standing.lowest_sequence.filter(|lowest| found > *lowest) {
        return Some(lowest);
    }
    // Measured against Kafka 4.3: an unknown producer may begin at any sequence, for its state may have
    // expired or its records may have been deleted (KIP-360).
    let entry = entry?;
    // KIP-360: a new epoch begins at sequence 0.
    let expected = match entry.batches.last() {
        Some(last) if header.producer_epoch == entry.producer_epoch => next_sequence(last.last_sequence),
        _ => 0,
    };
    (found != expected).then_some(expected)
}

impl ProducerEntry {
    /// The remembered batch with exactly these sequence numbers and this epoch. Of a transaction that has
    /// ended it is none of the one that is open: what comes with its numbers is another batch, which must not
    /// be answered as if it were there (ADR 36).
    fn find(&self, header: &BatchHeader) -> Option<AppendedBatch> {
        if header.producer_epoch != self.producer_epoch {
            return None;
        }
        let same = |batch: &&AppendedBatch| {
            batch.first_sequence == header.base_sequence && batch.last_sequence == header.last_sequence()
        };
        let found = self.batches.iter().find(same)?;
        let is_of_open = || self.transaction.is_some_and(|open| found.base_offset >= open.first_offset);
        (!header.attributes.is_transactional() || is_of_open()).then_some(*found)
    }
}

#[cfg(test)]
mod tests;
