mod consumer_group;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::{CommittedOffset, GroupMetadata, GroupMetadataMember, GroupRecord};
use crate::model::{LeaderEpoch, Offset, Timestamp, TopicId};

/// What Kafka 4.3.1's own classes write: `name key value`, hexadecimal.
const GOLDEN: &str = include_str!("../../../protocol-tests/golden/group_records.txt");

const TIME: Timestamp = Timestamp(1_700_000_000_000);

fn bytes(hex: &str) -> Bytes {
    let digits = |at: usize| u8::from_str_radix(&hex[at..at + 2], 16).unwrap();
    (0..hex.len()).step_by(2).map(digits).collect()
}

fn golden(name: &str) -> (Bytes, Option<Bytes>) {
    golden_in(GOLDEN, name)
}

/// Key and value of a line of a golden file.
fn golden_in(file: &str, name: &str) -> (Bytes, Option<Bytes>) {
    let line = file.lines().find(|line| line.split(' ').next() == Some(name)).unwrap();
    let words: Vec<&str> = line.split(' ').collect();
    (bytes(words[1]), (words[2] != "-").then(|| bytes(words[2])))
}

fn offset_record(offset: Option<CommittedOffset>) -> GroupRecord {
    GroupRecord::OffsetCommit { group_id: "group".into(), topic: "topic".into(), partition: 3, offset }
}

/// The offset as a value of this version holds it.
fn offset(version: i32) -> CommittedOffset {
    let expire_timestamp = if version == 1 { Timestamp(TIME.0 + 60_000) } else { Timestamp::NONE };
    let topic_id = uuid::Uuid::from_u128(0x0102_0304_0506_0708_090a_0b0c_0d0e_0f10);
    CommittedOffset {
        offset: Offset(100),
        leader_epoch: if version >= 3 { LeaderEpoch(7) } else { LeaderEpoch::NONE },
        metadata: "note".into(),
        commit_timestamp: TIME,
        expire_timestamp,
        topic_id: if version >= 4 { TopicId(topic_id) } else { TopicId::ZERO },
    }
}

/// The group as a value of this version holds it.
fn group(version: i32) -> GroupRecord {
    let member = |name: &str| GroupMetadataMember {
        member_id: format!("member-{name}").into(),
        group_instance_id: (version >= 3 && name == "b").then(|| Arc::from("instance-b")),
        client_id: format!("client-{name}").into(),
        client_host: "/127.0.0.1".into(),
        rebalance_timeout: Duration::from_secs(if version >= 1 { 300 } else { 45 }),
        session_timeout: Duration::from_secs(45),
        subscription: Bytes::from_static(&[1, 2]),
        assignment: Bytes::from_static(&[3, 4, 5]),
    };
    let metadata = GroupMetadata {
        protocol_type: "consumer".into(),
        generation_id: 9,
        protocol_name: Some("range".into()),
        leader: Some("member-a".into()),
        current_state_timestamp: if version >= 2 { TIME } else { Timestamp::NONE },
        members: vec![member("a"), member("b")],
    };
    GroupRecord::GroupMetadata { group_id: "group".into(), metadata: Some(Arc::new(metadata)) }
}

fn empty_group() -> GroupRecord {
    let metadata = GroupMetadata { current_state_timestamp: Timestamp(5), ..GroupMetadata::default() };
    GroupRecord::GroupMetadata { group_id: "group".into(), metadata: Some(Arc::new(metadata)) }
}

#[test]
fn records_are_read_as_kafkas_classes_write_them() {
    for version in 0..=4 {
        let (key, value) = golden(&format!("offset-{version}"));
        let expected = offset_record(Some(offset(version)));
        assert_eq!(GroupRecord::decode(&key, value.as_deref()), Ok(Some(expected)), "offset {version}");
        let (key, value) = golden(&format!("group-{version}"));
        assert_eq!(GroupRecord::decode(&key, value.as_deref()), Ok(Some(group(version))), "group {version}");
    }
    let (key, value) = golden("offset-legacy");
    assert_eq!(GroupRecord::decode(&key, value.as_deref()), Ok(Some(offset_record(Some(offset(0))))));
}

#[test]
fn records_are_written_as_kafka_writes_them() {
    let bare = CommittedOffset {
        leader_epoch: LeaderEpoch::NONE,
        metadata: "".into(),
        topic_id: TopicId::ZERO,
        ..offset(4)
    };
    let gone = GroupRecord::GroupMetadata { group_id: "group".into(), metadata: None };
    for (name, record) in [
        ("offset-written", offset_record(Some(offset(4)))),
        ("offset-no-id-written", offset_record(Some(bare))),
        ("offset-expires-written", offset_record(Some(offset(1)))),
        ("offset-tombstone-written", offset_record(None)),
        ("group-tombstone-written", gone),
        ("group-3", group(3)),
        ("group-empty-3", empty_group()),
    ] {
        let (key, value) = record.encode();
        assert_eq!((Bytes::from(key), value.map(Bytes::from)), golden(name), "{name}");
        let (key, value) = golden(name);
        assert_eq!(GroupRecord::decode(&key, value.as_deref()), Ok(Some(record)), "{name}");
    }
}

#[test]
fn unknown_key_types_are_skipped_and_damaged_records_are_named() {
    let offset_key = golden("offset-3").0;
    let cut = |name: &str, bytes: usize| golden(name).1.unwrap().slice(..bytes);
    let skipped = Bytes::from_static(&[0, 99, 1, 2, 3]);
    assert_eq!(GroupRecord::decode(&skipped, None), Ok(None));
    for (key, value, problem) in [
        (offset_key.slice(..1), None, "key: ends too early"),
        (offset_key.slice(..9), None, "key: ends too early"),
        (Bytes::from_static(b"\0\x01\xff\xff"), None, "key: null where a text is due"),
        (Bytes::from_static(b"\0\x02\0\x01\xff"), None, "key: not UTF-8"),
        (offset_key.clone(), Some(cut("offset-3", 9)), "OffsetCommitValue: ends too early"),
        (offset_key, Some(Bytes::from_static(&[0, 5])), "OffsetCommitValue: version 5"),
    ] {
        let error = GroupRecord::decode(&key, value.as_deref()).unwrap_err();
        assert_eq!(error.0, problem);
    }
}

#[test]
fn a_count_beyond_the_bytes_takes_no_memory() {
    for name in ["group-3", "group-4"] {
        let (key, value) = golden(name);
        let whole = value.unwrap();
        // Wherever a length or count stands, a damaged one is refused or read within what is there.
        for at in 0..whole.len() {
            let mut damaged = whole.to_vec();
            damaged[at] = 0xff;
            let _ = GroupRecord::decode(&key, Some(&damaged));
            assert!(GroupRecord::decode(&key, Some(&whole.slice(..at))).is_err(), "{name} cut at {at}");
        }
    }
}
