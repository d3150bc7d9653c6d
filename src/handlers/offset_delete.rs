//! OffsetDelete, key 47, version 0.
//!
//! Forgets offsets of a group, save those of topics that its members subscribe to.

use bytes::Bytes;
use kafka_protocol::messages::offset_delete_response::{
    OffsetDeleteResponsePartition, OffsetDeleteResponseTopic,
};
use kafka_protocol::messages::{OffsetDeleteRequest, OffsetDeleteResponse};

use super::exchange::{answer, decode};
use super::groups::{ask, code_of, count, kept};
use super::view::topic_name;
use super::{Api, Reply, RequestContext};
use crate::group::{GroupReply, GroupRequest, OffsetDelete};
use crate::protocol::ErrorCode;

/// The row of `APIS`.
pub(super) const API: Api =
    Api { key: 47, handle: |context, body| Box::pin(std::future::ready(handle(context, body))) };

fn handle(context: RequestContext, body: Bytes) -> Reply {
    let request: OffsetDeleteRequest = match decode(&context.header, body) {
        Ok(request) => request,
        Err(reply) => return reply,
    };
    let image = context.broker.image();
    let mut topics = Vec::with_capacity(request.topics.len());
    let mut refused = Vec::new();
    for topic in &request.topics {
        let count = image.topic(&topic.name).map_or(0, |topic| topic.partitions);
        let indexes = topic.partitions.iter().map(|partition| partition.partition_index);
        let (known, unknown): (Vec<i32>, Vec<i32>) = indexes.partition(|index| (0..count).contains(index));
        if !unknown.is_empty() {
            let code = ErrorCode::UnknownTopicOrPartition.code();
            refused.push(shown(&topic.name, unknown.into_iter().map(|index| (index, code))));
        }
        if !known.is_empty() {
            topics.push((kept(&topic.name), known));
        }
    }
    let delete = OffsetDelete { group_id: kept(&request.group_id), topics };
    let pick = |reply| if let GroupReply::OffsetDelete(reply) = reply { Some(reply) } else { None };
    let question = ask(&context, &request.group_id, GroupRequest::OffsetDelete(delete), pick);
    Reply::pending(async move {
        let response = OffsetDeleteResponse::default();
        let response = match question.reply().await {
            Ok(deleted) => {
                let deleted = deleted.iter().map(|topic| {
                    let partitions =
                        topic.partitions.iter().map(|(index, error)| (*index, code_of(error.as_ref())));
                    shown(&topic.name, partitions)
                });
                response.with_topics(merged(refused, deleted))
            }
            Err(failure) => response.with_error_code(failure.code.code()),
        };
        count(&context, response.error_code);
        answer(&context.header, &response)
    })
}

fn shown(topic: &str, partitions: impl Iterator<Item = (i32, i16)>) -> OffsetDeleteResponseTopic {
    let partitions = partitions.map(|(index, code)| {
        OffsetDeleteResponsePartition::default().with_partition_index(index).with_error_code(code)
    });
    OffsetDeleteResponseTopic::default().with_name(topic_name(topic)).with_partitions(partitions.collect())
}

/// Each topic once; those that were refused first, as in Kafka.
fn merged(
    mut refused: Vec<OffsetDeleteResponseTopic>,
    deleted: impl Iterator<Item = OffsetDeleteResponseTopic>,
) -> Vec<OffsetDeleteResponseTopic> {
    for topic in deleted {
        match refused.iter_mut().find(|known| known.name == topic.name) {
            Some(known) => known.partitions.extend(topic.partitions),
            None => refused.push(topic),
        }
    }
    refused
}
