//! How long the WAL's thread lets a group fill.

#[cfg(test)]
mod tests;

use std::time::Duration;

use super::CommitObservation;

/// The longest that a group is let to fill. Twice as long was measured to save no more.
const PATIENCE_MAX: Duration = Duration::from_micros(150);
/// The part of those who are in flight that is waited for, in percent: the last of them take their time.
const AWAITED_PERCENT: u64 = 70;

/// What to wait for before the next commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Gathering {
    /// So many entries are enough.
    pub(super) entries: u32,
    /// And so long at most.
    pub(super) patience: Duration,
}

/// What is worth waiting for after a commit, when `waiting` entries have come meanwhile.
///
/// A commit costs its 60 us of CPU whatever is in it. Those whom the last one answered come back within a
/// moment of each other, and a commit that begins with the first of them serves it alone. So a part of those
/// who were in flight is waited for, no longer than the disk took and never long. Who is alone does not
/// wait: its commit held one entry, and none has come since.
pub(super) fn after(commit: CommitObservation, waiting: u32) -> Option<Gathering> {
    let in_flight = commit.entries.saturating_add(u64::from(waiting));
    let awaited = in_flight.saturating_mul(AWAITED_PERCENT) / 100;
    if awaited < 2 || awaited <= u64::from(waiting) {
        return None;
    }
    let entries = u32::try_from(awaited).unwrap_or(u32::MAX);
    Some(Gathering { entries, patience: commit.duration.min(PATIENCE_MAX) })
}
