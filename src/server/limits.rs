use std::io;
use std::time::Duration;

use thiserror::Error;

use crate::config::SocketLimits;

/// Slowest transfer in bytes per second that is tolerated beyond the deadlines of requests and replies.
const BYTES_PER_SECOND_MIN: u32 = 16 * 1024;
/// Time for the replies under way once a connection's last request was read.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(30);
/// Idle time after which the kernel probes a client: below the 240 s after which cloud balancers forget.
const KEEPALIVE_TIME: Duration = Duration::from_secs(120);

/// Bounds on what clients may take: the configured ones, and those that only tests change.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Limits {
    /// Longest request in bytes (`socket.request.max.bytes`).
    pub request_bytes_max: u32,
    /// Memory for requests of all connections, in bytes (`queued.max.request.bytes`). A request that does not
    /// fit is read all the same, one at a time.
    pub request_memory_bytes_max: u64,
    /// Requests of one connection that were read and are not answered (`highwater.connection.inflight.max`).
    pub in_flight_max: usize,
    /// Connections open at once (`max.connections`): the next waits until one closes, as in Kafka.
    pub connections_max: usize,
    /// Connections open at once from one address (`max.connections.per.ip`): the next is closed, as in Kafka.
    pub connections_per_ip_max: usize,
    /// A connection with nothing to do is closed after this time (`connections.max.idle.ms`).
    pub idle_max: Duration,
    /// Time to send a request, beside what its bytes earn (`highwater.frame.deadline.ms`).
    pub request_timeout: Duration,
    /// Time to take a reply, beside what its bytes earn (`highwater.write.deadline.ms`).
    pub reply_timeout: Duration,
    /// Slowest transfer that is tolerated beyond those times.
    pub bytes_per_second_min: u32,
    /// Time for the replies under way once a connection's last request was read.
    pub drain_timeout: Duration,
    /// Idle time after which the kernel probes the client: below the 240 s after which cloud balancers
    /// forget.
    pub keepalive_time: Duration,
    /// Connections that the kernel completes before they are accepted (`socket.listen.backlog.size`).
    pub backlog: u16,
    /// Size of the socket's send buffer (`socket.send.buffer.bytes`); `None`: the system decides.
    pub send_buffer_bytes: Option<u32>,
    /// Size of the socket's receive buffer (`socket.receive.buffer.bytes`); `None`: the system decides.
    pub receive_buffer_bytes: Option<u32>,
}

impl From<&SocketLimits> for Limits {
    fn from(sockets: &SocketLimits) -> Limits {
        Limits {
            request_bytes_max: sockets.request_bytes_max,
            request_memory_bytes_max: sockets.request_memory_bytes,
            in_flight_max: sockets.inflight_max,
            connections_max: sockets.connections_max,
            connections_per_ip_max: sockets.connections_per_ip_max,
            idle_max: sockets.idle_max.unwrap_or(Duration::MAX),
            request_timeout: sockets.frame_deadline,
            reply_timeout: sockets.write_deadline,
            bytes_per_second_min: BYTES_PER_SECOND_MIN,
            drain_timeout: DRAIN_TIMEOUT,
            keepalive_time: KEEPALIVE_TIME,
            backlog: sockets.listen_backlog,
            send_buffer_bytes: sockets.send_buffer_bytes,
            receive_buffer_bytes: sockets.receive_buffer_bytes,
        }
    }
}

/// Why the server could not start.
#[derive(Debug, Error)]
pub enum ServerError {
    /// A listener's host does not resolve, or its port cannot be had.
    #[error("listener {listener}: cannot listen on port {port} of {host}: {source}")]
    Listen {
        /// The listener's name.
        listener: String,
        /// The host as configured, in words.
        host: String,
        /// The port as configured.
        port: u16,
        /// What the system says.
        source: io::Error,
    },
}
