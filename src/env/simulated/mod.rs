//! A deterministic world for tests: a disk that loses what was not synced, a clock that jumps, seeded
//! randomness.
//!
//! **Owns** the simulated disk and its faults. Every file has a *live* plane (what a process reads: the page
//! cache) and a *durable* plane (what a power cut leaves), with the unsynced changes between them.
//! **Does not own** any expectation about its users: it only does to them what a real disk may do.
//! **Invariants**:
//! - the same seed and the same calls give the same world;
//! - content is durable only after `sync_data` of the file *and* `sync_dir` of every directory on its path
//!   that gained or changed an entry;
//! - a failed `sync_data` leaves its pages clean and possibly lost, and the next one succeeds: Linux's
//!   semantics;
//! - nothing happens to a disk after its crash: `after_crash` and `after_kill` copy what survives.

mod clock;
mod crash;
mod disk;
mod fault;
mod files;
mod random;

#[cfg(test)]
mod tests;

use std::sync::Arc;

pub use clock::SimulatedClock;
pub use crash::CrashPlan;
pub use fault::{Fault, Operation};
pub use files::SimulatedFiles;
pub use random::SeededRandom;

use crate::env::Env;

/// The three simulated seams of one run.
#[derive(Clone)]
pub struct SimulatedWorld {
    /// The clock; survives crashes as a real one does.
    pub clock: Arc<SimulatedClock>,
    /// The source of identities and jitter.
    pub random: Arc<SeededRandom>,
    /// The disk.
    pub files: SimulatedFiles,
}

impl SimulatedWorld {
    /// An empty disk, a clock in 2026, and randomness from `seed`.
    pub fn new(seed: u64) -> SimulatedWorld {
        SimulatedWorld {
            clock: Arc::new(SimulatedClock::default()),
            random: Arc::new(SeededRandom::new(seed)),
            files: SimulatedFiles::new(seed),
        }
    }

    /// The seams as the rooms take them.
    pub fn env(&self) -> Env {
        Env {
            clock: Arc::clone(&self.clock) as Arc<dyn crate::env::Clock>,
            random: Arc::clone(&self.random) as Arc<dyn crate::env::Random>,
            files: Arc::new(self.files.clone()),
        }
    }

    /// The world after a power cut.
    pub fn after_crash(&self, plan: CrashPlan) -> SimulatedWorld {
        SimulatedWorld { files: self.files.after_crash(plan), ..self.clone() }
    }

    /// The world after the process was killed: the page cache survives.
    pub fn after_kill(&self) -> SimulatedWorld {
        SimulatedWorld { files: self.files.after_kill(), ..self.clone() }
    }
}
