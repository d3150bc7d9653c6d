//! OffsetFetch, key 9, versions 1 to 9.
//!
//! Tells the offsets that groups have committed: of every partition that was asked for, -1 where there is
//! none, or of all that a group has.
//! Left out: version 10 (topic ids), which the codec crate lacks.
//!
//! v1: groups kept by the broker. v2: `null` for all topics, an error for the whole. v3: throttling. v4:
//! nothing. v5: leader epochs (KIP-320). v6: flexible. v7: stable offsets only (KIP-447). v8: many groups
//! (KIP-709). v9: member epochs (KIP-848).

use bytes::Bytes;
use kafka_protocol::messages::offset_fetch_response::{
    OffsetFetchResponseGroup, OffsetFetchResponsePartition, OffsetFetchResponsePartitions,
    OffsetFetchResponseTopic, OffsetFetchResponseTopics,
};
use kafka_protocol::messages::{OffsetFetchRequest, OffsetFetchResponse, TopicName};

use super::exchange::{Failure, answer, decode, text};
use super::groups::{GROUPS_AT_ONCE, Question, ask, code_of, count, group_id, kept, kept_if_any};
use super::view::topic_name;
use super::{Api, Reply, RequestContext};
use crate::group::{
    GroupReply, GroupRequest, OffsetFetch, OffsetFetchPartition, OffsetFetchTopic, OffsetFetchTopicReply,
};
use crate::metadata::ClusterImage;
use crate::model::{LeaderEpoch, Offset, TopicId};
use crate::protocol::ErrorCode;

/// The row of `APIS`.
pub(super) const API: Api = Api { key: 9, handle: |context, body| Box::pin(handle(context, body)) };

/// First version with an error for the whole.
const VERSION_WITH_ERROR: i16 = 2;
/// First version that asks about many groups.
const VERSION_WITH_GROUPS: i16 = 8;
/// First version that knows member epochs.
const VERSION_WITH_MEMBER_EPOCH: i16 = 9;
/// No member epoch.
const NO_MEMBER_EPOCH: i32 = -1;

/// Offsets of one group, or why there are none.
type Fetched = Result<Vec<OffsetFetchTopicReply>, Failure>;

async fn handle(context: RequestContext, body: Bytes) -> Reply {
    let request: OffsetFetchRequest = match decode(&context.header, body) {
        Ok(request) => request,
        Err(reply) => return reply,
    };
    let mut fetches = understood(context.header.api_version, &context.broker.image(), &request);
    let mut fetched = Vec::with_capacity(fetches.len());
    // All but the last ones are awaited in connection order: the queues of coordinators are bounded.
    while fetches.len() > GROUPS_AT_ONCE {
        let some: Vec<_> = fetches.drain(..GROUPS_AT_ONCE).map(|fetch| hand_over(&context, fetch)).collect();
        for (fetch, question) in some {
            fetched.push((fetch, outcome(question).await));
        }
    }
    let rest: Vec<_> = fetches.into_iter().map(|fetch| hand_over(&context, fetch)).collect();
    Reply::pending(async move {
        for (fetch, question) in rest {
            fetched.push((fetch, outcome(question).await));
        }
        for failure in fetched.iter().filter_map(|(_, fetched)| fetched.as_ref().err()) {
            count(&context, failure.code.code());
        }
        let version = context.header.api_version;
        let response = match version >= VERSION_WITH_GROUPS {
            true => of_groups(fetched),
            false => of_one_group(version, fetched.pop().expect("these versions ask about one group")),
        };
        answer(&context.header, &response)
    })
}

/// A name stands for the topic that has it now: what was committed for one before is not its offset, though
/// the tombstone that follows a deletion may still be missing.
fn understood(version: i16, image: &ClusterImage, request: &OffsetFetchRequest) -> Vec<OffsetFetch> {
    let topic = |name: &TopicName, partitions: &[i32]| OffsetFetchTopic {
        topic_id: image.topic(name.as_str()).map_or(TopicId::ZERO, |topic| topic.topic_id),
        name: kept(name),
        partitions: partitions.to_vec(),
    };
    if version < VERSION_WITH_GROUPS {
        let topics = request.topics.as_ref().map(|topics| {
            topics.iter().map(|asked| topic(&asked.name, &asked.partition_indexes)).collect::<Vec<_>>()
        });
        return vec![OffsetFetch {
            group_id: kept(&request.group_id),
            member_id: None,
            member_epoch: NO_MEMBER_EPOCH,
            topics,
            require_stable: request.require_stable,
        }];
    }
    let groups = request.groups.iter().map(|group| OffsetFetch {
        group_id: kept(&group.group_id),
        member_id: match version >= VERSION_WITH_MEMBER_EPOCH {
            true => kept_if_any(group.member_id.as_ref()),
            false => None,
        },
        member_epoch: if version >= VERSION_WITH_MEMBER_EPOCH { group.member_epoch } else { NO_MEMBER_EPOCH },
        topics: group.topics.as_ref().map(|topics| {
            topics.iter().map(|asked| topic(&asked.name, &asked.partition_indexes)).collect::<Vec<_>>()
        }),
        require_stable: request.require_stable,
    });
    groups.collect()
}

type Asking = (OffsetFetch, Question<Vec<OffsetFetchTopicReply>>);

fn hand_over(context: &RequestContext, fetch: OffsetFetch) -> Asking {
    let pick = |reply| if let GroupReply::OffsetFetch(reply) = reply { Some(reply) } else { None };
    let question = ask(context, &fetch.group_id, GroupRequest::OffsetFetch(fetch.clone()), pick);
    (fetch, question)
}

async fn outcome(question: Question<Vec<OffsetFetchTopicReply>>) -> Fetched {
    question.reply().await.map_err(|failure| match failure.code {
        // As Kafka: consumers before 3.9 do not expect the other here.
        ErrorCode::CoordinatorNotAvailable => ErrorCode::NotCoordinator.into(),
        _ => failure,
    })
}

fn of_groups(fetched: Vec<(OffsetFetch, Fetched)>) -> OffsetFetchResponse {
    let groups = fetched.into_iter().map(|(fetch, fetched)| {
        let group = OffsetFetchResponseGroup::default().with_group_id(group_id(&fetch.group_id));
        let topics = match fetched {
            Ok(topics) => topics,
            Err(failure) => return group.with_error_code(failure.code.code()),
        };
        let topics = topics.into_iter().map(|topic| {
            let partitions = topic.partitions.into_iter().map(|partition| {
                OffsetFetchResponsePartitions::default()
                    .with_partition_index(partition.partition)
                    .with_committed_offset(partition.offset.0)
                    .with_committed_leader_epoch(partition.leader_epoch.0)
                    .with_metadata(Some(text(&partition.metadata)))
                    .with_error_code(code_of(partition.error.as_ref()))
            });
            OffsetFetchResponseTopics::default()
                .with_name(topic_name(&topic.name))
                .with_partitions(partitions.collect())
        });
        group.with_topics(topics.collect())
    });
    OffsetFetchResponse::default().with_groups(groups.collect())
}

fn of_one_group(version: i16, (fetch, fetched): (OffsetFetch, Fetched)) -> OffsetFetchResponse {
    let response = OffsetFetchResponse::default();
    let (topics, code) = match fetched {
        Ok(topics) => (topics, ErrorCode::None),
        Err(failure) if version >= VERSION_WITH_ERROR => {
            return response.with_error_code(failure.code.code());
        }
        Err(failure) => (nothing_of(fetch.topics.unwrap_or_default()), failure.code),
    };
    let topics = topics.into_iter().map(|topic| {
        let partitions = topic.partitions.into_iter().map(|partition| {
            let own = code_of(partition.error.as_ref());
            OffsetFetchResponsePartition::default()
                .with_partition_index(partition.partition)
                .with_committed_offset(partition.offset.0)
                .with_committed_leader_epoch(partition.leader_epoch.0)
                .with_metadata(Some(text(&partition.metadata)))
                .with_error_code(if code == ErrorCode::None { own } else { code.code() })
        });
        OffsetFetchResponseTopic::default()
            .with_name(topic_name(&topic.name))
            .with_partitions(partitions.collect())
    });
    response.with_topics(topics.collect())
}

/// Every partition that was asked for, without an offset.
fn nothing_of(topics: Vec<OffsetFetchTopic>) -> Vec<OffsetFetchTopicReply> {
    let nothing = |partition| OffsetFetchPartition {
        partition,
        offset: Offset::NONE,
        leader_epoch: LeaderEpoch::NONE,
        metadata: "".into(),
        error: None,
    };
    let topics = topics.into_iter().map(|OffsetFetchTopic { topic_id, name, partitions }| {
        let partitions = partitions.into_iter().map(nothing).collect();
        OffsetFetchTopicReply { topic_id, name, partitions }
    });
    topics.collect()
}
