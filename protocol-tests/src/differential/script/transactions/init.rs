//! InitProducerId with a transactional id: the next producer, one that resumes, one that takes over.

use anyhow::Result;
use kafka_protocol::messages::{InitProducerIdRequest, ProducerId};

use super::{Case, Talk, Writer, again, begin, end, ended, init, look, topic, write, writer};

pub(in super::super) const CASES: &[Case] = &[
    Case { name: "init-transactional", versions: 0..=5, run: init_ids },
    Case { name: "init-transactional-resumed", versions: 3..=5, run: resumed },
    Case { name: "init-transactional-open", versions: 0..=5, run: open },
];

fn resume(writer: &Writer) -> InitProducerIdRequest {
    init(&writer.transactional_id)
        .with_producer_id(ProducerId(writer.id))
        .with_producer_epoch(writer.producer_epoch)
}

fn init_ids(talk: &mut Talk) -> Result<()> {
    let first = writer(talk)?;
    let request = init(&first.transactional_id);
    talk.ask("the second", &request)?;
    talk.ask("the third", &request)?;
    for (label, timeout_ms) in [
        ("the longest time", 900_000),
        ("a millisecond too long", 900_001),
        ("the shortest time", 1),
        ("no time", 0),
        ("less than no time", -1),
    ] {
        talk.ask(label, &request.clone().with_transaction_timeout_ms(timeout_ms))?;
        look(talk, &format!("after {label}"), &first)?;
    }
    let never = talk.transactional_id();
    talk.ask("a new id with too much time", &init(&never).with_transaction_timeout_ms(900_001))?;
    look(talk, "what that left", &first.named(&never))?;
    let long = "x".repeat(1000);
    talk.ask("a long id", &init(&long))
}

fn resumed(talk: &mut Talk) -> Result<()> {
    let first = writer(talk)?;
    let unknown = talk.transactional_id();
    for (label, writer) in [
        ("its own epoch", first.clone()),
        ("the same again", first.clone()),
        ("the epoch after", first.in_epoch(1)),
        ("that again", first.in_epoch(1)),
        ("two before", first.in_epoch(0)),
        ("an epoch that is not yet", first.in_epoch(9)),
        ("the last epoch", first.in_epoch(i16::MAX)),
        ("a negative epoch", first.in_epoch(-2)),
        ("another id", first.with_id(first.id + 1_000_000)),
        ("a negative id", first.with_id(-2)),
        ("of an unknown transactional id", first.named(&unknown)),
    ] {
        talk.ask(label, &resume(&writer))?;
        look(talk, &format!("after {label}"), &writer)?;
    }
    let half = init(&first.transactional_id);
    talk.ask("an id alone", &half.clone().with_producer_id(ProducerId(first.id)))?;
    talk.ask("an epoch alone", &half.with_producer_epoch(2))?;
    let next = again(talk, &first.transactional_id)?;
    talk.ask("after another has taken over", &resume(&first.in_epoch(next.producer_epoch - 1)))?;
    let topic = topic(talk, 1)?;
    let next = again(talk, &first.transactional_id)?;
    begin(talk, &next, &[(&topic.name, &[0])])?;
    write(talk, &next, &topic, 0, 0)?;
    talk.ask("with its transaction open", &resume(&next))?;
    ended(talk, &next)?;
    talk.ask("once it is aborted", &resume(&next))?;
    talk.ask("once more", &resume(&next))?;
    look(talk, "after all", &next)
}

fn open(talk: &mut Talk) -> Result<()> {
    let topic = topic(talk, 1)?;
    let first = writer(talk)?;
    begin(talk, &first, &[(&topic.name, &[0])])?;
    write(talk, &first, &topic, 0, 0)?;
    let request = init(&first.transactional_id);
    talk.ask("while one is open", &request)?;
    ended(talk, &first)?;
    look(talk, "once that is aborted", &first)?;
    talk.ask("after it", &request)?;
    look(talk, "after that", &first)?;
    let next = again(talk, &first.transactional_id)?;
    begin(talk, &next, &[(&topic.name, &[0])])?;
    end(talk, &next, true)?;
    talk.ask("after a commit", &request)?;
    look(talk, "after a commit", &first)
}
