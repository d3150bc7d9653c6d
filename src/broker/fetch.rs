//! Reading from many partitions, and waiting until there is enough.

use std::sync::Arc;
use std::time::Duration;

use super::Broker;
use crate::env::time;
use crate::model::Offset;
use crate::partition::{FetchWaiter, Partition, PartitionRead, ReadError, Watermarks};
use crate::protocol::Piece;

/// What is asked of one partition.
pub struct PartitionFetch {
    /// The partition.
    pub partition: Arc<Partition>,
    /// From this offset on.
    pub offset: Offset,
    /// At most about so many bytes.
    pub bytes_max: u64,
}

/// What one partition gave.
pub struct FetchedPartition {
    /// Its records and watermarks, or why there are none.
    pub result: Result<(Vec<Piece>, Watermarks), ReadError>,
    /// Bytes of its records.
    pub bytes: u64,
}

impl Broker {
    /// Reads from partitions in their order until `bytes_max` is reached, waiting up to `wait` for
    /// `bytes_min`.
    ///
    /// The first partition that has anything gives at least one batch, whatever its size (KIP-74); an error
    /// in any partition ends the wait, since the client has something to act on.
    pub async fn fetch(
        &self,
        requests: &[PartitionFetch],
        bytes_min: u64,
        bytes_max: u64,
        wait: Duration,
    ) -> Vec<FetchedPartition> {
        let first = self.read_all(requests, bytes_max).await;
        if wait.is_zero() || is_enough(&first, bytes_min) {
            return first;
        }
        // What it holds of the tail must not stay in memory for the wait.
        drop(first);
        let waiter = FetchWaiter::new();
        // Registered before looking, so that what is committed in between is not missed.
        requests.iter().for_each(|request| request.partition.register(&waiter));
        let waiting = async {
            loop {
                let read = self.read_all(requests, bytes_max).await;
                if is_enough(&read, bytes_min) {
                    return read;
                }
                waiter.woken().await;
            }
        };
        match time::timeout(wait, waiting).await {
            Ok(read) => read,
            Err(time::Elapsed) => self.read_all(requests, bytes_max).await,
        }
    }

    async fn read_all(&self, requests: &[PartitionFetch], bytes_max: u64) -> Vec<FetchedPartition> {
        let mut left = bytes_max;
        let mut nothing_yet = true;
        let mut results = Vec::with_capacity(requests.len());
        for request in requests {
            let fetched = read_one(request, left.min(request.bytes_max), nothing_yet).await;
            left = left.saturating_sub(fetched.bytes);
            nothing_yet &= fetched.bytes == 0;
            results.push(fetched);
        }
        results
    }
}

fn is_enough(read: &[FetchedPartition], bytes_min: u64) -> bool {
    let bytes: u64 = read.iter().map(|fetched| fetched.bytes).sum();
    bytes >= bytes_min || read.iter().any(|fetched| fetched.result.is_err())
}

async fn read_one(request: &PartitionFetch, bytes_max: u64, at_least_one: bool) -> FetchedPartition {
    let result = match request.partition.read(request.offset, bytes_max, at_least_one) {
        Ok(PartitionRead::Empty(watermarks)) => Ok((Vec::new(), watermarks)),
        Ok(PartitionRead::Tail(batches, watermarks)) => {
            Ok((batches.into_iter().map(Piece::Bytes).collect(), watermarks))
        }
        Ok(PartitionRead::Segments(watermarks)) => {
            read_segments(request, bytes_max, at_least_one).await.map(|pieces| (pieces, watermarks))
        }
        Err(error) => Err(error),
    };
    let bytes = result.as_ref().map_or(0, |(pieces, _)| pieces.iter().map(Piece::length).sum());
    FetchedPartition { result, bytes }
}

/// Index look-ups may wait for a disk: not on a network thread.
async fn read_segments(
    request: &PartitionFetch,
    bytes_max: u64,
    at_least_one: bool,
) -> Result<Vec<Piece>, ReadError> {
    let (partition, offset) = (request.partition.clone(), request.offset);
    let read = tokio::task::spawn_blocking(move || partition.read_segments(offset, bytes_max, at_least_one));
    let extents = read.await.map_err(|_| ReadError::Stopped("reading its segments panicked".into()))??;
    Ok(extents.into_iter().map(Piece::File).collect())
}
