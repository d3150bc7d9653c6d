//! DescribeConfigs, key 32, versions 1 to 4.
//!
//! Every setting of a topic, of a group or of this broker: value, source, synonyms, type and meaning.
//! Left out: loggers and client metrics (empty lists).
//!
//! v1: source and synonyms (KIP-226). v2: nothing. v3: type and documentation (KIP-569). v4: flexible.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashSet};
use std::sync::OnceLock;

use bytes::Bytes;
use kafka_protocol::messages::describe_configs_request::DescribeConfigsResource;
use kafka_protocol::messages::describe_configs_response::{
    DescribeConfigsResourceResult, DescribeConfigsResult, DescribeConfigsSynonym,
};
use kafka_protocol::messages::{DescribeConfigsRequest, DescribeConfigsResponse};
use kafka_protocol::protocol::StrBytes;

use super::config_resources::{BROKER, BROKER_LOGGER, CLIENT_METRICS, GROUP, TOPIC};
use super::exchange::{Failure, answer, decode, text};
use super::{Api, Reply, RequestContext};
use crate::config::{self, ConfigEntry, TopicOverrides};
use crate::metadata::validate_topic_name;
use crate::protocol::ErrorCode;

/// The row of `APIS`.
pub(super) const API: Api = Api { key: 32, handle: |context, body| Box::pin(handle(context, body)) };

/// First version with type and documentation.
const VERSION_WITH_TYPES: i16 = 3;
/// Weight of one reply's settings, in bytes, beyond which further resources are refused: a request of a few
/// bytes per resource asks for some hundred times as much. Room for every setting of ten thousand topics.
const REPLY_BYTES_MAX: usize = 64 << 20;
/// Resources that are described before other connections of the thread get their turn: some milliseconds.
const RESOURCES_PER_TURN: usize = 16;

async fn handle(context: RequestContext, body: Bytes) -> Reply {
    let header = &context.header;
    let request: DescribeConfigsRequest = match decode(header, body) {
        Ok(request) => request,
        Err(reply) => return reply,
    };
    let results = describe(&context, &request, REPLY_BYTES_MAX).await;
    answer(header, &DescribeConfigsResponse::default().with_results(results))
}

/// One result for each resource, in the request's order, as often as it is named.
async fn describe(
    context: &RequestContext,
    request: &DescribeConfigsRequest,
    bytes_max: usize,
) -> Vec<DescribeConfigsResult> {
    let known = |resource: &DescribeConfigsResource| {
        matches!(resource.resource_type, TOPIC | BROKER | BROKER_LOGGER | CLIENT_METRICS | GROUP)
    };
    // Measured against Kafka 4.3: one unknown type refuses the whole request.
    let refused = !request.resources.iter().all(known);
    let broker = OnceLock::new();
    let mut bytes = 0;
    let mut results = Vec::new();
    for resource in &request.resources {
        let described = match (refused, bytes >= bytes_max) {
            (true, _) => Err(ErrorCode::InvalidRequest.into()),
            (false, true) => Err(Failure::new(ErrorCode::InvalidRequest, TOO_MUCH)),
            (false, false) => entries(context, resource, &broker),
        };
        let result = result(request, resource, described, context.header.api_version);
        bytes += weight(&result);
        results.push(result);
        if results.len() % RESOURCES_PER_TURN == 0 {
            tokio::task::yield_now().await;
        }
    }
    results
}

const TOO_MUCH: &str =
    "The request asks for more configurations than one reply may hold: ask for fewer resources.";

/// The keys that are asked for; `None`: all. Measured against Kafka 4.3: an empty list is like null.
fn keys(resource: &DescribeConfigsResource) -> Option<&[StrBytes]> {
    resource.configuration_keys.as_deref().filter(|keys| !keys.is_empty())
}

/// Bytes of memory and of the reply that a result takes, about.
fn weight(result: &DescribeConfigsResult) -> usize {
    let text = |text: &Option<StrBytes>| text.as_ref().map_or(0, |text| text.len());
    let settings = result.configs.iter().map(|setting| {
        let synonyms = setting
            .synonyms
            .iter()
            .map(|synonym| size_of::<DescribeConfigsSynonym>() + synonym.name.len() + text(&synonym.value));
        size_of::<DescribeConfigsResourceResult>()
            + setting.name.len()
            + text(&setting.value)
            + text(&setting.documentation)
            + synonyms.sum::<usize>()
    });
    settings.sum()
}

/// The messages are Kafka's, since tools show them to people.
fn entries<'a>(
    context: &RequestContext,
    resource: &DescribeConfigsResource,
    broker: &'a OnceLock<Vec<ConfigEntry>>,
) -> Result<Cow<'a, [ConfigEntry]>, Failure> {
    let name = resource.resource_name.as_str();
    let nothing = || Ok(Cow::Borrowed(&[][..]));
    let must_be_named = |words: &str| match name {
        "" => Err(Failure::new(ErrorCode::InvalidRequest, words)),
        _ => nothing(),
    };
    match resource.resource_type {
        TOPIC => topic_entries(context, name).map(Cow::Owned),
        BROKER if name.is_empty() => {
            Ok(Cow::Owned(config::describe_cluster_default(&context.broker.config().settings)))
        }
        BROKER => {
            check_broker(context, name, " or empty string,")?;
            let describe = || config::describe_broker(&context.broker.config().settings);
            Ok(Cow::Borrowed(broker.get_or_init(describe)))
        }
        BROKER_LOGGER if name.is_empty() => must_be_named("Broker id must not be empty"),
        BROKER_LOGGER => check_broker(context, name, "").and_then(|()| nothing()),
        CLIENT_METRICS => must_be_named("Client metrics subscription name must not be empty"),
        _ if name.is_empty() => must_be_named("Group name must not be empty"),
        _ => Ok(Cow::Owned(group_entries(context, name))),
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

fn group_entries(context: &RequestContext, group_id: &str) -> Vec<ConfigEntry> {
    let image = context.broker.image();
    let nothing = BTreeMap::new();
    let overrides = image.group_configs().get(group_id).map_or(&nothing, |stored| stored);
    config::describe_group(overrides, &context.broker.config().settings)
}

fn check_broker(context: &RequestContext, name: &str, or_else: &str) -> Result<(), Failure> {
    let ours = context.broker.node_id().0;
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
    described: Result<Cow<'_, [ConfigEntry]>, Failure>,
    version: i16,
) -> DescribeConfigsResult {
    let result = DescribeConfigsResult::default()
        .with_resource_type(resource.resource_type)
        .with_resource_name(resource.resource_name.clone());
    match described {
        Ok(entries) => {
            let keys: Option<HashSet<&str>> =
                keys(resource).map(|keys| keys.iter().map(|key| key.as_str()).collect());
            let is_wanted =
                |entry: &&ConfigEntry| keys.as_ref().is_none_or(|keys| keys.contains(entry.definition.name));
            let entries = entries.iter().filter(is_wanted);
            let shown = entries.map(|entry| shown(request, entry, version)).collect();
            result.with_error_message(Some(Default::default())).with_configs(shown)
        }
        Err(failure) => result.with_error_code(failure.code.code()).with_error_message(failure.words()),
    }
}

fn shown(
    request: &DescribeConfigsRequest,
    entry: &ConfigEntry,
    version: i16,
) -> DescribeConfigsResourceResult {
    let value = |value: &Option<String>| value.as_ref().filter(|_| !entry.sensitive).map(text);
    let result = DescribeConfigsResourceResult::default()
        .with_name(StrBytes::from_static_str(entry.definition.name))
        .with_value(value(&entry.value))
        .with_read_only(entry.read_only)
        .with_config_source(entry.source.wire_code())
        .with_is_sensitive(entry.sensitive)
        .with_documentation(None);
    let synonyms = entry.synonyms.iter().filter(|_| request.include_synonyms).map(|synonym| {
        DescribeConfigsSynonym::default()
            .with_name(StrBytes::from_static_str(synonym.name))
            .with_value(value(&synonym.value))
            .with_source(synonym.source.wire_code())
    });
    let result = result.with_synonyms(synonyms.collect());
    if version < VERSION_WITH_TYPES {
        return result;
    }
    let documentation =
        request.include_documentation.then(|| StrBytes::from_static_str(entry.definition.doc));
    result.with_config_type(entry.definition.kind.wire_code()).with_documentation(documentation)
}

#[cfg(test)]
mod tests;
