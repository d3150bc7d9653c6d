//! Groups: members as the script needs them, made quietly.

use anyhow::{Result, ensure};
use bytes::Bytes;
use kafka_protocol::messages::join_group_request::JoinGroupRequestProtocol;
use kafka_protocol::messages::leave_group_request::MemberIdentity;
use kafka_protocol::messages::sync_group_request::SyncGroupRequestAssignment;
use kafka_protocol::messages::{
    DescribeGroupsRequest, FindCoordinatorRequest, GroupId, HeartbeatRequest, JoinGroupRequest,
    JoinGroupResponse, LeaveGroupRequest, SyncGroupRequest,
};

use super::{Case, Talk};
use crate::client::text;

pub(super) mod admin;
pub(super) mod classic;
pub(super) mod consumer;
pub(super) mod frames;
pub(super) mod offsets;
pub(super) mod static_members;

/// Versions for calls whose version does not matter.
const JOIN: i16 = 5;
const SYNC: i16 = 3;
const HEARTBEAT: i16 = 3;
const LEAVE: i16 = 3;
/// No member is silent for so long.
const SESSION_MS: i32 = 30_000;
/// From this version on, JoinGroup has a rebalance timeout of its own.
const REBALANCE_TIMEOUT_FROM: i16 = 1;

const MEMBER_ID_REQUIRED: i16 = 79;
const REBALANCE_IN_PROGRESS: i16 = 27;

/// A member of a classic group.
#[derive(Clone)]
pub(super) struct Member {
    group: String,
    pub id: String,
    instance: Option<String>,
    pub generation: i32,
}

pub(super) fn group_id(id: &str) -> GroupId {
    GroupId(text(id))
}

/// A group's name, once it has a coordinator that has loaded it.
pub(super) fn group(talk: &mut Talk) -> Result<String> {
    let group = talk.group();
    talk.bench.until("a coordinator", |client| {
        client.ask(3, &FindCoordinatorRequest::default().with_key(text(&group)))?;
        let request = DescribeGroupsRequest::default().with_groups(vec![group_id(&group)]);
        let answer = client.ask(0, &request)?;
        Ok(answer.groups.iter().all(|group| group.error_code == 0).then_some(()))
    })?;
    Ok(group)
}

fn protocols(names: &[&str]) -> Vec<JoinGroupRequestProtocol> {
    let protocol = |name: &&str| {
        let metadata = Bytes::from(format!("metadata of {name}"));
        JoinGroupRequestProtocol::default().with_name(text(name)).with_metadata(metadata)
    };
    names.iter().map(protocol).collect()
}

fn join(version: i16, group: &str, id: &str, names: &[&str]) -> JoinGroupRequest {
    let request = JoinGroupRequest::default()
        .with_group_id(group_id(group))
        .with_member_id(text(id))
        .with_session_timeout_ms(SESSION_MS)
        .with_protocol_type(text("tests"))
        .with_protocols(protocols(names));
    match version >= REBALANCE_TIMEOUT_FROM {
        true => request.with_rebalance_timeout_ms(SESSION_MS),
        false => request,
    }
}

/// Joins, in two steps where the broker gives the id first.
fn joined(talk: &mut Talk, request: JoinGroupRequest) -> Result<(Member, JoinGroupResponse)> {
    let mut answer = talk.quiet(JOIN, &request)?;
    if answer.error_code == MEMBER_ID_REQUIRED {
        answer = talk.quiet(JOIN, &request.clone().with_member_id(answer.member_id.clone()))?;
    }
    ensure!(answer.error_code == 0, "a join is answered with {}", answer.error_code);
    let member = Member {
        group: request.group_id.0.to_string(),
        id: answer.member_id.to_string(),
        instance: request.group_instance_id.as_ref().map(ToString::to_string),
        generation: answer.generation_id,
    };
    Ok((member, answer))
}

fn sync(member: &Member, members: &[&Member]) -> SyncGroupRequest {
    let assignment = |member: &&Member| {
        SyncGroupRequestAssignment::default()
            .with_member_id(text(&member.id))
            .with_assignment(Bytes::from_static(b"an assignment"))
    };
    SyncGroupRequest::default()
        .with_group_id(group_id(&member.group))
        .with_member_id(text(&member.id))
        .with_generation_id(member.generation)
        .with_assignments(members.iter().map(assignment).collect())
}

fn heartbeat(member: &Member) -> HeartbeatRequest {
    HeartbeatRequest::default()
        .with_group_id(group_id(&member.group))
        .with_member_id(text(&member.id))
        .with_generation_id(member.generation)
}

fn identity(member: &Member) -> MemberIdentity {
    MemberIdentity::default()
        .with_member_id(text(&member.id))
        .with_group_instance_id(member.instance.as_deref().map(text))
}

pub(super) fn leave(talk: &mut Talk, members: &[&Member]) -> Result<()> {
    let request = LeaveGroupRequest::default()
        .with_group_id(group_id(&members[0].group))
        .with_members(members.iter().map(|member| identity(member)).collect());
    talk.quiet(LEAVE, &request).map(drop)
}

/// A group of one member that has its assignment.
pub(super) fn alone(talk: &mut Talk, group: &str) -> Result<Member> {
    let (member, _) = joined(talk, join(JOIN, group, "", &["range", "roundrobin"]))?;
    talk.quiet(SYNC, &sync(&member, &[&member]))?;
    Ok(member)
}

/// Has another member join a stable group whose leader this is; both know the new generation, and neither has
/// its assignment.
fn with_another(talk: &mut Talk, leader: &Member, names: &[&str]) -> Result<(Member, Member)> {
    let request = join(JOIN, &leader.group, "", names);
    let id = talk.quiet(JOIN, &request)?.member_id;
    let mut other = talk.send_aside(JOIN, &request.with_member_id(id))?;
    rebalancing(talk, leader)?;
    let (leader, _) = joined(talk, join(JOIN, &leader.group, &leader.id, &["range", "roundrobin"]))?;
    let (_, answer) = other.receive::<JoinGroupRequest>(JOIN)?;
    let id = answer.member_id.to_string();
    let other = Member { id, generation: answer.generation_id, ..leader.clone() };
    Ok((leader, other))
}

/// Waits until a member is told to join again.
fn rebalancing(talk: &mut Talk, member: &Member) -> Result<()> {
    let request = heartbeat(member);
    talk.bench.until("a rebalance", |client| {
        Ok((client.ask(HEARTBEAT, &request)?.error_code == REBALANCE_IN_PROGRESS).then_some(()))
    })
}

/// The partition of `__consumer_offsets` that holds a group: by the hash of Java's strings.
pub(super) fn partition(group: &str) -> i32 {
    const PARTITIONS: i32 = 50;
    let hash = group.encode_utf16().fold(0_i32, |hash, unit| hash.wrapping_mul(31).wrapping_add(unit.into()));
    hash.checked_abs().unwrap_or(0) % PARTITIONS
}
