use std::time::Duration;

/// The settings of one partition's log. Field names are Kafka's topic keys.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct LogConfig {
    /// `segment.bytes`: a segment that would grow past it is closed. A single larger batch gets its own
    /// segment.
    pub segment_bytes: u32,
    /// `segment.ms`: a segment older than this is closed, so that idle topics expire too.
    pub segment_age_max: Duration,
    /// `segment.jitter.ms`: up to this much is taken off `segment.ms`, drawn per segment, so that
    /// partitions made together do not all roll together.
    pub segment_jitter: Duration,
    /// `index.interval.bytes`: one index entry for about this many bytes of log.
    pub index_interval_bytes: u32,
    /// `segment.index.bytes`: a segment whose index reached it is closed.
    pub segment_index_bytes: u32,
    /// `retention.ms`: `None` keeps records for ever.
    pub retention_age_max: Option<Duration>,
    /// `retention.bytes`: `None` sets no bound.
    pub retention_bytes: Option<u64>,
    /// Whether `cleanup.policy` contains `delete`: without it only `DeleteRecords` moves the log start.
    pub delete_by_retention: bool,
    /// Set where `cleanup.policy` contains `compact`.
    pub compaction: Option<Compaction>,
    /// Set where closed segments are copied elsewhere, and leave the disk.
    pub tiering: Option<Tiering>,
}

/// What of a log that is copied elsewhere stays on disk. Field names are Kafka's topic keys.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Tiering {
    /// Not `remote.log.copy.disable`: closed segments are copied. Otherwise only what was copied is read
    /// there, and the disk keeps what the log keeps.
    pub copies: bool,
    /// `local.retention.ms`: `None` keeps records on disk as long as there are any.
    pub local_retention_age_max: Option<Duration>,
    /// `local.retention.bytes`: `None` sets no bound.
    pub local_retention_bytes: Option<u64>,
}

/// How a log is compacted. Field names are Kafka's topic keys.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Compaction {
    /// `min.cleanable.dirty.ratio`: share of a log that must not be cleaned yet for a cleaning to begin.
    pub min_cleanable_dirty_ratio: f64,
    /// `min.compaction.lag.ms`: younger records are left alone.
    pub min_compaction_lag: Duration,
    /// `max.compaction.lag.ms`: older records are cleaned whatever the ratio, and a segment is closed at that
    /// age at the latest.
    pub max_compaction_lag: Duration,
    /// `delete.retention.ms`: so long a tombstone stays from the cleaning that met it first.
    pub delete_retention: Duration,
}

impl Default for Compaction {
    /// Kafka's defaults.
    fn default() -> Compaction {
        Compaction {
            min_cleanable_dirty_ratio: 0.5,
            min_compaction_lag: Duration::ZERO,
            max_compaction_lag: Duration::from_millis(i64::MAX as u64),
            delete_retention: Duration::from_secs(24 * 60 * 60),
        }
    }
}

impl Default for LogConfig {
    /// Kafka's defaults.
    fn default() -> LogConfig {
        const WEEK: Duration = Duration::from_secs(7 * 24 * 60 * 60);
        LogConfig {
            segment_bytes: 1 << 30,
            segment_age_max: WEEK,
            segment_jitter: Duration::ZERO,
            index_interval_bytes: 4096,
            segment_index_bytes: 10 << 20,
            retention_age_max: Some(WEEK),
            retention_bytes: None,
            delete_by_retention: true,
            compaction: None,
            tiering: None,
        }
    }
}
