//! Transactions as those see them who measure.

use std::time::Duration;

use super::metadata::{NamedPartition, ProducerIdAndEpoch};
use super::shard::TransactionShard;
use super::state::TransactionState;
use crate::model::Timestamp;

/// A transactional id as it is now, committed or not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TransactionView<'a> {
    /// Whose.
    pub transactional_id: &'a str,
    /// Of its producer. While a transaction of version 2 is being ended, what its markers are written under.
    pub producer: ProducerIdAndEpoch,
    /// Where it stands.
    pub state: TransactionState,
    /// When the transaction began; -1 if none did.
    pub start_timestamp: Timestamp,
    /// When its last record was written.
    pub last_update_timestamp: Timestamp,
    /// How long it may be open.
    pub transaction_timeout: Duration,
    /// When it will be aborted, in monotonic time; `None` if it is not open.
    pub deadline: Option<Duration>,
    /// What it writes to.
    pub partitions: &'a std::collections::BTreeSet<NamedPartition>,
}

impl TransactionShard {
    /// Calls back for every transactional id, in their order.
    pub fn visit(&self, visit: &mut dyn FnMut(TransactionView<'_>)) {
        for (transactional_id, metadata) in self.durable.iter() {
            visit(TransactionView {
                transactional_id,
                producer: metadata.producer(),
                state: metadata.state,
                start_timestamp: metadata.start_timestamp,
                last_update_timestamp: metadata.last_update_timestamp,
                transaction_timeout: metadata.transaction_timeout,
                deadline: self.soft.deadlines.get(transactional_id),
                partitions: &metadata.partitions,
            });
        }
    }
}
