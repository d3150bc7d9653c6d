//! Looking for a record by its timestamp in both places: the tier, and the disk.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;

use super::by_time::{self, Sought};
use super::{Found, NOTHING};
use crate::env::time::Deadline;
use crate::handlers::RequestContext;
use crate::handlers::errors::KafkaError;
use crate::handlers::exchange::Failure;
use crate::model::Offset;
use crate::partition::Partition;
use crate::protocol::ErrorCode;

/// Partitions of a request that are looked up in the tier at once.
const LOOK_UPS_AT_ONCE: usize = 16;

/// Times that tier and disk are asked while records leave the disk.
const LOOKS_IN_BOTH_MAX: usize = 5;

/// A time that is looked for.
pub(super) struct LookUp {
    pub partition: Arc<Partition>,
    pub sought: Sought,
    /// Of a reader of committed transactions: nothing at or above it is told (exclusive).
    pub end: Option<Offset>,
}

impl LookUp {
    /// As in Kafka, the tier is not asked for the largest time.
    pub(super) fn reaches_into_tier(&self) -> bool {
        let watermarks = self.partition.watermarks();
        matches!(self.sought, Sought::AtOrAfter(_))
            && watermarks.log_start_offset < watermarks.local_log_start_offset
    }

    pub(super) async fn find(&self, context: &RequestContext) -> Result<Found, Failure> {
        let found = self.find_in_both(context).await?;
        // As Kafka 4.3: what is found beyond is not shown, and nothing else is looked for.
        Ok(if self.end.is_some_and(|end| found.offset >= end) { NOTHING } else { found })
    }

    /// The tier is asked for what lies below the local log start, then the disk for what lies above. What
    /// leaves the disk in between would be searched by nobody: then both are asked again.
    async fn find_in_both(&self, context: &RequestContext) -> Result<Found, Failure> {
        for _ in 0..LOOKS_IN_BOTH_MAX {
            let local_start = self.partition.watermarks().local_log_start_offset;
            if let Some(found) = self.find_in_tier(context).await? {
                return Ok(found);
            }
            let found = by_time::find(Arc::clone(&self.partition), self.sought).await?;
            if self.partition.watermarks().local_log_start_offset == local_start {
                return Ok(found);
            }
        }
        // Of all versions, and clients ask again.
        Err(ErrorCode::LeaderNotAvailable.into())
    }

    /// What the tier knows of a time, where it alone has the oldest records. As in Kafka, it is not asked for
    /// the largest one.
    async fn find_in_tier(&self, context: &RequestContext) -> Result<Option<Found>, Failure> {
        let Sought::AtOrAfter(timestamp) = self.sought else { return Ok(None) };
        let found = context.broker.find_remote_by_timestamp(&self.partition, timestamp).await;
        Ok(found.map_err(|error| error.failure())?.map(by_time::as_found))
    }
}

/// What comes of look-ups side by side within that time.
pub(super) async fn in_time<F: Future>(look_ups: Vec<F>, wait: Duration) -> Vec<F::Output> {
    let mut look_ups =
        std::pin::pin!(futures_util::stream::iter(look_ups).buffer_unordered(LOOK_UPS_AT_ONCE));
    let mut deadline = Deadline::after(wait);
    let mut results = Vec::new();
    loop {
        tokio::select! {
            biased;
            next = look_ups.next() => match next {
                Some(result) => results.push(result),
                None => return results,
            },
            () = deadline.passed() => return results,
        }
    }
}
