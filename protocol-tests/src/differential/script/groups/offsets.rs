//! OffsetCommit, OffsetFetch, OffsetDelete.

use anyhow::Result;
use kafka_protocol::messages::offset_commit_request::{
    OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};
use kafka_protocol::messages::offset_delete_request::{
    OffsetDeleteRequestPartition, OffsetDeleteRequestTopic,
};
use kafka_protocol::messages::offset_fetch_request::{
    OffsetFetchRequestGroup, OffsetFetchRequestTopic, OffsetFetchRequestTopics,
};
use kafka_protocol::messages::{OffsetCommitRequest, OffsetDeleteRequest, OffsetFetchRequest};

use super::{Case, JOIN, Member, Talk, alone, group, group_id, join, joined, leave, with_another};
use crate::client::text;
use crate::requests::name;

pub(in super::super) const CASES: &[Case] = &[
    Case { name: "offset-commit", versions: 2..=9, run: commits },
    Case { name: "offset-commit-members", versions: 2..=9, run: commits_of_members },
    Case { name: "offset-fetch", versions: 1..=9, run: fetches },
    Case { name: "offset-fetch-groups", versions: 8..=9, run: fetches_of_groups },
    Case { name: "offset-delete", versions: 0..=0, run: deletions },
];

/// The version of commits that only prepare something.
const COMMIT: i16 = 6;
/// From this version on, OffsetFetch asks for several groups.
const GROUPS_FROM: i16 = 8;

type Offsets<'a> = &'a [(&'a str, &'a [(i32, i64)])];

pub(in super::super) fn commit(version: i16, group: &str, topics: Offsets) -> OffsetCommitRequest {
    let partition = |(partition, offset): &(i32, i64)| {
        let committed = OffsetCommitRequestPartition::default()
            .with_partition_index(*partition)
            .with_committed_offset(*offset)
            .with_committed_metadata(Some(text("some text")));
        if version >= 6 { committed.with_committed_leader_epoch(3) } else { committed }
    };
    let topic = |(topic, partitions): &(&str, &[(i32, i64)])| {
        OffsetCommitRequestTopic::default()
            .with_name(name(topic))
            .with_partitions(partitions.iter().map(partition).collect())
    };
    OffsetCommitRequest::default()
        .with_group_id(group_id(group))
        .with_topics(topics.iter().map(topic).collect())
}

fn commits(talk: &mut Talk) -> Result<()> {
    let version = talk.version;
    let (topic, absent) = (talk.topic(2, &[])?.name, talk.name()?);
    let name = group(talk)?;
    let of = |topics: Offsets| commit(version, &name, topics);
    for (label, request) in [
        ("two partitions", of(&[(&topic, &[(0, 5), (1, 6)])])),
        ("back", of(&[(&topic, &[(0, 2)])])),
        ("no topics", of(&[])),
        ("no partitions", of(&[(&topic, &[])])),
        ("an absent topic", of(&[(&absent, &[(0, 1)]), (&topic, &[(0, 3)])])),
        ("an absent partition", of(&[(&topic, &[(0, 4), (7, 1)])])),
        ("a negative partition", of(&[(&topic, &[(-1, 1)])])),
        ("a partition twice", of(&[(&topic, &[(1, 8), (1, 9)])])),
        ("a topic twice", of(&[(&topic, &[(0, 8)]), (&topic, &[(1, 9)])])),
        ("a negative offset", of(&[(&topic, &[(0, -1)])])),
        ("no group", commit(version, "", &[(&topic, &[(0, 1)])])),
        ("an unknown member", of(&[(&topic, &[(0, 1)])]).with_member_id(text("absent"))),
        ("a generation", of(&[(&topic, &[(0, 1)])]).with_generation_id_or_member_epoch(1)),
        ("a generation below none", of(&[(&topic, &[(0, 1)])]).with_generation_id_or_member_epoch(-2)),
    ] {
        talk.ask(label, &request)?;
    }
    for (label, length) in [("a long text", 4096), ("a text too long", 4097)] {
        let mut request = of(&[(&topic, &[(0, 1), (1, 1)])]);
        request.topics[0].partitions[0].committed_metadata = Some(text(&"x".repeat(length)));
        talk.ask(label, &request)?;
    }
    let mut request = of(&[(&topic, &[(0, 1)])]);
    request.topics[0].partitions[0].committed_metadata = None;
    talk.ask("no text", &request)
}

fn commits_of_members(talk: &mut Talk) -> Result<()> {
    let version = talk.version;
    let topic = talk.topic(1, &[])?.name;
    let (absent, name) = (group(talk)?, group(talk)?);
    let of = |group: &str, id: &str, generation| {
        commit(version, group, &[(&topic, &[(0, 1)])])
            .with_member_id(text(id))
            .with_generation_id_or_member_epoch(generation)
    };
    talk.ask("a member of an absent group", &of(&absent, "absent", 1))?;
    let (member, _) = joined(talk, join(JOIN, &name, "", &["range", "roundrobin"]))?;
    talk.ask("before its assignment", &of(&name, &member.id, 1))?;
    talk.quiet(super::SYNC, &super::sync(&member, &[&member]))?;
    for (label, id, generation) in [
        ("a member", member.id.as_str(), 1),
        ("an older generation", &member.id, 0),
        ("a later generation", &member.id, 2),
        ("no generation", &member.id, -1),
        ("an unknown member", "absent", 1),
        ("no member", "", 1),
        ("neither", "", -1),
    ] {
        talk.ask(label, &of(&name, id, generation))?;
    }
    let (leader, other) = with_another(talk, &member, &["range"])?;
    talk.ask("of the generation before", &of(&name, &member.id, 1))?;
    talk.ask("of a generation without assignments", &of(&name, &other.id, other.generation))?;
    leave(talk, &[&leader, &other])?;
    talk.ask("a member that has left", &of(&name, &leader.id, leader.generation))?;
    talk.ask("nobody, in an empty group", &of(&name, "", -1))
}

/// Topics by name, or `None` for all.
type Wanted<'a> = Option<&'a [(&'a str, &'a [i32])]>;

pub(super) fn fetch_group(group: &str, wanted: Wanted) -> OffsetFetchRequestGroup {
    let topic = |(topic, partitions): &(&str, &[i32])| {
        OffsetFetchRequestTopics::default().with_name(name(topic)).with_partition_indexes(partitions.to_vec())
    };
    OffsetFetchRequestGroup::default()
        .with_group_id(group_id(group))
        .with_topics(wanted.map(|wanted| wanted.iter().map(topic).collect()))
}

pub(in super::super) fn fetch(version: i16, group: &str, wanted: Wanted) -> OffsetFetchRequest {
    if version >= GROUPS_FROM {
        return OffsetFetchRequest::default().with_groups(vec![fetch_group(group, wanted)]);
    }
    let topic = |(topic, partitions): &(&str, &[i32])| {
        OffsetFetchRequestTopic::default().with_name(name(topic)).with_partition_indexes(partitions.to_vec())
    };
    OffsetFetchRequest::default()
        .with_group_id(group_id(group))
        .with_topics(wanted.map(|wanted| wanted.iter().map(topic).collect()))
}

fn fetches(talk: &mut Talk) -> Result<()> {
    let version = talk.version;
    let (topic, other, absent) = (talk.topic(3, &[])?.name, talk.topic(1, &[])?.name, talk.name()?);
    let (name, empty) = (group(talk)?, group(talk)?);
    talk.quiet(COMMIT, &commit(COMMIT, &name, &[(&topic, &[(0, 5), (1, 6)]), (&other, &[(0, 7)])]))?;
    for (label, group, wanted) in [
        ("what is there", name.as_str(), Some(&[(topic.as_str(), &[0, 1][..])][..])),
        ("two topics", &name, Some(&[(&other, &[0]), (&topic, &[0])])),
        ("what is not there", &name, Some(&[(&topic, &[2, 9]), (&absent, &[0])])),
        ("a negative partition", &name, Some(&[(&topic, &[-1])])),
        ("a partition twice", &name, Some(&[(&topic, &[0, 0])])),
        ("no topics", &name, Some(&[])),
        ("no partitions", &name, Some(&[(&topic, &[])])),
        ("an absent group", &empty, Some(&[(&topic, &[0])])),
        ("no group", "", Some(&[(&topic, &[0])])),
    ] {
        talk.ask(label, &fetch(version, group, wanted))?;
    }
    if version >= 2 {
        talk.ask("all", &fetch(version, &name, None))?;
        talk.ask("all of an absent group", &fetch(version, &empty, None))?;
    }
    if version >= 7 {
        let stable = fetch(version, &name, Some(&[(&topic, &[0])])).with_require_stable(true);
        talk.ask("what is stable", &stable)?;
    }
    Ok(())
}

fn fetches_of_groups(talk: &mut Talk) -> Result<()> {
    let version = talk.version;
    let topic = talk.topic(1, &[])?.name;
    let (one, other, empty) = (group(talk)?, group(talk)?, group(talk)?);
    let member = alone(talk, &one)?;
    talk.quiet(COMMIT, &commit(COMMIT, &other, &[(&topic, &[(0, 7)])]))?;
    let wanted: Wanted = Some(&[(&topic, &[0])]);
    let of = |groups| OffsetFetchRequest::default().with_groups(groups);
    talk.ask("none", &of(vec![]))?;
    let three = [&other, &one, &empty].map(|group| fetch_group(group, wanted));
    talk.ask("three", &of(three.to_vec()))?;
    talk.ask("one with all, one without", &of(vec![fetch_group(&other, None), fetch_group(&empty, wanted)]))?;
    talk.ask("one of them without name", &of(vec![fetch_group(&other, wanted), fetch_group("", wanted)]))?;
    if version >= 9 {
        for (label, group, id, generation) in [
            ("a member", &one, Some(member.id.as_str()), 1),
            ("a member of another generation", &one, Some(&member.id), 7),
            ("a member without generation", &one, Some(&member.id), -1),
            ("an unknown member", &one, Some("absent"), 1),
            ("no member", &one, None, -1),
            ("a generation and no member", &one, None, 1),
            ("a member of an absent group", &empty, Some("absent"), 1),
        ] {
            let asked = fetch_group(group, wanted).with_member_id(id.map(text)).with_member_epoch(generation);
            talk.ask(label, &of(vec![asked]))?;
        }
    }
    leave(talk, &[&member])
}

fn deletions(talk: &mut Talk) -> Result<()> {
    let (topic, other, absent) = (talk.topic(2, &[])?.name, talk.topic(1, &[])?.name, talk.name()?);
    let (name, empty) = (group(talk)?, group(talk)?);
    talk.quiet(COMMIT, &commit(COMMIT, &name, &[(&topic, &[(0, 5), (1, 6)]), (&other, &[(0, 7)])]))?;
    let of = |group: &str, topics: &[(&str, &[i32])]| {
        let partition = |index: &i32| OffsetDeleteRequestPartition::default().with_partition_index(*index);
        let topic = |(topic, partitions): &(&str, &[i32])| {
            OffsetDeleteRequestTopic::default()
                .with_name(crate::requests::name(topic))
                .with_partitions(partitions.iter().map(partition).collect())
        };
        OffsetDeleteRequest::default()
            .with_group_id(group_id(group))
            .with_topics(topics.iter().map(topic).collect())
    };
    for (label, group, topics) in [
        ("no group", "", &[(topic.as_str(), &[0][..])][..]),
        ("an absent group", &empty, &[(&topic, &[0])]),
        ("no topics", &name, &[]),
        ("no partitions", &name, &[(&topic, &[])]),
        ("what is there", &name, &[(&topic, &[0])]),
        ("what is gone", &name, &[(&topic, &[0])]),
        ("an absent topic", &name, &[(&absent, &[0]), (&topic, &[1])]),
        ("an absent partition", &name, &[(&topic, &[9])]),
    ] {
        talk.ask(label, &of(group, topics))?;
    }
    talk.ask_in(9, "what is left", &fetch(9, &name, None))?;
    let member: Member = alone(talk, &name)?;
    talk.ask("of a group with a member that is no consumer", &of(&name, &[(&other, &[0])]))?;
    leave(talk, &[&member])
}
