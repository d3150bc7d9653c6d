//! `highwater tier status`, `ls`, `verify` and `cost`, as people run them, over a bucket that is a directory.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;
use tempfile::TempDir;

use crate::batches::batch;
use crate::disk::{entries, flip_bit, read, remove, times};
use crate::eventually::eventually;
use crate::process::{DEADLINE, Process};

/// Exit code, what was printed, and what was complained of.
fn tier(words: &[&str]) -> (i32, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_highwater"));
    command.env_clear().stdin(Stdio::null()).arg("tier").args(words);
    let output = command.output().expect("the program can be started");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("text");
    (output.status.code().expect("it ends by itself"), text(output.stdout), text(output.stderr))
}

/// A broker, and what it keeps where.
struct Tiered {
    bucket: TempDir,
    process: Process,
    /// The broker's own.
    _directory: TempDir,
}

impl Tiered {
    /// With a topic `orders` whose first segments lie in the bucket and have left the disk.
    fn start() -> Tiered {
        let (bucket, directory) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let process = Process::start_with(
            directory.path(),
            &[
                &store(bucket.path()),
                "remote.log.manager.task.interval.ms=20",
                "log.retention.check.interval.ms=20",
                "highwater.checkpoint.interval.ms=100",
            ],
        );
        let mut client = process.client();
        let configs = [
            ("remote.storage.enable", "true"),
            ("segment.ms", "1"),
            ("local.retention.bytes", "0"),
            ("retention.ms", "-1"),
        ];
        let topic = client.create_topic("orders", 1, &configs);
        let value = "x".repeat(10_000);
        for _ in 0..3 {
            let end = client.append(&topic, 0, batch(&[&value, &value])) + 2;
            let local_start = format!("\"local_log_start_offset\":{end}");
            eventually(DEADLINE, "the segment to leave the disk", || {
                process.http_get("/tier").contains(&local_start).then_some(())
            });
        }
        Tiered { bucket, process, _directory: directory }
    }
}

/// A setting.
fn store(bucket: &Path) -> String {
    format!("highwater.tier.store=file://{}", bucket.display())
}

/// Objects of segments in a bucket.
fn objects(bucket: &Path, kind: &str) -> Vec<PathBuf> {
    let folders = entries(&bucket.join("topics")).into_iter().map(|topic| topic.join("0").join(kind));
    let mut objects: Vec<_> = folders.flat_map(|folder| entries(&folder)).collect();
    objects.sort();
    objects
}

fn json(line: &str) -> Value {
    serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))
}

#[test]
fn a_running_broker_tells_what_lies_where_and_what_it_costs() {
    let tiered = Tiered::start();
    let admin = tiered.process.admin();
    let (code, out, err) = tier(&["status", "--admin", &admin]);
    assert_eq!(code, 0, "{err}");
    let row = out.lines().find(|line| line.starts_with("orders ")).unwrap_or_else(|| panic!("{out}"));
    let cells: Vec<_> = row.split_whitespace().collect();
    assert_eq!(cells[..6], ["orders", "0", "0", "6", "6", "6"], "{out}");
    let (code, out, _) = tier(&["status", "--admin", &admin, "--json"]);
    assert_eq!(code, 0);
    let told = json(&out);
    let partition = &told["partitions"][0];
    assert_eq!((&partition["topic"], &partition["remote_segments"]), (&"orders".into(), &3.into()));
    let remote_bytes = partition["remote_bytes"].as_u64().unwrap();
    assert!(remote_bytes > 60_000, "{out}");
    // A request is counted once it is over.
    for (series, value) in [
        ("highwater_tier_segments", 3.0),
        ("kafka_server_brokertopicmetrics_remotelogmetadatacount", 3.0),
        ("highwater_tier_partition_segments{topic=\"orders\",partition=\"0\"}", 3.0),
        ("highwater_tier_copy_lag_bytes", 0.0),
        ("highwater_tier_failing_partitions", 0.0),
    ] {
        assert_eq!(tiered.process.metric(series), Some(value), "{series}");
    }
    let puts = tiered.process.metric("highwater_tier_requests_total{operation=\"put\",result=\"done\"}");
    assert_eq!(puts, Some(3.0), "three segments: the manifest is a root");

    let (code, out, err) = tier(&["ls", "orders", "--admin", &admin]);
    assert_eq!(code, 0, "{err}");
    let lines: Vec<_> = out.lines().collect();
    assert_eq!((lines.len(), lines[0]), (5, "orders-0"), "{out}");
    let (_, out, _) = tier(&["ls", "orders:0", "--admin", &admin, "--json"]);
    let segments: Vec<Value> = out.lines().map(json).collect();
    let bases: Vec<_> = segments.iter().map(|segment| segment["base_offset"].as_i64().unwrap()).collect();
    assert_eq!(bases, [0, 2, 4]);
    for segment in &segments {
        let object = tiered.bucket.path().join(segment["object"].as_str().unwrap());
        assert!(objects(tiered.bucket.path(), "segments").contains(&object), "{object:?}");
    }
    let (code, _, err) = tier(&["ls", "orders:1", "--admin", &admin]);
    assert_eq!(code, 1, "{err}");
    assert!(err.contains("orders:1 is not tiered, or does not exist"), "{err}");

    let (code, out, _) = tier(&["cost", "--admin", &admin, "--put-price", "5", "--json"]);
    assert_eq!(code, 0);
    let cost = json(&out);
    let kinds = cost["kinds"].as_array().unwrap();
    let put = kinds.iter().find(|kind| kind["operation"] == "put").unwrap();
    let (count, price) = (put["count"].as_f64().unwrap(), put["cost"].as_f64().unwrap());
    assert!((price - count * 5.0 / 1000.0).abs() < 1e-9, "{put}");
    assert_eq!(cost["stored_bytes"].as_u64(), Some(remote_bytes));
    let (code, out, _) = tier(&["cost", "--admin", &admin]);
    assert!(code == 0 && out.contains("S3 Standard in us-east-1"), "{out}");
    tiered.process.stop();
    let (code, _, err) = tier(&["status", "--admin", &admin]);
    assert!(code == 1 && err.contains("highwater.admin.listener"), "{err}");
}

#[test]
fn a_bucket_is_checked_and_stays_as_it_is() {
    let tiered = Tiered::start();
    let (admin, bucket) = (tiered.process.admin(), tiered.bucket.path());
    let store = store(bucket);
    let running = ["verify", "--override", &store, "--admin", &admin];
    let (code, out, err) = tier(&running);
    assert_eq!(code, 0, "{out}{err}");
    assert!(out.contains("whole") && out.contains("1 partitions, segments: 3 ("), "{out}");

    // A turned bit in the last block of the second segment: its name and the broker's topic are told.
    let damaged = objects(bucket, "segments").remove(1);
    flip_bit(&damaged, read(&damaged).len() - 5);
    let (code, out, _) = tier(&running);
    assert_eq!(code, 1, "{out}");
    let key = damaged.strip_prefix(bucket).unwrap().display().to_string();
    let fault = format!("FAULT   orders-0: {key}: the block at byte ");
    assert!(out.contains(&fault) && out.contains("1 FAULT\n"), "{out}");
    let (code, _, _) = tier(&[&running[..], &["--sizes-only"]].concat());
    assert_eq!(code, 0, "its size is right");

    tiered.process.stop();
    let alone = ["verify", "--override", &store, "--json"];
    let before = times(bucket);
    let (code, out, _) = tier(&alone);
    assert_eq!(code, 1, "{out}");
    let lines: Vec<Value> = out.lines().map(json).collect();
    assert_eq!((lines.len(), &lines[0]["key"]), (2, &key.as_str().into()), "{out}");
    assert_eq!((&lines[1]["faults"], &lines[1]["segments"]), (&1.into(), &3.into()), "{out}");
    assert!(times(bucket) == before, "it changed something");

    remove(&damaged);
    let (code, out, _) = tier(&alone);
    assert_eq!((code, json(out.lines().next().unwrap())["what"].as_str()), (1, Some("it is missing")));
    let (code, out, err) = tier(&["ls", "--from-store", "--override", &store, "--json"]);
    assert_eq!((code, out.lines().count()), (0, 3), "as the manifest has it: {out}{err}");
    let topic_id = json(out.lines().next().unwrap())["topic"].as_str().unwrap().to_owned();
    let (code, out, _) = tier(&["ls", &format!("{topic_id}:0"), "--from-store", "--override", &store]);
    assert_eq!((code, out.lines().count()), (0, 5), "{out}");
    let (code, _, err) = tier(&["ls", "orders", "--from-store", "--override", &store]);
    assert!(code == 78 && err.contains("no topic id"), "{err}");
    let (code, _, err) = tier(&["verify"]);
    assert!(code == 78 && err.contains("highwater.tier.store"), "{err}");
}
