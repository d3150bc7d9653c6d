//! What a shard is told of the world with each call.

use std::time::Duration;

use super::settings::TransactionSettings;
use crate::model::{LeaderEpoch, Timestamp};
#[cfg(doc)]
use crate::wire::RECORD_OVERHEAD_BYTES;

/// The world as it is when a shard is called.
#[derive(Debug, Clone, Copy)]
pub struct Input<'a> {
    /// Monotonic time, less the time in which the process stood still: transactions time out by it, so that
    /// no jump of the wall clock aborts one.
    pub monotonic: Duration,
    /// Wall-clock time, for what is written down and outlives a restart.
    pub wall: Timestamp,
    /// The same, for judging which ids have expired: never after `wall`.
    pub believed: Timestamp,
    /// Settings in force.
    pub settings: &'a TransactionSettings,
    /// The log takes no more at once: keys and values, and [`RECORD_OVERHEAD_BYTES`] for each record.
    pub batch_bytes_max: usize,
    /// Leader epoch of the shard's partition: markers carry it as the coordinator's.
    pub coordinator_epoch: LeaderEpoch,
}
