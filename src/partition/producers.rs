//! Who writes to a partition, for people who ask.

use std::time::Duration;

use super::{Partition, ReadError};
use crate::log::{OpenTransaction, ProducerEntry};
use crate::model::{CoordinatorEpoch, Offset, ProducerEpoch, ProducerId, Timestamp};

/// A producer that a partition knows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ActiveProducer {
    /// Its id.
    pub producer_id: ProducerId,
    /// The newest epoch that is known here.
    pub producer_epoch: ProducerEpoch,
    /// Sequence number of its last record in that epoch, -1 if it has none.
    pub last_sequence: i32,
    /// When it last wrote, or a marker was written for it, by the broker's clock.
    pub last_append: Timestamp,
    /// Of the last marker, -1 without one.
    pub coordinator_epoch: CoordinatorEpoch,
    /// What it has not ended.
    pub transaction: Option<OpenTransaction>,
}

/// The open transactions of one partition.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct OpenTransactions {
    /// How many.
    pub count: usize,
    /// Who holds the last stable offset.
    pub first: ActiveProducer,
    /// The last stable offset itself.
    pub last_stable_offset: Offset,
}

impl OpenTransactions {
    /// For how long the first one has been open, by the broker's clock.
    pub fn first_age(&self, now: Timestamp) -> Duration {
        let since = self.first.transaction.map_or(now, |transaction| transaction.since);
        Duration::from_millis(u64::try_from(now.0.saturating_sub(since.0)).unwrap_or(0))
    }
}

impl Partition {
    /// The producers that it knows, by id.
    pub fn active_producers(&self) -> Result<Vec<ActiveProducer>, ReadError> {
        let state = self.state.lock();
        state.readable()?;
        Ok(state.producers.iter().map(|(producer_id, entry)| active(producer_id, entry)).collect())
    }

    /// Its open transactions, if there are any.
    pub fn open_transactions(&self) -> Option<OpenTransactions> {
        let state = self.state.lock();
        let mut open = state.producers.open_transactions();
        let count = open.len();
        let (producer_id, _) = open.next()?;
        let first = active(producer_id, state.producers.get(producer_id)?);
        Some(OpenTransactions { count, first, last_stable_offset: state.watermarks.last_stable_offset })
    }
}

fn active(producer_id: ProducerId, entry: &ProducerEntry) -> ActiveProducer {
    ActiveProducer {
        producer_id,
        producer_epoch: entry.producer_epoch,
        last_sequence: entry.batches.last().map_or(-1, |batch| batch.last_sequence),
        last_append: entry.last_append,
        coordinator_epoch: entry.coordinator_epoch,
        transaction: entry.transaction,
    }
}
