//! DeleteGroups, key 42, versions 0 to 2.
//!
//! Forgets groups without members, and their offsets.
//!
//! v1: throttling. v2: flexible.

use std::collections::HashSet;
use std::sync::Arc;

use bytes::Bytes;
use kafka_protocol::messages::delete_groups_response::DeletableGroupResult;
use kafka_protocol::messages::{DeleteGroupsRequest, DeleteGroupsResponse};

use super::exchange::{answer, decode};
use super::groups::{ask_each, count, group_id, kept};
use super::{Api, Reply, RequestContext};
use crate::group::{GroupReply, GroupRequest};

/// The row of `APIS`.
pub(super) const API: Api = Api { key: 42, handle: |context, body| Box::pin(handle(context, body)) };

async fn handle(context: RequestContext, body: Bytes) -> Reply {
    let request: DeleteGroupsRequest = match decode(&context.header, body) {
        Ok(request) => request,
        Err(reply) => return reply,
    };
    let mut known = HashSet::new();
    let ids = request.groups_names.iter().map(|id| kept(&id.0));
    let ids: Vec<Arc<str>> = ids.filter(|id| known.insert(id.clone())).collect();
    let pick = |reply| if let GroupReply::DeleteGroup(reply) = reply { Some(reply) } else { None };
    let delete = |group_id| GroupRequest::DeleteGroup { group_id };
    let deleted = ask_each(&context, &ids, delete, pick).await;
    let results = ids.iter().zip(deleted).map(|(id, deleted)| {
        let code = deleted.err().map_or(0, |failure| failure.code.code());
        count(&context, code);
        DeletableGroupResult::default().with_group_id(group_id(id)).with_error_code(code)
    });
    answer(&context.header, &DeleteGroupsResponse::default().with_results(results.collect()))
}
