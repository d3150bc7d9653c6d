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
use crate::protocol::batch::BatchHeader;

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
    Ok(found.filter(|found| found.offset >= start).map(as_found))
}

/// Where in a batch the record is, from the log start on.
fn in_batch(batch: &Bytes, timestamp: Timestamp, start: Offset) -> Option<Found> {
    let header = header(batch);
    let read = TimestampAndOffset::find(batch, &header, timestamp, start);
    read.unwrap_or_else(|_| Some(TimestampAndOffset::of_unreadable(&header, start))).map(as_found)
}

/// As it is answered.
pub(super) fn as_found(found: TimestampAndOffset) -> Found {
    let TimestampAndOffset { timestamp, offset, leader_epoch } = found;
    Found { timestamp, offset, leader_epoch }
}

fn header(batch: &[u8]) -> BatchHeader {
    BatchHeader::parse(batch).expect("the tail holds batches whose headers were checked")
}
