use kafka_protocol::messages::alter_configs_request::{
    AlterConfigsResource as LegacyResource, AlterableConfig as LegacyConfig,
};
use kafka_protocol::messages::describe_configs_request::DescribeConfigsResource;
use kafka_protocol::messages::incremental_alter_configs_request::{AlterConfigsResource, AlterableConfig};
use kafka_protocol::messages::{AlterConfigsRequest, DescribeConfigsRequest, IncrementalAlterConfigsRequest};

use super::*;
use crate::handlers::testing::{TestBroker, str_bytes};

type Key<'a> = (&'a str, i8, Option<&'a str>);

fn incremental(resource_type: i8, name: &str, keys: &[Key<'_>]) -> AlterConfigsResource {
    let configs = keys.iter().map(|(key, operation, value)| {
        AlterableConfig::default()
            .with_name(str_bytes(key))
            .with_config_operation(*operation)
            .with_value(value.map(str_bytes))
    });
    AlterConfigsResource::default()
        .with_resource_type(resource_type)
        .with_resource_name(str_bytes(name))
        .with_configs(configs.collect())
}

fn legacy(resource_type: i8, name: &str, keys: &[(&str, Option<&str>)]) -> LegacyResource {
    let configs = keys.iter().map(|(key, value)| {
        LegacyConfig::default().with_name(str_bytes(key)).with_value(value.map(str_bytes))
    });
    LegacyResource::default()
        .with_resource_type(resource_type)
        .with_resource_name(str_bytes(name))
        .with_configs(configs.collect())
}

type Told = Vec<(i16, Option<String>)>;

async fn alter(test: &TestBroker, version: i16, resources: Vec<AlterConfigsResource>) -> Told {
    let request = IncrementalAlterConfigsRequest::default().with_resources(resources);
    let told = test.ask(version, &request).await.responses;
    told.into_iter()
        .map(|told| (told.error_code, told.error_message.map(|words| words.to_string())))
        .collect()
}

async fn replace(test: &TestBroker, version: i16, resources: Vec<LegacyResource>) -> Told {
    let request = AlterConfigsRequest::default().with_resources(resources);
    let told = test.ask(version, &request).await.responses;
    told.into_iter()
        .map(|told| (told.error_code, told.error_message.map(|words| words.to_string())))
        .collect()
}

/// Key, value, source, read-only and synonyms (name, value, source) of some keys of a resource.
async fn shown(test: &TestBroker, resource_type: i8, name: &str, keys: &[&str]) -> Vec<String> {
    let resource = DescribeConfigsResource::default()
        .with_resource_type(resource_type)
        .with_resource_name(str_bytes(name))
        .with_configuration_keys(Some(keys.iter().map(|key| str_bytes(key)).collect()));
    let request =
        DescribeConfigsRequest::default().with_resources(vec![resource]).with_include_synonyms(true);
    let result = test.ask(1, &request).await.results.remove(0);
    let lines = result.configs.iter().map(|config| {
        let synonyms = config.synonyms.iter().map(|synonym| {
            format!("{}={}:{}", synonym.name, synonym.value.as_deref().unwrap_or("null"), synonym.source)
        });
        let (value, source) = (config.value.as_deref().unwrap_or("null"), config.config_source);
        let read_only = if config.read_only { " read-only" } else { "" };
        format!("{}={value}:{source}{read_only} [{}]", config.name, synonyms.collect::<Vec<_>>().join(" "))
    });
    lines.collect()
}

/// Codes and words as measured against Kafka 4.3.1; where it answers with -1, ours.
#[tokio::test]
async fn trap_87_what_is_wrong_is_told_and_nothing_falls_over() {
    let test = TestBroker::start();
    test.topic("t", 1, &[]).await;
    let name = "Topic name is invalid: 'a b' contains one or more characters other than ASCII alphanumerics, \
                '.', '_' and '-'";
    let set = |key, value| vec![(key, SET, Some(value))];
    let so_far = "Configurations of client metrics cannot be altered so far.";
    for (resource_type, resource_name, keys, code, words) in [
        (TOPIC, "t", set("no.such", "1"), 40, "Unknown topic config name: no.such"),
        (TOPIC, "absent", set("segment.ms", "7000"), 3, "The topic 'absent' does not exist."),
        (TOPIC, "absent", vec![], 3, "The topic 'absent' does not exist."),
        (TOPIC, "absent", set("no.such", "1"), 40, "Unknown topic config name: no.such"),
        (TOPIC, "a b", set("segment.ms", "7000"), 17, name),
        (TOPIC, "", set("segment.ms", "7000"), 42, "Default topic resources are not allowed."),
        (
            TOPIC,
            "t",
            vec![("retention.ms", SET, None), ("segment.ms", APPEND, None), ("flush.ms", DELETE, None)],
            42,
            "Null value not supported for : retention.ms, segment.ms",
        ),
        (
            TOPIC,
            "t",
            vec![("segment.ms", SET, Some("7")), ("segment.ms", DELETE, None)],
            42,
            "Error due to duplicate config keys",
        ),
        (TOPIC, "t", vec![("segment.ms", 9, Some("7"))], 42, "Unknown operations type 9"),
        (BROKER, "1", vec![("message.max.bytes", 9, Some("7"))], 42, "Unknown operations type 9"),
        (BROKER, "7", set("message.max.bytes", "1"), 42, "Unexpected broker id, expected 1, but received 7"),
        (BROKER, "x", set("message.max.bytes", "1"), 42, "Node id must be an integer, but it is: x"),
        (
            BROKER,
            "1",
            set("num.partitions", "3"),
            42,
            "Cannot update these configs dynamically: [num.partitions]",
        ),
        (BROKER_LOGGER, "1", set("no.Logger", "DEBUG"), 40, "Logger no.Logger does not exist!"),
        (BROKER_LOGGER, "7", set("root", "INFO"), 42, "Unexpected node id. Expected 1, but received 7"),
        (BROKER_LOGGER, "x", set("root", "INFO"), 42, "Node id must be an integer, but it is: x"),
        (BROKER_LOGGER, "", vec![], 42, "Node id must be an integer, but it is: "),
        (
            BROKER_LOGGER,
            "1",
            vec![("root", APPEND, Some("X"))],
            42,
            "APPEND operation is not allowed for the BROKER_LOGGER resource",
        ),
        (CLIENT_METRICS, "m", set("interval.ms", "1000"), 42, so_far),
        (
            GROUP,
            "",
            set("consumer.session.timeout.ms", "50000"),
            42,
            "Default group resources are not allowed.",
        ),
        (GROUP, "g", set("no.such", "1"), 40, "Unknown group config name: no.such"),
        (
            GROUP,
            "g",
            set("consumer.session.timeout.ms", "soon"),
            40,
            "Invalid value soon for configuration consumer.session.timeout.ms: Not a number of type INT",
        ),
        (0, "t", vec![], 42, "Unknown resource type 0"),
        (99, "t", set("segment.ms", "7000"), 42, "Unknown resource type 99"),
    ] {
        for version in 0..=1 {
            let told = alter(&test, version, vec![incremental(resource_type, resource_name, &keys)]).await;
            assert_eq!(told, [(code, Some(words.to_owned()))], "{resource_type} {resource_name:?} {keys:?}");
        }
    }
    let good = incremental(TOPIC, "t", &[("segment.ms", SET, Some("7000"))]);
    assert_eq!(
        alter(&test, 1, vec![good, incremental(BROKER_LOGGER, "1", &[])]).await,
        [(0, None), (0, None)]
    );
}

/// Measured against Kafka 4.3.1, which answers the legacy request with the end of the connection (a defect).
#[tokio::test]
async fn a_resource_that_is_named_twice_is_refused_twice() {
    let test = TestBroker::start();
    test.topic("t", 1, &[]).await;
    let twice = (42, Some("Each resource must appear at most once.".to_owned()));
    let set = [("segment.ms", SET, Some("7000"))];
    let resources =
        vec![incremental(TOPIC, "t", &set), incremental(BROKER, "1", &[]), incremental(TOPIC, "t", &[])];
    assert_eq!(alter(&test, 0, resources).await, [twice.clone(), (0, None), twice.clone()]);
    let resources = vec![legacy(TOPIC, "t", &[]), legacy(TOPIC, "t", &[])];
    assert_eq!(replace(&test, 1, resources).await, [twice.clone(), twice]);
    assert_eq!(alter(&test, 0, Vec::new()).await, []);
}

#[tokio::test]
async fn the_legacy_request_replaces_in_every_version() {
    let test = TestBroker::start();
    test.topic("t", 1, &[("retention.ms", "5"), ("segment.ms", "6")]).await;
    let keys = ["retention.ms", "segment.ms"];
    for version in 0..=2 {
        let told = replace(&test, version, vec![legacy(TOPIC, "t", &[("segment.ms", Some("9000"))])]).await;
        assert_eq!(told, [(0, None)]);
        let sources = ["retention.ms=604800000:5 []", "segment.ms=9000:1 [segment.ms=9000:1]"];
        assert_eq!(shown(&test, TOPIC, "t", &keys).await, sources);
        assert_eq!(replace(&test, version, vec![legacy(TOPIC, "t", &[])]).await, [(0, None)]);
        assert_eq!(shown(&test, TOPIC, "t", &keys[1..]).await, ["segment.ms=604800000:5 []"]);
    }
    for (resource, code, words) in [
        (legacy(TOPIC, "t", &[("segment.ms", None)]), 42, "Null value not supported for : segment.ms"),
        (legacy(BROKER_LOGGER, "1", &[("root", Some("INFO"))]), 42, "Unknown resource type 8"),
        (
            legacy(BROKER, "", &[("num.partitions", Some("7"))]),
            42,
            "Cannot update these configs dynamically: [num.partitions]",
        ),
    ] {
        assert_eq!(replace(&test, 1, vec![resource]).await, [(code, Some(words.to_owned()))]);
    }
}

#[tokio::test]
async fn settings_of_groups_are_kept_shown_and_taken_away() {
    let mut test = TestBroker::start();
    let (timeout, interval) = ("consumer.session.timeout.ms", "consumer.heartbeat.interval.ms");
    let keys = [timeout, interval];
    let set = [(timeout, SET, Some("50000")), (interval, SET, Some("6000"))];
    assert_eq!(alter(&test, 1, vec![incremental(GROUP, "g/ä", &set)]).await, [(0, None)]);
    let interval_of_broker = "group.consumer.heartbeat.interval.ms=5000:5";
    let timeout_of_broker = "group.consumer.session.timeout.ms=45000:5";
    let shown_set = [
        format!("{interval}=6000:8 [{interval}=6000:8 {interval_of_broker}]"),
        format!("{timeout}=50000:8 [{timeout}=50000:8 {timeout_of_broker}]"),
    ];
    for _ in 0..2 {
        assert_eq!(shown(&test, GROUP, "g/ä", &keys).await, shown_set);
        test = test.restart().await;
    }
    let delete = [(timeout, DELETE, None), ("no.such", DELETE, None)];
    assert_eq!(alter(&test, 0, vec![incremental(GROUP, "g/ä", &delete)]).await, [(0, None)]);
    let without = [shown_set[0].clone(), format!("{timeout}=45000:5 [{timeout_of_broker}]")];
    assert_eq!(shown(&test, GROUP, "g/ä", &keys).await, without);
    assert_eq!(test.broker.image().group_configs().len(), 1);
    assert_eq!(replace(&test, 2, vec![legacy(GROUP, "g/ä", &[])]).await, [(0, None)]);
    assert_eq!(test.broker.image().group_configs().len(), 0, "nothing is left of what has no settings");
}

#[tokio::test]
async fn a_rehearsal_is_answered_and_changes_nothing() {
    let test = TestBroker::start();
    test.topic("t", 1, &[]).await;
    let good = incremental(TOPIC, "t", &[("segment.ms", SET, Some("7000"))]);
    let bad = incremental(TOPIC, "absent", &[]);
    let request =
        IncrementalAlterConfigsRequest::default().with_resources(vec![good, bad]).with_validate_only(true);
    let told = test.ask(1, &request).await.responses;
    assert_eq!(told.iter().map(|told| told.error_code).collect::<Vec<_>>(), [0, 3]);
    let request = AlterConfigsRequest::default()
        .with_resources(vec![legacy(TOPIC, "t", &[("segment.ms", Some("7000"))])])
        .with_validate_only(true);
    assert_eq!(test.ask(2, &request).await.responses[0].error_code, 0);
    assert_eq!(shown(&test, TOPIC, "t", &["segment.ms"]).await, ["segment.ms=604800000:5 []"]);
}

/// As measured against Kafka 4.3.1 with the same file and the same alterations.
#[tokio::test]
async fn trap_86_what_was_altered_is_shown_with_its_sources() {
    let file = [("log.retention.minutes", "100"), ("log.roll.ms", "5000000"), ("log.roll.hours", "4")];
    let test = TestBroker::with(&file);
    test.topic("t", 1, &[]).await;
    let resources = vec![
        incremental(
            TOPIC,
            "t",
            &[
                ("retention.ms", SET, Some("604800000")),
                ("segment.ms", SET, Some("7000")),
                ("cleanup.policy", APPEND, Some("compact")),
            ],
        ),
        incremental(
            BROKER,
            "1",
            &[("log.retention.ms", SET, Some("1000000")), ("message.max.bytes", SET, Some("2000000"))],
        ),
        incremental(
            BROKER,
            "",
            &[("log.retention.ms", SET, Some("2000000")), ("log.roll.ms", SET, Some("3000000"))],
        ),
    ];
    assert_eq!(alter(&test, 1, resources).await, [(0, None), (0, None), (0, None)]);
    let keys = ["cleanup.policy", "max.message.bytes", "retention.ms", "segment.jitter.ms", "segment.ms"];
    let retention = "log.retention.ms=1000000:2 log.retention.ms=2000000:3 log.retention.minutes=100:4 \
                     log.retention.hours=168:5";
    let roll = "log.roll.ms=3000000:3 log.roll.ms=5000000:4 log.roll.hours=4:4 log.roll.hours=168:5";
    let expected = [
        "cleanup.policy=delete,compact:1 [cleanup.policy=delete,compact:1 log.cleanup.policy=delete:5]"
            .to_owned(),
        "max.message.bytes=2000000:2 [message.max.bytes=2000000:2 message.max.bytes=1048588:5]".to_owned(),
        format!("retention.ms=604800000:1 [retention.ms=604800000:1 {retention}]"),
        "segment.jitter.ms=0:5 []".to_owned(),
        format!("segment.ms=7000:1 [segment.ms=7000:1 {roll}]"),
    ];
    assert_eq!(shown(&test, TOPIC, "t", &keys).await, expected);
    let keys =
        ["log.retention.hours", "log.retention.minutes", "log.retention.ms", "log.roll.ms", "num.partitions"];
    let expected = [
        "num.partitions=1:5 read-only [num.partitions=1:5]".to_owned(),
        format!("log.roll.ms=3000000:3 [{roll}]"),
        format!("log.retention.ms=1000000:2 [{retention}]"),
        "log.retention.minutes=null:4 read-only [log.retention.minutes=100:4 log.retention.hours=168:5]"
            .to_owned(),
        "log.retention.hours=168:5 read-only [log.retention.hours=168:5]".to_owned(),
    ];
    assert_eq!(shown(&test, BROKER, "1", &keys).await, expected);
    let expected = [
        "log.roll.ms=3000000:3 [log.roll.ms=3000000:3]",
        "log.retention.ms=2000000:3 [log.retention.ms=2000000:3]",
    ];
    assert_eq!(shown(&test, BROKER, "", &[]).await, expected);
}

#[tokio::test]
async fn a_request_with_too_many_resources_is_refused_in_few_words() {
    let test = TestBroker::start();
    let resources = (0..=RESOURCES_MAX).map(|n| incremental(TOPIC, &format!("t{n}"), &[])).collect();
    let told = alter(&test, 1, resources).await;
    assert!(told.iter().all(|told| *told == (44, Some(String::new()))));
}
