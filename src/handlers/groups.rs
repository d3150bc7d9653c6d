//! What the handlers of group APIs share: who asks, and how a coordinator's reply becomes an answer.

use std::sync::Arc;

use bytes::Bytes;
use kafka_protocol::messages::GroupId;
use kafka_protocol::protocol::StrBytes;

use super::errors::KafkaError;
use super::exchange::{Failure, text};
use super::{Reply, RequestContext};
use crate::coordinator::{Asked, CoordinatorError};
use crate::group::{Caller, GroupError, GroupReply, GroupRequest};
use crate::protocol::ErrorCode;

/// Memory that a member keeps while it waits for the others: what it told of itself is its group's.
const HELD_BYTES: u64 = 1024;
/// Groups of one request that are asked at a time.
pub(super) const GROUPS_AT_ONCE: usize = 256;

/// A reply of the kind that a request has; `None` for any other kind.
pub(super) type Pick<T> = fn(GroupReply) -> Option<Result<T, GroupError>>;

/// Who asks.
pub(super) fn caller(context: &RequestContext) -> Caller {
    let client_id = context.header.client_id.as_deref().unwrap_or_default();
    // As Java writes an address without a name.
    let client_host = format!("/{}", context.connection.peer.ip());
    Caller { client_id: client_id.into(), client_host: client_host.into() }
}

/// Text that outlives its request, and does not hold its frame in memory.
pub(super) fn kept(text: &StrBytes) -> Arc<str> {
    text.as_str().into()
}

/// The same for what may be null.
pub(super) fn kept_if_any(text: Option<&StrBytes>) -> Option<Arc<str>> {
    text.map(kept)
}

/// Bytes that outlive their request, and do not hold its frame in memory.
pub(super) fn kept_bytes(bytes: &Bytes) -> Bytes {
    Bytes::copy_from_slice(bytes)
}

/// A group's id in a response.
pub(super) fn group_id(id: &str) -> GroupId {
    GroupId(text(id))
}

/// The code of what may have gone wrong.
pub(super) fn code_of(error: Option<&GroupError>) -> i16 {
    error.map_or(ErrorCode::None, KafkaError::code).code()
}

/// Counts an answer that is an error.
pub(super) fn count(context: &RequestContext, error_code: i16) {
    match ErrorCode::from_code(error_code) {
        None | Some(ErrorCode::None) => {}
        Some(code) => context.broker.metrics().request_error(context.header.api_key, code.name()),
    }
}

/// A question that a coordinator has, or does not take.
pub(super) struct Question<T> {
    asked: Result<Asked<GroupReply>, CoordinatorError>,
    pick: Pick<T>,
}

/// Hands a request to its group's coordinator, in the order of these calls.
pub(super) fn ask<T>(
    context: &RequestContext,
    group_id: &str,
    request: GroupRequest,
    pick: Pick<T>,
) -> Question<T> {
    Question { asked: context.broker.ask_group(group_id, caller(context), request), pick }
}

impl<T> Question<T> {
    /// Waits for the reply.
    pub(super) async fn reply(self) -> Result<T, Failure> {
        self.coordinators_reply().await.map_err(|error| error.failure())?.map_err(|error| error.failure())
    }

    /// The same, with what the coordinator refuses apart from what the group does.
    pub(super) async fn coordinators_reply(self) -> Result<Result<T, GroupError>, CoordinatorError> {
        let reply = self.asked?.reply().await?;
        Ok((self.pick)(reply).expect("a group's reply is of its request's kind"))
    }
}

/// An answer that comes when others have done their part: a member may go away before they do.
pub(super) fn when_others_do<T: Send + 'static>(
    question: Question<T>,
    answer: impl FnOnce(Result<T, Failure>) -> Reply + Send + 'static,
) -> Reply {
    Reply::waiting(HELD_BYTES, |hurry| async move {
        let reply = tokio::select! {
            biased;
            reply = question.reply() => reply,
            // The broker stops, or has no memory left for those who wait.
            () = hurry.asked() => Err(ErrorCode::CoordinatorNotAvailable.into()),
        };
        answer(reply)
    })
}

/// Asks about many groups, some at a time; the replies in the order of the groups.
pub(super) async fn ask_each<T>(
    context: &RequestContext,
    groups: &[Arc<str>],
    request: impl Fn(Arc<str>) -> GroupRequest,
    pick: Pick<T>,
) -> Vec<Result<T, Failure>> {
    let mut replies = Vec::with_capacity(groups.len());
    for some in groups.chunks(GROUPS_AT_ONCE) {
        let questions: Vec<_> =
            some.iter().map(|group| ask(context, group, request(group.clone()), pick)).collect();
        for question in questions {
            replies.push(question.reply().await);
        }
    }
    replies
}

#[cfg(test)]
mod tests;
