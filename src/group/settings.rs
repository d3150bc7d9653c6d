//! The settings that groups go by.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::assignor::Assignor;

/// Kafka's `group.*` and `offsets.*`, as numbers and durations. The defaults are Kafka 4.3's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupSettings {
    /// `group.min.session.timeout.ms`.
    pub group_min_session_timeout: Duration,
    /// `group.max.session.timeout.ms`.
    pub group_max_session_timeout: Duration,
    /// `group.initial.rebalance.delay.ms`: how long the first member of an empty group waits for others.
    pub group_initial_rebalance_delay: Duration,
    /// `group.max.size`: members of a classic group.
    pub group_max_size: usize,
    /// `offset.metadata.max.bytes`.
    pub offset_metadata_max_bytes: usize,
    /// `offsets.retention.minutes`.
    pub offsets_retention: Duration,
    /// `group.consumer.session.timeout.ms`.
    pub consumer_group_session_timeout: Duration,
    /// `group.consumer.heartbeat.interval.ms`.
    pub consumer_group_heartbeat_interval: Duration,
    /// `group.consumer.assignment.interval.ms`: the least time between two target assignments.
    pub consumer_group_assignment_interval: Duration,
    /// `group.consumer.max.size`.
    pub consumer_group_max_size: usize,
    /// `group.consumer.assignors`: the first serves members that name none. Not empty.
    pub consumer_assignors: Vec<Assignor>,
    /// `group.consumer.migration.policy`.
    pub migration_policy: MigrationPolicy,
    /// `group.consumer.regex.refresh.interval.ms`.
    pub consumer_regex_refresh_interval: Duration,
    /// `broker.rack`.
    pub broker_rack: Option<Arc<str>>,
    /// Settings of single groups, within the bounds of the broker's.
    pub overrides: BTreeMap<Arc<str>, GroupOverrides>,
}

/// `group.consumer.migration.policy`: which groups with members may change their protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum MigrationPolicy {
    /// Both ways.
    #[default]
    Bidirectional,
    /// From classic to consumer.
    Upgrade,
    /// From consumer to classic.
    Downgrade,
    /// None.
    Disabled,
}

impl MigrationPolicy {
    /// All, with their names; these are compared without regard to case.
    pub const ALL: [(MigrationPolicy, &'static str); 4] = [
        (MigrationPolicy::Bidirectional, "bidirectional"),
        (MigrationPolicy::Upgrade, "upgrade"),
        (MigrationPolicy::Downgrade, "downgrade"),
        (MigrationPolicy::Disabled, "disabled"),
    ];

    /// Whether a classic group may become a consumer group.
    pub fn allows_upgrade(self) -> bool {
        matches!(self, MigrationPolicy::Bidirectional | MigrationPolicy::Upgrade)
    }

    /// Whether a consumer group may become a classic group.
    pub fn allows_downgrade(self) -> bool {
        matches!(self, MigrationPolicy::Bidirectional | MigrationPolicy::Downgrade)
    }
}

/// What was set for one group (`kafka-configs --entity-type groups`).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct GroupOverrides {
    /// `consumer.session.timeout.ms`.
    pub consumer_session_timeout: Option<Duration>,
    /// `consumer.heartbeat.interval.ms`.
    pub consumer_heartbeat_interval: Option<Duration>,
    /// `consumer.assignment.interval.ms`.
    pub consumer_assignment_interval: Option<Duration>,
}

impl GroupSettings {
    /// The session timeout of a consumer group.
    pub fn consumer_session_timeout(&self, group_id: &str) -> Duration {
        let set = self.overrides.get(group_id).and_then(|set| set.consumer_session_timeout);
        set.unwrap_or(self.consumer_group_session_timeout)
    }

    /// The heartbeat interval of a consumer group.
    pub fn consumer_heartbeat_interval(&self, group_id: &str) -> Duration {
        let set = self.overrides.get(group_id).and_then(|set| set.consumer_heartbeat_interval);
        set.unwrap_or(self.consumer_group_heartbeat_interval)
    }

    /// The least time between two target assignments of a consumer group.
    pub fn consumer_assignment_interval(&self, group_id: &str) -> Duration {
        let set = self.overrides.get(group_id).and_then(|set| set.consumer_assignment_interval);
        set.unwrap_or(self.consumer_group_assignment_interval)
    }
}

impl Default for GroupSettings {
    fn default() -> GroupSettings {
        GroupSettings {
            group_min_session_timeout: Duration::from_secs(6),
            group_max_session_timeout: Duration::from_secs(30 * 60),
            group_initial_rebalance_delay: Duration::from_secs(3),
            group_max_size: i32::MAX as usize,
            offset_metadata_max_bytes: 4096,
            offsets_retention: Duration::from_secs(7 * 24 * 60 * 60),
            consumer_group_session_timeout: Duration::from_secs(45),
            consumer_group_heartbeat_interval: Duration::from_secs(5),
            consumer_group_assignment_interval: Duration::from_secs(1),
            consumer_group_max_size: i32::MAX as usize,
            consumer_assignors: Assignor::ALL.to_vec(),
            migration_policy: MigrationPolicy::default(),
            consumer_regex_refresh_interval: Duration::from_secs(10 * 60),
            broker_rack: None,
            overrides: BTreeMap::new(),
        }
    }
}
