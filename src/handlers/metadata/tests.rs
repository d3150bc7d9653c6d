use bytes::Bytes;
use kafka_protocol::messages::metadata_request::MetadataRequestTopic;
use kafka_protocol::messages::metadata_response::MetadataResponseTopic;
use kafka_protocol::messages::{MetadataRequest, MetadataResponse, TopicName};
use kafka_protocol::protocol::Decodable;
use uuid::Uuid;

use crate::handlers::testing::{CORRELATION_ID, TestBroker, damage, join, str_bytes};
use crate::handlers::view::{CLUSTER_OPERATIONS, OPERATIONS_NOT_ASKED, TOPIC_OPERATIONS};
use crate::handlers::{Reply, dispatch};
use crate::protocol::{Piece, response};

fn named(name: &str) -> MetadataRequestTopic {
    MetadataRequestTopic::default().with_name(Some(TopicName(str_bytes(name))))
}

fn by_id(topic_id: Uuid) -> MetadataRequestTopic {
    MetadataRequestTopic::default().with_topic_id(topic_id).with_name(None)
}

/// Does not allow creation where that can be said.
fn asking(version: i16, topics: Option<Vec<MetadataRequestTopic>>) -> MetadataRequest {
    MetadataRequest::default().with_topics(topics).with_allow_auto_topic_creation(version < 4)
}

fn names_and_codes(response: &MetadataResponse) -> Vec<(Option<String>, i16)> {
    let shown =
        |topic: &MetadataResponseTopic| (topic.name.as_ref().map(|name| name.to_string()), topic.error_code);
    response.topics.iter().map(shown).collect()
}

fn ok(name: &str) -> (Option<String>, i16) {
    (Some(name.to_owned()), 0)
}

#[tokio::test]
async fn shows_broker_cluster_and_partitions_in_every_version() {
    let test = TestBroker::with(&[("broker.rack", "r1"), ("node.id", "5")]);
    let topic_id = test.topic("t", 2, &[]).await;
    for version in 0..=13 {
        let response = test.ask(version, &asking(version, Some(vec![named("t")]))).await;
        let [broker] = &response.brokers[..] else { panic!("{:?}", response.brokers) };
        assert_eq!((broker.node_id.0, broker.host.as_str(), broker.port), (5, "broker.example", 19092));
        assert_eq!(broker.rack.as_ref().map(|rack| rack.as_str()), (version >= 1).then_some("r1"));
        assert_eq!(response.controller_id.0, if version >= 1 { 5 } else { -1 }, "version {version}");
        let cluster_id = response.cluster_id.as_ref().map(|id| id.as_str());
        assert_eq!(cluster_id, (version >= 2).then_some(test.broker.cluster_id()));
        let [topic] = &response.topics[..] else { panic!("{:?}", response.topics) };
        assert_eq!(topic.topic_id, if version >= 10 { topic_id } else { Uuid::nil() });
        assert_eq!(topic.topic_authorized_operations, OPERATIONS_NOT_ASKED);
        assert_eq!(topic.partitions.len(), 2);
        for (index, partition) in (0..).zip(&topic.partitions) {
            assert_eq!((partition.error_code, partition.partition_index), (0, index));
            assert_eq!((partition.leader_id.0, partition.replica_nodes.len()), (5, 1));
            assert_eq!(partition.leader_epoch, if version >= 7 { 0 } else { -1 }, "version {version}");
            assert!(partition.offline_replicas.is_empty());
        }
    }
}

#[tokio::test]
async fn trap_25_leader_epochs_grow_with_every_start() {
    let test = TestBroker::start();
    test.topic("t", 1, &[]).await;
    let test = test.restart().await;
    let response = test.ask(12, &asking(12, Some(vec![named("t")]))).await;
    assert_eq!(response.topics[0].partitions[0].leader_epoch, 1);
}

#[tokio::test]
async fn trap_18_null_is_all_topics_and_an_empty_list_none_since_version_1() {
    let test = TestBroker::start();
    test.topic("a", 1, &[]).await;
    test.topic("b", 1, &[]).await;
    let both = vec![ok("a"), ok("b")];
    assert_eq!(names_and_codes(&test.ask(0, &asking(0, Some(vec![]))).await), both);
    for version in 1..=13 {
        assert_eq!(
            names_and_codes(&test.ask(version, &asking(version, Some(vec![]))).await),
            [],
            "{version}"
        );
        assert_eq!(names_and_codes(&test.ask(version, &asking(version, None)).await), both, "{version}");
    }
}

/// The codec crate refuses to encode these, so the bodies are written out.
#[tokio::test]
async fn null_where_a_version_has_none_ends_the_connection() {
    let test = TestBroker::start();
    let null_name = &[0, 0, 0, 1, 0xff, 0xff][..];
    // Compact: one topic, null, its tagged fields; three flags and tagged fields.
    let null_compact_name = &[2, 0, 0, 0, 0, 0, 0][..];
    for (version, body) in [(0, &[0xff; 4][..]), (0, null_name), (1, null_name), (9, null_compact_name)] {
        let reply = dispatch(test.context(3, version), Bytes::copy_from_slice(body)).await;
        assert!(matches!(reply, Reply::Close(_)), "version {version}: {reply:?}");
    }
}

#[tokio::test]
async fn trap_29_unknown_names_are_unknown_unless_they_may_be_created() {
    let test = TestBroker::with(&[("num.partitions", "4")]);
    let request = asking(8, Some(vec![named("new"), named("a b"), named("new")]));
    let unknown = (Some("new".to_owned()), 3);
    let invalid = (Some("a b".to_owned()), 17);
    assert_eq!(names_and_codes(&test.ask(8, &request).await), [unknown, invalid.clone()]);
    let request = request.with_allow_auto_topic_creation(true);
    let response = test.ask(8, &request).await;
    assert_eq!(names_and_codes(&response), [ok("new"), invalid]);
    assert_eq!(response.topics[0].partitions.len(), 4);
}

#[tokio::test]
async fn versions_below_4_always_create() {
    let test = TestBroker::start();
    for version in 0..=3 {
        let name = format!("t{version}");
        let response = test.ask(version, &asking(version, Some(vec![named(&name)]))).await;
        assert_eq!(names_and_codes(&response), [ok(&name)]);
    }
}

#[tokio::test]
async fn the_broker_may_forbid_creation() {
    let test = TestBroker::with(&[("auto.create.topics.enable", "false")]);
    let request = asking(8, Some(vec![named("t")])).with_allow_auto_topic_creation(true);
    assert_eq!(names_and_codes(&test.ask(8, &request).await), [(Some("t".to_owned()), 3)]);
}

#[tokio::test]
async fn internal_topics_are_not_created_on_demand() {
    let test = TestBroker::start();
    let internal = ["__consumer_offsets", "__transaction_state", "__share_group_state"];
    let request = asking(8, Some(internal.map(named).to_vec())).with_allow_auto_topic_creation(true);
    let unknown = internal.map(|name| (Some(name.to_owned()), 3));
    let response = test.ask(8, &request).await;
    assert_eq!(names_and_codes(&response), unknown);
    assert!(response.topics.iter().all(|topic| topic.is_internal));
    assert_eq!(test.broker.image().topics_count(), 0);
}

#[tokio::test]
async fn topics_by_id_since_version_12() {
    let test = TestBroker::start();
    let topic_id = test.topic("t", 1, &[]).await;
    let stranger = Uuid::from_u128(7);
    for version in 12..=13 {
        // Names beside an id are not looked at.
        let request = asking(version, Some(vec![by_id(topic_id), by_id(stranger), named("other")]));
        let response = test.ask(version, &request).await;
        assert_eq!(names_and_codes(&response), [ok("t"), (None, 100)]);
        assert_eq!(response.topics[1].topic_id, stranger);
    }
    for version in 10..=11 {
        let with_name = by_id(topic_id).with_name(Some(TopicName(str_bytes("t"))));
        let response = test.ask(version, &asking(version, Some(vec![with_name]))).await;
        assert_eq!(names_and_codes(&response), [(Some("t".to_owned()), 42)]);
    }
}

/// Small topics, one that is large enough to be sent from the cache, a stopped partition, and what is not
/// there; asked for twice, so that the second answer is of the cache.
#[tokio::test]
async fn answers_out_of_the_cache_are_what_the_codec_crate_writes() {
    let test = TestBroker::with(&[("auto.create.topics.enable", "false")]);
    let large = test.topic("large", 1000, &[]).await;
    for name in ["a", "b", "c"] {
        test.topic(name, 3, &[]).await;
    }
    let topic_id = crate::model::TopicId(large);
    let stopped = test.broker.partition(crate::model::TopicPartition { topic_id, partition: 7 }).unwrap();
    stopped.stop(&damage());
    let several = || Some(["c", "absent", "large", "a b", "a"].map(named).to_vec());
    for version in 0..=13 {
        let mut requests = vec![asking(version, several()), asking(version, Some(vec![named("absent")]))];
        requests.push(asking(version, if version == 0 { Some(vec![]) } else { None }));
        if version >= 12 {
            requests.push(asking(version, Some(vec![by_id(large), by_id(Uuid::from_u128(7))])));
        }
        if version >= 8 {
            requests.push(asking(version, several()).with_include_topic_authorized_operations(true));
        }
        for request in requests {
            let first = bytes_of(test.reply(version, &request).await);
            assert_eq!(bytes_of(test.reply(version, &request).await), first, "version {version}");
            let header = if version >= 9 { 5 } else { 4 };
            let response = MetadataResponse::decode(&mut first.slice(header..), version).unwrap();
            let written = response::encode(3, version, CORRELATION_ID, &response).unwrap();
            assert!(first == written, "version {version}, {} and {} bytes", first.len(), written.len());
            let topics = request.topics.as_ref().filter(|topics| !topics.is_empty()).map_or(4, Vec::len);
            assert_eq!(response.topics.len(), topics, "version {version}");
        }
    }
}

fn bytes_of(reply: Reply) -> Bytes {
    match reply {
        Reply::Message(bytes) => bytes,
        Reply::Pieces(pieces) => join(&pieces),
        other => panic!("no answer: {other:?}"),
    }
}

#[tokio::test]
async fn a_large_topic_is_sent_as_the_cache_keeps_it() {
    let test = TestBroker::start();
    test.topic("t", 1000, &[]).await;
    let cached = async || match test.reply(12, &asking(12, None)).await {
        Reply::Pieces(pieces) => match &pieces[..] {
            [Piece::Bytes(head), Piece::Bytes(topic), Piece::Bytes(tail)] => {
                assert!(head.len() + tail.len() < 200, "{} {}", head.len(), tail.len());
                (topic.as_ptr(), topic.len())
            }
            _ => panic!("{} pieces", pieces.len()),
        },
        other => panic!("{other:?}"),
    };
    let first = cached().await;
    assert_eq!(cached().await, first, "the same bytes, not equal ones");
    assert!(first.1 > 20_000, "{first:?}");
}

#[tokio::test]
async fn operations_when_asked_for() {
    let test = TestBroker::start();
    test.topic("t", 1, &[]).await;
    for version in 8..=13 {
        let asks_for_cluster = version <= 10;
        let request = asking(version, None)
            .with_include_topic_authorized_operations(true)
            .with_include_cluster_authorized_operations(asks_for_cluster);
        let response = test.ask(version, &request).await;
        assert_eq!(response.topics[0].topic_authorized_operations, TOPIC_OPERATIONS);
        let expected = if asks_for_cluster { CLUSTER_OPERATIONS } else { OPERATIONS_NOT_ASKED };
        assert_eq!(response.cluster_authorized_operations, expected);
    }
    // As Kafka 4.3 says them.
    assert_eq!((TOPIC_OPERATIONS, CLUSTER_OPERATIONS), (0xdf8, 0x1fa0));
}

#[tokio::test]
async fn trap_23_a_topic_created_again_has_another_id() {
    let test = TestBroker::start();
    let first = test.topic("t", 1, &[]).await;
    test.broker.delete_topic(crate::model::TopicId(first)).await.unwrap();
    let second = test.topic("t", 1, &[]).await;
    assert_ne!(first, second);
    let response = test.ask(12, &asking(12, Some(vec![by_id(first)]))).await;
    assert_eq!(names_and_codes(&response), [(None, 100)]);
}

#[tokio::test]
async fn a_partition_whose_log_is_damaged_has_no_leader() {
    let test = TestBroker::start();
    let topic_id = crate::model::TopicId(test.topic("t", 2, &[]).await);
    let damaged = test.broker.partition(crate::model::TopicPartition { topic_id, partition: 1 }).unwrap();
    damaged.stop(&damage());
    let response = test.ask(12, &asking(12, Some(vec![named("t")]))).await;
    let shown: Vec<_> = response.topics[0]
        .partitions
        .iter()
        .map(|partition| (partition.error_code, partition.leader_id.0, partition.offline_replicas.len()))
        .collect();
    assert_eq!(shown, [(0, 1, 0), (5, -1, 1)]);
}
