//! What reaches consumer groups: their own requests, and those of members of the classic protocol.

use std::sync::Arc;

use super::classic::{ClassicGroup, Joining, State, join_refused};
use super::consumer::{self, ConsumerGroup, Downgraded, Upgrade};
use super::error::GroupError;
use super::input::{Caller, Input};
use super::lengths::check_heartbeat;
use super::offset_requests::group_not_found;
use super::outcome::Outcome;
use super::record::GroupRecord;
use super::reply::{
    ConsumerGroupHeartbeatReply, DescribedConsumerGroup, GroupReply, LeftMember, SyncedGroup,
};
use super::request::{ConsumerGroupHeartbeat, Heartbeat, LeaveGroup, SyncGroup};
use super::shard::GroupShard;

fn not_found(words: String) -> GroupError {
    GroupError::GroupIdNotFound(words)
}

impl GroupShard {
    pub(super) fn consumer_group_heartbeat(
        &mut self,
        input: Input<'_>,
        caller: &Caller,
        request: &ConsumerGroupHeartbeat,
        outcome: &mut Outcome,
    ) -> Result<ConsumerGroupHeartbeatReply, GroupError> {
        consumer::check(input.settings, request)?;
        check_heartbeat(request)?;
        let group_id = &request.group_id;
        if let Some(group) = self.durable.consumer(group_id) {
            let soft = &mut self.soft.consumer;
            let (records, reply) = consumer::heartbeat(input, soft, group, caller, request);
            outcome.records = records;
            return reply;
        }
        let joins = request.member_epoch == 0;
        match self.classic_state(group_id) {
            None if joins => {
                let group = ConsumerGroup::new(group_id.clone());
                self.begin_consumer_group(input, caller, request, (Vec::new(), group), outcome)
            }
            None if request.member_epoch < 0 => Err(group_not_found(group_id)),
            None => Err(not_found(format!("Consumer group {group_id} not found."))),
            Some(State::Empty) if joins => {
                let group = ConsumerGroup::new(group_id.clone());
                let gone = GroupRecord::GroupMetadata { group_id: group_id.clone(), metadata: None };
                let reply =
                    self.begin_consumer_group(input, caller, request, (vec![gone], group), outcome)?;
                self.soft.remove_classic(group_id);
                Ok(reply)
            }
            Some(_) if joins => self.upgrade(input, caller, request, outcome),
            Some(_) => Err(not_found(format!("Group {group_id} is not a consumer group."))),
        }
    }

    /// The first heartbeat to a group that is made by the records before it.
    fn begin_consumer_group(
        &mut self,
        input: Input<'_>,
        caller: &Caller,
        request: &ConsumerGroupHeartbeat,
        (mut records, group): (Vec<GroupRecord>, ConsumerGroup),
        outcome: &mut Outcome,
    ) -> Result<ConsumerGroupHeartbeatReply, GroupError> {
        let soft = &mut self.soft.consumer;
        let (more, reply) = consumer::heartbeat(input, soft, &group, caller, request);
        let reply = reply?;
        records.extend(more);
        outcome.records = records;
        Ok(reply)
    }

    /// A classic group with members becomes a consumer group.
    fn upgrade(
        &mut self,
        input: Input<'_>,
        caller: &Caller,
        request: &ConsumerGroupHeartbeat,
        outcome: &mut Outcome,
    ) -> Result<ConsumerGroupHeartbeatReply, GroupError> {
        let group_id = &request.group_id;
        let classic = self.soft.classic.get(group_id).ok_or_else(|| group_not_found(group_id))?;
        check_upgrade(input, group_id, classic)?;
        let members = classic.upgraded_members();
        let upgrade = Upgrade { group_id, generation_id: classic.generation_id(), members: &members };
        let (records, group) = consumer::upgrade(input, &mut self.soft.consumer, &upgrade)?;
        let gone = GroupRecord::GroupMetadata { group_id: group_id.clone(), metadata: None };
        let records = std::iter::once(gone).chain(records).collect();
        let reply = self.begin_consumer_group(input, caller, request, (records, group), outcome)?;
        if !outcome.fits(input.batch_bytes_max) {
            // The classic group goes on as if nothing had been.
            outcome.records.clear();
            self.soft.consumer.forget(group_id);
            return Err(upgrade_refused(group_id, "its members are more than one batch holds"));
        }
        // Whoever waits in the classic group is told to join again, into what it is now.
        let (classic, mut work) = self.soft.work(input);
        if let Some(group) = classic.remove(group_id) {
            group.dissolve(&mut work);
        }
        outcome.replies.extend(work.outcome.replies);
        Ok(reply)
    }

    pub(super) fn describe_consumer_group(
        &self,
        input: Input<'_>,
        group_id: &Arc<str>,
    ) -> Result<DescribedConsumerGroup, GroupError> {
        if let Some(group) = self.durable.consumer(group_id) {
            return Ok(consumer::describe(group, input.settings, input.image));
        }
        match self.classic_state(group_id) {
            Some(_) => Err(not_found(format!("Group {group_id} is not a consumer group."))),
            None => Err(group_not_found(group_id)),
        }
    }

    pub(super) fn join_consumer_group(&mut self, input: Input<'_>, joining: &Joining<'_>) -> Outcome {
        let request = joining.request;
        let Some(group) = self.durable.consumer(&request.group_id) else { return Outcome::default() };
        let settings = input.settings;
        let session_timeouts = settings.group_min_session_timeout..=settings.group_max_session_timeout;
        if !session_timeouts.contains(&request.session_timeout) {
            let refused = join_refused(request.member_id.clone(), GroupError::InvalidSessionTimeout);
            return Outcome::reply(joining.ticket, refused);
        }
        let soft = &mut self.soft.consumer;
        let (records, reply) = consumer::join(input, soft, group, joining.caller, request);
        let reply = match reply {
            Ok(reply) => GroupReply::JoinGroup(reply),
            Err(GroupError::MemberIdRequired(member_id)) => {
                join_refused(member_id.clone(), GroupError::MemberIdRequired(member_id))
            }
            Err(error) => join_refused(Arc::default(), error),
        };
        Outcome { records, ..Outcome::reply(joining.ticket, reply) }
    }

    /// `None`: not of a consumer group with members.
    pub(super) fn sync_consumer_group(
        &mut self,
        input: Input<'_>,
        request: &SyncGroup,
    ) -> Option<Result<SyncedGroup, GroupError>> {
        let group = self.durable.consumer(&request.group_id).filter(|group| !group.is_empty())?;
        Some(consumer::sync(input, &mut self.soft.consumer, group, request))
    }

    /// `None`: not of a consumer group.
    pub(super) fn heartbeat_in_consumer_group(
        &mut self,
        input: Input<'_>,
        request: &Heartbeat,
    ) -> Option<Result<(), GroupError>> {
        let group = self.durable.consumer(&request.group_id)?;
        Some(consumer::classic_heartbeat(input, &mut self.soft.consumer, group, request))
    }

    /// `None`: not of a consumer group.
    pub(super) fn leave_consumer_group(
        &mut self,
        input: Input<'_>,
        request: &LeaveGroup,
    ) -> Option<(Vec<GroupRecord>, Vec<LeftMember>)> {
        let group = self.durable.consumer(&request.group_id)?;
        Some(consumer::leave(input, &mut self.soft.consumer, group, request))
    }

    pub(super) fn advance_consumer_groups(&mut self, input: Input<'_>) -> Vec<GroupRecord> {
        let durable = &self.durable;
        consumer::advance(input, &mut self.soft.consumer, |group_id| durable.consumer(group_id))
    }

    /// Consumer groups that have become classic ones: their members have their sessions from now on, and join
    /// again if they are to.
    pub(super) fn take_up_downgraded(&mut self, input: Input<'_>) -> Outcome {
        self.soft.seen = input.monotonic;
        let downgraded = self.soft.consumer.take_downgraded();
        let durable = &self.durable;
        let (classic, mut work) = self.soft.work(input);
        for Downgraded { group_id, rebalance, protocols } in downgraded {
            let Some(metadata) = durable.classic(&group_id) else { continue };
            let mut group = ClassicGroup::new(group_id.clone(), metadata);
            for (member_id, protocols) in protocols {
                group.take_up_protocols(&member_id, protocols);
            }
            group.loaded(&mut work);
            if rebalance && group.state() == State::Stable {
                group.prepare_rebalance(&mut work);
            }
            classic.insert(group_id, group);
        }
        work.outcome
    }
}

fn upgrade_refused(group_id: &str, why: &str) -> GroupError {
    not_found(format!("Cannot upgrade classic group {group_id} to consumer group because {why}."))
}

fn check_upgrade(input: Input<'_>, group_id: &str, group: &ClassicGroup) -> Result<(), GroupError> {
    let refused = |why: &str| Err(upgrade_refused(group_id, why));
    if !input.settings.migration_policy.allows_upgrade() {
        refused("online upgrade is disabled")
    } else if !group.uses_consumer_protocol() {
        refused("the group does not use the consumer embedded protocol")
    } else if group.upgraded_members().len() > input.settings.consumer_group_max_size {
        refused("the group size exceeds the consumer group maximum size")
    } else {
        Ok(())
    }
}
