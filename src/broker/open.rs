//! Start and stop.

use std::collections::BTreeMap;
use std::sync::{Arc, Weak};
use std::time::Duration;

use dashmap::DashMap;
use parking_lot::{Mutex, RwLock};

use super::groups::Groups;
use super::live_config::LiveConfig;
use super::tiering::Tier;
use super::transactions::Transactions;
use super::{
    Broker, BrokerError, FetchSessions, OFFSETS_TOPIC, TRANSACTIONS_TOPIC, catalogue, cleaning, retention,
    scrub, tier_owner, tiering, transactions,
};
use crate::cluster::{Change, EmbeddedMetadata, MetadataStore, Transaction};
use crate::config::{self, ServerConfig, TopicConfig, TopicOverrides};
use crate::env::Env;
use crate::log::{Compaction, LogConfig, Tiering};
use crate::metadata::{BrokerConfigs, ClusterImage, TopicImage, keys};
use crate::partition::{
    BrokerDirectory, Catalogue, OpenError, Storage, StorageFailed, StorageOptions, StorageThreads,
};
use crate::telemetry::Metrics;
use crate::wal::{SyncMode, WalOptions};

/// Bytes of one partition that the disk is made to take at once. More and a sync takes so long that producers
/// notice: 4 MiB are some 5 ms here; less and there are more syncs than commits can be spared.
const WRITE_BACK_BYTES: u64 = 4 << 20;

/// Effective settings of a topic with these overrides.
pub(super) fn topic_config(config: &ServerConfig, overrides: &BTreeMap<String, String>) -> TopicConfig {
    TopicConfig::effective(&TopicOverrides::stored(overrides.clone()), &config.settings)
}

/// The same for overrides that a client asks for: what is wrong with them, in Kafka's words.
pub(super) fn check_overrides(
    config: &ServerConfig,
    overrides: &BTreeMap<String, String>,
) -> Result<(), String> {
    let pairs = overrides.iter().map(|(key, value)| (key.as_str(), Some(value.as_str())));
    TopicOverrides::validate(pairs, &config.settings).map(|_| ()).map_err(|error| error.to_string())
}

/// Whether coordinators load it: then it must be at hand, and is not tiered, as in Kafka.
pub(super) fn is_internal(name: &str) -> bool {
    [OFFSETS_TOPIC, TRANSACTIONS_TOPIC].contains(&name)
}

/// What of a topic's settings its partitions' logs follow.
pub(super) fn log_config(name: &str, topic: &TopicConfig) -> LogConfig {
    let narrow = |number: u64| u32::try_from(number).unwrap_or(u32::MAX);
    LogConfig {
        segment_bytes: narrow(topic.segment_bytes),
        segment_age_max: topic.segment_age_max,
        segment_jitter: topic.segment_jitter,
        index_interval_bytes: narrow(topic.index_interval_bytes),
        segment_index_bytes: narrow(topic.segment_index_bytes),
        retention_age_max: topic.retention,
        retention_bytes: topic.retention_bytes,
        delete_by_retention: topic.cleanup.delete,
        compaction: topic.cleanup.compact.then_some(Compaction {
            min_cleanable_dirty_ratio: topic.min_cleanable_dirty_ratio,
            min_compaction_lag: topic.min_compaction_lag,
            max_compaction_lag: topic.max_compaction_lag,
            delete_retention: topic.delete_retention,
        }),
        tiering: (topic.is_tiered && !is_internal(name)).then(|| Tiering {
            copies: !topic.tiering.copy_disable,
            local_retention_age_max: topic.tiering.local_retention(),
            local_retention_bytes: topic.tiering.local_retention_bytes(),
        }),
    }
}

fn storage_options(config: &ServerConfig) -> StorageOptions {
    let sync = match config.wal.sync {
        config::SyncMode::Fsync => SyncMode::Fsync,
        config::SyncMode::Os => SyncMode::Os,
    };
    let wal = WalOptions {
        sync,
        file_bytes: config.wal.file_bytes,
        capacity_bytes: config.wal.capacity_bytes,
        ..WalOptions::default()
    };
    StorageOptions {
        wal,
        tail_bytes: config.log.tail_bytes,
        checkpoint_bytes: config.log.checkpoint_bytes,
        checkpoint_interval: config.log.checkpoint_interval,
        write_back_bytes: WRITE_BACK_BYTES,
        disk_reserve_bytes: config.log.disk_reserve_bytes,
        handles_max: config.log.file_handles,
    }
}

/// Some topic that is tiered.
fn tiered_topic(config: &ServerConfig, image: &ClusterImage) -> Option<String> {
    let is_tiered = |topic: &&Arc<TopicImage>| {
        TopicOverrides::stored(topic.configs.clone()).asks_for_tier(&config.settings)
    };
    image.topics().find(is_tiered).map(|topic| topic.name.to_string())
}

impl Broker {
    /// Opens the data directory, recovers it, and starts the threads that commit and write segments. May take
    /// as long as the WAL above the last checkpoint takes to read. Needs a tokio runtime.
    pub fn open(env: Env, config: ServerConfig, metrics: Arc<Metrics>) -> Result<Arc<Broker>, BrokerError> {
        Broker::open_with(env, config, metrics, None)
    }

    /// The same with a bucket for what leaves the disk.
    pub fn open_with(
        env: Env,
        config: ServerConfig,
        metrics: Arc<Metrics>,
        tier: Option<Tier>,
    ) -> Result<Arc<Broker>, BrokerError> {
        let broker = Broker::open_without_threads(env, config, metrics, tier)?;
        let threads = StorageThreads::start(&broker.storage)
            .map_err(|error| BrokerError::Storage(format!("cannot start a thread: {error}")))?;
        *broker.threads.lock() = Some(threads);
        Ok(broker)
    }

    /// The same without the threads: nothing is committed but by whoever takes the storage's steps, as tests
    /// do that crash it at a certain one.
    pub fn open_without_threads(
        env: Env,
        config: ServerConfig,
        metrics: Arc<Metrics>,
        tier: Option<Tier>,
    ) -> Result<Arc<Broker>, BrokerError> {
        let config = Arc::new(config);
        let directory =
            BrokerDirectory::open(&env, &config.log_dir, config.node_id, config.cluster_id.as_deref())
                .map_err(OpenError::from)?;
        let live = Arc::new(LiveConfig::new(config.clone()));
        let for_topics = live.clone();
        // Under the dynamic settings of the catalogue, so that logs are recovered with those they had.
        let log_configs = move |topic: &TopicImage, dynamic: &Arc<BrokerConfigs>| {
            log_config(&topic.name, &topic_config(&for_topics.under(dynamic), &topic.configs))
        };
        let metadata = Arc::new(EmbeddedMetadata::new(Arc::new(log_configs)));
        let catalogue: Arc<dyn Catalogue> = metadata.clone();
        let storage = Storage::open(env.clone(), directory, storage_options(&config), catalogue)?;
        let storage = Arc::new(storage);
        metadata.attach(&storage);
        // Before anything is retained: without the tier its topics would go by what is on disk alone, and
        // their log starts would move past what is there. Kafka refuses too.
        if config.tier.store.is_empty()
            && let Some(topic) = tiered_topic(&config, &metadata.image())
        {
            return Err(BrokerError::NoTier(topic));
        }
        let observed = metrics.clone();
        storage.observe_commits(Box::new(move |commit| {
            observed.wal_commit(commit.duration, commit.bytes, commit.entries);
        }));
        let image = metadata.image();
        let fetch_sessions = FetchSessions::new(env.clone(), metrics.clone(), config.fetch_sessions_max);
        let tiering = tier.map(|tier| tiering::Tiering::new(tier, &env, config.tiering));
        let broker = Arc::new_cyclic(|broker: &Weak<Broker>| Broker {
            groups: Groups::new(&env, &storage, &config, broker.clone()),
            transactions: Transactions::new(&env, &storage, broker.clone()),
            env,
            node_id: config.node_id,
            config: RwLock::new(live.under(image.broker_configs())),
            live,
            observers: Mutex::default(),
            metrics,
            storage,
            metadata,
            image: RwLock::new(image),
            topic_configs: DashMap::new(),
            encoded_topics: Default::default(),
            topic_changes: tokio::sync::Mutex::default(),
            producer_ids: super::producer_ids::ProducerIds::default(),
            removals: Arc::default(),
            fetch_sessions,
            tiering,
            threads: Mutex::default(),
            tasks: Mutex::default(),
        });
        broker.tasks.lock().extend([
            tokio::spawn(retention::run(Arc::downgrade(&broker))),
            tokio::spawn(scrub::run(Arc::downgrade(&broker))),
            tokio::spawn(cleaning::run(Arc::downgrade(&broker))),
            tokio::spawn(transactions::watch(Arc::downgrade(&broker))),
            tokio::spawn(tiering::run(Arc::downgrade(&broker))),
            tokio::spawn(tiering::compacting::run(Arc::downgrade(&broker))),
            tokio::spawn(tier_owner::run(Arc::downgrade(&broker))),
            tokio::spawn(catalogue::run(Arc::downgrade(&broker))),
        ]);
        broker.lead_groups();
        broker.lead_transactions();
        Ok(broker)
    }

    /// Ends the tasks and threads, commits what is left and makes a checkpoint, so that the next start has
    /// nothing to replay. Requests that come later fail. Does nothing the second time.
    pub async fn close(&self) -> Result<(), StorageFailed> {
        let tasks = std::mem::take(&mut *self.tasks.lock());
        tasks.iter().for_each(tokio::task::JoinHandle::abort);
        self.transactions.close();
        self.groups.close();
        let Some(threads) = self.threads.lock().take() else { return Ok(()) };
        let stopped = tokio::task::spawn_blocking(move || threads.stop()).await;
        stopped.unwrap_or_else(|_| Err(StorageFailed("stopping the storage panicked".to_owned())))
    }

    /// Forgets tombstones of which nothing is left: neither directories nor records in the WAL.
    pub(super) async fn forget_tombstones(&self) {
        let image: Arc<ClusterImage> = self.metadata.image();
        let gone = image.tombstones().map(|(topic_id, _)| topic_id);
        let gone: Vec<_> = gone.filter(|topic_id| self.storage.is_forgotten(*topic_id)).collect();
        if gone.is_empty() {
            return;
        }
        let _one_at_a_time = self.topic_changes.lock().await;
        let changes = gone.iter().map(|topic_id| Change::Delete(keys::tombstone(*topic_id))).collect();
        match self.metadata.transact(Transaction { compares: Vec::new(), changes }).await {
            Ok(applied) => {
                self.publish(applied.image);
                gone.iter().for_each(|topic_id| self.storage.forgotten(*topic_id));
            }
            Err(error) => tracing::warn!(%error, "cannot forget deleted topics; tried again later"),
        }
    }
}

/// Longest wait between two looks at retention, whatever `log.retention.check.interval.ms` says.
pub(super) const RETENTION_INTERVAL_MAX: Duration = Duration::from_secs(3600);
