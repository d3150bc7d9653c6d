//! The one place that waits: for a condition, until a deadline.

use std::time::{Duration, Instant};

const POLL_INTERVAL: Duration = Duration::from_millis(2);

/// Asks `condition` until it gives a value; panics with `what` after `deadline`.
#[expect(clippy::disallowed_methods, reason = "this is the helper that waits")]
pub fn eventually<T>(deadline: Duration, what: &str, mut condition: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(value) = condition() {
            return value;
        }
        assert!(start.elapsed() < deadline, "waited {deadline:?} in vain for {what}");
        std::thread::sleep(POLL_INTERVAL);
    }
}
