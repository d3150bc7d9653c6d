use std::time::Duration;

/// The settings of one partition's log. Field names are Kafka's topic keys.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
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
        }
    }
}
