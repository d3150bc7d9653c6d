//! Fetch: which batches come, offsets, errors, sessions.

use anyhow::{Context, Result, ensure};
use highwater::protocol::ErrorCode;
use kafka_protocol::messages::FetchResponse;
use kafka_protocol::messages::fetch_request::FetchPartition;

use super::{Bench, case_table};
use crate::batches::{CODECS, batch, compressed, split, values};
use crate::client::Client;
use crate::requests::{
    FETCH, PRODUCE, Topic, expect_code, fetch, fetch_of, fetch_partition, fetch_topic, fetched, produce_of,
};

case_table! {
    whole_batches_come_from_the_one_that_holds_the_offset,
    batches_of_every_codec_come_in_every_version,
    the_first_batch_comes_whatever_its_size,
    partitions_come_in_the_order_asked_for,
    beyond_the_end_is_out_of_range_and_at_the_end_is_empty,
    offsets_are_always_filled,
    an_unknown_topic_or_partition_is_told,
    leader_epochs_are_checked,
    a_session_gives_only_what_changed,
    a_session_that_is_unknown_or_out_of_step_is_told,
}

fn whole_batches_come_from_the_one_that_holds_the_offset(bench: &mut Bench) -> Result<()> {
    let topic = bench.topic(1)?;
    let mut client = bench.client()?;
    client.append(&topic, batch(&["0", "1", "2"]))?;
    client.append(&topic, batch(&["3", "4"]))?;
    for version in 4..=18 {
        for (offset, first) in [(0, 0), (1, 0), (2, 0), (3, 3), (4, 3), (5, 5)] {
            let answer = fetched(client.ask(version, &fetch(version, &topic, offset))?)?;
            expect_code(answer.error_code, ErrorCode::None, &format!("version {version}, offset {offset}"))?;
            let found = values(&answer.records.unwrap_or_default())?;
            let expected: Vec<_> = (first..5).map(|number: i64| (number, number.to_string())).collect();
            ensure!(found == expected, "version {version}, offset {offset}: {found:?}");
        }
    }
    Ok(())
}

fn batches_of_every_codec_come_in_every_version(bench: &mut Bench) -> Result<()> {
    let topic = bench.topic(1)?;
    let mut client = bench.client()?;
    for codec in CODECS {
        client.append(&topic, compressed(&["a", "b"], codec))?;
    }
    // Zstandard too: Kafka 4 leaves it to clients whether they can read it (KIP-110 had refused it below 10).
    for version in 4..=18 {
        let answer = fetched(client.ask(version, &fetch(version, &topic, 0))?)?;
        let found = values(&answer.records.unwrap_or_default())?;
        ensure!(answer.error_code == 0 && found.len() == 2 * CODECS.len(), "version {version}: {found:?}");
    }
    Ok(())
}

/// How many whole batches came of each partition.
fn counts(answer: &FetchResponse) -> Result<Vec<usize>> {
    let partitions = answer.responses.iter().flat_map(|topic| &topic.partitions);
    partitions.map(|found| Ok(split(&found.records.clone().unwrap_or_default())?.len())).collect()
}

fn append_to(client: &mut Client, topic: &Topic, partition: i32, value: &str) -> Result<()> {
    let batches = vec![(partition, Some(batch(&[value])))];
    let answer = client.ask(PRODUCE, &produce_of(PRODUCE, topic, -1, batches))?;
    let partition = answer.responses.first().and_then(|topic| topic.partition_responses.first());
    expect_code(partition.context("no partition")?.error_code, ErrorCode::None, "a produce")
}

fn the_first_batch_comes_whatever_its_size(bench: &mut Bench) -> Result<()> {
    let topic = bench.topic(3)?;
    let mut client = bench.client()?;
    let large = "x".repeat(100_000);
    for partition in [1, 2] {
        append_to(&mut client, &topic, partition, &large)?;
        append_to(&mut client, &topic, partition, "small")?;
    }
    // The empty partition does not use up the exception; the last one finds nothing left.
    for (bytes_max, partition_bytes_max) in [(1, 1 << 20), (1 << 20, 1), (1, 1), (0, 0)] {
        let partitions: Vec<FetchPartition> = (0..3)
            .map(|partition| fetch_partition(partition, 0).with_partition_max_bytes(partition_bytes_max))
            .collect();
        for version in [4, FETCH, 13] {
            let topics = vec![fetch_topic(version, &topic, partitions.clone())];
            let answer = client.ask(version, &fetch_of(topics).with_max_bytes(bytes_max))?;
            let counts = counts(&answer)?;
            ensure!(counts == [0, 1, 0], "version {version}: {bytes_max}, {partition_bytes_max}: {counts:?}");
        }
    }
    Ok(())
}

fn partitions_come_in_the_order_asked_for(bench: &mut Bench) -> Result<()> {
    let topic = bench.topic(3)?;
    let mut client = bench.client()?;
    for partition in 0..3 {
        append_to(&mut client, &topic, partition, "a")?;
    }
    for order in [[0, 1, 2], [2, 0, 1], [1, 2, 0]] {
        let partitions = order.map(|partition| fetch_partition(partition, 0)).into();
        let topics = vec![fetch_topic(FETCH, &topic, partitions)];
        let answer = client.ask(FETCH, &fetch_of(topics).with_max_bytes(1))?;
        let partitions = &answer.responses.first().context("no topic")?.partitions;
        let with_records =
            partitions.iter().find(|found| found.records.as_ref().is_some_and(|records| !records.is_empty()));
        let first = with_records.context("no records")?.partition_index;
        ensure!(first == order[0], "{order:?}: the records are of partition {first}");
    }
    Ok(())
}

fn beyond_the_end_is_out_of_range_and_at_the_end_is_empty(bench: &mut Bench) -> Result<()> {
    let topic = bench.topic(1)?;
    let mut client = bench.client()?;
    client.append(&topic, batch(&["0", "1"]))?;
    for version in [4, FETCH, 18] {
        for (offset, expected) in [
            (2, ErrorCode::None),
            (3, ErrorCode::OffsetOutOfRange),
            (i64::MAX, ErrorCode::OffsetOutOfRange),
            (-1, ErrorCode::OffsetOutOfRange),
        ] {
            let answer = fetched(client.ask(version, &fetch(version, &topic, offset))?)?;
            expect_code(answer.error_code, expected, &format!("version {version}, offset {offset}"))?;
            ensure!(answer.records.unwrap_or_default().is_empty(), "records at {offset}");
        }
    }
    Ok(())
}

fn offsets_are_always_filled(bench: &mut Bench) -> Result<()> {
    let topic = bench.topic(1)?;
    let mut client = bench.client()?;
    client.append(&topic, batch(&["0", "1"]))?;
    for version in 4..=18 {
        for isolation_level in [0, 1] {
            let request = fetch(version, &topic, 0).with_isolation_level(isolation_level);
            let answer = fetched(client.ask(version, &request)?)?;
            ensure!(answer.high_watermark == 2, "version {version}: {}", answer.high_watermark);
            ensure!(answer.last_stable_offset == 2, "version {version}: {}", answer.last_stable_offset);
            ensure!(version < 5 || answer.log_start_offset == 0, "version {version}: log start");
            // KIP-98: null for read_uncommitted, a list otherwise.
            let aborted = answer.aborted_transactions;
            let expected = if isolation_level == 0 { None } else { Some(0) };
            ensure!(aborted.as_ref().map(Vec::len) == expected, "version {version}: {aborted:?}");
        }
    }
    Ok(())
}

fn an_unknown_topic_or_partition_is_told(bench: &mut Bench) -> Result<()> {
    let topic = bench.topic(1)?;
    let mut client = bench.client()?;
    let absent = Topic { name: bench.name()?, id: uuid::Uuid::from_u128(99) };
    for version in 4..=18 {
        let partition = fetch_topic(version, &topic, vec![fetch_partition(1, 0)]);
        let answer = fetched(client.ask(version, &fetch_of(vec![partition]))?)?;
        expect_code(answer.error_code, ErrorCode::UnknownTopicOrPartition, "a partition")?;
        let answer = fetched(client.ask(version, &fetch(version, &absent, 0))?)?;
        let expected =
            if version < 13 { ErrorCode::UnknownTopicOrPartition } else { ErrorCode::UnknownTopicId };
        expect_code(answer.error_code, expected, &format!("a topic, version {version}"))?;
    }
    Ok(())
}

fn leader_epochs_are_checked(bench: &mut Bench) -> Result<()> {
    let topic = bench.topic(1)?;
    let mut client = bench.client()?;
    client.append(&topic, batch(&["a"]))?;
    let partitions = client.topic(&topic.name)?.partitions;
    let current = partitions.first().context("no partition")?.leader_epoch;
    for version in 9..=18 {
        let mut asked = vec![(-1, ErrorCode::None), (current, ErrorCode::None)];
        asked.push((current + 1, ErrorCode::UnknownLeaderEpoch));
        if current > 0 {
            asked.push((current - 1, ErrorCode::FencedLeaderEpoch));
        }
        for (leader_epoch, expected) in asked {
            let partition = fetch_partition(0, 0).with_current_leader_epoch(leader_epoch);
            let topics = vec![fetch_topic(version, &topic, vec![partition])];
            let answer = fetched(client.ask(version, &fetch_of(topics))?)?;
            expect_code(answer.error_code, expected, &format!("version {version}, {leader_epoch}"))?;
        }
    }
    Ok(())
}

fn a_session_gives_only_what_changed(bench: &mut Bench) -> Result<()> {
    let topic = bench.topic(2)?;
    let mut client = bench.client()?;
    for version in [7, FETCH, 13, 18] {
        let both = vec![fetch_partition(0, 0), fetch_partition(1, 0)];
        let full = fetch_of(vec![fetch_topic(version, &topic, both)]).with_session_epoch(0);
        let answer = client.ask(version, &full)?;
        ensure!(counts(&answer)?.len() == 2, "a full fetch names both partitions");
        let session = answer.session_id;
        if session == 0 {
            // KIP-227 leaves it to the broker whether there are sessions.
            continue;
        }
        let ends = answer.responses.iter().flat_map(|topic| &topic.partitions);
        let ends: Vec<_> =
            ends.map(|partition| (partition.partition_index, partition.high_watermark)).collect();
        let moved = ends.iter().map(|(partition, end)| fetch_partition(*partition, *end)).collect();
        let next = |number| fetch_of(Vec::new()).with_session_id(session).with_session_epoch(number);
        let first = next(1).with_topics(vec![fetch_topic(version, &topic, moved)]);
        client.ask(version, &first)?;
        let quiet = client.ask(version, &next(2))?;
        ensure!(quiet.session_id == session && counts(&quiet)?.is_empty(), "nothing changed: {quiet:?}");
        append_to(&mut client, &topic, 1, "news")?;
        let news = client.ask(version, &next(3))?;
        ensure!(counts(&news)? == [1], "one partition changed: {:?}", counts(&news)?);
        // The end of a session.
        let last = client.ask(version, &next(-1))?;
        expect_code(last.error_code, ErrorCode::None, "the end of a session")?;
    }
    Ok(())
}

fn a_session_that_is_unknown_or_out_of_step_is_told(bench: &mut Bench) -> Result<()> {
    let topic = bench.topic(1)?;
    let mut client = bench.client()?;
    for version in [7, FETCH, 18] {
        let full = fetch(version, &topic, 0).with_session_epoch(0);
        let session = client.ask(version, &full)?.session_id;
        if session == 0 {
            continue;
        }
        let next = |id, number| fetch_of(Vec::new()).with_session_id(id).with_session_epoch(number);
        let wrong = client.ask(version, &next(session, 7))?;
        expect_code(wrong.error_code, ErrorCode::InvalidFetchSessionEpoch, "out of step")?;
        let unknown = client.ask(version, &next(session ^ 0x55, 1))?;
        expect_code(unknown.error_code, ErrorCode::FetchSessionIdNotFound, "unknown")?;
    }
    Ok(())
}
