//! Where a shard sits: what its task shares with those who ask it.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::{Mutex, RwLock};
use tokio::sync::{Notify, mpsc, oneshot};

use super::parking::ReplyTo;
use super::{CoordinatorError, Shard};
use crate::model::Offset;
use crate::partition::{AppendError, Partition, TransactionMarker};

/// Requests that may wait for a shard. Beyond it clients are told to come again: what waits longer than a
/// client's patience is work for nothing.
pub(super) const QUEUE_MAX: usize = 8192;

/// Whether a shard takes requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    Loading,
    Serving,
    /// Its partition stopped, or cannot be read.
    Failed,
}

/// Something on its way to a shard.
pub(super) enum Event<S: Shard> {
    Request(Requested<S>),
    /// A producer's transaction has ended.
    End(Ending),
}

pub(super) struct Requested<S: Shard> {
    pub(super) ticket: u64,
    pub(super) request: S::Request,
    pub(super) reply_to: ReplyTo<S::Reply>,
}

/// The end of what was written, or why it is refused.
pub(super) type Ended = Result<Offset, AppendError>;

/// A marker that is to be written.
pub(super) struct Ending {
    pub(super) marker: TransactionMarker,
    pub(super) beside: Beside,
    pub(super) reply_to: ReplyTo<Vec<Ended>>,
}

/// Appends by calling what it is given while the markers are owed; does not call it when they are not.
pub type WhileOwed = dyn FnOnce(&mut dyn FnMut()) + Send;

/// Markers of other partitions that share the commit of a shard's own.
pub struct Beside {
    /// At most as many as the caller writes at a time.
    pub markers: Vec<(Arc<Partition>, TransactionMarker)>,
    /// Around the append of all of them: time has passed since they were asked for.
    pub while_owed: Box<WhileOwed>,
}

impl Beside {
    /// The shard's marker alone, whatever happened since.
    pub fn nothing() -> Beside {
        Beside { markers: Vec::new(), while_owed: Box::new(|append| append()) }
    }
}

impl<S: Shard> Event<S> {
    /// Whether it may write.
    pub(super) fn may_write(&self) -> bool {
        match self {
            Event::Request(requested) => S::may_write(&requested.request),
            Event::End(_) => true,
        }
    }

    /// It is not done.
    pub(super) fn fail(self, error: CoordinatorError) {
        match self {
            Event::Request(requested) => drop(requested.reply_to.send(Err(error))),
            Event::End(ending) => drop(ending.reply_to.send(Err(error))),
        }
    }
}

/// Tickets that nobody awaits any more. Each comes once, so that there are never more than were given out.
#[derive(Default)]
pub(super) struct Forgotten {
    tickets: Mutex<Vec<u64>>,
    woken: Notify,
}

impl Forgotten {
    fn add(&self, ticket: u64) {
        self.tickets.lock().push(ticket);
        self.woken.notify_one();
    }

    pub(super) fn take(&self) -> Vec<u64> {
        std::mem::take(&mut *self.tickets.lock())
    }

    /// Completes when there are some.
    pub(super) async fn some(&self) {
        self.woken.notified().await;
    }
}

/// Notices that a shard has not heard. Beyond it the oldest are lost: a shard that hears of nothing for so
/// long has stopped.
const NOTICES_MAX: usize = 1024;

/// One shard, as those see it who ask it.
pub(super) struct Seat<S: Shard> {
    /// Held while something is queued: what was let in lies in the queue when another phase begins, so that
    /// its task finds it there and fails it. Else it would wait for the next load, or for ever.
    phase: RwLock<Phase>,
    queue: mpsc::Sender<Event<S>>,
    next_ticket: AtomicU64,
    pub(super) forgotten: Arc<Forgotten>,
    notices: Mutex<VecDeque<S::Notice>>,
    /// The shard itself, while it is loaded. Its task alone changes it; others look at it for metrics.
    pub(super) shard: Mutex<Option<S>>,
}

impl<S: Shard> Seat<S> {
    pub(super) fn new() -> (Arc<Seat<S>>, mpsc::Receiver<Event<S>>) {
        Seat::with(VecDeque::new())
    }

    /// The seat of a task that follows the one that had this: it hears what that one has not heard.
    pub(super) fn successor(&self) -> (Arc<Seat<S>>, mpsc::Receiver<Event<S>>) {
        Seat::with(std::mem::take(&mut *self.notices.lock()))
    }

    fn with(notices: VecDeque<S::Notice>) -> (Arc<Seat<S>>, mpsc::Receiver<Event<S>>) {
        let (queue, events) = mpsc::channel(QUEUE_MAX);
        let seat = Seat {
            phase: RwLock::new(Phase::Loading),
            queue,
            next_ticket: AtomicU64::new(1),
            forgotten: Arc::default(),
            notices: Mutex::new(notices),
            shard: Mutex::new(None),
        };
        (Arc::new(seat), events)
    }

    pub(super) fn set_phase(&self, phase: Phase) {
        *self.phase.write() = phase;
    }

    /// Tells the shard, now or when it is loaded.
    pub(super) fn notify(&self, notice: S::Notice) {
        let mut notices = self.notices.lock();
        if notices.len() == NOTICES_MAX {
            notices.pop_front();
        }
        notices.push_back(notice);
        drop(notices);
        self.forgotten.woken.notify_one();
    }

    /// What it has to hear first.
    pub(super) fn first_notice(&self) -> Option<S::Notice> {
        self.notices.lock().front().cloned()
    }

    /// It heard it.
    pub(super) fn heard(&self) {
        self.notices.lock().pop_front();
    }

    /// Hands a request over, in the order of the calls.
    pub(super) fn ask(&self, request: S::Request) -> Result<Asked<S::Reply>, CoordinatorError> {
        let ticket = self.next_ticket.fetch_add(1, Ordering::Relaxed);
        let (reply_to, reply) = oneshot::channel();
        self.hand_over(Event::Request(Requested { ticket, request, reply_to }))?;
        Ok(Asked { reply, ticket, forgotten: Some(self.forgotten.clone()) })
    }

    /// Has a marker written, in the order of the calls.
    pub(super) fn end_transaction(
        &self,
        marker: TransactionMarker,
        beside: Beside,
    ) -> Result<oneshot::Receiver<Result<Vec<Ended>, CoordinatorError>>, CoordinatorError> {
        let (reply_to, reply) = oneshot::channel();
        self.hand_over(Event::End(Ending { marker, beside, reply_to }))?;
        Ok(reply)
    }

    fn hand_over(&self, event: Event<S>) -> Result<(), CoordinatorError> {
        let phase = self.phase.read();
        match *phase {
            Phase::Serving => {}
            Phase::Loading => return Err(CoordinatorError::Loading),
            Phase::Failed => return Err(CoordinatorError::NotCoordinator),
        }
        self.queue.try_send(event).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => CoordinatorError::NotAvailable,
            mpsc::error::TrySendError::Closed(_) => CoordinatorError::NotCoordinator,
        })
    }
}

/// A reply that is awaited. Dropped before it came, it has the shard forget the request.
pub struct Asked<R> {
    reply: oneshot::Receiver<Result<R, CoordinatorError>>,
    ticket: u64,
    forgotten: Option<Arc<Forgotten>>,
}

impl<R> Asked<R> {
    /// Waits for the reply.
    pub async fn reply(mut self) -> Result<R, CoordinatorError> {
        let reply = (&mut self.reply).await;
        self.forgotten = None;
        // The shard's task ended.
        reply.unwrap_or(Err(CoordinatorError::NotCoordinator))
    }
}

impl<R> Drop for Asked<R> {
    fn drop(&mut self) {
        if let Some(forgotten) = &self.forgotten {
            forgotten.add(self.ticket);
        }
    }
}

#[cfg(test)]
mod tests;
