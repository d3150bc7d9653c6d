//! DeleteRecords, key 21, versions 0 to 2.
//!
//! Moves log starts: what lies below is deleted, durably before the answer, which tells where the log starts
//! then. -1 is the high watermark. A start that lies further already stays. Of topics that are only compacted
//! nothing can be deleted. A partition that is named twice is answered once, and the last offset counts, as
//! in Kafka; topics and partitions are answered in the order in which they come first in the request.
//!
//! v0: KIP-107. v1: nothing. v2: flexible.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use kafka_protocol::messages::delete_records_request::DeleteRecordsTopic;
use kafka_protocol::messages::delete_records_response::{
    DeleteRecordsPartitionResult, DeleteRecordsTopicResult,
};
use kafka_protocol::messages::{DeleteRecordsRequest, DeleteRecordsResponse};

use super::exchange::{Failure, answer, decode};
use super::{Api, Reply, RequestContext, view};
use crate::broker::{Broker, RecordDeletion};
use crate::metadata::TopicImage;
use crate::model::Offset;
use crate::protocol::ErrorCode;

/// The row of `APIS`.
pub(super) const API: Api = Api { key: 21, handle: |context, body| Box::pin(handle(context, body)) };

/// "The high watermark", for an offset.
const HIGH_WATERMARK: i64 = -1;
/// The low watermark where there is an error.
const NO_LOW_WATERMARK: i64 = -1;

async fn handle(context: RequestContext, body: Bytes) -> Reply {
    let header = &context.header;
    let request: DeleteRecordsRequest = match decode(header, body) {
        Ok(request) => request,
        Err(reply) => return reply,
    };
    let planned = plan(&context.broker, &request.topics);
    let all = planned.iter().flat_map(|topic| &topic.partitions);
    let deletions = all.filter_map(|(_, plan)| plan.as_ref().ok()).cloned().collect();
    let mut deleted = delete(&context.broker, deletions, request.timeout_ms).await.into_iter();
    let topics = planned.into_iter().map(|topic| {
        let partitions = topic.partitions.into_iter().map(|(index, plan)| {
            let outcome = plan.and_then(|_| deleted.next().expect("a result for each partition"));
            result(&context, index, outcome)
        });
        DeleteRecordsTopicResult::default()
            .with_name(view::topic_name(topic.name))
            .with_partitions(partitions.collect())
    });
    answer(header, &DeleteRecordsResponse::default().with_topics(topics.collect()))
}

/// Deletes within the request's time. Who is not told in time asks again, and hears where the log starts.
async fn delete(
    broker: &Arc<Broker>,
    deletions: Vec<RecordDeletion>,
    timeout_ms: i32,
) -> Vec<Result<Offset, Failure>> {
    let count = deletions.len();
    if count == 0 {
        return Vec::new();
    }
    let broker = broker.clone();
    let deleting = async move { broker.delete_records(&deletions).await };
    view::each_in_time(count, timeout_ms, deleting).await
}

/// The partitions of one topic and what is to become of them.
struct PlannedTopic<'a> {
    name: &'a str,
    partitions: Vec<(i32, Result<RecordDeletion, Failure>)>,
}

/// Each topic once, and each of its partitions once. Topics of which no partition is named are left out, as
/// by Kafka.
fn plan<'a>(broker: &Broker, topics: &'a [DeleteRecordsTopic]) -> Vec<PlannedTopic<'a>> {
    let mut order: Vec<(&str, Vec<i32>)> = Vec::new();
    let mut places: HashMap<&str, usize> = HashMap::new();
    let mut offsets: HashMap<(&str, i32), i64> = HashMap::new();
    for topic in topics.iter().filter(|topic| !topic.partitions.is_empty()) {
        let name = topic.name.as_str();
        let place = *places.entry(name).or_insert_with(|| {
            order.push((name, Vec::new()));
            order.len() - 1
        });
        for asked in &topic.partitions {
            if offsets.insert((name, asked.partition_index), asked.offset).is_none() {
                order[place].1.push(asked.partition_index);
            }
        }
    }
    let image = broker.image();
    let planned = order.into_iter().map(|(name, indexes)| {
        let topic = image.topic(name);
        let partitions = indexes.into_iter().map(|index| {
            let plan = match topic {
                Some(topic) => plan_one(broker, topic, index, offsets[&(name, index)]),
                None => Err(ErrorCode::UnknownTopicOrPartition.into()),
            };
            (index, plan)
        });
        PlannedTopic { name, partitions: partitions.collect() }
    });
    planned.collect()
}

/// In the order of Kafka 4.3.
fn plan_one(
    broker: &Broker,
    topic: &Arc<TopicImage>,
    index: i32,
    offset: i64,
) -> Result<RecordDeletion, Failure> {
    if view::is_internal(&topic.name) && (0..topic.partitions).contains(&index) {
        return Err(ErrorCode::InvalidTopicException.into());
    }
    let partition = view::open_partition(broker, topic, index)?;
    let cleanup = broker.topic_config(topic).cleanup;
    if cleanup.compact && !cleanup.delete {
        return Err(ErrorCode::PolicyViolation.into());
    }
    let before = (offset != HIGH_WATERMARK).then_some(Offset(offset));
    Ok(RecordDeletion { partition, before })
}

fn result(
    context: &RequestContext,
    index: i32,
    outcome: Result<Offset, Failure>,
) -> DeleteRecordsPartitionResult {
    let (code, low_watermark) = match outcome {
        Ok(log_start_offset) => (ErrorCode::None, log_start_offset.0),
        Err(failure) => {
            context.broker.metrics().request_error(API.key, failure.code.name());
            (failure.code, NO_LOW_WATERMARK)
        }
    };
    DeleteRecordsPartitionResult::default()
        .with_partition_index(index)
        .with_low_watermark(low_watermark)
        .with_error_code(code.code())
}

#[cfg(test)]
mod tests;
