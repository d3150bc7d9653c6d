//! JoinGroup, key 11, versions 0 to 9.
//!
//! Makes its sender a member of a classic group, and answers when the group has decided on a generation.
//!
//! v1: a rebalance timeout of its own. v2: throttling. v3: nothing. v4: MEMBER_ID_REQUIRED (KIP-394). v5:
//! static members (KIP-345). v6: flexible. v7: the group's type in the answer (KIP-559). v8: a reason
//! (KIP-800). v9: assignments that need no leader (KIP-814).

use std::time::Duration;

use bytes::Bytes;
use kafka_protocol::messages::join_group_response::JoinGroupResponseMember;
use kafka_protocol::messages::{JoinGroupRequest, JoinGroupResponse};
use kafka_protocol::protocol::StrBytes;

use super::errors::KafkaError;
use super::exchange::{Failure, answer, decode, text};
use super::groups::{ask, count, kept, kept_bytes, kept_if_any, when_others_do};
use super::{Api, Reply, RequestContext};
use crate::group::{GroupProtocol, GroupReply, GroupRequest, JoinGroup, JoinGroupReply};

/// The row of `APIS`.
pub(super) const API: Api =
    Api { key: 11, handle: |context, body| Box::pin(std::future::ready(handle(context, body))) };

/// First version with a rebalance timeout of its own.
const VERSION_WITH_REBALANCE_TIMEOUT: i16 = 1;
/// First version that knows MEMBER_ID_REQUIRED.
const VERSION_WITH_MEMBER_ID_REQUIRED: i16 = 4;
/// First version in which no protocol is null.
const VERSION_WITH_NULL_PROTOCOL: i16 = 7;
/// First version whose leaders can be told that they need not assign.
const VERSION_WITH_SKIP_ASSIGNMENT: i16 = 9;

fn handle(context: RequestContext, body: Bytes) -> Reply {
    let request: JoinGroupRequest = match decode(&context.header, body) {
        Ok(request) => request,
        Err(reply) => return reply,
    };
    let join = GroupRequest::JoinGroup(understood(context.header.api_version, &request));
    let pick = |reply| if let GroupReply::JoinGroup(reply) = reply { Some(Ok(reply)) } else { None };
    when_others_do(ask(&context, &request.group_id, join, pick), move |reply| {
        let response = response(context.header.api_version, reply);
        count(&context, response.error_code);
        answer(&context.header, &response)
    })
}

fn understood(version: i16, request: &JoinGroupRequest) -> JoinGroup {
    let milliseconds = |number: i32| Duration::from_millis(number.max(0).unsigned_abs().into());
    let rebalance_timeout_ms = match version >= VERSION_WITH_REBALANCE_TIMEOUT {
        true => request.rebalance_timeout_ms,
        false => request.session_timeout_ms,
    };
    let protocols = request.protocols.iter().map(|protocol| GroupProtocol {
        name: kept(&protocol.name),
        metadata: kept_bytes(&protocol.metadata),
    });
    JoinGroup {
        group_id: kept(&request.group_id),
        member_id: kept(&request.member_id),
        group_instance_id: kept_if_any(request.group_instance_id.as_ref()),
        protocol_type: kept(&request.protocol_type),
        protocols: protocols.collect(),
        session_timeout: milliseconds(request.session_timeout_ms),
        rebalance_timeout: milliseconds(rebalance_timeout_ms),
        requires_known_member_id: version >= VERSION_WITH_MEMBER_ID_REQUIRED,
        supports_skip_assignment: version >= VERSION_WITH_SKIP_ASSIGNMENT,
        reason: kept_if_any(request.reason.as_ref()),
    }
}

fn response(version: i16, reply: Result<JoinGroupReply, Failure>) -> JoinGroupResponse {
    let no_protocol = (version < VERSION_WITH_NULL_PROTOCOL).then(StrBytes::default);
    let reply = match reply {
        Ok(reply) => reply,
        Err(failure) => {
            let response = JoinGroupResponse::default().with_error_code(failure.code.code());
            return response.with_protocol_name(no_protocol);
        }
    };
    let members = reply.members.iter().map(|member| {
        JoinGroupResponseMember::default()
            .with_member_id(text(&member.member_id))
            .with_group_instance_id(member.group_instance_id.as_ref().map(text))
            .with_metadata(member.metadata.clone())
    });
    let response = JoinGroupResponse::default()
        .with_generation_id(reply.generation_id)
        .with_leader(text(&reply.leader))
        .with_skip_assignment(reply.skip_assignment)
        .with_member_id(text(&reply.member_id))
        .with_members(members.collect())
        .with_protocol_type(reply.protocol_type.as_ref().map(text));
    match &reply.error {
        Some(error) => response.with_protocol_name(no_protocol).with_error_code(error.code().code()),
        None => response.with_protocol_name(reply.protocol_name.as_ref().map(text).or(no_protocol)),
    }
}
