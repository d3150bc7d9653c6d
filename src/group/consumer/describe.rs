//! ConsumerGroupDescribe.

use std::sync::Arc;

use super::group::{ConsumerGroup, Member};
use super::update::preferred;
use crate::group::assignor::{Assignment, Assignor};
use crate::group::reply::{DescribedConsumerGroup, DescribedConsumerGroupMember, DescribedTopicPartitions};
use crate::group::settings::GroupSettings;
use crate::metadata::ClusterImage;

/// The group as it is.
pub fn describe(
    group: &ConsumerGroup,
    settings: &GroupSettings,
    image: &ClusterImage,
) -> DescribedConsumerGroup {
    let assignor = preferred(&group.counts.assignors).or(settings.consumer_assignors.first().copied());
    DescribedConsumerGroup {
        group_id: group.group_id.clone(),
        state: group.state_name(),
        group_epoch: group.metadata.group_epoch,
        assignment_epoch: group.target_metadata.assignment_epoch,
        assignor_name: assignor.map(Assignor::name).unwrap_or_default(),
        members: group.members.iter().map(|member| describe_member(group, image, member)).collect(),
    }
}

fn describe_member(
    group: &ConsumerGroup,
    image: &ClusterImage,
    (member_id, member): (&Arc<str>, &Member),
) -> DescribedConsumerGroupMember {
    let Member { metadata, current } = member;
    // What it has yet to give up, it still has.
    let mut assignment = Assignment::new();
    for (topic_id, epochs) in current.assigned.iter().chain(current.pending_revocation.iter()) {
        assignment.entry(*topic_id).or_default().extend(epochs.keys());
    }
    DescribedConsumerGroupMember {
        member_id: member_id.clone(),
        instance_id: metadata.instance_id.clone(),
        rack_id: metadata.rack_id.clone(),
        member_epoch: current.member_epoch,
        client_id: metadata.client_id.clone(),
        client_host: metadata.client_host.clone(),
        subscribed_topic_names: metadata.subscribed_topic_names.clone(),
        subscribed_topic_regex: metadata.subscribed_topic_regex.clone(),
        assignment: named(image, &assignment),
        target_assignment: named(image, &group.target(member_id)),
        is_classic: member.is_classic(),
    }
}

/// With names; topics that are gone are left out.
fn named(image: &ClusterImage, assignment: &Assignment) -> Vec<DescribedTopicPartitions> {
    let topics = assignment.iter();
    topics
        .filter_map(|(topic_id, partitions)| {
            let topic_name = image.topic_by_id(*topic_id)?.name.clone();
            let mut partitions = partitions.clone();
            partitions.sort_unstable();
            Some(DescribedTopicPartitions { topic_id: *topic_id, topic_name, partitions })
        })
        .collect()
}
