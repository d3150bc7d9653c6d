//! What outlives a restart: the sum of all records.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::consumer::ConsumerGroup;
use super::offsets::GroupOffsets;
use super::pending::PendingOffsets;
use super::record::{CommittedOffset, ConsumerGroupChange, GroupMetadata, GroupRecord};
use crate::model::{ProducerId, TransactionResult};

/// Everything that the records of one partition of `__consumer_offsets` say.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Durable {
    groups: HashMap<Arc<str>, DurableGroup>,
    /// Names of topics, each once for all groups. Those that no group has any more stay: a topic's name is
    /// small, and there is one for each topic that ever was.
    topics: HashSet<Arc<str>>,
    /// Of groups that only commit offsets.
    simple: Arc<GroupMetadata>,
    /// Offsets of open transactions.
    pending: PendingOffsets,
}

/// One group.
#[derive(Debug, Default, PartialEq)]
pub(super) struct DurableGroup {
    /// What it is. `None` between the tombstone of one kind and the first record of another, or where
    /// offsets were left behind by a group's tombstone.
    pub kind: Option<GroupKind>,
    /// Its offsets, whatever it is.
    pub offsets: GroupOffsets,
}

/// What a group is.
#[derive(Debug, PartialEq)]
pub(super) enum GroupKind {
    /// A classic group, as its last record has it.
    Classic(Arc<GroupMetadata>),
    /// A consumer group (KIP-848). Boxed: most groups are of the other kind, or only have offsets.
    Consumer(Box<ConsumerGroup>),
}

impl Durable {
    /// A group of which there is a record.
    pub fn group(&self, group_id: &str) -> Option<&DurableGroup> {
        self.groups.get(group_id)
    }

    /// A classic group, as its last record has it.
    pub fn classic(&self, group_id: &str) -> Option<&Arc<GroupMetadata>> {
        match self.groups.get(group_id)?.kind {
            Some(GroupKind::Classic(ref metadata)) => Some(metadata),
            _ => None,
        }
    }

    /// A consumer group.
    pub fn consumer(&self, group_id: &str) -> Option<&ConsumerGroup> {
        match self.groups.get(group_id)?.kind {
            Some(GroupKind::Consumer(ref group)) => Some(group),
            _ => None,
        }
    }

    /// All consumer groups.
    pub fn consumer_groups(&self) -> impl Iterator<Item = &ConsumerGroup> {
        self.groups.values().filter_map(|group| match &group.kind {
            Some(GroupKind::Consumer(group)) => Some(group.as_ref()),
            _ => None,
        })
    }

    /// All groups, in no order.
    pub fn groups(&self) -> impl Iterator<Item = (&Arc<str>, &DurableGroup)> {
        self.groups.iter()
    }

    /// All groups, in an order that is the same for the same records.
    pub fn sorted(&self) -> Vec<(&Arc<str>, &DurableGroup)> {
        let mut groups: Vec<_> = self.groups.iter().collect();
        groups.sort_unstable_by_key(|(group_id, _)| *group_id);
        groups
    }

    /// Classic groups that have members, in the order of [`Durable::sorted`].
    pub fn classic_with_members(&self) -> Vec<(&Arc<str>, &Arc<GroupMetadata>)> {
        let mut groups = Vec::new();
        for (group_id, group) in &self.groups {
            if let Some(GroupKind::Classic(metadata)) = &group.kind
                && !metadata.members.is_empty()
            {
                groups.push((group_id, metadata));
            }
        }
        groups.sort_unstable_by_key(|(group_id, _)| *group_id);
        groups
    }

    /// Offsets of open transactions.
    pub fn pending(&self) -> &PendingOffsets {
        &self.pending
    }

    /// Applies a record of a transaction. Only offsets are written in transactions.
    pub fn replay_in_transaction(&mut self, producer_id: ProducerId, record: GroupRecord) {
        let GroupRecord::OffsetCommit { group_id, topic, partition, offset: Some(offset) } = record else {
            return;
        };
        group_of_offsets(&mut self.groups, &self.simple, &group_id);
        let topic = shared(&mut self.topics, &topic);
        self.pending.add(producer_id, (&group_id, &topic, partition), offset);
    }

    /// A transaction has ended: what it committed counts now, or never.
    pub fn end_transaction(&mut self, producer_id: ProducerId, result: TransactionResult) {
        for ((group_id, topic, partition), offset) in self.pending.end(producer_id, result) {
            self.set_offset(&group_id, &topic, partition, offset);
        }
    }

    fn set_offset(&mut self, group_id: &Arc<str>, topic: &Arc<str>, partition: i32, offset: CommittedOffset) {
        let group = group_of_offsets(&mut self.groups, &self.simple, group_id);
        group.offsets.set(topic, partition, offset, || shared(&mut self.topics, topic));
    }

    /// Applies a record.
    pub fn replay(&mut self, record: GroupRecord) {
        match record {
            GroupRecord::OffsetCommit { group_id, topic, partition, offset: Some(offset) } => {
                self.pending.committed(&group_id, &topic, partition);
                self.set_offset(&group_id, &topic, partition, offset);
            }
            GroupRecord::OffsetCommit { group_id, topic, partition, offset: None } => {
                self.pending.delete(&group_id, &topic, partition);
                if let Some(group) = self.groups.get_mut(&group_id) {
                    group.offsets.remove(&topic, partition);
                    self.remove_if_nothing(&group_id);
                }
            }
            GroupRecord::GroupMetadata { group_id, metadata: Some(metadata) } => {
                self.groups.entry(group_id).or_default().kind = Some(GroupKind::Classic(metadata));
            }
            GroupRecord::GroupMetadata { group_id, metadata: None } => {
                if let Some(group) = self.groups.get_mut(&group_id) {
                    group.kind = None;
                    self.remove_if_nothing(&group_id);
                }
            }
            GroupRecord::ConsumerGroup { group_id, change } => self.replay_consumer(group_id, change),
        }
    }

    /// A tombstone of a group that is gone changes nothing: loading finds them in any order.
    fn replay_consumer(&mut self, group_id: Arc<str>, change: ConsumerGroupChange) {
        if change.is_tombstone() && self.consumer(&group_id).is_none() {
            return;
        }
        let durable = self.groups.entry(group_id.clone()).or_default();
        if !matches!(durable.kind, Some(GroupKind::Consumer(_))) {
            durable.kind = Some(GroupKind::Consumer(Box::new(ConsumerGroup::new(group_id.clone()))));
        }
        let Some(GroupKind::Consumer(group)) = &mut durable.kind else { return };
        if !group.replay(change) {
            durable.kind = None;
            self.remove_if_nothing(&group_id);
        }
    }

    fn remove_if_nothing(&mut self, group_id: &str) {
        let nothing = |group: &DurableGroup| group.kind.is_none() && group.offsets.is_empty();
        if self.groups.get(group_id).is_some_and(nothing) {
            self.groups.remove(group_id);
        }
    }
}

/// A group of which there are offsets. Those of no group make a simple one, as in Kafka.
fn group_of_offsets<'a>(
    groups: &'a mut HashMap<Arc<str>, DurableGroup>,
    simple: &Arc<GroupMetadata>,
    group_id: &Arc<str>,
) -> &'a mut DurableGroup {
    let group = groups.entry(group_id.clone()).or_default();
    group.kind.get_or_insert_with(|| GroupKind::Classic(simple.clone()));
    group
}

/// The one copy of a topic's name.
fn shared(topics: &mut HashSet<Arc<str>>, topic: &Arc<str>) -> Arc<str> {
    match topics.get(topic) {
        Some(known) => known.clone(),
        None => {
            topics.insert(topic.clone());
            topic.clone()
        }
    }
}
