//! How it goes with the copies, as it is remembered for whoever runs the broker.

use std::fmt::Display;
use std::sync::Arc;
use std::time::Duration;

use super::Tiering;
use super::manifest::RemotePartition;
use super::status::TierFailure;
use crate::broker::Broker;
use crate::model::{Offset, Timestamp};
use crate::partition::Partition;
use crate::tier::{Leaf, LeafReference};

/// Characters of an error that are kept: a store may say much.
const ERROR_CHARACTERS_MAX: usize = 1000;
/// The longest rest after a compaction that failed: it may have read all there is.
const COMPACTION_REST_MAX: Duration = Duration::from_secs(30 * 60);

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
    /// How its compaction goes.
    pub compaction: CompactionProgress,
}

/// Passes over what a partition has in the tier.
#[derive(Default)]
pub(super) struct CompactionProgress {
    /// Since when every pass has failed, and what the last one met.
    pub failing: Option<Failing>,
    /// Passes that failed in a row.
    failures: u32,
    /// Monotonic time before which none begins.
    rests_until: Duration,
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

impl CompactionProgress {
    /// After one that failed it rests for twice as long each time, up to [`COMPACTION_REST_MAX`].
    fn rest(&mut self, now: Duration, interval: Duration) -> Duration {
        self.failures = self.failures.saturating_add(1);
        let rest = interval.saturating_mul(2_u32.saturating_pow(self.failures)).min(COMPACTION_REST_MAX);
        self.rests_until = now.saturating_add(rest);
        rest
    }
}

impl Broker {
    /// Whether the last compaction failed too short a time ago for another one.
    pub(super) fn compaction_rests(&self, remote: &RemotePartition) -> bool {
        self.env.clock.monotonic() < remote.progress.lock().compaction.rests_until
    }

    /// Takes note of how a pass ended: how long there is none now.
    pub(super) fn note_pass(
        &self,
        tiering: &Tiering,
        remote: &RemotePartition,
        error: Option<&dyn Display>,
    ) -> Duration {
        let now = self.storage.believed_now();
        let last = error.map(|error| tiering.failed(now, error));
        let compaction = &mut remote.progress.lock().compaction;
        let Some(last) = last else {
            *compaction = CompactionProgress::default();
            return Duration::ZERO;
        };
        let since = compaction.failing.as_ref().map_or(now, |failing| failing.since);
        compaction.failing = Some(Failing { since, last });
        compaction.rest(self.env.clock.monotonic(), tiering.config.interval)
    }

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rests_grow_up_to_their_bound() {
        let (mut compaction, interval) = (CompactionProgress::default(), Duration::from_secs(30));
        let rests: Vec<_> =
            (0..8).map(|_| compaction.rest(Duration::from_secs(7), interval).as_secs()).collect();
        assert_eq!(rests, [60, 120, 240, 480, 960, 1800, 1800, 1800]);
        assert_eq!(compaction.rests_until, Duration::from_secs(1807));
        compaction.failures = u32::MAX;
        assert_eq!(compaction.rest(Duration::ZERO, interval), COMPACTION_REST_MAX);
    }
}
