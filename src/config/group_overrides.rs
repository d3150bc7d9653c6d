//! A group's settings: its overrides over the broker's values.

use std::collections::BTreeMap;
use std::time::Duration;

use super::group_keys::{GROUP, GroupDefinition, SESSIONS, group_key};
use super::settings::{Settings, default_value};
use super::value::Value;

/// What was set on one consumer group, within the bounds that the broker has now.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct ConsumerOverrides {
    /// `consumer.session.timeout.ms`.
    pub session_timeout: Option<Duration>,
    /// `consumer.heartbeat.interval.ms`.
    pub heartbeat_interval: Option<Duration>,
    /// `consumer.assignment.interval.ms`.
    pub assignment_interval: Option<Duration>,
}

impl ConsumerOverrides {
    /// Of what was stored. The broker's bounds may have changed since it was: what lies outside of them is
    /// taken to the nearer one, as Kafka 4.3 does.
    pub fn effective(stored: &BTreeMap<String, String>, settings: &Settings) -> ConsumerOverrides {
        let duration = |key: &str| {
            let entry = group_key(key).expect("only keys of the table are asked for");
            let Value::Number(number) = value(entry, stored)? else { return None };
            let (least, most) = bounds(entry, settings);
            let number = number.max(least.unwrap_or(number)).min(most.unwrap_or(number));
            Some(Duration::from_millis(u64::try_from(number).unwrap_or_default()))
        };
        ConsumerOverrides {
            session_timeout: duration("consumer.session.timeout.ms"),
            heartbeat_interval: duration("consumer.heartbeat.interval.ms"),
            assignment_interval: duration("consumer.assignment.interval.ms"),
        }
    }
}

/// What was set, if this version can read it.
pub(super) fn value(entry: &GroupDefinition, stored: &BTreeMap<String, String>) -> Option<Value> {
    entry.definition.parse(stored.get(entry.definition.name)?).ok()
}

/// What holds where nothing is set: the broker's value, or the default where it has none.
pub(super) fn inherited(entry: &GroupDefinition, settings: &Settings) -> Value {
    let known = entry.broker_key.and_then(super::definitions::broker_key);
    let of_broker = known.and_then(|known| settings.value(known.name).or_else(|| default_value(known.name)));
    of_broker.unwrap_or_else(|| {
        let default = entry.definition.default.expect("every group key has a default: a test holds this");
        entry.definition.parse(default).expect("a default obeys its own bounds: a test holds this")
    })
}

fn bounds(entry: &GroupDefinition, settings: &Settings) -> (Option<i64>, Option<i64>) {
    let value = |bound: Option<super::group_keys::Bound>| bound.map(|bound| bound.value(settings));
    (value(entry.least), value(entry.most))
}

/// Checks what a group would have, in Kafka's order and words: names, values, the broker's bounds.
pub(super) fn check(overrides: &BTreeMap<String, String>, settings: &Settings) -> Result<(), String> {
    if let Some(key) = overrides.keys().find(|key| group_key(key).is_none()) {
        return Err(format!("Unknown group config name: {key}"));
    }
    for entry in GROUP {
        if let Some(text) = overrides.get(entry.definition.name) {
            entry.definition.parse(text).map_err(|error| error.to_string())?;
        }
    }
    for entry in GROUP {
        check_bounds(entry, overrides, settings)?;
    }
    let number = |key: &str| {
        let entry = group_key(key).expect("the pairs are keys of the table");
        match value(entry, overrides).unwrap_or_else(|| inherited(entry, settings)) {
            Value::Number(number) => number,
            _ => unreachable!("{key} is a number in the table"),
        }
    };
    match SESSIONS.iter().find(|(timeout, interval)| number(timeout) <= number(interval)) {
        Some((timeout, interval)) => Err(format!("{timeout} must be greater than {interval}")),
        None => Ok(()),
    }
}

fn check_bounds(
    entry: &GroupDefinition,
    overrides: &BTreeMap<String, String>,
    settings: &Settings,
) -> Result<(), String> {
    let Some(Value::Number(number)) = value(entry, overrides) else { return Ok(()) };
    let name = entry.definition.name;
    if let Some(least) = entry.least.filter(|least| number < least.value(settings)) {
        return Err(format!("{name} must be greater than or equal to {}", least.broker_key));
    }
    if let Some(most) = entry.most.filter(|most| number > most.value(settings)) {
        return Err(format!("{name} must be less than or equal to {}", most.broker_key));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
