//! LeaveGroup, key 13, versions 0 to 5.
//!
//! Takes members out of a classic group at once.
//!
//! v1: throttling. v2: nothing. v3: many members, each with an answer of its own (KIP-345). v4: flexible. v5:
//! a reason (KIP-800).

use bytes::Bytes;
use kafka_protocol::messages::leave_group_response::MemberResponse;
use kafka_protocol::messages::{LeaveGroupRequest, LeaveGroupResponse};

use super::exchange::{Failure, answer, decode, text};
use super::groups::{ask, code_of, count, kept, kept_if_any};
use super::{Api, Reply, RequestContext};
use crate::group::{GroupError, GroupReply, GroupRequest, LeaveGroup, LeavingMember, LeftMember};
use crate::protocol::ErrorCode;

/// The row of `APIS`.
pub(super) const API: Api =
    Api { key: 13, handle: |context, body| Box::pin(std::future::ready(handle(context, body))) };

/// First version that names many members.
const VERSION_WITH_MEMBERS: i16 = 3;

fn handle(context: RequestContext, body: Bytes) -> Reply {
    let request: LeaveGroupRequest = match decode(&context.header, body) {
        Ok(request) => request,
        Err(reply) => return reply,
    };
    let members = members(context.header.api_version, &request);
    let leave = LeaveGroup { group_id: kept(&request.group_id), members: members.clone() };
    let pick = |reply| if let GroupReply::LeaveGroup(reply) = reply { Some(reply) } else { None };
    let question = ask(&context, &request.group_id, GroupRequest::LeaveGroup(leave), pick);
    Reply::pending(async move {
        let left = match question.reply().await {
            // No such group: then it has none of these.
            Err(failure) if failure.code == ErrorCode::UnknownMemberId => Ok(unknown(members)),
            left => left,
        };
        let response = response(context.header.api_version, left);
        count(&context, response.error_code);
        answer(&context.header, &response)
    })
}

fn members(version: i16, request: &LeaveGroupRequest) -> Vec<LeavingMember> {
    if version < VERSION_WITH_MEMBERS {
        let member_id = kept(&request.member_id);
        return vec![LeavingMember { member_id, group_instance_id: None, reason: None }];
    }
    let members = request.members.iter().map(|member| LeavingMember {
        member_id: kept(&member.member_id),
        group_instance_id: kept_if_any(member.group_instance_id.as_ref()),
        reason: kept_if_any(member.reason.as_ref()),
    });
    members.collect()
}

fn unknown(members: Vec<LeavingMember>) -> Vec<LeftMember> {
    let unknown = members.into_iter().map(|LeavingMember { member_id, group_instance_id, .. }| {
        let error = Some(GroupError::UnknownMemberId);
        LeftMember { member_id, group_instance_id, error }
    });
    unknown.collect()
}

fn response(version: i16, left: Result<Vec<LeftMember>, Failure>) -> LeaveGroupResponse {
    let response = LeaveGroupResponse::default();
    let left = match left {
        Ok(left) => left,
        Err(failure) => return response.with_error_code(failure.code.code()),
    };
    if version < VERSION_WITH_MEMBERS {
        return response.with_error_code(code_of(left.first().and_then(|member| member.error.as_ref())));
    }
    let members = left.iter().map(|member| {
        MemberResponse::default()
            .with_member_id(text(&member.member_id))
            .with_group_instance_id(member.group_instance_id.as_ref().map(text))
            .with_error_code(code_of(member.error.as_ref()))
    });
    response.with_members(members.collect())
}
