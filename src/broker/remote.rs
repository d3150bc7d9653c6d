//! What is below a partition's local log start: the seam to the tier.

use std::sync::Arc;

use super::{Broker, FetchFailure, FetchLimits, Fetched, PartitionFetch};
use crate::log::TimestampAndOffset;
use crate::log::retention::SegmentSummary;
use crate::model::{Offset, Timestamp};
use crate::partition::{Partition, Watermarks};

/// Said until something reads the tier.
const NOT_SERVED: &str = "this version does not read what has left the local disk";

/// The oldest segments that the tier has of a partition, for retention.
pub(super) struct OldestRemote {
    /// From the log start on, oldest first; need not be all.
    pub oldest: Vec<SegmentSummary>,
    /// Bytes of all that the tier has of it, from the log start on.
    pub bytes: u64,
    /// Where that ends.
    pub end_offset: Offset,
}

impl Broker {
    /// What retention needs to know of what the tier has of a partition; `None` where nobody asks the tier:
    /// then the log start stays.
    pub(super) async fn oldest_remote(
        &self,
        _partition: &Arc<Partition>,
    ) -> Result<Option<OldestRemote>, FetchFailure> {
        Ok(None)
    }

    /// Reads what lies below the local log start. `watermarks` are those by which that was found out.
    pub(super) async fn read_remote(
        &self,
        request: &PartitionFetch,
        watermarks: Watermarks,
        _limits: FetchLimits,
        _at_least_one: bool,
    ) -> Result<Fetched, FetchFailure> {
        let (topic, partition) = (request.partition.topic(), request.partition.topic_partition().partition);
        let (offset, local_start) = (request.offset, watermarks.local_log_start_offset);
        tracing::warn!(%topic, partition, %offset, %local_start, NOT_SERVED);
        Err(FetchFailure::Remote(NOT_SERVED.into()))
    }

    /// The first record from the log start on, and below the local log start, whose timestamp is `timestamp`
    /// or later.
    pub async fn find_remote_by_timestamp(
        &self,
        partition: &Arc<Partition>,
        _timestamp: Timestamp,
    ) -> Result<Option<TimestampAndOffset>, FetchFailure> {
        let watermarks = partition.watermarks();
        match watermarks.log_start_offset < watermarks.local_log_start_offset {
            true => Err(FetchFailure::Remote(NOT_SERVED.into())),
            false => Ok(None),
        }
    }
}
