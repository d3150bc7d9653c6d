//! A broker with its ports: put together, and taken apart again.

use std::cell::OnceCell;
use std::fmt::Display;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::exit::Exit;
use super::group_metrics;
use super::listeners_file::{self, ListenersFile};
use super::transaction_metrics;
use crate::admin::{AdminServer, Health, LateBroker, Phase};
use crate::broker::{Broker, StoreMetrics, Tier, TierOwnerError, store_options};
use crate::config::ServerConfig;
use crate::env::{Env, time};
use crate::handlers::BrokerHandler;
use crate::model::Offset;
use crate::server::{Limits, Server};
use crate::store::{self, StoreError, Variables};
use crate::telemetry::{Metrics, PartitionSnapshot, TransactionsSnapshot};
use crate::tier::TierError;

/// Share of `highwater.shutdown.timeout.ms` that requests get to finish; the checkpoint has the rest.
const DRAIN_PERCENT: u32 = 60;
/// After a storage failure: time for producers to be told that their records were not stored.
const FAILURE_GRACE: Duration = Duration::from_secs(1);

/// How long a start waits for the tier to answer.
const PROBE_MAX: Duration = Duration::from_secs(5);

/// Everything that runs.
pub struct Running {
    env: Env,
    config: Arc<ServerConfig>,
    broker: Arc<Broker>,
    server: Server,
    health: Arc<Health>,
}

impl Running {
    /// Opens the data, then the ports: whoever can connect is served. Says itself what went wrong.
    pub async fn start(env: Env, config: ServerConfig) -> Result<Running, Exit> {
        let began = env.clock.monotonic();
        let metrics = Metrics::new(env.clock.now(), config.metrics_partitions_max);
        let health = Arc::new(Health::default());
        // Before the data is open, so that a long recovery can be told from a dead process.
        let (admin, late_broker) = start_admin(&config, &health, &metrics).await?.unzip();
        let broker = open_broker(&env, &config, &metrics).await?;
        if let Some(late_broker) = late_broker {
            late_broker.set(&broker);
        }
        remove_listeners_file(&env, &config.log_dir);
        observe(&broker, &metrics);
        let handler = BrokerHandler::new(broker.clone());
        let (limits, listeners) = (Limits::from(&config.sockets), config.listeners.clone());
        let server = Server::start(&env, metrics, limits, listeners, handler).map_err(|error| {
            tracing::error!(
                "{error}; if another process has the port, stop it or choose another one with listeners=\
                 PLAINTEXT://host:port (port 0 takes any free one)"
            );
            Exit::Failed
        })?;
        let limits = server.connection_limits();
        broker.observe_config(move |config| limits.follow(&config.sockets));
        let running = Running { config: Arc::new(config), broker, server, health, env };
        running.announce(admin, began)?;
        Ok(running)
    }

    /// Writes `listeners.json` and the line that says that the broker serves.
    fn announce(&self, admin: Option<SocketAddr>, began: Duration) -> Result<(), Exit> {
        let bound = self.server.listeners();
        let named = bound.iter().map(|listener| (listener.name.as_str(), listener.address));
        let file = ListenersFile::new(named, admin);
        // Before the file: who reads it may go on to ask.
        self.health.set(Phase::Ready);
        file.write(&*self.env.files, &self.config.log_dir).map_err(|error| {
            tracing::error!("cannot write listeners.json into {}: {error}", self.config.log_dir.display());
            Exit::Storage
        })?;
        let listening: Vec<String> =
            bound.iter().map(|listener| format!("{} on {}", listener.name, listener.address)).collect();
        let admin =
            admin.map_or_else(String::new, |address| format!(", health and metrics on http://{address}"));
        let took = self.env.clock.monotonic().saturating_sub(began).as_millis();
        // Testcontainers' Kafka modules wait for these words; they are Kafka's own.
        tracing::info!(
            "[KafkaServer id={}] Transitioning from RECOVERY to RUNNING: {}{admin}, data in {}, \
             ready in {took} ms",
            self.config.node_id,
            listening.join(", "),
            self.config.log_dir.display(),
        );
        if self.config.settings.is_empty()
            && let Some(first) = bound.first()
        {
            let port = first.address.port();
            tracing::info!(
                "try it: echo hello | kcat -b localhost:{port} -P -t greetings && \
                 kcat -b localhost:{port} -C -t greetings -e"
            );
        }
        Ok(())
    }

    /// Waits for the storage to fail; why it did.
    pub async fn failed(&self) -> String {
        self.broker.failed().await.to_string()
    }

    /// Waits until the tier's bucket is somebody else's; why. Without a tier for ever.
    pub async fn tier_lost(&self) -> Arc<str> {
        self.broker.tier_lost().await
    }

    /// Lets waiting producers hear of a failed storage, and no more.
    pub async fn give_up(self) {
        self.health.set(Phase::Failed);
        let _ = time::timeout(FAILURE_GRACE * 2, self.server.shutdown(FAILURE_GRACE)).await;
    }

    /// Drains, makes a checkpoint, and says how that went.
    pub async fn stop(self) -> Exit {
        self.health.set(Phase::Stopping);
        let Running { env, config, broker, server, .. } = self;
        let began = env.clock.monotonic();
        let all_finished = server.shutdown(config.shutdown_timeout * DRAIN_PERCENT / 100).await;
        if !all_finished {
            tracing::warn!(
                "requests that took too long were cut off; raise highwater.shutdown.timeout.ms to wait"
            );
        }
        let spent = env.clock.monotonic().saturating_sub(began);
        let exit = match time::timeout(config.shutdown_timeout.saturating_sub(spent), broker.close()).await {
            Ok(Ok(())) => Exit::Stopped,
            Ok(Err(error)) => {
                tracing::error!("the storage failed while stopping: {error}; acknowledged records are safe");
                Exit::Storage
            }
            Err(time::Elapsed) => {
                tracing::warn!(
                    "no checkpoint within highwater.shutdown.timeout.ms; nothing is lost, \
                     the next start replays the write-ahead log"
                );
                Exit::Failed
            }
        };
        remove_listeners_file(&env, &config.log_dir);
        if exit == Exit::Stopped {
            tracing::info!("stopped; everything is on disk");
        }
        exit
    }
}

/// Lets scrapes see into the broker as long as it is there.
fn observe(broker: &Arc<Broker>, metrics: &Metrics) {
    let observed = Arc::downgrade(broker);
    metrics.set_partitions(move |visit| {
        if let Some(broker) = observed.upgrade() {
            visit_partitions(&broker, visit);
        }
    });
    let observed = Arc::downgrade(broker);
    metrics.set_groups(move |visitor| {
        if let Some(broker) = observed.upgrade() {
            group_metrics::visit(&broker, visitor);
        }
    });
    let observed = Arc::downgrade(broker);
    metrics.set_transactions(move |visitor| {
        if let Some(broker) = observed.upgrade() {
            transaction_metrics::visit(&broker, visitor);
        }
    });
    let observed = Arc::downgrade(broker);
    metrics.set_tier(move |visitor| {
        if let Some(broker) = observed.upgrade() {
            broker.visit_tier(visitor);
        }
    });
}

async fn start_admin(
    config: &ServerConfig,
    health: &Arc<Health>,
    metrics: &Arc<Metrics>,
) -> Result<Option<(SocketAddr, LateBroker)>, Exit> {
    let Some(listener) = &config.admin else { return Ok(None) };
    let admin = AdminServer::bind(listener).await.map_err(|error| {
        tracing::error!("{error}");
        Exit::Failed
    })?;
    let (address, late_broker) = (admin.address(), admin.broker());
    // It answers until the process ends, so that a probe sees it stopping.
    tokio::spawn(admin.serve(health.clone(), metrics.clone(), std::future::pending()));
    Ok(Some((address, late_broker)))
}

/// The tier, if one is configured. Nothing is asked of it yet.
async fn open_tier(env: &Env, config: &ServerConfig, metrics: &Metrics) -> Result<Option<Tier>, Exit> {
    let Some(options) = store_options(&config.tier, Variables::of_process()) else { return Ok(None) };
    let observer = Arc::new(StoreMetrics(metrics.tier().clone()));
    let store = store::open(&options, env, observer).map_err(|error| {
        tracing::error!("highwater.tier.store: {error}");
        Exit::Configuration
    })?;
    Ok(Some(Tier::open(store, env, config).await))
}

async fn open_broker(env: &Env, config: &ServerConfig, metrics: &Arc<Metrics>) -> Result<Arc<Broker>, Exit> {
    let tier = open_tier(env, config, metrics).await?;
    let (env, config, metrics) = (env.clone(), config.clone(), metrics.clone());
    let opened = tokio::task::spawn_blocking(move || Broker::open_with(env, config, metrics, tier)).await;
    match opened {
        Ok(Ok(broker)) => own_tier(broker).await,
        Ok(Err(error)) => {
            tracing::error!("{error}");
            Err(Exit::of_code(error.exit_code()))
        }
        // The panic was logged.
        Err(_) => Err(Exit::Storage),
    }
}

/// A bucket of somebody else's ends the start, and so does a store that refuses. One that does not answer now
/// is no reason not to serve what is on disk; it is asked again later.
async fn own_tier(broker: Arc<Broker>) -> Result<Arc<Broker>, Exit> {
    let unanswered = |error: &dyn Display| {
        tracing::warn!(
            %error,
            "highwater.tier.store does not answer; records that are only there cannot be read meanwhile, and \
             nothing is copied there until it does"
        );
    };
    let why = match time::timeout(PROBE_MAX, broker.own_tier()).await {
        Ok(Ok(())) => return Ok(broker),
        Ok(Err(TierOwnerError::Foreign(why))) => why,
        Ok(Err(TierOwnerError::Tier(TierError::Store(error @ StoreError::Denied(_))))) => {
            format!("highwater.tier.store: {error}")
        }
        Ok(Err(error)) => {
            unanswered(&error);
            return Ok(broker);
        }
        Err(time::Elapsed) => {
            unanswered(&"no answer in time");
            return Ok(broker);
        }
    };
    tracing::error!("{why}");
    if let Err(error) = broker.close().await {
        tracing::error!("the storage failed while stopping: {error}");
    }
    Err(Exit::Configuration)
}

fn remove_listeners_file(env: &Env, log_dir: &Path) {
    if let Err(error) = listeners_file::remove(&*env.files, log_dir) {
        tracing::warn!("cannot remove listeners.json from {}: {error}", log_dir.display());
    }
}

/// Every partition of the catalogue, for metrics; one that could not be opened is offline.
fn visit_partitions(broker: &Broker, visit: &mut dyn FnMut(PartitionSnapshot<'_>)) {
    let image = broker.image();
    let late_after = broker.transactions_are_late_after();
    let transactional_ids = OnceCell::new();
    let transactional_id = |producer_id| {
        let known = transactional_ids
            .get_or_init(|| broker.transactional_ids_of(&broker.last_stable_offset_holders()));
        known.get(&producer_id).cloned().unwrap_or_default()
    };
    for topic in image.topics() {
        for topic_partition in topic.topic_partitions() {
            let opened = broker.partition(topic_partition);
            let watermarks = opened.as_ref().map(|partition| partition.watermarks());
            let open = opened.as_ref().and_then(|partition| partition.open_transactions());
            visit(PartitionSnapshot {
                topic: &topic.name,
                partition: topic_partition.partition,
                log_start_offset: watermarks.map_or(Offset::NONE, |offsets| offsets.log_start_offset),
                high_watermark: watermarks.map_or(Offset::NONE, |offsets| offsets.high_watermark),
                log_end_offset: watermarks.map_or(Offset::NONE, |offsets| offsets.log_end_offset),
                last_stable_offset: watermarks.map_or(Offset::NONE, |offsets| offsets.last_stable_offset),
                transactions: open.map(|open| {
                    let first_age = open.first_age(broker.storage().times().stamp);
                    TransactionsSnapshot {
                        open: open.count,
                        first_producer_id: open.first.producer_id,
                        first_transactional_id: transactional_id(open.first.producer_id),
                        first_age,
                        is_late: first_age >= late_after,
                    }
                }),
                log_bytes: opened.as_ref().map_or(0, |partition| partition.size_bytes()),
                offline: opened.is_none(),
            });
        }
    }
}
