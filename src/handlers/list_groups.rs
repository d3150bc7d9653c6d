//! ListGroups, key 16, versions 0 to 5.
//!
//! Names all groups, or those of some states and types.
//!
//! v1: throttling. v2: nothing. v3: flexible. v4: states (KIP-518). v5: types (KIP-848).

use bytes::Bytes;
use kafka_protocol::messages::list_groups_response::ListedGroup;
use kafka_protocol::messages::{ListGroupsRequest, ListGroupsResponse};
use kafka_protocol::protocol::StrBytes;

use super::errors::KafkaError;
use super::exchange::{answer, decode, text};
use super::groups::{caller, count, group_id, kept};
use super::{Api, Reply, RequestContext};
use crate::coordinator::CoordinatorError;
use crate::group::{self, GroupReply, GroupRequest, ListGroups};

/// The row of `APIS`.
pub(super) const API: Api =
    Api { key: 16, handle: |context, body| Box::pin(std::future::ready(handle(context, body))) };

fn handle(context: RequestContext, body: Bytes) -> Reply {
    let request: ListGroupsRequest = match decode(&context.header, body) {
        Ok(request) => request,
        Err(reply) => return reply,
    };
    let list = ListGroups {
        states: request.states_filter.iter().map(kept).collect(),
        types: request.types_filter.iter().map(kept).collect(),
    };
    let asked = context.broker.ask_all_groups(&caller(&context), &GroupRequest::ListGroups(list));
    Reply::pending(async move {
        let mut listed = Ok(Vec::new());
        for asked in asked {
            let reply = match asked {
                Ok(asked) => asked.reply().await,
                Err(error) => Err(error),
            };
            match reply {
                Ok(GroupReply::ListGroups(groups)) => {
                    listed = listed.map(|listed: Vec<_>| [listed, groups].concat());
                }
                Ok(_) => unreachable!("a group's reply is of its request's kind"),
                // As Kafka: what is led elsewhere is listed there.
                Err(CoordinatorError::NotCoordinator) => {}
                Err(error) => listed = Err(error),
            }
        }
        let response = ListGroupsResponse::default();
        let response = match listed {
            Ok(listed) => response.with_groups(listed.into_iter().map(shown).collect()),
            Err(error) => response.with_error_code(error.code().code()),
        };
        count(&context, response.error_code);
        answer(&context.header, &response)
    })
}

fn shown(listed: group::ListedGroup) -> ListedGroup {
    ListedGroup::default()
        .with_group_id(group_id(&listed.group_id))
        .with_protocol_type(text(&listed.protocol_type))
        .with_group_state(StrBytes::from_static_str(listed.state))
        .with_group_type(StrBytes::from_static_str(listed.group_type))
}
