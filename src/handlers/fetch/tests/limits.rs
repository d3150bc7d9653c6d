//! Sizes, orders and odd values. What Kafka 4.3.1 answers to the same: `compat fetch-wire`.

use super::*;
use crate::handlers::{Reply, dispatch};

/// Index, code and number of batches.
type Partitions = Vec<(i32, i16, usize)>;

/// Topic names with index, code and batches of each partition, in the order of the answer.
fn shown(response: &FetchResponse) -> Vec<(String, Partitions)> {
    let topics = response.responses.iter().map(|topic| {
        let partitions = topic.partitions.iter();
        let partitions =
            partitions.map(|found| (found.partition_index, found.error_code, batches(found).len()));
        (topic.topic.to_string(), partitions.collect())
    });
    topics.collect()
}

/// `t` with records in the first two of three partitions.
async fn two_of_three(test: &TestBroker) -> (&'static str, Uuid) {
    let topic = ("t", test.topic("t", 3, &[]).await);
    for index in [0, 1] {
        produce(test, "t", index, batch(&[1, 2])).await;
        produce(test, "t", index, batch(&[3])).await;
    }
    topic
}

fn named(name: &str, partitions: Vec<FetchPartition>) -> FetchTopic {
    FetchTopic::default().with_topic(TopicName(str_bytes(name))).with_partitions(partitions)
}

#[tokio::test]
async fn what_does_not_exist_comes_last_and_topics_side_by_side_are_one() {
    let test = TestBroker::start();
    two_of_three(&test).await;
    let topics = vec![
        named("x", vec![partition(0, 0)]),
        named("t", vec![partition(0, 0), partition(7, 0), partition(1, 0)]),
        named("y", vec![partition(0, 0)]),
        named("t", vec![partition(2, 0)]),
    ];
    let asked = request(12, ("t", Uuid::nil()), vec![]).with_topics(topics);
    let expected = [
        ("t".to_owned(), vec![(0, 0, 2), (1, 0, 2), (2, 0, 0)]),
        ("x".to_owned(), vec![(0, 3, 0)]),
        ("t".to_owned(), vec![(7, 3, 0)]),
        ("y".to_owned(), vec![(0, 3, 0)]),
    ];
    assert_eq!(shown(&test.ask(12, &asked).await), expected);
}

#[tokio::test]
async fn a_partition_named_twice_stands_where_it_was_first_as_it_was_wanted_last() {
    let test = TestBroker::start();
    let topic = two_of_three(&test).await;
    for version in [4, 12, 18] {
        let asked = request(version, topic, vec![partition(0, 0), partition(1, 0), partition(0, 2)]);
        let answer = test.ask(version, &asked).await;
        let partitions = shown(&answer).remove(0).1;
        assert_eq!(partitions, [(0, 0, 1), (1, 0, 2)], "version {version}");
    }
}

#[tokio::test]
async fn negative_sizes_fail_where_there_is_something_to_read() {
    let test = TestBroker::start();
    let topic = two_of_three(&test).await;
    let check = async |partitions: &[(i32, i32)], bytes_max: i32, expected: &[(i32, i16, usize)]| {
        let asked =
            partitions.iter().map(|(index, size)| partition(*index, 0).with_partition_max_bytes(*size));
        // Nothing of it is waited for.
        let asked = request(12, topic, asked.collect()).with_max_bytes(bytes_max).with_max_wait_ms(60_000);
        let answer = test.ask(12, &asked).await;
        assert_eq!(shown(&answer).remove(0).1, expected, "{partitions:?}, {bytes_max}");
    };
    let big = 1 << 20;
    check(&[(0, -1), (1, i32::MIN), (2, -1)], big, &[(0, -1, 0), (1, -1, 0), (2, 0, 0)]).await;
    check(&[(1, big), (0, -1)], big, &[(1, 0, 2), (0, -1, 0)]).await;
    // The request's own limit is one of nothing from the second partition on: the first-batch rule gives one.
    check(&[(0, big), (1, big), (2, big)], -1, &[(0, -1, 0), (1, 0, 1), (2, 0, 0)]).await;
    check(&[(2, big)], i32::MIN, &[(2, 0, 0)]).await;
    check(&[(0, i32::MAX), (1, big)], i32::MAX, &[(0, 0, 2), (1, 0, 2)]).await;
}

#[tokio::test]
async fn fetch_max_bytes_caps_what_clients_ask_for() {
    let test = TestBroker::with(&[("fetch.max.bytes", "1024")]);
    let topic = ("t", test.topic("t", 2, &[]).await);
    for _ in 0..8 {
        for index in [0, 1] {
            produce(&test, "t", index, batch(&[1; 20])).await;
        }
    }
    let asked = request(12, topic, vec![partition(0, 0), partition(1, 0)]).with_max_bytes(i32::MAX);
    let answer = test.ask(12, &asked).await;
    let bytes: Vec<usize> =
        answer.responses[0].partitions.iter().map(|found| found.records.as_ref().unwrap().len()).collect();
    assert!(bytes[0] > 256 && bytes[0] <= 1024 && bytes[0] + bytes[1] <= 1024, "{bytes:?}");
    // Nor is more waited for than may be given.
    let asked = request(12, topic, vec![partition(0, 0)]).with_min_bytes(i32::MAX).with_max_wait_ms(60_000);
    assert!(
        !batches(only(&test.ask(12, &asked.with_max_bytes(i32::try_from(bytes[0]).unwrap())).await))
            .is_empty()
    );
}

/// Whoever reads on gets everything in the end, though each answer holds one batch.
#[tokio::test]
async fn partitions_are_served_in_the_clients_order() {
    let test = TestBroker::start();
    let topic = two_of_three(&test).await;
    let mut offsets = [0, 0];
    for expected in [(0, 2), (0, 3), (1, 2), (1, 3)] {
        let asked = vec![partition(0, offsets[0]), partition(1, offsets[1])];
        let answer = test.ask(12, &request(12, topic, asked).with_max_bytes(1)).await;
        let found: Vec<_> = answer.responses[0]
            .partitions
            .iter()
            .flat_map(|found| batches(found).into_iter().map(|batch| (found.partition_index, batch.1)))
            .collect();
        assert_eq!(found, [expected]);
        offsets[usize::try_from(expected.0).unwrap()] = expected.1;
    }
}

#[tokio::test]
async fn an_isolation_level_that_there_is_not_fails_the_request() {
    let test = TestBroker::start();
    let topic = two_of_three(&test).await;
    for level in [2, -1] {
        for (version, code, partitions) in [(4, 0, 2), (7, -1, 2), (12, -1, 2), (13, -1, 0), (18, -1, 0)] {
            let asked = request(version, topic, vec![partition(0, 0), partition(9, 0)]);
            let answer = test.ask(version, &asked.with_isolation_level(level)).await;
            assert_eq!(answer.error_code, code, "version {version}");
            let found: Vec<_> = answer.responses.iter().flat_map(|topic| &topic.partitions).collect();
            assert_eq!(found.len(), partitions, "version {version}");
            assert!(found.iter().all(|found| found.error_code == -1 && found.aborted_transactions.is_some()));
        }
        let unknown = request(12, ("absent", Uuid::nil()), vec![partition(0, 0)]);
        let answer = test.ask(12, &unknown.with_isolation_level(level)).await;
        assert_eq!((answer.error_code, only(&answer).error_code), (0, 3), "nothing is read");
    }
}

/// Code, diverging epoch and its end, high watermark.
type Diverging = (i16, i32, i64, i64);

#[tokio::test]
async fn trap_56_a_log_that_leaves_ours_is_told_where() {
    let test = TestBroker::start();
    let topic_id = test.topic("t", 2, &[]).await;
    produce(&test, "t", 0, batch(&[1, 2, 3])).await;
    let test = test.restart().await.restart().await;
    let ask = async |last_fetched_epoch: i32, index: i32, offset: i64| -> Diverging {
        let asked = partition(index, offset).with_last_fetched_epoch(last_fetched_epoch);
        let asked =
            request(12, ("t", topic_id), vec![asked]).with_isolation_level(1).with_max_wait_ms(60_000);
        let answer = test.ask(12, &asked.with_min_bytes(0)).await;
        let found = only(&answer);
        let end = &found.diverging_epoch;
        let diverges = end.epoch >= 0;
        assert!(found.error_code != 0 || found.aborted_transactions.is_none() == diverges);
        assert!(batches(found).is_empty() || !diverges);
        (found.error_code, end.epoch, end.end_offset, found.high_watermark)
    };
    // The records are of epoch 0, the leader's is 2, and nobody has written in 1 and 2.
    for (last, offset, expected) in [
        (-1, 3, (0, -1, -1, 3)),
        (-2, 0, (0, -1, -1, 3)),
        (0, 0, (0, -1, -1, 3)),
        (0, 3, (0, -1, -1, 3)),
        (0, 4, (0, 0, 3, 3)),
        (1, 3, (0, 0, 3, 3)),
        (2, 3, (0, -1, -1, 3)),
        (2, 4, (0, 2, 3, 3)),
        (3, 3, (1, -1, -1, -1)),
        (0, -1, (1, -1, -1, -1)),
    ] {
        assert_eq!(ask(last, 0, offset).await, expected, "{last} {offset}");
    }
    // A partition that nobody has ever written to.
    for (last, offset, expected) in
        [(2, 0, (0, -1, -1, 0)), (2, 4, (0, 2, 0, 0)), (0, 0, (0, -1, -1, 0)), (3, 0, (1, -1, -1, -1))]
    {
        assert_eq!(ask(last, 1, offset).await, expected, "{last} {offset}");
    }
    produce(&test, "t", 0, batch(&[4])).await;
    for (last, offset, expected) in
        [(0, 3, (0, -1, -1, 4)), (0, 4, (0, 0, 3, 4)), (1, 4, (0, 0, 3, 4)), (2, 4, (0, -1, -1, 4))]
    {
        assert_eq!(ask(last, 0, offset).await, expected, "{last} {offset}");
    }
}

#[tokio::test]
async fn a_diverging_log_ends_the_wait() {
    let test = TestBroker::start();
    let topic = ("t", test.topic("t", 2, &[]).await);
    let second = partition(1, 5).with_last_fetched_epoch(0);
    let (took, codes) = patient(&test, topic, second).await;
    assert_eq!(codes, [0, 0]);
    assert!(took < Duration::from_secs(8), "{took:?}");
}

/// When memory is short the server cuts waits: the answer is what there is.
#[tokio::test]
async fn a_fetch_that_is_asked_to_hurry_gives_what_there_is() {
    let test = TestBroker::start();
    let topic = two_of_three(&test).await;
    let mut body = bytes::BytesMut::new();
    let asked = request(12, topic, vec![partition(0, 0), partition(2, 0)]);
    let asked = asked.with_min_bytes(1 << 19).with_max_wait_ms(300_000);
    kafka_protocol::protocol::Encodable::encode(&asked, &mut body, 12).unwrap();
    let Reply::Waiting(poll) = dispatch(test.context(1, 12), body.freeze()).await else { panic!("it waits") };
    assert!(poll.held_bytes > 0);
    poll.hurry.ask();
    let Reply::Pieces(pieces) = poll.reply.await else { panic!("an answer") };
    let bytes: u64 = pieces.iter().map(crate::protocol::Piece::length).sum();
    assert!(bytes > 150, "{bytes}");
}
