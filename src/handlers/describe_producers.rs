//! DescribeProducers, key 61, version 0.
//!
//! The producers that partitions know, and what each of them has not ended: `kafka-transactions` looks here
//! for transactions that hang. `last_timestamp` is when the producer last wrote by the broker's clock, where
//! Kafka 4.3 has the time of its last record: that is the client's to choose, and would have a transaction
//! look as if it hung.
//! Left out: nothing.
//!
//! v0: KIP-664.

use bytes::Bytes;
use kafka_protocol::messages::describe_producers_request::TopicRequest;
use kafka_protocol::messages::describe_producers_response::{
    PartitionResponse, ProducerState, TopicResponse,
};
use kafka_protocol::messages::{DescribeProducersRequest, DescribeProducersResponse, ProducerId};

use super::errors::KafkaError;
use super::exchange::{Failure, answer, decode, text};
use super::view::{TopicKey, open_partition};
use super::{Api, Reply, RequestContext};
use crate::metadata::{ClusterImage, validate_topic_name};
use crate::model::{Offset, TopicId};
use crate::partition::ActiveProducer;
use crate::protocol::ErrorCode;

/// The row of `APIS`.
pub(super) const API: Api =
    Api { key: 61, handle: |context, body| Box::pin(std::future::ready(handle(&context, body))) };

/// Kafka's words of a topic that there is not.
const UNKNOWN_TOPIC: &str = "This server does not host this topic-partition.";

fn handle(context: &RequestContext, body: Bytes) -> Reply {
    let request: DescribeProducersRequest = match decode(&context.header, body) {
        Ok(request) => request,
        Err(reply) => return reply,
    };
    let image = context.broker.image();
    let topics = request.topics.iter().map(|topic| {
        let indexes = topic.partition_indexes.iter();
        let partitions =
            indexes.map(|index| partition_response(context, *index, look_up(context, &image, topic, *index)));
        TopicResponse::default().with_name(topic.name.clone()).with_partitions(partitions.collect())
    });
    answer(&context.header, &DescribeProducersResponse::default().with_topics(topics.collect()))
}

fn look_up(
    context: &RequestContext,
    image: &ClusterImage,
    topic: &TopicRequest,
    index: i32,
) -> Result<Vec<ActiveProducer>, Failure> {
    // Measured against Kafka 4.3: this key alone tells an illegal name from an unknown one, and says nothing
    // of a partition that a topic does not have.
    validate_topic_name(topic.name.as_str())
        .map_err(|error| Failure::new(ErrorCode::InvalidTopicException, error.to_string()))?;
    let topic = TopicKey { name: topic.name.as_str(), topic_id: TopicId::ZERO }.find(image, false).map_err(
        |failure| match failure.code {
            ErrorCode::UnknownTopicOrPartition => Failure::new(failure.code, UNKNOWN_TOPIC),
            _ => failure,
        },
    )?;
    let partition = open_partition(&context.broker, &topic, index)?;
    partition.active_producers().map_err(|error| error.failure())
}

fn partition_response(
    context: &RequestContext,
    index: i32,
    found: Result<Vec<ActiveProducer>, Failure>,
) -> PartitionResponse {
    let response = PartitionResponse::default().with_partition_index(index).with_error_message(None);
    match found {
        Ok(producers) => response.with_active_producers(producers.iter().map(producer_state).collect()),
        Err(failure) => {
            context.broker.metrics().request_error(API.key, failure.code.name());
            let words =
                Some(&failure.message).filter(|words| *words != ErrorCode::UnknownTopicOrPartition.message());
            response.with_error_code(failure.code.code()).with_error_message(words.map(text))
        }
    }
}

fn producer_state(producer: &ActiveProducer) -> ProducerState {
    let first_offset = producer.transaction.map_or(Offset::NONE, |transaction| transaction.first_offset);
    ProducerState::default()
        .with_producer_id(ProducerId(producer.producer_id.0))
        .with_producer_epoch(producer.producer_epoch.0.into())
        .with_last_sequence(producer.last_sequence)
        .with_last_timestamp(producer.last_append.0)
        .with_coordinator_epoch(producer.coordinator_epoch.0)
        .with_current_txn_start_offset(first_offset.0)
}

#[cfg(test)]
mod tests;
