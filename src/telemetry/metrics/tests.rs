use super::*;
use crate::telemetry::GroupSeen;

/// The samples of a rendering that begin with one of the given texts, without comments.
fn samples(metrics: &Metrics, prefix: &str) -> Vec<String> {
    let rendered = metrics.render();
    rendered.lines().filter(|line| line.starts_with(prefix)).map(str::to_owned).collect()
}

fn metrics() -> Arc<Metrics> {
    Metrics::new(Timestamp(1_700_000_000_500), 10)
}

#[test]
fn what_happens_is_shown_under_its_names() {
    let metrics = metrics();
    metrics.request_started(0);
    metrics.request_started(3);
    metrics.request_finished(0, Duration::from_micros(150));
    metrics.request_error(0, "MESSAGE_TOO_LARGE");
    metrics.request_error(3, "UNKNOWN_TOPIC_OR_PARTITION");
    metrics.request_memory_taken(77);
    metrics.bytes_in(1000);
    metrics.bytes_out(2000);
    metrics.connection_opened();
    metrics.connection_opened();
    metrics.connection_closed("idle");
    metrics.appended(3, 500);
    metrics.fetched(400);
    metrics.fetch_sessions(3, 40, 2);
    metrics.fetch_sessions(2, 30, 1);
    metrics.wal_commit(Duration::from_millis(1), 65_536, 3);
    for sample in [
        "highwater_requests_total{api=\"Produce\"} 1",
        "highwater_request_errors_total{api=\"Produce\",error=\"MESSAGE_TOO_LARGE\"} 1",
        "highwater_request_duration_seconds_count{api=\"Produce\"} 1",
        "highwater_request_duration_seconds_bucket{le=\"0.0001\",api=\"Produce\"} 0",
        "highwater_request_duration_seconds_bucket{le=\"0.0002\",api=\"Produce\"} 1",
        "highwater_requests_in_progress 1",
        "highwater_request_memory_bytes 77",
        "highwater_received_bytes_total 1000",
        "highwater_sent_bytes_total 2000",
        "highwater_connections 1",
        "highwater_connections_accepted_total 2",
        "highwater_connections_closed_total{reason=\"idle\"} 1",
        "highwater_appended_records_total 3",
        "highwater_fetch_sessions 2",
        "highwater_fetch_session_partitions 30",
        "highwater_fetch_session_evictions_total 3",
        "highwater_wal_commit_duration_seconds_count 1",
        "highwater_wal_group_bytes_sum 65536.0",
        "highwater_wal_group_entries_sum 3.0",
        "process_start_time_seconds 1700000000.5",
        "kafka_server_brokertopicmetrics_messagesin_total 3",
        "kafka_server_brokertopicmetrics_bytesin_total 500",
        "kafka_server_brokertopicmetrics_bytesout_total 400",
        "kafka_server_brokertopicmetrics_totalproducerequests_total 1",
        "kafka_server_brokertopicmetrics_totalfetchrequests_total 0",
        "kafka_server_brokertopicmetrics_failedproducerequests_total 1",
        "kafka_server_brokertopicmetrics_failedfetchrequests_total 0",
        "kafka_server_fetchsessioncache_numincrementalfetchsessions 2",
        "kafka_server_fetchsessioncache_numincrementalfetchpartitionscached 30",
        "kafka_server_fetchsessioncache_incrementalfetchsessionevictions_total 3",
        "kafka_network_requestmetrics_requests_total{request=\"Produce\"} 1",
        "kafka_brokers 1",
    ] {
        assert_eq!(samples(&metrics, sample), [sample]);
    }
    let build = format!("highwater_build_info{{version=\"{}\"}} 1", env!("CARGO_PKG_VERSION"));
    assert_eq!(samples(&metrics, "highwater_build_info"), [build]);
}

#[test]
fn a_client_cannot_invent_label_values() {
    let metrics = metrics();
    for api_key in [-1, 93, 500, i16::MAX, i16::MIN] {
        metrics.request_started(api_key);
        metrics.request_finished(api_key, Duration::ZERO);
    }
    assert_eq!(
        samples(&metrics, "highwater_requests_total"),
        ["highwater_requests_total{api=\"Unknown\"} 5"]
    );
}

#[test]
fn every_name_is_rendered_once_and_the_text_ends() {
    let metrics = metrics();
    metrics.set_partitions(|visit| {
        visit(PartitionSnapshot {
            topic: "t",
            partition: 0,
            log_start_offset: crate::model::Offset(0),
            high_watermark: crate::model::Offset(0),
            log_end_offset: crate::model::Offset(0),
            last_stable_offset: crate::model::Offset(0),
            transactions: Some(crate::telemetry::TransactionsSnapshot {
                open: 1,
                first_producer_id: crate::model::ProducerId(7),
                first_transactional_id: String::new(),
                first_age: Duration::ZERO,
                is_late: false,
            }),
            log_bytes: 0,
            offline: false,
        });
    });
    metrics.set_groups(|visitor| {
        let seen = GroupSeen { group_type: "classic", state: "Stable", members: 1, rebalances: 1 };
        visitor.group("g", seen);
        visitor.offset("g", "t", 0, crate::model::Offset(0), Some(crate::model::Offset(0)));
    });
    metrics.set_tier(|visitor| {
        visitor.tier(crate::telemetry::TierSnapshot::default());
        visitor.partition("t", 0, crate::telemetry::TierPartitionSnapshot::default());
    });
    // A family without a label set is not rendered.
    metrics.request_started(0);
    metrics.request_finished(0, Duration::ZERO);
    metrics.request_error(0, "NONE");
    metrics.connection_closed("end");
    let rendered = metrics.render();
    let mut types: Vec<&str> = rendered.lines().filter(|line| line.starts_with("# TYPE ")).collect();
    let all = types.len();
    types.sort_unstable();
    types.dedup();
    assert_eq!(types.len(), all, "a name is used twice");
    let names = include_str!("../names.rs").matches("pub(super) const ").count();
    assert_eq!(all, names, "a name of names.rs is not rendered, or one is rendered that is not there");
    assert!(rendered.ends_with("# EOF\n"));
}
