use kafka_protocol::messages::describe_producers_request::TopicRequest;
use kafka_protocol::messages::describe_producers_response::PartitionResponse;
use kafka_protocol::messages::{DescribeProducersRequest, TopicName};

use crate::handlers::testing::{
    TestBroker, end_transaction, idempotent, produce, produce_in_transaction, str_bytes,
};
use crate::model::TransactionResult;

async fn ask(test: &TestBroker, topic: &str, index: i32) -> PartitionResponse {
    let topic =
        TopicRequest::default().with_name(TopicName(str_bytes(topic))).with_partition_indexes(vec![index]);
    let response = test.ask(0, &DescribeProducersRequest::default().with_topics(vec![topic])).await;
    response.topics[0].partitions[0].clone()
}

/// Id, epoch, last sequence, coordinator epoch, first offset of the open transaction.
async fn producers(test: &TestBroker) -> Vec<(i64, i32, i32, i32, i64)> {
    let partition = ask(test, "t", 0).await;
    assert_eq!(partition.error_code, 0);
    let producers = partition.active_producers.iter().map(|producer| {
        assert!(producer.last_timestamp > 1_700_000_000_000, "the broker's time: {producer:?}");
        (
            producer.producer_id.0,
            producer.producer_epoch,
            producer.last_sequence,
            producer.coordinator_epoch,
            producer.current_txn_start_offset,
        )
    });
    producers.collect()
}

#[tokio::test]
async fn producers_and_what_they_have_not_ended_are_told_over_restarts() {
    let mut test = TestBroker::start();
    test.topic("t", 1, &[]).await;
    assert_eq!(producers(&test).await, []);
    produce(&test, "t", idempotent(5, 2, 10, 3)).await;
    produce_in_transaction(&test, "t", 7, 0).await;
    for _ in 0..2 {
        assert_eq!(producers(&test).await, [(5, 2, 12, -1, -1), (7, 0, 0, -1, 3)]);
        test = test.restart().await;
    }
    end_transaction(&test, "t", 7, TransactionResult::Abort).await;
    assert_eq!(producers(&test).await, [(5, 2, 12, -1, -1), (7, 0, 0, 4, -1)]);
}

#[tokio::test]
async fn what_does_not_exist_is_said_to() {
    let test = TestBroker::start();
    test.topic("t", 1, &[]).await;
    let characters = "Topic name is invalid: 'a/b' contains one or more characters other than ASCII \
                      alphanumerics, '.', '_' and '-'";
    for (topic, index, code, words) in [
        ("t", 1, 3, None),
        ("t", -1, 3, None),
        ("u", 0, 3, Some("This server does not host this topic-partition.")),
        ("", 0, 17, Some("Topic name is invalid: the empty string is not allowed")),
        ("a/b", 0, 17, Some(characters)),
    ] {
        let answer = ask(&test, topic, index).await;
        let message = answer.error_message.as_deref();
        assert_eq!((answer.error_code, message), (code, words), "{topic}-{index}");
    }
}
