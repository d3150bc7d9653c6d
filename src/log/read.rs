//! Reading: which bytes of which files hold the batches asked for.

use std::ops::ControlFlow;
use std::sync::Arc;

use crate::env::FileExtent;
use crate::log::partition_log::Published;
use crate::log::segment::Segment;
use crate::log::{AbortedTransaction, LogError, PartitionLog};
use crate::model::Offset;
use crate::protocol::batch::BatchHeader;

/// Segments that one read may span: small segments, or gaps, would make a long list.
const EXTENTS_MAX: usize = 16;

/// Whole batches, as extents of the files they lie in.
#[derive(Clone, Default)]
pub struct LogRead {
    /// In offset order; at most one for each segment.
    pub extents: Vec<FileExtent>,
    /// Sum of the extents' lengths.
    pub bytes: u64,
    /// Where the next read goes on: after the last batch returned, and after a gap that follows it.
    pub next_offset: Offset,
    /// Of a read of committed transactions: the aborted ones with batches in it, as far as their markers are
    /// in segments.
    pub aborted: Vec<AbortedTransaction>,
}

/// What a read is bounded by.
#[derive(Clone, Copy)]
struct Bounds {
    from: Offset,
    /// Exclusive.
    end: Offset,
    bytes: u64,
    at_least_one: bool,
}

/// A segment as one reader sees it.
pub(super) struct View<'a> {
    pub segment: &'a Arc<Segment>,
    /// Bytes of it that may be read.
    pub bytes: u64,
    /// Offset at which its successor begins, or the written end.
    pub end: Offset,
}

impl Published {
    /// The segment that contains `offset`, or else the one before the gap in which it lies.
    pub(super) fn position_of(&self, offset: Offset) -> usize {
        self.segments.partition_point(|segment| segment.base_offset <= offset).saturating_sub(1)
    }

    pub(super) fn view(&self, at: usize) -> View<'_> {
        let segment = &self.segments[at];
        match self.segments.get(at + 1) {
            Some(next) => View { segment, bytes: segment.bytes(), end: next.base_offset },
            None => View { segment, bytes: self.active_bytes, end: self.end },
        }
    }
}

impl PartitionLog {
    /// Whole batches from the one that contains `from` on (or the first after it, where `from` lies in a
    /// gap), none of which reaches `end` or the written end, in at most `max_bytes`.
    ///
    /// `at_least_one`: the first batch is returned even if it alone is larger (KIP-74). Checksums are not
    /// verified.
    pub fn read(
        &self,
        from: Offset,
        end: Offset,
        max_bytes: u64,
        at_least_one: bool,
    ) -> Result<LogRead, LogError> {
        self.read_of(&self.published(), from, end, max_bytes, at_least_one)
    }

    /// The same, and which of the transactions were aborted. Both of the same segments: those that a cleaning
    /// puts in their place have neither their records nor their entries.
    pub fn read_committed(
        &self,
        from: Offset,
        end: Offset,
        max_bytes: u64,
        at_least_one: bool,
    ) -> Result<LogRead, LogError> {
        let published = self.published();
        let mut read = self.read_of(&published, from, end, max_bytes, at_least_one)?;
        if read.bytes > 0 {
            let aborted = self.aborted(&published, from, read.next_offset);
            read.aborted = aborted.map_err(|error| self.explain_missing(error, from))?;
        }
        Ok(read)
    }

    /// Aborted transactions with batches in `from..end`, as far as their markers are in segments, in the
    /// order of these.
    pub(super) fn aborted(
        &self,
        published: &Published,
        from: Offset,
        end: Offset,
    ) -> Result<Vec<AbortedTransaction>, LogError> {
        let (files, handles) = (&*self.directory.env.files, &*self.directory.handles);
        let mut aborted = Vec::new();
        let mut take = |entry: AbortedTransaction| {
            if entry.overlaps(from, end) {
                aborted.push(entry);
            }
            // Every transaction that ends later has begun later.
            if entry.last_stable_offset >= end { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        };
        for segment in &published.segments[published.position_of(from)..] {
            let index = &segment.transaction_index;
            if index.visit_after(files, handles, |entry| entry.last_offset < from, &mut take)?.is_break() {
                break;
            }
        }
        Ok(aborted)
    }

    fn read_of(
        &self,
        published: &Published,
        from: Offset,
        end: Offset,
        max_bytes: u64,
        at_least_one: bool,
    ) -> Result<LogRead, LogError> {
        self.check_range(from, published)?;
        let end = end.min(published.end);
        let mut read = LogRead { next_offset: from, ..LogRead::default() };
        let first = published.position_of(from);
        for at in first..published.segments.len() {
            let view = published.view(at);
            if read.next_offset >= end || view.segment.base_offset >= end || read.extents.len() == EXTENTS_MAX
            {
                break;
            }
            let bounds = Bounds {
                from: read.next_offset,
                end,
                bytes: max_bytes.saturating_sub(read.bytes),
                at_least_one: at_least_one && read.extents.is_empty(),
            };
            let is_exhausted = self
                .read_segment(&view, bounds, &mut read)
                .map_err(|error| self.explain_missing(error, from))?;
            if !is_exhausted {
                break;
            }
            read.next_offset = read.next_offset.max(view.end.min(end));
        }
        Ok(read)
    }

    /// Visits the headers of the batches that intersect `from..to` (as far as they are written), in order.
    pub fn batches_in(
        &self,
        from: Offset,
        to: Offset,
        visit: &mut dyn FnMut(&BatchHeader) -> Result<(), LogError>,
    ) -> Result<(), LogError> {
        let published = self.published();
        for at in published.position_of(from)..published.segments.len() {
            let view = published.view(at);
            if view.segment.base_offset >= to {
                break;
            }
            let floor = view.segment.floor_of_offset(&self.directory, from)?.min(view.bytes);
            let mut scanner = view.segment.scan(&self.directory, floor, view.bytes)?;
            while let Some(found) = scanner.next()? {
                if found.header.base_offset >= to {
                    return Ok(());
                }
                if found.header.last_offset() >= from {
                    visit(&found.header)?;
                }
            }
        }
        Ok(())
    }

    pub(super) fn check_range(&self, from: Offset, published: &Published) -> Result<(), LogError> {
        let log_start_offset = self.local_log_start_offset();
        if from < log_start_offset || from > published.end {
            let log_end_offset = published.end;
            return Err(LogError::OutOfRange { requested: from, log_start_offset, log_end_offset });
        }
        Ok(())
    }

    /// A file that is gone was deleted while this read was under way, or the whole log was closed.
    pub(super) fn explain_missing(&self, error: LogError, from: Offset) -> LogError {
        if !error.is_missing_file() {
            return error;
        }
        let explained = self.check_open().and_then(|()| self.check_range(from, &self.published()));
        explained.err().unwrap_or(error)
    }

    /// Adds the part of one segment; `true` if the read may go on with the next one.
    fn read_segment(&self, view: &View<'_>, bounds: Bounds, read: &mut LogRead) -> Result<bool, LogError> {
        let directory = &self.directory;
        let Some(first) = view.segment.first_batch_from(directory, bounds.from, view.bytes)? else {
            return Ok(true);
        };
        if first.header.next_offset() > bounds.end {
            return Ok(false);
        }
        let start = first.position;
        let is_whole = bounds.end >= view.end && view.bytes - start <= bounds.bytes;
        let (stop, next_offset) = if is_whole {
            (view.bytes, view.end)
        } else {
            let (stop, next_offset) = self.boundary(view, start, bounds)?;
            if stop > start {
                (stop, next_offset)
            } else if bounds.at_least_one {
                (first.end(), first.header.next_offset())
            } else {
                return Ok(false);
            }
        };
        let length = stop - start;
        read.extents.push(FileExtent { file: view.segment.handle(directory)?, offset: start, length });
        read.bytes += length;
        read.next_offset = next_offset;
        Ok(is_whole)
    }

    /// The last batch boundary within the bounds, and the offset that follows it.
    fn boundary(&self, view: &View<'_>, start: u64, bounds: Bounds) -> Result<(u64, Offset), LogError> {
        let (segment, directory) = (view.segment, &self.directory);
        let limit = start.saturating_add(bounds.bytes);
        let mut floor = view.bytes;
        if limit < view.bytes {
            floor = segment.floor_of_position(directory, limit)?;
        }
        if bounds.end < view.end {
            // An entry for an offset below the end names a batch that ends below the end.
            floor = floor.min(segment.floor_of_offset(directory, bounds.end.plus(-1))?);
        }
        let mut scanner = segment.scan(directory, floor.clamp(start, view.bytes), view.bytes)?;
        let mut next_offset = bounds.from;
        loop {
            let before = scanner.position();
            let Some(found) = scanner.next()? else { return Ok((before, next_offset)) };
            if found.end() > limit || found.header.next_offset() > bounds.end {
                return Ok((before, found.header.base_offset.min(bounds.end)));
            }
            next_offset = found.header.next_offset();
        }
    }
}
