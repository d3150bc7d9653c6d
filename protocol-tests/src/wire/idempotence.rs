//! Idempotent producers: each batch once, in order.

use anyhow::{Result, ensure};
use highwater::protocol::ErrorCode;
use kafka_protocol::messages::ProduceRequest;

use super::{Bench, case_table};
use crate::batches::{idempotent, values};
use crate::requests::{PRODUCE, expect_code, new_producer, produce, produced};

case_table! {
    every_new_producer_has_an_id_of_its_own_in_every_version,
    a_duplicate_is_answered_with_the_first_offset,
    a_gap_is_out_of_order,
    an_unknown_producer_may_begin_anywhere,
    an_older_epoch_is_fenced,
    a_new_epoch_begins_at_0,
    sequences_wrap_after_2_31,
    five_requests_in_flight_are_admitted_in_order,
}

fn every_new_producer_has_an_id_of_its_own_in_every_version(bench: &mut Bench) -> Result<()> {
    let mut ids = Vec::new();
    for version in 0..=5 {
        let loading = ErrorCode::CoordinatorLoadInProgress.code();
        // A broker that has just started may have to get a block of ids first.
        let answer = bench.until("a producer id", |client| {
            let answer = client.ask(version, &new_producer())?;
            Ok((answer.error_code != loading).then_some(answer))
        })?;
        expect_code(answer.error_code, ErrorCode::None, &format!("version {version}"))?;
        ensure!(answer.producer_id.0 >= 0 && answer.producer_epoch == 0, "{answer:?}");
        ensure!(!ids.contains(&answer.producer_id.0), "an id twice: {answer:?}");
        ids.push(answer.producer_id.0);
    }
    Ok(())
}

fn a_duplicate_is_answered_with_the_first_offset(bench: &mut Bench) -> Result<()> {
    let topic = bench.topic(1)?;
    let mut client = bench.client()?;
    let id = client.producer_id()?;
    let batches: Vec<_> = (0..6).map(|at| idempotent(id, 0, at * 2, &["a", "b"])).collect();
    for (batch, offset) in batches.iter().zip((0..).step_by(2)) {
        ensure!(client.append(&topic, batch.clone())? == offset, "offset {offset}");
    }
    // The last five are remembered.
    for at in (1..batches.len()).rev() {
        let (batch, offset) = (&batches[at], 2 * at as i64);
        let answer = client.produce(&topic, batch.clone())?;
        expect_code(answer.error_code, ErrorCode::None, "a duplicate")?;
        ensure!(answer.base_offset == offset, "a duplicate: {} instead of {offset}", answer.base_offset);
    }
    let read = values(&client.fetch(&topic, 0)?.records.unwrap_or_default())?;
    ensure!(read.len() == 12, "{} records", read.len());
    Ok(())
}

fn a_gap_is_out_of_order(bench: &mut Bench) -> Result<()> {
    let topic = bench.topic(1)?;
    let mut client = bench.client()?;
    let id = client.producer_id()?;
    client.append(&topic, idempotent(id, 0, 0, &["a"]))?;
    for sequence in [2, 5, i32::MAX] {
        let answer = client.produce(&topic, idempotent(id, 0, sequence, &["late"]))?;
        expect_code(answer.error_code, ErrorCode::OutOfOrderSequenceNumber, &format!("{sequence}"))?;
    }
    ensure!(client.append(&topic, idempotent(id, 0, 1, &["b"]))? == 1, "the one that was missing");
    Ok(())
}

fn an_unknown_producer_may_begin_anywhere(bench: &mut Bench) -> Result<()> {
    let topic = bench.topic(1)?;
    let mut client = bench.client()?;
    let id = client.producer_id()?;
    ensure!(client.append(&topic, idempotent(id, 0, 7, &["a"]))? == 0, "sequence 7 first");
    ensure!(client.append(&topic, idempotent(id, 0, 8, &["b"]))? == 1, "then 8");
    Ok(())
}

fn an_older_epoch_is_fenced(bench: &mut Bench) -> Result<()> {
    let topic = bench.topic(1)?;
    let mut client = bench.client()?;
    let id = client.producer_id()?;
    client.append(&topic, idempotent(id, 3, 0, &["a"]))?;
    let answer = client.produce(&topic, idempotent(id, 2, 1, &["zombie"]))?;
    expect_code(answer.error_code, ErrorCode::InvalidProducerEpoch, "an older epoch")
}

fn a_new_epoch_begins_at_0(bench: &mut Bench) -> Result<()> {
    let topic = bench.topic(1)?;
    let mut client = bench.client()?;
    let id = client.producer_id()?;
    client.append(&topic, idempotent(id, 0, 0, &["a", "b"]))?;
    let answer = client.produce(&topic, idempotent(id, 1, 2, &["c"]))?;
    expect_code(answer.error_code, ErrorCode::OutOfOrderSequenceNumber, "a new epoch at 2")?;
    ensure!(client.append(&topic, idempotent(id, 1, 0, &["c"]))? == 2, "a new epoch at 0");
    Ok(())
}

fn sequences_wrap_after_2_31(bench: &mut Bench) -> Result<()> {
    let topic = bench.topic(1)?;
    let mut client = bench.client()?;
    let id = client.producer_id()?;
    client.append(&topic, idempotent(id, 0, i32::MAX - 1, &["a"]))?;
    ensure!(client.append(&topic, idempotent(id, 0, i32::MAX, &["b", "c"]))? == 1, "over the end");
    ensure!(client.append(&topic, idempotent(id, 0, 1, &["d"]))? == 3, "on from 1");
    let duplicate = client.produce(&topic, idempotent(id, 0, i32::MAX, &["b", "c"]))?;
    ensure!((duplicate.error_code, duplicate.base_offset) == (0, 1), "{duplicate:?}");
    Ok(())
}

fn five_requests_in_flight_are_admitted_in_order(bench: &mut Bench) -> Result<()> {
    let topic = bench.topic(1)?;
    let mut client = bench.client()?;
    let id = client.producer_id()?;
    for round in 0..4 {
        for at in 0..5 {
            let sequence = round * 5 + at;
            let batch = idempotent(id, 0, sequence, &[&sequence.to_string()]);
            client.send(PRODUCE, &produce(PRODUCE, &topic, -1, batch))?;
        }
        for at in 0..5 {
            let (_, answer) = client.receive::<ProduceRequest>(PRODUCE)?;
            let answer = produced(answer)?;
            ensure!((answer.error_code, answer.base_offset) == (0, i64::from(round * 5 + at)), "{answer:?}");
        }
    }
    Ok(())
}
