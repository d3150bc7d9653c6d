//! What metrics show of transactions.

use std::time::Duration;

use crate::broker::Broker;
use crate::telemetry::TransactionsVisitor;

/// Every transactional id whose coordinator is loaded. Ages go by the clock that stamps them.
pub(super) fn visit(broker: &Broker, visitor: &mut dyn TransactionsVisitor) {
    let now = broker.storage().times().stamp;
    visitor.timed_out(broker.transactions_timed_out());
    broker.look_at_transactions(|shard| {
        shard.visit(&mut |transaction| {
            let open_for = || {
                let open = now.0.saturating_sub(transaction.start_timestamp.0);
                Duration::from_millis(u64::try_from(open).unwrap_or(0))
            };
            let state = transaction.state;
            visitor.transaction(state.name(), (!state.is_at_rest()).then(open_for));
        });
    });
}
