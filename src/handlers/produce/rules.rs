//! What a topic's settings ask of batches.

use std::time::Duration;

use crate::config::{Compression, TimestampType as ConfiguredTimestampType, TopicConfig};
use crate::protocol::batch::{Codec, CompressionType, DecompressionCaps, ProduceRules, TimestampType};

/// The rules for batches of a topic with these settings, in a request of this version.
pub(super) fn of(config: &TopicConfig, api_version: i16) -> ProduceRules {
    let milliseconds = |duration: Duration| i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
    ProduceRules {
        api_version,
        batch_bytes_max: config.max_message_bytes as usize,
        timestamp_type: match config.timestamp_type {
            ConfiguredTimestampType::CreateTime => TimestampType::CreateTime,
            ConfiguredTimestampType::LogAppendTime => TimestampType::LogAppendTime,
        },
        timestamp_before_max_ms: milliseconds(config.timestamp_before_max),
        timestamp_after_max_ms: milliseconds(config.timestamp_after_max),
        keys_required: config.cleanup.compact,
        codec: codec(config),
        decompression: DecompressionCaps::default(),
    }
}

/// `None`: as producers send it.
fn codec(config: &TopicConfig) -> Option<Codec> {
    let (compression, level) = match config.compression {
        Compression::Producer => return None,
        Compression::Uncompressed => (CompressionType::None, None),
        // -1 is the default.
        Compression::Gzip => (CompressionType::Gzip, Some(config.gzip_level).filter(|level| *level > 0)),
        Compression::Snappy => (CompressionType::Snappy, None),
        Compression::Lz4 => (CompressionType::Lz4, None),
        Compression::Zstd => (CompressionType::Zstd, Some(config.zstd_level)),
    };
    Some(Codec { compression, level })
}
