//! OffsetCommit, OffsetFetch, OffsetDelete.

use std::sync::Arc;

use super::classic::State;
use super::consumer::ConsumerGroup;
use super::error::GroupError;
use super::input::Input;
use super::lengths::check_commit;
use super::record::{CommittedOffset, GroupRecord};
use super::reply::{
    OffsetCommitTopicReply, OffsetDeleteTopicReply, OffsetFetchPartition, OffsetFetchTopicReply,
};
use super::request::{OffsetCommit, OffsetCommitPartition, OffsetDelete, OffsetFetch};
use super::shard::GroupShard;
use crate::model::{LeaderEpoch, Offset, Timestamp, TopicId};

type Replies<T> = Result<Vec<T>, GroupError>;

impl GroupShard {
    pub(super) fn offset_commit(
        &mut self,
        input: Input<'_>,
        request: &OffsetCommit,
        records: &mut Vec<GroupRecord>,
    ) -> Replies<OffsetCommitTopicReply> {
        check_commit(request)?;
        self.validate_commit(input, request)?;
        let mut bytes = 0;
        let mut replies = Vec::with_capacity(request.topics.len());
        for topic in &request.topics {
            let mut partitions = Vec::with_capacity(topic.partitions.len());
            for partition in &topic.partitions {
                let too_large = is_too_large(&partition.metadata, input.settings.offset_metadata_max_bytes);
                if !too_large {
                    let record = GroupRecord::OffsetCommit {
                        group_id: request.group_id.clone(),
                        topic: topic.name.clone(),
                        partition: partition.partition,
                        offset: Some(committed(input, request, topic.topic_id, partition)),
                    };
                    bytes += record.batch_bytes();
                    if bytes > input.batch_bytes_max {
                        // As in Kafka, whose log refuses it: the commit is one batch or none.
                        records.clear();
                        return Err(GroupError::UnknownServerError("the commit is too large"));
                    }
                    records.push(record);
                }
                let error = too_large.then_some(GroupError::OffsetMetadataTooLarge);
                partitions.push((partition.partition, error));
            }
            let (topic_id, name) = (topic.topic_id, topic.name.clone());
            replies.push(OffsetCommitTopicReply { topic_id, name, partitions });
        }
        Ok(replies)
    }

    fn validate_commit(&mut self, input: Input<'_>, request: &OffsetCommit) -> Result<(), GroupError> {
        let group_id = &request.group_id;
        if let Some(group) = self.durable.consumer(group_id) {
            let validated = validate_consumer_commit(input, group, request);
            return validated.map_err(|error| match error {
                // As Kafka, whose clients do not expect the other here.
                GroupError::StaleMemberEpoch if request.transaction.is_some() => {
                    GroupError::IllegalGeneration
                }
                error => error,
            });
        }
        let without_member = request.generation_id_or_member_epoch < 0;
        match self.classic_state(group_id) {
            // A consumer without group management: the record makes the group.
            None if without_member => Ok(()),
            None if request.supports_member_epoch && request.transaction.is_none() => {
                Err(group_not_found(group_id))
            }
            None => Err(GroupError::IllegalGeneration),
            Some(_) => {
                let (classic, mut work) = self.soft.work(input);
                match classic.get_mut(group_id) {
                    Some(group) => group.validate_commit(&mut work, request),
                    None if without_member => Ok(()),
                    None => Err(GroupError::UnknownMemberId),
                }
            }
        }
    }

    pub(super) fn offset_fetch(&self, request: &OffsetFetch) -> Replies<OffsetFetchTopicReply> {
        if let Some(group) = self.durable.consumer(&request.group_id) {
            group.validate_fetch(request.member_id.as_deref(), request.member_epoch)?;
        }
        let pending = self.durable.pending();
        let is_unstable = |topic: &str, partition| {
            request.require_stable && pending.is_unstable(&request.group_id, topic, partition)
        };
        let fetched =
            |topic: &str, partition, offset: Option<&CommittedOffset>| match is_unstable(topic, partition) {
                true => unstable(partition),
                false => fetched(partition, offset),
            };
        // Where there is no group, there is nothing committed either.
        let found = self.durable.group(&request.group_id).filter(|group| group.kind.is_some());
        let offsets = found.map(|group| &group.offsets);
        let Some(asked) = &request.topics else {
            let topics = offsets.map(|offsets| offsets.topics()).unwrap_or_default();
            let reply = |topic: &super::offsets::TopicOffsets| OffsetFetchTopicReply {
                topic_id: TopicId::ZERO,
                name: topic.topic.clone(),
                partitions: topic
                    .partitions
                    .iter()
                    .map(|(at, offset)| fetched(&topic.topic, *at, Some(offset)))
                    .collect(),
            };
            return Ok(topics.iter().map(reply).collect());
        };
        let reply = |topic: &super::request::OffsetFetchTopic| {
            let known = offsets.and_then(|offsets| offsets.topic(&topic.name));
            let partition = |at: &i32| {
                let offset = known.and_then(|known| known.get(*at));
                let offset = offset.filter(|offset| is_same_topic(offset.topic_id, topic.topic_id));
                fetched(&topic.name, *at, offset)
            };
            OffsetFetchTopicReply {
                topic_id: topic.topic_id,
                name: topic.name.clone(),
                partitions: topic.partitions.iter().map(partition).collect(),
            }
        };
        Ok(asked.iter().map(reply).collect())
    }

    pub(super) fn offset_delete(
        &self,
        request: &OffsetDelete,
        records: &mut Vec<GroupRecord>,
    ) -> Replies<OffsetDeleteTopicReply> {
        let group_id = &request.group_id;
        if group_id.is_empty() {
            return Err(GroupError::InvalidGroupId);
        }
        let group = self.soft.classic.get(group_id);
        let consumer = self.durable.consumer(group_id);
        if consumer.is_none() {
            let state = self.classic_state(group_id).ok_or_else(|| group_not_found(group_id))?;
            if state != State::Empty && !group.is_some_and(|group| group.uses_consumer_protocol()) {
                return Err(GroupError::NonEmptyGroup);
            }
        }
        let mut replies = Vec::with_capacity(request.topics.len());
        for (topic, partitions) in &request.topics {
            let subscribed = match consumer {
                Some(group) => group.is_subscribed_to(topic),
                None => group.is_some_and(|group| group.is_subscribed_to(topic)),
            };
            let known = self.durable.group(group_id).and_then(|group| group.offsets.topic(topic));
            if !subscribed {
                let is_there = |at: i32| {
                    known.is_some_and(|known| known.get(at).is_some())
                        || self.durable.pending().is_unstable(group_id, topic, at)
                };
                let mut gone: Vec<i32> = partitions.iter().copied().filter(|at| is_there(*at)).collect();
                // The last first: so none of those that are left moves.
                gone.sort_unstable_by(|left, right| right.cmp(left));
                gone.dedup();
                records.extend(gone.into_iter().map(|at| offset_tombstone(group_id, topic, at)));
            }
            let error = subscribed.then_some(GroupError::GroupSubscribedToTopic);
            let partitions = partitions.iter().map(|partition| (*partition, error.clone())).collect();
            replies.push(OffsetDeleteTopicReply { name: topic.clone(), partitions });
        }
        Ok(replies)
    }
}

/// A commit to a consumer group. Offsets whose metadata is too large are refused one by one, all else as a
/// whole.
fn validate_consumer_commit(
    input: Input<'_>,
    group: &ConsumerGroup,
    request: &OffsetCommit,
) -> Result<(), GroupError> {
    let member_epoch = request.generation_id_or_member_epoch;
    // KIP-447: a producer may say nothing of the consumer that it commits for.
    let says_nothing =
        member_epoch < 0 && request.member_id.is_empty() && request.group_instance_id.is_none();
    if request.transaction.is_some() && says_nothing {
        return Ok(());
    }
    let knows_epochs = request.supports_member_epoch || request.transaction.is_some();
    let scope = group.validate_commit(&request.member_id, member_epoch, knows_epochs)?;
    let max = input.settings.offset_metadata_max_bytes;
    for topic in &request.topics {
        let partitions = topic.partitions.iter().filter(|partition| !is_too_large(&partition.metadata, max));
        for partition in partitions {
            scope.check(topic.topic_id, partition.partition)?;
        }
    }
    Ok(())
}

/// In Kafka's words, which replies carry.
pub(super) fn group_not_found(group_id: &str) -> GroupError {
    GroupError::GroupIdNotFound(format!("Group {group_id} not found."))
}

pub(super) fn offset_tombstone(group_id: &Arc<str>, topic: &Arc<str>, partition: i32) -> GroupRecord {
    GroupRecord::OffsetCommit { group_id: group_id.clone(), topic: topic.clone(), partition, offset: None }
}

/// Kafka counts as Java does: UTF-16 units, of which there are at most as many as bytes.
fn is_too_large(metadata: &str, max: usize) -> bool {
    metadata.len() > max && metadata.encode_utf16().count() > max
}

fn committed(
    input: Input<'_>,
    request: &OffsetCommit,
    topic_id: TopicId,
    partition: &OffsetCommitPartition,
) -> CommittedOffset {
    let expires = |retention: std::time::Duration| {
        Timestamp(input.wall.0.saturating_add(i64::try_from(retention.as_millis()).unwrap_or(i64::MAX)))
    };
    CommittedOffset {
        offset: partition.offset,
        leader_epoch: partition.leader_epoch,
        // Empty texts share their memory.
        metadata: Some(&partition.metadata).filter(|text| !text.is_empty()).cloned().unwrap_or_default(),
        commit_timestamp: input.wall,
        expire_timestamp: request.retention.map_or(Timestamp::NONE, expires),
        // Measured against Kafka 4.3: offsets of a transaction are written without.
        topic_id: if request.transaction.is_some() { TopicId::ZERO } else { topic_id },
    }
}

/// An offset was committed for the topic that is asked about, as far as both are known.
fn is_same_topic(committed: TopicId, asked: TopicId) -> bool {
    committed == TopicId::ZERO || asked == TopicId::ZERO || committed == asked
}

/// An open transaction may change it.
fn unstable(partition: i32) -> OffsetFetchPartition {
    OffsetFetchPartition { error: Some(GroupError::UnstableOffsetCommit), ..fetched(partition, None) }
}

fn fetched(partition: i32, offset: Option<&CommittedOffset>) -> OffsetFetchPartition {
    OffsetFetchPartition {
        partition,
        offset: offset.map_or(Offset::NONE, |offset| offset.offset),
        leader_epoch: offset.map_or(LeaderEpoch::NONE, |offset| offset.leader_epoch),
        metadata: offset.map(|offset| offset.metadata.clone()).unwrap_or_default(),
        error: None,
    }
}
