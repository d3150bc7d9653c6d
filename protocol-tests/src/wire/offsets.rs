//! ListOffsets: ends, times, epochs.

use anyhow::{Context, Result, ensure};
use highwater::protocol::ErrorCode;
use kafka_protocol::messages::list_offsets_response::ListOffsetsPartitionResponse;

use super::{Bench, case_table};
use crate::batches::{SOME_TIME, batch_with};
use crate::client::Client;
use crate::requests::{EARLIEST, LATEST, Topic, expect_code, list_offsets};

case_table! {
    start_and_end_in_every_version,
    a_time_gives_the_first_record_at_or_after_it,
    the_largest_timestamp_since_version_7,
    leader_epochs_come_and_are_checked_since_version_4,
    an_unknown_topic_or_partition_is_told,
}

const VERSIONS: std::ops::RangeInclusive<i16> = 1..=10;
const MAX_TIMESTAMP: i64 = -3;
const EARLIEST_LOCAL: i64 = -4;

fn ask(
    client: &mut Client,
    version: i16,
    topic: &str,
    timestamp: i64,
) -> Result<ListOffsetsPartitionResponse> {
    let answer = client.ask(version, &list_offsets(topic, &[(0, timestamp)]))?;
    let topic = answer.topics.into_iter().next().context("no topic")?;
    topic.partitions.into_iter().next().context("no partition")
}

/// Two batches: records at 0, 10 and 20 ms, then at 15 and 30.
fn filled(bench: &mut Bench) -> Result<(Topic, Client)> {
    let topic = bench.topic(1)?;
    let mut client = bench.client()?;
    for times in [&[0, 10, 20][..], &[15, 30]] {
        let mut builder = highwater::protocol::batch::BatchBuilder::new();
        for time in times {
            let timestamp = highwater::model::Timestamp(SOME_TIME + time);
            builder.push(highwater::protocol::batch::NewRecord {
                timestamp,
                value: Some(b"x"),
                ..Default::default()
            });
        }
        client.append(&topic, builder.build().into())?;
    }
    Ok((topic, client))
}

fn start_and_end_in_every_version(bench: &mut Bench) -> Result<()> {
    let (topic, mut client) = filled(bench)?;
    for version in VERSIONS {
        for (sentinel, expected) in [(EARLIEST, 0), (LATEST, 5), (EARLIEST_LOCAL, 0)] {
            if sentinel == EARLIEST_LOCAL && version < 8 {
                continue;
            }
            let answer = ask(&mut client, version, &topic.name, sentinel)?;
            expect_code(answer.error_code, ErrorCode::None, &format!("version {version}, {sentinel}"))?;
            ensure!((answer.offset, answer.timestamp) == (expected, -1), "version {version}: {answer:?}");
        }
    }
    Ok(())
}

fn a_time_gives_the_first_record_at_or_after_it(bench: &mut Bench) -> Result<()> {
    let (topic, mut client) = filled(bench)?;
    for version in VERSIONS {
        for (time, expected) in [
            (-1000, (0, 0)),
            (0, (0, 0)),
            (1, (1, 10)),
            (10, (1, 10)),
            (11, (2, 20)),
            (20, (2, 20)),
            (21, (4, 30)),
        ] {
            let answer = ask(&mut client, version, &topic.name, SOME_TIME + time)?;
            let seen = (answer.offset, answer.timestamp - SOME_TIME);
            ensure!(answer.error_code == 0 && seen == expected, "version {version}, {time}: {seen:?}");
        }
        let none = ask(&mut client, version, &topic.name, SOME_TIME + 31)?;
        ensure!((none.error_code, none.offset, none.timestamp) == (0, -1, -1), "version {version}: {none:?}");
    }
    Ok(())
}

fn the_largest_timestamp_since_version_7(bench: &mut Bench) -> Result<()> {
    let (topic, mut client) = filled(bench)?;
    client.append(&topic, batch_with(&["older"], SOME_TIME + 5, |_| {}))?;
    for version in 7..=10 {
        let answer = ask(&mut client, version, &topic.name, MAX_TIMESTAMP)?;
        let seen = (answer.offset, answer.timestamp - SOME_TIME);
        ensure!(answer.error_code == 0 && seen == (4, 30), "version {version}: {seen:?}");
    }
    let empty = bench.topic(1)?;
    let answer = ask(&mut client, 7, &empty.name, MAX_TIMESTAMP)?;
    ensure!((answer.error_code, answer.offset, answer.timestamp) == (0, -1, -1), "empty: {answer:?}");
    Ok(())
}

fn leader_epochs_come_and_are_checked_since_version_4(bench: &mut Bench) -> Result<()> {
    let (topic, mut client) = filled(bench)?;
    let partitions = client.topic(&topic.name)?.partitions;
    let current = partitions.first().context("no partition")?.leader_epoch;
    for version in 4..=10 {
        let answer = ask(&mut client, version, &topic.name, LATEST)?;
        ensure!(answer.leader_epoch == current, "version {version}: {answer:?}");
        let mut request = list_offsets(&topic.name, &[(0, LATEST)]);
        request.topics[0].partitions[0].current_leader_epoch = current + 1;
        let answer = client.ask(version, &request)?;
        let partition = answer.topics.first().and_then(|topic| topic.partitions.first());
        let code = partition.context("no partition")?.error_code;
        expect_code(code, ErrorCode::UnknownLeaderEpoch, &format!("version {version}"))?;
    }
    Ok(())
}

fn an_unknown_topic_or_partition_is_told(bench: &mut Bench) -> Result<()> {
    let topic = bench.topic(1)?;
    let absent = bench.name()?;
    let mut client = bench.client()?;
    for version in VERSIONS {
        let answer = ask(&mut client, version, &absent, LATEST)?;
        expect_code(answer.error_code, ErrorCode::UnknownTopicOrPartition, "a topic")?;
        ensure!((answer.offset, answer.timestamp) == (-1, -1), "{answer:?}");
        let answer = client.ask(version, &list_offsets(&topic.name, &[(1, LATEST)]))?;
        let partition = answer.topics.first().and_then(|topic| topic.partitions.first());
        let code = partition.context("no partition")?.error_code;
        expect_code(code, ErrorCode::UnknownTopicOrPartition, "a partition")?;
    }
    Ok(())
}
