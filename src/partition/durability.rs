//! How far the WAL is written and durable, for those who wait for it, and the one way in which it ends.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, Waker};

use parking_lot::Mutex;
use tokio::sync::watch;

use crate::wal::Lsn;

/// The storage has failed for good: nothing more is acknowledged, the process is about to stop.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct StorageFailed(pub String);

/// What stands for the position after the failure. No log grows so long.
const FAILED: u64 = u64::MAX;

/// A position that only grows, or the failure that ended it.
///
/// A step wakes those whose entry lies behind it, and nobody else: there is one several thousand times a
/// second.
pub(super) struct Progress {
    /// Changed under the lock of `waiting`, so that nobody registers for what has just been passed.
    position: AtomicU64,
    waiting: Mutex<Waiting>,
    failure: watch::Sender<Option<StorageFailed>>,
}

/// Those who wait, by the entry that they wait for: at most one per request that is being handled.
#[derive(Default)]
struct Waiting {
    wakers: BTreeMap<(Lsn, u64), Waker>,
    /// How many have registered so far: tells those apart who wait for the same entry.
    registered: u64,
}

impl Progress {
    pub(super) fn starting_at(lsn: Lsn) -> Progress {
        Progress {
            position: AtomicU64::new(lsn.0),
            waiting: Mutex::default(),
            failure: watch::Sender::new(None),
        }
    }

    /// Moves on to `end` (exclusive). Nothing happens after a failure.
    pub(super) fn advance(&self, end: Lsn) {
        let mut waiting = self.waiting.lock();
        // Never true after a failure: `FAILED` is above every position.
        if self.position.load(Ordering::Relaxed) < end.0 {
            self.position.store(end.0, Ordering::Release);
            let later = waiting.wakers.split_off(&(end, 0));
            let passed = std::mem::replace(&mut waiting.wakers, later);
            // Outside the lock: who is woken may look at once.
            drop(waiting);
            passed.into_values().for_each(Waker::wake);
        }
    }

    /// Ends it. The first failure stays.
    pub(super) fn fail(&self, failure: &StorageFailed) {
        let mut waiting = self.waiting.lock();
        if self.position.load(Ordering::Relaxed) == FAILED {
            return;
        }
        // Before the position says so: who sees it there finds it here.
        self.failure.send_replace(Some(failure.clone()));
        self.position.store(FAILED, Ordering::Release);
        let all = std::mem::take(&mut waiting.wakers);
        drop(waiting);
        all.into_values().for_each(Waker::wake);
    }

    pub(super) fn position(&self) -> Result<Lsn, StorageFailed> {
        match self.position.load(Ordering::Acquire) {
            FAILED => Err(self.failure.borrow().clone().expect("it is set before the position says so")),
            position => Ok(Lsn(position)),
        }
    }

    /// Waits until the entry at `lsn` lies behind the position.
    pub(super) fn passed(&self, lsn: Lsn) -> Passed<'_> {
        Passed { progress: self, lsn, registered: None }
    }

    /// Waits for the end.
    pub(super) async fn failed(&self) -> StorageFailed {
        let mut receiver = self.failure.subscribe();
        let state = receiver.wait_for(Option::is_some).await.expect("the sender lives in the storage");
        state.clone().expect("this is what was waited for")
    }

    #[cfg(test)]
    pub(super) fn waiting_count(&self) -> usize {
        self.waiting.lock().wakers.len()
    }
}

/// Completes when the position has passed an entry, or the failure has come.
pub(super) struct Passed<'a> {
    progress: &'a Progress,
    lsn: Lsn,
    /// Its number among those who wait, and whom that wakes.
    registered: Option<(u64, Waker)>,
}

impl Passed<'_> {
    fn result(&self) -> Option<Result<(), StorageFailed>> {
        match self.progress.position() {
            Ok(position) if position <= self.lsn => None,
            Ok(_) => Some(Ok(())),
            Err(failure) => Some(Err(failure)),
        }
    }
}

impl Future for Passed<'_> {
    type Output = Result<(), StorageFailed>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        if let Some(result) = self.result() {
            // Who passed or ended it takes the waker out.
            self.registered = None;
            return Poll::Ready(result);
        }
        if self.registered.as_ref().is_some_and(|(_, waker)| waker.will_wake(context.waker())) {
            return Poll::Pending;
        }
        let mut waiting = self.progress.waiting.lock();
        // Again, under the lock: it may have been passed before this one could be woken.
        if let Some(result) = self.result() {
            drop(waiting);
            self.registered = None;
            return Poll::Ready(result);
        }
        let number = match &self.registered {
            Some((number, _)) => *number,
            None => waiting.registered + 1,
        };
        waiting.registered = waiting.registered.max(number);
        let replaced = waiting.wakers.insert((self.lsn, number), context.waker().clone());
        drop(waiting);
        drop(replaced);
        self.registered = Some((number, context.waker().clone()));
        Poll::Pending
    }
}

impl Drop for Passed<'_> {
    fn drop(&mut self) {
        if let Some((number, _)) = &self.registered {
            let waker = self.progress.waiting.lock().wakers.remove(&(self.lsn, *number));
            drop(waker);
        }
    }
}
