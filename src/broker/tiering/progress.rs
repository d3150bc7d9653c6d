//! How it goes with the copies, as it is remembered for whoever runs the broker.

use std::fmt::Display;
use std::sync::Arc;

use super::Tiering;
use super::status::TierFailure;
use crate::broker::Broker;
use crate::model::{Offset, Timestamp};
use crate::partition::Partition;
use crate::tier::{Leaf, LeafReference};

/// Characters of an error that are kept: a store may say much.
const ERROR_CHARACTERS_MAX: usize = 1000;

/// Of one partition.
#[derive(Default)]
pub(super) struct Progress {
    /// Since when every look has failed, and what the last one met.
    pub failing: Option<Failing>,
    /// What of the last removal is not done.
    pub delete_lag: DeleteLag,
    /// Of a topic that left the tier and is tiered again: the revision of that deletion of which nothing was
    /// left at the last look.
    pub collected_deletion: Option<u64>,
}

/// Looks that failed in a row.
#[derive(Clone)]
pub(super) struct Failing {
    /// When the first one did.
    pub since: Timestamp,
    /// The last one.
    pub last: TierFailure,
}

/// Segments below the log start that the manifest still names, as far as the leaves say so that one removal
/// reads.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct DeleteLag {
    /// How many.
    pub segments: u64,
    /// Bytes of their record batches.
    pub bytes: u64,
}

impl DeleteLag {
    /// Of those leaves, which these references name.
    pub(super) fn of(references: &[LeafReference], leaves: &[Leaf], log_start: Offset) -> DeleteLag {
        let live = references.iter().zip(leaves).flat_map(|(reference, leaf)| leaf.live(reference));
        let below = live.filter(|entry| entry.end_offset <= log_start);
        below.fold(DeleteLag::default(), |lag, entry| DeleteLag {
            segments: lag.segments + 1,
            bytes: lag.bytes + entry.log_bytes,
        })
    }
}

impl Tiering {
    /// Takes note of something that failed.
    pub(super) fn failed(&self, now: Timestamp, error: &dyn Display) -> TierFailure {
        let what: String = error.to_string().chars().take(ERROR_CHARACTERS_MAX).collect();
        let failure = TierFailure { at_ms: now.0, what };
        *self.last_failure.lock() = Some(failure.clone());
        failure
    }
}

impl Broker {
    /// Takes note of how a look at a partition ended.
    pub(super) fn note(&self, tiering: &Tiering, partition: &Arc<Partition>, error: Option<&dyn Display>) {
        let remote = tiering.partition(partition.topic_partition());
        let now = self.storage.believed_now();
        let last = error.map(|error| tiering.failed(now, error));
        let failing = &mut remote.progress.lock().failing;
        let since = failing.as_ref().map_or(now, |failing| failing.since);
        *failing = last.map(|last| Failing { since, last });
    }
}
