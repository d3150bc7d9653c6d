//! Metrics of consumer groups, read when somebody scrapes.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::OnceLock;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;

use super::names::{self, Name};
use super::series::{gauge, gauges, signed};
use crate::model::Offset;

/// A group as it is at a scrape.
#[derive(Debug, Clone, Copy)]
pub struct GroupSeen {
    /// `classic` or `consumer`.
    pub group_type: &'static str,
    /// Kafka's name of its state.
    pub state: &'static str,
    /// How many members it has.
    pub members: usize,
    /// Since there is the group.
    pub rebalances: u32,
}

/// What is told of groups at a scrape.
pub trait GroupsVisitor {
    /// A group, by its id.
    fn group(&mut self, group: &str, seen: GroupSeen);
    /// What a group has committed in a partition, and the high watermark of that: `None` if it does not exist
    /// any more.
    fn offset(
        &mut self,
        group: &str,
        topic: &str,
        partition: i32,
        committed: Offset,
        high_watermark: Option<Offset>,
    );
    /// Rebalances of classic groups that came to their end, since the start.
    fn rebalances(&mut self, count: u64);
}

/// Calls back for every group.
pub(super) type VisitGroups = Box<dyn Fn(&mut dyn GroupsVisitor) + Send + Sync>;

/// Where groups are learned from; empty until the broker is there.
pub(super) struct GroupsSource {
    visit: OnceLock<VisitGroups>,
    /// Groups, and committed offsets, up to which each has metrics of its own.
    series_max: usize,
}

impl fmt::Debug for GroupsSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("GroupsSource")
    }
}

/// Offset and lag of each partition.
type Partitions = BTreeMap<i32, (i64, Option<i64>)>;

#[derive(Default)]
struct Scrape {
    series_max: usize,
    rebalances: u64,
    members: usize,
    groups: usize,
    offsets: usize,
    by_state: BTreeMap<(&'static str, &'static str), usize>,
    by_group: BTreeMap<String, GroupSeen>,
    /// By group and topic.
    offsets_by_group: BTreeMap<(String, String), Partitions>,
}

impl GroupsVisitor for Scrape {
    fn group(&mut self, group: &str, seen: GroupSeen) {
        self.groups += 1;
        self.members += seen.members;
        *self.by_state.entry((seen.group_type, seen.state)).or_default() += 1;
        if self.has_room() {
            self.by_group.insert(group.to_owned(), seen);
        }
    }

    fn offset(
        &mut self,
        group: &str,
        topic: &str,
        partition: i32,
        committed: Offset,
        high_watermark: Option<Offset>,
    ) {
        self.offsets += 1;
        if self.has_room() {
            let lag = high_watermark.map(|end| (end.0 - committed.0).max(0));
            let partitions = self.offsets_by_group.entry((group.to_owned(), topic.to_owned())).or_default();
            partitions.insert(partition, (committed.0, lag));
        }
    }

    fn rebalances(&mut self, count: u64) {
        self.rebalances = count;
    }
}

impl Scrape {
    /// Whether each group, and each offset, has metrics of its own.
    fn has_room(&self) -> bool {
        self.groups <= self.series_max && self.offsets <= self.series_max
    }
}

impl GroupsSource {
    pub fn new(series_max: usize) -> GroupsSource {
        GroupsSource { visit: OnceLock::new(), series_max }
    }

    /// The first one set stays.
    pub fn set(&self, visit: VisitGroups) {
        let _ = self.visit.set(visit);
    }

    fn scrape(&self) -> Scrape {
        let mut scrape = Scrape { series_max: self.series_max, ..Scrape::default() };
        if let Some(visit) = self.visit.get() {
            visit(&mut scrape);
        }
        if !scrape.has_room() {
            scrape.by_group.clear();
            scrape.offsets_by_group.clear();
        }
        scrape
    }
}

/// Members, state and rebalances of each group.
fn per_group(encoder: &mut DescriptorEncoder, scrape: &Scrape) -> fmt::Result {
    let mut family = gauges(encoder, names::EXPORTER_GROUP_MEMBERS)?;
    for (group, seen) in &scrape.by_group {
        let labels = [("consumergroup", group.as_str())];
        ConstGauge::new(signed(seen.members)).encode(family.encode_family(&labels)?)?;
    }
    let mut family = gauges(encoder, names::GROUP_STATE)?;
    for (group, seen) in &scrape.by_group {
        let labels = [("consumergroup", group.as_str()), ("type", seen.group_type), ("state", seen.state)];
        ConstGauge::new(1_i64).encode(family.encode_family(&labels)?)?;
    }
    let Name { name, help } = names::GROUP_GENERATION;
    let mut family = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
    for (group, seen) in &scrape.by_group {
        let labels = [("consumergroup", group.as_str())];
        ConstCounter::new(u64::from(seen.rebalances)).encode(family.encode_family(&labels)?)?;
    }
    Ok(())
}

/// A series for each group, topic and partition that has the number.
fn per_partition(
    encoder: &mut DescriptorEncoder,
    scrape: &Scrape,
    name: Name,
    value: fn((i64, Option<i64>)) -> Option<i64>,
) -> fmt::Result {
    let mut family = gauges(encoder, name)?;
    for ((group, topic), partitions) in &scrape.offsets_by_group {
        for (partition, numbers) in partitions {
            let Some(value) = value(*numbers) else { continue };
            let labels = [
                ("consumergroup", group.clone()),
                ("topic", topic.clone()),
                ("partition", partition.to_string()),
            ];
            ConstGauge::new(value).encode(family.encode_family(&labels)?)?;
        }
    }
    Ok(())
}

/// The sum over a topic's partitions.
fn per_topic(
    encoder: &mut DescriptorEncoder,
    scrape: &Scrape,
    name: Name,
    value: fn((i64, Option<i64>)) -> Option<i64>,
) -> fmt::Result {
    let mut family = gauges(encoder, name)?;
    for ((group, topic), partitions) in &scrape.offsets_by_group {
        let labels = [("consumergroup", group.clone()), ("topic", topic.clone())];
        let sum: i64 = partitions.values().filter_map(|numbers| value(*numbers)).sum();
        ConstGauge::new(sum).encode(family.encode_family(&labels)?)?;
    }
    Ok(())
}

impl Collector for GroupsSource {
    fn encode(&self, mut encoder: DescriptorEncoder) -> Result<(), fmt::Error> {
        let scrape = self.scrape();
        let encoder = &mut encoder;
        gauge(encoder, names::GROUP_MEMBERS, signed(scrape.members))?;
        let Name { name, help } = names::GROUP_REBALANCES;
        let rebalances = ConstCounter::new(scrape.rebalances);
        rebalances.encode(encoder.encode_descriptor(name, help, None, MetricType::Counter)?)?;
        if scrape.groups == 0 {
            return gauge(encoder, names::GROUPS, 0);
        }
        let mut family = gauges(encoder, names::GROUPS)?;
        for ((group_type, state), count) in &scrape.by_state {
            let labels = [("type", *group_type), ("state", *state)];
            ConstGauge::new(signed(*count)).encode(family.encode_family(&labels)?)?;
        }
        if scrape.by_group.is_empty() {
            return Ok(());
        }
        per_group(encoder, &scrape)?;
        if scrape.offsets_by_group.is_empty() {
            return Ok(());
        }
        per_partition(encoder, &scrape, names::EXPORTER_GROUP_OFFSET, |(offset, _)| Some(offset))?;
        per_partition(encoder, &scrape, names::EXPORTER_GROUP_LAG, |(_, lag)| lag)?;
        per_topic(encoder, &scrape, names::EXPORTER_GROUP_OFFSET_SUM, |(offset, _)| Some(offset))?;
        per_topic(encoder, &scrape, names::EXPORTER_GROUP_LAG_SUM, |(_, lag)| lag)
    }
}

#[cfg(test)]
mod tests;
