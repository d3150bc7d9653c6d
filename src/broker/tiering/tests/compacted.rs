//! Compacted topics: of each key the newest record stays, wherever it lies.

use std::collections::BTreeMap;

use super::*;
use crate::broker::cleaning::limits;
use crate::broker::testing::append_in_transaction;
use crate::log::{Cleanable, CopyLag};
use crate::model::{CoordinatorEpoch, ProducerEpoch, ProducerId, TransactionResult};
use crate::partition::{CleanStep, MarkerOrigin, TransactionMarker};
use crate::protocol::batch::{BatchBuilder, DecompressionCaps, NewRecord, records};
use crate::transaction::NamedPartition;

/// Key and value; a tombstone has none.
pub(in crate::broker) type Written<'a> = (&'a str, Option<&'a str>);
/// What readers are given: offset, key, value.
pub(in crate::broker) type Read = Vec<(i64, String, Option<String>)>;

/// A broker that cleans when it is told to.
pub(in crate::broker) async fn open_quiet(directory: &Path, bucket: &SimulatedBucket) -> Arc<Broker> {
    let quiet = [("log.cleaner.backoff.ms", "3600000")];
    let settings: Vec<_> = SETTINGS.into_iter().chain(quiet).collect();
    let broker = open_with(directory, &settings, Some(bucket_tier(bucket).await));
    broker.own_tier().await.unwrap();
    broker
}

pub(in crate::broker) async fn compacted_topic(broker: &Broker) -> Arc<Partition> {
    let configs = [
        ("cleanup.policy", "compact"),
        ("segment.ms", "1"),
        ("min.cleanable.dirty.ratio", "0.01"),
        ("delete.retention.ms", "0"),
        ("remote.storage.enable", "true"),
        ("local.retention.bytes", "0"),
        ("retention.ms", "-1"),
    ];
    let configs: BTreeMap<_, _> = configs.map(|(key, value)| (key.to_owned(), value.to_owned())).into();
    let new = NewTopic { name: "t".to_owned(), partitions: 1, replication_factor: 1, configs };
    let created = broker.create_topics(vec![new], false).await.remove(0).unwrap();
    broker.partition(TopicPartition { topic_id: created.topic.topic_id, partition: 0 }).unwrap()
}

pub(in crate::broker) fn batch(written: &[Written<'_>]) -> BatchBuilder {
    let mut builder = BatchBuilder::new();
    for (key, value) in written {
        let (key, value) = (Some(key.as_bytes()), value.map(str::as_bytes));
        builder.push(NewRecord { timestamp: Timestamp(1), key, value, headers: &[] });
    }
    builder
}

/// A batch in a closed segment of its own, which a checkpoint covers.
async fn segment(broker: &Broker, partition: &Arc<Partition>, written: &[Written<'_>]) {
    append_batch(broker, partition, batch(written)).await;
    closed(broker, partition).await;
}

async fn closed(broker: &Broker, partition: &Arc<Partition>) {
    let end = partition.watermarks().log_end_offset;
    settled(broker, partition, || cleanable(partition).first_uncleanable_offset == end).await;
}

/// The same of a producer's transaction, with its marker.
async fn transaction(
    broker: &Broker,
    partition: &Arc<Partition>,
    producer_id: ProducerId,
    written: &[Written<'_>],
    result: TransactionResult,
) {
    let producer_epoch = ProducerEpoch(0);
    append_in_transaction(broker, partition, (producer_id, producer_epoch), batch(written)).await;
    let marker = TransactionMarker {
        origin: MarkerOrigin::Client,
        producer_id,
        producer_epoch,
        coordinator_epoch: CoordinatorEpoch(0),
        result,
        transaction_version: 0,
    };
    let t = NamedPartition { topic: "t".into(), partition: 0 };
    assert_eq!(broker.end_transactions(std::iter::once((&t, marker))).await, [Ok(())]);
    closed(broker, partition).await;
}

pub(in crate::broker) fn cleanable(partition: &Partition) -> Cleanable {
    partition.log().cleanable(partition.decided_in_segments()).unwrap().unwrap()
}

/// A local cleaning, to its end.
pub(in crate::broker) fn clean(broker: &Broker, partition: &Arc<Partition>) {
    clean_below(broker, partition, Offset(i64::MAX));
}

/// The same of segments that end at or below an offset.
pub(in crate::broker) fn clean_below(broker: &Broker, partition: &Arc<Partition>, end: Offset) {
    let all = cleanable(partition);
    let cleanable = Cleanable { first_uncleanable_offset: all.first_uncleanable_offset.min(end), ..all };
    let limits = limits(&broker.config().cleaner, broker.cleaners());
    let waits_below = broker.tier_clean_end(partition);
    let storage = broker.storage();
    let mut cleaning = storage.begin_cleaning(partition, &cleanable, limits, waits_below).unwrap();
    loop {
        match storage.clean_step(partition, &mut cleaning, 1 << 20) {
            CleanStep::Went(_) => {}
            CleanStep::Done(..) => break,
            other => panic!("{other:?}"),
        }
    }
}

pub(in crate::broker) async fn read(broker: &Broker, partition: &Arc<Partition>) -> Read {
    let mut read = Vec::new();
    for batch in batches_from(broker, partition, partition.watermarks().log_start_offset.0).await {
        let header = BatchHeader::parse(&batch).unwrap();
        if header.attributes.is_control() {
            continue;
        }
        let base = header.base_offset.0;
        for record in &records(&batch, &DecompressionCaps::default()).unwrap() {
            let record = record.unwrap();
            let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
            let key = text(record.key.unwrap());
            read.push((base + i64::from(record.offset_delta), key, record.value.map(text)));
        }
    }
    read
}

/// The last value of each key; `None` of those that are gone.
pub(in crate::broker) fn values(read: &Read) -> BTreeMap<String, Option<String>> {
    read.iter().map(|(_, key, value)| (key.clone(), value.clone())).collect()
}

fn offsets(read: &Read) -> Vec<i64> {
    read.iter().map(|(offset, ..)| *offset).collect()
}

/// Everything that is closed is cleaned, copied, and leaves the disk.
pub(in crate::broker) async fn leaves_the_disk(broker: &Broker, partition: &Arc<Partition>) {
    clean(broker, partition);
    broker.see_to_the_tier().await;
    broker.retain().await.unwrap();
}

/// Three segments, each with a newer record of one key, that are in the tier alone.
pub(in crate::broker) async fn three_leave_the_disk(broker: &Broker, partition: &Arc<Partition>) {
    for round in ["1", "2", "3"] {
        segment(broker, partition, &[("a", Some(round)), (round, Some(round))]).await;
        leaves_the_disk(broker, partition).await;
    }
}

/// What is dirty, and not dirty enough, is the ordinary state of a topic: it costs no request at each look.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_due_yet_is_not_asked_for_again() {
    let (directory, bucket) = (tempfile::tempdir().unwrap(), bucket());
    let broker = open_quiet(directory.path(), &bucket).await;
    let partition = compacted_topic(&broker).await;
    three_leave_the_disk(&broker, &partition).await;
    alter(&broker, &[("min.cleanable.dirty.ratio", "1")]).await;
    broker.compact_tier().await;
    forget_roots(&broker);
    let gets = bucket.requests(Request::Get);
    broker.compact_tier().await;
    assert_eq!(bucket.requests(Request::Get), gets);
    alter(&broker, &[("min.cleanable.dirty.ratio", "0.01")]).await;
    broker.compact_tier().await;
    assert!(bucket.requests(Request::Get) > gets);
    assert_eq!(offsets(&read(&broker, &partition).await), [1, 3, 4, 5]);
}

#[tokio::test(flavor = "multi_thread")]
async fn it_leaves_the_disk_and_stays_compacted() {
    let (directory, bucket) = (tempfile::tempdir().unwrap(), bucket());
    let broker = open_quiet(directory.path(), &bucket).await;
    let partition = compacted_topic(&broker).await;
    segment(&broker, &partition, &[("a", Some("1")), ("b", Some("1")), ("c", Some("1"))]).await;
    segment(&broker, &partition, &[("a", Some("2")), ("d", Some("1"))]).await;
    broker.see_to_the_tier().await;
    assert_eq!(record(&broker, &partition), None, "what was not cleaned is not copied");
    assert_ne!(partition.log().copy_lag(Offset(0)), CopyLag::default());

    leaves_the_disk(&broker, &partition).await;
    assert_eq!(remote_end(&broker, &partition), Some(5));
    assert_eq!(partition.watermarks().local_log_start_offset, Offset(5));
    segment(&broker, &partition, &[("b", Some("2")), ("e", Some("1"))]).await;
    segment(&broker, &partition, &[("d", Some("2"))]).await;
    leaves_the_disk(&broker, &partition).await;
    segment(&broker, &partition, &[("z", Some("1"))]).await;
    let before = read(&broker, &partition).await;
    assert_eq!(offsets(&before), [1, 2, 3, 4, 5, 6, 7, 8], "the disk's cleaner does not know the tier");

    broker.compact_tier().await;
    let after = read(&broker, &partition).await;
    assert_eq!(offsets(&after), [2, 3, 5, 6, 7, 8]);
    assert_eq!(values(&after), values(&before));
    let tiering = broker.tiering.as_ref().unwrap();
    let known = tiering.partition(partition.topic_partition()).summary().unwrap();
    assert_eq!((known.clean_offset, known.segments, known.end_offset), (Offset(8), 1, Offset(8)));
    forget_roots(&broker);
    let requests = bucket.requests(Request::Put) + bucket.requests(Request::Get);
    broker.compact_tier().await;
    assert_eq!(bucket.requests(Request::Put) + bucket.requests(Request::Get), requests, "nothing is dirty");

    let (broker, partition) = {
        broker.close().await.unwrap();
        let id = partition.topic_partition();
        drop((broker, partition));
        let broker = open_quiet(directory.path(), &bucket).await;
        let partition = broker.partition(id).unwrap();
        (broker, partition)
    };
    assert_eq!(read(&broker, &partition).await, after);
    // What was replaced has gone when its grace is over and the manifest changes again.
    segment(&broker, &partition, &[("z", Some("2"))]).await;
    leaves_the_disk(&broker, &partition).await;
    assert_eq!(values(&read(&broker, &partition).await).get("z"), Some(&Some("2".to_owned())));
}

/// What was aborted comes to nobody, and what was committed gives way as other records do.
#[tokio::test(flavor = "multi_thread")]
async fn transactions_stay_what_they_were() {
    let (directory, bucket) = (tempfile::tempdir().unwrap(), bucket());
    let broker = open_quiet(directory.path(), &bucket).await;
    let partition = compacted_topic(&broker).await;
    let (first, second) = (ProducerId(7), ProducerId(8));
    let value = |text: &str| Some(text.to_owned());
    let aborted = [("a", Some("aborted")), ("x", Some("aborted"))];
    let committed = [("a", Some("1")), ("b", Some("1"))];
    transaction(&broker, &partition, first, &committed, TransactionResult::Commit).await;
    transaction(&broker, &partition, second, &aborted, TransactionResult::Abort).await;
    leaves_the_disk(&broker, &partition).await;
    assert_eq!(partition.watermarks().local_log_start_offset, Offset(6));
    let expected = [("a".to_owned(), value("1")), ("b".to_owned(), value("1"))];
    assert_eq!(values(&read(&broker, &partition).await), BTreeMap::from(expected));

    segment(&broker, &partition, &[("a", Some("2"))]).await;
    leaves_the_disk(&broker, &partition).await;
    broker.compact_tier().await;
    let expected = BTreeMap::from([("a".to_owned(), value("2")), ("b".to_owned(), value("1"))]);
    let after = read(&broker, &partition).await;
    assert_eq!((offsets(&after), values(&after)), (vec![1, 6], expected.clone()));
    let (broker, partition) = restarted(open_quiet, (broker, partition), directory.path(), &bucket).await;
    assert_eq!(values(&read(&broker, &partition).await), expected);

    segment(&broker, &partition, &[("b", Some("2"))]).await;
    leaves_the_disk(&broker, &partition).await;
    broker.compact_tier().await;
    assert_eq!(offsets(&read(&broker, &partition).await), [6, 7]);
}

/// Else the older record of the key, which the disk's cleaner does not see, would come back.
#[tokio::test(flavor = "multi_thread")]
async fn a_tombstone_on_disk_stays_as_long_as_the_tier_has_its_key() {
    let (directory, bucket) = (tempfile::tempdir().unwrap(), bucket());
    let broker = open_quiet(directory.path(), &bucket).await;
    let partition = compacted_topic(&broker).await;
    segment(&broker, &partition, &[("a", Some("1")), ("b", Some("1"))]).await;
    leaves_the_disk(&broker, &partition).await;
    segment(&broker, &partition, &[("a", None)]).await;
    segment(&broker, &partition, &[("c", Some("1"))]).await;
    for _ in 0..2 {
        clean(&broker, &partition);
        segment(&broker, &partition, &[("z", Some("1"))]).await;
    }
    let gone = |read: &Read| values(read).get("a") == Some(&None);
    assert!(gone(&read(&broker, &partition).await), "its time is over at once, and yet it stays");

    // Copied, and still on disk: the tier's own copy of the key goes, the tombstone on disk does.
    broker.see_to_the_tier().await;
    broker.compact_tier().await;
    let left = read(&broker, &partition).await;
    assert!(gone(&left), "{left:?}");
    assert!(!left.iter().any(|(offset, ..)| *offset == 0), "{left:?}");
    for value in ["2", "3"] {
        segment(&broker, &partition, &[("z", Some(value))]).await;
        clean(&broker, &partition);
        broker.see_to_the_tier().await;
        broker.compact_tier().await;
    }
    for _ in 0..2 {
        let left = read(&broker, &partition).await;
        assert_eq!(values(&left).get("a"), None, "its time is over, on disk and in the tier: {left:?}");
        broker.retain().await.unwrap();
        segment(&broker, &partition, &[("z", Some("4"))]).await;
    }
}

/// A cleaning joins a segment that was copied with its successor, which was not.
#[tokio::test(flavor = "multi_thread")]
async fn copies_go_on_within_a_segment() {
    let (directory, bucket) = (tempfile::tempdir().unwrap(), bucket());
    let broker = open_quiet(directory.path(), &bucket).await;
    let partition = compacted_topic(&broker).await;
    segment(&broker, &partition, &[("a", Some("1")), ("b", Some("1"))]).await;
    clean(&broker, &partition);
    broker.see_to_the_tier().await;
    assert_eq!(remote_end(&broker, &partition), Some(2));
    segment(&broker, &partition, &[("c", Some("1")), ("b", Some("2"))]).await;
    clean(&broker, &partition);
    assert_eq!(partition.log().segments_count(), 2, "one, and the active one");
    broker.see_to_the_tier().await;
    assert_eq!(remote_end(&broker, &partition), Some(4));
    broker.retain().await.unwrap();
    assert_eq!(partition.watermarks().local_log_start_offset, Offset(4));
    segment(&broker, &partition, &[("z", Some("1"))]).await;
    assert_eq!(offsets(&read(&broker, &partition).await), [0, 1, 2, 3, 4]);
}

/// Each object that is put and each that is created fails in turn, and whoever comes back finds every key.
#[tokio::test(flavor = "multi_thread")]
async fn a_pass_may_break_off_anywhere() {
    for request in [Request::Put, Request::Create, Request::Get] {
        for nth in 0..6 {
            for fault in [Fault::Denied, Fault::AnswerLost, Fault::LandsLate] {
                let (directory, bucket) = (tempfile::tempdir().unwrap(), bucket());
                let broker = open_quiet(directory.path(), &bucket).await;
                let partition = compacted_topic(&broker).await;
                three_leave_the_disk(&broker, &partition).await;
                segment(&broker, &partition, &[("z", Some("1"))]).await;
                let before = values(&read(&broker, &partition).await);
                bucket.strike(Strike::next(request, fault).after(nth).times(100));
                broker.compact_tier().await;
                bucket.clear_faults();
                assert_eq!(values(&read(&broker, &partition).await), before, "{request:?} {nth}");
                let (broker, partition) =
                    restarted(open_quiet, (broker, partition), directory.path(), &bucket).await;
                assert_eq!(values(&read(&broker, &partition).await), before, "{request:?} {nth}");
                broker.compact_tier().await;
                let left = read(&broker, &partition).await;
                assert_eq!((values(&left), left.len()), (before, 5), "{request:?} {nth}: {left:?}");
            }
        }
    }
}

#[tokio::test]
async fn after_a_pass_that_failed_there_is_a_rest() {
    let (directory, bucket) = (tempfile::tempdir().unwrap(), bucket());
    let broker = open_quiet(directory.path(), &bucket).await;
    let partition = compacted_topic(&broker).await;
    three_leave_the_disk(&broker, &partition).await;
    let failing = || broker.tier_partition_status("t", 0).unwrap().compaction_failing_since_ms;
    let written = read(&broker, &partition).await.len();
    bucket.strike(Strike::next(Request::Put, Fault::Denied).times(100));
    broker.compact_tier().await;
    bucket.clear_faults();
    assert!(failing().is_some());
    broker.compact_tier().await;
    assert_eq!(read(&broker, &partition).await.len(), written, "it rests");
    let (broker, partition) = restarted(open_quiet, (broker, partition), directory.path(), &bucket).await;
    broker.compact_tier().await;
    assert!(read(&broker, &partition).await.len() < written);
    assert_eq!(broker.tier_partition_status("t", 0).unwrap().compaction_failing_since_ms, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_clean_before_it_left_the_tier_says_nothing_of_what_came_after() {
    let (directory, bucket) = (tempfile::tempdir().unwrap(), bucket());
    let broker = open_quiet(directory.path(), &bucket).await;
    let partition = compacted_topic(&broker).await;
    assert_eq!(broker.tier_clean_end(&partition), Some(Offset(0)));
    segment(&broker, &partition, &[("a", Some("1")), ("a", Some("2"))]).await;
    leaves_the_disk(&broker, &partition).await;
    broker.compact_tier().await;
    assert_eq!(broker.tier_clean_end(&partition), Some(Offset(2)));
    set_tiered(&broker, false).await;
    assert_eq!(broker.tier_clean_end(&partition), None);
    set_tiered(&broker, true).await;
    assert_eq!(broker.tier_clean_end(&partition), Some(Offset(0)));
}

/// A tombstone that had waited long enough before the topic was tiered is the first to go there: behind what
/// is left the tier has nothing, and the disk begins later.
#[tokio::test(flavor = "multi_thread")]
async fn a_reader_gets_over_a_gap_at_the_end_of_the_tier() {
    let (directory, bucket) = (tempfile::tempdir().unwrap(), bucket());
    let broker = open_quiet(directory.path(), &bucket).await;
    let partition = compacted_topic(&broker).await;
    set_tiered(&broker, false).await;
    segment(&broker, &partition, &[("a", Some("1")), ("b", Some("1"))]).await;
    segment(&broker, &partition, &[("a", None)]).await;
    clean(&broker, &partition);
    set_tiered(&broker, true).await;
    broker.see_to_the_tier().await;
    broker.retain().await.unwrap();
    broker.compact_tier().await;
    segment(&broker, &partition, &[("z", Some("1"))]).await;
    assert_eq!(partition.watermarks().local_log_start_offset, Offset(3));
    assert_eq!(offsets(&read(&broker, &partition).await), [1, 3]);
}

/// As if it was taken for an orphan while a look held the lock.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_in_the_bucket_takes_no_place() {
    let (directory, bucket) = (tempfile::tempdir().unwrap(), bucket());
    let broker = open_quiet(directory.path(), &bucket).await;
    let partition = compacted_topic(&broker).await;
    segment(&broker, &partition, &[("a", Some("1")), ("b", Some("1"))]).await;
    leaves_the_disk(&broker, &partition).await;
    let tiering = broker.tiering.as_ref().unwrap();
    let remote = tiering.partition(partition.topic_partition());
    let look = Look { broker: &broker, tiering, partition: &partition, remote: &remote };
    let root = look.root().await.unwrap();
    let group = look.group(&root, Offset(0), Offset(9)).await.unwrap();
    let object = crate::tier::ObjectName { nonce: crate::tier::Nonce([7; 16]), ..group[0].object };
    let missing = crate::tier::ManifestEntry { object, ..group[0] };
    assert!(!look.replace(&group, missing).await.unwrap());
    segment(&broker, &partition, &[("z", Some("1"))]).await;
    assert_eq!(offsets(&read(&broker, &partition).await), [0, 1, 2]);
}
