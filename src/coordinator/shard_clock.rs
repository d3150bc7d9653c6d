//! The time that a shard is told.

use std::sync::Arc;
use std::time::Duration;

use crate::env::Clock;

/// A deadline that is noticed so much too late was missed because the process stood still (SIGSTOP, a
/// suspended machine) or its threads had no turn.
const LATE_MAX: Duration = Duration::from_secs(1);
/// Time in which those who spoke meanwhile are heard, before the shard's time goes on.
const GRACE: Duration = Duration::from_secs(1);

/// Monotonic time, less the time in which the process stood still: what clients sent meanwhile lies in
/// sockets, and nobody is taken for dead before it was read.
pub(super) struct ShardClock {
    clock: Arc<dyn Clock>,
    /// By how much it is behind the monotonic clock.
    behind: Duration,
    /// What was last told.
    told: Duration,
    /// Until then, on the monotonic clock, it stands still.
    stands_until: Option<Duration>,
}

impl ShardClock {
    pub(super) fn new(clock: Arc<dyn Clock>) -> ShardClock {
        let told = clock.monotonic();
        ShardClock { clock, behind: Duration::ZERO, told, stands_until: None }
    }

    /// The shard's time. `planned` is its next deadline.
    pub(super) fn now(&mut self, planned: Option<Duration>) -> Duration {
        let monotonic = self.clock.monotonic();
        if let Some(until) = self.stands_until {
            if monotonic < until {
                return self.told;
            }
            self.stands_until = None;
            self.behind = until.saturating_sub(self.told);
        }
        let now = monotonic.saturating_sub(self.behind);
        if planned.is_some_and(|planned| now > planned.saturating_add(LATE_MAX)) {
            self.stands_until = Some(monotonic.saturating_add(GRACE));
            return self.told;
        }
        self.told = self.told.max(now);
        self.told
    }

    /// How long to wait until the shard's time is `deadline`.
    pub(super) fn wait(&self, deadline: Duration) -> Duration {
        let monotonic = self.clock.monotonic();
        match self.stands_until {
            Some(until) => until.saturating_sub(monotonic) + deadline.saturating_sub(self.told),
            None => deadline.saturating_add(self.behind).saturating_sub(monotonic),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::env::simulated::SimulatedClock;

    const SECOND: Duration = Duration::from_secs(1);

    fn clock() -> (Arc<SimulatedClock>, ShardClock) {
        let world = Arc::new(SimulatedClock::default());
        let clock = ShardClock::new(world.clone());
        (world, clock)
    }

    #[test]
    fn it_goes_with_the_monotonic_clock() {
        let (world, mut clock) = clock();
        assert_eq!(clock.wait(5 * SECOND), 5 * SECOND);
        world.advance(2 * SECOND);
        assert_eq!(clock.now(Some(5 * SECOND)), 2 * SECOND);
        assert_eq!(clock.wait(5 * SECOND), 3 * SECOND);
        world.advance(4 * SECOND);
        assert_eq!(clock.now(Some(5 * SECOND)), 6 * SECOND, "a deadline that is missed by little is missed");
    }

    #[test]
    fn time_in_which_the_process_stood_still_does_not_count() {
        let (world, mut clock) = clock();
        world.advance(4 * SECOND);
        assert_eq!(clock.now(Some(5 * SECOND)), 4 * SECOND);
        world.advance(60 * SECOND);
        assert_eq!(clock.now(Some(5 * SECOND)), 4 * SECOND);
        assert_eq!(clock.wait(5 * SECOND), 2 * SECOND, "the grace, and what was left");
        world.advance(SECOND / 2);
        assert_eq!(clock.now(Some(5 * SECOND)), 4 * SECOND, "those who spoke meanwhile are heard");
        world.advance(SECOND / 2);
        assert_eq!(clock.now(Some(5 * SECOND)), 4 * SECOND);
        assert_eq!(clock.wait(5 * SECOND), SECOND);
        world.advance(SECOND);
        assert_eq!(clock.now(Some(5 * SECOND)), 5 * SECOND, "who did not speak is gone then");
    }

    #[test]
    fn it_never_goes_back() {
        let (world, mut clock) = clock();
        let mut last = Duration::ZERO;
        for step in [1, 0, 50, 1, 1, 300, 0, 1, 2, 1] {
            world.advance(step * SECOND);
            let now = clock.now(Some(last + SECOND / 4));
            assert!(now >= last);
            last = now;
        }
    }
}
