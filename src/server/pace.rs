//! Deadlines for transfers: a fixed time, and more for bytes that move.
//!
//! A deadline for the whole would cut honest slow clients off, one that starts anew with each byte would
//! never end: so each byte earns time at the slowest rate that is tolerated. Only time spent waiting for the
//! client counts.

use std::future::Future;
use std::io;
use std::time::Duration;

use crate::env::{Clock, time};

/// The deadline of one transfer.
pub(super) struct Pace {
    timeout: Duration,
    bytes_per_second_min: u32,
    waited: Duration,
    moved_bytes: u64,
}

/// Why a wait ended badly.
#[derive(Debug)]
pub(super) enum PaceError {
    /// The time is used up.
    Expired,
    /// The socket failed.
    Io(io::Error),
}

impl Pace {
    pub(super) fn new(timeout: Duration, bytes_per_second_min: u32) -> Pace {
        Pace { timeout, bytes_per_second_min, waited: Duration::ZERO, moved_bytes: 0 }
    }

    /// Bytes went through.
    pub(super) fn moved(&mut self, bytes: u64) {
        self.moved_bytes += bytes;
    }

    /// Bytes that went through so far.
    pub(super) fn moved_bytes(&self) -> u64 {
        self.moved_bytes
    }

    /// Waits for the socket, for as long as the transfer may still take.
    pub(super) async fn wait(
        &mut self,
        clock: &dyn Clock,
        readiness: impl Future<Output = io::Result<()>>,
    ) -> Result<(), PaceError> {
        let left = self.left().ok_or(PaceError::Expired)?;
        let began = clock.monotonic();
        let outcome = time::timeout(left, readiness).await;
        self.waited += clock.monotonic().saturating_sub(began);
        outcome.map_err(|_| PaceError::Expired)?.map_err(PaceError::Io)
    }

    fn left(&self) -> Option<Duration> {
        let earned_ms = self.moved_bytes.saturating_mul(1000) / u64::from(self.bytes_per_second_min.max(1));
        let allowed = self.timeout.saturating_add(Duration::from_millis(earned_ms));
        allowed.checked_sub(self.waited).filter(|left| !left.is_zero())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_earn_time() {
        let check = |waited_ms, moved_bytes, left_ms: Option<u64>| {
            let pace = Pace {
                timeout: Duration::from_millis(500),
                bytes_per_second_min: 1000,
                waited: Duration::from_millis(waited_ms),
                moved_bytes,
            };
            assert_eq!(
                pace.left(),
                left_ms.map(Duration::from_millis),
                "{waited_ms} ms, {moved_bytes} bytes"
            );
        };
        check(0, 0, Some(500));
        check(499, 0, Some(1));
        check(500, 0, None);
        check(500, 1, Some(1));
        check(1499, 1000, Some(1));
        check(1500, 1000, None);
    }
}
