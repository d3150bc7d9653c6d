//! A classic group becomes a consumer group (KIP-848): what it takes along, and what its members are told.
//! And what it has of a consumer group that became a classic one.

use super::ClassicGroup;
use crate::group::consumer::ClassicMember;
use crate::group::error::GroupError;
use crate::group::reply::GroupReply;
use crate::group::request::GroupProtocol;
use crate::group::work::Work;

use super::members::join_refused;

impl ClassicGroup {
    /// The generation.
    pub fn generation_id(&self) -> i32 {
        self.generation_id
    }

    /// Its members, by id. Those that were given an id and have not joined are not among them.
    pub fn upgraded_members(&self) -> Vec<ClassicMember> {
        let member = |(member_id, member): (&std::sync::Arc<str>, &super::Member)| {
            let subscription = match &self.protocol_name {
                Some(protocol_name) => member.metadata(Some(protocol_name)),
                // The group forms, and no protocol is chosen yet.
                None => member.protocols.first().map(|first| first.metadata.clone()).unwrap_or_default(),
            };
            ClassicMember {
                recorded: member.record(member_id, subscription),
                protocols: member.protocols.clone(),
            }
        };
        self.members.iter().map(member).collect()
    }

    /// A member came from a consumer group with these protocols, of which the record has only the chosen one.
    pub fn take_up_protocols(&mut self, member_id: &str, protocols: Vec<GroupProtocol>) {
        let Some(member) = self.members.get_mut(member_id) else { return };
        let recorded = std::mem::replace(&mut member.protocols, protocols.clone());
        self.discount_protocols(&recorded);
        self.count_protocols(&protocols);
    }

    /// The group is a classic one no longer: whoever waits is told to join again, and nothing is due.
    pub fn dissolve(mut self, work: &mut Work<'_>) {
        let members = std::mem::take(&mut self.members);
        for (member_id, mut member) in members {
            work.timers.cancel(&mut member.session);
            if let Some(waiting) = member.join.take() {
                let refused = join_refused(member_id, GroupError::RebalanceInProgress);
                work.reply_waiting(waiting, refused);
            }
            if let Some(waiting) = member.sync.take() {
                work.reply_waiting(waiting, GroupReply::SyncGroup(Err(GroupError::RebalanceInProgress)));
            }
        }
        self.cancel_pending_joins(work.timers);
        work.timers.cancel(&mut self.join_deadline);
        work.timers.cancel(&mut self.sync_deadline);
    }
}
