use super::driver::{Driver, GROUP, commit, commit_of, fetch};
use crate::group::{
    DeletedTopic, GroupError, GroupRecord, GroupReply, GroupRequest, OffsetCommit, OffsetCommitPartition,
    OffsetCommitTopic, OffsetDelete, OffsetFetchPartition, OffsetFetchTopic, OffsetFetchTopicReply, Ticket,
};
use crate::model::{LeaderEpoch, Offset, TopicId};

fn topic_id(number: u128) -> TopicId {
    TopicId(uuid::Uuid::from_u128(number))
}

fn commit_with(topic_id: TopicId, metadata: &str) -> OffsetCommit {
    let partition = |partition| OffsetCommitPartition {
        partition,
        offset: Offset(100 + i64::from(partition)),
        leader_epoch: LeaderEpoch(7),
        metadata: metadata.into(),
    };
    let topic =
        OffsetCommitTopic { topic_id, name: "read".into(), partitions: vec![partition(2), partition(0)] };
    OffsetCommit { topics: vec![topic], ..commit("read", 0) }
}

fn fetch_all(driver: &mut Driver, topics: Option<Vec<OffsetFetchTopic>>) -> Vec<OffsetFetchTopicReply> {
    match driver.ask(GroupRequest::OffsetFetch(fetch(topics))) {
        GroupReply::OffsetFetch(Ok(topics)) => topics,
        other => panic!("{other:?}"),
    }
}

fn asked(topic_id: TopicId, name: &str) -> OffsetFetchTopic {
    OffsetFetchTopic { topic_id, name: name.into(), partitions: vec![0, 1, 2] }
}

#[test]
fn trap_70_metadata_and_leader_epochs_come_back() {
    let mut driver = Driver::new();
    assert_eq!(driver.commit(commit_with(TopicId::ZERO, "note")), Ok(None));
    for _ in 0..2 {
        let topics = fetch_all(&mut driver, None);
        let expected = |partition| OffsetFetchPartition {
            partition,
            offset: Offset(100 + i64::from(partition)),
            leader_epoch: LeaderEpoch(7),
            metadata: "note".into(),
            error: None,
        };
        assert_eq!(topics[0].partitions, [expected(0), expected(2)]);
        driver.fail_over();
    }
}

#[test]
fn trap_70_metadata_that_is_too_large_is_refused_for_its_partition() {
    for (metadata, error) in [
        ("x".repeat(4096), None),
        ("x".repeat(4097), Some(GroupError::OffsetMetadataTooLarge)),
        // Kafka counts the units of UTF-16, of which these characters take one, and two.
        ("\u{20ac}".repeat(4096), None),
        ("\u{1f600}".repeat(2049), Some(GroupError::OffsetMetadataTooLarge)),
    ] {
        let mut driver = Driver::new();
        assert_eq!(driver.commit(commit_with(TopicId::ZERO, &metadata)), Ok(error.clone()));
        assert_eq!(driver.log.len(), if error.is_some() { 0 } else { 2 });
    }
}

#[test]
fn trap_71_every_partition_that_is_asked_for_is_answered() {
    let mut driver = Driver::new();
    let offsets = |driver: &mut Driver, name: &str| -> Vec<i64> {
        let topics = fetch_all(driver, Some(vec![asked(TopicId::ZERO, name)]));
        assert_eq!((topics.len(), &*topics[0].name), (1, name));
        topics[0].partitions.iter().map(|partition| partition.offset.0).collect()
    };
    assert_eq!(offsets(&mut driver, "read"), [-1, -1, -1], "no such group");
    assert_eq!(fetch_all(&mut driver, None), []);
    driver.commit(commit_with(TopicId::ZERO, "")).unwrap();
    assert_eq!(offsets(&mut driver, "read"), [100, -1, 102]);
    assert_eq!(offsets(&mut driver, "other"), [-1, -1, -1]);
    assert_eq!(fetch_all(&mut driver, Some(Vec::new())), []);
}

#[test]
fn an_offset_of_another_topic_of_the_same_name_is_not_given() {
    let mut driver = Driver::new();
    for (committed, asked_for, offset) in [
        (topic_id(1), topic_id(1), 100),
        (topic_id(1), topic_id(2), -1),
        (topic_id(1), TopicId::ZERO, 100),
        (TopicId::ZERO, topic_id(2), 100),
    ] {
        driver.commit(commit_with(committed, "")).unwrap();
        let topics = fetch_all(&mut driver, Some(vec![asked(asked_for, "read")]));
        assert_eq!(topics[0].topic_id, asked_for);
        assert_eq!(topics[0].partitions[0].offset.0, offset, "{committed} {asked_for}");
    }
}

fn delete(driver: &mut Driver, topics: &[&str]) -> Result<Vec<Option<GroupError>>, GroupError> {
    let topics = topics.iter().map(|topic| ((*topic).into(), vec![0])).collect();
    let request = OffsetDelete { group_id: GROUP.into(), topics };
    match driver.ask(GroupRequest::OffsetDelete(request)) {
        GroupReply::OffsetDelete(Ok(topics)) => {
            Ok(topics.into_iter().map(|topic| topic.partitions[0].1.clone()).collect())
        }
        GroupReply::OffsetDelete(Err(error)) => Err(error),
        other => panic!("{other:?}"),
    }
}

#[test]
fn trap_74_offsets_of_topics_that_members_read_are_not_deleted() {
    let mut driver = Driver::without_delay();
    let missing = GroupError::GroupIdNotFound("Group group not found.".to_owned());
    assert_eq!(delete(&mut driver, &["read"]), Err(missing));
    driver.commit(commit("read", 1)).unwrap();
    driver.commit(commit("left", 2)).unwrap();
    let member = driver.stable(1).remove(0);
    let subscribed = Some(GroupError::GroupSubscribedToTopic);
    for _ in 0..2 {
        assert_eq!(delete(&mut driver, &["read", "left", "never"]), Ok(vec![subscribed.clone(), None, None]));
        assert_eq!((driver.fetch("read"), driver.fetch("left")), (1, -1));
        driver.fail_over();
    }
    driver.leave(&[(&member.member_id, None)]);
    assert_eq!(delete(&mut driver, &["read"]), Ok(vec![None]));
    assert_eq!(driver.fetch("read"), -1);
    // The group itself stays.
    assert_eq!(driver.state(), "Empty");
}

#[test]
fn what_members_of_another_type_read_is_not_known() {
    let mut driver = Driver::without_delay();
    let request = crate::group::JoinGroup {
        protocol_type: "connect".into(),
        requires_known_member_id: false,
        ..super::driver::join("")
    };
    let ticket = driver.send(GroupRequest::JoinGroup(request));
    driver.advance(super::driver::seconds(0));
    let member = driver.join_reply(ticket);
    driver.sync_all(std::slice::from_ref(&member));
    driver.commit(commit_of(&member, "read", 1)).unwrap();
    assert_eq!(delete(&mut driver, &["read"]), Err(GroupError::NonEmptyGroup));
    driver.leave(&[(&member.member_id, None)]);
    assert_eq!(delete(&mut driver, &["read"]), Ok(vec![None]));
}

#[test]
fn offsets_of_topics_that_are_gone_are_forgotten() {
    let mut driver = Driver::new();
    driver.commit(commit("old", 1)).unwrap();
    driver.commit(commit("kept", 2)).unwrap();
    driver.commit(commit_with(topic_id(2), "")).unwrap();
    let deleted_at = driver.wall;
    let gone = |(name, id): &(&str, u128)| DeletedTopic {
        name: (*name).into(),
        topic_id: topic_id(*id),
        deleted_at,
    };
    let mut forget = |topics: &[(&str, u128)]| {
        let topics: Vec<DeletedTopic> = topics.iter().map(gone).collect();
        driver.call(|shard, input| shard.topics_deleted(input, &topics))
    };
    // `read` of another id is there again, and its offsets are of that one.
    assert_eq!(forget(&[("old", 9), ("read", 1), ("never", 3)]), 1);
    assert_eq!(forget(&[("old", 9), ("read", 1), ("never", 3)]), 0);
    assert_eq!(forget(&[("read", 2)]), 2);
    assert_eq!((driver.fetch("old"), driver.fetch("read"), driver.fetch("kept")), (-1, -1, 2));
    // Another topic of the name has offsets, committed without an id: they are not the old one's.
    driver.wall.0 += 1;
    driver.commit(commit("old", 3)).unwrap();
    let topics = [gone(&("old", 9))];
    assert_eq!(driver.call(|shard, input| shard.topics_deleted(input, &topics)), 0);
    assert_eq!(driver.fetch("old"), 3);
}

fn partitions(count: i32, metadata: &str) -> OffsetCommit {
    let mut request = commit_with(TopicId::ZERO, metadata);
    let first = request.topics[0].partitions[0].clone();
    request.topics[0].partitions =
        (0..count).map(|partition| OffsetCommitPartition { partition, ..first.clone() }).collect();
    request
}

#[test]
fn a_commit_that_no_batch_can_hold_is_refused_as_a_whole() {
    let mut driver = Driver::new();
    let metadata = "m".repeat(4096);
    for (count, metadata) in [(260, metadata.as_str()), (10_000, "")] {
        let refused = driver.commit(partitions(count, metadata)).unwrap_err();
        assert!(matches!(refused, GroupError::UnknownServerError(_)), "{refused:?}");
        assert_eq!((driver.log.len(), driver.state().as_str()), (0, "none"));
    }
    for (count, metadata) in [(240, metadata.as_str()), (9000, "")] {
        assert_eq!(driver.commit(partitions(count, metadata)), Ok(None));
    }
    // What is counted is what is written, or more.
    let bytes: usize = driver.log.iter().map(|written| 40 + written.bytes()).sum();
    let counted: usize = driver.written_since(0).iter().map(GroupRecord::batch_bytes).sum();
    assert!(bytes <= counted && counted < bytes + 9240 * 40, "{bytes} {counted}");
}

#[test]
fn what_may_be_divided_says_so_and_has_the_group_last() {
    let mut driver = Driver::new();
    driver.commit(partitions(3, "")).unwrap();
    let delete = OffsetDelete { group_id: GROUP.into(), topics: vec![("read".into(), vec![0, 1, 7, 0])] };
    let commit = partitions(3, "");
    for (request, divided, gone) in [
        (GroupRequest::OffsetCommit(commit), false, None),
        (GroupRequest::OffsetDelete(delete), true, Some(vec![1, 0])),
        (GroupRequest::DeleteGroup { group_id: GROUP.into() }, true, Some(vec![2, -1])),
    ] {
        let start = driver.log.len();
        let caller = driver.caller.clone();
        driver.waiting.insert(Ticket(9));
        driver.call(|shard, input| {
            let outcome = shard.request(input, Ticket(9), &caller, request);
            assert_eq!(outcome.may_be_divided, divided);
            outcome
        });
        let record = |record: GroupRecord| match record {
            GroupRecord::OffsetCommit { partition, offset: None, .. } => Some(partition),
            GroupRecord::GroupMetadata { metadata: None, .. } => Some(-1),
            _ => None,
        };
        let written: Option<Vec<i32>> = driver.written_since(start).into_iter().map(record).collect();
        assert_eq!(written, gone);
    }
}
