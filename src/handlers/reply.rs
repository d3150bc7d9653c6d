use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::Notify;

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
    /// The same, but what it waits for may not happen: a Fetch for records.
    Waiting(LongPoll),
    /// No answer: the connection is closed, once earlier replies have left. The reason is logged.
    Close(&'static str),
}

impl Reply {
    /// A reply that is awaited off the ordered path.
    pub fn pending(future: impl Future<Output = Reply> + Send + 'static) -> Reply {
        Reply::Pending(Box::pin(future))
    }

    /// A reply that waits for what may not happen. Its future keeps `held_bytes` in memory and nothing of the
    /// request, and ends soon once it is asked to hurry.
    pub fn waiting<F>(held_bytes: u64, wait: impl FnOnce(Hurry) -> F) -> Reply
    where
        F: Future<Output = Reply> + Send + 'static,
    {
        let hurry = Hurry::default();
        Reply::Waiting(LongPoll { reply: Box::pin(wait(hurry.clone())), held_bytes, hurry })
    }
}

/// A request that waits for what may not happen, so that its wait may be cut.
pub struct LongPoll {
    /// Resolves off the ordered path, to any reply that is not itself awaited.
    pub reply: PendingReply,
    /// Memory that it keeps while it waits, in bytes; nothing of it is the request's.
    pub held_bytes: u64,
    /// Cuts the wait.
    pub hurry: Hurry,
}

/// Asks a long poll to answer with what there is.
#[derive(Clone, Default, Debug)]
pub struct Hurry(Arc<Notify>);

impl Hurry {
    /// Cuts the wait, also one that has not begun.
    pub fn ask(&self) {
        self.0.notify_one();
    }

    /// Completes once asked to.
    pub async fn asked(&self) {
        self.0.notified().await;
    }
}

impl fmt::Debug for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Reply::None => f.write_str("None"),
            Reply::Message(bytes) => write!(f, "Message({} bytes)", bytes.len()),
            Reply::Pieces(pieces) => write!(f, "Pieces({})", pieces.len()),
            Reply::Pending(_) => f.write_str("Pending"),
            Reply::Waiting(poll) => write!(f, "Waiting({} bytes)", poll.held_bytes),
            Reply::Close(reason) => write!(f, "Close({reason})"),
        }
    }
}
