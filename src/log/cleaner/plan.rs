//! Which log is to be cleaned, how far, and which segments become one. Pure.

use std::ops::Range;
use std::time::Duration;

use crate::log::Compaction;
use crate::model::Offset;

/// Segments that become one at most: their files are held open while they are replaced.
const GROUP_SEGMENTS_MAX: usize = 64;

/// What the plan needs to know of a closed segment.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::log) struct ClosedSegment {
    pub base_offset: Offset,
    /// Where its successor begins.
    pub end_offset: Offset,
    /// Bytes of records.
    pub bytes: u64,
    /// How old its newest records are.
    pub age: Duration,
    /// How old its first batch is, if the plan may need it.
    pub first_age: Option<Duration>,
    /// The larger of its two indexes.
    pub index_bytes: u64,
}

/// How far a log may be cleaned, and how much that would touch.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Cleanable {
    /// Keys are read from here on: below, the log was cleaned before.
    pub first_dirty_offset: Offset,
    /// Where the first segment begins that must be left alone.
    pub first_uncleanable_offset: Offset,
    /// Bytes that were cleaned before.
    pub clean_bytes: u64,
    /// Bytes that were not, and can be.
    pub cleanable_bytes: u64,
    /// For how long records have been older than `max.compaction.lag.ms`; zero if none are.
    pub overdue: Duration,
}

impl Cleanable {
    /// Share of what can be cleaned that was not yet: the dirtiest log goes first.
    pub fn ratio(&self) -> f64 {
        match self.clean_bytes + self.cleanable_bytes {
            0 => 0.0,
            total => self.cleanable_bytes as f64 / total as f64,
        }
    }

    /// Whether it is worth it, or must be. As Kafka's `grabFilthiestCompactedLog`.
    pub fn is_due(&self, compaction: &Compaction) -> bool {
        let must = self.overdue > Duration::ZERO && self.cleanable_bytes > 0;
        must || self.ratio() > compaction.min_cleanable_dirty_ratio
    }
}

/// How far a log whose closed segments these are can be cleaned. Nothing that reaches past `end_max` is
/// touched; `first_dirty_offset` lies at or above the log start.
///
/// As Kafka's `cleanableOffsets`: the active segment never, nothing that is not decided, and no segment with
/// a record younger than `min.compaction.lag.ms`, nor any behind such a one.
pub(in crate::log) fn cleanable(
    segments: &[ClosedSegment],
    compaction: &Compaction,
    first_dirty_offset: Offset,
    end_max: Offset,
) -> Cleanable {
    let young = |segment: &ClosedSegment| {
        compaction.min_compaction_lag > Duration::ZERO && segment.age <= compaction.min_compaction_lag
    };
    let is_dirty = |segment: &ClosedSegment| segment.end_offset > first_dirty_offset;
    let may =
        |segment: &&ClosedSegment| segment.end_offset <= end_max && !(is_dirty(segment) && young(segment));
    let within = &segments[..segments.iter().take_while(may).count()];
    let dirty_from = within.partition_point(|segment| !is_dirty(segment));
    let bytes = |segments: &[ClosedSegment]| segments.iter().map(|segment| segment.bytes).sum();
    let oldest = within[dirty_from..].iter().filter_map(|segment| segment.first_age).max();
    Cleanable {
        first_dirty_offset,
        first_uncleanable_offset: within.last().map_or(first_dirty_offset, |segment| segment.end_offset),
        clean_bytes: bytes(&within[..dirty_from]),
        cleanable_bytes: bytes(&within[dirty_from..]),
        overdue: oldest.map_or(Duration::ZERO, |age| age.saturating_sub(compaction.max_compaction_lag)),
    }
}

/// What bounds a group of segments that become one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::log) struct GroupLimits {
    /// `segment.bytes`.
    pub bytes: u64,
    /// `segment.index.bytes`.
    pub index_bytes: u64,
}

/// Neighbours that fit together into one segment, by their sizes before cleaning, so that many cleanings do
/// not leave many small segments (as Kafka's `groupSegmentsBySize`).
pub(in crate::log) fn groups(segments: &[ClosedSegment], limits: GroupLimits) -> Vec<Range<usize>> {
    let mut groups = Vec::new();
    let mut begin = 0;
    while let Some(first) = segments.get(begin) {
        let (mut bytes, mut index_bytes) = (first.bytes, first.index_bytes);
        let fits = |segment: &&ClosedSegment| {
            bytes += segment.bytes;
            index_bytes += segment.index_bytes;
            let range = segment.end_offset.0 - 1 - first.base_offset.0;
            bytes <= limits.bytes && index_bytes <= limits.index_bytes && range <= i64::from(i32::MAX)
        };
        let others = segments[begin + 1..].iter().take(GROUP_SEGMENTS_MAX - 1).take_while(fits).count();
        groups.push(begin..begin + 1 + others);
        begin += 1 + others;
    }
    groups
}

#[cfg(test)]
mod tests;
