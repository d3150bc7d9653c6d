//! ListOffsets: offsets by time.

use crate::log::partition_log::Published;
use crate::log::read::View;
use crate::log::scan::{Found, Scanner};
use crate::log::{LogError, PartitionLog};
use crate::model::{LeaderEpoch, Offset, Timestamp};
use crate::protocol::batch::{BatchError, BatchHeader, DecompressionCaps, records};

/// A record found by time.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TimestampAndOffset {
    /// The record's timestamp: the append time of its batch where the topic says so.
    pub timestamp: Timestamp,
    /// Its offset.
    pub offset: Offset,
    /// Epoch of the leader that appended it.
    pub leader_epoch: LeaderEpoch,
}

impl TimestampAndOffset {
    /// The first record of a whole batch from `from` on whose timestamp is `timestamp` or later.
    pub fn find(
        batch: &[u8],
        header: &BatchHeader,
        timestamp: Timestamp,
        from: Offset,
    ) -> Result<Option<TimestampAndOffset>, BatchError> {
        let set = records(batch, &DecompressionCaps::default())?;
        let found = set.first_at_or_after(timestamp, from)?;
        let leader_epoch = header.partition_leader_epoch;
        Ok(found.map(|(offset, timestamp)| TimestampAndOffset { timestamp, offset, leader_epoch }))
    }

    /// What has to do for a batch that cannot be read although its checksum is right: its own start, from
    /// `from` on, since a consumer must get past it anyway. Compressed records are not looked into on the way
    /// in.
    pub fn of_unreadable(header: &BatchHeader, from: Offset) -> TimestampAndOffset {
        TimestampAndOffset {
            timestamp: header.max_timestamp,
            offset: header.base_offset.max(from),
            leader_epoch: header.partition_leader_epoch,
        }
    }
}

impl PartitionLog {
    /// The first record at or after the local log start and below `end` (exclusive) whose timestamp is
    /// `timestamp` or later.
    ///
    /// As Kafka: the first batch whose max timestamp is late enough, then the exact record in it.
    pub fn find_by_timestamp(
        &self,
        timestamp: Timestamp,
        end: Offset,
    ) -> Result<Option<TimestampAndOffset>, LogError> {
        let (published, start) = (self.published(), self.local_log_start_offset());
        for at in published.position_of(start)..published.segments.len() {
            let view = published.view(at);
            if view.segment.base_offset >= end {
                break;
            }
            // The written end may lag behind the segment's largest timestamp, never the other way round.
            if view.segment.largest().timestamp < timestamp {
                continue;
            }
            let found = self.find_in_segment(&view, timestamp, end);
            if let Some(found) = found.map_err(|error| self.explain_missing(error, start))? {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    /// The first record with the largest timestamp below `end` (exclusive) of those on this disk: ListOffsets
    /// -3 (KIP-734). As Kafka, which does not ask the tier for it either.
    pub fn max_timestamp(&self, end: Offset) -> Result<Option<TimestampAndOffset>, LogError> {
        let start = self.local_log_start_offset();
        self.find_max_timestamp(start, end).map_err(|error| self.explain_missing(error, start))
    }

    fn find_max_timestamp(&self, start: Offset, end: Offset) -> Result<Option<TimestampAndOffset>, LogError> {
        let published = self.published();
        let mut best: Option<(Timestamp, Offset, usize)> = None;
        for at in published.position_of(start)..published.segments.len() {
            let candidate = self.largest_in_segment(&published, at, end)?;
            if let Some((timestamp, last_offset)) = candidate
                && best.is_none_or(|(best, ..)| timestamp > best)
            {
                best = Some((timestamp, last_offset, at));
            }
        }
        let Some((timestamp, last_offset, at)) = best else { return Ok(None) };
        let view = published.view(at);
        let found = view.segment.first_batch_from(&self.directory, last_offset, view.bytes)?;
        let Some(found) = found else { return Ok(None) };
        let scanner = view.segment.scan(&self.directory, found.position, view.bytes)?;
        self.find_in_batch(&scanner, &found, timestamp)
    }

    fn find_in_segment(
        &self,
        view: &View<'_>,
        timestamp: Timestamp,
        end: Offset,
    ) -> Result<Option<TimestampAndOffset>, LogError> {
        let start = self.local_log_start_offset();
        let floor = self.floor_of_time(view, timestamp)?.max(start);
        let position = view.segment.floor_of_offset(&self.directory, floor)?;
        let mut scanner = view.segment.scan(&self.directory, position.min(view.bytes), view.bytes)?;
        while let Some(found) = scanner.next()? {
            if found.header.next_offset() > end {
                break;
            }
            if found.header.max_timestamp >= timestamp
                && found.header.last_offset() >= start
                && let Some(record) = self.find_in_batch(&scanner, &found, timestamp)?
            {
                return Ok(Some(record));
            }
        }
        Ok(None)
    }

    /// An offset at or before the first batch whose max timestamp reaches `timestamp`.
    fn floor_of_time(&self, view: &View<'_>, timestamp: Timestamp) -> Result<Offset, LogError> {
        let (segment, env) = (view.segment, &self.directory.env);
        let index = &segment.time_index;
        let before = |entry: &crate::log::index::TimeEntry| entry.timestamp < timestamp;
        match index.last_where(&*env.files, &self.directory.handles, before) {
            Ok(entry) => {
                let relative = entry.map_or(0, |entry| i64::from(entry.relative_offset));
                Ok(segment.base_offset.plus(relative))
            }
            Err(error) => {
                tracing::warn!(path = %index.path().display(), %error, "time index is unreadable");
                segment.mark_index_damaged();
                Ok(segment.base_offset)
            }
        }
    }

    fn find_in_batch(
        &self,
        scanner: &Scanner,
        found: &Found,
        timestamp: Timestamp,
    ) -> Result<Option<TimestampAndOffset>, LogError> {
        let (header, start) = (&found.header, self.local_log_start_offset());
        if let Ok(record) = TimestampAndOffset::find(&scanner.read(found)?, header, timestamp, start) {
            return Ok(record);
        }
        // Damaged, or sent so.
        scanner.read_verified(found)?;
        Ok(Some(TimestampAndOffset::of_unreadable(header, start)))
    }

    /// Largest timestamp of a segment's batches between the log start and `end`, and the last offset of the
    /// first batch with it.
    fn largest_in_segment(
        &self,
        published: &Published,
        at: usize,
        end: Offset,
    ) -> Result<Option<(Timestamp, Offset)>, LogError> {
        let view = published.view(at);
        let start = self.local_log_start_offset();
        let largest = view.segment.largest();
        if largest.timestamp < Timestamp(0) || view.segment.base_offset >= end {
            return Ok(None);
        }
        let is_within = view.segment.base_offset >= start && largest.last_offset < end;
        if is_within {
            return Ok(Some((largest.timestamp, largest.last_offset)));
        }
        let position = view.segment.floor_of_offset(&self.directory, start)?;
        let mut scanner = view.segment.scan(&self.directory, position.min(view.bytes), view.bytes)?;
        let mut best = None;
        while let Some(found) = scanner.next()? {
            let header = &found.header;
            if header.next_offset() > end {
                break;
            }
            // What compaction has emptied has a time and no record of that time.
            let is_larger =
                header.records_count > 0 && best.is_none_or(|(best, _)| header.max_timestamp > best);
            if header.base_offset >= start && header.max_timestamp >= Timestamp(0) && is_larger {
                best = Some((header.max_timestamp, header.last_offset()));
            }
        }
        Ok(best)
    }
}
