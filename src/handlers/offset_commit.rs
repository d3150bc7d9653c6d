//! OffsetCommit, key 8, versions 2 to 9.
//!
//! Keeps offsets for a group, of topics and partitions that exist; each partition has an answer of its own.
//! Left out: version 10 (topic ids), which the codec crate lacks.
//!
//! v2: a time to keep them. v3: throttling. v4: nothing. v5: the broker's own retention alone. v6: leader
//! epochs (KIP-320). v7: static members (KIP-345). v8: flexible. v9: member epochs (KIP-848).

use std::time::Duration;

use bytes::Bytes;
use kafka_protocol::messages::offset_commit_request::OffsetCommitRequestTopic;
use kafka_protocol::messages::offset_commit_response::{
    OffsetCommitResponsePartition, OffsetCommitResponseTopic,
};
use kafka_protocol::messages::{OffsetCommitRequest, OffsetCommitResponse};

use super::exchange::{answer, decode};
use super::groups::{ask, code_of, count, kept, kept_if_any};
use super::view::topic_name;
use super::{Api, Reply, RequestContext};
use crate::group::{GroupReply, GroupRequest, OffsetCommit, OffsetCommitPartition, OffsetCommitTopic};
use crate::metadata::ClusterImage;
use crate::model::{LeaderEpoch, Offset, TopicId};
use crate::protocol::ErrorCode;

/// The row of `APIS`.
pub(super) const API: Api =
    Api { key: 8, handle: |context, body| Box::pin(std::future::ready(handle(context, body))) };

/// Versions in which a client says how long its offsets are kept.
const VERSIONS_WITH_RETENTION: std::ops::RangeInclusive<i16> = 2..=4;
/// "As long as the broker keeps any".
const NO_RETENTION: i64 = -1;
/// First version that knows member epochs.
const VERSION_WITH_MEMBER_EPOCH: i16 = 9;

/// What became of each partition, by topic, in the order in which it became known: as in Kafka, those that do
/// not exist come first.
#[derive(Default)]
struct Outcome(Vec<TopicOutcome>);

/// Partitions of a topic, with the code of each.
type TopicOutcome = (String, Vec<(i32, i16)>);

impl Outcome {
    fn add(&mut self, topic: &str, partition: i32, code: i16) {
        let known = self.0.iter().position(|(name, _)| name == topic);
        let at = known.unwrap_or_else(|| {
            self.0.push((topic.to_owned(), Vec::new()));
            self.0.len() - 1
        });
        self.0[at].1.push((partition, code));
    }

    /// Measured against Kafka 4.3.1: where nothing was refused before, a topic is answered as often as it is
    /// named.
    fn merge(&mut self, topics: Vec<TopicOutcome>) {
        if self.0.is_empty() {
            self.0 = topics;
            return;
        }
        for (topic, partitions) in topics {
            partitions.into_iter().for_each(|(partition, code)| self.add(&topic, partition, code));
        }
    }

    fn response(self) -> OffsetCommitResponse {
        let topics = self.0.into_iter().map(|(name, partitions)| {
            let partitions = partitions.into_iter().map(|(index, code)| {
                OffsetCommitResponsePartition::default().with_partition_index(index).with_error_code(code)
            });
            OffsetCommitResponseTopic::default()
                .with_name(topic_name(&name))
                .with_partitions(partitions.collect())
        });
        OffsetCommitResponse::default().with_topics(topics.collect())
    }
}

fn handle(context: RequestContext, body: Bytes) -> Reply {
    let request: OffsetCommitRequest = match decode(&context.header, body) {
        Ok(request) => request,
        Err(reply) => return reply,
    };
    let mut outcome = Outcome::default();
    let topics = existing(&context.broker.image(), &request.topics, &mut outcome);
    if topics.is_empty() {
        return answer(&context.header, &outcome.response());
    }
    let version = context.header.api_version;
    let retention = VERSIONS_WITH_RETENTION.contains(&version) && request.retention_time_ms != NO_RETENTION;
    let commit = OffsetCommit {
        group_id: kept(&request.group_id),
        member_id: kept(&request.member_id),
        group_instance_id: kept_if_any(request.group_instance_id.as_ref()),
        generation_id_or_member_epoch: request.generation_id_or_member_epoch,
        retention: retention.then(|| Duration::from_millis(request.retention_time_ms.max(0).unsigned_abs())),
        supports_member_epoch: version >= VERSION_WITH_MEMBER_EPOCH,
        transaction: None,
        topics: topics.clone(),
    };
    let pick = |reply| if let GroupReply::OffsetCommit(reply) = reply { Some(reply) } else { None };
    let question = ask(&context, &request.group_id, GroupRequest::OffsetCommit(commit), pick);
    Reply::pending(async move {
        let results: Vec<TopicOutcome> = match question.reply().await {
            Ok(committed) => {
                let results = committed.iter().map(|topic| {
                    let partitions = topic.partitions.iter();
                    let codes = partitions.map(|(index, error)| (*index, code_of(error.as_ref())));
                    (topic.name.to_string(), codes.collect())
                });
                results.collect()
            }
            Err(failure) => {
                let code = failure.code.code();
                count(&context, code);
                let results = topics.iter().map(|topic| {
                    let codes = topic.partitions.iter().map(|partition| (partition.partition, code));
                    (topic.name.to_string(), codes.collect())
                });
                results.collect()
            }
        };
        outcome.merge(results);
        answer(&context.header, &outcome.response())
    })
}

/// What of a request concerns partitions that exist; the rest is refused.
fn existing(
    image: &ClusterImage,
    topics: &[OffsetCommitRequestTopic],
    outcome: &mut Outcome,
) -> Vec<OffsetCommitTopic> {
    let mut existing = Vec::with_capacity(topics.len());
    for topic in topics {
        let partitions_count = image.topic(&topic.name).map_or(0, |topic| topic.partitions);
        let mut partitions = Vec::with_capacity(topic.partitions.len());
        for partition in &topic.partitions {
            if !(0..partitions_count).contains(&partition.partition_index) {
                let code = ErrorCode::UnknownTopicOrPartition.code();
                outcome.add(&topic.name, partition.partition_index, code);
                continue;
            }
            partitions.push(OffsetCommitPartition {
                partition: partition.partition_index,
                offset: Offset(partition.committed_offset),
                leader_epoch: LeaderEpoch(partition.committed_leader_epoch),
                metadata: kept_if_any(partition.committed_metadata.as_ref()).unwrap_or_default(),
            });
        }
        if !partitions.is_empty() {
            existing.push(OffsetCommitTopic { topic_id: TopicId::ZERO, name: kept(&topic.name), partitions });
        }
    }
    existing
}
