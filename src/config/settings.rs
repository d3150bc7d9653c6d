//! Layers of keys and values, the later above the earlier, checked against the table.

use std::collections::BTreeMap;
use std::fmt;

use super::alteration::BrokerLevel;
use super::definition::Definition;
use super::definitions::{BROKER, broker_key, chain_of};
use super::describe::ConfigSource;
use super::error::ConfigError;
use super::value::Value;
use super::{environment, no_effect, properties, suggest};

/// Who set a value.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Origin {
    /// Nobody: it is the table's.
    Default,
    /// A line of a file.
    File {
        /// The file, as it was named.
        path: String,
        /// Line, from 1.
        line: u32,
    },
    /// An environment variable of that name.
    Environment(String),
    /// `--override` on the command line.
    Flag,
    /// A request, for the whole cluster.
    ClusterDefault,
    /// A request, for this broker.
    Broker,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::Default => f.write_str("the default"),
            Origin::File { path, line } => write!(f, "{path}, line {line}"),
            Origin::Environment(variable) => write!(f, "environment variable {variable}"),
            Origin::Flag => f.write_str("--override"),
            Origin::ClusterDefault => f.write_str("altered for the cluster"),
            Origin::Broker => f.write_str("altered for this broker"),
        }
    }
}

/// Something about a configuration that somebody should see, and that prevents nothing.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Warning {
    /// Nobody knows the key.
    UnknownKey {
        /// The key.
        key: String,
        /// Who set it.
        origin: Origin,
        /// The known key it may be a slip of.
        nearest: Option<&'static str>,
    },
    /// Keys of Kafka that do nothing here, gathered by the reason.
    NoEffect {
        /// Why not.
        reason: &'static str,
        /// The keys that were set.
        keys: Vec<String>,
    },
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Warning::UnknownKey { key, origin, nearest: Some(nearest) } => {
                write!(f, "unknown key {key} ({origin}) is ignored; did you mean {nearest}?")
            }
            Warning::UnknownKey { key, origin, nearest: None } => {
                write!(
                    f,
                    "unknown key {key} ({origin}) is ignored; config/reference.properties lists every key"
                )
            }
            Warning::NoEffect { reason, keys } => write!(f, "ignored, because {reason}: {}", keys.join(", ")),
        }
    }
}

/// A value with its origin.
#[derive(Clone, PartialEq, Debug)]
pub struct Setting {
    /// Checked against its key.
    pub value: Value,
    /// Who set it; never `Default`.
    pub origin: Origin,
}

/// Keys and values as they were found, lowest layer first.
#[derive(Default, Debug)]
pub struct Layers {
    found: Vec<(String, String, Origin)>,
}

impl Layers {
    /// Adds the properties of a file; `path` only names it.
    pub fn file(&mut self, path: &str, text: &str) -> Result<(), ConfigError> {
        let read = properties::parse(text).map_err(|error| ConfigError::File {
            path: path.to_owned(),
            source: std::io::Error::new(std::io::ErrorKind::InvalidData, error),
        })?;
        for property in read {
            let origin = Origin::File { path: path.to_owned(), line: property.line };
            self.found.push((property.key, property.value, origin));
        }
        Ok(())
    }

    /// Adds those variables that are settings. Their order does not count.
    pub fn environment(&mut self, variables: impl Iterator<Item = (String, String)>) {
        let mut taken: Vec<_> = variables
            .filter_map(|(name, value)| Some((environment::key_of(&name)?, value, Origin::Environment(name))))
            .collect();
        taken.sort_by(|a, b| (&a.0, &a.2).cmp(&(&b.0, &b.2)));
        self.found.extend(taken);
    }

    /// Adds one `--override`.
    pub fn flag(&mut self, key: &str, value: &str) {
        self.found.push((key.to_owned(), value.to_owned(), Origin::Flag));
    }

    /// Lets the higher layer win, checks every value that is left, and says what has no effect.
    pub fn resolve(self) -> Result<(Settings, Vec<Warning>), ConfigError> {
        let mut winners = BTreeMap::new();
        for (key, value, origin) in self.found {
            winners.insert(key, (value, origin));
        }
        let mut settings = Settings::default();
        let mut unknown = Vec::new();
        let mut idle: BTreeMap<&'static str, Vec<String>> = BTreeMap::new();
        for (key, (text, origin)) in winners {
            if let Some(definition) = broker_key(&key) {
                let value = parse(definition, &text, &origin)?;
                settings.fixed.insert(definition.name, Setting { value, origin });
            } else if let Some(reason) = no_effect::reason(&key) {
                idle.entry(reason).or_default().push(key);
            } else {
                let known = BROKER.iter().map(|definition| definition.name).chain(no_effect::names());
                let nearest = suggest::nearest(&key, known);
                unknown.push(Warning::UnknownKey { key, origin, nearest });
            }
        }
        let no_effect = idle.into_iter().map(|(reason, keys)| Warning::NoEffect { reason, keys });
        let warnings = unknown.into_iter().chain(no_effect).collect();
        settings.set = settings.fixed.clone();
        Ok((settings, warnings))
    }
}

fn parse(definition: &Definition, text: &str, origin: &Origin) -> Result<Value, ConfigError> {
    definition.parse(text).map_err(|error| ConfigError::Invalid {
        key: error.key,
        value: text.to_owned(),
        origin: origin.clone(),
        reason: error.reason,
    })
}

type Layer = BTreeMap<&'static str, Setting>;

/// The broker's keys that somebody set; for the others the table's default holds.
#[derive(Clone, PartialEq, Default, Debug)]
pub struct Settings {
    /// Of file, environment and flags, as the broker was started.
    fixed: Layer,
    /// What requests set for the cluster, and for this broker.
    cluster: Layer,
    broker: Layer,
    /// What of all that is in force.
    set: Layer,
}

impl Settings {
    /// The same start with these alterations by requests, key and value as they were stored. What this
    /// version cannot read, or does not let requests alter, counts as not set.
    pub fn altered(&self, cluster: &BTreeMap<String, String>, broker: &BTreeMap<String, String>) -> Settings {
        let (cluster, broker) = (layer(cluster, &Origin::ClusterDefault), layer(broker, &Origin::Broker));
        Settings::of_layers(self.fixed.clone(), cluster, broker)
    }

    /// The same with other alterations at one level.
    pub(super) fn altered_at(&self, level: BrokerLevel, stored: &BTreeMap<String, String>) -> Settings {
        let fixed = self.fixed.clone();
        match level {
            BrokerLevel::Broker => {
                Settings::of_layers(fixed, self.cluster.clone(), layer(stored, &Origin::Broker))
            }
            BrokerLevel::ClusterDefault => {
                Settings::of_layers(fixed, layer(stored, &Origin::ClusterDefault), self.broker.clone())
            }
        }
    }

    fn of_layers(fixed: Layer, cluster: Layer, broker: Layer) -> Settings {
        let mut set = fixed.clone();
        for (key, setting) in cluster.iter().chain(&broker) {
            // KIP-226: whichever of `log.roll.ms` and `log.roll.hours` is set in the higher layer counts.
            chain_of(key).iter().for_each(|name| drop(set.remove(name)));
            set.insert(key, setting.clone());
        }
        Settings { fixed, cluster, broker, set }
    }

    /// What is set for a key in each layer, the highest first.
    pub(super) fn layers(&self) -> [(ConfigSource, &Layer); 3] {
        [
            (ConfigSource::DynamicBroker, &self.broker),
            (ConfigSource::DynamicDefaultBroker, &self.cluster),
            (ConfigSource::StaticBroker, &self.fixed),
        ]
    }

    /// What somebody set, if anybody did.
    pub fn explicit(&self, key: &str) -> Option<&Setting> {
        self.set.get(key)
    }

    /// Whether nobody set anything.
    pub fn is_empty(&self) -> bool {
        self.set.is_empty()
    }

    /// Who set the value in force.
    pub fn origin(&self, key: &str) -> Origin {
        self.explicit(key).map_or(Origin::Default, |setting| setting.origin.clone())
    }

    /// The value in force; `None` is Kafka's `null`. The key must be in the table.
    pub fn value(&self, key: &str) -> Option<Value> {
        match self.explicit(key) {
            Some(setting) => Some(setting.value.clone()),
            None => default_value(key),
        }
    }

    /// A number that has a default.
    pub(super) fn number(&self, key: &str) -> i64 {
        match self.value(key) {
            Some(Value::Number(number)) => number,
            _ => unreachable!("{key} is a number with a default in the table"),
        }
    }

    /// A boolean that has a default.
    pub(super) fn boolean(&self, key: &str) -> bool {
        match self.value(key) {
            Some(Value::Boolean(boolean)) => boolean,
            _ => unreachable!("{key} is a boolean with a default in the table"),
        }
    }

    /// A text; the empty one where there is none.
    pub(super) fn text(&self, key: &str) -> String {
        match self.value(key) {
            None => String::new(),
            Some(Value::Text(text)) => text,
            _ => unreachable!("{key} is a text in the table"),
        }
    }

    /// A list; the empty one where there is none.
    pub(super) fn list(&self, key: &str) -> Vec<String> {
        match self.value(key) {
            None => Vec::new(),
            Some(Value::List(list)) => list,
            _ => unreachable!("{key} is a list in the table"),
        }
    }

    /// The error that says why the value in force cannot be used.
    pub(super) fn invalid(&self, key: &str, reason: impl Into<String>) -> ConfigError {
        let value = self.value(key).map(|value| value.to_string()).unwrap_or_default();
        ConfigError::Invalid { key: key.to_owned(), value, origin: self.origin(key), reason: reason.into() }
    }
}

fn layer(stored: &BTreeMap<String, String>, origin: &Origin) -> Layer {
    let readable = stored.iter().filter_map(|(key, text)| {
        let definition = broker_key(key).filter(|definition| definition.dynamic)?;
        let value = definition.parse(text).ok()?;
        Some((definition.name, Setting { value, origin: origin.clone() }))
    });
    readable.collect()
}

/// What the table says for a key that nobody set.
pub(super) fn default_value(key: &str) -> Option<Value> {
    let definition = broker_key(key).expect("only keys of the table are asked for");
    let default = definition.default?;
    Some(definition.parse(default).expect("a default obeys its own bounds: a test holds this"))
}

#[cfg(test)]
mod tests;
