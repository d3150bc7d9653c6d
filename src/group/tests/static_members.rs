use std::sync::Arc;

use super::driver::{Driver, GROUP, commit_of, join_static, protocols, seconds, sync};
use crate::group::{
    GroupError, GroupReply, GroupRequest, Heartbeat, JoinGroup, JoinGroupReply, SyncGroup, Ticket,
};

fn heartbeat(driver: &mut Driver, member: &JoinGroupReply, instance: &str) -> Result<(), GroupError> {
    let request = Heartbeat {
        group_id: GROUP.into(),
        member_id: member.member_id.clone(),
        group_instance_id: Some(instance.into()),
        generation_id: member.generation_id,
    };
    match driver.ask(GroupRequest::Heartbeat(request)) {
        GroupReply::Heartbeat(reply) => reply,
        other => panic!("{other:?}"),
    }
}

fn sync_static(driver: &mut Driver, member: &JoinGroupReply, instance: &str) -> Ticket {
    let GroupRequest::SyncGroup(request) = sync(member) else { panic!() };
    let group_instance_id = Some(instance.into());
    driver.send(GroupRequest::SyncGroup(SyncGroup { group_instance_id, ..request }))
}

/// Static members `a` and `b`; `a` leads.
fn stable(driver: &mut Driver) -> [JoinGroupReply; 2] {
    let tickets = ["a", "b"].map(|id| driver.send(GroupRequest::JoinGroup(join_static("", id))));
    driver.advance(seconds(6));
    let joins = tickets.map(|ticket| driver.join_reply(ticket));
    for (join, id) in joins.iter().zip(["a", "b"]).rev() {
        sync_static(driver, join, id);
    }
    assert_eq!(driver.state(), "Stable");
    driver.replies.clear();
    joins
}

#[test]
fn trap_67_a_static_member_that_comes_back_keeps_its_assignment() {
    let mut driver = Driver::new();
    let [_, old] = stable(&mut driver);
    let start = driver.log.len();
    let ticket = driver.send(GroupRequest::JoinGroup(join_static("", "b")));
    let new = driver.join_reply(ticket);
    assert_eq!((&new.error, new.generation_id, new.skip_assignment), (&None, 1, false));
    assert_ne!(new.member_id, old.member_id);
    assert!(new.member_id.starts_with("b-"));
    assert_eq!(driver.state(), "Stable");
    // It is written before it is told.
    assert_eq!(driver.log.len(), start + 1);
    for _ in 0..2 {
        let synced = sync_static(&mut driver, &new, "b");
        assert_eq!(driver.sync_reply(synced).unwrap().assignment, old.member_id.as_bytes());
        assert_eq!(heartbeat(&mut driver, &new, "b"), Ok(()));
        // The one before it is shut out, whatever it asks.
        let fenced = Err(GroupError::FencedInstanceId);
        assert_eq!(heartbeat(&mut driver, &old, "b"), fenced);
        let synced = sync_static(&mut driver, &old, "b");
        assert_eq!(driver.sync_reply(synced), Err(GroupError::FencedInstanceId));
        let mut commit = commit_of(&old, "read", 1);
        commit.group_instance_id = Some("b".into());
        assert_eq!(driver.commit(commit), Err(GroupError::FencedInstanceId));
        let leave = driver.leave(&[(&old.member_id, Some("b"))]);
        assert_eq!(leave, [Some(GroupError::FencedInstanceId)]);
        let rejoin = driver.send(GroupRequest::JoinGroup(join_static(&old.member_id, "b")));
        assert_eq!(driver.join_reply(rejoin).error, Some(GroupError::FencedInstanceId));
        // So too in the next process.
        driver.fail_over();
    }
}

#[test]
fn trap_67_a_leader_that_comes_back_need_not_assign() {
    for supports_skip_assignment in [true, false] {
        let mut driver = Driver::new();
        let [old, _] = stable(&mut driver);
        let request = JoinGroup { supports_skip_assignment, ..join_static("", "a") };
        let ticket = driver.send(GroupRequest::JoinGroup(request));
        let new = driver.join_reply(ticket);
        assert_eq!(new.skip_assignment, supports_skip_assignment);
        // KIP-814. One that does not know of it takes itself for a follower.
        let (leader, members) =
            if supports_skip_assignment { (&new.member_id, 2) } else { (&old.member_id, 0) };
        assert_eq!((&new.leader, new.members.len()), (leader, members));
    }
}

#[test]
fn a_static_member_that_changes_the_protocol_starts_a_rebalance() {
    let mut driver = Driver::new();
    let [_, other] = stable(&mut driver);
    let request = JoinGroup { protocols: protocols(&["roundrobin"]), ..join_static("", "a") };
    let ticket = driver.send(GroupRequest::JoinGroup(request));
    assert_eq!((driver.reply(ticket), driver.state().as_str()), (None, "PreparingRebalance"));
    let rejoin = driver.send(GroupRequest::JoinGroup(join_static(&other.member_id, "b")));
    let joined = driver.join_reply(rejoin);
    assert_eq!((joined.generation_id, joined.protocol_name.as_deref()), (2, Some("roundrobin")));
    assert_eq!(driver.join_reply(ticket).generation_id, 2);
}

#[test]
fn a_static_member_that_comes_back_while_the_leader_assigns_starts_over() {
    let mut driver = Driver::new();
    let tickets = ["a", "b"].map(|id| driver.send(GroupRequest::JoinGroup(join_static("", id))));
    driver.advance(seconds(6));
    let joins = tickets.map(|ticket| driver.join_reply(ticket));
    let waits = sync_static(&mut driver, &joins[1], "b");
    let again = driver.send(GroupRequest::JoinGroup(join_static("", "b")));
    assert_eq!(driver.sync_reply(waits), Err(GroupError::FencedInstanceId));
    assert_eq!(driver.state(), "PreparingRebalance");
    let leader = driver.send(GroupRequest::JoinGroup(join_static(&joins[0].member_id, "a")));
    assert_eq!(driver.join_reply(leader).members.len(), 2);
    assert_eq!(driver.join_reply(again).generation_id, 2);
}

#[test]
fn a_new_member_id_survives_a_process_that_ends_in_a_rebalance() {
    let mut driver = Driver::new();
    let [leader, _] = stable(&mut driver);
    driver.send(GroupRequest::JoinGroup(join_static(&leader.member_id, "a")));
    let ticket = driver.send(GroupRequest::JoinGroup(join_static("", "b")));
    let new = driver.join_reply(ticket);
    assert_eq!((new.generation_id, driver.state().as_str()), (2, "CompletingRebalance"));
    driver.fail_over();
    // The generation is the one before, and the member is not fenced: it joins again.
    assert_eq!(heartbeat(&mut driver, &new, "b"), Err(GroupError::IllegalGeneration));
    let rejoin = driver.send(GroupRequest::JoinGroup(join_static(&new.member_id, "b")));
    assert_eq!(driver.reply(rejoin), None);
}

#[test]
fn one_that_waits_in_a_join_is_fenced_by_its_successor() {
    let mut driver = Driver::new();
    let first = driver.send(GroupRequest::JoinGroup(join_static("", "a")));
    let second = driver.send(GroupRequest::JoinGroup(join_static("", "a")));
    assert_eq!(driver.join_reply(first).error, Some(GroupError::FencedInstanceId));
    driver.advance(seconds(6));
    let joined = driver.join_reply(second);
    assert_eq!((joined.generation_id, joined.members.len()), (1, 1));
    assert_eq!(joined.members[0].group_instance_id, Some(Arc::from("a")));
}

#[test]
fn static_members_that_do_not_join_again_stay_until_their_session_ends() {
    let mut driver = Driver::new();
    let [leader, absent] = stable(&mut driver);
    let leaves_soon = seconds(40);
    driver.advance(leaves_soon);
    assert_eq!(heartbeat(&mut driver, &leader, "a"), Ok(()));
    assert_eq!(heartbeat(&mut driver, &absent, "b"), Ok(()));
    let request = JoinGroup { rebalance_timeout: seconds(20), ..join_static(&leader.member_id, "a") };
    let ticket = driver.send(GroupRequest::JoinGroup(request));
    // The absent one's rebalance timeout is 60 s, its session 45 s: heartbeats keep it.
    driver.advance(seconds(40));
    assert_eq!(heartbeat(&mut driver, &absent, "b"), Err(GroupError::RebalanceInProgress));
    driver.advance(seconds(20));
    let joined = driver.join_reply(ticket);
    assert_eq!((joined.generation_id, joined.members.len()), (2, 2));
    // Nobody joins at all: the group waits, and its sessions end it.
    let mut driver = Driver::new();
    let [leader, absent] = stable(&mut driver);
    assert_eq!(driver.leave(&[(&leader.member_id, Some("a"))]), [None]);
    driver.advance(seconds(44));
    assert_eq!((driver.state().as_str(), driver.log.len() > 1), ("PreparingRebalance", true));
    driver.advance(seconds(1));
    assert_eq!(driver.state(), "Empty");
    assert_eq!(heartbeat(&mut driver, &absent, "b"), Err(GroupError::UnknownMemberId));
}

#[test]
fn a_group_of_absent_static_members_does_not_keep_the_shard_busy() {
    let mut driver = Driver::without_delay();
    let request = JoinGroup { rebalance_timeout: seconds(0), ..join_static("", "a") };
    let ticket = driver.send(GroupRequest::JoinGroup(request.clone()));
    driver.advance(seconds(0));
    let member = driver.join_reply(ticket);
    let synced = sync_static(&mut driver, &member, "a");
    let _ = driver.reply(synced);
    // Another comes and goes, so that the first one is waited for, for no time at all.
    let other =
        driver.send(GroupRequest::JoinGroup(JoinGroup { group_instance_id: Some("b".into()), ..request }));
    driver.call(|shard, input| shard.advance(input));
    driver.forget(other);
    let mut calls = 0;
    let end = driver.monotonic + seconds(60);
    while let Some(due) = driver.shard.next_deadline().filter(|due| *due <= end) {
        driver.monotonic = driver.monotonic.max(due);
        driver.call(|shard, input| shard.advance(input));
        calls += 1;
    }
    assert!(calls <= 1000, "{calls} calls in a minute");
    assert_eq!(driver.state(), "Empty");
}

#[test]
fn new_member_ids_are_written_once_for_all_before_any_is_told() {
    const COUNT: usize = 20;
    let mut driver = Driver::new();
    let instances: Vec<String> = (0..COUNT).map(|number| format!("i{number}")).collect();
    let send = |driver: &mut Driver| -> Vec<Ticket> {
        let request = |id: &String| GroupRequest::JoinGroup(join_static("", id));
        instances.iter().map(|id| driver.send(request(id))).collect()
    };
    let tickets = send(&mut driver);
    driver.advance(seconds(6));
    let mut joins: Vec<JoinGroupReply> = tickets.iter().map(|ticket| driver.join_reply(*ticket)).collect();
    for (member, id) in joins.iter().zip(&instances).rev() {
        sync_static(&mut driver, member, id);
    }
    driver.replies.clear();
    // All come back with another protocol: the first begins a rebalance, the last ends it.
    let start = driver.log.len();
    let request = |id: &String| JoinGroup { protocols: protocols(&["roundrobin"]), ..join_static("", id) };
    let tickets: Vec<Ticket> =
        instances.iter().map(|id| driver.send(GroupRequest::JoinGroup(request(id)))).collect();
    joins = tickets.iter().map(|ticket| driver.join_reply(*ticket)).collect();
    assert!(joins.iter().all(|join| join.generation_id == 2 && join.error.is_none()));
    assert_eq!(driver.log.len() - start, 1);
    driver.fail_over();
    for (member, id) in joins.iter().zip(&instances) {
        assert_eq!(
            heartbeat(&mut driver, member, id),
            Err(GroupError::IllegalGeneration),
            "it is not fenced"
        );
    }
}

#[test]
fn one_that_comes_back_does_not_owe_the_sync_of_the_one_before_it() {
    let mut driver = Driver::new();
    let tickets = ["a", "b"].map(|id| driver.send(GroupRequest::JoinGroup(join_static("", id))));
    driver.advance(seconds(6));
    let joins = tickets.map(|ticket| driver.join_reply(ticket));
    sync_static(&mut driver, &joins[0], "a");
    assert_eq!(driver.state(), "Stable");
    // `b` has not synced, and another takes its place.
    driver.advance(seconds(30));
    assert_eq!(heartbeat(&mut driver, &joins[0], "a"), Ok(()));
    let ticket = driver.send(GroupRequest::JoinGroup(join_static("", "b")));
    let new = driver.join_reply(ticket);
    for _ in 0..2 {
        driver.advance(seconds(30));
        assert_eq!(heartbeat(&mut driver, &joins[0], "a"), Ok(()));
        assert_eq!(heartbeat(&mut driver, &new, "b"), Ok(()));
    }
    assert_eq!(driver.state(), "Stable");
}

#[test]
fn one_whose_new_id_cannot_be_written_is_refused() {
    let mut driver = Driver::new();
    stable(&mut driver);
    let start = driver.log.len();
    driver.batch_bytes_max = 100;
    let ticket = driver.send(GroupRequest::JoinGroup(join_static("", "b")));
    let refused = driver.join_reply(ticket);
    assert!(matches!(refused.error, Some(GroupError::UnknownServerError(_))), "{refused:?}");
    assert_eq!((&*refused.member_id, driver.log.len()), ("", start));
    driver.batch_bytes_max = 1 << 20;
    let ticket = driver.send(GroupRequest::JoinGroup(join_static("", "b")));
    assert_eq!((driver.join_reply(ticket).error, driver.log.len()), (None, start + 1));
}
