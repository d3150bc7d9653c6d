//! CreateTopics, key 19, versions 2 to 7.
//!
//! Creates topics, together and durably before the answer, and tells what they got. Any replication factor
//! from 1 on is taken and remembered: durability is the log's matter. A manual assignment may name this
//! broker only. Unlike Kafka, which lets clients create its internal topics, those are refused as it refuses
//! `__cluster_metadata`: who keeps its state in them must find them as it wants them.
//! Left out: creation policies, quotas.
//!
//! v2: `throttle_time_ms`. v3: nothing. v4: -1 for the defaults (KIP-464). v5: flexible, configurations and
//! counts in the answer (KIP-525). v6: quota errors (KIP-599). v7: topic ids (KIP-516).

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use bytes::Bytes;
use kafka_protocol::messages::create_topics_request::CreatableTopic;
use kafka_protocol::messages::create_topics_response::{CreatableTopicConfigs, CreatableTopicResult};
use kafka_protocol::messages::{CreateTopicsRequest, CreateTopicsResponse};
use kafka_protocol::protocol::StrBytes;

use super::errors::KafkaError;
use super::exchange::{Failure, answer, decode, text};
use super::{Api, Reply, RequestContext, assignment, view};
use crate::broker::{Broker, CreatedTopic, NewTopic, TopicNames};
use crate::config::{self, ServerConfig, TopicOverrides};
use crate::metadata::{ClusterImage, TopicImage};
use crate::protocol::ErrorCode;

/// The row of `APIS`.
pub(super) const API: Api = Api { key: 19, handle: |context, body| Box::pin(handle(context, body)) };

/// Partitions that one request may create in all. As Kafka's `MAX_PARTITIONS_PER_BATCH`.
const PARTITIONS_MAX: i64 = 10_000;
/// Topics that are told with all their settings before other connections of the thread get their turn.
const RESULTS_PER_TURN: usize = 64;
/// Topic that Kafka's controller keeps for itself.
const CLUSTER_METADATA_TOPIC: &str = "__cluster_metadata";
/// "The default", for counts.
const DEFAULT: i32 = -1;

async fn handle(context: RequestContext, body: Bytes) -> Reply {
    let header = &context.header;
    let request: CreateTopicsRequest = match decode(header, body) {
        Ok(request) => request,
        Err(reply) => return reply,
    };
    let planned = plan(&context.broker.config(), &context.broker.image(), &request.topics);
    let new: Vec<NewTopic> = planned.iter().filter_map(|(_, plan)| plan.as_ref().ok()).cloned().collect();
    let created = create(&context.broker, new, &request).await;
    let mut created = created.into_iter();
    let mut results = Vec::with_capacity(planned.len());
    for (name, plan) in planned {
        let outcome = plan.and_then(|_| created.next().expect("a result for each topic that was asked for"));
        results.push(result(&context.broker, &name, outcome));
        if results.len() % RESULTS_PER_TURN == 0 {
            tokio::task::yield_now().await;
        }
    }
    answer(header, &CreateTopicsResponse::default().with_topics(results))
}

/// Creates topics within the request's time. Who is not told in time asks again, and hears that they exist.
async fn create(
    broker: &Arc<Broker>,
    new: Vec<NewTopic>,
    request: &CreateTopicsRequest,
) -> Vec<Result<CreatedTopic, Failure>> {
    let count = new.len();
    if count == 0 {
        return Vec::new();
    }
    let (broker, validate_only) = (broker.clone(), request.validate_only);
    let creation = async move { broker.create_topics(new, validate_only).await };
    view::each_in_time(count, request.timeout_ms, creation).await
}

type Planned = Vec<(String, Result<NewTopic, Failure>)>;

/// What is to be created, in the request's order; topics named twice once, as an error.
fn plan(config: &ServerConfig, image: &ClusterImage, topics: &[CreatableTopic]) -> Planned {
    let names = TopicNames::of(image, topics.iter().map(|topic| topic.name.as_str()));
    let mut times: HashMap<&str, u32> = HashMap::new();
    topics.iter().for_each(|topic| *times.entry(topic.name.as_str()).or_default() += 1);
    let once: Vec<&CreatableTopic> = topics.iter().filter(|topic| times[topic.name.as_str()] == 1).collect();
    let too_many = once.iter().map(|topic| partitions_asked(config, topic)).sum::<i64>() > PARTITIONS_MAX;
    let mut planned: Planned = Vec::with_capacity(topics.len());
    for topic in &once {
        let plan = match too_many {
            true => Err(Failure::new(
                ErrorCode::PolicyViolation,
                "Excessively large number of partitions per request.",
            )),
            false => plan_one(config, &names, topic),
        };
        planned.push((topic.name.to_string(), plan));
    }
    let mut twice: Vec<&str> = times.iter().filter(|(_, times)| **times > 1).map(|(name, _)| *name).collect();
    twice.sort_unstable();
    let duplicate = || Err(Failure::new(ErrorCode::InvalidRequest, "Duplicate topic name."));
    planned.extend(twice.into_iter().map(|name| (name.to_owned(), duplicate())));
    planned
}

fn partitions_asked(config: &ServerConfig, topic: &CreatableTopic) -> i64 {
    match (topic.assignments.len(), topic.num_partitions) {
        (0, DEFAULT) => config.num_partitions.into(),
        (0, count) => count.max(0).into(),
        (assigned, _) => assigned as i64,
    }
}

/// Kafka's messages, since tools show them to people, and its order: name, configurations, counts. The broker
/// looks at the name again when nobody else can take it.
fn plan_one(
    config: &ServerConfig,
    names: &TopicNames<'_>,
    topic: &CreatableTopic,
) -> Result<NewTopic, Failure> {
    let name = topic.name.as_str();
    if name == CLUSTER_METADATA_TOPIC || view::is_internal(name) {
        let words = format!("Creation of internal topic {name} is prohibited.");
        return Err(Failure::new(ErrorCode::InvalidRequest, words));
    }
    names.check(name).map_err(|error| error.failure())?;
    let configs = checked_configs(config, topic)?;
    let (partitions, replication_factor) = match topic.assignments.is_empty() {
        true => (
            if topic.num_partitions == DEFAULT { config.num_partitions } else { topic.num_partitions },
            if i32::from(topic.replication_factor) == DEFAULT {
                view::default_replication_factor(config)
            } else {
                topic.replication_factor
            },
        ),
        false => assigned(config.node_id.0, topic)?,
    };
    Ok(NewTopic { name: name.to_owned(), partitions, replication_factor, configs })
}

fn checked_configs(
    config: &ServerConfig,
    topic: &CreatableTopic,
) -> Result<BTreeMap<String, String>, Failure> {
    let pairs = topic.configs.iter().map(|config| (config.name.as_str(), config.value.as_deref()));
    match TopicOverrides::validate(pairs, &config.settings) {
        Ok(overrides) => Ok(overrides.as_map().clone()),
        Err(invalid) => Err(Failure::new(ErrorCode::InvalidConfig, invalid.to_string())),
    }
}

/// Counts of a manual assignment, which must be one to this broker alone.
fn assigned(node_id: i32, topic: &CreatableTopic) -> Result<(i32, i16), Failure> {
    let contradiction = |what: &str| {
        let words = format!("A manual partition assignment was specified, but {what} was not set to -1.");
        Err(Failure::new(ErrorCode::InvalidRequest, words))
    };
    if i32::from(topic.replication_factor) != DEFAULT {
        return contradiction("replication factor");
    }
    if topic.num_partitions != DEFAULT {
        return contradiction("numPartitions");
    }
    let invalid = |words: String| Failure::new(ErrorCode::InvalidReplicaAssignment, words);
    let mut seen = HashSet::new();
    for assignment in &topic.assignments {
        let index = assignment.partition_index;
        if !seen.insert(index) {
            return Err(invalid(format!(
                "Found multiple manual partition assignments for partition {index}"
            )));
        }
        assignment::check(node_id, &assignment.broker_ids).map_err(invalid)?;
    }
    let count = i32::try_from(seen.len()).unwrap_or(i32::MAX);
    if !(0..count).all(|index| seen.contains(&index)) {
        return Err(invalid("partitions should be a consecutive 0-based integer sequence".to_owned()));
    }
    Ok((count, 1))
}

fn result(broker: &Broker, name: &str, outcome: Result<CreatedTopic, Failure>) -> CreatableTopicResult {
    let result = CreatableTopicResult::default().with_name(view::topic_name(name));
    match outcome {
        Ok(created) => {
            let topic = &created.topic;
            result
                .with_error_message(None)
                .with_topic_id(topic.topic_id.0)
                .with_num_partitions(topic.partitions)
                .with_replication_factor(topic.replication_factor)
                .with_configs(Some(configs(broker, topic)))
        }
        Err(failure) => result.with_error_code(failure.code.code()).with_error_message(failure.words()),
    }
}

/// Every configuration in force, by name (KIP-525).
fn configs(broker: &Broker, topic: &TopicImage) -> Vec<CreatableTopicConfigs> {
    let overrides = TopicOverrides::stored(topic.configs.clone());
    let mut entries = config::describe_topic(&overrides, &broker.config().settings);
    entries.sort_by_key(|entry| entry.definition.name);
    let shown = entries.into_iter().map(|entry| {
        CreatableTopicConfigs::default()
            .with_name(StrBytes::from_static_str(entry.definition.name))
            .with_value(entry.value.map(text))
            .with_read_only(entry.read_only)
            .with_config_source(entry.source.wire_code())
            .with_is_sensitive(entry.sensitive)
    });
    shown.collect()
}

#[cfg(test)]
mod tests;
