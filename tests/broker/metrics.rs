//! `/metrics`: what issue 3 names is there, and counts what happens.

use crate::batches::batch;
use crate::eventually::eventually;
use crate::process::{DEADLINE, Process};
use crate::requests::error_name;

#[test]
fn metrics_are_there_and_move() {
    let directory = tempfile::tempdir().unwrap();
    let process = Process::start(directory.path());
    let mut client = process.client();
    let topic = client.create_topic("counted", 1, &[]);
    // A request is counted when its answer was sent: its client may be first.
    let wait_for = |series: &str, expected: f64| {
        eventually(DEADLINE, &format!("{series} to be {expected}"), || {
            (process.metric(series)? == expected).then_some(())
        });
    };
    wait_for("highwater_requests_total{api=\"CreateTopics\"}", 1.0);
    wait_for("highwater_requests_in_progress", 0.0);
    let before = |name| process.metric(name).unwrap_or_else(|| panic!("{name} is there from the start"));
    let growing = [
        "highwater_received_bytes_total",
        "highwater_sent_bytes_total",
        "highwater_wal_commit_duration_seconds_count",
        "highwater_wal_group_bytes_sum",
        "highwater_wal_group_entries_sum",
        "highwater_log_bytes",
    ];
    let found = growing.map(before);
    let sent = batch(&["a", "b"]);
    for _ in 0..3 {
        client.append(&topic, 0, sent.clone());
    }
    client.fetch(&topic, 0, 0);
    assert_eq!(error_name(client.fetch(&topic, 0, 99).error_code), "OFFSET_OUT_OF_RANGE");
    wait_for("highwater_requests_in_progress", 0.0);
    for (name, before) in growing.into_iter().zip(found) {
        let after = process.metric(name).unwrap();
        assert!(after > before, "{name}: {before}, then {after}");
    }
    let bytes = 3.0 * f64::from(u32::try_from(sent.len()).unwrap());
    for (series, expected) in [
        ("highwater_requests_total{api=\"Produce\"}", 3.0),
        ("highwater_requests_total{api=\"Fetch\"}", 2.0),
        ("highwater_request_errors_total{api=\"Fetch\",error=\"OFFSET_OUT_OF_RANGE\"}", 1.0),
        ("highwater_request_duration_seconds_count{api=\"Produce\"}", 3.0),
        ("highwater_request_duration_seconds_bucket{le=\"+Inf\",api=\"Produce\"}", 3.0),
        ("highwater_connections", 1.0),
        ("highwater_appended_records_total", 6.0),
        ("highwater_appended_bytes_total", bytes),
        ("highwater_fetched_bytes_total", bytes),
        ("highwater_partition_high_watermark{topic=\"counted\",partition=\"0\"}", 6.0),
        ("highwater_partition_log_bytes{topic=\"counted\",partition=\"0\"}", bytes),
    ] {
        wait_for(series, expected);
    }
}
