//! What a shard gives back.

use std::ops::Range;

use super::record::{ConsumerGroupChange, GroupRecord};
use super::reply::GroupReply;

/// One request whose reply is awaited. Numbers are never reused while a shard is loaded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(pub u64);

/// What a call asks for: the coordinator writes the records in one batch (all or nothing, but see
/// [`Outcome::may_be_divided`] and [`Outcome::divisible`]), has [`super::GroupShard::replay`] apply them at
/// once, and lets the replies go when everything that the shard has written so far is committed.
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
    /// Groups that come through a rebalance by it.
    pub completed_rebalances: u64,
}

impl Outcome {
    /// Records that may go into other batches than those before and those behind them, where one batch does
    /// not hold them all: what members are to have by a new assignment, up to the record that says which
    /// group epoch that was made for. Until that one is written the group is ahead of its assignment, and the
    /// next heartbeat makes another: each batch leaves a good state behind.
    ///
    /// One record for each member, of which there may be any number, would else be a group that never gets
    /// its assignment.
    pub fn divisible(&self) -> Range<usize> {
        let is_epoch = |record: &GroupRecord| {
            let GroupRecord::ConsumerGroup { change, .. } = record else { return false };
            matches!(change, ConsumerGroupChange::TargetAssignmentMetadata(Some(_)))
        };
        let is_target = |record: &&GroupRecord| {
            let GroupRecord::ConsumerGroup { change, .. } = record else { return false };
            matches!(change, ConsumerGroupChange::TargetAssignmentMember { assignment: Some(_), .. })
        };
        let end = self.records.iter().rposition(is_epoch).unwrap_or(0);
        let targets = self.records[..end].iter().rev().take_while(is_target).count();
        end - targets..end
    }

    /// Whether the log takes the records, divided where they may be.
    pub(super) fn fits(&self, batch_bytes_max: usize) -> bool {
        let bytes = |records: &[GroupRecord]| records.iter().map(GroupRecord::batch_bytes).sum::<usize>();
        let divisible = self.divisible();
        let (before, behind) = (&self.records[..divisible.start], &self.records[divisible.end..]);
        let mut alone = self.records[divisible.clone()].iter().map(GroupRecord::batch_bytes);
        bytes(before).max(bytes(behind)) <= batch_bytes_max && alone.all(|bytes| bytes <= batch_bytes_max)
    }

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
        self.completed_rebalances += other.completed_rebalances;
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
