//! The registry, and one method per thing that happens.

use std::sync::atomic::AtomicU64;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use prometheus_client::encoding::text;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::{ConstGauge, Gauge};
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Metric, Registry};

use super::api_names::{API_NAMES, api_name};
use super::groups::{GroupsSource, GroupsVisitor, VisitGroups};
use super::kafka_names::KafkaNames;
use super::names::{self, Name};
use super::partitions::{PartitionSnapshot, PartitionsSource, VisitPartitions};
use super::tier::{TierCounters, TierSource, TierVisitor, VisitTier};
use super::transactions::{TransactionsSource, TransactionsVisitor, VisitTransactions};
use crate::model::Timestamp;

/// The content type of `Metrics::render`.
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// One label with a value out of fixed text.
pub(super) type Label = [(&'static str, &'static str); 1];
type TwoLabels = [(&'static str, &'static str); 2];

/// Every metric of the process. Made once; recording is cheap and never waits.
pub struct Metrics {
    registry: Registry,
    counters: Arc<Counters>,
    /// One slot per API key, then one for keys that Kafka does not have.
    apis: Vec<OnceLock<ApiMetrics>>,
    partitions: Arc<PartitionsSource>,
    groups: Arc<GroupsSource>,
    transactions: Arc<TransactionsSource>,
    tier: Arc<TierSource>,
}

/// What is counted; shared with the collector that shows it by Kafka's names.
pub(super) struct Counters {
    pub requests: Family<Label, Counter>,
    errors: Family<TwoLabels, Counter>,
    durations: Family<Label, Histogram, fn() -> Histogram>,
    in_progress: Gauge,
    memory: Gauge,
    received: Counter,
    sent: Counter,
    connections: Gauge,
    accepted: Counter,
    closed: Family<Label, Counter>,
    pub records_appended: Counter,
    pub bytes_appended: Counter,
    pub bytes_fetched: Counter,
    pub fetch_sessions: Gauge,
    pub fetch_session_partitions: Gauge,
    pub fetch_session_evictions: Counter,
    pub produce_failed: Counter,
    pub fetch_failed: Counter,
    commit_duration: Histogram,
    group_bytes: Histogram,
    group_entries: Histogram,
    scrubbed_bytes: Counter,
    scrub_damage: Counter,
    scrub_last_round: Gauge<f64, AtomicU64>,
    cleaner_runs: Counter,
    cleaner_read: Counter,
    cleaner_written: Counter,
    cleaner_last_look: Gauge<f64, AtomicU64>,
    pub(super) cleaner: CleanerGauges,
}

/// What dashboards made for Kafka show of its cleaner.
#[derive(Default)]
pub(super) struct CleanerGauges {
    pub recopy_percent: Gauge,
    pub buffer_percent: Gauge,
    pub seconds: Gauge,
    pub delay_seconds: Gauge,
    pub dirty_percent: Gauge,
    pub uncleanable: Gauge,
}

/// One API's, kept at hand so that a request takes no look-up by label.
struct ApiMetrics {
    requests: Counter,
    duration: Histogram,
}

/// Produce and Fetch, whose failures Kafka's dashboards show by themselves.
const PRODUCE: i16 = 0;
const FETCH: i16 = 1;

/// 0.1 ms to 26 s in powers of two: a commit to page cache at one end, a long poll at the other.
fn durations() -> Histogram {
    Histogram::new(exponential_buckets(0.0001, 2.0, 19))
}

impl Counters {
    fn new() -> Counters {
        Counters {
            requests: Family::default(),
            errors: Family::default(),
            durations: Family::new_with_constructor(durations),
            in_progress: Gauge::default(),
            memory: Gauge::default(),
            received: Counter::default(),
            sent: Counter::default(),
            connections: Gauge::default(),
            accepted: Counter::default(),
            closed: Family::default(),
            records_appended: Counter::default(),
            bytes_appended: Counter::default(),
            bytes_fetched: Counter::default(),
            fetch_sessions: Gauge::default(),
            fetch_session_partitions: Gauge::default(),
            fetch_session_evictions: Counter::default(),
            produce_failed: Counter::default(),
            fetch_failed: Counter::default(),
            commit_duration: durations(),
            // 256 bytes to 8 MiB, and 1 to 32,768 entries.
            group_bytes: Histogram::new(exponential_buckets(256.0, 2.0, 16)),
            group_entries: Histogram::new(exponential_buckets(1.0, 2.0, 16)),
            scrubbed_bytes: Counter::default(),
            scrub_damage: Counter::default(),
            scrub_last_round: Gauge::default(),
            cleaner_runs: Counter::default(),
            cleaner_read: Counter::default(),
            cleaner_written: Counter::default(),
            cleaner_last_look: Gauge::default(),
            cleaner: CleanerGauges::default(),
        }
    }

    fn register(&self, registry: &mut Registry) {
        let mut add = Adder(registry);
        add.metric(names::REQUESTS, self.requests.clone());
        add.metric(names::REQUEST_ERRORS, self.errors.clone());
        add.metric(names::REQUEST_DURATION, self.durations.clone());
        add.metric(names::REQUESTS_IN_PROGRESS, self.in_progress.clone());
        add.metric(names::REQUEST_MEMORY, self.memory.clone());
        add.metric(names::BYTES_RECEIVED, self.received.clone());
        add.metric(names::BYTES_SENT, self.sent.clone());
        add.metric(names::CONNECTIONS, self.connections.clone());
        add.metric(names::CONNECTIONS_ACCEPTED, self.accepted.clone());
        add.metric(names::CONNECTIONS_CLOSED, self.closed.clone());
        add.metric(names::RECORDS_APPENDED, self.records_appended.clone());
        add.metric(names::BYTES_APPENDED, self.bytes_appended.clone());
        add.metric(names::BYTES_FETCHED, self.bytes_fetched.clone());
        add.metric(names::FETCH_SESSIONS, self.fetch_sessions.clone());
        add.metric(names::FETCH_SESSION_PARTITIONS, self.fetch_session_partitions.clone());
        add.metric(names::FETCH_SESSION_EVICTIONS, self.fetch_session_evictions.clone());
        add.metric(names::WAL_COMMIT_DURATION, self.commit_duration.clone());
        add.metric(names::WAL_GROUP_BYTES, self.group_bytes.clone());
        add.metric(names::WAL_GROUP_ENTRIES, self.group_entries.clone());
        add.metric(names::SCRUBBED_BYTES, self.scrubbed_bytes.clone());
        add.metric(names::SCRUB_DAMAGE, self.scrub_damage.clone());
        add.metric(names::SCRUB_LAST_ROUND, self.scrub_last_round.clone());
        add.metric(names::CLEANER_RUNS, self.cleaner_runs.clone());
        add.metric(names::CLEANER_READ_BYTES, self.cleaner_read.clone());
        add.metric(names::CLEANER_WRITTEN_BYTES, self.cleaner_written.clone());
        add.metric(names::CLEANER_LAST_LOOK, self.cleaner_last_look.clone());
    }
}

struct Adder<'a>(&'a mut Registry);

impl Adder<'_> {
    fn metric(&mut self, name: Name, metric: impl Metric) {
        self.0.register(name.name, name.help, metric);
    }
}

impl Metrics {
    /// Empty metrics of a process that began at `started`. Partitions have metrics of their own while there
    /// are at most `partitions_max` of them, and so have groups and committed offsets.
    pub fn new(started: Timestamp, partitions_max: usize) -> Arc<Metrics> {
        let counters = Arc::new(Counters::new());
        let partitions = Arc::new(PartitionsSource::new(partitions_max));
        let groups = Arc::new(GroupsSource::new(partitions_max));
        let transactions = Arc::new(TransactionsSource::default());
        let tier = Arc::new(TierSource::new(partitions_max));
        let mut registry = Registry::default();
        counters.register(&mut registry);
        let start = Gauge::<f64, AtomicU64>::default();
        start.set(started.0 as f64 / 1000.0);
        let mut add = Adder(&mut registry);
        add.metric(names::PROCESS_START, start);
        add.metric(names::BUILD, Info::new([("version", env!("CARGO_PKG_VERSION"))]));
        add.metric(names::EXPORTER_BROKERS, ConstGauge::new(1));
        add.metric(names::KAFKA_UNDER_REPLICATED, ConstGauge::new(0));
        add.metric(names::KAFKA_ACTIVE_CONTROLLER, ConstGauge::new(1));
        registry.register_collector(Box::new(KafkaNames(counters.clone())));
        registry.register_collector(Box::new(partitions.clone()));
        registry.register_collector(Box::new(groups.clone()));
        registry.register_collector(Box::new(transactions.clone()));
        registry.register_collector(Box::new(tier.clone()));
        let apis = std::iter::repeat_with(OnceLock::new).take(API_NAMES.len() + 1).collect();
        Arc::new(Metrics { registry, counters, apis, partitions, groups, transactions, tier })
    }

    fn api(&self, api_key: i16) -> &ApiMetrics {
        let known = usize::try_from(api_key).ok().filter(|key| *key < API_NAMES.len());
        self.apis[known.unwrap_or(API_NAMES.len())].get_or_init(|| {
            let label = [("api", api_name(api_key))];
            ApiMetrics {
                requests: self.counters.requests.get_or_create_owned(&label),
                duration: self.counters.durations.get_or_create_owned(&label),
            }
        })
    }

    /// A request was received whole.
    pub fn request_started(&self, _api_key: i16) {
        self.counters.in_progress.inc();
    }

    /// Its response is finished (or it needs none), `latency` after it was received.
    pub fn request_finished(&self, api_key: i16, latency: Duration) {
        self.counters.in_progress.dec();
        let api = self.api(api_key);
        api.requests.inc();
        api.duration.observe(latency.as_secs_f64());
    }

    /// Its connection went away before it was answered.
    pub fn request_abandoned(&self) {
        self.counters.in_progress.dec();
    }

    /// An error code was answered, by Kafka's name of it; once for each partition or item that has one.
    pub fn request_error(&self, api_key: i16, error: &'static str) {
        let label = [("api", api_name(api_key)), ("error", error)];
        self.counters.errors.get_or_create(&label).inc();
        match api_key {
            PRODUCE => drop(self.counters.produce_failed.inc()),
            FETCH => drop(self.counters.fetch_failed.inc()),
            _ => {}
        }
    }

    /// Memory was reserved for requests in progress.
    pub fn request_memory_taken(&self, bytes: u64) {
        self.counters.memory.inc_by(i64::try_from(bytes).unwrap_or(i64::MAX));
    }

    /// Memory reserved for requests was given back.
    pub fn request_memory_released(&self, bytes: u64) {
        self.counters.memory.dec_by(i64::try_from(bytes).unwrap_or(i64::MAX));
    }

    /// Bytes were read from a client.
    pub fn bytes_in(&self, bytes: u64) {
        self.counters.received.inc_by(bytes);
    }

    /// Bytes were written to a client.
    pub fn bytes_out(&self, bytes: u64) {
        self.counters.sent.inc_by(bytes);
    }

    /// A connection was accepted.
    pub fn connection_opened(&self) {
        self.counters.accepted.inc();
        self.counters.connections.inc();
    }

    /// It was closed; the reason is a word or two of fixed text.
    pub fn connection_closed(&self, reason: &'static str) {
        self.counters.connections.dec();
        self.counters.closed.get_or_create(&[("reason", reason)]).inc();
    }

    /// Batches were admitted to the log.
    pub fn appended(&self, records: u64, bytes: u64) {
        self.counters.records_appended.inc_by(records);
        self.counters.bytes_appended.inc_by(bytes);
    }

    /// Batches were given to a consumer.
    pub fn fetched(&self, bytes: u64) {
        self.counters.bytes_fetched.inc_by(bytes);
    }

    /// So many fetch sessions of so many partitions are kept; some had to go since this was last said.
    pub fn fetch_sessions(&self, sessions: usize, partitions: usize, evicted: u64) {
        let signed = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
        self.counters.fetch_sessions.set(signed(sessions));
        self.counters.fetch_session_partitions.set(signed(partitions));
        self.counters.fetch_session_evictions.inc_by(evicted);
    }

    /// A group of the write-ahead log became durable, `duration` after its write began.
    pub fn wal_commit(&self, duration: Duration, group_bytes: u64, group_entries: u64) {
        self.counters.commit_duration.observe(duration.as_secs_f64());
        self.counters.group_bytes.observe(group_bytes as f64);
        self.counters.group_entries.observe(group_entries as f64);
    }

    /// The scrubber verified so many bytes of segments; `is_damaged`: and found damage behind them.
    pub fn scrubbed(&self, bytes: u64, is_damaged: bool) {
        self.counters.scrubbed_bytes.inc_by(bytes);
        self.counters.scrub_damage.inc_by(u64::from(is_damaged));
    }

    /// The scrubber came to the end of every log.
    pub fn scrub_round(&self, now: Timestamp) {
        self.counters.scrub_last_round.set(now.0 as f64 / 1000.0);
    }

    /// The cleaner looked at all compacted logs.
    pub fn cleaner_looked(&self, dirty_ratio_max: f64, overdue_max: Duration, now: Timestamp) {
        let counters = &self.counters;
        counters.cleaner.dirty_percent.set((dirty_ratio_max * 100.0) as i64);
        counters.cleaner.delay_seconds.set(i64::try_from(overdue_max.as_secs()).unwrap_or(i64::MAX));
        counters.cleaner_last_look.set(now.0 as f64 / 1000.0);
    }

    /// A log was compacted.
    pub fn cleaned(&self, read_bytes: u64, written_bytes: u64, key_map_utilization: f64, took: Duration) {
        let counters = &self.counters;
        counters.cleaner_runs.inc();
        counters.cleaner_read.inc_by(read_bytes);
        counters.cleaner_written.inc_by(written_bytes);
        let recopied = written_bytes as f64 / read_bytes.max(1) as f64;
        counters.cleaner.recopy_percent.set((recopied * 100.0) as i64);
        counters.cleaner.buffer_percent.set((key_map_utilization * 100.0) as i64);
        counters.cleaner.seconds.set(i64::try_from(took.as_secs()).unwrap_or(i64::MAX));
    }

    /// Compaction found a partition damaged.
    pub fn uncleanable(&self) {
        self.counters.cleaner.uncleanable.inc();
    }

    /// Sets, once, who can name every partition. The visit runs at each scrape and must not wait for a disk.
    pub fn set_partitions(
        &self,
        visit: impl Fn(&mut dyn FnMut(PartitionSnapshot<'_>)) + Send + Sync + 'static,
    ) {
        let visit: VisitPartitions = Box::new(visit);
        self.partitions.set(visit);
    }

    /// Sets, once, who can name every group. As [`Metrics::set_partitions`].
    pub fn set_groups(&self, visit: impl Fn(&mut dyn GroupsVisitor) + Send + Sync + 'static) {
        let visit: VisitGroups = Box::new(visit);
        self.groups.set(visit);
    }

    /// Sets, once, who can name every transactional id. As [`Metrics::set_partitions`].
    pub fn set_transactions(&self, visit: impl Fn(&mut dyn TransactionsVisitor) + Send + Sync + 'static) {
        let visit: VisitTransactions = Box::new(visit);
        self.transactions.set(visit);
    }

    /// What happens in the tier is counted here.
    pub fn tier(&self) -> &Arc<TierCounters> {
        &self.tier.counters
    }

    /// Sets, once, who can tell of the tier. As [`Metrics::set_partitions`], and without a request to the
    /// object store.
    pub fn set_tier(&self, visit: impl Fn(&mut dyn TierVisitor) + Send + Sync + 'static) {
        let visit: VisitTier = Box::new(visit);
        self.tier.set(visit);
    }

    /// All of it as Prometheus reads it; its type is `CONTENT_TYPE`.
    pub fn render(&self) -> String {
        let mut rendered = String::new();
        text::encode(&mut rendered, &self.registry).expect("a String takes everything");
        rendered
    }
}

#[cfg(test)]
mod tests;
