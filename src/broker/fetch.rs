//! Reading from many partitions, and waiting until there is enough.

use std::sync::Arc;
use std::time::Duration;

use super::Broker;
use super::remote::RemoteAsk;
use crate::env::time;
use crate::log::{AbortedTransaction, LogRead};
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
    /// Only what transactions that have ended wrote, and what is of none: the reader leaves the aborted ones
    /// out.
    pub read_committed: bool,
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
    /// Aborted transactions with records among these, by their first offsets. Only for who reads what is
    /// committed.
    pub aborted: Vec<AbortedTransaction>,
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
    /// The tier has it, and could not give it. The words say why.
    #[error("the tier: {0}")]
    Remote(Arc<str>),
}

fn is_in_the_tier(request: &PartitionFetch) -> bool {
    request.offset < request.partition.watermarks().local_log_start_offset
}

impl Broker {
    /// Reads from partitions in their order until `bytes_max` is reached, waiting for `bytes_min`.
    ///
    /// The first partition that has anything gives at least one batch, whatever its size (KIP-74); an error
    /// in any partition ends the wait, since the client has something to act on.
    pub async fn fetch(&self, requests: &[PartitionFetch], limits: FetchLimits) -> Vec<FetchedPartition> {
        let first = self.read_all(requests, limits).await;
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
                let read = self.read_all(requests, limits).await;
                if is_enough(&read, limits.bytes_min) {
                    return read;
                }
                match self.tiering.is_some() && requests.iter().any(is_in_the_tier) {
                    // What the store has brought since wakes nobody.
                    true => _ = time::timeout(self.config().tiering.fetch_wait, waiter.woken()).await,
                    false => waiter.woken().await,
                }
            }
        };
        match time::timeout(limits.wait, waiting).await {
            Ok(read) => read,
            Err(time::Elapsed) => self.read_all(requests, limits).await,
        }
    }

    async fn read_all(&self, requests: &[PartitionFetch], limits: FetchLimits) -> Vec<FetchedPartition> {
        let mut left = limits.bytes_max;
        let mut nothing_yet = true;
        let mut results = Vec::with_capacity(requests.len());
        let mut asks = Vec::new();
        for (index, request) in requests.iter().enumerate() {
            let bytes_max = left.min(request.bytes_max.into());
            let limits = FetchLimits { bytes_max, ..limits };
            let fetched = match self.read_from(request, limits, nothing_yet).await {
                Ok(Looked::Local(fetched)) => FetchedPartition::of(Ok(fetched)),
                Ok(Looked::Remote(ask)) => {
                    let nothing = Fetched::nothing(ask.watermarks);
                    asks.push((index, ask));
                    FetchedPartition::of(Ok(nothing))
                }
                Err(failure) => FetchedPartition::of(Err(failure)),
            };
            // Measured against Kafka 4.3: a negative limit is one of nothing from the second partition on.
            left = left.saturating_sub_unsigned(fetched.bytes).max(0);
            nothing_yet &= fetched.bytes == 0;
            results.push(fetched);
        }
        if !asks.is_empty() {
            let limits = FetchLimits { bytes_max: left, ..limits };
            self.read_remotes(&asks, limits, nothing_yet, &mut results).await;
        }
        results
    }

    pub(super) async fn read_from<'a>(
        &self,
        request: &'a PartitionFetch,
        limits: FetchLimits,
        at_least_one: bool,
    ) -> Result<Looked<'a>, FetchFailure> {
        let PartitionFetch { partition, offset, last_fetched_epoch, .. } = request;
        if let Some(diverging) = partition.diverging(*last_fetched_epoch, *offset)? {
            let nothing = Fetched::nothing(diverging.watermarks);
            return Ok(Looked::Local(Fetched { diverging: Some(diverging), ..nothing }));
        }
        // Below zero it is not read, but whether there is anything is found out first.
        let bytes = u64::try_from(limits.bytes_max).ok();
        let bytes_max = bytes.unwrap_or(0);
        let (read, aborted) = match limits.read_committed {
            true => partition.read_committed(*offset, bytes_max, at_least_one)?,
            false => (partition.read(*offset, bytes_max, at_least_one)?, Vec::new()),
        };
        match read {
            PartitionRead::Empty(watermarks) => Ok(Looked::Local(Fetched::nothing(watermarks))),
            PartitionRead::Tail(..) | PartitionRead::Segments(_) | PartitionRead::Remote(_)
                if bytes.is_none() =>
            {
                Err(FetchFailure::NegativeSize)
            }
            PartitionRead::Tail(batches, watermarks) => Ok(Looked::Local(Fetched {
                records: batches.into_iter().map(Piece::Bytes).collect(),
                aborted: by_first_offset(aborted),
                ..Fetched::nothing(watermarks)
            })),
            PartitionRead::Segments(watermarks) => {
                let below = limits.read_committed.then_some(watermarks.last_stable_offset);
                let read = match read_segments(request, below, bytes_max, at_least_one).await {
                    Err(ReadError::Remote { watermarks, .. }) => {
                        return Ok(Looked::Remote(RemoteAsk { request, watermarks }));
                    }
                    read => read?,
                };
                // A marker may have left the tail between the two looks: then it is in both.
                let in_tail =
                    aborted.into_iter().filter(|aborted| aborted.overlaps(*offset, read.next_offset));
                Ok(Looked::Local(Fetched {
                    aborted: by_first_offset(read.aborted.into_iter().chain(in_tail).collect()),
                    records: read.extents.into_iter().map(Piece::File).collect(),
                    ..Fetched::nothing(watermarks)
                }))
            }
            PartitionRead::Remote(watermarks) => Ok(Looked::Remote(RemoteAsk { request, watermarks })),
        }
    }
}

/// What a look at one partition gave.
pub(super) enum Looked<'a> {
    /// What there is to say of it.
    Local(Fetched),
    /// Its records have left the disk.
    Remote(RemoteAsk<'a>),
}

impl FetchedPartition {
    pub(super) fn of(result: Result<Fetched, FetchFailure>) -> FetchedPartition {
        let bytes = result.as_ref().map_or(0, |fetched| fetched.records.iter().map(Piece::length).sum());
        FetchedPartition { result, bytes }
    }
}

impl Fetched {
    pub(super) fn nothing(watermarks: Watermarks) -> Fetched {
        Fetched { records: Vec::new(), watermarks, aborted: Vec::new(), diverging: None }
    }
}

/// Bytes of all together, as limits count them.
pub(super) fn bytes_of(read: &[FetchedPartition]) -> i64 {
    let bytes: u64 = read.iter().map(|fetched| fetched.bytes).sum();
    i64::try_from(bytes).unwrap_or(i64::MAX)
}

fn is_enough(read: &[FetchedPartition], bytes_min: i64) -> bool {
    let ends_the_wait = |fetched: &FetchedPartition| match &fetched.result {
        Ok(fetched) => fetched.diverging.is_some(),
        Err(_) => true,
    };
    bytes_of(read) >= bytes_min || read.iter().any(ends_the_wait)
}

/// As clients want them: they take them up one after the other as they walk through the records.
pub(super) fn by_first_offset(mut aborted: Vec<AbortedTransaction>) -> Vec<AbortedTransaction> {
    aborted.sort_unstable_by_key(|aborted| (aborted.first_offset, aborted.producer_id));
    aborted.dedup_by_key(|aborted| (aborted.first_offset, aborted.producer_id));
    aborted
}

/// Index look-ups may wait for a disk: not on a network thread. Most find what they need in the page cache.
async fn read_segments(
    request: &PartitionFetch,
    below: Option<Offset>,
    bytes_max: u64,
    at_least_one: bool,
) -> Result<LogRead, ReadError> {
    let PartitionFetch { partition, offset, .. } = request;
    // A request may name thousands of partitions: others get their turn in between.
    tokio::task::coop::consume_budget().await;
    if let Some(read) = partition.read_segments_at_once(below, *offset, bytes_max, at_least_one) {
        return Ok(read);
    }
    let (partition, offset) = (partition.clone(), *offset);
    let read = move || partition.read_segments_below(below, offset, bytes_max, at_least_one);
    let read = tokio::task::spawn_blocking(read).await;
    read.map_err(|_| ReadError::Stopped("reading its segments panicked".into()))?
}
