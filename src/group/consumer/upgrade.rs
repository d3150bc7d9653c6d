//! A classic group becomes a consumer group: a member of the consumer protocol joins it.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use super::group::ConsumerGroup;
use super::metadata_hash::Catalogue;
use super::protocol;
use crate::group::assignor::Assignment;
use crate::group::error::GroupError;
use crate::group::record::{
    ClassicMemberMetadata, ConsumerGroupChange, ConsumerGroupMetadata, CurrentAssignment,
    GroupMetadataMember, GroupRecord, MemberMetadata, MemberState, OwnedPartitions, TargetAssignmentMetadata,
};
use crate::group::request::GroupProtocol;
use crate::metadata::ClusterImage;
use crate::model::Timestamp;

/// A member of a classic group, as the consumer group that it becomes has to know it.
#[derive(Debug, Clone)]
pub struct ClassicMember {
    /// What a record has of it: the subscription is its metadata for the group's protocol, and the assignment
    /// is empty if the leader gave it none yet.
    pub recorded: GroupMetadataMember,
    /// Its protocols in its order of preference.
    pub protocols: Vec<GroupProtocol>,
}

/// The records of the group that a classic group becomes, and the group itself. All its members are in its
/// generation and have what the leader gave them last; whoever waits for a rebalance is told to join again.
pub(super) fn convert(
    group_id: &Arc<str>,
    generation_id: i32,
    members: &[ClassicMember],
    image: &ClusterImage,
    catalogue: &mut Catalogue,
) -> Result<(Vec<GroupRecord>, ConsumerGroup), GroupError> {
    let refused = |why: &str| {
        let what = format!("Cannot upgrade classic group {group_id} to consumer group");
        GroupError::GroupIdNotFound(format!("{what} because {why}."))
    };
    let mut described = Vec::new();
    let mut given = HashSet::new();
    for member in members {
        let read =
            read(member, image).ok_or_else(|| refused("the embedded consumer protocol is malformed"))?;
        if read.has_user_data {
            return Err(refused(
                "an unsupported custom assignor is in use. Please refer to the documentation or switch to a \
                 default assignor before re-attempting the upgrade",
            ));
        }
        if !read.assignment.iter().all(|(topic_id, of)| of.iter().all(|at| given.insert((*topic_id, *at)))) {
            // Both would have it for good: nobody would be asked to give it up. Kafka answers
            // UNKNOWN_SERVER_ERROR.
            return Err(refused("two of its members have one partition"));
        }
        described.push((member.recorded.member_id.clone(), read));
    }
    let mut changes = Vec::new();
    for (member_id, Read { metadata, .. }) in &described {
        let (member_id, metadata) = (member_id.clone(), Some(metadata.clone()));
        changes.push(ConsumerGroupChange::MemberMetadata { member_id, metadata });
    }
    let mut names: Vec<_> =
        described.iter().flat_map(|(_, read)| read.metadata.subscribed_topic_names.iter()).collect();
    names.sort_unstable();
    names.dedup();
    let metadata_hash = catalogue.group_hash(names.into_iter());
    let metadata = ConsumerGroupMetadata { group_epoch: generation_id, metadata_hash };
    changes.push(ConsumerGroupChange::Metadata(Some(metadata)));
    for (member_id, Read { assignment, .. }) in &described {
        let (member_id, assignment) = (member_id.clone(), Some(assignment.clone()));
        changes.push(ConsumerGroupChange::TargetAssignmentMember { member_id, assignment });
    }
    changes.push(ConsumerGroupChange::TargetAssignmentMetadata(Some(TargetAssignmentMetadata {
        assignment_epoch: generation_id,
        assignment_timestamp: Timestamp(0),
    })));
    for (member_id, Read { assignment, .. }) in described {
        let assignment = Some(current(generation_id, &assignment));
        changes.push(ConsumerGroupChange::CurrentMemberAssignment { member_id, assignment });
    }
    let mut group = ConsumerGroup::new(group_id.clone());
    for change in &changes {
        group.replay(change.clone());
    }
    let record = |change| GroupRecord::ConsumerGroup { group_id: group_id.clone(), change };
    Ok((changes.into_iter().map(record).collect(), group))
}

struct Read {
    metadata: Arc<MemberMetadata>,
    assignment: Arc<Assignment>,
    has_user_data: bool,
}

fn read(ClassicMember { recorded: member, protocols }: &ClassicMember, image: &ClusterImage) -> Option<Read> {
    let subscription = protocol::read_subscription(&member.subscription).ok()?;
    let given = match member.assignment.is_empty() {
        true => protocol::GivenAssignment::default(),
        false => protocol::read_assignment(&member.assignment).ok()?,
    };
    let milliseconds = |duration: Duration| i32::try_from(duration.as_millis()).unwrap_or(i32::MAX);
    let metadata = MemberMetadata {
        instance_id: member.group_instance_id.clone(),
        rack_id: subscription.rack_id,
        client_id: member.client_id.clone(),
        client_host: member.client_host.clone(),
        subscribed_topic_names: subscription.topics,
        rebalance_timeout_ms: milliseconds(member.rebalance_timeout),
        classic: Some(ClassicMemberMetadata {
            session_timeout_ms: milliseconds(member.session_timeout),
            supported_protocols: protocols.clone(),
        }),
        ..MemberMetadata::default()
    };
    Some(Read {
        metadata: Arc::new(metadata),
        assignment: Arc::new(protocol::with_ids(&given.partitions, image)),
        has_user_data: given.has_user_data,
    })
}

fn current(generation_id: i32, assignment: &Assignment) -> CurrentAssignment {
    let owned = assignment.iter().map(|(topic_id, partitions)| {
        (*topic_id, partitions.iter().map(|partition| (*partition, generation_id)).collect())
    });
    CurrentAssignment {
        member_epoch: generation_id,
        previous_member_epoch: generation_id,
        state: MemberState::Stable,
        assigned: Arc::new(owned.collect::<OwnedPartitions>()),
        pending_revocation: Arc::default(),
    }
}
