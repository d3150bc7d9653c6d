//! The background scrubber: every segment's checksums, slowly, over and over.

use std::sync::{Arc, Weak};
use std::time::Duration;

use super::Broker;
use crate::env::time;
use crate::log::ScrubPlace;
use crate::partition::Partition;

/// Pause between two rounds, and between two looks when it is switched off or there is nothing to look at.
const ROUND_PAUSE: Duration = Duration::from_secs(60);
/// Shortest pause after a step, so that many tiny segments do not make a busy loop.
const STEP_PAUSE_MIN: Duration = Duration::from_millis(1);
/// Bytes of one step at most: how much is read at full speed before the disk is left to others.
const STEP_BYTES_MAX: u64 = 1 << 20;
/// Steps in a second, where the speed allows for small ones.
const STEPS_PER_SECOND: u64 = 4;

/// Goes round until the broker is gone. The first round follows the start: after a crash it is when damage is
/// most likely, and what recovery did not need to read is read now.
///
/// What it reads stays in the page cache, and nothing is dropped from it: at its speed it displaces little,
/// while dropping would take hot pages along.
pub(super) async fn run(broker: Weak<Broker>) {
    loop {
        let Some(partitions) = broker.upgrade().map(|broker| broker.storage.all_partitions()) else { return };
        let mut is_whole = true;
        for partition in partitions {
            is_whole &= scrub(&broker, &partition).await;
        }
        if let Some(broker) = broker.upgrade().filter(|_| is_whole) {
            broker.metrics.scrub_round(broker.env.clock.now());
        }
        time::sleep(ROUND_PAUSE).await;
    }
}

/// One partition, step by step; whether it came to the end of it.
async fn scrub(broker: &Weak<Broker>, partition: &Arc<Partition>) -> bool {
    let mut place = ScrubPlace::default();
    while let Some(broker) = broker.upgrade() {
        let rate = broker.config().log.scrub_bytes_per_second;
        if rate == 0 {
            return false;
        }
        let (storage, looked_at) = (broker.storage.clone(), partition.clone());
        let metrics = broker.metrics.clone();
        drop(broker);
        let step =
            tokio::task::spawn_blocking(move || storage.scrub_step(&looked_at, place, step_bytes(rate)));
        let Ok(step) = step.await else { return false };
        metrics.scrubbed(step.bytes, step.is_damaged);
        time::sleep(pause(step.bytes, rate)).await;
        match step.next {
            Some(next) => place = next,
            None => return true,
        }
    }
    false
}

/// How much to read at once at a speed.
fn step_bytes(rate: u64) -> u64 {
    (rate / STEPS_PER_SECOND).clamp(1, STEP_BYTES_MAX)
}

/// How long to rest after so many bytes: a batch that was larger than the step is paid for as well.
fn pause(bytes: u64, rate: u64) -> Duration {
    Duration::from_secs_f64(bytes as f64 / rate as f64).max(STEP_PAUSE_MIN)
}

#[cfg(test)]
mod tests;
