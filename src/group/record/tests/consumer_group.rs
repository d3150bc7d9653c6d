//! Records of consumer groups.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use uuid::Uuid;

use super::{bytes, golden_in};
use crate::group::record::*;
use crate::group::request::GroupProtocol;
use crate::model::{Timestamp, TopicId};

const GOLDEN: &str = include_str!("../../../../protocol-tests/golden/consumer_group_records.txt");
const TIME: Timestamp = Timestamp(1_700_000_000_000);
const TOPIC_ID: TopicId = TopicId(Uuid::from_u128(0x0102_0304_0506_0708_090a_0b0c_0d0e_0f10));

fn owned(epochs: &[(i32, i32)]) -> Arc<OwnedPartitions> {
    Arc::new(BTreeMap::from([(TOPIC_ID, epochs.iter().copied().collect())]))
}

fn member(metadata: Option<MemberMetadata>) -> ConsumerGroupChange {
    ConsumerGroupChange::MemberMetadata { member_id: "member".into(), metadata: metadata.map(Arc::new) }
}

fn plain_member() -> MemberMetadata {
    MemberMetadata {
        client_id: "client".into(),
        client_host: "/127.0.0.1".into(),
        subscribed_topic_names: vec!["a".into(), "b".into()],
        rebalance_timeout_ms: 300_000,
        ..MemberMetadata::default()
    }
}

fn classic_member() -> MemberMetadata {
    let protocol = GroupProtocol { name: "range".into(), metadata: Bytes::from_static(&[1, 2, 3]) };
    MemberMetadata {
        instance_id: Some("instance".into()),
        rack_id: Some("rack".into()),
        server_assignor: Some("range".into()),
        subscribed_topic_regex: Some("t.*".into()),
        classic: Some(ClassicMemberMetadata {
            session_timeout_ms: 45_000,
            supported_protocols: vec![protocol],
        }),
        ..plain_member()
    }
}

fn target(assignment: Option<&[i32]>) -> ConsumerGroupChange {
    let assignment = assignment.map(|partitions| {
        let topics = (!partitions.is_empty()).then(|| (TOPIC_ID, partitions.to_vec()));
        Arc::new(topics.into_iter().collect())
    });
    ConsumerGroupChange::TargetAssignmentMember { member_id: "member".into(), assignment }
}

fn current(assignment: Option<CurrentAssignment>) -> ConsumerGroupChange {
    ConsumerGroupChange::CurrentMemberAssignment { member_id: "member".into(), assignment }
}

fn unrevoked() -> CurrentAssignment {
    CurrentAssignment {
        member_epoch: 5,
        previous_member_epoch: 4,
        state: MemberState::UnrevokedPartitions,
        assigned: owned(&[(0, 3), (1, 5)]),
        pending_revocation: owned(&[(2, 4)]),
    }
}

fn regex(resolved: Option<ResolvedRegularExpression>) -> ConsumerGroupChange {
    ConsumerGroupChange::RegularExpression { expression: "t.*".into(), resolved: resolved.map(Arc::new) }
}

/// Every record that Kafka 4.3 writes, and by which name its bytes are kept.
fn written() -> Vec<(&'static str, ConsumerGroupChange)> {
    let metadata = |metadata_hash| {
        ConsumerGroupChange::Metadata(Some(ConsumerGroupMetadata { group_epoch: 5, metadata_hash }))
    };
    let target_metadata = |assignment_timestamp| {
        let metadata = TargetAssignmentMetadata { assignment_epoch: 5, assignment_timestamp };
        ConsumerGroupChange::TargetAssignmentMetadata(Some(metadata))
    };
    let topics = vec!["table".into(), "topic".into()];
    vec![
        ("epoch", metadata(0x0102_0304_0506_0708)),
        ("epoch-no-hash", metadata(0)),
        ("epoch-tombstone", ConsumerGroupChange::Metadata(None)),
        ("partition-metadata-tombstone", ConsumerGroupChange::PartitionMetadata(None)),
        ("member", member(Some(plain_member()))),
        ("member-classic", member(Some(classic_member()))),
        ("member-tombstone", member(None)),
        ("target-epoch", target_metadata(TIME)),
        ("target-epoch-no-time", target_metadata(Timestamp(0))),
        ("target-epoch-tombstone", ConsumerGroupChange::TargetAssignmentMetadata(None)),
        ("target", target(Some(&[0, 1, 7]))),
        ("target-empty", target(Some(&[]))),
        ("target-tombstone", target(None)),
        ("current", current(Some(unrevoked()))),
        ("current-tombstone", current(None)),
        ("regex", regex(Some(ResolvedRegularExpression { topics, version: 12, timestamp: TIME }))),
        ("regex-tombstone", regex(None)),
    ]
}

#[test]
fn records_of_consumer_groups_are_written_as_kafka_writes_them() {
    for (name, change) in written() {
        let record = GroupRecord::ConsumerGroup { group_id: "group".into(), change };
        let (key, value) = record.encode();
        assert_eq!((Bytes::from(key), value.map(Bytes::from)), golden_in(GOLDEN, name), "{name}");
        let (key, value) = golden_in(GOLDEN, name);
        assert_eq!(GroupRecord::decode(&key, value.as_deref()), Ok(Some(record)), "{name}");
    }
}

#[test]
fn what_older_versions_wrote_is_read() {
    let (key, value) = golden_in(GOLDEN, "partition-metadata");
    let change = ConsumerGroupChange::PartitionMetadata(value.clone());
    let record = GroupRecord::ConsumerGroup { group_id: "group".into(), change };
    assert_eq!(GroupRecord::decode(&key, value.as_deref()), Ok(Some(record)));
    let (key, value) = golden_in(GOLDEN, "current-old");
    let expected = CurrentAssignment {
        state: MemberState::Stable,
        assigned: owned(&[(0, 5), (1, 5)]),
        pending_revocation: Arc::default(),
        ..unrevoked()
    };
    let record = GroupRecord::ConsumerGroup { group_id: "group".into(), change: current(Some(expected)) };
    assert_eq!(GroupRecord::decode(&key, value.as_deref()), Ok(Some(record)));
}

#[test]
fn damaged_records_of_consumer_groups_take_no_memory() {
    for name in ["epoch", "member-classic", "target", "current", "regex"] {
        let (key, value) = golden_in(GOLDEN, name);
        let whole = value.expect("a value");
        for at in 0..whole.len() {
            let mut damaged = whole.to_vec();
            damaged[at] = 0xff;
            let _ = GroupRecord::decode(&key, Some(&damaged));
            assert!(GroupRecord::decode(&key, Some(&whole.slice(..at))).is_err(), "{name} cut at {at}");
        }
    }
    let unknown_state = bytes("0000000000050000000437010100");
    let key = golden_in(GOLDEN, "current").0;
    let record = GroupRecord::decode(&key, Some(&unknown_state)).expect("readable").expect("known");
    let GroupRecord::ConsumerGroup { change, .. } = record else { panic!("another kind") };
    let expected = CurrentAssignment {
        state: MemberState::Unknown,
        assigned: Arc::default(),
        pending_revocation: Arc::default(),
        ..unrevoked()
    };
    assert_eq!(change, current(Some(expected)));
}
