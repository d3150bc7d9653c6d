//! Looking for a record by its timestamp: in the segments first, then in the tail.

use std::sync::Arc;

use bytes::Bytes;

use super::{Found, NOTHING};
use crate::handlers::errors::KafkaError;
use crate::handlers::exchange::Failure;
use crate::log::{LogError, PartitionLog, TimestampAndOffset};
use crate::model::{Offset, Timestamp};
use crate::partition::Partition;
use crate::protocol::ErrorCode;
use crate::protocol::batch::{BatchHeader, DecompressionCaps, records};

/// Looks at segments, each after others went away during the one before.
const LOOKS_MAX: u32 = 3;

/// Which record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sought {
    /// The first at or after this time.
    AtOrAfter(Timestamp),
    /// The first of those with the largest timestamp.
    Largest,
}

/// Looks on a thread that may wait for a disk and decompress.
pub(super) async fn find(partition: Arc<Partition>, sought: Sought) -> Result<Found, Failure> {
    let search = tokio::task::spawn_blocking(move || match sought {
        Sought::AtOrAfter(timestamp) => at_or_after(&partition, timestamp),
        Sought::Largest => largest(&partition),
    });
    search.await.map_err(|_| Failure::new(ErrorCode::UnknownServerError, "the look-up panicked"))?
}

fn at_or_after(partition: &Partition, timestamp: Timestamp) -> Result<Found, Failure> {
    // The tail before the segments: a batch that moves meanwhile is then in at least one of them.
    let tail = partition.tail_batches(|max_timestamp| max_timestamp >= timestamp);
    if let Some(found) = in_segments(partition, |log, end| log.find_by_timestamp(timestamp, end))? {
        return Ok(found);
    }
    let start = partition.watermarks().log_start_offset;
    for batch in &tail {
        if let Some(found) = in_batch(batch, timestamp, start) {
            return Ok(found);
        }
    }
    Ok(NOTHING)
}

fn largest(partition: &Partition) -> Result<Found, Failure> {
    let tail = partition.tail_batches(|_| true);
    let mut best = in_segments(partition, |log, end| log.max_timestamp(end))?;
    let start = partition.watermarks().log_start_offset;
    for batch in &tail {
        let max_timestamp = header(batch).max_timestamp;
        if best.is_none_or(|best| best.timestamp < max_timestamp)
            && let Some(found) = in_batch(batch, max_timestamp, start)
        {
            best = Some(found);
        }
    }
    Ok(best.unwrap_or(NOTHING))
}

/// Asks the log on disk, which holds nothing that is not committed. Damage stops the partition.
fn in_segments(
    partition: &Partition,
    ask: impl Fn(&PartitionLog, Offset) -> Result<Option<TimestampAndOffset>, LogError>,
) -> Result<Option<Found>, Failure> {
    let log = partition.log();
    let mut asked = ask(log, log.written_end_offset());
    for _ in 1..LOOKS_MAX {
        // Its oldest segments went away meanwhile.
        if !matches!(asked, Err(LogError::OutOfRange { .. })) {
            break;
        }
        asked = ask(log, log.written_end_offset());
    }
    let found = asked.map_err(|error| {
        if error.is_damage() {
            partition.stop(&error);
        }
        error.failure()
    })?;
    let start = partition.watermarks().log_start_offset;
    Ok(found.filter(|found| found.offset >= start).map(|found| {
        let TimestampAndOffset { timestamp, offset, leader_epoch } = found;
        Found { timestamp, offset, leader_epoch }
    }))
}

/// Where in a batch the record is, from the log start on. Compressed records are not looked into on the way
/// in, so that a producer may have sent what cannot be read: then the batch's own start has to do, since a
/// consumer must get past it anyway.
fn in_batch(batch: &Bytes, timestamp: Timestamp, start: Offset) -> Option<Found> {
    let header = header(batch);
    let leader_epoch = header.partition_leader_epoch;
    let read =
        records(batch, &DecompressionCaps::default()).and_then(|set| set.first_at_or_after(timestamp, start));
    let found = read.unwrap_or(Some((header.base_offset.max(start), header.max_timestamp)));
    found.map(|(offset, timestamp)| Found { timestamp, offset, leader_epoch })
}

fn header(batch: &[u8]) -> BatchHeader {
    BatchHeader::parse(batch).expect("the tail holds batches whose headers were checked")
}
