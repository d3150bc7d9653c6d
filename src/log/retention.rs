//! Which records are old or many enough to go. Pure.

use std::time::Duration;

use crate::log::LogConfig;
use crate::model::Offset;

/// What the plan needs to know of a segment.
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

/// Why records go.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Reason {
    /// `retention.ms`.
    Age,
    /// `retention.bytes`.
    Size,
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
    if !config.delete_by_retention {
        return None;
    }
    let may_go = |segment: &&SegmentSummary| segment.bytes > 0 && segment.end_offset <= end_max;
    let expired = |segment: &&SegmentSummary| config.retention_age_max.is_some_and(|max| segment.age > max);
    let old = segments.iter().take_while(|segment| may_go(segment) && expired(segment)).count();
    let mut surplus = match config.retention_bytes {
        Some(kept) => segments[old..].iter().map(|segment| segment.bytes).sum::<u64>().saturating_sub(kept),
        None => 0,
    };
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
