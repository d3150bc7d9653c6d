//! Compaction of partitions: which is due, and one step of it.

use std::sync::Arc;
use std::time::Duration;

use super::{Partition, PartitionStatus, Storage};
use crate::log::{Cleanable, Cleaning, CleaningLimits, CleaningStats, LogError};
use crate::model::{Offset, TopicPartition};

/// What a look at all compacted partitions found.
#[derive(Default)]
pub struct CleaningSurvey {
    /// The dirtiest of those that are due and not being cleaned, and how far it can be cleaned.
    pub next: Option<(Arc<Partition>, Cleanable)>,
    /// Largest share of a partition that is not cleaned yet.
    pub dirty_ratio_max: f64,
    /// For how long the most overdue records are older than `max.compaction.lag.ms`.
    pub overdue_max: Duration,
}

/// What one step of a cleaning has done.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum CleanStep {
    /// So many bytes were read and written, and there is more to do.
    Went(u64),
    /// It is through.
    Done(u64, CleaningStats),
    /// It broke off: the disk is full, its segments are being written again, or the topic is gone.
    BrokeOff,
    /// It broke off on damage, which has stopped the partition.
    Damaged,
}

impl Partition {
    /// Below it segments alone tell how every transaction ended: a cleaning, which reads nothing else, gets
    /// so far. Never above the last stable offset, to which markers count that are in memory yet.
    pub fn decided_in_segments(&self) -> Offset {
        let state = self.state.lock();
        let last_stable_offset = state.watermarks.last_stable_offset;
        state.transactions.first_unflushed_end().map_or(last_stable_offset, |it| it.min(last_stable_offset))
    }
}

impl Storage {
    /// Looks which compacted partition is to be cleaned next. Waits for the disk where
    /// `max.compaction.lag.ms` is set.
    pub fn survey_cleaning(&self, is_busy: &dyn Fn(TopicPartition) -> bool) -> CleaningSurvey {
        let mut survey = CleaningSurvey::default();
        let mut ratio_max = -1.0;
        for partition in self.all_partitions() {
            if partition.status() != PartitionStatus::Online || partition.log().config().compaction.is_none()
            {
                continue;
            }
            let cleanable = match partition.log().cleanable(partition.decided_in_segments()) {
                Ok(Some(cleanable)) => cleanable,
                Ok(None) => continue,
                Err(error) => {
                    self.broke_off(&partition, &error);
                    continue;
                }
            };
            let ratio = cleanable.ratio();
            survey.dirty_ratio_max = survey.dirty_ratio_max.max(ratio);
            survey.overdue_max = survey.overdue_max.max(cleanable.overdue);
            let is_next = ratio > ratio_max && partition.log().is_cleaning_due(&cleanable);
            if is_next && !is_busy(partition.topic_partition()) {
                ratio_max = ratio;
                survey.next = Some((partition, cleanable));
            }
        }
        survey
    }

    /// Begins a cleaning; `None` if it cannot be begun now. `waits_below` is that of the log's own.
    pub fn begin_cleaning(
        &self,
        partition: &Arc<Partition>,
        cleanable: &Cleanable,
        limits: CleaningLimits,
        waits_below: Option<Offset>,
    ) -> Option<Cleaning> {
        let begun = partition.log().begin_cleaning(cleanable, limits, waits_below);
        begun.map_err(|error| self.broke_off(partition, &error)).ok()
    }

    /// Goes on with a cleaning for about `bytes_max` bytes. Damage stops the partition, and no other.
    pub fn clean_step(
        &self,
        partition: &Arc<Partition>,
        cleaning: &mut Cleaning,
        bytes_max: u64,
    ) -> CleanStep {
        // What is left of the disk is kept for what was promised to producers.
        if self.disk_is_full() || partition.rewrite_end().is_some() {
            if let Err(error) = cleaning.abandon(partition.log()) {
                self.broke_off(partition, &error);
            }
            return CleanStep::BrokeOff;
        }
        match cleaning.step(partition.log(), bytes_max) {
            Ok(step) if step.is_done => CleanStep::Done(step.bytes, cleaning.stats()),
            Ok(step) => CleanStep::Went(step.bytes),
            Err(error) => self.broke_off(partition, &error),
        }
    }

    fn broke_off(&self, partition: &Arc<Partition>, error: &LogError) -> CleanStep {
        let (topic, index) = (partition.topic(), partition.topic_partition().partition);
        match error {
            LogError::NoSpace { .. } => {
                self.set_disk_full(true);
                tracing::warn!(%topic, partition = index, %error, "compaction; tried again later");
            }
            // Its topic was deleted meanwhile.
            LogError::Closed { .. } => {}
            // A full disk had its segments cut and written again while they were read.
            _ if error.is_damage() && partition.rewrite_end().is_some() => {}
            damage if damage.is_damage() => {
                partition.stop(damage);
                return CleanStep::Damaged;
            }
            _ => self.fail(&format!("{topic}-{index}: compaction: {error}")),
        }
        CleanStep::BrokeOff
    }
}
