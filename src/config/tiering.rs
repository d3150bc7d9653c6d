//! Settings of tiered storage (KIP-405, KIP-950), and which of them go together.

use std::time::Duration;

use super::definitions::topic_key;
use super::error::ConfigError;
use super::server_config::{duration, number};
use super::settings::Settings;
use super::topic_config::{InvalidTopicConfig, TopicConfig, inherited};
use super::value::Value;

/// Where segments go; nothing is tiered where it is empty.
const STORE: &str = "highwater.tier.store";
const DEFAULT_ENABLE: &str = "highwater.tier.default.enable";
/// A local bound that is the bound of the whole log.
const INHERITED: i64 = -2;
/// No bound.
const NONE: i64 = -1;

/// How segments are copied to the tier, and how long what nothing names is kept there.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TieringConfig {
    /// `remote.log.manager.task.interval.ms`.
    pub interval: Duration,
    /// `highwater.tier.catalogue.interval.ms`.
    pub catalogue_interval: Duration,
    /// `highwater.tier.grace.ms`.
    pub grace: Duration,
    /// `highwater.tier.upload.bytes.per.second`; 0 sets no bound.
    pub upload_bytes_per_second: u64,
    /// `highwater.tier.default.enable`: new topics are tiered that say nothing of it.
    pub default_enable: bool,
    /// `remote.fetch.max.wait.ms`.
    pub fetch_wait: Duration,
    /// `remote.list.offsets.request.timeout.ms`.
    pub list_offsets_wait: Duration,
    /// `highwater.tier.memory.bytes`: of everything that is on its way to the tier or from there.
    pub memory_bytes: usize,
}

pub(super) fn tiering(settings: &Settings) -> TieringConfig {
    TieringConfig {
        interval: duration(settings, "remote.log.manager.task.interval.ms"),
        catalogue_interval: duration(settings, "highwater.tier.catalogue.interval.ms"),
        grace: duration(settings, "highwater.tier.grace.ms"),
        upload_bytes_per_second: number(settings, "highwater.tier.upload.bytes.per.second"),
        default_enable: settings.boolean(DEFAULT_ENABLE),
        fetch_wait: duration(settings, "remote.fetch.max.wait.ms"),
        list_offsets_wait: duration(settings, "remote.list.offsets.request.timeout.ms"),
        memory_bytes: number(settings, "highwater.tier.memory.bytes"),
    }
}

/// Whether the broker has a place for what leaves the disk.
pub(super) fn has_store(settings: &Settings) -> bool {
    match settings.explicit(STORE).map(|setting| &setting.value) {
        Some(Value::Text(place)) => !place.is_empty(),
        _ => false,
    }
}

/// A bound of the disk and that of the whole log, as they are set: age in milliseconds, or size in bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Bounds {
    /// `local.retention.ms` or `local.retention.bytes`.
    pub local: i64,
    /// `retention.ms` or `retention.bytes`.
    pub total: i64,
}

impl Bounds {
    /// The local bound in force, if there is one.
    fn effective(self) -> Option<u64> {
        let bound = if self.local == INHERITED { self.total } else { self.local };
        u64::try_from(bound).ok()
    }

    /// Kafka's words where the disk would keep more than the log.
    fn objection(self, local_key: &str, total_key: &str) -> Option<String> {
        let Bounds { local, total } = self;
        if total <= NONE || local == INHERITED {
            return None;
        }
        let reason = match local {
            NONE => format!("Value must not be -1 as {total_key} value is set as {total}."),
            _ if local > total => format!("Value must not be more than {total_key} property value: {total}"),
            _ => return None,
        };
        Some(format!("Invalid value {local} for configuration {local_key}: {reason}"))
    }
}

/// What a topic's settings say of the tier.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TopicTiering {
    /// `remote.storage.enable`, whether or not there is a store.
    pub enable: bool,
    /// `remote.log.copy.disable`: nothing more is copied.
    pub copy_disable: bool,
    /// `remote.log.delete.on.disable`: what was copied is deleted when `enable` is taken back.
    pub delete_on_disable: bool,
    /// By age.
    pub age: Bounds,
    /// By size.
    pub size: Bounds,
}

impl TopicTiering {
    /// `local.retention.ms` in force: `None` sets no bound.
    pub fn local_retention(&self) -> Option<Duration> {
        self.age.effective().map(Duration::from_millis)
    }

    /// `local.retention.bytes` in force: `None` sets no bound.
    pub fn local_retention_bytes(&self) -> Option<u64> {
        self.size.effective()
    }
}

/// What a topic was before its settings were altered.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Before {
    /// `remote.storage.enable`.
    pub is_enabled: bool,
    /// `cleanup.policy` had `compact`.
    pub is_compacted: bool,
}

/// A topic in the tier is compacted if its own settings say so.
pub(super) fn check_policy(topic: &TopicConfig, inherits_compaction: bool) -> Result<(), InvalidTopicConfig> {
    if !topic.tiering.enable || !inherits_compaction {
        return Ok(());
    }
    Err(InvalidTopicConfig(
        "A topic in the tier does not follow a default of `cleanup.policy` that has `compact`, as what is \
         there could not follow when that changes. Set `cleanup.policy` for the topic."
            .to_owned(),
    ))
}

/// Whether a topic's settings go together. Order and words are Kafka's
/// `LogConfig.validateTopicLogConfigValues`, but for compacted topics: Kafka refuses these.
///
/// A topic in the tier does not become compacted: what is there was copied with records that were taken back,
/// and the markers that say so may be on the disk alone (ADR 35).
pub(super) fn check_topic(
    topic: &TopicConfig,
    before: Before,
    has_store: bool,
) -> Result<(), InvalidTopicConfig> {
    let refuse = |message: &str| Err(InvalidTopicConfig(message.to_owned()));
    let tiering = &topic.tiering;
    if !tiering.enable {
        return match before.is_enabled && !tiering.delete_on_disable {
            true => refuse(
                "It is invalid to disable remote storage without deleting remote data. If you want to keep \
                 the remote data and turn to read only, please set \
                 `remote.storage.enable=true,remote.log.copy.disable=true`. If you want to disable remote \
                 storage and delete all remote data, please set \
                 `remote.storage.enable=false,remote.log.delete.on.disable=true`.",
            ),
            false => Ok(()),
        };
    }
    if !has_store {
        return refuse(
            "Tiered Storage functionality is disabled in the broker. \
             Topic cannot be configured with remote log storage.",
        );
    }
    if topic.cleanup.compact && before.is_enabled && !before.is_compacted {
        return refuse(
            "A topic in the tier cannot become compacted: what is there was copied as it came. Set \
             `remote.storage.enable=false,remote.log.delete.on.disable=true` first, which deletes it there; \
             then set `cleanup.policy`, and `remote.storage.enable=true` again.",
        );
    }
    let size = tiering.size.objection("local.retention.bytes", "retention.bytes");
    let age = tiering.age.objection("local.retention.ms", "retention.ms");
    if let Some(objection) = size.or(age) {
        return Err(InvalidTopicConfig(objection));
    }
    for (bounds, kind) in [(tiering.size, "bytes"), (tiering.age, "ms")] {
        if tiering.copy_disable && bounds.local != INHERITED && bounds.local != bounds.total {
            return Err(InvalidTopicConfig(format!(
                "When `remote.log.copy.disable` is set to true, the `local.retention.{kind}` and \
                 `retention.{kind}` must be set to the identical value because there will be no more logs \
                 copied to the remote storage."
            )));
        }
    }
    Ok(())
}

/// Whether the defaults of topics go together, where there is a store.
pub(super) fn check_defaults(settings: &Settings) -> Result<(), ConfigError> {
    if !has_store(settings) {
        let reason =
            "topics would be tiered, and there is no highwater.tier.store; set one, or remove the key";
        return match settings.boolean(DEFAULT_ENABLE) {
            true => Err(settings.invalid(DEFAULT_ENABLE, reason)),
            false => Ok(()),
        };
    }
    let number = |key: &str| match inherited(topic_key(key).expect("it is in the table"), settings) {
        Value::Number(number) => number,
        _ => unreachable!("{key} is a number in the table"),
    };
    for kind in ["bytes", "ms"] {
        let (local, total) = (format!("local.retention.{kind}"), format!("retention.{kind}"));
        let bounds = Bounds { local: number(&local), total: number(&total) };
        if let Some(objection) = bounds.objection(&local, &total) {
            let key = if kind == "ms" { "log.local.retention.ms" } else { "log.local.retention.bytes" };
            return Err(settings.invalid(key, objection));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
