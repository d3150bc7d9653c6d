use kafka_protocol::messages::create_topics_request::{
    CreatableReplicaAssignment, CreatableTopic, CreatableTopicConfig,
};
use kafka_protocol::messages::create_topics_response::CreatableTopicResult;
use kafka_protocol::messages::{BrokerId, CreateTopicsRequest, TopicName};

use crate::handlers::testing::{TestBroker, str_bytes};

fn topic(name: &str, partitions: i32, replication_factor: i16) -> CreatableTopic {
    CreatableTopic::default()
        .with_name(TopicName(str_bytes(name)))
        .with_num_partitions(partitions)
        .with_replication_factor(replication_factor)
}

fn config(name: &str, value: Option<&str>) -> CreatableTopicConfig {
    CreatableTopicConfig::default().with_name(str_bytes(name)).with_value(value.map(str_bytes))
}

fn assigned(assignments: &[(i32, &[i32])]) -> CreatableTopic {
    let assignments = assignments.iter().map(|(index, brokers)| {
        CreatableReplicaAssignment::default()
            .with_partition_index(*index)
            .with_broker_ids(brokers.iter().map(|id| BrokerId(*id)).collect())
    });
    topic("x", -1, -1).with_assignments(assignments.collect())
}

fn request(topics: Vec<CreatableTopic>) -> CreateTopicsRequest {
    CreateTopicsRequest::default().with_topics(topics).with_timeout_ms(30_000)
}

async fn create(test: &TestBroker, version: i16, topics: Vec<CreatableTopic>) -> Vec<CreatableTopicResult> {
    test.ask(version, &request(topics)).await.topics
}

fn words(result: &CreatableTopicResult) -> &str {
    result.error_message.as_ref().map_or("", |words| words.as_str())
}

#[tokio::test]
async fn creates_in_every_version_and_tells_what_was_made() {
    let test = TestBroker::with(&[("num.partitions", "3"), ("default.replication.factor", "2")]);
    for version in 2..=7 {
        let name = format!("t{version}");
        let new = topic(&name, -1, -1).with_configs(vec![config("retention.ms", Some("5"))]);
        let results = create(&test, version, vec![new]).await;
        let [result] = &results[..] else { panic!("{results:?}") };
        assert_eq!((result.error_code, &result.error_message), (0, &None), "version {version}");
        let image = test.broker.image();
        let made = image.topic(&name).unwrap();
        assert_eq!((made.partitions, made.replication_factor), (3, 2));
        if version >= 5 {
            assert_eq!((result.num_partitions, result.replication_factor), (3, 2));
            let configs = result.configs.as_ref().unwrap();
            assert!(configs.len() > 20 && configs.is_sorted_by_key(|config| config.name.to_string()));
            let retention = configs.iter().find(|config| config.name.as_str() == "retention.ms").unwrap();
            assert_eq!((retention.value.as_deref(), retention.config_source), (Some("5"), 1));
        }
        if version >= 7 {
            assert_eq!(result.topic_id, made.topic_id.0);
        }
    }
}

#[tokio::test]
async fn trap_30_three_replicas_are_taken_and_remembered() {
    let test = TestBroker::start();
    let results = create(&test, 7, vec![topic("t", 2, 3)]).await;
    assert_eq!((results[0].error_code, results[0].replication_factor), (0, 3));
}

/// Codes and words as measured against Kafka 4.3.
#[tokio::test]
async fn what_is_refused() {
    let test = TestBroker::start();
    test.topic("taken.name", 1, &[]).await;
    let with = |configs| topic("x", 1, 1).with_configs(configs);
    let cases = [
        (topic("a b", 1, 1), 17, "Topic name is invalid: 'a b' contains one or more characters"),
        (topic("", 1, 1), 17, "Topic name is invalid: the empty string is not allowed"),
        (topic("taken.name", 1, 1), 36, "Topic 'taken.name' already exists."),
        (topic("taken_name", 1, 1), 17, "Topic 'taken_name' collides with existing topic: taken.name"),
        (topic("x", 0, 1), 37, "Number of partitions was set to an invalid non-positive value."),
        (topic("x", -2, 1), 37, "Number of partitions was set to an invalid non-positive value."),
        (topic("x", 1, 0), 38, "Replication factor must be larger than 0, or -1"),
        (topic("x", 1, -2), 38, "Replication factor must be larger than 0, or -1"),
        (topic("x", 20_000, 1), 44, "Excessively large number of partitions per request."),
        (
            topic("__cluster_metadata", 1, 1),
            42,
            "Creation of internal topic __cluster_metadata is prohibited.",
        ),
        (with(vec![config("foo", Some("bar"))]), 40, "Unknown topic config name: foo"),
        (
            with(vec![config("retention.ms", None)]),
            40,
            "Null value not supported for topic configs: retention.ms",
        ),
        (
            with(vec![config("cleanup.policy", Some("zz"))]),
            40,
            "Invalid value zz for configuration cleanup.policy",
        ),
        (
            assigned(&[(0, &[1, 1])]),
            39,
            "The manual partition assignment includes the broker 1 more than once.",
        ),
        (assigned(&[(0, &[2])]), 39, "The manual partition assignment includes broker 2, but no such broker"),
        (assigned(&[(0, &[])]), 39, "The manual partition assignment includes an empty replica list."),
        (assigned(&[(1, &[1])]), 39, "partitions should be a consecutive 0-based integer sequence"),
        (
            assigned(&[(0, &[1]), (0, &[1])]),
            39,
            "Found multiple manual partition assignments for partition 0",
        ),
        (
            assigned(&[(0, &[1])]).with_num_partitions(2),
            42,
            "A manual partition assignment was specified, but numPa",
        ),
        (
            assigned(&[(0, &[1])]).with_replication_factor(1),
            42,
            "A manual partition assignment was specified, but repl",
        ),
    ];
    for (new, code, expected) in cases {
        let shown = format!("{new:?}");
        let results = create(&test, 7, vec![new]).await;
        assert_eq!(results[0].error_code, code, "{shown}: {}", words(&results[0]));
        assert!(words(&results[0]).starts_with(expected), "{shown}: {}", words(&results[0]));
    }
    assert_eq!(test.broker.image().topics_count(), 1);
}

/// Which of two faults is told. Codes as measured against Kafka 4.3.
#[tokio::test]
async fn the_first_fault_is_told() {
    let test = TestBroker::start();
    test.topic("taken.name", 1, &[]).await;
    let odd = || vec![config("foo", Some("bar"))];
    let cases = [
        (topic("x", 0, 0), 38),
        (topic("x", -2, -2), 38),
        (topic("x", 0, 0).with_configs(odd()), 40),
        (assigned(&[(0, &[2])]).with_configs(odd()), 40),
        (topic("taken.name", 0, 0), 36),
        (topic("taken.name", 1, 1).with_configs(odd()), 36),
        (assigned(&[(0, &[1])]).with_name(TopicName(str_bytes("taken.name"))).with_num_partitions(2), 36),
        (topic("a b", 1, 1).with_configs(odd()), 17),
        (topic("taken_name", 1, 1).with_configs(odd()), 17),
        (assigned(&[(0, &[2])]).with_name(TopicName(str_bytes("taken_name"))), 17),
    ];
    for (new, code) in cases {
        let shown = format!("{new:?}");
        let results = create(&test, 7, vec![new]).await;
        assert_eq!(results[0].error_code, code, "{shown}: {}", words(&results[0]));
    }
    assert_eq!(test.broker.image().topics_count(), 1);
}

#[tokio::test]
async fn names_of_one_request_may_not_collide() {
    let test = TestBroker::start();
    let results = create(&test, 7, vec![topic("a.b", 1, 1), topic("a_b", 1, 1), topic("ab", 1, 1)]).await;
    assert_eq!(results.iter().map(|result| result.error_code).collect::<Vec<_>>(), [0, 17, 0]);
    assert_eq!(words(&results[1]), "Topic 'a_b' collides with existing topic: a.b");
}

#[tokio::test]
async fn clients_do_not_create_internal_topics() {
    let test = TestBroker::start();
    for name in ["__consumer_offsets", "__transaction_state", "__share_group_state"] {
        let results = create(&test, 7, vec![topic(name, 1, 1)]).await;
        let expected = format!("Creation of internal topic {name} is prohibited.");
        assert_eq!((results[0].error_code, words(&results[0])), (42, expected.as_str()));
    }
    assert_eq!(test.broker.image().topics_count(), 0);
}

#[tokio::test]
async fn a_manual_assignment_to_this_broker() {
    let test = TestBroker::start();
    let results = create(&test, 7, vec![assigned(&[(1, &[1]), (0, &[1])])]).await;
    assert_eq!((results[0].error_code, results[0].num_partitions, results[0].replication_factor), (0, 2, 1));
}

#[tokio::test]
async fn one_topic_named_twice_does_not_spoil_the_others() {
    let test = TestBroker::start();
    let results = create(&test, 7, vec![topic("a", 1, 1), topic("b", 1, 1), topic("a", 2, 1)]).await;
    let shown: Vec<_> = results.iter().map(|result| (result.name.as_str(), result.error_code)).collect();
    assert_eq!(shown, [("b", 0), ("a", 42)]);
    assert_eq!(words(&results[1]), "Duplicate topic name.");
}

#[tokio::test]
async fn a_rehearsal_changes_nothing() {
    let test = TestBroker::start();
    let request = request(vec![topic("t", 2, 1), topic("t.u", 0, 1)]).with_validate_only(true);
    let results = test.ask(7, &request).await.topics;
    assert_eq!((results[0].error_code, results[0].num_partitions, results[1].error_code), (0, 2, 37));
    assert_eq!(test.broker.image().topics_count(), 0);
}
