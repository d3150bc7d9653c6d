//! FindCoordinator, key 10, versions 0 to 6.
//!
//! Names this broker as the coordinator of groups and of transactions; the topic that holds them is made when
//! it is first asked for, and unlike in Kafka, where the client is told to ask again, it is there when the
//! answer leaves.
//! Left out: share groups (COORDINATOR_NOT_AVAILABLE).
//!
//! v0: groups. v1: key type, throttling (KIP-98). v2: nothing. v3: flexible. v4: many keys (KIP-699).
//! v5: TRANSACTION_ABORTABLE (KIP-890). v6: share groups (KIP-932).

use bytes::Bytes;
use kafka_protocol::messages::find_coordinator_response::Coordinator;
use kafka_protocol::messages::{BrokerId, FindCoordinatorRequest, FindCoordinatorResponse};

use super::exchange::{answer, decode, text};
use super::view::{node_id, to_the_end};
use super::{Api, Reply, RequestContext};
use crate::model::TopicPartition;
use crate::partition::PartitionStatus;
use crate::protocol::ErrorCode;

/// The row of `APIS`.
pub(super) const API: Api = Api { key: 10, handle: |context, body| Box::pin(handle(context, body)) };

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

async fn handle(context: RequestContext, body: Bytes) -> Reply {
    let header = &context.header;
    let request: FindCoordinatorRequest = match decode(header, body) {
        Ok(request) => request,
        Err(reply) => return reply,
    };
    make_topic(&context, request.key_type).await;
    let found = |key: &str| {
        let found = find(&context, request.key_type, key);
        if let Err(code) = found {
            context.broker.metrics().request_error(API.key, code.name());
        }
        found
    };
    let response = FindCoordinatorResponse::default();
    let response = match header.api_version >= VERSION_WITH_KEYS {
        true => {
            let coordinators = request.coordinator_keys.iter().map(|key| {
                let coordinator = Coordinator::default().with_key(key.clone());
                match found(key) {
                    Ok(()) => coordinator
                        .with_node_id(node_id(&context.broker))
                        .with_host(text(&context.connection.advertised_host))
                        .with_port(context.connection.advertised_port.into()),
                    Err(code) => {
                        coordinator.with_error_code(code.code()).with_node_id(NO_NODE).with_port(NO_PORT)
                    }
                }
            });
            response.with_coordinators(coordinators.collect())
        }
        false => match found(&request.key) {
            Ok(()) => response
                .with_error_message(Some(text(NO_ERROR)))
                .with_node_id(node_id(&context.broker))
                .with_host(text(&context.connection.advertised_host))
                .with_port(context.connection.advertised_port.into()),
            Err(code) => response
                .with_error_code(code.code())
                .with_error_message(Some(text(code.message())))
                .with_node_id(NO_NODE)
                .with_port(NO_PORT),
        },
    };
    answer(header, &response)
}

/// Measured against Kafka 4.3: what the message says where nothing is wrong.
const NO_ERROR: &str = "NONE";

/// Makes the topic that holds what is asked for, once.
async fn make_topic(context: &RequestContext, key_type: i8) {
    let broker = context.broker.clone();
    let made = match key_type {
        GROUP => to_the_end(async move { broker.ensure_offsets_topic().await }).await,
        TRANSACTION => to_the_end(async move { broker.ensure_transactions_topic().await }).await,
        _ => return,
    };
    if let Err(error) = made {
        let holds = if key_type == GROUP { "groups" } else { "transactions" };
        tracing::warn!(%error, holds, "a coordinators' topic cannot be made; tried again when asked for");
    }
}

/// Measured against Kafka 4.3: an unknown key type is INVALID_REQUEST.
fn find(context: &RequestContext, key_type: i8, key: &str) -> Result<(), ErrorCode> {
    match key_type {
        GROUP => online(context, context.broker.group_partition(key)),
        TRANSACTION => online(context, context.broker.transaction_partition(key)),
        SHARE if context.header.api_version >= VERSION_WITH_SHARE => Err(ErrorCode::CoordinatorNotAvailable),
        _ => Err(ErrorCode::InvalidRequest),
    }
}

fn online(context: &RequestContext, id: Option<TopicPartition>) -> Result<(), ErrorCode> {
    let partition = id.and_then(|id| context.broker.partition(id));
    match partition.is_some_and(|partition| partition.status() == PartitionStatus::Online) {
        true => Ok(()),
        false => Err(ErrorCode::CoordinatorNotAvailable),
    }
}

#[cfg(test)]
mod tests;
