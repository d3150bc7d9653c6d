//! What is below a partition's local log start: read from the tier.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;

use super::fetch::{Looked, bytes_of};
use super::tiering::{DatedSegment, OldestSegment, Tiering, TieringError};
use super::{Broker, FetchFailure, FetchLimits, Fetched, FetchedPartition, PartitionFetch};
use crate::env::time::Deadline;
use crate::log::retention::SegmentSummary;
use crate::log::{AbortedTransaction, TimestampAndOffset};
use crate::model::{LeaderEpoch, Offset, Timestamp};
use crate::partition::{Partition, ReadError, Watermarks};
use crate::protocol::Piece;
use crate::tier::{ReadBounds, RemoteLog};

/// Said where nothing is tiered any more, and something was.
const NO_STORE: &str = "these records are in the tier, and no highwater.tier.store is configured";

/// Said where more was copied, and left the disk, while a fetch was at it.
const MANIFEST_TOO_OLD: &str = "its manifest was replaced meanwhile; the next fetch reads the new one";

/// How much longer others are waited for once there is something to answer with.
const READY_TOGETHER: Duration = Duration::from_millis(5);

/// The oldest segments that the tier has of a partition, for retention.
pub(super) struct OldestRemote {
    /// From the log start on, oldest first; need not be all.
    pub oldest: Vec<SegmentSummary>,
    /// Bytes of all that the tier has of it, from the log start on.
    pub bytes: u64,
    /// Where that ends.
    pub end_offset: Offset,
}

/// A partition whose records have left the disk, as a fetch found it.
pub(super) struct RemoteAsk<'a> {
    pub request: &'a PartitionFetch,
    pub watermarks: Watermarks,
}

impl Broker {
    /// What retention needs to know of what the tier has of a partition; `None` where nobody asks the tier:
    /// then the log start stays.
    pub(super) async fn oldest_remote(
        &self,
        partition: &Arc<Partition>,
    ) -> Result<Option<OldestRemote>, FetchFailure> {
        let Some(tiering) = &self.tiering else { return Ok(None) };
        let Some(log) = self.remote_log(tiering, partition).await? else { return Ok(None) };
        let (now, log_start) = (self.storage.believed_now(), partition.watermarks().log_start_offset);
        let root = log.root();
        let mut bytes = root.log_bytes();
        let mut oldest = Vec::new();
        let mut first = None;
        // The first leaf that counts is enough: more than it names goes at another time.
        for reference in &root.leaves {
            let leaf = tiering.reader().leaf(root, reference).await.map_err(unreadable)?;
            for entry in leaf.live(reference) {
                match entry.end_offset <= log_start {
                    // Not yet removed.
                    true => bytes = bytes.saturating_sub(entry.log_bytes),
                    false => {
                        let segment = DatedSegment::of(entry);
                        first.get_or_insert(segment);
                        oldest.push(segment.summary(now));
                    }
                }
            }
            if !oldest.is_empty() {
                break;
            }
        }
        let found = OldestSegment { log_start_offset: log_start, segment: first, log_bytes: bytes };
        let remote = tiering.partition(partition.topic_partition());
        remote.note_found(root.number, |known| known.oldest = Some(found));
        Ok(Some(OldestRemote { oldest, bytes, end_offset: root.end_offset }))
    }

    /// The same with one segment at most, as far as it was found before and nothing has changed since: where
    /// that one stays, all stay, and nobody need ask the store.
    pub(super) fn known_oldest_remote(&self, partition: &Partition) -> Option<OldestRemote> {
        let id = partition.topic_partition();
        let record = self.image().tier(id)?;
        let known = self.tiering.as_ref()?.partition(id).summary_of(Some(record))?;
        let found = known.oldest?;
        let now = self.storage.believed_now();
        let is_still = found.log_start_offset == partition.watermarks().log_start_offset;
        is_still.then(|| OldestRemote {
            oldest: found.segment.iter().map(|segment| segment.summary(now)).collect(),
            bytes: found.log_bytes,
            end_offset: known.end_offset,
        })
    }

    /// What the tier has of a partition; `None`: nothing.
    async fn remote_log(
        &self,
        tiering: &Tiering,
        partition: &Partition,
    ) -> Result<Option<RemoteLog>, FetchFailure> {
        let id = partition.topic_partition();
        let Some(record) = self.image().tier(id) else { return Ok(None) };
        let root = tiering.partition(id).root(tiering.reader(), Some(record)).await.map_err(unreadable)?;
        Ok(Some(RemoteLog::new(tiering.reader().clone(), root)))
    }

    /// Reads, side by side, what has left the disk; puts what came in time in its place in `results`. Who
    /// asks is answered with what is ready: from the moment at which there is enough, and at the latest after
    /// `remote.fetch.max.wait.ms`. (Kafka waits for all partitions.) What is on its way is there for the next
    /// fetch.
    ///
    /// Each holds what it has read until all are through, and the memory for that is bounded: so none is
    /// waited for without an end.
    pub(super) async fn read_remotes(
        &self,
        asks: &[(usize, RemoteAsk<'_>)],
        limits: FetchLimits,
        nothing_yet: bool,
        results: &mut [FetchedPartition],
    ) {
        let mut reads: FuturesUnordered<_> = asks
            .iter()
            .map(|(index, ask)| async move {
                let bytes_max = limits.bytes_max.min(ask.request.bytes_max.into());
                let limits = FetchLimits { bytes_max, ..limits };
                (*index, self.read_remote(ask, limits, nothing_yet).await)
            })
            .collect();
        let mut deadline = Deadline::after(self.config().tiering.fetch_wait);
        let enough = limits.bytes_min.max(1);
        // What the disk gave counts, too.
        let mut bytes = bytes_of(results);
        if bytes >= enough {
            deadline.move_to(READY_TOGETHER);
        }
        loop {
            let (index, result) = tokio::select! {
                read = reads.next() => match read {
                    Some(read) => read,
                    None => break,
                },
                () = deadline.passed() => break,
            };
            let fetched = FetchedPartition::of(result);
            bytes += i64::try_from(fetched.bytes).unwrap_or(i64::MAX);
            results[index] = fetched;
            if bytes >= enough || results[index].result.is_err() {
                deadline.move_to(READY_TOGETHER);
            }
        }
        drop(reads);
        keep_within(asks, limits.bytes_max, nothing_yet, results);
    }

    /// Reads what lies below the local log start.
    pub(super) async fn read_remote(
        &self,
        ask: &RemoteAsk<'_>,
        limits: FetchLimits,
        at_least_one: bool,
    ) -> Result<Fetched, FetchFailure> {
        let read = self.try_read_remote(ask, limits, at_least_one).await;
        let bytes = |fetched: &Fetched| fetched.records.iter().map(Piece::length).sum();
        self.metrics.tier().read(read.as_ref().ok().map(bytes));
        // Retention may have moved the log start past it since: what was there is being removed.
        let (offset, watermarks) = (ask.request.offset, ask.request.partition.watermarks());
        if offset < watermarks.log_start_offset {
            return Err(ReadError::OffsetOutOfRange { offset, watermarks }.into());
        }
        if let Err(error) = &read {
            let (topic, partition) = (ask.request.partition.topic(), ask.request.partition.topic_partition());
            let partition = partition.partition;
            tracing::warn!(%topic, partition, %offset, %error, "records in the tier cannot be read");
        }
        read
    }

    async fn try_read_remote(
        &self,
        ask: &RemoteAsk<'_>,
        limits: FetchLimits,
        at_least_one: bool,
    ) -> Result<Fetched, FetchFailure> {
        let RemoteAsk { request, watermarks } = ask;
        let partition = &request.partition;
        let tiering = self.tiering.as_ref().ok_or(FetchFailure::Remote(NO_STORE.into()))?;
        let log = self.remote_log(tiering, partition).await?;
        let log = log.ok_or(FetchFailure::Remote("nothing of the partition is in the tier".into()))?;
        let end = match limits.read_committed {
            true => watermarks.last_stable_offset,
            false => watermarks.high_watermark,
        };
        let bytes_max = u64::try_from(limits.bytes_max).unwrap_or(0);
        let bounds = ReadBounds { from: request.offset, end, bytes_max, at_least_one };
        let read = log.read(bounds).await.map_err(unreadable)?;
        if read.slices.is_empty() && !read.has_more && read.next_offset < end {
            // The tier ends in a gap, as compaction leaves one: what follows is on the disk.
            let local = PartitionFetch {
                offset: partition.watermarks().local_log_start_offset.max(request.offset),
                partition: Arc::clone(partition),
                bytes_max: request.bytes_max,
                last_fetched_epoch: LeaderEpoch::NONE,
            };
            if let Looked::Local(fetched) = self.read_from(&local, limits, at_least_one).await? {
                return Ok(fetched);
            }
        }
        let mut aborted = Vec::new();
        if limits.read_committed && !read.slices.is_empty() {
            aborted = aborted_in(&log, partition, request.offset, read.next_offset).await?;
        }
        Ok(Fetched {
            records: read.slices.into_iter().map(Piece::Bytes).collect(),
            aborted: super::fetch::by_first_offset(aborted),
            ..Fetched::nothing(*watermarks)
        })
    }

    /// The first record from the log start on, and below the local log start, whose timestamp is `timestamp`
    /// or later.
    pub async fn find_remote_by_timestamp(
        &self,
        partition: &Arc<Partition>,
        timestamp: Timestamp,
    ) -> Result<Option<TimestampAndOffset>, FetchFailure> {
        let watermarks = partition.watermarks();
        let range = watermarks.log_start_offset..watermarks.local_log_start_offset;
        if range.is_empty() {
            return Ok(None);
        }
        let tiering = self.tiering.as_ref().ok_or(FetchFailure::Remote(NO_STORE.into()))?;
        match self.remote_log(tiering, partition).await? {
            Some(log) => log.find_by_timestamp(timestamp, range).await.map_err(unreadable),
            None => Ok(None),
        }
    }
}

/// Each was read as if it were alone and the first: what is too much together, or for its partition, waits
/// for a later fetch, which finds it in memory. The first one with anything stays, whatever its size
/// (KIP-74).
fn keep_within(
    asks: &[(usize, RemoteAsk<'_>)],
    bytes_max: i64,
    nothing_yet: bool,
    results: &mut [FetchedPartition],
) {
    let mut left = bytes_max;
    let mut is_first = nothing_yet;
    for (index, ask) in asks {
        let bytes = i64::try_from(results[*index].bytes).unwrap_or(i64::MAX);
        if bytes > left.min(ask.request.bytes_max.into()) && !is_first {
            results[*index] = FetchedPartition::of(Ok(Fetched::nothing(ask.watermarks)));
            continue;
        }
        left = left.saturating_sub(bytes);
        is_first &= bytes == 0;
    }
}

/// Aborted transactions with records in `from..end`: from indexes in the tier, and, of those that ended
/// behind what is there, from those on disk and from the tail.
///
/// Segments may have left the disk since the manifest was read: their markers are then in neither. Looked at
/// after the disk was, as the start moves before a file goes.
pub(super) async fn aborted_in(
    log: &RemoteLog,
    partition: &Arc<Partition>,
    from: Offset,
    end: Offset,
) -> Result<Vec<AbortedTransaction>, FetchFailure> {
    let found = log.aborted(from..end).await.map_err(unreadable)?;
    let mut aborted = found.aborted;
    if found.has_more {
        let local = partition.clone();
        let local = tokio::task::spawn_blocking(move || local.local_aborted(from, end)).await;
        aborted.extend(local.map_err(|_| ReadError::Stopped("reading its indexes panicked".into()))??);
        if partition.watermarks().local_log_start_offset > log.root().end_offset {
            return Err(FetchFailure::Remote(MANIFEST_TOO_OLD.into()));
        }
    }
    Ok(aborted)
}

fn unreadable(error: impl Into<TieringError>) -> FetchFailure {
    FetchFailure::Remote(error.into().to_string().into())
}
