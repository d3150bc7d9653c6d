use std::sync::atomic::{AtomicU8, Ordering};

/// What the process is doing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Phase {
    /// Recovering; the client ports are closed.
    Starting,
    /// Serving clients.
    Ready,
    /// Draining after a signal.
    Stopping,
    /// Storage failed: about to exit.
    Failed,
}

/// The phase, for probes to read.
#[derive(Debug)]
pub struct Health(AtomicU8);

impl Default for Health {
    fn default() -> Health {
        Health(AtomicU8::new(Phase::Starting as u8))
    }
}

impl Health {
    /// Moves on. A failed process stays failed.
    pub fn set(&self, phase: Phase) {
        let failed = Phase::Failed as u8;
        let _ = self
            .0
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, |now| (now != failed).then_some(phase as u8));
    }

    /// The phase now.
    pub fn phase(&self) -> Phase {
        let phases = [Phase::Starting, Phase::Ready, Phase::Stopping, Phase::Failed];
        phases[usize::from(self.0.load(Ordering::Acquire))]
    }
}

impl Phase {
    /// The word that probes are answered with.
    pub fn word(self) -> &'static str {
        match self {
            Phase::Starting => "starting",
            Phase::Ready => "ready",
            Phase::Stopping => "stopping",
            Phase::Failed => "failed",
        }
    }

    /// Whether the process is worth keeping: all but a failed one.
    pub fn is_alive(self) -> bool {
        self != Phase::Failed
    }
}
