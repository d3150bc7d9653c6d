//! What a Fetch request names, as sessions know it.

use std::sync::Arc;

use kafka_protocol::messages::FetchRequest;
use kafka_protocol::messages::fetch_request::FetchPartition;

use crate::broker::{FetchKey, FetchTopic, PartitionAsk};
use crate::metadata::ClusterImage;
use crate::model::{LeaderEpoch, Offset, TopicId};

/// Names of topics: by id, if the version has ids.
pub(super) struct Naming<'a> {
    pub image: &'a ClusterImage,
    pub by_id: bool,
}

impl Naming<'_> {
    /// The name of a topic that exists.
    pub fn name_of(&self, topic_id: TopicId) -> Option<Arc<str>> {
        self.image.topic_by_id(topic_id).map(|topic| topic.name.clone())
    }

    fn topic(&self, name: &str, topic_id: uuid::Uuid) -> FetchTopic {
        let topic_id = TopicId(topic_id);
        match self.by_id {
            true => FetchTopic::WithId(topic_id, self.name_of(topic_id)),
            false => {
                let known = self.image.topic(name).map(|topic| topic.name.clone());
                FetchTopic::Named(known.unwrap_or_else(|| name.into()))
            }
        }
    }

    /// Partitions that are asked for, in the order of the request.
    pub fn asked(&self, request: &FetchRequest) -> Vec<(FetchKey, PartitionAsk)> {
        let topics = request.topics.iter().flat_map(|asked| {
            let topic = self.topic(asked.topic.as_str(), asked.topic_id);
            asked.partitions.iter().map(move |asked| {
                (FetchKey { topic: topic.clone(), partition: asked.partition }, partition_ask(asked))
            })
        });
        topics.collect()
    }

    /// Partitions that the session is to forget.
    pub fn forgotten(&self, request: &FetchRequest) -> Vec<FetchKey> {
        let topics = request.forgotten_topics_data.iter().flat_map(|forgotten| {
            let topic = self.topic(forgotten.topic.as_str(), forgotten.topic_id);
            let partitions = forgotten.partitions.iter();
            partitions.map(move |partition| FetchKey { topic: topic.clone(), partition: *partition })
        });
        topics.collect()
    }
}

fn partition_ask(asked: &FetchPartition) -> PartitionAsk {
    PartitionAsk {
        offset: Offset(asked.fetch_offset),
        bytes_max: asked.partition_max_bytes,
        // Measured against Kafka 4.3: here every negative number is none.
        current_leader_epoch: LeaderEpoch(asked.current_leader_epoch).max(LeaderEpoch::NONE),
        last_fetched_epoch: LeaderEpoch(asked.last_fetched_epoch).max(LeaderEpoch::NONE),
    }
}
