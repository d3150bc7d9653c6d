//! SyncGroup.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;

use super::{ClassicGroup, State};
use crate::group::error::GroupError;
use crate::group::outcome::Ticket;
use crate::group::reply::{GroupReply, SyncedGroup};
use crate::group::request::SyncGroup;
use crate::group::work::Work;

impl ClassicGroup {
    /// A member asks for its assignment; the leader brings those of all.
    pub fn sync(&mut self, work: &mut Work<'_>, ticket: Ticket, request: &SyncGroup) {
        let refused = match self.validate_sync(request) {
            Err(error) => Some(error),
            Ok(()) if self.state == State::PreparingRebalance => Some(GroupError::RebalanceInProgress),
            Ok(()) => None,
        };
        if let Some(error) = refused {
            work.reply(ticket, GroupReply::SyncGroup(Err(error)));
            return;
        }
        self.pending_syncs.remove(&request.member_id);
        if self.pending_syncs.is_empty() {
            work.timers.cancel(&mut self.sync_deadline);
        }
        if self.state == State::Stable {
            // It lives. Kafka's older coordinator counted this as a heartbeat, its present one does not.
            self.extend_session(work, &request.member_id);
            work.reply(ticket, GroupReply::SyncGroup(Ok(self.synced(&request.member_id))));
            return;
        }
        self.await_sync(work, &request.member_id, ticket);
        if self.is_leader(&request.member_id) {
            self.assign(work, &request.assignments);
        }
    }

    fn validate_sync(&self, request: &SyncGroup) -> Result<(), GroupError> {
        self.validate_member(&request.member_id, request.group_instance_id.as_ref())?;
        if request.generation_id != self.generation_id {
            return Err(GroupError::IllegalGeneration);
        }
        // KIP-559: what is not said or not known does not differ.
        let differs = |told: &Option<Arc<str>>, known: &Option<Arc<str>>| {
            told.as_ref().zip(known.as_ref()).is_some_and(|(told, known)| told != known)
        };
        if differs(&request.protocol_type, &self.protocol_type)
            || differs(&request.protocol_name, &self.protocol_name)
        {
            return Err(GroupError::InconsistentGroupProtocol);
        }
        Ok(())
    }

    /// The generation is complete. It is written down, and the members' answers leave once that is
    /// committed: no member starts with an assignment that a restart could forget.
    fn assign(&mut self, work: &mut Work<'_>, assignments: &[(Arc<str>, Bytes)]) {
        let assignments: BTreeMap<&Arc<str>, &Bytes> =
            assignments.iter().map(|(member_id, assignment)| (member_id, assignment)).collect();
        for (member_id, member) in &mut self.members {
            let assignment = assignments.get(member_id).copied();
            // Copied: a slice would keep the leader's whole request.
            member.assignment = assignment.map(|bytes| Bytes::copy_from_slice(bytes)).unwrap_or_default();
        }
        if !self.write(work, self.metadata()) {
            self.give_up_assignment(work);
            return;
        }
        self.become_state(work, State::Stable);
        self.answer_syncs(work, None);
        work.outcome.completed_rebalances += 1;
    }

    /// As in Kafka: the members are told, and join again.
    fn give_up_assignment(&mut self, work: &mut Work<'_>) {
        for member in self.members.values_mut() {
            member.assignment = Bytes::new();
        }
        self.answer_syncs(work, Some(GroupError::UnknownServerError("the assignment is too large")));
        self.prepare_rebalance(work);
    }

    pub(super) fn synced(&self, member_id: &str) -> SyncedGroup {
        SyncedGroup {
            protocol_type: self.protocol_type.clone(),
            protocol_name: self.protocol_name.clone(),
            assignment: self
                .members
                .get(member_id)
                .map(|member| member.assignment.clone())
                .unwrap_or_default(),
        }
    }
}
