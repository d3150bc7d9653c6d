//! The settings of consumer groups and of the topic that holds them.

use std::time::Duration;

use super::error::ConfigError;
use super::server_config::{duration, number};
use super::settings::Settings;

/// `offsets.*` and `group.*`. Sizes in bytes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct GroupConfig {
    /// `offsets.topic.num.partitions`.
    pub topic_partitions: i32,
    /// `offsets.topic.replication.factor`.
    pub topic_replication_factor: i16,
    /// `offsets.topic.segment.bytes`.
    pub topic_segment_bytes: u32,
    /// `offsets.topic.compression.codec`, as record batches number it: 0 to 4.
    pub topic_codec: u8,
    /// `offsets.load.buffer.size`.
    pub load_bytes: u32,
    /// `offsets.commit.timeout.ms`.
    pub commit_timeout: Duration,
    /// `offset.metadata.max.bytes`.
    pub metadata_bytes_max: usize,
    /// `offsets.retention.minutes`.
    pub offsets_retention: Duration,
    /// `offsets.retention.check.interval.ms`.
    pub retention_check_interval: Duration,
    /// `group.min.session.timeout.ms`.
    pub session_timeout_min: Duration,
    /// `group.max.session.timeout.ms`; not below the other.
    pub session_timeout_max: Duration,
    /// `group.initial.rebalance.delay.ms`.
    pub initial_rebalance_delay: Duration,
    /// `group.max.size`.
    pub members_max: usize,
    /// Whether `group.coordinator.rebalance.protocols` names `consumer`.
    pub consumer_protocol: bool,
    /// Groups of KIP-848.
    pub consumer: ConsumerGroupConfig,
}

/// `group.consumer.*`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ConsumerGroupConfig {
    /// `group.consumer.session.timeout.ms`, within its bounds.
    pub session_timeout: Duration,
    /// `group.consumer.heartbeat.interval.ms`, within its bounds, and less than the session timeout.
    pub heartbeat_interval: Duration,
    /// `group.consumer.assignment.interval.ms`, within its bounds.
    pub assignment_interval: Duration,
    /// `group.consumer.max.size`.
    pub members_max: usize,
    /// `group.consumer.assignors`; not empty.
    pub assignors: Vec<String>,
    /// `group.consumer.migration.policy`, in lower case.
    pub migration_policy: String,
}

/// Values of `group.consumer.migration.policy`.
const MIGRATION_POLICIES: [&str; 4] = ["bidirectional", "upgrade", "downgrade", "disabled"];

pub(super) fn groups(settings: &Settings) -> Result<GroupConfig, ConfigError> {
    let config = GroupConfig {
        topic_partitions: number(settings, "offsets.topic.num.partitions"),
        topic_replication_factor: number(settings, "offsets.topic.replication.factor"),
        topic_segment_bytes: number(settings, "offsets.topic.segment.bytes"),
        topic_codec: number(settings, "offsets.topic.compression.codec"),
        load_bytes: number(settings, "offsets.load.buffer.size"),
        commit_timeout: duration(settings, "offsets.commit.timeout.ms"),
        metadata_bytes_max: number(settings, "offset.metadata.max.bytes"),
        offsets_retention: Duration::from_secs(60 * number::<u64>(settings, "offsets.retention.minutes")),
        retention_check_interval: duration(settings, "offsets.retention.check.interval.ms"),
        session_timeout_min: duration(settings, "group.min.session.timeout.ms"),
        session_timeout_max: duration(settings, "group.max.session.timeout.ms"),
        initial_rebalance_delay: duration(settings, "group.initial.rebalance.delay.ms"),
        members_max: number(settings, "group.max.size"),
        consumer_protocol: settings
            .list("group.coordinator.rebalance.protocols")
            .iter()
            .any(|protocol| protocol == "consumer"),
        consumer: consumer(settings)?,
    };
    if config.session_timeout_max < config.session_timeout_min {
        let reason = "it must not be less than group.min.session.timeout.ms";
        return Err(settings.invalid("group.max.session.timeout.ms", reason));
    }
    Ok(config)
}

fn consumer(settings: &Settings) -> Result<ConsumerGroupConfig, ConfigError> {
    let assignors = settings.list("group.consumer.assignors");
    if assignors.is_empty() {
        return Err(settings.invalid("group.consumer.assignors", "at least one is needed"));
    }
    let migration_policy = settings.text("group.consumer.migration.policy").to_ascii_lowercase();
    if !MIGRATION_POLICIES.contains(&migration_policy.as_str()) {
        let reason = format!("it must be one of {}", MIGRATION_POLICIES.join(", "));
        return Err(settings.invalid("group.consumer.migration.policy", reason));
    }
    let config = ConsumerGroupConfig {
        session_timeout: bounded(settings, "session.timeout.ms")?,
        heartbeat_interval: bounded(settings, "heartbeat.interval.ms")?,
        assignment_interval: bounded(settings, "assignment.interval.ms")?,
        members_max: number(settings, "group.consumer.max.size"),
        assignors,
        migration_policy,
    };
    if config.heartbeat_interval >= config.session_timeout {
        let reason = "it must be less than group.consumer.session.timeout.ms";
        return Err(settings.invalid("group.consumer.heartbeat.interval.ms", reason));
    }
    Ok(config)
}

/// `group.consumer.<name>`, which must lie between `group.consumer.min.<name>` and
/// `group.consumer.max.<name>`.
fn bounded(settings: &Settings, name: &str) -> Result<Duration, ConfigError> {
    let key = format!("group.consumer.{name}");
    let (min, max) = (format!("group.consumer.min.{name}"), format!("group.consumer.max.{name}"));
    let value = duration(settings, &key);
    if value < duration(settings, &min) {
        return Err(settings.invalid(&key, format!("it must not be less than {min}")));
    }
    if value > duration(settings, &max) {
        return Err(settings.invalid(&key, format!("it must not be more than {max}")));
    }
    Ok(value)
}

#[cfg(test)]
mod tests;
