//! What a shard gives back.

use super::record::GroupRecord;
use super::reply::GroupReply;

/// One request whose reply is awaited. Numbers are never reused while a shard is loaded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(pub u64);

/// What a call asks for: the coordinator writes the records in one batch (all or nothing, but see
/// [`Outcome::may_be_divided`]), has [`super::GroupShard::replay`] apply them at once, and lets the replies
/// go when everything that the shard has written so far is committed.
///
/// A reply may belong to an earlier request: members that wait in a join are answered by the call that ends
/// it.
#[derive(Debug, Default, PartialEq)]
pub struct Outcome {
    /// To be written, in this order.
    pub records: Vec<GroupRecord>,
    /// The records may go into several batches, in their order: each of these leaves a good state behind.
    pub may_be_divided: bool,
    /// To be written in a batch of the transaction that asked, and applied by
    /// [`super::GroupShard::replay_in_transaction`].
    pub in_transaction: Vec<GroupRecord>,
    /// To be answered.
    pub replies: Vec<(Ticket, GroupReply)>,
}

impl Outcome {
    /// One reply.
    pub(super) fn reply(ticket: Ticket, reply: GroupReply) -> Outcome {
        Outcome { replies: vec![(ticket, reply)], ..Outcome::default() }
    }

    /// Adds what another call gave.
    pub(super) fn append(&mut self, other: Outcome) {
        self.records.extend(other.records);
        self.may_be_divided |= other.may_be_divided;
        self.in_transaction.extend(other.in_transaction);
        self.replies.extend(other.replies);
    }
}

/// About as much as one call gives that could give any amount: what is left is found by the next call.
pub(super) const PORTION_BYTES: usize = 256 << 10;

/// Records of such a call.
#[derive(Debug, Default)]
pub(super) struct Portion {
    records: Vec<GroupRecord>,
    bytes: usize,
}

impl Portion {
    /// Adds a record.
    pub fn push(&mut self, record: GroupRecord) {
        self.bytes += record.batch_bytes();
        self.records.push(record);
    }

    /// Adds records that belong together.
    pub fn extend(&mut self, records: impl IntoIterator<Item = GroupRecord>) {
        records.into_iter().for_each(|record| self.push(record));
    }

    /// Nothing more is to be looked for.
    pub fn is_full(&self) -> bool {
        self.bytes >= PORTION_BYTES
    }

    /// What was gathered.
    pub fn into_records(self) -> Vec<GroupRecord> {
        self.records
    }
}
