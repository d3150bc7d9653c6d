//! Heartbeat, and what happens without it.

use std::sync::Arc;

use super::{ClassicGroup, State};
use crate::group::error::GroupError;
use crate::group::request::{Heartbeat, OffsetCommit};
use crate::group::timers::{Timer, TimerId};
use crate::group::work::Work;

impl ClassicGroup {
    /// A member lives.
    pub fn heartbeat(&mut self, work: &mut Work<'_>, request: &Heartbeat) -> Result<(), GroupError> {
        self.validate_member(&request.member_id, request.group_instance_id.as_ref())?;
        if request.generation_id != self.generation_id {
            return Err(GroupError::IllegalGeneration);
        }
        self.extend_session(work, &request.member_id);
        match self.state {
            State::PreparingRebalance => Err(GroupError::RebalanceInProgress),
            State::Empty | State::CompletingRebalance | State::Stable => Ok(()),
        }
    }

    /// A member commits offsets. That counts as a heartbeat, but while its generation is not complete.
    pub fn validate_commit(&mut self, work: &mut Work<'_>, commit: &OffsetCommit) -> Result<(), GroupError> {
        let generation_id = commit.generation_id_or_member_epoch;
        if self.state == State::Empty && generation_id < 0 {
            return Ok(());
        }
        let is_transactional = commit.transaction.is_some();
        if generation_id < 0 && commit.member_id.is_empty() && commit.group_instance_id.is_none() {
            // Without a member only an empty group takes offsets. KIP-447: a producer need not tell for whom
            // it commits.
            return if is_transactional { Ok(()) } else { Err(GroupError::UnknownMemberId) };
        }
        self.validate_member(&commit.member_id, commit.group_instance_id.as_ref())?;
        if generation_id != self.generation_id {
            return Err(GroupError::IllegalGeneration);
        }
        // A producer's transaction is no sign of life of its consumer, and does not wait for the others.
        if is_transactional {
            return Ok(());
        }
        if self.state == State::CompletingRebalance {
            return Err(GroupError::RebalanceInProgress);
        }
        self.extend_session(work, &commit.member_id);
        Ok(())
    }

    /// A member was not heard of for its session timeout, or one with a new id did not join.
    pub fn session_due(&mut self, work: &mut Work<'_>, member_id: &str, entry: TimerId, timer: Timer) {
        let now = work.input.monotonic;
        if let Some(deadline) = self.pending_joins.get_mut(member_id) {
            if work.timers.is_due(deadline, entry, now, timer) {
                self.remove(work, member_id);
                self.complete_join_if_all_joined(work);
            }
            return;
        }
        let Some(member) = self.members.get_mut(member_id) else { return };
        if !work.timers.is_due(&mut member.session, entry, now, timer) {
            return;
        }
        // Whoever waits for an answer of ours cannot be heard of. Its session begins anew with the answer.
        let waits = member.join.is_some() || member.sync.is_some();
        if waits && !member.is_new {
            return;
        }
        self.remove(work, member_id);
        match self.state {
            State::Stable | State::CompletingRebalance => self.prepare_rebalance(work),
            State::PreparingRebalance => self.complete_join_if_all_joined(work),
            State::Empty => {}
        }
    }

    /// The shard was loaded: members have a session from now on. A group that is larger than the bound, which
    /// was lowered since, rebalances, so that its members can commit before some must go.
    pub fn loaded(&mut self, work: &mut Work<'_>) {
        let member_ids: Vec<Arc<str>> = self.members.keys().cloned().collect();
        for member_id in member_ids {
            self.extend_session(work, &member_id);
        }
        if self.members.len() > work.input.settings.group_max_size {
            self.prepare_rebalance(work);
        }
    }

    /// As [`ClassicGroup::maybe_complete_join`], but a group that forms does not wait on: whoever it could
    /// have waited for is gone.
    fn complete_join_if_all_joined(&mut self, work: &mut Work<'_>) {
        if self.state == State::PreparingRebalance && self.have_all_joined() {
            self.complete_join(work);
        }
    }
}
