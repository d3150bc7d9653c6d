use super::Operation::{Append, Delete, Set, Subtract};
use super::*;

fn map(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

fn operations(list: &[(&str, Operation)]) -> Operations {
    list.iter().map(|(key, operation)| ((*key).to_owned(), operation.clone())).collect()
}

fn set(value: &str) -> Operation {
    Set(value.to_owned())
}

fn append(value: &str) -> Operation {
    Append(value.to_owned())
}

fn subtract(value: &str) -> Operation {
    Subtract(value.to_owned())
}

/// Every outcome was measured against Kafka 4.3.1.
#[test]
fn trap_87_operations_on_a_topic() {
    let check = |before: &[(&str, &str)],
                 done: &[(&str, Operation)],
                 expected: Result<&[(&str, &str)], &str>| {
        let altered = altered_topic(&map(before), &operations(done), false, &Settings::default());
        let found = altered.map(|overrides| overrides.as_map().clone()).map_err(|error| error.to_string());
        assert_eq!(found, expected.map(map).map_err(str::to_owned), "{before:?} {done:?}");
    };
    // The default's value is an override all the same.
    check(&[], &[("retention.ms", set("604800000"))], Ok(&[("retention.ms", "604800000")]));
    check(
        &[("segment.ms", "7")],
        &[("retention.ms", set("1"))],
        Ok(&[("retention.ms", "1"), ("segment.ms", "7")]),
    );
    check(&[("segment.ms", "7")], &[("segment.ms", Delete), ("no.such", Delete)], Ok(&[]));
    check(&[], &[("cleanup.policy", append("compact"))], Ok(&[("cleanup.policy", "delete,compact")]));
    check(
        &[("cleanup.policy", "compact")],
        &[("cleanup.policy", append(" compact,delete"))],
        Ok(&[("cleanup.policy", "compact,delete")]),
    );
    check(
        &[("cleanup.policy", "compact, delete")],
        &[("cleanup.policy", subtract("delete"))],
        Ok(&[("cleanup.policy", "compact")]),
    );
    check(&[], &[("cleanup.policy", subtract("delete"))], Ok(&[("cleanup.policy", "")]));
    for (key, operation, words) in [
        ("no.such", set("1"), "Unknown topic config name: no.such"),
        (
            "retention.ms",
            set("soon"),
            "Invalid value soon for configuration retention.ms: Not a number of type LONG",
        ),
        ("retention.ms", append("1"), "Can't APPEND to key retention.ms because its type is not LIST."),
        ("no.such", subtract("1"), "Can't SUBTRACT to key no.such because its type is not LIST."),
        (
            "segment.bytes",
            set("1"),
            "Invalid value 1 for configuration segment.bytes: Value must be at least 1048576",
        ),
        (
            "cleanup.policy",
            append("shred"),
            "Invalid value shred for configuration cleanup.policy: String must be one of: compact, delete",
        ),
        (
            "remote.storage.enable",
            set("true"),
            "Tiered Storage functionality is disabled in the broker. \
             Topic cannot be configured with remote log storage.",
        ),
    ] {
        check(&[], &[(key, operation)], Err(words));
    }
    check(
        &[("min.compaction.lag.ms", "10")],
        &[("max.compaction.lag.ms", set("5"))],
        Err("conflict topic config setting min.compaction.lag.ms (10) > max.compaction.lag.ms (5)"),
    );
    // A name is looked at before any value.
    check(
        &[],
        &[("cleanup.policy", set("shred")), ("no.such", set("1"))],
        Err("Unknown topic config name: no.such"),
    );
}

#[test]
fn a_list_does_not_grow_without_end() {
    const KEY: &str = "follower.replication.throttled.replicas";
    let pairs = |broker: u8| (0..4_500).map(|n| format!("{n}:{broker}")).collect::<Vec<_>>().join(",");
    let grown = |before: &BTreeMap<String, String>, broker| {
        altered_topic(before, &operations(&[(KEY, append(&pairs(broker)))]), false, &Settings::default())
    };
    let once = grown(&BTreeMap::new(), 1).expect("short enough").as_map().clone();
    let words =
        "The configuration value cannot be added because it exceeds the maximum value size of 32767 bytes.";
    assert_eq!(grown(&once, 2).map_err(|error| error.to_string()), Err(words.to_owned()));
}

#[test]
fn the_legacy_request_leaves_nothing_else() {
    let before = map(&[("segment.ms", "7"), ("retention.ms", "8")]);
    let altered =
        altered_topic(&before, &operations(&[("segment.ms", set("9"))]), true, &Settings::default());
    assert_eq!(altered.expect("good values").as_map(), &map(&[("segment.ms", "9")]));
}

/// Codes and words as measured against Kafka 4.3.1; for a key that nobody knows, its words for APPEND.
#[test]
fn what_a_broker_refuses() {
    let config = ServerConfig::defaults();
    let request = |words: &str| InvalidAlteration::Request(words.to_owned());
    let invalid = |words: &str| InvalidAlteration::Config(words.to_owned());
    let check = |done: &[(&str, Operation)], expected| {
        let altered =
            altered_broker(&BTreeMap::new(), &operations(done), false, BrokerLevel::Broker, &config);
        assert_eq!(altered, Err(expected), "{done:?}");
    };
    check(
        &[("num.partitions", set("3")), ("message.max.bytes", set("7000")), ("num.io.threads", set("2"))],
        request("Cannot update these configs dynamically: [num.partitions, num.io.threads]"),
    );
    check(
        &[("log.retention.hours", set("3"))],
        request("Cannot update these configs dynamically: [log.retention.hours]"),
    );
    check(&[("no.such", set("3"))], invalid("Unknown config name: no.such"));
    check(&[("no.such", append("3"))], invalid("Unknown config name: no.such"));
    for (operation, verb) in [(append("3"), "append"), (subtract("3"), "subtract")] {
        check(
            &[("message.max.bytes", operation)],
            invalid(&format!("Config value {verb} is not allowed for config key: message.max.bytes")),
        );
    }
    check(
        &[("message.max.bytes", set("many"))],
        request("Invalid value many for configuration message.max.bytes: Not a number of type INT"),
    );
    check(
        &[("message.max.bytes", set("-1"))],
        request("Invalid value -1 for configuration message.max.bytes: Value must be at least 0"),
    );
    let long = "delete,".repeat(4_700);
    check(&[("log.cleanup.policy", set(&long))], invalid(&too_long()));
}

#[test]
fn a_broker_takes_what_takes_effect() {
    let config = ServerConfig::defaults();
    let alter = |before: &[(&str, &str)], done: &[(&str, Operation)], replace| {
        altered_broker(&map(before), &operations(done), replace, BrokerLevel::Broker, &config)
    };
    let before = &[("message.max.bytes", "7000")][..];
    let done = [("log.retention.ms", set("9")), ("num.partitions", Delete)];
    assert_eq!(
        alter(before, &done, false),
        Ok(map(&[("log.retention.ms", "9"), ("message.max.bytes", "7000")]))
    );
    assert_eq!(alter(before, &done, true), Ok(map(&[("log.retention.ms", "9")])));
    let appended = alter(&[], &[("log.cleanup.policy", append("compact"))], false);
    assert_eq!(appended, Ok(map(&[("log.cleanup.policy", "delete,compact")])));
}
