//! What is forgotten: offsets that nobody reads on, groups without members and offsets, offsets of topics
//! that are gone.

use std::sync::Arc;

use super::classic::{ClassicGroup, State};
use super::consumer::{self, ConsumerGroup};
use super::durable::{DurableGroup, GroupKind};
use super::input::Input;
use super::offset_requests::offset_tombstone;
use super::outcome::Outcome;
use super::record::{CommittedOffset, GroupMetadata, GroupRecord};
use super::shard::GroupShard;
use super::subscription::CONSUMER_PROTOCOL_TYPE;
use crate::model::{Timestamp, TopicId};

/// Tombstones that one call gives. What is left is found by the next.
pub const TOMBSTONES_MAX: usize = 10_000;

/// From when on retention counts.
enum RetainedSince {
    /// The group became empty: all its offsets go at once.
    Moment(Timestamp),
    /// Each offset from its own commit.
    Commit,
    /// It does not count yet.
    Never,
}

impl GroupShard {
    /// Forgets what is due by the wall clock: offsets that are kept no longer, groups that are empty. Called
    /// every `offsets.retention.check.interval.ms`, and again at once for as long as it gives records: one
    /// call gives no more than [`TOMBSTONES_MAX`].
    pub fn expire(&mut self, input: Input<'_>) -> Outcome {
        let mut records = Vec::new();
        for (group_id, group) in self.durable.sorted() {
            if records.len() >= TOMBSTONES_MAX {
                break;
            }
            match &group.kind {
                Some(GroupKind::Classic(metadata)) => {
                    self.expire_classic(input, (group_id, group), metadata, &mut records);
                }
                Some(GroupKind::Consumer(consumer)) => expire_consumer(input, group, consumer, &mut records),
                None => {}
            }
        }
        Outcome { records, replies: Vec::new() }
    }

    fn expire_classic(
        &self,
        input: Input<'_>,
        (group_id, group): (&Arc<str>, &DurableGroup),
        metadata: &GroupMetadata,
        records: &mut Vec<GroupRecord>,
    ) {
        let live = self.soft.classic.get(group_id);
        let since = retained_since(live, metadata);
        let mut left = false;
        for topic in group.offsets.topics() {
            let subscribed = live.is_some_and(|group| group.is_subscribed_to(&topic.topic));
            for (partition, offset) in &topic.partitions {
                if subscribed || records.len() >= TOMBSTONES_MAX || !is_due(input, &since, offset) {
                    left = true;
                } else {
                    records.push(offset_tombstone(group_id, &topic.topic, *partition));
                }
            }
        }
        // Kafka also deletes a group whose first member is about to join, which then is unknown.
        let empty = live.is_none_or(|group| group.state() == State::Empty && !group.has_pending_joins());
        if empty && !left {
            records.push(GroupRecord::GroupMetadata { group_id: group_id.clone(), metadata: None });
        }
    }

    /// Forgets offsets of topics that were deleted. Called again for as long as it gives records. An offset
    /// that was committed for another topic of the same name, by its id, stays.
    pub fn topics_deleted(&mut self, topics: &[(Arc<str>, TopicId)]) -> Outcome {
        let mut records = Vec::new();
        for (group_id, group) in self.durable.sorted() {
            for (topic, topic_id) in topics {
                let Some(known) = group.offsets.topic(topic) else { continue };
                for (partition, offset) in &known.partitions {
                    let same = offset.topic_id == TopicId::ZERO || offset.topic_id == *topic_id;
                    if same && records.len() < TOMBSTONES_MAX {
                        records.push(offset_tombstone(group_id, topic, *partition));
                    }
                }
            }
        }
        Outcome { records, replies: Vec::new() }
    }
}

/// A consumer group loses what its members do not read, each offset from its own commit, and when nothing is
/// left and nobody is there, itself.
fn expire_consumer(
    input: Input<'_>,
    group: &DurableGroup,
    consumer: &ConsumerGroup,
    records: &mut Vec<GroupRecord>,
) {
    let mut left = false;
    for topic in group.offsets.topics() {
        let subscribed = consumer.is_subscribed_to(&topic.topic);
        for (partition, offset) in &topic.partitions {
            let due = !subscribed && is_due(input, &RetainedSince::Commit, offset);
            if due && records.len() < TOMBSTONES_MAX {
                records.push(offset_tombstone(consumer.group_id(), &topic.topic, *partition));
            } else {
                left = true;
            }
        }
    }
    if consumer.is_empty() && !left {
        records.extend(consumer::tombstones(consumer));
    }
}

/// KIP-211. A group of consumers that is stable loses what its members do not read; one that is empty loses
/// everything after a while; others, whose use of offsets is not known, lose nothing while they have members.
fn retained_since(live: Option<&ClassicGroup>, metadata: &GroupMetadata) -> RetainedSince {
    let (protocol_type, state) = match live {
        Some(group) => (group.protocol_type().map(|text| &**text).unwrap_or_default(), group.state()),
        None => (&*metadata.protocol_type, State::Empty),
    };
    let since = match live {
        Some(group) => group.state_since(),
        None => Some(metadata.current_state_timestamp).filter(|since| *since != Timestamp::NONE),
    };
    let knows_topics = live.is_some_and(|group| group.subscribed_topics().is_some());
    match state {
        _ if protocol_type.is_empty() => RetainedSince::Commit,
        State::Empty => since.map_or(RetainedSince::Commit, RetainedSince::Moment),
        State::Stable if protocol_type == CONSUMER_PROTOCOL_TYPE && knows_topics => RetainedSince::Commit,
        _ => RetainedSince::Never,
    }
}

fn is_due(input: Input<'_>, since: &RetainedSince, offset: &CommittedOffset) -> bool {
    let since = match since {
        RetainedSince::Never => return false,
        RetainedSince::Moment(since) => *since,
        RetainedSince::Commit => offset.commit_timestamp,
    };
    if offset.expire_timestamp != Timestamp::NONE {
        return input.wall >= offset.expire_timestamp;
    }
    let retention = i64::try_from(input.settings.offsets_retention.as_millis()).unwrap_or(i64::MAX);
    input.wall.0.saturating_sub(since.0) >= retention
}
