//! Transactional ids that nobody uses are forgotten.

use super::input::Input;
use super::metadata::TransactionMetadata;
use super::outcome::{Outcome, PORTION_BYTES};
use super::record::TransactionRecord;
use super::shard::TransactionShard;

impl TransactionShard {
    /// Forgets transactional ids that were not used for `transactional.id.expiration.ms` of the wall clock.
    /// Called every `transaction.remove.expired.transaction.cleanup.interval.ms`, and again at once for as
    /// long as it gives records: one call gives about [`PORTION_BYTES`].
    pub fn expire(&mut self, input: Input<'_>) -> Outcome {
        let mut outcome = Outcome { may_be_divided: true, ..Outcome::default() };
        let cursor = self.soft.expiry_cursor.take();
        let mut bytes = 0;
        for (transactional_id, metadata) in self.durable.after(cursor.as_deref()) {
            if !is_due(input, metadata) {
                continue;
            }
            let tombstone = TransactionRecord { transactional_id: transactional_id.clone(), metadata: None };
            let more = tombstone.batch_bytes();
            if more > input.batch_bytes_max {
                // The log was told to take less than it took before.
                continue;
            }
            bytes += more;
            outcome.records.push(tombstone);
            self.soft.last_producer_epochs.remove(transactional_id);
            if bytes >= PORTION_BYTES {
                self.soft.expiry_cursor = Some(transactional_id.clone());
                break;
            }
        }
        outcome
    }
}

fn is_due(input: Input<'_>, metadata: &TransactionMetadata) -> bool {
    let idle = input.believed.0.saturating_sub(metadata.last_update_timestamp.0);
    let expiration = input.settings.transactional_id_expiration.as_millis();
    metadata.state.is_at_rest() && u64::try_from(idle).is_ok_and(|idle| u128::from(idle) >= expiration)
}
