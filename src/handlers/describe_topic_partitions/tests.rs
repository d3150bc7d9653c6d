use kafka_protocol::messages::describe_topic_partitions_request::{Cursor, TopicRequest};
use kafka_protocol::messages::{DescribeTopicPartitionsRequest, DescribeTopicPartitionsResponse, TopicName};

use crate::handlers::testing::{TestBroker, str_bytes};
use crate::handlers::view::TOPIC_OPERATIONS;

fn request(names: &[&str], limit: i32, cursor: Option<(&str, i32)>) -> DescribeTopicPartitionsRequest {
    let topics = names.iter().map(|name| TopicRequest::default().with_name(TopicName(str_bytes(name))));
    let cursor = cursor.map(|(name, index)| {
        Cursor::default().with_topic_name(TopicName(str_bytes(name))).with_partition_index(index)
    });
    DescribeTopicPartitionsRequest::default()
        .with_topics(topics.collect())
        .with_response_partition_limit(limit)
        .with_cursor(cursor)
}

type Shown = (Vec<(String, i16, Vec<i32>)>, Option<(String, i32)>);

/// Topics with code and partitions, and where the next page begins.
fn shown(response: &DescribeTopicPartitionsResponse) -> Shown {
    let topics = response.topics.iter().map(|topic| {
        let partitions = topic.partitions.iter().map(|partition| partition.partition_index).collect();
        (topic.name.as_ref().unwrap().to_string(), topic.error_code, partitions)
    });
    let next = response.next_cursor.as_ref();
    (topics.collect(), next.map(|next| (next.topic_name.to_string(), next.partition_index)))
}

fn expected(topics: &[(&str, i16, &[i32])], next: Option<(&str, i32)>) -> Shown {
    let topics = topics.iter().map(|(name, code, indexes)| ((*name).to_owned(), *code, indexes.to_vec()));
    (topics.collect(), next.map(|(name, index)| (name.to_owned(), index)))
}

#[tokio::test]
async fn a_page_at_a_time() {
    let test = TestBroker::start();
    test.topic("b", 3, &[]).await;
    test.topic("a", 2, &[]).await;
    let check = async |asked: DescribeTopicPartitionsRequest, topics: &[(&str, i16, &[i32])], next| {
        assert_eq!(shown(&test.ask(0, &asked).await), expected(topics, next), "{asked:?}");
    };
    check(request(&[], 100, None), &[("a", 0, &[0, 1]), ("b", 0, &[0, 1, 2])], None).await;
    check(request(&[], 2, None), &[("a", 0, &[0, 1])], Some(("b", 0))).await;
    check(request(&[], 3, None), &[("a", 0, &[0, 1]), ("b", 0, &[0])], Some(("b", 1))).await;
    check(request(&[], 3, Some(("b", 1))), &[("b", 0, &[1, 2])], None).await;
    check(request(&[], 0, None), &[("a", 0, &[0])], Some(("a", 1))).await;
    check(request(&["b", "a"], 9, Some(("b", 2))), &[("b", 0, &[2])], None).await;
    check(request(&["x", "a b"], 9, None), &[("a b", 17, &[]), ("x", 3, &[])], None).await;
    check(request(&["a"], 9, Some(("b", 0))), &[("a", 42, &[])], None).await;
    check(request(&["b"], 9, Some(("b", -1))), &[("b", 42, &[])], None).await;
}

#[tokio::test]
async fn one_replica_the_leader() {
    let test = TestBroker::start();
    let topic_id = test.topic("t", 1, &[]).await;
    let response = test.ask(0, &request(&["t"], 9, None)).await;
    let topic = &response.topics[0];
    assert_eq!((topic.topic_id, topic.topic_authorized_operations), (topic_id, TOPIC_OPERATIONS));
    let partition = &topic.partitions[0];
    assert_eq!((partition.leader_id.0, partition.leader_epoch, partition.isr_nodes.len()), (1, 0, 1));
    assert_eq!(partition.eligible_leader_replicas, Some(vec![]));
}
