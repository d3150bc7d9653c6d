//! What the topics of coordinators have in common: how they are made, which partition holds a key, and the
//! shards of those that are open.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Broker, NewTopic, TopicError};
use crate::coordinator::{Coordinator, Shard};
use crate::metadata::{ClusterImage, TopicImage};
use crate::model::TopicPartition;

/// Shards of one kind that load at a time: on half of the cores, so that what others ask for finds one free.
pub(super) fn lanes() -> usize {
    std::thread::available_parallelism().map_or(1, |cores| cores.get().div_ceil(2))
}

/// The partition of a key among so many. As Kafka's `Utils.abs(key.hashCode()) % partitions`: by the hash of
/// Java's strings, over UTF-16 units.
pub(super) fn partition_of(key: &str, partitions: i32) -> i32 {
    let hash = key.encode_utf16().fold(0_i32, |hash, unit| hash.wrapping_mul(31).wrapping_add(unit.into()));
    hash.checked_abs().unwrap_or(0) % partitions.max(1)
}

/// A topic of coordinators, with Kafka's settings.
pub(super) struct CoordinatorTopic {
    pub name: &'static str,
    pub partitions: i32,
    pub replication_factor: i16,
    /// `compression.type`.
    pub compression: &'static str,
    pub segment_bytes: u32,
}

impl Broker {
    /// Makes a topic of coordinators, unless it exists.
    pub(super) async fn ensure_coordinator_topic(
        &self,
        topic: CoordinatorTopic,
    ) -> Result<Arc<TopicImage>, TopicError> {
        let CoordinatorTopic { name, partitions, replication_factor, compression, segment_bytes } = topic;
        if let Some(topic) = self.image().topic(name) {
            return Ok(topic.clone());
        }
        let configs = [
            ("cleanup.policy", "compact".to_owned()),
            ("compression.type", compression.to_owned()),
            ("segment.bytes", segment_bytes.to_string()),
        ];
        let configs = BTreeMap::from(configs.map(|(key, value)| (key.to_owned(), value)));
        let topic = NewTopic { name: name.to_owned(), partitions, replication_factor, configs };
        let created = self.create_topics(vec![topic], false).await;
        match created.into_iter().next().expect("a result for the topic") {
            Ok(created) => Ok(created.topic),
            // Somebody else was quicker.
            Err(TopicError::Exists(_)) => self.image().topic(name).cloned().ok_or(TopicError::Unknown),
            Err(error) => Err(error),
        }
    }

    /// Runs the coordinators of all partitions of a topic that are open. Does nothing for those that run.
    pub(super) fn lead<S: Shard>(&self, coordinator: &Coordinator<S>, topic: &str) {
        let image = self.image();
        let Some(topic) = image.topic(topic) else { return };
        for partition in topic.topic_partitions().filter_map(|id| self.storage.partition(id)) {
            coordinator.lead(&partition);
        }
    }

    /// The partition of a topic that holds a key; `None` before there is any.
    pub(super) fn partition_of_key(&self, topic: &str, key: &str) -> Option<TopicPartition> {
        let image = self.image();
        let topic = image.topic(topic)?;
        let partition = partition_of(key, topic.partitions);
        Some(TopicPartition { topic_id: topic.topic_id, partition })
    }

    /// The `max.message.bytes` of a topic; 0 before there is any.
    pub(super) fn batch_bytes_max(&self, image: &ClusterImage, topic: &str) -> usize {
        let bytes_max = image.topic(topic).map_or(0, |topic| self.topic_config(topic).max_message_bytes);
        usize::try_from(bytes_max).unwrap_or(usize::MAX)
    }
}

#[cfg(test)]
mod tests;
