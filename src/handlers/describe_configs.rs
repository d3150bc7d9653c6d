//! DescribeConfigs, key 32, versions 1 to 4.
//!
//! Every setting of a topic or of this broker: value, source, synonyms, type and meaning.
//! Left out: settings that can be altered while the broker runs (its cluster-wide defaults are an empty
//! list), loggers, client metrics and groups (empty lists, too).
//!
//! v1: source and synonyms (KIP-226). v2: nothing. v3: type and documentation (KIP-569). v4: flexible.

use bytes::Bytes;
use kafka_protocol::messages::describe_configs_request::DescribeConfigsResource;
use kafka_protocol::messages::describe_configs_response::{
    DescribeConfigsResourceResult, DescribeConfigsResult, DescribeConfigsSynonym,
};
use kafka_protocol::messages::{DescribeConfigsRequest, DescribeConfigsResponse};

use super::exchange::{Failure, answer, decode, text};
use super::{Api, Reply, RequestContext};
use crate::config::{self, ConfigEntry, TopicOverrides};
use crate::metadata::validate_topic_name;
use crate::protocol::ErrorCode;

/// The row of `APIS`.
pub(super) const API: Api =
    Api { key: 32, handle: |context, body| Box::pin(std::future::ready(handle(&context, body))) };

/// First version with type and documentation.
const VERSION_WITH_TYPES: i16 = 3;
/// `resource_type` of topics.
const TOPIC: i8 = 2;
/// `resource_type` of brokers.
const BROKER: i8 = 4;
/// `resource_type` of a broker's loggers.
const BROKER_LOGGER: i8 = 8;
/// `resource_type` of client metrics subscriptions (KIP-714).
const CLIENT_METRICS: i8 = 16;
/// `resource_type` of groups (KIP-848).
const GROUP: i8 = 32;

fn handle(context: &RequestContext, body: Bytes) -> Reply {
    let header = &context.header;
    let request: DescribeConfigsRequest = match decode(header, body) {
        Ok(request) => request,
        Err(reply) => return reply,
    };
    let known = |resource: &DescribeConfigsResource| {
        matches!(resource.resource_type, TOPIC | BROKER | BROKER_LOGGER | CLIENT_METRICS | GROUP)
    };
    // Measured against Kafka 4.3: one unknown type refuses the whole request.
    let refused = !request.resources.iter().all(known);
    let results = request.resources.iter().map(|resource| {
        let described = match refused {
            true => Err(ErrorCode::InvalidRequest.into()),
            false => entries(context, resource),
        };
        result(&request, resource, described, header.api_version)
    });
    answer(header, &DescribeConfigsResponse::default().with_results(results.collect()))
}

/// The messages are Kafka's, since tools show them to people.
fn entries(
    context: &RequestContext,
    resource: &DescribeConfigsResource,
) -> Result<Vec<ConfigEntry>, Failure> {
    let name = resource.resource_name.as_str();
    let must_be_named = |words: &str| match name {
        "" => Err(Failure::new(ErrorCode::InvalidRequest, words)),
        _ => Ok(Vec::new()),
    };
    match resource.resource_type {
        TOPIC => topic_entries(context, name),
        // The cluster-wide defaults: none can be set.
        BROKER if name.is_empty() => Ok(Vec::new()),
        BROKER => {
            check_broker(context, name, " or empty string,")?;
            Ok(config::describe_broker(&context.broker.config().settings))
        }
        BROKER_LOGGER if name.is_empty() => must_be_named("Broker id must not be empty"),
        BROKER_LOGGER => check_broker(context, name, "").map(|()| Vec::new()),
        CLIENT_METRICS => must_be_named("Client metrics subscription name must not be empty"),
        _ => must_be_named("Group name must not be empty"),
    }
}

fn topic_entries(context: &RequestContext, name: &str) -> Result<Vec<ConfigEntry>, Failure> {
    if let Err(error) = validate_topic_name(name) {
        return Err(Failure::new(ErrorCode::InvalidTopicException, error.to_string()));
    }
    let image = context.broker.image();
    let topic = image.topic(name).ok_or_else(|| Failure::new(ErrorCode::UnknownTopicOrPartition, ""))?;
    let overrides = TopicOverrides::stored(topic.configs.clone());
    Ok(config::describe_topic(&overrides, &context.broker.config().settings))
}

fn check_broker(context: &RequestContext, name: &str, or_else: &str) -> Result<(), Failure> {
    let ours = context.broker.config().node_id.0;
    let invalid = |words: String| Err(Failure::new(ErrorCode::InvalidRequest, words));
    match name.parse::<i32>() {
        Ok(asked) if asked == ours => Ok(()),
        Ok(_) => invalid(format!("Unexpected broker id, expected {ours}{or_else} but received {name}")),
        Err(_) => invalid(format!("Broker id must be an integer, but it is: {name}")),
    }
}

fn result(
    request: &DescribeConfigsRequest,
    resource: &DescribeConfigsResource,
    described: Result<Vec<ConfigEntry>, Failure>,
    version: i16,
) -> DescribeConfigsResult {
    let result = DescribeConfigsResult::default()
        .with_resource_type(resource.resource_type)
        .with_resource_name(resource.resource_name.clone());
    match described {
        Ok(entries) => {
            // Measured against Kafka 4.3: an empty list of keys asks for all, like null.
            let keys = resource.configuration_keys.as_deref().filter(|keys| !keys.is_empty());
            let is_wanted = |entry: &ConfigEntry| {
                keys.is_none_or(|keys| keys.iter().any(|key| key.as_str() == entry.definition.name))
            };
            let entries = entries.into_iter().filter(is_wanted);
            let shown = entries.map(|entry| shown(request, entry, version)).collect();
            result.with_error_message(Some(Default::default())).with_configs(shown)
        }
        Err(failure) => result.with_error_code(failure.code.code()).with_error_message(failure.words()),
    }
}

fn shown(
    request: &DescribeConfigsRequest,
    entry: ConfigEntry,
    version: i16,
) -> DescribeConfigsResourceResult {
    let result = DescribeConfigsResourceResult::default()
        .with_name(text(entry.definition.name))
        .with_value(entry.value.filter(|_| !entry.sensitive).map(text))
        .with_read_only(entry.read_only)
        .with_config_source(entry.source.wire_code())
        .with_is_sensitive(entry.sensitive)
        .with_documentation(None);
    let synonyms = entry.synonyms.into_iter().filter(|_| request.include_synonyms).map(|synonym| {
        DescribeConfigsSynonym::default()
            .with_name(text(synonym.name))
            .with_value(synonym.value.filter(|_| !entry.sensitive).map(text))
            .with_source(synonym.source.wire_code())
    });
    let result = result.with_synonyms(synonyms.collect());
    if version < VERSION_WITH_TYPES {
        return result;
    }
    let documentation = request.include_documentation.then(|| text(entry.definition.doc));
    result.with_config_type(entry.definition.kind.wire_code()).with_documentation(documentation)
}

#[cfg(test)]
mod tests;
