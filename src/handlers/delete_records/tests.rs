use std::time::Duration;

use kafka_protocol::messages::delete_records_request::{DeleteRecordsPartition, DeleteRecordsTopic};
use kafka_protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use kafka_protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use kafka_protocol::messages::offset_for_leader_epoch_request::{
    OffsetForLeaderPartition, OffsetForLeaderTopic,
};
use kafka_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use kafka_protocol::messages::{
    BrokerId, DeleteRecordsRequest, FetchRequest, ListOffsetsRequest, OffsetForLeaderEpochRequest,
    ProduceRequest, TopicName,
};

use crate::handlers::testing::{TestBroker, batch, damage, str_bytes};
use crate::model::{TopicId, TopicPartition};

const HIGH_WATERMARK: i64 = -1;
const LATEST: i64 = -1;
const EARLIEST: i64 = -2;
const LARGEST: i64 = -3;

fn name(topic: &str) -> TopicName {
    TopicName(str_bytes(topic))
}

type Asked<'a> = &'a [(&'a str, &'a [(i32, i64)])];
/// Partition, low watermark, code.
type Answered<'a> = Vec<(&'a str, Vec<(i32, i64, i16)>)>;

fn request(topics: Asked) -> DeleteRecordsRequest {
    let topics = topics.iter().map(|(topic, partitions)| {
        let partitions = partitions.iter().map(|(index, offset)| {
            DeleteRecordsPartition::default().with_partition_index(*index).with_offset(*offset)
        });
        DeleteRecordsTopic::default().with_name(name(topic)).with_partitions(partitions.collect())
    });
    DeleteRecordsRequest::default().with_topics(topics.collect()).with_timeout_ms(30_000)
}

async fn check(test: &TestBroker, version: i16, asked: Asked<'_>, expected: Answered<'_>) {
    let response = test.ask(version, &request(asked)).await;
    let shown: Answered = response
        .topics
        .iter()
        .map(|topic| {
            let partitions = topic.partitions.iter();
            let shown =
                partitions.map(|found| (found.partition_index, found.low_watermark, found.error_code));
            (topic.name.as_str(), shown.collect())
        })
        .collect();
    assert_eq!(shown, expected, "version {version}: {asked:?}");
}

/// Deletes records of the first partition of `t`.
async fn delete(test: &TestBroker, before: i64, expected: (i64, i16)) {
    check(test, 2, &[("t", &[(0, before)])], vec![("t", vec![(0, expected.0, expected.1)])]).await;
}

/// Appends a batch with these timestamps; its first offset.
async fn append(test: &TestBroker, partition: i32, timestamps: &[i64]) -> i64 {
    let data = PartitionProduceData::default().with_index(partition).with_records(Some(batch(timestamps)));
    let topic = TopicProduceData::default().with_name(name("t")).with_partition_data(vec![data]);
    let request =
        ProduceRequest::default().with_acks(-1).with_timeout_ms(30_000).with_topic_data(vec![topic]);
    let response = &test.ask(9, &request).await.responses[0].partition_responses[0];
    assert_eq!(response.error_code, 0);
    response.base_offset
}

/// Offset and leader epoch for a time or a sentinel.
async fn offset(test: &TestBroker, timestamp: i64) -> (i64, i32) {
    let asked = ListOffsetsPartition::default().with_current_leader_epoch(-1).with_timestamp(timestamp);
    let topic = ListOffsetsTopic::default().with_name(name("t")).with_partitions(vec![asked]);
    let request = ListOffsetsRequest::default().with_replica_id(BrokerId(-1)).with_topics(vec![topic]);
    let found = &test.ask(7, &request).await.topics[0].partitions[0];
    assert_eq!(found.error_code, 0);
    (found.offset, found.leader_epoch)
}

/// Code, log start offset and bytes.
async fn fetch(test: &TestBroker, offset: i64, min_bytes: i32, max_wait_ms: i32) -> (i16, i64, usize) {
    let partition = FetchPartition::default().with_fetch_offset(offset).with_partition_max_bytes(1 << 20);
    let topic = FetchTopic::default().with_topic(name("t")).with_partitions(vec![partition]);
    let request = FetchRequest::default()
        .with_replica_id(BrokerId(-1))
        .with_session_epoch(-1)
        .with_max_bytes(1 << 20)
        .with_min_bytes(min_bytes)
        .with_max_wait_ms(max_wait_ms)
        .with_topics(vec![topic]);
    let found = &test.ask(12, &request).await.responses[0].partitions[0];
    (found.error_code, found.log_start_offset, found.records.as_ref().map_or(0, |records| records.len()))
}

async fn fetched(test: &TestBroker, offset: i64) -> (i16, i64, bool) {
    let (code, log_start_offset, bytes) = fetch(test, offset, 1, 0).await;
    (code, log_start_offset, bytes > 0)
}

#[tokio::test]
async fn trap_92_moves_the_log_start_in_every_version_and_tells_it() {
    let test = TestBroker::start();
    test.topic("t", 2, &[]).await;
    for version in 0..=2 {
        let first = append(&test, 0, &[1, 2, 3]).await;
        assert_eq!(append(&test, 1, &[1]).await, i64::from(version));
        let asked: Asked = &[("t", &[(0, first + 2), (1, HIGH_WATERMARK)])];
        let expected = vec![("t", vec![(0, first + 2, 0), (1, i64::from(version) + 1, 0)])];
        check(&test, version, asked, expected).await;
        assert_eq!(offset(&test, EARLIEST).await, (first + 2, 0));
        assert_eq!(fetched(&test, first + 1).await, (1, -1, false), "OFFSET_OUT_OF_RANGE");
        assert_eq!(fetched(&test, first + 2).await, (0, first + 2, true));
    }
}

#[tokio::test]
async fn trap_92_everything_goes_and_offsets_go_on() {
    let mut test = TestBroker::start();
    test.topic("t", 1, &[]).await;
    delete(&test, HIGH_WATERMARK, (0, 0)).await;
    for round in 0..3 {
        let first = append(&test, 0, &[1, 2, 3]).await;
        assert_eq!(first, round * 3);
        delete(&test, HIGH_WATERMARK, (first + 3, 0)).await;
        let leader_epoch = i32::try_from(round).unwrap();
        for sentinel in [EARLIEST, LATEST] {
            assert_eq!(offset(&test, sentinel).await, (first + 3, leader_epoch));
        }
        assert_eq!(fetched(&test, first + 2).await, (1, -1, false));
        assert_eq!(fetched(&test, first + 3).await, (0, first + 3, false));
        // What is not below the log start stays where it is.
        for before in [HIGH_WATERMARK, 0, first, first + 3] {
            delete(&test, before, (first + 3, 0)).await;
        }
        test = test.restart().await;
        delete(&test, 0, (first + 3, 0)).await;
    }
}

#[tokio::test]
async fn segments_below_the_log_start_are_removed() {
    let test = TestBroker::start();
    test.topic("t", 1, &[("segment.bytes", "1048576")]).await;
    append(&test, 0, &[1; 40]).await;
    // Its records are in a segment now.
    let test = test.restart().await;
    let topic_id = test.broker.image().topic("t").unwrap().topic_id;
    let partition = test.broker.partition(TopicPartition { topic_id, partition: 0 }).unwrap();
    assert_eq!((partition.log().segments_count(), partition.log().size_bytes() > 0), (1, true));
    append(&test, 0, &[2; 40]).await;
    delete(&test, 60, (60, 0)).await;
    // The background task may not have come to it yet; retention's look does the same.
    test.broker.retain().await.unwrap();
    assert_eq!(partition.log().size_bytes(), 0, "what lies in segments is below the log start");
    assert!(test.broker.storage().root().join("t-0/00000000000000000040.log").exists());
    assert_eq!(fetched(&test, 60).await, (0, 60, true), "the rest is in memory");
    delete(&test, HIGH_WATERMARK, (80, 0)).await;
    let test = test.restart().await;
    // What was deleted in memory never came to a segment.
    assert_eq!(offset(&test, EARLIEST).await, (80, 2));
    assert_eq!(append(&test, 0, &[3]).await, 80);
    test.broker.retain().await.unwrap();
    assert!(!test.broker.storage().root().join("t-0/00000000000000000040.log").exists());
}

/// Codes and order as measured against Kafka 4.3.
#[tokio::test]
async fn what_is_refused() {
    let test = TestBroker::start();
    for (topic, policy) in [("t", "delete"), ("compact", "compact"), ("both", "compact,delete")] {
        test.topic(topic, 2, &[("cleanup.policy", policy)]).await;
    }
    append(&test, 0, &[1, 2]).await;
    let check = async |topic: &str, partition, before, low_watermark, code| {
        let expected = vec![(topic, vec![(partition, low_watermark, code)])];
        check(&test, 2, &[(topic, &[(partition, before)])], expected).await;
    };
    for before in [3, i64::MAX, -2, i64::MIN] {
        check("t", 0, before, -1, 1).await;
    }
    for partition in [2, -1, i32::MAX] {
        check("t", partition, 0, -1, 3).await;
    }
    for topic in ["x", "", "a b", "__consumer_offsets"] {
        check(topic, 0, 0, -1, 3).await;
    }
    for before in [0, -1, 7] {
        check("compact", 0, before, -1, 44).await;
    }
    check("both", 0, HIGH_WATERMARK, 0, 0).await;
    assert_eq!(offset(&test, EARLIEST).await, (0, 0));
    let id = TopicPartition { topic_id: test.broker.image().topic("t").unwrap().topic_id, partition: 0 };
    test.broker.partition(id).unwrap().stop(&damage());
    check("t", 0, 1, -1, 56).await;
}

#[tokio::test]
async fn each_partition_is_answered_once_and_the_last_offset_counts() {
    let test = TestBroker::start();
    test.topic("t", 2, &[]).await;
    test.topic("other", 1, &[]).await;
    append(&test, 0, &[1, 2, 3]).await;
    let asked: Asked = &[
        ("t", &[(1, 0), (0, 9), (0, 2)]),
        ("empty", &[]),
        ("x", &[(0, 0)]),
        ("other", &[(0, 0)]),
        ("t", &[(2, 0), (0, 1)]),
    ];
    let expected = vec![
        ("t", vec![(1, 0, 0), (0, 1, 0), (2, -1, 3)]),
        ("x", vec![(0, -1, 3)]),
        ("other", vec![(0, 0, 0)]),
    ];
    check(&test, 2, asked, expected).await;
    check(&test, 2, &[("t", &[(0, 3), (0, 9)])], vec![("t", vec![(0, -1, 1)])]).await;
    assert_eq!(offset(&test, EARLIEST).await, (1, 0));
    check(&test, 2, &[], vec![]).await;
}

/// A batch of three records, of which one is left, in memory and in a segment.
#[tokio::test]
async fn look_ups_by_time_do_not_find_what_was_deleted() {
    let mut test = TestBroker::start();
    test.topic("t", 1, &[]).await;
    append(&test, 0, &[10, 20, 30]).await;
    append(&test, 0, &[15]).await;
    for _ in ["in memory", "in a segment"] {
        delete(&test, 2, (2, 0)).await;
        for (timestamp, expected) in [(0, 2), (10, 2), (11, 2), (30, 2), (31, -1)] {
            assert_eq!(offset(&test, timestamp).await.0, expected, "from {timestamp} on");
        }
        test = test.restart().await;
    }
    delete(&test, HIGH_WATERMARK, (4, 0)).await;
    append(&test, 0, &[5]).await;
    for (timestamp, expected) in [(0, 4), (6, -1), (LARGEST, 4)] {
        assert_eq!(offset(&test, timestamp).await.0, expected, "from {timestamp} on");
    }
    delete(&test, HIGH_WATERMARK, (5, 0)).await;
    assert_eq!((offset(&test, 0).await.0, offset(&test, LARGEST).await.0), (-1, -1));
}

/// As measured against Kafka 4.3.
#[tokio::test]
async fn a_fetch_that_waits_below_the_new_log_start_hears_of_it_when_it_looks_again() {
    let test = TestBroker::start();
    test.topic("t", 1, &[]).await;
    append(&test, 0, &[1, 2, 3]).await;
    let before = test.broker.env().clock.monotonic();
    let (found, ()) = tokio::join!(fetch(&test, 1, 100_000, 200), delete(&test, 2, (2, 0)));
    assert_eq!(found, (1, -1, 0));
    assert!(test.broker.env().clock.monotonic() - before >= Duration::from_millis(200));
}

#[tokio::test]
async fn a_fetch_that_waits_at_the_end_gets_what_comes_after_a_deletion() {
    let test = TestBroker::start();
    test.topic("t", 1, &[]).await;
    append(&test, 0, &[1, 2, 3]).await;
    let after = async {
        delete(&test, HIGH_WATERMARK, (3, 0)).await;
        append(&test, 0, &[4]).await
    };
    let ((code, log_start_offset, bytes), appended) = tokio::join!(fetch(&test, 3, 1, 60_000), after);
    assert_eq!((code, log_start_offset, bytes > 0, appended), (0, 3, true, 3));
}

/// What OffsetForLeaderEpoch answers is where an epoch ends in what is left, as in Kafka.
#[tokio::test]
async fn leader_epochs_end_no_earlier_than_the_log_starts() {
    let test = TestBroker::start();
    test.topic("t", 1, &[]).await;
    append(&test, 0, &[1, 2, 3]).await;
    let mut test = test.restart().await;
    append(&test, 0, &[4, 5, 6]).await;
    let end_of_the_first = async |test: &TestBroker| {
        let partition =
            OffsetForLeaderPartition::default().with_current_leader_epoch(-1).with_leader_epoch(0);
        let topic = OffsetForLeaderTopic::default().with_topic(name("t")).with_partitions(vec![partition]);
        let request = OffsetForLeaderEpochRequest::default().with_topics(vec![topic]);
        test.ask(4, &request).await.topics[0].partitions[0].end_offset
    };
    assert_eq!(end_of_the_first(&test).await, 3);
    delete(&test, 5, (5, 0)).await;
    for _ in ["at once", "after a start"] {
        assert_eq!(end_of_the_first(&test).await, 5);
        test = test.restart().await;
    }
}

#[tokio::test]
async fn a_deletion_of_the_topic_meanwhile_leaves_no_log_start_behind() {
    let test = TestBroker::start();
    let topic_id = TopicId(test.topic("t", 1, &[]).await);
    append(&test, 0, &[1]).await;
    let id = TopicPartition { topic_id, partition: 0 };
    let partition = test.broker.partition(id).unwrap();
    let deletion = crate::broker::RecordDeletion { partition, before: None };
    test.broker.delete_topic(topic_id).await.unwrap();
    let results = test.broker.delete_records(&[deletion]).await;
    assert_eq!(results, [Err(crate::broker::DeleteRecordsError::Deleted)]);
    assert_eq!(test.broker.image().log_start(id).0, 0);
}
