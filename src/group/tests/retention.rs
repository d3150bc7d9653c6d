use std::time::Duration;

use super::driver::{Driver, commit, commit_of, seconds};
use crate::group::outcome::PORTION_BYTES;
use crate::group::{GroupRecord, GroupRequest, JoinGroup, JoinGroupReply, OffsetCommitPartition};
use crate::model::Timestamp;

const RETENTION: Duration = seconds(7 * 24 * 60 * 60);

fn expire(driver: &mut Driver) -> usize {
    driver.call(|shard, input| shard.expire(input))
}

/// Time passes, and members send heartbeats.
fn pass(driver: &mut Driver, time: Duration, members: &[JoinGroupReply]) {
    let end = driver.monotonic + time;
    while driver.monotonic < end {
        driver.advance(seconds(40).min(end - driver.monotonic));
        for member in members {
            driver.heartbeat(member).unwrap();
        }
    }
}

#[test]
fn trap_74_offsets_of_a_group_with_members_are_kept_while_they_are_read() {
    let mut driver = Driver::without_delay();
    driver.settings.offsets_retention = seconds(1000);
    let members = driver.stable(2);
    driver.commit(commit_of(&members[0], "read", 1)).unwrap();
    driver.commit(commit_of(&members[0], "left", 2)).unwrap();
    pass(&mut driver, seconds(999), &members);
    assert_eq!(expire(&mut driver), 0);
    // KIP-211: what nobody reads on goes by its own commit.
    pass(&mut driver, seconds(1), &members);
    assert_eq!(expire(&mut driver), 1);
    assert_eq!((driver.fetch("read"), driver.fetch("left")), (1, -1));
    pass(&mut driver, seconds(5000), &members);
    assert_eq!(expire(&mut driver), 0);
    // In a rebalance nothing goes.
    driver.commit(commit_of(&members[0], "left", 2)).unwrap();
    driver.wall.0 += 2_000_000;
    driver.join_dynamic();
    assert_eq!(expire(&mut driver), 0);
}

#[test]
fn trap_74_an_empty_group_loses_all_at_once() {
    let mut driver = Driver::without_delay();
    let members = driver.stable(1);
    driver.commit(commit_of(&members[0], "read", 1)).unwrap();
    pass(&mut driver, seconds(100), &members);
    driver.leave(&[(&members[0].member_id, None)]);
    // From when the group became empty, not from the commit; and by the clock that outlives a restart.
    driver.advance(RETENTION - Duration::from_millis(1));
    driver.fail_over();
    assert_eq!(expire(&mut driver), 0);
    driver.wall.0 += 1;
    assert_eq!(expire(&mut driver), 2);
    assert_eq!(driver.state(), "none");
    assert_eq!(expire(&mut driver), 0);
}

#[test]
fn offsets_without_members_go_each_by_its_commit() {
    let mut driver = Driver::new();
    driver.commit(commit("early", 1)).unwrap();
    driver.advance(seconds(60));
    driver.commit(commit("late", 2)).unwrap();
    let mut expires = commit("short", 3);
    expires.retention = Some(seconds(30));
    driver.commit(expires).unwrap();
    driver.advance(seconds(29));
    assert_eq!(expire(&mut driver), 0);
    driver.advance(seconds(1));
    assert_eq!((expire(&mut driver), driver.fetch("short")), (1, -1));
    driver.advance(RETENTION - seconds(90));
    assert_eq!(expire(&mut driver), 1);
    assert_eq!((driver.fetch("early"), driver.fetch("late")), (-1, 2));
    driver.advance(seconds(60));
    assert_eq!(expire(&mut driver), 2, "the last offset and the group");
    assert_eq!(driver.state(), "none");
}

#[test]
fn a_group_without_offsets_goes_at_once_unless_somebody_is_about_to_join() {
    let mut driver = Driver::new();
    driver.ask(GroupRequest::JoinGroup(super::driver::join("")));
    assert_eq!((expire(&mut driver), driver.state().as_str()), (0, "Empty"));
    driver.advance(seconds(45));
    assert_eq!((expire(&mut driver), driver.state().as_str()), (1, "none"));
}

#[test]
fn members_of_another_type_lose_nothing() {
    let mut driver = Driver::without_delay();
    let request = JoinGroup {
        protocol_type: "connect".into(),
        requires_known_member_id: false,
        ..super::driver::join("")
    };
    let ticket = driver.send(GroupRequest::JoinGroup(request));
    driver.advance(seconds(0));
    let member = driver.join_reply(ticket);
    driver.sync_all(std::slice::from_ref(&member));
    driver.commit(commit_of(&member, "read", 1)).unwrap();
    driver.wall.0 += 2 * RETENTION.as_millis() as i64;
    assert_eq!(expire(&mut driver), 0);
}

#[test]
fn one_call_forgets_no_more_than_so_many() {
    const COUNT: usize = 1000;
    let mut driver = Driver::new();
    let mut request = commit("read", 1);
    let first = request.topics[0].partitions[0].clone();
    request.topics[0].partitions =
        (0..COUNT as i32).map(|partition| OffsetCommitPartition { partition, ..first.clone() }).collect();
    // Of long names fewer are given than of short ones.
    request.topics[0].name = "t".repeat(1000).into();
    driver.batch_bytes_max = usize::MAX;
    driver.commit(request).unwrap();
    let mut other = commit("read", 1);
    other.group_id = "another".into();
    driver.commit(other).unwrap();
    driver.advance(RETENTION);
    let mut left = COUNT + 3;
    while left > 0 {
        let start = driver.log.len();
        let records = expire(&mut driver);
        assert!(records > 0, "{left} are left");
        let bytes: usize = driver.written_since(start).iter().map(GroupRecord::batch_bytes).sum();
        assert!(bytes < PORTION_BYTES + 1100, "{bytes} bytes in one call");
        left -= records;
    }
    assert_eq!((expire(&mut driver), driver.state().as_str()), (0, "none"));
    // The last partition first: none of the others moves.
    let gone = |record: &GroupRecord| match record {
        GroupRecord::OffsetCommit { partition, offset: None, .. } => Some(*partition),
        _ => None,
    };
    let gone: Vec<i32> = driver.written_since(0).iter().filter_map(gone).collect();
    assert!(gone[1..].is_sorted_by(|left, right| left > right) && gone.len() == COUNT + 1);
}

/// What is committed while the clock is behind is not old when it is right again; nor is it judged by a clock
/// that is behind.
#[test]
fn a_clock_that_was_behind_expires_nothing_that_was_committed_meanwhile() {
    let mut driver = Driver::without_delay();
    driver.settings.offsets_retention = seconds(1000);
    let right = driver.wall;
    driver.believed = Some(Timestamp(right.0 - 10_000_000));
    let members = driver.stable(1);
    driver.commit(commit_of(&members[0], "read", 1)).unwrap();
    driver.leave(&[(&members[0].member_id, None)]);
    assert_eq!(expire(&mut driver), 0);
    driver.believed = Some(right);
    driver.fail_over();
    assert_eq!(expire(&mut driver), 0);
    driver.believed = Some(Timestamp(right.0 + 1_000_000));
    assert_eq!(expire(&mut driver), 2, "the offset, and the group");
}
