//! Asynchronous timers: the one place that names `tokio::time`.

#![expect(clippy::disallowed_methods, reason = "this is the room that owns timers")]

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

/// The deadline passed before the future was ready.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Elapsed;

/// A moment that is waited for again and again, and moved meanwhile: cheaper than a timer for each wait.
pub struct Deadline(Pin<Box<tokio::time::Sleep>>);

impl Deadline {
    /// `duration` from now.
    pub fn after(duration: Duration) -> Deadline {
        Deadline(Box::pin(tokio::time::sleep(duration)))
    }

    /// Moves it to `duration` from now.
    pub fn move_to(&mut self, duration: Duration) {
        // A duration beyond what the clock can say is as good as one of a century.
        let now = tokio::time::Instant::now();
        let moment = now.checked_add(duration).unwrap_or_else(|| now + NEVER);
        self.0.as_mut().reset(moment);
    }

    /// Completes once it has passed; at once if it had.
    pub async fn passed(&mut self) {
        self.0.as_mut().await;
    }
}

/// What stands for durations that no clock can express.
const NEVER: Duration = Duration::from_secs(100 * 365 * 24 * 3600);

/// Completes after `duration`.
pub async fn sleep(duration: Duration) {
    tokio::time::sleep(duration).await;
}

/// Runs `future` for at most `duration`.
pub async fn timeout<F: Future>(duration: Duration, future: F) -> Result<F::Output, Elapsed> {
    tokio::time::timeout(duration, future).await.map_err(|_| Elapsed)
}
