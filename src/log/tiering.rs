//! What of a log may be copied elsewhere, and what may leave the disk because it was. Where it is copied to,
//! nobody here knows.

use std::ops::ControlFlow;
use std::time::Duration;

use crate::env::FileExtent;
use crate::log::partition_log::Published;
use crate::log::segment::Segment;
use crate::log::{AbortedTransaction, LogError, PartitionLog};
use crate::model::{Offset, Timestamp};

/// A closed segment, to be copied.
#[derive(Clone)]
pub struct TierableSegment {
    /// Its first offset, whether or not there is a record of it. Of a segment whose begin was copied before,
    /// as a cleaning can join one with its successor: where the copies end.
    pub base_offset: Offset,
    /// Where the next segment begins.
    pub end_offset: Offset,
    /// Bytes of its record batches.
    pub bytes: u64,
    /// Those bytes. The file stays open as long as this lives, whatever becomes of its name.
    pub extent: FileExtent,
    /// Largest timestamp, -1 if there is none.
    pub max_timestamp: Timestamp,
    /// Last offset of the first batch with that timestamp, -1 if there is none.
    pub max_timestamp_offset: Offset,
    /// The aborted transactions whose markers are in it, in the order of these.
    pub aborted: Vec<AbortedTransaction>,
    /// A cleaning may have gone over it: records that were taken back are gone, with what named them.
    pub is_clean: bool,
    /// A cleaning went over all of it: every transaction with records in it was committed.
    pub is_committed: bool,
}

/// Closed segments that are looked at for one answer of [`PartitionLog::copy_lag`]: more count as if they
/// were not there.
const LAG_SEGMENTS_MAX: usize = 1 << 16;

/// What of a log is closed and not copied yet.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct CopyLag {
    /// Closed segments with something at or above where the copies end.
    pub segments: u64,
    /// Bytes of their record batches.
    pub bytes: u64,
    /// How old the newest records of the oldest of them are, as retention counts it: by their timestamps.
    pub age: Duration,
}

impl PartitionLog {
    /// What is still to be copied where copies end at `from`; as Kafka counts it, what is not decided yet
    /// included. Looks at what lags and at nothing else, in memory.
    pub fn copy_lag(&self, from: Offset) -> CopyLag {
        let published = self.published();
        let segments = &published.segments;
        let closed = segments.len().saturating_sub(1);
        // A segment ends where the next begins; the active one ends nowhere yet.
        let first = segments[1..].partition_point(|next| next.base_offset <= from);
        let mut lag = CopyLag::default();
        for segment in segments[first..closed].iter().take(LAG_SEGMENTS_MAX) {
            if segment.bytes() == 0 {
                continue;
            }
            if lag.segments == 0 {
                let age = self.directory.clock.monotonic_ms().saturating_sub(segment.birth_ms());
                lag.age = Duration::from_millis(u64::try_from(age).unwrap_or(0));
            }
            lag.segments += 1;
            lag.bytes += segment.bytes();
        }
        lag
    }

    /// Closed segments with something at or above `from`, oldest first, as far as they end at or below
    /// `end_max`; at most `count_max`, each of which holds a file open. One without any batch, as a cleaning
    /// can leave it, is left out.
    ///
    /// The caller passes an end below which nothing is undecided, and where the copies end. What the caller's
    /// checkpoint does not cover is left out: the WAL could bring it back otherwise than it was copied. Of a
    /// compacted log only what was cleaned is copied: nothing is taken back there later on, by a marker whose
    /// segment a cleaning could make forget what it was about.
    pub fn tierable(
        &self,
        from: Offset,
        copied_end: Offset,
        end_max: Offset,
        count_max: usize,
    ) -> Result<Vec<TierableSegment>, LogError> {
        let is_compacted = self.config().compaction.is_some();
        let (checkpointed, cleaned) = {
            let writer = self.writer.lock();
            (writer.checkpointed, writer.cleaned)
        };
        let clean_end = cleaned.first_dirty_offset;
        let end_max = end_max.min(checkpointed).min(if is_compacted { clean_end } else { Offset(i64::MAX) });
        let published = self.published();
        let closed = published.segments.windows(2).map(|pair| (&pair[0], pair[1].base_offset));
        let wanted = closed
            .skip_while(|(_, end_offset)| *end_offset <= from)
            .take_while(|(_, end_offset)| *end_offset <= end_max)
            .filter(|(segment, _)| segment.bytes() > 0)
            .take(count_max);
        let tierable = wanted.filter_map(|(segment, end_offset)| {
            let tierable = self.tierable_segment(segment, copied_end, end_offset).transpose()?;
            Some(tierable.map(|it| TierableSegment {
                is_clean: segment.base_offset < cleaned.end_offset,
                is_committed: end_offset <= cleaned.first_dirty_offset,
                ..it
            }))
        });
        tierable.collect::<Result<_, _>>().map_err(|error| self.explain_missing(error, from))
    }

    /// `None`: all of its batches are copied.
    fn tierable_segment(
        &self,
        segment: &Segment,
        copied_end: Offset,
        end_offset: Offset,
    ) -> Result<Option<TierableSegment>, LogError> {
        let (files, handles) = (&*self.directory.env.files, &*self.directory.handles);
        let (bytes, largest) = (segment.bytes(), segment.largest());
        let base_offset = segment.base_offset.max(copied_end);
        let position = match base_offset > segment.base_offset {
            true => segment.first_batch_from(&self.directory, base_offset, bytes)?.map(|it| it.position),
            false => Some(0),
        };
        let Some(position) = position else { return Ok(None) };
        let mut aborted = Vec::new();
        let mut take = |entry: AbortedTransaction| {
            if entry.last_offset >= base_offset {
                aborted.push(entry);
            }
            ControlFlow::Continue(())
        };
        let _ = segment.transaction_index.visit_after(files, handles, |_| false, &mut take)?;
        let (file, length) = (segment.handle(&self.directory)?, bytes - position);
        Ok(Some(TierableSegment {
            base_offset,
            end_offset,
            bytes: length,
            extent: FileExtent { file, offset: position, length },
            max_timestamp: largest.timestamp,
            max_timestamp_offset: largest.last_offset,
            aborted,
            is_clean: false,
            is_committed: false,
        }))
    }

    /// Aborted transactions with batches in `from..end`, as far as their markers are in segments on this
    /// disk. `from` may lie below the local log start: who reads elsewhere finds here what ended later.
    pub fn aborted_between(&self, from: Offset, end: Offset) -> Result<Vec<AbortedTransaction>, LogError> {
        let published: Published = self.published();
        self.aborted(&published, from, end).map_err(|error| self.explain_missing(error, from))
    }
}
