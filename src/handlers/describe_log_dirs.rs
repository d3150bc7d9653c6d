//! DescribeLogDirs, key 35, versions 1 to 4.
//!
//! The one data directory: its absolute path, how much room its file system has, and how many bytes of log
//! each partition holds, those included that are not in a segment yet.
//! Left out: version 5, which the codec crate does not carry; several directories, and replicas on their way
//! from one to another (`is_future_key`). A partition never lags: its one replica is the leader.
//!
//! v1: throttling. v2: flexible. v3: an error of the whole (KIP-784). v4: total and usable bytes (KIP-827).

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use kafka_protocol::messages::describe_log_dirs_request::DescribableLogDirTopic;
use kafka_protocol::messages::describe_log_dirs_response::{
    DescribeLogDirsPartition, DescribeLogDirsResult, DescribeLogDirsTopic,
};
use kafka_protocol::messages::{DescribeLogDirsRequest, DescribeLogDirsResponse};

use super::exchange::{answer, decode, text};
use super::view::topic_name;
use super::{Api, Reply, RequestContext};
use crate::broker::Broker;
use crate::metadata::TopicImage;
use crate::model::TopicPartition;
use crate::protocol::ErrorCode;

/// The row of `APIS`.
pub(super) const API: Api =
    Api { key: 35, handle: |context, body| Box::pin(std::future::ready(handle(context, body))) };

/// Partitions asked for, by topic: named twice is named once. `None` asks for all.
type Wanted = Option<BTreeMap<String, BTreeSet<i32>>>;

fn handle(context: RequestContext, body: Bytes) -> Reply {
    let request: DescribeLogDirsRequest = match decode(&context.header, body) {
        Ok(request) => request,
        Err(reply) => return reply,
    };
    Reply::pending(async move {
        // The file system is asked, and a hundred thousand logs, each under its lock.
        let broker = context.broker.clone();
        let described = tokio::task::spawn_blocking(move || describe(&broker, request.topics));
        let result = described.await.unwrap_or_else(|_| {
            DescribeLogDirsResult::default().with_error_code(ErrorCode::UnknownServerError.code())
        });
        answer(&context.header, &DescribeLogDirsResponse::default().with_results(vec![result]))
    })
}

fn describe(broker: &Broker, topics: Option<Vec<DescribableLogDirTopic>>) -> DescribeLogDirsResult {
    let root = broker.storage().root();
    // Measured against Kafka 4.3: from the root, and nothing resolved.
    let path = broker.env().files.absolute(root).unwrap_or_else(|_| root.clone());
    let result = DescribeLogDirsResult::default().with_log_dir(text(path.to_string_lossy()));
    let space = broker.storage().check().map_err(|failed| failed.to_string());
    let space = space.and_then(|()| broker.env().files.space(&path).map_err(|error| error.to_string()));
    match space {
        Ok(space) => result
            .with_total_bytes(signed(space.total_bytes))
            .with_usable_bytes(signed(space.usable_bytes))
            .with_topics(sizes(broker, &wanted(topics))),
        Err(reason) => {
            tracing::warn!(path = %path.display(), reason, "the data directory cannot be described");
            broker.metrics().request_error(API.key, ErrorCode::KafkaStorageError.name());
            result
                .with_error_code(ErrorCode::KafkaStorageError.code())
                .with_total_bytes(-1)
                .with_usable_bytes(-1)
        }
    }
}

fn wanted(topics: Option<Vec<DescribableLogDirTopic>>) -> Wanted {
    let mut wanted: BTreeMap<String, BTreeSet<i32>> = BTreeMap::new();
    for topic in topics? {
        wanted.entry(topic.topic.to_string()).or_default().extend(topic.partitions);
    }
    Some(wanted)
}

/// The topics that have any of the partitions asked for. What does not exist is left out, as in Kafka.
fn sizes(broker: &Broker, wanted: &Wanted) -> Vec<DescribeLogDirsTopic> {
    let image = broker.image();
    let described: Vec<DescribeLogDirsTopic> = match wanted {
        None => image.topics().map(|topic| of_topic(broker, topic, 0..topic.partitions)).collect(),
        Some(wanted) => wanted
            .iter()
            .filter_map(|(name, partitions)| Some((image.topic(name)?, partitions)))
            .map(|(topic, partitions)| of_topic(broker, topic, partitions.iter().copied()))
            .collect(),
    };
    described.into_iter().filter(|topic| !topic.partitions.is_empty()).collect()
}

fn of_topic(
    broker: &Broker,
    topic: &TopicImage,
    partitions: impl Iterator<Item = i32>,
) -> DescribeLogDirsTopic {
    let partitions = partitions.filter_map(|partition| {
        let open = broker.partition(TopicPartition { topic_id: topic.topic_id, partition })?;
        let size = signed(open.size_bytes());
        Some(DescribeLogDirsPartition::default().with_partition_index(partition).with_partition_size(size))
    });
    DescribeLogDirsTopic::default().with_name(topic_name(&topic.name)).with_partitions(partitions.collect())
}

fn signed(bytes: u64) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests;
