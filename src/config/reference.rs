//! `config/reference.properties`: every key of the table with its meaning, type, bounds and default.

use std::fmt::Write;

use super::definition::{Allowed, Definition};
use super::definitions::{BROKER, TOPIC, TopicDefinition};
use super::group_keys::{GROUP, GroupDefinition};

const LINE_CHARACTERS_MAX: usize = 100;

const HEADER: &str = "\
# Every key that Highwater knows, with its default. Made from src/config/definitions.rs; a test compares.
#   HIGHWATER_WRITE_REFERENCE=1 cargo test --lib config::reference   writes it again.
#
# Set a key in a properties file (--config FILE), in the environment (log.retention.ms is
# KAFKA_LOG_RETENTION_MS, highwater.wal.sync is HIGHWATER_WAL_SYNC) or on the command line
# (--override key=value). The command line wins over the environment, that over the file. What is altered
# while the broker runs (kafka-configs) wins over all of them, and is kept.
# Kafka's other keys are accepted and have no effect; each start says so.
";

const TOPIC_HEADER: &str = "
# ----------------------------------------------------------------------------------------------------
# Keys of a topic. They are set on the topic, when it is created or later; what stands here is the default
# where neither the topic nor the broker key behind it says otherwise.
# ----------------------------------------------------------------------------------------------------
";

const GROUP_HEADER: &str = "
# ----------------------------------------------------------------------------------------------------
# Keys of a group. They are set on the group (kafka-configs --entity-type groups), and only there; the
# default is what the broker key behind it says.
# ----------------------------------------------------------------------------------------------------
";

/// The whole file's text.
pub fn reference_properties() -> String {
    let mut text = HEADER.to_owned();
    for definition in BROKER {
        append_key(&mut text, definition, &[]);
    }
    text.push_str(TOPIC_HEADER);
    for TopicDefinition { definition, synonyms } in TOPIC {
        let keys: Vec<&str> = synonyms.iter().map(|synonym| synonym.broker_key).collect();
        append_key(&mut text, definition, &keys);
    }
    text.push_str(GROUP_HEADER);
    for GroupDefinition { definition, broker_key, .. } in GROUP {
        append_key(&mut text, definition, broker_key.as_slice());
    }
    text
}

fn append_key(text: &mut String, definition: &Definition, broker_keys: &[&str]) {
    text.push('\n');
    for line in wrapped(definition.doc) {
        append_line(text, &format!("# {line}"));
    }
    let mut facts = definition.kind.name().to_ascii_lowercase();
    if let Some(bounds) = bounds(definition.allowed) {
        facts = format!("{facts}, {bounds}");
    }
    if !broker_keys.is_empty() {
        facts = format!("{facts}; broker key: {}", broker_keys.join(", "));
    }
    if definition.dynamic {
        facts.push_str("; can be altered while the broker runs");
    }
    append_line(text, &format!("# ({facts})"));
    match definition.default {
        Some(default) => append_line(text, &format!("#{}={default}", definition.name)),
        None => append_line(text, &format!("#{}=", definition.name)),
    }
}

fn append_line(text: &mut String, line: &str) {
    writeln!(text, "{line}").expect("a String takes everything");
}

fn bounds(allowed: Allowed) -> Option<String> {
    match allowed {
        Allowed::Any => None,
        Allowed::AtLeast(low) => Some(format!("at least {low}")),
        Allowed::Between(low, high) => Some(format!("{low} to {high}")),
        Allowed::BetweenOr(low, high, other) => Some(format!("{low} to {high}, or {other}")),
        Allowed::OneOf(words) => Some(format!("one of: {}", words.join(", "))),
        Allowed::EachOf(words) => Some(format!("any of: {}", words.join(", "))),
        Allowed::NotEmpty => Some("not empty".to_owned()),
        Allowed::ThrottledReplicas => Some("* or partition:broker pairs".to_owned()),
        Allowed::OffsetReset => Some("earliest, latest or by_duration:PnDTnHnMn.nS".to_owned()),
    }
}

fn wrapped(doc: &str) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in doc.split_whitespace() {
        let line = lines.last_mut().expect("it begins with one line");
        if !line.is_empty() && line.len() + 1 + word.len() > LINE_CHARACTERS_MAX {
            lines.push(word.to_owned());
        } else {
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
    }
    lines
}

#[cfg(test)]
mod tests;
