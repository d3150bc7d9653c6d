//! What is forgotten: offsets that nobody reads on, groups without members and offsets, offsets of topics
//! that are gone.

use std::sync::Arc;

use super::classic::{ClassicGroup, State};
use super::consumer::{self, ConsumerGroup};
use super::durable::{DurableGroup, GroupKind};
use super::input::Input;
use super::offset_requests::offset_tombstone;
use super::outcome::{Outcome, Portion};
use super::pending::PendingOffsets;
use super::record::{CommittedOffset, GroupMetadata, GroupRecord};
use super::request::DeletedTopic;
use super::shard::GroupShard;
use super::subscription::CONSUMER_PROTOCOL_TYPE;
use crate::model::{Timestamp, TopicId};

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
    /// call gives about [`PORTION_BYTES`].
    pub fn expire(&mut self, input: Input<'_>) -> Outcome {
        let mut outcome = self.take_up_downgraded(input);
        let mut portion = Portion::default();
        let mut unexpired = std::mem::take(&mut self.soft.unexpired);
        if unexpired.is_empty() {
            unexpired.extend(self.durable.groups().map(|(group_id, _)| group_id.clone()));
            unexpired.sort_unstable_by(|left, right| right.cmp(left));
        }
        while let Some(group_id) = unexpired.pop() {
            self.expire_group(input, &group_id, &mut portion);
            if portion.is_full() {
                // There may be more of it.
                unexpired.push(group_id);
                break;
            }
        }
        self.soft.unexpired = unexpired;
        outcome.records = portion.into_records();
        outcome.may_be_divided = true;
        outcome
    }

    fn expire_group(&self, input: Input<'_>, group_id: &Arc<str>, portion: &mut Portion) {
        let Some(group) = self.durable.group(group_id) else { return };
        match &group.kind {
            Some(GroupKind::Classic(metadata)) => {
                self.expire_classic(input, (group_id, group), metadata, portion);
            }
            Some(GroupKind::Consumer(consumer)) => {
                expire_consumer(input, group, consumer, self.durable.pending(), portion);
            }
            None => {}
        }
    }

    fn expire_classic(
        &self,
        input: Input<'_>,
        (group_id, group): (&Arc<str>, &DurableGroup),
        metadata: &GroupMetadata,
        portion: &mut Portion,
    ) {
        let live = self.soft.classic.get(group_id);
        let since = retained_since(live, metadata);
        let pending = self.durable.pending();
        let mut left = pending.has_group(group_id);
        for (topic, partition, offset) in group.offsets.descending() {
            let is_unstable = left && pending.is_unstable(group_id, topic, partition);
            let subscribed = is_unstable || live.is_some_and(|group| group.is_subscribed_to(topic));
            if subscribed || portion.is_full() || !is_due(input, &since, offset) {
                left = true;
            } else {
                portion.push(offset_tombstone(group_id, topic, partition));
            }
        }
        let empty = match live {
            // Kafka also deletes a group whose first member is about to join, which then is unknown.
            Some(group) => group.state() == State::Empty && !group.has_pending_joins(),
            None => metadata.members.is_empty(),
        };
        if empty && !left {
            portion.push(GroupRecord::GroupMetadata { group_id: group_id.clone(), metadata: None });
        }
    }

    /// Forgets offsets of topics that were deleted. Called again for as long as it gives records. What was
    /// committed for another topic of the same name stays: by its id, or where a client did not tell that, by
    /// the time of the commit.
    pub fn topics_deleted(&mut self, input: Input<'_>, topics: &[DeletedTopic]) -> Outcome {
        let mut outcome = self.take_up_downgraded(input);
        let has_any =
            |group: &DurableGroup| topics.iter().any(|gone| group.offsets.topic(&gone.name).is_some());
        let groups = self.durable.groups().filter(|(_, group)| has_any(group));
        let mut groups: Vec<_> = groups.collect();
        groups.sort_unstable_by_key(|(group_id, _)| *group_id);
        let mut portion = Portion::default();
        for (group_id, group) in groups {
            for gone in topics {
                let Some(known) = group.offsets.topic(&gone.name) else { continue };
                for (partition, offset) in known.partitions.iter().rev() {
                    if portion.is_full() {
                        break;
                    }
                    if gone.is_topic_of(offset) {
                        portion.push(offset_tombstone(group_id, &gone.name, *partition));
                    }
                }
            }
        }
        for gone in topics {
            for (group_id, partition, offset) in self.durable.pending().of_topic(&gone.name) {
                if !portion.is_full() && gone.is_topic_of(offset) {
                    portion.push(offset_tombstone(group_id, &gone.name, partition));
                }
            }
        }
        outcome.records = portion.into_records();
        outcome.may_be_divided = true;
        outcome
    }
}

impl DeletedTopic {
    /// Whether an offset of a topic of this name was committed for this one.
    fn is_topic_of(&self, offset: &CommittedOffset) -> bool {
        match offset.topic_id {
            TopicId::ZERO => offset.commit_timestamp <= self.deleted_at,
            topic_id => topic_id == self.topic_id,
        }
    }
}

/// A consumer group loses what its members do not read, each offset from its own commit, and when nothing is
/// left and nobody is there, itself.
fn expire_consumer(
    input: Input<'_>,
    group: &DurableGroup,
    consumer: &ConsumerGroup,
    pending: &PendingOffsets,
    portion: &mut Portion,
) {
    let mut left = pending.has_group(consumer.group_id());
    for (topic, partition, offset) in group.offsets.descending() {
        let is_kept =
            consumer.is_subscribed_to(topic) || pending.is_unstable(consumer.group_id(), topic, partition);
        let due = !is_kept && is_due(input, &RetainedSince::Commit, offset);
        if due && !portion.is_full() {
            portion.push(offset_tombstone(consumer.group_id(), topic, partition));
        } else {
            left = true;
        }
    }
    if consumer.is_empty() && !left {
        portion.extend(consumer::tombstones(consumer));
    }
}

/// KIP-211. A group of consumers that is stable loses what its members do not read; one that is empty loses
/// everything after a while; others, whose use of offsets is not known, lose nothing while they have members.
fn retained_since(live: Option<&ClassicGroup>, metadata: &GroupMetadata) -> RetainedSince {
    let (protocol_type, state) = match live {
        Some(group) => (group.protocol_type().map(|text| &**text).unwrap_or_default(), group.state()),
        // It has not been taken up.
        None if !metadata.members.is_empty() => return RetainedSince::Never,
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
        return input.believed >= offset.expire_timestamp;
    }
    let retention = i64::try_from(input.settings.offsets_retention.as_millis()).unwrap_or(i64::MAX);
    input.believed.0.saturating_sub(since.0) >= retention
}
