//! Markers end a decided transaction in its partitions; once all are written it is complete.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::input::Input;
use super::metadata::{ProducerIdAndEpoch, TransactionMetadata};
use super::outcome::{Outcome, WriteMarkers};
use super::record::TransactionRecord;
use super::request::MarkersWritten;
use super::shard::TransactionShard;
use super::state::TransactionState;
use crate::model::{Timestamp, TransactionResult};

/// The markers of a decided transaction.
pub(super) fn markers(
    input: Input<'_>,
    transactional_id: &Arc<str>,
    decided: &TransactionMetadata,
) -> WriteMarkers {
    let is_commit = decided.state == TransactionState::PrepareCommit;
    WriteMarkers {
        transactional_id: transactional_id.clone(),
        producer: decided.producer(),
        decided_at: decided.last_update_timestamp,
        coordinator_epoch: input.coordinator_epoch,
        result: if is_commit { TransactionResult::Commit } else { TransactionResult::Abort },
        partitions: decided.partitions.iter().cloned().collect(),
        transaction_version: decided.client_transaction_version,
    }
}

impl TransactionShard {
    /// Whether a transaction is as it was when its markers were asked for: decided so, and not complete.
    pub fn owes(&self, asked: &WriteMarkers) -> bool {
        let decided = self.durable.get(&asked.transactional_id);
        decided.is_some_and(|decided| is_decided_so(decided, asked.producer, asked.decided_at))
    }

    /// Whether nothing is left to do. Markers may be told again, and late: then the decision is another one,
    /// by its time. With versions before 2 its producer may be the same.
    pub(super) fn markers_written(
        &mut self,
        input: Input<'_>,
        request: &MarkersWritten,
        outcome: &mut Outcome,
    ) -> bool {
        let transactional_id = &request.transactional_id;
        let Some(decided) = self.durable.get(transactional_id) else { return true };
        if !is_decided_so(decided, request.producer, request.decided_at) {
            return true;
        }
        let all = || decided.partitions.clone();
        let owed: &mut BTreeSet<_> =
            self.soft.owed_markers.entry(transactional_id.clone()).or_insert_with(all);
        for partition in &request.partitions {
            owed.remove(partition);
        }
        let is_complete = owed.is_empty();
        if is_complete {
            let completed = decided.completed(input.wall);
            outcome.records.push(TransactionRecord::new(transactional_id, completed));
            self.soft.owed_markers.remove(transactional_id);
        }
        is_complete
    }
}

fn is_decided_so(
    metadata: &TransactionMetadata,
    producer: ProducerIdAndEpoch,
    decided_at: Timestamp,
) -> bool {
    metadata.state.is_decided()
        && (metadata.producer(), metadata.last_update_timestamp) == (producer, decided_at)
}
