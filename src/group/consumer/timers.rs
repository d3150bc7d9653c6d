//! Deadlines of members. They live beside the groups, are set anew when a shard is loaded, and are checked
//! against the group when they are due.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::sync::Arc;
use std::time::Duration;

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

#[derive(Debug, Clone, Copy)]
struct Deadline {
    at: Duration,
    /// Where it stands in the queue: at its time, or before it.
    queued: Duration,
    /// The member epoch that it was set in.
    member_epoch: i32,
}

/// All deadlines of a shard. Setting one again to a later time, as each heartbeat does, moves nothing in the
/// queue.
#[derive(Debug, Default)]
pub(super) struct Timers {
    deadlines: HashMap<TimerKey, Deadline>,
    /// May hold entries that no deadline stands behind any more: not more than there are deadlines, and
    /// [`Timers::STALE_MAX`].
    queue: BinaryHeap<Reverse<(Duration, TimerKey)>>,
}

impl Timers {
    const STALE_MAX: usize = 1024;

    /// Sets a deadline, or sets it anew.
    pub(super) fn set(&mut self, key: TimerKey, at: Duration, member_epoch: i32) {
        if let Some(deadline) = self.deadlines.get_mut(&key)
            && at >= deadline.queued
        {
            (deadline.at, deadline.member_epoch) = (at, member_epoch);
            return;
        }
        self.queue.push(Reverse((at, key.clone())));
        self.deadlines.insert(key, Deadline { at, queued: at, member_epoch });
        self.tidy();
    }

    /// Whether the deadline is set.
    pub(super) fn is_set(&self, key: &TimerKey) -> bool {
        self.deadlines.contains_key(key)
    }

    /// Takes a deadline back.
    pub(super) fn cancel(&mut self, key: &TimerKey) {
        self.deadlines.remove(key);
    }

    /// A moment at or before the next deadline.
    pub(super) fn next(&self) -> Option<Duration> {
        if self.deadlines.is_empty() {
            return None;
        }
        self.queue.peek().map(|Reverse((at, _))| *at)
    }

    /// Takes out the next deadline that is due, with the member epoch that it was set in.
    pub(super) fn pop(&mut self, now: Duration) -> Option<(TimerKey, i32)> {
        // Bounded: every pass takes an entry out that is not put back at or before `now`.
        while self.queue.peek().is_some_and(|Reverse((at, _))| *at <= now) {
            let Some(Reverse((queued, key))) = self.queue.pop() else { break };
            let Some(deadline) = self.deadlines.get_mut(&key).filter(|deadline| deadline.queued == queued)
            else {
                continue;
            };
            if deadline.at <= now {
                let member_epoch = deadline.member_epoch;
                self.deadlines.remove(&key);
                return Some((key, member_epoch));
            }
            deadline.queued = deadline.at;
            self.queue.push(Reverse((deadline.at, key)));
        }
        None
    }

    #[cfg(test)]
    pub(super) fn queue_len(&self) -> usize {
        self.queue.len()
    }

    fn tidy(&mut self) {
        if self.queue.len() > self.deadlines.len() * 2 + Timers::STALE_MAX {
            let deadlines = &self.deadlines;
            self.queue.retain(|Reverse((queued, key))| {
                deadlines.get(key).is_some_and(|deadline| deadline.queued == *queued)
            });
        }
    }
}
