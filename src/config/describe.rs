//! What DescribeConfigs shows: every key with its value, where it comes from, and what it means.

use std::collections::BTreeMap;

use super::definition::Definition;
use super::definitions::{BROKER, TOPIC, TopicDefinition, broker_key, chain_of};
use super::group_keys::{GROUP, GroupDefinition};
use super::group_overrides;
use super::settings::{Settings, default_value};
use super::topic_config::{TopicOverrides, inherited};

/// Where a shown value comes from. KIP-226.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ConfigSource {
    /// The topic's own override.
    DynamicTopic,
    /// Altered by a request, for this broker.
    DynamicBroker,
    /// Altered by a request, for the whole cluster.
    DynamicDefaultBroker,
    /// The broker's file, environment or flags.
    StaticBroker,
    /// The table.
    Default,
    /// The group's own override.
    Group,
}

impl ConfigSource {
    /// The number on the wire. KIP-226: `DescribeConfigsResponse.ConfigSource`.
    pub fn wire_code(self) -> i8 {
        match self {
            ConfigSource::DynamicTopic => 1,
            ConfigSource::DynamicBroker => 2,
            ConfigSource::DynamicDefaultBroker => 3,
            ConfigSource::StaticBroker => 4,
            ConfigSource::Default => 5,
            ConfigSource::Group => 8,
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
/// Measured against Kafka 4.3: of several broker keys only the first counts as a synonym, with all that
/// stands behind it, and the source is that of the first synonym shown; so a topic under
/// `log.retention.hours=1` shows the value and "default".
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
    shown(&entry.definition, Some(value), synonyms, false)
}

/// Every key of a group, in the table's order. A value that the broker's bounds no longer allow is shown as
/// it was set, as Kafka 4.3 shows it.
pub fn describe_group(overrides: &BTreeMap<String, String>, settings: &Settings) -> Vec<ConfigEntry> {
    GROUP.iter().map(|entry| group_entry(entry, overrides, settings)).collect()
}

fn group_entry(
    entry: &'static GroupDefinition,
    overrides: &BTreeMap<String, String>,
    settings: &Settings,
) -> ConfigEntry {
    let name = entry.definition.name;
    let own = group_overrides::value(entry, overrides).map(|own| own.to_string());
    let inherited = group_overrides::inherited(entry, settings).to_string();
    let value = Some(own.clone().unwrap_or_else(|| inherited.clone()));
    let own = own.map(|own| ConfigSynonym { name, value: Some(own), source: ConfigSource::Group });
    let behind = match entry.broker_key.filter(|key| broker_key(key).is_some()) {
        Some(key) => broker_synonyms(key, settings),
        // This broker does not know the key behind it, or there is none.
        None => {
            let name = entry.broker_key.unwrap_or(name);
            vec![ConfigSynonym { name, value: Some(inherited), source: ConfigSource::Default }]
        }
    };
    shown(&entry.definition, value, own.into_iter().chain(behind).collect(), false)
}

/// Every key of the broker, in the table's order; only those that requests cannot alter are read-only.
pub fn describe_broker(settings: &Settings) -> Vec<ConfigEntry> {
    let entry = |definition: &'static Definition| {
        let value = settings.value(definition.name).map(|value| value.to_string());
        let synonyms = broker_synonyms(definition.name, settings);
        shown(definition, value, synonyms, !definition.dynamic)
    };
    BROKER.iter().map(entry).collect()
}

/// The keys that requests set for the whole cluster, whether or not they are in force here.
pub fn describe_cluster_default(settings: &Settings) -> Vec<ConfigEntry> {
    let (source, layer) = settings.layers()[1];
    let entry = |definition: &'static Definition| {
        let value = Some(layer.get(definition.name)?.value.to_string());
        let synonyms = vec![ConfigSynonym { name: definition.name, value: value.clone(), source }];
        Some(shown(definition, value, synonyms, !definition.dynamic))
    };
    BROKER.iter().filter_map(entry).collect()
}

fn shown(
    definition: &'static Definition,
    value: Option<String>,
    synonyms: Vec<ConfigSynonym>,
    read_only: bool,
) -> ConfigEntry {
    let source = synonyms.first().map_or(ConfigSource::Default, |synonym| synonym.source);
    ConfigEntry { definition, value, source, read_only, sensitive: false, synonyms }
}

/// What is set for a broker key and those of its chain, layer by layer, then their defaults. Measured against
/// Kafka 4.3: what stands above the key's own first entry is left out.
fn broker_synonyms(key: &'static str, settings: &Settings) -> Vec<ConfigSynonym> {
    let chain = chain_of(key);
    let synonym = |name, value: String, source| ConfigSynonym { name, value: Some(value), source };
    let mut synonyms = Vec::new();
    for (source, layer) in settings.layers() {
        let set = chain.iter().filter_map(|name| Some((*name, layer.get(name)?.value.to_string())));
        synonyms.extend(set.map(|(name, value)| synonym(name, value, source)));
    }
    let defaults = chain.iter().filter_map(|name| Some((*name, default_value(name)?.to_string())));
    synonyms.extend(defaults.map(|(name, value)| synonym(name, value, ConfigSource::Default)));
    synonyms.into_iter().skip_while(|synonym| synonym.name != key).collect()
}

#[cfg(test)]
mod tests;
