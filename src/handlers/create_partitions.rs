//! CreatePartitions, key 37, versions 0 to 3.
//!
//! Adds partitions to topics, together and durably before the answer. A manual assignment may name this
//! broker only. Topics named twice come first in the answer, as in Kafka; the others in the request's order.
//! Unlike Kafka, whose controller fails with UNKNOWN_SERVER_ERROR there, more than 10,000 new partitions in
//! one request are POLICY_VIOLATION.
//! Topics that coordinators keep their state in do not grow: a key is found by the number of partitions.
//! Kafka lets them; its coordinators then fail until the restart, from which on the keys are elsewhere.
//! Left out: quotas.
//!
//! v0: KIP-195. v1: nothing. v2: flexible. v3: quota errors (KIP-599).

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use kafka_protocol::messages::create_partitions_request::CreatePartitionsTopic;
use kafka_protocol::messages::create_partitions_response::CreatePartitionsTopicResult;
use kafka_protocol::messages::{CreatePartitionsRequest, CreatePartitionsResponse};

use super::errors::KafkaError;
use super::exchange::{Failure, answer, decode};
use super::{Api, Reply, RequestContext, assignment, view};
use crate::broker::{Broker, TopicError, TopicGrowth};
use crate::metadata::ClusterImage;
use crate::protocol::ErrorCode;

/// The row of `APIS`.
pub(super) const API: Api = Api { key: 37, handle: |context, body| Box::pin(handle(context, body)) };

/// Partitions that one request may add in all. As Kafka's `MAX_RECORDS_PER_USER_OP`.
const PARTITIONS_MAX: i64 = 10_000;

async fn handle(context: RequestContext, body: Bytes) -> Reply {
    let header = &context.header;
    let request: CreatePartitionsRequest = match decode(header, body) {
        Ok(request) => request,
        Err(reply) => return reply,
    };
    let node_id = context.broker.config().node_id.0;
    let planned = plan(node_id, &context.broker.image(), &request.topics);
    let growths = planned.iter().filter_map(|(_, plan)| plan.as_ref().ok()).cloned().collect();
    let mut created = create(&context.broker, growths, &request).await.into_iter();
    let results = planned.into_iter().map(|(name, plan)| {
        let outcome = plan.and_then(|_| created.next().expect("a result for each topic that was asked for"));
        if let Err(failure) = &outcome {
            context.broker.metrics().request_error(API.key, failure.code.name());
        }
        result(&name, outcome)
    });
    answer(header, &CreatePartitionsResponse::default().with_results(results.collect()))
}

/// Adds partitions within the request's time. Who is not told in time asks again, and hears that they exist.
async fn create(
    broker: &Arc<Broker>,
    growths: Vec<TopicGrowth>,
    request: &CreatePartitionsRequest,
) -> Vec<Result<(), Failure>> {
    let count = growths.len();
    if count == 0 {
        return Vec::new();
    }
    let (broker, validate_only) = (broker.clone(), request.validate_only);
    let growing = async move { broker.create_partitions(growths, validate_only).await };
    view::each_in_time(count, request.timeout_ms, growing).await
}

type Planned = Vec<(String, Result<TopicGrowth, Failure>)>;

/// What is to grow. The broker looks again when nobody else can change a topic.
fn plan(node_id: i32, image: &ClusterImage, topics: &[CreatePartitionsTopic]) -> Planned {
    let mut times: BTreeMap<&str, u32> = BTreeMap::new();
    topics.iter().for_each(|topic| *times.entry(topic.name.as_str()).or_default() += 1);
    let duplicate = || Err(Failure::new(ErrorCode::InvalidRequest, "Duplicate topic name."));
    let twice = times.iter().filter(|(_, times)| **times > 1);
    let mut planned: Planned = twice.map(|(name, _)| ((*name).to_owned(), duplicate())).collect();
    let mut added: i64 = 0;
    for topic in topics.iter().filter(|topic| times[topic.name.as_str()] == 1) {
        let plan = plan_one(node_id, image, topic).and_then(|(growth, additional)| {
            added += i64::from(additional);
            match added > PARTITIONS_MAX {
                true => Err(Failure::new(
                    ErrorCode::PolicyViolation,
                    "Excessively large number of partitions per request.",
                )),
                false => Ok(growth),
            }
        });
        planned.push((topic.name.to_string(), plan));
    }
    planned
}

/// How one topic is to grow, and by how much.
fn plan_one(
    node_id: i32,
    image: &ClusterImage,
    topic: &CreatePartitionsTopic,
) -> Result<(TopicGrowth, i32), Failure> {
    let growth = TopicGrowth {
        topic: topic.name.to_string(),
        partitions: topic.count,
        assignments: topic.assignments.as_ref().map(Vec::len),
    };
    let found = image.topic(&growth.topic).ok_or_else(|| TopicError::Unknown.failure())?;
    growth.check(found).map_err(|error| error.failure())?;
    if view::is_internal(&growth.topic) {
        let words = format!("{} cannot grow: its partition count says where each key is kept.", growth.topic);
        return Err(Failure::new(ErrorCode::InvalidPartitions, words));
    }
    for assignment in topic.assignments.iter().flatten() {
        let checked = assignment::check(node_id, &assignment.broker_ids);
        checked.map_err(|words| Failure::new(ErrorCode::InvalidReplicaAssignment, words))?;
    }
    Ok((growth, topic.count - found.partitions))
}

fn result(name: &str, outcome: Result<(), Failure>) -> CreatePartitionsTopicResult {
    let result = CreatePartitionsTopicResult::default().with_name(view::topic_name(name));
    match outcome {
        Ok(()) => result.with_error_message(None),
        // Measured against Kafka 4.3: no words for what is unknown or late.
        Err(Failure {
            code: code @ (ErrorCode::UnknownTopicOrPartition | ErrorCode::RequestTimedOut),
            ..
        }) => result.with_error_code(code.code()).with_error_message(None),
        Err(failure) => result.with_error_code(failure.code.code()).with_error_message(failure.words()),
    }
}

#[cfg(test)]
mod tests;
