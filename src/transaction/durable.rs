//! What outlives a restart: the last record of each transactional id.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

use super::metadata::TransactionMetadata;
use super::record::TransactionRecord;

/// Everything that the records of one partition of `__transaction_state` say.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Durable {
    transactions: BTreeMap<Arc<str>, TransactionMetadata>,
}

impl Durable {
    /// A transactional id of which there is a record.
    pub fn get(&self, transactional_id: &str) -> Option<&TransactionMetadata> {
        self.transactions.get(transactional_id)
    }

    /// All, in the order of their ids.
    pub fn iter(&self) -> impl Iterator<Item = (&Arc<str>, &TransactionMetadata)> {
        self.transactions.iter()
    }

    /// Those behind an id; all behind none.
    pub fn after(&self, last: Option<&str>) -> impl Iterator<Item = (&Arc<str>, &TransactionMetadata)> {
        let from = last.map_or(Bound::Unbounded, Bound::Excluded);
        self.transactions.range::<str, _>((from, Bound::Unbounded))
    }

    /// Applies a record.
    pub fn replay(&mut self, record: TransactionRecord) {
        let TransactionRecord { transactional_id, metadata } = record;
        match metadata {
            Some(metadata) => self.transactions.insert(transactional_id, metadata),
            None => self.transactions.remove(&transactional_id),
        };
    }
}
