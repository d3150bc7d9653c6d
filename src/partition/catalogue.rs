use std::sync::Arc;

use crate::log::{LogConfig, RecoveryPoint};
use crate::model::{LeaderEpoch, Offset, TopicId, TopicPartition};
use crate::wal::Lsn;

/// What the storage needs to know of the topics, and how their catalogue rides in the WAL and the checkpoint.
pub trait Catalogue: Send + Sync + 'static {
    /// Takes over what a checkpoint holds. Called once, before any replay.
    fn restore(&self, snapshot: &[u8]) -> Result<(), CatalogueError>;
    /// Applies an entry of the WAL; one that the snapshot already contains changes nothing.
    fn replay(&self, entry: &[u8]) -> Result<(), CatalogueError>;
    /// Replay is over: counts this start, so that leader epochs grow. Durable with the checkpoint that
    /// follows.
    fn begin_boot(&self);
    /// The content for a checkpoint.
    fn snapshot(&self) -> CatalogueSnapshot;
    /// What is known of a partition.
    fn lookup(&self, topic_partition: TopicPartition) -> Lookup;
    /// Deleted topics of which something may be left: id, name and number of partitions.
    fn tombstones(&self) -> Vec<(TopicId, Arc<str>, i32)>;
    /// Every partition that exists.
    fn partitions(&self) -> Vec<(TopicPartition, PartitionSpec)>;
}

/// The catalogue at one point of the WAL.
pub struct CatalogueSnapshot {
    /// Encoded content.
    pub bytes: Vec<u8>,
    /// First LSN that is surely not included.
    pub end_lsn: Lsn,
    /// Whether a partition exists in this snapshot.
    pub is_live: Box<dyn Fn(TopicPartition) -> bool + Send>,
}

/// What the catalogue knows of a partition.
pub enum Lookup {
    /// It exists.
    Live(Box<PartitionSpec>),
    /// Its topic was deleted; a tombstone says so.
    Deleted,
    /// No trace of it.
    Unknown,
}

/// How to open a partition.
#[derive(Clone)]
pub struct PartitionSpec {
    /// The topic's name, for the directory.
    pub name: Arc<str>,
    /// Effective settings of its log.
    pub log_config: LogConfig,
    /// Leader epoch in this boot.
    pub leader_epoch: LeaderEpoch,
    /// First offset that still counts.
    pub log_start_offset: Offset,
    /// First offset that is on local disk, never below the log start: what lies between is in the tier.
    pub local_log_start_offset: Offset,
}

impl PartitionSpec {
    /// Where the recovery of its log begins, with what the checkpoint says of its segments.
    pub(super) fn recovery_point(&self, offset: Offset) -> RecoveryPoint {
        RecoveryPoint {
            offset,
            log_start_offset: self.log_start_offset,
            local_log_start_offset: self.local_log_start_offset,
        }
    }
}

/// The catalogue in the checkpoint or in the WAL cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct CatalogueError(pub String);
