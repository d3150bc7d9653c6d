//! The one place that waits: for a condition, until a deadline.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};

const POLL_INTERVAL: Duration = Duration::from_millis(4);

/// Asks `condition` until it gives a value; fails with `what` when `deadline` has passed, and at once when
/// the condition itself fails.
#[expect(clippy::disallowed_methods, reason = "this is the helper that waits")]
pub fn eventually<T>(
    deadline: Duration,
    what: &str,
    mut condition: impl FnMut() -> Result<Option<T>>,
) -> Result<T> {
    let start = Instant::now();
    loop {
        if let Some(value) = condition()? {
            return Ok(value);
        }
        if start.elapsed() > deadline {
            bail!("waited {} s in vain for {what}", deadline.as_secs());
        }
        std::thread::sleep(POLL_INTERVAL);
    }
}
