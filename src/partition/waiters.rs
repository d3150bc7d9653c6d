//! Fetches that wait for data: one waiter per request, known to each partition it asks about.

use std::sync::{Arc, Weak};

use parking_lot::Mutex;
use tokio::sync::Notify;

/// One waiting fetch. Woken when any partition it is registered with moves on.
#[derive(Default)]
pub struct FetchWaiter {
    woken: Notify,
}

impl FetchWaiter {
    /// A waiter that is not registered anywhere yet.
    pub fn new() -> Arc<FetchWaiter> {
        Arc::default()
    }

    /// Returns once a partition moved on after the registration. A wake-up before the call is not lost.
    pub async fn woken(&self) {
        self.woken.notified().await;
    }
}

/// The waiters of one partition.
#[derive(Default)]
pub(super) struct Waiters {
    waiting: Mutex<Vec<Weak<FetchWaiter>>>,
}

impl Waiters {
    /// Adds a waiter for as long as it lives, and forgets those whose request has ended, so that a partition
    /// nobody writes to does not collect them: the list never holds more than twice the waiting requests, and
    /// those are bounded by the connections and their requests in flight.
    pub(super) fn register(&self, waiter: &Arc<FetchWaiter>) {
        let mut waiting = self.waiting.lock();
        if waiting.len() == waiting.capacity() {
            waiting.retain(|waiter| waiter.strong_count() > 0);
        }
        waiting.push(Arc::downgrade(waiter));
    }

    /// Wakes all that still wait. They stay registered: a waiter registers once, with each partition.
    pub(super) fn wake(&self) {
        self.waiting.lock().retain(|waiter| match waiter.upgrade() {
            Some(waiter) => {
                waiter.woken.notify_one();
                true
            }
            None => false,
        });
    }
}
