//! Offsets of transactions that are open: they count once their transaction commits.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use super::record::CommittedOffset;
use crate::model::{ProducerId, TransactionResult};

/// A group, a topic and a partition.
type Place = (Arc<str>, Arc<str>, i32);

/// Whose transactions may change the offset of a partition, by index; never empty.
type Partitions = BTreeMap<i32, BTreeSet<ProducerId>>;

/// By producer, for its marker; and by group, for who reads.
#[derive(Debug, Default, PartialEq)]
pub(super) struct PendingOffsets {
    /// A place without an offset: something later was committed there, which the transaction does not undo.
    /// It is unstable all the same, as in Kafka, until the marker comes.
    by_producer: HashMap<ProducerId, BTreeMap<Place, Option<Pending>>>,
    by_group: HashMap<Arc<str>, BTreeMap<Arc<str>, Partitions>>,
    /// Counts what was added, in the order of the log.
    added: u64,
}

#[derive(Debug, PartialEq)]
struct Pending {
    /// Its place in the order of the log.
    number: u64,
    offset: CommittedOffset,
}

impl PendingOffsets {
    /// A producer's transaction commits an offset, if it commits.
    pub fn add(
        &mut self,
        producer_id: ProducerId,
        (group_id, topic, partition): (&Arc<str>, &Arc<str>, i32),
        offset: CommittedOffset,
    ) {
        self.added += 1;
        let pending = Pending { number: self.added, offset };
        let place = (group_id.clone(), topic.clone(), partition);
        self.by_producer.entry(producer_id).or_default().insert(place, Some(pending));
        let group = self.by_group.entry(group_id.clone()).or_default();
        let producers = group.entry(topic.clone()).or_default().entry(partition).or_default();
        producers.insert(producer_id);
    }

    /// A marker came. What the transaction has committed, in the order of places; what was committed later
    /// without it, or by another one, is not among it.
    pub fn end(
        &mut self,
        producer_id: ProducerId,
        result: TransactionResult,
    ) -> Vec<(Place, CommittedOffset)> {
        let mut ended = Vec::new();
        for ((group_id, topic, partition), pending) in
            self.by_producer.remove(&producer_id).unwrap_or_default()
        {
            self.forget(&group_id, &topic, partition, producer_id);
            let Some(Pending { number, offset }) = pending.filter(|_| result == TransactionResult::Commit)
            else {
                continue;
            };
            self.outdate(&group_id, &topic, partition, |other| other < number);
            ended.push(((group_id, topic, partition), offset));
        }
        ended
    }

    /// An offset was committed without a transaction: those that wait were written before it.
    pub fn committed(&mut self, group_id: &Arc<str>, topic: &Arc<str>, partition: i32) {
        self.outdate(group_id, topic, partition, |_| true);
    }

    /// The offset was deleted, and with it what would have taken its place.
    pub fn delete(&mut self, group_id: &Arc<str>, topic: &Arc<str>, partition: i32) {
        for producer_id in self.producers(group_id, topic, partition) {
            self.forget(group_id, topic, partition, producer_id);
            if let Some(places) = self.by_producer.get_mut(&producer_id) {
                places.remove(&(group_id.clone(), topic.clone(), partition));
                if places.is_empty() {
                    self.by_producer.remove(&producer_id);
                }
            }
        }
    }

    /// Whether an open transaction may change the offset.
    pub fn is_unstable(&self, group_id: &str, topic: &str, partition: i32) -> bool {
        let topics = self.by_group.get(group_id);
        topics.and_then(|topics| topics.get(topic)).is_some_and(|known| known.contains_key(&partition))
    }

    /// Whether anything is pending in a group.
    pub fn has_group(&self, group_id: &str) -> bool {
        self.by_group.contains_key(group_id)
    }

    /// What an open transaction may change in a group, the last first.
    pub fn of_group(&self, group_id: &str) -> impl Iterator<Item = (&Arc<str>, i32)> {
        let topics = self.by_group.get(group_id).into_iter().flat_map(|topics| topics.iter().rev());
        topics.flat_map(|(topic, partitions)| partitions.keys().rev().map(move |at| (topic, *at)))
    }

    /// Offsets of a topic that wait, and their groups, in order.
    pub fn of_topic(&self, topic: &str) -> Vec<(&Arc<str>, i32, &CommittedOffset)> {
        let places = self.by_producer.values().flatten();
        let of_topic = places.filter_map(|((group_id, name, partition), pending)| {
            let pending = pending.as_ref().filter(|_| **name == *topic)?;
            Some((group_id, *partition, &pending.offset))
        });
        let mut found: Vec<_> = of_topic.collect();
        found.sort_unstable_by_key(|(group_id, partition, _)| (*group_id, *partition));
        found
    }

    fn producers(&self, group_id: &str, topic: &str, partition: i32) -> Vec<ProducerId> {
        let known = self.by_group.get(group_id).and_then(|topics| topics.get(topic)?.get(&partition));
        known.into_iter().flatten().copied().collect()
    }

    /// Those which `is_older` tells by their numbers will not count.
    fn outdate(
        &mut self,
        group_id: &Arc<str>,
        topic: &Arc<str>,
        partition: i32,
        is_older: impl Fn(u64) -> bool,
    ) {
        if !self.has_group(group_id) {
            return;
        }
        let place = (group_id.clone(), topic.clone(), partition);
        for producer_id in self.producers(group_id, topic, partition) {
            let pending = self.by_producer.get_mut(&producer_id).and_then(|places| places.get_mut(&place));
            if let Some(pending) = pending
                && pending.as_ref().is_some_and(|known| is_older(known.number))
            {
                *pending = None;
            }
        }
    }

    /// One producer less has something pending at a place.
    fn forget(&mut self, group_id: &str, topic: &str, partition: i32, producer_id: ProducerId) {
        let Some(topics) = self.by_group.get_mut(group_id) else { return };
        let Some(partitions) = topics.get_mut(topic) else { return };
        let Some(producers) = partitions.get_mut(&partition) else { return };
        producers.remove(&producer_id);
        if producers.is_empty() {
            partitions.remove(&partition);
        }
        if partitions.is_empty() {
            topics.remove(topic);
        }
        if topics.is_empty() {
            self.by_group.remove(group_id);
        }
    }
}
