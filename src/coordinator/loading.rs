//! A shard out of its log.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::BytesMut;

use super::Shard;
use super::runtime::Shared;
use crate::env::{BackgroundError, FileExtent, Pace, in_background};
use crate::model::Offset;
use crate::partition::{Partition, PartitionRead, ReadError};
use crate::protocol::batch::{
    BatchError, BatchHeader, DecompressionCaps, EndTransactionMarker, records, verify_crc,
};

/// Why a shard could not be loaded.
#[derive(Debug, thiserror::Error)]
pub(super) enum LoadError {
    /// The partition does not serve, now.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// A segment cannot be read.
    #[error("reading a segment: {0}")]
    Io(#[from] std::io::Error),
    /// Bytes that are no batch.
    #[error("the batch at offset {offset}: {error}")]
    Batch {
        /// Where it should begin.
        offset: Offset,
        /// What is wrong.
        error: BatchError,
    },
    /// A record that the shard cannot read.
    #[error("the record at offset {offset}: {reason}")]
    Record {
        /// Its offset.
        offset: Offset,
        /// What is wrong.
        reason: String,
    },
    /// The broker stops.
    #[error("the broker stops")]
    Stopping,
    /// It was not read to its end.
    #[error("replaying its records: {0}")]
    Background(#[from] BackgroundError),
}

impl LoadError {
    /// Whether another attempt may go better.
    pub(super) fn may_pass(&self) -> bool {
        use BackgroundError::NoThread;
        matches!(self, LoadError::Read(_) | LoadError::Io(_) | LoadError::Background(NoThread(_)))
    }
}

/// Records that are replayed before the time is looked at: a few microseconds.
const RECORDS_BETWEEN_LOOKS: u64 = 16;

/// What was read.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct Loaded {
    pub(super) records: u64,
    pub(super) bytes: u64,
}

/// [`load`] where clients do not wait for it: a million records keep a core busy for a second. At once where
/// there is nothing to read, as in a topic that was just made: some clients give up at the first
/// COORDINATOR_LOAD_IN_PROGRESS (kafkajs).
pub(super) async fn load_aside<S: Shard>(
    partition: &Arc<Partition>,
    load_bytes: u64,
    shared: &Arc<Shared<S>>,
) -> Result<(S, Loaded), LoadError> {
    let watermarks = partition.watermarks();
    let (partition, shared) = (partition.clone(), shared.clone());
    let pace = Pace::new(shared.env.clock.clone());
    let work = move || load::<S>(&partition, load_bytes, &shared.stopping, pace);
    if watermarks.log_start_offset == watermarks.high_watermark {
        return work();
    }
    in_background("coordinator-load", work).await?
}

/// Replays what is committed, about `load_bytes` at a time. Waits for the disk.
fn load<S: Shard>(
    partition: &Partition,
    load_bytes: u64,
    stopping: &AtomicBool,
    pace: Pace,
) -> Result<(S, Loaded), LoadError> {
    let watermarks = partition.watermarks();
    let start = watermarks.log_start_offset;
    let mut loading = Loading { shard: S::default(), start, next: start, loaded: Loaded::default(), pace };
    let mut buffer = BytesMut::new();
    while loading.next < watermarks.high_watermark {
        if stopping.load(Ordering::Acquire) {
            return Err(LoadError::Stopping);
        }
        let before = loading.next;
        match partition.read(before, load_bytes, true)? {
            PartitionRead::Empty(_) => break,
            // Topics of coordinators never leave for the tier.
            PartitionRead::Remote(watermarks) => {
                return Err(ReadError::Remote { offset: before, watermarks }.into());
            }
            PartitionRead::Tail(batches, _) => {
                batches.iter().try_for_each(|batch| loading.replay_all(batch))?;
            }
            PartitionRead::Segments(_) => {
                for extent in partition.read_segments(before, load_bytes, true)? {
                    read_whole(&extent, &mut buffer)?;
                    loading.replay_all(&buffer)?;
                }
            }
        }
        // What a cleaner took away from the end of the log.
        if loading.next == before {
            break;
        }
    }
    Ok((loading.shard, loading.loaded))
}

fn read_whole(extent: &FileExtent, buffer: &mut BytesMut) -> std::io::Result<()> {
    let length = usize::try_from(extent.length).unwrap_or(usize::MAX);
    buffer.resize(length, 0);
    extent.file.read_exact_at(buffer, extent.offset)
}

struct Loading<S> {
    shard: S,
    /// The log start: records below it count no more.
    start: Offset,
    next: Offset,
    loaded: Loaded,
    pace: Pace,
}

impl<S: Shard> Loading<S> {
    /// Replays whole batches that lie one behind the other.
    fn replay_all(&mut self, mut bytes: &[u8]) -> Result<(), LoadError> {
        self.loaded.bytes += bytes.len() as u64;
        while !bytes.is_empty() {
            let offset = self.next;
            let at = |error| LoadError::Batch { offset, error };
            let header = BatchHeader::parse(bytes).map_err(at)?;
            let (expected, actual) = (header.size_bytes(), bytes.len());
            let batch = bytes.split_off(..expected).ok_or(BatchError::Truncated { expected, actual });
            let batch = batch.map_err(at)?;
            verify_crc(batch).map_err(at)?;
            if !header.attributes.is_control() {
                self.replay_batch(batch, &header)?;
            } else if let Some(marker) = EndTransactionMarker::of_batch(batch).map_err(at)? {
                self.shard.end_transaction(header.producer_id, marker.result);
            }
            self.next = header.base_offset.plus(i64::from(header.last_offset_delta) + 1);
        }
        Ok(())
    }

    fn replay_batch(&mut self, batch: &[u8], header: &BatchHeader) -> Result<(), LoadError> {
        let at = |error| LoadError::Batch { offset: header.base_offset, error };
        let set = records(batch, &DecompressionCaps::default()).map_err(at)?;
        for record in &set {
            let record = record.map_err(at)?;
            let offset = header.base_offset.plus(i64::from(record.offset_delta));
            if offset < self.start {
                continue;
            }
            self.loaded.records += 1;
            if self.loaded.records.is_multiple_of(RECORDS_BETWEEN_LOOKS) {
                self.pace.keep();
            }
            let key = record.key.unwrap_or_default();
            match S::decode(key, record.value) {
                Ok(Some(record)) if header.attributes.is_transactional() => {
                    self.shard.replay_in_transaction(header.producer_id, record);
                }
                Ok(Some(record)) => self.shard.replay(record),
                Ok(None) => {}
                Err(reason) => return Err(LoadError::Record { offset, reason }),
            }
        }
        Ok(())
    }
}
