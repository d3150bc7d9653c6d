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
use super::groups::{ask, count, kept, kept_if_any};
use super::offset_outcomes::{Outcomes, TopicOutcome, committed, existing, offset, refused};
use super::view::topic_name;
use super::{Api, Reply, RequestContext};
use crate::group::{GroupReply, GroupRequest, OffsetCommit, OffsetCommitPartition};

/// The row of `APIS`.
pub(super) const API: Api =
    Api { key: 8, handle: |context, body| Box::pin(std::future::ready(handle(context, body))) };

/// Versions in which a client says how long its offsets are kept.
const VERSIONS_WITH_RETENTION: std::ops::RangeInclusive<i16> = 2..=4;
/// "As long as the broker keeps any".
const NO_RETENTION: i64 = -1;
/// First version that knows member epochs.
const VERSION_WITH_MEMBER_EPOCH: i16 = 9;

fn response(topics: Vec<TopicOutcome>) -> OffsetCommitResponse {
    let topics = topics.into_iter().map(|(name, partitions)| {
        let partitions = partitions.into_iter().map(|(index, code)| {
            OffsetCommitResponsePartition::default().with_partition_index(index).with_error_code(code)
        });
        OffsetCommitResponseTopic::default()
            .with_name(topic_name(&name))
            .with_partitions(partitions.collect())
    });
    OffsetCommitResponse::default().with_topics(topics.collect())
}

fn handle(context: RequestContext, body: Bytes) -> Reply {
    let request: OffsetCommitRequest = match decode(&context.header, body) {
        Ok(request) => request,
        Err(reply) => return reply,
    };
    let mut outcomes = Outcomes::default();
    let asked = request.topics.iter().map(|topic| (topic.name.as_str(), offsets(topic)));
    let topics = existing(&context.broker.image(), asked, &mut outcomes);
    if topics.is_empty() {
        return answer(&context.header, &response(outcomes.into_topics()));
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
        let results = match question.reply().await {
            Ok(topics) => committed(&topics),
            Err(failure) => {
                count(&context, failure.code.code());
                refused(&topics, failure.code)
            }
        };
        answer(&context.header, &response(outcomes.and(results)))
    })
}

fn offsets(topic: &OffsetCommitRequestTopic) -> Vec<OffsetCommitPartition> {
    let offsets = topic.partitions.iter().map(|partition| {
        let place = (partition.partition_index, partition.committed_offset);
        offset(place, partition.committed_leader_epoch, partition.committed_metadata.as_ref())
    });
    offsets.collect()
}
