//! Finds what holds last stable offsets, by what any broker tells: where they lie behind high watermarks, who
//! has a transaction open there, and what its coordinator knows of it.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use anyhow::{Result, bail};
use kafka_protocol::messages::describe_producers_request::TopicRequest;
use kafka_protocol::messages::describe_producers_response::PartitionResponse;
use kafka_protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use kafka_protocol::messages::{
    BrokerId, DescribeProducersRequest, DescribeTransactionsRequest, ListOffsetsRequest,
    ListTransactionsRequest, ProducerId, TopicName,
};

use super::super::client::Cluster;
use crate::protocol::ErrorCode;

/// Versions that are asked for.
const LIST_OFFSETS: i16 = 7;
const DESCRIBE_PRODUCERS: i16 = 0;
const LIST_TRANSACTIONS: i16 = 0;
const DESCRIBE_TRANSACTIONS: i16 = 0;
/// ListOffsets: the end.
const LATEST: i64 = -1;
/// Partitions, producers or transactions of one request.
const AT_ONCE: usize = 1000;

/// A partition by topic and index.
type Place = (TopicName, i32);

/// A partition whose last stable offset is held, and by whom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Holder {
    pub topic: String,
    pub partition: i32,
    pub last_stable_offset: i64,
    pub high_watermark: i64,
    pub producer_id: i64,
    pub producer_epoch: i32,
    /// When the producer last wrote there, in milliseconds; -1: unknown.
    pub last_timestamp: i64,
    /// What its coordinator says.
    pub transaction: Option<Transaction>,
    /// Where none says anything: each of them was asked, so that nobody will end it.
    pub is_nobodys: bool,
}

/// A transaction as its coordinator has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Transaction {
    pub transactional_id: String,
    pub state: String,
    /// In milliseconds.
    pub start_timestamp: i64,
    pub timeout_ms: i32,
    pub partitions_count: usize,
}

/// What was found, and what could not be looked at.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub holders: Vec<Holder>,
    pub refused: Vec<String>,
}

/// Asks all brokers. The order is that of topics and partitions. One that does not answer is not asked again,
/// and hides nothing of what the others tell.
pub(super) fn find(cluster: &mut Cluster) -> Found {
    let mut found = Found::default();
    let mut silent = BTreeSet::new();
    for (node, places) in led(cluster) {
        if let Err(error) = look_at(cluster, node, &places, &mut found) {
            found.refused.push(format!("broker {node} does not tell of its partitions: {error:#}"));
            silent.insert(node);
        }
    }
    found.holders.sort_by(|one, other| (&one.topic, one.partition).cmp(&(&other.topic, other.partition)));
    for node in cluster.nodes().into_iter().filter(|node| !silent.contains(node)).collect::<Vec<_>>() {
        if let Err(error) = tell_whose(cluster, node, &mut found) {
            found.refused.push(format!("broker {node} does not tell of its transactions: {error:#}"));
            silent.insert(node);
        }
    }
    let of_nobody = found.holders.iter_mut().filter(|holder| holder.transaction.is_none());
    of_nobody.for_each(|holder| holder.is_nobodys = silent.is_empty());
    found
}

/// What holds the partitions that a broker leads.
fn look_at(cluster: &mut Cluster, node: i32, places: &[Place], found: &mut Found) -> Result<()> {
    for places in places.chunks(AT_ONCE) {
        let high_watermarks = latest(cluster, node, places, 0, found)?;
        let stable = latest(cluster, node, places, 1, found)?;
        let is_behind = |place: &&Place| match (stable.get(*place), high_watermarks.get(*place)) {
            (Some(stable), Some(high_watermark)) => stable < high_watermark,
            _ => false,
        };
        let behind: Vec<Place> = places.iter().filter(is_behind).cloned().collect();
        for (place, partition) in producers(cluster, node, &behind, found)? {
            // A broker that tells of what it was not asked about is not believed.
            let (Some(stable), Some(high)) = (stable.get(&place), high_watermarks.get(&place)) else {
                continue;
            };
            found.holders.extend(holder(place, (*stable, *high), &partition));
        }
    }
    Ok(())
}

/// Every partition, by the node that leads it.
fn led(cluster: &Cluster) -> BTreeMap<i32, Vec<Place>> {
    let mut led = BTreeMap::<i32, Vec<Place>>::new();
    for topic in &cluster.metadata.topics {
        let Some(name) = &topic.name else { continue };
        // Without a leader nobody reads it either.
        for partition in topic.partitions.iter().filter(|partition| partition.leader_id.0 >= 0) {
            led.entry(partition.leader_id.0).or_default().push((name.clone(), partition.partition_index));
        }
    }
    led
}

fn by_topic(places: &[Place]) -> BTreeMap<&TopicName, Vec<i32>> {
    let mut topics = BTreeMap::<_, Vec<i32>>::new();
    for (topic, partition) in places {
        topics.entry(topic).or_default().push(*partition);
    }
    topics
}

/// The end of each partition for readers of this isolation level.
fn latest(
    cluster: &mut Cluster,
    node: i32,
    places: &[Place],
    isolation_level: i8,
    found: &mut Found,
) -> Result<HashMap<Place, i64>> {
    let partition = |index| {
        ListOffsetsPartition::default()
            .with_partition_index(index)
            .with_current_leader_epoch(-1)
            .with_timestamp(LATEST)
    };
    let topics = by_topic(places).into_iter().map(|(name, partitions)| {
        let partitions = partitions.into_iter().map(partition).collect();
        ListOffsetsTopic::default().with_name(name.clone()).with_partitions(partitions)
    });
    let request = ListOffsetsRequest::default()
        .with_replica_id(BrokerId(-1))
        .with_isolation_level(isolation_level)
        .with_topics(topics.collect());
    let answer = cluster.ask(node, LIST_OFFSETS, &request)?;
    let mut offsets = HashMap::new();
    for topic in answer.topics {
        for partition in topic.partitions {
            let place = (topic.name.clone(), partition.partition_index);
            if found.is_told(&place, partition.error_code) {
                offsets.insert(place, partition.offset);
            }
        }
    }
    Ok(offsets)
}

fn producers(
    cluster: &mut Cluster,
    node: i32,
    places: &[Place],
    found: &mut Found,
) -> Result<Vec<(Place, PartitionResponse)>> {
    if places.is_empty() {
        return Ok(Vec::new());
    }
    let topics = by_topic(places).into_iter().map(|(name, partitions)| {
        TopicRequest::default().with_name(name.clone()).with_partition_indexes(partitions)
    });
    let request = DescribeProducersRequest::default().with_topics(topics.collect());
    let answer = cluster.ask(node, DESCRIBE_PRODUCERS, &request)?;
    let mut told = Vec::new();
    for topic in answer.topics {
        for partition in topic.partitions {
            let place = (topic.name.clone(), partition.partition_index);
            if found.is_told(&place, partition.error_code) {
                told.push((place, partition));
            }
        }
    }
    Ok(told)
}

/// The first open transaction is the one that holds; none is left if it has just ended.
fn holder(place: Place, offsets: (i64, i64), partition: &PartitionResponse) -> Option<Holder> {
    let open = partition.active_producers.iter().filter(|producer| producer.current_txn_start_offset >= 0);
    let first = open.min_by_key(|producer| producer.current_txn_start_offset)?;
    let ((topic, partition), (last_stable_offset, high_watermark)) = (place, offsets);
    Some(Holder {
        topic: topic.to_string(),
        partition,
        last_stable_offset,
        high_watermark,
        producer_id: first.producer_id.0,
        producer_epoch: first.producer_epoch,
        last_timestamp: first.last_timestamp,
        transaction: None,
        is_nobodys: false,
    })
}

/// Asks a broker for the transactions of these producers that it coordinates.
fn tell_whose(cluster: &mut Cluster, node: i32, found: &mut Found) -> Result<()> {
    let mut ids: Vec<i64> = found.holders.iter().map(|holder| holder.producer_id).collect();
    ids.sort_unstable();
    ids.dedup();
    for ids in ids.chunks(AT_ONCE) {
        let ids = ids.iter().map(|id| ProducerId(*id)).collect();
        let request = ListTransactionsRequest::default().with_producer_id_filters(ids);
        let listed = cluster.ask(node, LIST_TRANSACTIONS, &request)?;
        if let Some(code) = refusal(listed.error_code) {
            bail!("{code}");
        }
        let names = listed.transaction_states.into_iter().map(|listed| listed.transactional_id).collect();
        let request = DescribeTransactionsRequest::default().with_transactional_ids(names);
        let described = cluster.ask(node, DESCRIBE_TRANSACTIONS, &request)?;
        for state in &described.transaction_states {
            match refusal(state.error_code) {
                None => {}
                // It has just been forgotten.
                Some(_) if state.error_code == ErrorCode::TransactionalIdNotFound.code() => continue,
                Some(code) => bail!("{}: {code}", state.transactional_id.escape_debug()),
            }
            let transaction = Transaction {
                transactional_id: state.transactional_id.to_string(),
                state: state.transaction_state.to_string(),
                start_timestamp: state.transaction_start_time_ms,
                timeout_ms: state.transaction_timeout_ms,
                partitions_count: state.topics.iter().map(|topic| topic.partitions.len()).sum(),
            };
            found.is_of(state.producer_id.0, &transaction);
        }
    }
    Ok(())
}

fn refusal(code: i16) -> Option<String> {
    let known = ErrorCode::from_code(code);
    (code != 0).then(|| known.map_or_else(|| format!("error {code}"), |code| code.name().to_owned()))
}

impl Found {
    /// Whether a partition told what it was asked; one that was deleted meanwhile holds nothing.
    fn is_told(&mut self, (topic, partition): &Place, code: i16) -> bool {
        if let Some(error) = refusal(code).filter(|_| code != ErrorCode::UnknownTopicOrPartition.code()) {
            self.refused.push(format!("{}-{partition} is not told: {error}", topic.as_str()));
        }
        code == 0
    }

    fn is_of(&mut self, producer_id: i64, transaction: &Transaction) {
        let its = self.holders.iter_mut().filter(|holder| holder.producer_id == producer_id);
        its.for_each(|holder| holder.transaction = Some(transaction.clone()));
    }
}
