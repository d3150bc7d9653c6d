use super::*;
use crate::telemetry::Metrics;

const OF_ORDERS: TierPartitionSnapshot = TierPartitionSnapshot {
    bytes: 1_000,
    segments: 3,
    lag_bytes: 200,
    lag_segments: 2,
    lag: Duration::from_secs(61),
    failing_for: Some(Duration::from_millis(400)),
    retired_objects: 4,
    delete_lag_bytes: 50,
    delete_lag_segments: 1,
};

/// Metrics with a tier of two partitions, where so many have numbers of their own.
fn metrics(partitions_max: usize) -> Arc<Metrics> {
    let metrics = Metrics::new(Timestamp(0), partitions_max);
    metrics.set_tier(|visitor| {
        visitor.partition("orders", 0, OF_ORDERS);
        visitor.partition("orders", 1, TierPartitionSnapshot { failing_for: None, ..OF_ORDERS });
        visitor.tier(TierSnapshot {
            memory_hits: 7,
            disk_hits: 2,
            misses: 5,
            fetched_blocks: 9,
            damaged: 1,
            cached_bytes: 1 << 20,
            topic_deletions: 1,
            last_error: Timestamp(1_500),
            catalogue_at: Timestamp(2_500),
            catalogue_stale: 3,
        });
    });
    metrics
}

fn check(rendered: &str, lines: &[&str]) {
    for line in lines {
        assert!(rendered.lines().any(|other| other == *line), "{line} is not in\n{rendered}");
    }
}

#[test]
fn a_request_counts_by_kind_and_result() {
    let metrics = metrics(10);
    let put = TierRequest { operation: "put", result: "done", bytes: 64, duration: Duration::from_millis(3) };
    metrics.tier().request(&put);
    metrics.tier().request(&put);
    metrics.tier().request(&TierRequest { result: "timed_out", bytes: 0, ..put });
    assert_eq!(metrics.tier().requests("put", "done"), (2, 128));
    assert_eq!(metrics.tier().requests("get", "done"), (0, 0));
    let rendered = metrics.render();
    check(
        &rendered,
        &[
            "highwater_tier_requests_total{operation=\"put\",result=\"done\"} 2",
            "highwater_tier_requests_total{operation=\"put\",result=\"timed_out\"} 1",
            "highwater_tier_request_bytes_total{operation=\"put\",result=\"done\"} 128",
            "highwater_tier_request_duration_seconds_count{operation=\"put\"} 3",
            "highwater_tier_request_duration_seconds_bucket{le=\"0.002\",operation=\"put\"} 0",
            "highwater_tier_request_duration_seconds_bucket{le=\"0.004\",operation=\"put\"} 3",
        ],
    );
}

#[test]
fn what_was_done_has_kafkas_names_too() {
    let metrics = metrics(10);
    let tier = metrics.tier();
    tier.copy_begun();
    tier.copied(300);
    tier.copy_failed();
    tier.read(Some(40));
    tier.read(None);
    tier.deleted(6);
    tier.delete_failed();
    let rendered = metrics.render();
    for (own, kafkas, value) in [
        ("copied_segments", "remotecopyrequests", 1),
        ("copied_bytes", "remotecopybytes", 300),
        ("copy_errors", "remotecopyerrors", 1),
        ("reads", "remotefetchrequests", 2),
        ("read_bytes", "remotefetchbytes", 40),
        ("read_errors", "remotefetcherrors", 1),
        ("deleted_segments", "remotedeleterequests", 6),
        ("delete_errors", "remotedeleteerrors", 1),
    ] {
        let (own, kafkas) = (
            format!("highwater_tier_{own}_total {value}"),
            format!("kafka_server_brokertopicmetrics_{kafkas}_total {value}"),
        );
        check(&rendered, &[&own, &kafkas]);
    }
}

#[test]
fn a_scrape_tells_sums_and_partitions() {
    let rendered = metrics(10).render();
    check(
        &rendered,
        &[
            "highwater_tier_cache_hits_total{in=\"memory\"} 7",
            "highwater_tier_cache_hits_total{in=\"disk\"} 2",
            "highwater_tier_cache_misses_total 5",
            "highwater_tier_fetched_blocks_total 9",
            "highwater_tier_damaged_total 1",
            "highwater_tier_cache_bytes 1048576",
            "highwater_tier_pending_topic_deletions 1",
            "highwater_tier_pending_object_deletions 8",
            "highwater_tier_failing_partitions 1",
            "highwater_tier_last_error_time_seconds 1.5",
            "highwater_tier_catalogue_time_seconds 2.5",
            "highwater_tier_catalogue_stale_partitions 3",
            "highwater_tier_bytes 2000",
            "highwater_tier_segments 6",
            "highwater_tier_copy_lag_bytes 400",
            "highwater_tier_copy_lag_segments 4",
            "highwater_tier_copy_lag_seconds 61",
            "kafka_server_brokertopicmetrics_remotelogsizebytes 2000",
            "kafka_server_brokertopicmetrics_remotelogmetadatacount 6",
            "kafka_server_brokertopicmetrics_remotecopylagbytes 400",
            "kafka_server_brokertopicmetrics_remotecopylagsegments 4",
            "kafka_server_brokertopicmetrics_remotedeletelagbytes 100",
            "kafka_server_brokertopicmetrics_remotedeletelagsegments 2",
            "highwater_tier_partition_copy_lag_bytes{topic=\"orders\",partition=\"1\"} 200",
            "highwater_tier_partition_copy_lag_segments{topic=\"orders\",partition=\"1\"} 2",
            "highwater_tier_partition_copy_lag_seconds{topic=\"orders\",partition=\"1\"} 61",
            "highwater_tier_partition_failing_seconds{topic=\"orders\",partition=\"0\"} 1",
            "highwater_tier_partition_failing_seconds{topic=\"orders\",partition=\"1\"} 0",
            "highwater_tier_partition_bytes{topic=\"orders\",partition=\"0\"} 1000",
            "highwater_tier_partition_segments{topic=\"orders\",partition=\"0\"} 3",
        ],
    );
}

#[test]
fn of_too_many_partitions_only_sums_are_told() {
    let rendered = metrics(1).render();
    check(&rendered, &["highwater_tier_bytes 2000"]);
    assert!(!rendered.contains("highwater_tier_partition_"), "{rendered}");
}

#[test]
fn without_a_tier_nothing_is_told() {
    let rendered = Metrics::new(Timestamp(0), 10).render();
    assert!(!rendered.contains("_tier_") && !rendered.contains("remotecopy"), "{rendered}");
}
