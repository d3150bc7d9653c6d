use std::collections::BTreeMap;
use std::sync::Arc;

use uuid::Uuid;

use super::*;
use crate::model::{LeaderEpoch, NodeId, Offset, TopicId, TopicPartition};

const ORDERS: TopicId = TopicId(Uuid::from_u128(7));

fn orders() -> TopicRecord {
    TopicRecord {
        topic_id: ORDERS.0,
        partitions: 3,
        replication_factor: 2,
        configs: BTreeMap::from([("retention.ms".to_owned(), "1000".to_owned())]),
        created_at_boot: 4,
        growths: Vec::new(),
    }
}

fn set(image: &mut ClusterImage, key: &str, value: impl serde::Serialize) {
    let value = serde_json::to_vec(&value).unwrap();
    image.apply(MetadataChange { key, value: Some(&value) }).unwrap();
}

fn remove(image: &mut ClusterImage, key: &str) {
    image.apply(MetadataChange { key, value: None }).unwrap();
}

#[test]
fn a_topic_is_found_by_name_and_by_id_until_it_is_removed() {
    let mut image = ClusterImage::default();
    set(&mut image, &keys::topic("orders"), orders());
    let topic = image.topic("orders").unwrap();
    assert_eq!((topic.partitions, topic.replication_factor), (3, 2));
    assert_eq!(topic.leader_epoch(2, 6), LeaderEpoch(2));
    assert_eq!(image.topic_by_id(ORDERS).unwrap().name.as_ref(), "orders");
    assert_eq!(topic.topic_partitions().count(), 3);

    remove(&mut image, &keys::topic("orders"));
    assert!(image.topic("orders").is_none());
    assert!(image.topic_by_id(ORDERS).is_none());
}

#[test]
fn dynamic_settings_of_a_broker_and_of_all() {
    let mut image = ClusterImage::default();
    let configs = |value: &str| BTreeMap::from([("message.max.bytes".to_owned(), value.to_owned())]);
    set(&mut image, &keys::broker_configs(None), configs("1"));
    set(&mut image, &keys::broker_configs(Some(NodeId(7))), configs("2"));
    let before = image.broker_configs().clone();
    assert_eq!(*before, BTreeMap::from([(None, configs("1")), (Some(NodeId(7)), configs("2"))]));
    set(&mut image, &keys::topic("orders"), orders());
    assert!(Arc::ptr_eq(&before, image.broker_configs()), "other changes leave them as they are");
    remove(&mut image, &keys::broker_configs(None));
    assert_eq!(image.broker_configs().len(), 1);
    assert_eq!(before.len(), 2, "who holds an image keeps it");
    let unreadable = MetadataChange { key: "broker-configs/x", value: Some(b"{}") };
    assert!(image.apply(unreadable).is_err());
}

#[test]
fn settings_of_groups() {
    let mut image = ClusterImage::default();
    let configs = BTreeMap::from([("consumer.session.timeout.ms".to_owned(), "50000".to_owned())]);
    set(&mut image, &keys::group_configs("a/b"), &configs);
    let before = image.group_configs().clone();
    assert_eq!(before.get("a/b").map(AsRef::as_ref), Some(&configs));
    set(&mut image, &keys::topic("orders"), orders());
    assert!(Arc::ptr_eq(&before, image.group_configs()), "other changes leave them as they are");
    remove(&mut image, &keys::group_configs("a/b"));
    assert_eq!((image.group_configs().len(), before.len()), (0, 1), "who holds an image keeps it");
    let unreadable = MetadataChange { key: "group-configs/g", value: Some(b"[]") };
    assert!(image.apply(unreadable).is_err());
}

#[test]
fn a_topic_created_again_under_its_name_is_another() {
    let mut image = ClusterImage::default();
    set(&mut image, &keys::topic("orders"), orders());
    let again = TopicRecord { topic_id: Uuid::from_u128(8), ..orders() };
    set(&mut image, &keys::topic("orders"), again);
    assert!(image.topic_by_id(ORDERS).is_none());
    assert_eq!(image.topic_by_id(TopicId(Uuid::from_u128(8))).unwrap().name.as_ref(), "orders");
    assert_eq!(image.topics_count(), 1);
}

#[test]
fn partitions_that_came_later_count_from_their_own_boot() {
    let mut record = orders();
    record.grow(5, 4);
    assert_eq!(record.growths, [], "in the boot that created it nothing needs to be told apart");
    record.grow(6, 7);
    record.grow(8, 7);
    record.grow(9, 8);
    let growth = |first_partition, boot| Growth { first_partition, boot };
    assert_eq!((record.partitions, &record.growths[..]), (9, &[growth(5, 7), growth(8, 8)][..]));
    let topic = TopicImage::new("orders".into(), record.clone());
    let epochs = |boot| (0..9).map(|partition| topic.leader_epoch(partition, boot).0).collect::<Vec<_>>();
    assert_eq!(epochs(8), [4, 4, 4, 4, 4, 1, 1, 1, 0]);
    assert_eq!(epochs(10), [6, 6, 6, 6, 6, 3, 3, 3, 2]);
    assert_eq!(topic.record(), record);
}

/// As versions before topics could grow wrote it, and as topics that never grew are written still.
#[test]
fn a_topic_that_never_grew_is_written_as_before() {
    let old = r#"{"topic_id":"00000000-0000-0000-0000-000000000007","partitions":3,"replication_factor":2,"#
        .to_owned()
        + r#""configs":{"retention.ms":"1000"},"created_at_boot":4}"#;
    assert_eq!(serde_json::from_str::<TopicRecord>(&old).unwrap(), orders());
    assert_eq!(serde_json::to_string(&orders()).unwrap(), old);
    let mut grown = orders();
    grown.grow(4, 9);
    let new = serde_json::to_string(&grown).unwrap();
    assert!(new.ends_with(r#""growths":[{"first_partition":3,"boot":9}]}"#), "{new}");
    assert_eq!(serde_json::from_str::<TopicRecord>(&new).unwrap(), grown);
}

#[test]
fn log_starts_and_tombstones_are_kept_by_topic_id() {
    let mut image = ClusterImage::default();
    let second = TopicPartition { topic_id: ORDERS, partition: 2 };
    assert_eq!(image.log_start(second), Offset(0));
    let key = keys::log_start(second);
    image.apply(MetadataChange { key: &key, value: Some(&keys::offset_value(Offset(41))) }).unwrap();
    assert_eq!(image.log_start(second), Offset(41));
    remove(&mut image, &key);
    assert_eq!(image.log_start(second), Offset(0));

    set(&mut image, &keys::tombstone(ORDERS), Tombstone { name: "orders".to_owned(), partitions: 3 });
    assert_eq!(image.tombstone(ORDERS).unwrap().name, "orders");
    remove(&mut image, &keys::tombstone(ORDERS));
    assert_eq!(image.tombstones().count(), 0);
}

#[test]
fn what_is_in_the_tier_is_kept_by_partition() {
    let mut image = ClusterImage::default();
    let id = TopicPartition { topic_id: ORDERS, partition: 1 };
    let record = TierRecord {
        manifest: 12,
        leader_epoch: LeaderEpoch(3),
        remote_end_offset: Offset(900),
        local_log_start_offset: Offset(700),
    };
    let written = r#"{"manifest":12,"leader_epoch":3,"remote_end_offset":900,"local_log_start_offset":700}"#;
    assert_eq!(String::from_utf8(record.encode()).unwrap(), written);
    assert_eq!(TierRecord::decode(written.as_bytes()), Some(record));
    let key = keys::tier(id);
    assert_eq!(key, format!("tiers/{ORDERS}/1"));
    image.apply(MetadataChange { key: &key, value: Some(&record.encode()) }).unwrap();
    assert_eq!((image.tier(id), image.local_log_start(id)), (Some(record), Offset(700)));
    // A client may delete what is in the tier, and more.
    let start = keys::log_start(id);
    image.apply(MetadataChange { key: &start, value: Some(&keys::offset_value(Offset(950))) }).unwrap();
    assert_eq!(image.local_log_start(id), Offset(950));
    remove(&mut image, &key);
    remove(&mut image, &start);
    assert_eq!((image.tier(id), image.local_log_start(id)), (None, Offset(0)));
}

#[test]
fn an_unreadable_value_is_named() {
    let short = r#"{"manifest":1}"#;
    let tier = format!("tiers/{ORDERS}/1");
    for (key, value) in
        [("topics/a", "{}"), ("tombstones/x", "{}"), ("log-starts/x/y", "1"), (tier.as_str(), short)]
    {
        let change = MetadataChange { key, value: Some(value.as_bytes()) };
        let message = ClusterImage::default().apply(change).unwrap_err().to_string();
        assert!(message.contains(key) && message.contains(value), "{message}");
    }
}

#[test]
fn topic_names_follow_kafkas_rule() {
    let longest = "x".repeat(TOPIC_NAME_LENGTH_MAX);
    for name in ["a", "A.b_c-9", "...", longest.as_str()] {
        assert_eq!(validate_topic_name(name), Ok(()), "{name}");
    }
    let too_long = "x".repeat(TOPIC_NAME_LENGTH_MAX + 1);
    for name in ["", ".", "..", "a/b", "a b", "é", "a\0", too_long.as_str()] {
        assert!(validate_topic_name(name).is_err(), "{name}");
    }
    assert_eq!(colliding_form("a.b"), colliding_form("a_b"));
}
