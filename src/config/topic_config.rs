//! A topic's settings: its overrides over the broker's defaults.

use std::collections::BTreeMap;
use std::time::Duration;

use super::definitions::{TopicDefinition, topic_key};
use super::settings::{Settings, default_value};
use super::tiering::{self, Bounds, TopicTiering};
use super::value::Value;

const CLEANUP_POLICY: &str = "cleanup.policy";
/// Overrides that one topic may carry: more than there are keys is a mistake or an attack.
const OVERRIDES_MAX: usize = 256;

/// Why overrides are refused, in Kafka's words: the message that goes with INVALID_CONFIG.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{0}")]
pub struct InvalidTopicConfig(pub String);

/// What a topic's owner set, key by key, as written. Kept in the metadata store as it is.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct TopicOverrides(BTreeMap<String, String>);

impl TopicOverrides {
    /// Checks what a client asks for a new topic, over the broker's settings. The messages were measured
    /// against Kafka 4.3.
    pub fn validate<'a>(
        pairs: impl IntoIterator<Item = (&'a str, Option<&'a str>)>,
        settings: &Settings,
    ) -> Result<TopicOverrides, InvalidTopicConfig> {
        TopicOverrides::validate_change(pairs, &TopicOverrides::default(), settings)
    }

    /// The same for what takes the place of the overrides `before`.
    pub(super) fn validate_change<'a>(
        pairs: impl IntoIterator<Item = (&'a str, Option<&'a str>)>,
        before: &TopicOverrides,
        settings: &Settings,
    ) -> Result<TopicOverrides, InvalidTopicConfig> {
        let mut overrides = BTreeMap::new();
        let mut null = Vec::new();
        for (key, value) in pairs {
            match value {
                _ if overrides.len() + null.len() >= OVERRIDES_MAX => {
                    return Err(InvalidTopicConfig(format!("More than {OVERRIDES_MAX} topic configs")));
                }
                Some(value) => {
                    overrides.insert(key.to_owned(), value.to_owned());
                }
                None => null.push(key),
            }
        }
        if !null.is_empty() {
            let message = format!("Null value not supported for topic configs: {}", null.join(","));
            return Err(InvalidTopicConfig(message));
        }
        if let Some(key) = overrides.keys().find(|key| topic_key(key).is_none()) {
            return Err(InvalidTopicConfig(format!("Unknown topic config name: {key}")));
        }
        for (key, value) in &overrides {
            let entry = topic_key(key).expect("the others were refused");
            entry.definition.parse(value).map_err(|error| InvalidTopicConfig(error.to_string()))?;
        }
        let overrides = TopicOverrides(overrides);
        overrides.check_together(before.before(settings), settings)?;
        Ok(overrides)
    }

    /// What was checked when it was stored. A key or value that this version no longer knows falls back to
    /// the default instead of keeping the broker from starting.
    pub fn stored(overrides: BTreeMap<String, String>) -> TopicOverrides {
        TopicOverrides(overrides)
    }

    /// Key and value as written.
    pub fn as_map(&self) -> &BTreeMap<String, String> {
        &self.0
    }

    /// The checked value of an override, if there is one.
    pub(super) fn value(&self, entry: &TopicDefinition) -> Option<Value> {
        let text = self.0.get(entry.definition.name)?;
        entry.definition.parse(text).ok()
    }

    /// Whether the broker's default alone says that it is compacted.
    fn inherits_compaction(&self, settings: &Settings) -> bool {
        let entry = topic_key(CLEANUP_POLICY).expect("it is in the table");
        self.value(entry).is_none() && Cleanup::of(&inherited(entry, settings)).compact
    }

    fn before(&self, settings: &Settings) -> tiering::Before {
        let effective = TopicConfig::effective(self, settings);
        tiering::Before { is_enabled: effective.tiering.enable, is_compacted: effective.cleanup.compact }
    }

    /// Whether the topic asks for the tier.
    pub fn asks_for_tier(&self, settings: &Settings) -> bool {
        TopicConfig::effective(self, settings).tiering.enable
    }

    fn check_together(&self, before: tiering::Before, settings: &Settings) -> Result<(), InvalidTopicConfig> {
        let effective = TopicConfig::effective(self, settings);
        let (min, max) = (effective.min_compaction_lag, effective.max_compaction_lag);
        if min > max {
            let (min, max) = (min.as_millis(), max.as_millis());
            let message = format!(
                "conflict topic config setting min.compaction.lag.ms ({min}) > max.compaction.lag.ms ({max})"
            );
            return Err(InvalidTopicConfig(message));
        }
        tiering::check_policy(&effective, self.inherits_compaction(settings))?;
        tiering::check_topic(&effective, before, tiering::has_store(settings))
    }
}

/// What happens to old records. Neither: they are kept.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Cleanup {
    /// Old segments are removed by retention.
    pub delete: bool,
    /// The last record of each key is kept.
    pub compact: bool,
}

impl Cleanup {
    fn of(policy: &Value) -> Cleanup {
        let Value::List(policies) = policy else { unreachable!("cleanup.policy is a list in the table") };
        let has = |name: &str| policies.iter().any(|policy| policy == name);
        Cleanup { delete: has("delete"), compact: has("compact") }
    }
}

/// A topic's `compression.type`: what comes compressed otherwise is compressed anew.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Compression {
    /// As the producer sends it.
    Producer,
    /// None.
    Uncompressed,
    /// gzip.
    Gzip,
    /// snappy.
    Snappy,
    /// lz4.
    Lz4,
    /// zstd.
    Zstd,
}

/// Whose clock a record's timestamp is of.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TimestampType {
    /// The producer's.
    CreateTime,
    /// The broker's, at the append.
    LogAppendTime,
}

/// The settings in force for one topic. Sizes in bytes.
#[derive(Clone, PartialEq, Debug)]
pub struct TopicConfig {
    /// `cleanup.policy`.
    pub cleanup: Cleanup,
    /// `compression.type`.
    pub compression: Compression,
    /// `compression.gzip.level`; -1 is the codec's default.
    pub gzip_level: i32,
    /// `compression.zstd.level`.
    pub zstd_level: i32,
    /// `max.message.bytes`: largest batch.
    pub max_message_bytes: u32,
    /// `message.timestamp.type`.
    pub timestamp_type: TimestampType,
    /// `message.timestamp.before.max.ms`.
    pub timestamp_before_max: Duration,
    /// `message.timestamp.after.max.ms`.
    pub timestamp_after_max: Duration,
    /// `retention.ms`; `None` keeps everything.
    pub retention: Option<Duration>,
    /// `retention.bytes` of one partition; `None` sets no size.
    pub retention_bytes: Option<u64>,
    /// `segment.bytes`.
    pub segment_bytes: u64,
    /// `segment.ms`.
    pub segment_age_max: Duration,
    /// `segment.jitter.ms`.
    pub segment_jitter: Duration,
    /// `segment.index.bytes`.
    pub segment_index_bytes: u64,
    /// `index.interval.bytes`.
    pub index_interval_bytes: u64,
    /// `file.delete.delay.ms`.
    pub file_delete_delay: Duration,
    /// `delete.retention.ms`.
    pub delete_retention: Duration,
    /// `min.compaction.lag.ms`.
    pub min_compaction_lag: Duration,
    /// `max.compaction.lag.ms`.
    pub max_compaction_lag: Duration,
    /// `min.cleanable.dirty.ratio`, from 0 to 1.
    pub min_cleanable_dirty_ratio: f64,
    /// `min.insync.replicas`: shown, never failed on.
    pub min_insync_replicas: i32,
    /// What goes to the tier.
    pub tiering: TopicTiering,
    /// Whether closed segments leave the disk: where the topic asks for it, and the broker has a store.
    pub is_tiered: bool,
}

impl TopicConfig {
    /// The overrides where there are any, the broker's values elsewhere.
    pub fn effective(overrides: &TopicOverrides, settings: &Settings) -> TopicConfig {
        let values = Effective { overrides, settings };
        let tiering = values.tiering();
        let mut cleanup = values.cleanup();
        // What is in the tier as it came is not to be compacted because a default has changed.
        cleanup.compact &= !(tiering.enable && overrides.inherits_compaction(settings));
        TopicConfig {
            cleanup,
            compression: values.compression(),
            gzip_level: values.number("compression.gzip.level"),
            zstd_level: values.number("compression.zstd.level"),
            max_message_bytes: values.number("max.message.bytes"),
            timestamp_type: values.timestamp_type(),
            timestamp_before_max: values.duration("message.timestamp.before.max.ms"),
            timestamp_after_max: values.duration("message.timestamp.after.max.ms"),
            retention: values.unless_negative("retention.ms").map(Duration::from_millis),
            retention_bytes: values.unless_negative("retention.bytes"),
            segment_bytes: values.number("segment.bytes"),
            segment_age_max: values.duration("segment.ms"),
            segment_jitter: values.duration("segment.jitter.ms"),
            segment_index_bytes: values.number("segment.index.bytes"),
            index_interval_bytes: values.number("index.interval.bytes"),
            file_delete_delay: values.duration("file.delete.delay.ms"),
            delete_retention: values.duration("delete.retention.ms"),
            min_compaction_lag: values.duration("min.compaction.lag.ms"),
            max_compaction_lag: values.duration("max.compaction.lag.ms"),
            min_cleanable_dirty_ratio: values.ratio("min.cleanable.dirty.ratio"),
            min_insync_replicas: values.number("min.insync.replicas"),
            tiering,
            is_tiered: tiering.enable && tiering::has_store(settings),
        }
    }
}

/// The value in force for a topic key where it has no override: the first of its broker keys that somebody
/// set, else the first that has a default, else the topic key's own default.
pub(super) fn inherited(entry: &TopicDefinition, settings: &Settings) -> Value {
    let set = |key| settings.explicit(key).map(|setting| setting.value.clone());
    let first = |find: &dyn Fn(&'static str) -> Option<Value>| {
        let mut found = entry.synonyms.iter().map(|synonym| (find(synonym.broker_key), synonym.multiplier));
        found.find_map(|(value, multiplier)| Some(scaled(value?, multiplier)))
    };
    first(&set).or_else(|| first(&default_value)).unwrap_or_else(|| {
        let default = entry.definition.default.expect("every topic key has a default: a test holds this");
        entry.definition.parse(default).expect("a default obeys its own bounds: a test holds this")
    })
}

/// Hours and minutes as milliseconds. A negative number is a sign, not a time: it means the same in every
/// unit.
fn scaled(value: Value, multiplier: i64) -> Value {
    match value {
        Value::Number(number) if number >= 0 => Value::Number(number.saturating_mul(multiplier)),
        other => other,
    }
}

struct Effective<'a> {
    overrides: &'a TopicOverrides,
    settings: &'a Settings,
}

impl Effective<'_> {
    fn get(&self, key: &str) -> Value {
        let entry = topic_key(key).expect("only keys of the table are asked for");
        self.overrides.value(entry).unwrap_or_else(|| inherited(entry, self.settings))
    }

    fn signed(&self, key: &str) -> i64 {
        match self.get(key) {
            Value::Number(number) => number,
            _ => unreachable!("{key} is a number in the table"),
        }
    }

    fn number<T: TryFrom<i64>>(&self, key: &str) -> T {
        let in_bounds = T::try_from(self.signed(key)).ok();
        in_bounds.expect("the table's bounds keep every number within its type: a test holds this")
    }

    fn unless_negative(&self, key: &str) -> Option<u64> {
        u64::try_from(self.signed(key)).ok()
    }

    fn duration(&self, key: &str) -> Duration {
        Duration::from_millis(self.number(key))
    }

    fn ratio(&self, key: &str) -> f64 {
        match self.get(key) {
            Value::Double(ratio) => ratio,
            _ => unreachable!("{key} is a double in the table"),
        }
    }

    fn cleanup(&self) -> Cleanup {
        Cleanup::of(&self.get(CLEANUP_POLICY))
    }

    fn tiering(&self) -> TopicTiering {
        let is_set = |key| self.get(key) == Value::Boolean(true);
        let bounds = |local, total| Bounds { local: self.signed(local), total: self.signed(total) };
        TopicTiering {
            enable: is_set("remote.storage.enable"),
            copy_disable: is_set("remote.log.copy.disable"),
            delete_on_disable: is_set("remote.log.delete.on.disable"),
            age: bounds("local.retention.ms", "retention.ms"),
            size: bounds("local.retention.bytes", "retention.bytes"),
        }
    }

    fn compression(&self) -> Compression {
        match self.get("compression.type").to_string().as_str() {
            "uncompressed" => Compression::Uncompressed,
            "gzip" => Compression::Gzip,
            "snappy" => Compression::Snappy,
            "lz4" => Compression::Lz4,
            "zstd" => Compression::Zstd,
            _ => Compression::Producer,
        }
    }

    fn timestamp_type(&self) -> TimestampType {
        match self.get("message.timestamp.type").to_string().as_str() {
            "LogAppendTime" => TimestampType::LogAppendTime,
            _ => TimestampType::CreateTime,
        }
    }
}

#[cfg(test)]
mod tests;
