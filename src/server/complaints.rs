//! Warnings about clients, so many a second: what clients do wrong must not fill the disk with log lines.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

use crate::env::Clock;

/// Warnings about clients in one window, for the whole process.
const LINES_MAX: u32 = 10;

/// Length of a window.
const WINDOW: Duration = Duration::from_secs(1);

/// Counts warnings about clients.
pub(super) struct Complaints {
    clock: Arc<dyn Clock>,
    window: Mutex<Window>,
}

#[derive(Default)]
struct Window {
    /// On the monotonic clock.
    began_at: Duration,
    lines: u32,
    left_out: u64,
}

impl Complaints {
    pub(super) fn new(clock: Arc<dyn Clock>) -> Complaints {
        Complaints { clock, window: Mutex::default() }
    }

    /// Whether a warning may be logged now. The first one after some that were not is preceded by their
    /// number.
    pub(super) fn admit(&self) -> bool {
        let now = self.clock.monotonic();
        let (may_log, left_out) = self.window.lock().admit(now);
        if left_out > 0 {
            tracing::warn!("{left_out} warnings about clients were left out: more than {LINES_MAX} a second");
        }
        may_log
    }
}

impl Window {
    /// Whether a line may be logged, and how many were left out before it that were not told of.
    fn admit(&mut self, now: Duration) -> (bool, u64) {
        let mut left_out = 0;
        if now.saturating_sub(self.began_at) >= WINDOW {
            left_out = self.left_out;
            *self = Window { began_at: now, ..Window::default() };
        }
        let may_log = self.lines < LINES_MAX;
        match may_log {
            true => self.lines += 1,
            false => self.left_out += 1,
        }
        (may_log, left_out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_beyond_the_bound_are_counted_and_told_of_once() {
        let mut window = Window::default();
        let mut at = |ms| window.admit(Duration::from_millis(ms));
        for line in 0..LINES_MAX {
            assert_eq!(at(5000), (true, 0), "line {line}");
        }
        assert_eq!(at(5001), (false, 0));
        assert_eq!(at(5999), (false, 0));
        assert_eq!(at(6000), (true, 2), "a new window tells of the last");
        assert_eq!(at(6001), (true, 0));
        assert_eq!(at(9000), (true, 0), "nothing was left out");
    }
}
