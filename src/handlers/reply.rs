use std::fmt;
use std::future::Future;
use std::pin::Pin;

use bytes::Bytes;

use crate::protocol::Piece;

/// A reply that is not there yet. Dropped when the connection ends: work that must be done all the same must
/// not depend on its being polled. It is polled as soon as it is handed over, also while earlier replies are
/// awaited.
pub type PendingReply = Pin<Box<dyn Future<Output = Reply> + Send>>;

/// What a handler gives back. Replies leave in the order of their requests.
pub enum Reply {
    /// Nothing is sent: `acks=0`.
    None,
    /// Response header and body, without the length before them.
    Message(Bytes),
    /// The same in pieces, some of which may lie in files.
    Pieces(Vec<Piece>),
    /// Resolves off the ordered path, to any reply that is not itself pending.
    Pending(PendingReply),
    /// No answer: the connection is closed, once earlier replies have left. The reason is logged.
    Close(&'static str),
}

impl Reply {
    /// A reply that is awaited off the ordered path.
    pub fn pending(future: impl Future<Output = Reply> + Send + 'static) -> Reply {
        Reply::Pending(Box::pin(future))
    }
}

impl fmt::Debug for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Reply::None => f.write_str("None"),
            Reply::Message(bytes) => write!(f, "Message({} bytes)", bytes.len()),
            Reply::Pieces(pieces) => write!(f, "Pieces({})", pieces.len()),
            Reply::Pending(_) => f.write_str("Pending"),
            Reply::Close(reason) => write!(f, "Close({reason})"),
        }
    }
}
