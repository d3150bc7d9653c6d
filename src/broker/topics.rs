//! Creation and deletion of topics.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Broker, TopicNames, open};
use crate::cluster::{Change, Compare, MetadataError, MetadataStore, Transaction};
use crate::metadata::{ClusterImage, TierDeletion, Tombstone, TopicImage, TopicRecord, keys};
use crate::model::{TopicId, TopicPartition};
use crate::partition::StorageFailed;

/// Most partitions of one topic: each costs a directory and memory, and a request must not be able to ask for
/// two thousand million of them.
pub const PARTITIONS_PER_TOPIC_MAX: i32 = 100_000;

/// A topic that is asked for. Counts are resolved: defaults are the caller's business.
#[derive(Debug, Clone)]
pub struct NewTopic {
    /// Its name, not yet checked.
    pub name: String,
    /// Number of partitions.
    pub partitions: i32,
    /// Replication factor, remembered and reported.
    pub replication_factor: i16,
    /// Topic configurations, not yet checked.
    pub configs: BTreeMap<String, String>,
}

/// A topic that exists now, or that would if this was not a rehearsal.
#[derive(Debug, Clone)]
pub struct CreatedTopic {
    /// As requests will see it.
    pub topic: Arc<TopicImage>,
}

/// Why a topic was not created or deleted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TopicError {
    /// The name is against the rule, or collides with one that exists.
    #[error("{0}")]
    InvalidName(String),
    /// The number of partitions makes no sense.
    #[error("{0}")]
    InvalidPartitions(String),
    /// The replication factor makes no sense.
    #[error("{0}")]
    InvalidReplicationFactor(String),
    /// New partitions are asked for on brokers that are not there, or for another number of partitions.
    #[error("{0}")]
    InvalidReplicaAssignment(String),
    /// A configuration is unknown or out of bounds.
    #[error("{0}")]
    InvalidConfig(String),
    /// The name is taken.
    #[error("Topic '{0}' already exists.")]
    Exists(String),
    /// No topic of that name or id.
    #[error("This server does not host this topic-partition.")]
    Unknown,
    /// The change could not be made durable.
    #[error(transparent)]
    Metadata(#[from] MetadataError),
    /// The log could not be opened.
    #[error("{0}")]
    Storage(String),
}

impl Broker {
    /// Creates topics, together in one durable transaction: a result for each, in order.
    ///
    /// With `validate_only` everything is checked and nothing changes.
    pub async fn create_topics(
        &self,
        topics: Vec<NewTopic>,
        validate_only: bool,
    ) -> Vec<Result<CreatedTopic, TopicError>> {
        let _one_at_a_time = self.topic_changes.lock().await;
        let image = self.image();
        let mut names = TopicNames::of(&image, topics.iter().map(|topic| topic.name.as_str()));
        let mut transaction = Transaction::default();
        let mut results = Vec::with_capacity(topics.len());
        for mut topic in topics {
            let checked = names
                .check(&topic.name)
                .and_then(|()| self.check_configs(&topic.configs))
                .and_then(|()| check_counts(&topic));
            results.push(checked.map(|()| {
                names.take(&topic.name);
                if !open::is_internal(&topic.name) {
                    self.tier_by_default(&mut topic.configs);
                }
                let created = self.plan(topic, &mut transaction);
                CreatedTopic { topic: created }
            }));
        }
        if validate_only || transaction.changes.is_empty() {
            return results;
        }
        if let Err(error) = self.make(transaction, &results).await {
            for result in results.iter_mut().filter(|result| result.is_ok()) {
                *result = Err(error.clone());
            }
        }
        results
    }

    fn check_configs(&self, configs: &BTreeMap<String, String>) -> Result<(), TopicError> {
        open::check_overrides(&self.config(), configs).map_err(TopicError::InvalidConfig)
    }

    /// `highwater.tier.default.enable`. A setting of the topic from then on, so that it does not leave the
    /// tier, and what lies there, when the default changes.
    fn tier_by_default(&self, configs: &mut BTreeMap<String, String>) {
        const KEY: &str = "remote.storage.enable";
        if !self.config().tiering.default_enable || configs.contains_key(KEY) {
            return;
        }
        configs.insert(KEY.to_owned(), "true".to_owned());
        if self.check_configs(configs).is_err() {
            configs.remove(KEY);
        }
    }

    fn plan(&self, topic: NewTopic, transaction: &mut Transaction) -> Arc<TopicImage> {
        let topic_id = self.env.random.topic_id();
        let record = TopicRecord {
            topic_id: topic_id.0,
            partitions: topic.partitions,
            replication_factor: topic.replication_factor,
            configs: topic.configs,
            created_at_boot: self.boot(),
            growths: Vec::new(),
        };
        let key = keys::topic(&topic.name);
        let value = serde_json::to_vec(&record).expect("strings and numbers are always JSON");
        transaction.compares.push(Compare::Absent(key.clone()));
        transaction.changes.push(Change::Put(key, value));
        Arc::new(TopicImage::new(topic.name.into(), record))
    }

    /// Durable in the catalogue first: a directory without a topic would be a stray, a topic without a
    /// directory is made whole by the next start.
    async fn make(
        &self,
        transaction: Transaction,
        results: &[Result<CreatedTopic, TopicError>],
    ) -> Result<(), TopicError> {
        let applied = self.metadata.transact(transaction).await?;
        let created: Vec<Arc<TopicImage>> =
            results.iter().flatten().map(|created| created.topic.clone()).collect();
        match self.open_partitions(created.iter().map(|topic| (topic.clone(), 0)).collect()).await {
            Ok(()) => {
                self.publish(applied.image);
                Ok(())
            }
            Err(error) => {
                // Nobody was told of them: taken back, so that the names are free.
                for topic in &created {
                    self.delete(&applied.image, topic).await?;
                }
                Err(error)
            }
        }
    }

    /// Opens the partitions of topics, of each from the given one on.
    pub(super) async fn open_partitions(
        &self,
        topics: Vec<(Arc<TopicImage>, i32)>,
    ) -> Result<(), TopicError> {
        let (storage, metadata) = (self.storage.clone(), self.metadata.clone());
        let open = tokio::task::spawn_blocking(move || {
            for (topic, first) in &topics {
                let partitions = *first..topic.partitions;
                for topic_partition in
                    topic.topic_partitions().filter(|id| partitions.contains(&id.partition))
                {
                    let spec = metadata.partition_spec(topic, topic_partition);
                    storage.open_partition(topic_partition, &spec)?;
                }
            }
            Ok(())
        });
        let opened: Result<(), crate::log::LogError> =
            open.await.expect("opening a partition does not panic");
        opened.map_err(|error| TopicError::Storage(error.to_string()))
    }

    /// Deletes a topic. When this returns the deletion is durable, no record can be read or written, and the
    /// name is free; the files are unlinked in the background.
    pub async fn delete_topic(&self, topic_id: TopicId) -> Result<(), TopicError> {
        let _one_at_a_time = self.topic_changes.lock().await;
        let image = self.image();
        let topic = image.topic_by_id(topic_id).ok_or(TopicError::Unknown)?.clone();
        self.delete(&image, &topic).await
    }

    async fn delete(&self, image: &ClusterImage, topic: &Arc<TopicImage>) -> Result<(), TopicError> {
        let topic_id = topic.topic_id;
        let copies = self.topic_config(topic).is_tiered;
        // Before the tombstone, so that no record of the topic follows it in the WAL.
        self.storage.take_offline(topic_id, topic.topic_partitions());
        let applied = match self.metadata.transact(deletion(image, topic, copies)).await {
            Ok(applied) => applied,
            Err(error) => {
                self.bring_back(topic);
                return Err(error.into());
            }
        };
        // Before another topic can have the name. By the clock that stamps commits: an older one is of this
        // topic.
        let deleted_at = self.storage.times().stamp;
        self.publish(applied.image);
        self.topic_configs.remove(&topic_id);
        self.encoded_topics.forget(topic_id);
        self.groups.topic_deleted(topic, deleted_at);
        self.remove_directories(topic.clone()).await
    }

    /// Has the partitions of a topic serve again whose deletion did not come about, and their coordinators,
    /// which ended when they were taken offline.
    pub(super) fn bring_back(&self, topic: &TopicImage) {
        self.storage.bring_back(topic.topic_id, topic.topic_partitions());
        self.lead_groups();
        self.lead_transactions();
    }

    /// Renames the directories, so that the name can be used again, and leaves unlinking to the background.
    async fn remove_directories(&self, topic: Arc<TopicImage>) -> Result<(), TopicError> {
        let (storage, topic_id) = (self.storage.clone(), topic.topic_id);
        let renamed = tokio::task::spawn_blocking(move || {
            storage.delete_partitions(&topic.name, topic.topic_partitions())
        });
        let directories = renamed
            .await
            .expect("renaming a directory does not panic")
            .map_err(|StorageFailed(reason)| TopicError::Storage(reason))?;
        let storage = self.storage.clone();
        // Not waited for: a start finishes what a crash interrupts.
        drop(tokio::task::spawn_blocking(move || storage.unlink(topic_id, &directories)));
        Ok(())
    }
}

fn deletion(image: &ClusterImage, topic: &TopicImage, copies: bool) -> Transaction {
    let tombstone = Tombstone { name: topic.name.to_string(), partitions: topic.partitions };
    let value = serde_json::to_vec(&tombstone).expect("strings and numbers are always JSON");
    let mut changes =
        vec![Change::Delete(keys::topic(&topic.name)), Change::Put(keys::tombstone(topic.topic_id), value)];
    let moved = |id: &TopicPartition| image.log_start(*id).0 > 0;
    changes.extend(topic.topic_partitions().filter(moved).map(|id| Change::Delete(keys::log_start(id))));
    // Its objects go with the topic: their keys begin with its id. There may be some that no record names.
    let is_tiered = |id: &TopicPartition| image.tier(*id).is_some();
    if copies || topic.topic_partitions().any(|id| is_tiered(&id)) {
        changes.push(Change::Put(keys::tier_deletion(topic.topic_id), TierDeletion::default().encode()));
    }
    changes.extend(topic.topic_partitions().filter(is_tiered).map(|id| Change::Delete(keys::tier(id))));
    Transaction { compares: Vec::new(), changes }
}

/// In the order of Kafka 4.3.
fn check_counts(topic: &NewTopic) -> Result<(), TopicError> {
    if topic.replication_factor < 1 {
        let words = "Replication factor must be larger than 0, or -1 to use the default value.";
        return Err(TopicError::InvalidReplicationFactor(words.to_owned()));
    }
    if topic.partitions < 1 {
        let words = "Number of partitions was set to an invalid non-positive value.";
        return Err(TopicError::InvalidPartitions(words.to_owned()));
    }
    if topic.partitions > PARTITIONS_PER_TOPIC_MAX {
        let words = format!("Number of partitions must be at most {PARTITIONS_PER_TOPIC_MAX}.");
        return Err(TopicError::InvalidPartitions(words));
    }
    Ok(())
}
