//! Which batches of transactions may go, on a walk through the log in order. Pure.

use std::collections::{HashMap, HashSet};

use crate::model::{Offset, ProducerId};
use crate::protocol::batch::ControlType;

/// A transaction that ended without effect.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Aborted {
    pub producer_id: ProducerId,
    /// Offset of its first batch.
    pub first_offset: Offset,
}

/// Follows transactions through a log, as Kafka's `CleanedTransactionMetadata`: batches of aborted ones go at
/// once, and a marker may go when no batch of its transaction was met before it.
#[derive(Clone, Default, Debug)]
pub(super) struct TransactionSieve {
    /// Those that are still to come, ascending by first offset; from the back.
    aborted: Vec<Aborted>,
    /// Aborted transactions that have begun, and whether a batch of theirs was met.
    open_aborted: HashMap<ProducerId, bool>,
    /// Producers of other transactions of which a batch was met.
    open_committed: HashSet<ProducerId>,
}

impl TransactionSieve {
    /// The aborted transactions of the stretch to be walked through.
    pub(super) fn new(mut aborted: Vec<Aborted>) -> TransactionSieve {
        aborted.sort_by_key(|transaction| std::cmp::Reverse(transaction.first_offset));
        TransactionSieve { aborted, ..TransactionSieve::default() }
    }

    /// A batch of records of a transaction; whether it goes.
    pub(super) fn batch(&mut self, producer_id: ProducerId, last_offset: Offset) -> bool {
        self.begin_until(last_offset);
        match self.open_aborted.get_mut(&producer_id) {
            Some(is_met) => {
                *is_met = true;
                true
            }
            None => {
                self.open_committed.insert(producer_id);
                false
            }
        }
    }

    /// A batch with a marker, `None` if it was emptied before; whether it may go.
    pub(super) fn marker(
        &mut self,
        producer_id: ProducerId,
        last_offset: Offset,
        control: Option<ControlType>,
    ) -> bool {
        self.begin_until(last_offset);
        match control {
            None => true,
            Some(ControlType::Other(_)) => false,
            Some(ControlType::Commit) => !self.open_committed.remove(&producer_id),
            Some(ControlType::Abort) => {
                let aborted = self.open_aborted.remove(&producer_id).unwrap_or(false);
                // A batch that was emptied in an earlier cleaning: its transaction is not listed any more.
                let emptied = self.open_committed.remove(&producer_id);
                !aborted && !emptied
            }
        }
    }

    fn begin_until(&mut self, offset: Offset) {
        while let Some(next) = self.aborted.pop_if(|next| next.first_offset <= offset) {
            self.open_aborted.entry(next.producer_id).or_insert(false);
        }
    }
}

#[cfg(test)]
mod tests;
