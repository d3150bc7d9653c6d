use bytes::Bytes;
use kafka_protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use kafka_protocol::messages::list_offsets_response::ListOffsetsPartitionResponse;
use kafka_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use kafka_protocol::messages::{BrokerId, ListOffsetsRequest, ProduceRequest, TopicName};

use crate::handlers::testing::{TestBroker, batch, build, str_bytes};
use crate::protocol::batch::CompressionType;

async fn produce(test: &TestBroker, records: Bytes) {
    let data = PartitionProduceData::default().with_index(0).with_records(Some(records));
    let topic =
        TopicProduceData::default().with_name(TopicName(str_bytes("t"))).with_partition_data(vec![data]);
    let request =
        ProduceRequest::default().with_acks(-1).with_timeout_ms(30_000).with_topic_data(vec![topic]);
    let response = test.ask(9, &request).await;
    assert_eq!(response.responses[0].partition_responses[0].error_code, 0);
}

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
    produce(&test, batch(&[10, 30, 20])).await;
    produce(&test, batch(&[30, 5])).await;
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
    produce(&test, batch(&[10, 30, 20])).await;
    produce(&test, build(&[40, 50], |builder| builder.compression = CompressionType::Lz4)).await;
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
    produce(&test, batch(&[60])).await;
    for (timestamp, found) in
        [(11, (0, 30, 1, 0)), (51, (0, 60, 5, 2)), (-3, (0, 60, 5, 2)), (-1, (0, -1, 6, 2))]
    {
        assert_eq!(shown(&ask(&test, 10, timestamp).await), found, "{timestamp}");
    }
}

#[tokio::test]
async fn what_is_refused() {
    let test = TestBroker::start();
    test.topic("t", 1, &[]).await;
    let codes = async |request: ListOffsetsRequest| {
        let response = test.ask(10, &request).await;
        response.topics[0].partitions.iter().map(|partition| partition.error_code).collect::<Vec<_>>()
    };
    assert_eq!(codes(request("absent", &[(0, -1)])).await, [3]);
    assert_eq!(codes(request("t", &[(1, -1), (-1, -1)])).await, [3, 3]);
    assert_eq!(codes(request("t", &[(0, -1), (1, -1), (0, -2)])).await, [42, 3, 42], "named twice");
    for (leader_epoch, code) in [(0, 0), (-1, 0), (1, 75)] {
        let mut request = request("t", &[(0, -1)]);
        request.topics[0].partitions[0].current_leader_epoch = leader_epoch;
        assert_eq!(codes(request).await, [code], "leader epoch {leader_epoch}");
    }
}
