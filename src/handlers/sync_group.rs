//! SyncGroup, key 14, versions 0 to 5.
//!
//! Takes the leader's assignments, and gives each member of a generation its own once they are there.
//!
//! v1: throttling. v2: nothing. v3: static members (KIP-345). v4: flexible. v5: the group's type and
//! protocol, which must be those of the group (KIP-559).

use bytes::Bytes;
use kafka_protocol::messages::{SyncGroupRequest, SyncGroupResponse};

use super::exchange::{Failure, answer, decode, text};
use super::groups::{ask, count, kept, kept_bytes, kept_if_any, when_others_do};
use super::{Api, Reply, RequestContext};
use crate::group::{GroupReply, GroupRequest, SyncGroup, SyncedGroup};
use crate::protocol::ErrorCode;

/// The row of `APIS`.
pub(super) const API: Api =
    Api { key: 14, handle: |context, body| Box::pin(std::future::ready(handle(context, body))) };

/// First version that names the group's type and protocol.
const VERSION_WITH_PROTOCOL: i16 = 5;

fn handle(context: RequestContext, body: Bytes) -> Reply {
    let request: SyncGroupRequest = match decode(&context.header, body) {
        Ok(request) => request,
        Err(reply) => return reply,
    };
    let names_no_protocol = request.protocol_type.is_none() || request.protocol_name.is_none();
    if context.header.api_version >= VERSION_WITH_PROTOCOL && names_no_protocol {
        return answered(&context, Err(ErrorCode::InconsistentGroupProtocol.into()));
    }
    let assignments = request
        .assignments
        .iter()
        .map(|assignment| (kept(&assignment.member_id), kept_bytes(&assignment.assignment)));
    let sync = SyncGroup {
        group_id: kept(&request.group_id),
        member_id: kept(&request.member_id),
        group_instance_id: kept_if_any(request.group_instance_id.as_ref()),
        generation_id: request.generation_id,
        protocol_type: kept_if_any(request.protocol_type.as_ref()),
        protocol_name: kept_if_any(request.protocol_name.as_ref()),
        assignments: assignments.collect(),
    };
    let pick = |reply| if let GroupReply::SyncGroup(reply) = reply { Some(reply) } else { None };
    let question = ask(&context, &request.group_id, GroupRequest::SyncGroup(sync), pick);
    when_others_do(question, move |reply| answered(&context, reply))
}

fn answered(context: &RequestContext, reply: Result<SyncedGroup, Failure>) -> Reply {
    let response = SyncGroupResponse::default();
    let response = match reply {
        Ok(synced) => response
            .with_protocol_type(synced.protocol_type.as_ref().map(text))
            .with_protocol_name(synced.protocol_name.as_ref().map(text))
            .with_assignment(synced.assignment),
        Err(failure) => {
            count(context, failure.code.code());
            response.with_error_code(failure.code.code())
        }
    };
    answer(&context.header, &response)
}
