//! Altering settings while the broker runs: of topics, of groups, of this broker, of the cluster.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::tiering::MANIFESTS_TRIED_MAX;
use super::{Broker, open};
use crate::cluster::{Change, Compare, MetadataError, MetadataStore, Transaction};
use crate::config::{
    BrokerLevel, InvalidAlteration, Operations, ServerConfig, TopicOverrides, altered_broker, altered_group,
    altered_topic,
};
use crate::metadata::{ClusterImage, TierDeletion, TopicImage, keys};
use crate::model::TopicPartition;
use crate::partition::Storage;

/// Settings that one request may alter. As Kafka's `MAX_RECORDS_PER_USER_OP`.
pub const OPERATIONS_MAX: usize = 10_000;
/// Bytes of the records that one request may rewrite: one entry of the WAL.
const ALTERED_BYTES_MAX: usize = 4 << 20;
/// Targets that are looked at before other tasks of the thread get their turn.
const TARGETS_PER_TURN: usize = 64;

/// Whose settings are altered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ConfigTarget {
    /// A topic's, by its name, which is valid.
    Topic(String),
    /// This broker's, or those of the whole cluster.
    Broker(BrokerLevel),
    /// A group's, by its id, which is not empty; there need not be such a group.
    Group(String),
}

/// What one request wants of one target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigAlteration {
    /// Whose settings; no request names one twice.
    pub target: ConfigTarget,
    /// What is done to which key.
    pub operations: Operations,
    /// Whether keys that are not named lose their values (the legacy AlterConfigs).
    pub replace: bool,
}

/// Why a target's settings stay as they are.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AlterConfigsError {
    /// A key or value is wrong.
    #[error("{0}")]
    InvalidConfig(String),
    /// A broker's key or value is wrong, where Kafka blames the request.
    #[error("{0}")]
    InvalidRequest(String),
    /// No topic of that name.
    #[error("The topic '{0}' does not exist.")]
    UnknownTopic(String),
    /// More than one request may alter.
    #[error("Unable to perform excessively large batch operation.")]
    TooMuch,
    /// The change could not be made durable.
    #[error(transparent)]
    Metadata(#[from] MetadataError),
}

impl From<InvalidAlteration> for AlterConfigsError {
    fn from(invalid: InvalidAlteration) -> AlterConfigsError {
        match invalid {
            InvalidAlteration::Config(words) => AlterConfigsError::InvalidConfig(words),
            InvalidAlteration::Request(words) => AlterConfigsError::InvalidRequest(words),
        }
    }
}

impl Broker {
    /// Alters settings, those that can be together in one durable transaction: a result for each, in order.
    /// When this returns they are in force.
    ///
    /// With `validate_only` everything is checked and nothing changes.
    pub async fn alter_configs(
        &self,
        alterations: &[ConfigAlteration],
        validate_only: bool,
    ) -> Vec<Result<(), AlterConfigsError>> {
        let operations: usize = alterations.iter().map(|alteration| alteration.operations.len()).sum();
        if operations > OPERATIONS_MAX {
            return vec![Err(AlterConfigsError::TooMuch); alterations.len()];
        }
        let _one_at_a_time = self.topic_changes.lock().await;
        let (image, config) = (self.image(), self.config());
        let mut changes = Transaction::default();
        let mut results = Vec::with_capacity(alterations.len());
        let mut bytes = 0;
        for (index, alteration) in alterations.iter().enumerate() {
            let so_far = changes.changes.len();
            results.push(self.plan_alteration(&image, &config, alteration, &mut changes));
            bytes += changes.changes[so_far..].iter().map(bytes_of).sum::<usize>();
            // A topic's record is rewritten whole, however little of it changes.
            if bytes > ALTERED_BYTES_MAX {
                return vec![Err(AlterConfigsError::TooMuch); alterations.len()];
            }
            if index % TARGETS_PER_TURN == TARGETS_PER_TURN - 1 {
                tokio::task::yield_now().await;
            }
        }
        if validate_only || changes.changes.is_empty() {
            return results;
        }
        if let Err(error) = self.make_alterations(changes, &results, alterations).await {
            results
                .iter_mut()
                .filter(|result| result.is_ok())
                .for_each(|result| *result = Err(error.clone()));
        }
        results
    }

    /// Adds what an alteration changes to the transaction; nothing where nothing changes.
    fn plan_alteration(
        &self,
        image: &ClusterImage,
        config: &ServerConfig,
        alteration: &ConfigAlteration,
        transaction: &mut Transaction,
    ) -> Result<(), AlterConfigsError> {
        let ConfigAlteration { target, operations, replace } = alteration;
        let changes = match target {
            ConfigTarget::Topic(name) => {
                let topic = image.topic(name);
                let nothing = BTreeMap::new();
                let overrides = topic.map_or(&nothing, |topic| &topic.configs);
                // Measured against Kafka 4.3: what is asked for is looked at before whether there is a topic.
                let altered = altered_topic(overrides, operations, *replace, &config.settings)
                    .map_err(|error| AlterConfigsError::InvalidConfig(error.to_string()))?;
                let topic = topic.ok_or_else(|| AlterConfigsError::UnknownTopic(name.clone()))?;
                // In Kafka's words, which refuses it because they are compacted.
                if open::is_internal(name) && altered.asks_for_tier(&config.settings) {
                    let words = "Remote log storage only supports topics with cleanup.policy=delete or \
                                 cleanup.policy being an empty list.";
                    return Err(AlterConfigsError::InvalidConfig(words.to_owned()));
                }
                let record = altered_record(topic, &altered).map(|(key, value)| Change::Put(key, value));
                let asked = TopicOverrides::stored(overrides.clone()).asks_for_tier(&config.settings);
                let leaves = asked && !altered.asks_for_tier(&config.settings);
                let tiers = if leaves { leaving_tier(image, topic) } else { Vec::new() };
                record.into_iter().chain(tiers).collect()
            }
            ConfigTarget::Broker(level) => {
                let node_id = (*level == BrokerLevel::Broker).then_some(self.node_id);
                let nothing = BTreeMap::new();
                let stored = image.broker_configs().get(&node_id).unwrap_or(&nothing);
                let altered = altered_broker(stored, operations, *replace, *level, config)?;
                let value = || serde_json::to_vec(&altered).expect("strings are always JSON");
                let change =
                    (altered != *stored).then(|| Change::Put(keys::broker_configs(node_id), value()));
                Vec::from_iter(change)
            }
            ConfigTarget::Group(group_id) => {
                let nothing = BTreeMap::new();
                let stored = image.group_configs().get(group_id.as_str()).map_or(&nothing, |stored| stored);
                let altered = altered_group(stored, operations, *replace, &config.settings)?;
                Vec::from_iter((altered != *stored).then(|| group_change(group_id, &altered)))
            }
        };
        for change in changes {
            let (Change::Put(key, _) | Change::Delete(key)) = &change;
            transaction.compares.push(match self.metadata.get(key) {
                Some(current) => Compare::Unchanged(key.clone(), current.revision),
                None => Compare::Absent(key.clone()),
            });
            transaction.changes.push(change);
        }
        Ok(())
    }

    /// Durable before anybody is told or any log follows: a setting that a crash takes back must not have
    /// deleted or refused a record.
    async fn make_alterations(
        &self,
        transaction: Transaction,
        results: &[Result<(), AlterConfigsError>],
        alterations: &[ConfigAlteration],
    ) -> Result<(), AlterConfigsError> {
        let applied = self.metadata.transact(transaction).await?;
        self.publish(applied.image);
        let altered = alterations.iter().zip(results).filter(|(_, result)| result.is_ok());
        let targets: Vec<ConfigTarget> = altered.map(|(alteration, _)| alteration.target.clone()).collect();
        let (storage, image, config) = (self.storage.clone(), self.image(), self.config());
        // Every topic under a broker's settings takes its time.
        let followed = tokio::task::spawn_blocking(move || follow(&storage, &image, &config, &targets));
        followed.await.expect("changing a log's settings does not panic");
        Ok(())
    }
}

fn bytes_of(change: &Change) -> usize {
    match change {
        Change::Put(key, value) => key.len() + value.len(),
        Change::Delete(key) => key.len(),
    }
}

/// A group without settings leaves nothing behind: nobody else would ever take it away.
fn group_change(group_id: &str, overrides: &BTreeMap<String, String>) -> Change {
    let key = keys::group_configs(group_id);
    match overrides.is_empty() {
        true => Change::Delete(key),
        false => Change::Put(key, serde_json::to_vec(overrides).expect("strings are always JSON")),
    }
}

/// What follows from `remote.log.delete.on.disable`, as in Kafka: the log of each partition begins where the
/// disk does, nobody knows any more of what was in the tier, and its objects are to go.
///
/// In one transaction with the setting, so that no crash leaves a log whose first part is nowhere.
fn leaving_tier(image: &ClusterImage, topic: &TopicImage) -> Vec<Change> {
    let of_partition = |id: TopicPartition| {
        let (start, local_start) = (image.log_start(id), image.local_log_start(id));
        let moved = || Change::Put(keys::log_start(id), keys::offset_value(local_start));
        let tier = image.tier(id).map(|_| Change::Delete(keys::tier(id)));
        (local_start > start).then(moved).into_iter().chain(tier)
    };
    let manifests = topic.topic_partitions().filter_map(|id| Some(image.tier(id)?.manifest));
    let before = image.tier_deletion(topic.topic_id).and_then(|deletion| deletion.manifest_max);
    // Beside those that were current there may be as many as one change tries.
    let manifest_max = manifests.chain(before).max().unwrap_or(0) + u64::from(MANIFESTS_TRIED_MAX);
    let deletion = TierDeletion { manifest_max: Some(manifest_max) };
    let objects = Change::Put(keys::tier_deletion(topic.topic_id), deletion.encode());
    topic.topic_partitions().flat_map(of_partition).chain([objects]).collect()
}

/// A topic's key and record with other overrides; `None` if they are those it has.
fn altered_record(topic: &TopicImage, overrides: &TopicOverrides) -> Option<(String, Vec<u8>)> {
    if topic.configs == *overrides.as_map() {
        return None;
    }
    let mut record = topic.record();
    record.configs = overrides.as_map().clone();
    let value = serde_json::to_vec(&record).expect("strings and numbers are always JSON");
    Some((keys::topic(&topic.name), value))
}

/// Lets the open logs of what was altered follow.
fn follow(storage: &Storage, image: &ClusterImage, config: &ServerConfig, targets: &[ConfigTarget]) {
    let is_broker = |target: &ConfigTarget| matches!(target, ConfigTarget::Broker(_));
    let topics: Vec<&Arc<TopicImage>> = match targets.iter().any(is_broker) {
        true => image.topics().collect(),
        false => targets
            .iter()
            .filter_map(|target| match target {
                ConfigTarget::Topic(name) => image.topic(name),
                ConfigTarget::Broker(_) | ConfigTarget::Group(_) => None,
            })
            .collect(),
    };
    for topic in topics {
        let log_config = open::log_config(&topic.name, &open::topic_config(config, &topic.configs));
        for partition in topic.topic_partitions().filter_map(|id| storage.partition(id)) {
            partition.log().set_config(log_config);
            // It moved if the topic has left the tier; what lies below is gone.
            partition.set_log_start_offset(image.log_start(partition.topic_partition()));
        }
    }
}

#[cfg(test)]
mod tests;
