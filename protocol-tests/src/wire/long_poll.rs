//! Fetches that wait.

use std::time::Duration;

use anyhow::{Result, ensure};
use kafka_protocol::messages::FetchRequest;

use super::{Bench, case_table};
use crate::batches::{batch, values};
use crate::client::PATIENCE;
use crate::requests::{FETCH, fetch, fetched};

case_table! {
    a_fetch_waits_its_time_for_nothing_and_then_is_empty,
    a_fetch_that_finds_something_does_not_wait,
    a_waiting_fetch_wakes_for_records,
    a_fetch_waits_for_min_bytes,
    an_error_does_not_wait,
}

/// Longer than any answer may take.
const LONG_MS: i32 = 60_000;

fn a_fetch_waits_its_time_for_nothing_and_then_is_empty(bench: &mut Bench) -> Result<()> {
    let topic = bench.topic(1)?;
    let mut client = bench.client()?;
    let start = bench.now();
    let answer = fetched(client.ask(FETCH, &fetch(FETCH, &topic, 0).with_max_wait_ms(200))?)?;
    let waited = bench.now() - start;
    ensure!(answer.error_code == 0 && answer.records.unwrap_or_default().is_empty(), "not empty");
    ensure!(Duration::from_millis(190) < waited && waited < PATIENCE / 2, "it waited {waited:?}");
    let start = bench.now();
    client.ask(FETCH, &fetch(FETCH, &topic, 0).with_min_bytes(0).with_max_wait_ms(LONG_MS))?;
    ensure!(bench.now() - start < PATIENCE / 2, "no bytes are wanted, and yet it waited");
    Ok(())
}

fn a_fetch_that_finds_something_does_not_wait(bench: &mut Bench) -> Result<()> {
    let topic = bench.topic(1)?;
    let mut client = bench.client()?;
    client.append(&topic, batch(&["there"]))?;
    let answer = fetched(client.ask(FETCH, &fetch(FETCH, &topic, 0).with_max_wait_ms(LONG_MS))?)?;
    ensure!(values(&answer.records.unwrap_or_default())?.len() == 1, "what is there comes at once");
    Ok(())
}

fn a_waiting_fetch_wakes_for_records(bench: &mut Bench) -> Result<()> {
    let topic = bench.topic(1)?;
    let (mut consumer, mut producer) = (bench.client()?, bench.client()?);
    for offset in 0..3 {
        consumer.send(FETCH, &fetch(FETCH, &topic, offset).with_max_wait_ms(LONG_MS))?;
        producer.append(&topic, batch(&["news"]))?;
        let (_, answer) = consumer.receive::<FetchRequest>(FETCH)?;
        let read = values(&fetched(answer)?.records.unwrap_or_default())?;
        ensure!(read == [(offset, "news".to_owned())], "{read:?}");
    }
    Ok(())
}

fn a_fetch_waits_for_min_bytes(bench: &mut Bench) -> Result<()> {
    let topic = bench.topic(1)?;
    let (mut consumer, mut producer) = (bench.client()?, bench.client()?);
    let one = batch(&["0123456789"]);
    let enough = i32::try_from(3 * one.len())?;
    let request = fetch(FETCH, &topic, 0).with_min_bytes(enough).with_max_wait_ms(LONG_MS);
    consumer.send(FETCH, &request)?;
    for _ in 0..3 {
        producer.append(&topic, one.clone())?;
    }
    let (_, answer) = consumer.receive::<FetchRequest>(FETCH)?;
    let read = values(&fetched(answer)?.records.unwrap_or_default())?;
    ensure!(read.len() == 3, "{read:?}");
    Ok(())
}

fn an_error_does_not_wait(bench: &mut Bench) -> Result<()> {
    let topic = bench.topic(1)?;
    let mut client = bench.client()?;
    let answer = fetched(client.ask(FETCH, &fetch(FETCH, &topic, 99).with_max_wait_ms(LONG_MS))?)?;
    ensure!(answer.error_code != 0, "offset 99 of an empty partition");
    Ok(())
}
