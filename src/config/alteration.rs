//! Altering the overrides of topics and groups and a broker's dynamic settings: what is left when the
//! operations are done, or why not, in Kafka's words. Pure: nothing changes here.

use std::collections::{BTreeMap, HashSet};

use super::definition::{Definition, Kind};
use super::definitions::{broker_key, topic_key};
use super::group_keys::group_key;
use super::server_config::ServerConfig;
use super::settings::Settings;
use super::topic_config::{InvalidTopicConfig, TopicOverrides};
use super::{group_overrides, no_effect};

/// Longest value, in UTF-16 units as Kafka counts: its `Short.MAX_VALUE`. Bounds what lists grow to.
const VALUE_LENGTH_MAX: usize = 32_767;

/// What is done to one key (KIP-339).
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Operation {
    /// It gets this value.
    Set(String),
    /// It gets back what stands behind it.
    Delete,
    /// These entries are added to its list, save those that are there.
    Append(String),
    /// These entries are taken from its list.
    Subtract(String),
}

/// Operations by key, in the request's order; no key comes twice.
pub type Operations = Vec<(String, Operation)>;

/// For whom a broker key is altered (KIP-226).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum BrokerLevel {
    /// For one broker.
    Broker,
    /// For every broker for which nobody says otherwise.
    ClusterDefault,
}

/// Why a broker's settings are not altered, in Kafka's words.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum InvalidAlteration {
    /// What goes with INVALID_CONFIG.
    #[error("{0}")]
    Config(String),
    /// What goes with INVALID_REQUEST: Kafka's choice for most of what is wrong with a broker's settings.
    #[error("{0}")]
    Request(String),
}

/// A topic's overrides after `operations`; with `replace` (the legacy AlterConfigs) nothing else is left.
pub fn altered_topic(
    overrides: &BTreeMap<String, String>,
    operations: &[(String, Operation)],
    replace: bool,
    settings: &Settings,
) -> Result<TopicOverrides, InvalidTopicConfig> {
    let definition_of = |key: &str| topic_key(key).map(|entry| &entry.definition);
    let altered = operated(overrides, operations, replace, definition_of).map_err(InvalidTopicConfig)?;
    let pairs = altered.iter().map(|(key, value)| (key.as_str(), Some(value.as_str())));
    TopicOverrides::validate_change(pairs, &TopicOverrides::stored(overrides.clone()), settings)
}

/// A group's overrides after `operations`, under the broker's bounds.
pub fn altered_group(
    overrides: &BTreeMap<String, String>,
    operations: &[(String, Operation)],
    replace: bool,
    settings: &Settings,
) -> Result<BTreeMap<String, String>, InvalidAlteration> {
    let definition_of = |key: &str| group_key(key).map(|entry| &entry.definition);
    let altered = operated(overrides, operations, replace, definition_of);
    let altered = altered.map_err(InvalidAlteration::Config)?;
    group_overrides::check(&altered, settings).map_err(InvalidAlteration::Config)?;
    Ok(altered)
}

/// What a topic or a group has after `operations`, or why it cannot be operated upon so.
fn operated(
    overrides: &BTreeMap<String, String>,
    operations: &[(String, Operation)],
    replace: bool,
    definition_of: impl Fn(&str) -> Option<&'static Definition>,
) -> Result<BTreeMap<String, String>, String> {
    let mut altered = if replace { BTreeMap::new() } else { overrides.clone() };
    for (key, operation) in operations {
        let definition = definition_of(key);
        let verb = match operation {
            Operation::Append(_) => "APPEND",
            Operation::Subtract(_) => "SUBTRACT",
            Operation::Set(_) | Operation::Delete => "",
        };
        if !verb.is_empty() && definition.is_none_or(|definition| definition.kind != Kind::List) {
            return Err(format!("Can't {verb} to key {key} because its type is not LIST."));
        }
        apply(&mut altered, definition, key, operation);
    }
    if operations.iter().any(|(key, _)| altered.get(key).is_some_and(|value| is_too_long(value))) {
        return Err(too_long());
    }
    Ok(altered)
}

/// A broker's dynamic settings at one level after `operations`. `current` is what runs, without which nobody
/// can say whether the new whole can be used.
pub fn altered_broker(
    stored: &BTreeMap<String, String>,
    operations: &[(String, Operation)],
    replace: bool,
    level: BrokerLevel,
    current: &ServerConfig,
) -> Result<BTreeMap<String, String>, InvalidAlteration> {
    let mut altered = if replace { BTreeMap::new() } else { stored.clone() };
    for (key, operation) in operations {
        let definition = broker_key(key);
        check_list(key, definition, operation)?;
        apply(&mut altered, definition, key, operation);
    }
    check_dynamic(operations)?;
    for (key, value) in operations.iter().filter_map(|(key, _)| altered.get_key_value(key)) {
        if is_too_long(value) {
            return Err(InvalidAlteration::Config(too_long()));
        }
        let definition = broker_key(key).expect("what is not in the table was refused");
        definition.parse(value).map_err(|error| InvalidAlteration::Request(error.to_string()))?;
    }
    let settings = current.settings.altered_at(level, &altered);
    ServerConfig::from_settings(settings).map_err(|error| InvalidAlteration::Request(error.to_string()))?;
    Ok(altered)
}

fn check_list(
    key: &str,
    definition: Option<&Definition>,
    operation: &Operation,
) -> Result<(), InvalidAlteration> {
    let verb = match operation {
        Operation::Append(_) => "append",
        Operation::Subtract(_) => "subtract",
        Operation::Set(_) | Operation::Delete => return Ok(()),
    };
    match definition {
        Some(definition) if definition.kind == Kind::List => Ok(()),
        Some(_) => Err(InvalidAlteration::Config(format!(
            "Config value {verb} is not allowed for config key: {key}"
        ))),
        None if no_effect::reason(key).is_some() => Ok(()),
        None => Err(unknown(key)),
    }
}

/// Kafka takes any key that it does not know, for plugins to read. There are none here, so that such a key is
/// a slip of the pen.
fn unknown(key: &str) -> InvalidAlteration {
    InvalidAlteration::Config(format!("Unknown config name: {key}"))
}

/// Deleting is always allowed: it is how somebody gets rid of what an older version took.
fn check_dynamic(operations: &[(String, Operation)]) -> Result<(), InvalidAlteration> {
    let set = || {
        operations
            .iter()
            .filter(|(_, operation)| *operation != Operation::Delete)
            .map(|(key, _)| key.as_str())
    };
    if let Some(key) = set().find(|key| broker_key(key).is_none() && no_effect::reason(key).is_none()) {
        return Err(unknown(key));
    }
    let fixed: Vec<&str> =
        set().filter(|key| broker_key(key).is_none_or(|definition| !definition.dynamic)).collect();
    match fixed.as_slice() {
        [] => Ok(()),
        fixed => Err(InvalidAlteration::Request(format!(
            "Cannot update these configs dynamically: [{}]",
            fixed.join(", ")
        ))),
    }
}

fn apply(
    values: &mut BTreeMap<String, String>,
    definition: Option<&Definition>,
    key: &str,
    operation: &Operation,
) {
    let entries = |text: &str| -> Vec<String> {
        let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
        parts.map(str::to_owned).collect()
    };
    // Measured against Kafka 4.3: a list that is not set is taken to be the table's default, not what the
    // layers behind it say.
    let current = || {
        let default = definition.and_then(|definition| definition.default).unwrap_or_default();
        entries(values.get(key).map_or(default, String::as_str))
    };
    let value = match operation {
        Operation::Set(value) => value.clone(),
        Operation::Delete => {
            values.remove(key);
            return;
        }
        Operation::Append(added) => {
            let mut list = current();
            let mut known: HashSet<String> = list.iter().cloned().collect();
            list.extend(entries(added).into_iter().filter(|entry| known.insert(entry.clone())));
            list.join(",")
        }
        Operation::Subtract(taken) => {
            let taken: HashSet<String> = entries(taken).into_iter().collect();
            let list: Vec<String> = current().into_iter().filter(|entry| !taken.contains(entry)).collect();
            list.join(",")
        }
    };
    values.insert(key.to_owned(), value);
}

fn is_too_long(value: &str) -> bool {
    value.encode_utf16().count() > VALUE_LENGTH_MAX
}

fn too_long() -> String {
    format!(
        "The configuration value cannot be added because it exceeds the maximum value size of \
         {VALUE_LENGTH_MAX} bytes."
    )
}

#[cfg(test)]
mod tests;
