//! The outside world behind seams: clock, randomness, files, timers.
//!
//! **Owns** the traits, their real implementations and the simulated ones that tests put in their place.
//! **Does not own** any decision: it does what it is told and reports what happened.
//! **Invariants**: no other room names `SystemTime`, `Instant::now`, `tokio::time`, `std::fs` or a source of
//! randomness (clippy's banned paths hold this).

#[cfg(test)]
pub mod alone;
mod background;
mod clock;
pub mod files;
mod lanes;
mod random;
pub mod simulated;
pub mod time;

use std::sync::Arc;

pub use background::{BackgroundError, Pace, in_background};
pub use clock::{Clock, SystemClock};
pub use files::{BLOCK_BYTES, Entry, File, FileExtent, Files, LockGuard, OpenMode, RealFiles, Space};
pub use lanes::side_by_side;
pub use random::{Random, SystemRandom};

/// The three seams together, cheap to clone.
#[derive(Clone)]
pub struct Env {
    /// Wall and monotonic time.
    pub clock: Arc<dyn Clock>,
    /// Identities and jitter.
    pub random: Arc<dyn Random>,
    /// The file system.
    pub files: Arc<dyn Files>,
}

impl Env {
    /// The machine's own clock, randomness and file system.
    pub fn real() -> Env {
        Env { clock: Arc::new(SystemClock), random: Arc::new(SystemRandom), files: Arc::new(RealFiles) }
    }
}
