//! DescribeGroups, key 15, versions 0 to 6.
//!
//! Tells state, protocol and members of classic groups.
//!
//! v1: throttling. v2: nothing. v3: authorized operations (KIP-430). v4: static members (KIP-345). v5:
//! flexible. v6: GROUP_ID_NOT_FOUND and a message (KIP-1043); before, such a group is dead.

use std::sync::Arc;

use bytes::Bytes;
use kafka_protocol::messages::describe_groups_response::{DescribedGroup, DescribedGroupMember};
use kafka_protocol::messages::{DescribeGroupsRequest, DescribeGroupsResponse};
use kafka_protocol::protocol::StrBytes;

use super::exchange::{Failure, answer, decode, text};
use super::groups::{ask_each, group_id, kept};
use super::view::{GROUP_OPERATIONS, OPERATIONS_NOT_ASKED};
use super::{Api, Reply, RequestContext};
use crate::group::{self, GroupReply, GroupRequest};
use crate::protocol::ErrorCode;

/// The row of `APIS`.
pub(super) const API: Api = Api { key: 15, handle: |context, body| Box::pin(handle(context, body)) };

/// First version that asks for authorized operations.
const VERSION_WITH_OPERATIONS: i16 = 3;
/// First version that knows GROUP_ID_NOT_FOUND.
const VERSION_WITH_NOT_FOUND: i16 = 6;
/// State of a group that does not exist.
const DEAD: &str = "Dead";

async fn handle(context: RequestContext, body: Bytes) -> Reply {
    let request: DescribeGroupsRequest = match decode(&context.header, body) {
        Ok(request) => request,
        Err(reply) => return reply,
    };
    let version = context.header.api_version;
    let ids: Vec<Arc<str>> = request.groups.iter().map(|id| kept(&id.0)).collect();
    let pick = |reply| if let GroupReply::DescribeGroup(reply) = reply { Some(reply) } else { None };
    let describe = |group_id| GroupRequest::DescribeGroup { group_id };
    let described = ask_each(&context, &ids, describe, pick).await;
    let operations = match version >= VERSION_WITH_OPERATIONS && request.include_authorized_operations {
        true => GROUP_OPERATIONS,
        false => OPERATIONS_NOT_ASKED,
    };
    let groups = ids.iter().zip(described).map(|(id, described)| match described {
        Ok(described) => shown(described).with_authorized_operations(operations),
        Err(failure) if failure.code == ErrorCode::GroupIdNotFound => {
            not_found(version, id, &failure, operations)
        }
        Err(failure) => {
            DescribedGroup::default().with_group_id(group_id(id)).with_error_code(failure.code.code())
        }
    });
    answer(&context.header, &DescribeGroupsResponse::default().with_groups(groups.collect()))
}

fn not_found(version: i16, id: &str, failure: &Failure, operations: i32) -> DescribedGroup {
    let group = DescribedGroup::default()
        .with_group_id(group_id(id))
        .with_group_state(StrBytes::from_static_str(DEAD));
    match version >= VERSION_WITH_NOT_FOUND {
        true => group.with_error_code(failure.code.code()).with_error_message(failure.words()),
        false => group.with_authorized_operations(operations),
    }
}

fn shown(described: group::DescribedGroup) -> DescribedGroup {
    let members = described.members.into_iter().map(|member| {
        DescribedGroupMember::default()
            .with_member_id(text(&member.member_id))
            .with_group_instance_id(member.group_instance_id.as_ref().map(text))
            .with_client_id(text(&member.client_id))
            .with_client_host(text(&member.client_host))
            .with_member_metadata(member.metadata)
            .with_member_assignment(member.assignment)
    });
    DescribedGroup::default()
        .with_group_id(group_id(&described.group_id))
        .with_group_state(StrBytes::from_static_str(described.state))
        .with_protocol_type(text(&described.protocol_type))
        .with_protocol_data(text(&described.protocol))
        .with_members(members.collect())
}
