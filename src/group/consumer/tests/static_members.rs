//! KIP-345 in KIP-848: members that come back.

use std::time::Duration;

use super::client::{Client, request, settle};
use super::driver::Driver;
use crate::group::GroupError;
use crate::group::request::ConsumerGroupHeartbeat;

fn leaving(member_id: &str, instance_id: &str, member_epoch: i32) -> ConsumerGroupHeartbeat {
    ConsumerGroupHeartbeat { instance_id: Some(instance_id.into()), ..request(member_id, member_epoch) }
}

fn pair() -> (Driver, [Client; 2]) {
    let mut driver = Driver::new();
    driver.topic("topic", 4);
    let mut clients =
        [Client::with_instance("a", "one", &["topic"]), Client::with_instance("b", "two", &["topic"])];
    settle(&mut driver, &mut clients);
    (driver, clients)
}

#[test]
fn who_comes_back_in_time_finds_its_partitions_and_nobody_rebalances() {
    let (mut driver, [one, mut other]) = pair();
    let group_epoch = driver.group().metadata.group_epoch;
    let reply = driver.heartbeat(&leaving("a", "one", -2)).unwrap();
    assert_eq!((reply.member_epoch, driver.written.len()), (-2, 1));
    driver.fail_over();
    driver.advance(Duration::from_secs(44));
    other.beat(&mut driver).unwrap();
    assert_eq!(driver.written.len(), 0);
    let mut back = Client::with_instance("c", "one", &["topic"]);
    let reply = back.beat(&mut driver).unwrap();
    assert_eq!((reply.member_epoch, &back.owned), (group_epoch, &one.owned));
    assert_eq!(driver.group().metadata.group_epoch, group_epoch);
    assert_eq!(driver.state(), "Stable");
    assert_eq!(driver.group().members().count(), 2);
    driver.fail_over();
}

#[test]
fn who_does_not_come_back_in_time_is_gone() {
    let (mut driver, [_, mut other]) = pair();
    driver.heartbeat(&leaving("a", "one", -2)).unwrap();
    for _ in 0..46 {
        driver.advance(Duration::from_secs(1));
        other.beat(&mut driver).unwrap();
    }
    assert_eq!((other.count(), driver.group().members().count()), (4, 1));
}

#[test]
fn who_comes_back_with_another_subscription_rebalances() {
    let (mut driver, [_, other]) = pair();
    driver.topic("second", 2);
    driver.heartbeat(&leaving("a", "one", -2)).unwrap();
    let back = Client::with_instance("c", "one", &["topic", "second"]);
    let mut clients = [back, other];
    settle(&mut driver, &mut clients);
    assert_eq!(clients.each_ref().map(Client::count), [3, 3]);
    driver.fail_over();
}

/// Measured against Kafka 4.3.1, but for the size, which is from its source.
#[test]
fn refusals_have_kafkas_words() {
    let (mut driver, _) = pair();
    let of_instance = leaving("c", "one", 3);
    let dynamic = ConsumerGroupHeartbeat { instance_id: None, ..leaving("c", "one", -1) };
    let full = "The consumer group has reached its maximum capacity of 2 members.";
    for (members_max, request, words) in [
        (3, &of_instance, "Static member c with instance id one was fenced by member a."),
        (3, &leaving("a", "other", -2), "Instance id other is unknown."),
        (3, &dynamic, "Member c is not a member of group group."),
        (2, &of_instance, full),
    ] {
        driver.settings.consumer_group_max_size = members_max;
        let refused = driver.heartbeat_in_words(request).unwrap_err();
        assert_eq!(refused.to_string(), words);
    }
}

#[test]
fn an_instance_id_has_one_member() {
    let (mut driver, _) = pair();
    let refused = Client::with_instance("c", "one", &["topic"]).beat(&mut driver);
    assert!(matches!(refused, Err(GroupError::UnreleasedInstanceId(_))), "{refused:?}");
    assert_eq!(driver.heartbeat(&leaving("c", "one", 3)), Err(GroupError::FencedInstanceId));
    assert_eq!(driver.heartbeat(&leaving("c", "one", -1)), Err(GroupError::FencedInstanceId));
    assert_eq!(driver.heartbeat(&leaving("a", "other", -2)), Err(GroupError::UnknownMemberId));
    assert_eq!(driver.heartbeat(&leaving("a", "other", 3)), Err(GroupError::UnknownMemberId));
    driver.heartbeat(&leaving("a", "one", -1)).unwrap();
    assert_eq!(driver.group().members().count(), 1, "with -1 it leaves for good");
    driver.fail_over();
}

#[test]
fn whoever_comes_back_commits_for_all_that_was_left() {
    let (mut driver, [one, _]) = pair();
    driver.heartbeat(&leaving("a", "one", -2)).unwrap();
    let member = &driver.group().members["a"];
    let epochs: Vec<i32> = member.current.assigned.values().flat_map(|of| of.values().copied()).collect();
    assert_eq!(epochs, vec![0; one.count()]);
}
