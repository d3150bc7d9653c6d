use std::collections::BTreeMap;

use super::*;
use crate::config::{ConfigSource, InvalidAlteration, Layers, Operation, altered_group, describe_group};

fn settings(keys: &[(&str, &str)]) -> Settings {
    let mut layers = Layers::default();
    keys.iter().for_each(|(key, value)| layers.flag(key, value));
    layers.resolve().unwrap().0
}

fn map(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

#[test]
fn defaults_obey_their_bounds() {
    let settings = settings(&[]);
    for entry in GROUP {
        let name = entry.definition.name;
        let default = inherited(entry, &settings).to_string();
        assert_eq!(Some(default.as_str()), entry.definition.default, "{name}");
        assert_eq!(check(&map(&[(name, &default)]), &settings), Ok(()), "{name}");
    }
    assert_eq!(check(&map(&[]), &settings), Ok(()));
}

/// Kafka 4.3.1's words for single values are compared by the differential script; these are about order, and
/// about bounds that somebody set.
#[test]
fn what_is_wrong_is_told_in_kafkas_order() {
    let wide = [
        ("group.consumer.min.session.timeout.ms", "6000"),
        ("group.consumer.max.heartbeat.interval.ms", "30000"),
    ];
    let (plain, wide) = (settings(&[]), settings(&wide));
    for (settings, overrides, expected) in [
        (&plain, &[("consumer.session.timeout.ms", "x"), ("z", "1")][..], "Unknown group config name: z"),
        (
            &plain,
            &[("consumer.session.timeout.ms", "1"), ("share.delivery.count.limit", "x")],
            "Invalid value x for configuration share.delivery.count.limit: Not a number of type INT",
        ),
        (
            &plain,
            &[("consumer.session.timeout.ms", "1"), ("consumer.heartbeat.interval.ms", "1")],
            "consumer.heartbeat.interval.ms must be greater than or equal to \
             group.consumer.min.heartbeat.interval.ms",
        ),
        (
            &wide,
            &[("consumer.session.timeout.ms", "20000"), ("consumer.heartbeat.interval.ms", "20000")],
            "consumer.session.timeout.ms must be greater than consumer.heartbeat.interval.ms",
        ),
        (
            &wide,
            &[("consumer.session.timeout.ms", "5999")],
            "consumer.session.timeout.ms must be greater than or equal to \
             group.consumer.min.session.timeout.ms",
        ),
    ] {
        assert_eq!(check(&map(overrides), settings), Err(expected.to_owned()));
    }
    let shorter = map(&[("consumer.session.timeout.ms", "6000"), ("consumer.heartbeat.interval.ms", "5999")]);
    assert_eq!(check(&shorter, &wide), Ok(()));
    let against_the_brokers = map(&[("consumer.session.timeout.ms", "6000")]);
    let slow = settings_of_a_slow_broker();
    let words = "consumer.session.timeout.ms must be greater than consumer.heartbeat.interval.ms";
    assert_eq!(check(&against_the_brokers, &slow), Err(words.to_owned()));
}

fn settings_of_a_slow_broker() -> Settings {
    settings(&[
        ("group.consumer.min.session.timeout.ms", "6000"),
        ("group.consumer.heartbeat.interval.ms", "6000"),
    ])
}

#[test]
fn lists_are_not_among_the_keys_and_values_have_an_end() {
    let settings = settings(&[]);
    let alter = |operation| {
        let operations = [("share.auto.offset.reset".to_owned(), operation)];
        altered_group(&BTreeMap::new(), &operations, false, &settings)
    };
    let append = alter(Operation::Append("x".to_owned()));
    let words = "Can't APPEND to key share.auto.offset.reset because its type is not LIST.";
    assert_eq!(append, Err(InvalidAlteration::Config(words.to_owned())));
    let long = alter(Operation::Set("x".repeat(40_000)));
    assert!(matches!(&long, Err(InvalidAlteration::Config(words)) if words.contains("maximum value size")));
}

#[test]
fn what_was_stored_counts_within_todays_bounds() {
    let stored = map(&[
        ("consumer.session.timeout.ms", "50000"),
        ("consumer.heartbeat.interval.ms", "6000"),
        ("no.longer.known", "1"),
    ]);
    let seconds = |seconds| Some(Duration::from_secs(seconds));
    for (keys, timeout, interval) in [
        (&[][..], 50, 6),
        (&[("group.consumer.max.session.timeout.ms", "48000")], 48, 6),
        (
            &[
                ("group.consumer.min.heartbeat.interval.ms", "7000"),
                ("group.consumer.heartbeat.interval.ms", "8000"),
            ],
            50,
            7,
        ),
    ] {
        let effective = ConsumerOverrides::effective(&stored, &settings(keys));
        assert_eq!(effective.session_timeout, seconds(timeout), "{keys:?}");
        assert_eq!(effective.heartbeat_interval, seconds(interval), "{keys:?}");
        assert_eq!(effective.assignment_interval, None);
    }
    let unreadable = map(&[("consumer.session.timeout.ms", "soon")]);
    let effective = ConsumerOverrides::effective(&unreadable, &settings(&[]));
    assert_eq!(effective, ConsumerOverrides::default());
}

#[test]
fn described_with_what_stands_behind_it() {
    use ConfigSource::{Default, Group, StaticBroker};
    let settings = settings(&[("group.consumer.session.timeout.ms", "46000")]);
    let stored =
        map(&[("consumer.session.timeout.ms", " 50000 "), ("share.isolation.level", "read_committed")]);
    let entries = describe_group(&stored, &settings);
    assert_eq!(entries.len(), GROUP.len());
    let check = |name: &str, value: &str, synonyms: &[(&str, &str, ConfigSource)]| {
        let entry = entries.iter().find(|entry| entry.definition.name == name).unwrap();
        assert_eq!(entry.value.as_deref(), Some(value), "{name}");
        assert_eq!((entry.source, entry.read_only, entry.sensitive), (synonyms[0].2, false, false), "{name}");
        let shown = entry.synonyms.iter();
        let shown = shown.map(|synonym| (synonym.name, synonym.value.as_deref().unwrap(), synonym.source));
        assert_eq!(shown.collect::<Vec<_>>(), synonyms, "{name}");
    };
    let broker = "group.consumer.session.timeout.ms";
    check(
        "consumer.session.timeout.ms",
        "50000",
        &[
            ("consumer.session.timeout.ms", "50000", Group),
            (broker, "46000", StaticBroker),
            (broker, "45000", Default),
        ],
    );
    check("share.session.timeout.ms", "45000", &[("group.share.session.timeout.ms", "45000", Default)]);
    let level = "share.isolation.level";
    check(level, "read_committed", &[(level, "read_committed", Group), (level, "read_uncommitted", Default)]);
}
