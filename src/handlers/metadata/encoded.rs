//! The answer put together from encoded topics: those that exist are encoded once and kept by the broker.

use bytes::{BufMut, Bytes, BytesMut};
use kafka_protocol::messages::metadata_response::{MetadataResponsePartition, MetadataResponseTopic};
use kafka_protocol::messages::{BrokerId, MetadataResponse};

use super::{API, NO_LEADER, topic_response};
use crate::broker::{Broker, TopicForm};
use crate::handlers::view::{self, node_id};
use crate::handlers::{Reply, RequestHeader};
use crate::metadata::TopicImage;
use crate::model::LeaderEpoch;
use crate::protocol::ErrorCode;
use crate::protocol::Piece;
use crate::protocol::response::{self, EncodeError};

/// First version with compact arrays and tagged fields.
const VERSION_FLEXIBLE: i16 = 9;
/// Versions that tell operations on the cluster, behind the topics.
const VERSIONS_WITH_CLUSTER_OPERATIONS: std::ops::RangeInclusive<i16> = 8..=10;
/// First version with an error for the whole, behind the topics.
const VERSION_WITH_ERROR_CODE: i16 = 13;
/// From this size on a topic's bytes are sent as the cache keeps them; below, copying them costs less than
/// one more piece.
const SHARED_BYTES_MIN: usize = 16 << 10;

/// A topic that exists, in the form that a request wants it.
pub(super) fn topic(
    broker: &Broker,
    topic: &std::sync::Arc<TopicImage>,
    form: TopicForm,
) -> Result<Bytes, EncodeError> {
    broker.encoded_topic(topic, form, |offline| {
        let (node, boot) = (node_id(broker), broker.boot());
        let partitions = (0..topic.partitions).map(|index| {
            let online = offline.binary_search(&index).is_err();
            partition(node, index, topic.leader_epoch(index, boot), online)
        });
        let shown = topic_response(topic).with_partitions(partitions.collect());
        part(shown, form)
    })
}

/// What a request is told of one topic, encoded.
pub(super) fn part(topic: MetadataResponseTopic, form: TopicForm) -> Result<Bytes, EncodeError> {
    let operations = if form.tells_operations { view::TOPIC_OPERATIONS } else { view::OPERATIONS_NOT_ASKED };
    let topic = topic.with_topic_authorized_operations(operations);
    response::encode_part(API.key, form.api_version, &topic)
}

/// One replica, the leader. Measured against Kafka 4.3: a partition whose log failed has no leader, its only
/// replica is offline, and the code is LEADER_NOT_AVAILABLE.
fn partition(
    node: BrokerId,
    index: i32,
    leader_epoch: LeaderEpoch,
    online: bool,
) -> MetadataResponsePartition {
    let (code, leader, offline) = match online {
        true => (ErrorCode::None, node, vec![]),
        false => (ErrorCode::LeaderNotAvailable, NO_LEADER, vec![node]),
    };
    MetadataResponsePartition::default()
        .with_error_code(code.code())
        .with_partition_index(index)
        .with_leader_id(leader)
        .with_leader_epoch(leader_epoch.0)
        .with_replica_nodes(vec![node])
        .with_isr_nodes(vec![node])
        .with_offline_replicas(offline)
}

/// The reply: `around` (which has no topics of its own) with these topics in it, as the codec crate would
/// write it.
pub(super) fn reply(
    header: &RequestHeader,
    around: &MetadataResponse,
    topics: &[Bytes],
) -> Result<Reply, EncodeError> {
    let version = header.api_version;
    let whole = response::encode(API.key, version, header.correlation_id, around)?;
    let flexible = version >= VERSION_FLEXIBLE;
    let tail_at = whole.len() - bytes_behind_topics(version);
    let copied: usize = topics.iter().map(Bytes::len).filter(|length| *length < SHARED_BYTES_MIN).sum();
    let mut buffer = BytesMut::with_capacity(whole.len() + COUNT_BYTES_MAX + copied);
    buffer.put_slice(&whole[..tail_at - empty_array_bytes(flexible)]);
    response::put_array_length(&mut buffer, flexible, topics.len());
    let mut pieces = Vec::new();
    for topic in topics {
        if topic.len() < SHARED_BYTES_MIN {
            buffer.put_slice(topic);
        } else {
            pieces.extend([Piece::Bytes(buffer.split().freeze()), Piece::Bytes(topic.clone())]);
        }
    }
    buffer.put_slice(&whole[tail_at..]);
    let last = buffer.freeze();
    if pieces.is_empty() {
        return Ok(Reply::Message(last));
    }
    pieces.push(Piece::Bytes(last));
    Ok(Reply::Pieces(pieces))
}

/// An array's count, compact or not.
const COUNT_BYTES_MAX: usize = 5;

fn empty_array_bytes(flexible: bool) -> usize {
    if flexible { 1 } else { 4 }
}

/// Operations on the cluster, the error code and the count of tagged fields, where a version has them.
fn bytes_behind_topics(version: i16) -> usize {
    let operations = if VERSIONS_WITH_CLUSTER_OPERATIONS.contains(&version) { 4 } else { 0 };
    let error = if version >= VERSION_WITH_ERROR_CODE { 2 } else { 0 };
    operations + error + usize::from(version >= VERSION_FLEXIBLE)
}
