//! When open transactions are aborted.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

/// Deadlines in monotonic time, one for each transactional id at most.
#[derive(Debug, Default)]
pub(super) struct Deadlines {
    by_id: HashMap<Arc<str>, Duration>,
    by_time: BTreeSet<(Duration, Arc<str>)>,
}

impl Deadlines {
    /// Sets one, whether it was set or not.
    pub fn set(&mut self, transactional_id: &Arc<str>, at: Duration) {
        self.cancel(transactional_id);
        self.by_id.insert(transactional_id.clone(), at);
        self.by_time.insert((at, transactional_id.clone()));
    }

    /// Takes one back.
    pub fn cancel(&mut self, transactional_id: &str) {
        if let Some(entry) = self.by_id.remove_entry(transactional_id) {
            let (transactional_id, at) = entry;
            self.by_time.remove(&(at, transactional_id));
        }
    }

    /// Of one transactional id.
    pub fn get(&self, transactional_id: &str) -> Option<Duration> {
        self.by_id.get(transactional_id).copied()
    }

    /// The first.
    pub fn first(&self) -> Option<(Duration, &Arc<str>)> {
        self.by_time.first().map(|(at, transactional_id)| (*at, transactional_id))
    }
}
