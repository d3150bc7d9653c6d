use std::sync::Arc;
use std::time::Duration;

use parking_lot::{Condvar, Mutex, MutexGuard};
use tokio::sync::Notify;

use super::error::NoCredit;
use super::frame::entry_cost;
use super::ring::{Grant, Ring};

/// The ring behind its lock, and those who wait for credit.
pub(super) struct Space {
    ring: Mutex<Ring>,
    attention: Condvar,
    grown: Notify,
}

impl Space {
    pub(super) fn new(ring: Ring) -> Space {
        Space { ring: Mutex::new(ring), attention: Condvar::new(), grown: Notify::new() }
    }

    pub(super) fn ring(&self) -> MutexGuard<'_, Ring> {
        self.ring.lock()
    }

    pub(super) fn reserve(
        self: &Arc<Space>,
        payloads: impl IntoIterator<Item = usize>,
    ) -> Result<Credit, NoCredit> {
        let mut ring = self.ring();
        let grant = ring.reserve(payloads).inspect_err(|_| self.call_provisioner())?;
        Ok(Credit { space: Arc::clone(self), frame_bytes_max: ring.frame_bytes_max(), grant })
    }

    /// Blocks until the provisioner may have something to do, the log has stopped, or the time is over.
    pub(super) fn wait_for_attention(&self, timeout: Duration) {
        let mut ring = self.ring.lock();
        self.attention.wait_while_for(&mut ring, |ring| !ring.attention && !ring.stopped, timeout);
        ring.attention = false;
    }

    /// Wakes the provisioner if it has something to do.
    pub(super) fn call_provisioner(&self) {
        self.attention.notify_one();
    }

    /// Wakes those who wait: there may be more credit, or the log has stopped.
    pub(super) fn announce(&self) {
        self.grown.notify_waiters();
    }

    pub(super) fn grown(&self) -> impl Future<Output = ()> + Send + '_ {
        self.grown.notified()
    }

    pub(super) fn stop(&self) {
        self.ring().stopped = true;
        self.call_provisioner();
        self.announce();
    }

    pub(super) fn fail(&self) {
        self.ring().failed = true;
        self.stop();
    }
}

/// The right to append entries: bytes in pre-written, free space, so that nothing can fail for want of space
/// after it was given. What is not used returns on drop.
pub struct Credit {
    space: Arc<Space>,
    frame_bytes_max: u64,
    grant: Grant,
}

impl Credit {
    /// Whether an entry gets a file of its own.
    pub(super) fn is_oversized(&self, payload_bytes: usize) -> bool {
        entry_cost(payload_bytes) > self.frame_bytes_max
    }

    /// Takes bytes of shared files out of the credit.
    ///
    /// # Panics
    /// If the credit was not reserved for an entry this long: appending would break the promise to others.
    pub(super) fn pay(&mut self, bytes: u64) {
        let rest = self.grant.bytes.checked_sub(bytes);
        self.grant.bytes = rest.expect("a credit is reserved for the entries that are appended with it");
    }

    /// Takes the smallest promised file that holds an oversized entry.
    ///
    /// # Panics
    /// As `pay`.
    pub(super) fn take_file(&mut self, payload_bytes: usize) -> u64 {
        let cost = entry_cost(payload_bytes);
        let fitting = self.grant.dedicated.iter().enumerate().filter(|(_, (_, size))| *size >= cost);
        let smallest = fitting.min_by_key(|(_, (_, size))| *size).map(|(index, _)| index);
        let index = smallest.expect("a credit is reserved for the entries that are appended with it");
        self.grant.dedicated.swap_remove(index).0
    }
}

impl Drop for Credit {
    fn drop(&mut self) {
        let grant = std::mem::take(&mut self.grant);
        if grant.bytes > 0 || !grant.dedicated.is_empty() {
            self.space.ring().give_back(grant);
            self.space.announce();
        }
    }
}
