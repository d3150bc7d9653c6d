//! AddPartitionsToTxn, AddOffsetsToTxn.

use anyhow::Result;
use kafka_protocol::messages::AddPartitionsToTxnRequest;
use kafka_protocol::messages::add_partitions_to_txn_request::AddPartitionsToTxnTransaction;

use super::{Case, Talk, begin, close, end, groups, look, topic, writer};

pub(in super::super) const CASES: &[Case] = &[
    Case { name: "add-partitions", versions: 0..=5, run: add },
    Case { name: "add-partitions-batched", versions: 4..=5, run: batched },
    Case { name: "add-offsets", versions: 0..=4, run: add_offsets },
];

fn add(talk: &mut Talk) -> Result<()> {
    let version = talk.version;
    let (topic, other) = (topic(talk, 3)?.name, topic(talk, 1)?.name);
    let absent = talk.name()?;
    let (first, open) = (writer(talk)?, writer(talk)?);
    let unknown = talk.transactional_id();
    for (label, topics) in [
        ("no topics", &[][..]),
        ("no partitions", &[(topic.as_str(), &[][..])]),
        ("one", &[(&topic, &[0])]),
        ("the same again", &[(&topic, &[0])]),
        ("one that is in it and one that is not", &[(&topic, &[0, 1])]),
        ("a partition twice", &[(&topic, &[2, 2])]),
        ("a topic twice", &[(&topic, &[0]), (&topic, &[2])]),
        ("two topics", &[(&other, &[0]), (&topic, &[1])]),
        ("an absent partition", &[(&topic, &[0, 9])]),
        ("a negative partition", &[(&topic, &[-1])]),
        ("an absent topic", &[(&absent, &[0]), (&topic, &[1])]),
        ("an odd name", &[("a/b", &[0])]),
        ("no name", &[("", &[0])]),
    ] {
        talk.ask(label, &first.add(version, topics))?;
    }
    look(talk, "what it has", &first)?;
    let one: &[(&str, &[i32])] = &[(&topic, &[0])];
    for (label, writer) in [
        ("a later epoch", first.in_epoch(1)),
        ("the last epoch", first.in_epoch(i16::MAX)),
        ("a negative epoch", first.in_epoch(-1)),
        ("another's id", first.with_id(open.id)),
        ("a negative id", first.with_id(-1)),
        ("an unknown transactional id", first.named(&unknown)),
        ("no transactional id", first.named("")),
    ] {
        talk.ask(label, &writer.add(version, one))?;
    }
    end(talk, &first, true)?;
    talk.ask("after a commit", &first.add(version, one))?;
    look(talk, "after a commit", &first)?;
    close(talk, &first)?;
    talk.ask("an epoch that is over", &first.add(version, one))?;
    close(talk, &open)
}

fn batched(talk: &mut Talk) -> Result<()> {
    let topic = topic(talk, 3)?.name;
    let (first, second, idle) = (writer(talk)?, writer(talk)?, writer(talk)?);
    let unknown = talk.transactional_id();
    begin(talk, &first, &[(&topic, &[0])])?;
    let of = |parts: &[AddPartitionsToTxnTransaction]| {
        AddPartitionsToTxnRequest::default().with_transactions(parts.to_vec())
    };
    let verify = |part: AddPartitionsToTxnTransaction| part.with_verify_only(true);
    let one: &[(&str, &[i32])] = &[(&topic, &[0])];
    for (label, parts) in [
        ("two transactions", vec![first.part(&[(&topic, &[0])]), second.part(&[(&topic, &[1])])]),
        ("one of two fenced", vec![first.in_epoch(7).part(one), second.part(one)]),
        ("the same twice", vec![second.part(&[(&topic, &[1])]), second.part(&[(&topic, &[2])])]),
        ("a look at what is there", vec![verify(first.part(one))]),
        ("a look at what is not there", vec![verify(first.part(&[(&topic, &[0, 1])]))]),
        ("a look at an absent partition", vec![verify(first.part(&[(&topic, &[0, 9])]))]),
        ("a look at nothing", vec![verify(first.part(&[]))]),
        ("a look before there is a transaction", vec![verify(idle.part(one))]),
        ("a look by a later epoch", vec![verify(first.in_epoch(7).part(one))]),
        ("a look by a negative epoch", vec![verify(first.in_epoch(-1).part(one))]),
        ("a look by another's id", vec![verify(first.with_id(second.id).part(one))]),
        ("a look under an unknown id", vec![verify(first.named(&unknown).part(one))]),
        ("a look under no id", vec![verify(first.named("").part(one))]),
        ("a look and an addition", vec![verify(first.part(one)), idle.part(&[(&topic, &[1])])]),
        ("a look at what was just added", vec![verify(idle.part(&[(&topic, &[0, 1, 2])]))]),
    ] {
        talk.ask(label, &of(&parts))?;
    }
    for writer in [&first, &second, &idle] {
        look(talk, &format!("what {} has", writer.transactional_id), writer)?;
    }
    end(talk, &first, false)?;
    talk.ask("a look after an abort", &of(&[verify(first.part(one))]))?;
    close(talk, &first)?;
    talk.ask("a look by an epoch that is over", &of(&[verify(first.part(one))]))?;
    close(talk, &second)?;
    close(talk, &idle)
}

fn add_offsets(talk: &mut Talk) -> Result<()> {
    let (first, open) = (writer(talk)?, writer(talk)?);
    let unknown = talk.transactional_id();
    let (group, other) = (groups::group(talk)?, groups::group(talk)?);
    for (label, request) in [
        ("a group", first.add_offsets(&group)),
        ("the same again", first.add_offsets(&group)),
        ("another group", first.add_offsets(&other)),
        ("no group", first.add_offsets("")),
        ("a later epoch", first.in_epoch(1).add_offsets(&group)),
        ("the last epoch", first.in_epoch(i16::MAX).add_offsets(&group)),
        ("a negative epoch", first.in_epoch(-1).add_offsets(&group)),
        ("another's id", first.with_id(open.id).add_offsets(&group)),
        ("a negative id", first.with_id(-1).add_offsets(&group)),
        ("an unknown transactional id", first.named(&unknown).add_offsets(&group)),
        ("no transactional id", first.named("").add_offsets(&group)),
    ] {
        talk.ask(label, &request)?;
    }
    end(talk, &first, true)?;
    talk.ask("after a commit", &first.add_offsets(&group))?;
    close(talk, &first)?;
    talk.ask("an epoch that is over", &first.add_offsets(&group))?;
    close(talk, &open)
}
