//! Members of a consumer group that speak the classic protocol: their generation is their member epoch, a
//! join is a step towards the target, a sync tells what they have, a heartbeat tells when to join again.

use std::collections::BTreeSet;
use std::sync::Arc;

use bytes::Bytes;

use super::checks::check_size;
use super::downgrade;
use super::group::{ConsumerGroup, Member};
use super::heartbeat::replace;
use super::leave::fence;
use super::protocol::{self, Subscription};
use super::soft::{Step, milliseconds};
use super::timers::Timer;
use super::update::{
    Subject, last_target, may_assign, reconcile, update_description, update_group_epoch, update_target,
};
use crate::group::error::GroupError;
use crate::group::input::Caller;
use crate::group::record::{ClassicMemberMetadata, MemberMetadata, MemberState};
use crate::group::reply::{JoinGroupReply, LeftMember, SyncedGroup};
use crate::group::request::{Heartbeat, JoinGroup, LeaveGroup, LeavingMember, SyncGroup};
use crate::group::settings::MigrationPolicy;
use crate::group::subscription::CONSUMER_PROTOCOL_TYPE;
use crate::model::{TopicId, base64_id};

/// A member joins. The answer is ready at once: nobody waits for others.
pub(super) fn join(
    step: &mut Step<'_>,
    caller: &Caller,
    request: &JoinGroup,
) -> Result<JoinGroupReply, GroupError> {
    if step.settings().migration_policy == MigrationPolicy::Disabled {
        return Err(GroupError::InconsistentGroupProtocol);
    }
    let is_unknown = request.member_id.is_empty();
    let member_id: Arc<str> = match request.member_id.as_ref() {
        "" => base64_id(step.input.fresh_id.as_bytes()).into(),
        _ => request.member_id.clone(),
    };
    check_size(step.settings(), step.group, &member_id)?;
    let subscription = check_protocols(step.group, request)?;
    if is_unknown && request.group_instance_id.is_none() && request.requires_known_member_id {
        return Err(GroupError::MemberIdRequired(member_id));
    }
    let replaced = request.group_instance_id.as_ref().and_then(|id| step.group.static_member(id));
    let member = match &request.group_instance_id {
        None => step.group.members.get(&member_id).cloned().unwrap_or_default(),
        Some(_) => static_member(step, replaced, &member_id, is_unknown)?,
    };
    let subject = Subject {
        metadata: described(&member.metadata, caller, request, &subscription),
        old: member.metadata,
        member_id,
        current: member.current,
    };
    let is_downgrade = replaced.is_some_and(|(_, replaced)| downgrade::by_replacement(step, replaced));
    let member_epoch = update(step, &subject, &subscription, is_downgrade)?;
    step.cancel_timer(Timer::Join, &subject.member_id);
    if !is_downgrade {
        step.set_timer(Timer::Session, &subject.member_id, request.session_timeout, member_epoch);
        step.set_timer(Timer::Sync, &subject.member_id, request.rebalance_timeout, member_epoch);
    }
    Ok(JoinGroupReply {
        error: None,
        generation_id: member_epoch,
        protocol_type: Some(CONSUMER_PROTOCOL_TYPE.into()),
        protocol_name: request.protocols.first().map(|protocol| protocol.name.clone()),
        leader: "".into(),
        skip_assignment: false,
        member_id: subject.member_id,
        members: Vec::new(),
    })
}

/// The subscription, if a protocol is one that all members of the classic protocol know.
fn check_protocols(group: &ConsumerGroup, request: &JoinGroup) -> Result<Subscription, GroupError> {
    let counts = &group.counts;
    let is_known = request.protocols.iter().any(|protocol| {
        counts.classic_protocols.get(&protocol.name).copied().unwrap_or_default() == counts.classic_members
    });
    let first = request.protocols.first().filter(|_| *request.protocol_type == *CONSUMER_PROTOCOL_TYPE);
    let first = first.filter(|_| is_known).ok_or(GroupError::InconsistentGroupProtocol)?;
    // Kafka fails with UNKNOWN_SERVER_ERROR where the subscription cannot be read.
    protocol::read_subscription(&first.metadata).map_err(|_| GroupError::InconsistentGroupProtocol)
}

fn static_member(
    step: &mut Step<'_>,
    existing: Option<(&Arc<str>, &Member)>,
    member_id: &Arc<str>,
    is_unknown: bool,
) -> Result<Member, GroupError> {
    match existing {
        // Unlike a member of the consumer protocol it need not have left before.
        Some(existing) if is_unknown => Ok(replace(step, existing, member_id)),
        Some((known, member)) if known == member_id => Ok(member.clone()),
        Some(_) => Err(GroupError::FencedInstanceId),
        None if is_unknown => Ok(Member::default()),
        None => Err(GroupError::UnknownMemberId),
    }
}

fn described(
    old: &Arc<MemberMetadata>,
    caller: &Caller,
    request: &JoinGroup,
    subscription: &Subscription,
) -> Arc<MemberMetadata> {
    let new = MemberMetadata {
        instance_id: request.group_instance_id.clone().or_else(|| old.instance_id.clone()),
        rack_id: subscription.rack_id.clone().or_else(|| old.rack_id.clone()),
        client_id: caller.client_id.clone(),
        client_host: caller.client_host.clone(),
        subscribed_topic_names: subscription.topics.clone(),
        // The classic protocol has none.
        subscribed_topic_regex: Some("".into()),
        rebalance_timeout_ms: whole_milliseconds(request.rebalance_timeout),
        server_assignor: old.server_assignor.clone(),
        classic: Some(ClassicMemberMetadata {
            session_timeout_ms: whole_milliseconds(request.session_timeout),
            supported_protocols: request.protocols.clone(),
        }),
    };
    if new == **old { old.clone() } else { Arc::new(new) }
}

/// Durations come from 32 bits of milliseconds.
fn whole_milliseconds(duration: std::time::Duration) -> i32 {
    i32::try_from(duration.as_millis()).unwrap_or(i32::MAX)
}

/// Takes note of the join, and gives the member's epoch.
fn update(
    step: &mut Step<'_>,
    subject: &Subject,
    subscription: &Subscription,
    is_downgrade: bool,
) -> Result<i32, GroupError> {
    let change = update_description(step, subject)?;
    let bumped = update_group_epoch(step, subject, change.any());
    let owned: Vec<(TopicId, Vec<i32>)> =
        protocol::with_ids(&subscription.owned, step.input.image).into_iter().collect();
    if !is_downgrade {
        let target = update_target(step, subject, bumped);
        return Ok(reconcile(step, subject, &target, change.any(), Some(&owned))?.member_epoch);
    }
    // The members assign from now on: with what they have, or anew if that is stale.
    let is_stale = step.group.target_metadata.assignment_epoch < bumped.group_epoch;
    let mut current = subject.current.clone();
    if !is_stale {
        let target = last_target(step.group, subject);
        current = reconcile(step, subject, &target, change.any(), Some(&owned))?;
    }
    downgrade::convert(step, &BTreeSet::new(), Some(subject), is_stale);
    Ok(current.member_epoch)
}

/// A member asks for what it has.
pub(super) fn sync(step: &mut Step<'_>, request: &SyncGroup) -> Result<SyncedGroup, GroupError> {
    let (member_id, member) =
        find(step.group, &request.member_id, request.group_instance_id.as_ref(), request.generation_id)?;
    let classic = member.metadata.classic.as_ref().ok_or(GroupError::UnknownMemberId)?;
    let protocol = classic.supported_protocols.first().ok_or(GroupError::InconsistentGroupProtocol)?;
    let has_other_type = request.protocol_type.as_deref().is_some_and(|name| name != CONSUMER_PROTOCOL_TYPE);
    if has_other_type || request.protocol_name.as_ref().is_some_and(|name| *name != protocol.name) {
        return Err(GroupError::InconsistentGroupProtocol);
    }
    // Not the group epoch: a target that is put off is nothing that a join could bring.
    if step.group.target_metadata.assignment_epoch > member.current.member_epoch
        && member.current.state != MemberState::UnrevokedPartitions
    {
        expect_join(step, member_id, member);
        return Err(GroupError::RebalanceInProgress);
    }
    step.cancel_timer(Timer::Sync, member_id);
    let session = milliseconds(classic.session_timeout_ms);
    step.set_timer(Timer::Session, member_id, session, member.current.member_epoch);
    let version = protocol::version(&protocol.metadata).map_err(|_| GroupError::InconsistentGroupProtocol)?;
    let assigned = member.current.assigned.iter();
    let partitions = assigned.map(|(topic_id, epochs)| (*topic_id, epochs.keys().copied().collect()));
    let assignment: Bytes = protocol::write_assignment(partitions, step.input.image, version);
    Ok(SyncedGroup {
        protocol_type: request.protocol_type.clone(),
        protocol_name: request.protocol_name.clone(),
        assignment,
    })
}

/// A member is there, and is told whether it has to join again: there is a newer target, or one may be made,
/// or the member has to give up partitions, or partitions that it waits for are free.
pub(super) fn heartbeat(step: &mut Step<'_>, request: &Heartbeat) -> Result<(), GroupError> {
    let (member_id, member) =
        find(step.group, &request.member_id, request.group_instance_id.as_ref(), request.generation_id)?;
    let classic = member.metadata.classic.as_ref().ok_or(GroupError::UnknownMemberId)?;
    let session = milliseconds(classic.session_timeout_ms);
    let current = &member.current;
    step.set_timer(Timer::Session, member_id, session, current.member_epoch);
    let group = step.group;
    let has_to_join = current.member_epoch < group.target_metadata.assignment_epoch
        || (current.member_epoch < group.metadata.group_epoch && may_assign(step))
        || match current.state {
            MemberState::UnrevokedPartitions => true,
            MemberState::UnreleasedPartitions => !waits_for_others(step.group, member_id, member),
            MemberState::Stable | MemberState::Unknown => false,
        };
    if has_to_join {
        expect_join(step, member_id, member);
        return Err(GroupError::RebalanceInProgress);
    }
    Ok(())
}

/// Whether something that the member is to have is still with another.
fn waits_for_others(group: &ConsumerGroup, member_id: &str, member: &Member) -> bool {
    group.target(member_id).iter().any(|(topic_id, partitions)| {
        let assigned = member.current.assigned.get(topic_id);
        partitions.iter().any(|partition| {
            let has_it = assigned.is_some_and(|assigned| assigned.contains_key(partition));
            let place = crate::model::TopicPartition { topic_id: *topic_id, partition: *partition };
            !has_it && group.owners.contains_key(&place)
        })
    })
}

/// The member was told to join again, and has its rebalance timeout to do so, from when it was told first.
fn expect_join(step: &mut Step<'_>, member_id: &Arc<str>, member: &Member) {
    if !step.is_timer_set(Timer::Join, member_id) {
        let timeout = milliseconds(member.metadata.rebalance_timeout_ms);
        step.set_timer(Timer::Join, member_id, timeout, member.current.member_epoch);
    }
}

/// The member of the classic protocol that a request is of.
fn find<'a>(
    group: &'a ConsumerGroup,
    member_id: &Arc<str>,
    instance_id: Option<&Arc<str>>,
    generation_id: i32,
) -> Result<(&'a Arc<str>, &'a Member), GroupError> {
    let found = match instance_id {
        None => group.members.get_key_value(member_id),
        Some(instance_id) => group.static_member(instance_id),
    };
    let (known, member) = found.ok_or(GroupError::UnknownMemberId)?;
    if known != member_id {
        return Err(GroupError::FencedInstanceId);
    }
    if !member.is_classic() {
        return Err(GroupError::UnknownMemberId);
    }
    if member.current.member_epoch != generation_id {
        return Err(GroupError::IllegalGeneration);
    }
    Ok((known, member))
}

/// Members leave, of either protocol: administrators use this request too.
pub(super) fn leave(step: &mut Step<'_>, request: &LeaveGroup) -> Vec<LeftMember> {
    let group = step.group;
    let mut leaving = BTreeSet::new();
    let mut left = Vec::new();
    for member in &request.members {
        let found = find_leaving(group, member);
        left.push(LeftMember {
            member_id: member.member_id.clone(),
            group_instance_id: member.group_instance_id.clone(),
            error: found.as_ref().err().cloned(),
        });
        leaving.extend(found.ok().cloned());
    }
    if !leaving.is_empty() {
        fence(step, &leaving);
    }
    left
}

fn find_leaving<'a>(group: &'a ConsumerGroup, leaving: &LeavingMember) -> Result<&'a Arc<str>, GroupError> {
    let Some(instance_id) = &leaving.group_instance_id else {
        let found = group.members.get_key_value(&leaving.member_id);
        return found.map(|(member_id, _)| member_id).ok_or(GroupError::UnknownMemberId);
    };
    let (member_id, _) = group.static_member(instance_id).ok_or(GroupError::UnknownMemberId)?;
    // An administrator names the instance id alone.
    if !leaving.member_id.is_empty() && leaving.member_id != *member_id {
        return Err(GroupError::FencedInstanceId);
    }
    Ok(member_id)
}
