//! What whoever runs the broker is told of the tier.

use super::*;
use crate::broker::{StoreMetrics, TierLookError, TierPartition};
use crate::env::Files;

/// A broker whose requests are counted, with a tiered topic of so many closed segments.
async fn counted(directory: &Path, bucket: &SimulatedBucket, count: u32) -> (Arc<Broker>, Arc<Partition>) {
    let metrics = Metrics::new(Timestamp(0), 100);
    let observer = Arc::new(StoreMetrics(metrics.tier().clone()));
    let store = bucket.open_with(SimulatedBucket::quick(), &Env::real(), observer);
    let mut config = small_config(directory, SETTINGS);
    config.tiering.memory_bytes = 32 << 20;
    let tier = Tier::open(store, &Env::real(), &config).await;
    let broker = Broker::open_with(Env::real(), config, metrics, Some(tier)).unwrap();
    let weak = Arc::downgrade(&broker);
    broker.metrics().set_tier(move |visitor| {
        if let Some(broker) = weak.upgrade() {
            broker.visit_tier(visitor);
        }
    });
    broker.own_tier().await.unwrap();
    let partition = tiered(&broker).await;
    segments(&broker, &partition, count).await;
    (broker, partition)
}

/// The only tiered partition, as it is told of.
fn told(broker: &Broker) -> TierPartition {
    let mut partitions = broker.tier_status(None).unwrap().partitions;
    assert_eq!(partitions.len(), 1);
    let told = partitions.remove(0);
    // Its age goes on.
    let alone = broker.tier_partition_status("t", 0).unwrap();
    assert_eq!(TierPartition { lag_ms: told.lag_ms, ..alone }, told);
    told
}

fn has(broker: &Broker, lines: &[&str]) {
    let rendered = broker.metrics().render();
    for line in lines {
        assert!(rendered.lines().any(|other| other == *line), "{line} is not in\n{rendered}");
    }
}

/// All requests that the bucket has seen.
fn requests(bucket: &SimulatedBucket) -> u64 {
    Request::ALL.iter().map(|kind| bucket.requests(*kind)).sum()
}

/// Who looks at many partitions does so by an image that a copy has overtaken when their turn comes.
#[tokio::test(flavor = "multi_thread")]
async fn a_copy_that_ends_meanwhile_hides_nothing() {
    let (directory, bucket) = (tempfile::tempdir().unwrap(), bucket());
    let (broker, partition) = counted(directory.path(), &bucket, 2).await;
    broker.see_to_the_tier().await;
    let tiering = broker.tiering.as_ref().unwrap();
    let (id, record) = (partition.topic_partition(), record(&broker, &partition).unwrap());
    let root = tiering.reader().root(id, record.manifest).await.unwrap();
    tiering.partition(id).note_root(&Root { number: record.manifest + 1, ..Root::clone(&root) });
    assert_eq!(told(&broker).remote_segments, Some(2));
    has(&broker, &["highwater_tier_segments 2"]);
}

/// What it has in the tier is as good as any other's, and `tier verify` is to look at it.
#[tokio::test(flavor = "multi_thread")]
async fn a_stopped_partition_is_told_of() {
    let (directory, bucket) = (tempfile::tempdir().unwrap(), bucket());
    let (broker, partition) = with_segments(directory.path(), &bucket, 2).await;
    broker.see_to_the_tier().await;
    let manifest = record(&broker, &partition).unwrap().manifest;
    drop(partition);
    broker.close().await.unwrap();
    drop(broker);
    RealFiles.remove_dir_all(&directory.path().join("t-0")).unwrap();
    let broker = open(directory.path(), &bucket).await;
    assert_eq!(broker.tier_status(None).unwrap().partitions.len(), 1);
    let told = broker.tier_partition_status("t", 0).unwrap();
    assert_eq!((told.manifest, told.remote_end_offset), (manifest, 20));
    assert!(told.stopped.is_some() && told.failure.is_none(), "{told:?}");
    broker.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn segments_that_go_with_their_topic_count_as_deleted() {
    let (directory, bucket) = (tempfile::tempdir().unwrap(), bucket());
    let (broker, partition) = counted(directory.path(), &bucket, 2).await;
    broker.see_to_the_tier().await;
    broker.delete_topic(partition.topic_partition().topic_id).await.unwrap();
    assert_eq!(broker.tier_status(None).unwrap().deleted_topics_count, 1);
    broker.see_to_the_tier().await;
    has(&broker, &["kafka_server_brokertopicmetrics_remotedeleterequests_total 2"]);
    assert_eq!(broker.image().tier_deletions().count(), 1, "something may come late");
    assert_eq!(broker.tier_status(None).unwrap().deleted_topics_count, 0, "nothing of it is there");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_lies_where_is_told_without_a_request() {
    let (directory, bucket) = (tempfile::tempdir().unwrap(), bucket());
    let (broker, partition) = counted(directory.path(), &bucket, 3).await;
    let owned = requests(&bucket);
    let before = told(&broker);
    let bytes = partition
        .log()
        .tierable(Offset(0), Offset(0), Offset(30), 10)
        .unwrap()
        .iter()
        .map(|it| it.bytes)
        .sum();
    assert_eq!((before.lag_segments, before.lag_bytes), (3, bytes));
    assert_eq!((before.remote_segments, before.remote_end_offset, before.manifest), (Some(0), 0, 0));
    assert!(before.copies);
    has(&broker, &["highwater_tier_copy_lag_segments 3", "highwater_tier_segments 0"]);
    assert_eq!(requests(&bucket), owned);

    broker.see_to_the_tier().await;
    let seen = requests(&bucket);
    let after = told(&broker);
    assert_eq!((after.lag_segments, after.lag_bytes, after.lag_ms), (0, 0, 0));
    assert_eq!((after.remote_segments, after.remote_bytes), (Some(3), Some(bytes)));
    assert_eq!((after.log_start_offset, after.local_log_start_offset), (0, 0));
    assert_eq!((after.remote_end_offset, after.log_end_offset, after.manifest), (30, 35, 1));
    has(
        &broker,
        &[
            &format!("highwater_tier_bytes {bytes}"),
            "highwater_tier_copied_segments_total 3",
            "highwater_tier_copy_lag_segments 0",
            "kafka_server_brokertopicmetrics_remotelogmetadatacount 3",
            // The one of the trial that won, the owner, the manifest.
            "highwater_tier_requests_total{operation=\"create\",result=\"done\"} 3",
            "highwater_tier_requests_total{operation=\"put\",result=\"done\"} 3",
        ],
    );
    assert_eq!(requests(&bucket), seen, "neither a scrape nor a look costs a request");
    let counts: u64 = broker.tier_status(None).unwrap().requests.iter().map(|kind| kind.count).sum();
    assert_eq!(counts, seen, "every request is counted");

    // The active segment is in the way of local retention: it is closed, and is to be copied next.
    broker.retain().await.unwrap();
    let retained = told(&broker);
    assert_eq!((retained.local_log_start_offset, retained.lag_segments), (30, 1));

    // Reads are counted where they are made for a consumer.
    let fetched = broker.fetch(&[from_offset(&partition, 0, 1 << 20)], ALL).await.remove(0);
    let bytes = fetched.bytes;
    assert!(fetched.result.is_ok() && bytes > 0);
    has(&broker, &["highwater_tier_reads_total 1", &format!("highwater_tier_read_bytes_total {bytes}")]);

    // A start asks the store when it has to, and says until then that it does not know.
    let (broker, partition) = restarted(open, (broker, partition), directory.path(), &bucket).await;
    let started = told(&broker);
    assert_eq!((started.remote_segments, started.remote_bytes, started.manifest), (None, None, 1));
    broker.see_to_the_tier().await;
    assert_eq!(told(&broker).remote_segments, Some(4));
    drop(partition);
}

/// Nothing is written before it is known whose the bucket is.
#[tokio::test(flavor = "multi_thread")]
async fn a_bucket_that_does_not_say_whose_it_is_fails_every_partition() {
    let (directory, bucket) = (tempfile::tempdir().unwrap(), bucket());
    let broker = open_with(directory.path(), &SETTINGS, Some(bucket_tier(&bucket).await));
    drop(tiered(&broker).await);
    bucket.set_denied(Some("the key is of another account"));
    broker.see_to_the_tier().await;
    let what = told(&broker).failure.unwrap().what;
    assert!(what.contains("the key is of another account"), "{what}");
    assert!(broker.tier_status(None).unwrap().last_failure.is_some());
    bucket.set_denied(None);
    broker.see_to_the_tier().await;
    assert_eq!(told(&broker).failing_since_ms, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn since_when_copies_fail_and_why_is_told() {
    let (directory, bucket) = (tempfile::tempdir().unwrap(), bucket());
    let (broker, _) = counted(directory.path(), &bucket, 2).await;
    assert_eq!(broker.tier_status(None).unwrap().last_failure, None);
    bucket.set_denied(Some("the key is of another account"));
    broker.see_to_the_tier().await;
    let first = told(&broker);
    let since = first.failing_since_ms.unwrap();
    let what = first.failure.unwrap().what;
    assert!(what.contains("the key is of another account"), "{what}");
    bucket.set_denied(None);
    bucket.set_away(true);
    broker.see_to_the_tier().await;
    let second = told(&broker);
    assert_eq!(second.failing_since_ms, Some(since), "since the first of them");
    let what = second.failure.unwrap().what;
    assert!(what.contains("not available"), "why the last one did: {what}");
    has(&broker, &["highwater_tier_failing_partitions 1", "highwater_tier_copy_errors_total 2"]);
    assert_eq!(told(&broker).lag_segments, 2);

    bucket.set_away(false);
    broker.see_to_the_tier().await;
    let third = told(&broker);
    assert_eq!((third.failing_since_ms, third.failure, third.lag_segments), (None, None, 0));
    let last = broker.tier_status(None).unwrap().last_failure.unwrap();
    assert!(last.what.contains("not available") && last.at_ms >= since, "{last:?}");
    has(&broker, &["highwater_tier_failing_partitions 0"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn removals_that_wait_are_told() {
    let (directory, bucket) = (tempfile::tempdir().unwrap(), bucket());
    let (broker, partition) = counted(directory.path(), &bucket, 3).await;
    broker.see_to_the_tier().await;
    broker.move_log_starts(vec![(partition.clone(), Offset(20))]).await.unwrap();
    bucket.strike(Strike::next(Request::Create, Fault::Denied));
    broker.see_to_the_tier().await;
    let waiting = told(&broker);
    assert_eq!((waiting.delete_lag_segments, waiting.remote_segments), (2, Some(3)));
    assert!(waiting.delete_lag_bytes > 0);
    has(&broker, &["kafka_server_brokertopicmetrics_remotedeletelagsegments 2"]);
    has(&broker, &["highwater_tier_delete_errors_total 1", "highwater_tier_deleted_segments_total 0"]);
    broker.see_to_the_tier().await;
    let done = told(&broker);
    assert_eq!((done.delete_lag_segments, done.delete_lag_bytes, done.remote_segments), (0, 0, Some(1)));
    assert!(done.retired_objects > 0, "the former root is kept for its readers");
    has(&broker, &["highwater_tier_deleted_segments_total 2"]);

    // A deleted topic is pending until its folder is empty.
    let topic_id = partition.topic_partition().topic_id;
    drop(partition);
    broker.delete_topic(topic_id).await.unwrap();
    let status = broker.tier_status(None).unwrap();
    assert_eq!((status.deleted_topics, status.partitions), (vec![topic_id.to_string()], vec![]));
    bucket.set_away(true);
    broker.see_to_the_tier().await;
    assert!(broker.tier_status(None).unwrap().last_failure.is_some());
    has(&broker, &["highwater_tier_pending_topic_deletions 1", "highwater_tier_delete_errors_total 2"]);
    bucket.set_away(false);
    broker.see_to_the_tier().await;
    broker.see_to_the_tier().await;
    assert_eq!(broker.tier_status(None).unwrap().deleted_topics_count, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn partitions_are_told_page_by_page_and_segments_leaf_by_leaf() {
    let (directory, bucket) = (tempfile::tempdir().unwrap(), bucket());
    let (broker, partition) = counted(directory.path(), &bucket, 2).await;
    for name in ["a", "b"] {
        drop(tiered_topic(&broker, name).await);
    }
    let names = |after| {
        let status = broker.tier_status(after).unwrap();
        status.partitions.into_iter().map(|told| told.topic).collect::<Vec<_>>()
    };
    assert_eq!(names(None), ["a", "b", "t"]);
    assert_eq!(names(Some(("a", 0))), ["b", "t"]);
    assert_eq!(names(Some(("aa", 7))), ["b", "t"]);
    assert_eq!(names(Some(("t", -1))), ["t"]);
    assert_eq!(names(Some(("t", 0))), [""; 0]);

    let bases = async |from| {
        let page = broker.tier_segments("t", 0, Offset(from)).await.unwrap();
        assert_eq!(page.next, None);
        page.segments.iter().map(|segment| segment.base_offset).collect::<Vec<_>>()
    };
    assert_eq!(bases(0).await, [0; 0]);
    broker.see_to_the_tier().await;
    assert_eq!(bases(0).await, [0, 10]);
    assert_eq!(bases(10).await, [10]);
    assert_eq!(bases(20).await, [0; 0]);
    let page = broker.tier_segments("t", 0, Offset(0)).await.unwrap();
    for segment in &page.segments {
        let object = bucket.object(&segment.object).unwrap();
        assert_eq!(segment.bytes, object.len() as u64);
        assert!(segment.log_bytes > 0 && segment.log_bytes < segment.bytes);
    }
    for (topic, index) in [("t", 1), ("t", -1), ("x", 0)] {
        let refused = broker.tier_segments(topic, index, Offset(0)).await;
        assert!(matches!(refused, Err(TierLookError::Unknown(_))), "{topic} {index}");
    }
    drop(partition);
}
