//! ListConfigResources, key 74, versions 0 and 1.
//!
//! Names what can be asked of DescribeConfigs, by type: topics, this broker, its loggers, groups that have
//! settings of their own (KIP-1142). There are no subscriptions of client metrics.
//!
//! v0: subscriptions of client metrics only (KIP-714). v1: all types, or those that are named; one that is
//! none refuses the request.

use bytes::Bytes;
use kafka_protocol::messages::list_config_resources_response::ConfigResource;
use kafka_protocol::messages::{ListConfigResourcesRequest, ListConfigResourcesResponse};
use kafka_protocol::protocol::StrBytes;

use super::config_resources::{BROKER, BROKER_LOGGER, CLIENT_METRICS, GROUP, TOPIC};
use super::exchange::{answer, decode, text};
use super::{Api, Reply, RequestContext};
use crate::protocol::ErrorCode;

/// The row of `APIS`.
pub(super) const API: Api =
    Api { key: 74, handle: |context, body| Box::pin(std::future::ready(handle(context, body))) };

fn handle(context: RequestContext, body: Bytes) -> Reply {
    let header = &context.header;
    let request: ListConfigResourcesRequest = match decode(header, body) {
        Ok(request) => request,
        Err(reply) => return reply,
    };
    let response = ListConfigResourcesResponse::default();
    let response = match wanted(&request.resource_types, header.api_version) {
        Some(types) => response.with_config_resources(resources(&context, types)),
        None => response.with_error_code(ErrorCode::UnsupportedVersion.code()),
    };
    answer(header, &response)
}

/// The types to list; `None` where one is asked for that the version does not know.
fn wanted(asked: &[i8], version: i16) -> Option<impl Fn(i8) -> bool> {
    const KNOWN: &[i8] = &[TOPIC, BROKER, BROKER_LOGGER, CLIENT_METRICS, GROUP];
    let known = if version == 0 { &[CLIENT_METRICS] } else { KNOWN };
    if !asked.iter().all(|resource_type| known.contains(resource_type)) {
        return None;
    }
    // A list from the wire may be long: it is looked through once.
    let mut wanted = known.to_vec();
    if !asked.is_empty() {
        wanted.retain(|resource_type| asked.contains(resource_type));
    }
    Some(move |resource_type| wanted.contains(&resource_type))
}

fn resources(context: &RequestContext, is_wanted: impl Fn(i8) -> bool) -> Vec<ConfigResource> {
    let image = context.broker.image();
    let resource = |resource_type: i8, name: StrBytes| {
        ConfigResource::default().with_resource_type(resource_type).with_resource_name(name)
    };
    let mut resources = Vec::new();
    if is_wanted(GROUP) {
        resources.extend(image.group_configs().keys().map(|group_id| resource(GROUP, text(group_id))));
    }
    for of_broker in [BROKER_LOGGER, BROKER] {
        if is_wanted(of_broker) {
            resources.push(resource(of_broker, text(context.broker.node_id().0.to_string())));
        }
    }
    if is_wanted(TOPIC) {
        resources.extend(image.topics().map(|topic| resource(TOPIC, text(&topic.name))));
    }
    resources
}

#[cfg(test)]
mod tests;
