//! EndTxn.

use anyhow::Result;

use super::{
    ADDS_FROM, Case, EPOCHS_FROM, Talk, Writer, again, begin, close, ended, look, topic, write, writer,
};
use crate::requests::Topic;

pub(in super::super) const CASES: &[Case] = &[
    Case { name: "end-txn", versions: 0..=5, run: ends },
    Case { name: "end-txn-stale", versions: 0..=5, run: stale },
    Case { name: "end-txn-mixed", versions: 0..=5, run: mixed },
];

/// Who goes on after an end in this version.
fn next(talk: &Talk, writer: &Writer) -> Writer {
    match talk.version >= EPOCHS_FROM {
        true => writer.in_epoch(writer.producer_epoch + 1),
        false => writer.clone(),
    }
}

/// Begins a transaction as clients of this version do.
fn open(talk: &mut Talk, writer: &Writer, topic: &Topic, sequence: i32) -> Result<()> {
    if talk.version >= EPOCHS_FROM {
        return talk.quiet(ADDS_FROM, &writer.produce(ADDS_FROM, topic, 0, sequence)).map(drop);
    }
    begin(talk, writer, &[(&topic.name, &[0])])?;
    write(talk, writer, topic, 0, sequence)
}

fn ends(talk: &mut Talk) -> Result<()> {
    let topic = topic(talk, 1)?;
    for committed in [true, false] {
        let word = if committed { "commit" } else { "abort" };
        let first = writer(talk)?;
        talk.ask(&format!("{word} of nothing"), &first.end(committed))?;
        ended(talk, &first)?;
        look(talk, &format!("after the {word} of nothing"), &first)?;
        let first = again(talk, &first.transactional_id)?;
        open(talk, &first, &topic, 0)?;
        talk.ask(word, &first.end(committed))?;
        ended(talk, &first)?;
        look(talk, &format!("after {word}"), &first)?;
        talk.ask(&format!("{word} again"), &first.end(committed))?;
        talk.ask(&format!("the contrary of {word}"), &first.end(!committed))?;
        let second = next(talk, &first);
        open(talk, &second, &topic, if second.producer_epoch > first.producer_epoch { 0 } else { 1 })?;
        talk.ask(&format!("the one after {word}"), &second.end(committed))?;
        ended(talk, &second)?;
        let third = next(talk, &second);
        talk.ask(&format!("nothing after {word}"), &third.end(committed))?;
        ended(talk, &third)?;
        look(talk, &format!("after nothing after {word}"), &third)?;
        let now = next(talk, &third);
        talk.ask(&format!("the contrary of nothing after {word}"), &now.end(!committed))?;
        ended(talk, &now)?;
        look(talk, &format!("after the contrary of nothing after {word}"), &now)?;
    }
    Ok(())
}

fn stale(talk: &mut Talk) -> Result<()> {
    let topic = topic(talk, 1)?;
    let (first, other) = (writer(talk)?, writer(talk)?);
    let unknown = talk.transactional_id();
    let old = first;
    let now = again(talk, &old.transactional_id)?;
    open(talk, &now, &topic, 0)?;
    for (label, writer) in [
        ("the epoch before", old.clone()),
        ("a later epoch", now.in_epoch(now.producer_epoch + 1)),
        ("a much later epoch", now.in_epoch(now.producer_epoch + 7)),
        ("the last epoch", now.in_epoch(i16::MAX)),
        ("a negative epoch", now.in_epoch(-1)),
        ("another's id", now.with_id(other.id)),
        ("a negative id", now.with_id(-1)),
        ("an unknown transactional id", now.named(&unknown)),
        ("no transactional id", now.named("")),
    ] {
        for committed in [true, false] {
            let word = if committed { "commit" } else { "abort" };
            talk.ask(&format!("{word}: {label}"), &writer.end(committed))?;
        }
    }
    look(talk, "what is left open", &now)?;
    close(talk, &now)?;
    talk.ask("after the next has taken over", &now.end(true))?;
    talk.ask("an abort after the next has taken over", &now.end(false))?;
    close(talk, &other)
}

/// Transactions that clients of one kind begin and those of another end.
fn mixed(talk: &mut Talk) -> Result<()> {
    let topic = topic(talk, 2)?;
    let first = writer(talk)?;
    begin(talk, &first, &[(&topic.name, &[0])])?;
    write(talk, &first, &topic, 0, 0)?;
    talk.ask("begun by adding", &first.end(true))?;
    ended(talk, &first)?;
    look(talk, "begun by adding", &first)?;
    let second = again(talk, &first.transactional_id)?;
    talk.quiet(ADDS_FROM, &second.produce(ADDS_FROM, &topic, 0, 0))?;
    talk.ask("begun by writing", &second.end(true))?;
    ended(talk, &second)?;
    look(talk, "begun by writing", &second)?;
    let third = next(talk, &second);
    begin(talk, &third, &[(&topic.name, &[1])])?;
    talk.ask("begun by adding after that", &third.end(false))?;
    ended(talk, &third)?;
    look(talk, "begun by adding after that", &third)?;
    talk.ask("once more", &third.end(false))?;
    close(talk, &third)
}
