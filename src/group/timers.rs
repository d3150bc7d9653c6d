//! Deadlines as data, ordered by time.
//!
//! A session's deadline moves with every heartbeat, nearly always to a later time. The ordered set is not
//! touched then: its entry comes due, finds that the deadline has moved, and is set anew. So a heartbeat
//! costs no more than writing down a number.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// What is due of a classic group. What is due of a consumer group stands in `consumer/timers.rs`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Timer {
    /// A member of a classic group was not heard of, or one that was given an id did not join.
    ClassicSession {
        /// Its group.
        group_id: Arc<str>,
        /// Its id.
        member_id: Arc<str>,
    },
    /// Members have had their time to join.
    Join {
        /// Their group.
        group_id: Arc<str>,
    },
    /// Members have had their time to sync.
    Sync {
        /// Their group.
        group_id: Arc<str>,
    },
}

/// An entry of the set. Entries of one moment come due in the order in which they were made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct TimerId {
    at: Duration,
    sequence: u64,
}

/// One deadline, kept by whom it concerns. It has at most one entry in the set.
#[derive(Debug, Default)]
pub(super) struct Deadline {
    at: Option<Duration>,
    entry: Option<TimerId>,
}

/// The set: what is due, by its moment.
#[derive(Debug)]
pub(super) struct Timers<T = Timer> {
    entries: BTreeMap<TimerId, T>,
    sequence: u64,
}

impl<T> Default for Timers<T> {
    fn default() -> Timers<T> {
        Timers { entries: BTreeMap::new(), sequence: 0 }
    }
}

impl<T> Timers<T> {
    /// Sets a deadline, in monotonic time, whether it was set or not.
    pub fn set(&mut self, deadline: &mut Deadline, at: Duration, timer: impl FnOnce() -> T) {
        deadline.at = Some(at);
        match deadline.entry {
            Some(entry) if entry.at <= at => {}
            _ => {
                self.cancel(deadline);
                deadline.entry = Some(self.add(at, timer()));
                deadline.at = Some(at);
            }
        }
    }

    /// Takes a deadline back.
    pub fn cancel(&mut self, deadline: &mut Deadline) {
        deadline.at = None;
        if let Some(entry) = deadline.entry.take() {
            self.entries.remove(&entry);
        }
    }

    fn add(&mut self, at: Duration, timer: T) -> TimerId {
        let entry = TimerId { at, sequence: self.sequence };
        self.sequence += 1;
        self.entries.insert(entry, timer);
        entry
    }

    /// When to look again: no later than the first deadline, perhaps earlier.
    pub fn next(&self) -> Option<Duration> {
        self.entries.first_key_value().map(|(entry, _)| entry.at)
    }

    #[cfg(test)]
    pub fn entries_count(&self) -> usize {
        self.entries.len()
    }

    /// A mark: what is set from now on, [`Timers::pop`] with this mark does not give.
    pub fn mark(&self) -> u64 {
        self.sequence
    }

    /// Takes the next entry that is due and was made before the mark. Whoever has its deadline asks
    /// [`Timers::is_due`].
    pub fn pop(&mut self, now: Duration, mark: u64) -> Option<(TimerId, T)> {
        let due = |entry: &TimerId| entry.at <= now && entry.sequence < mark;
        let entry = self.entries.keys().take_while(|entry| entry.at <= now).copied().find(due)?;
        self.entries.remove(&entry).map(|timer| (entry, timer))
    }

    /// Whether the deadline of an entry that came due has truly passed; it is unset then. One that moved to
    /// a later time gets its entry anew.
    pub fn is_due(&mut self, deadline: &mut Deadline, entry: TimerId, now: Duration, timer: T) -> bool {
        if deadline.entry != Some(entry) {
            return false;
        }
        deadline.entry = None;
        match deadline.at {
            Some(at) if at > now => {
                deadline.entry = Some(self.add(at, timer));
                false
            }
            Some(_) => {
                deadline.at = None;
                true
            }
            None => false,
        }
    }
}
