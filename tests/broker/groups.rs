//! Consumer groups over real sockets: commits that survive a kill, members that wait when the broker stops.

use std::sync::atomic::{AtomicI64, Ordering};

use kafka_protocol::messages::join_group_request::JoinGroupRequestProtocol;
use kafka_protocol::messages::offset_commit_request::{
    OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};
use kafka_protocol::messages::sync_group_request::SyncGroupRequestAssignment;
use kafka_protocol::messages::{
    ConsumerGroupHeartbeatRequest, FindCoordinatorRequest, GroupId, HeartbeatRequest, JoinGroupRequest,
    OffsetCommitRequest, OffsetFetchRequest, SyncGroupRequest,
};
use rustix::process::Signal;

use crate::batches::batch;
use crate::client::{Client, text};
use crate::eventually::eventually;
use crate::process::{DEADLINE, Process};
use crate::requests::{error_name, name};

const CYCLES: usize = 4;
const CONSUMERS: usize = 4;
/// Commits of all consumers before the broker is killed.
const COMMITS: i64 = 60;
const FEW_PARTITIONS: &str = "offsets.topic.num.partitions=3";

fn group(id: &str) -> GroupId {
    GroupId(text(id))
}

/// Waits until the group's coordinator is loaded.
fn coordinated(client: &mut Client, id: &str) {
    eventually(DEADLINE, "a coordinator", || {
        let found = client.ask(3, &FindCoordinatorRequest::default().with_key(text(id)));
        let fetched =
            client.ask(5, &OffsetFetchRequest::default().with_group_id(group(id)).with_topics(None));
        (found.error_code == 0 && fetched.error_code == 0).then_some(())
    });
}

fn commit(id: &str, offset: i64) -> OffsetCommitRequest {
    let partition =
        OffsetCommitRequestPartition::default().with_committed_offset(offset).with_committed_metadata(None);
    let topic = OffsetCommitRequestTopic::default().with_name(name("read")).with_partitions(vec![partition]);
    OffsetCommitRequest::default()
        .with_group_id(group(id))
        .with_generation_id_or_member_epoch(-1)
        .with_topics(vec![topic])
}

fn committed(client: &mut Client, id: &str) -> i64 {
    let request = OffsetFetchRequest::default().with_group_id(group(id)).with_topics(None);
    let response = client.ask(5, &request);
    assert_eq!(error_name(response.error_code), "NONE");
    response.topics.first().map_or(-1, |topic| topic.partitions[0].committed_offset)
}

/// What a consumer was told, and what it asked for last.
#[derive(Default)]
struct Consumer {
    acknowledged: AtomicI64,
    asked: AtomicI64,
}

/// Commits one offset after the other until the broker is gone.
fn consume(process: &Process, number: usize, consumer: &Consumer, all: &AtomicI64) {
    let mut client = process.client();
    let id = format!("group-{number}");
    loop {
        let offset = consumer.acknowledged.load(Ordering::Acquire) + 1;
        consumer.asked.store(offset, Ordering::Release);
        let Ok(response) = client.try_ask(7, &commit(&id, offset)) else { return };
        assert_eq!(error_name(response.topics[0].partitions[0].error_code), "NONE");
        consumer.acknowledged.store(offset, Ordering::Release);
        all.fetch_add(1, Ordering::AcqRel);
    }
}

#[test]
fn committed_offsets_are_exact_after_every_kill() {
    let directory = tempfile::tempdir().unwrap();
    let consumers: Vec<Consumer> = (0..CONSUMERS).map(|_| Consumer::default()).collect();
    for cycle in 0..=CYCLES {
        let process = Process::start_with(directory.path(), &[FEW_PARTITIONS]);
        let mut client = process.client();
        if cycle == 0 {
            client.create_topic("read", 1, &[]);
        }
        for (number, consumer) in consumers.iter().enumerate() {
            let id = format!("group-{number}");
            coordinated(&mut client, &id);
            let (told, asked) =
                (consumer.acknowledged.load(Ordering::Acquire), consumer.asked.load(Ordering::Acquire));
            let found = committed(&mut client, &id);
            let nothing_yet = told == 0 && found == -1;
            assert!(
                nothing_yet || found == told || found == asked,
                "{id}: {found}, told {told}, asked {asked}"
            );
            consumer.acknowledged.store(found.max(0), Ordering::Release);
        }
        if cycle == CYCLES {
            return;
        }
        let all = AtomicI64::new(0);
        std::thread::scope(|scope| {
            for (number, consumer) in consumers.iter().enumerate() {
                let (process, all) = (&process, &all);
                scope.spawn(move || consume(process, number, consumer, all));
            }
            let enough = || (all.load(Ordering::Acquire) >= COMMITS).then_some(());
            eventually(DEADLINE, "some commits", enough);
            process.signal(Signal::KILL);
        });
        drop(process.end());
    }
}

fn join(id: &str) -> JoinGroupRequest {
    let protocol = JoinGroupRequestProtocol::default().with_name(text("p"));
    JoinGroupRequest::default()
        .with_group_id(group(id))
        .with_protocol_type(text("test"))
        .with_session_timeout_ms(30_000)
        .with_rebalance_timeout_ms(300_000)
        .with_protocols(vec![protocol])
}

/// The first heartbeat of a member of KIP-848.
fn join_modern(id: &str) -> ConsumerGroupHeartbeatRequest {
    ConsumerGroupHeartbeatRequest::default()
        .with_group_id(group(id))
        .with_member_id(text("member"))
        .with_rebalance_timeout_ms(10_000)
        .with_subscribed_topic_names(Some(vec![name("read")]))
        .with_topic_partitions(Some(Vec::new()))
}

#[test]
fn a_member_that_waits_does_not_hold_up_the_end() {
    let directory = tempfile::tempdir().unwrap();
    let delay = "group.initial.rebalance.delay.ms=300000";
    let process = Process::start_with(directory.path(), &[FEW_PARTITIONS, delay]);
    let mut client = process.client();
    coordinated(&mut client, "g");
    client.send(3, &join("g"));
    process.wait_for_requests_in_progress(1);
    process.signal(Signal::TERM);
    let (_, response) = client.try_receive::<JoinGroupRequest>(3).expect("it is told");
    assert_eq!(error_name(response.error_code), "COORDINATOR_NOT_AVAILABLE");
    let (code, log) = process.end();
    assert_eq!(code, Some(0), "{log}");
    assert!(!log.contains("cut off"), "{log}");
}

#[test]
fn members_and_lag_are_measured() {
    let directory = tempfile::tempdir().unwrap();
    let settings = [FEW_PARTITIONS, "group.initial.rebalance.delay.ms=0"];
    let process = Process::start_with(directory.path(), &settings);
    let mut client = process.client();
    let topic = client.create_topic("read", 1, &[]);
    client.append(&topic, 0, batch(&["a", "b", "c"]));
    coordinated(&mut client, "g");
    let joined = client.ask(3, &join("g"));
    assert_eq!(error_name(joined.error_code), "NONE");
    coordinated(&mut client, "h");
    client.ask(7, &commit("h", 1));
    coordinated(&mut client, "m");
    assert_eq!(error_name(client.ask(1, &join_modern("m")).error_code), "NONE");
    let reconciled = "highwater_consumergroup_state{consumergroup=\"m\",type=\"consumer\",state=\"Stable\"}";
    let completing = "highwater_consumergroup_state{consumergroup=\"g\",type=\"classic\",\
                      state=\"CompletingRebalance\"}";
    for (series, expected) in [
        ("kafka_consumergroup_members{consumergroup=\"g\"}", 1.0),
        // The leader has not said who reads what.
        (completing, 1.0),
        ("highwater_consumergroup_rebalances_total{consumergroup=\"g\"}", 1.0),
        ("kafka_consumergroup_members{consumergroup=\"m\"}", 1.0),
        (reconciled, 1.0),
        ("highwater_groups{type=\"consumer\",state=\"Stable\"}", 1.0),
        ("highwater_group_members", 2.0),
        ("kafka_consumergroup_lag{consumergroup=\"h\",topic=\"read\",partition=\"0\"}", 2.0),
        ("kafka_consumergroup_current_offset{consumergroup=\"h\",topic=\"read\",partition=\"0\"}", 1.0),
        ("highwater_groups{type=\"classic\",state=\"Empty\"}", 1.0),
    ] {
        eventually(DEADLINE, series, || (process.metric(series)? == expected).then_some(()));
    }
    let beat = HeartbeatRequest::default().with_group_id(group("g")).with_member_id(joined.member_id);
    let response = client.ask(3, &beat.with_generation_id(joined.generation_id));
    assert_eq!(error_name(response.error_code), "NONE");
}

#[test]
fn a_heartbeat_that_changes_nothing_writes_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let settings = [FEW_PARTITIONS, "group.initial.rebalance.delay.ms=0"];
    let process = Process::start_with(directory.path(), &settings);
    let mut client = process.client();
    client.create_topic("read", 1, &[]);
    coordinated(&mut client, "classic");
    let joined = client.ask(3, &join("classic"));
    let share = SyncGroupRequestAssignment::default().with_member_id(joined.member_id.clone());
    let sync = SyncGroupRequest::default()
        .with_group_id(group("classic"))
        .with_member_id(joined.member_id.clone())
        .with_generation_id(joined.generation_id)
        .with_assignments(vec![share]);
    assert_eq!(error_name(client.ask(3, &sync).error_code), "NONE");
    let classic = HeartbeatRequest::default()
        .with_group_id(group("classic"))
        .with_member_id(joined.member_id)
        .with_generation_id(joined.generation_id);
    coordinated(&mut client, "modern");
    let member = client.ask(1, &join_modern("modern"));
    assert_eq!(error_name(member.error_code), "NONE");
    let modern = ConsumerGroupHeartbeatRequest::default()
        .with_group_id(group("modern"))
        .with_member_id(text("member"))
        .with_member_epoch(member.member_epoch);
    // What was written before may be counted a moment later.
    eventually(DEADLINE, "heartbeats that write nothing", || {
        let commits = || process.metric("highwater_wal_group_entries_count");
        let before = commits()?;
        for _ in 0..100 {
            assert_eq!(error_name(client.ask(3, &classic).error_code), "NONE");
            assert_eq!(error_name(client.ask(1, &modern).error_code), "NONE");
        }
        (commits()? == before).then_some(())
    });
}
