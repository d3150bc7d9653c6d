use super::super::definitions::TOPIC;
use super::super::settings::Layers;
use super::*;

fn settings(file: &str) -> Settings {
    let mut layers = Layers::default();
    layers.file("server.properties", file).expect("well formed");
    layers.resolve().expect("good values").0
}

fn effective(file: &str, pairs: &[(&str, &str)]) -> TopicConfig {
    let pairs = pairs.iter().map(|(key, value)| (*key, Some(*value)));
    TopicConfig::effective(
        &TopicOverrides::validate(pairs, &Settings::default()).expect("good values"),
        &settings(file),
    )
}

#[test]
fn nothing_set_is_kafkas_default() {
    let config = effective("", &[]);
    let week = Duration::from_hours(168);
    assert_eq!(config.cleanup, Cleanup { delete: true, compact: false });
    assert_eq!(config.compression, Compression::Producer);
    assert_eq!(config.max_message_bytes, 1_048_588);
    assert_eq!(config.timestamp_type, TimestampType::CreateTime);
    assert_eq!(config.timestamp_after_max, Duration::from_hours(1));
    assert_eq!((config.retention, config.retention_bytes), (Some(week), None));
    assert_eq!(
        (config.segment_bytes, config.segment_age_max, config.segment_jitter),
        (1 << 30, week, Duration::ZERO)
    );
    assert_eq!((config.segment_index_bytes, config.index_interval_bytes), (10 << 20, 4096));
    assert_eq!(config.file_delete_delay, Duration::from_mins(1));
}

#[test]
fn the_topic_wins_over_the_broker_and_the_finer_unit_over_the_coarser() {
    let milliseconds = |millis| Some(Duration::from_millis(millis));
    for (file, pairs, expected) in [
        ("log.retention.hours=1", &[][..], milliseconds(3_600_000)),
        ("log.retention.minutes=2\nlog.retention.hours=1", &[], milliseconds(120_000)),
        ("log.retention.hours=1\nlog.retention.ms=5", &[], milliseconds(5)),
        ("log.retention.ms=5", &[("retention.ms", "7")], milliseconds(7)),
        ("log.retention.ms=-1", &[], None),
        ("log.retention.hours=-1", &[], None),
        ("log.retention.ms=5", &[("retention.ms", "-1")], None),
        ("log.retention.hours=2147483647", &[], milliseconds(2_147_483_647 * 3_600_000)),
    ] {
        assert_eq!(effective(file, pairs).retention, expected, "{file} {pairs:?}");
    }
    assert_eq!(effective("log.roll.hours=1", &[]).segment_age_max, Duration::from_hours(1));
    assert_eq!(effective("log.roll.hours=1\nlog.roll.ms=9", &[]).segment_age_max, Duration::from_millis(9));
    assert_eq!(effective("log.roll.jitter.hours=1", &[]).segment_jitter, Duration::from_hours(1));
    assert_eq!(effective("message.max.bytes=10", &[]).max_message_bytes, 10);
    assert_eq!(effective("", &[("retention.bytes", "-5")]).retention_bytes, None);
    assert_eq!(
        effective("", &[("cleanup.policy", "compact")]).cleanup,
        Cleanup { delete: false, compact: true }
    );
    assert_eq!(effective("", &[("cleanup.policy", "")]).cleanup, Cleanup { delete: false, compact: false });
    let append_time = [("message.timestamp.type", "LogAppendTime")];
    assert_eq!(effective("", &append_time).timestamp_type, TimestampType::LogAppendTime);
    assert_eq!(effective("", &[("compression.type", "zstd")]).compression, Compression::Zstd);
}

/// The messages were measured against Kafka 4.3.
#[test]
fn what_kafka_refuses_is_refused_in_its_words() {
    for (pairs, message) in [
        (&[("foo.bar", Some("1"))][..], "Unknown topic config name: foo.bar"),
        (&[("log.retention.ms", Some("5"))], "Unknown topic config name: log.retention.ms"),
        (
            &[("retention.ms", None), ("flush.ms", None)],
            "Null value not supported for topic configs: retention.ms,flush.ms",
        ),
        (
            &[("retention.ms", Some("x"))],
            "Invalid value x for configuration retention.ms: Not a number of type LONG",
        ),
        (
            &[("min.compaction.lag.ms", Some("10")), ("max.compaction.lag.ms", Some("5"))],
            "conflict topic config setting min.compaction.lag.ms (10) > max.compaction.lag.ms (5)",
        ),
        (
            &[("remote.storage.enable", Some("true"))],
            "Tiered Storage functionality is disabled in the broker. \
             Topic cannot be configured with remote log storage.",
        ),
    ] {
        let refused = TopicOverrides::validate(pairs.iter().copied(), &Settings::default());
        assert_eq!(refused.map_err(|error| error.to_string()), Err(message.to_owned()));
    }
    let many: Vec<String> = (0..=OVERRIDES_MAX).map(|n| format!("key.{n}")).collect();
    assert!(
        TopicOverrides::validate(many.iter().map(|key| (key.as_str(), Some("1"))), &Settings::default())
            .is_err(),
        "bounded"
    );
}

#[test]
fn what_an_older_version_stored_does_not_prevent_a_start() {
    let pairs = [("retention.ms", "soon"), ("not.known.any.more", "1"), ("retention.bytes", "9")];
    let stored = TopicOverrides::stored(pairs.map(|(k, v)| (k.to_owned(), v.to_owned())).into());
    let config = TopicConfig::effective(&stored, &Settings::default());
    assert_eq!((config.retention, config.retention_bytes), (Some(Duration::from_hours(168)), Some(9)));
}

/// The extremes of every key fit the types of `TopicConfig`: nothing in it can panic.
#[test]
fn every_allowed_extreme_has_an_effective_value() {
    for entry in TOPIC {
        for text in
            ["-9223372036854775808", "-2", "-1", "0", "1", "2147483647", "9223372036854775807", "0.0", "1.0"]
        {
            if entry.definition.parse(text).is_ok() {
                let pairs = [(entry.definition.name.to_owned(), text.to_owned())];
                TopicConfig::effective(&TopicOverrides::stored(pairs.into()), &Settings::default());
            }
        }
    }
}
