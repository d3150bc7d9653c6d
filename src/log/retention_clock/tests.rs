use std::sync::Arc;
use std::time::Duration;

use super::{RetentionClock, Times};
use crate::env::Clock;
use crate::env::simulated::SimulatedClock;
use crate::model::Timestamp;

const MINUTE: i64 = 60_000;
const DAY: i64 = 24 * 60 * MINUTE;
const YEAR: i64 = 365 * DAY;

/// A clock started `off_ms` after the time last believed; `then` moves the wall clock by milliseconds, or
/// lets time pass. Returns how far believed time is from the clock's own start.
fn believed(off_ms: Option<i64>, then: impl FnOnce(&SimulatedClock, i64)) -> i64 {
    let clock = Arc::new(SimulatedClock::default());
    let start = clock.now();
    let retention = RetentionClock::new(clock.clone(), off_ms.map(|off| Timestamp(start.0 - off)));
    then(&clock, start.0);
    retention.believed_now().0 - start.0
}

#[test]
fn believed_time_follows_the_wall_clock_but_not_its_jumps() {
    let pass = |ms: i64| Duration::from_millis(ms as u64);
    assert_eq!(believed(None, |_, _| {}), 0);
    assert_eq!(believed(None, |clock, _| clock.advance(pass(DAY))), DAY);
    // Forwards: no more than the slack.
    assert_eq!(believed(None, |clock, start| clock.set(Timestamp(start + YEAR))), MINUTE);
    // Backwards: believed, for it deletes nothing; and back again.
    assert_eq!(believed(None, |clock, start| clock.set(Timestamp(start - YEAR))), -YEAR);
    let back_and_forth = |clock: &SimulatedClock, start: i64| {
        clock.set(Timestamp(start - 10 * YEAR));
        clock.advance(pass(DAY));
        clock.set(Timestamp(start + 10 * YEAR));
    };
    assert_eq!(believed(None, back_and_forth), DAY + MINUTE);
    // Off for a while: the wall clock is right. Off for years: it is not.
    assert_eq!(believed(Some(DAY), |_, _| {}), 0);
    assert_eq!(believed(Some(10 * YEAR), |_, _| {}), -10 * YEAR + MINUTE);
    // Started with a clock behind: what it says.
    assert_eq!(believed(Some(-YEAR), |_, _| {}), 0);
}

#[test]
fn age_is_judged_once_and_then_grows_with_monotonic_time() {
    let clock = Arc::new(SimulatedClock::default());
    let retention = RetentionClock::new(clock.clone(), None);
    let now = clock.now().0;
    for (timestamp, age) in [(now, 0), (now - DAY, DAY), (now + DAY, 0), (-1, 0)] {
        assert_eq!(retention.monotonic_ms() - retention.birth_ms(Timestamp(timestamp)), age, "{timestamp}");
    }
}

/// How far a stamp is from the clock's own start, and whether what was stamped so is never older than it is.
fn stamp(off_ms: Option<i64>, then: impl FnOnce(&SimulatedClock, i64)) -> i64 {
    let clock = Arc::new(SimulatedClock::default());
    let start = clock.now();
    let retention = RetentionClock::new(clock.clone(), off_ms.map(|off| Timestamp(start.0 - off)));
    then(&clock, start.0);
    let Times { believed, stamp } = retention.times();
    assert!(believed <= stamp);
    stamp.0 - start.0
}

#[test]
fn stamps_follow_the_wall_clock_but_never_back() {
    let pass = |ms: i64| Duration::from_millis(ms as u64);
    assert_eq!(stamp(None, |clock, _| clock.advance(pass(DAY))), DAY);
    assert_eq!(stamp(None, |clock, start| clock.set(Timestamp(start + YEAR))), MINUTE);
    assert_eq!(stamp(None, |clock, start| clock.set(Timestamp(start - YEAR))), 0);
    let back_and_on = |clock: &SimulatedClock, start: i64| {
        clock.set(Timestamp(start - YEAR));
        clock.advance(pass(DAY));
    };
    assert_eq!(stamp(None, back_and_on), DAY);
    // Started with a clock behind: what the run before believed.
    assert_eq!(stamp(Some(-YEAR), |_, _| {}), YEAR);
    // Off for years: nobody knows.
    assert_eq!(stamp(Some(10 * YEAR), |_, _| {}), -10 * YEAR + MINUTE);
}

/// Over starts on a clock that is behind, stamps go on; those of a clock that was ahead are forgotten.
#[test]
fn what_a_start_is_told_carries_stamps_on_unless_they_are_far_ahead() {
    let clock = Arc::new(SimulatedClock::default());
    let start = clock.now();
    let first = RetentionClock::new(clock.clone(), None);
    clock.set(Timestamp(start.0 - 20 * DAY));
    let second = RetentionClock::new(clock.clone(), Some(first.to_keep()));
    assert_eq!((second.times().stamp, second.times().believed), (start, Timestamp(start.0 - 20 * DAY)));
    let third = RetentionClock::new(clock.clone(), Some(second.to_keep()));
    assert_eq!(third.times().stamp, start);
    // The clock is right again: nothing that was stamped is old.
    clock.set(start);
    assert_eq!(RetentionClock::new(clock.clone(), Some(third.to_keep())).times(), Times::both(start));
    // Ahead by years at the first start of all.
    clock.set(Timestamp(start.0 + 10 * YEAR));
    let ahead = RetentionClock::new(clock.clone(), None);
    clock.set(start);
    assert_eq!(ahead.times().stamp, Timestamp(start.0 + 10 * YEAR));
    assert_eq!(RetentionClock::new(clock, Some(ahead.to_keep())).times(), Times::both(start));
}
