use super::*;

#[test]
fn variables_become_keys() {
    for (variable, key) in [
        ("KAFKA_LISTENERS", Some("listeners")),
        ("KAFKA_NODE_ID", Some("node.id")),
        ("KAFKA_LOG_RETENTION_MS", Some("log.retention.ms")),
        ("KAFKA_LISTENER_NAME_A__B_X", Some("listener.name.a_b.x")),
        ("KAFKA_LISTENER_NAME_A___B_X", Some("listener.name.a-b.x")),
        ("KAFKA_CFG_NUM_PARTITIONS", Some("num.partitions")),
        ("KAFKA_JMX_PORT", None),
        ("KAFKA_JVM_PERFORMANCE_OPTS", None),
        ("KAFKA_HEAP_OPTS", None),
        ("KAFKA_OPTS", None),
        ("KAFKA_LOG4J_ROOT_LOGLEVEL", None),
        ("KAFKA_LOG4J_LOGGERS", None),
        ("KAFKA_TOOLS_LOG4J_LOGLEVEL", None),
        ("KAFKA_GC_LOG_OPTS", None),
        ("KAFKA_VERSION", None),
        ("KAFKA_PORT_9092_TCP_ADDR", None),
        ("KAFKA_", None),
        ("KAFKAESQUE", None),
        ("PATH", None),
        ("HIGHWATER_WAL_SYNC", Some("highwater.wal.sync")),
        ("HIGHWATER_LOG", None),
        ("HIGHWATER_", None),
        ("CLUSTER_ID", Some("highwater.cluster.id")),
        ("KAFKA_KRAFT_CLUSTER_ID", Some("highwater.cluster.id")),
    ] {
        assert_eq!(key_of(variable).as_deref(), key, "{variable}");
    }
}
