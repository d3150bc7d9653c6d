//! Joining, following, leaving.

use std::time::Duration;

use super::client::{Client, request, settle};
use super::driver::Driver;
use crate::group::assignor::Assignor;
use crate::group::consumer::offsets::CommitScope;
use crate::group::request::ConsumerGroupHeartbeat;
use crate::group::settings::GroupOverrides;
use crate::group::{ConsumerGroupChange, GroupError, GroupRecord};
use crate::model::TopicId;

fn stale() -> Result<(), GroupError> {
    Err(GroupError::StaleMemberEpoch)
}

#[test]
fn trap_76_the_first_member_gets_everything_at_once() {
    let mut driver = Driver::new();
    let topic_id = driver.topic("topic", 3);
    let mut client = Client::new("a", &["topic"]);
    let reply = client.beat(&mut driver).unwrap();
    // Measured against Kafka 4.3: a new group stands in epoch 1, and its first subscription raises it.
    assert_eq!((reply.member_epoch, reply.member_id.as_ref()), (2, "a"));
    assert_eq!(reply.heartbeat_interval, Duration::from_secs(5));
    assert_eq!(reply.assignment, Some(vec![(topic_id, vec![0, 1, 2])]));
    assert_eq!(driver.state(), "Stable");
    driver.fail_over();
}

#[test]
fn a_heartbeat_that_changes_nothing_writes_nothing_and_tells_nothing() {
    let mut driver = Driver::new();
    driver.topic("topic", 3);
    let mut client = Client::new("a", &["topic"]);
    client.beat(&mut driver).unwrap();
    client.beat(&mut driver).unwrap();
    let reply = driver.heartbeat(&request("a", 2)).unwrap();
    assert_eq!((reply.assignment, driver.written.len()), (None, 0));
    // Who tells everything, as after a lost answer, is told everything.
    client.has_told = false;
    let reply = driver.heartbeat(&client.request()).unwrap();
    assert!(reply.assignment.is_some());
    assert_eq!(driver.written.len(), 0);
}

#[test]
fn trap_76_a_second_member_gets_what_the_first_has_given_up() {
    let mut driver = Driver::new();
    driver.topic("topic", 4);
    let (mut one, mut other) = (Client::new("a", &["topic"]), Client::new("b", &["topic"]));
    one.beat(&mut driver).unwrap();
    let reply = other.beat(&mut driver).unwrap();
    assert_eq!((reply.member_epoch, reply.assignment), (3, Some(vec![])));
    assert_eq!(driver.state(), "Reconciling");
    // The first is told to give two up, in its epoch; it keeps them until it has said so.
    one.is_slow = true;
    let reply = one.beat(&mut driver).unwrap();
    assert_eq!((reply.member_epoch, reply.assignment.unwrap()[0].1.clone()), (2, vec![0, 1]));
    for _ in 0..3 {
        assert_eq!(other.beat(&mut driver).unwrap().assignment.unwrap_or_default(), vec![]);
        assert_eq!(one.beat(&mut driver).unwrap().member_epoch, 2);
    }
    one.is_slow = false;
    one.follow();
    assert_eq!(one.beat(&mut driver).unwrap().member_epoch, 3);
    let reply = other.beat(&mut driver).unwrap();
    assert_eq!(reply.assignment.unwrap()[0].1, vec![2, 3]);
    assert_eq!(driver.state(), "Stable");
    driver.fail_over();
}

#[test]
fn trap_76_epochs_fence() {
    let mut driver = Driver::new();
    let topic_id = driver.topic("topic", 4);
    let mut clients = [Client::new("a", &["topic"]), Client::new("b", &["topic"])];
    settle(&mut driver, &mut clients);
    let with = |member_epoch: i32, owned: Option<Vec<i32>>| ConsumerGroupHeartbeat {
        owned: owned.map(|partitions| vec![(topic_id, partitions)]),
        ..request("a", member_epoch)
    };
    let mut fenced = |request: &ConsumerGroupHeartbeat| {
        matches!(driver.heartbeat(request), Err(GroupError::FencedMemberEpoch(_)))
    };
    assert!(fenced(&with(4, None)), "an epoch that the member cannot know");
    assert!(fenced(&with(2, None)), "the epoch before, but what it has it does not say");
    assert!(fenced(&with(2, Some(vec![0, 1, 2]))), "the epoch before, with more than it is to have");
    assert!(fenced(&with(1, Some(vec![0]))), "an epoch long gone");
    let reply = driver.heartbeat(&with(2, Some(vec![0, 1]))).unwrap();
    assert_eq!(reply.member_epoch, 3, "the answer with the new epoch may have been lost");
    assert_eq!(driver.heartbeat(&request("c", 3)), Err(GroupError::UnknownMemberId));
    let other = ConsumerGroupHeartbeat { group_id: "other".into(), ..request("a", 3) };
    assert!(
        Driver::new().heartbeat(&other).is_err_and(|error| matches!(error, GroupError::GroupIdNotFound(_)))
    );
}

#[test]
fn trap_76_who_joins_again_because_an_answer_was_lost_is_told_what_it_has() {
    let mut driver = Driver::new();
    driver.topic("topic", 4);
    let mut clients = [Client::new("a", &["topic"]), Client::new("b", &["topic"])];
    settle(&mut driver, &mut clients);
    let mut again = Client::new("a", &["topic"]);
    again.beat(&mut driver).expect("it is not fenced");
    assert_eq!((again.member_epoch, again.count()), (clients[0].member_epoch, 2));
    assert_eq!(driver.written.len(), 0);
}

#[test]
fn trap_76_requests_that_contradict_themselves_are_refused() {
    let driver = Driver::new();
    let full = Client::new("a", &["topic"]).request();
    type Change = fn(&mut ConsumerGroupHeartbeat);
    let cases: [(Change, &str); 11] = [
        (|request| request.member_id = " ".into(), "MemberId can't be empty."),
        (|request| request.group_id = "".into(), "GroupId can't be empty."),
        (|request| request.instance_id = Some("".into()), "InstanceId can't be empty."),
        (|request| request.rack_id = Some("".into()), "RackId can't be empty."),
        (
            |request| request.rebalance_timeout_ms = -1,
            "RebalanceTimeoutMs must be provided in first request.",
        ),
        (|request| request.owned = None, "TopicPartitions must be empty when (re-)joining."),
        (
            |request| request.owned = Some(vec![(TopicId::ZERO, vec![1])]),
            "TopicPartitions must be empty when (re-)joining.",
        ),
        (
            |request| request.subscribed_topic_names = None,
            "Either SubscribedTopicNames or SubscribedTopicRegex must be non-null when (re-)joining.",
        ),
        (|request| request.member_epoch = -2, "InstanceId can't be null."),
        (|request| request.member_epoch = -3, "MemberEpoch is invalid."),
        (
            |request| {
                request.client_makes_member_id = false;
                request.member_id = "".into();
                request.member_epoch = -1;
            },
            "MemberId can't be empty.",
        ),
    ];
    for (change, words) in cases {
        let mut request = full.clone();
        change(&mut request);
        let error = super::super::check(&driver.settings, &request).unwrap_err();
        assert_eq!(error, GroupError::InvalidRequest(words.to_owned()));
    }
    let mut request = full.clone();
    request.server_assignor = Some("sticky".into());
    let words = "ServerAssignor sticky is not supported. Supported assignors: uniform, range.".to_owned();
    let error = super::super::check(&driver.settings, &request).unwrap_err();
    assert_eq!(error, GroupError::UnsupportedAssignor(words));
}

#[test]
fn trap_76_version_0_has_the_broker_make_the_member_id() {
    let mut driver = Driver::new();
    driver.topic("topic", 1);
    let mut request = Client::new("", &["topic"]).request();
    request.client_makes_member_id = false;
    let reply = driver.heartbeat(&request).unwrap();
    assert_eq!(reply.member_id.len(), 22, "16 bytes in base64: {}", reply.member_id);
    assert!(driver.group().members().any(|(member_id, _)| *member_id == reply.member_id));
}

#[test]
fn who_is_not_heard_of_loses_its_partitions_when_its_session_ends() {
    let mut driver = Driver::new();
    driver.topic("topic", 4);
    let mut clients = [Client::new("a", &["topic"]), Client::new("b", &["topic"])];
    settle(&mut driver, &mut clients);
    driver.advance(Duration::from_secs(43));
    let [one, other] = &mut clients;
    one.beat(&mut driver).unwrap();
    // A clock that is set back or forth ends no session.
    driver.wall += 1_000_000_000;
    driver.advance(Duration::ZERO);
    assert_eq!(driver.group().members().count(), 2);
    driver.advance(Duration::from_secs(1));
    assert_eq!(driver.group().members().count(), 1);
    assert_eq!(driver.state(), "Assigning");
    one.beat(&mut driver).unwrap();
    assert_eq!((one.count(), driver.state()), (4, "Stable"));
    assert_eq!(other.beat(&mut driver), Err(GroupError::UnknownMemberId));
    other.beat(&mut driver).unwrap();
    driver.fail_over();
    // After a fail-over a whole session begins.
    driver.advance(Duration::from_secs(44));
    assert_eq!(driver.group().members().count(), 2);
    driver.advance(Duration::from_secs(1));
    assert_eq!(driver.group().members().count(), 0);
    assert_eq!(driver.state(), "Empty");
}

#[test]
fn who_does_not_give_up_in_time_is_fenced() {
    for fails_over in [false, true] {
        let mut driver = Driver::new();
        driver.topic("topic", 4);
        let (mut one, mut other) = (Client::new("a", &["topic"]), Client::new("b", &["topic"]));
        one.beat(&mut driver).unwrap();
        other.beat(&mut driver).unwrap();
        one.is_slow = true;
        one.beat(&mut driver).unwrap();
        if fails_over {
            driver.fail_over();
        }
        for _ in 0..29 {
            driver.advance(Duration::from_secs(1));
            one.beat(&mut driver).unwrap();
            other.beat(&mut driver).unwrap();
        }
        assert_eq!(driver.group().members().count(), 2);
        driver.advance(Duration::from_secs(1));
        assert_eq!(driver.group().members().count(), 1, "30 s, its rebalance timeout, are over");
        assert_eq!(one.beat(&mut driver), Err(GroupError::UnknownMemberId));
        other.beat(&mut driver).unwrap();
        assert_eq!(other.count(), 4);
    }
}

#[test]
fn who_leaves_is_gone_and_the_others_share() {
    let mut driver = Driver::new();
    driver.topic("topic", 4);
    let mut clients = [Client::new("a", &["topic"]), Client::new("b", &["topic"])];
    settle(&mut driver, &mut clients);
    let reply = driver.heartbeat(&request("a", -1)).unwrap();
    assert_eq!((reply.member_id.as_ref(), reply.member_epoch, reply.assignment), ("a", -1, None));
    assert_eq!(driver.heartbeat(&request("a", -1)), Err(GroupError::UnknownMemberId));
    let [_, other] = &mut clients;
    other.beat(&mut driver).unwrap();
    assert_eq!(other.count(), 4);
    driver.heartbeat(&request("b", -1)).unwrap();
    assert_eq!(driver.state(), "Empty");
    driver.fail_over();
}

#[test]
fn a_full_group_takes_nobody_new() {
    let mut driver = Driver::new();
    driver.topic("topic", 4);
    driver.settings.consumer_group_max_size = 1;
    let mut client = Client::new("a", &["topic"]);
    client.beat(&mut driver).unwrap();
    let refused = Client::new("b", &["topic"]).beat(&mut driver);
    assert_eq!(refused, Err(GroupError::GroupMaxSizeReached));
    client.beat(&mut driver).unwrap();
}

#[test]
fn topics_that_grow_come_and_go_are_noticed_by_the_next_heartbeat() {
    let mut driver = Driver::new();
    let mut client = Client::new("a", &["topic", "later"]);
    let reply = client.beat(&mut driver).unwrap();
    assert_eq!((reply.member_epoch, client.count()), (2, 0));
    for (name, partitions, count) in [("topic", 2, 2), ("topic", 5, 5), ("later", 1, 6), ("other", 3, 6)] {
        driver.topic(name, partitions);
        client.beat(&mut driver).unwrap();
        client.beat(&mut driver).unwrap();
        assert_eq!(client.count(), count, "{name} with {partitions}");
    }
    assert_eq!(client.member_epoch, 5, "a topic that nobody subscribes to raises nothing");
    let old = driver.image.topic("topic").unwrap().topic_id;
    driver.delete_topic("topic");
    client.beat(&mut driver).unwrap();
    client.beat(&mut driver).unwrap();
    assert_eq!(client.count(), 1);
    // Under the same name, it is another topic.
    driver.topic("topic", 2);
    client.beat(&mut driver).unwrap();
    client.beat(&mut driver).unwrap();
    assert!(client.count() == 3 && !client.owned.contains_key(&old));
    driver.fail_over();
    client.beat(&mut driver).unwrap();
    assert_eq!(driver.written.len(), 0, "a fail-over alone raises nothing");
}

#[test]
fn a_topic_that_a_member_subscribes_to_no_more_is_taken_at_once() {
    let mut driver = Driver::new();
    let kept = driver.topic("kept", 1);
    let dropped = driver.topic("dropped", 1);
    driver.settings.consumer_group_assignment_interval = Duration::from_secs(10);
    let mut client = Client::new("a", &["kept", "dropped"]);
    client.beat(&mut driver).unwrap();
    assert_eq!(client.count(), 2);
    client.is_slow = true;
    client.names.pop();
    client.has_told = false;
    // No new target is due for ten seconds, but what it did not ask for it has to give up.
    let reply = client.beat(&mut driver).unwrap();
    assert_eq!(reply.assignment, Some(vec![(kept, vec![0])]));
    let member = driver.describe().members.remove(0);
    let topics: Vec<TopicId> = member.assignment.iter().map(|topic| topic.topic_id).collect();
    assert!(topics.contains(&dropped), "it is still described with it");
    client.is_slow = false;
    client.follow();
    client.beat(&mut driver).unwrap();
    assert_eq!(driver.describe().members[0].assignment.len(), 1);
}

#[test]
fn assignments_are_not_made_more_often_than_the_interval_allows() {
    let mut driver = Driver::new();
    driver.topic("topic", 4);
    driver.settings.consumer_group_assignment_interval = Duration::from_secs(1);
    let (mut one, mut other) = (Client::new("a", &["topic"]), Client::new("b", &["topic"]));
    one.beat(&mut driver).unwrap();
    other.beat(&mut driver).unwrap();
    assert_eq!(driver.state(), "Assigning");
    driver.advance(Duration::from_millis(999));
    one.beat(&mut driver).unwrap();
    assert_eq!(driver.state(), "Assigning");
    // The interval is measured by the wall clock after a fail-over; one that was set back holds nothing up.
    driver.fail_over();
    one.beat(&mut driver).unwrap();
    assert_eq!(driver.state(), "Assigning");
    driver.wall -= 3_600_000;
    one.beat(&mut driver).unwrap();
    assert_eq!(driver.state(), "Reconciling");
    let overrides = GroupOverrides {
        consumer_assignment_interval: Some(Duration::ZERO),
        consumer_heartbeat_interval: Some(Duration::from_secs(7)),
        consumer_session_timeout: Some(Duration::from_secs(60)),
    };
    driver.settings.overrides = [("group".into(), overrides)].into();
    let reply = Client::new("c", &["topic"]).beat(&mut driver).unwrap();
    assert_eq!(reply.heartbeat_interval, Duration::from_secs(7));
    assert_eq!(driver.group().target_metadata.assignment_epoch, driver.group().metadata.group_epoch);
    driver.advance(Duration::from_secs(59));
    assert!(driver.group().members.contains_key("c"));
}

#[test]
fn the_assignor_that_most_ask_for_is_taken() {
    let mut driver = Driver::new();
    driver.topic("one", 1);
    driver.topic("two", 1);
    let mut clients = [Client::new("a", &["one", "two"]), Client::new("b", &["one", "two"])];
    settle(&mut driver, &mut clients);
    assert_eq!(clients.each_ref().map(Client::count), [1, 1]);
    assert_eq!(driver.describe().assignor_name, "uniform");
    for client in &mut clients {
        let mut request = client.request();
        request.server_assignor = Some(Assignor::Range.name().into());
        let reply = driver.heartbeat(&request);
        client.take(&reply);
    }
    // Another assignor alone moves nothing; the next assignment is by it.
    assert_eq!(driver.describe().assignor_name, "range");
    driver.topic("three", 1);
    for client in &mut clients {
        client.names.push("three".into());
        client.has_told = false;
    }
    settle(&mut driver, &mut clients);
    assert_eq!(clients.each_ref().map(Client::count), [3, 0]);
}

#[test]
fn trap_76_commits_and_fetches_are_the_members() {
    let mut driver = Driver::new();
    let topic_id = driver.topic("topic", 4);
    let (mut one, mut other) = (Client::new("a", &["topic"]), Client::new("b", &["topic"]));
    one.beat(&mut driver).unwrap();
    other.beat(&mut driver).unwrap();
    one.beat(&mut driver).unwrap();
    one.beat(&mut driver).unwrap();
    other.beat(&mut driver).unwrap();
    let group = driver.group();
    let commit = |member_id: &str, member_epoch: i32, partition: i32| {
        let scope = group.validate_commit(member_id, member_epoch, true)?;
        scope.check(topic_id, partition)
    };
    assert_eq!(commit("a", 3, 3), Ok(()), "with its epoch a member is believed");
    assert_eq!(commit("a", 2, 0), Ok(()), "KIP-1251: it has had this one since epoch 2");
    assert_eq!(commit("a", 2, 3), stale(), "this one it has no more");
    assert_eq!(commit("b", 2, 2), stale(), "this one it has since epoch 3");
    assert_eq!(commit("a", 4, 0), stale());
    assert_eq!(commit("c", 3, 0), Err(GroupError::UnknownMemberId));
    assert_eq!(commit("", -1, 0), Err(GroupError::UnknownMemberId));
    assert!(matches!(group.validate_commit("a", 3, false), Err(GroupError::UnsupportedVersion(_))));
    assert_eq!(group.validate_fetch(None, -1), Ok(()));
    assert_eq!(group.validate_fetch(Some("a"), 3), Ok(()));
    assert_eq!(group.validate_fetch(Some("a"), 2), stale());
    assert_eq!(group.validate_fetch(Some("c"), 3), Err(GroupError::UnknownMemberId));
    for client in ["a", "b"] {
        driver.heartbeat(&request(client, -1)).unwrap();
    }
    assert!(matches!(driver.group().validate_commit("", -1, true), Ok(CommitScope::All)));
}

#[test]
fn a_record_of_an_older_version_is_deleted_with_the_next_look_at_topics() {
    let mut driver = Driver::new();
    driver.topic("topic", 1);
    let mut client = Client::new("a", &["topic"]);
    client.beat(&mut driver).unwrap();
    let group = driver.group.as_mut().unwrap();
    group.replay(ConsumerGroupChange::PartitionMetadata(Some(bytes::Bytes::from_static(&[0, 0, 1]))));
    driver.topic("topic", 2);
    client.beat(&mut driver).unwrap();
    let tombstone = |record: &GroupRecord| {
        matches!(
            record,
            GroupRecord::ConsumerGroup { change: ConsumerGroupChange::PartitionMetadata(None), .. }
        )
    };
    assert_eq!(driver.written.iter().filter(|record| tombstone(record)).count(), 1);
    assert!(!driver.group().has_partition_metadata);
}

#[test]
fn a_group_is_described_as_it_is() {
    let mut driver = Driver::new();
    let topic_id = driver.topic("topic", 2);
    let mut request = Client::with_instance("a", "instance", &["topic"]).request();
    request.rack_id = Some("rack".into());
    driver.heartbeat(&request).unwrap();
    let group = driver.describe();
    assert_eq!((group.state, group.group_epoch, group.assignment_epoch), ("Stable", 2, 2));
    let member = &group.members[0];
    assert_eq!((member.member_id.as_ref(), member.member_epoch, member.is_classic), ("a", 2, false));
    assert_eq!((member.instance_id.as_deref(), member.rack_id.as_deref()), (Some("instance"), Some("rack")));
    assert_eq!((member.client_id.as_ref(), member.client_host.as_ref()), ("client", "/127.0.0.1"));
    assert_eq!(member.subscribed_topic_names, ["topic".into()]);
    assert_eq!(member.subscribed_topic_regex.as_deref(), Some(""));
    for topics in [&member.assignment, &member.target_assignment] {
        let topic = &topics[0];
        assert_eq!((topic.topic_id, topic.topic_name.as_ref()), (topic_id, "topic"));
        assert_eq!(topic.partitions, [0, 1]);
    }
    driver.delete_topic("topic");
    assert!(driver.describe().members[0].assignment.is_empty(), "a topic that is gone has no name to tell");
}
