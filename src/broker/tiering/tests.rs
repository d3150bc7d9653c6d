use std::path::Path;

use crate::broker::remote::aborted_in;
use crate::broker::retention::remove_old_segments;
use crate::broker::testing::{
    PATIENCE, append_batch, append_records, bucket, bucket_tier, bucket_tier_at, eventually, open_with,
    segments, small_config, tiered_topic,
};
use crate::broker::{
    Broker, ConfigAlteration, ConfigTarget, FetchFailure, FetchLimits, Fetched, NewTopic, PartitionFetch,
    RecordDeletion,
};
use crate::config::{Operation, ServerConfig};
use crate::env::simulated::{Fault as SimulatedFault, SimulatedFiles};
use crate::env::{Env, RealFiles};
use crate::metadata::TierRecord;
use crate::model::{LeaderEpoch, Offset, Timestamp};
use crate::partition::{CheckpointReach, Partition};
use crate::protocol::Piece;
use crate::protocol::batch::{BatchHeader, verify_crc};
use crate::store::Operation as Request;
use crate::store::simulated::{Fault, SimulatedBucket, Strike};
use crate::telemetry::Metrics;
use crate::tier::{ObjectKey, Owner, RETIRED_MAX, RemoteLog, Retired, RetiredObject};

use super::*;

pub(in crate::broker) mod compacted;
mod killed;
mod limits;
mod observed;
mod producers;

const SETTINGS: [(&str, &str); 3] = [
    ("highwater.tier.store", "file:///simulated"),
    ("highwater.tier.grace.ms", "1000"),
    ("remote.log.manager.task.interval.ms", "3600000"),
];

async fn open(directory: &Path, bucket: &SimulatedBucket) -> Arc<Broker> {
    let broker = open_with(directory, &SETTINGS, Some(bucket_tier(bucket).await));
    broker.own_tier().await.unwrap();
    broker
}

/// A tiered topic `t` of one partition whose segments are closed at once.
async fn tiered(broker: &Broker) -> Arc<Partition> {
    tiered_topic(broker, "t").await
}

/// A broker with a tiered topic of so many closed segments.
async fn with_segments(
    directory: &Path,
    bucket: &SimulatedBucket,
    count: u32,
) -> (Arc<Broker>, Arc<Partition>) {
    let broker = open(directory, bucket).await;
    let partition = tiered(&broker).await;
    segments(&broker, &partition, count).await;
    (broker, partition)
}

/// The broker's next life, opened by `open`.
async fn restarted(
    open: impl AsyncFnOnce(&Path, &SimulatedBucket) -> Arc<Broker>,
    (broker, partition): (Arc<Broker>, Arc<Partition>),
    directory: &Path,
    bucket: &SimulatedBucket,
) -> (Arc<Broker>, Arc<Partition>) {
    let id = partition.topic_partition();
    drop(partition);
    broker.close().await.unwrap();
    drop(broker);
    let broker = open(directory, bucket).await;
    let partition = broker.partition(id).unwrap();
    (broker, partition)
}

/// Closes the active segment and has a checkpoint cover it, until it is as `is_done` says.
async fn settled(broker: &Broker, partition: &Partition, is_done: impl Fn() -> bool) {
    eventually(|| {
        broker.storage().flush_step(0).unwrap();
        partition.log().roll_if_due().unwrap();
        broker.storage().checkpoint_step(CheckpointReach::All).unwrap();
        is_done().then_some(())
    })
    .await;
}

/// Roots of others take the memory that there is for roots.
fn forget_roots(broker: &Broker) {
    let reader = broker.tiering.as_ref().unwrap().reader();
    let retired = Retired { what: RetiredObject::Root(1), since: Timestamp(0) };
    let mut root = Root::empty(TopicPartition { topic_id: TopicId::ZERO, partition: 0 }, Offset(0));
    root.retired = vec![retired; RETIRED_MAX];
    for number in 1..=200 {
        root.number = number;
        reader.replaced_root(0, &Arc::new(root.clone()));
    }
}

fn from_offset(partition: &Arc<Partition>, offset: i64, bytes_max: i32) -> PartitionFetch {
    let (partition, last_fetched_epoch) = (partition.clone(), LeaderEpoch::NONE);
    PartitionFetch { partition, offset: Offset(offset), bytes_max, last_fetched_epoch }
}

/// Of all that there is.
const ALL: FetchLimits =
    FetchLimits { bytes_min: 1, bytes_max: 1 << 20, wait: Duration::from_secs(5), read_committed: false };

fn record(broker: &Broker, partition: &Partition) -> Option<TierRecord> {
    broker.image().tier(partition.topic_partition())
}

fn remote_end(broker: &Broker, partition: &Partition) -> Option<i64> {
    record(broker, partition).map(|record| record.remote_end_offset.0)
}

/// Keys in the bucket by kind: segments, leaves, roots.
fn kinds(bucket: &SimulatedBucket) -> (usize, usize, usize) {
    let count = |is_kind: fn(&ObjectKey) -> bool| {
        let keys = bucket.keys();
        keys.iter().filter(|key| ObjectKey::parse(key).as_ref().is_some_and(is_kind)).count()
    };
    (
        count(|key| matches!(key, ObjectKey::Segment(..))),
        count(|key| matches!(key, ObjectKey::Leaf(..))),
        count(|key| matches!(key, ObjectKey::Root(..))),
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn closed_segments_are_copied_once_and_leave_the_disk() {
    let (directory, bucket) = (tempfile::tempdir().unwrap(), bucket());
    let (broker, partition) = with_segments(directory.path(), &bucket, 3).await;
    broker.see_to_the_tier().await;
    assert_eq!(remote_end(&broker, &partition), Some(30), "the active segment stays");
    assert_eq!(kinds(&bucket), (3, 0, 1), "one manifest for all three, in one object");
    let puts = bucket.requests(Request::Put);
    broker.see_to_the_tier().await;
    assert_eq!(bucket.requests(Request::Put), puts, "nothing is copied twice");

    broker.retain().await.unwrap();
    let watermarks = partition.watermarks();
    assert_eq!((watermarks.log_start_offset.0, watermarks.local_log_start_offset.0), (0, 30));
    assert_eq!(
        partition.log().segments_count(),
        2,
        "the one that was active, closed since, and an empty one"
    );

    let (broker, partition) = restarted(open, (broker, partition), directory.path(), &bucket).await;
    segments(&broker, &partition, 1).await;
    broker.see_to_the_tier().await;
    // The start closes nothing: the five of before and ten more.
    assert_eq!(remote_end(&broker, &partition), Some(45));
    let (segments, ..) = kinds(&bucket);
    assert!(segments > 3);
}

/// Reads from `offset` on until there is nothing more; base offsets and numbers of records of the batches.
pub(in crate::broker) async fn read_on(
    broker: &Broker,
    partition: &Arc<Partition>,
    offset: i64,
) -> Vec<(i64, i32)> {
    let batches = batches_from(broker, partition, offset).await;
    let header = |batch: &Vec<u8>| BatchHeader::parse(batch).unwrap();
    batches.iter().map(header).map(|header| (header.base_offset.0, header.records_count)).collect()
}

/// The same, and the batches themselves.
async fn batches_from(broker: &Broker, partition: &Arc<Partition>, mut offset: i64) -> Vec<Vec<u8>> {
    let limits = FetchLimits { bytes_max: 300, read_committed: true, ..ALL };
    let mut batches = Vec::new();
    while offset < partition.watermarks().high_watermark.0 {
        let fetched =
            broker.fetch(&[from_offset(partition, offset, 300)], limits).await.remove(0).result.unwrap();
        let found = batches_of(fetched);
        let last = found.last().unwrap_or_else(|| panic!("nothing from offset {offset} on"));
        offset = BatchHeader::parse(last).unwrap().next_offset().0;
        batches.extend(found);
    }
    batches
}

/// The whole batches of an answer.
fn batches_of(fetched: Fetched) -> Vec<Vec<u8>> {
    let mut bytes = Vec::new();
    for piece in fetched.records {
        match piece {
            Piece::Bytes(slice) => bytes.extend_from_slice(&slice),
            Piece::File(extent) => {
                let at = bytes.len();
                bytes.resize(at + extent.length as usize, 0);
                extent.file.read_exact_at(&mut bytes[at..], extent.offset).unwrap();
            }
        }
    }
    let (mut batches, mut rest) = (Vec::new(), &bytes[..]);
    while !rest.is_empty() {
        let (batch, behind) = rest.split_at(BatchHeader::parse(rest).unwrap().size_bytes());
        verify_crc(batch).unwrap();
        batches.push(batch.to_vec());
        rest = behind;
    }
    batches
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_does_not_see_where_records_lie() {
    let (directory, bucket) = (tempfile::tempdir().unwrap(), bucket());
    let (broker, partition) = with_segments(directory.path(), &bucket, 3).await;
    let expected = vec![(0, 10), (10, 10), (20, 10), (30, 5)];
    assert_eq!(read_on(&broker, &partition, 0).await, expected);
    broker.see_to_the_tier().await;
    broker.retain().await.unwrap();
    assert_eq!(partition.watermarks().local_log_start_offset, Offset(30));
    assert_eq!(read_on(&broker, &partition, 0).await, expected);
    assert_eq!(read_on(&broker, &partition, 14).await, expected[1..]);
    let found = broker.find_remote_by_timestamp(&partition, Timestamp(1)).await.unwrap();
    assert_eq!(found.unwrap().offset, Offset(0));
    let found = broker.find_remote_by_timestamp(&partition, Timestamp(2)).await.unwrap();
    assert_eq!(found, None);

    // A damaged object is an error, and no record of it is given out.
    let key = bucket.keys().into_iter().find(|key| key.contains("00000000000000000010-")).unwrap();
    let mut bytes = bucket.object(&key).unwrap().to_vec();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    bucket.set_object(&key, bytes);
    let (broker, partition) = restarted(open, (broker, partition), directory.path(), &bucket).await;
    let failure = broker.fetch(&[from_offset(&partition, 12, 1 << 20)], ALL).await.remove(0).result.err();
    assert!(matches!(failure, Some(FetchFailure::Remote(_))), "{failure:?}");
}

/// Segments that were copied and left the disk since the manifest was read: their markers are in neither.
#[tokio::test(flavor = "multi_thread")]
async fn a_manifest_that_ends_below_the_disk_says_nothing_of_aborted_transactions() {
    let (directory, bucket) = (tempfile::tempdir().unwrap(), bucket());
    let (broker, partition) = with_segments(directory.path(), &bucket, 2).await;
    let tiering = broker.tiering.as_ref().unwrap();
    let old = Arc::new(Root::empty(partition.topic_partition(), Offset(0)));
    let old = RemoteLog::new(tiering.reader().clone(), old);
    assert!(aborted_in(&old, &partition, Offset(0), Offset(10)).await.is_ok());
    broker.see_to_the_tier().await;
    broker.retain().await.unwrap();
    let refused = aborted_in(&old, &partition, Offset(0), Offset(10)).await;
    assert!(matches!(refused, Err(FetchFailure::Remote(_))), "{refused:?}");
}

/// `highwater.tier.default.enable`: kept as a setting of the topic, and only where it goes with the others.
#[tokio::test(flavor = "multi_thread")]
async fn new_topics_are_tiered_that_say_nothing_of_it() {
    const KEY: &str = "remote.storage.enable";
    let (directory, bucket) = (tempfile::tempdir().unwrap(), bucket());
    let tier = bucket_tier(&bucket).await;
    let settings: Vec<_> = SETTINGS.into_iter().chain([("highwater.tier.default.enable", "true")]).collect();
    let broker = open_with(directory.path(), &settings, Some(tier));
    for (configs, expected) in [
        (&[][..], Some("true")),
        (&[(KEY, "false")], Some("false")),
        (&[("cleanup.policy", "compact")], Some("true")),
        (&[("local.retention.bytes", "-1"), ("retention.bytes", "100")], None),
    ] {
        let name = format!("t{}", broker.image().topics().count());
        let configs = configs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        let new = NewTopic { name, partitions: 1, replication_factor: 1, configs };
        let created = broker.create_topics(vec![new], false).await.remove(0).unwrap();
        assert_eq!(created.topic.configs.get(KEY).map(String::as_str), expected);
    }
    broker.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn blocks_are_kept_on_disk_where_that_is_asked_for() {
    let directory = tempfile::tempdir().unwrap();
    let cache = directory.path().join("tier-cache");
    for (bytes, expected) in [("0", false), ("67108864", true)] {
        let config = small_config(directory.path(), [("highwater.tier.cache.bytes", bytes)]);
        drop(Tier::open(bucket().open(&Env::real()), &Env::real(), &config).await);
        assert_eq!(cache.is_dir(), expected);
    }
}

/// Its log start would move past what is only in the tier.
#[tokio::test(flavor = "multi_thread")]
async fn a_broker_with_tiered_topics_does_not_start_without_a_tier() {
    let (directory, bucket) = (tempfile::tempdir().unwrap(), bucket());
    let broker = open(directory.path(), &bucket).await;
    drop(tiered(&broker).await);
    broker.close().await.unwrap();
    drop(broker);
    let flags = [("log.dirs".to_owned(), directory.path().to_str().unwrap().to_owned())];
    let (config, _) = ServerConfig::load(&RealFiles, None, std::iter::empty(), &flags).unwrap();
    let refused = Broker::open(Env::real(), config, Metrics::new(Timestamp(0), 100)).err().unwrap();
    assert_eq!(refused.exit_code(), 78);
    assert!(refused.to_string().starts_with("topic t is tiered"), "{refused}");
    drop(open(directory.path(), &bucket).await);
}

/// What Kafka does not do: it waits for all remote partitions of a fetch.
#[tokio::test(flavor = "multi_thread")]
async fn a_slow_object_holds_up_no_other_partition() {
    let (directory, bucket) = (tempfile::tempdir().unwrap(), bucket());
    let broker = open(directory.path(), &bucket).await;
    let partitions = [tiered_topic(&broker, "slow").await, tiered_topic(&broker, "quick").await];
    for partition in &partitions {
        segments(&broker, partition, 1).await;
    }
    broker.see_to_the_tier().await;
    broker.retain().await.unwrap();
    let slow = partitions[0].topic_partition().topic_id.to_string();
    bucket.strike(Strike::next(Request::Get, Fault::Slow(Duration::from_secs(3600))).of(&slow).times(100));
    let requests = partitions.each_ref().map(|partition| from_offset(partition, 0, 1 << 20));
    let fetched = broker.fetch(&requests, ALL).await;
    let bytes: Vec<_> = fetched.iter().map(|fetched| (fetched.result.is_ok(), fetched.bytes > 0)).collect();
    assert_eq!(bytes, [(true, false), (true, true)]);
    drop(fetched);
    // A batch is larger than that: who has anything first gives one all the same (KIP-74).
    let requests = partitions.each_ref().map(|partition| from_offset(partition, 0, 1));
    let fetched = broker.fetch(&requests, ALL).await;
    let bytes: Vec<_> = fetched.iter().map(|fetched| (fetched.result.is_ok(), fetched.bytes > 0)).collect();
    assert_eq!(bytes, [(true, false), (true, true)]);
    drop(fetched);
    // Where both are ready, the first alone may be larger than its partition was to give.
    bucket.clear_faults();
    let ready = [partitions[1].clone(), tiered_topic(&broker, "other").await];
    segments(&broker, &ready[1], 1).await;
    broker.see_to_the_tier().await;
    broker.retain().await.unwrap();
    let requests = ready.each_ref().map(|partition| from_offset(partition, 0, 1));
    let limits = FetchLimits { bytes_min: 1 << 20, wait: Duration::ZERO, ..ALL };
    let fetched = broker.fetch(&requests, limits).await;
    let bytes: Vec<_> = fetched.iter().map(|fetched| (fetched.result.is_ok(), fetched.bytes > 0)).collect();
    assert_eq!(bytes, [(true, true), (true, false)]);
}

/// Each request takes longer than a fetch waits for the tier, and nothing is produced that would wake it.
#[tokio::test(flavor = "multi_thread")]
async fn a_slow_store_answers_in_the_end() {
    let (directory, bucket) = (tempfile::tempdir().unwrap(), bucket());
    let (broker, partition) = with_segments(directory.path(), &bucket, 2).await;
    broker.see_to_the_tier().await;
    broker.retain().await.unwrap();
    let (broker, partition) = restarted(open, (broker, partition), directory.path(), &bucket).await;
    let id = partition.topic_partition().topic_id.to_string();
    let late = broker.config().tiering.fetch_wait + Duration::from_millis(100);
    bucket.strike(Strike::next(Request::Get, Fault::Slow(late)).of(&id).times(100));
    let before = bucket.requests(Request::Get);
    let limits = FetchLimits { wait: 10 * PATIENCE, ..ALL };
    let requests = [from_offset(&partition, 0, 1 << 20)];
    let fetched = crate::env::time::timeout(PATIENCE, broker.fetch(&requests, limits)).await;
    assert!(fetched.expect("an answer came, and nobody looked")[0].bytes > 0);
    // Its manifest, its head and its first block, each once; and what is read ahead.
    let asked = bucket.requests(Request::Get) - before;
    assert!(asked <= 6, "{asked} requests");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_below_the_log_start_leaves_the_bucket() {
    let (directory, bucket) = (tempfile::tempdir().unwrap(), bucket());
    let (broker, partition) = with_segments(directory.path(), &bucket, 3).await;
    broker.see_to_the_tier().await;
    let moved = broker.move_log_starts(vec![(partition.clone(), Offset(20))]).await.unwrap();
    remove_old_segments(&moved);
    broker.see_to_the_tier().await;
    let (segments, ..) = kinds(&bucket);
    assert_eq!(segments, 1, "{:?}", bucket.keys());
    assert_eq!(remote_end(&broker, &partition), Some(30));
    let oldest = broker.oldest_remote(&partition).await.unwrap().unwrap();
    let bases: Vec<_> = oldest.oldest.iter().map(|segment| segment.base_offset.0).collect();
    assert_eq!((bases, oldest.end_offset), (vec![20], Offset(30)));
    assert_eq!(oldest.bytes, oldest.oldest[0].bytes);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_topic_leaves_the_bucket() {
    let (directory, bucket) = (tempfile::tempdir().unwrap(), bucket());
    let (broker, partition) = with_segments(directory.path(), &bucket, 2).await;
    broker.see_to_the_tier().await;
    bucket.set_object("topics/somebody-elses", "not ours");
    broker.delete_topic(partition.topic_partition().topic_id).await.unwrap();
    drop(partition);
    assert_eq!(broker.image().tier_deletions().count(), 1);
    bucket.set_away(true);
    broker.see_to_the_tier().await;
    bucket.set_away(false);
    assert_eq!(broker.image().tier_deletions().count(), 1, "a bucket that is away is no empty one");
    let segments = bucket.keys().into_iter().filter(|key| key.ends_with(".segment")).collect::<Vec<_>>();
    broker.see_to_the_tier().await;
    let others = [Owner::key_of(1), "topics/somebody-elses".to_owned()];
    assert_eq!(bucket.keys(), others);
    broker.see_to_the_tier().await;
    // Of a request that was given up: it comes when all seemed to be over.
    bucket.set_object(&segments[0], "late");
    broker.see_to_the_tier().await;
    assert_eq!(broker.image().tier_deletions().count(), 1);
    deletions_end(&broker).await;
    assert_eq!(bucket.keys(), others);
}

/// Looks until no topic is to go any more. Each look asks for the time anew: the clock is the machine's.
async fn deletions_end(broker: &Broker) {
    let start = Env::real().clock.monotonic();
    while broker.image().tier_deletions().count() > 0 {
        assert!(Env::real().clock.monotonic() - start < PATIENCE);
        broker.see_to_the_tier().await;
        tokio::task::yield_now().await;
    }
}

/// `remote.log.delete.on.disable`: nobody names its objects any more.
#[tokio::test(flavor = "multi_thread")]
async fn a_topic_that_left_the_tier_leaves_the_bucket() {
    let (directory, bucket) = (tempfile::tempdir().unwrap(), bucket());
    let (broker, partition) = with_segments(directory.path(), &bucket, 2).await;
    broker.see_to_the_tier().await;
    broker.retain().await.unwrap();
    set_tiered(&broker, false).await;
    assert_eq!(partition.watermarks().log_start_offset, Offset(20));
    // Before a look, it is tiered again: what is copied from now on is not what is to go.
    set_tiered(&broker, true).await;
    append_records(&broker, &partition, 1).await;
    broker.storage().checkpoint_step(CheckpointReach::All).unwrap();
    broker.see_to_the_tier().await;
    broker.see_to_the_tier().await;
    let record = record(&broker, &partition).expect("more was copied");
    let tiering = broker.tiering.as_ref().unwrap();
    let root = tiering.partition(partition.topic_partition()).root(tiering.reader(), Some(record)).await;
    let log = RemoteLog::new(tiering.reader().clone(), root.unwrap());
    let entry = log.segment_of(Offset(20)).await.unwrap().unwrap();
    assert!(bucket.object(&entry.key(partition.topic_partition())).is_some(), "it is gone");

    set_tiered(&broker, false).await;
    broker.see_to_the_tier().await;
    assert_eq!(bucket.keys(), [Owner::key_of(1)]);
    deletions_end(&broker).await;
}

/// What it had goes, what it gets from then on stays, and in the end nothing is pending: whether or not
/// anything is copied again.
#[tokio::test(flavor = "multi_thread")]
async fn a_topic_that_is_tiered_again_leaves_no_deletion_for_ever() {
    let (directory, bucket) = (tempfile::tempdir().unwrap(), bucket());
    let (broker, partition) = with_segments(directory.path(), &bucket, 2).await;
    for is_copied in [true, false] {
        broker.see_to_the_tier().await;
        let before = record(&broker, &partition).unwrap();
        // Of one that was followed, late; and of what is about to go.
        let late = ObjectKey::Root(partition.topic_partition(), before.manifest + 3).to_string();
        bucket.set_object(&late, "late");
        set_tiered(&broker, false).await;
        if !is_copied {
            let local = [("local.retention.bytes", "-2"), ("local.retention.ms", "-2")];
            alter(&broker, &[local[0], local[1], ("remote.log.copy.disable", "true")]).await;
        }
        set_tiered(&broker, true).await;
        deletions_end(&broker).await;
        let found = record(&broker, &partition);
        assert_eq!(found.is_some(), is_copied);
        match found {
            Some(found) => {
                assert!(found.manifest > before.manifest + 3, "{found:?} after {before:?}");
                assert_eq!((kinds(&bucket), found.remote_end_offset), ((2, 0, 1), Offset(20)));
            }
            None => assert_eq!(bucket.keys(), [Owner::key_of(1)]),
        }
    }
}

/// What a reader of before may have been at goes, also where no manifest comes that would let it go.
#[tokio::test(flavor = "multi_thread")]
async fn an_idle_partition_keeps_no_former_manifests() {
    let (directory, bucket) = (tempfile::tempdir().unwrap(), bucket());
    // More than the root has room for, twice.
    let (broker, partition) = with_segments(directory.path(), &bucket, 9).await;
    broker.see_to_the_tier().await;
    segments(&broker, &partition, 9).await;
    broker.see_to_the_tier().await;
    let (copied, leaves, roots) = kinds(&bucket);
    assert!(leaves == 2 && roots >= 2, "{:?}", bucket.keys());
    let start = Env::real().clock.monotonic();
    while kinds(&bucket) != (copied, 1, 1) {
        assert!(Env::real().clock.monotonic() - start < crate::broker::testing::PATIENCE);
        broker.see_to_the_tier().await;
        tokio::task::yield_now().await;
    }
    let told = broker.tier_partition_status("t", 0).unwrap();
    assert_eq!((told.retired_objects, told.remote_segments), (0, Some(copied as u64)));
}

pub(in crate::broker) async fn alter(broker: &Broker, settings: &[(&str, &str)]) {
    let set = |(key, value): &(&str, &str)| ((*key).to_owned(), Operation::Set((*value).to_owned()));
    let target = ConfigTarget::Topic("t".to_owned());
    let operations = settings.iter().map(set).collect();
    let alteration = ConfigAlteration { target, operations, replace: false };
    broker.alter_configs(&[alteration], false).await.remove(0).unwrap();
}

/// Has the topic `t` leave the tier, with all that it has there, or come back.
pub(in crate::broker) async fn set_tiered(broker: &Broker, is_tiered: bool) {
    let (enable, delete) = if is_tiered { ("true", "false") } else { ("false", "true") };
    alter(broker, &[("remote.storage.enable", enable), ("remote.log.delete.on.disable", delete)]).await;
}

/// The record that names them may be on disk all the same, or on its way there.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_copied_stays_if_nobody_knows_whether_it_is_named() {
    let (directory, bucket, files) = (tempfile::tempdir().unwrap(), bucket(), SimulatedFiles::new(1));
    let env = Env { files: Arc::new(files.clone()), ..Env::real() };
    let tier = bucket_tier_at(&bucket, &env).await;
    let settings = SETTINGS.into_iter().chain([("highwater.wal.sync", "fsync")]);
    let config = small_config(directory.path(), settings);
    let broker = Broker::open_with(env, config, Metrics::new(Timestamp(0), 100), Some(tier)).unwrap();
    let partition = tiered(&broker).await;
    segments(&broker, &partition, 2).await;
    broker.own_tier().await.unwrap();
    // The empty frame after the last group would meet the fault in its place.
    broker.storage().idle_step().unwrap();
    files.inject(SimulatedFault::sync("wal", 0));
    broker.see_to_the_tier().await;
    assert_eq!(kinds(&bucket), (2, 0, 1));
    assert_eq!(record(&broker, &partition), None, "it failed before it could say so");
}

/// Its first segments are on their way when it leaves: a record would name what is about to be removed.
#[tokio::test(flavor = "multi_thread")]
async fn a_topic_that_left_the_tier_gets_no_record() {
    let (directory, bucket) = (tempfile::tempdir().unwrap(), bucket());
    let (broker, partition) = with_segments(directory.path(), &bucket, 1).await;
    let id = partition.topic_partition();
    let late = TierRecord {
        manifest: 1,
        leader_epoch: LeaderEpoch(0),
        remote_end_offset: Offset(10),
        local_log_start_offset: Offset(0),
    };
    let set = |key: &str, value: &str| (key.to_owned(), Operation::Set(value.to_owned()));
    let leave = ConfigAlteration {
        target: ConfigTarget::Topic("t".to_owned()),
        operations: vec![set("remote.storage.enable", "false"), set("remote.log.delete.on.disable", "true")],
        replace: false,
    };
    broker.alter_configs(&[leave], false).await.remove(0).unwrap();
    let refused = broker.replace_tier_record(id, None, late).await;
    assert!(matches!(refused, Err(MetadataError::Conflict(_))), "{refused:?}");
    assert_eq!(record(&broker, &partition), None);
}

/// A segment that the disk does not give back must not keep others in the bucket for ever.
#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_copied_keeps_nothing_from_going() {
    let (directory, bucket) = (tempfile::tempdir().unwrap(), bucket());
    let (broker, partition) = with_segments(directory.path(), &bucket, 2).await;
    broker.see_to_the_tier().await;
    segments(&broker, &partition, 1).await;
    let deletion = RecordDeletion { partition: partition.clone(), before: Some(Offset(10)) };
    broker.delete_records(&[deletion]).await.remove(0).unwrap();
    bucket.strike(Strike::next(Request::Put, Fault::Denied).times(1));
    broker.see_to_the_tier().await;
    assert_eq!(kinds(&bucket).0, 1, "what lies below the log start is gone");
}

/// Every request in turn fails for good, with its work done or not, and the broker goes on or starts again:
/// nothing is missing, nothing is named twice.
#[tokio::test(flavor = "multi_thread")]
async fn a_bucket_that_fails_costs_nothing_but_time() {
    let faults = [Fault::Unavailable, Fault::AnswerLost, Fault::LandsLate, Fault::Denied];
    let operations = [Request::Put, Request::Create];
    for (fault, operation) in
        faults.into_iter().flat_map(|fault| operations.map(|operation| (fault, operation)))
    {
        for skip in 0..5 {
            for starts_again in [false, true] {
                let words = format!("{fault:?} of {operation:?} number {skip}, starts again: {starts_again}");
                fails_once(Strike::next(operation, fault).after(skip).times(100), starts_again, &words).await;
            }
        }
    }
}

/// More partitions than there is memory for roots must not cost a request each at every look.
#[tokio::test(flavor = "multi_thread")]
async fn an_idle_partition_needs_its_manifest_once() {
    let (directory, bucket) = (tempfile::tempdir().unwrap(), bucket());
    let (broker, partition) = with_segments(directory.path(), &bucket, 3).await;
    broker.see_to_the_tier().await;
    broker.retain().await.unwrap();
    let (broker, partition) = restarted(open, (broker, partition), directory.path(), &bucket).await;
    let asked = async || {
        let before = bucket.requests(Request::Get);
        broker.see_to_the_tier().await;
        broker.compact_tier().await;
        broker.retain().await.unwrap();
        bucket.requests(Request::Get) - before
    };
    assert!(asked().await > 0, "what is there");
    assert_eq!(asked().await, 0, "it is known");
    forget_roots(&broker);
    assert_eq!(asked().await, 0, "nothing is to be done");
    // Who needs it asks for it.
    broker.fetch(&[from_offset(&partition, 0, 1 << 20)], ALL).await.remove(0).result.unwrap();
    forget_roots(&broker);
    let before = remote_end(&broker, &partition);
    segments(&broker, &partition, 1).await;
    assert!(asked().await > 0);
    assert!(remote_end(&broker, &partition) > before);
    forget_roots(&broker);
    alter(&broker, &[("retention.bytes", "1")]).await;
    assert!(asked().await > 0);
    assert!(partition.watermarks().log_start_offset > Offset(0));
}

/// Numbers of manifests ascend, also where nothing of the former ones is left to tell of them.
#[tokio::test(flavor = "multi_thread")]
async fn a_topic_that_is_tiered_again_is_told_of_as_it_is() {
    let (directory, bucket) = (tempfile::tempdir().unwrap(), bucket());
    let (broker, partition) = with_segments(directory.path(), &bucket, 2).await;
    broker.see_to_the_tier().await;
    segments(&broker, &partition, 2).await;
    broker.see_to_the_tier().await;
    let former = record(&broker, &partition).unwrap();
    set_tiered(&broker, false).await;
    deletions_end(&broker).await;
    alter(&broker, &[("retention.bytes", "1")]).await;
    broker.retain().await.unwrap();
    set_tiered(&broker, true).await;
    alter(&broker, &[("retention.bytes", "-1")]).await;
    segments(&broker, &partition, 1).await;
    broker.see_to_the_tier().await;
    let again = record(&broker, &partition).unwrap();
    assert!(again.manifest > former.manifest, "{again:?} after {former:?}");
    let told = broker.tier_partition_status("t", 0).unwrap();
    let (copied, ..) = kinds(&bucket);
    assert_eq!((told.manifest, told.remote_segments), (again.manifest, Some(copied as u64)));
}

async fn fails_once(strike: Strike, starts_again: bool, words: &str) {
    let (directory, bucket) = (tempfile::tempdir().unwrap(), bucket());
    let (mut broker, mut partition) = with_segments(directory.path(), &bucket, 3).await;
    bucket.strike(strike);
    broker.see_to_the_tier().await;
    bucket.clear_faults();
    let id = partition.topic_partition();
    if starts_again {
        (broker, partition) = restarted(open, (broker, partition), directory.path(), &bucket).await;
    }
    broker.see_to_the_tier().await;
    assert!(remote_end(&broker, &partition) >= Some(30), "{words}");
    let tiering = broker.tiering.as_ref().unwrap();
    let root = tiering.partition(id).root(tiering.reader(), record(&broker, &partition)).await.unwrap();
    let log = RemoteLog::new(tiering.reader().clone(), root.clone());
    let mut next = Offset(0);
    while let Some(entry) = log.segment_of(next).await.unwrap() {
        assert_eq!(entry.base_offset, next, "{words}");
        let object = bucket.object(&entry.key(id)).expect(words);
        assert_eq!(object.len() as u64, entry.bytes(), "{words}");
        next = entry.end_offset;
    }
    assert_eq!(next, root.end_offset, "{words}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_nothing_names_goes_after_a_time_of_grace() {
    let (directory, bucket) = (tempfile::tempdir().unwrap(), bucket());
    let (broker, partition) = with_segments(directory.path(), &bucket, 2).await;
    bucket.strike(Strike::next(Request::Create, Fault::Unavailable).times(100));
    broker.see_to_the_tier().await;
    assert_eq!(kinds(&bucket), (2, 0, 0), "copied, and named by nothing");
    bucket.clear_faults();
    broker.see_to_the_tier().await;
    let (copied, ..) = kinds(&bucket);
    assert_eq!(copied, 4);
    // Each look asks for the time anew: the clock is the machine's.
    let start = Env::real().clock.monotonic();
    while kinds(&bucket).0 > 2 {
        assert!(Env::real().clock.monotonic() - start < crate::broker::testing::PATIENCE);
        broker.see_to_the_tier().await;
        tokio::task::yield_now().await;
    }
    assert_eq!(remote_end(&broker, &partition), Some(20));
}
