//! FindCoordinator, key 10, versions 0 to 6.
//!
//! There is no coordinator yet: COORDINATOR_NOT_AVAILABLE, which clients take as "ask again".
//! Left out: groups, transactions, share groups.
//!
//! v0: groups. v1: key type, throttling (KIP-98). v2: nothing. v3: flexible. v4: many keys (KIP-699).
//! v5: TRANSACTION_ABORTABLE (KIP-890). v6: share groups (KIP-932).

use bytes::Bytes;
use kafka_protocol::messages::find_coordinator_response::Coordinator;
use kafka_protocol::messages::{BrokerId, FindCoordinatorRequest, FindCoordinatorResponse};

use super::exchange::{answer, decode, text};
use super::{Api, Reply, RequestContext};
use crate::protocol::ErrorCode;

/// The row of `APIS`.
pub(super) const API: Api =
    Api { key: 10, handle: |context, body| Box::pin(std::future::ready(handle(&context, body))) };

/// First version that asks for many keys.
const VERSION_WITH_KEYS: i16 = 4;
/// First version that may ask for a share coordinator.
const VERSION_WITH_SHARE: i16 = 6;
/// Key type of groups.
const GROUP: i8 = 0;
/// Key type of transactional ids.
const TRANSACTION: i8 = 1;
/// Key type of share partitions.
const SHARE: i8 = 2;
const NO_NODE: BrokerId = BrokerId(-1);
const NO_PORT: i32 = -1;

fn handle(context: &RequestContext, body: Bytes) -> Reply {
    let header = &context.header;
    let request: FindCoordinatorRequest = match decode(header, body) {
        Ok(request) => request,
        Err(reply) => return reply,
    };
    let code = code(request.key_type, header.api_version);
    context.broker.metrics().request_error(API.key, code.name());
    let response = FindCoordinatorResponse::default();
    let response = match header.api_version >= VERSION_WITH_KEYS {
        true => {
            let coordinators = request.coordinator_keys.into_iter().map(|key| {
                Coordinator::default()
                    .with_key(key)
                    .with_error_code(code.code())
                    .with_node_id(NO_NODE)
                    .with_port(NO_PORT)
            });
            response.with_coordinators(coordinators.collect())
        }
        false => response
            .with_error_code(code.code())
            .with_error_message(Some(text(code.message())))
            .with_node_id(NO_NODE)
            .with_port(NO_PORT),
    };
    answer(header, &response)
}

/// Measured against Kafka 4.3: an unknown key type is INVALID_REQUEST.
fn code(key_type: i8, version: i16) -> ErrorCode {
    match key_type {
        GROUP | TRANSACTION => ErrorCode::CoordinatorNotAvailable,
        SHARE if version >= VERSION_WITH_SHARE => ErrorCode::CoordinatorNotAvailable,
        _ => ErrorCode::InvalidRequest,
    }
}

#[cfg(test)]
mod tests;
