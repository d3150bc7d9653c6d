//! Deadlines of members. They live beside the groups, are set anew when a shard is loaded, and are checked
//! against the group when they are due.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use crate::group::timers::{self, Deadline};

/// What a member has to do in time, or is fenced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Timer {
    /// Be heard of.
    Session,
    /// Give up partitions.
    Rebalance,
    /// Of a member that speaks the classic protocol: join after it was told to.
    Join,
    /// Of such a member: sync after it has joined.
    Sync,
}

/// Which timer of which member.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct TimerKey {
    /// The group.
    pub group_id: Arc<str>,
    /// The member.
    pub member_id: Arc<str>,
    /// Which one.
    pub timer: Timer,
}

/// All deadlines of a shard, each with the member epoch that it was set in.
#[derive(Debug, Default)]
pub(super) struct Timers {
    deadlines: HashMap<TimerKey, (Deadline, i32)>,
    queue: timers::Timers<TimerKey>,
}

impl Timers {
    /// Sets a deadline, or sets it anew.
    pub(super) fn set(&mut self, key: TimerKey, at: Duration, member_epoch: i32) {
        match self.deadlines.get_mut(&key) {
            Some((deadline, set_in)) => {
                self.queue.set(deadline, at, || key);
                *set_in = member_epoch;
            }
            None => {
                let mut deadline = Deadline::default();
                self.queue.set(&mut deadline, at, || key.clone());
                self.deadlines.insert(key, (deadline, member_epoch));
            }
        }
    }

    /// Whether the deadline is set.
    pub(super) fn is_set(&self, key: &TimerKey) -> bool {
        self.deadlines.contains_key(key)
    }

    /// Takes a deadline back.
    pub(super) fn cancel(&mut self, key: &TimerKey) {
        if let Some((mut deadline, _)) = self.deadlines.remove(key) {
            self.queue.cancel(&mut deadline);
        }
    }

    /// A moment at or before the next deadline.
    pub(super) fn next(&self) -> Option<Duration> {
        self.queue.next()
    }

    /// Takes out the next deadline that is due, with the member epoch that it was set in.
    pub(super) fn pop(&mut self, now: Duration) -> Option<(TimerKey, i32)> {
        // Bounded: every pass takes an entry out, and what moved comes back after `now`.
        while let Some((entry, key)) = self.queue.pop(now, u64::MAX) {
            let Some((deadline, member_epoch)) = self.deadlines.get_mut(&key) else { continue };
            let member_epoch = *member_epoch;
            if self.queue.is_due(deadline, entry, now, key.clone()) {
                self.deadlines.remove(&key);
                return Some((key, member_epoch));
            }
        }
        None
    }

    #[cfg(test)]
    pub(super) fn entries_count(&self) -> usize {
        self.queue.entries_count()
    }
}
