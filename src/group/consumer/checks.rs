//! What is refused, in Kafka's order.

use std::sync::Arc;

use super::group::{ConsumerGroup, LEAVE_EPOCH, LEAVE_STATIC_EPOCH, Member};
use super::reconcile::RequestedPartitions;
use crate::group::assignor::Assignor;
use crate::group::error::GroupError;
use crate::group::record::OwnedPartitions;
use crate::group::request::ConsumerGroupHeartbeat;
use crate::group::settings::GroupSettings;

fn invalid(words: &str) -> GroupError {
    GroupError::InvalidRequest(words.to_owned())
}

/// What is wrong with a request, whatever the group.
pub(super) fn check_request(
    settings: &GroupSettings,
    request: &ConsumerGroupHeartbeat,
) -> Result<(), GroupError> {
    let is_blank = |text: &Arc<str>| text.trim().is_empty();
    // KIP-1082: from version 1 members make their ids themselves.
    let has_id = request.client_makes_member_id || request.member_epoch > 0 || request.member_epoch == -1;
    if has_id && is_blank(&request.member_id) {
        return Err(invalid("MemberId can't be empty."));
    }
    if is_blank(&request.group_id) {
        return Err(invalid("GroupId can't be empty."));
    }
    if request.instance_id.as_ref().is_some_and(is_blank) {
        return Err(invalid("InstanceId can't be empty."));
    }
    if request.rack_id.as_ref().is_some_and(is_blank) {
        return Err(invalid("RackId can't be empty."));
    }
    check_epoch_fields(request)?;
    check_assignor(settings, request)
}

fn check_epoch_fields(request: &ConsumerGroupHeartbeat) -> Result<(), GroupError> {
    match request.member_epoch {
        0 if request.rebalance_timeout_ms == -1 => {
            Err(invalid("RebalanceTimeoutMs must be provided in first request."))
        }
        0 if request.owned.as_ref().is_none_or(|owned| !owned.is_empty()) => {
            Err(invalid("TopicPartitions must be empty when (re-)joining."))
        }
        0 if request.subscribed_topic_names.is_none() && request.subscribed_topic_regex.is_none() => {
            let words =
                "Either SubscribedTopicNames or SubscribedTopicRegex must be non-null when (re-)joining.";
            Err(invalid(words))
        }
        LEAVE_STATIC_EPOCH if request.instance_id.is_none() => Err(invalid("InstanceId can't be null.")),
        member_epoch if member_epoch < LEAVE_STATIC_EPOCH => Err(invalid("MemberEpoch is invalid.")),
        _ => Ok(()),
    }
}

fn check_assignor(settings: &GroupSettings, request: &ConsumerGroupHeartbeat) -> Result<(), GroupError> {
    let Some(name) = &request.server_assignor else { return Ok(()) };
    let supported = &settings.consumer_assignors;
    if Assignor::from_name(name).is_some_and(|assignor| supported.contains(&assignor)) {
        return Ok(());
    }
    let names: Vec<&str> = supported.iter().map(|assignor| assignor.name()).collect();
    Err(GroupError::UnsupportedAssignor(format!(
        "ServerAssignor {name} is not supported. Supported assignors: {}.",
        names.join(", ")
    )))
}

/// Whether the group takes another member.
pub(super) fn check_size(
    settings: &GroupSettings,
    group: &ConsumerGroup,
    member_id: &str,
) -> Result<(), GroupError> {
    let is_full = group.members.len() >= settings.consumer_group_max_size;
    if is_full && !group.members.contains_key(member_id) {
        return Err(GroupError::GroupMaxSizeReached);
    }
    Ok(())
}

/// Whether a member epoch is the member's, or the one before, sent by a member that did not get the answer
/// with the new one: it must then have no more than its assignment. 0 is always one: of a member that joins.
pub(super) fn check_member_epoch(
    member: &Member,
    received: i32,
    owned: Option<&RequestedPartitions>,
) -> Result<(), GroupError> {
    // It joins, perhaps again because the answer to its join was lost.
    if received == 0 {
        return Ok(());
    }
    let known = member.current.member_epoch;
    let relation = match received.cmp(&known) {
        std::cmp::Ordering::Equal => return Ok(()),
        std::cmp::Ordering::Less
            if received == member.current.previous_member_epoch
                && is_subset(owned, &member.current.assigned) =>
        {
            return Ok(());
        }
        std::cmp::Ordering::Less => "smaller",
        std::cmp::Ordering::Greater => "greater",
    };
    Err(GroupError::FencedMemberEpoch(format!(
        "The consumer group member has a {relation} member epoch ({received}) than the one known by the \
         group coordinator ({known}). The member must abandon all its partitions and rejoin."
    )))
}

fn is_subset(owned: Option<&RequestedPartitions>, assigned: &OwnedPartitions) -> bool {
    let Some(owned) = owned else { return false };
    owned.iter().all(|(topic_id, partitions)| {
        assigned
            .get(topic_id)
            .is_some_and(|epochs| partitions.iter().all(|partition| epochs.contains_key(partition)))
    })
}

/// Whether the instance id's last member has said that it leaves.
pub(super) fn check_released(
    existing: (&Arc<str>, &Member),
    member_id: &str,
    instance_id: &str,
) -> Result<(), GroupError> {
    let (owner, member) = existing;
    if member.current.member_epoch == LEAVE_STATIC_EPOCH {
        return Ok(());
    }
    Err(GroupError::UnreleasedInstanceId(format!(
        "Static member {member_id} with instance id {instance_id} cannot join the group because the \
         instance id is owned by {owner} member."
    )))
}

/// A refusal of a heartbeat with Kafka's words for it: classic groups refuse the same without any.
pub(super) fn in_words(
    settings: &GroupSettings,
    group: &ConsumerGroup,
    request: &ConsumerGroupHeartbeat,
    error: GroupError,
) -> GroupError {
    let ConsumerGroupHeartbeat { member_id, instance_id, .. } = request;
    let static_member =
        instance_id.as_ref().map(|instance_id| (instance_id, group.static_member(instance_id)));
    let words = match (&error, static_member) {
        (GroupError::UnknownMemberId, Some((instance_id, _))) => {
            format!("Instance id {instance_id} is unknown.")
        }
        (GroupError::UnknownMemberId, None) => {
            format!("Member {member_id} is not a member of group {}.", group.group_id)
        }
        (GroupError::FencedInstanceId, Some((instance_id, Some((owner, _))))) => {
            format!("Static member {member_id} with instance id {instance_id} was fenced by member {owner}.")
        }
        (GroupError::GroupMaxSizeReached, _) => {
            let most = settings.consumer_group_max_size;
            format!("The consumer group has reached its maximum capacity of {most} members.")
        }
        _ => return error,
    };
    GroupError::Worded(Box::new(error), words)
}

/// Whether a member epoch says that the member leaves.
pub(super) fn is_leaving(member_epoch: i32) -> bool {
    member_epoch == LEAVE_EPOCH || member_epoch == LEAVE_STATIC_EPOCH
}
