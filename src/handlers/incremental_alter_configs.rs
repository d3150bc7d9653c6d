//! IncrementalAlterConfigs, key 44, versions 0 and 1.
//!
//! Sets, deletes, adds to and takes from single settings of topics, of groups, of this broker and of the
//! whole cluster (KIP-339). Durable and in force before the answer; each resource as a whole or not at all,
//! and those that can be altered together.
//! Left out: settings of client metrics; loggers do not exist.
//!
//! v0: KIP-339. v1: flexible.

use bytes::Bytes;
use kafka_protocol::messages::incremental_alter_configs_request::AlterConfigsResource;
use kafka_protocol::messages::incremental_alter_configs_response::AlterConfigsResourceResponse;
use kafka_protocol::messages::{IncrementalAlterConfigsRequest, IncrementalAlterConfigsResponse};

use super::config_resources::{self, Asked, AskedKey, Manner};
use super::exchange::{Failure, answer, decode};
use super::{Api, Reply, RequestContext};

/// The row of `APIS`.
pub(super) const API: Api = Api { key: 44, handle: |context, body| Box::pin(handle(context, body)) };

async fn handle(context: RequestContext, body: Bytes) -> Reply {
    let header = &context.header;
    let request: IncrementalAlterConfigsRequest = match decode(header, body) {
        Ok(request) => request,
        Err(reply) => return reply,
    };
    let manner = Manner { replace: false, validate_only: request.validate_only };
    let asked: Vec<Asked> = request.resources.into_iter().map(asked).collect();
    let outcomes = config_resources::alter(&context, &asked, manner).await;
    let responses = asked.into_iter().zip(outcomes).map(|(asked, outcome)| result(asked, outcome)).collect();
    answer(header, &IncrementalAlterConfigsResponse::default().with_responses(responses))
}

fn asked(resource: AlterConfigsResource) -> Asked {
    let keys = resource.configs.into_iter().map(|key| AskedKey {
        name: key.name,
        operation: key.config_operation,
        value: key.value,
    });
    Asked {
        resource_type: resource.resource_type,
        resource_name: resource.resource_name,
        keys: keys.collect(),
    }
}

fn result(asked: Asked, outcome: Result<(), Failure>) -> AlterConfigsResourceResponse {
    let response = AlterConfigsResourceResponse::default()
        .with_resource_type(asked.resource_type)
        .with_resource_name(asked.resource_name)
        .with_error_message(None);
    match outcome {
        Ok(()) => response,
        Err(failure) => response.with_error_code(failure.code.code()).with_error_message(failure.words()),
    }
}
