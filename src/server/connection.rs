//! One connection, one task: a reader, the replies that are awaited, and a writer.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use tokio::net::TcpStream;
use tokio::sync::watch;

use super::end::End;
use super::frame_reader::{Arrival, Frame, FrameReader};
use super::pipeline::{InProgress, Pipeline};
use super::reply_writer::ReplyWriter;
use super::{Phase, Shared, request};
use crate::env::time::{self, Deadline};
use crate::handlers::{Connection, Reply, RequestHandler};

/// Rounds of a connection's parts in one turn of its task: a client that sends without pause must not keep
/// other connections waiting.
const ROUNDS_MAX: u32 = 8;

/// Serves a connection until it ends; gives why it did. The socket is closed by dropping it.
pub(super) async fn serve<H: RequestHandler>(
    shared: &Shared<H>,
    stream: &TcpStream,
    connection: &Arc<Connection>,
) -> End {
    let pipeline = Pipeline::new(shared.limits.in_flight_max, shared.clock.monotonic());
    let draining = AtomicBool::new(false);
    Serving { shared, stream, connection, pipeline: &pipeline, draining: &draining }.run().await
}

/// What a connection's parts came to, and why.
enum Over {
    /// No further request; replies are still owed.
    Reading(End),
    /// Nothing more is sent.
    Connection(End),
}

struct Serving<'p, 'a, H> {
    shared: &'a Shared<H>,
    stream: &'a TcpStream,
    connection: &'a Arc<Connection>,
    pipeline: &'p Pipeline<'a>,
    /// No further request is to be read. Set by `closing`.
    draining: &'p AtomicBool,
}

impl<H: RequestHandler> Serving<'_, '_, H> {
    async fn run(&self) -> End {
        let mut closing = pin!(self.closing());
        let mut progress = pin!(self.pipeline.progress());
        let mut writing = pin!(self.write_replies());
        let end = {
            let mut reading = pin!(self.read_requests());
            let mut round = |context: &mut Context<'_>| {
                if let Poll::Ready(end) = reading.as_mut().poll(context) {
                    return Poll::Ready(Over::Reading(end));
                }
                if let Poll::Ready(never) = progress.as_mut().poll(context) {
                    match never {}
                }
                writing.as_mut().poll(context).map(|end| Over::Connection(end.unwrap_or(End::Closed)))
            };
            let parts = poll_fn(|context| {
                if closing.as_mut().poll(context).is_ready() {
                    return Poll::Ready(Over::Connection(End::Stopping));
                }
                // In this order, so that what a request left in the pipeline is looked at in the same round.
                // What one part does for another needs no waker: it is seen in this round or the next.
                for _ in 0..ROUNDS_MAX {
                    if let Poll::Ready(ended) = round(context) {
                        return Poll::Ready(ended);
                    }
                    if !self.pipeline.take_round_wanted() {
                        return Poll::Pending;
                    }
                }
                context.waker().wake_by_ref();
                Poll::Pending
            });
            match parts.await {
                Over::Connection(end) => return end,
                Over::Reading(end) => end,
            }
        };
        // Replies to what was read before are still owed, as they are in Kafka, which reads a request only
        // after it has sent the reply to the one before.
        self.pipeline.finish();
        let drained = time::timeout(self.shared.limits.drain_timeout, async {
            tokio::select! {
                biased;
                () = &mut closing => Some(End::Stopping),
                never = &mut progress => match never {},
                end = &mut writing => end,
            }
        });
        match drained.await {
            Ok(Some(end)) if !matches!(end, End::Socket(_)) => end,
            _ => end,
        }
    }

    /// Completes once the connection has to end where it is; says before that reading ends.
    async fn closing(&self) {
        let mut phase = self.shared.phase.clone();
        reached(&mut phase, Phase::Draining).await;
        self.draining.store(true, Ordering::Relaxed);
        reached(&mut phase, Phase::Closing).await;
    }

    async fn read_requests(&self) -> End {
        let Shared { limits, clock, budget, .. } = self.shared;
        let mut frames = FrameReader::new(self.stream, limits, &**clock, budget);
        let mut quiet = Deadline::after(limits.idle_max);
        loop {
            if self.unless_draining(self.room()).await.is_none() {
                return End::Stopping;
            }
            match self.unless_draining(frames.next(&mut quiet)).await {
                None => return End::Stopping,
                Some(Err(end)) => return end,
                Some(Ok(Arrival::Quiet)) => {
                    let idle = self.pipeline.idle_for(clock.monotonic());
                    if idle >= limits.idle_max {
                        return End::Idle(idle);
                    }
                    quiet.move_to(limits.idle_max - idle);
                    continue;
                }
                Some(Ok(Arrival::Frame(frame))) => {
                    if let Err(end) = self.handle(frame).await {
                        return end;
                    }
                }
            }
            if !frames.has_begun() {
                self.pipeline.give_way().await;
            }
        }
    }

    /// Waits for something that comes before the next request; `None` if there will be none.
    async fn unless_draining<T>(&self, waiting: impl Future<Output = T>) -> Option<T> {
        let mut waiting = pin!(waiting);
        poll_fn(|context| {
            if self.draining.load(Ordering::Relaxed) {
                return Poll::Ready(None);
            }
            waiting.as_mut().poll(context).map(Some)
        })
        .await
    }

    /// Waits until a further request may be read. What the client sent before it went away is still read, but
    /// no long poll waits for it.
    async fn room(&self) {
        tokio::select! {
            biased;
            () = self.pipeline.room() => return,
            () = closed(self.stream) => self.pipeline.hurry(),
        }
        self.pipeline.room().await;
    }

    async fn handle(&self, frame: Frame) -> Result<(), End> {
        let Frame { bytes, mut charge } = frame;
        let Shared { clock, metrics, guard, handler, .. } = self.shared;
        let now = clock.monotonic();
        self.pipeline.received(now);
        metrics.bytes_in(bytes.len() as u64);
        let request = request::open(guard, bytes)?;
        let in_progress = InProgress::new(metrics, request.header.api_key, now);
        charge.grow(request.decoded_bytes).await;
        match handler.handle(self.connection, request.header, request.body).await {
            Reply::None => in_progress.finish(clock.monotonic()),
            Reply::Close(reason) => return Err(End::Handler(reason)),
            reply => self.pipeline.push(reply, in_progress, charge),
        }
        Ok(())
    }

    /// Sends replies until the last one (`None`) or until something goes wrong.
    async fn write_replies(&self) -> Option<End> {
        let Shared { limits, clock, metrics, cold_reads, .. } = self.shared;
        let mut writer = ReplyWriter::new(self.stream, limits, &**clock, cold_reads);
        while let Some((reply, request)) = self.pipeline.next().await {
            let mut requests = vec![request];
            let mut closing = writer.add(reply).err();
            while closing.is_none() && writer.has_room() {
                let Some((reply, request)) = self.pipeline.take_ready() else { break };
                closing = writer.add(reply).err();
                requests.push(request);
            }
            match writer.flush().await {
                Ok(sent) => metrics.bytes_out(sent),
                Err(end) => return Some(end),
            }
            if closing.is_some() {
                return closing;
            }
            let now = clock.monotonic();
            self.pipeline.sent(now);
            requests.into_iter().for_each(|request| request.finish(now));
        }
        None
    }
}

/// Completes once the server is in `phase` or beyond; a server that was dropped is beyond every phase.
async fn reached(phase: &mut watch::Receiver<Phase>, wanted: Phase) {
    let _ = phase.wait_for(|now| *now >= wanted).await;
}

/// Completes once the client has closed the connection and all that it sent was read.
async fn closed(stream: &TcpStream) {
    if matches!(stream.peek(&mut [0]).await, Ok(1)) {
        // What is there will be read in its turn.
        std::future::pending().await
    }
}
