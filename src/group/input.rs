//! What a shard is told of the world with each call.

use std::sync::Arc;
use std::time::Duration;

#[cfg(doc)]
use super::record::RECORD_OVERHEAD_BYTES;
use super::settings::GroupSettings;
use crate::metadata::ClusterImage;
use crate::model::Timestamp;

/// The world as it is when a shard is called.
#[derive(Clone, Copy)]
pub struct Input<'a> {
    /// Monotonic time: every session, delay and deadline is measured by it, so that no jump of the wall clock
    /// expires a member.
    pub monotonic: Duration,
    /// Wall-clock time, for what is written down and outlives a restart, such as commit timestamps.
    pub wall: Timestamp,
    /// The same, for judging what is older than its retention: never after `wall`.
    pub believed: Timestamp,
    /// Settings in force.
    pub settings: &'a GroupSettings,
    /// The log takes no more at once: keys and values, and [`RECORD_OVERHEAD_BYTES`] for each record.
    pub batch_bytes_max: usize,
    /// The catalogue of topics.
    pub image: &'a Arc<ClusterImage>,
    /// An identity nobody has yet, for the member that this call may admit.
    pub fresh_id: uuid::Uuid,
}

/// Who asks.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Caller {
    /// As the request's header gave it; empty if it gave none.
    pub client_id: Arc<str>,
    /// Address of the connection as Kafka writes it: `/127.0.0.1`.
    pub client_host: Arc<str>,
}
