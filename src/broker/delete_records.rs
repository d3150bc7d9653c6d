//! Deletion of records by clients: the log start moves, for good.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;

use super::Broker;
use super::retention::{MOVES_PER_TRANSACTION, remove_old_segments};
use crate::cluster::MetadataError;
use crate::model::{Offset, TopicPartition};
use crate::partition::{Partition, PartitionStatus};

/// Records of one partition that are to go.
#[derive(Clone)]
pub struct RecordDeletion {
    /// The partition.
    pub partition: Arc<Partition>,
    /// First offset that stays; `None` is the high watermark.
    pub before: Option<Offset>,
}

/// Why records were not deleted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DeleteRecordsError {
    /// Negative, or beyond what is committed.
    #[error("offset {offset} is not one of a committed record: the high watermark is {high_watermark}")]
    OffsetOutOfRange {
        /// As asked for.
        offset: Offset,
        /// As it is.
        high_watermark: Offset,
    },
    /// The log is damaged.
    #[error("the partition is stopped: {0}")]
    Stopped(Arc<str>),
    /// The topic is gone.
    #[error("the topic was deleted")]
    Deleted,
    /// The new log start could not be made durable.
    #[error(transparent)]
    Metadata(#[from] MetadataError),
}

impl Broker {
    /// Deletes records: for each partition its log start after that. When this returns the new starts are
    /// durable and nothing below them can be read. Files are unlinked in the background; what is in memory
    /// never comes to a segment.
    ///
    /// Each partition stands in `deletions` once.
    pub async fn delete_records(
        &self,
        deletions: &[RecordDeletion],
    ) -> Vec<Result<Offset, DeleteRecordsError>> {
        let planned: Vec<_> = deletions.iter().map(new_start).collect();
        let all = deletions.iter().zip(&planned);
        let moves: Vec<_> = all
            .filter_map(|(deletion, start)| Some((deletion.partition.clone(), *start.as_ref().ok()?)))
            .collect();
        let mut outcome = Ok(());
        for moves in moves.chunks(MOVES_PER_TRANSACTION) {
            match self.move_log_starts(moves.to_vec()).await {
                Ok(moved) => self.finish(moved),
                Err(error) => outcome = Err(DeleteRecordsError::Metadata(error)),
            }
        }
        let done = deletions.iter().zip(planned);
        done.map(|(deletion, start)| reached(&deletion.partition, start?, &outcome)).collect()
    }

    fn finish(&self, moved: Vec<Arc<Partition>>) {
        for partition in &moved {
            let (topic, index) = (partition.topic(), partition.topic_partition().partition);
            let start = partition.watermarks().log_start_offset;
            tracing::info!(%topic, partition = index, %start, "a client deleted the records below");
        }
        // Not waited for: a start finishes what a crash interrupts, as does the next look of retention.
        if self.removals.add(moved) {
            let removals = self.removals.clone();
            drop(tokio::task::spawn_blocking(move || removals.run()));
        }
    }
}

/// Partitions from which clients deleted records and whose files are still to go. One thread at a time sees
/// to it, since it may wait for a sync: clients that delete quickly must not take all threads. Bounded by the
/// number of partitions.
#[derive(Default)]
pub(super) struct Removals(Mutex<Waiting>);

#[derive(Default)]
struct Waiting {
    partitions: HashMap<TopicPartition, Arc<Partition>>,
    is_seen_to: bool,
}

impl Removals {
    /// Whether somebody has to be found who calls [`Removals::run`].
    fn add(&self, moved: Vec<Arc<Partition>>) -> bool {
        let mut waiting = self.0.lock();
        waiting.partitions.extend(moved.into_iter().map(|moved| (moved.topic_partition(), moved)));
        !std::mem::replace(&mut waiting.is_seen_to, true)
    }

    /// Removes files until none are left to remove.
    fn run(&self) {
        while let Some(partitions) = self.take() {
            remove_old_segments(&partitions);
        }
    }

    fn take(&self) -> Option<Vec<Arc<Partition>>> {
        let mut waiting = self.0.lock();
        waiting.is_seen_to = !waiting.partitions.is_empty();
        waiting.is_seen_to.then(|| waiting.partitions.drain().map(|(_, partition)| partition).collect())
    }
}

/// The log start that is asked for.
fn new_start(deletion: &RecordDeletion) -> Result<Offset, DeleteRecordsError> {
    online(&deletion.partition)?;
    // It never goes back: what is committed now is so when the start moves.
    let high_watermark = deletion.partition.watermarks().high_watermark;
    let offset = deletion.before.unwrap_or(high_watermark);
    match (Offset(0)..=high_watermark).contains(&offset) {
        true => Ok(offset),
        false => Err(DeleteRecordsError::OffsetOutOfRange { offset, high_watermark }),
    }
}

/// The log start as it is now, if it came as far as was asked for.
fn reached(
    partition: &Partition,
    start: Offset,
    outcome: &Result<(), DeleteRecordsError>,
) -> Result<Offset, DeleteRecordsError> {
    let log_start_offset = partition.watermarks().log_start_offset;
    if log_start_offset < start {
        online(partition)?;
        outcome.clone()?;
    }
    Ok(log_start_offset)
}

fn online(partition: &Partition) -> Result<(), DeleteRecordsError> {
    match partition.status() {
        PartitionStatus::Online => Ok(()),
        PartitionStatus::Stopped(reason) => Err(DeleteRecordsError::Stopped(reason)),
        PartitionStatus::Deleted => Err(DeleteRecordsError::Deleted),
    }
}

#[cfg(test)]
mod tests;
