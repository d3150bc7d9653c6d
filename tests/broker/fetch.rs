//! Fetch: versions, which batches, waiting.

use std::time::Duration;

use highwater::model::Offset;
use kafka_protocol::messages::{FetchRequest, ProduceRequest};

use crate::batches::{batch, split, values};
use crate::process::{DEADLINE, Process};
use crate::requests::{
    EARLIEST, FETCH, LATEST, PRODUCE, error_name, fetch, fetch_of, fetch_partition, fetched, produce,
    produced,
};

#[test]
fn every_version_gives_whole_batches_from_the_one_that_holds_the_offset() {
    let directory = tempfile::tempdir().unwrap();
    let process = Process::start(directory.path());
    let mut client = process.client();
    let topic = client.create_topic("versions", 1, &[]);
    client.append(&topic, 0, batch(&["0", "1", "2"]));
    client.append(&topic, 0, batch(&["3", "4"]));
    for version in 4..=18 {
        for (offset, first) in [(0, 0), (1, 0), (2, 0), (3, 3), (4, 3), (5, 5)] {
            let answer = fetched(client.ask(version, &fetch(version, &topic, 0, offset)));
            assert_eq!(error_name(answer.error_code), "NONE");
            assert_eq!((answer.high_watermark, answer.last_stable_offset), (5, 5));
            let expected: Vec<_> = (first..5).map(|number: i64| (number, number.to_string())).collect();
            let found = values(&answer.records.unwrap_or_default());
            assert_eq!(found, expected, "version {version}, offset {offset}");
        }
    }
}

#[test]
fn beyond_the_end_and_below_the_start_is_out_of_range() {
    let directory = tempfile::tempdir().unwrap();
    let process = Process::start(directory.path());
    let mut client = process.client();
    let topic = client.create_topic("range", 1, &[]);
    client.append(&topic, 0, batch(&["0", "1"]));
    for (offset, error) in [
        (2, "NONE"),
        (3, "OFFSET_OUT_OF_RANGE"),
        (i64::MAX, "OFFSET_OUT_OF_RANGE"),
        (-5, "OFFSET_OUT_OF_RANGE"),
    ] {
        let answer = client.fetch(&topic, 0, offset);
        assert_eq!(error_name(answer.error_code), error, "{offset}");
        assert!(answer.records.unwrap_or_default().is_empty());
        // Measured against Kafka 4.3: out of range comes with offsets of -1.
        let high_watermark = if error == "NONE" { 2 } else { -1 };
        assert_eq!(answer.high_watermark, high_watermark, "{offset}");
    }
    assert_eq!(client.list_offset(&topic, 0, EARLIEST).offset, 0);
    assert_eq!(client.list_offset(&topic, 0, LATEST).offset, 2);
}

#[test]
fn the_first_batch_comes_whole_however_little_was_asked_for() {
    let directory = tempfile::tempdir().unwrap();
    let process = Process::start(directory.path());
    let mut client = process.client();
    let topic = client.create_topic("first", 3, &[]);
    let large = "x".repeat(100_000);
    for partition in [1, 2] {
        client.append(&topic, partition, batch(&[&large]));
        client.append(&topic, partition, batch(&["small"]));
    }
    // The empty partition does not use up the exception; the last one finds nothing left.
    for (bytes_max, partition_bytes_max) in [(1, 1 << 20), (1 << 20, 1), (1, 1), (0, 0)] {
        let partitions = (0..3).map(|partition| fetch_partition(partition, 0, partition_bytes_max)).collect();
        let request = fetch_of(FETCH, &topic, partitions).with_max_bytes(bytes_max);
        let answer = client.ask(FETCH, &request).responses.remove(0).partitions;
        let counts: Vec<_> =
            answer.iter().map(|found| split(&found.records.clone().unwrap_or_default()).len()).collect();
        assert_eq!(counts, [0, 1, 0], "{bytes_max}, {partition_bytes_max}");
    }
}

#[test]
fn a_long_poll_wakes_when_something_is_produced() {
    let directory = tempfile::tempdir().unwrap();
    let process = Process::start(directory.path());
    let (mut producer, mut consumer) = (process.client(), process.client());
    let topic = producer.create_topic("waiting", 2, &[]);
    let wait = i32::try_from((DEADLINE * 10).as_millis()).unwrap();
    let partitions = (0..2).map(|partition| fetch_partition(partition, 0, 1 << 20)).collect();
    consumer.send(FETCH, &fetch_of(FETCH, &topic, partitions).with_max_wait_ms(wait));
    process.wait_for_requests_in_progress(1);
    producer.append(&topic, 1, batch(&["news"]));
    // The client's own deadline is a tenth of what the broker would wait.
    let (_, answer) = consumer.try_receive::<FetchRequest>(FETCH).unwrap();
    let records = answer.responses[0].partitions[1].records.clone().unwrap();
    assert_eq!(values(&records), [(0, "news".to_owned())]);
}

#[test]
fn a_long_poll_waits_for_min_bytes() {
    let directory = tempfile::tempdir().unwrap();
    let process = Process::start(directory.path());
    let (mut producer, mut consumer) = (process.client(), process.client());
    let topic = producer.create_topic("waiting", 1, &[]);
    let one = batch(&["0123456789"]);
    let enough = i32::try_from(3 * one.len()).unwrap();
    let wait = i32::try_from((DEADLINE * 10).as_millis()).unwrap();
    let request = fetch(FETCH, &topic, 0, 0).with_min_bytes(enough).with_max_wait_ms(wait);
    consumer.send(FETCH, &request);
    for _ in 0..3 {
        process.wait_for_requests_in_progress(1);
        producer.append(&topic, 0, one.clone());
    }
    let (_, answer) = consumer.try_receive::<FetchRequest>(FETCH).unwrap();
    assert_eq!(split(&fetched(answer).records.unwrap()).len(), 3);
}

#[test]
fn a_long_poll_ends_empty_after_its_time_and_not_before() {
    let directory = tempfile::tempdir().unwrap();
    let process = Process::start(directory.path());
    let mut client = process.client();
    let topic = client.create_topic("waiting", 1, &[]);
    let wait = Duration::from_millis(200);
    #[expect(clippy::disallowed_methods, reason = "the broker's waiting is what is measured")]
    let start = std::time::Instant::now();
    let wait_ms = i32::try_from(wait.as_millis()).unwrap();
    let answer = fetched(client.ask(FETCH, &fetch(FETCH, &topic, 0, 0).with_max_wait_ms(wait_ms)));
    assert!(start.elapsed() >= wait, "after {:?}", start.elapsed());
    assert_eq!((answer.error_code, answer.high_watermark), (0, 0));
    assert!(answer.records.unwrap_or_default().is_empty());
}

#[test]
fn a_long_poll_holds_up_no_request_behind_it_and_its_answer_still_comes_first() {
    let directory = tempfile::tempdir().unwrap();
    let process = Process::start(directory.path());
    let mut client = process.client();
    let topic = client.create_topic("order", 1, &[]);
    let wait = i32::try_from((DEADLINE * 10).as_millis()).unwrap();
    let first = client.send(FETCH, &fetch(FETCH, &topic, 0, 0).with_max_wait_ms(wait));
    let second = client.send(PRODUCE, &produce(PRODUCE, &topic, 0, -1, batch(&["wakes the fetch before"])));
    let (received, answer) = client.try_receive::<FetchRequest>(FETCH).unwrap();
    assert_eq!((received, fetched(answer).high_watermark), (first, 1));
    let (received, answer) = client.try_receive::<ProduceRequest>(PRODUCE).unwrap();
    assert_eq!((received, produced(answer).base_offset), (second, 0));
}

#[test]
fn leader_epochs_are_checked() {
    let directory = tempfile::tempdir().unwrap();
    let process = Process::start(directory.path());
    let topic = process.client().create_topic("epochs", 1, &[]);
    process.stop();
    let process = Process::start(directory.path());
    let mut client = process.client();
    let current = client.leader_epoch("epochs", 0);
    client.append(&topic, 0, batch(&["a"]));
    assert!(current > 0, "a start is a new leadership");
    for (leader_epoch, error) in [
        (-1, "NONE"),
        (current, "NONE"),
        (current - 1, "FENCED_LEADER_EPOCH"),
        (current + 1, "UNKNOWN_LEADER_EPOCH"),
    ] {
        let asked = fetch_partition(0, 0, 1 << 20).with_current_leader_epoch(leader_epoch);
        let answer = fetched(client.ask(FETCH, &fetch_of(FETCH, &topic, vec![asked])));
        assert_eq!(error_name(answer.error_code), error, "{leader_epoch}");
    }
    let [(header, _)] = split(&client.fetch_all(&topic, 0, 0)).try_into().unwrap();
    assert_eq!((header.base_offset, header.partition_leader_epoch.0), (Offset(0), current));
}

/// A request that waits keeps some bytes of each partition that it names. When all that wait keep too much, a
/// newcomer gets what there is: nothing, here.
#[test]
fn long_polls_for_which_memory_is_short_are_answered_at_once() {
    // A quarter of the budget, 32 KiB, is for requests that wait; each of these keeps more than half of it.
    const UNKNOWN_PARTITIONS: i32 = 1_300;
    let directory = tempfile::tempdir().unwrap();
    let limits = ["socket.request.max.bytes=65536", "queued.max.request.bytes=131072"];
    let process = Process::start_with(directory.path(), &limits);
    let (mut producer, mut first, mut second) = (process.client(), process.client(), process.client());
    let topic = producer.create_topic("waiting", 1, &[]);
    let wait = i32::try_from((DEADLINE * 10).as_millis()).unwrap();
    let partitions = (0..UNKNOWN_PARTITIONS).map(|partition| fetch_partition(partition, 0, 1 << 20));
    // What does not exist does not end the wait.
    let request = fetch_of(FETCH, &topic, partitions.collect()).with_max_wait_ms(wait);
    first.send(FETCH, &request);
    process.wait_for_requests_in_progress(1);
    // The client's own deadline is a tenth of what the broker would wait.
    let answer = second.ask(FETCH, &request);
    assert_eq!(answer.responses[0].partitions.len(), usize::try_from(UNKNOWN_PARTITIONS).unwrap());
    assert!(answer.responses[0].partitions.iter().all(|found| found.records.as_ref().unwrap().is_empty()));
    process.wait_for_requests_in_progress(1);
    producer.append(&topic, 0, batch(&["news"]));
    let (_, answer) = first.try_receive::<FetchRequest>(FETCH).unwrap();
    assert_eq!(split(&answer.responses[0].partitions[0].records.clone().unwrap()).len(), 1);
}

/// A session belongs to no connection and to one run of the broker.
#[test]
fn a_session_outlives_its_connection_and_not_its_broker() {
    let directory = tempfile::tempdir().unwrap();
    let process = Process::start(directory.path());
    let mut client = process.client();
    let topic = client.create_topic("session", 2, &[]);
    let both = (0..2).map(|partition| fetch_partition(partition, 0, 1 << 20)).collect();
    let full = client.ask(FETCH, &fetch_of(FETCH, &topic, both).with_session_epoch(0));
    assert!(full.session_id > 0);
    let next = |number| {
        let nothing = fetch_of(FETCH, &topic, Vec::new()).with_topics(Vec::new());
        nothing.with_session_id(full.session_id).with_session_epoch(number)
    };
    assert_eq!(process.metric("highwater_fetch_sessions"), Some(1.0));
    assert_eq!(process.metric("highwater_fetch_session_partitions"), Some(2.0));
    drop(client);
    let mut client = process.client();
    client.append(&topic, 1, batch(&["news"]));
    let news = client.ask(FETCH, &next(1)).responses.remove(0).partitions;
    assert_eq!((news.len(), news[0].partition_index), (1, 1));
    process.stop();
    let process = Process::start(directory.path());
    let gone = process.client().ask(FETCH, &next(2));
    assert_eq!((error_name(gone.error_code), gone.session_id), ("FETCH_SESSION_ID_NOT_FOUND", 0));
}
