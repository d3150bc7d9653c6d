//! Why connections end, and how loudly that is told.

use std::fmt;
use std::io;
use std::time::Duration;

use super::complaints::Complaints;
use super::pace::PaceError;
use crate::handlers::Connection;

/// Why a connection ended.
#[derive(Debug)]
pub(super) enum End {
    /// The client closed it between two requests.
    Closed,
    /// The client closed it inside a request.
    ClosedInRequest,
    /// Nothing was asked and nothing was to be answered for `connections.max.idle.ms`.
    Idle(Duration),
    /// The server shuts down.
    Stopping,
    /// The client sent what is no request that can be answered.
    Malformed(String),
    /// The handler asked for it.
    Handler(&'static str),
    /// The client took too long to send a request.
    RequestStalled {
        /// Bytes of it that came.
        received: u64,
    },
    /// The client took too long to take a reply.
    ReplyStalled {
        /// Bytes of it that were taken.
        sent: u64,
    },
    /// The socket failed.
    Socket(io::Error),
    /// A reply cannot be sent, and that is our own fault or our disk's.
    Reply(String),
}

impl End {
    /// The end of a wait for the rest of a request.
    pub(super) fn of_request(error: PaceError, received: u64) -> End {
        match error {
            PaceError::Expired => End::RequestStalled { received },
            PaceError::Io(error) => End::Socket(error),
        }
    }

    /// The end of a wait for the client to take a reply.
    pub(super) fn of_reply(error: PaceError, sent: u64) -> End {
        match error {
            PaceError::Expired => End::ReplyStalled { sent },
            PaceError::Io(error) => End::Socket(error),
        }
    }

    /// A word or two for the metrics.
    pub(super) fn reason(&self) -> &'static str {
        match self {
            End::Closed | End::ClosedInRequest => "client",
            End::Idle(_) => "idle",
            End::Stopping => "shutdown",
            End::Malformed(_) => "malformed request",
            End::Handler(_) => "refused",
            End::RequestStalled { .. } => "stalled request",
            End::ReplyStalled { .. } => "stalled reply",
            End::Socket(_) => "socket",
            End::Reply(_) => "reply",
        }
    }

    /// The one log line; warnings may be left out when there are many.
    pub(super) fn tell(&self, connection: &Connection, complaints: &Complaints) {
        let (listener, peer) = (&connection.listener_name, connection.peer);
        match self {
            End::Closed | End::ClosedInRequest | End::Idle(_) | End::Stopping | End::Socket(_) => {
                tracing::debug!(listener, %peer, "connection closed: {self}");
            }
            End::Malformed(_) | End::Handler(_) | End::RequestStalled { .. } | End::ReplyStalled { .. } => {
                if complaints.admit() {
                    tracing::warn!(listener, %peer, "connection closed: {self}");
                }
            }
            End::Reply(_) => tracing::error!(listener, %peer, "connection closed: {self}"),
        }
    }
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            End::Closed => f.write_str("the client closed it"),
            End::ClosedInRequest => f.write_str("the client closed it inside a request"),
            End::Idle(idle) => write!(f, "idle for {} s (connections.max.idle.ms)", idle.as_secs()),
            End::Stopping => f.write_str("the broker stops"),
            End::Malformed(what) => f.write_str(what),
            End::Handler(reason) => f.write_str(reason),
            End::RequestStalled { received } => {
                write!(f, "the client stalled inside a request, after {received} bytes of it")
            }
            End::ReplyStalled { sent } => {
                write!(f, "the client does not read its replies; {sent} bytes of the last were taken")
            }
            End::Socket(error) => write!(f, "{error}"),
            End::Reply(what) => write!(f, "a reply cannot be sent: {what}"),
        }
    }
}
