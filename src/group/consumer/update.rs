//! What a request of a member changes: its description, the group's epoch, the target assignment, and how far
//! it is on its way there. Members of both protocols go through this.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use super::group::{ConsumerGroup, Member};
use super::reconcile::{Reconciliation, RequestedPartitions};
use super::refresh::{self, ExpressionChange};
use super::soft::{Step, milliseconds};
use super::timers::Timer;
use crate::group::assignor::{Assignment, Assignor, GroupSpec, MemberSpec};
use crate::group::error::GroupError;
use crate::group::record::{
    ConsumerGroupChange, ConsumerGroupMetadata, CurrentAssignment, MemberMetadata, MemberState,
    TargetAssignmentMetadata,
};
use crate::metadata::ClusterImage;
use crate::model::TopicId;

/// The member that a request is about.
pub(super) struct Subject {
    pub member_id: Arc<str>,
    /// As it was described before.
    pub old: Arc<MemberMetadata>,
    /// As it is described now.
    pub metadata: Arc<MemberMetadata>,
    /// What it had when the request came.
    pub current: CurrentAssignment,
}

/// What changed of a member's subscription.
#[derive(Debug, Clone, Copy)]
pub(super) struct SubscriptionChange {
    pub names: bool,
    pub expression: ExpressionChange,
}

impl SubscriptionChange {
    pub fn any(self) -> bool {
        self.names || self.expression != ExpressionChange::None
    }
}

/// The target assignment that a member is led to.
pub(super) struct Target {
    pub target_epoch: i32,
    pub assignment: Arc<Assignment>,
}

/// Writes down how the member is described now, if that changed.
pub(super) fn update_description(
    step: &mut Step<'_>,
    subject: &Subject,
) -> Result<SubscriptionChange, GroupError> {
    let Subject { member_id, old, metadata, .. } = subject;
    if metadata != old {
        step.write(ConsumerGroupChange::MemberMetadata {
            member_id: member_id.clone(),
            metadata: Some(metadata.clone()),
        });
    }
    // The same description is not compared name by name.
    let names = !Arc::ptr_eq(metadata, old) && metadata.subscribed_topic_names != old.subscribed_topic_names;
    let expression = refresh::update_expression(step, old, metadata)?;
    Ok(SubscriptionChange { names, expression })
}

/// The group epoch, and whether all members subscribe to the same topics; `None`: as the group's counts say.
#[derive(Debug, Clone, Copy)]
pub(super) struct GroupEpoch {
    pub group_epoch: i32,
    pub homogeneous: Option<bool>,
}

/// Raises the group epoch if a subscription or a topic changed. Without either it looks at nothing.
pub(super) fn update_group_epoch(step: &mut Step<'_>, subject: &Subject, bump: bool) -> GroupEpoch {
    let group = step.group;
    if !bump && !is_metadata_expired(step) {
        return GroupEpoch { group_epoch: group.metadata.group_epoch, homogeneous: None };
    }
    let mut counts = group.counts.clone();
    counts.update(Some(&subject.old), Some(&subject.metadata));
    // The last member of an expression takes its topics along.
    if let Some(expression) = subject.old.regex()
        && counts.members_of(expression) == 0
    {
        counts.resolve(group.resolved.get(expression).map(Arc::as_ref), None);
    }
    let metadata_hash = step.soft.catalogue.group_hash(counts.topics.keys());
    let is_new = !group.members.contains_key(&subject.member_id)
        && !subject.metadata.instance_id.as_ref().is_some_and(|id| group.static_members.contains_key(id));
    let homogeneous = counts.is_homogeneous(group.members.len() + usize::from(is_new));
    let mut group_epoch = group.metadata.group_epoch;
    if bump || metadata_hash != group.metadata.metadata_hash {
        group_epoch += 1;
        write_group_epoch(step, group_epoch, metadata_hash);
    }
    note_checked(step, group_epoch);
    if group.has_partition_metadata {
        step.write(ConsumerGroupChange::PartitionMetadata(None));
    }
    GroupEpoch { group_epoch, homogeneous: Some(homogeneous) }
}

/// Whether topics may have changed since they were looked at.
fn is_metadata_expired(step: &mut Step<'_>) -> bool {
    let number = step.soft.catalogue.number();
    let group_epoch = step.group.metadata.group_epoch;
    let checked = step.group_soft().checked;
    checked.is_none_or(|(checked, checked_epoch)| checked != number || group_epoch < checked_epoch)
}

/// The catalogue in force is the one that this group epoch was made with.
pub(super) fn note_checked(step: &mut Step<'_>, group_epoch: i32) {
    let number = step.soft.catalogue.number();
    step.group_soft().checked = Some((number, group_epoch));
}

pub(super) fn write_group_epoch(step: &mut Step<'_>, group_epoch: i32, metadata_hash: i64) {
    let metadata = ConsumerGroupMetadata { group_epoch, metadata_hash };
    step.write(ConsumerGroupChange::Metadata(Some(metadata)));
}

/// The target assignment: a new one if the group epoch is ahead of it and the last is old enough.
pub(super) fn update_target(step: &mut Step<'_>, subject: &Subject, bumped: GroupEpoch) -> Target {
    let group = step.group;
    if group.target_metadata.assignment_epoch >= bumped.group_epoch || !may_assign(step) {
        return last_target(group, subject);
    }
    let assignment = assign(step, subject, bumped);
    step.group_soft().assigned_at = Some(step.input.monotonic);
    step.write(ConsumerGroupChange::TargetAssignmentMetadata(Some(TargetAssignmentMetadata {
        assignment_epoch: bumped.group_epoch,
        assignment_timestamp: step.input.wall,
    })));
    Target { target_epoch: bumped.group_epoch, assignment }
}

/// What the member is to have by the target assignment that there is. One that takes over an instance id
/// finds it with the member before it.
pub(super) fn last_target(group: &ConsumerGroup, subject: &Subject) -> Target {
    let assignment = match &subject.metadata.instance_id {
        None => group.target(&subject.member_id),
        Some(instance_id) => {
            let member_id = group.static_members.get(instance_id);
            member_id.map(|member_id| group.target(member_id)).unwrap_or_default()
        }
    };
    Target { target_epoch: group.target_metadata.assignment_epoch, assignment }
}

/// Whether `consumer.assignment.interval.ms` has passed since the last assignment. Measured by the monotonic
/// clock, and after a restart by the wall clock, which may have been set back: then nothing is waited for.
pub(super) fn may_assign(step: &mut Step<'_>) -> bool {
    let interval = step.settings().consumer_assignment_interval(&step.group.group_id);
    let timestamp = step.group.target_metadata.assignment_timestamp;
    if timestamp.0 == 0 || interval.is_zero() {
        return true;
    }
    if let Some(assigned_at) = step.group_soft().assigned_at {
        return step.input.monotonic >= assigned_at + interval;
    }
    let passed = step.input.wall.0.saturating_sub(timestamp.0);
    passed < 0 || i128::from(passed) >= interval.as_millis() as i128
}

/// Assigns with the subject as it is described now, writes what changes, and gives the subject's part.
fn assign(step: &mut Step<'_>, subject: &Subject, bumped: GroupEpoch) -> Arc<Assignment> {
    let (group, image) = (step.group, step.input.image);
    let none = Arc::<Assignment>::default();
    let members = members_after(group, subject);
    // Looked at only here: it goes through all topics.
    let homogeneous = bumped.homogeneous.unwrap_or_else(|| group.counts.is_homogeneous(group.members.len()));
    let topics = TopicsOf::new(group, image, &members, homogeneous);
    let once = had_once(&members, &topics.partitions);
    let specs: Vec<MemberSpec<'_>> = members
        .iter()
        .map(|(member_id, (metadata, target))| MemberSpec {
            member_id,
            instance_id: metadata.instance_id.as_deref(),
            topics: topics.of(member_id),
            assigned: once.get(member_id.as_ref()).or(target.map(Arc::as_ref)).unwrap_or(&none),
        })
        .collect();
    let spec = GroupSpec { members: &specs, homogeneous, partitions: &topics.partitions };
    let assignments = preferred_assignor(step, subject).assign(&spec);
    let mut own = Arc::default();
    for ((member_id, (_, old)), assignment) in members.iter().zip(assignments) {
        let is_own = *member_id == &subject.member_id;
        // One that takes over an instance id has nothing written of its own yet.
        let old = if is_own { group.targets.get(&subject.member_id) } else { *old };
        let is_same = old.is_some_and(|old| **old == assignment);
        let assignment = if is_same { old.cloned().unwrap_or_default() } else { Arc::new(assignment) };
        if is_own {
            own = assignment.clone();
        }
        if !is_same {
            step.write(ConsumerGroupChange::TargetAssignmentMember {
                member_id: Arc::clone(member_id),
                assignment: Some(assignment),
            });
        }
    }
    own
}

type Described<'a> = (&'a MemberMetadata, Option<&'a Arc<Assignment>>);

/// All members with the subject as it is described now, and what each was to have.
fn members_after<'a>(
    group: &'a ConsumerGroup,
    subject: &'a Subject,
) -> BTreeMap<&'a Arc<str>, Described<'a>> {
    let described = |(member_id, member): (&'a Arc<str>, &'a Member)| {
        (member_id, (member.metadata.as_ref(), group.targets.get(member_id)))
    };
    let mut members: BTreeMap<_, _> = group.members.iter().map(described).collect();
    let mut target = group.targets.get(&subject.member_id);
    if let Some(previous) = subject.metadata.instance_id.as_ref().and_then(|id| group.static_members.get(id))
        && *previous != subject.member_id
    {
        members.remove(previous);
        target = group.targets.get(previous);
    }
    members.insert(&subject.member_id, (subject.metadata.as_ref(), target));
    members
}

/// Members that are to have what another one is to have too, by an assignment that was written in part (see
/// `Outcome::divisible`): what is left to each. Assignors go by it that nothing is had twice.
fn had_once<'a>(
    members: &BTreeMap<&'a Arc<str>, Described<'a>>,
    partitions: &HashMap<TopicId, i32>,
) -> HashMap<&'a str, Assignment> {
    let mut seen: HashMap<TopicId, Vec<bool>> = HashMap::new();
    let mut left = HashMap::new();
    for (member_id, (_, target)) in members {
        let Some(target) = target else { continue };
        let mut is_first = |topic_id: &TopicId, partition: i32| {
            let count = usize::try_from(partitions.get(topic_id).copied().unwrap_or_default()).unwrap_or(0);
            let seen = seen.entry(*topic_id).or_insert_with(|| vec![false; count]);
            // What does not exist is nobody's.
            let place = usize::try_from(partition).ok().and_then(|at| seen.get_mut(at));
            place.is_none_or(|seen| !std::mem::replace(seen, true))
        };
        let first = |(topic_id, all): (&TopicId, &Vec<i32>)| {
            let kept: Vec<i32> = all.iter().copied().filter(|it| is_first(topic_id, *it)).collect();
            (!kept.is_empty()).then_some((*topic_id, kept))
        };
        let kept: Assignment = target.iter().filter_map(first).collect();
        if kept != ***target {
            left.insert(&***member_id, kept);
        }
    }
    left
}

/// Topics of each member, and how many partitions they have.
struct TopicsOf<'a> {
    /// If all subscribe to the same.
    common: Option<Vec<TopicId>>,
    of: HashMap<&'a str, Vec<TopicId>>,
    partitions: HashMap<TopicId, i32>,
}

impl<'a> TopicsOf<'a> {
    fn new(
        group: &ConsumerGroup,
        image: &ClusterImage,
        members: &BTreeMap<&'a Arc<str>, Described<'a>>,
        homogeneous: bool,
    ) -> TopicsOf<'a> {
        let topics = |metadata: &MemberMetadata| -> Vec<TopicId> {
            subscribed_topics(group, image, metadata).into_iter().collect()
        };
        let first = members.values().next().filter(|_| homogeneous);
        let common = first.map(|(metadata, _)| topics(metadata));
        let of: HashMap<&str, Vec<TopicId>> = match common {
            Some(_) => HashMap::new(),
            None => members.iter().map(|(id, (metadata, _))| (&***id, topics(metadata))).collect(),
        };
        let all = common.iter().chain(of.values()).flatten();
        let partitions =
            all.filter_map(|topic_id| Some((*topic_id, image.topic_by_id(*topic_id)?.partitions))).collect();
        TopicsOf { common, of, partitions }
    }

    fn of(&self, member_id: &str) -> &[TopicId] {
        self.common.as_ref().or_else(|| self.of.get(member_id)).map(Vec::as_slice).unwrap_or_default()
    }
}

/// Topics that exist and that a member subscribes to, by name or by its regular expression as far as that
/// was searched for.
pub(super) fn subscribed_topics(
    group: &ConsumerGroup,
    image: &ClusterImage,
    metadata: &MemberMetadata,
) -> BTreeSet<TopicId> {
    let resolved = metadata.regex().and_then(|expression| group.resolved.get(expression));
    let resolved = resolved.map(|resolved| resolved.topics.as_slice()).unwrap_or_default();
    let names = metadata.subscribed_topic_names.iter().chain(resolved);
    names.filter_map(|name| Some(image.topic(name)?.topic_id)).collect()
}

/// The assignor that most members ask for. Of two with as many members Kafka's hash map has `uniform` first.
fn preferred_assignor(step: &Step<'_>, subject: &Subject) -> Assignor {
    let mut counts = step.group.counts.assignors.clone();
    if let Some(old) = &subject.old.server_assignor {
        counts.entry(old.clone()).and_modify(|count| *count = count.saturating_sub(1));
    }
    if let Some(new) = &subject.metadata.server_assignor {
        *counts.entry(new.clone()).or_default() += 1;
    }
    preferred(&counts).or(step.settings().consumer_assignors.first().copied()).unwrap_or(Assignor::Uniform)
}

/// The assignor that most ask for, if anybody does.
pub(super) fn preferred(counts: &BTreeMap<Arc<str>, usize>) -> Option<Assignor> {
    let counts = counts.iter().filter(|(_, count)| **count > 0);
    // The last of equals is taken, and `uniform` comes after `range`.
    let (name, _) = counts.max_by_key(|(_, count)| **count)?;
    Assignor::from_name(name)
}

/// Leads the member one step towards the target. Without a change it looks at nothing.
pub(super) fn reconcile(
    step: &mut Step<'_>,
    subject: &Subject,
    target: &Target,
    has_subscription_changed: bool,
    owned: Option<&RequestedPartitions>,
) -> Result<CurrentAssignment, GroupError> {
    let current = &subject.current;
    let is_reconciled = current.state == MemberState::Stable && current.member_epoch == target.target_epoch;
    if is_reconciled && !has_subscription_changed {
        return Ok(current.clone());
    }
    let next = Reconciliation {
        target_epoch: target.target_epoch,
        target: &target.assignment,
        subscribed: &subscribed_topics(step.group, step.input.image, &subject.metadata),
        has_subscription_changed,
        owners: &step.group.owners,
        owned,
    }
    .next(current)?;
    if next == *current {
        return Ok(next);
    }
    step.write(ConsumerGroupChange::CurrentMemberAssignment {
        member_id: subject.member_id.clone(),
        assignment: Some(next.clone()),
    });
    if subject.metadata.classic.is_none() {
        if next.state == MemberState::UnrevokedPartitions {
            let timeout = milliseconds(subject.metadata.rebalance_timeout_ms);
            step.set_timer(Timer::Rebalance, &subject.member_id, timeout, next.member_epoch);
        } else {
            step.cancel_timer(Timer::Rebalance, &subject.member_id);
        }
    }
    Ok(next)
}
