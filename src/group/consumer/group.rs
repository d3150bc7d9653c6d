//! What a consumer group is: the part that is written down, and what follows from it.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::counts::Counts;
use crate::group::assignor::Assignment;
use crate::group::record::{
    ConsumerGroupChange, ConsumerGroupMetadata, CurrentAssignment, MemberMetadata, MemberState,
    OwnedPartitions, ResolvedRegularExpression, TargetAssignmentMetadata,
};
use crate::model::{Timestamp, TopicPartition};

/// Member epoch of one that leaves.
pub(super) const LEAVE_EPOCH: i32 = -1;
/// Member epoch of a static member that leaves and will be back.
pub(super) const LEAVE_STATIC_EPOCH: i32 = -2;

/// Of a group, and of its target assignment, before any was written.
const FIRST_EPOCH: i32 = 1;

/// A member.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Member {
    /// As its requests describe it.
    pub metadata: Arc<MemberMetadata>,
    /// What it has.
    pub current: CurrentAssignment,
}

impl Member {
    /// Whether it speaks the classic protocol.
    pub fn is_classic(&self) -> bool {
        self.metadata.classic.is_some()
    }

    /// Whether it has what this target assignment gives it.
    pub fn is_reconciled_to(&self, target_epoch: i32) -> bool {
        self.current.state == MemberState::Stable && self.current.member_epoch == target_epoch
    }
}

/// A consumer group. Everything in it changes only with a record.
#[derive(Debug, Clone, PartialEq)]
pub struct ConsumerGroup {
    pub(super) group_id: Arc<str>,
    pub(super) metadata: ConsumerGroupMetadata,
    pub(super) target_metadata: TargetAssignmentMetadata,
    /// By member id: assignors take members in this order.
    pub(super) members: BTreeMap<Arc<str>, Member>,
    /// Member ids of static members, by instance id.
    pub(super) static_members: HashMap<Arc<str>, Arc<str>>,
    pub(super) targets: HashMap<Arc<str>, Arc<Assignment>>,
    /// Regular expressions that were searched for.
    pub(super) resolved: BTreeMap<Arc<str>, Arc<ResolvedRegularExpression>>,
    /// An older version left a record that is to be deleted.
    pub(super) has_partition_metadata: bool,
    pub(super) counts: Counts,
    /// Who has a partition, or still has to give it up.
    pub(super) owners: HashMap<TopicPartition, Arc<str>>,
}

impl ConsumerGroup {
    /// A group without members.
    pub fn new(group_id: Arc<str>) -> ConsumerGroup {
        ConsumerGroup {
            group_id,
            metadata: ConsumerGroupMetadata { group_epoch: FIRST_EPOCH, metadata_hash: 0 },
            target_metadata: TargetAssignmentMetadata {
                assignment_epoch: FIRST_EPOCH,
                assignment_timestamp: Timestamp(0),
            },
            members: BTreeMap::new(),
            static_members: HashMap::new(),
            targets: HashMap::new(),
            resolved: BTreeMap::new(),
            has_partition_metadata: false,
            counts: Counts::default(),
            owners: HashMap::new(),
        }
    }

    /// The group's id.
    pub fn group_id(&self) -> &Arc<str> {
        &self.group_id
    }

    /// Whether it has no members.
    pub fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// How many members it has.
    pub fn members_count(&self) -> usize {
        self.members.len()
    }

    /// Its epoch: one more whenever it must be assigned anew.
    pub fn group_epoch(&self) -> i32 {
        self.metadata.group_epoch
    }

    /// Members and their ids, ascending.
    pub fn members(&self) -> impl Iterator<Item = (&Arc<str>, &Member)> {
        self.members.iter()
    }

    /// Whether a member subscribes to a topic.
    pub fn is_subscribed_to(&self, topic: &str) -> bool {
        self.counts.topics.contains_key(topic)
    }

    /// Name of its state, as it is listed and described.
    pub fn state_name(&self) -> &'static str {
        let target_epoch = self.target_metadata.assignment_epoch;
        if self.members.is_empty() {
            "Empty"
        } else if self.metadata.group_epoch > target_epoch {
            "Assigning"
        } else if self.members.values().all(|member| member.is_reconciled_to(target_epoch)) {
            "Stable"
        } else {
            "Reconciling"
        }
    }

    /// The member of an instance id.
    pub(super) fn static_member(&self, instance_id: &str) -> Option<(&Arc<str>, &Member)> {
        let member_id = self.static_members.get(instance_id)?;
        self.members.get_key_value(member_id)
    }

    /// What a member is to have.
    pub(super) fn target(&self, member_id: &str) -> Arc<Assignment> {
        self.targets.get(member_id).cloned().unwrap_or_default()
    }

    /// Applies a record of this group. Gives whether the group is still there.
    pub fn replay(&mut self, change: ConsumerGroupChange) -> bool {
        match change {
            ConsumerGroupChange::Metadata(None) => return false,
            ConsumerGroupChange::Metadata(Some(metadata)) => self.metadata = metadata,
            ConsumerGroupChange::PartitionMetadata(value) => self.has_partition_metadata = value.is_some(),
            ConsumerGroupChange::MemberMetadata { member_id, metadata: Some(metadata) } => {
                self.replay_metadata(member_id, metadata);
            }
            ConsumerGroupChange::MemberMetadata { member_id, metadata: None } => {
                self.remove_member(&member_id);
            }
            ConsumerGroupChange::TargetAssignmentMetadata(metadata) => {
                let none =
                    TargetAssignmentMetadata { assignment_epoch: -1, assignment_timestamp: Timestamp(0) };
                self.target_metadata = metadata.unwrap_or(none);
            }
            ConsumerGroupChange::TargetAssignmentMember { member_id, assignment: Some(assignment) } => {
                self.targets.insert(member_id, assignment);
            }
            ConsumerGroupChange::TargetAssignmentMember { member_id, assignment: None } => {
                self.targets.remove(&member_id);
            }
            ConsumerGroupChange::CurrentMemberAssignment { member_id, assignment } => {
                self.replay_current(member_id, assignment);
            }
            ConsumerGroupChange::RegularExpression { expression, resolved } => {
                let old = match &resolved {
                    Some(resolved) => self.resolved.insert(expression, resolved.clone()),
                    None => self.resolved.remove(&expression),
                };
                self.counts.resolve(old.as_deref(), resolved.as_deref());
            }
        }
        true
    }

    fn replay_metadata(&mut self, member_id: Arc<str>, metadata: Arc<MemberMetadata>) {
        if let Some(instance_id) = &metadata.instance_id {
            self.static_members.insert(instance_id.clone(), member_id.clone());
        }
        let member = self.members.entry(member_id).or_default();
        self.counts.update(Some(&member.metadata), Some(&metadata));
        member.metadata = metadata;
    }

    fn remove_member(&mut self, member_id: &Arc<str>) {
        let Some(member) = self.members.remove(member_id) else { return };
        self.release(member_id, &member.current);
        self.counts.update(Some(&member.metadata), None);
        // Another member may have taken the instance id by now.
        if let Some(instance_id) = &member.metadata.instance_id
            && self.static_members.get(instance_id) == Some(member_id)
        {
            self.static_members.remove(instance_id);
        }
    }

    fn replay_current(&mut self, member_id: Arc<str>, assignment: Option<CurrentAssignment>) {
        let new = match assignment {
            Some(new) => new,
            // A tombstone of a member that is gone, which loading finds in any order.
            None if !self.members.contains_key(&member_id) => return,
            None => CurrentAssignment {
                member_epoch: LEAVE_EPOCH,
                previous_member_epoch: LEAVE_EPOCH,
                ..CurrentAssignment::default()
            },
        };
        let old = self.members.entry(member_id.clone()).or_default().current.clone();
        self.release(&member_id, &old);
        for topic_partition in topic_partitions(&new) {
            self.owners.insert(topic_partition, member_id.clone());
        }
        if let Some(member) = self.members.get_mut(&member_id) {
            member.current = new;
        }
    }

    /// Whatever the member has is free, unless another has it already.
    fn release(&mut self, member_id: &Arc<str>, current: &CurrentAssignment) {
        for topic_partition in topic_partitions(current) {
            if self.owners.get(&topic_partition) == Some(member_id) {
                self.owners.remove(&topic_partition);
            }
        }
    }
}

/// What a member has, and what it has yet to give up.
fn topic_partitions(current: &CurrentAssignment) -> impl Iterator<Item = TopicPartition> {
    let of = |owned: &'_ OwnedPartitions| {
        let partitions = owned.iter().flat_map(|(topic_id, epochs)| {
            epochs
                .keys()
                .map(|partition| TopicPartition { topic_id: *topic_id, partition: *partition })
                .collect::<Vec<_>>()
        });
        partitions.collect::<Vec<_>>()
    };
    of(&current.assigned).into_iter().chain(of(&current.pending_revocation))
}
