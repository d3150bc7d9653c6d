//! How far the WAL is written and durable, for those who wait for it, and the one way in which it ends.

use tokio::sync::watch;

use crate::wal::Lsn;

/// The storage has failed for good: nothing more is acknowledged, the process is about to stop.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct StorageFailed(pub String);

/// A position that only grows, or the failure that ended it.
pub(super) struct Progress(watch::Sender<Result<Lsn, StorageFailed>>);

impl Progress {
    pub(super) fn starting_at(lsn: Lsn) -> Progress {
        Progress(watch::Sender::new(Ok(lsn)))
    }

    /// Moves on to `end` (exclusive). Nothing happens after a failure.
    pub(super) fn advance(&self, end: Lsn) {
        self.0.send_if_modified(|state| match state {
            Ok(position) if *position < end => {
                *position = end;
                true
            }
            _ => false,
        });
    }

    /// Ends it. The first failure stays.
    pub(super) fn fail(&self, failure: &StorageFailed) {
        self.0.send_if_modified(|state| {
            let first = state.is_ok();
            if first {
                *state = Err(failure.clone());
            }
            first
        });
    }

    pub(super) fn position(&self) -> Result<Lsn, StorageFailed> {
        self.0.borrow().clone()
    }

    /// Waits until the entry at `lsn` lies behind the position.
    pub(super) async fn passed(&self, lsn: Lsn) -> Result<(), StorageFailed> {
        let mut receiver = self.0.subscribe();
        let reached = |state: &Result<Lsn, StorageFailed>| !matches!(state, Ok(position) if *position <= lsn);
        let state = receiver.wait_for(reached).await.expect("the sender lives in the storage that we borrow");
        state.as_ref().map(|_| ()).map_err(StorageFailed::clone)
    }

    /// Waits for the end.
    pub(super) async fn failed(&self) -> StorageFailed {
        let mut receiver = self.0.subscribe();
        let state = receiver.wait_for(Result::is_err).await.expect("the sender lives in the storage");
        state.as_ref().expect_err("this is what was waited for").clone()
    }
}
