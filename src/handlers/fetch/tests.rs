use std::time::Duration;

use bytes::Bytes;
use kafka_protocol::messages::fetch_request::{FetchPartition, FetchTopic, ReplicaState};
use kafka_protocol::messages::fetch_response::PartitionData;
use kafka_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use kafka_protocol::messages::{BrokerId, FetchRequest, FetchResponse, ProduceRequest, TopicName};
use uuid::Uuid;

use crate::broker::testing::eventually;
use crate::env::{FileExtent, Files as _, OpenMode, RealFiles};
use crate::handlers::testing::{TestBroker, batch, damage, str_bytes};
use crate::model::{Offset, TopicId, TopicPartition};
use crate::protocol::batch::BatchHeader;

async fn produce(test: &TestBroker, topic: &str, partition: i32, records: Bytes) {
    let data = PartitionProduceData::default().with_index(partition).with_records(Some(records));
    let topic =
        TopicProduceData::default().with_name(TopicName(str_bytes(topic))).with_partition_data(vec![data]);
    let request =
        ProduceRequest::default().with_acks(-1).with_timeout_ms(30_000).with_topic_data(vec![topic]);
    let response = test.ask(9, &request).await;
    assert_eq!(response.responses[0].partition_responses[0].error_code, 0);
}

fn partition(partition: i32, offset: i64) -> FetchPartition {
    FetchPartition::default()
        .with_partition(partition)
        .with_fetch_offset(offset)
        .with_partition_max_bytes(1 << 20)
}

/// Does not wait.
fn request(version: i16, topic: (&str, Uuid), partitions: Vec<FetchPartition>) -> FetchRequest {
    let asked = FetchTopic::default().with_partitions(partitions);
    let asked = match version >= 13 {
        true => asked.with_topic_id(topic.1),
        false => asked.with_topic(TopicName(str_bytes(topic.0))),
    };
    FetchRequest::default()
        .with_replica_id(BrokerId(-1))
        .with_session_epoch(-1)
        .with_max_bytes(1 << 20)
        .with_min_bytes(1)
        .with_topics(vec![asked])
}

fn only(response: &FetchResponse) -> &PartitionData {
    let [topic] = &response.responses[..] else { panic!("{response:?}") };
    let [partition] = &topic.partitions[..] else { panic!("{response:?}") };
    partition
}

/// First and next offset of each batch.
fn batches(partition: &PartitionData) -> Vec<(i64, i64)> {
    let mut bytes = partition.records.clone().unwrap_or_default();
    let mut found = Vec::new();
    while !bytes.is_empty() {
        let header = BatchHeader::parse(&bytes).unwrap();
        found.push((header.base_offset.0, header.next_offset().0));
        bytes = bytes.slice(header.size_bytes()..);
    }
    found
}

/// High watermark, last stable offset, log start offset.
fn offsets(partition: &PartitionData) -> (i64, i64, i64) {
    (partition.high_watermark, partition.last_stable_offset, partition.log_start_offset)
}

#[tokio::test]
async fn trap_47_gives_whole_batches_in_every_version() {
    let test = TestBroker::start();
    let topic = ("t", test.topic("t", 1, &[]).await);
    produce(&test, "t", 0, batch(&[1, 2, 3])).await;
    produce(&test, "t", 0, batch(&[4])).await;
    for version in 4..=18 {
        for (from, expected) in [(0, &[(0, 3), (3, 4)][..]), (2, &[(0, 3), (3, 4)]), (3, &[(3, 4)]), (4, &[])]
        {
            let response = test.ask(version, &request(version, topic, vec![partition(0, from)])).await;
            assert_eq!((response.error_code, response.session_id), (0, 0));
            let found = only(&response);
            assert_eq!((found.error_code, batches(found)), (0, expected.to_vec()), "version {version}");
            let log_start = if version >= 5 { 0 } else { -1 };
            assert_eq!(offsets(found), (4, 4, log_start), "version {version}");
            assert!(found.records.is_some() && found.aborted_transactions.is_none());
        }
    }
}

#[tokio::test]
async fn reads_from_segments_after_a_restart() {
    let test = TestBroker::start();
    let topic = ("t", test.topic("t", 1, &[]).await);
    produce(&test, "t", 0, batch(&[1, 2, 3])).await;
    let test = test.restart().await;
    produce(&test, "t", 0, batch(&[4])).await;
    let mut seen = Vec::new();
    while seen.last().is_none_or(|(_, next)| *next < 4) {
        let from = seen.last().map_or(0, |(_, next)| *next);
        let found = batches(only(&test.ask(12, &request(12, topic, vec![partition(0, from)])).await));
        assert!(!found.is_empty(), "nothing at {from}");
        seen.extend(found);
    }
    assert_eq!(seen, [(0, 3), (3, 4)]);
}

#[tokio::test]
async fn trap_51_offsets_outside_the_log() {
    let test = TestBroker::start();
    let topic = ("t", test.topic("t", 1, &[]).await);
    for from in [-1, 1, i64::MAX] {
        let response = test.ask(11, &request(11, topic, vec![partition(0, from)])).await;
        let found = only(&response);
        assert_eq!((found.error_code, offsets(found)), (1, (-1, -1, -1)), "offset {from}");
    }
}

#[tokio::test]
async fn what_does_not_exist() {
    let test = TestBroker::start();
    let topic_id = test.topic("t", 1, &[]).await;
    let check = async |version: i16, topic: (&str, Uuid), index: i32, code: i16| {
        let response = test.ask(version, &request(version, topic, vec![partition(index, 0)])).await;
        assert_eq!(only(&response).error_code, code, "{topic:?} {index}");
    };
    check(12, ("t", topic_id), 1, 3).await;
    check(12, ("t", topic_id), -1, 3).await;
    check(12, ("absent", topic_id), 0, 3).await;
    check(13, ("", Uuid::from_u128(4)), 0, 100).await;
    check(13, ("", Uuid::nil()), 0, 100).await;
    check(13, ("", topic_id), 7, 3).await;
}

#[tokio::test]
async fn trap_48_the_first_batch_comes_whatever_its_size() {
    let test = TestBroker::start();
    let topic = ("t", test.topic("t", 3, &[]).await);
    for index in [1, 2] {
        produce(&test, "t", index, batch(&[1, 2])).await;
        produce(&test, "t", index, batch(&[3])).await;
    }
    let small = |index| partition(index, 0).with_partition_max_bytes(1);
    let response = test.ask(12, &request(12, topic, vec![small(0), small(2), small(1)])).await;
    let found: Vec<_> = response.responses[0].partitions.iter().map(batches).collect();
    assert_eq!(found, [vec![], vec![(0, 2)], vec![]], "the first that has any gives one");
    let request = request(12, topic, vec![partition(1, 0), partition(2, 0)]).with_max_bytes(1);
    let response = test.ask(12, &request).await;
    let found: Vec<_> = response.responses[0].partitions.iter().map(batches).collect();
    assert_eq!(found, [vec![(0, 2)], vec![]]);
}

#[tokio::test]
async fn trap_49_waits_for_records() {
    let test = TestBroker::start();
    let topic = ("t", test.topic("t", 1, &[]).await);
    let patient = request(12, topic, vec![partition(0, 0)]).with_max_wait_ms(60_000);
    let (response, ()) = tokio::join!(test.ask(12, &patient), produce(&test, "t", 0, batch(&[1])));
    assert_eq!(batches(only(&response)), [(0, 1)]);
}

#[tokio::test]
async fn trap_49_gives_up_waiting() {
    let test = TestBroker::start();
    let topic = ("t", test.topic("t", 1, &[]).await);
    let impatient = request(12, topic, vec![partition(0, 0)]).with_max_wait_ms(20);
    let before = test.broker.env().clock.monotonic();
    let response = test.ask(12, &impatient).await;
    assert_eq!((only(&response).error_code, batches(only(&response))), (0, vec![]));
    assert!(test.broker.env().clock.monotonic() - before >= Duration::from_millis(20));
}

#[tokio::test]
async fn trap_56_leader_epochs() {
    let test = TestBroker::start();
    test.topic("t", 1, &[]).await;
    let test = test.restart().await;
    let topic_id = test.broker.image().topic("t").unwrap().topic_id.0;
    let ask = async |version: i16, leader_epoch: i32| {
        let asked = partition(0, 0).with_current_leader_epoch(leader_epoch);
        test.ask(version, &request(version, ("t", topic_id), vec![asked])).await
    };
    for (leader_epoch, code) in [(-1, 0), (1, 0), (0, 74), (2, 75)] {
        assert_eq!(only(&ask(12, leader_epoch).await).error_code, code, "leader epoch {leader_epoch}");
    }
    let fenced = ask(16, 0).await;
    let leader = &only(&fenced).current_leader;
    assert_eq!((leader.leader_id.0, leader.leader_epoch), (1, 1));
    assert_eq!((fenced.node_endpoints[0].node_id.0, fenced.node_endpoints[0].port), (1, 19092));
    assert!(ask(16, 2).await.node_endpoints.is_empty());
}

/// Measured against Kafka 4.3, of brokers that are no replicas of the partition.
#[tokio::test]
async fn followers_are_refused() {
    let test = TestBroker::start();
    let topic = ("t", test.topic("t", 1, &[]).await);
    let old = request(12, topic, vec![partition(0, 0)]).with_replica_id(BrokerId(2));
    assert_eq!(only(&test.ask(12, &old).await).error_code, 6);
    let state = ReplicaState::default().with_replica_id(BrokerId(2)).with_replica_epoch(1);
    let new = |leader_epoch| {
        let asked = partition(0, 0).with_current_leader_epoch(leader_epoch);
        request(18, topic, vec![asked]).with_replica_id(BrokerId(-1)).with_replica_state(state.clone())
    };
    let answer = test.ask(18, &new(-1)).await;
    let found = only(&answer);
    assert_eq!((found.error_code, found.current_leader.leader_id.0), (6, 1));
    assert!(answer.node_endpoints.is_empty(), "followers know where brokers are");
    assert_eq!(only(&test.ask(18, &new(0)).await).error_code, 75);
    // Other negative numbers are consumers.
    for replica in [-2, -3, i32::MIN] {
        let other = request(12, topic, vec![partition(0, 0)]).with_replica_id(BrokerId(replica));
        assert_eq!(only(&test.ask(12, &other).await).error_code, 0, "{replica}");
    }
}

#[tokio::test]
async fn readers_of_committed_records_get_an_empty_list_of_aborted_transactions() {
    let test = TestBroker::start();
    let topic = ("t", test.topic("t", 1, &[]).await);
    produce(&test, "t", 0, batch(&[1])).await;
    let committed = request(12, topic, vec![partition(0, 0)]).with_isolation_level(1);
    let response = test.ask(12, &committed).await;
    assert_eq!(only(&response).aborted_transactions, Some(vec![]));
    assert_eq!(batches(only(&response)), [(0, 1)]);
}

#[tokio::test]
async fn a_partition_whose_log_is_damaged_fails_alone() {
    let test = TestBroker::start();
    let topic = ("t", test.topic("t", 2, &[]).await);
    produce(&test, "t", 1, batch(&[1])).await;
    let topic_id = crate::model::TopicId(topic.1);
    let damaged = test.broker.partition(crate::model::TopicPartition { topic_id, partition: 0 }).unwrap();
    damaged.stop(&damage());
    // Clients of version 5 and earlier do not know KAFKA_STORAGE_ERROR.
    for (version, code) in [(5, 6), (6, 56), (18, 56)] {
        let both = request(version, topic, vec![partition(0, 0), partition(1, 0)]);
        let response = test.ask(version, &both).await;
        let codes: Vec<_> =
            response.responses[0].partitions.iter().map(|partition| partition.error_code).collect();
        assert_eq!(codes, [code, 0], "version {version}");
    }
}

/// How long a fetch of two partitions took that would wait for ten seconds, and the codes it got.
async fn patient(test: &TestBroker, topic: (&str, Uuid), second: FetchPartition) -> (Duration, Vec<i16>) {
    let asked = request(12, topic, vec![partition(0, 0), second]).with_max_wait_ms(10_000);
    let before = test.broker.env().clock.monotonic();
    let response = test.ask(12, &asked).await;
    let codes = response.responses[0].partitions.iter().map(|partition| partition.error_code).collect();
    (test.broker.env().clock.monotonic() - before, codes)
}

#[tokio::test]
async fn a_failure_ends_the_wait() {
    let test = TestBroker::start();
    test.topic("t", 2, &[]).await;
    let test = test.restart().await;
    let topic_id = test.broker.image().topic("t").unwrap().topic_id.0;
    for (leader_epoch, code) in [(0, 74), (2, 75)] {
        let second = partition(1, 0).with_current_leader_epoch(leader_epoch);
        let (took, codes) = patient(&test, ("t", topic_id), second).await;
        assert_eq!(codes, [0, code]);
        assert!(took < Duration::from_secs(8), "code {code}: {took:?}");
    }
}

#[tokio::test]
async fn what_does_not_exist_does_not_end_the_wait() {
    let test = TestBroker::start();
    let topic = ("t", test.topic("t", 1, &[]).await);
    let asked = request(12, topic, vec![partition(0, 0), partition(7, 0)]).with_max_wait_ms(20);
    let before = test.broker.env().clock.monotonic();
    let response = test.ask(12, &asked).await;
    assert_eq!(response.responses[0].partitions[1].error_code, 3);
    assert!(test.broker.env().clock.monotonic() - before >= Duration::from_millis(20));
}

#[test]
fn a_wait_is_bounded() {
    for (max_wait_ms, expected) in [(-1, 0), (0, 0), (500, 500), (300_000, 300_000), (i32::MAX, 300_000)] {
        assert_eq!(super::plan::wait(max_wait_ms), Duration::from_millis(expected), "{max_wait_ms}");
    }
}

#[test]
fn what_waits_is_small() {
    // A consumer of 10,000 partitions that waits keeps less than half a megabyte.
    let bytes = size_of::<super::plan::PlannedPartition>() + size_of::<crate::broker::PartitionFetch>();
    assert!(bytes <= 48, "{bytes}");
}

mod isolation;
mod limits;
mod sessions;

#[tokio::test]
async fn segments_are_found_at_once_where_they_are_cached_and_with_patience_where_they_are_not() {
    let test = TestBroker::start();
    let id = test.topic("t", 1, &[("index.interval.bytes", "0")]).await;
    for _ in 0..50 {
        produce(&test, "t", 0, batch(&[1, 2])).await;
    }
    let test = test.restart().await;
    let place = TopicPartition { topic_id: TopicId(id), partition: 0 };
    let opened = test.broker.storage().partition(place).unwrap();
    let found = |extents: Vec<FileExtent>| -> Vec<(u64, u64)> {
        extents.iter().map(|extent| (extent.offset, extent.length)).collect()
    };
    // The first look opens the files, which is not done in haste.
    let patient = found(opened.read_segments(Offset(31), 1000, true).unwrap());
    let at_once = opened.read_segments_at_once(None, Offset(31), 1000, true);
    assert_eq!(at_once.map(|read| found(read.extents)), Some(patient));
    // The kernel keeps a page that somebody else holds just then, so it is asked until it has let go.
    let directory = test.directory.path().join("t-0");
    let forget = || {
        for name in RealFiles.list(&directory).unwrap() {
            let file = RealFiles.open(&directory.join(name), OpenMode::Write).unwrap();
            file.sync_data().unwrap();
            file.drop_cache(0, file.length().unwrap()).unwrap();
        }
        opened.read_segments_at_once(None, Offset(31), 1000, true).is_none().then_some(())
    };
    eventually(forget).await;
    let response = test.ask(12, &request(12, ("t", id), vec![partition(0, 31)])).await;
    assert_eq!(batches(only(&response))[0], (30, 32));
}
