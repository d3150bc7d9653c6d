//! What a call works with, beside the group that it concerns.

use std::collections::HashMap;
use std::sync::Arc;

use super::input::Input;
use super::outcome::{Outcome, Ticket};
use super::reply::GroupReply;
use super::timers::Timers;

/// Members whose request waits: group and member, by the request's ticket.
pub(super) type WaitingMembers = HashMap<Ticket, (Arc<str>, Arc<str>)>;

/// One call: what it knows, and where it leaves what is to be done.
pub(super) struct Work<'a> {
    /// The world.
    pub input: Input<'a>,
    /// Deadlines of all groups.
    pub timers: &'a mut Timers,
    /// Requests that wait, of all groups.
    pub waiting: &'a mut WaitingMembers,
    /// Records and replies.
    pub outcome: Outcome,
}

impl Work<'_> {
    /// Answers a request that did not wait.
    pub fn reply(&mut self, ticket: Ticket, reply: GroupReply) {
        self.outcome.replies.push((ticket, reply));
    }

    /// Answers a request that waited, unless its client went away.
    pub fn reply_waiting(&mut self, waiting: Waiting, reply: GroupReply) {
        if let Some(ticket) = waiting.ticket {
            self.waiting.remove(&ticket);
            self.reply(ticket, reply);
        }
    }
}

/// A request that waits.
#[derive(Debug)]
pub(super) struct Waiting {
    /// `None` once its client went away. The member counts as having asked all the same: clients come back
    /// under their member id, and Kafka does not notice that they went.
    pub ticket: Option<Ticket>,
}
