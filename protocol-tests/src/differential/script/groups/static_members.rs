//! Members with instance ids (KIP-345).

use anyhow::Result;
use kafka_protocol::messages::leave_group_request::MemberIdentity;
use kafka_protocol::messages::{
    HeartbeatRequest, JoinGroupRequest, LeaveGroupRequest, OffsetCommitRequest, SyncGroupRequest,
};

use super::{Case, JOIN, Member, Talk, group, group_id, heartbeat, join, joined, leave, sync};
use crate::client::text;

pub(in super::super) const CASES: &[Case] = &[
    Case { name: "static-join-group", versions: 5..=9, run: join_group },
    Case { name: "static-sync-group", versions: 3..=5, run: sync_group },
    Case { name: "static-heartbeat", versions: 3..=4, run: heartbeats },
    Case { name: "static-leave-group", versions: 3..=5, run: leave_group },
    Case { name: "static-offset-commit", versions: 7..=9, run: commit },
];

fn of_instance(version: i16, group: &str, id: &str, instance: &str) -> JoinGroupRequest {
    join(version, group, id, &["range"]).with_group_instance_id(Some(text(instance)))
}

/// A stable group of one member, and who that was before it came again.
fn fenced(talk: &mut Talk, group: &str) -> Result<(Member, Member)> {
    let (before, _) = joined(talk, of_instance(JOIN, group, "", "instance"))?;
    talk.quiet(super::SYNC, &sync(&before, &[&before]))?;
    let (now, _) = joined(talk, of_instance(JOIN, group, "", "instance"))?;
    Ok((before, now))
}

fn join_group(talk: &mut Talk) -> Result<()> {
    let version = talk.version;
    let name = group(talk)?;
    let first = talk.ask_for("the first", &of_instance(version, &name, "", "instance"))?.unwrap_or_default();
    let member = Member {
        group: name.clone(),
        id: first.member_id.to_string(),
        instance: Some("instance".to_owned()),
        generation: first.generation_id,
    };
    talk.quiet(super::SYNC, &sync(&member, &[&member]))?;
    talk.ask("the same, with its id", &of_instance(version, &name, &member.id, "instance"))?;
    let again = talk.ask_for("again without an id", &of_instance(version, &name, "", "instance"))?;
    let again = again.unwrap_or_default();
    talk.ask("with the id from before", &of_instance(version, &name, &member.id, "instance"))?;
    talk.ask("an unknown id", &of_instance(version, &name, "absent", "instance"))?;
    talk.ask("an unknown instance", &of_instance(version, &name, &again.member_id, "other"))?;
    let last = Member { id: again.member_id.to_string(), generation: again.generation_id, ..member };
    leave(talk, &[&last])
}

fn sync_group(talk: &mut Talk) -> Result<()> {
    let version = talk.version;
    let name = group(talk)?;
    let (before, now) = fenced(talk, &name)?;
    let of = |member: &Member, instance: &str| {
        let request = sync(member, &[&now]).with_group_instance_id(Some(text(instance)));
        match version >= 5 {
            true => request.with_protocol_type(Some(text("tests"))).with_protocol_name(Some(text("range"))),
            false => request,
        }
    };
    let good: SyncGroupRequest = of(&now, "instance");
    talk.ask("the id from before", &of(&before, "instance"))?;
    talk.ask("an unknown instance", &of(&now, "other"))?;
    talk.ask("a member", &good)?;
    leave(talk, &[&now])
}

fn heartbeats(talk: &mut Talk) -> Result<()> {
    let name = group(talk)?;
    let (before, now) = fenced(talk, &name)?;
    let of = |member: &Member, instance: &str| -> HeartbeatRequest {
        heartbeat(member).with_group_instance_id(Some(text(instance)))
    };
    talk.ask("the id from before", &of(&before, "instance"))?;
    talk.ask("an unknown instance", &of(&now, "other"))?;
    talk.ask("a member", &of(&now, "instance"))?;
    talk.ask("a member without its instance id", &heartbeat(&now))?;
    leave(talk, &[&now])
}

fn leave_group(talk: &mut Talk) -> Result<()> {
    let name = group(talk)?;
    let (before, now) = fenced(talk, &name)?;
    let of = |members: &[(&str, &str)]| {
        let member = |(id, instance): &(&str, &str)| {
            MemberIdentity::default().with_member_id(text(id)).with_group_instance_id(Some(text(instance)))
        };
        LeaveGroupRequest::default()
            .with_group_id(group_id(&name))
            .with_members(members.iter().map(member).collect())
    };
    talk.ask("the id from before", &of(&[(&before.id, "instance")]))?;
    talk.ask("an unknown instance", &of(&[(&now.id, "other"), ("", "other")]))?;
    talk.ask("by its instance alone", &of(&[("", "instance")]))?;
    talk.ask("again", &of(&[("", "instance")]))
}

fn commit(talk: &mut Talk) -> Result<()> {
    let topic = talk.topic(1, &[])?;
    let name = group(talk)?;
    let (before, now) = fenced(talk, &name)?;
    let of = |member: &Member, instance: &str| -> OffsetCommitRequest {
        super::offsets::commit(talk.version, &name, &[(&topic.name, &[(0, 1)])])
            .with_member_id(text(&member.id))
            .with_generation_id_or_member_epoch(member.generation)
            .with_group_instance_id(Some(text(instance)))
    };
    let (old, unknown, good) = (of(&before, "instance"), of(&now, "other"), of(&now, "instance"));
    talk.ask("the id from before", &old)?;
    talk.ask("an unknown instance", &unknown)?;
    talk.ask("a member", &good)?;
    leave(talk, &[&now])
}
