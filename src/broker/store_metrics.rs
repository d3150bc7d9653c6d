//! Requests to the object store, counted.

use std::sync::Arc;

use crate::store::{Finished, Observer};
use crate::telemetry::{TierCounters, TierRequest};

/// Counts every request to the store, repetitions each for themselves.
pub struct StoreMetrics(pub Arc<TierCounters>);

impl Observer for StoreMetrics {
    fn finished(&self, request: &Finished) {
        self.0.request(&TierRequest {
            operation: request.operation.name(),
            result: request.outcome.name(),
            bytes: request.bytes,
            // A body takes as long as its reader lets it.
            duration: request.first_answer.unwrap_or(request.duration),
        });
    }
}
