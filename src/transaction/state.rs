//! The states of a transaction, and which may follow which.

/// Where a transaction stands, with Kafka's names and numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TransactionState {
    /// The producer has an id and an epoch, and has not begun.
    Empty,
    /// It has partitions, and may get more.
    Ongoing,
    /// Decided: it is committed, and markers are written.
    PrepareCommit,
    /// Decided: it is aborted, and markers are written.
    PrepareAbort,
    /// Committed, with all markers written.
    CompleteCommit,
    /// Aborted, with all markers written.
    CompleteAbort,
    /// Forgotten. Kafka never writes it.
    Dead,
    /// About to be aborted by the coordinator. Kafka never writes it, and here it lasts no time at all.
    PrepareEpochFence,
}

use TransactionState::*;

impl TransactionState {
    /// All, in the order of their numbers.
    pub const ALL: [TransactionState; 8] =
        [Empty, Ongoing, PrepareCommit, PrepareAbort, CompleteCommit, CompleteAbort, Dead, PrepareEpochFence];

    /// Its number in records.
    pub fn id(self) -> i8 {
        self as i8
    }

    /// The state of a number.
    pub fn from_id(id: i8) -> Option<TransactionState> {
        usize::try_from(id).ok().and_then(|id| TransactionState::ALL.get(id).copied())
    }

    /// Its name in replies.
    pub fn name(self) -> &'static str {
        match self {
            Empty => "Empty",
            Ongoing => "Ongoing",
            PrepareCommit => "PrepareCommit",
            PrepareAbort => "PrepareAbort",
            CompleteCommit => "CompleteCommit",
            CompleteAbort => "CompleteAbort",
            Dead => "Dead",
            PrepareEpochFence => "PrepareEpochFence",
        }
    }

    /// The state of a name.
    pub fn from_name(name: &str) -> Option<TransactionState> {
        TransactionState::ALL.into_iter().find(|state| state.name() == name)
    }

    /// Whether a record of `next` may follow one of this state.
    pub fn may_become(self, next: TransactionState) -> bool {
        let is_at_rest = self.is_at_rest();
        match next {
            Empty | Dead => is_at_rest,
            Ongoing => is_at_rest || self == Ongoing,
            PrepareCommit => self == Ongoing,
            // Version 2 may abort what it did not begin.
            PrepareAbort => is_at_rest || matches!(self, Ongoing | PrepareEpochFence),
            CompleteCommit => self == PrepareCommit,
            CompleteAbort => self == PrepareAbort,
            PrepareEpochFence => self == Ongoing,
        }
    }

    /// No transaction is under way: the transactional id may expire.
    pub fn is_at_rest(self) -> bool {
        matches!(self, Empty | CompleteCommit | CompleteAbort)
    }

    /// It is decided how the transaction ends, and markers are owed.
    pub fn is_decided(self) -> bool {
        matches!(self, PrepareCommit | PrepareAbort)
    }
}
