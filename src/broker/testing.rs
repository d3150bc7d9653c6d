//! What tests of this room and of those above have in common.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::{Broker, BrokerError, NewTopic, Tier};
use crate::config::{ServerConfig, TieringConfig};
use crate::coordinator::CoordinatorError;
use crate::env::{Env, RealFiles, time};
use crate::group::{
    Caller, GroupReply, GroupRequest, OffsetCommit, OffsetCommitPartition, OffsetCommitTopic,
};
use crate::model::{LeaderEpoch, Offset, ProducerEpoch, ProducerId, Timestamp, TopicPartition};
use crate::partition::{Appender, CheckpointReach, Partition, Purpose, Verification};
use crate::protocol::batch::{BatchBuilder, NewRecord, ProduceRules, ProducedBatch, validate_produced};
use crate::store::Operation;
use crate::store::simulated::{Fault, SimulatedBucket, Strike};
use crate::telemetry::Metrics;

/// Longest wait for something that tasks do.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// Small files and no waiting for the disk.
const SMALL: [(&str, &str); 4] = [
    ("highwater.wal.sync", "os"),
    ("highwater.wal.file.bytes", "8388608"),
    ("highwater.wal.capacity.bytes", "33554432"),
    ("highwater.segment.disk.reserve.bytes", "0"),
];

/// A small broker on real files in a directory, with these settings beside.
pub(crate) fn open(directory: &Path, settings: &[(&str, &str)]) -> Arc<Broker> {
    open_with(directory, settings, None)
}

/// The same with a bucket.
pub(crate) fn open_with(directory: &Path, settings: &[(&str, &str)], tier: Option<Tier>) -> Arc<Broker> {
    try_open(directory, settings, tier).unwrap()
}

/// An empty bucket that goes by the machine's clock.
pub(crate) fn bucket() -> SimulatedBucket {
    SimulatedBucket::new(Env::real().clock, 1)
}

/// A small broker with a bucket, and the bucket; copies are made, and removed, when it is asked to.
pub(crate) async fn open_tiered(
    directory: &Path,
    settings: &[(&str, &str)],
) -> (Arc<Broker>, SimulatedBucket) {
    let bucket = bucket();
    (open_on(&bucket, directory, settings).await, bucket)
}

/// The same on a bucket that is there.
pub(crate) async fn open_on(
    bucket: &SimulatedBucket,
    directory: &Path,
    settings: &[(&str, &str)],
) -> Arc<Broker> {
    let tiered =
        [("highwater.tier.store", "file:///simulated"), ("remote.log.manager.task.interval.ms", "3600000")];
    let settings: Vec<_> = tiered.iter().chain(settings).copied().collect();
    let broker = open_with(directory, &settings, Some(bucket_tier(bucket).await));
    broker.own_tier().await.unwrap();
    broker
}

/// None of the next hundred reads of what the bucket has of a partition comes to an end.
pub(crate) fn hang_reads(bucket: &SimulatedBucket, partition: &TopicPartition) {
    let hangs = Fault::Slow(Duration::from_secs(3600));
    bucket.strike(Strike::next(Operation::Get, hangs).of(&partition.topic_id.to_string()).times(100));
}

fn try_open(
    directory: &Path,
    settings: &[(&str, &str)],
    tier: Option<Tier>,
) -> Result<Arc<Broker>, BrokerError> {
    let config = small_config(directory, settings.iter().copied());
    Broker::open_with(Env::real(), config, Metrics::new(Timestamp(0), 100), tier)
}

/// As [`open`], once nobody has the directory any more: work of the background that was under way when a
/// broker was closed holds it a little longer.
pub(crate) async fn reopen(directory: &Path, settings: &[(&str, &str)]) -> Arc<Broker> {
    eventually(|| match try_open(directory, settings, None) {
        Ok(broker) => Some(broker),
        Err(BrokerError::Directory(why)) if why.contains("in use") => None,
        Err(error) => panic!("{error}"),
    })
    .await
}

/// Of a small broker; the settings may say otherwise.
pub(crate) fn small_config<'a>(
    directory: &'a Path,
    settings: impl IntoIterator<Item = (&'a str, &'a str)>,
) -> ServerConfig {
    let place = [("log.dirs", directory.to_str().unwrap())];
    let all = place.into_iter().chain(SMALL).chain(settings);
    let flags: Vec<_> = all.map(|(key, value)| (key.to_owned(), value.to_owned())).collect();
    ServerConfig::load(&RealFiles, None, std::iter::empty(), &flags).unwrap().0
}

/// Looks until there is something, and lets tasks run meanwhile.
pub(crate) async fn eventually<T>(mut look: impl FnMut() -> Option<T>) -> T {
    let found = async {
        loop {
            if let Some(found) = look() {
                return found;
            }
            tokio::task::yield_now().await;
        }
    };
    time::timeout(PATIENCE, found).await.expect("it comes about")
}

/// Appends a batch of so many records, and waits until it is committed.
pub(crate) async fn append_records(broker: &Broker, partition: &Arc<Partition>, records: i64) {
    let mut builder = BatchBuilder::new();
    for _ in 0..records {
        builder.push(NewRecord { timestamp: Timestamp(1), ..NewRecord::default() });
    }
    append_batch(broker, partition, builder).await;
}

/// Appends a batch as a producer's, and waits until it is committed.
pub(crate) async fn append_batch(broker: &Broker, partition: &Arc<Partition>, builder: BatchBuilder) {
    let rules = ProduceRules { api_version: 11, batch_bytes_max: 1 << 20, ..ProduceRules::lenient() };
    let batch = validate_produced(&builder.build().into(), Timestamp(1), &rules).unwrap();
    let storage = broker.storage();
    let mut credits = storage.admit(Purpose::Records, &[batch.bytes.len()], PATIENCE).await.unwrap();
    let end = partition.watermarks().log_end_offset.plus(i64::from(batch.header.records_count));
    storage.append(partition, &mut credits, &batch).unwrap();
    partition.committed(end).await.unwrap();
}

/// The same in a producer's transaction, as its first batch there.
pub(crate) async fn append_in_transaction(
    broker: &Broker,
    partition: &Arc<Partition>,
    (producer_id, producer_epoch): (ProducerId, ProducerEpoch),
    mut builder: BatchBuilder,
) {
    (builder.producer_id, builder.producer_epoch) = (producer_id, producer_epoch);
    (builder.is_transactional, builder.base_sequence) = (true, 0);
    let batch = ProducedBatch::of_broker(builder.build());
    let storage = broker.storage();
    let mut credits = storage.admit(Purpose::Records, &[batch.bytes.len()], PATIENCE).await.unwrap();
    let end = partition.watermarks().log_end_offset.plus(i64::from(batch.header.records_count));
    let appender = Appender { is_client: true, verification: Verification::NotRequired };
    storage.append_by(appender, partition, &mut credits, &batch).unwrap();
    partition.committed(end).await.unwrap();
}

/// Appends closed segments of ten records each, which a checkpoint covers, and an active one of five, to a
/// topic whose segments are closed at once.
pub(crate) async fn segments(broker: &Broker, partition: &Arc<Partition>, count: u32) {
    for _ in 0..count {
        append_records(broker, partition, 10).await;
        broker.storage().flush_step(0).unwrap();
        eventually(|| partition.log().roll_if_due().unwrap().then_some(())).await;
    }
    append_records(broker, partition, 5).await;
    broker.storage().checkpoint_step(CheckpointReach::All).unwrap();
}

/// A partition of a topic `t` with a closed segment and an active one.
pub(crate) async fn two_segments(broker: &Broker) -> Arc<Partition> {
    let configs = [("segment.ms".to_owned(), "1".to_owned())].into();
    let new = NewTopic { name: "t".to_owned(), partitions: 1, replication_factor: 1, configs };
    let created = broker.create_topics(vec![new], false).await.remove(0).unwrap();
    let id = TopicPartition { topic_id: created.topic.topic_id, partition: 0 };
    let partition = broker.partition(id).unwrap();
    segments(broker, &partition, 1).await;
    partition
}

/// A bucket as a broker takes it.
pub(crate) async fn bucket_tier(bucket: &SimulatedBucket) -> Tier {
    bucket_tier_at(bucket, &Env::real()).await
}

/// The same with a clock, or files, of its own.
pub(crate) async fn bucket_tier_at(bucket: &SimulatedBucket, env: &Env) -> Tier {
    let defaults = ServerConfig::defaults();
    let tiering = TieringConfig { memory_bytes: 32 << 20, ..defaults.tiering };
    let config = ServerConfig { tiering, ..defaults };
    Tier::open(bucket.open(env), env, &config).await
}

/// A tiered topic of one partition whose segments are closed at once.
pub(crate) async fn tiered_topic(broker: &Broker, name: &str) -> Arc<Partition> {
    let configs = [
        ("segment.ms", "1"),
        ("remote.storage.enable", "true"),
        ("local.retention.bytes", "0"),
        ("retention.ms", "-1"),
    ];
    let configs: BTreeMap<_, _> = configs.map(|(key, value)| (key.to_owned(), value.to_owned())).into();
    let new = NewTopic { name: name.to_owned(), partitions: 1, replication_factor: 1, configs };
    let created = broker.create_topics(vec![new], false).await.remove(0).unwrap();
    broker.partition(TopicPartition { topic_id: created.topic.topic_id, partition: 0 }).unwrap()
}

/// Commits an offset of a group without members.
pub(crate) async fn commit_offset(broker: &Broker, group: &str, topic: &str, partition: i32, offset: i64) {
    broker.ensure_offsets_topic().await.unwrap();
    let topic_id = broker.image().topic(topic).unwrap().topic_id;
    let committed = OffsetCommitPartition {
        partition,
        offset: Offset(offset),
        leader_epoch: LeaderEpoch::NONE,
        metadata: "noted".into(),
    };
    let topics = vec![OffsetCommitTopic { name: topic.into(), topic_id, partitions: vec![committed] }];
    // The groups of a topic that was just made are still to be loaded.
    for _ in 0..LOADS_MAX {
        let caller = Caller { client_id: "test".into(), client_host: "/127.0.0.1".into() };
        let reply = match broker.ask_group(group, caller, offsets_of_nobody(group, topics.clone())) {
            Ok(asked) => asked.reply().await,
            Err(error) => Err(error),
        };
        match reply {
            Ok(GroupReply::OffsetCommit(Ok(_))) => return,
            Err(CoordinatorError::Loading) => tokio::task::yield_now().await,
            reply => panic!("{reply:?}"),
        }
    }
    panic!("the groups are not loaded");
}

/// A commit by somebody who is no member.
pub(crate) fn offsets_of_nobody(group: &str, topics: Vec<OffsetCommitTopic>) -> GroupRequest {
    GroupRequest::OffsetCommit(OffsetCommit {
        group_id: group.into(),
        member_id: "".into(),
        group_instance_id: None,
        generation_id_or_member_epoch: -1,
        retention: None,
        supports_member_epoch: true,
        transaction: None,
        topics,
    })
}

/// How often a loading coordinator is asked again.
const LOADS_MAX: u32 = 100_000;
