//! DescribeTransactions and ListTransactions.

use super::error::TransactionError;
use super::input::Input;
use super::metadata::TransactionMetadata;
use super::reply::{DescribedTransaction, ListedTransaction, ListedTransactions};
use super::request::ListTransactions;
use super::shard::TransactionShard;
use super::state::TransactionState;

impl TransactionShard {
    pub(super) fn describe(&self, transactional_id: &str) -> Result<DescribedTransaction, TransactionError> {
        if transactional_id.is_empty() {
            return Err(TransactionError::InvalidRequest);
        }
        let metadata = self.durable.get(transactional_id);
        let metadata = metadata.filter(|metadata| metadata.state != TransactionState::Dead);
        let metadata = metadata.ok_or(TransactionError::TransactionalIdNotFound)?;
        Ok(DescribedTransaction {
            producer: metadata.producer(),
            state: metadata.state,
            transaction_timeout: metadata.transaction_timeout,
            start_timestamp: metadata.start_timestamp,
            partitions: metadata.partitions.iter().cloned().collect(),
        })
    }

    pub(super) fn list(&self, input: Input<'_>, request: &ListTransactions) -> ListedTransactions {
        let mut listed = ListedTransactions::default();
        let mut states = Vec::new();
        for name in &request.states {
            match TransactionState::from_name(name) {
                Some(state) => states.push(state),
                None => listed.unknown_state_filters.push(name.clone()),
            }
        }
        for (transactional_id, metadata) in self.durable.iter() {
            let has_state = request.states.is_empty() || states.contains(&metadata.state);
            let matches = request.pattern.as_ref().is_none_or(|pattern| pattern.is_match(transactional_id));
            if has_state && matches && passes(input, request, metadata) {
                listed.transactions.push(ListedTransaction {
                    transactional_id: transactional_id.clone(),
                    producer_id: metadata.producer_id,
                    state: metadata.state,
                });
            }
        }
        listed
    }
}

fn passes(input: Input<'_>, request: &ListTransactions, metadata: &TransactionMetadata) -> bool {
    let producer_ids = &request.producer_ids;
    let is_open_longer = request.open_longer_than.is_none_or(|duration| {
        // As in Kafka, what has not begun has been open for ever.
        let open = input.wall.0.saturating_sub(metadata.start_timestamp.0);
        u64::try_from(open).is_ok_and(|open| u128::from(open) > duration.as_millis())
    });
    metadata.state != TransactionState::Dead
        && (producer_ids.is_empty() || producer_ids.contains(&metadata.producer_id))
        && is_open_longer
}
