//! Replies of one connection between handler and socket, in the order of their requests.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::future::poll_fn;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use parking_lot::Mutex;

use super::budget::{Charge, LongPollCharge};
use crate::handlers::{LongPoll, PendingReply, Reply};
use crate::protocol::Piece;
use crate::telemetry::Metrics;

/// Replies in memory of one connection, in bytes, above which none of its requests is begun: a client that
/// asks and does not read.
pub(super) const REPLY_BYTES_MAX: u64 = 1 << 20;

/// A request that was read and is not answered yet, as the metrics see it.
pub(super) struct InProgress<'a> {
    metrics: &'a Metrics,
    api_key: i16,
    received_at: Duration,
    finished: bool,
}

impl<'a> InProgress<'a> {
    /// A request was read.
    pub(super) fn new(metrics: &'a Metrics, api_key: i16, received_at: Duration) -> InProgress<'a> {
        metrics.request_started(api_key);
        InProgress { metrics, api_key, received_at, finished: false }
    }

    /// Its reply was sent, or it needs none.
    pub(super) fn finish(mut self, now: Duration) {
        self.finished = true;
        self.metrics.request_finished(self.api_key, now.saturating_sub(self.received_at));
    }
}

impl Drop for InProgress<'_> {
    fn drop(&mut self) {
        if !self.finished {
            self.metrics.request_abandoned();
        }
    }
}

/// One request's reply on its way.
struct Slot<'a> {
    state: State,
    request: InProgress<'a>,
}

enum State {
    /// Not there yet. The request's memory stays charged until it is.
    Pending(PendingReply, #[expect(dead_code, reason = "given back on drop")] Charge),
    /// Not there yet, and perhaps not for long. Only what it keeps is charged, or the request if it was asked
    /// to hurry at once.
    Waiting(LongPoll, #[expect(dead_code, reason = "given back on drop")] Result<LongPollCharge, Charge>),
    /// To be sent once it is the first.
    Ready(Reply),
}

/// Replies that are awaited or not yet taken by the writer: at most `in_flight_max`, and at most one beyond
/// `REPLY_BYTES_MAX` and those that were awaited then.
///
/// Reader, `progress` and writer are parts of one task, polled in this order, so that what one does for the
/// next is seen in the same round, without a waker. The locks are never contended; they are there because a
/// task may move between threads.
pub(super) struct Pipeline<'a> {
    in_flight_max: usize,
    slots: Mutex<VecDeque<Slot<'a>>>,
    /// When something was last read or sent, on the monotonic clock.
    active_at: Mutex<Duration>,
    /// Replies were taken and are being sent.
    sending: AtomicBool,
    /// Bytes in memory of replies that are there and not sent.
    reply_bytes: AtomicU64,
    /// Those of them that were taken and are being sent.
    sending_bytes: AtomicU64,
    /// No further request will come.
    finished: AtomicBool,
    /// Long polls may not wait any more.
    hurrying: AtomicBool,
    /// The reader waits for room.
    room_wanted: AtomicBool,
    /// The reader has given way and goes on in the next round.
    gave_way: AtomicBool,
}

impl<'a> Pipeline<'a> {
    pub(super) fn new(in_flight_max: usize, now: Duration) -> Pipeline<'a> {
        Pipeline {
            in_flight_max: in_flight_max.max(1),
            slots: Mutex::default(),
            active_at: Mutex::new(now),
            sending: AtomicBool::new(false),
            reply_bytes: AtomicU64::new(0),
            sending_bytes: AtomicU64::new(0),
            finished: AtomicBool::new(false),
            hurrying: AtomicBool::new(false),
            room_wanted: AtomicBool::new(false),
            gave_way: AtomicBool::new(false),
        }
    }

    /// Waits until a further request may be read.
    pub(super) async fn room(&self) {
        poll_fn(|_| {
            let has_room = self.has_room();
            self.room_wanted.store(!has_room, Ordering::Relaxed);
            if has_room { Poll::Ready(()) } else { Poll::Pending }
        })
        .await
    }

    fn has_room(&self) -> bool {
        self.slots.lock().len() < self.in_flight_max
            && self.reply_bytes.load(Ordering::Relaxed) <= REPLY_BYTES_MAX
    }

    /// Lets the other parts of the task have a turn before the reader goes on: a client that sends without
    /// pause would otherwise see its replies late.
    pub(super) async fn give_way(&self) {
        let mut gave = false;
        poll_fn(|_| {
            if std::mem::replace(&mut gave, true) {
                return Poll::Ready(());
            }
            self.gave_way.store(true, Ordering::Relaxed);
            Poll::Pending
        })
        .await
    }

    /// Whether the reader can go on in a further round: it gave way, or the writer made room for it.
    pub(super) fn take_round_wanted(&self) -> bool {
        self.gave_way.swap(false, Ordering::Relaxed)
            || (self.room_wanted.load(Ordering::Relaxed) && self.has_room())
    }

    /// Adds the reply of the request that was read last.
    pub(super) fn push(&self, reply: Reply, request: InProgress<'a>, charge: Charge) {
        let state = match reply {
            Reply::Pending(pending) => State::Pending(pending, charge),
            Reply::Waiting(poll) => {
                let charge = charge.into_long_poll(poll.held_bytes);
                if charge.is_err() || self.hurrying.load(Ordering::Relaxed) {
                    poll.hurry.ask();
                }
                State::Waiting(poll, charge)
            }
            reply => self.ready(reply),
        };
        self.slots.lock().push_back(Slot { state, request });
    }

    /// Has long polls answer with what there is, those to come too: nobody is left who wants to wait.
    pub(super) fn hurry(&self) {
        self.hurrying.store(true, Ordering::Relaxed);
        for slot in self.slots.lock().iter() {
            if let State::Waiting(poll, _) = &slot.state {
                poll.hurry.ask();
            }
        }
    }

    /// No request will follow: `next` ends with the last reply. Long polls are asked to hurry.
    pub(super) fn finish(&self) {
        self.hurry();
        self.finished.store(true, Ordering::Relaxed);
    }

    /// Drives the replies that are awaited, all of them: a later one must not wait for an earlier one's turn
    /// to start its work. Never completes.
    pub(super) async fn progress(&self) -> Infallible {
        poll_fn(|context| {
            self.poll_waiting(context);
            Poll::Pending
        })
        .await
    }

    fn poll_waiting(&self, context: &mut Context<'_>) {
        for slot in self.slots.lock().iter_mut() {
            let pending = match &mut slot.state {
                State::Pending(pending, _) => pending,
                State::Waiting(poll, _) => &mut poll.reply,
                State::Ready(_) => continue,
            };
            if let Poll::Ready(reply) = pending.as_mut().poll(context) {
                slot.state = self.ready(match reply {
                    Reply::Pending(_) | Reply::Waiting(_) => {
                        Reply::Close("a pending reply resolved to another pending one")
                    }
                    reply => reply,
                });
            }
        }
    }

    fn ready(&self, reply: Reply) -> State {
        self.reply_bytes.fetch_add(bytes_in_memory(&reply), Ordering::Relaxed);
        State::Ready(reply)
    }

    /// Takes the first reply once it is there; `None` after `finish` and the last one.
    pub(super) async fn next(&self) -> Option<(Reply, InProgress<'a>)> {
        poll_fn(|_| match self.take_ready() {
            Some(taken) => Poll::Ready(Some(taken)),
            None if self.finished.load(Ordering::Relaxed) && self.slots.lock().is_empty() => {
                Poll::Ready(None)
            }
            None => Poll::Pending,
        })
        .await
    }

    /// Takes the first reply if it is there.
    pub(super) fn take_ready(&self) -> Option<(Reply, InProgress<'a>)> {
        let mut slots = self.slots.lock();
        let first = slots.pop_front_if(|first| matches!(first.state, State::Ready(_)))?;
        if slots.is_empty() {
            // An idle connection holds no buffer.
            *slots = VecDeque::new();
        }
        self.sending.store(true, Ordering::Relaxed);
        match first.state {
            State::Ready(reply) => {
                self.sending_bytes.fetch_add(bytes_in_memory(&reply), Ordering::Relaxed);
                Some((reply, first.request))
            }
            State::Pending(..) | State::Waiting(..) => unreachable!("only a ready slot was popped"),
        }
    }

    /// A request was read.
    pub(super) fn received(&self, now: Duration) {
        *self.active_at.lock() = now;
    }

    /// The replies that were taken are sent.
    pub(super) fn sent(&self, now: Duration) {
        self.sending.store(false, Ordering::Relaxed);
        let sent_bytes = self.sending_bytes.swap(0, Ordering::Relaxed);
        self.reply_bytes.fetch_sub(sent_bytes, Ordering::Relaxed);
        *self.active_at.lock() = now;
    }

    /// For how long nothing was read, awaited or sent.
    pub(super) fn idle_for(&self, now: Duration) -> Duration {
        if self.sending.load(Ordering::Relaxed) || !self.slots.lock().is_empty() {
            return Duration::ZERO;
        }
        now.saturating_sub(*self.active_at.lock())
    }
}

/// What of a reply lies in memory.
fn bytes_in_memory(reply: &Reply) -> u64 {
    match reply {
        Reply::Message(bytes) => bytes.len() as u64,
        Reply::Pieces(pieces) => {
            let in_memory = pieces.iter().filter(|piece| matches!(piece, Piece::Bytes(_)));
            in_memory.map(Piece::length).sum()
        }
        Reply::None | Reply::Pending(_) | Reply::Waiting(_) | Reply::Close(_) => 0,
    }
}
