use kafka_protocol::messages::offset_for_leader_epoch_request::{
    OffsetForLeaderPartition, OffsetForLeaderTopic,
};
use kafka_protocol::messages::{BrokerId, OffsetForLeaderEpochRequest, TopicName};

use crate::handlers::testing::{TestBroker, batch, damage, produce, str_bytes};
use crate::model::{TopicId, TopicPartition};

/// Of partition 0 unless `partition` says otherwise.
#[derive(Clone, Copy)]
struct Asked {
    topic: &'static str,
    partition: i32,
    current: i32,
    requested: i32,
}

const ASKED: Asked = Asked { topic: "t", partition: 0, current: -1, requested: 0 };

/// Code, leader epoch, end offset.
async fn ask(test: &TestBroker, version: i16, asked: Asked) -> (i16, i32, i64) {
    let partition = OffsetForLeaderPartition::default()
        .with_partition(asked.partition)
        .with_current_leader_epoch(asked.current)
        .with_leader_epoch(asked.requested);
    let topic = OffsetForLeaderTopic::default()
        .with_topic(TopicName(str_bytes(asked.topic)))
        .with_partitions(vec![partition]);
    let mut request = OffsetForLeaderEpochRequest::default().with_topics(vec![topic]);
    if version >= 3 {
        request = request.with_replica_id(BrokerId(-1));
    }
    let response = test.ask(version, &request).await;
    assert_eq!(response.throttle_time_ms, 0);
    let [topic] = &response.topics[..] else { panic!("{response:?}") };
    let [found] = &topic.partitions[..] else { panic!("{response:?}") };
    assert_eq!((topic.topic.as_str(), found.partition), (asked.topic, asked.partition));
    (found.error_code, found.leader_epoch, found.end_offset)
}

async fn ends(test: &TestBroker) -> Vec<(i16, i32, i64)> {
    let mut ends = Vec::new();
    for requested in -1..=5 {
        ends.push(ask(test, 4, Asked { requested, ..ASKED }).await);
    }
    ends
}

const UNDEFINED: (i16, i32, i64) = (0, -1, -1);

/// As Kafka's `LeaderEpochFileCache.endOffsetFor`, measured against 4.3.1 where one node can show it.
#[tokio::test]
async fn trap_57_epochs_end_where_the_next_one_begins_over_restarts() {
    let mut test = TestBroker::start();
    test.topic("t", 1, &[]).await;
    // The current epoch of an empty log ends at 0; -1 and what is newer are unknown.
    assert_eq!(ends(&test).await[..3], [UNDEFINED, (0, 0, 0), UNDEFINED]);
    produce(&test, "t", batch(&[1, 2, 3])).await;
    assert_eq!(ends(&test).await[..3], [UNDEFINED, (0, 0, 3), UNDEFINED]);
    test = test.restart().await;
    // Nothing was written in epoch 1 yet: it begins where 0 ends.
    assert_eq!(ends(&test).await[..4], [UNDEFINED, (0, 0, 3), (0, 1, 3), UNDEFINED]);
    // Epoch 2 writes nothing.
    test = test.restart().await.restart().await;
    produce(&test, "t", batch(&[4])).await;
    test = test.restart().await;
    produce(&test, "t", batch(&[5, 6])).await;
    let expected = [UNDEFINED, (0, 0, 3), (0, 0, 3), (0, 0, 3), (0, 3, 4), (0, 4, 6), UNDEFINED];
    assert_eq!(ends(&test).await, expected);
    for version in 2..=4 {
        assert_eq!(
            ask(&test, version, Asked { requested: 3, ..ASKED }).await,
            (0, 3, 4),
            "version {version}"
        );
    }
}

#[tokio::test]
async fn trap_57_epochs_survive_the_removal_of_their_records() {
    let mut test = TestBroker::start();
    test.topic(
        "t",
        1,
        &[("retention.ms", "1000"), ("message.timestamp.before.max.ms", "9223372036854775807")],
    )
    .await;
    produce(&test, "t", batch(&[1, 2, 3])).await;
    test = test.restart().await;
    produce(&test, "t", batch(&[4, 5])).await;
    // Out of the tail, which retention leaves alone.
    test = test.restart().await;
    assert_eq!(ends(&test).await[1..4], [(0, 0, 3), (0, 1, 5), (0, 2, 5)]);
    // Everything is old.
    test.broker.retain().await.unwrap();
    for (restarts, last) in [(0, UNDEFINED), (1, (0, 3, 5))] {
        // Of epoch 0 it is only known that its records ended below the first that is left.
        let expected = [UNDEFINED, (0, 0, 5), (0, 1, 5), (0, 2, 5), last];
        assert_eq!(ends(&test).await[..5], expected, "{restarts} restarts");
        test = test.restart().await;
    }
}

#[tokio::test]
async fn trap_25_the_clients_leader_epoch_is_fenced() {
    let mut test = TestBroker::start();
    test.topic("t", 1, &[]).await;
    test = test.restart().await;
    for version in 2..=4 {
        // Measured against Kafka 4.3: -1 alone is not compared.
        for (current, expected) in
            [(-1, (0, 1, 0)), (1, (0, 1, 0)), (0, (74, -1, -1)), (2, (75, -1, -1)), (-2, (74, -1, -1))]
        {
            let asked = Asked { current, requested: 1, ..ASKED };
            assert_eq!(ask(&test, version, asked).await, expected, "version {version}, current {current}");
        }
    }
}

#[tokio::test]
async fn what_is_not_there_or_damaged() {
    let test = TestBroker::start();
    let topic_id = TopicId(test.topic("t", 1, &[]).await);
    for asked in [
        Asked { topic: "absent", ..ASKED },
        Asked { topic: "", ..ASKED },
        Asked { partition: 1, ..ASKED },
        Asked { partition: -1, ..ASKED },
        Asked { partition: i32::MAX, ..ASKED },
    ] {
        assert_eq!(ask(&test, 4, asked).await, (3, -1, -1), "{} {}", asked.topic, asked.partition);
    }
    assert_eq!(ask(&test, 4, Asked { requested: i32::MIN, ..ASKED }).await, (0, i32::MIN, 0));
    let partition = test.broker.partition(TopicPartition { topic_id, partition: 0 }).unwrap();
    partition.stop(&damage());
    assert_eq!(ask(&test, 4, ASKED).await, (56, -1, -1));
}
