//! Transactions: producers as the script needs them, made quietly.

use anyhow::{Result, ensure};

use super::groups;
use super::{Case, Talk};
use crate::requests::Topic;
use crate::transactions::{Writer, describe, init, wire_id};

pub(super) mod admin;
pub(super) mod end;
pub(super) mod frames;
pub(super) mod init;
pub(super) mod markers;
pub(super) mod offsets;
pub(super) mod partitions;
pub(super) mod produce;
pub(super) mod reading;

/// Versions for calls whose version does not matter. These of clients that keep their epoch.
const INIT: i16 = 4;
const ADD: i16 = 3;
const ADD_OFFSETS: i16 = 3;
const END: i16 = 3;
const PRODUCE: i16 = 11;
const DESCRIBE: i16 = 0;
/// From this version on, EndTxn raises the epoch.
const EPOCHS_FROM: i16 = 5;
/// From this version on, Produce adds partitions by itself.
const ADDS_FROM: i16 = 12;

/// Codes that pass: a coordinator that loads, is unknown, or is still ending a transaction.
const PASSING: &[i16] = &[14, 15, 16, 51];

/// A new topic whose markers, which are of today, go to the segment of records, which are not.
fn topic(talk: &mut Talk, partitions: i32) -> Result<Topic> {
    talk.topic(partitions, &[("segment.ms", &i64::MAX.to_string())])
}

/// A new transactional id with its first producer.
fn writer(talk: &mut Talk) -> Result<Writer> {
    let id = talk.transactional_id();
    again(talk, &id)
}

/// The next producer of a transactional id, once whatever it left open is ended.
fn again(talk: &mut Talk, transactional_id: &str) -> Result<Writer> {
    let request = init(transactional_id);
    let answer = talk.bench.until("a transactional producer", |client| {
        let answer = client.ask(INIT, &request)?;
        Ok((!PASSING.contains(&answer.error_code)).then_some(answer))
    })?;
    ensure!(answer.error_code == 0, "InitProducerId is answered with {}", answer.error_code);
    let id = answer.producer_id.0;
    talk.know_producer(id);
    Ok(Writer { transactional_id: transactional_id.to_owned(), id, producer_epoch: answer.producer_epoch })
}

/// Takes partitions into a transaction.
fn begin(talk: &mut Talk, writer: &Writer, topics: &[(&str, &[i32])]) -> Result<()> {
    let answer = talk.quiet(ADD, &writer.add(ADD, topics))?;
    let topics = &answer.results_by_topic_v3_and_below;
    let codes = topics.iter().flat_map(|topic| &topic.results_by_partition);
    let refused = codes.map(|partition| partition.partition_error_code).find(|code| *code != 0);
    ensure!(refused.is_none(), "AddPartitionsToTxn is answered with {refused:?}");
    Ok(())
}

/// Writes one record quietly; it must be taken.
fn write(talk: &mut Talk, writer: &Writer, topic: &Topic, partition: i32, sequence: i32) -> Result<()> {
    let answer = talk.quiet(PRODUCE, &writer.produce(PRODUCE, topic, partition, sequence))?;
    let partitions = answer.responses.iter().flat_map(|topic| &topic.partition_responses);
    let code = partitions.map(|partition| partition.error_code).sum::<i16>();
    ensure!(code == 0, "Produce is answered with {code}");
    Ok(())
}

/// Ends a transaction quietly, and waits until all of it is ended.
fn end(talk: &mut Talk, writer: &Writer, committed: bool) -> Result<()> {
    let answer = talk.quiet(END, &writer.end(committed))?;
    ensure!(answer.error_code == 0, "EndTxn is answered with {}", answer.error_code);
    ended(talk, writer)
}

/// Ends a transaction as clients do whose calls add partitions by themselves from version `adds_from` on; who
/// goes on.
fn ending(talk: &mut Talk, writer: &Writer, committed: bool, adds_from: i16) -> Result<Writer> {
    if talk.version < adds_from {
        end(talk, writer, committed)?;
        return Ok(writer.clone());
    }
    talk.quiet(EPOCHS_FROM, &writer.end(committed))?;
    ended(talk, writer)?;
    Ok(writer.in_epoch(writer.producer_epoch + 1))
}

/// Waits until a transaction that is decided is ended everywhere.
fn ended(talk: &mut Talk, writer: &Writer) -> Result<()> {
    let request = describe(&[&writer.transactional_id]);
    talk.bench.until("the end of a transaction", |client| {
        let answer = client.ask(DESCRIBE, &request)?;
        let is_ending = |state: &str| state.starts_with("Prepare");
        let ending = answer.transaction_states.iter().any(|state| is_ending(&state.transaction_state));
        Ok((!ending).then_some(()))
    })
}

/// Leaves nothing open under this transactional id.
fn close(talk: &mut Talk, writer: &Writer) -> Result<()> {
    again(talk, &writer.transactional_id).map(drop)
}

/// Writes down where a transaction stands; labels name the version of the case, as this call has its own.
fn look(talk: &mut Talk, label: &str, writer: &Writer) -> Result<()> {
    let label = format!("v{}, {label}", talk.version);
    talk.ask_in(DESCRIBE, &label, &describe(&[&writer.transactional_id]))
}
