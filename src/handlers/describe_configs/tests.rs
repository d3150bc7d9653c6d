use kafka_protocol::messages::DescribeConfigsRequest;
use kafka_protocol::messages::describe_configs_request::DescribeConfigsResource;
use kafka_protocol::messages::describe_configs_response::DescribeConfigsResult;

use crate::config;
use crate::handlers::testing::{TestBroker, str_bytes};

fn resource(resource_type: i8, name: &str, keys: Option<&[&str]>) -> DescribeConfigsResource {
    DescribeConfigsResource::default()
        .with_resource_type(resource_type)
        .with_resource_name(str_bytes(name))
        .with_configuration_keys(keys.map(|keys| keys.iter().map(|key| str_bytes(key)).collect()))
}

async fn describe(test: &TestBroker, resources: Vec<DescribeConfigsResource>) -> Vec<DescribeConfigsResult> {
    test.ask(1, &DescribeConfigsRequest::default().with_resources(resources)).await.results
}

#[tokio::test]
async fn a_topic_in_every_version() {
    let test = TestBroker::start();
    test.topic("t", 1, &[("cleanup.policy", "compact")]).await;
    for version in 1..=4 {
        let mut request = DescribeConfigsRequest::default()
            .with_resources(vec![resource(2, "t", Some(&["cleanup.policy", "no.such.key"]))])
            .with_include_synonyms(true);
        request.include_documentation = version >= 3;
        let response = test.ask(version, &request).await;
        let [result] = &response.results[..] else { panic!("{response:?}") };
        assert_eq!((result.error_code, result.resource_type, result.resource_name.as_str()), (0, 2, "t"));
        let [policy] = &result.configs[..] else { panic!("{result:?}") };
        assert_eq!((policy.value.as_deref(), policy.config_source), (Some("compact"), 1));
        assert_eq!((policy.read_only, policy.is_sensitive), (false, false));
        let synonyms: Vec<_> = policy.synonyms.iter().map(|synonym| synonym.name.as_str()).collect();
        assert_eq!(synonyms, ["cleanup.policy", "log.cleanup.policy"]);
        assert_eq!(policy.config_type, if version >= 3 { 7 } else { 0 });
        let documented = policy.documentation.as_ref().is_some_and(|words| !words.is_empty());
        assert_eq!(documented, version >= 3);
    }
}

#[tokio::test]
async fn null_and_empty_lists_of_keys_are_all_keys() {
    let test = TestBroker::start();
    test.topic("t", 1, &[]).await;
    for keys in [None, Some(&[][..])] {
        let results = describe(&test, vec![resource(2, "t", keys), resource(4, "1", keys)]).await;
        let counts: Vec<_> = results.iter().map(|result| result.configs.len()).collect();
        assert_eq!(counts, [config::TOPIC.len(), config::BROKER.len()]);
        assert!(results[0].configs.iter().all(|config| config.synonyms.is_empty()));
        let alterable = results[1].configs.iter().filter(|config| !config.read_only).count();
        assert_eq!(alterable, config::BROKER.iter().filter(|definition| definition.dynamic).count());
    }
}

/// Codes and words as measured against Kafka 4.3.
#[tokio::test]
async fn other_resources() {
    let test = TestBroker::start();
    let cases = [
        (2, "absent", 3, ""),
        (
            2,
            "a b",
            17,
            "Topic name is invalid: 'a b' contains one or more characters other than ASCII \
          alphanumerics, '.', '_' and '-'",
        ),
        (4, "", 0, ""),
        (4, "7", 42, "Unexpected broker id, expected 1 or empty string, but received 7"),
        (4, "x", 42, "Broker id must be an integer, but it is: x"),
        (8, "1", 0, ""),
        (8, "", 42, "Broker id must not be empty"),
        (16, "m", 0, ""),
        (16, "", 42, "Client metrics subscription name must not be empty"),
        (32, "", 42, "Group name must not be empty"),
    ];
    for (resource_type, name, code, words) in cases {
        let results = describe(&test, vec![resource(resource_type, name, None)]).await;
        let result = &results[0];
        assert_eq!((result.error_code, result.error_message.as_deref()), (code, Some(words)), "{name:?}");
        assert!(result.configs.is_empty());
    }
}

#[tokio::test]
async fn a_group_need_not_exist() {
    let test = TestBroker::start();
    let results = describe(&test, vec![resource(32, "g", None), resource(32, "g", Some(&[]))]).await;
    for result in results {
        assert_eq!((result.error_code, result.configs.len()), (0, config::GROUP.len()));
        assert!(result.configs.iter().all(|config| !config.read_only && config.config_source == 5));
    }
}

#[tokio::test]
async fn one_unknown_type_refuses_the_whole_request() {
    let test = TestBroker::start();
    let results = describe(&test, vec![resource(4, "1", None), resource(99, "x", None)]).await;
    assert_eq!(results.iter().map(|result| result.error_code).collect::<Vec<_>>(), [42, 42]);
}

/// Measured against Kafka 4.3.1.
#[tokio::test]
async fn a_resource_that_is_named_again_is_described_again() {
    let test = TestBroker::start();
    test.topic("t", 1, &[]).await;
    let some = Some(&["retention.ms"][..]);
    let resources =
        vec![resource(2, "t", some), resource(2, "t", some), resource(4, "1", None), resource(4, "1", None)];
    let results = describe(&test, resources).await;
    let shown: Vec<_> =
        results.iter().map(|result| (result.resource_name.as_str(), result.configs.len())).collect();
    let broker = config::BROKER.len();
    assert_eq!(shown, [("t", 1), ("t", 1), ("1", broker), ("1", broker)]);
}

#[tokio::test]
async fn a_reply_is_bounded() {
    let test = TestBroker::start();
    test.topic("a", 1, &[]).await;
    test.topic("b", 1, &[]).await;
    let resources = ["a", "b", "c"].map(|name| resource(2, name, None));
    let request = DescribeConfigsRequest::default().with_resources(resources.to_vec());
    for (bytes_max, expected) in [(1, [0, 42, 42]), (usize::MAX, [0, 0, 3])] {
        let results = super::describe(&test.context(32, 1), &request, bytes_max).await;
        assert_eq!(results.iter().map(|result| result.error_code).collect::<Vec<_>>(), expected);
    }
}
