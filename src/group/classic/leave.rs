//! LeaveGroup.

use super::{ClassicGroup, State};
use crate::group::error::GroupError;
use crate::group::reply::LeftMember;
use crate::group::request::LeavingMember;
use crate::group::work::Work;

impl ClassicGroup {
    /// Members leave, or are removed by an administrator.
    pub fn leave(&mut self, work: &mut Work<'_>, members: &[LeavingMember]) -> Vec<LeftMember> {
        let left: Vec<LeftMember> = members
            .iter()
            .map(|member| LeftMember {
                member_id: member.member_id.clone(),
                group_instance_id: member.group_instance_id.clone(),
                error: self.leave_one(work, member).err(),
            })
            .collect();
        if left.iter().any(|member| member.error.is_none()) {
            match self.state {
                State::Stable | State::CompletingRebalance => self.prepare_rebalance(work),
                State::PreparingRebalance => self.maybe_complete_join(work),
                State::Empty => {}
            }
        }
        left
    }

    fn leave_one(&mut self, work: &mut Work<'_>, leaving: &LeavingMember) -> Result<(), GroupError> {
        let group_instance_id = leaving.group_instance_id.as_ref();
        let member_id = if leaving.member_id.is_empty() {
            let known = group_instance_id.and_then(|id| self.static_members.get(id)).cloned();
            known.ok_or(GroupError::UnknownMemberId)?
        } else {
            if !self.pending_joins.contains_key(&leaving.member_id) {
                self.validate_member(&leaving.member_id, group_instance_id)?;
            }
            leaving.member_id.clone()
        };
        self.remove(work, &member_id);
        Ok(())
    }
}
