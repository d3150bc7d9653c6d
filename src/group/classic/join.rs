//! JoinGroup.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::members::join_refused;
use super::{ClassicGroup, Member, State, protocols};
use crate::group::error::GroupError;
use crate::group::input::Caller;
use crate::group::outcome::Ticket;
use crate::group::record::TEXT_BYTES_MAX;
use crate::group::request::JoinGroup;
use crate::group::timers::Deadline;
use crate::group::work::Work;

/// A new member does not know its id and cannot send heartbeats, and that its client went away is not seen
/// while its join waits: such a join is refused after this time, and who is still there tries again. Kafka:
/// `classicGroupNewMemberJoinTimeoutMs`.
const NEW_MEMBER_JOIN_TIMEOUT: Duration = Duration::from_secs(5 * 60);

/// Member ids of one group that were given out and not used. Kafka has no bound but the session timeout.
const PENDING_JOINS_MAX: usize = 100_000;

/// A member id must fit into records, whose texts are of this length at most, with a dash and a UUID.
const PREFIX_BYTES_MAX: usize = TEXT_BYTES_MAX - 37;

/// A JoinGroup and who sent it.
pub(in crate::group) struct Joining<'a> {
    /// Its ticket.
    pub ticket: Ticket,
    /// Who.
    pub caller: &'a Caller,
    /// What.
    pub request: &'a JoinGroup,
}

impl ClassicGroup {
    /// A member joins.
    pub fn join(&mut self, work: &mut Work<'_>, joining: &Joining<'_>) {
        let member_id = &joining.request.member_id;
        if !self.accepts(work, member_id) {
            // KIP-389: the last to come of a group that has become too large is shown the door.
            self.remove(work, member_id);
            self.refuse_join(work, joining, Arc::default(), GroupError::GroupMaxSizeReached);
            self.maybe_complete_join(work);
        } else if !self.supports(&joining.request.protocol_type, &joining.request.protocols) {
            let error = GroupError::InconsistentGroupProtocol;
            self.refuse_join(work, joining, member_id.clone(), error);
        } else if member_id.is_empty() {
            self.join_new(work, joining);
        } else {
            self.join_existing(work, joining);
        }
    }

    pub(super) fn refuse_join(
        &self,
        work: &mut Work<'_>,
        joining: &Joining<'_>,
        member_id: Arc<str>,
        error: GroupError,
    ) {
        work.reply(joining.ticket, join_refused(member_id, error));
    }

    /// KIP-389: while members join, those that wait are counted, since the group may be larger than the
    /// bound when that was lowered; then all members.
    fn accepts(&self, work: &Work<'_>, member_id: &str) -> bool {
        let size_max = work.input.settings.group_max_size;
        let member = self.members.get(member_id);
        match self.state {
            State::Empty => true,
            State::PreparingRebalance => {
                member.is_some_and(|member| member.join.is_some()) || self.awaiting_joins < size_max
            }
            State::CompletingRebalance | State::Stable => member.is_some() || self.members.len() < size_max,
        }
    }

    fn join_new(&mut self, work: &mut Work<'_>, joining: &Joining<'_>) {
        let request = joining.request;
        let prefix = request.group_instance_id.as_ref().unwrap_or(&joining.caller.client_id);
        let prefix = &prefix[..prefix.floor_char_boundary(PREFIX_BYTES_MAX)];
        let member_id: Arc<str> = format!("{prefix}-{}", work.input.fresh_id.as_hyphenated()).into();
        let known = |group_instance_id| self.static_members.get(group_instance_id).cloned();
        if let Some(replaced) = request.group_instance_id.as_ref().and_then(known) {
            self.replace_static(work, joining, &replaced, &member_id);
        } else if request.group_instance_id.is_none() && request.requires_known_member_id {
            if self.pending_joins.len() >= PENDING_JOINS_MAX {
                self.refuse_join(work, joining, Arc::default(), GroupError::GroupMaxSizeReached);
                return;
            }
            self.add_pending_join(work, member_id.clone(), request.session_timeout);
            let error = GroupError::MemberIdRequired(member_id.clone());
            self.refuse_join(work, joining, member_id, error);
        } else {
            if request.group_instance_id.is_some() {
                self.note_renamed(joining, &member_id);
            }
            self.add(work, joining, member_id);
        }
    }

    fn add(&mut self, work: &mut Work<'_>, joining: &Joining<'_>, member_id: Arc<str>) {
        let request = joining.request;
        if self.members.is_empty() {
            self.protocol_type = Some(request.protocol_type.clone());
        }
        if let Some(initial) = &mut self.initial_rebalance {
            initial.new_member_added = true;
        }
        self.remove_pending_join(work, &member_id);
        let member = Member {
            group_instance_id: request.group_instance_id.clone(),
            client_id: joining.caller.client_id.clone(),
            client_host: joining.caller.client_host.clone(),
            rebalance_timeout: request.rebalance_timeout,
            session_timeout: request.session_timeout,
            protocols: protocols::kept(&request.protocols),
            assignment: Bytes::new(),
            is_new: true,
            join: None,
            sync: None,
            session: Deadline::default(),
        };
        self.insert(member_id.clone(), member);
        self.await_join(work, &member_id, joining.ticket);
        self.set_session(work, &member_id, NEW_MEMBER_JOIN_TIMEOUT);
        self.rebalance_or_complete_join(work);
    }

    fn join_existing(&mut self, work: &mut Work<'_>, joining: &Joining<'_>) {
        let request = joining.request;
        let member_id = &request.member_id;
        if self.pending_joins.contains_key(member_id) {
            if request.group_instance_id.is_some() {
                // As in Kafka, which does not expect it.
                let error = GroupError::UnknownServerError("a member id of a dynamic member");
                self.refuse_join(work, joining, Arc::default(), error);
            } else {
                self.add(work, joining, member_id.clone());
            }
            return;
        }
        if let Err(error) = self.validate_member(member_id, request.group_instance_id.as_ref()) {
            self.refuse_join(work, joining, member_id.clone(), error);
            return;
        }
        if self.knows_all_of(request) {
            self.extend_session(work, member_id);
            let reply = self.joined(member_id, self.is_leader(member_id));
            work.reply(joining.ticket, reply);
        } else {
            self.update(member_id, request);
            self.await_join(work, member_id, joining.ticket);
            self.rebalance_or_complete_join(work);
        }
    }

    /// A member that tells nothing new is told of its generation once more: perhaps it did not hear of it.
    /// A leader that joins a stable group wants a rebalance: it sees changes that members do not tell of.
    fn knows_all_of(&self, request: &JoinGroup) -> bool {
        let known = self.members.get(&request.member_id);
        let same = known.is_some_and(|member| member.protocols == request.protocols);
        match self.state {
            State::CompletingRebalance => same,
            State::Stable => same && !self.is_leader(&request.member_id),
            State::Empty | State::PreparingRebalance => false,
        }
    }
}
