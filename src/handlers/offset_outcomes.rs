//! What OffsetCommit and TxnOffsetCommit share: which partitions exist, and what became of each.

use std::collections::HashMap;

use kafka_protocol::protocol::StrBytes;

use super::groups::{code_of, kept_if_any};
use crate::group::{OffsetCommitPartition, OffsetCommitTopic, OffsetCommitTopicReply};
use crate::metadata::ClusterImage;
use crate::model::{LeaderEpoch, Offset, TopicId};
use crate::protocol::ErrorCode;

/// Partitions of a topic, with the code of each.
pub(super) type TopicOutcome = (String, Vec<(i32, i16)>);

/// What became of each partition, by topic, in the order in which it became known: as in Kafka, those that do
/// not exist come first.
#[derive(Default)]
pub(super) struct Outcomes {
    topics: Vec<TopicOutcome>,
    places: HashMap<String, usize>,
}

impl Outcomes {
    fn add(&mut self, topic: &str, partition: i32, code: i16) {
        let at = self.places.get(topic).copied().unwrap_or_else(|| {
            self.topics.push((topic.to_owned(), Vec::new()));
            self.places.insert(topic.to_owned(), self.topics.len() - 1);
            self.topics.len() - 1
        });
        self.topics[at].1.push((partition, code));
    }

    /// What is told in the end. Measured against Kafka 4.3.1: where nothing was refused before, a topic is
    /// answered as often as it is named; else each once.
    pub(super) fn and(mut self, topics: Vec<TopicOutcome>) -> Vec<TopicOutcome> {
        if self.topics.is_empty() {
            return topics;
        }
        for (topic, partitions) in topics {
            partitions.into_iter().for_each(|(partition, code)| self.add(&topic, partition, code));
        }
        self.topics
    }

    pub(super) fn into_topics(self) -> Vec<TopicOutcome> {
        self.topics
    }
}

/// An offset of a partition as a request has it.
pub(super) fn offset(
    (partition, offset): (i32, i64),
    leader_epoch: i32,
    metadata: Option<&StrBytes>,
) -> OffsetCommitPartition {
    OffsetCommitPartition {
        partition,
        offset: Offset(offset),
        leader_epoch: LeaderEpoch(leader_epoch),
        metadata: kept_if_any(metadata).unwrap_or_default(),
    }
}

/// What a group has answered.
pub(super) fn committed(topics: &[OffsetCommitTopicReply]) -> Vec<TopicOutcome> {
    let outcome = |topic: &OffsetCommitTopicReply| {
        let codes = topic.partitions.iter().map(|(index, error)| (*index, code_of(error.as_ref())));
        (topic.name.to_string(), codes.collect())
    };
    topics.iter().map(outcome).collect()
}

/// One code for all.
pub(super) fn refused(topics: &[OffsetCommitTopic], code: ErrorCode) -> Vec<TopicOutcome> {
    let outcome = |topic: &OffsetCommitTopic| {
        let codes = topic.partitions.iter().map(|partition| (partition.partition, code.code()));
        (topic.name.to_string(), codes.collect())
    };
    topics.iter().map(outcome).collect()
}

/// What of a request concerns partitions that exist; the rest is refused.
pub(super) fn existing<'a>(
    image: &ClusterImage,
    topics: impl Iterator<Item = (&'a str, Vec<OffsetCommitPartition>)>,
    outcomes: &mut Outcomes,
) -> Vec<OffsetCommitTopic> {
    let mut existing = Vec::new();
    for (name, partitions) in topics {
        let topic = image.topic(name);
        let count = topic.map_or(0, |topic| topic.partitions);
        let topic_id = topic.map_or(TopicId::ZERO, |topic| topic.topic_id);
        let exists = |partition: &OffsetCommitPartition| (0..count).contains(&partition.partition);
        let (partitions, unknown): (Vec<_>, Vec<_>) = partitions.into_iter().partition(exists);
        for partition in unknown {
            outcomes.add(name, partition.partition, ErrorCode::UnknownTopicOrPartition.code());
        }
        if !partitions.is_empty() {
            existing.push(OffsetCommitTopic { topic_id, name: name.into(), partitions });
        }
    }
    existing
}
