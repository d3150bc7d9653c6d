use std::io;
use std::time::Duration;

use thiserror::Error;

/// Where to listen, and what to call it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ListenerSpec {
    /// Its name in `listeners`, such as `PLAINTEXT`.
    pub name: String,
    /// Host or address to bind; empty for all addresses, IPv6 and IPv4.
    pub host: String,
    /// Port to bind; 0 lets the system choose.
    pub port: u16,
    /// Host that clients are told to come to; `None`: the address by which they came.
    pub advertised_host: Option<String>,
    /// Port that clients are told to come to; `None`: the port that was bound.
    pub advertised_port: Option<u16>,
}

/// Bounds on what clients may take. The defaults are Kafka's where Kafka has the setting.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Limits {
    /// Longest request in bytes (`socket.request.max.bytes`).
    pub request_bytes_max: u32,
    /// Memory for requests of all connections, in bytes (`queued.max.request.bytes`); `None`: no limit.
    /// The largest request may be read even if it does not fit: one at a time.
    pub request_memory_bytes_max: Option<u64>,
    /// Requests of one connection that were read and are not answered (`highwater.connection.inflight.max`).
    pub in_flight_max: usize,
    /// Connections open at once (`max.connections`): the next waits until one closes, as in Kafka.
    pub connections_max: usize,
    /// Connections open at once from one address (`max.connections.per.ip`): the next is closed, as in Kafka.
    pub connections_per_ip_max: usize,
    /// A connection with nothing to do is closed after this time (`connections.max.idle.ms`).
    pub idle_max: Duration,
    /// Time to send a request, beside what its bytes earn at `bytes_per_second_min`.
    pub request_timeout: Duration,
    /// Time to take a reply, beside what its bytes earn. Long: a Java consumer that is busy with its records
    /// leaves a reply in the socket for up to `max.poll.interval.ms`, five minutes by default.
    pub reply_timeout: Duration,
    /// Slowest transfer that is tolerated beyond those times.
    pub bytes_per_second_min: u32,
    /// Time for the replies under way once a connection's last request was read.
    pub drain_timeout: Duration,
    /// Idle time after which the kernel probes the client: below the 240 s after which cloud balancers forget.
    pub keepalive_time: Duration,
    /// Connections that the kernel completes before they are accepted (`socket.listen.backlog.size`).
    pub backlog: u16,
    /// Size of the socket's send buffer (`socket.send.buffer.bytes`); `None`: the system decides.
    pub send_buffer_bytes: Option<usize>,
    /// Size of the socket's receive buffer (`socket.receive.buffer.bytes`); `None`: the system decides.
    pub receive_buffer_bytes: Option<usize>,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            request_bytes_max: 100 * 1024 * 1024,
            request_memory_bytes_max: Some(256 * 1024 * 1024),
            in_flight_max: 64,
            connections_max: i32::MAX as usize,
            connections_per_ip_max: i32::MAX as usize,
            idle_max: Duration::from_secs(600),
            request_timeout: Duration::from_secs(30),
            reply_timeout: Duration::from_secs(330),
            bytes_per_second_min: 16 * 1024,
            drain_timeout: Duration::from_secs(30),
            keepalive_time: Duration::from_secs(120),
            backlog: 1024,
            send_buffer_bytes: None,
            receive_buffer_bytes: None,
        }
    }
}

/// Why the server could not start.
#[derive(Debug, Error)]
pub enum ServerError {
    /// A listener's host does not resolve, or its port cannot be had.
    #[error("listener {listener}: cannot listen on {host}:{port}: {source}")]
    Listen {
        /// The listener's name.
        listener: String,
        /// The host as configured.
        host: String,
        /// The port as configured.
        port: u16,
        /// What the system says.
        source: io::Error,
    },
}
