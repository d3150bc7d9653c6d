//! The parts by themselves.

use std::sync::Arc;
use std::time::Duration;

use uuid::Uuid;

use crate::group::consumer::metadata_hash::{group_hash, topic_hash};
use crate::group::consumer::timers::{Timer, TimerKey, Timers};
use crate::metadata::{TopicImage, TopicRecord};
use crate::model::TopicId;

const GOLDEN: &str = include_str!("../../../../protocol-tests/golden/consumer_group_records.txt");

fn golden_hash(name: &str) -> i64 {
    let lines = GOLDEN.lines().filter_map(|line| line.strip_prefix("hash-")?.split_once(' '));
    let (_, number) = lines.into_iter().find(|(known, _)| *known == name).unwrap();
    number.parse().unwrap()
}

fn topic(name: &str, partitions: i32) -> TopicImage {
    let topic_id = TopicId(Uuid::from_u128(0x0102_0304_0506_0708_090a_0b0c_0d0e_0f10));
    TopicImage::new(name.into(), TopicRecord::plain(topic_id, partitions))
}

#[test]
fn hashes_are_kafkas() {
    let plain = topic_hash(&topic("topic", 3), None);
    let racks = topic_hash(&topic("orders.eu_1-x", 70), Some("rack-a"));
    assert_eq!(plain, golden_hash("plain"));
    assert_eq!(racks, golden_hash("racks"));
    assert_eq!(group_hash([racks, plain].into_iter()), golden_hash("group"));
    assert_eq!(group_hash([plain].into_iter()), golden_hash("group-of-one"));
    assert_eq!(group_hash([].into_iter()), 0);
}

fn key(member_id: &str) -> TimerKey {
    TimerKey { group_id: "group".into(), member_id: member_id.into(), timer: Timer::Session }
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[test]
fn a_deadline_comes_due_once_at_its_last_time() {
    let mut timers = Timers::default();
    timers.set(key("a"), seconds(10), 1);
    timers.set(key("b"), seconds(5), 2);
    timers.set(key("a"), seconds(20), 3);
    assert_eq!(timers.next(), Some(seconds(5)));
    assert_eq!(timers.pop(seconds(4)), None);
    assert_eq!(timers.pop(seconds(12)), Some((key("b"), 2)));
    assert_eq!(timers.pop(seconds(12)), None, "it was put off");
    assert_eq!(timers.next(), Some(seconds(20)));
    timers.set(key("a"), seconds(15), 4);
    assert_eq!(timers.pop(seconds(15)), Some((key("a"), 4)), "and may be brought forward");
    assert_eq!(timers.pop(seconds(99)), None);
    timers.set(key("a"), seconds(30), 5);
    timers.cancel(&key("a"));
    assert!(!timers.is_set(&key("a")));
    timers.set(key("a"), seconds(40), 6);
    assert_eq!(timers.pop(seconds(39)), None);
    assert_eq!(timers.pop(seconds(40)), Some((key("a"), 6)));
    assert_eq!(timers.next(), None);
}

#[test]
fn deadlines_that_are_cancelled_leave_nothing_behind() {
    let mut timers = Timers::default();
    for at in (0..1_000).rev() {
        timers.set(key("a"), seconds(at), 0);
        timers.cancel(&key("a"));
    }
    timers.set(key("b"), seconds(1), 0);
    assert_eq!(timers.entries_count(), 1);
    assert_eq!(timers.pop(seconds(1)).map(|(key, _)| key.member_id), Some(Arc::from("b")));
}
