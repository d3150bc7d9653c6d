//! Transactions as a shard of this runtime.

use std::convert::Infallible;
use std::time::Duration;

use super::{Moment, Output, Shard};
use crate::model::{ProducerId, TransactionResult};
use crate::transaction::{
    Effect, Input, Outcome, Ticket, TransactionRecord, TransactionReply, TransactionRequest,
    TransactionSettings, TransactionShard,
};

fn input<'a>(moment: &Moment<'a, TransactionSettings>) -> Input<'a> {
    Input {
        monotonic: moment.monotonic,
        wall: moment.wall,
        believed: moment.believed,
        settings: moment.settings,
        batch_bytes_max: moment.batch_bytes_max,
        coordinator_epoch: moment.leader_epoch,
    }
}

fn output(outcome: Outcome) -> Output<TransactionShard> {
    let replies = outcome.replies.into_iter().map(|(Ticket(ticket), reply)| (ticket, reply));
    Output {
        records: outcome.records,
        may_be_divided: outcome.may_be_divided,
        divisible: 0..0,
        in_transaction: None,
        replies: replies.collect(),
        effects: outcome.effects,
        counted: outcome.timed_out,
    }
}

impl Shard for TransactionShard {
    type Request = TransactionRequest;
    type Reply = TransactionReply;
    type Record = TransactionRecord;
    /// It is told of nothing.
    type Notice = Infallible;
    type Effect = Effect;
    type Settings = TransactionSettings;

    fn request(
        &mut self,
        moment: Moment<'_, TransactionSettings>,
        ticket: u64,
        request: TransactionRequest,
    ) -> Output<TransactionShard> {
        output(TransactionShard::request(self, input(&moment), Ticket(ticket), request))
    }

    fn may_write(request: &TransactionRequest) -> bool {
        request.may_write()
    }

    fn forget(&mut self, ticket: u64) {
        TransactionShard::forget(self, Ticket(ticket));
    }

    fn next_deadline(&self) -> Option<Duration> {
        TransactionShard::next_deadline(self)
    }

    fn advance(&mut self, moment: Moment<'_, TransactionSettings>) -> Output<TransactionShard> {
        output(TransactionShard::advance(self, input(&moment)))
    }

    fn expire(&mut self, moment: Moment<'_, TransactionSettings>) -> Output<TransactionShard> {
        output(TransactionShard::expire(self, input(&moment)))
    }

    fn notice(
        &mut self,
        _: Moment<'_, TransactionSettings>,
        nothing: &Infallible,
    ) -> Output<TransactionShard> {
        match *nothing {}
    }

    fn unwritten(
        &mut self,
        moment: Moment<'_, TransactionSettings>,
        records: &[TransactionRecord],
    ) -> Output<TransactionShard> {
        output(TransactionShard::unwritten(self, input(&moment), records))
    }

    fn replay(&mut self, record: TransactionRecord) {
        TransactionShard::replay(self, record);
    }

    /// Its records are in no transaction: it is what transactions go by. What somebody else may have written
    /// into its topic in one is not its.
    fn replay_in_transaction(&mut self, _: ProducerId, _: TransactionRecord) {}

    fn end_transaction(&mut self, _: ProducerId, _: TransactionResult) {}

    fn loaded(&mut self, moment: Moment<'_, TransactionSettings>) -> Output<TransactionShard> {
        output(TransactionShard::loaded(self, input(&moment)))
    }

    fn encode(record: &TransactionRecord) -> (Vec<u8>, Option<Vec<u8>>) {
        record.encode()
    }

    fn decode(key: &[u8], value: Option<&[u8]>) -> Result<Option<TransactionRecord>, String> {
        TransactionRecord::decode(key, value).map_err(|error| error.to_string())
    }
}
