//! Listeners and connections: bytes in, requests to the handler in order, replies out in the same order.
//!
//! **Owns** sockets, frames, deadlines, limits, the budget for request memory, and what is said when a
//! connection is closed.
//! **Does not own** what a request means (`handlers`), nor signals and configuration (`cli`).
//! **Invariants**
//! - A connection is one task; a network thread never waits for a disk.
//! - Replies leave in the order of their requests; `Reply::Pending` futures make progress meanwhile.
//! - No memory is taken because a length field says so: buffers grow as bytes arrive.
//! - Whatever a client sends, it can end no connection but its own. That end is told in at most one log line.
//! - An idle connection holds no buffer.

mod accept;
mod budget;
mod complaints;
mod connection;
mod end;
mod file_extent;
mod frame_reader;
mod limits;
mod listen;
mod pace;
mod pipeline;
mod reply_writer;
mod request;
mod slots;
#[cfg(test)]
mod tests;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use tokio::sync::{Semaphore, watch};
use tokio::task::JoinHandle;

pub use limits::{Limits, ServerError};

use crate::config::{Listener, SocketLimits};
use crate::env::{Clock, Env, time};
use crate::handlers::RequestHandler;
use crate::protocol::guard::Guard;
use crate::telemetry::Metrics;
use budget::MemoryBudget;
use complaints::Complaints;
use slots::Slots;

/// Cold reads (of file extents that are not in the page cache) under way at once, for the whole process.
const COLD_READS_MAX: usize = 32;

/// How far the server is on its way to its end.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Phase {
    /// Accepting and reading.
    Serving,
    /// No new connection, no new request; those that were read are finished.
    Draining,
    /// Connections end where they are.
    Closing,
}

/// What all connections share.
struct Shared<H> {
    handler: H,
    limits: Limits,
    clock: Arc<dyn Clock>,
    metrics: Arc<Metrics>,
    complaints: Complaints,
    guard: Guard,
    budget: Arc<MemoryBudget>,
    slots: Arc<Slots>,
    cold_reads: Arc<Semaphore>,
    next_connection_id: AtomicU64,
    phase: watch::Receiver<Phase>,
}

/// A listener that took its port.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct BoundListener {
    /// Its name in the configuration.
    pub name: String,
    /// The address it is bound to; the port is the real one where the configuration said 0.
    pub address: SocketAddr,
}

/// The bounds on connections of a running server.
#[derive(Clone)]
pub struct ConnectionLimits(Arc<Slots>);

impl ConnectionLimits {
    /// Takes `max.connections` and `max.connections.per.ip` of these settings. Connections that are open
    /// stay.
    pub fn follow(&self, sockets: &SocketLimits) {
        self.0.set_limits(sockets.connections_max, sockets.connections_per_ip_max);
    }
}

/// A running server. Dropping it cuts every connection; see [`Server::shutdown`].
pub struct Server {
    listeners: Vec<BoundListener>,
    phase: watch::Sender<Phase>,
    slots: Arc<Slots>,
    accepting: Vec<JoinHandle<()>>,
}

impl Server {
    /// Opens the ports, all or none, and begins to serve. Must be called inside a tokio runtime.
    pub fn start<H: RequestHandler>(
        env: &Env,
        metrics: Arc<Metrics>,
        limits: Limits,
        listeners: Vec<Listener>,
        handler: H,
    ) -> Result<Server, ServerError> {
        let (phase, phase_seen) = watch::channel(Phase::Serving);
        let slots = Slots::new(limits.connections_max, limits.connections_per_ip_max);
        let shared = Arc::new(Shared {
            handler,
            clock: env.clock.clone(),
            budget: MemoryBudget::new(limits.request_memory_bytes_max, metrics.clone()),
            metrics,
            complaints: Complaints::new(env.clock.clone()),
            guard: Guard::default(),
            slots: slots.clone(),
            cold_reads: Arc::new(Semaphore::new(COLD_READS_MAX)),
            next_connection_id: AtomicU64::new(1),
            phase: phase_seen,
            limits,
        });
        let bound: Result<Vec<_>, _> =
            listeners.into_iter().map(|listener| listen::bind(listener, &shared.limits)).collect();
        let bound = bound?;
        let listeners = bound.iter().map(listen::Listening::bound).collect();
        let accepting =
            bound.into_iter().map(|listening| tokio::spawn(accept::run(shared.clone(), listening))).collect();
        Ok(Server { listeners, phase, slots, accepting })
    }

    /// The listeners in the order of their specifications, with the ports they took.
    pub fn listeners(&self) -> &[BoundListener] {
        &self.listeners
    }

    /// Connections that are open.
    pub fn connections(&self) -> usize {
        self.slots.taken()
    }

    /// By which the bounds on connections are changed while the server runs.
    pub fn connection_limits(&self) -> ConnectionLimits {
        ConnectionLimits(self.slots.clone())
    }

    /// Stops accepting and reading, lets requests that were read finish for at most `deadline`, closes what
    /// is left. Gives whether all of them finished. A caller in a hurry drops the future.
    pub async fn shutdown(mut self, deadline: Duration) -> bool {
        self.phase.send_replace(Phase::Draining);
        for accepting in self.accepting.drain(..) {
            // It ends by itself at the sight of the phase; a panic in it was logged and is none of ours.
            let _ = accepting.await;
        }
        let drained = time::timeout(deadline, self.slots.all_free()).await.is_ok();
        self.phase.send_replace(Phase::Closing);
        self.slots.all_free().await;
        drained
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.phase.send_replace(Phase::Closing);
    }
}
