//! Classic groups through the real table of handlers: what clients see in every version.

use std::collections::BTreeMap;

use bytes::Bytes;
use kafka_protocol::messages::consumer_group_heartbeat_request::TopicPartitions;
use kafka_protocol::messages::incremental_alter_configs_request::{AlterConfigsResource, AlterableConfig};
use kafka_protocol::messages::join_group_request::JoinGroupRequestProtocol;
use kafka_protocol::messages::leave_group_request::MemberIdentity;
use kafka_protocol::messages::offset_commit_request::{
    OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};
use kafka_protocol::messages::offset_delete_request::{
    OffsetDeleteRequestPartition, OffsetDeleteRequestTopic,
};
use kafka_protocol::messages::offset_fetch_request::{
    OffsetFetchRequestGroup, OffsetFetchRequestTopic, OffsetFetchRequestTopics,
};
use kafka_protocol::messages::sync_group_request::SyncGroupRequestAssignment;
use kafka_protocol::messages::{
    ConsumerGroupDescribeRequest, ConsumerGroupHeartbeatRequest, DeleteGroupsRequest, DescribeGroupsRequest,
    FindCoordinatorRequest, GroupId, HeartbeatRequest, IncrementalAlterConfigsRequest, JoinGroupRequest,
    JoinGroupResponse, LeaveGroupRequest, ListGroupsRequest, OffsetCommitRequest, OffsetDeleteRequest,
    OffsetFetchRequest, SyncGroupRequest, TopicName,
};
use uuid::Uuid;

use crate::broker::testing::offsets_of_nobody;
use crate::group::{Caller, GroupReply, OffsetCommitPartition, OffsetCommitTopic};
use crate::handlers::Reply;
use crate::handlers::testing::{TestBroker, str_bytes};
use crate::model::{LeaderEpoch, Offset, TopicId};

fn group(id: &str) -> GroupId {
    GroupId(str_bytes(id))
}

fn topic_name(name: &str) -> TopicName {
    TopicName(str_bytes(name))
}

/// A broker whose groups begin at once, with a topic `t` of two partitions.
async fn started() -> TestBroker {
    let test =
        TestBroker::with(&[("group.initial.rebalance.delay.ms", "0"), ("offsets.topic.num.partitions", "3")]);
    test.topic("t", 2, &[]).await;
    coordinated(&test).await;
    test
}

/// Waits until every group has a coordinator that is loaded.
async fn coordinated(test: &TestBroker) {
    let find = FindCoordinatorRequest::default().with_key(str_bytes("g"));
    assert_eq!(test.ask(0, &find).await.error_code, 0);
    let loaded = async {
        while test.ask(0, &ListGroupsRequest::default()).await.error_code != 0 {
            tokio::task::yield_now().await;
        }
    };
    crate::env::time::timeout(std::time::Duration::from_secs(20), loaded).await.unwrap();
}

fn join(id: &str, member_id: &str) -> JoinGroupRequest {
    let protocol = |name: &str| {
        JoinGroupRequestProtocol::default()
            .with_name(str_bytes(name))
            .with_metadata(Bytes::from_static(b"metadata"))
    };
    JoinGroupRequest::default()
        .with_group_id(group(id))
        .with_member_id(str_bytes(member_id))
        .with_protocol_type(str_bytes("test"))
        .with_session_timeout_ms(10_000)
        .with_rebalance_timeout_ms(10_000)
        .with_protocols(vec![protocol("first"), protocol("second")])
}

/// Makes one member that leads its group, as clients of this version do.
async fn joined(test: &TestBroker, version: i16, id: &str) -> JoinGroupResponse {
    let first = test.ask(version, &join(id, "")).await;
    if version < 4 {
        return first;
    }
    assert_eq!((first.error_code, first.generation_id), (79, -1), "MEMBER_ID_REQUIRED");
    assert!(!first.member_id.is_empty());
    test.ask(version, &join(id, &first.member_id)).await
}

fn sync(id: &str, member_id: &str, generation_id: i32) -> SyncGroupRequest {
    let assignment = SyncGroupRequestAssignment::default()
        .with_member_id(str_bytes(member_id))
        .with_assignment(Bytes::from_static(b"assignment"));
    SyncGroupRequest::default()
        .with_group_id(group(id))
        .with_member_id(str_bytes(member_id))
        .with_generation_id(generation_id)
        .with_assignments(vec![assignment])
}

fn heartbeat(id: &str, member_id: &str, generation_id: i32) -> HeartbeatRequest {
    HeartbeatRequest::default()
        .with_group_id(group(id))
        .with_member_id(str_bytes(member_id))
        .with_generation_id(generation_id)
}

#[tokio::test]
async fn trap_63_a_member_joins_syncs_beats_and_leaves_in_every_version() {
    let test = started().await;
    for version in 0..=9 {
        let id = format!("g{version}");
        let joined = joined(&test, version, &id).await;
        assert_eq!((joined.error_code, joined.generation_id), (0, 1), "version {version}");
        assert_eq!(joined.leader, joined.member_id);
        assert_eq!(joined.protocol_name.as_deref(), Some("first"));
        assert_eq!(joined.protocol_type.as_deref(), (version >= 7).then_some("test"));
        assert_eq!(joined.members.len(), 1);
        assert_eq!(joined.members[0].metadata, "metadata");
        let member_id = joined.member_id.as_str();
        // Until it has its assignment the member is told nothing: it has one to get.
        let sync_version = version.min(5);
        let mut request = sync(&id, member_id, 1);
        if sync_version >= 5 {
            let response = test.ask(sync_version, &request).await;
            assert_eq!(response.error_code, 23, "the protocol must be named");
            request.protocol_type = Some(str_bytes("test"));
            request.protocol_name = Some(str_bytes("first"));
        }
        let synced = test.ask(sync_version, &request).await;
        assert_eq!((synced.error_code, synced.assignment.as_ref()), (0, &b"assignment"[..]));
        assert_eq!(synced.protocol_name.as_deref(), (sync_version >= 5).then_some("first"));
        for (member, generation, code) in [(member_id, 1, 0), (member_id, 2, 22), ("who", 1, 25)] {
            let response = test.ask(version.min(4), &heartbeat(&id, member, generation)).await;
            assert_eq!(response.error_code, code, "{member} {generation}");
        }
        let leave_version = version.min(5);
        let leave = |member: &str| {
            let request = LeaveGroupRequest::default().with_group_id(group(&id));
            let identity = MemberIdentity::default().with_member_id(str_bytes(member));
            match leave_version {
                0..=2 => request.with_member_id(str_bytes(member)),
                _ => request.with_members(vec![identity]),
            }
        };
        for (member, code) in [("who", 25), (member_id, 0), (member_id, 25)] {
            let response = test.ask(leave_version, &leave(member)).await;
            match leave_version {
                0..=2 => assert_eq!(response.error_code, code, "version {version} {member}"),
                _ => {
                    assert_eq!(response.error_code, 0);
                    assert_eq!(response.members.len(), 1);
                    assert_eq!(response.members[0].member_id.as_str(), member);
                    assert_eq!(response.members[0].error_code, code, "version {version} {member}");
                }
            }
        }
    }
}

#[tokio::test]
async fn who_waits_for_others_is_a_long_poll_that_can_be_cut() {
    let test = started().await;
    let leader = joined(&test, 9, "g").await;
    let mut request = sync("g", &leader.member_id, 1).with_assignments(Vec::new());
    request.protocol_type = Some(str_bytes("test"));
    request.protocol_name = Some(str_bytes("first"));
    // A second one joins: the first must join again, and does not.
    let mut body = bytes::BytesMut::new();
    kafka_protocol::protocol::Encodable::encode(&join("g", ""), &mut body, 3).unwrap();
    let reply = super::super::dispatch(test.context(11, 3), body.freeze()).await;
    let Reply::Waiting(poll) = reply else { panic!("{reply:?}") };
    assert!(poll.held_bytes > 0);
    poll.hurry.ask();
    let Reply::Message(bytes) = poll.reply.await else { panic!("an answer") };
    // Correlation id, throttle time, code: COORDINATOR_NOT_AVAILABLE.
    assert_eq!(&bytes[8..10], &[0, 15]);
    drop(request);
}

fn commit(id: &str, topics: &[(&str, &[(i32, i64)])]) -> OffsetCommitRequest {
    let topics = topics.iter().map(|(name, partitions)| {
        let partitions = partitions.iter().map(|(index, offset)| {
            OffsetCommitRequestPartition::default()
                .with_partition_index(*index)
                .with_committed_offset(*offset)
                .with_committed_leader_epoch(3)
                .with_committed_metadata(Some(str_bytes("words")))
        });
        OffsetCommitRequestTopic::default().with_name(topic_name(name)).with_partitions(partitions.collect())
    });
    OffsetCommitRequest::default()
        .with_group_id(group(id))
        .with_generation_id_or_member_epoch(-1)
        .with_topics(topics.collect())
}

/// Codes by topic and partition.
async fn committed(
    test: &TestBroker,
    version: i16,
    request: OffsetCommitRequest,
) -> BTreeMap<(String, i32), i16> {
    let request = match version {
        6.. => request,
        _ => {
            let mut request = request;
            request.topics.iter_mut().flat_map(|topic| &mut topic.partitions).for_each(|partition| {
                partition.committed_leader_epoch = -1;
            });
            request
        }
    };
    let response = test.ask(version, &request).await;
    let codes = response.topics.iter().flat_map(|topic| {
        topic.partitions.iter().map(|p| ((topic.name.to_string(), p.partition_index), p.error_code))
    });
    codes.collect()
}

fn fetch(version: i16, id: &str, topics: Option<&[(&str, &[i32])]>) -> OffsetFetchRequest {
    let request = OffsetFetchRequest::default();
    if version < 8 {
        let topics = topics.map(|topics| {
            let topics = topics.iter().map(|(name, indexes)| {
                OffsetFetchRequestTopic::default()
                    .with_name(topic_name(name))
                    .with_partition_indexes(indexes.to_vec())
            });
            topics.collect()
        });
        return request.with_group_id(group(id)).with_topics(topics);
    }
    let topics = topics.map(|topics| {
        let topics = topics.iter().map(|(name, indexes)| {
            OffsetFetchRequestTopics::default()
                .with_name(topic_name(name))
                .with_partition_indexes(indexes.to_vec())
        });
        topics.collect()
    });
    let asked = OffsetFetchRequestGroup::default().with_group_id(group(id)).with_topics(topics);
    request.with_groups(vec![asked])
}

/// Offset, leader epoch, metadata and code of each partition.
async fn fetched(
    test: &TestBroker,
    version: i16,
    request: OffsetFetchRequest,
) -> BTreeMap<(String, i32), (i64, i32, String, i16)> {
    let response = test.ask(version, &request).await;
    let text = |metadata: &Option<kafka_protocol::protocol::StrBytes>| {
        metadata.as_ref().map(|text| text.to_string()).unwrap_or_default()
    };
    if version < 8 {
        assert_eq!(response.error_code, 0);
        let partitions = response.topics.iter().flat_map(|topic| {
            topic.partitions.iter().map(|p| {
                let found = (p.committed_offset, p.committed_leader_epoch, text(&p.metadata), p.error_code);
                ((topic.name.to_string(), p.partition_index), found)
            })
        });
        return partitions.collect();
    }
    assert_eq!(response.groups.len(), 1);
    assert_eq!(response.groups[0].error_code, 0);
    let partitions = response.groups[0].topics.iter().flat_map(|topic| {
        topic.partitions.iter().map(|p| {
            let found = (p.committed_offset, p.committed_leader_epoch, text(&p.metadata), p.error_code);
            ((topic.name.to_string(), p.partition_index), found)
        })
    });
    partitions.collect()
}

#[tokio::test]
async fn trap_70_offsets_go_round_in_every_version_and_survive_a_restart() {
    let mut test = started().await;
    for round in 0..2 {
        for version in 2..=9 {
            let id = format!("g{version}");
            if round == 0 {
                let request = commit(&id, &[("t", &[(0, 5), (1, i64::from(version))])]);
                let codes = committed(&test, version, request).await;
                assert_eq!(codes, BTreeMap::from([(("t".to_owned(), 0), 0), (("t".to_owned(), 1), 0)]));
            }
            for fetch_version in 1..=9 {
                let request = fetch(fetch_version, &id, Some(&[("t", &[0, 1, 7]), ("absent", &[0])]));
                let found = fetched(&test, fetch_version, request).await;
                let leader_epoch = if version >= 6 && fetch_version >= 5 { 3 } else { -1 };
                let offset = |offset| (offset, leader_epoch, "words".to_owned(), 0);
                let nothing = (-1, -1, String::new(), 0);
                let expected = BTreeMap::from([
                    (("t".to_owned(), 0), offset(5)),
                    (("t".to_owned(), 1), offset(version.into())),
                    (("t".to_owned(), 7), nothing.clone()),
                    (("absent".to_owned(), 0), nothing),
                ]);
                assert_eq!(found, expected, "trap 71: version {version} {fetch_version} round {round}");
                if fetch_version >= 2 {
                    let all = fetched(&test, fetch_version, fetch(fetch_version, &id, None)).await;
                    assert_eq!(all.len(), 2);
                }
            }
        }
        if round == 0 {
            test = test.restart().await;
            coordinated(&test).await;
        }
    }
}

#[tokio::test]
async fn offsets_of_what_does_not_exist_are_refused_one_by_one() {
    let test = started().await;
    let request = commit("g", &[("absent", &[(0, 1)]), ("t", &[(0, 1), (2, 1), (-1, 1)])]);
    let codes = committed(&test, 8, request).await;
    let expected = [("absent", 0, 3), ("t", -1, 3), ("t", 0, 0), ("t", 2, 3)];
    let codes: Vec<_> = codes.iter().map(|((topic, index), code)| (topic.as_str(), *index, *code)).collect();
    assert_eq!(codes, expected);
    let mut request = commit("g", &[("t", &[(0, 1)])]);
    request.topics[0].partitions[0].committed_metadata = Some(str_bytes(&"x".repeat(4097)));
    let codes = committed(&test, 8, request).await;
    assert_eq!(codes.values().copied().collect::<Vec<_>>(), [12], "OFFSET_METADATA_TOO_LARGE");
    let mut request = commit("g", &[("t", &[(0, 1)])]);
    request.member_id = str_bytes("who");
    request.generation_id_or_member_epoch = 3;
    let codes = committed(&test, 8, request).await;
    assert_eq!(codes.values().copied().collect::<Vec<_>>(), [25]);
}

#[tokio::test]
async fn without_a_coordinator_everybody_is_sent_to_look_for_one() {
    let test = TestBroker::start();
    test.topic("t", 1, &[]).await;
    assert_eq!(test.ask(9, &join("g", "")).await.error_code, 16);
    assert_eq!(test.ask(4, &sync("g", "m", 1)).await.error_code, 16);
    assert_eq!(test.ask(4, &heartbeat("g", "m", 1)).await.error_code, 16);
    let codes = committed(&test, 8, commit("g", &[("t", &[(0, 1)])])).await;
    assert_eq!(codes.values().copied().collect::<Vec<_>>(), [16]);
    // Version 1 has no place for it but the partitions.
    let response = test.ask(1, &fetch(1, "g", Some(&[("t", &[0])]))).await;
    assert_eq!(response.topics[0].partitions[0].error_code, 16);
    assert_eq!(test.ask(7, &fetch(7, "g", None)).await.error_code, 16);
    assert_eq!(test.ask(9, &fetch(9, "g", None)).await.groups[0].error_code, 16);
    let describe = DescribeGroupsRequest::default().with_groups(vec![group("g")]);
    assert_eq!(test.ask(6, &describe).await.groups[0].error_code, 16);
    let response = test.ask(5, &ListGroupsRequest::default()).await;
    assert_eq!((response.error_code, response.groups.len()), (0, 0));
}

#[tokio::test]
async fn trap_72_groups_are_described_and_listed_by_state_and_type() {
    let test = started().await;
    let member = joined(&test, 9, "members").await;
    committed(&test, 8, commit("simple", &[("t", &[(0, 1)])])).await;
    for version in 0..=6 {
        let mut request = DescribeGroupsRequest::default()
            .with_groups(["members", "simple", "absent"].map(group).to_vec())
            .with_include_authorized_operations(version >= 3);
        let response = test.ask(version, &request).await;
        let found: Vec<_> = response
            .groups
            .iter()
            .map(|group| (group.group_id.as_str(), group.group_state.as_str(), group.error_code))
            .collect();
        let not_found = if version >= 6 { 69 } else { 0 };
        let expected =
            [("members", "CompletingRebalance", 0), ("simple", "Empty", 0), ("absent", "Dead", not_found)];
        assert_eq!(found, expected, "version {version}");
        assert_eq!(response.groups[2].error_message.is_some(), version >= 6);
        let operations = if version >= 3 { 3400 } else { i32::MIN };
        assert_eq!(response.groups[0].authorized_operations, operations);
        assert_eq!(response.groups[0].protocol_type.as_str(), "test");
        assert_eq!(response.groups[0].members.len(), 1);
        let shown = &response.groups[0].members[0];
        assert_eq!((shown.client_id.as_str(), shown.client_host.as_str()), ("test", "/127.0.0.1"));
        request.include_authorized_operations = false;
        let response = test.ask(version, &request).await;
        assert_eq!(response.groups[0].authorized_operations, i32::MIN);
    }
    let list = async |version: i16, states: &[&str], types: &[&str]| {
        let request = ListGroupsRequest::default()
            .with_states_filter(states.iter().map(|state| str_bytes(state)).collect())
            .with_types_filter(types.iter().map(|name| str_bytes(name)).collect());
        let response = test.ask(version, &request).await;
        assert_eq!(response.error_code, 0);
        let mut groups: Vec<_> = response
            .groups
            .iter()
            .map(|group| {
                let (state, kind) = (group.group_state.as_str(), group.group_type.as_str());
                format!("{} {} {state} {kind}", group.group_id.as_str(), group.protocol_type)
            })
            .collect();
        groups.sort();
        groups
    };
    for version in 0..=3 {
        assert_eq!(list(version, &[], &[]).await, ["members test  ", "simple   "]);
    }
    assert_eq!(list(4, &["Empty"], &[]).await, ["simple  Empty "]);
    assert_eq!(list(5, &["empty", "CompletingRebalance"], &["classic"]).await.len(), 2);
    assert_eq!(list(5, &[], &["consumer"]).await.len(), 0);
    drop(member);
}

#[tokio::test]
async fn trap_74_groups_and_offsets_are_deleted_unless_they_are_in_use() {
    let test = started().await;
    let member = joined(&test, 9, "members").await;
    committed(&test, 8, commit("simple", &[("t", &[(0, 1), (1, 1)])])).await;
    let delete = OffsetDeleteRequest::default().with_group_id(group("simple")).with_topics(vec![
        OffsetDeleteRequestTopic::default().with_name(topic_name("t")).with_partitions(
            [0, 9].map(|index| OffsetDeleteRequestPartition::default().with_partition_index(index)).to_vec(),
        ),
        OffsetDeleteRequestTopic::default()
            .with_name(topic_name("absent"))
            .with_partitions(vec![OffsetDeleteRequestPartition::default()]),
    ]);
    let response = test.ask(0, &delete).await;
    assert_eq!(response.error_code, 0);
    let codes: BTreeMap<_, _> = response
        .topics
        .iter()
        .flat_map(|topic| {
            let name = topic.name.to_string();
            topic.partitions.iter().map(move |p| ((name.clone(), p.partition_index), p.error_code))
        })
        .collect();
    let expected = [(("absent", 0), 3), (("t", 0), 0), (("t", 9), 3)];
    let codes: Vec<_> =
        codes.iter().map(|((topic, index), code)| ((topic.as_str(), *index), *code)).collect();
    assert_eq!(codes, expected);
    let found = fetched(&test, 8, fetch(8, "simple", None)).await;
    assert_eq!(found.keys().map(|(_, index)| *index).collect::<Vec<_>>(), [1]);
    for version in 0..=2 {
        let ids = ["members", "absent", "members"].map(group).to_vec();
        let response = test.ask(version, &DeleteGroupsRequest::default().with_groups_names(ids)).await;
        let codes: Vec<_> =
            response.results.iter().map(|result| (result.group_id.as_str(), result.error_code)).collect();
        assert_eq!(codes, [("members", 68), ("absent", 69)], "version {version}");
    }
    let ids = vec![group("simple")];
    let response = test.ask(2, &DeleteGroupsRequest::default().with_groups_names(ids)).await;
    assert_eq!(response.results[0].error_code, 0);
    assert_eq!(fetched(&test, 8, fetch(8, "simple", None)).await.len(), 0);
    drop(member);
}

#[tokio::test]
async fn more_groups_than_are_asked_at_a_time() {
    let test = started().await;
    let ids: Vec<String> = (0..600).map(|number| format!("g{number}")).collect();
    let describe = DescribeGroupsRequest::default().with_groups(ids.iter().map(|id| group(id)).collect());
    let response = test.ask(5, &describe).await;
    let found: Vec<_> = response.groups.iter().map(|group| group.group_id.to_string()).collect();
    assert_eq!(found, ids);
    let groups = ids.iter().map(|id| OffsetFetchRequestGroup::default().with_group_id(group(id)));
    let response = test.ask(8, &OffsetFetchRequest::default().with_groups(groups.collect())).await;
    let found: Vec<_> = response.groups.iter().map(|group| group.group_id.to_string()).collect();
    assert_eq!(found, ids);
}

#[tokio::test]
async fn a_topic_made_again_does_not_inherit_offsets() {
    let test = started().await;
    committed(&test, 8, commit("g", &[("t", &[(0, 5)])])).await;
    let topic_id = test.broker.image().topic("t").unwrap().topic_id;
    test.broker.delete_topic(topic_id).await.unwrap();
    test.topic("t", 2, &[]).await;
    let gone = async { while !fetched(&test, 8, fetch(8, "g", None)).await.is_empty() {} };
    crate::env::time::timeout(std::time::Duration::from_secs(20), gone).await.unwrap();
}

#[tokio::test]
async fn an_offset_goes_when_its_time_is_over() {
    let settings = [("offsets.topic.num.partitions", "3"), ("offsets.retention.check.interval.ms", "1")];
    let test = TestBroker::with(&settings);
    test.topic("t", 1, &[]).await;
    coordinated(&test).await;
    committed(&test, 8, commit("kept", &[("t", &[(0, 5)])])).await;
    committed(&test, 3, commit("g", &[("t", &[(0, 5)])]).with_retention_time_ms(1)).await;
    let gone = async { while !fetched(&test, 8, fetch(8, "g", None)).await.is_empty() {} };
    crate::env::time::timeout(std::time::Duration::from_secs(20), gone).await.unwrap();
    assert_eq!(
        fetched(&test, 8, fetch(8, "kept", None)).await.len(),
        1,
        "for a week (offsets.retention.minutes)"
    );
}

#[tokio::test]
async fn what_was_committed_for_another_topic_of_the_name_is_not_told() {
    let test = started().await;
    for (topic_id, told) in [(TopicId(Uuid::from_u128(7)), -1), (TopicId::ZERO, 5)] {
        let partitions = vec![OffsetCommitPartition {
            partition: 0,
            offset: Offset(5),
            leader_epoch: LeaderEpoch::NONE,
            metadata: "".into(),
        }];
        let topics = vec![OffsetCommitTopic { topic_id, name: "t".into(), partitions }];
        let caller = Caller { client_id: "test".into(), client_host: "/127.0.0.1".into() };
        let asked = test.broker.ask_group("g", caller, offsets_of_nobody("g", topics)).unwrap();
        assert!(matches!(asked.reply().await, Ok(GroupReply::OffsetCommit(Ok(_)))));
        for version in [7, 8] {
            let found = fetched(&test, version, fetch(version, "g", Some(&[("t", &[0])]))).await;
            assert_eq!(found[&("t".to_owned(), 0)].0, told, "{topic_id:?}, version {version}");
        }
    }
}

#[tokio::test]
async fn a_member_of_a_consumer_group_joins_is_described_and_leaves() {
    let test = started().await;
    for version in 0..=1 {
        let id = format!("g{version}");
        let beat = ConsumerGroupHeartbeatRequest::default()
            .with_group_id(group(&id))
            .with_member_id(str_bytes(if version == 0 { "" } else { "a-member-of-its-own" }))
            .with_member_epoch(0)
            .with_rebalance_timeout_ms(10_000)
            .with_subscribed_topic_names(Some(vec![topic_name("t")]))
            .with_topic_partitions(Some(Vec::new()));
        let joined = test.ask(version, &beat).await;
        assert_eq!((joined.error_code, joined.heartbeat_interval_ms), (0, 5000));
        assert!(joined.member_epoch > 0);
        let member_id = joined.member_id.unwrap();
        assert!(!member_id.is_empty());
        let topics = joined.assignment.expect("it is the only one").topic_partitions;
        assert_eq!((topics.len(), topics[0].partitions.as_slice()), (1, &[0, 1][..]));
        let describe = ConsumerGroupDescribeRequest::default()
            .with_group_ids(vec![group(&id), group("absent")])
            .with_include_authorized_operations(true);
        let described = test.ask(version, &describe).await.groups;
        assert_eq!((described[0].error_code, described[0].authorized_operations), (0, 3400));
        assert_eq!(described[0].group_epoch, joined.member_epoch);
        assert_eq!(described[0].assignor_name.as_str(), "uniform");
        let member = &described[0].members[0];
        assert_eq!(member.member_id, member_id);
        assert_eq!(member.member_type, if version == 0 { -1 } else { 1 });
        assert_eq!(member.target_assignment.topic_partitions[0].topic_name.as_str(), "t");
        assert_eq!((described[1].error_code, described[1].error_message.is_some()), (69, true));
        let leave = ConsumerGroupHeartbeatRequest::default()
            .with_group_id(group(&id))
            .with_member_id(member_id.clone())
            .with_member_epoch(-1);
        let left = test.ask(version, &leave).await;
        assert_eq!((left.error_code, left.member_epoch), (0, -1));
        let unknown = test.ask(version, &leave).await;
        let words = format!("Member {member_id} is not a member of group {id}.");
        assert_eq!((unknown.error_code, unknown.error_message.as_deref()), (25, Some(words.as_str())));
    }
}

#[tokio::test]
async fn trap_76_a_member_that_has_not_heard_of_its_newest_epoch_commits_what_it_keeps() {
    let test = started().await;
    let topic_id = test.broker.image().topic("t").unwrap().topic_id.0;
    let beat = async |member: &str, member_epoch, owned: &[i32]| {
        let topic = TopicPartitions::default().with_topic_id(topic_id).with_partitions(owned.to_vec());
        let topics = if owned.is_empty() { Vec::new() } else { vec![topic] };
        let request = ConsumerGroupHeartbeatRequest::default()
            .with_group_id(group("g"))
            .with_member_id(str_bytes(member))
            .with_member_epoch(member_epoch)
            .with_rebalance_timeout_ms(10_000)
            .with_subscribed_topic_names(Some(vec![topic_name("t")]))
            .with_topic_partitions(Some(topics));
        let answer = test.ask(1, &request).await;
        assert_eq!(answer.error_code, 0);
        let assigned = answer.assignment.map(|assignment| {
            assignment.topic_partitions.into_iter().flat_map(|topic| topic.partitions).collect::<Vec<_>>()
        });
        (answer.member_epoch, assigned)
    };
    let (known, assigned) = beat("a", 0, &[]).await;
    assert_eq!(assigned.as_deref(), Some(&[0, 1][..]));
    beat("b", 0, &[]).await;
    // The assignment that has room for the other comes a little later.
    let told = async {
        loop {
            if let (_, Some(kept)) = beat("a", known, &[0, 1]).await
                && kept.len() == 1
            {
                return kept;
            }
        }
    };
    let kept = crate::env::time::timeout(std::time::Duration::from_secs(20), told).await.unwrap();
    let (newest, _) = beat("a", known, &kept).await;
    assert!(newest > known, "{newest} after {known}");
    let given_up = 1 - kept[0];
    for (member_epoch, partition, code) in
        [(known, kept[0], 0), (known, given_up, 113), (newest, kept[0], 0), (newest + 1, kept[0], 113)]
    {
        let commit = commit("g", &[("t", &[(partition, 5)])])
            .with_member_id(str_bytes("a"))
            .with_generation_id_or_member_epoch(member_epoch);
        let codes = committed(&test, 9, commit).await;
        assert_eq!(codes[&("t".to_owned(), partition)], code, "epoch {member_epoch}, partition {partition}");
    }
}

/// Sets a key of a group, or deletes it.
async fn set_group_config(test: &TestBroker, id: &str, key: &str, value: Option<&str>) {
    let key = AlterableConfig::default()
        .with_name(str_bytes(key))
        .with_config_operation(i8::from(value.is_none()))
        .with_value(value.map(str_bytes));
    let group = AlterConfigsResource::default()
        .with_resource_type(32)
        .with_resource_name(str_bytes(id))
        .with_configs(vec![key]);
    let request = IncrementalAlterConfigsRequest::default().with_resources(vec![group]);
    assert_eq!(test.ask(1, &request).await.responses[0].error_code, 0);
}

#[tokio::test]
async fn what_is_set_on_a_group_is_in_force_with_its_next_heartbeat() {
    let test = started().await;
    let beat = |id: &str, member_epoch| {
        ConsumerGroupHeartbeatRequest::default()
            .with_group_id(group(id))
            .with_member_id(str_bytes("member"))
            .with_member_epoch(member_epoch)
            .with_rebalance_timeout_ms(10_000)
            .with_subscribed_topic_names(Some(vec![topic_name("t")]))
            .with_topic_partitions(Some(Vec::new()))
    };
    let key = "consumer.heartbeat.interval.ms";
    let mut member_epoch = 0;
    for (set, interval_ms) in [(None, 5_000), (Some("7000"), 7_000), (Some("9000"), 9_000), (None, 5_000)] {
        set_group_config(&test, "g", key, set).await;
        let answer = test.ask(1, &beat("g", member_epoch)).await;
        assert_eq!((answer.error_code, answer.heartbeat_interval_ms), (0, interval_ms), "{set:?}");
        member_epoch = answer.member_epoch;
        let other = test.ask(1, &beat("other", 0)).await;
        assert_eq!((other.error_code, other.heartbeat_interval_ms), (0, 5_000), "another group's own");
    }
    set_group_config(&test, "g", key, Some("8000")).await;
    let test = test.restart().await;
    coordinated(&test).await;
    let answer = test.ask(1, &beat("g", member_epoch)).await;
    assert_eq!((answer.error_code, answer.heartbeat_interval_ms), (0, 8_000), "after a restart");
}

#[tokio::test]
async fn without_their_protocol_consumer_groups_are_refused() {
    let test = TestBroker::with(&[("group.coordinator.rebalance.protocols", "classic")]);
    let beat = ConsumerGroupHeartbeatRequest::default().with_group_id(group("g"));
    assert_eq!(test.ask(1, &beat).await.error_code, 35);
    let describe = ConsumerGroupDescribeRequest::default().with_group_ids(vec![group("g")]);
    assert_eq!(test.ask(1, &describe).await.groups[0].error_code, 35);
}
