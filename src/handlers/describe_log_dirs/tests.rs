use std::path::Path;

use kafka_protocol::messages::describe_log_dirs_request::DescribableLogDirTopic;
use kafka_protocol::messages::describe_log_dirs_response::DescribeLogDirsResult;
use kafka_protocol::messages::{DescribeLogDirsRequest, TopicName};

use crate::handlers::testing::{TestBroker, batch, produce, str_bytes};

async fn ask(test: &TestBroker, version: i16, topics: Option<&[(&str, &[i32])]>) -> DescribeLogDirsResult {
    let topics = topics.map(|topics| {
        let topic = |(name, partitions): &(&str, &[i32])| {
            DescribableLogDirTopic::default()
                .with_topic(TopicName(str_bytes(name)))
                .with_partitions(partitions.to_vec())
        };
        topics.iter().map(topic).collect()
    });
    let response = test.ask(version, &DescribeLogDirsRequest::default().with_topics(topics)).await;
    assert_eq!((response.error_code, response.throttle_time_ms), (0, 0));
    let [result] = &response.results[..] else { panic!("{response:?}") };
    result.clone()
}

/// Topic, partition, size; everything else is the same for all.
fn shown(result: &DescribeLogDirsResult) -> Vec<(String, i32, i64)> {
    assert_eq!(result.error_code, 0);
    let partitions = result.topics.iter().flat_map(|topic| {
        topic.partitions.iter().map(|partition| {
            assert_eq!((partition.offset_lag, partition.is_future_key), (0, false));
            (topic.name.to_string(), partition.partition_index, partition.partition_size)
        })
    });
    partitions.collect()
}

fn row(topic: &str, partition: i32, size: i64) -> (String, i32, i64) {
    (topic.to_owned(), partition, size)
}

/// As measured against Kafka 4.3, by its sizes too.
#[tokio::test]
async fn trap_90_one_directory_with_the_size_of_each_partition() {
    let mut test = TestBroker::start();
    test.topic("t", 2, &[]).await;
    test.topic("u", 1, &[]).await;
    let records = batch(&[10, 20]);
    let size = i64::try_from(records.len()).unwrap();
    produce(&test, "t", records).await;
    // First in the tail, then in a segment.
    for place in ["tail", "segment"] {
        for version in 1..=4 {
            let all = ask(&test, version, None).await;
            assert_eq!(
                shown(&all),
                [row("t", 0, size), row("t", 1, 0), row("u", 0, 0)],
                "{place}, {version}"
            );
            assert!(Path::new(all.log_dir.as_str()).is_absolute());
            match version {
                4 => assert!(0 < all.usable_bytes && all.usable_bytes <= all.total_bytes, "{all:?}"),
                _ => assert_eq!((all.total_bytes, all.usable_bytes), (-1, -1)),
            }
            let named = |topics| ask(&test, version, Some(topics));
            assert_eq!(shown(&named(&[]).await), [], "an empty list is none");
            assert_eq!(shown(&named(&[("t", &[])]).await), []);
            assert_eq!(shown(&named(&[("t", &[0])]).await), [row("t", 0, size)]);
            // What does not exist is left out; what is named twice is told once.
            assert_eq!(shown(&named(&[("absent", &[0]), ("t", &[2, -1])]).await), []);
            assert_eq!(shown(&named(&[("u", &[0, 0]), ("u", &[0])]).await), [row("u", 0, 0)]);
        }
        test = test.restart().await;
    }
}

#[tokio::test]
async fn a_failed_directory_is_told() {
    let test = TestBroker::start();
    test.topic("t", 1, &[]).await;
    test.broker.storage().fail("a test");
    let result = ask(&test, 4, None).await;
    assert_eq!((result.error_code, result.topics.len()), (56, 0));
    assert_eq!((result.total_bytes, result.usable_bytes), (-1, -1));
    assert!(Path::new(result.log_dir.as_str()).is_absolute());
}
