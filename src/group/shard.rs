//! One shard: the groups whose records go to one partition of `__consumer_offsets`.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use super::classic::{ClassicGroup, Joining, join_refused};
use super::consumer;
use super::durable::Durable;
use super::error::GroupError;
use super::input::{Caller, Input};
use super::lengths::check_join;
use super::outcome::{Outcome, Portion, Ticket};
use super::record::{ConsumerGroupChange, GroupRecord};
use super::reply::{GroupReply, LeftMember};
use super::request::{GroupRequest, Heartbeat, JoinGroup, LeaveGroup, SyncGroup};
use super::timers::{Timer, TimerId, Timers};
use super::work::{WaitingMembers, Work};
use crate::model::{ProducerId, TransactionResult};

/// All groups of one partition of `__consumer_offsets`.
#[derive(Debug, Default)]
pub struct GroupShard {
    /// Changed by [`GroupShard::replay`] only.
    pub(super) durable: Durable,
    /// Lost with the process.
    pub(super) soft: Soft,
}

/// What a restart forgets.
#[derive(Debug, Default)]
pub(super) struct Soft {
    /// Classic groups with members or with some that are about to join. Of all others
    /// [`Durable`] says everything.
    pub classic: HashMap<Arc<str>, ClassicGroup>,
    /// Of consumer groups.
    pub consumer: consumer::Soft,
    timers: Timers,
    waiting: WaitingMembers,
    /// Monotonic time of the last call.
    pub seen: Duration,
    /// Groups that this round of [`GroupShard::expire`] has not looked at, the next one last.
    pub unexpired: Vec<Arc<str>>,
}

impl Soft {
    /// For one call: the groups, and all else.
    pub fn work<'a>(&'a mut self, input: Input<'a>) -> (&'a mut HashMap<Arc<str>, ClassicGroup>, Work<'a>) {
        let work =
            Work { input, timers: &mut self.timers, waiting: &mut self.waiting, outcome: Outcome::default() };
        (&mut self.classic, work)
    }
}

impl Soft {
    /// Forgets an empty group.
    pub fn remove_classic(&mut self, group_id: &str) {
        if let Some(mut group) = self.classic.remove(group_id) {
            group.cancel_pending_joins(&mut self.timers);
        }
    }
}

impl GroupShard {
    /// Takes a request. Its reply is in this outcome or in a later one, under its ticket.
    pub fn request(
        &mut self,
        input: Input<'_>,
        ticket: Ticket,
        caller: &Caller,
        request: GroupRequest,
    ) -> Outcome {
        let mut outcome = self.take_up_downgraded(input);
        let done = self.answer(input, ticket, caller, request);
        outcome.append(done);
        outcome
    }

    fn answer(
        &mut self,
        input: Input<'_>,
        ticket: Ticket,
        caller: &Caller,
        request: GroupRequest,
    ) -> Outcome {
        let mut outcome = Outcome::default();
        let reply = match request {
            GroupRequest::JoinGroup(request) => {
                return self.join_group(input, &Joining { ticket, caller, request: &request });
            }
            GroupRequest::SyncGroup(request) => return self.sync_group(input, ticket, &request),
            GroupRequest::LeaveGroup(request) => return self.leave_group(input, ticket, &request),
            GroupRequest::ConsumerGroupHeartbeat(request) => {
                let reply = self.consumer_group_heartbeat(input, caller, &request, &mut outcome);
                GroupReply::ConsumerGroupHeartbeat(reply)
            }
            GroupRequest::ConsumerGroupDescribe { group_id } => {
                GroupReply::ConsumerGroupDescribe(self.describe_consumer_group(input, &group_id))
            }
            GroupRequest::Heartbeat(request) => GroupReply::Heartbeat(self.heartbeat(input, &request)),
            GroupRequest::OffsetCommit(request) => {
                let records = match request.transaction {
                    None => &mut outcome.records,
                    Some(_) => &mut outcome.in_transaction,
                };
                GroupReply::OffsetCommit(self.offset_commit(input, &request, records))
            }
            GroupRequest::OffsetFetch(request) => GroupReply::OffsetFetch(self.offset_fetch(&request)),
            GroupRequest::OffsetDelete(request) => {
                outcome.may_be_divided = true;
                GroupReply::OffsetDelete(self.offset_delete(&request, &mut outcome.records))
            }
            GroupRequest::DescribeGroup { group_id } => {
                GroupReply::DescribeGroup(self.describe_group(&group_id))
            }
            GroupRequest::ListGroups(request) => GroupReply::ListGroups(self.list_groups(&request)),
            GroupRequest::DeleteGroup { group_id } => {
                outcome.may_be_divided = true;
                GroupReply::DeleteGroup(self.delete_group(&group_id, &mut outcome.records))
            }
        };
        outcome.replies.push((ticket, reply));
        outcome
    }

    fn join_group(&mut self, input: Input<'_>, joining: &Joining<'_>) -> Outcome {
        let request = joining.request;
        let group_id = &request.group_id;
        if let Err(error) = check_join(request) {
            return Outcome::reply(joining.ticket, join_refused(Arc::default(), error));
        }
        if self.durable.consumer(group_id).is_some_and(|group| !group.is_empty()) {
            return self.join_consumer_group(input, joining);
        }
        let is_new_group = self.classic_state(group_id).is_none();
        if let Err(error) = validate_join(input, request, is_new_group) {
            let refused = join_refused(request.member_id.clone(), error);
            return Outcome::reply(joining.ticket, refused);
        }
        let empty = self.durable.consumer(group_id).map(consumer::tombstones).unwrap_or_default();
        let recorded = self.durable.classic(group_id).cloned().unwrap_or_default();
        let (classic, mut work) = self.soft.work(input);
        let new = || ClassicGroup::new(group_id.clone(), &recorded);
        let group = classic.entry(group_id.clone()).or_insert_with(new);
        group.join(&mut work, joining);
        if is_new_group && work.outcome.records.is_empty() {
            group.write_empty(&mut work);
        }
        let mut outcome = work.outcome;
        outcome.records.splice(0..0, empty);
        self.drop_if_idle(group_id);
        outcome
    }

    fn sync_group(&mut self, input: Input<'_>, ticket: Ticket, request: &SyncGroup) -> Outcome {
        if let Some(reply) = self.sync_consumer_group(input, request) {
            return Outcome::reply(ticket, GroupReply::SyncGroup(reply));
        }
        let (classic, mut work) = self.soft.work(input);
        match find(classic, &request.group_id) {
            Ok(group) => group.sync(&mut work, ticket, request),
            Err(error) => work.reply(ticket, GroupReply::SyncGroup(Err(error))),
        }
        work.outcome
    }

    fn heartbeat(&mut self, input: Input<'_>, request: &Heartbeat) -> Result<(), GroupError> {
        if let Some(reply) = self.heartbeat_in_consumer_group(input, request) {
            return reply;
        }
        let (classic, mut work) = self.soft.work(input);
        find(classic, &request.group_id)?.heartbeat(&mut work, request)
    }

    fn leave_group(&mut self, input: Input<'_>, ticket: Ticket, request: &LeaveGroup) -> Outcome {
        if let Some((records, left)) = self.leave_consumer_group(input, request) {
            return Outcome { records, ..Outcome::reply(ticket, GroupReply::LeaveGroup(Ok(left))) };
        }
        let (classic, mut work) = self.soft.work(input);
        let left = match find(classic, &request.group_id) {
            Ok(group) => Ok(group.leave(&mut work, &request.members)),
            Err(GroupError::UnknownMemberId) => Ok(unknown_members(request)),
            Err(error) => Err(error),
        };
        work.reply(ticket, GroupReply::LeaveGroup(left));
        let outcome = work.outcome;
        self.drop_if_idle(&request.group_id);
        outcome
    }

    /// The client of a request went away: its reply is awaited no more.
    pub fn forget(&mut self, ticket: Ticket) {
        if let Some((group_id, member_id)) = self.soft.waiting.remove(&ticket)
            && let Some(group) = self.soft.classic.get_mut(&group_id)
        {
            group.forget(&member_id, ticket);
        }
    }

    /// The next moment, in monotonic time, at which [`GroupShard::advance`] is to be called. It may find
    /// nothing to do then: heartbeats put deadlines off without a trace here.
    pub fn next_deadline(&self) -> Option<Duration> {
        let consumer = self.soft.consumer.next_deadline();
        let first = self.soft.timers.next().into_iter().chain(consumer).min();
        // What is left of an earlier call, or is due at once, is due since then: it was not missed.
        first.map(|first| first.max(self.soft.seen))
    }

    /// Does what is due: sessions that ran out, joins that waited long enough. After a pause of the process
    /// these may be those of all members: one call does about [`PORTION_BYTES`], what is left is due still.
    pub fn advance(&mut self, input: Input<'_>) -> Outcome {
        let mut outcome = self.take_up_downgraded(input);
        let mut portion = Portion::default();
        portion.extend(self.advance_consumer_groups(input));
        let mark = self.soft.timers.mark();
        // What comes due by what is done here waits for the next call: each entry is looked at once.
        while !portion.is_full()
            && let Some((entry, timer)) = self.soft.timers.pop(input.monotonic, mark)
        {
            let done = self.timer_due(input, entry, timer);
            portion.extend(done.records);
            outcome.replies.extend(done.replies);
        }
        outcome.records = portion.into_records();
        outcome
    }

    fn timer_due(&mut self, input: Input<'_>, entry: TimerId, timer: Timer) -> Outcome {
        let (classic, mut work) = self.soft.work(input);
        let (Timer::ClassicSession { group_id, .. } | Timer::Join { group_id } | Timer::Sync { group_id }) =
            timer.clone();
        let Some(group) = classic.get_mut(&group_id) else { return work.outcome };
        match &timer {
            Timer::ClassicSession { member_id, .. } => {
                let member_id = member_id.clone();
                group.session_due(&mut work, &member_id, entry, timer);
            }
            Timer::Join { .. } => group.join_due(&mut work, entry, timer),
            Timer::Sync { .. } => group.sync_due(&mut work, entry, timer),
        }
        let outcome = work.outcome;
        self.drop_if_idle(&group_id);
        outcome
    }

    /// Applies a record that was written, now or before the restart.
    pub fn replay(&mut self, record: GroupRecord) {
        if let GroupRecord::ConsumerGroup { group_id, change: ConsumerGroupChange::Metadata(None) } = &record
        {
            self.soft.consumer.forget(group_id);
        }
        self.durable.replay(record);
    }

    /// Applies a record that was written in a producer's transaction: it counts when that commits.
    pub fn replay_in_transaction(&mut self, producer_id: ProducerId, record: GroupRecord) {
        self.durable.replay_in_transaction(producer_id, record);
    }

    /// A marker was written: the producer's transaction has ended.
    pub fn end_transaction(&mut self, producer_id: ProducerId, result: TransactionResult) {
        self.durable.end_transaction(producer_id, result);
    }

    /// Everything was replayed: members get a session from now on.
    pub fn loaded(&mut self, input: Input<'_>) -> Outcome {
        self.soft.seen = input.monotonic;
        let (classic, mut work) = self.soft.work(input);
        for (group_id, metadata) in self.durable.classic_with_members() {
            let mut group = ClassicGroup::new(group_id.clone(), metadata);
            group.loaded(&mut work);
            classic.insert(group_id.clone(), group);
        }
        let outcome = work.outcome;
        for group in self.durable.consumer_groups() {
            self.soft.consumer.loaded(input, group);
        }
        outcome
    }

    /// What a call gave was more than the log takes, and was not written. The groups that it concerns go on
    /// from what is written, as after a restart: whoever waits in one joins again.
    pub fn unwritten(&mut self, input: Input<'_>, records: &[GroupRecord]) -> Outcome {
        let group_ids: BTreeSet<&Arc<str>> = records.iter().map(GroupRecord::group_id).collect();
        let (classic, mut work) = self.soft.work(input);
        for group_id in &group_ids {
            if let Some(group) = classic.remove(*group_id) {
                group.dissolve(&mut work);
            }
            let recorded = self.durable.classic(group_id);
            if let Some(metadata) = recorded.filter(|metadata| !metadata.members.is_empty()) {
                let mut group = ClassicGroup::new((*group_id).clone(), metadata);
                group.loaded(&mut work);
                classic.insert((*group_id).clone(), group);
            }
        }
        let outcome = work.outcome;
        for group_id in group_ids {
            self.soft.consumer.forget(group_id);
            if let Some(group) = self.durable.consumer(group_id) {
                self.soft.consumer.loaded(input, group);
            }
        }
        outcome
    }

    /// An empty group is what its record says, or will say once what this call gives is replayed.
    fn drop_if_idle(&mut self, group_id: &str) {
        if self.soft.classic.get(group_id).is_some_and(ClassicGroup::is_idle) {
            self.soft.classic.remove(group_id);
        }
    }
}

/// What is refused before there is a group.
fn validate_join(input: Input<'_>, request: &JoinGroup, is_new_group: bool) -> Result<(), GroupError> {
    let settings = input.settings;
    let session_timeouts = settings.group_min_session_timeout..=settings.group_max_session_timeout;
    if request.group_id.is_empty() {
        return Err(GroupError::InvalidGroupId);
    }
    if !session_timeouts.contains(&request.session_timeout) {
        return Err(GroupError::InvalidSessionTimeout);
    }
    if is_new_group && !request.member_id.is_empty() {
        return Err(GroupError::UnknownMemberId);
    }
    Ok(())
}

/// A group that may have the member that asks.
fn find<'a>(
    classic: &'a mut HashMap<Arc<str>, ClassicGroup>,
    group_id: &str,
) -> Result<&'a mut ClassicGroup, GroupError> {
    if group_id.is_empty() {
        return Err(GroupError::InvalidGroupId);
    }
    classic.get_mut(group_id).ok_or(GroupError::UnknownMemberId)
}

fn unknown_members(request: &LeaveGroup) -> Vec<LeftMember> {
    let unknown = |member: &super::request::LeavingMember| LeftMember {
        member_id: member.member_id.clone(),
        group_instance_id: member.group_instance_id.clone(),
        error: Some(GroupError::UnknownMemberId),
    };
    request.members.iter().map(unknown).collect()
}
