//! JoinGroup, SyncGroup, Heartbeat, LeaveGroup of members without instance ids.

use anyhow::Result;
use kafka_protocol::messages::{JoinGroupRequest, LeaveGroupRequest};

use super::{
    Case, MEMBER_ID_REQUIRED, Member, Talk, alone, group, group_id, heartbeat, identity, join, leave,
    protocols, rebalancing, sync, with_another,
};
use crate::client::text;

pub(in super::super) const CASES: &[Case] = &[
    Case { name: "join-group-refused", versions: 0..=9, run: join_refused },
    Case { name: "join-group", versions: 0..=9, run: join_group },
    Case { name: "sync-group", versions: 0..=5, run: sync_group },
    Case { name: "heartbeat", versions: 0..=4, run: heartbeats },
    Case { name: "leave-group", versions: 0..=5, run: leave_group },
];

fn join_refused(talk: &mut Talk) -> Result<()> {
    let version = talk.version;
    let (absent, stable) = (group(talk)?, group(talk)?);
    let member = alone(talk, &stable)?;
    let to = |group: &str| join(version, group, "", &["range"]);
    for (label, request) in [
        ("no group", to("")),
        ("an unknown member of an absent group", to(&absent).with_member_id(text("absent"))),
        ("an unknown member", to(&stable).with_member_id(text("absent"))),
        ("a session too short", to(&absent).with_session_timeout_ms(5999)),
        ("a session too long", to(&absent).with_session_timeout_ms(1_800_001)),
        ("a session of less than no time", to(&absent).with_session_timeout_ms(-1)),
        ("no protocols", to(&absent).with_protocols(Vec::new())),
        ("no protocol type", to(&absent).with_protocol_type(text(""))),
        ("neither", to(&absent).with_protocol_type(text("")).with_protocols(Vec::new())),
        ("another protocol type", to(&stable).with_protocol_type(text("other"))),
        ("another protocol", to(&stable).with_protocols(protocols(&["sticky"]))),
        ("no protocols in a group that has some", to(&stable).with_protocols(Vec::new())),
        (
            "a member with another protocol type",
            to(&stable).with_member_id(text(&member.id)).with_protocol_type(text("other")),
        ),
    ] {
        talk.ask(label, &request)?;
    }
    leave(talk, &[&member])
}

/// Joins, in one step or in two, and writes both down.
fn first(talk: &mut Talk, label: &str, request: JoinGroupRequest) -> Result<Member> {
    let mut request = request;
    let mut answer = talk.ask_for(label, &request)?.unwrap_or_default();
    if answer.error_code == MEMBER_ID_REQUIRED {
        request.member_id = answer.member_id;
        answer = talk.ask_for(&format!("{label}, with its id"), &request)?.unwrap_or_default();
    }
    let (group, id) = (request.group_id.0.to_string(), answer.member_id.to_string());
    Ok(Member { group, id, instance: None, generation: answer.generation_id })
}

fn join_group(talk: &mut Talk) -> Result<()> {
    let version = talk.version;
    let group = group(talk)?;
    let names = &["range", "roundrobin"][..];
    let one = first(talk, "the first", join(version, &group, "", names))?;
    // It has not synced: the group completes its rebalance, and it may have missed that.
    let again = join(version, &group, &one.id, names);
    talk.ask("the first again, before it has synced", &again)?;
    talk.quiet(super::SYNC, &sync(&one, &[&one]))?;
    let one_again = talk.ask_for("the leader of a stable group again", &again)?.unwrap_or_default();
    let one = Member { generation: one_again.generation_id, ..one };
    talk.quiet(super::SYNC, &sync(&one, &[&one]))?;

    let other = join(version, &group, "", &["roundrobin", "sticky"]);
    let other = match version >= 4 {
        true => other.clone().with_member_id(talk.quiet(version, &other)?.member_id),
        false => other,
    };
    let pending = talk.send_aside(version, &other)?;
    rebalancing(talk, &one)?;
    talk.ask("the leader joins with another", &again)?;
    let answer = talk.hear_aside::<JoinGroupRequest>("the other", pending)?;
    let other_id = answer.member_id.to_string();
    let other = Member { id: other_id, generation: answer.generation_id, ..one.clone() };
    let one = Member { generation: answer.generation_id, ..one };
    talk.quiet(super::SYNC, &sync(&one, &[&one, &other]))?;
    talk.quiet(super::SYNC, &sync(&other, &[]))?;
    let same = join(version, &group, &other.id, &["roundrobin", "sticky"]);
    talk.ask("a follower of a stable group again, unchanged", &same)?;
    talk.ask("without a protocol that all know", &join(version, &group, &other.id, &["sticky"]))?;
    leave(talk, &[&one, &other])?;
    let empty = join(version, &group, "", &["sticky"]).with_protocol_type(text("other"));
    let later = first(talk, "in an empty group, another type", empty)?;
    leave(talk, &[&later])
}

fn sync_group(talk: &mut Talk) -> Result<()> {
    let version = talk.version;
    let (absent, name) = (group(talk)?, group(talk)?);
    let (member, _) = super::joined(talk, join(super::JOIN, &name, "", &["range", "roundrobin"]))?;
    let named = |request: kafka_protocol::messages::SyncGroupRequest, kind: &str, protocol: &str| {
        match version >= 5 {
            true => request.with_protocol_type(Some(text(kind))).with_protocol_name(Some(text(protocol))),
            false => request,
        }
    };
    let good = |member: &Member, members: &[&Member]| named(sync(member, members), "tests", "range");
    let of = |group: &str, id: &str, generation: i32| {
        good(&Member { group: group.to_owned(), id: id.to_owned(), instance: None, generation }, &[])
    };
    for (label, request) in [
        ("no group", of("", &member.id, 1)),
        ("an absent group", of(&absent, &member.id, 1)),
        ("an unknown member", of(&name, "absent", 1)),
        ("no member", of(&name, "", 1)),
        ("an older generation", of(&name, &member.id, 0)),
        ("a later generation", of(&name, &member.id, 2)),
    ] {
        talk.ask(label, &request)?;
    }
    if version >= 5 {
        talk.ask("neither type nor protocol", &sync(&member, &[&member]))?;
        talk.ask("another type", &named(sync(&member, &[&member]), "other", "range"))?;
        talk.ask("another protocol", &named(sync(&member, &[&member]), "tests", "roundrobin"))?;
    }
    talk.ask("the leader", &good(&member, &[&member]))?;
    talk.ask("the leader again", &good(&member, &[]))?;
    let (leader, other) = with_another(talk, &member, &["range"])?;
    talk.ask("of the generation before", &good(&member, &[&member]))?;
    let pending = talk.send_aside(version, &good(&other, &[]))?;
    talk.ask("the leader, for itself alone", &good(&leader, &[&leader]))?;
    talk.hear_aside::<kafka_protocol::messages::SyncGroupRequest>("the other, without assignment", pending)?;
    leave(talk, &[&leader, &other])?;
    talk.ask("a member that has left", &good(&leader, &[]))
}

fn heartbeats(talk: &mut Talk) -> Result<()> {
    let (absent, name) = (group(talk)?, group(talk)?);
    let (joined, _) = super::joined(talk, join(super::JOIN, &name, "", &["range", "roundrobin"]))?;
    talk.ask("before its assignment", &heartbeat(&joined))?;
    talk.quiet(super::SYNC, &sync(&joined, &[&joined]))?;
    let member = |group: &str, id: &str, generation: i32| {
        heartbeat(&Member { group: group.to_owned(), id: id.to_owned(), instance: None, generation })
    };
    for (label, request) in [
        ("a member", member(&name, &joined.id, 1)),
        ("no group", member("", &joined.id, 1)),
        ("an absent group", member(&absent, &joined.id, 1)),
        ("an unknown member", member(&name, "absent", 1)),
        ("no member", member(&name, "", 1)),
        ("an older generation", member(&name, &joined.id, 0)),
        ("no generation", member(&name, &joined.id, -1)),
        ("a later generation", member(&name, &joined.id, 2)),
    ] {
        talk.ask(label, &request)?;
    }
    let (leader, other) = with_another(talk, &joined, &["range"])?;
    talk.ask("of the generation before", &heartbeat(&joined))?;
    talk.ask("a follower before its assignment", &heartbeat(&other))?;
    leave(talk, &[&other])?;
    talk.ask("after another has left", &heartbeat(&leader))?;
    leave(talk, &[&leader])?;
    talk.ask("a member that has left", &heartbeat(&leader))
}

fn leave_group(talk: &mut Talk) -> Result<()> {
    let (absent, name) = (group(talk)?, group(talk)?);
    let member = alone(talk, &name)?;
    let several = talk.version >= 3;
    let request = |group: &str, ids: &[&str]| {
        let request = LeaveGroupRequest::default().with_group_id(group_id(group));
        let of = |id: &&str| {
            let id = (*id).to_owned();
            identity(&Member { group: String::new(), id, instance: None, generation: 0 })
        };
        match several {
            true => request.with_members(ids.iter().map(of).collect()),
            false => request.with_member_id(text(ids[0])),
        }
    };
    for (label, group, id) in [
        ("no group", "", member.id.as_str()),
        ("an absent group", &absent, &member.id),
        ("an unknown member", &name, "absent"),
        ("no member", &name, ""),
    ] {
        talk.ask(label, &request(group, &[id]))?;
    }
    if several {
        talk.ask("nobody", &request(&name, &[]))?;
        talk.ask("nobody of an absent group", &request(&absent, &[]))?;
        talk.ask("one of them unknown, one twice", &request(&name, &["absent", &member.id, &member.id]))?;
    } else {
        talk.ask("a member", &request(&name, &[&member.id]))?;
    }
    talk.ask("again", &request(&name, &[&member.id]))?;
    // An id that was given out, and not yet used.
    let pending = talk.quiet(super::JOIN, &join(super::JOIN, &name, "", &["range"]))?.member_id.to_string();
    talk.ask("an id that waits for its join", &request(&name, &[&pending]))?;
    talk.ask("the same again", &request(&name, &[&pending]))
}
