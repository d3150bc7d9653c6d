use super::super::definitions::{BROKER, TOPIC};
use super::*;

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
