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
use super::exchange::{Failure, answer, decode};
use super::view::{TopicKey, open_partition};
use super::{Api, Reply, RequestContext};
use crate::metadata::ClusterImage;
use crate::model::{Offset, TopicId};
use crate::partition::ActiveProducer;

/// The row of `APIS`.
pub(super) const API: Api =
    Api { key: 61, handle: |context, body| Box::pin(std::future::ready(handle(&context, body))) };

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
    let topic = TopicKey { name: topic.name.as_str(), topic_id: TopicId::ZERO }.find(image, false)?;
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
            response.with_error_code(failure.code.code()).with_error_message(failure.words())
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
