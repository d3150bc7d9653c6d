//! The two phases of a rebalance: all members join, then the leader assigns.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::{ClassicGroup, InitialRebalance, State};
use crate::group::error::GroupError;
use crate::group::reply::{GroupReply, JoinGroupMember, JoinGroupReply};
use crate::group::timers::{Timer, TimerId};
use crate::group::work::Work;

/// The least between two looks at a group in which nobody joins again: static members may have a rebalance
/// timeout of nothing.
const REJOIN_WAIT_MIN: Duration = Duration::from_millis(100);

impl ClassicGroup {
    pub(super) fn become_state(&mut self, work: &Work<'_>, next: State) {
        debug_assert!(self.state.leads_to(next), "{:?} to {next:?}", self.state);
        self.state = next;
        self.state_since = work.input.wall;
    }

    /// After a member came, changed or went: a new rebalance, or the end of the one that is on.
    pub(super) fn rebalance_or_complete_join(&mut self, work: &mut Work<'_>) {
        if self.state.leads_to(State::PreparingRebalance) {
            self.prepare_rebalance(work);
        } else {
            self.maybe_complete_join(work);
        }
    }

    /// All members are to join again.
    pub(in crate::group) fn prepare_rebalance(&mut self, work: &mut Work<'_>) {
        if self.state == State::CompletingRebalance {
            self.reset_assignments(work);
        }
        self.pending_syncs.clear();
        work.timers.cancel(&mut self.sync_deadline);
        let initial = self.state == State::Empty;
        self.become_state(work, State::PreparingRebalance);
        if initial {
            let delay = work.input.settings.group_initial_rebalance_delay;
            let remaining = self.rebalance_timeout().saturating_sub(delay);
            self.initial_rebalance = Some(InitialRebalance { delay, remaining, new_member_added: false });
            self.set_join_deadline(work, delay);
        } else if self.have_all_joined() {
            self.complete_join(work);
        } else {
            self.set_join_deadline(work, self.rebalance_timeout());
        }
    }

    fn set_join_deadline(&mut self, work: &mut Work<'_>, within: Duration) {
        let group_id = &self.group_id;
        let timer = || Timer::Join { group_id: group_id.clone() };
        // Set anew: the deadline of a session may only be found late, this one is one moment.
        work.timers.cancel(&mut self.join_deadline);
        work.timers.set(&mut self.join_deadline, work.input.monotonic + within, timer);
    }

    /// Members that had joined the generation that is given up join again.
    fn reset_assignments(&mut self, work: &mut Work<'_>) {
        for member in self.members.values_mut() {
            member.assignment = Bytes::new();
        }
        self.answer_syncs(work, Some(GroupError::RebalanceInProgress));
    }

    /// Answers all that wait for their assignment.
    pub(super) fn answer_syncs(&mut self, work: &mut Work<'_>, error: Option<GroupError>) {
        let member_ids: Vec<Arc<str>> = self.members.keys().cloned().collect();
        for member_id in member_ids {
            let reply = match &error {
                Some(error) => Err(error.clone()),
                None => Ok(self.synced(&member_id)),
            };
            let waiting = self.members.get_mut(&member_id).and_then(|member| member.sync.take());
            if let Some(waiting) = waiting {
                work.reply_waiting(waiting, GroupReply::SyncGroup(reply));
                // A session that ran out while the member waited was not counted against it.
                self.extend_session(work, &member_id);
            }
        }
    }

    /// In a group that forms, only time ends the joining.
    pub(super) fn maybe_complete_join(&mut self, work: &mut Work<'_>) {
        if self.state == State::PreparingRebalance
            && self.initial_rebalance.is_none()
            && self.have_all_joined()
        {
            self.complete_join(work);
        }
    }

    /// Members have had their time to join.
    pub fn join_due(&mut self, work: &mut Work<'_>, entry: TimerId, timer: Timer) {
        let now = work.input.monotonic;
        if !work.timers.is_due(&mut self.join_deadline, entry, now, timer)
            || self.state != State::PreparingRebalance
        {
            return;
        }
        match self.initial_rebalance {
            Some(initial) if initial.new_member_added && !initial.remaining.is_zero() => {
                let delay = work.input.settings.group_initial_rebalance_delay.min(initial.remaining);
                let remaining = initial.remaining.saturating_sub(initial.delay);
                self.initial_rebalance = Some(InitialRebalance { delay, remaining, new_member_added: false });
                self.set_join_deadline(work, delay);
            }
            _ => self.complete_join(work),
        }
    }

    /// The next generation, of those who joined.
    pub(super) fn complete_join(&mut self, work: &mut Work<'_>) {
        work.timers.cancel(&mut self.join_deadline);
        self.initial_rebalance = None;
        self.remove_absent_members(work);
        if !self.elect_joined_leader() && !self.members.is_empty() {
            // Only static members, and none is back. Their sessions remove them, or they come.
            self.set_join_deadline(work, self.rebalance_timeout().max(REJOIN_WAIT_MIN));
            return;
        }
        self.generation_id = self.generation_id.checked_add(1).unwrap_or(1);
        self.protocol_name = self.select_protocol();
        self.subscribed_topics = self.compute_subscribed_topics();
        self.pending_syncs.clear();
        if self.members.is_empty() {
            self.become_state(work, State::Empty);
            // Small: the id of a group has a bound, and there are no members.
            let _ = self.write(work, self.metadata());
        } else {
            self.become_state(work, State::CompletingRebalance);
            self.announce_generation(work);
        }
    }

    /// KIP-345: static members that did not join again stay, until their session ends.
    fn remove_absent_members(&mut self, work: &mut Work<'_>) {
        let absent = |(member_id, member): (&Arc<str>, &super::Member)| {
            (member.join.is_none() && member.group_instance_id.is_none()).then(|| member_id.clone())
        };
        let absent: Vec<Arc<str>> = self.members.iter().filter_map(absent).collect();
        for member_id in absent {
            self.remove(work, &member_id);
        }
    }

    /// The leader must be one who joined. Whether there is one.
    fn elect_joined_leader(&mut self) -> bool {
        let leader = self.leader.as_ref().and_then(|leader| self.members.get(leader));
        if leader.is_some_and(|leader| leader.join.is_some()) {
            return true;
        }
        let joined = self.members.iter().find(|(_, member)| member.join.is_some());
        match joined {
            Some((member_id, _)) => self.leader = Some(member_id.clone()),
            None => return false,
        }
        true
    }

    /// Answers the joins. From now on the members are to sync.
    fn announce_generation(&mut self, work: &mut Work<'_>) {
        self.write_renamed(work);
        let member_ids: Vec<Arc<str>> = self.members.keys().cloned().collect();
        for member_id in member_ids {
            let reply = self.joined(&member_id, self.is_leader(&member_id));
            self.answer_join(work, &member_id, reply);
            self.extend_session(work, &member_id);
            if let Some(member) = self.members.get_mut(&member_id) {
                member.is_new = false;
            }
            self.pending_syncs.insert(member_id);
        }
        let group_id = &self.group_id;
        let timer = || Timer::Sync { group_id: group_id.clone() };
        let rebalance_timeout = self.members.values().map(|member| member.rebalance_timeout).max();
        let at = work.input.monotonic + rebalance_timeout.unwrap_or_default();
        work.timers.set(&mut self.sync_deadline, at, timer);
    }

    /// The generation, as a member is told of it.
    pub(super) fn joined(&self, member_id: &Arc<str>, with_members: bool) -> GroupReply {
        let protocol_name = self.protocol_name.as_deref();
        let member = |(member_id, member): (&Arc<str>, &super::Member)| JoinGroupMember {
            member_id: member_id.clone(),
            group_instance_id: member.group_instance_id.clone(),
            metadata: member.metadata(protocol_name),
        };
        GroupReply::JoinGroup(JoinGroupReply {
            error: None,
            generation_id: self.generation_id,
            protocol_type: self.protocol_type.clone(),
            protocol_name: self.protocol_name.clone(),
            leader: self.leader.clone().unwrap_or_default(),
            skip_assignment: false,
            member_id: member_id.clone(),
            members: if with_members { self.members.iter().map(member).collect() } else { Vec::new() },
        })
    }

    /// Members have had their time to sync. Those that did not are taken for dead.
    pub fn sync_due(&mut self, work: &mut Work<'_>, entry: TimerId, timer: Timer) {
        let now = work.input.monotonic;
        let due = work.timers.is_due(&mut self.sync_deadline, entry, now, timer);
        let syncing = matches!(self.state, State::CompletingRebalance | State::Stable);
        if !due || !syncing || self.pending_syncs.is_empty() {
            return;
        }
        for member_id in std::mem::take(&mut self.pending_syncs) {
            self.remove(work, &member_id);
        }
        self.prepare_rebalance(work);
    }
}
