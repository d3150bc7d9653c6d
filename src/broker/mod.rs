//! The broker: wires storage, catalogue and settings together and keeps the long-lived tasks.
//!
//! **Owns** what handlers call: topics by name and id, their creation, growth and deletion, deletion of
//! records, producer ids, fetching from many partitions and fetch sessions, where groups and transactions
//! live, retention, and the start and stop of everything below.
//! **Does not own** wire formats and versions (`handlers`), sockets (`server`), or how anything is stored.
//! **Invariants**: the published image holds topics whose partitions are open; a topic appears in it only
//! when it is durable, and disappears before its partitions do.

mod catalogue;
mod cleaning;
mod configs;
mod coordinators;
mod delete_records;
mod encoded_topics;
mod error;
mod fetch;
mod fetch_sessions;
mod groups;
mod growth;
mod live_config;
mod local_starts;
mod object_store;
mod open;
mod producer_ids;
mod remote;
mod restore;
mod retention;
mod scrub;
mod store_metrics;
mod tier_owner;
mod tiering;
mod topic_names;
mod topics;
mod transactions;

#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use dashmap::DashMap;
use parking_lot::{Mutex, RwLock};

pub use configs::{AlterConfigsError, ConfigAlteration, ConfigTarget, OPERATIONS_MAX};
pub use delete_records::{DeleteRecordsError, RecordDeletion};
pub use encoded_topics::TopicForm;
pub use error::BrokerError;
pub use fetch::{FetchFailure, FetchLimits, Fetched, FetchedPartition, PartitionFetch};
pub use fetch_sessions::{
    AnsweredPartition, FetchContext, FetchKey, FetchSessions, FetchTopic, NO_SESSION, PartitionAsk,
    SessionAnswer, SessionChange, SessionError,
};
pub use groups::OFFSETS_TOPIC;
pub use growth::TopicGrowth;
pub use object_store::store_options;
pub use restore::{
    EndedHere, RestoreError, RestoreOptions, RestoreWatcher, Restored, RestoredPartition, restore,
};
pub use store_metrics::StoreMetrics;
pub use tier_owner::TierOwnerError;
pub use tiering::{
    SegmentsPage, Tier, TierFailure, TierLookError, TierPartition, TierRequests, TierSegment, TierStatus,
};
pub use topic_names::TopicNames;
pub use topics::{CreatedTopic, NewTopic, TopicError};
pub use transactions::{
    MarkerRefused, TRANSACTIONS_TOPIC, TransactionCheck, TransactionRefused, VerificationRules,
};

use crate::cluster::EmbeddedMetadata;
use crate::config::{ServerConfig, TopicConfig};
use crate::env::Env;
use crate::metadata::{ClusterImage, TopicImage};
use crate::model::{NodeId, TopicId, TopicPartition};
use crate::partition::{Partition, Storage, StorageFailed, StorageThreads};
use crate::telemetry::Metrics;
use live_config::LiveConfig;

/// Hears of the settings in force.
type ConfigObserver = Box<dyn Fn(&ServerConfig) + Send + Sync>;

struct CachedTopicConfig {
    topic: Arc<TopicImage>,
    server: Arc<ServerConfig>,
    effective: Arc<TopicConfig>,
}

/// One broker. Shared by every connection.
pub struct Broker {
    env: Env,
    node_id: NodeId,
    /// The settings in force, those that requests altered included; swapped whole.
    config: RwLock<Arc<ServerConfig>>,
    live: Arc<LiveConfig>,
    observers: Mutex<Vec<ConfigObserver>>,
    metrics: Arc<Metrics>,
    storage: Arc<Storage>,
    metadata: Arc<EmbeddedMetadata>,
    /// What requests see; swapped whole.
    image: RwLock<Arc<ClusterImage>>,
    /// Effective settings and what they were computed from; an entry per topic, gone when it is deleted.
    topic_configs: DashMap<TopicId, CachedTopicConfig>,
    encoded_topics: encoded_topics::EncodedTopics,
    /// One topic change at a time, from the look at the catalogue to the publication.
    topic_changes: tokio::sync::Mutex<()>,
    producer_ids: producer_ids::ProducerIds,
    /// What DeleteRecords left to be unlinked.
    removals: Arc<delete_records::Removals>,
    fetch_sessions: FetchSessions,
    groups: groups::Groups,
    transactions: transactions::Transactions,
    /// `None`: nothing is tiered.
    tiering: Option<tiering::Tiering>,
    threads: Mutex<Option<StorageThreads>>,
    tasks: Mutex<Vec<tokio::task::JoinHandle<()>>>,
}

impl Broker {
    /// Clock, randomness, files.
    pub fn env(&self) -> &Env {
        &self.env
    }

    /// This broker's number: no request changes it.
    pub fn node_id(&self) -> NodeId {
        self.node_id
    }

    /// The server's settings in force now.
    pub fn config(&self) -> Arc<ServerConfig> {
        self.config.read().clone()
    }

    /// Names somebody who must follow the settings; told of those in force now, and of every later change
    /// before who asked for it is answered.
    pub fn observe_config(&self, observer: impl Fn(&ServerConfig) + Send + Sync + 'static) {
        let mut observers = self.observers.lock();
        observer(&self.config());
        observers.push(Box::new(observer));
    }

    /// The counters.
    pub fn metrics(&self) -> &Arc<Metrics> {
        &self.metrics
    }

    /// Fetch sessions of all clients.
    pub fn fetch_sessions(&self) -> &FetchSessions {
        &self.fetch_sessions
    }

    /// WAL and partitions.
    pub fn storage(&self) -> &Arc<Storage> {
        &self.storage
    }

    /// The cluster's identity, 22 characters of base64.
    pub fn cluster_id(&self) -> &str {
        self.storage.cluster_id()
    }

    /// The catalogue as requests see it.
    pub fn image(&self) -> Arc<ClusterImage> {
        self.image.read().clone()
    }

    /// This start's number: a partition's leader epoch is `topic.leader_epoch(partition, broker.boot())`.
    pub fn boot(&self) -> i32 {
        self.metadata.boot()
    }

    /// Effective settings of a topic, computed once per image of it and version of the broker's settings.
    pub fn topic_config(&self, topic: &Arc<TopicImage>) -> Arc<TopicConfig> {
        let server = self.config();
        if let Some(known) = self.topic_configs.get(&topic.topic_id)
            && Arc::ptr_eq(&known.topic, topic)
            && Arc::ptr_eq(&known.server, &server)
        {
            return known.effective.clone();
        }
        let effective = Arc::new(open::topic_config(&server, &topic.configs));
        let cached = CachedTopicConfig { topic: topic.clone(), server, effective: effective.clone() };
        self.topic_configs.insert(topic.topic_id, cached);
        // A deletion publishes the image first and then removes the entry: whichever of both comes last sees
        // the other.
        if !self.is_current(topic) {
            self.topic_configs.remove_if(&topic.topic_id, |_, known| Arc::ptr_eq(&known.topic, topic));
        }
        effective
    }

    /// Whether requests see this image of the topic now.
    fn is_current(&self, topic: &Arc<TopicImage>) -> bool {
        self.image().topic_by_id(topic.topic_id).is_some_and(|current| Arc::ptr_eq(current, topic))
    }

    /// An open partition; `None` if it does not exist or could not be opened.
    pub fn partition(&self, topic_partition: TopicPartition) -> Option<Arc<Partition>> {
        self.storage.partition(topic_partition)
    }

    /// Why a partition that exists could not be opened.
    pub fn stopped_reason(&self, topic_partition: TopicPartition) -> Option<Arc<str>> {
        self.storage.stopped_reason(topic_partition)
    }

    /// Waits until the storage fails: the process must stop with exit code 74.
    pub async fn failed(&self) -> StorageFailed {
        self.storage.failed().await
    }

    fn publish(&self, image: Arc<ClusterImage>) {
        let config = self.live.under(image.broker_configs());
        *self.image.write() = image;
        self.lead_groups();
        self.lead_transactions();
        if !Arc::ptr_eq(&*self.config.read(), &config) {
            *self.config.write() = config.clone();
            self.observers.lock().iter().for_each(|observer| observer(&config));
        }
    }
}
