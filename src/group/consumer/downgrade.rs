//! A consumer group becomes a classic group: its last member of the consumer protocol has gone, or a member
//! of the classic protocol took its place.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;

use super::group::{ConsumerGroup, Member};
use super::protocol;
use super::soft::{Downgraded, Step, milliseconds};
use super::update::Subject;
use crate::group::record::{
    ConsumerGroupChange, GroupMetadata, GroupMetadataMember, GroupRecord, MemberMetadata,
};
use crate::group::request::GroupProtocol;
use crate::group::subscription::CONSUMER_PROTOCOL_TYPE;

/// Whether the group goes on as a classic one without these members.
pub(super) fn by_leaving(step: &Step<'_>, leaving: &BTreeSet<Arc<str>>) -> bool {
    let group = step.group;
    let is_classic = |member_id: &&Arc<str>| group.members.get(*member_id).is_some_and(Member::is_classic);
    let classic_leaving = leaving.iter().filter(is_classic).count();
    let remaining = group.members.len().saturating_sub(leaving.len());
    group.counts.classic_members - classic_leaving == remaining
        && remaining > 0
        && is_allowed(step, remaining)
}

/// Whether the group goes on as a classic one if this member is replaced by one of the classic protocol.
pub(super) fn by_replacement(step: &Step<'_>, replaced: &Member) -> bool {
    let group = step.group;
    !replaced.is_classic()
        && group.counts.classic_members + 1 == group.members.len()
        && is_allowed(step, group.members.len())
}

fn is_allowed(step: &Step<'_>, members: usize) -> bool {
    let settings = step.settings();
    settings.migration_policy.allows_downgrade() && members <= settings.group_max_size
}

/// Writes that the consumer group is gone, and the classic group that it becomes. `joining` takes the place
/// of the member with its instance id.
pub(super) fn convert(
    step: &mut Step<'_>,
    leaving: &BTreeSet<Arc<str>>,
    joining: Option<&Subject>,
    rebalance: bool,
) {
    let group = step.group;
    let replaced = joining.and_then(|joining| joining.metadata.instance_id.as_ref());
    let replaced = replaced.and_then(|instance_id| group.static_members.get(instance_id));
    // The records that replaced a member were written already.
    let gone: Vec<Arc<str>> = group
        .members
        .keys()
        .map(|member_id| match joining {
            Some(joining) if replaced == Some(member_id) => joining.member_id.clone(),
            _ => member_id.clone(),
        })
        .collect();
    step.records.extend(tombstones_of(group, &gone));
    group.members.keys().for_each(|member_id| step.cancel_timers(member_id));
    let mut members: BTreeMap<Arc<str>, (&MemberMetadata, &Arc<str>)> = BTreeMap::new();
    for (member_id, member) in &group.members {
        if !leaving.contains(member_id) && replaced != Some(member_id) {
            members.insert(member_id.clone(), (&member.metadata, member_id));
        }
    }
    if let (Some(joining), Some(replaced)) = (joining, replaced) {
        members.insert(joining.member_id.clone(), (&joining.metadata, replaced));
    }
    let metadata = classic_metadata(step, &members);
    let group_id = group.group_id.clone();
    step.records.push(GroupRecord::GroupMetadata { group_id: group_id.clone(), metadata: Some(metadata) });
    let spoken = |(member_id, (metadata, _)): (&Arc<str>, &(&MemberMetadata, &Arc<str>))| {
        Some((member_id.clone(), metadata.classic.as_ref()?.supported_protocols.clone()))
    };
    let protocols = members.iter().filter_map(spoken).collect();
    step.soft.downgraded.push(Downgraded { group_id, rebalance, protocols });
}

/// The records that delete a group.
pub fn tombstones(group: &ConsumerGroup) -> Vec<GroupRecord> {
    let members: Vec<Arc<str>> = group.members.keys().cloned().collect();
    tombstones_of(group, &members)
}

/// Kafka's order: what a member has, what it is to have, the member itself.
fn tombstones_of(group: &ConsumerGroup, members: &[Arc<str>]) -> Vec<GroupRecord> {
    let members = || members.iter().cloned();
    let mut changes = Vec::new();
    changes.extend(
        members()
            .map(|member_id| ConsumerGroupChange::CurrentMemberAssignment { member_id, assignment: None }),
    );
    changes.extend(
        members()
            .map(|member_id| ConsumerGroupChange::TargetAssignmentMember { member_id, assignment: None }),
    );
    changes.push(ConsumerGroupChange::TargetAssignmentMetadata(None));
    changes
        .extend(members().map(|member_id| ConsumerGroupChange::MemberMetadata { member_id, metadata: None }));
    changes.extend(
        group
            .resolved
            .keys()
            .cloned()
            .map(|expression| ConsumerGroupChange::RegularExpression { expression, resolved: None }),
    );
    changes.push(ConsumerGroupChange::PartitionMetadata(None));
    changes.push(ConsumerGroupChange::Metadata(None));
    let record = |change| GroupRecord::ConsumerGroup { group_id: group.group_id.clone(), change };
    changes.into_iter().map(record).collect()
}

/// The classic group: its generation is the group epoch, and each member has what it was to have. `members`
/// are described by their new ids, with the ids that their targets stand under.
fn classic_metadata(
    step: &Step<'_>,
    members: &BTreeMap<Arc<str>, (&MemberMetadata, &Arc<str>)>,
) -> Arc<GroupMetadata> {
    let protocol_name = select_protocol(members.values().map(|(metadata, _)| *metadata));
    let member = |(member_id, (metadata, target_id)): (&Arc<str>, &(&MemberMetadata, &Arc<str>))| {
        let classic = metadata.classic.as_ref()?;
        let chosen = |protocol: &&GroupProtocol| Some(&protocol.name) == protocol_name.as_ref();
        let subscription = classic.supported_protocols.iter().find(chosen)?.metadata.clone();
        Some(GroupMetadataMember {
            member_id: member_id.clone(),
            group_instance_id: metadata.instance_id.clone(),
            client_id: metadata.client_id.clone(),
            client_host: metadata.client_host.clone(),
            rebalance_timeout: milliseconds(metadata.rebalance_timeout_ms),
            session_timeout: milliseconds(classic.session_timeout_ms),
            assignment: assignment(step, step.group, target_id, &subscription),
            subscription,
        })
    };
    Arc::new(GroupMetadata {
        protocol_type: CONSUMER_PROTOCOL_TYPE.into(),
        generation_id: step.group.metadata.group_epoch,
        protocol_name: protocol_name.clone(),
        // Kafka's choice: the first that comes into the group.
        leader: members.keys().next().cloned(),
        current_state_timestamp: step.input.wall,
        members: members.iter().filter_map(member).collect(),
    })
}

fn assignment(step: &Step<'_>, group: &ConsumerGroup, target_id: &str, subscription: &Bytes) -> Bytes {
    let version = protocol::version(subscription).unwrap_or_default();
    let target = group.target(target_id);
    let partitions = target.iter().map(|(topic_id, partitions)| (*topic_id, partitions.clone()));
    protocol::write_assignment(partitions, step.input.image, version)
}

/// The protocol that most members like best of those that all know.
fn select_protocol<'a>(members: impl Iterator<Item = &'a MemberMetadata> + Clone) -> Option<Arc<str>> {
    let protocols = members.map(|metadata| {
        let protocols = metadata.classic.as_ref().map(|classic| classic.supported_protocols.as_slice());
        protocols.unwrap_or_default()
    });
    let mut votes: BTreeMap<&Arc<str>, usize> = BTreeMap::new();
    for own in protocols.clone() {
        let is_known = |name: &Arc<str>| {
            protocols.clone().all(|protocols| protocols.iter().any(|protocol| protocol.name == *name))
        };
        if let Some(first) = own.iter().map(|protocol| &protocol.name).find(|name| is_known(name)) {
            *votes.entry(first).or_default() += 1;
        }
    }
    votes.into_iter().max_by_key(|(_, count)| *count).map(|(name, _)| name.clone())
}
