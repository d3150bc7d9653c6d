//! Compaction through real settings.

use std::collections::BTreeMap;

use bytes::Bytes;
use highwater::model::Timestamp;
use highwater::protocol::batch::{BatchBuilder, CompressionType, DecompressionCaps, NewRecord, records};

use crate::batches::{SOME_TIME, split};
use crate::client::Client;
use crate::configs::{TOPIC, set};
use crate::eventually::eventually;
use crate::process::{DEADLINE, Process};
use crate::requests::{EARLIEST, Topic};

/// Segments are written when there is a checkpoint, and closed ones behind it are compacted.
const OFTEN: &[&str] = &[
    "log.cleaner.backoff.ms=10",
    "highwater.checkpoint.interval.ms=100",
    "log.retention.check.interval.ms=20",
];

/// A batch closes the segment of the one before: its time is a second later.
const COMPACT: &[(&str, &str)] = &[
    ("cleanup.policy", "compact"),
    ("segment.ms", "500"),
    ("min.cleanable.dirty.ratio", "0.01"),
    ("retention.ms", "-1"),
];

const KEYS: i64 = 4;

/// Two records of different keys: `at` of the one, and a tombstone or `at` again of the other.
fn batch(at: i64) -> Bytes {
    let mut builder = BatchBuilder::new();
    builder.compression = if at % 2 == 0 { CompressionType::Zstd } else { CompressionType::None };
    let (first, second) = ((at % KEYS).to_string(), ((at + 1) % KEYS).to_string());
    let value = at.to_string();
    let timestamp = Timestamp(SOME_TIME + at * 1000);
    for (key, value) in [(first, Some(&value)), (second, Some(&value).filter(|_| at % 5 > 0))] {
        let (key, value) = (Some(key.as_bytes()), value.map(|text| text.as_bytes()));
        builder.push(NewRecord { timestamp, key, value, headers: &[] });
    }
    builder.build().into()
}

type Records = BTreeMap<i64, (String, Option<String>)>;

fn read(client: &mut Client, topic: &Topic) -> Records {
    let mut found = Records::new();
    for (header, bytes) in split(&client.fetch_all(topic, 0, 0)) {
        for record in &records(&bytes, &DecompressionCaps::default()).unwrap() {
            let record = record.unwrap();
            let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
            let offset = header.base_offset.0 + i64::from(record.offset_delta);
            found.insert(offset, (text(record.key.unwrap()), record.value.map(text)));
        }
    }
    found
}

/// Last offset and value of each key.
fn newest(records: &Records) -> BTreeMap<String, (i64, Option<String>)> {
    records.iter().map(|(offset, (key, value))| (key.clone(), (*offset, value.clone()))).collect()
}

#[test]
fn a_compacted_topic_keeps_the_newest_record_of_each_key() {
    let directory = tempfile::tempdir().unwrap();
    let process = Process::start_with(directory.path(), OFTEN);
    let mut client = process.client();
    let topic = client.create_topic("compacted", 1, COMPACT);
    for at in 0..60 {
        client.append(&topic, 0, batch(at));
        if at == 30 {
            // Some of it is compacted, some of that for the second time, while more comes in.
            eventually(DEADLINE, "a compaction", || (read(&mut client, &topic).len() < 30).then_some(()));
        }
    }
    // One of each key and the active segment's two; a batch with a tombstone may still be there.
    let left = eventually(DEADLINE, "the rest to be compacted", || {
        let left = read(&mut client, &topic);
        (left.len() as i64 <= KEYS + 2).then_some(left)
    });
    let expected = newest(&(0..60).flat_map(written).collect());
    assert_eq!(newest(&left), expected);
    eventually(DEADLINE, "two cleanings to be counted", || {
        (process.metric("highwater_cleaner_runs_total")? >= 2.0).then_some(())
    });
    assert!(process.metric("kafka_log_logcleaner_cleaner_recopy_percent").is_some());
    process.kill();
    let process = Process::start_with(directory.path(), &["log.cleaner.enable=false"]);
    let mut client = process.client();
    assert_eq!(read(&mut client, &topic), left, "the same after a restart");
    assert_eq!(client.append(&topic, 0, batch(60)), 120, "offsets go on");
}

/// The records of a batch as they were written.
fn written(at: i64) -> [(i64, (String, Option<String>)); 2] {
    let value = at.to_string();
    let second = Some(value.clone()).filter(|_| at % 5 > 0);
    [(at * 2, ((at % KEYS).to_string(), Some(value))), (at * 2 + 1, (((at + 1) % KEYS).to_string(), second))]
}

#[test]
fn a_topic_is_compacted_from_when_its_policy_says_so() {
    let directory = tempfile::tempdir().unwrap();
    let process = Process::start_with(directory.path(), OFTEN);
    let mut client = process.client();
    let plain = [("cleanup.policy", "delete"), COMPACT[1], COMPACT[2], COMPACT[3]];
    let topic = client.create_topic("turned", 1, &plain);
    let compacted = client.create_topic("compacted", 1, COMPACT);
    for at in 0..20 {
        client.append(&topic, 0, batch(at));
        client.append(&compacted, 0, batch(at));
    }
    eventually(DEADLINE, "the other one", || (read(&mut client, &compacted).len() < 10).then_some(()));
    assert_eq!(read(&mut client, &topic).len(), 40, "nothing of this one");
    assert_eq!(set(&mut client, TOPIC, "turned", "cleanup.policy", "compact,delete"), 0);
    eventually(DEADLINE, "a compaction", || (read(&mut client, &topic).len() < 10).then_some(()));
    // What retention asks for goes as well: all records are older than an hour.
    assert_eq!(set(&mut client, TOPIC, "turned", "retention.ms", "3600000"), 0);
    eventually(DEADLINE, "retention", || {
        (client.list_offset(&topic, 0, EARLIEST).offset == 40).then_some(())
    });
}
