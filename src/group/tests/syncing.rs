use std::time::Duration;

use super::driver::{Driver, commit, commit_of, join, seconds, sync};
use crate::group::{
    GroupError, GroupRecord, GroupReply, GroupRequest, Heartbeat, JoinGroup, JoinGroupReply, SyncGroup,
};

/// Two members that know their generation.
fn joined(driver: &mut Driver) -> [JoinGroupReply; 2] {
    let (_, first) = driver.join_dynamic();
    let (_, second) = driver.join_dynamic();
    driver.advance(seconds(6));
    [driver.join_reply(first), driver.join_reply(second)]
}

#[test]
fn trap_64_members_wait_for_what_the_leader_assigns() {
    let mut driver = Driver::new();
    let [leader, follower] = joined(&mut driver);
    assert_eq!((leader.members.len(), follower.members.len()), (2, 0));
    let waits = driver.send(sync(&follower));
    assert_eq!(driver.reply(waits), None);
    let start = driver.log.len();
    assert_eq!(driver.rebalances, 0);
    let leads = driver.send(sync(&leader));
    assert_eq!(driver.rebalances, 1);
    for (ticket, member) in [(leads, &leader), (waits, &follower)] {
        let synced = driver.sync_reply(ticket).unwrap();
        assert_eq!(synced.assignment, member.member_id.as_bytes());
        assert_eq!(synced.protocol_name, leader.protocol_name);
    }
    // The generation is written by the same call as its answers.
    let records = driver.written_since(start);
    let [GroupRecord::GroupMetadata { metadata: Some(metadata), .. }] = records.as_slice() else { panic!() };
    assert_eq!((metadata.generation_id, metadata.members.len()), (1, 2));
    assert_eq!(metadata.leader.as_ref(), Some(&leader.member_id));
    assert_eq!(metadata.members[0].assignment, metadata.members[0].member_id.as_bytes());
    assert_eq!(driver.state(), "Stable");
    // Who did not hear the answer asks again.
    let again = driver.send(sync(&follower));
    assert_eq!(driver.sync_reply(again).unwrap().assignment, follower.member_id.as_bytes());
}

#[test]
fn who_is_given_nothing_has_an_empty_assignment() {
    let mut driver = Driver::new();
    let [leader, follower] = joined(&mut driver);
    let only_leader = JoinGroupReply {
        members: leader
            .members
            .iter()
            .filter(|member| member.member_id == leader.member_id)
            .cloned()
            .collect(),
        ..leader
    };
    let replies = driver.sync_all(&[only_leader, follower]);
    let lengths: Vec<usize> = replies.into_iter().map(|synced| synced.unwrap().assignment.len()).collect();
    assert!(lengths[0] > 0 && lengths[1] == 0);
}

#[test]
fn syncs_that_are_refused() {
    let mut driver = Driver::without_delay();
    let member = driver.stable(1).remove(0);
    let GroupRequest::SyncGroup(good) = sync(&member) else { panic!() };
    let other = |text: &str| Some(text.into());
    for (request, error) in [
        (SyncGroup { group_id: "".into(), ..good.clone() }, GroupError::InvalidGroupId),
        (SyncGroup { group_id: "other".into(), ..good.clone() }, GroupError::UnknownMemberId),
        (SyncGroup { member_id: "other".into(), ..good.clone() }, GroupError::UnknownMemberId),
        (SyncGroup { group_instance_id: other("i"), ..good.clone() }, GroupError::UnknownMemberId),
        (SyncGroup { generation_id: 0, ..good.clone() }, GroupError::IllegalGeneration),
        (
            SyncGroup { protocol_type: other("connect"), ..good.clone() },
            GroupError::InconsistentGroupProtocol,
        ),
        (SyncGroup { protocol_name: other("sticky"), ..good.clone() }, GroupError::InconsistentGroupProtocol),
    ] {
        let reply = driver.ask(GroupRequest::SyncGroup(request.clone()));
        assert_eq!(reply, GroupReply::SyncGroup(Err(error)), "{request:?}");
    }
    // Old versions do not say what they take the protocol for.
    let old = SyncGroup { protocol_type: None, protocol_name: None, ..good };
    assert!(matches!(driver.ask(GroupRequest::SyncGroup(old)), GroupReply::SyncGroup(Ok(_))));
}

#[test]
fn a_new_rebalance_sends_those_back_that_wait_in_a_sync() {
    let mut driver = Driver::new();
    let [leader, follower] = joined(&mut driver);
    let waits = driver.send(sync(&follower));
    driver.join_dynamic();
    assert_eq!(driver.sync_reply(waits), Err(GroupError::RebalanceInProgress));
    let late = driver.send(sync(&leader));
    assert_eq!(driver.sync_reply(late), Err(GroupError::RebalanceInProgress));
}

#[test]
fn who_does_not_sync_in_time_is_removed() {
    let mut driver = Driver::new();
    let [leader, follower] = joined(&mut driver);
    let waits = driver.send(sync(&follower));
    // The leader is alive, but does not assign.
    for _ in 0..3 {
        driver.advance(seconds(19));
        assert_eq!(driver.heartbeat(&leader), Ok(()));
    }
    assert_eq!(driver.reply(waits), None);
    driver.advance(seconds(3));
    assert_eq!(driver.sync_reply(waits), Err(GroupError::RebalanceInProgress));
    assert_eq!(driver.heartbeat(&leader), Err(GroupError::UnknownMemberId));
    let rejoin = driver.send(GroupRequest::JoinGroup(join(&follower.member_id)));
    let second = driver.join_reply(rejoin);
    assert_eq!((second.generation_id, &second.leader), (2, &follower.member_id));
}

#[test]
fn trap_69_commits_go_by_the_generation_and_the_state() {
    let mut driver = Driver::new();
    let [leader, follower] = joined(&mut driver);
    let stale = JoinGroupReply { generation_id: 0, ..leader.clone() };
    let nobody = JoinGroupReply { member_id: "nobody".into(), ..leader.clone() };
    let anonymous = JoinGroupReply { member_id: "".into(), generation_id: -1, ..leader.clone() };
    let check = |driver: &mut Driver, expected: [Result<Option<GroupError>, GroupError>; 4]| {
        for (member, expected) in [&leader, &stale, &nobody, &anonymous].into_iter().zip(expected) {
            assert_eq!(driver.commit(commit_of(member, "read", 5)), expected, "{member:?}");
        }
    };
    let others = [Err(GroupError::IllegalGeneration), Err(GroupError::UnknownMemberId)];
    let [illegal, unknown] = others;
    let expected = |own| [own, illegal.clone(), unknown.clone(), unknown.clone()];
    assert_eq!(driver.state(), "CompletingRebalance");
    check(&mut driver, expected(Err(GroupError::RebalanceInProgress)));
    driver.sync_all(&[leader.clone(), follower]);
    check(&mut driver, expected(Ok(None)));
    // A new member comes: those of the generation that ends may still commit what they have done.
    driver.join_dynamic();
    assert_eq!(driver.state(), "PreparingRebalance");
    check(&mut driver, expected(Ok(None)));
    assert_eq!(driver.fetch("read"), 5);
}

#[test]
fn trap_69_without_members_anybody_commits() {
    let mut driver = Driver::without_delay();
    assert_eq!(driver.commit(commit("read", 3)), Ok(None));
    assert_eq!((driver.state().as_str(), driver.fetch("read")), ("Empty", 3));
    let member = driver.stable(1).remove(0);
    assert_eq!(driver.commit(commit("read", 4)), Err(GroupError::UnknownMemberId));
    driver.leave(&[(&member.member_id, None)]);
    assert_eq!(driver.commit(commit("read", 4)), Ok(None));
    assert_eq!(driver.commit(commit_of(&member, "read", 9)), Err(GroupError::UnknownMemberId));
    assert_eq!(driver.fetch("read"), 4);
}

#[test]
fn a_commit_to_no_group_goes_by_generation_and_version() {
    for (generation, supports_member_epoch, error) in [
        (-1, true, None),
        (-1, false, None),
        (0, true, Some(GroupError::GroupIdNotFound("Group group not found.".to_owned()))),
        (0, false, Some(GroupError::IllegalGeneration)),
    ] {
        let mut driver = Driver::new();
        let mut request = commit("read", 3);
        request.generation_id_or_member_epoch = generation;
        request.supports_member_epoch = supports_member_epoch;
        assert_eq!(driver.commit(request).err(), error);
        assert_eq!(driver.log.len(), usize::from(error.is_none()));
    }
}

#[test]
fn heartbeats_go_by_the_state() {
    let mut driver = Driver::new();
    let [leader, follower] = joined(&mut driver);
    assert_eq!(driver.heartbeat(&leader), Ok(()), "CompletingRebalance");
    driver.sync_all(&[leader.clone(), follower.clone()]);
    assert_eq!(driver.heartbeat(&leader), Ok(()), "Stable");
    let stale = JoinGroupReply { generation_id: 0, ..leader.clone() };
    assert_eq!(driver.heartbeat(&stale), Err(GroupError::IllegalGeneration));
    let start = driver.log.len();
    assert_eq!(driver.heartbeat(&leader), Ok(()));
    assert_eq!(driver.log.len(), start, "a heartbeat costs no disk write");
    driver.send(GroupRequest::JoinGroup(join(&leader.member_id)));
    assert_eq!(driver.heartbeat(&follower), Err(GroupError::RebalanceInProgress), "PreparingRebalance");
    driver.leave(&[(&leader.member_id, None), (&follower.member_id, None)]);
    assert_eq!(driver.state(), "Empty");
    assert_eq!(driver.heartbeat(&follower), Err(GroupError::UnknownMemberId), "Empty");
    let request = Heartbeat {
        group_id: "".into(),
        member_id: leader.member_id,
        group_instance_id: None,
        generation_id: 1,
    };
    let reply = driver.ask(GroupRequest::Heartbeat(request));
    assert_eq!(reply, GroupReply::Heartbeat(Err(GroupError::InvalidGroupId)));
}

#[test]
fn a_generation_survives_the_process() {
    let mut driver = Driver::without_delay();
    let members = driver.stable(3);
    driver.fail_over();
    assert_eq!(driver.state(), "Stable");
    for member in &members {
        assert_eq!(driver.heartbeat(member), Ok(()));
        let again = driver.send(sync(member));
        assert_eq!(driver.sync_reply(again).unwrap().assignment, member.member_id.as_bytes());
    }
    assert_eq!(driver.commit(commit_of(&members[0], "read", 7)), Ok(None));
    // One that waited in a join when the process ended comes again.
    driver.join_dynamic();
    driver.fail_over();
    assert_eq!(driver.state(), "Stable");
    // Sessions begin with the start.
    driver.advance(seconds(44));
    assert_eq!(driver.heartbeat(&members[0]), Ok(()));
    driver.advance(Duration::from_millis(1000));
    assert_eq!(driver.heartbeat(&members[1]), Err(GroupError::UnknownMemberId));
    assert_eq!(driver.heartbeat(&members[0]), Err(GroupError::RebalanceInProgress));
    let request = JoinGroup { requires_known_member_id: false, ..join("") };
    driver.send(GroupRequest::JoinGroup(request));
    assert_eq!(driver.fetch("read"), 7);
}

#[test]
fn an_assignment_that_no_batch_can_hold_begins_a_new_rebalance() {
    let mut driver = Driver::new();
    let [leader, follower] = joined(&mut driver);
    let waits = driver.send(sync(&follower));
    let start = driver.log.len();
    let GroupRequest::SyncGroup(mut request) = sync(&leader) else { panic!() };
    for (_, assignment) in &mut request.assignments {
        *assignment = vec![0; 600 << 10].into();
    }
    let leads = driver.send(GroupRequest::SyncGroup(request));
    for ticket in [leads, waits] {
        let refused = driver.sync_reply(ticket).unwrap_err();
        assert!(matches!(refused, GroupError::UnknownServerError(_)), "{refused:?}");
    }
    assert_eq!((driver.log.len(), driver.state().as_str()), (start, "PreparingRebalance"));
    let again =
        [&leader, &follower].map(|member| driver.send(GroupRequest::JoinGroup(join(&member.member_id))));
    let joins = again.map(|ticket| driver.join_reply(ticket));
    assert_eq!(joins[0].generation_id, 2);
    for synced in driver.sync_all(&joins) {
        assert!(synced.unwrap().assignment.len() < 100, "nothing of it is left");
    }
    driver.fail_over();
    assert_eq!(driver.state(), "Stable");
}

#[test]
fn a_group_whose_records_were_refused_goes_on_from_what_is_written() {
    let mut driver = Driver::new();
    let members = driver.stable(2);
    let rejoin = driver.send(GroupRequest::JoinGroup(join(&members[0].member_id)));
    assert_eq!((driver.reply(rejoin), driver.state().as_str()), (None, "PreparingRebalance"));
    let refused = [GroupRecord::GroupMetadata { group_id: "group".into(), metadata: None }];
    assert_eq!(driver.call(|shard, input| shard.unwritten(input, &refused)), 0);
    assert_eq!(driver.join_reply(rejoin).error, Some(GroupError::RebalanceInProgress));
    assert_eq!(driver.state(), "Stable");
    assert_eq!(driver.heartbeat(&members[1]), Ok(()));
    driver.advance(seconds(200));
    assert_eq!(driver.state(), "Empty", "its members have sessions");
}
