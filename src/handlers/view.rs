//! What several APIs show of the cluster in the same way.

use std::sync::Arc;
use std::time::Duration;

use kafka_protocol::messages::{BrokerId, TopicName};

use super::errors::KafkaError;
use super::exchange::{Failure, text};
use crate::broker::{Broker, OFFSETS_TOPIC};
use crate::config::ServerConfig;
use crate::env::time;
use crate::metadata::{ClusterImage, TopicImage, validate_topic_name};
use crate::model::{LeaderEpoch, TopicId, TopicPartition};
use crate::partition::{Partition, PartitionStatus};
use crate::protocol::ErrorCode;

/// "Not asked for", where operations would stand.
pub(super) const OPERATIONS_NOT_ASKED: i32 = i32::MIN;
/// Every operation on a topic, by bit: 3 read, 4 write, 5 create, 6 delete, 7 alter, 8 describe, 10 and 11
/// describe and alter configurations. Measured against Kafka 4.3 without an authorizer (KIP-430).
pub(super) const TOPIC_OPERATIONS: i32 = 0b1101_1111_1000;
/// Every operation on the cluster: 5 create, 7 alter, 8 describe, 9 cluster action, 10 and 11 configurations,
/// 12 idempotent write. Measured likewise.
pub(super) const CLUSTER_OPERATIONS: i32 = 0b1_1111_1010_0000;

/// Every operation on a group: 3 read, 6 delete, 8 describe, 10 and 11 configurations. Likewise.
pub(super) const GROUP_OPERATIONS: i32 = 0b1101_0100_1000;

/// Topics that Kafka keeps for itself.
const INTERNAL_TOPICS: &[&str] = &[OFFSETS_TOPIC, "__transaction_state", "__share_group_state"];

/// Whether a topic belongs to the broker, not to its clients.
pub(super) fn is_internal(topic: &str) -> bool {
    INTERNAL_TOPICS.contains(&topic)
}

/// This broker's number on the wire.
pub(super) fn node_id(broker: &Broker) -> BrokerId {
    BrokerId(broker.node_id().0)
}

pub(super) fn topic_name(name: &str) -> TopicName {
    TopicName(text(name))
}

/// What a name that nobody has is answered with.
pub(super) fn unknown_topic(name: &str) -> ErrorCode {
    match validate_topic_name(name) {
        Ok(()) => ErrorCode::UnknownTopicOrPartition,
        Err(_) => ErrorCode::InvalidTopicException,
    }
}

/// `default.replication.factor`, in wire width.
pub(super) fn default_replication_factor(config: &ServerConfig) -> i16 {
    i16::try_from(config.default_replication_factor).unwrap_or(i16::MAX)
}

/// How one partition is shown.
pub(super) struct PartitionView {
    pub(super) index: i32,
    pub(super) leader_epoch: LeaderEpoch,
    /// False for a partition whose log is damaged: it has no leader.
    pub(super) online: bool,
}

/// The partitions of a topic, from `first` on.
pub(super) fn partitions(
    broker: &Broker,
    topic: &TopicImage,
    first: i32,
) -> impl Iterator<Item = PartitionView> {
    let boot = broker.boot();
    let topic_id = topic.topic_id;
    (first..topic.partitions).map(move |partition| {
        let open = broker.partition(TopicPartition { topic_id, partition });
        let online = open.is_some_and(|open| open.status() == PartitionStatus::Online);
        PartitionView { index: partition, leader_epoch: topic.leader_epoch(partition, boot), online }
    })
}

/// A topic as a request names it: by id in the versions that have ids, else by name.
pub(super) struct TopicKey<'a> {
    pub(super) name: &'a str,
    pub(super) topic_id: TopicId,
}

impl TopicKey<'_> {
    /// The topic, if it exists.
    pub(super) fn find(&self, image: &ClusterImage, by_id: bool) -> Result<Arc<TopicImage>, Failure> {
        let (found, missing) = match by_id {
            true => (image.topic_by_id(self.topic_id), ErrorCode::UnknownTopicId),
            false => (image.topic(self.name), ErrorCode::UnknownTopicOrPartition),
        };
        found.cloned().ok_or_else(|| missing.into())
    }
}

/// An open partition of a topic that exists.
pub(super) fn open_partition(
    broker: &Broker,
    topic: &TopicImage,
    partition: i32,
) -> Result<Arc<Partition>, Failure> {
    if !(0..topic.partitions).contains(&partition) {
        return Err(ErrorCode::UnknownTopicOrPartition.into());
    }
    let topic_partition = TopicPartition { topic_id: topic.topic_id, partition };
    broker.partition(topic_partition).ok_or_else(|| match broker.stopped_reason(topic_partition) {
        Some(reason) => {
            Failure::new(ErrorCode::KafkaStorageError, format!("the partition is stopped: {reason}"))
        }
        // Deleted since the catalogue was looked at.
        None => ErrorCode::UnknownTopicOrPartition.into(),
    })
}

/// A partition that stopped has nothing to tell.
pub(super) fn check_online(partition: &Partition) -> Result<(), Failure> {
    match partition.status() {
        PartitionStatus::Online => Ok(()),
        PartitionStatus::Stopped(reason) => {
            Err(Failure::new(ErrorCode::KafkaStorageError, format!("the partition is stopped: {reason}")))
        }
        PartitionStatus::Deleted => Err(ErrorCode::UnknownTopicOrPartition.into()),
    }
}

/// KIP-320: the leader epoch that a client believes in must be the partition's; -1 is not compared, and no
/// other negative number is a "none" (measured against Kafka 4.3).
pub(super) fn check_leader_epoch(partition: &Partition, claimed: i32) -> Result<(), Failure> {
    let current = partition.leader_epoch();
    match claimed {
        claimed if claimed == LeaderEpoch::NONE.0 || claimed == current.0 => Ok(()),
        claimed if claimed < current.0 => Err(ErrorCode::FencedLeaderEpoch.into()),
        _ => Err(ErrorCode::UnknownLeaderEpoch.into()),
    }
}

/// Runs a change to its end though the client may go away meanwhile: a handler's future is dropped with its
/// connection, and half a change must not be.
pub(super) async fn to_the_end<T: Send + 'static>(change: impl Future<Output = T> + Send + 'static) -> T {
    tokio::spawn(change).await.expect("a change is never aborted; if it panics, so does this connection")
}

/// Runs a change of `count` things to its end, and tells of each; what is not done in a request's time has
/// timed out for the client, though it goes on.
pub(super) async fn each_in_time<T: Send + 'static, E: KafkaError + Send + 'static>(
    count: usize,
    timeout_ms: i32,
    change: impl Future<Output = Vec<Result<T, E>>> + Send + 'static,
) -> Vec<Result<T, Failure>> {
    match time::timeout(change_timeout(timeout_ms), to_the_end(change)).await {
        Ok(results) => results.into_iter().map(|result| result.map_err(|error| error.failure())).collect(),
        Err(time::Elapsed) => (0..count).map(|_| Err(ErrorCode::RequestTimedOut.into())).collect(),
    }
}

/// Shortest wait for something to become durable, whatever a request says: Kafka counts only the wait for
/// other brokers against a request's timeout, never its own write, and clients that send 0 must not fail
/// here.
pub(super) const WAIT_MIN: Duration = Duration::from_secs(1);

/// How long the answer to a change may take, from a request's `timeout_ms`.
pub(super) fn change_timeout(timeout_ms: i32) -> Duration {
    Duration::from_millis(timeout_ms.max(0).unsigned_abs().into()).max(WAIT_MIN)
}
