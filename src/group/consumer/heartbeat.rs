//! ConsumerGroupHeartbeat of a member that stays or comes.

use std::sync::Arc;

use super::checks::{check_member_epoch, check_released, check_size};
use super::group::Member;
use super::refresh::ExpressionChange;
use super::soft::Step;
use super::timers::Timer;
use super::update::{Subject, reconcile, update_description, update_group_epoch, update_target};
use crate::group::error::GroupError;
use crate::group::input::Caller;
use crate::group::record::{ConsumerGroupChange, CurrentAssignment, MemberMetadata, OwnedPartitions};
use crate::group::reply::ConsumerGroupHeartbeatReply;
use crate::group::request::ConsumerGroupHeartbeat;
use crate::model::{TopicId, base64_id};

/// Takes note of what the member says, and answers what it has to know.
pub(super) fn heartbeat(
    step: &mut Step<'_>,
    caller: &Caller,
    request: &ConsumerGroupHeartbeat,
) -> Result<ConsumerGroupHeartbeatReply, GroupError> {
    check_size(step.settings(), step.group, &request.member_id)?;
    let member_id = match request.member_id.as_ref() {
        "" => base64_id(step.input.fresh_id.as_bytes()).into(),
        _ => request.member_id.clone(),
    };
    let member = match &request.instance_id {
        None => dynamic_member(step, &member_id, request)?,
        Some(instance_id) => static_member(step, &member_id, instance_id, request)?,
    };
    let subject = Subject {
        metadata: described(&member.metadata, caller, request),
        old: member.metadata,
        member_id,
        current: member.current,
    };
    let next = update(step, &subject, request)?;
    let session = step.settings().consumer_session_timeout(&step.group.group_id);
    step.set_timer(Timer::Session, &subject.member_id, session, next.member_epoch);
    if subject.old.classic.is_some() {
        // It speaks the other protocol now, in which nobody is waited for in a join. Kafka forgets these.
        step.cancel_timer(Timer::Join, &subject.member_id);
        step.cancel_timer(Timer::Sync, &subject.member_id);
    }
    // Told to who joins, to who tells everything, as after a lost answer, and when it changed.
    let is_told = request.member_epoch == 0 || is_full(request) || next.assigned != subject.current.assigned;
    Ok(ConsumerGroupHeartbeatReply {
        member_id: subject.member_id,
        member_epoch: next.member_epoch,
        heartbeat_interval: step.settings().consumer_heartbeat_interval(&step.group.group_id),
        assignment: is_told.then(|| assignment(&next.assigned)),
    })
}

fn update(
    step: &mut Step<'_>,
    subject: &Subject,
    request: &ConsumerGroupHeartbeat,
) -> Result<CurrentAssignment, GroupError> {
    let change = update_description(step, subject)?;
    let bump = change.names || change.expression == ExpressionChange::UpdatedAndResolved;
    let bumped = update_group_epoch(step, subject, bump);
    let target = update_target(step, subject, bumped);
    reconcile(step, subject, &target, change.any(), request.owned.as_deref())
}

/// Whether the request tells everything that a member can tell.
fn is_full(request: &ConsumerGroupHeartbeat) -> bool {
    let has_subscription =
        request.subscribed_topic_names.is_some() || request.subscribed_topic_regex.is_some();
    request.rebalance_timeout_ms != -1 && has_subscription && request.owned.is_some()
}

/// Partitions as a reply names them.
pub(super) fn assignment(owned: &OwnedPartitions) -> Vec<(TopicId, Vec<i32>)> {
    owned.iter().map(|(topic_id, epochs)| (*topic_id, epochs.keys().copied().collect())).collect()
}

fn dynamic_member(
    step: &Step<'_>,
    member_id: &Arc<str>,
    request: &ConsumerGroupHeartbeat,
) -> Result<Member, GroupError> {
    let member = match step.group.members.get(member_id) {
        Some(member) => member.clone(),
        None if request.member_epoch == 0 => Member::default(),
        None => return Err(GroupError::UnknownMemberId),
    };
    check_member_epoch(&member, request.member_epoch, request.owned.as_deref())?;
    Ok(member)
}

fn static_member(
    step: &mut Step<'_>,
    member_id: &Arc<str>,
    instance_id: &Arc<str>,
    request: &ConsumerGroupHeartbeat,
) -> Result<Member, GroupError> {
    let Some(existing) = step.group.static_member(instance_id) else {
        if request.member_epoch != 0 {
            return Err(GroupError::UnknownMemberId);
        }
        return Ok(step.group.members.get(member_id).cloned().unwrap_or_default());
    };
    if request.member_epoch == 0 {
        if !existing.1.is_classic() {
            check_released(existing, member_id, instance_id)?;
        }
        return Ok(replace(step, existing, member_id));
    }
    if existing.0 != member_id {
        return Err(GroupError::FencedInstanceId);
    }
    check_member_epoch(existing.1, request.member_epoch, request.owned.as_deref())?;
    Ok(existing.1.clone())
}

/// Writes that a member takes the place of the last one of its instance id, with its partitions.
pub(super) fn replace(
    step: &mut Step<'_>,
    (old_id, old): (&Arc<str>, &Member),
    member_id: &Arc<str>,
) -> Member {
    let current = CurrentAssignment { member_epoch: 0, previous_member_epoch: 0, ..old.current.clone() };
    let member = Member { metadata: old.metadata.clone(), current };
    write_removal(step, old_id);
    let member_id = member_id.clone();
    step.write(ConsumerGroupChange::MemberMetadata {
        member_id: member_id.clone(),
        metadata: Some(member.metadata.clone()),
    });
    step.write(ConsumerGroupChange::TargetAssignmentMember {
        member_id: member_id.clone(),
        assignment: Some(step.group.target(old_id)),
    });
    step.write(ConsumerGroupChange::CurrentMemberAssignment {
        member_id,
        assignment: Some(member.current.clone()),
    });
    member
}

/// Writes that a member is gone.
pub(super) fn write_removal(step: &mut Step<'_>, member_id: &Arc<str>) {
    let member_id = member_id.clone();
    step.write(ConsumerGroupChange::CurrentMemberAssignment {
        member_id: member_id.clone(),
        assignment: None,
    });
    step.write(ConsumerGroupChange::TargetAssignmentMember {
        member_id: member_id.clone(),
        assignment: None,
    });
    step.write(ConsumerGroupChange::MemberMetadata { member_id, metadata: None });
}

/// The member as it is described with this request: what it leaves out stays.
fn described(
    old: &Arc<MemberMetadata>,
    caller: &Caller,
    request: &ConsumerGroupHeartbeat,
) -> Arc<MemberMetadata> {
    if says_nothing_new(old, caller, request) {
        return old.clone();
    }
    let or_old = |new: &Option<Arc<str>>, old: &Option<Arc<str>>| new.clone().or_else(|| old.clone());
    let names = request.subscribed_topic_names.as_ref().map(|names| {
        let mut names = names.clone();
        names.sort_unstable();
        names.dedup();
        names
    });
    let timeout = request.rebalance_timeout_ms;
    let new = MemberMetadata {
        instance_id: or_old(&request.instance_id, &old.instance_id),
        rack_id: or_old(&request.rack_id, &old.rack_id),
        client_id: caller.client_id.clone(),
        client_host: caller.client_host.clone(),
        subscribed_topic_names: names.unwrap_or_else(|| old.subscribed_topic_names.clone()),
        subscribed_topic_regex: or_old(&request.subscribed_topic_regex, &old.subscribed_topic_regex),
        rebalance_timeout_ms: if timeout == -1 { old.rebalance_timeout_ms } else { timeout },
        server_assignor: or_old(&request.server_assignor, &old.server_assignor),
        classic: None,
    };
    if new == **old { old.clone() } else { Arc::new(new) }
}

/// Most heartbeats: found without a look at the member's topics.
fn says_nothing_new(old: &MemberMetadata, caller: &Caller, request: &ConsumerGroupHeartbeat) -> bool {
    let is_same = |new: &Option<Arc<str>>, old: &Option<Arc<str>>| new.is_none() || new == old;
    request.subscribed_topic_names.is_none()
        && is_same(&request.subscribed_topic_regex, &old.subscribed_topic_regex)
        && is_same(&request.instance_id, &old.instance_id)
        && is_same(&request.rack_id, &old.rack_id)
        && is_same(&request.server_assignor, &old.server_assignor)
        && (request.rebalance_timeout_ms == -1 || request.rebalance_timeout_ms == old.rebalance_timeout_ms)
        && caller.client_id == old.client_id
        && caller.client_host == old.client_host
        && old.classic.is_none()
}
