use super::*;
use crate::model::Timestamp;
use crate::telemetry::Metrics;

fn rendered(partitions: i32, partitions_max: usize) -> String {
    let metrics = Metrics::new(Timestamp(0), partitions_max);
    metrics.set_partitions(move |visit| {
        for partition in (0..partitions).rev() {
            visit(PartitionSnapshot {
                topic: if partition < 2 { "a\"b" } else { "c" },
                partition,
                log_start_offset: Offset(1),
                high_watermark: Offset(5),
                log_end_offset: Offset(7),
                last_stable_offset: Offset(4),
                transactions: (partition == 2).then_some(TransactionsSnapshot {
                    open: 3,
                    first_producer_id: ProducerId(77),
                    first_transactional_id: "bank-1".to_owned(),
                    first_age: Duration::from_millis(90_900),
                    is_late: true,
                }),
                log_bytes: 100,
                offline: partition == 3,
            });
        }
    });
    metrics.render()
}

fn has(rendered: &str, line: &str) -> bool {
    rendered.lines().any(|other| other == line)
}

#[test]
fn each_partition_is_shown_by_all_three_sets_of_names() {
    let rendered = rendered(4, 4);
    for line in [
        "highwater_partitions 4",
        "highwater_log_bytes 400",
        "kafka_server_replicamanager_partitioncount 4",
        "kafka_server_replicamanager_leadercount 3",
        "kafka_controller_kafkacontroller_offlinepartitionscount 1",
        "highwater_partition_log_bytes{topic=\"c\",partition=\"2\"} 100",
        "kafka_log_log_size{topic=\"c\",partition=\"2\"} 100",
        "highwater_partition_log_start_offset{topic=\"c\",partition=\"2\"} 1",
        "kafka_topic_partition_oldest_offset{topic=\"c\",partition=\"2\"} 1",
        "highwater_partition_high_watermark{topic=\"c\",partition=\"2\"} 5",
        "kafka_topic_partition_current_offset{topic=\"c\",partition=\"2\"} 5",
        "highwater_partition_log_end_offset{topic=\"c\",partition=\"2\"} 7",
        "highwater_partition_last_stable_offset{topic=\"c\",partition=\"2\"} 4",
        "kafka_server_replicamanager_partitionswithlatetransactionscount 1",
        "highwater_partition_open_transactions{topic=\"c\",partition=\"2\"} 3",
        "highwater_partition_oldest_transaction_seconds\
         {topic=\"c\",partition=\"2\",producer_id=\"77\",transactional_id=\"bank-1\"} 90",
        "kafka_topic_partitions{topic=\"c\"} 1",
        "kafka_topic_partitions{topic=\"a\\\"b\"} 2",
    ] {
        assert!(has(&rendered, line), "{line} is not in\n{rendered}");
    }
    assert!(!rendered.contains("partition=\"3\""), "one that stopped has no offsets to show");
    assert_eq!(rendered.matches("highwater_partition_open_transactions{").count(), 1, "where there are any");
}

#[test]
fn above_the_bound_no_partition_has_its_own_but_the_sums_stay() {
    let rendered = rendered(4, 3);
    assert!(has(&rendered, "highwater_partitions 4"), "{rendered}");
    assert!(has(&rendered, "highwater_log_bytes 400"), "{rendered}");
    assert!(!rendered.contains("partition=\""), "{rendered}");
    assert!(!rendered.contains("topic=\""), "{rendered}");
}
