//! Reading from many partitions, and waiting until there is enough.

use std::sync::Arc;
use std::time::Duration;

use super::Broker;
use crate::env::time;
use crate::model::{LeaderEpoch, Offset};
use crate::partition::{Divergence, FetchWaiter, Partition, PartitionRead, ReadError, Watermarks};
use crate::protocol::Piece;

/// What is asked of one partition.
pub struct PartitionFetch {
    /// The partition.
    pub partition: Arc<Partition>,
    /// From this offset on.
    pub offset: Offset,
    /// At most about so many bytes; nothing can be read with a negative number.
    pub bytes_max: i32,
    /// Leader epoch of the record before `offset`, or -1: checked against the log (KIP-595).
    pub last_fetched_epoch: LeaderEpoch,
}

/// How much may be fetched from all partitions together.
#[derive(Clone, Copy)]
pub struct FetchLimits {
    /// Enough to stop waiting.
    pub bytes_min: i64,
    /// At most about so many bytes; from the first partition that has any nothing can be read with a negative
    /// number.
    pub bytes_max: i64,
    /// Longest wait for `bytes_min`.
    pub wait: Duration,
}

/// What one partition gave.
pub struct FetchedPartition {
    /// Its records and watermarks, or why there are none.
    pub result: Result<Fetched, FetchFailure>,
    /// Bytes of its records.
    pub bytes: u64,
}

/// What one partition gave, if it could be read.
pub struct Fetched {
    /// Whole batches.
    pub records: Vec<Piece>,
    /// As they were before the read.
    pub watermarks: Watermarks,
    /// Where the reader's log leaves this one. Then there are no records.
    pub diverging: Option<Divergence>,
}

/// Why a partition could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FetchFailure {
    /// The partition says why.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// There are records, and less than none of them were asked for.
    #[error("a negative number of bytes was asked for")]
    NegativeSize,
}

impl Broker {
    /// Reads from partitions in their order until `bytes_max` is reached, waiting for `bytes_min`.
    ///
    /// The first partition that has anything gives at least one batch, whatever its size (KIP-74); an error
    /// in any partition ends the wait, since the client has something to act on.
    pub async fn fetch(&self, requests: &[PartitionFetch], limits: FetchLimits) -> Vec<FetchedPartition> {
        let first = self.read_all(requests, limits.bytes_max).await;
        if limits.wait.is_zero() || is_enough(&first, limits.bytes_min) {
            return first;
        }
        // What it holds of the tail must not stay in memory for the wait.
        drop(first);
        let waiter = FetchWaiter::new();
        // Registered before looking, so that what is committed in between is not missed.
        requests.iter().for_each(|request| request.partition.register(&waiter));
        let waiting = async {
            loop {
                let read = self.read_all(requests, limits.bytes_max).await;
                if is_enough(&read, limits.bytes_min) {
                    return read;
                }
                waiter.woken().await;
            }
        };
        match time::timeout(limits.wait, waiting).await {
            Ok(read) => read,
            Err(time::Elapsed) => self.read_all(requests, limits.bytes_max).await,
        }
    }

    async fn read_all(&self, requests: &[PartitionFetch], bytes_max: i64) -> Vec<FetchedPartition> {
        let mut left = bytes_max;
        let mut nothing_yet = true;
        let mut results = Vec::with_capacity(requests.len());
        for request in requests {
            let fetched = read_one(request, left.min(request.bytes_max.into()), nothing_yet).await;
            // Measured against Kafka 4.3: a negative limit is one of nothing from the second partition on.
            left = left.saturating_sub_unsigned(fetched.bytes).max(0);
            nothing_yet &= fetched.bytes == 0;
            results.push(fetched);
        }
        results
    }
}

fn is_enough(read: &[FetchedPartition], bytes_min: i64) -> bool {
    let bytes: u64 = read.iter().map(|fetched| fetched.bytes).sum();
    let ends_the_wait = |fetched: &FetchedPartition| match &fetched.result {
        Ok(fetched) => fetched.diverging.is_some(),
        Err(_) => true,
    };
    i64::try_from(bytes).unwrap_or(i64::MAX) >= bytes_min || read.iter().any(ends_the_wait)
}

async fn read_one(request: &PartitionFetch, bytes_max: i64, at_least_one: bool) -> FetchedPartition {
    let result = read_from(request, bytes_max, at_least_one).await;
    let bytes = result.as_ref().map_or(0, |fetched| fetched.records.iter().map(Piece::length).sum());
    FetchedPartition { result, bytes }
}

async fn read_from(
    request: &PartitionFetch,
    bytes_max: i64,
    at_least_one: bool,
) -> Result<Fetched, FetchFailure> {
    let PartitionFetch { partition, offset, last_fetched_epoch, .. } = request;
    if let Some(diverging) = partition.diverging(*last_fetched_epoch, *offset)? {
        let watermarks = diverging.watermarks;
        return Ok(Fetched { records: Vec::new(), watermarks, diverging: Some(diverging) });
    }
    // Below zero it is not read, but whether there is anything is found out first.
    let bytes = u64::try_from(bytes_max).ok();
    let (records, watermarks) = match partition.read(*offset, bytes.unwrap_or(0), at_least_one)? {
        PartitionRead::Empty(watermarks) => (Vec::new(), watermarks),
        PartitionRead::Tail(..) | PartitionRead::Segments(_) if bytes.is_none() => {
            return Err(FetchFailure::NegativeSize);
        }
        PartitionRead::Tail(batches, watermarks) => {
            (batches.into_iter().map(Piece::Bytes).collect(), watermarks)
        }
        PartitionRead::Segments(watermarks) => {
            (read_segments(request, bytes.unwrap_or(0), at_least_one).await?, watermarks)
        }
    };
    Ok(Fetched { records, watermarks, diverging: None })
}

/// Index look-ups may wait for a disk: not on a network thread. Most find what they need in the page cache.
async fn read_segments(
    request: &PartitionFetch,
    bytes_max: u64,
    at_least_one: bool,
) -> Result<Vec<Piece>, ReadError> {
    let PartitionFetch { partition, offset, .. } = request;
    // A request may name thousands of partitions: others get their turn in between.
    tokio::task::coop::consume_budget().await;
    let extents = match partition.read_segments_at_once(*offset, bytes_max, at_least_one) {
        Some(extents) => extents,
        None => {
            let (partition, offset) = (partition.clone(), *offset);
            let read = move || partition.read_segments(offset, bytes_max, at_least_one);
            let read = tokio::task::spawn_blocking(read).await;
            read.map_err(|_| ReadError::Stopped("reading its segments panicked".into()))??
        }
    };
    Ok(extents.into_iter().map(Piece::File).collect())
}
