//! Groups as a shard of this runtime.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use super::{InTransaction, Moment, Output, Shard, TransactionPass};
use crate::group::Ticket;
use crate::group::{
    Caller, DeletedTopic, GroupRecord, GroupReply, GroupRequest, GroupSettings, GroupShard, Input, Outcome,
};
use crate::model::{ProducerId, TransactionResult};

/// A request to a group, and who asks.
#[derive(Debug, Clone, PartialEq)]
pub struct GroupAsk {
    /// Who.
    pub caller: Caller,
    /// What.
    pub request: GroupRequest,
    /// Of the producer whose transaction the request is part of, if it is.
    pub pass: Option<TransactionPass>,
}

fn input<'a>(moment: &Moment<'a, GroupSettings>) -> Input<'a> {
    Input {
        monotonic: moment.monotonic,
        wall: moment.wall,
        believed: moment.believed,
        settings: moment.settings,
        batch_bytes_max: moment.batch_bytes_max,
        image: moment.image,
        fresh_id: moment.random.uuid(),
    }
}

fn output(outcome: Outcome, pass: Option<TransactionPass>) -> Output<GroupShard> {
    let divisible = outcome.divisible();
    let records = outcome.in_transaction;
    debug_assert!(records.is_empty() || pass.is_some(), "only who shows a pass asks for a transaction");
    let replies = outcome.replies.into_iter().map(|(Ticket(ticket), reply)| (ticket, reply));
    Output {
        records: outcome.records,
        may_be_divided: outcome.may_be_divided,
        divisible,
        in_transaction: pass.filter(|_| !records.is_empty()).map(|pass| InTransaction { pass, records }),
        replies: replies.collect(),
        effects: Vec::new(),
        counted: outcome.completed_rebalances,
    }
}

impl Shard for GroupShard {
    /// Topics that were deleted.
    type Notice = Arc<[DeletedTopic]>;
    type Effect = Infallible;
    type Request = GroupAsk;
    type Reply = GroupReply;
    type Record = GroupRecord;
    type Settings = GroupSettings;

    fn request(
        &mut self,
        moment: Moment<'_, GroupSettings>,
        ticket: u64,
        request: GroupAsk,
    ) -> Output<GroupShard> {
        let GroupAsk { caller, request, pass } = request;
        output(GroupShard::request(self, input(&moment), Ticket(ticket), &caller, request), pass)
    }

    fn may_write(GroupAsk { request, .. }: &GroupAsk) -> bool {
        match request {
            GroupRequest::Heartbeat(_)
            | GroupRequest::OffsetFetch(_)
            | GroupRequest::DescribeGroup { .. }
            | GroupRequest::ConsumerGroupDescribe { .. }
            | GroupRequest::ListGroups(_) => false,
            GroupRequest::JoinGroup(_)
            | GroupRequest::SyncGroup(_)
            | GroupRequest::LeaveGroup(_)
            | GroupRequest::OffsetCommit(_)
            | GroupRequest::OffsetDelete(_)
            | GroupRequest::ConsumerGroupHeartbeat(_)
            | GroupRequest::DeleteGroup { .. } => true,
        }
    }

    fn forget(&mut self, ticket: u64) {
        GroupShard::forget(self, Ticket(ticket));
    }

    fn next_deadline(&self) -> Option<Duration> {
        GroupShard::next_deadline(self)
    }

    fn advance(&mut self, moment: Moment<'_, GroupSettings>) -> Output<GroupShard> {
        output(GroupShard::advance(self, input(&moment)), None)
    }

    fn expire(&mut self, moment: Moment<'_, GroupSettings>) -> Output<GroupShard> {
        output(GroupShard::expire(self, input(&moment)), None)
    }

    fn notice(
        &mut self,
        moment: Moment<'_, GroupSettings>,
        topics: &Arc<[DeletedTopic]>,
    ) -> Output<GroupShard> {
        output(GroupShard::topics_deleted(self, input(&moment), topics), None)
    }

    fn unwritten(
        &mut self,
        moment: Moment<'_, GroupSettings>,
        records: &[GroupRecord],
    ) -> Output<GroupShard> {
        output(GroupShard::unwritten(self, input(&moment), records), None)
    }

    fn replay(&mut self, record: GroupRecord) {
        GroupShard::replay(self, record);
    }

    fn replay_in_transaction(&mut self, producer_id: ProducerId, record: GroupRecord) {
        GroupShard::replay_in_transaction(self, producer_id, record);
    }

    fn end_transaction(&mut self, producer_id: ProducerId, result: TransactionResult) {
        GroupShard::end_transaction(self, producer_id, result);
    }

    fn loaded(&mut self, moment: Moment<'_, GroupSettings>) -> Output<GroupShard> {
        output(GroupShard::loaded(self, input(&moment)), None)
    }

    fn encode(record: &GroupRecord) -> (Vec<u8>, Option<Vec<u8>>) {
        record.encode()
    }

    fn decode(key: &[u8], value: Option<&[u8]>) -> Result<Option<GroupRecord>, String> {
        GroupRecord::decode(key, value).map_err(|error| error.to_string())
    }
}
