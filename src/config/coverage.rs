//! The section "Configurations" of `docs/coverage.md`: every key of Kafka 4.3.1 and what it does here.
//!
//! The lists beside this file are Kafka's own: `KafkaConfig.configDef` with
//! `DynamicBrokerConfig.dynamicConfigUpdateModes`, `LogConfig`, internal keys left out, and `GroupConfig`.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;

use super::definition::Definition;
use super::definitions::{BROKER, TOPIC, broker_key, topic_key};
use super::group_keys::{GROUP, group_key};
use super::no_effect;
use crate::env::{Files, RealFiles};

const PATH: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/coverage.md");
const BEGIN: &str = "## Configurations\n";
const END: &str = "## Behaviours that break brokers of this kind\n";
const KAFKAS_BROKER_KEYS: &str = include_str!("coverage/kafka-broker-keys.txt");
const KAFKAS_GROUP_KEYS: &str = include_str!("coverage/kafka-group-keys.txt");
const KAFKAS_TOPIC_KEYS: &str = include_str!("coverage/kafka-topic-keys.txt");

const HEADER: &str = "\
## Configurations

Every configuration key that Apache Kafka 4.3.1 shows, and what it does here; made by the tests of
src/config/coverage.rs (HIGHWATER_WRITE_REFERENCE=1 writes it again), which compare it with the code
and with Kafka's own lists. `effective`: the broker acts by it. `shown`: kept, checked, inherited
and described; why nothing follows from it stands with the key in config/reference.properties. Keys
of topics and groups can be altered at any time, broker keys where `alterable` says so: for one
broker and as the cluster's default; others are refused with Kafka's words for a key that cannot be
updated dynamically. Beside Kafka's, highwater.scrub.bytes.per.second is alterable.
";

/// Kafka's broker keys, each with how it can be altered there.
fn kafkas_broker_keys() -> impl Iterator<Item = (&'static str, &'static str)> {
    KAFKAS_BROKER_KEYS.lines().map(|line| line.split_once(' ').expect("a key and its mode"))
}

/// What is known of a key's effect stands at the beginning of its documentation.
fn state(definition: &Definition) -> &'static str {
    let shown = ["Shown", "Kept and shown", "Read for compatibility"];
    match shown.iter().any(|words| definition.doc.starts_with(words)) {
        true => "shown",
        false => "effective",
    }
}

fn section() -> String {
    let mut text = HEADER.to_owned();
    let mut line = |line: String| writeln!(text, "{line}").expect("a String takes everything");
    line("\n| topic key | here |\n| --- | --- |".to_owned());
    for key in KAFKAS_TOPIC_KEYS.lines() {
        let here = topic_key(key).map_or("unknown", |entry| state(&entry.definition));
        line(format!("| {key} | {here} |"));
    }
    line("\n| group key | here |\n| --- | --- |".to_owned());
    for key in KAFKAS_GROUP_KEYS.lines() {
        let here = group_key(key).map_or("unknown", |entry| state(&entry.definition));
        line(format!("| {key} | {here} |"));
    }
    line("\n| broker key | in Kafka | here |\n| --- | --- | --- |".to_owned());
    let mut idle: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (key, mode) in kafkas_broker_keys() {
        match (broker_key(key), no_effect::reason(key)) {
            (Some(definition), _) => {
                let alterable = if definition.dynamic { ", alterable" } else { "" };
                line(format!("| {key} | {mode} | {}{alterable} |", state(definition)));
            }
            (None, reason) => idle.entry(reason.unwrap_or("unknown")).or_default().push(key),
        }
    }
    line("\n| broker keys that have no meaning here, because | |\n| --- | --- |".to_owned());
    for (reason, keys) in idle {
        line(format!("| {reason} | {} |", keys.join(", ")));
    }
    text.push('\n');
    text
}

#[test]
fn trap_86_every_key_of_kafka_is_accounted_for() {
    for (key, mode) in kafkas_broker_keys() {
        let definition = broker_key(key);
        assert!(definition.is_some() || no_effect::reason(key).is_some(), "{key} is known to Kafka alone");
        if definition.is_some_and(|definition| definition.dynamic) {
            assert_eq!(mode, "cluster-wide", "{key} is not alterable like this in Kafka");
        }
        // What Kafka lets people alter and what is acted upon here is acted upon at once.
        let stays = ["listeners", "listener.security.protocol.map"];
        let known = definition.filter(|_| mode != "read-only" && !stays.contains(&key));
        assert!(known.is_none_or(|definition| definition.dynamic), "{key} is alterable in Kafka");
    }
    let names: Vec<&str> = TOPIC.iter().map(|entry| entry.definition.name).collect();
    assert_eq!(names, KAFKAS_TOPIC_KEYS.lines().collect::<Vec<_>>());
    let mut names: Vec<&str> = GROUP.iter().map(|entry| entry.definition.name).collect();
    names.sort_unstable();
    assert_eq!(names, KAFKAS_GROUP_KEYS.lines().collect::<Vec<_>>());
    for definition in BROKER {
        let is_kafkas = kafkas_broker_keys().any(|(key, _)| key == definition.name);
        assert!(is_kafkas || definition.name.starts_with("highwater."), "{}", definition.name);
    }
}

#[test]
fn the_coverage_document_lists_the_configurations() {
    let path = Path::new(PATH);
    let read = |path| String::from_utf8(RealFiles.read(path, 1 << 20).expect("it is there")).expect("text");
    let document = read(path);
    let (before, rest) = document.split_once(BEGIN).expect("the section begins");
    let (found, after) = rest.split_once(END).expect("the section ends");
    let expected = section();
    if std::env::var_os("HIGHWATER_WRITE_REFERENCE").is_some() {
        let written = format!("{before}{expected}{END}{after}");
        return RealFiles.replace(path, written.as_bytes()).expect("docs/ can be written");
    }
    let found = format!("{BEGIN}{found}");
    let other = found.lines().zip(expected.lines()).find(|(found, expected)| found != expected);
    assert!(found == expected, "HIGHWATER_WRITE_REFERENCE=1 writes it again; first difference: {other:?}");
}
