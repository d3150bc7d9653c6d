use super::super::definitions::{BROKER, TOPIC};
use super::*;
use crate::config::group_keys::group_key;

fn topic(name: &str) -> &'static Definition {
    &TOPIC.iter().find(|entry| entry.definition.name == name).expect("a topic key").definition
}

/// Every line was measured against Kafka 4.3 (CreateTopics with that one override).
#[test]
fn values_are_taken_as_kafka_takes_them() {
    let accepted = [
        ("retention.ms", " 5 ", "5"),
        ("retention.ms", "+5", "5"),
        ("retention.bytes", "-5", "-5"),
        ("preallocate", "TRUE", "true"),
        ("cleanup.policy", "compact, delete", "compact,delete"),
        ("cleanup.policy", "", ""),
        ("follower.replication.throttled.replicas", "*", "*"),
        ("follower.replication.throttled.replicas", "", ""),
        ("follower.replication.throttled.replicas", "0:1,2:3", "0:1,2:3"),
        ("min.cleanable.dirty.ratio", "1", "1.0"),
        ("compression.gzip.level", "-1", "-1"),
    ];
    for (key, text, shown) in accepted {
        assert_eq!(
            topic(key).parse(text).map(|value| value.to_string()),
            Ok(shown.to_owned()),
            "{key}={text}"
        );
    }
}

/// `Double.toString` of Java.
#[test]
fn doubles_are_shown_as_java_shows_them() {
    for (value, shown) in [
        (0.5, "0.5"),
        (0.0, "0.0"),
        (-2.0, "-2.0"),
        (1e6, "1000000.0"),
        (1e7, "1.0E7"),
        (12_500_000.0, "1.25E7"),
        (0.001, "0.001"),
        (0.0001, "1.0E-4"),
        (f64::MAX, "1.7976931348623157E308"),
    ] {
        assert_eq!(Value::Double(value).to_string(), shown);
    }
}

/// Every message was measured against Kafka 4.3 (CreateTopics with that one override).
#[test]
fn values_are_refused_in_kafkas_words() {
    let refused = [
        (
            "retention.ms",
            "abc",
            "Invalid value abc for configuration retention.ms: Not a number of type LONG",
        ),
        ("retention.ms", "", "Invalid value  for configuration retention.ms: Not a number of type LONG"),
        (
            "retention.ms",
            "0x10",
            "Invalid value 0x10 for configuration retention.ms: Not a number of type LONG",
        ),
        ("retention.ms", "-2", "Invalid value -2 for configuration retention.ms: Value must be at least -1"),
        (
            "segment.bytes",
            "1e6",
            "Invalid value 1e6 for configuration segment.bytes: Not a number of type INT",
        ),
        (
            "max.message.bytes",
            "99999999999",
            "Invalid value 99999999999 for configuration max.message.bytes: Not a number of type INT",
        ),
        (
            "cleanup.policy",
            "DELETE",
            "Invalid value DELETE for configuration cleanup.policy: String must be one of: compact, delete",
        ),
        (
            "compression.type",
            "gzp",
            "Invalid value gzp for configuration compression.type: \
             String must be one of: uncompressed, zstd, lz4, snappy, gzip, producer",
        ),
        (
            "min.cleanable.dirty.ratio",
            "2",
            "Invalid value 2.0 for configuration min.cleanable.dirty.ratio: Value must be no more than 1",
        ),
        (
            "preallocate",
            "yes",
            "Invalid value yes for configuration preallocate: Expected value to be either true or false",
        ),
        (
            "compression.gzip.level",
            "0",
            "Invalid value 0 for configuration compression.gzip.level: \
             Value must be between 1 and 9 or equal to -1",
        ),
        (
            "leader.replication.throttled.replicas",
            "a",
            "Invalid value [a] for configuration leader.replication.throttled.replicas: \
             leader.replication.throttled.replicas must be the literal '*' or a list of replicas in the \
             following format: [partitionId]:[brokerId],[partitionId]:[brokerId],...",
        ),
    ];
    for (key, text, message) in refused {
        assert_eq!(topic(key).parse(text).map_err(|error| error.to_string()), Err(message.to_owned()));
    }
}

/// As `java.time.Duration.parse` of Java 21 answered.
#[test]
fn offset_resets_are_words_or_durations_that_java_reads() {
    let key = |text: &str| group_key("share.auto.offset.reset").unwrap().definition.parse(text).is_ok();
    for text in [
        "earliest",
        "latest",
        "by_duration:PT1H",
        "by_duration:P1D",
        "by_duration:p1dt2h",
        "by_duration:PT0S",
        "by_duration:P2DT3H4M5.123456789S",
        "by_duration:PT1,5S",
        "by_duration:PT1.S",
        "by_duration:+PT1M",
        "by_duration:-PT-1M",
        "by_duration:PT2H-60M",
        "by_duration:PT-0.0S",
        "by_duration:PT9223372036854775807S",
    ] {
        assert!(key(text), "{text}");
    }
    for text in [
        "",
        "none",
        "LATEST",
        "by_duration",
        "by_duration:",
        "by_duration:P",
        "by_duration:PT",
        "by_duration:P1DT",
        "by_duration:1H",
        "by_duration:PT1",
        "by_duration:PT1M1H",
        "by_duration:P1H",
        "by_duration:PT1.5M",
        "by_duration:PT.5S",
        "by_duration:PT1.1234567890S",
        "by_duration:-PT1S",
        "by_duration:PT-1S",
        "by_duration:PT1S ago",
        "by_duration:PTS",
        "by_duration:PT1H1H",
        "by_duration:PT9223372036854775808S",
        "by_duration:P106751991167301D",
        "BY_DURATION:PT1H",
    ] {
        assert!(!key(text), "{text}");
    }
}

#[test]
fn numbers_that_are_not_finite_are_refused() {
    for text in ["NaN", "inf", "-infinity"] {
        assert!(topic("min.cleanable.dirty.ratio").parse(text).is_err(), "{text}");
    }
}

#[test]
fn every_default_obeys_its_own_bounds() {
    let all = BROKER.iter().chain(TOPIC.iter().map(|entry| &entry.definition));
    for definition in all {
        if let Some(default) = definition.default {
            assert!(definition.parse(default).is_ok(), "{}={default}", definition.name);
        }
    }
}
