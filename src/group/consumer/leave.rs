//! Members that leave, and members that are fenced.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::downgrade;
use super::group::{LEAVE_STATIC_EPOCH, Member};
use super::heartbeat::write_removal;
use super::refresh::write_tombstone;
use super::soft::Step;
use super::update::write_group_epoch;
use crate::group::error::GroupError;
use crate::group::record::{ConsumerGroupChange, CurrentAssignment};
use crate::group::reply::ConsumerGroupHeartbeatReply;
use crate::group::request::ConsumerGroupHeartbeat;

/// ConsumerGroupHeartbeat of a member that leaves, for good (-1) or for a while (-2).
pub(super) fn leave(
    step: &mut Step<'_>,
    request: &ConsumerGroupHeartbeat,
) -> Result<ConsumerGroupHeartbeatReply, GroupError> {
    let reply = ConsumerGroupHeartbeatReply {
        member_id: request.member_id.clone(),
        member_epoch: request.member_epoch,
        heartbeat_interval: std::time::Duration::ZERO,
        assignment: None,
    };
    let Some(instance_id) = &request.instance_id else {
        if !step.group.members.contains_key(&request.member_id) {
            return Err(GroupError::UnknownMemberId);
        }
        fence(step, &BTreeSet::from([request.member_id.clone()]));
        return Ok(reply);
    };
    let (member_id, member) = step.group.static_member(instance_id).ok_or(GroupError::UnknownMemberId)?;
    if *member_id != request.member_id {
        return Err(GroupError::FencedInstanceId);
    }
    if request.member_epoch == LEAVE_STATIC_EPOCH {
        leave_for_a_while(step, member_id, member);
    } else {
        fence(step, &BTreeSet::from([member_id.clone()]));
    }
    Ok(reply)
}

/// A static member keeps its partitions until its session ends, for whoever comes back under its instance
/// id: that one may commit for all of them, hence their epochs of 0.
fn leave_for_a_while(step: &mut Step<'_>, member_id: &Arc<str>, member: &Member) {
    let mut assigned = member.current.assigned.as_ref().clone();
    assigned.values_mut().flat_map(BTreeMap::values_mut).for_each(|assigned_epoch| *assigned_epoch = 0);
    step.write(ConsumerGroupChange::CurrentMemberAssignment {
        member_id: member_id.clone(),
        assignment: Some(CurrentAssignment {
            member_epoch: LEAVE_STATIC_EPOCH,
            assigned: Arc::new(assigned),
            pending_revocation: Arc::default(),
            ..member.current.clone()
        }),
    });
}

/// Writes that members are gone, and that a new target is due.
pub(super) fn fence(step: &mut Step<'_>, members: &BTreeSet<Arc<str>>) {
    let group = step.group;
    if downgrade::by_leaving(step, members) {
        downgrade::convert(step, members, None, true);
        return;
    }
    let mut counts = group.counts.clone();
    for member_id in members {
        let Some(member) = group.members.get(member_id) else { continue };
        write_removal(step, member_id);
        counts.update(Some(&member.metadata), None);
        step.cancel_timers(member_id);
    }
    for expression in group.counts.expressions.keys() {
        if counts.members_of(expression) == 0 {
            write_tombstone(step, expression);
            counts.resolve(group.resolved.get(expression).map(Arc::as_ref), None);
        }
    }
    let metadata_hash = step.soft.catalogue.group_hash(counts.topics.keys());
    write_group_epoch(step, group.metadata.group_epoch + 1, metadata_hash);
}
