use kafka_protocol::messages::create_partitions_request::{
    CreatePartitionsAssignment, CreatePartitionsTopic,
};
use kafka_protocol::messages::create_partitions_response::CreatePartitionsTopicResult;
use kafka_protocol::messages::metadata_request::MetadataRequestTopic;
use kafka_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use kafka_protocol::messages::{
    BrokerId, CreatePartitionsRequest, MetadataRequest, ProduceRequest, TopicName,
};

use crate::env::OpenMode;
use crate::handlers::testing::{TestBroker, batch, str_bytes};

fn topic(name: &str, count: i32) -> CreatePartitionsTopic {
    CreatePartitionsTopic::default()
        .with_name(TopicName(str_bytes(name)))
        .with_count(count)
        .with_assignments(None)
}

fn assigned(count: i32, assignments: &[&[i32]]) -> CreatePartitionsTopic {
    let assignments = assignments.iter().map(|brokers| {
        CreatePartitionsAssignment::default()
            .with_broker_ids(brokers.iter().map(|id| BrokerId(*id)).collect())
    });
    topic("t", count).with_assignments(Some(assignments.collect()))
}

fn request(topics: Vec<CreatePartitionsTopic>) -> CreatePartitionsRequest {
    CreatePartitionsRequest::default().with_topics(topics).with_timeout_ms(30_000)
}

/// Name, code and words of each result.
fn shown<'a>(results: &'a [CreatePartitionsTopicResult]) -> Vec<(&'a str, i16, Option<&'a str>)> {
    let words =
        |result: &'a CreatePartitionsTopicResult| result.error_message.as_ref().map(|words| words.as_str());
    results.iter().map(|result| (result.name.as_str(), result.error_code, words(result))).collect()
}

fn partitions(test: &TestBroker, topic: &str) -> i32 {
    test.broker.image().topic(topic).unwrap().partitions
}

/// Leader epoch of each partition, as Metadata tells it.
async fn leader_epochs(test: &TestBroker) -> Vec<i32> {
    let asked = MetadataRequestTopic::default().with_name(Some(TopicName(str_bytes("t"))));
    let response = test.ask(9, &MetadataRequest::default().with_topics(Some(vec![asked]))).await;
    let partitions = &response.topics[0].partitions;
    partitions.iter().map(|partition| partition.leader_epoch).collect()
}

/// Appends one record; its offset, or the error code below zero.
async fn append(test: &TestBroker, partition: i32) -> i64 {
    let data = PartitionProduceData::default().with_index(partition).with_records(Some(batch(&[1])));
    let topic =
        TopicProduceData::default().with_name(TopicName(str_bytes("t"))).with_partition_data(vec![data]);
    let request =
        ProduceRequest::default().with_acks(-1).with_timeout_ms(30_000).with_topic_data(vec![topic]);
    let response = &test.ask(9, &request).await.responses[0].partition_responses[0];
    if response.error_code == 0 { response.base_offset } else { -i64::from(response.error_code) }
}

#[tokio::test]
async fn adds_partitions_in_every_version() {
    let test = TestBroker::start();
    test.topic("t", 1, &[]).await;
    for version in 0..=3 {
        let count = i32::from(version) + 2;
        assert_eq!(append(&test, count - 1).await, -3, "not there yet");
        let response = test.ask(version, &request(vec![topic("t", count)])).await;
        assert_eq!(shown(&response.results), [("t", 0, None)], "version {version}");
        assert_eq!(partitions(&test, "t"), count);
        assert_eq!(append(&test, count - 1).await, 0);
    }
    let test = test.restart().await;
    assert_eq!(partitions(&test, "t"), 5);
    assert_eq!(append(&test, 4).await, 1);
}

#[tokio::test]
async fn leader_epochs_begin_at_0_in_the_boot_that_makes_a_partition() {
    let test = TestBroker::start();
    test.topic("t", 1, &[]).await;
    test.ask(3, &request(vec![topic("t", 2)])).await;
    assert_eq!(leader_epochs(&test).await, [0, 0]);
    let test = test.restart().await;
    test.ask(3, &request(vec![topic("t", 4)])).await;
    test.ask(3, &request(vec![topic("t", 5)])).await;
    assert_eq!(leader_epochs(&test).await, [1, 1, 0, 0, 0]);
    let topic_id = test.broker.image().topic("t").unwrap().topic_id;
    for (partition, leader_epoch) in [(1, 1), (4, 0)] {
        let id = crate::model::TopicPartition { topic_id, partition };
        assert_eq!(test.broker.partition(id).unwrap().leader_epoch().0, leader_epoch);
    }
    let test = test.restart().await.restart().await;
    assert_eq!(leader_epochs(&test).await, [3, 3, 2, 2, 2]);
}

/// Codes and words as measured against Kafka 4.3.
#[tokio::test]
async fn what_is_refused() {
    let test = TestBroker::start();
    test.topic("t", 2, &[]).await;
    let fewer =
        |count| format!("The topic t currently has 2 partition(s); {count} would not be an increase.");
    let manual = |what: &str| format!("The manual partition assignment includes {what}");
    let only = |additional, named| {
        format!(
            "Attempted to add {additional} additional partition(s), but only {named} assignment(s) were \
             specified."
        )
    };
    let already = "Topic already has 2 partition(s).".to_owned();
    let cases = [
        (topic("t", 2), 37, Some(already.clone())),
        (assigned(2, &[]), 37, Some(already.clone())),
        (assigned(2, &[&[9]]), 37, Some(already)),
        (topic("t", 1), 37, Some(fewer(1))),
        (topic("t", 0), 37, Some(fewer(0))),
        (topic("t", i32::MIN), 37, Some(fewer(i32::MIN))),
        (assigned(3, &[]), 39, Some(only(1, 0))),
        (assigned(3, &[&[1], &[1]]), 39, Some(only(1, 2))),
        (assigned(i32::MAX, &[&[1]]), 39, Some(only(i32::MAX - 2, 1))),
        (assigned(3, &[&[2]]), 39, Some(manual("broker 2, but no such broker is registered."))),
        (assigned(4, &[&[1], &[]]), 39, Some(manual("an empty replica list."))),
        (assigned(3, &[&[1, 1]]), 39, Some(manual("the broker 1 more than once."))),
        // Beyond what Kafka was asked.
        (topic("t", 100_001), 37, Some("Number of partitions must be at most 100000.".to_owned())),
        (topic("t", 10_003), 44, Some("Excessively large number of partitions per request.".to_owned())),
    ];
    for (asked, code, words) in cases {
        let response = test.ask(3, &request(vec![asked.clone()])).await;
        assert_eq!(shown(&response.results), [("t", code, words.as_deref())], "{asked:?}");
    }
    for name in ["x", "", "a b", "__consumer_offsets", "__cluster_metadata"] {
        let response = test.ask(3, &request(vec![topic(name, 9)])).await;
        assert_eq!(shown(&response.results), [(name, 3, None)]);
    }
    assert_eq!(partitions(&test, "t"), 2);
}

#[tokio::test]
async fn trap_88_every_topic_is_echoed_and_one_does_not_spoil_the_others() {
    let test = TestBroker::start();
    for name in ["a", "b", "c"] {
        test.topic(name, 2, &[]).await;
    }
    let asked =
        vec![topic("c", 3), topic("b", 1), topic("x", 9), topic("a", 3), topic("y", 1), topic("a", 4)];
    for validate_only in [true, false] {
        let response = test.ask(3, &request(asked.clone()).with_validate_only(validate_only)).await;
        let fewer = "The topic b currently has 2 partition(s); 1 would not be an increase.";
        let expected = [
            ("a", 42, Some("Duplicate topic name.")),
            ("c", 0, None),
            ("b", 37, Some(fewer)),
            ("x", 3, None),
            ("y", 3, None),
        ];
        assert_eq!(shown(&response.results), expected);
        let counts = ["a", "b", "c"].map(|name| partitions(&test, name));
        assert_eq!(counts, [2, 2, if validate_only { 2 } else { 3 }]);
    }
    assert_eq!(test.ask(3, &request(vec![])).await.results, []);
}

/// What is kept there would no longer be found, and a producer that is fenced could write again.
#[tokio::test]
async fn topics_of_coordinators_do_not_grow() {
    let test = TestBroker::start();
    test.broker.ensure_transactions_topic().await.unwrap();
    test.broker.ensure_offsets_topic().await.unwrap();
    for name in ["__transaction_state", "__consumer_offsets"] {
        for validate_only in [true, false] {
            let grown = request(vec![topic(name, 60)]).with_validate_only(validate_only);
            let response = test.ask(3, &grown).await;
            let words = format!("{name} cannot grow: its partition count says where each key is kept.");
            assert_eq!(shown(&response.results), [(name, 37, Some(words.as_str()))]);
        }
        assert_eq!(partitions(&test, name), 50);
    }
}

#[tokio::test]
async fn a_manual_assignment_to_this_broker() {
    let test = TestBroker::start();
    test.topic("t", 1, &[]).await;
    let response = test.ask(3, &request(vec![assigned(3, &[&[1], &[1]])])).await;
    assert_eq!(shown(&response.results), [("t", 0, None)]);
    assert_eq!(partitions(&test, "t"), 3);
}

/// The disk does not take the directory of one of the new partitions.
#[tokio::test]
async fn partitions_that_cannot_be_opened_are_taken_back() {
    let test = TestBroker::start();
    test.topic("t", 1, &[]).await;
    let in_the_way = test.broker.storage().root().join("t-2");
    test.broker.env().files.open(&in_the_way, OpenMode::Create).unwrap();
    let response = test.ask(3, &request(vec![topic("t", 4)])).await;
    assert_eq!(response.results[0].error_code, 56, "{response:?}");
    assert_eq!(partitions(&test, "t"), 1);
    assert_eq!(append(&test, 1).await, -3);
    assert!(!test.broker.storage().root().join("t-1").exists(), "its directory stays");
    // Durably: the next start knows of none.
    let test = test.restart().await;
    assert_eq!(partitions(&test, "t"), 1);
    test.broker.env().files.remove_file(&in_the_way).unwrap();
    let response = test.ask(3, &request(vec![topic("t", 4)])).await;
    assert_eq!(shown(&response.results), [("t", 0, None)]);
    for partition in 0..4 {
        assert_eq!(append(&test, partition).await, 0);
    }
}

#[tokio::test]
async fn a_grown_topic_is_deleted_whole() {
    let test = TestBroker::start();
    let topic_id = test.topic("t", 1, &[]).await;
    test.ask(3, &request(vec![topic("t", 3)])).await;
    assert_eq!(append(&test, 2).await, 0);
    test.broker.delete_topic(crate::model::TopicId(topic_id)).await.unwrap();
    let root = test.broker.storage().root().clone();
    assert!((0..3).all(|partition| !root.join(format!("t-{partition}")).exists()));
    test.topic("t", 3, &[]).await;
    assert_eq!(append(&test, 2).await, 0, "a record of the deleted topic");
}
