//! Settings by Kafka's own names: where they come from, what they may be, what they mean.
//!
//! **Owns** the table of keys (`definitions`), their reading from file, environment and flags with the origin
//! of each kept, the typed `ServerConfig`, per-topic `TopicConfig`, what is set on groups, listeners, and the
//! descriptions DescribeConfigs shows.
//! **Does not own** their effect: a room takes the values it needs as plain numbers. It logs nothing;
//! warnings are returned as data. It does not open sockets or data directories.
//! **Invariants**: altered for the broker > altered for the cluster > flag > environment > file >
//! default. Every key is typed and bounded before anyone sees a
//! value. A key that is not in the table is never silently dropped. A topic's effective value is computed in
//! one place.

mod alteration;
#[cfg(test)]
mod coverage;
mod definition;
mod definitions;
mod describe;
mod environment;
mod error;
mod group_keys;
mod group_overrides;
mod group_settings;
mod listeners;
mod no_effect;
mod properties;
mod reference;
mod server_config;
mod settings;
mod suggest;
mod tier_settings;
mod tiering;
mod topic_config;
mod transaction_settings;
mod value;

pub use alteration::{
    BrokerLevel, InvalidAlteration, Operation, Operations, altered_broker, altered_group, altered_topic,
};
pub use definition::{Allowed, Definition, Kind};
pub use definitions::{BROKER, Synonym, TOPIC, TopicDefinition};
pub use describe::{
    ConfigEntry, ConfigSource, ConfigSynonym, describe_broker, describe_cluster_default, describe_group,
    describe_topic,
};
pub use error::ConfigError;
pub use group_keys::{GROUP, GroupDefinition};
pub use group_overrides::ConsumerOverrides;
pub use group_settings::{ConsumerGroupConfig, GroupConfig};
pub use listeners::{AdvertisedListener, Host, Listener, SecurityProtocol};
pub use reference::reference_properties;
pub use server_config::{
    AdminListener, CleanerSettings, LogDefaults, ServerConfig, SocketLimits, SyncMode, WalLimits,
};
pub use settings::{Layers, Origin, Setting, Settings, Warning};
pub use tier_settings::TierConfig;
pub use tiering::{Bounds, TieringConfig, TopicTiering};
pub use topic_config::{
    Cleanup, Compression, InvalidTopicConfig, TimestampType, TopicConfig, TopicOverrides,
};
pub use transaction_settings::TransactionConfig;
pub use value::{InvalidValue, Value};
