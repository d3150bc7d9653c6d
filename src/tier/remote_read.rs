//! Whole batches of one remote segment, and records in it by time.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::OwnedSemaphorePermit;

use super::batch_run::{BlockRun, block_of};
use super::blocks::BlockSource;
use super::error::TierError;
use super::manifest_entry::ManifestEntry;
use super::remote_reader::{LOOK_UP_BYTES, RemoteReader, SERVED_UNIT_BYTES};
use super::segment_head::BLOCK_BYTES;
use super::sequences::WINDOW_BLOCKS_MAX;
use crate::log::TimestampAndOffset;
use crate::model::{Offset, Timestamp, TopicPartition};
use crate::protocol::batch::{BatchHeader, HEADER_BYTES};

/// What is read, and how much of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ReadBounds {
    /// The first offset.
    pub from: Offset,
    /// No batch reaches it.
    pub end: Offset,
    /// Bytes of all batches together.
    pub bytes_max: u64,
    /// The first batch is returned even if it alone is larger (KIP-74).
    pub at_least_one: bool,
}

/// Whole batches.
#[derive(Clone, PartialEq, Eq)]
pub struct RemoteRead {
    /// One behind the other. Their memory counts as served until the last of them is dropped.
    pub slices: Vec<Bytes>,
    /// Length of all.
    pub bytes: u64,
    /// Where the next read goes on: after the last batch, and after a gap that follows it.
    pub next_offset: Offset,
    /// There may be more in the segment: it was the bounds that ended the read.
    pub has_more: bool,
}

impl std::fmt::Debug for RemoteRead {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let RemoteRead { bytes, next_offset, has_more, .. } = self;
        write!(f, "{bytes} bytes up to offset {next_offset}, has_more: {has_more}")
    }
}

/// One walk over a segment's batches.
struct Walk<'a> {
    reader: &'a RemoteReader,
    source: Arc<BlockSource>,
    run: BlockRun,
    window: u32,
}

/// A batch and where it lies.
#[derive(Clone, Copy)]
struct Found {
    header: BatchHeader,
    position: u64,
}

impl Found {
    fn end(&self) -> u64 {
        self.position + self.header.size_bytes() as u64
    }
}

impl Walk<'_> {
    fn log_bytes(&self) -> u64 {
        self.source.head.log_bytes
    }

    /// Gets the blocks of a range that are not there yet, in order.
    async fn need(&mut self, range: Range<u64>) -> Result<(), TierError> {
        self.run.drop_before(if self.run.blocks.is_empty() { block_of(range.start) } else { 0 });
        let last = block_of(range.end - 1);
        while self.run.next() <= last {
            let block = self.run.next();
            self.run.blocks.push(self.reader.blocks.block(&self.source, block, self.window).await?);
        }
        Ok(())
    }

    /// The batch that begins there; `None` at the end.
    async fn batch_at(&mut self, position: u64) -> Result<Option<Found>, TierError> {
        if position >= self.log_bytes() {
            return Ok(None);
        }
        let damaged = |what: String| {
            TierError::damaged(&self.source.key, format!("no record batch begins at byte {position}: {what}"))
        };
        let header_end = position + HEADER_BYTES as u64;
        if header_end > self.log_bytes() {
            return Err(damaged("too few bytes are left".to_owned()));
        }
        let source = Arc::clone(&self.source);
        self.need(position..header_end).await?;
        let header = self.run.header(position, source.head.log_bytes).map_err(|what| {
            TierError::damaged(&source.key, format!("no record batch begins at byte {position}: {what}"))
        })?;
        Ok(Some(Found { header, position }))
    }

    /// The first batch that ends at or above `from`.
    async fn first_from(&mut self, from: Offset) -> Result<Option<Found>, TierError> {
        let mut position = u64::from(self.source.head.floor_of_offset(from));
        while let Some(found) = self.batch_at(position).await? {
            if found.header.last_offset() >= from {
                return Ok(Some(found));
            }
            position = found.end();
            self.run.drop_before(block_of(position));
        }
        Ok(None)
    }

    /// Where the batches end that fit the bounds behind the first one, and the offset that follows.
    async fn stop_behind(&mut self, first: Found, bounds: &ReadBounds) -> Result<(u64, Offset), TierError> {
        let limit = first.position.saturating_add(bounds.bytes_max);
        let (mut at, mut next_offset) = (first.end(), first.header.next_offset());
        // A header that does not fit is not looked at: it may lie in a block that nobody has asked for.
        while at + HEADER_BYTES as u64 <= limit {
            let Some(found) = self.batch_at(at).await? else { break };
            if found.end() > limit || found.header.next_offset() > bounds.end {
                // What lies between is a gap.
                next_offset = found.header.base_offset.min(bounds.end);
                break;
            }
            (at, next_offset) = (found.end(), found.header.next_offset());
        }
        Ok((at, next_offset))
    }
}

impl RemoteReader {
    /// Whole batches of a segment from the one that contains `bounds.from` on, or the first after it.
    ///
    /// Waits as long as the memory for answers is in use: whoever holds answers himself bounds his wait.
    pub async fn read_segment(
        &self,
        partition: TopicPartition,
        entry: &ManifestEntry,
        bounds: ReadBounds,
    ) -> Result<RemoteRead, TierError> {
        let permit = self.permit(answer_bytes(entry, &bounds)).await;
        self.read_with(partition, entry, bounds, permit).await
    }

    /// The same, but `None` where it would have to wait for memory.
    pub(super) async fn read_segment_at_once(
        &self,
        partition: TopicPartition,
        entry: &ManifestEntry,
        bounds: ReadBounds,
    ) -> Result<Option<RemoteRead>, TierError> {
        let units = self.units(answer_bytes(entry, &bounds));
        let Ok(permit) = Arc::clone(&self.served).try_acquire_many_owned(units) else { return Ok(None) };
        self.read_with(partition, entry, bounds, permit).await.map(Some)
    }

    async fn read_with(
        &self,
        partition: TopicPartition,
        entry: &ManifestEntry,
        bounds: ReadBounds,
        mut permit: OwnedSemaphorePermit,
    ) -> Result<RemoteRead, TierError> {
        let source = self.source(partition, entry).await?;
        let window = self.sequences.lock().window(partition, bounds.from);
        // What is wanted is asked for at once, whoever the reader is.
        let floor = u64::from(source.head.floor_of_offset(bounds.from));
        let reach = floor.saturating_add(bounds.bytes_max).min(entry.log_bytes);
        let wanted = (block_of(reach.max(1) - 1) + 1).saturating_sub(block_of(floor));
        let ask = window.max(wanted.min(WINDOW_BLOCKS_MAX));
        let mut walk = Walk { reader: self, source, run: BlockRun::default(), window: ask };
        let nothing = |next_offset| RemoteRead { slices: Vec::new(), bytes: 0, next_offset, has_more: false };
        let Some(first) = walk.first_from(bounds.from).await? else {
            let next_offset = entry.end_offset.max(bounds.from);
            self.sequences.lock().went_on(partition, bounds.from, next_offset, window);
            return Ok(nothing(next_offset));
        };
        let is_large = first.end() - first.position > bounds.bytes_max;
        if first.header.next_offset() > bounds.end || is_large && !bounds.at_least_one {
            return Ok(RemoteRead { has_more: true, ..nothing(bounds.from) });
        }
        if is_large {
            let blocks = block_of(first.end() - 1) + 1 - block_of(first.position);
            let needed = u64::from(blocks) * BLOCK_BYTES as u64;
            if self.units(needed) as usize > permit.num_permits() {
                // With nothing in hand, so that two such reads do not wait for each other.
                drop((permit, std::mem::take(&mut walk.run)));
                permit = self.permit(needed).await;
            }
        }
        let (stop, next_offset) = match is_large {
            true => (first.end(), first.header.next_offset()),
            false => walk.stop_behind(first, &bounds).await?,
        };
        walk.need(first.position..stop).await?;
        let is_end = stop == entry.log_bytes;
        let next_offset =
            if is_end { entry.end_offset.min(bounds.end.max(next_offset)) } else { next_offset };
        self.sequences.lock().went_on(partition, bounds.from, next_offset, window);
        let slices = walk.run.slices(first.position..stop);
        let kept = self.units(slices.len() as u64 * BLOCK_BYTES as u64) as usize;
        let surplus = permit.num_permits().saturating_sub(kept);
        drop(permit.split(surplus));
        let slices = served(slices, permit);
        Ok(RemoteRead { slices, bytes: stop - first.position, next_offset, has_more: !is_end })
    }

    /// The first record of a segment at or above `from` and below `end` (exclusive) whose timestamp is
    /// `timestamp` or later.
    pub async fn find_in_segment(
        &self,
        partition: TopicPartition,
        entry: &ManifestEntry,
        timestamp: Timestamp,
        range: Range<Offset>,
    ) -> Result<Option<TimestampAndOffset>, TierError> {
        if entry.max_timestamp < timestamp {
            return Ok(None);
        }
        let source = self.source(partition, entry).await?;
        let _turn = self.look_ups.acquire().await.expect("the semaphore is never closed");
        let _permit = self.permit(LOOK_UP_BYTES as u64).await;
        let head = Arc::clone(&source.head);
        let floor = head.floor_of_timestamp(timestamp).max(head.floor_of_offset(range.start));
        let mut walk = Walk { reader: self, source, run: BlockRun::default(), window: 1 };
        let mut position = u64::from(floor);
        while let Some(found) = walk.batch_at(position).await? {
            let header = &found.header;
            if header.next_offset() > range.end {
                break;
            }
            if header.max_timestamp >= timestamp && header.last_offset() >= range.start {
                walk.need(position..found.end()).await?;
                let batch = walk.run.copy(position..found.end());
                // Its block is what was copied: what cannot be read was sent so.
                let record = TimestampAndOffset::find(&batch, header, timestamp, range.start)
                    .unwrap_or_else(|_| Some(TimestampAndOffset::of_unreadable(header, range.start)));
                if record.is_some() {
                    return Ok(record);
                }
            }
            position = found.end();
            walk.run.drop_before(block_of(position));
        }
        Ok(None)
    }

    /// Waits for that much of the memory for answers, or for all of it where more is asked for: one batch may
    /// be larger.
    async fn permit(&self, bytes: u64) -> OwnedSemaphorePermit {
        let permit = Arc::clone(&self.served).acquire_many_owned(self.units(bytes)).await;
        permit.expect("the semaphore is never closed")
    }

    fn units(&self, bytes: u64) -> u32 {
        let units = bytes.div_ceil(SERVED_UNIT_BYTES as u64);
        u32::try_from(units).unwrap_or(u32::MAX).min(self.served_permits)
    }
}

/// What an answer may keep in memory: the blocks in which it begins and ends are kept whole.
fn answer_bytes(entry: &ManifestEntry, bounds: &ReadBounds) -> u64 {
    let blocks = bounds.bytes_max.min(entry.log_bytes).div_ceil(BLOCK_BYTES as u64) + 1;
    blocks * BLOCK_BYTES as u64
}

/// A slice that holds its share of the memory for answers.
struct Served {
    bytes: Bytes,
    _permit: Arc<OwnedSemaphorePermit>,
}

impl AsRef<[u8]> for Served {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

/// The slices keep their blocks, and the permit, until the last is dropped.
fn served(slices: Vec<Bytes>, permit: OwnedSemaphorePermit) -> Vec<Bytes> {
    let permit = Arc::new(permit);
    let hold = |bytes: Bytes| Bytes::from_owner(Served { bytes, _permit: Arc::clone(&permit) });
    slices.into_iter().map(hold).collect()
}
