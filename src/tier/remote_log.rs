//! One partition's remote segments as one log, as a root of its manifest names them.

use std::ops::Range;
use std::sync::Arc;

use super::error::TierError;
use super::leaf::{Leaf, LeafReference};
use super::manifest_entry::ManifestEntry;
use super::remote_read::{ReadBounds, RemoteRead};
use super::remote_reader::RemoteReader;
use super::root::Root;
use crate::log::{AbortedTransaction, TimestampAndOffset};
use crate::model::{Offset, Timestamp};

/// Segments that one read may span: small segments, or gaps, would make a long list.
const SEGMENTS_MAX: usize = 16;

/// Aborted transactions with records in a range.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct RemoteAborted {
    /// As far as their markers are in remote segments, in the order of these.
    pub aborted: Vec<AbortedTransaction>,
    /// Markers of others may stand behind the last remote segment: in the local log.
    pub has_more: bool,
}

/// A partition's remote segments, at one moment. Cheap to make; what it has read stays in the reader.
pub struct RemoteLog {
    reader: Arc<RemoteReader>,
    root: Arc<Root>,
}

impl RemoteLog {
    /// As that root has it.
    pub fn new(reader: Arc<RemoteReader>, root: Arc<Root>) -> RemoteLog {
        RemoteLog { reader, root }
    }

    /// The root.
    pub fn root(&self) -> &Arc<Root> {
        &self.root
    }

    /// The segment that holds `offset`, or the first one behind the gap in which it lies.
    pub async fn segment_of(&self, offset: Offset) -> Result<Option<ManifestEntry>, TierError> {
        let offset = offset.max(self.root.log_start_offset);
        let Some(reference) = self.root.leaf_of(offset) else { return Ok(None) };
        let leaf = self.leaf(reference).await?;
        let live = leaf.live(reference);
        Ok(live.get(live.partition_point(|entry| entry.end_offset <= offset)).copied())
    }

    /// Whole batches from the one that contains `bounds.from` on, or the first after it. A read goes on over
    /// the ends of segments as far as it need not wait for memory.
    pub async fn read(&self, bounds: ReadBounds) -> Result<RemoteRead, TierError> {
        let mut read = RemoteRead { slices: Vec::new(), bytes: 0, next_offset: bounds.from, has_more: true };
        for _ in 0..SEGMENTS_MAX {
            if read.next_offset >= bounds.end || (read.bytes > 0 && read.bytes >= bounds.bytes_max) {
                break;
            }
            let Some(entry) = self.segment_of(read.next_offset).await? else {
                read.has_more = false;
                break;
            };
            let bounds = ReadBounds {
                from: read.next_offset,
                bytes_max: bounds.bytes_max - read.bytes.min(bounds.bytes_max),
                at_least_one: bounds.at_least_one && read.bytes == 0,
                ..bounds
            };
            let more = match read.bytes {
                0 => Some(self.reader.read_segment(self.root.partition, &entry, bounds).await?),
                _ => self.reader.read_segment_at_once(self.root.partition, &entry, bounds).await?,
            };
            let Some(more) = more else { break };
            let is_stuck = more.has_more;
            read.slices.extend(more.slices);
            read.bytes += more.bytes;
            read.next_offset = more.next_offset;
            if is_stuck {
                break;
            }
        }
        read.has_more &= read.next_offset < self.root.end_offset;
        Ok(read)
    }

    /// The aborted transactions with records in `from..end`. Their markers may stand in any later segment;
    /// each entry says whether one has to go on looking.
    pub async fn aborted(&self, range: Range<Offset>) -> Result<RemoteAborted, TierError> {
        let mut found = RemoteAborted { aborted: Vec::new(), has_more: false };
        let mut at = range.start;
        while let Some(entry) = self.segment_of(at).await? {
            if entry.aborted > 0 {
                let head = self.reader.head(self.root.partition, &entry).await?;
                found.aborted.extend(head.aborted_in(range.start, range.end));
            }
            if entry.end_offset >= range.end && !entry.leaves_undecided(range.end) {
                return Ok(found);
            }
            at = entry.end_offset;
        }
        found.has_more = true;
        Ok(found)
    }

    /// The first record at or above `range.start` (and the log start) and below `range.end` whose timestamp
    /// is `timestamp` or later.
    pub async fn find_by_timestamp(
        &self,
        timestamp: Timestamp,
        range: Range<Offset>,
    ) -> Result<Option<TimestampAndOffset>, TierError> {
        let range = range.start.max(self.root.log_start_offset)..range.end;
        for reference in &self.root.leaves {
            if reference.end_offset <= range.start || reference.max_timestamp < timestamp {
                continue;
            }
            if reference.base_offset >= range.end {
                break;
            }
            let leaf = self.leaf(reference).await?;
            for entry in leaf.live(reference) {
                if entry.end_offset <= range.start || entry.base_offset >= range.end {
                    continue;
                }
                let partition = self.root.partition;
                let found = self.reader.find_in_segment(partition, entry, timestamp, range.clone()).await?;
                if found.is_some() {
                    return Ok(found);
                }
            }
        }
        Ok(None)
    }

    async fn leaf(&self, reference: &LeafReference) -> Result<Arc<Leaf>, TierError> {
        self.reader.leaf(&self.root, reference).await
    }
}

#[cfg(test)]
mod tests;
