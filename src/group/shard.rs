//! One shard: the groups whose records go to one partition of `__consumer_offsets`.

use std::time::Duration;

use super::input::{Caller, Input};
use super::outcome::{Outcome, Ticket};
use super::record::GroupRecord;
use super::request::GroupRequest;

/// All groups of one partition of `__consumer_offsets`.
#[derive(Debug, Default)]
pub struct GroupShard {}

impl GroupShard {
    /// Takes a request. Its reply is in this outcome or in a later one, under its ticket.
    pub fn request(
        &mut self,
        _input: Input<'_>,
        _ticket: Ticket,
        _caller: &Caller,
        request: GroupRequest,
    ) -> Outcome {
        let _ = request;
        Outcome::default()
    }

    /// The client of a request went away: its reply is awaited no more.
    pub fn forget(&mut self, _ticket: Ticket) {}

    /// The next moment, in monotonic time, at which [`GroupShard::advance`] has something to do.
    pub fn next_deadline(&self) -> Option<Duration> {
        None
    }

    /// Does what is due: sessions that ran out, joins that waited long enough.
    pub fn advance(&mut self, _input: Input<'_>) -> Outcome {
        Outcome::default()
    }

    /// Does what is due now and then by the wall clock: offsets that are kept no longer, groups that are
    /// empty. Called every `offsets.retention.check.interval.ms`.
    pub fn expire(&mut self, _input: Input<'_>) -> Outcome {
        Outcome::default()
    }

    /// Applies a record that was written, now or before the restart.
    pub fn replay(&mut self, record: GroupRecord) {
        let _ = record;
    }

    /// Everything was replayed: members get a session from now on.
    pub fn loaded(&mut self, _input: Input<'_>) -> Outcome {
        Outcome::default()
    }
}
