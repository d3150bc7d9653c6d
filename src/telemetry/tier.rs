//! Metrics of the tier: what is counted as it happens, and what is read when somebody scrapes.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::{ConstCounter, Counter};
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};

use super::metrics::Label;
use super::names::{self, Name};
use super::series::{gauge, gauges, signed};
use crate::model::Timestamp;

type TwoLabels = [(&'static str, &'static str); 2];

/// One request to the object store that is over. Words are of fixed text.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TierRequest {
    /// Its kind, such as `put`.
    pub operation: &'static str,
    /// How it ended, such as `done`.
    pub result: &'static str,
    /// Bytes of the body that was sent or received.
    pub bytes: u64,
    /// Until it was answered, or ended without an answer.
    pub duration: Duration,
}

/// What the tier did with segments and records, since the start.
#[derive(Default)]
pub struct TierCounters {
    requests: Family<TwoLabels, Counter>,
    request_bytes: Family<TwoLabels, Counter>,
    durations: Durations,
    copied_segments: Counter,
    copied_bytes: Counter,
    copy_errors: Counter,
    reads: Counter,
    read_bytes: Counter,
    read_errors: Counter,
    deleted_segments: Counter,
    delete_errors: Counter,
}

/// By kind, 1 ms to 131 s in powers of two: a directory at one end, a time-out at the other.
struct Durations(Family<Label, Histogram, fn() -> Histogram>);

impl Default for Durations {
    fn default() -> Durations {
        let buckets: fn() -> Histogram = || Histogram::new(exponential_buckets(0.001, 2.0, 18));
        Durations(Family::new_with_constructor(buckets))
    }
}

impl TierCounters {
    /// A request to the store is over.
    pub fn request(&self, request: &TierRequest) {
        let labels = [("operation", request.operation), ("result", request.result)];
        self.requests.get_or_create(&labels).inc();
        self.request_bytes.get_or_create(&labels).inc_by(request.bytes);
        let label = [("operation", request.operation)];
        self.durations.0.get_or_create(&label).observe(request.duration.as_secs_f64());
    }

    /// Requests of that kind with that result, and the bytes of their bodies.
    pub fn requests(&self, operation: &'static str, result: &'static str) -> (u64, u64) {
        let labels = [("operation", operation), ("result", result)];
        let count = |family: &Family<TwoLabels, Counter>| family.get(&labels).map_or(0, |found| found.get());
        (count(&self.requests), count(&self.request_bytes))
    }

    /// A segment is to be copied.
    pub fn copy_begun(&self) {
        self.copied_segments.inc();
    }

    /// It is: an object of so many bytes.
    pub fn copied(&self, bytes: u64) {
        self.copied_bytes.inc_by(bytes);
    }

    /// Copying a partition's segments broke off.
    pub fn copy_failed(&self) {
        self.copy_errors.inc();
    }

    /// Records of a partition were read, or that failed (`None`).
    pub fn read(&self, bytes: Option<u64>) {
        self.reads.inc();
        match bytes {
            Some(bytes) => self.read_bytes.inc_by(bytes),
            None => self.read_errors.inc(),
        };
    }

    /// So many segments are named no longer.
    pub fn deleted(&self, segments: u64) {
        self.deleted_segments.inc_by(segments);
    }

    /// A removal failed.
    pub fn delete_failed(&self) {
        self.delete_errors.inc();
    }

    fn encode(&self, encoder: &mut DescriptorEncoder) -> fmt::Result {
        let families =
            [(names::TIER_REQUESTS, &self.requests), (names::TIER_REQUEST_BYTES, &self.request_bytes)];
        for (Name { name, help }, family) in families {
            family.encode(encoder.encode_descriptor(name, help, None, MetricType::Counter)?)?;
        }
        let Name { name, help } = names::TIER_REQUEST_DURATION;
        self.durations.0.encode(encoder.encode_descriptor(name, help, None, MetricType::Histogram)?)?;
        for (name, kafka_name, counter) in [
            (names::TIER_COPIED_SEGMENTS, names::KAFKA_REMOTE_COPY_REQUESTS, &self.copied_segments),
            (names::TIER_COPIED_BYTES, names::KAFKA_REMOTE_COPY_BYTES, &self.copied_bytes),
            (names::TIER_COPY_ERRORS, names::KAFKA_REMOTE_COPY_ERRORS, &self.copy_errors),
            (names::TIER_READS, names::KAFKA_REMOTE_FETCH_REQUESTS, &self.reads),
            (names::TIER_READ_BYTES, names::KAFKA_REMOTE_FETCH_BYTES, &self.read_bytes),
            (names::TIER_READ_ERRORS, names::KAFKA_REMOTE_FETCH_ERRORS, &self.read_errors),
            (names::TIER_DELETED_SEGMENTS, names::KAFKA_REMOTE_DELETE_REQUESTS, &self.deleted_segments),
            (names::TIER_DELETE_ERRORS, names::KAFKA_REMOTE_DELETE_ERRORS, &self.delete_errors),
        ] {
            counter_of(encoder, name, counter.get())?;
            counter_of(encoder, kafka_name, counter.get())?;
        }
        Ok(())
    }
}

fn counter_of(encoder: &mut DescriptorEncoder, Name { name, help }: Name, value: u64) -> fmt::Result {
    ConstCounter::new(value).encode(encoder.encode_descriptor(name, help, None, MetricType::Counter)?)
}

/// A tiered partition at the moment of a scrape.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct TierPartitionSnapshot {
    /// Bytes of its record batches in the tier.
    pub bytes: u64,
    /// Segments of it there.
    pub segments: u64,
    /// Bytes of closed segments that are not copied yet.
    pub lag_bytes: u64,
    /// How many these are.
    pub lag_segments: u64,
    /// How old the newest records of the oldest of these are.
    pub lag: Duration,
    /// For how long every look at it has failed.
    pub failing_for: Option<Duration>,
    /// Replaced objects that are kept for a while.
    pub retired_objects: u64,
    /// Bytes of segments below the log start that could not be removed.
    pub delete_lag_bytes: u64,
    /// How many these are.
    pub delete_lag_segments: u64,
}

/// What is told of the tier as a whole.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct TierSnapshot {
    /// Blocks asked for that were in memory.
    pub memory_hits: u64,
    /// Blocks asked for that were in the disk cache.
    pub disk_hits: u64,
    /// Blocks that a reader had to wait for.
    pub misses: u64,
    /// Blocks that came from the store.
    pub fetched_blocks: u64,
    /// Times that something was not what it should be.
    pub damaged: u64,
    /// Bytes of blocks in memory.
    pub cached_bytes: u64,
    /// Topics that were deleted, or left the tier, of which objects are left.
    pub topic_deletions: u64,
    /// When something last failed; 0: not since the start.
    pub last_error: Timestamp,
    /// Of when the last catalogue is; 0: none was put since the start.
    pub catalogue_at: Timestamp,
    /// Partitions of `__consumer_offsets` whose offsets in it are older.
    pub catalogue_stale: u64,
}

/// What is told at a scrape; nothing where there is no tier.
pub trait TierVisitor {
    /// The tier as a whole.
    fn tier(&mut self, snapshot: TierSnapshot);
    /// One of its partitions.
    fn partition(&mut self, topic: &str, partition: i32, snapshot: TierPartitionSnapshot);
}

/// Calls back for the tier and every partition of it.
pub(super) type VisitTier = Box<dyn Fn(&mut dyn TierVisitor) + Send + Sync>;

/// Where the tier is learned from; empty until the broker is there.
pub(super) struct TierSource {
    pub counters: Arc<TierCounters>,
    visit: OnceLock<VisitTier>,
    partitions_max: usize,
}

impl fmt::Debug for TierSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TierSource")
    }
}

#[derive(Default)]
struct Scrape {
    partitions_max: usize,
    tier: Option<TierSnapshot>,
    count: usize,
    failing: usize,
    /// Sums; of `lag` the largest.
    all: TierPartitionSnapshot,
    partitions: BTreeMap<(String, i32), TierPartitionSnapshot>,
}

impl TierVisitor for Scrape {
    fn tier(&mut self, snapshot: TierSnapshot) {
        self.tier = Some(snapshot);
    }

    fn partition(&mut self, topic: &str, partition: i32, snapshot: TierPartitionSnapshot) {
        self.count += 1;
        self.failing += usize::from(snapshot.failing_for.is_some());
        let all = &mut self.all;
        all.bytes += snapshot.bytes;
        all.segments += snapshot.segments;
        all.lag_bytes += snapshot.lag_bytes;
        all.lag_segments += snapshot.lag_segments;
        all.lag = all.lag.max(snapshot.lag);
        all.retired_objects += snapshot.retired_objects;
        all.delete_lag_bytes += snapshot.delete_lag_bytes;
        all.delete_lag_segments += snapshot.delete_lag_segments;
        if self.count <= self.partitions_max {
            self.partitions.insert((topic.to_owned(), partition), snapshot);
        } else {
            self.partitions.clear();
        }
    }
}

impl TierSource {
    pub fn new(partitions_max: usize) -> TierSource {
        TierSource { counters: Arc::default(), visit: OnceLock::new(), partitions_max }
    }

    /// The first one set stays.
    pub fn set(&self, visit: VisitTier) {
        let _ = self.visit.set(visit);
    }
}

fn per_partition(
    encoder: &mut DescriptorEncoder,
    scrape: &Scrape,
    name: Name,
    value: fn(&TierPartitionSnapshot) -> u64,
) -> fmt::Result {
    let mut family = gauges(encoder, name)?;
    for ((topic, partition), snapshot) in &scrape.partitions {
        let labels = [("topic", topic.clone()), ("partition", partition.to_string())];
        ConstGauge::new(signed(value(snapshot))).encode(family.encode_family(&labels)?)?;
    }
    Ok(())
}

fn caches(encoder: &mut DescriptorEncoder, tier: &TierSnapshot) -> fmt::Result {
    let Name { name, help } = names::TIER_CACHE_HITS;
    let mut family = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
    for (place, hits) in [("memory", tier.memory_hits), ("disk", tier.disk_hits)] {
        ConstCounter::new(hits).encode(family.encode_family(&[("in", place)])?)?;
    }
    counter_of(encoder, names::TIER_CACHE_MISSES, tier.misses)?;
    counter_of(encoder, names::TIER_BLOCKS_FETCHED, tier.fetched_blocks)?;
    counter_of(encoder, names::TIER_DAMAGED, tier.damaged)?;
    gauge(encoder, names::TIER_CACHE_BYTES, signed(tier.cached_bytes))
}

impl Collector for TierSource {
    fn encode(&self, mut encoder: DescriptorEncoder) -> Result<(), fmt::Error> {
        let Some(visit) = self.visit.get() else { return Ok(()) };
        let mut scrape = Scrape { partitions_max: self.partitions_max, ..Scrape::default() };
        visit(&mut scrape);
        let Some(tier) = scrape.tier else { return Ok(()) };
        let encoder = &mut encoder;
        self.counters.encode(encoder)?;
        caches(encoder, &tier)?;
        for (name, time) in
            [(names::TIER_LAST_ERROR, tier.last_error), (names::TIER_CATALOGUE_TIME, tier.catalogue_at)]
        {
            ConstGauge::new(time.0 as f64 / 1000.0).encode(gauges(encoder, name)?)?;
        }
        let all = &scrape.all;
        for (name, value) in [
            (names::TIER_PENDING_TOPICS, tier.topic_deletions),
            (names::TIER_CATALOGUE_STALE, tier.catalogue_stale),
            (names::TIER_PENDING_OBJECTS, all.retired_objects),
            (names::TIER_FAILING, scrape.failing as u64),
            (names::TIER_BYTES, all.bytes),
            (names::KAFKA_REMOTE_LOG_SIZE, all.bytes),
            (names::TIER_SEGMENTS, all.segments),
            (names::KAFKA_REMOTE_METADATA, all.segments),
            (names::TIER_LAG_BYTES, all.lag_bytes),
            (names::KAFKA_REMOTE_COPY_LAG_BYTES, all.lag_bytes),
            (names::TIER_LAG_SEGMENTS, all.lag_segments),
            (names::KAFKA_REMOTE_COPY_LAG_SEGMENTS, all.lag_segments),
            (names::TIER_LAG_SECONDS, all.lag.as_secs()),
            (names::KAFKA_REMOTE_DELETE_LAG_BYTES, all.delete_lag_bytes),
            (names::KAFKA_REMOTE_DELETE_LAG_SEGMENTS, all.delete_lag_segments),
        ] {
            gauge(encoder, name, signed(value))?;
        }
        if scrape.partitions.is_empty() {
            return Ok(());
        }
        per_partition(encoder, &scrape, names::TIER_PARTITION_BYTES, |n| n.bytes)?;
        per_partition(encoder, &scrape, names::TIER_PARTITION_SEGMENTS, |n| n.segments)?;
        per_partition(encoder, &scrape, names::TIER_PARTITION_LAG_BYTES, |n| n.lag_bytes)?;
        per_partition(encoder, &scrape, names::TIER_PARTITION_LAG_SEGMENTS, |n| n.lag_segments)?;
        per_partition(encoder, &scrape, names::TIER_PARTITION_LAG_SECONDS, |n| n.lag.as_secs())?;
        let failing = |n: &TierPartitionSnapshot| n.failing_for.map_or(0, |time| time.as_secs().max(1));
        per_partition(encoder, &scrape, names::TIER_PARTITION_FAILING, failing)
    }
}

#[cfg(test)]
mod tests;
