//! What a shard gives back.

use super::record::GroupRecord;
use super::reply::GroupReply;

/// One request whose reply is awaited. Numbers are never reused while a shard is loaded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(pub u64);

/// What a call asks for: the coordinator writes the records in one batch (all or nothing), has
/// [`super::GroupShard::replay`] apply them at once, and lets the replies go when everything that the shard
/// has written so far is committed.
///
/// A reply may belong to an earlier request: members that wait in a join are answered by the call that ends
/// it.
#[derive(Debug, Default, PartialEq)]
pub struct Outcome {
    /// To be written, in this order.
    pub records: Vec<GroupRecord>,
    /// To be answered.
    pub replies: Vec<(Ticket, GroupReply)>,
}
