use std::sync::Arc;
use std::time::Duration;

use crate::env::Clock;
use crate::model::Timestamp;

/// The longest time that a node is believed to have been switched off.
const DOWNTIME_MAX: Duration = Duration::from_secs(31 * 24 * 60 * 60);

/// How far the wall clock may run ahead of the monotonic one before it is taken for a jump: room for
/// slewing.
const SLACK: Duration = Duration::from_secs(60);

/// A clock that no jump of the wall clock carries forward, so that nothing is deleted early because of one.
///
/// The rule: believed time is the wall clock, but never more than [`SLACK`] ahead of *anchor + monotonic
/// time since the start*. The anchor is the wall clock at the start, unless that lies more than
/// [`DOWNTIME_MAX`] after the time last believed by the run before (kept by the caller in its checkpoint):
/// then the clock, not the calendar, has moved, and the anchor is that time. Backward jumps are believed
/// while they last: they only keep data longer.
///
/// What is written down to be kept for a while from then on (a committed offset, a tombstone that waits, a
/// producer's last batch) must not be stamped with such a time: it would be old at once when the clock is
/// right again. Stamps never lie behind *the time at the start + monotonic time since*, where the start is no
/// earlier than what the run before has left ([`Times`], [`RetentionClock::to_keep`]).
///
/// What it costs: a node that was off for longer keeps expired records for one more `retention.ms` of
/// uptime; a jump of less than [`DOWNTIME_MAX`] made while the node was off cannot be told from time spent
/// switched off.
pub struct RetentionClock {
    clock: Arc<dyn Clock>,
    anchor: Timestamp,
    /// No stamp lies before it.
    floor: Timestamp,
    started: Duration,
}

/// The wall-clock time for two uses, between which a jump of the clock makes a difference.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Times {
    /// What ages are judged by: no jump carries it forward.
    pub believed: Timestamp,
    /// What is written down as the begin of a time: no jump carries it back either. At or after `believed`.
    pub stamp: Timestamp,
}

impl Times {
    /// Of a clock that goes right.
    #[cfg(test)]
    pub fn both(now: Timestamp) -> Times {
        Times { believed: now, stamp: now }
    }
}

fn milliseconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

impl RetentionClock {
    /// Starts now. `last_believed`: what `to_keep` said when the last checkpoint was written, if there is
    /// one.
    pub fn new(clock: Arc<dyn Clock>, last_believed: Option<Timestamp>) -> RetentionClock {
        let (wall, started) = (clock.now(), clock.monotonic());
        let jumped = |last: &Timestamp| wall.0 > last.0.saturating_add(milliseconds(DOWNTIME_MAX));
        let anchor = last_believed.filter(jumped).unwrap_or(wall);
        let floor = last_believed.map_or(anchor, |last| last.max(anchor));
        RetentionClock { clock, anchor, floor, started }
    }

    /// The time for both uses.
    pub fn times(&self) -> Times {
        let believed = self.believed_now();
        let elapsed = self.clock.monotonic().saturating_sub(self.started);
        let steady = Timestamp(self.floor.0.saturating_add(milliseconds(elapsed)));
        Times { believed, stamp: believed.max(steady) }
    }

    /// The time as far as it is believed.
    pub fn believed_now(&self) -> Timestamp {
        let elapsed = self.clock.monotonic().saturating_sub(self.started);
        let bound = self.anchor.0.saturating_add(milliseconds(elapsed + SLACK));
        Timestamp(self.clock.now().0.min(bound))
    }

    /// What the next start is to be told as `last_believed`: a stamp, so that what was stamped is not older
    /// than it is because of that start; unless it is so far ahead of what is believed that a start tells by
    /// itself that a clock has jumped. Then the believed time, or stamps would be ahead for ever.
    pub fn to_keep(&self) -> Timestamp {
        let Times { believed, stamp } = self.times();
        if stamp.0.saturating_sub(believed.0) > milliseconds(DOWNTIME_MAX) { believed } else { stamp }
    }

    /// Monotonic milliseconds: the axis on which ages grow.
    pub(super) fn monotonic_ms(&self) -> i64 {
        milliseconds(self.clock.monotonic())
    }

    /// When, on the monotonic axis, records of that largest timestamp were new, seen from now.
    ///
    /// Judged once, when they arrive or when the log is opened; from then on only monotonic time makes them
    /// older. Records from the future, or without a time, are new now.
    pub(super) fn birth_ms(&self, max_timestamp: Timestamp) -> i64 {
        let now = self.monotonic_ms();
        if max_timestamp.0 < 0 {
            return now;
        }
        let age = self.believed_now().0.saturating_sub(max_timestamp.0).max(0);
        now.saturating_sub(age)
    }
}

#[cfg(test)]
mod tests;
