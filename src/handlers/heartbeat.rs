//! Heartbeat, key 12, versions 0 to 4.
//!
//! Keeps a member of a classic group alive, and tells it when to join again.
//!
//! v1: throttling. v2: nothing. v3: static members (KIP-345). v4: flexible.

use bytes::Bytes;
use kafka_protocol::messages::{HeartbeatRequest, HeartbeatResponse};

use super::exchange::{answer, decode};
use super::groups::{ask, count, kept, kept_if_any};
use super::{Api, Reply, RequestContext};
use crate::group::{GroupReply, GroupRequest, Heartbeat};
use crate::protocol::ErrorCode;

/// The row of `APIS`.
pub(super) const API: Api =
    Api { key: 12, handle: |context, body| Box::pin(std::future::ready(handle(context, body))) };

fn handle(context: RequestContext, body: Bytes) -> Reply {
    let request: HeartbeatRequest = match decode(&context.header, body) {
        Ok(request) => request,
        Err(reply) => return reply,
    };
    let heartbeat = Heartbeat {
        group_id: kept(&request.group_id),
        member_id: kept(&request.member_id),
        group_instance_id: kept_if_any(request.group_instance_id.as_ref()),
        generation_id: request.generation_id,
    };
    let pick = |reply| if let GroupReply::Heartbeat(reply) = reply { Some(reply) } else { None };
    let question = ask(&context, &request.group_id, GroupRequest::Heartbeat(heartbeat), pick);
    Reply::pending(async move {
        let code = match question.reply().await {
            Ok(()) => ErrorCode::None,
            // As Kafka: a member cannot have missed anything yet, and clients do not expect the error here.
            Err(failure) if failure.code == ErrorCode::CoordinatorLoadInProgress => ErrorCode::None,
            Err(failure) => failure.code,
        };
        count(&context, code.code());
        answer(&context.header, &HeartbeatResponse::default().with_error_code(code.code()))
    })
}
