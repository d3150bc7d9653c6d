//! Retention through real settings.

use crate::batches::batch;
use crate::client::Client;
use crate::disk::{entries_ending, size_bytes};
use crate::eventually::eventually;
use crate::process::{DEADLINE, Process};
use crate::requests::{EARLIEST, LATEST, Topic, error_name};

/// Segments are written when there is a checkpoint.
const OFTEN: &[&str] = &["log.retention.check.interval.ms=20", "highwater.checkpoint.interval.ms=100"];
/// Never while a test runs.
const SELDOM: &[&str] = &["log.retention.check.interval.ms=3600000"];

/// The times of `batches::batch` are long past.
const KEPT_FOR_EVER: (&str, &str) = ("retention.ms", "-1");

/// Log start by ListOffsets, and end. Fetch says the same, or what came after.
fn ends(client: &mut Client, topic: &Topic) -> (i64, i64) {
    let earliest = client.list_offset(topic, 0, EARLIEST).offset;
    let latest = client.list_offset(topic, 0, LATEST).offset;
    let answer = client.fetch(topic, 0, latest);
    assert!(answer.log_start_offset >= earliest && answer.high_watermark == latest, "{answer:?}");
    (earliest, latest)
}

#[test]
fn old_segments_go_by_size_and_stay_gone() {
    const SEGMENT: u64 = 1 << 20;
    let directory = tempfile::tempdir().unwrap();
    let process = Process::start_with(directory.path(), OFTEN);
    let mut client = process.client();
    let retained = (2 * SEGMENT).to_string();
    let segment = SEGMENT.to_string();
    // By size alone: closed by age between two batches, segments would have other bounds in a slow run.
    let by_size = [("segment.bytes", segment.as_str()), ("segment.ms", "9223372036854775807")];
    let configs = [by_size[0], by_size[1], ("retention.bytes", &retained), KEPT_FOR_EVER];
    let topic = client.create_topic("sized", 1, &configs);
    let value = "x".repeat(400_000);
    for _ in 0..16 {
        client.append(&topic, 0, batch(&[&value]));
    }
    // Two batches fill a segment; what is beyond two segments goes, at least 2 MiB of the 6.4 MB stay.
    let start = eventually(DEADLINE, "old segments to go", || {
        let (start, end) = ends(&mut client, &topic);
        assert_eq!(end, 16);
        assert!(start <= 10, "{start}: more is gone than may be");
        (start == 10).then_some(start)
    });
    let folder = directory.path().join("sized-0");
    eventually(DEADLINE, "their files to go", || {
        (entries_ending(&folder, ".log").len() <= 4 && size_bytes(&folder) < 3 * SEGMENT).then_some(())
    });
    let below = client.fetch(&topic, 0, start - 1);
    assert_eq!(error_name(below.error_code), "OFFSET_OUT_OF_RANGE");
    assert_eq!(client.read_all(&topic, 0).len(), 6);
    process.kill();
    let process = Process::start_with(directory.path(), SELDOM);
    let mut client = process.client();
    assert_eq!(ends(&mut client, &topic), (10, 16));
    assert_eq!(client.read_all(&topic, 0).len(), 6);
    assert_eq!(client.append(&topic, 0, batch(&["next"])), 16);
}

#[test]
fn old_records_go_by_time_and_the_end_stays() {
    let directory = tempfile::tempdir().unwrap();
    let process = Process::start_with(directory.path(), OFTEN);
    let mut client = process.client();
    let configs = [("retention.ms", "3600000"), ("segment.ms", "50")];
    let old = client.create_topic("old", 1, &configs);
    let new = client.create_topic("new", 1, &configs);
    client.append(&old, 0, batch(&["a", "b", "c"]));
    let stamped = ("message.timestamp.type", "LogAppendTime");
    let kept = client.create_topic("stamped", 1, &[stamped, configs[0], configs[1]]);
    client.append(&kept, 0, batch(&["kept"]));
    eventually(DEADLINE, "old records to go", || (ends(&mut client, &old) == (3, 3)).then_some(()));
    assert_eq!(ends(&mut client, &kept), (0, 1), "what is new stays");
    assert_eq!(ends(&mut client, &new), (0, 0));
    process.kill();
    let process = Process::start_with(directory.path(), SELDOM);
    let mut client = process.client();
    assert_eq!(ends(&mut client, &old), (3, 3));
    assert_eq!(client.append(&old, 0, batch(&["next"])), 3, "offsets go on");
    assert_eq!(client.read_all(&kept, 0), [(0, "kept".to_owned())]);
}

#[test]
fn without_a_retention_time_nothing_goes() {
    let directory = tempfile::tempdir().unwrap();
    let process = Process::start_with(directory.path(), OFTEN);
    let mut client = process.client();
    let timed = [("retention.ms", "1"), ("segment.ms", "1")];
    let unbounded = client.create_topic("unbounded", 1, &[KEPT_FOR_EVER, timed[1]]);
    let deleted = client.create_topic("deleted", 1, &timed);
    for topic in [&unbounded, &deleted] {
        client.append(topic, 0, batch(&["a"]));
    }
    eventually(DEADLINE, "old records to go", || (ends(&mut client, &deleted) == (1, 1)).then_some(()));
    client.append(&deleted, 0, batch(&["b"]));
    eventually(DEADLINE, "old records to go", || (ends(&mut client, &deleted) == (2, 2)).then_some(()));
    assert_eq!(ends(&mut client, &unbounded), (0, 1));
}
