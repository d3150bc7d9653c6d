//! The settings of transactions and of the topic that holds them.

use std::time::Duration;

use super::server_config::{duration, number};
use super::settings::Settings;

/// `transaction.*` and `transactional.*`. Sizes in bytes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TransactionConfig {
    /// `transaction.state.log.num.partitions`.
    pub topic_partitions: i32,
    /// `transaction.state.log.replication.factor`.
    pub topic_replication_factor: i16,
    /// `transaction.state.log.segment.bytes`.
    pub topic_segment_bytes: u32,
    /// `transaction.state.log.load.buffer.size`.
    pub load_bytes: u32,
    /// `transaction.max.timeout.ms`.
    pub timeout_max: Duration,
    /// `transactional.id.expiration.ms`.
    pub id_expiration: Duration,
    /// `transaction.remove.expired.transaction.cleanup.interval.ms`.
    pub expiration_check_interval: Duration,
    /// `transaction.partition.verification.enable`.
    pub verifies_partitions: bool,
    /// `add.partitions.to.txn.retry.backoff.ms`.
    pub add_partitions_backoff: Duration,
    /// `add.partitions.to.txn.retry.backoff.max.ms`.
    pub add_partitions_backoff_max: Duration,
}

pub(super) fn transactions(settings: &Settings) -> TransactionConfig {
    TransactionConfig {
        topic_partitions: number(settings, "transaction.state.log.num.partitions"),
        topic_replication_factor: number(settings, "transaction.state.log.replication.factor"),
        topic_segment_bytes: number(settings, "transaction.state.log.segment.bytes"),
        load_bytes: number(settings, "transaction.state.log.load.buffer.size"),
        timeout_max: duration(settings, "transaction.max.timeout.ms"),
        id_expiration: duration(settings, "transactional.id.expiration.ms"),
        expiration_check_interval: duration(
            settings,
            "transaction.remove.expired.transaction.cleanup.interval.ms",
        ),
        verifies_partitions: settings.boolean("transaction.partition.verification.enable"),
        add_partitions_backoff: duration(settings, "add.partitions.to.txn.retry.backoff.ms"),
        add_partitions_backoff_max: duration(settings, "add.partitions.to.txn.retry.backoff.max.ms"),
    }
}
