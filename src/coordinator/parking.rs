//! Replies that wait for a commit.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::sync::oneshot;

use super::CoordinatorError;
use crate::model::Offset;

/// Where a reply goes.
pub(super) type ReplyTo<R> = oneshot::Sender<Result<R, CoordinatorError>>;

/// A reply and where it goes.
pub(super) type Addressed<R> = (ReplyTo<R>, Result<R, CoordinatorError>);

struct Parked<R> {
    /// The high watermark at which they leave.
    end: Offset,
    /// When they are given up, on the monotonic clock.
    until: Duration,
    replies: Vec<Addressed<R>>,
}

/// Replies in the order in which they leave. Bounded by who adds to it.
pub(super) struct Parking<R> {
    queue: VecDeque<Parked<R>>,
    count: usize,
}

impl<R> Default for Parking<R> {
    fn default() -> Parking<R> {
        Parking { queue: VecDeque::new(), count: 0 }
    }
}

impl<R> Parking<R> {
    /// How many replies wait.
    pub(super) fn len(&self) -> usize {
        self.count
    }

    /// Adds replies that leave when everything below `end` is committed, which is not below what those before
    /// them wait for.
    pub(super) fn park(&mut self, end: Offset, until: Duration, replies: Vec<Addressed<R>>) {
        debug_assert!(self.queue.back().is_none_or(|last| last.end <= end));
        self.count += replies.len();
        self.queue.push_back(Parked { end, until, replies });
    }

    /// Lets go what is committed.
    pub(super) fn release(&mut self, high_watermark: Offset) {
        while let Some(first) = self.queue.pop_front_if(|first| first.end <= high_watermark) {
            self.count -= first.replies.len();
            send(first.replies);
        }
    }

    /// When the first are given up.
    pub(super) fn first_until(&self) -> Option<Duration> {
        self.queue.front().map(|first| first.until)
    }

    /// Gives up those whose time is over: nobody knows whether what they tell will be committed.
    pub(super) fn give_up(&mut self, now: Duration) {
        while let Some(first) = self.queue.pop_front_if(|first| first.until <= now) {
            self.count -= first.replies.len();
            fail(first.replies, CoordinatorError::NotAvailable);
        }
    }

    /// Nothing of it will ever be known to be committed.
    pub(super) fn fail_all(&mut self, error: CoordinatorError) {
        self.count = 0;
        self.queue.drain(..).for_each(|parked| fail(parked.replies, error));
    }
}

/// Who does not wait any more is not told.
fn send<R>(replies: Vec<Addressed<R>>) {
    for (reply_to, reply) in replies {
        let _ = reply_to.send(reply);
    }
}

fn fail<R>(replies: Vec<Addressed<R>>, error: CoordinatorError) {
    for (reply_to, _) in replies {
        let _ = reply_to.send(Err(error));
    }
}
