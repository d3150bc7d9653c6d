//! Metrics of each partition, read when somebody scrapes.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::OnceLock;
use std::time::Duration;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::gauge::ConstGauge;

use super::names::{self, Name};
use super::series::{gauge, gauges, signed};
use crate::model::{Offset, ProducerId};

/// A partition at the moment of a scrape.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PartitionSnapshot<'a> {
    /// The topic's name.
    pub topic: &'a str,
    /// The partition's index.
    pub partition: i32,
    /// First offset that can be read.
    pub log_start_offset: Offset,
    /// Offset below which every record is durable.
    pub high_watermark: Offset,
    /// Offset that the next record gets.
    pub log_end_offset: Offset,
    /// Offset below which every transaction is decided.
    pub last_stable_offset: Offset,
    /// Transactions that are not, if there are any.
    pub transactions: Option<TransactionsSnapshot>,
    /// Size of its segments.
    pub log_bytes: u64,
    /// Whether it stopped on a fault.
    pub offline: bool,
}

/// The open transactions of a partition.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TransactionsSnapshot {
    /// How many.
    pub open: usize,
    /// Whose is the first, which holds the last stable offset.
    pub first_producer_id: ProducerId,
    /// Its transactional id; empty if no coordinator knows it.
    pub first_transactional_id: String,
    /// For how long that has been open.
    pub first_age: Duration,
    /// Whether its time-out should have ended it.
    pub is_late: bool,
}

/// Calls back for every partition.
pub(super) type VisitPartitions = Box<dyn Fn(&mut dyn FnMut(PartitionSnapshot<'_>)) + Send + Sync>;

/// Where partitions are learned from; empty until the broker is there.
pub(super) struct PartitionsSource {
    visit: OnceLock<VisitPartitions>,
    partitions_max: usize,
}

impl fmt::Debug for PartitionsSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PartitionsSource")
    }
}

/// One partition's numbers, by topic and index.
struct Numbers {
    log_start_offset: i64,
    high_watermark: i64,
    log_end_offset: i64,
    last_stable_offset: i64,
    transactions: Option<TransactionsSnapshot>,
    log_bytes: i64,
}

#[derive(Default)]
struct Scrape {
    count: usize,
    offline: usize,
    late: usize,
    log_bytes: u64,
    topics: BTreeMap<String, BTreeMap<i32, Numbers>>,
}

impl PartitionsSource {
    pub fn new(partitions_max: usize) -> PartitionsSource {
        PartitionsSource { visit: OnceLock::new(), partitions_max }
    }

    /// The first one set stays.
    pub fn set(&self, visit: VisitPartitions) {
        let _ = self.visit.set(visit);
    }

    fn scrape(&self) -> Scrape {
        let mut scrape = Scrape::default();
        if let Some(visit) = self.visit.get() {
            visit(&mut |partition| scrape.add(partition, self.partitions_max));
        }
        if scrape.count > self.partitions_max {
            scrape.topics.clear();
        }
        scrape
    }
}

impl Scrape {
    fn add(&mut self, partition: PartitionSnapshot<'_>, partitions_max: usize) {
        self.count += 1;
        self.offline += usize::from(partition.offline);
        self.late += usize::from(partition.transactions.as_ref().is_some_and(|open| open.is_late));
        self.log_bytes += partition.log_bytes;
        // One that stopped has no offsets to show.
        if self.count > partitions_max || partition.offline {
            return;
        }
        let numbers = Numbers {
            log_start_offset: partition.log_start_offset.0,
            high_watermark: partition.high_watermark.0,
            log_end_offset: partition.log_end_offset.0,
            last_stable_offset: partition.last_stable_offset.0,
            transactions: partition.transactions,
            log_bytes: signed(partition.log_bytes),
        };
        self.topics.entry(partition.topic.to_owned()).or_default().insert(partition.partition, numbers);
    }
}

fn per_partition(
    encoder: &mut DescriptorEncoder,
    scrape: &Scrape,
    name: Name,
    value: fn(&Numbers) -> i64,
) -> fmt::Result {
    let mut family = gauges(encoder, name)?;
    for (topic, partitions) in &scrape.topics {
        for (partition, numbers) in partitions {
            let labels = [("topic", topic.clone()), ("partition", partition.to_string())];
            ConstGauge::new(value(numbers)).encode(family.encode_family(&labels)?)?;
        }
    }
    Ok(())
}

/// Of those partitions that have any.
fn transactions(encoder: &mut DescriptorEncoder, scrape: &Scrape) -> fmt::Result {
    let mut found = Vec::new();
    for (topic, partitions) in &scrape.topics {
        for (partition, numbers) in partitions {
            found.extend(numbers.transactions.as_ref().map(|transactions| (topic, partition, transactions)));
        }
    }
    let mut family = gauges(encoder, names::PARTITION_OPEN_TRANSACTIONS)?;
    for (topic, partition, transactions) in &found {
        let labels = [("topic", (*topic).clone()), ("partition", partition.to_string())];
        ConstGauge::new(signed(transactions.open)).encode(family.encode_family(&labels)?)?;
    }
    let mut family = gauges(encoder, names::PARTITION_OLDEST_TRANSACTION)?;
    for (topic, partition, transactions) in &found {
        let labels = [
            ("topic", (*topic).clone()),
            ("partition", partition.to_string()),
            ("producer_id", transactions.first_producer_id.to_string()),
            ("transactional_id", transactions.first_transactional_id.clone()),
        ];
        ConstGauge::new(signed(transactions.first_age.as_secs())).encode(family.encode_family(&labels)?)?;
    }
    Ok(())
}

impl Collector for PartitionsSource {
    fn encode(&self, mut encoder: DescriptorEncoder) -> Result<(), fmt::Error> {
        let scrape = self.scrape();
        let count = signed(scrape.count);
        let encoder = &mut encoder;
        gauge(encoder, names::PARTITIONS, count)?;
        gauge(encoder, names::KAFKA_PARTITION_COUNT, count)?;
        gauge(encoder, names::KAFKA_LEADER_COUNT, count - signed(scrape.offline))?;
        gauge(encoder, names::KAFKA_OFFLINE_PARTITIONS, signed(scrape.offline))?;
        gauge(encoder, names::KAFKA_LATE_TRANSACTIONS, signed(scrape.late))?;
        gauge(encoder, names::LOG_BYTES, signed(scrape.log_bytes))?;
        if scrape.topics.is_empty() {
            return Ok(());
        }
        per_partition(encoder, &scrape, names::PARTITION_LOG_BYTES, |n| n.log_bytes)?;
        per_partition(encoder, &scrape, names::KAFKA_LOG_SIZE, |n| n.log_bytes)?;
        per_partition(encoder, &scrape, names::PARTITION_LOG_START, |n| n.log_start_offset)?;
        per_partition(encoder, &scrape, names::EXPORTER_OLDEST_OFFSET, |n| n.log_start_offset)?;
        per_partition(encoder, &scrape, names::PARTITION_HIGH_WATERMARK, |n| n.high_watermark)?;
        per_partition(encoder, &scrape, names::EXPORTER_CURRENT_OFFSET, |n| n.high_watermark)?;
        per_partition(encoder, &scrape, names::PARTITION_LOG_END, |n| n.log_end_offset)?;
        per_partition(encoder, &scrape, names::PARTITION_LAST_STABLE, |n| n.last_stable_offset)?;
        transactions(encoder, &scrape)?;
        let mut family = gauges(encoder, names::EXPORTER_TOPIC_PARTITIONS)?;
        for (topic, partitions) in &scrape.topics {
            let labels = [("topic", topic.clone())];
            ConstGauge::new(signed(partitions.len())).encode(family.encode_family(&labels)?)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
