//! Members come, change and go; their sessions and the answers that they wait for.

use std::ops::Bound;
use std::sync::Arc;
use std::time::Duration;

use super::{ClassicGroup, Member, protocols};
use crate::group::error::GroupError;
use crate::group::outcome::Ticket;
use crate::group::reply::{GroupReply, JoinGroupReply};
use crate::group::request::JoinGroup;
use crate::group::timers::{Deadline, Timer, Timers};
use crate::group::work::{Waiting, Work};

/// The answer to a join that was refused.
pub(in crate::group) fn join_refused(member_id: Arc<str>, error: GroupError) -> GroupReply {
    GroupReply::JoinGroup(JoinGroupReply {
        error: Some(error),
        generation_id: -1,
        protocol_type: None,
        protocol_name: None,
        leader: Arc::default(),
        skip_assignment: false,
        member_id,
        members: Vec::new(),
    })
}

impl ClassicGroup {
    /// Takes a member in.
    pub(super) fn insert(&mut self, member_id: Arc<str>, member: Member) {
        if let Some(group_instance_id) = &member.group_instance_id {
            self.static_members.insert(group_instance_id.clone(), member_id.clone());
        }
        self.leader.get_or_insert_with(|| member_id.clone());
        self.count_protocols(&member.protocols);
        self.awaiting_joins += usize::from(member.join.is_some());
        self.members.insert(member_id, member);
    }

    /// Takes a member out. What it waited for it is told.
    pub(super) fn remove(&mut self, work: &mut Work<'_>, member_id: &str) {
        if let Some(mut member) = self.members.remove(member_id) {
            work.timers.cancel(&mut member.session);
            self.discount_protocols(&member.protocols);
            if let Some(waiting) = member.join.take() {
                self.awaiting_joins -= 1;
                let refused = join_refused(Arc::default(), GroupError::UnknownMemberId);
                work.reply_waiting(waiting, refused);
            }
            if let Some(waiting) = member.sync.take() {
                work.reply_waiting(waiting, GroupReply::SyncGroup(Err(GroupError::UnknownMemberId)));
            }
            if let Some(group_instance_id) = member.group_instance_id {
                self.static_members.remove(&group_instance_id);
            }
        }
        if self.is_leader(member_id) {
            self.leader = self.members.keys().next().cloned();
        }
        self.remove_pending_join(work, member_id);
        self.pending_syncs.remove(member_id);
    }

    pub(super) fn remove_pending_join(&mut self, work: &mut Work<'_>, member_id: &str) {
        if let Some(mut deadline) = self.pending_joins.remove(member_id) {
            work.timers.cancel(&mut deadline);
        }
    }

    /// A member joins again: what it says now counts.
    pub(super) fn update(&mut self, member_id: &str, join: &JoinGroup) {
        let Some(member) = self.members.get_mut(member_id) else { return };
        let added = protocols::kept(&join.protocols);
        let replaced = std::mem::replace(&mut member.protocols, added.clone());
        member.rebalance_timeout = join.rebalance_timeout;
        member.session_timeout = join.session_timeout;
        self.discount_protocols(&replaced);
        self.count_protocols(&added);
    }

    /// From now on a member waits in a join. An earlier join of its, which it has given up, is told to join
    /// again: Kafka leaves that one without an answer.
    pub(super) fn await_join(&mut self, work: &mut Work<'_>, member_id: &Arc<str>, ticket: Ticket) {
        let Some(member) = self.members.get_mut(member_id) else { return };
        match member.join.replace(Waiting { ticket: Some(ticket) }) {
            Some(earlier) => {
                let refused = join_refused(member_id.clone(), GroupError::RebalanceInProgress);
                work.reply_waiting(earlier, refused);
            }
            None => self.awaiting_joins += 1,
        }
        work.waiting.insert(ticket, (self.group_id.clone(), member_id.clone()));
    }

    /// Answers a member that waits in a join.
    pub(super) fn answer_join(&mut self, work: &mut Work<'_>, member_id: &str, reply: GroupReply) {
        let waiting = self.members.get_mut(member_id).and_then(|member| member.join.take());
        if let Some(waiting) = waiting {
            self.awaiting_joins -= 1;
            work.reply_waiting(waiting, reply);
        }
    }

    /// From now on a member waits for its assignment.
    pub(super) fn await_sync(&mut self, work: &mut Work<'_>, member_id: &Arc<str>, ticket: Ticket) {
        let Some(member) = self.members.get_mut(member_id) else { return };
        if let Some(earlier) = member.sync.replace(Waiting { ticket: Some(ticket) }) {
            let refused = GroupReply::SyncGroup(Err(GroupError::RebalanceInProgress));
            work.reply_waiting(earlier, refused);
        }
        work.waiting.insert(ticket, (self.group_id.clone(), member_id.clone()));
    }

    /// The client of a request that waits went away.
    pub fn forget(&mut self, member_id: &str, ticket: Ticket) {
        let Some(member) = self.members.get_mut(member_id) else { return };
        for waiting in member.join.iter_mut().chain(member.sync.iter_mut()) {
            if waiting.ticket == Some(ticket) {
                waiting.ticket = None;
            }
        }
    }

    /// The member was heard of: its session begins anew.
    pub(super) fn extend_session(&mut self, work: &mut Work<'_>, member_id: &str) {
        if let Some(session_timeout) = self.members.get(member_id).map(|member| member.session_timeout) {
            self.set_session(work, member_id, session_timeout);
        }
    }

    /// The member is to be heard of within a time.
    pub(super) fn set_session(&mut self, work: &mut Work<'_>, member_id: &str, within: Duration) {
        let only = (Bound::Included(member_id), Bound::Included(member_id));
        if let Some((member_id, member)) = self.members.range_mut::<str, _>(only).next() {
            let at = work.input.monotonic + within;
            work.timers.set(&mut member.session, at, || session_timer(&self.group_id, member_id));
        }
    }

    /// A member id was given out, and is to be used within a time.
    pub(super) fn add_pending_join(&mut self, work: &mut Work<'_>, member_id: Arc<str>, within: Duration) {
        let mut deadline = Deadline::default();
        let timer = session_timer(&self.group_id, &member_id);
        work.timers.set(&mut deadline, work.input.monotonic + within, || timer);
        self.pending_joins.insert(member_id, deadline);
    }

    /// The group is forgotten.
    pub fn cancel_pending_joins(&mut self, timers: &mut Timers) {
        for deadline in self.pending_joins.values_mut() {
            timers.cancel(deadline);
        }
    }

    /// The longest that a member wants to be waited for.
    pub(super) fn rebalance_timeout(&self) -> Duration {
        self.members.values().map(|member| member.rebalance_timeout).max().unwrap_or_default()
    }

    pub(super) fn have_all_joined(&self) -> bool {
        self.members.len() == self.awaiting_joins && self.pending_joins.is_empty()
    }
}

fn session_timer(group_id: &Arc<str>, member_id: &Arc<str>) -> Timer {
    Timer::ClassicSession { group_id: group_id.clone(), member_id: member_id.clone() }
}
