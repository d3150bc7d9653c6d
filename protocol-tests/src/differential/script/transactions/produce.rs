//! Produce in transactions: what was added, what was not, what is late.

use anyhow::Result;
use kafka_protocol::messages::TransactionalId;

use super::admin::describe_producers;
use super::{ADDS_FROM, Case, Talk, Writer, again, begin, close, end, ending, topic, writer};
use crate::batches::{batch, idempotent};
use crate::client::text;
use crate::requests::{FETCH, Topic, fetch, produce};

pub(in super::super) const CASES: &[Case] = &[
    Case { name: "produce-transactional", versions: 3..=13, run: writes },
    Case { name: "produce-transactional-wrong", versions: 3..=13, run: wrong },
    Case { name: "produce-transactional-late", versions: 3..=13, run: late },
    Case { name: "produce-transactional-renumbered", versions: 3..=11, run: renumbered },
];

/// Adds a partition where a client of this version would.
fn add(talk: &mut Talk, writer: &Writer, topic: &Topic, partitions: &[i32]) -> Result<()> {
    if talk.version >= ADDS_FROM {
        return Ok(());
    }
    begin(talk, writer, &[(&topic.name, partitions)])
}

/// What a partition has, and its producers.
fn state(talk: &mut Talk, label: &str, topic: &Topic) -> Result<()> {
    let version = talk.version;
    let request = describe_producers(&[(&topic.name, &[0, 1, 2])]);
    talk.ask_in(0, &format!("v{version}, {label}: the producers"), &request)?;
    let read = talk.quiet(FETCH, &fetch(FETCH, topic, 0))?;
    talk.records(&format!("{label}: what was written"), read)
}

fn writes(talk: &mut Talk) -> Result<()> {
    let version = talk.version;
    let topic = topic(talk, 3)?;
    let first = writer(talk)?;
    talk.ask("nothing was added", &first.produce(version, &topic, 0, 0))?;
    add(talk, &first, &topic, &[0, 1])?;
    let begins_at = i32::from(version >= ADDS_FROM);
    talk.ask("the first", &first.produce(version, &topic, 0, begins_at))?;
    talk.ask("the second", &first.produce(version, &topic, 0, begins_at + 1))?;
    talk.ask("the second again", &first.produce(version, &topic, 0, begins_at + 1))?;
    talk.ask("a gap", &first.produce(version, &topic, 0, begins_at + 5))?;
    let two = |first: &Writer, other, sequence| {
        let batches =
            vec![(1, Some(first.batch(0, &["a", "b"]))), (other, Some(first.batch(sequence, &["c"])))];
        first.produce_of(version, &topic, batches)
    };
    talk.ask("two partitions, one of which was not added", &two(&first, 2, 0))?;
    talk.ask("two partitions", &two(&first, 0, begins_at + 2))?;
    state(talk, "with a transaction open", &topic)?;
    let second = ending(talk, &first, true, ADDS_FROM)?;
    state(talk, "after a commit", &topic)?;
    let goes_on_at = if second.producer_epoch > first.producer_epoch { 0 } else { begins_at + 3 };
    talk.ask("after a commit, without adding", &second.produce(version, &topic, 0, goes_on_at))?;
    let third = ending_if_open(talk, second)?;
    add(talk, &third, &topic, &[0])?;
    let goes_on_at = if version >= ADDS_FROM { 0 } else { goes_on_at };
    talk.ask("in the next transaction", &third.produce(version, &topic, 0, goes_on_at))?;
    let fourth = ending(talk, &third, false, ADDS_FROM)?;
    state(talk, "after an abort", &topic)?;
    add(talk, &fourth, &topic, &[1])?;
    talk.ask(
        "without adding, in a transaction elsewhere",
        &fourth.produce(version, &topic, 0, goes_on_at + 1),
    )?;
    close(talk, &fourth)
}

/// Clients of version 2 have just begun one.
fn ending_if_open(talk: &mut Talk, writer: Writer) -> Result<Writer> {
    if talk.version >= ADDS_FROM { ending(talk, &writer, true, ADDS_FROM) } else { Ok(writer) }
}

fn wrong(talk: &mut Talk) -> Result<()> {
    let version = talk.version;
    let topic = topic(talk, 3)?;
    let (first, other) = (writer(talk)?, writer(talk)?);
    let unknown = talk.transactional_id();
    begin(talk, &first, &[(&topic.name, &[0, 1])])?;
    for (label, writer) in [
        ("a later epoch", first.in_epoch(1)),
        ("the last epoch", first.in_epoch(i16::MAX)),
        ("a negative epoch", first.in_epoch(-1)),
        ("another's id", first.with_id(other.id)),
        ("an id that nobody was given", first.with_id(987_654_321)),
        ("a negative id", first.with_id(-1)),
        ("an unknown transactional id", first.named(&unknown)),
        ("another's transactional id", first.named(&other.transactional_id)),
        ("an empty transactional id", first.named("")),
    ] {
        talk.ask(&format!("before the first write: {label}"), &writer.produce(version, &topic, 0, 0))?;
    }
    let bare = first.produce(version, &topic, 0, 0).with_transactional_id(None);
    talk.ask("before the first write: no transactional id", &bare)?;
    talk.ask("not from 0", &first.produce(version, &topic, 1, 3))?;
    let id = Some(TransactionalId(text(&first.transactional_id)));
    let plain = produce(version, &topic, -1, batch(&["a"])).with_transactional_id(id.clone());
    talk.ask("a plain batch", &plain)?;
    let batch = idempotent(first.id, first.producer_epoch, 0, &["a"]);
    let not_transactional = produce(version, &topic, -1, batch).with_transactional_id(id.clone());
    talk.ask("a batch that is not transactional", &not_transactional)?;
    talk.ask("the first", &first.produce(version, &topic, 0, 1))?;
    for (label, writer) in [
        ("a later epoch", first.in_epoch(1)),
        ("a negative epoch", first.in_epoch(-1)),
        ("another's id", first.with_id(other.id)),
        ("an unknown transactional id", first.named(&unknown)),
        ("an empty transactional id", first.named("")),
    ] {
        talk.ask(&format!("with it open: {label}"), &writer.produce(version, &topic, 0, 2))?;
    }
    let batch = idempotent(first.id, first.producer_epoch, 3, &["a"]);
    let not_transactional = produce(version, &topic, -1, batch).with_transactional_id(id);
    talk.ask("with it open: a batch that is not transactional", &not_transactional)?;
    state(talk, "what came of it", &topic)?;
    close(talk, &first)?;
    close(talk, &other)
}

/// What comes when the next producer has taken over.
fn late(talk: &mut Talk) -> Result<()> {
    let version = talk.version;
    let topic = topic(talk, 3)?;
    let first = writer(talk)?;
    add(talk, &first, &topic, &[0, 1])?;
    talk.ask("the first", &first.produce(version, &topic, 0, 0))?;
    let second = again(talk, &first.transactional_id)?;
    talk.ask("late, after its transaction was aborted", &first.produce(version, &topic, 0, 1))?;
    talk.ask("late, where it had not yet written", &first.produce(version, &topic, 1, 0))?;
    talk.ask("the next, without adding", &second.produce(version, &topic, 0, 0))?;
    add(talk, &second, &topic, &[0])?;
    talk.ask("the next", &second.produce(version, &topic, 0, i32::from(version >= ADDS_FROM)))?;
    talk.ask("late, with the next open", &first.produce(version, &topic, 0, 1))?;
    let third = ending(talk, &second, true, ADDS_FROM)?;
    talk.ask("after a commit, in the epoch before", &second.produce(version, &topic, 0, 2))?;
    talk.ask("elsewhere, in the epoch before", &second.produce(version, &topic, 2, 0))?;
    state(talk, "what came of it", &topic)?;
    close(talk, &third)
}

/// New records under the numbers of a batch that was aborted, as clients send them that take their numbers
/// back (ADR 36). Epochs of version 2 leave no such number.
fn renumbered(talk: &mut Talk) -> Result<()> {
    let version = talk.version;
    let topic = topic(talk, 3)?;
    let writer = writer(talk)?;
    begin(talk, &writer, &[(&topic.name, &[0])])?;
    talk.ask("what is aborted", &writer.produce(version, &topic, 0, 0))?;
    end(talk, &writer, false)?;
    begin(talk, &writer, &[(&topic.name, &[0])])?;
    talk.ask("the number that is due", &writer.produce(version, &topic, 0, 1))?;
    talk.ask("the same once more", &writer.produce(version, &topic, 0, 1))?;
    talk.ask("an aborted number inside the next", &writer.produce(version, &topic, 0, 0))?;
    end(talk, &writer, true)?;
    talk.ask("an aborted number, with nothing open", &writer.produce(version, &topic, 0, 0))?;
    begin(talk, &writer, &[(&topic.name, &[0])])?;
    talk.ask("an aborted number first", &writer.produce(version, &topic, 0, 0))?;
    end(talk, &writer, true)?;
    state(talk, "what came of it", &topic)?;
    close(talk, &writer)
}
