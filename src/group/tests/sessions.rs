use std::time::Duration;

use super::driver::{Driver, commit_of, join, seconds, sync};
use super::migration::consumer;
use crate::group::outcome::PORTION_BYTES;
use crate::group::{ConsumerGroupHeartbeat, GroupError, GroupRecord, GroupReply, GroupRequest, JoinGroup};

#[test]
fn a_member_that_falls_silent_is_removed_after_its_session_timeout() {
    let mut driver = Driver::without_delay();
    let members = driver.stable(2);
    driver.advance(seconds(30));
    driver.heartbeat(&members[0]).unwrap();
    // A commit is as good as a heartbeat.
    driver.commit(commit_of(&members[1], "read", 1)).unwrap();
    driver.advance(Duration::from_millis(44_999));
    driver.heartbeat(&members[0]).unwrap();
    driver.advance(Duration::from_millis(1));
    assert_eq!(driver.state(), "PreparingRebalance");
    assert_eq!(driver.heartbeat(&members[0]), Err(GroupError::RebalanceInProgress));
    assert_eq!(driver.heartbeat(&members[1]), Err(GroupError::UnknownMemberId));
    // The other one too: the group is empty, and that is written down.
    driver.advance(seconds(200));
    assert_eq!(driver.state(), "Empty");
    driver.fail_over();
    assert_eq!(driver.state(), "Empty");
    assert_eq!(driver.shard.next_deadline(), None);
}

#[test]
fn who_waits_for_an_answer_does_not_expire() {
    let mut driver = Driver::without_delay();
    let members = driver.stable(2);
    let long = |member_id: &str| JoinGroup { rebalance_timeout: seconds(250), ..join(member_id) };
    let rejoin = driver.send(GroupRequest::JoinGroup(long(&members[0].member_id)));
    for _ in 0..8 {
        driver.advance(seconds(30));
        assert_eq!(driver.heartbeat(&members[1]), Err(GroupError::RebalanceInProgress));
    }
    assert_eq!(driver.reply(rejoin), None);
    let second = driver.send(GroupRequest::JoinGroup(long(&members[1].member_id)));
    let joins = [driver.join_reply(rejoin), driver.join_reply(second)];
    assert_eq!(joins[0].members.len(), 2);
    // In a sync as well: the leader is slow.
    let waits = driver.send(sync(&joins[1]));
    for _ in 0..8 {
        driver.advance(seconds(30));
        assert_eq!(driver.heartbeat(&joins[0]), Ok(()));
    }
    let leads = driver.send(sync(&joins[0]));
    driver.sync_reply(leads).unwrap();
    driver.sync_reply(waits).unwrap();
    // From its answer on it has a whole session.
    driver.advance(seconds(44));
    assert_eq!(driver.heartbeat(&joins[1]), Ok(()));
}

#[test]
fn a_new_member_waits_five_minutes_at_most() {
    let mut driver = Driver::without_delay();
    let member = driver.stable(1).remove(0);
    let long = |member_id: &str| JoinGroup { rebalance_timeout: seconds(1000), ..join(member_id) };
    // A rebalance that takes long: one more member is about to join and does not.
    driver.ask(GroupRequest::JoinGroup(JoinGroup { session_timeout: seconds(1800), ..join("") }));
    let GroupReply::JoinGroup(pending) = driver.ask(GroupRequest::JoinGroup(join(""))) else { panic!() };
    let newcomer = pending.member_id;
    let waits = driver.send(GroupRequest::JoinGroup(long(&newcomer)));
    let rejoin = driver.send(GroupRequest::JoinGroup(long(&member.member_id)));
    driver.advance(Duration::from_millis(299_999));
    assert_eq!(driver.reply(waits), None);
    driver.advance(Duration::from_millis(1));
    let refused = driver.join_reply(waits);
    assert_eq!((refused.error, &*refused.member_id), (Some(GroupError::UnknownMemberId), ""));
    let again = driver.send(GroupRequest::JoinGroup(join(&newcomer)));
    assert_eq!(driver.join_reply(again).error, Some(GroupError::UnknownMemberId));
    // The old one waits on.
    assert_eq!(driver.reply(rejoin), None);
    driver.advance(seconds(1000));
    assert_eq!(driver.join_reply(rejoin).members.len(), 1);
}

#[test]
fn a_group_that_forms_does_not_wait_for_who_is_gone() {
    let mut driver = Driver::new();
    driver.settings.group_initial_rebalance_delay = seconds(40);
    driver.ask(GroupRequest::JoinGroup(JoinGroup { session_timeout: seconds(6), ..join("") }));
    let (_, waits) = driver.join_dynamic();
    driver.advance(Duration::from_millis(5999));
    assert_eq!(driver.reply(waits), None);
    driver.advance(Duration::from_millis(1));
    assert_eq!(driver.join_reply(waits).members.len(), 1);
}

#[test]
fn a_jump_of_the_wall_clock_expires_nobody() {
    let mut driver = Driver::without_delay();
    let member = driver.stable(1).remove(0);
    for jump in [1_000_000_000, -2_000_000_000] {
        driver.wall.0 += jump;
        driver.advance(seconds(1));
        assert_eq!(driver.heartbeat(&member), Ok(()));
    }
}

#[test]
fn when_all_sessions_end_at_once_no_call_writes_too_much() {
    const GROUPS: usize = 1000;
    let mut driver = Driver::without_delay();
    for at in 0..GROUPS {
        let group_id = format!("{at}{}", "-".repeat(1000)).into();
        let request = JoinGroup { group_id, requires_known_member_id: false, ..join("") };
        driver.send(GroupRequest::JoinGroup(request));
    }
    driver.advance(seconds(1));
    let start = driver.log.len();
    // The process stood still for an hour.
    driver.monotonic += seconds(3600);
    let mut calls = 0;
    while let Some(deadline) = driver.shard.next_deadline() {
        let before = driver.log.len();
        let records = driver.call(|shard, input| shard.advance(input));
        let bytes: usize = driver.written_since(before).iter().map(GroupRecord::batch_bytes).sum();
        assert!(records > 0 && bytes < PORTION_BYTES + 4096, "{records} records, {bytes} bytes in one call");
        // What is left is due since the call that left it: nobody missed it.
        assert!(calls == 0 || deadline == driver.monotonic, "{deadline:?}");
        calls += 1;
    }
    assert_eq!((driver.log.len() - start, calls > 2), (GROUPS, true));
    driver.fail_over();
}

#[test]
fn members_of_consumer_groups_that_end_at_once_are_removed_in_portions() {
    const GROUPS: usize = 200;
    let mut driver = Driver::new();
    for at in 0..GROUPS {
        let request = ConsumerGroupHeartbeat {
            group_id: format!("{at}{}", "-".repeat(1000)).into(),
            ..consumer("member", 0, None)
        };
        driver.ask(GroupRequest::ConsumerGroupHeartbeat(request));
    }
    driver.monotonic += seconds(3600);
    let mut calls = 0;
    while driver.shard.next_deadline().is_some() {
        let start = driver.log.len();
        driver.call(|shard, input| shard.advance(input));
        let bytes: usize = driver.written_since(start).iter().map(GroupRecord::batch_bytes).sum();
        assert!(bytes < PORTION_BYTES * 2, "{bytes} bytes in one call");
        calls += 1;
        assert!(calls < 100);
    }
    assert!(calls > 2, "{calls}");
}

#[test]
fn a_search_is_due_at_once_and_was_not_missed() {
    let mut driver = Driver::new();
    let mut request = consumer("member", 0, None);
    request.subscribed_topic_regex = Some("re.*".into());
    driver.ask(GroupRequest::ConsumerGroupHeartbeat(request));
    assert_eq!(driver.shard.next_deadline(), Some(driver.monotonic));
}
