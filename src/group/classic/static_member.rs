//! KIP-345: a static member that comes back without its member id takes the place it had.

use std::sync::Arc;

use super::join::Joining;
use super::members::join_refused;
use super::{ClassicGroup, State};
use crate::group::error::GroupError;
use crate::group::record::GroupMetadata;
use crate::group::reply::GroupReply;
use crate::group::timers::Deadline;
use crate::group::work::Work;

impl ClassicGroup {
    /// One with a known instance id and no member id joins.
    pub(super) fn replace_static(
        &mut self,
        work: &mut Work<'_>,
        joining: &Joining<'_>,
        replaced: &Arc<str>,
        member_id: &Arc<str>,
    ) {
        let leader_before = self.leader.clone();
        self.rename_member(work, replaced, member_id);
        self.extend_session(work, member_id);
        self.update(member_id, joining.request);
        self.await_join(work, member_id, joining.ticket);
        if self.state == State::Stable && self.select_protocol() == self.protocol_name {
            self.keep_assignment(work, joining, member_id, leader_before);
            return;
        }
        self.note_renamed(joining, member_id);
        match self.state {
            State::Stable => self.rebalance_or_complete_join(work),
            // The leader may already be assigning to the old member id.
            State::CompletingRebalance => self.prepare_rebalance(work),
            State::Empty | State::PreparingRebalance => self.maybe_complete_join(work),
        }
    }

    /// What the old one waits for it is told at once: there is another.
    fn rename_member(&mut self, work: &mut Work<'_>, replaced: &Arc<str>, member_id: &Arc<str>) {
        let fenced = GroupError::FencedInstanceId;
        self.answer_join(work, replaced, join_refused(replaced.clone(), fenced.clone()));
        let Some(mut member) = self.members.remove(replaced) else { return };
        if let Some(waiting) = member.sync.take() {
            work.reply_waiting(waiting, GroupReply::SyncGroup(Err(fenced)));
        }
        work.timers.cancel(&mut member.session);
        member.session = Deadline::default();
        member.is_new = false;
        if self.is_leader(replaced) {
            self.leader = Some(member_id.clone());
        }
        if self.pending_syncs.remove(replaced) {
            self.pending_syncs.insert(member_id.clone());
        }
        if let Some(group_instance_id) = &member.group_instance_id {
            self.static_members.insert(group_instance_id.clone(), member_id.clone());
        }
        self.members.insert(member_id.clone(), member);
    }

    /// What is written down is the last complete generation, and it may name another member id for the
    /// instance. A process that began with that would fence the member, which is fatal to clients. So the
    /// new member id is written there before the member learns it; Kafka waits for the next generation.
    pub(super) fn note_renamed(&mut self, joining: &Joining<'_>, member_id: &Arc<str>) {
        if let Some(group_instance_id) = &joining.request.group_instance_id {
            self.renamed.insert(group_instance_id.clone(), member_id.clone());
        }
    }

    /// Writes all that were noted, once. What the log does not take is left as it is: after a restart such
    /// members are fenced.
    pub(super) fn write_renamed(&mut self, work: &mut Work<'_>) {
        let mut metadata = GroupMetadata::clone(&self.recorded);
        let mut is_changed = false;
        for member in &mut metadata.members {
            let renamed = member.group_instance_id.as_ref().and_then(|id| self.renamed.get(id));
            let Some(member_id) = renamed.filter(|member_id| **member_id != member.member_id) else {
                continue;
            };
            let replaced = std::mem::replace(&mut member.member_id, member_id.clone());
            if metadata.leader.as_ref() == Some(&replaced) {
                metadata.leader = Some(member_id.clone());
            }
            is_changed = true;
        }
        if is_changed {
            let _ = self.write(work, metadata);
        }
        self.renamed.clear();
    }

    /// The group goes on as it is. The new member id is written down before the member learns it: a restart
    /// must not forget it and call the member unknown.
    fn keep_assignment(
        &mut self,
        work: &mut Work<'_>,
        joining: &Joining<'_>,
        member_id: &Arc<str>,
        leader_before: Option<Arc<str>>,
    ) {
        if !self.write(work, self.metadata()) {
            self.note_renamed(joining, member_id);
            let error = GroupError::UnknownServerError("the group is too large");
            self.answer_join(work, member_id, join_refused(Arc::default(), error));
            return;
        }
        // It syncs with a generation that is complete: what the one before it owed is not its debt.
        self.pending_syncs.remove(member_id);
        if self.pending_syncs.is_empty() {
            work.timers.cancel(&mut self.sync_deadline);
        }
        // KIP-814: a leader that knows of it is told not to assign again. One that does not is told of the
        // leader before it, so that it takes itself for a follower.
        let skips = joining.request.supports_skip_assignment;
        let is_leader = self.is_leader(member_id);
        let mut reply = self.joined(member_id, skips && is_leader);
        if let GroupReply::JoinGroup(joined) = &mut reply {
            joined.skip_assignment = skips && is_leader;
            if !skips {
                joined.leader = leader_before.unwrap_or_default();
            }
        }
        self.answer_join(work, member_id, reply);
    }
}
