//! Produce: versions, acks, errors for each partition, settings of the topic.

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use highwater::protocol::ErrorCode;
use highwater::protocol::batch::{CompressionType, TimestampType};
use kafka_protocol::messages::produce_response::PartitionProduceResponse;

use super::{Bench, case_table};
use crate::batches::{SOME_TIME, batch, batch_with, keyed, patched, split, values};
use crate::client::Client;
use crate::requests::{PRODUCE, Topic, expect_code, produce, produce_of, produced};

case_table! {
    what_is_acknowledged_can_be_read_at_once_in_every_version,
    other_acks_are_refused,
    partitions_of_one_request_fail_one_by_one,
    an_unknown_topic_or_partition_is_told,
    offsets_have_no_gaps,
    a_batch_above_max_message_bytes_is_too_large,
    a_record_without_key_on_a_compacted_topic_is_an_invalid_record,
    log_append_time_replaces_timestamps,
    timestamps_outside_of_their_bounds_are_refused,
    zstd_needs_produce_version_7,
}

fn ask(client: &mut Client, version: i16, topic: &Topic, batch: Bytes) -> Result<PartitionProduceResponse> {
    produced(client.ask(version, &produce(version, topic, -1, batch))?)
}

fn what_is_acknowledged_can_be_read_at_once_in_every_version(bench: &mut Bench) -> Result<()> {
    let topic = bench.topic(1)?;
    let (mut producer, mut consumer) = (bench.client()?, bench.client()?);
    for (version, expected) in (3..=13).zip(0_i64..) {
        let value = format!("version {version}");
        let answer = ask(&mut producer, version, &topic, batch(&[&value]))?;
        expect_code(answer.error_code, ErrorCode::None, &value)?;
        ensure!(answer.base_offset == expected, "{value}: offset {}", answer.base_offset);
        ensure!(answer.log_append_time_ms == -1, "{value}: the producer's time counts");
        let start = if version < 5 { -1 } else { 0 };
        ensure!(answer.log_start_offset == start, "{value}: log start {}", answer.log_start_offset);
        let read = values(&consumer.fetch(&topic, expected)?.records.unwrap_or_default())?;
        ensure!(read == [(expected, value)], "{read:?}");
    }
    Ok(())
}

fn other_acks_are_refused(bench: &mut Bench) -> Result<()> {
    let topic = bench.topic(1)?;
    let mut client = bench.client()?;
    for acks in [2, -2, i16::MAX, i16::MIN] {
        let answer = produced(client.ask(PRODUCE, &produce(PRODUCE, &topic, acks, batch(&["a"])))?)?;
        expect_code(answer.error_code, ErrorCode::InvalidRequiredAcks, &format!("acks {acks}"))?;
        ensure!(answer.base_offset == -1, "an offset of what was refused");
    }
    ensure!(client.append(&topic, batch(&["b"]))? == 0, "something was written");
    Ok(())
}

fn partitions_of_one_request_fail_one_by_one(bench: &mut Bench) -> Result<()> {
    let topic = bench.topic(2)?;
    let mut client = bench.client()?;
    let damaged = patched(&batch(&["damaged"]), 61, &[0x40], false);
    for version in [3, PRODUCE, 13] {
        let batches =
            vec![(1, Some(damaged.clone())), (0, Some(batch(&["good"]))), (2, Some(batch(&["nowhere"])))];
        let answer = client.ask(version, &produce_of(version, &topic, -1, batches))?;
        let answer = &answer.responses.first().context("no topic")?.partition_responses;
        for (index, expected) in
            [(0, ErrorCode::None), (1, ErrorCode::CorruptMessage), (2, ErrorCode::UnknownTopicOrPartition)]
        {
            let found = answer.iter().find(|partition| partition.index == index).context("no partition")?;
            expect_code(found.error_code, expected, &format!("version {version}, partition {index}"))?;
        }
    }
    Ok(())
}

fn an_unknown_topic_or_partition_is_told(bench: &mut Bench) -> Result<()> {
    let topic = bench.topic(1)?;
    let mut client = bench.client()?;
    let absent = Topic { name: bench.name()?, id: uuid::Uuid::from_u128(99) };
    for version in 3..=13 {
        let answer = client.ask(version, &produce_of(version, &topic, -1, vec![(1, Some(batch(&["a"])))]))?;
        expect_code(produced(answer)?.error_code, ErrorCode::UnknownTopicOrPartition, "a partition")?;
        let answer = ask(&mut client, version, &absent, batch(&["a"]))?;
        let expected =
            if version < 13 { ErrorCode::UnknownTopicOrPartition } else { ErrorCode::UnknownTopicId };
        expect_code(answer.error_code, expected, &format!("a topic, version {version}"))?;
    }
    Ok(())
}

fn offsets_have_no_gaps(bench: &mut Bench) -> Result<()> {
    let topic = bench.topic(1)?;
    let mut client = bench.client()?;
    let mut expected = 0;
    for count in [1, 3, 2, 10, 1] {
        let many = vec!["x"; count];
        ensure!(client.append(&topic, batch(&many))? == expected, "a batch of {count}");
        expected += count as i64;
    }
    let read = values(&client.fetch(&topic, 0)?.records.unwrap_or_default())?;
    ensure!(read.iter().map(|(offset, _)| *offset).eq(0..expected), "{read:?}");
    Ok(())
}

fn a_batch_above_max_message_bytes_is_too_large(bench: &mut Bench) -> Result<()> {
    let exact = batch(&["x".repeat(1000).as_str()]);
    let topic = bench.topic_with(1, &[("max.message.bytes", &exact.len().to_string())])?;
    let mut client = bench.client()?;
    let larger = batch(&["x".repeat(1001).as_str()]);
    for version in [3, PRODUCE] {
        let answer = ask(&mut client, version, &topic, larger.clone())?;
        expect_code(answer.error_code, ErrorCode::MessageTooLarge, &format!("version {version}"))?;
    }
    ensure!(client.append(&topic, exact)? == 0, "the largest that is allowed");
    Ok(())
}

fn a_record_without_key_on_a_compacted_topic_is_an_invalid_record(bench: &mut Bench) -> Result<()> {
    let topic = bench.topic_with(1, &[("cleanup.policy", "compact")])?;
    let mut client = bench.client()?;
    for version in 3..=13 {
        let answer = ask(&mut client, version, &topic, batch(&["no key", "neither"]))?;
        expect_code(answer.error_code, ErrorCode::InvalidRecord, &format!("version {version}"))?;
        let indexes: Vec<_> = answer.record_errors.iter().map(|error| error.batch_index).collect();
        // KIP-467: since version 8 the records are named.
        let expected: &[i32] = if version < 8 { &[] } else { &[0, 1] };
        ensure!(indexes == expected, "version {version}: {indexes:?}");
        ensure!(
            answer.error_message.is_some() == (version >= 8),
            "version {version}: {:?}",
            answer.error_message
        );
    }
    ensure!(client.append(&topic, keyed(&[("k", Some("v")), ("k", None)]))? == 0, "something was written");
    Ok(())
}

fn log_append_time_replaces_timestamps(bench: &mut Bench) -> Result<()> {
    let topic = bench.topic_with(1, &[("message.timestamp.type", "LogAppendTime")])?;
    let mut client = bench.client()?;
    for compression in [CompressionType::None, CompressionType::Lz4] {
        let records = batch_with(&["a", "b"], SOME_TIME, |builder| builder.compression = compression);
        let answer = client.produce(&topic, records)?;
        ensure!(answer.error_code == 0 && answer.log_append_time_ms > SOME_TIME, "{answer:?}");
        let fetched = client.fetch(&topic, answer.base_offset)?.records.unwrap_or_default();
        let (header, _) = split(&fetched)?.into_iter().next().context("nothing to read")?;
        ensure!(header.attributes.timestamp_type() == TimestampType::LogAppendTime, "{header:?}");
        ensure!(header.max_timestamp.0 == answer.log_append_time_ms, "{header:?}");
        ensure!(header.attributes.compression()? == compression, "{header:?}");
    }
    Ok(())
}

fn timestamps_outside_of_their_bounds_are_refused(bench: &mut Bench) -> Result<()> {
    let hour = &(60 * 60 * 1000).to_string();
    let topic = bench.topic_with(
        1,
        &[("message.timestamp.before.max.ms", hour), ("message.timestamp.after.max.ms", hour)],
    )?;
    let mut client = bench.client()?;
    // 2023 and 2096.
    for (timestamp, version) in [(SOME_TIME, 3), (SOME_TIME, 9), (4_000_000_000_000, 9)] {
        let answer = ask(&mut client, version, &topic, batch_with(&["a"], timestamp, |_| {}))?;
        expect_code(answer.error_code, ErrorCode::InvalidTimestamp, &format!("{timestamp}"))?;
    }
    Ok(())
}

fn zstd_needs_produce_version_7(bench: &mut Bench) -> Result<()> {
    let topic = bench.topic(1)?;
    let mut client = bench.client()?;
    let zstd = batch_with(&["a"], SOME_TIME, |builder| builder.compression = CompressionType::Zstd);
    for version in 3..=13 {
        let code = ask(&mut client, version, &topic, zstd.clone())?.error_code;
        let expected = if version < 7 { ErrorCode::UnsupportedCompressionType } else { ErrorCode::None };
        expect_code(code, expected, &format!("version {version}"))?;
    }
    Ok(())
}
