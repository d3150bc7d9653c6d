//! DescribeTopicPartitions, key 75, version 0.
//!
//! Topics by name, in the order of their names, a page of partitions at a time; the cursor says where the
//! next page begins.
//! Left out: eligible leader replicas (KIP-966), which are always an empty list.
//!
//! v0: KIP-966.

use std::collections::BTreeSet;

use bytes::Bytes;
use kafka_protocol::messages::describe_topic_partitions_response::{
    Cursor, DescribeTopicPartitionsResponsePartition, DescribeTopicPartitionsResponseTopic,
};
use kafka_protocol::messages::{BrokerId, DescribeTopicPartitionsRequest, DescribeTopicPartitionsResponse};

use super::exchange::{answer, decode};
use super::view::{self, PartitionView, node_id, topic_name};
use super::{Api, Reply, RequestContext};
use crate::metadata::{ClusterImage, TopicImage};
use crate::protocol::ErrorCode;

/// The row of `APIS`.
pub(super) const API: Api =
    Api { key: 75, handle: |context, body| Box::pin(std::future::ready(handle(&context, body))) };

const NO_LEADER: BrokerId = BrokerId(-1);

fn handle(context: &RequestContext, body: Bytes) -> Reply {
    let header = &context.header;
    let request: DescribeTopicPartitionsRequest = match decode(header, body) {
        Ok(request) => request,
        Err(reply) => return reply,
    };
    let image = context.broker.image();
    let response = match wanted(&request, &image) {
        Some(names) => page(context, &image, &request, names),
        None => invalid(&request),
    };
    answer(header, &response)
}

/// Names from the cursor on, ascending. `None` if the cursor does not fit the request.
fn wanted(request: &DescribeTopicPartitionsRequest, image: &ClusterImage) -> Option<BTreeSet<String>> {
    let from = request.cursor.as_ref().map_or("", |cursor| cursor.topic_name.as_str());
    let all = request.topics.is_empty();
    let names: BTreeSet<String> = match all {
        true => {
            image.topics().map(|topic| topic.name.to_string()).filter(|name| name.as_str() >= from).collect()
        }
        false => {
            let named = request.topics.iter().map(|topic| topic.name.to_string());
            named.filter(|name| name.as_str() >= from).collect()
        }
    };
    let fits = request.cursor.as_ref().is_none_or(|cursor| {
        cursor.partition_index >= 0 && (all || names.contains(cursor.topic_name.as_str()))
    });
    fits.then_some(names)
}

fn page(
    context: &RequestContext,
    image: &ClusterImage,
    request: &DescribeTopicPartitionsRequest,
    names: BTreeSet<String>,
) -> DescribeTopicPartitionsResponse {
    let limit = usize::try_from(request.response_partition_limit).unwrap_or(0);
    let mut room = limit.min(context.broker.config().request_partitions_max).max(1);
    let mut response = DescribeTopicPartitionsResponse::default();
    for name in names {
        if room == 0 {
            response.next_cursor = Some(cursor(&name, 0));
            break;
        }
        let cursor_here = request.cursor.as_ref().filter(|cursor| cursor.topic_name.as_str() == name);
        let first = cursor_here.map_or(0, |cursor| cursor.partition_index);
        let Some(found) = image.topic(&name) else {
            if !request.topics.is_empty() {
                response.topics.push(failed(&name, view::unknown_topic(&name)));
            }
            continue;
        };
        let shown = topic(context, found, first, room);
        let end = first.saturating_add(i32::try_from(shown.partitions.len()).unwrap_or(i32::MAX));
        room -= shown.partitions.len();
        response.topics.push(shown);
        if end < found.partitions {
            response.next_cursor = Some(cursor(&name, end));
            break;
        }
    }
    response
}

fn cursor(name: &str, partition_index: i32) -> Cursor {
    Cursor::default().with_topic_name(topic_name(name)).with_partition_index(partition_index)
}

fn topic(
    context: &RequestContext,
    topic: &TopicImage,
    first: i32,
    room: usize,
) -> DescribeTopicPartitionsResponseTopic {
    let node = node_id(&context.broker);
    let shown = view::partitions(&context.broker, topic, first).take(room);
    DescribeTopicPartitionsResponseTopic::default()
        .with_name(Some(topic_name(&topic.name)))
        .with_topic_id(topic.topic_id.0)
        .with_is_internal(view::is_internal(&topic.name))
        .with_topic_authorized_operations(view::TOPIC_OPERATIONS)
        .with_partitions(shown.map(|shown| partition(node, &shown)).collect())
}

/// Unlike Metadata this tells no error for a partition without a leader.
fn partition(node: BrokerId, shown: &PartitionView) -> DescribeTopicPartitionsResponsePartition {
    let (leader, offline) = if shown.online { (node, vec![]) } else { (NO_LEADER, vec![node]) };
    DescribeTopicPartitionsResponsePartition::default()
        .with_partition_index(shown.index)
        .with_leader_id(leader)
        .with_leader_epoch(shown.leader_epoch.0)
        .with_replica_nodes(vec![node])
        .with_isr_nodes(vec![node])
        .with_eligible_leader_replicas(Some(Vec::new()))
        .with_last_known_elr(Some(Vec::new()))
        .with_offline_replicas(offline)
}

fn failed(name: &str, code: ErrorCode) -> DescribeTopicPartitionsResponseTopic {
    DescribeTopicPartitionsResponseTopic::default()
        .with_error_code(code.code())
        .with_name(Some(topic_name(name)))
        .with_is_internal(view::is_internal(name))
        .with_topic_authorized_operations(view::TOPIC_OPERATIONS)
}

fn invalid(request: &DescribeTopicPartitionsRequest) -> DescribeTopicPartitionsResponse {
    let refused = request.topics.iter().map(|topic| {
        failed(topic.name.as_str(), ErrorCode::InvalidRequest)
            .with_topic_authorized_operations(view::OPERATIONS_NOT_ASKED)
    });
    DescribeTopicPartitionsResponse::default().with_topics(refused.collect())
}

#[cfg(test)]
mod tests;
