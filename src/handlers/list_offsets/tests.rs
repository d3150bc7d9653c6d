use std::sync::Arc;

use kafka_protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use kafka_protocol::messages::list_offsets_response::ListOffsetsPartitionResponse;
use kafka_protocol::messages::{BrokerId, ListOffsetsRequest, TopicName};

use crate::broker::testing::{PATIENCE, hang_reads, open_on, open_tiered, segments, tiered_topic};
use crate::env::time::timeout;
use crate::handlers::testing::{
    TestBroker, batch, build, damage, end_transaction, produce, produce_in_transaction, str_bytes,
};
use crate::model::TransactionResult;
use crate::protocol::batch::CompressionType;

fn request(topic: &str, partitions: &[(i32, i64)]) -> ListOffsetsRequest {
    let partitions = partitions.iter().map(|(index, timestamp)| {
        ListOffsetsPartition::default().with_partition_index(*index).with_timestamp(*timestamp)
    });
    let topic = ListOffsetsTopic::default()
        .with_name(TopicName(str_bytes(topic)))
        .with_partitions(partitions.collect());
    ListOffsetsRequest::default().with_replica_id(BrokerId(-1)).with_topics(vec![topic])
}

async fn ask(test: &TestBroker, version: i16, timestamp: i64) -> ListOffsetsPartitionResponse {
    let response = test.ask(version, &request("t", &[(0, timestamp)])).await;
    response.topics[0].partitions[0].clone()
}

/// Code, timestamp, offset, leader epoch.
fn shown(response: &ListOffsetsPartitionResponse) -> (i16, i64, i64, i32) {
    (response.error_code, response.timestamp, response.offset, response.leader_epoch)
}

const NOTHING: (i16, i64, i64, i32) = (0, -1, -1, -1);
const UNSUPPORTED: (i16, i64, i64, i32) = (35, -1, -1, -1);

#[tokio::test]
async fn trap_60_sentinels_of_a_log_with_records() {
    let test = TestBroker::start();
    test.topic("t", 1, &[]).await;
    produce(&test, "t", batch(&[10, 30, 20])).await;
    produce(&test, "t", batch(&[30, 5])).await;
    for version in 1..=10 {
        let leader_epoch = if version >= 4 { 0 } else { -1 };
        let since = |first: i16, expected| if version >= first { expected } else { UNSUPPORTED };
        assert_eq!(shown(&ask(&test, version, -1).await), (0, -1, 5, leader_epoch), "latest, {version}");
        assert_eq!(shown(&ask(&test, version, -2).await), (0, -1, 0, leader_epoch), "earliest, {version}");
        assert_eq!(
            shown(&ask(&test, version, -3).await),
            since(7, (0, 30, 1, leader_epoch)),
            "largest, {version}"
        );
        assert_eq!(
            shown(&ask(&test, version, -4).await),
            since(8, (0, -1, 0, leader_epoch)),
            "local, {version}"
        );
        assert_eq!(shown(&ask(&test, version, -5).await), since(9, NOTHING), "tiered, {version}");
        assert_eq!(shown(&ask(&test, version, -6).await), UNSUPPORTED, "{version}");
        assert_eq!(shown(&ask(&test, version, i64::MIN).await), UNSUPPORTED, "{version}");
    }
}

/// As measured against Kafka 4.3.
#[tokio::test]
async fn sentinels_of_an_empty_log() {
    let test = TestBroker::start();
    test.topic("t", 1, &[]).await;
    for (timestamp, expected) in [(-1, (0, -1, 0, 0)), (-2, (0, -1, 0, 0)), (-3, NOTHING), (0, NOTHING)] {
        assert_eq!(shown(&ask(&test, 10, timestamp).await), expected, "{timestamp}");
    }
}

#[tokio::test]
async fn trap_60_by_time_it_is_the_record_not_its_batch() {
    let mut test = TestBroker::start();
    test.topic("t", 1, &[]).await;
    produce(&test, "t", batch(&[10, 30, 20])).await;
    produce(&test, "t", build(&[40, 50], |builder| builder.compression = CompressionType::Lz4)).await;
    // First from the tail, then from segments.
    for place in ["tail", "segments"] {
        for (timestamp, found) in [
            (0, (0, 10, 0, 0)),
            (10, (0, 10, 0, 0)),
            (11, (0, 30, 1, 0)),
            (31, (0, 40, 3, 0)),
            (50, (0, 50, 4, 0)),
            (51, NOTHING),
            (i64::MAX, NOTHING),
            (-3, (0, 50, 4, 0)),
        ] {
            assert_eq!(shown(&ask(&test, 10, timestamp).await), found, "{timestamp} in the {place}");
        }
        test = test.restart().await;
    }
    // The tail and the segments together.
    produce(&test, "t", batch(&[60])).await;
    for (timestamp, found) in
        [(11, (0, 30, 1, 0)), (51, (0, 60, 5, 2)), (-3, (0, 60, 5, 2)), (-1, (0, -1, 6, 2))]
    {
        assert_eq!(shown(&ask(&test, 10, timestamp).await), found, "{timestamp}");
    }
}

/// As measured against Kafka 4.3.
#[tokio::test]
async fn what_is_refused() {
    let test = TestBroker::start();
    test.topic("t", 1, &[]).await;
    let codes = async |request: ListOffsetsRequest| {
        let response = test.ask(10, &request).await;
        let topics = response.topics.iter();
        let codes = topics
            .flat_map(|topic| topic.partitions.iter().map(|found| (found.partition_index, found.error_code)));
        codes.collect::<Vec<_>>()
    };
    for absent in ["absent", "", "a/b"] {
        assert_eq!(codes(request(absent, &[(0, -1)])).await, [(0, 3)], "{absent:?}");
    }
    assert_eq!(codes(request("t", &[(1, -1), (-1, -1)])).await, [(1, 3), (-1, 3)]);
    // The version is looked at before anything else.
    assert_eq!(codes(request("absent", &[(0, -9)])).await, [(0, 35)]);
    for (isolation_level, code) in [(0, 0), (1, 0), (2, -1), (-1, -1)] {
        let request = request("t", &[(0, -1)]).with_isolation_level(isolation_level);
        assert_eq!(codes(request).await, [(0, code)], "isolation level {isolation_level}");
    }
    for replica_id in [-3, -2, 0, 7] {
        let request = request("t", &[(0, -1)]).with_replica_id(BrokerId(replica_id));
        assert_eq!(codes(request).await, [(0, 0)], "replica {replica_id}");
    }
}

#[tokio::test]
async fn what_is_named_twice_is_answered_once() {
    let test = TestBroker::start();
    test.topic("t", 1, &[]).await;
    let response = test.ask(10, &request("t", &[(0, -1), (1, -1), (0, -2)])).await;
    let shown: Vec<_> =
        response.topics[0].partitions.iter().map(|found| (found.partition_index, found.error_code)).collect();
    assert_eq!(shown, [(0, 42), (1, 3)]);
    // Across two rows of the same topic, too.
    let mut twice = request("t", &[(0, -1)]);
    twice.topics.extend(request("t", &[(0, -2)]).topics);
    let response = test.ask(10, &twice).await;
    let [topic] = &response.topics[..] else { panic!("{response:?}") };
    assert_eq!((topic.partitions.len(), topic.partitions[0].error_code), (1, 42));
}

#[tokio::test]
async fn trap_61_leader_epochs_are_checked_and_told_since_version_4() {
    let mut test = TestBroker::start();
    test.topic("t", 1, &[]).await;
    produce(&test, "t", batch(&[10])).await;
    test = test.restart().await;
    produce(&test, "t", batch(&[20])).await;
    for version in 4..=10 {
        // -1 alone is not compared.
        for (current, code) in [(-1, 0), (1, 0), (0, 74), (2, 75), (-2, 74)] {
            let mut asked = request("t", &[(0, -1)]);
            asked.topics[0].partitions[0].current_leader_epoch = current;
            let found = test.ask(version, &asked).await.topics[0].partitions[0].clone();
            let expected = if code == 0 { (0, -1, 2, 1) } else { (code, -1, -1, -1) };
            assert_eq!(shown(&found), expected, "version {version}, current epoch {current}");
        }
        // The epoch that wrote the record, not the current one.
        assert_eq!(shown(&ask(&test, version, -2).await), (0, -1, 0, 0), "{version}");
        assert_eq!(shown(&ask(&test, version, 10).await), (0, 10, 0, 0), "{version}");
        assert_eq!(shown(&ask(&test, version, 11).await), (0, 20, 1, 1), "{version}");
    }
    assert_eq!(shown(&ask(&test, 3, -1).await), (0, -1, 2, -1));
}

#[tokio::test]
async fn a_stopped_partition_has_no_offsets() {
    let test = TestBroker::start();
    let topic_id = crate::model::TopicId(test.topic("t", 1, &[]).await);
    let id = crate::model::TopicPartition { topic_id, partition: 0 };
    test.broker.partition(id).unwrap().stop(&damage());
    for timestamp in [-1, -2, 0] {
        assert_eq!(shown(&ask(&test, 10, timestamp).await), (56, -1, -1, -1));
    }
}

#[tokio::test]
async fn trap_53_nothing_beyond_the_last_stable_offset_is_told_to_a_reader_of_committed_transactions() {
    let test = TestBroker::start();
    test.topic("t", 1, &[]).await;
    produce(&test, "t", batch(&[10])).await;
    produce_in_transaction(&test, "t", 7, 0).await;
    produce(&test, "t", batch(&[2_000])).await;
    let offsets = async |isolation_level: i8| {
        let mut offsets = Vec::new();
        // Latest, largest, by time.
        for timestamp in [-1, -3, 5, 500] {
            let request = request("t", &[(0, timestamp)]).with_isolation_level(isolation_level);
            offsets.push(test.ask(7, &request).await.topics[0].partitions[0].offset);
        }
        offsets
    };
    assert_eq!(offsets(0).await, [3, 2, 0, 1]);
    assert_eq!(offsets(1).await, [1, -1, 0, -1]);
    end_transaction(&test, "t", 7, TransactionResult::Commit).await;
    assert_eq!(offsets(1).await[..2], [4, offsets(0).await[1]]);
}

/// Each start is an epoch. That of what the tier alone has is known too, also after a start.
#[tokio::test]
async fn sentinels_of_a_tiered_log_have_the_epoch_of_their_offset() {
    let directory = Arc::new(tempfile::tempdir().unwrap());
    let (broker, bucket) = open_tiered(directory.path(), &[]).await;
    let id = tiered_topic(&broker, "t").await.topic_partition();
    let mut test = TestBroker::of(broker, Arc::clone(&directory));
    for expected in [
        [(0, -1, 0, 0), (0, -1, 10, 0), (0, -1, 9, 0), (0, -1, 15, 0)],
        [(0, -1, 0, 0), (0, -1, 25, 1), (0, -1, 24, 1), (0, -1, 30, 1)],
        [(0, -1, 0, 0), (0, -1, 40, 2), (0, -1, 39, 2), (0, -1, 45, 2)],
    ] {
        segments(&test.broker, &test.broker.partition(id).unwrap(), 1).await;
        test.broker.see_to_the_tier().await;
        test.broker.retain().await.unwrap();
        let mut of_log = [NOTHING; 4];
        for (shown_as, timestamp) in of_log.iter_mut().zip([-2, -4, -5, -1]) {
            *shown_as = shown(&ask(&test, 10, timestamp).await);
        }
        assert_eq!(of_log, expected);
        assert_eq!(shown(&ask(&test, 10, 0).await).3, 0, "the first record is of the first start");
        test.broker.close().await.unwrap();
        drop(test);
        let broker = open_on(&bucket, directory.path(), &[]).await;
        test = TestBroker::of(broker, Arc::clone(&directory));
        let [local, tiered] = [shown(&ask(&test, 10, -4).await), shown(&ask(&test, 10, -5).await)];
        assert_eq!([local, tiered], [expected[1], expected[2]], "after a start");
    }
}

/// As Kafka's REQUEST_TIMED_OUT: of those that had to be looked for in the tier, and of no others.
#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_hangs_times_out_for_its_partitions_alone() {
    const HOUR: i32 = 3_600_000;
    // As the request says, and as is configured where it says nothing.
    for (version, timeout_ms, configured) in [(10, 200, HOUR), (10, 0, 200), (9, 0, 200), (10, 1, HOUR)] {
        let directory = Arc::new(tempfile::tempdir().unwrap());
        let settings = [("remote.list.offsets.request.timeout.ms", &*configured.to_string())];
        let (broker, bucket) = open_tiered(directory.path(), &settings).await;
        let test = TestBroker::of(broker, directory);
        let [slow, quick] =
            [tiered_topic(&test.broker, "slow").await, tiered_topic(&test.broker, "quick").await];
        segments(&test.broker, &slow, 2).await;
        segments(&test.broker, &quick, 1).await;
        test.topic("t", 1, &[]).await;
        produce(&test, "t", batch(&[10, 30, 20])).await;
        test.broker.see_to_the_tier().await;
        test.broker.retain().await.unwrap();
        hang_reads(&bucket, &slow.topic_partition());
        let mut all = request("slow", &[(0, 1)]);
        for (topic, asked) in [("quick", (0, 1)), ("slow", (1, 1)), ("t", (0, 20)), ("quick", (1, -1))] {
            all.topics.extend(request(topic, &[asked]).topics);
        }
        all.timeout_ms = timeout_ms;
        let response = timeout(PATIENCE, test.ask(version, &all)).await.expect("it is answered in time");
        let what = format!("version {version}, timeout_ms {timeout_ms}, configured {configured}");
        let found: Vec<Vec<_>> =
            response.topics.iter().map(|topic| topic.partitions.iter().map(shown).collect()).collect();
        assert_eq!(found[0], [(7, -1, -1, -1), (3, -1, -1, -1)], "{what}");
        // A millisecond may be too short for that one.
        if timeout_ms != 1 {
            assert_eq!((found[1][0].0, found[1][0].2), (0, 0), "found in its tier: {what}");
        }
        assert_eq!((found[1][1].0, found[2][0]), (3, (0, 30, 1, 0)), "neither asks the tier: {what}");
        test.broker.close().await.unwrap();
    }
}
