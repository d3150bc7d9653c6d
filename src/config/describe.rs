//! What DescribeConfigs shows: every key with its value, where it comes from, and what it means.

use super::definition::Definition;
use super::definitions::{BROKER, TOPIC, TopicDefinition};
use super::settings::{Settings, default_value};
use super::topic_config::{TopicOverrides, inherited};

/// Where a shown value comes from. KIP-226.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ConfigSource {
    /// The topic's own override.
    DynamicTopic,
    /// The broker's file, environment or flags.
    StaticBroker,
    /// The table.
    Default,
}

impl ConfigSource {
    /// The number on the wire. KIP-226: `DescribeConfigsResponse.ConfigSource`.
    pub fn wire_code(self) -> i8 {
        match self {
            ConfigSource::DynamicTopic => 1,
            ConfigSource::StaticBroker => 4,
            ConfigSource::Default => 5,
        }
    }
}

/// A key that would give the value if those above it were not set.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ConfigSynonym {
    /// The key.
    pub name: &'static str,
    /// Its value.
    pub value: Option<String>,
    /// Where that comes from.
    pub source: ConfigSource,
}

/// One key as shown.
#[derive(Clone, PartialEq, Debug)]
pub struct ConfigEntry {
    /// The key with its type and documentation.
    pub definition: &'static Definition,
    /// The value in force; `None` is `null`.
    pub value: Option<String>,
    /// Where it comes from.
    pub source: ConfigSource,
    /// Whether it can be altered by a request.
    pub read_only: bool,
    /// Whether it is a secret; its value is then `None`. No key of the table is one so far.
    pub sensitive: bool,
    /// Itself and what stands behind it, highest first.
    pub synonyms: Vec<ConfigSynonym>,
}

impl ConfigEntry {
    /// Whether nobody set the value (`is_default` of version 0).
    pub fn is_default(&self) -> bool {
        self.source == ConfigSource::Default
    }
}

/// Every key of a topic, in the table's order.
///
/// Measured against Kafka 4.3: of several broker keys only the first counts as a synonym, and the source is
/// that of the first synonym shown; so a topic under `log.retention.hours=1` shows the value and "default".
pub fn describe_topic(overrides: &TopicOverrides, settings: &Settings) -> Vec<ConfigEntry> {
    TOPIC.iter().map(|entry| topic_entry(entry, overrides, settings)).collect()
}

fn topic_entry(
    entry: &'static TopicDefinition,
    overrides: &TopicOverrides,
    settings: &Settings,
) -> ConfigEntry {
    let own = overrides.value(entry);
    let value = own.clone().unwrap_or_else(|| inherited(entry, settings)).to_string();
    let mut synonyms = Vec::new();
    if let Some(own) = own {
        let value = Some(own.to_string());
        synonyms.push(ConfigSynonym {
            name: entry.definition.name,
            value,
            source: ConfigSource::DynamicTopic,
        });
    }
    if let Some(first) = entry.synonyms.first() {
        synonyms.extend(broker_synonyms(first.broker_key, settings));
    }
    let source = synonyms.first().map_or(ConfigSource::Default, |synonym| synonym.source);
    ConfigEntry {
        definition: &entry.definition,
        value: Some(value),
        source,
        read_only: false,
        sensitive: false,
        synonyms,
    }
}

/// Every key of the broker, in the table's order. None can be altered while it runs, so all are read-only.
pub fn describe_broker(settings: &Settings) -> Vec<ConfigEntry> {
    BROKER.iter().map(|definition| broker_entry(definition, settings)).collect()
}

fn broker_entry(definition: &'static Definition, settings: &Settings) -> ConfigEntry {
    let chain = chain_of(definition.name);
    let all = chain.into_iter().flat_map(|key| broker_synonyms(key, settings));
    // Measured against Kafka 4.3: what stands above the key's own first entry is left out.
    let synonyms: Vec<_> = all.skip_while(|synonym| synonym.name != definition.name).collect();
    let source = match settings.explicit(definition.name) {
        Some(_) => ConfigSource::StaticBroker,
        None => ConfigSource::Default,
    };
    let value = settings.value(definition.name).map(|value| value.to_string());
    ConfigEntry { definition, value, source, read_only: true, sensitive: false, synonyms }
}

/// The keys that give one value in different units, first to last; alone where a key is by itself.
fn chain_of(key: &'static str) -> Vec<&'static str> {
    let in_chain = |entry: &&TopicDefinition| entry.synonyms.iter().any(|synonym| synonym.broker_key == key);
    match TOPIC.iter().find(in_chain) {
        Some(entry) => entry.synonyms.iter().map(|synonym| synonym.broker_key).collect(),
        None => vec![key],
    }
}

/// What was set for a broker key and what its default is, where there is either.
fn broker_synonyms(name: &'static str, settings: &Settings) -> impl Iterator<Item = ConfigSynonym> {
    let shown =
        |value: super::value::Value, source| ConfigSynonym { name, value: Some(value.to_string()), source };
    let set = settings.explicit(name).map(|setting| shown(setting.value.clone(), ConfigSource::StaticBroker));
    let default = default_value(name).map(|value| shown(value, ConfigSource::Default));
    set.into_iter().chain(default)
}

#[cfg(test)]
mod tests;
