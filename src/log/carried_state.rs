//! What a log carries from segment to segment, away from its directory: as a tier keeps it.

use crate::log::state_file::{self, Cleaned, Snapshot};
use crate::log::{AbortedTransaction, LeaderEpochs, ProducerStates};
use crate::model::{Offset, Timestamp, TopicPartition};
use crate::protocol::batch::{BatchError, BatchHeader};

/// State as of `offset` that the records above it do not tell: of everything below.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct CarriedState {
    /// Exclusive end of what it knows.
    pub offset: Offset,
    /// Where each producer is, with its open transaction.
    pub producers: ProducerStates,
    /// Which leader epoch wrote which offsets, from the log start on.
    pub leader_epochs: LeaderEpochs,
}

impl CarriedState {
    /// What it takes in memory, about.
    pub fn memory_bytes(&self) -> usize {
        size_of::<CarriedState>() + self.producers.memory_bytes() + size_of_val(self.leader_epochs.entries())
    }

    /// Takes one more batch, whole and with its final offsets. `batch` is looked at only where it is a
    /// control batch. Tells of a transaction that it ended without effect.
    pub fn apply_batch(
        &mut self,
        header: &BatchHeader,
        batch: &[u8],
        now: Timestamp,
    ) -> Result<Option<AbortedTransaction>, BatchError> {
        let ended = self.producers.apply_batch(header, batch, now)?;
        self.leader_epochs.assign(header.partition_leader_epoch, header.base_offset);
        self.offset = header.next_offset();
        let first_undecided = self.producers.first_undecided();
        Ok(ended.and_then(|ended| AbortedTransaction::of(ended, first_undecided)))
    }

    /// As a `.state` file that knows no segments (`docs/formats/partition-state.md`).
    pub fn encode(&self, partition: TopicPartition) -> Vec<u8> {
        // A copy of the producers for each segment is little beside the segment.
        let snapshot = Snapshot {
            offset: self.offset,
            producers: self.producers.clone(),
            leader_epochs: self.leader_epochs.clone(),
            segments: Vec::new(),
            cleaned: Cleaned::default(),
        };
        state_file::encode(&snapshot, partition)
    }

    /// Reads it back; otherwise says what is wrong with it.
    pub fn decode(bytes: &[u8], partition: TopicPartition) -> Result<CarriedState, &'static str> {
        let Snapshot { offset, producers, leader_epochs, .. } = state_file::decode(bytes, partition)?;
        Ok(CarriedState { offset, producers, leader_epochs })
    }
}

#[cfg(test)]
mod tests;
