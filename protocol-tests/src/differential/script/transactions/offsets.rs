//! TxnOffsetCommit, and OffsetFetch of offsets that are not yet decided.

use anyhow::Result;
use kafka_protocol::messages::txn_offset_commit_request::{
    TxnOffsetCommitRequestPartition, TxnOffsetCommitRequestTopic,
};
use kafka_protocol::messages::{OffsetFetchRequest, ProducerId, TxnOffsetCommitRequest};

use super::groups::offsets::{commit, fetch};
use super::{ADD_OFFSETS, Case, Talk, Writer, again, close, end, ending, groups, topic, wire_id, writer};
use crate::client::text;
use crate::requests::name;

pub(in super::super) const CASES: &[Case] = &[
    Case { name: "txn-offset-commit", versions: 0..=5, run: commits },
    Case { name: "txn-offset-commit-wrong", versions: 0..=5, run: wrong },
    Case { name: "txn-offset-commit-members", versions: 3..=5, run: members },
    Case { name: "offset-fetch-pending", versions: 1..=9, run: pending },
];

/// From this version on, TxnOffsetCommit adds the group's partition by itself.
const ADDS_FROM: i16 = 5;
/// The version of commits that only prepare something, and of looks.
const COMMIT: i16 = 3;
const FETCH: i16 = 8;
/// From this version on, OffsetFetch can ask for what is decided only.
const STABLE_FROM: i16 = 7;

type Offsets<'a> = &'a [(&'a str, &'a [(i32, i64)])];

fn txn_commit(version: i16, writer: &Writer, group: &str, topics: Offsets) -> TxnOffsetCommitRequest {
    let partition = |(partition, offset): &(i32, i64)| {
        let committed = TxnOffsetCommitRequestPartition::default()
            .with_partition_index(*partition)
            .with_committed_offset(*offset)
            .with_committed_metadata(Some(text("some text")));
        if version >= 2 { committed.with_committed_leader_epoch(3) } else { committed }
    };
    let topic = |(topic, partitions): &(&str, &[(i32, i64)])| {
        TxnOffsetCommitRequestTopic::default()
            .with_name(name(topic))
            .with_partitions(partitions.iter().map(partition).collect())
    };
    TxnOffsetCommitRequest::default()
        .with_transactional_id(wire_id(&writer.transactional_id))
        .with_group_id(groups::group_id(group))
        .with_producer_id(ProducerId(writer.id))
        .with_producer_epoch(writer.producer_epoch)
        .with_topics(topics.iter().map(topic).collect())
}

/// Adds a group's partition where a client of this version would.
fn add(talk: &mut Talk, writer: &Writer, group: &str) -> Result<()> {
    if talk.version < ADDS_FROM {
        talk.quiet(ADD_OFFSETS, &writer.add_offsets(group))?;
    }
    Ok(())
}

/// What a group has, decided or not, written down under the case's own version.
fn state(talk: &mut Talk, label: &str, group: &str) -> Result<()> {
    let version = talk.version;
    let all = fetch(FETCH, group, None);
    talk.ask_in(FETCH, &format!("v{version}, {label}: all"), &all)?;
    talk.ask_in(FETCH, &format!("v{version}, {label}: what is stable"), &all.with_require_stable(true))
}

fn commits(talk: &mut Talk) -> Result<()> {
    let version = talk.version;
    let (topic, other) = (topic(talk, 3)?.name, topic(talk, 1)?.name);
    let absent = talk.name()?;
    let first = writer(talk)?;
    let group = groups::group(talk)?;
    let of = |topics: Offsets| txn_commit(version, &first, &group, topics);
    talk.ask("nothing was added", &of(&[(&topic, &[(0, 1)])]))?;
    add(talk, &first, &group)?;
    for (label, request) in [
        ("two partitions", of(&[(&topic, &[(0, 5), (1, 6)])])),
        ("the same once more", of(&[(&topic, &[(0, 5), (1, 6)])])),
        ("two topics", of(&[(&topic, &[(0, 7)]), (&other, &[(0, 8)])])),
        ("no topics", of(&[])),
        ("no partitions", of(&[(&topic, &[])])),
        ("an absent topic", of(&[(&absent, &[(0, 1)])])),
        ("an absent topic and one that there is", of(&[(&absent, &[(0, 1)]), (&topic, &[(0, 3)])])),
        ("an absent partition", of(&[(&topic, &[(0, 4), (7, 1)])])),
        ("a negative partition", of(&[(&topic, &[(-1, 1)])])),
        ("a partition twice", of(&[(&topic, &[(1, 8), (1, 9)])])),
        ("a topic twice", of(&[(&topic, &[(0, 8)]), (&topic, &[(1, 9)])])),
        ("a topic twice, and one of its partitions absent", of(&[(&topic, &[(0, 8)]), (&topic, &[(9, 9)])])),
        ("an odd name", of(&[("a/b", &[(0, 1)])])),
        ("a negative offset", of(&[(&topic, &[(2, -1)])])),
    ] {
        talk.ask(label, &request)?;
    }
    for (label, length) in [("a long text", 4096), ("a text too long", 4097)] {
        let mut request = of(&[(&other, &[(0, 1)]), (&topic, &[(0, 2)])]);
        request.topics[0].partitions[0].committed_metadata = Some(text(&"x".repeat(length)));
        talk.ask(label, &request)?;
    }
    let mut request = of(&[(&other, &[(0, 1)])]);
    request.topics[0].partitions[0].committed_metadata = None;
    talk.ask("no text", &request)?;
    state(talk, "before the end", &group)?;
    let second = ending(talk, &first, true, ADDS_FROM)?;
    state(talk, "after a commit", &group)?;
    let next = txn_commit(version, &second, &group, &[(&topic, &[(0, 100), (2, 101)])]);
    talk.ask("after a commit, without adding", &next)?;
    add(talk, &second, &group)?;
    talk.ask("in the next transaction", &next)?;
    state(talk, "with the next one open", &group)?;
    let third = ending(talk, &second, false, ADDS_FROM)?;
    state(talk, "after an abort", &group)?;
    close(talk, &third)
}

fn wrong(talk: &mut Talk) -> Result<()> {
    let version = talk.version;
    let topic = topic(talk, 1)?.name;
    let (first, other) = (writer(talk)?, writer(talk)?);
    let unknown = talk.transactional_id();
    let (group, another) = (groups::group(talk)?, groups::group(talk)?);
    add(talk, &first, &group)?;
    let one: Offsets = &[(&topic, &[(0, 1)])];
    let wrong = [
        ("a later epoch", first.in_epoch(1)),
        ("the last epoch", first.in_epoch(i16::MAX)),
        ("a negative epoch", first.in_epoch(-1)),
        ("another's id", first.with_id(other.id)),
        ("a negative id", first.with_id(-1)),
        ("an unknown transactional id", first.named(&unknown)),
        ("another's transactional id", first.named(&other.transactional_id)),
        ("no transactional id", first.named("")),
    ];
    for (label, writer) in &wrong {
        talk.ask(&format!("before the first: {label}"), &txn_commit(version, writer, &group, one))?;
    }
    talk.ask("no group", &txn_commit(version, &first, "", one))?;
    talk.ask("the first", &txn_commit(version, &first, &group, one))?;
    for (label, writer) in &wrong {
        talk.ask(&format!("with it open: {label}"), &txn_commit(version, writer, &group, one))?;
    }
    if version < ADDS_FROM {
        talk.ask("a group that was not added", &txn_commit(version, &first, &another, one))?;
    }
    let second = again(talk, &first.transactional_id)?;
    talk.ask("an epoch that is over", &txn_commit(version, &first, &group, one))?;
    talk.ask("the next, without adding", &txn_commit(version, &second, &group, one))?;
    close(talk, &second)?;
    close(talk, &other)?;
    state(talk, "what came of it", &group)
}

fn members(talk: &mut Talk) -> Result<()> {
    let version = talk.version;
    let topic = topic(talk, 1)?.name;
    let first = writer(talk)?;
    let (group, absent) = (groups::group(talk)?, groups::group(talk)?);
    let member = groups::alone(talk, &group)?;
    add(talk, &first, &group)?;
    add(talk, &first, &absent)?;
    let of = |group: &str, id: &str, generation| {
        txn_commit(version, &first, group, &[(&topic, &[(0, i64::from(generation) + 10)])])
            .with_member_id(text(id))
            .with_generation_id(generation)
    };
    for (label, group, id, generation) in [
        ("a member", &group, member.id.as_str(), 1),
        ("an older generation", &group, &member.id, 0),
        ("a later generation", &group, &member.id, 2),
        ("no generation", &group, &member.id, -1),
        ("an unknown member", &group, "absent", 1),
        ("no member", &group, "", 1),
        ("neither", &group, "", -1),
        ("a generation below none", &group, "", -2),
        ("a member of an absent group", &absent, "absent", 1),
        ("a generation of an absent group", &absent, "", 1),
        ("neither, of an absent group", &absent, "", -1),
    ] {
        talk.ask(label, &of(group, id, generation))?;
    }
    let instance = of(&group, &member.id, 1).with_group_instance_id(Some(text("absent")));
    talk.ask("an unknown instance", &instance)?;
    state(talk, "before the end", &group)?;
    groups::leave(talk, &[&member])?;
    talk.ask("a member that has left", &of(&group, &member.id, member.generation))?;
    talk.ask("nobody, in an empty group", &of(&group, "", -1))?;
    close(talk, &first)?;
    state(talk, "after an abort", &group)
}

fn pending(talk: &mut Talk) -> Result<()> {
    let version = talk.version;
    let topic = topic(talk, 3)?.name;
    let (first, second) = (writer(talk)?, writer(talk)?);
    let (group, fresh) = (groups::group(talk)?, groups::group(talk)?);
    talk.quiet(6, &commit(6, &group, &[(&topic, &[(0, 1), (1, 2)])]))?;
    for (writer, group, at) in [(&first, &group, 0), (&first, &fresh, 0), (&second, &group, 2)] {
        talk.quiet(ADD_OFFSETS, &writer.add_offsets(group))?;
        talk.quiet(COMMIT, &txn_commit(COMMIT, writer, group, &[(&topic, &[(at, 50)])]))?;
    }
    let looks = |talk: &mut Talk, when: &str| -> Result<()> {
        for (label, group, wanted) in [
            ("what is pending", &group, Some(&[(topic.as_str(), &[0][..])][..])),
            ("what is not", &group, Some(&[(&topic, &[1])])),
            ("both", &group, Some(&[(&topic, &[0, 1, 2])])),
            ("of a group that has nothing else", &fresh, Some(&[(&topic, &[0, 1])])),
            ("all", &group, None),
            ("all of a group that has nothing else", &fresh, None),
        ] {
            if wanted.is_none() && version < 2 {
                continue;
            }
            let request: OffsetFetchRequest = fetch(version, group, wanted);
            talk.ask(&format!("{when}: {label}"), &request)?;
            if version >= STABLE_FROM {
                let stable = request.with_require_stable(true);
                talk.ask(&format!("{when}: {label}, stable"), &stable)?;
            }
        }
        Ok(())
    };
    looks(talk, "while open")?;
    end(talk, &first, true)?;
    looks(talk, "after a commit")?;
    close(talk, &second)?;
    looks(talk, "after an abort")
}
