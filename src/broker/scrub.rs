//! The background scrubber: every segment's checksums, slowly, over and over.

use std::sync::{Arc, Weak};
use std::time::Duration;

use super::Broker;
use crate::env::time;
use crate::partition::Partition;

/// Pause between two rounds, and between two looks when it is switched off or there is nothing to look at.
const ROUND_PAUSE: Duration = Duration::from_secs(60);
/// Shortest pause after a segment, so that many tiny ones do not make a busy loop.
const SEGMENT_PAUSE_MIN: Duration = Duration::from_millis(1);

/// Goes round until the broker is gone. The first round follows the start: after a crash it is when damage is
/// most likely, and what recovery did not need to read is read now.
pub(super) async fn run(broker: Weak<Broker>) {
    loop {
        let Some(partitions) = broker.upgrade().map(|broker| broker.storage.all_partitions()) else { return };
        for partition in partitions {
            scrub(&broker, &partition).await;
        }
        time::sleep(ROUND_PAUSE).await;
    }
}

async fn scrub(broker: &Weak<Broker>, partition: &Arc<Partition>) {
    let mut at = 0;
    while let Some(broker) = broker.upgrade() {
        let rate = broker.config.log.scrub_bytes_per_second;
        if rate == 0 {
            return;
        }
        let (storage, looked_at) = (broker.storage.clone(), partition.clone());
        drop(broker);
        let looked = tokio::task::spawn_blocking(move || storage.scrub_segment(&looked_at, at)).await;
        if !looked.unwrap_or(false) {
            return;
        }
        let segments = partition.log().segments_count().max(1) as u64;
        let bytes = partition.log().size_bytes() / segments;
        time::sleep(Duration::from_secs_f64(bytes as f64 / rate as f64).max(SEGMENT_PAUSE_MIN)).await;
        at += 1;
    }
}
