//! AlterConfigs, key 33, versions 0 to 2.
//!
//! The older request: what it names of a topic, of a group, of this broker or of the whole cluster is all
//! that is set afterwards. Durable and in force before the answer.
//! Left out: settings of client metrics.
//!
//! v0, v1: the same. v2: flexible.

use bytes::Bytes;
use kafka_protocol::messages::alter_configs_request::AlterConfigsResource;
use kafka_protocol::messages::alter_configs_response::AlterConfigsResourceResponse;
use kafka_protocol::messages::{AlterConfigsRequest, AlterConfigsResponse};

use super::config_resources::{self, Asked, AskedKey, Manner};
use super::exchange::{Failure, answer, decode};
use super::{Api, Reply, RequestContext};

/// The row of `APIS`.
pub(super) const API: Api = Api { key: 33, handle: |context, body| Box::pin(handle(context, body)) };

async fn handle(context: RequestContext, body: Bytes) -> Reply {
    let header = &context.header;
    let request: AlterConfigsRequest = match decode(header, body) {
        Ok(request) => request,
        Err(reply) => return reply,
    };
    let manner = Manner { replace: true, validate_only: request.validate_only };
    let asked: Vec<Asked> = request.resources.into_iter().map(asked).collect();
    let outcomes = config_resources::alter(&context, &asked, manner).await;
    let responses = asked.into_iter().zip(outcomes).map(|(asked, outcome)| result(asked, outcome)).collect();
    answer(header, &AlterConfigsResponse::default().with_responses(responses))
}

fn asked(resource: AlterConfigsResource) -> Asked {
    let keys = resource.configs.into_iter().map(|key| AskedKey::set(key.name, key.value));
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
