use crate::config::ServerConfig;
use crate::env::RealFiles;

fn load(key: &str, value: &str) -> Result<ServerConfig, String> {
    let flags = [(key.to_owned(), value.to_owned())];
    let loaded = ServerConfig::load(&RealFiles, None, std::iter::empty(), &flags);
    loaded.map(|(config, _)| config).map_err(|error| error.to_string())
}

#[test]
fn settings_of_groups_must_agree() {
    for (key, value, words) in [
        ("group.max.session.timeout.ms", "100", "group.min.session.timeout.ms"),
        ("group.consumer.session.timeout.ms", "44999", "group.consumer.min.session.timeout.ms"),
        ("group.consumer.session.timeout.ms", "60001", "group.consumer.max.session.timeout.ms"),
        ("group.consumer.heartbeat.interval.ms", "20000", "group.consumer.max.heartbeat.interval.ms"),
        ("group.consumer.assignment.interval.ms", "20000", "group.consumer.max.assignment.interval.ms"),
        ("group.consumer.migration.policy", "sometimes", "bidirectional, upgrade"),
        ("group.consumer.assignors", "", "at least one"),
        ("group.consumer.assignors", "mine", "group.consumer.assignors"),
        ("offsets.topic.replication.factor", "40000", "offsets.topic.replication.factor"),
    ] {
        let error = load(key, value).expect_err(key);
        assert!(error.contains(words), "{key}={value}: {error}");
    }
    let config = load("group.consumer.migration.policy", "UPGRADE").unwrap();
    assert_eq!(config.groups.consumer.migration_policy, "upgrade");
    assert!(config.groups.consumer_protocol);
    assert!(!load("group.coordinator.rebalance.protocols", "classic").unwrap().groups.consumer_protocol);
}
