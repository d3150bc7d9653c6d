//! WriteTxnMarkers, key 27, version 1.
//!
//! Ends transactions in partitions, whatever their coordinators say: by it administrators end one that hangs.
//! Left out: version 2 (a marker's transaction version), which the codec crate lacks.
//!
//! v1: flexible.

use bytes::Bytes;
use kafka_protocol::messages::write_txn_markers_request::WritableTxnMarker;
use kafka_protocol::messages::write_txn_markers_response::{
    WritableTxnMarkerPartitionResult, WritableTxnMarkerResult, WritableTxnMarkerTopicResult,
};
use kafka_protocol::messages::{WriteTxnMarkersRequest, WriteTxnMarkersResponse};

use super::errors::KafkaError;
use super::exchange::{answer, decode};
use super::transactions::{counted, named};
use super::view::to_the_end;
use super::{Api, Reply, RequestContext};
use crate::model::{CoordinatorEpoch, ProducerEpoch, ProducerId, TransactionResult};
use crate::partition::{MarkerOrigin, TransactionMarker};
use crate::protocol::ErrorCode;
use crate::transaction::NamedPartition;

/// The row of `APIS`.
pub(super) const API: Api =
    Api { key: 27, handle: |context, body| Box::pin(std::future::ready(handle(context, body))) };

/// What a version that does not say it goes by.
const TRANSACTION_VERSION: i16 = 0;

fn handle(context: RequestContext, body: Bytes) -> Reply {
    let request: WriteTxnMarkersRequest = match decode(&context.header, body) {
        Ok(request) => request,
        Err(reply) => return reply,
    };
    Reply::pending(async move {
        let mut results = Vec::with_capacity(request.markers.len());
        for marker in request.markers {
            let partitions = marker.topics.iter();
            let partitions =
                named(partitions.map(|topic| (topic.name.as_str(), topic.partition_indexes.as_slice())));
            let broker = context.broker.clone();
            let to_write = understood(&marker);
            let written = match is_of_nobody(&marker) {
                true => vec![ErrorCode::InvalidRequest; partitions.len()],
                // Whether or not somebody still waits for the answer: half of the partitions would hang else.
                false => to_the_end(async move { write(&broker, &partitions, to_write).await }).await,
            };
            let codes = written.into_iter().map(|code| counted(&context, code));
            results.extend(shown(&marker, codes));
        }
        answer(&context.header, &WriteTxnMarkersResponse::default().with_markers(results))
    })
}

/// A marker in the log of a producer that there cannot be would be read by every consumer. Kafka fails with
/// UNKNOWN_SERVER_ERROR.
fn is_of_nobody(marker: &WritableTxnMarker) -> bool {
    marker.producer_id.0 < 0 || marker.producer_epoch < 0
}

fn understood(marker: &WritableTxnMarker) -> TransactionMarker {
    TransactionMarker {
        origin: MarkerOrigin::Client,
        producer_id: ProducerId(marker.producer_id.0),
        producer_epoch: ProducerEpoch(marker.producer_epoch),
        coordinator_epoch: CoordinatorEpoch(marker.coordinator_epoch),
        result: if marker.transaction_result { TransactionResult::Commit } else { TransactionResult::Abort },
        transaction_version: TRANSACTION_VERSION,
    }
}

async fn write(
    broker: &crate::broker::Broker,
    partitions: &[NamedPartition],
    marker: TransactionMarker,
) -> Vec<ErrorCode> {
    let written = broker.end_transactions(partitions.iter().map(|partition| (partition, marker))).await;
    written
        .into_iter()
        .map(|written| written.map_or_else(|refused| refused.code(), |()| ErrorCode::None))
        .collect()
}

/// Measured against Kafka 4.3: what has no partitions is not in the answer.
fn shown(
    marker: &WritableTxnMarker,
    mut codes: impl Iterator<Item = ErrorCode>,
) -> Option<WritableTxnMarkerResult> {
    let topics = marker.topics.iter().filter(|topic| !topic.partition_indexes.is_empty());
    let topics: Vec<_> = topics
        .map(|topic| {
            let partitions = topic.partition_indexes.iter().map(|index| {
                let code = codes.next().expect("each partition has one");
                WritableTxnMarkerPartitionResult::default()
                    .with_partition_index(*index)
                    .with_error_code(code.code())
            });
            WritableTxnMarkerTopicResult::default()
                .with_name(topic.name.clone())
                .with_partitions(partitions.collect())
        })
        .collect();
    (!topics.is_empty())
        .then(|| WritableTxnMarkerResult::default().with_producer_id(marker.producer_id).with_topics(topics))
}
