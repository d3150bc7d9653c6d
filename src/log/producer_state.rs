use std::collections::BTreeMap;

use crate::model::{Offset, ProducerEpoch, ProducerId, Timestamp};
use crate::protocol::batch::BatchHeader;

/// Batches remembered per producer: a stock client has at most five requests in flight (KIP-98).
pub const BATCHES_MAX: usize = 5;

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

/// One producer's place in one partition.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ProducerEntry {
    /// The newest epoch that appended.
    pub producer_epoch: ProducerEpoch,
    /// When it last appended, by the broker's clock: record timestamps are the client's to choose, and a
    /// state that expires because of them lets a duplicate in.
    pub last_append: Timestamp,
    /// The last batches of that epoch, oldest first, at most [`BATCHES_MAX`].
    pub batches: Vec<AppendedBatch>,
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
}

/// The idempotent producers of one partition. Pure; bounded by expiry, as in Kafka.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ProducerStates {
    entries: BTreeMap<ProducerId, ProducerEntry>,
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

    /// Puts back an entry as it was saved.
    pub(super) fn insert(&mut self, producer_id: ProducerId, entry: ProducerEntry) {
        self.entries.insert(producer_id, entry);
    }

    /// Whether a batch from a client may be appended. The order is Kafka's: duplicate, epoch, sequence.
    pub fn check(&self, header: &BatchHeader) -> SequenceVerdict {
        if !header.has_producer_id() {
            return SequenceVerdict::Append;
        }
        // Measured against Kafka 4.3: an unknown producer may begin at any sequence, for its state may have
        // expired or its records may have been deleted (KIP-360).
        let Some(entry) = self.entries.get(&header.producer_id) else { return SequenceVerdict::Append };
        if let Some(original) = entry.find(header) {
            return SequenceVerdict::Duplicate(original);
        }
        if header.producer_epoch < entry.producer_epoch {
            return SequenceVerdict::StaleEpoch { current: entry.producer_epoch };
        }
        // KIP-360: a new epoch begins at sequence 0.
        let expected = match entry.batches.last() {
            Some(last) if header.producer_epoch == entry.producer_epoch => next_sequence(last.last_sequence),
            _ => 0,
        };
        if header.base_sequence == expected {
            SequenceVerdict::Append
        } else {
            SequenceVerdict::OutOfOrder { expected }
        }
    }

    /// Remembers an appended batch, whose offsets are final. `now` is the broker's clock.
    pub fn apply(&mut self, header: &BatchHeader, now: Timestamp) {
        if !header.has_producer_id() || header.attributes.is_control() {
            return;
        }
        let entry = self.entries.entry(header.producer_id).or_insert_with(|| ProducerEntry {
            producer_epoch: header.producer_epoch,
            last_append: now,
            batches: Vec::new(),
        });
        if entry.producer_epoch != header.producer_epoch {
            entry.producer_epoch = header.producer_epoch;
            entry.batches.clear();
        }
        if entry.batches.len() == BATCHES_MAX {
            entry.batches.remove(0);
        }
        entry.last_append = entry.last_append.max(now);
        entry.batches.push(AppendedBatch {
            first_sequence: header.base_sequence,
            last_sequence: header.last_sequence(),
            base_offset: header.base_offset,
            last_offset: header.last_offset(),
            max_timestamp: header.max_timestamp,
        });
    }

    /// Forgets producers silent for `expiration_ms` or longer (`producer.id.expiration.ms`). `now` must
    /// come from a clock that is not taken in by jumps.
    pub fn expire(&mut self, now: Timestamp, expiration_ms: i64) {
        self.entries.retain(|_, entry| now.0.saturating_sub(entry.last_append.0) < expiration_ms);
    }
}

impl ProducerEntry {
    /// The remembered batch with exactly these sequence numbers and this epoch.
    fn find(&self, header: &BatchHeader) -> Option<AppendedBatch> {
        if header.producer_epoch != self.producer_epoch {
            return None;
        }
        let same = |batch: &&AppendedBatch| {
            batch.first_sequence == header.base_sequence && batch.last_sequence == header.last_sequence()
        };
        self.batches.iter().find(same).copied()
    }
}

#[cfg(test)]
mod tests;
