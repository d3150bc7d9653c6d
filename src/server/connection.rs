//! One connection, one task: a reader, the replies that are awaited, and a writer.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use tokio::net::TcpStream;
use tokio::sync::watch;

use super::end::End;
use super::frame_reader::{Arrival, Frame, FrameReader};
use super::pipeline::{InProgress, Pipeline};
use super::reply_writer::ReplyWriter;
use super::{Phase, Shared, request};
use crate::env::time;
use crate::handlers::{Connection, Reply, RequestHandler};

/// Serves a connection until it ends; gives why it did. The socket is closed by dropping it.
pub(super) async fn serve<H: RequestHandler>(
    shared: &Shared<H>,
    stream: &TcpStream,
    connection: &Arc<Connection>,
) -> End {
    let pipeline = Pipeline::new(shared.limits.in_flight_max, shared.clock.monotonic());
    let serving = Serving { shared, stream, connection, pipeline: &pipeline };
    let mut closing = shared.phase.clone();
    tokio::select! {
        biased;
        () = reached(&mut closing, Phase::Closing) => End::Stopping,
        end = serving.run() => end,
    }
}

struct Serving<'p, 'a, H> {
    shared: &'a Shared<H>,
    stream: &'a TcpStream,
    connection: &'a Arc<Connection>,
    pipeline: &'p Pipeline<'a>,
}

impl<H: RequestHandler> Serving<'_, '_, H> {
    async fn run(&self) -> End {
        let mut progress = pin!(self.pipeline.progress());
        let mut writing = pin!(self.write_replies());
        // In this order, so that what a request left in the pipeline is looked at in the same turn of the
        // task.
        let end = tokio::select! {
            biased;
            end = self.read_requests() => end,
            never = &mut progress => match never {},
            end = &mut writing => return end.unwrap_or(End::Closed),
        };
        // Replies to what was read before are still owed, as they are in Kafka, which reads a request only
        // after it has sent the reply to the one before.
        self.pipeline.finish();
        let drained = time::timeout(self.shared.limits.drain_timeout, async {
            tokio::select! {
                biased;
                never = &mut progress => match never {},
                end = &mut writing => end,
            }
        });
        match drained.await {
            Ok(Some(end)) if !matches!(end, End::Socket(_)) => end,
            _ => end,
        }
    }

    async fn read_requests(&self) -> End {
        let Shared { limits, clock, budget, .. } = self.shared;
        let mut draining = self.shared.phase.clone();
        let mut frames = FrameReader::new(self.stream, limits, &**clock, budget);
        loop {
            tokio::select! {
                biased;
                () = self.room() => {}
                () = reached(&mut draining, Phase::Draining) => return End::Stopping,
            }
            let idle = self.pipeline.idle_for(clock.monotonic());
            if idle >= limits.idle_max {
                return End::Idle(idle);
            }
            let arrival = tokio::select! {
                biased;
                () = reached(&mut draining, Phase::Draining) => return End::Stopping,
                arrival = frames.next(limits.idle_max - idle) => arrival,
            };
            match arrival {
                Err(end) => return end,
                Ok(Arrival::Quiet) => continue,
                Ok(Arrival::Frame(frame)) => {
                    if let Err(end) = self.handle(frame).await {
                        return end;
                    }
                }
            }
            if !frames.has_begun() {
                give_way().await;
            }
        }
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

/// Lets the other parts of the task, and then other tasks, have a turn before the next request is read: a
/// client that sends without pause would otherwise see its replies late.
async fn give_way() {
    let mut gave = false;
    poll_fn(|context| {
        if std::mem::replace(&mut gave, true) {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}
