use super::*;
use crate::broker::TierFailure;

const NOW: i64 = 1_800_000_000_000;

/// One that has all that it should have.
pub(in crate::cli::tier) fn partition(topic: &str, partition: i32) -> TierPartition {
    TierPartition {
        topic: topic.to_owned(),
        topic_id: "00000000-0000-0000-0000-000000000007".to_owned(),
        partition,
        log_start_offset: 5,
        local_log_start_offset: 60,
        remote_end_offset: 90,
        last_stable_offset: 100,
        log_end_offset: 100,
        manifest: 4,
        copies: true,
        remote_bytes: Some(3 << 30),
        remote_segments: Some(48),
        retired_objects: 0,
        lag_bytes: 0,
        lag_segments: 0,
        lag_ms: 0,
        delete_lag_segments: 0,
        delete_lag_bytes: 0,
        failing_since_ms: None,
        failure: None,
        compaction_failing_since_ms: None,
        compaction_failure: None,
        stopped: None,
    }
}

pub(in crate::cli::tier) fn status() -> TierStatus {
    TierStatus {
        store: "s3://logs/one".to_owned(),
        now_ms: NOW,
        last_failure: None,
        deleted_topics: vec![],
        deleted_topics_count: 0,
        requests: vec![],
        partitions: vec![partition("orders", 0)],
        has_more: false,
    }
}

#[test]
fn a_table_says_what_lies_where() {
    let behind = TierPartition {
        lag_bytes: 1 << 20,
        lag_segments: 2,
        lag_ms: 61_000,
        remote_bytes: None,
        remote_segments: None,
        ..partition("orders", 12)
    };
    let partitions = vec![partition("orders", 0), behind];
    let shown = words(&TierStatus { partitions, ..status() });
    let lines: Vec<_> = shown.lines().collect();
    let rows = [
        ("s3://logs/one", ""),
        (
            "TOPIC   PARTITION  LOG START  LOCAL START  REMOTE END  LOG END   ",
            "REMOTE  SEGMENTS      LAG  LAG SEGMENTS  LAG TIME",
        ),
        (
            "orders          0          5           60          90      100  3",
            ".0 GiB        48      0 B             0         -",
        ),
        (
            "orders         12          5           60          90      100   ",
            "     -         -  1.0 MiB             2     1m01s",
        ),
        ("", ""),
        ("-: the broker has not asked the store since its start", ""),
    ];
    let rows = rows.map(|(left, right)| left.to_owned() + right);
    assert_eq!(lines, rows);
    assert!(words(&TierStatus { partitions: vec![], ..status() }).contains("No partition is tiered."));
}

#[test]
fn what_does_not_go_as_it_should_is_said_in_words() {
    let failure = |what: &str| Some(TierFailure { at_ms: NOW - 2_000, what: what.to_owned() });
    let partitions = vec![
        TierPartition {
            failing_since_ms: Some(NOW - 200_000),
            failure: failure("503\nslow"),
            ..partition("a", 1)
        },
        TierPartition { copies: false, ..partition("b", 0) },
        TierPartition { copies: false, stopped: Some("its folder\nis gone".into()), ..partition("f", 0) },
        TierPartition { lag_segments: 1, last_stable_offset: 92, ..partition("c", 0) },
        TierPartition { delete_lag_segments: 3, delete_lag_bytes: 2048, ..partition("d", 0) },
        TierPartition {
            compaction_failing_since_ms: Some(NOW - 200_000),
            compaction_failure: failure("damaged"),
            ..partition("e", 0)
        },
    ];
    let shown = words(&TierStatus {
        partitions,
        deleted_topics: vec!["x".to_owned(), "y".to_owned()],
        deleted_topics_count: 2,
        last_failure: failure(&format!("no bucket{}: refused", "y".repeat(500))),
        ..status()
    });
    for line in [
        r"a-1: FAILING since 2027-01-15T07:56:40Z (3m20s): 503\nslow",
        "b-0: nothing more is copied (remote.log.copy.disable, or no longer tiered)",
        r"f-0: STOPPED: its folder\nis gone; what it has in the store stays, and the rest of it is not known",
        "e-0: compaction in the tier FAILING since 2027-01-15T07:56:40Z (3m20s): damaged",
        "d-0: 3 segments below the log start are still to be removed (2.0 KiB)",
        "2 topics that were deleted, or left the tier, have objects there: x, y",
        // Why stands at the end of it.
        &format!("the last failure, 2.0s ago: no bucket{}: refused", "y".repeat(500)),
    ] {
        assert!(shown.lines().any(|other| other == line), "{line} is not in\n{shown}");
    }
    assert!(!shown.contains("f-0: nothing"), "{shown}");
    assert!(shown.contains("c-0: no copy goes beyond offset 92"), "{shown}");
}
