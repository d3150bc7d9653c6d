//! Compaction in the background: which log is next, how many at once, how fast.

use std::collections::HashSet;
use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::task::JoinSet;

use super::Broker;
use crate::config::CleanerSettings;
use crate::env::time;
use crate::log::{Cleanable, CleaningLimits, CleaningStats};
use crate::model::TopicPartition;
use crate::partition::{CleanStep, Partition};

/// Bytes read and written in one step at most, at full speed: then the thread goes back to the pool, and
/// settings that have changed are in force.
const STEP_BYTES: u64 = 1 << 20;
/// Steps in a second, where the speed allows for small ones.
const STEPS_PER_SECOND: f64 = 8.0;
/// Shortest pause between two looks, whatever `log.cleaner.backoff.ms` says.
const BACKOFF_MIN: Duration = Duration::from_millis(10);
/// Longest pause: a look at all partitions costs little.
const BACKOFF_MAX: Duration = Duration::from_secs(3600);
/// Largest key map, as in Kafka.
const KEY_MAP_BYTES_MAX: u64 = i32::MAX as u64;

/// Looks for a log to clean until the broker is gone: at once after a cleaning, else every
/// `log.cleaner.backoff.ms`. As many as `log.cleaner.threads` are cleaned at once, each on a thread of the
/// blocking pool, a step at a time.
pub(super) async fn run(broker: Weak<Broker>) {
    let mut running: JoinSet<TopicPartition> = JoinSet::new();
    let mut busy: HashSet<TopicPartition> = HashSet::new();
    loop {
        let Some(strong) = broker.upgrade() else { return };
        let settings = strong.config().cleaner;
        let may_begin = settings.enable && running.len() < settings.threads;
        if may_begin && let Some((partition, cleanable)) = strong.next_to_clean(busy.clone()).await {
            busy.insert(partition.topic_partition());
            running.spawn(clean(broker.clone(), partition, cleanable));
            continue;
        }
        drop(strong);
        tokio::select! {
            Some(done) = running.join_next() => match done {
                Ok(topic_partition) => drop(busy.remove(&topic_partition)),
                // Nobody can say which: it stays busy, and is cleaned again after a restart.
                Err(error) => tracing::error!(%error, "a cleaning panicked"),
            },
            () = time::sleep(settings.backoff.clamp(BACKOFF_MIN, BACKOFF_MAX)) => {}
        }
    }
}

impl Broker {
    async fn next_to_clean(&self, busy: HashSet<TopicPartition>) -> Option<(Arc<Partition>, Cleanable)> {
        let storage = self.storage.clone();
        let survey = tokio::task::spawn_blocking(move || storage.survey_cleaning(&|id| busy.contains(&id)));
        let survey = survey.await.ok()?;
        self.metrics.cleaner_looked(survey.dirty_ratio_max, survey.overdue_max, self.env.clock.now());
        survey.next
    }
}

/// One cleaning of one log, to its end. One that came to nothing is followed by a pause: the reason may last,
/// and the same log would be chosen again.
async fn clean(broker: Weak<Broker>, partition: Arc<Partition>, cleanable: Cleanable) -> TopicPartition {
    if !clean_through(&broker, &partition, cleanable).await
        && let Some(backoff) = broker.upgrade().map(|strong| strong.config().cleaner.backoff)
    {
        time::sleep(backoff.clamp(BACKOFF_MIN, BACKOFF_MAX)).await;
    }
    partition.topic_partition()
}

/// The same without the pause; whether the log is cleaner than before, or will not be chosen again.
async fn clean_through(broker: &Weak<Broker>, partition: &Arc<Partition>, cleanable: Cleanable) -> bool {
    let Some(strong) = broker.upgrade() else { return true };
    let (storage, begun_at) = (strong.storage.clone(), strong.env.clock.monotonic());
    let limits = limits(&strong.config().cleaner, strong.cleaners());
    let waits_below = strong.tier_clean_end(partition);
    drop(strong);
    let cleaned = partition.clone();
    let begin = move || storage.begin_cleaning(&cleaned, &cleanable, limits, waits_below);
    let begun = tokio::task::spawn_blocking(begin).await;
    let Ok(Some(mut cleaning)) = begun else { return false };
    while let Some(strong) = broker.upgrade() {
        let (settings, cleaners) = (strong.config().cleaner, strong.cleaners());
        let (storage, cleaned) = (strong.storage.clone(), partition.clone());
        let stepped = tokio::task::spawn_blocking(move || {
            let step = storage.clean_step(&cleaned, &mut cleaning, step_bytes(&settings, cleaners));
            (cleaning, step)
        });
        let Ok((back, step)) = stepped.await else { return false };
        cleaning = back;
        let bytes = match step {
            CleanStep::Went(bytes) => bytes,
            CleanStep::Done(_, stats) => {
                let took = strong.env.clock.monotonic().saturating_sub(begun_at);
                report(&strong, partition, &stats, took);
                return stats.first_dirty_offset > cleanable.first_dirty_offset;
            }
            CleanStep::BrokeOff => return false,
            CleanStep::Damaged => {
                strong.metrics.uncleanable();
                return true;
            }
        };
        drop(strong);
        pause(bytes, &settings, cleaners).await;
    }
    true
}

impl Broker {
    /// Who share memory and speed of compaction: its threads, and whoever compacts what lies in the tier.
    pub(super) fn cleaners(&self) -> usize {
        self.config().cleaner.threads.max(1) + usize::from(self.tiering.is_some())
    }
}

fn report(broker: &Broker, partition: &Partition, stats: &CleaningStats, took: Duration) {
    let (topic, partition) = (partition.topic(), partition.topic_partition().partition);
    let (read, written, first_dirty) = (stats.read_bytes, stats.written_bytes, stats.first_dirty_offset);
    broker.metrics.cleaned(stats.mapped_bytes + read, written, stats.key_map_utilization, took);
    tracing::info!(%topic, partition, read, written, %first_dirty, ?took, "compacted");
    warn_of_unreadable(topic, partition, stats.unreadable_batches);
}

/// Said with each pass: whoever sent them should know.
pub(super) fn warn_of_unreadable(topic: &str, partition: i32, batches: u64) {
    if batches > 0 {
        tracing::warn!(
            topic,
            partition,
            batches,
            "batches whose records nobody can read stay as they are: a producer compressed them wrongly"
        );
    }
}

/// What each of so many cleaners may take.
pub(super) fn limits(settings: &CleanerSettings, cleaners: usize) -> CleaningLimits {
    CleaningLimits {
        key_map_bytes: (settings.key_map_bytes / cleaners as u64).min(KEY_MAP_BYTES_MAX),
        key_map_load_factor: settings.key_map_load_factor,
        // Half of it is Kafka's for reading.
        write_buffer_bytes: settings.io_buffer_bytes / cleaners / 2,
    }
}

/// The share in the speed of each of so many, in bytes a second.
fn rate(settings: &CleanerSettings, cleaners: usize) -> f64 {
    (settings.io_bytes_per_second / cleaners as f64).max(1.0)
}

fn step_bytes(settings: &CleanerSettings, cleaners: usize) -> u64 {
    ((rate(settings, cleaners) / STEPS_PER_SECOND) as u64).clamp(1, STEP_BYTES)
}

/// Rests until the bytes of a step are paid for.
pub(super) async fn pause(bytes: u64, settings: &CleanerSettings, cleaners: usize) {
    let pause = Duration::from_secs_f64(bytes as f64 / rate(settings, cleaners));
    // The clock of sleeps counts milliseconds.
    if pause >= Duration::from_millis(1) {
        time::sleep(pause).await;
    }
}

#[cfg(test)]
mod tests;
