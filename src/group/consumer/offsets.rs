//! Who may commit and fetch offsets of a consumer group.

use super::group::{ConsumerGroup, Member};
use crate::group::error::GroupError;
use crate::model::TopicId;

/// What a commit may touch.
#[derive(Debug, Clone, Copy)]
pub enum CommitScope<'a> {
    /// Everything.
    All,
    /// KIP-1251: a member that has not heard of its newest epoch commits what it has had since the epoch that
    /// it knows.
    AssignedBy {
        /// The member.
        member: &'a Member,
        /// The epoch that it knows.
        member_epoch: i32,
    },
}

impl CommitScope<'_> {
    /// Whether an offset of this partition may be committed. If not, the whole commit is refused.
    pub fn check(&self, topic_id: TopicId, partition: i32) -> Result<(), GroupError> {
        let CommitScope::AssignedBy { member, member_epoch } = self else { return Ok(()) };
        let current = &member.current;
        let assigned = [&current.assigned, &current.pending_revocation]
            .into_iter()
            .find_map(|owned| owned.get(&topic_id)?.get(&partition));
        match assigned {
            Some(assigned_epoch) if member_epoch >= assigned_epoch => Ok(()),
            _ => Err(stale(member)),
        }
    }
}

fn stale(member: &Member) -> GroupError {
    if member.is_classic() { GroupError::IllegalGeneration } else { GroupError::StaleMemberEpoch }
}

impl ConsumerGroup {
    /// Whether a commit may be made: by anybody without an epoch while the group has no members, else by a
    /// member with its epoch.
    pub fn validate_commit(
        &self,
        member_id: &str,
        member_epoch: i32,
        supports_member_epoch: bool,
    ) -> Result<CommitScope<'_>, GroupError> {
        if member_epoch < 0 && self.members.is_empty() {
            return Ok(CommitScope::All);
        }
        let member = self.members.get(member_id).ok_or(GroupError::UnknownMemberId)?;
        if !member.is_classic() && !supports_member_epoch {
            return Err(GroupError::UnsupportedVersion(
                "OffsetCommit version 9 or above must be used by members using the consumer group protocol"
                    .to_owned(),
            ));
        }
        match member_epoch.cmp(&member.current.member_epoch) {
            std::cmp::Ordering::Equal => Ok(CommitScope::All),
            std::cmp::Ordering::Greater => Err(stale(member)),
            std::cmp::Ordering::Less => Ok(CommitScope::AssignedBy { member, member_epoch }),
        }
    }

    /// Whether offsets may be fetched: by anybody who says no member id and no epoch, else by a member with
    /// its epoch.
    pub fn validate_fetch(&self, member_id: Option<&str>, member_epoch: i32) -> Result<(), GroupError> {
        let Some(member_id) = member_id else {
            return if member_epoch < 0 { Ok(()) } else { Err(GroupError::UnknownMemberId) };
        };
        let member = self.members.get(member_id).ok_or(GroupError::UnknownMemberId)?;
        if member_epoch == member.current.member_epoch { Ok(()) } else { Err(stale(member)) }
    }
}
