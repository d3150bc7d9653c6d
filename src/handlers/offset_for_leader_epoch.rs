//! OffsetForLeaderEpoch, key 23, versions 2 to 4.
//!
//! Tells where the records of a leader epoch end: a consumer asks after every change of leader whether the
//! offset it stands at is still part of the log (KIP-320).
//! Left out: followers. `replica_id` changes nothing here, as in Kafka 4.3, where any node may ask a leader.
//!
//! v2: the leader epoch that the client believes in (KIP-320). v3: replica id (KIP-392). v4: flexible.

use bytes::Bytes;
use kafka_protocol::messages::offset_for_leader_epoch_request::{
    OffsetForLeaderPartition, OffsetForLeaderTopic,
};
use kafka_protocol::messages::offset_for_leader_epoch_response::{
    EpochEndOffset, OffsetForLeaderTopicResult,
};
use kafka_protocol::messages::{OffsetForLeaderEpochRequest, OffsetForLeaderEpochResponse};

use super::exchange::{Failure, answer, decode};
use super::view::{TopicKey, check_leader_epoch, check_online, open_partition};
use super::{Api, Reply, RequestContext};
use crate::metadata::ClusterImage;
use crate::model::{LeaderEpoch, Offset, TopicId};

/// The row of `APIS`.
pub(super) const API: Api =
    Api { key: 23, handle: |context, body| Box::pin(std::future::ready(handle(&context, body))) };

/// What is told of an epoch that nobody knows here.
const UNDEFINED: (LeaderEpoch, Offset) = (LeaderEpoch::NONE, Offset::NONE);

fn handle(context: &RequestContext, body: Bytes) -> Reply {
    let request: OffsetForLeaderEpochRequest = match decode(&context.header, body) {
        Ok(request) => request,
        Err(reply) => return reply,
    };
    let image = context.broker.image();
    let topics = request.topics.iter().map(|topic| {
        let partitions = topic.partitions.iter().map(|asked| {
            let found = look_up(context, &image, topic, asked);
            partition_response(context, asked.partition, found)
        });
        OffsetForLeaderTopicResult::default()
            .with_topic(topic.topic.clone())
            .with_partitions(partitions.collect())
    });
    answer(&context.header, &OffsetForLeaderEpochResponse::default().with_topics(topics.collect()))
}

fn look_up(
    context: &RequestContext,
    image: &ClusterImage,
    topic: &OffsetForLeaderTopic,
    asked: &OffsetForLeaderPartition,
) -> Result<(LeaderEpoch, Offset), Failure> {
    let topic = TopicKey { name: topic.topic.as_str(), topic_id: TopicId::ZERO }.find(image, false)?;
    let partition = open_partition(&context.broker, &topic, asked.partition)?;
    check_online(&partition)?;
    check_leader_epoch(&partition, asked.current_leader_epoch)?;
    Ok(partition.end_offset_for(LeaderEpoch(asked.leader_epoch)).unwrap_or(UNDEFINED))
}

fn partition_response(
    context: &RequestContext,
    partition: i32,
    found: Result<(LeaderEpoch, Offset), Failure>,
) -> EpochEndOffset {
    let response = EpochEndOffset::default().with_partition(partition);
    let (leader_epoch, end_offset) = match &found {
        Ok(found) => *found,
        Err(failure) => {
            context.broker.metrics().request_error(API.key, failure.code.name());
            UNDEFINED
        }
    };
    let code = found.err().map_or(0, |failure| failure.code.code());
    response.with_error_code(code).with_leader_epoch(leader_epoch.0).with_end_offset(end_offset.0)
}

#[cfg(test)]
mod tests;
