use super::super::settings::Layers;
use super::*;

fn settings(file: &str) -> Settings {
    let mut layers = Layers::default();
    layers.file("server.properties", file).expect("well formed");
    layers.resolve().expect("good values").0
}

fn shown(entry: &ConfigEntry) -> String {
    let synonym =
        |s: &ConfigSynonym| format!("{:?}:{}={}", s.source, s.name, s.value.as_deref().unwrap_or("null"));
    let synonyms: Vec<_> = entry.synonyms.iter().map(synonym).collect();
    format!("{} {:?} [{}]", entry.value.as_deref().unwrap_or("null"), entry.source, synonyms.join(", "))
}

fn find(entries: Vec<ConfigEntry>, name: &str) -> String {
    shown(entries.iter().find(|entry| entry.definition.name == name).expect("a key of the table"))
}

/// Every line was measured against Kafka 4.3 (Admin.describeConfigs with synonyms).
#[test]
fn topics_are_shown_as_kafka_does() {
    let settings = settings("log.retention.minutes=100\nlog.segment.bytes=1073741824");
    let pairs = [("retention.bytes", Some("77")), ("cleanup.policy", Some("compact, delete"))];
    let overrides = TopicOverrides::validate(pairs, &Settings::default()).expect("good values");
    for (key, expected) in [
        (
            "cleanup.policy",
            "compact,delete DynamicTopic \
             [DynamicTopic:cleanup.policy=compact,delete, Default:log.cleanup.policy=delete]",
        ),
        (
            "retention.bytes",
            "77 DynamicTopic [DynamicTopic:retention.bytes=77, Default:log.retention.bytes=-1]",
        ),
        ("retention.ms", "6000000 Default []"),
        (
            "segment.bytes",
            "1073741824 StaticBroker \
             [StaticBroker:log.segment.bytes=1073741824, Default:log.segment.bytes=1073741824]",
        ),
        ("segment.ms", "604800000 Default []"),
        ("flush.ms", "9223372036854775807 Default []"),
        ("leader.replication.throttled.replicas", " Default []"),
        ("max.message.bytes", "1048588 Default [Default:message.max.bytes=1048588]"),
        ("min.cleanable.dirty.ratio", "0.5 Default [Default:log.cleaner.min.cleanable.ratio=0.5]"),
        ("preallocate", "false Default [Default:log.preallocate=false]"),
    ] {
        assert_eq!(find(describe_topic(&overrides, &settings), key), expected, "{key}");
    }
}

/// Every line was measured against Kafka 4.3.
#[test]
fn brokers_are_shown_as_kafka_does() {
    let settings = settings("log.retention.minutes=100\nbroker.rack=r1\nnum.partitions=1");
    for (key, expected) in [
        ("log.retention.ms", "null Default []"),
        (
            "log.retention.minutes",
            "100 StaticBroker [StaticBroker:log.retention.minutes=100, Default:log.retention.hours=168]",
        ),
        ("log.retention.hours", "168 Default [Default:log.retention.hours=168]"),
        ("broker.rack", "r1 StaticBroker [StaticBroker:broker.rack=r1]"),
        ("num.partitions", "1 StaticBroker [StaticBroker:num.partitions=1, Default:num.partitions=1]"),
        ("fetch.max.bytes", "57671680 Default [Default:fetch.max.bytes=57671680]"),
    ] {
        assert_eq!(find(describe_broker(&settings), key), expected, "{key}");
    }
}

/// Kafka 4.3's `LogConfig`, without its internal key: name, type code, default, source: its `ConfigDef`.
#[test]
fn every_topic_key_of_kafka_is_shown() {
    let kafka = "cleanup.policy compression.gzip.level compression.lz4.level compression.type \
        compression.zstd.level delete.retention.ms file.delete.delay.ms flush.messages flush.ms \
        follower.replication.throttled.replicas index.interval.bytes leader.replication.throttled.replicas \
        local.retention.bytes local.retention.ms max.compaction.lag.ms max.message.bytes \
        message.timestamp.after.max.ms message.timestamp.before.max.ms message.timestamp.type \
        min.cleanable.dirty.ratio min.compaction.lag.ms min.insync.replicas preallocate \
        remote.log.copy.disable remote.log.delete.on.disable remote.storage.enable retention.bytes \
        retention.ms segment.bytes \
        segment.index.bytes segment.jitter.ms segment.ms unclean.leader.election.enable";
    let entries = describe_topic(&TopicOverrides::default(), &Settings::default());
    let names: Vec<&str> = entries.iter().map(|entry| entry.definition.name).collect();
    assert_eq!(names, kafka.split_whitespace().collect::<Vec<_>>());
    assert!(entries.iter().all(|entry| entry.value.is_some() && entry.is_default() && !entry.read_only));
}
