//! Accepts connections of one listener.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use parking_lot::Mutex;
use socket2::{SockRef, TcpKeepalive};
use tokio::net::TcpStream;

use super::listen::Listening;
use super::slots::{FullForAddress, Slot};
use super::{Limits, Phase, Shared, connection};
use crate::config::Listener;
use crate::env::time;
use crate::handlers::{Connection, RequestHandler};
use crate::telemetry::Metrics;

/// Pause after a failed `accept`: out of descriptors, most likely, which come back when connections close.
const PAUSE_AFTER_FAILURE: Duration = Duration::from_millis(100);

/// Accepts until the server drains.
pub(super) async fn run<H: RequestHandler>(shared: Arc<Shared<H>>, listening: Listening) {
    let mut phase = shared.phase.clone();
    tokio::select! {
        biased;
        _ = phase.wait_for(|phase| *phase >= Phase::Draining) => {}
        () = accept_all(&shared, &listening) => {}
    }
}

async fn accept_all<H: RequestHandler>(shared: &Arc<Shared<H>>, listening: &Listening) {
    let mut failing = false;
    loop {
        let accepted = listening.socket.accept().await;
        match accepted {
            Ok((stream, peer)) => {
                failing = false;
                let ip = peer.ip().to_canonical();
                // As in Kafka, which does not serve beyond `max.connections` but lets clients wait in line.
                match shared.slots.wait(ip).await {
                    Ok(slot) => begin(shared, &listening.listener, stream, slot),
                    Err(FullForAddress) if !shared.complaints.admit() => {}
                    Err(FullForAddress) => {
                        let listener = &listening.listener.name;
                        tracing::warn!(listener, %peer, "connection refused: max.connections.per.ip");
                    }
                }
            }
            Err(error) => {
                if !std::mem::replace(&mut failing, true) {
                    tracing::error!(listener = listening.listener.name, "cannot accept connections: {error}");
                }
                time::sleep(PAUSE_AFTER_FAILURE).await;
            }
        }
    }
}

/// Starts a connection's task.
fn begin<H: RequestHandler>(shared: &Arc<Shared<H>>, listener: &Listener, stream: TcpStream, slot: Slot) {
    let id = shared.next_connection_id.fetch_add(1, Ordering::Relaxed);
    let described = prepare(&stream, &shared.limits).and_then(|()| describe(id, &stream, listener));
    let connection = match described {
        Ok(connection) => Arc::new(connection),
        // The client is gone already.
        Err(error) => return tracing::debug!(listener = listener.name, "connection closed at once: {error}"),
    };
    let shared = shared.clone();
    shared.metrics.connection_opened();
    let presence = Presence { metrics: shared.metrics.clone(), connection, reason: PANICKED, _slot: slot };
    tokio::spawn(serve(shared, stream, presence));
}

async fn serve<H: RequestHandler>(shared: Arc<Shared<H>>, stream: TcpStream, mut presence: Presence) {
    let end = connection::serve(&shared, &stream, &presence.connection).await;
    end.tell(&presence.connection, &shared.complaints);
    presence.reason = end.reason();
}

/// Why a connection closed whose task did not come to its end.
const PANICKED: &str = "panic";

/// A connection's task; its slot comes back however the task ends.
struct Presence {
    metrics: Arc<Metrics>,
    connection: Arc<Connection>,
    reason: &'static str,
    _slot: Slot,
}

impl Drop for Presence {
    fn drop(&mut self) {
        self.metrics.connection_closed(self.reason);
        if std::thread::panicking() {
            let (listener, peer) = (&self.connection.listener_name, self.connection.peer);
            tracing::error!(listener, %peer, "connection closed: its task panicked; the others go on");
        }
    }
}

fn prepare(stream: &TcpStream, limits: &Limits) -> io::Result<()> {
    stream.set_nodelay(true)?;
    SockRef::from(stream).set_tcp_keepalive(&TcpKeepalive::new().with_time(limits.keepalive_time))
}

fn describe(id: u64, stream: &TcpStream, listener: &Listener) -> io::Result<Connection> {
    let local = canonical(stream.local_addr()?);
    Ok(Connection {
        id,
        peer: canonical(stream.peer_addr()?),
        local,
        listener_name: listener.name.clone(),
        advertised_host: listener.advertised.host.clone().unwrap_or_else(|| local.ip().to_string()),
        advertised_port: listener.advertised.port.unwrap_or(local.port()),
        client_software: Mutex::new(None),
    })
}

/// An IPv4 address that came through an IPv6 socket, as IPv4.
fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}
