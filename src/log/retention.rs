//! Which records are old or many enough to go. Pure.

use std::time::Duration;

use crate::log::{LogConfig, Tiering};
use crate::model::{Offset, Timestamp};

/// What the plan needs to know of a segment, wherever it lies.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SegmentSummary {
    /// Its first offset.
    pub base_offset: Offset,
    /// Where its successor begins; the written end for the active one.
    pub end_offset: Offset,
    /// Bytes of records.
    pub bytes: u64,
    /// How old its newest records are, on a clock that never jumps (see `RetentionClock`).
    pub age: Duration,
}

impl SegmentSummary {
    /// How old records of that time are at `believed_now`, which is
    /// [`crate::log::LogDirectory::believed_now`]. For a segment that has left this disk: of one that has no
    /// timestamp, the time at which it left.
    pub fn age_at(believed_now: Timestamp, newest: Timestamp) -> Duration {
        Duration::from_millis(u64::try_from(believed_now.0.saturating_sub(newest.0)).unwrap_or(0))
    }
}

/// What of a log is kept elsewhere.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct RemotePart<'a> {
    /// The oldest of its segments, from the log start on; need not be all: what follows is looked at next
    /// time.
    pub oldest: &'a [SegmentSummary],
    /// Bytes of all of them.
    pub bytes: u64,
    /// Where it ends: the disk alone has what follows.
    pub end_offset: Offset,
}

/// Why records go.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Reason {
    /// `retention.ms`, or `local.retention.ms`.
    Age,
    /// `retention.bytes`, or `local.retention.bytes`.
    Size,
}

/// What may stay.
#[derive(Clone, Copy)]
struct Limits {
    age_max: Option<Duration>,
    bytes_max: Option<u64>,
    /// Nothing at or above it goes.
    end_max: Offset,
}

/// The log start after retention, if it moves; nothing at or above `end_max` goes.
///
/// As Kafka: whole segments from the oldest on, first those whose newest record is older than
/// `retention.ms`, then as many as leave at least `retention.bytes`. The active segment counts like any
/// other (it is closed first).
pub fn next_log_start(
    segments: &[SegmentSummary],
    config: &LogConfig,
    end_max: Offset,
) -> Option<(Offset, Reason)> {
    let limits = Limits { age_max: config.retention_age_max, bytes_max: config.retention_bytes, end_max };
    config.delete_by_retention.then(|| next_start(segments, sum(segments), limits))?
}

/// The same of a log of which a part is kept elsewhere.
///
/// As Kafka: what is in both places counts once. What is on this disk alone does not go before it was copied,
/// unless nothing is copied any more.
pub fn next_log_start_over_tiers(
    remote: &RemotePart<'_>,
    local: &[SegmentSummary],
    config: &LogConfig,
    end_max: Offset,
) -> Option<(Offset, Reason)> {
    let only_local = &local[local.partition_point(|segment| segment.base_offset < remote.end_offset)..];
    let copies = config.tiering.is_some_and(|tiering| tiering.copies);
    let limits = Limits {
        age_max: config.retention_age_max,
        bytes_max: config.retention_bytes,
        end_max: if copies { end_max.min(remote.end_offset) } else { end_max },
    };
    let mut segments = remote.oldest.to_vec();
    let is_whole = remote.oldest.last().is_none_or(|last| last.end_offset >= remote.end_offset);
    if is_whole {
        segments.extend(only_local);
    }
    let bytes = remote.bytes.saturating_add(sum(only_local));
    config.delete_by_retention.then(|| next_start(&segments, bytes, limits))?
}

/// The local log start after local retention, if it moves; nothing at or above `end_max` goes, which is not
/// above the end of what is kept elsewhere.
///
/// As Kafka: by `local.retention.ms` and `local.retention.bytes`, whatever `cleanup.policy` says. Once
/// nothing is copied any more, the disk keeps what the log keeps.
pub fn next_local_log_start(
    segments: &[SegmentSummary],
    tiering: &Tiering,
    end_max: Offset,
) -> Option<(Offset, Reason)> {
    let limits = Limits {
        age_max: tiering.local_retention_age_max,
        bytes_max: tiering.local_retention_bytes,
        end_max,
    };
    tiering.copies.then(|| next_start(segments, sum(segments), limits))?
}

/// Whether only the active segment, the last one, is in the way of local retention: it is to be closed, so
/// that it can be copied. As Kafka.
pub fn is_active_due(segments: &[SegmentSummary], tiering: &Tiering, end_max: Offset) -> bool {
    let Some((active, closed)) = segments.split_last() else { return false };
    let goes = |end_max| next_local_log_start(segments, tiering, end_max).map(|(start, _)| start);
    let closed_go = closed.is_empty() || goes(end_max) >= Some(active.base_offset);
    active.bytes > 0 && closed_go && goes(active.end_offset) == Some(active.end_offset)
}

fn sum(segments: &[SegmentSummary]) -> u64 {
    segments.iter().map(|segment| segment.bytes).sum()
}

/// `bytes` is what all segments have together, also those that are not among these.
fn next_start(segments: &[SegmentSummary], bytes: u64, limits: Limits) -> Option<(Offset, Reason)> {
    let may_go = |segment: &&SegmentSummary| segment.bytes > 0 && segment.end_offset <= limits.end_max;
    let expired = |segment: &&SegmentSummary| limits.age_max.is_some_and(|max| segment.age > max);
    let old = segments.iter().take_while(|segment| may_go(segment) && expired(segment)).count();
    let left = bytes.saturating_sub(sum(&segments[..old]));
    let mut surplus = limits.bytes_max.map_or(0, |kept| left.saturating_sub(kept));
    let many = segments[old..]
        .iter()
        .take_while(|segment| {
            let goes = may_go(segment) && segment.bytes <= surplus;
            surplus = surplus.saturating_sub(segment.bytes);
            goes
        })
        .count();
    let reason = if many > 0 { Reason::Size } else { Reason::Age };
    let last = (old + many).checked_sub(1)?;
    Some((segments[last].end_offset, reason))
}

#[cfg(test)]
mod tests;
