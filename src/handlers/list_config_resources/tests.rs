use kafka_protocol::messages::incremental_alter_configs_request::{AlterConfigsResource, AlterableConfig};
use kafka_protocol::messages::{IncrementalAlterConfigsRequest, ListConfigResourcesRequest};

use crate::handlers::testing::{TestBroker, str_bytes};

type Listed = (i16, Vec<(i8, String)>);

async fn list(test: &TestBroker, version: i16, types: &[i8]) -> Listed {
    let request = ListConfigResourcesRequest::default().with_resource_types(types.to_vec());
    let answer = test.ask(version, &request).await;
    let listed = answer.config_resources.into_iter();
    (answer.error_code, listed.map(|found| (found.resource_type, found.resource_name.to_string())).collect())
}

/// Measured against Kafka 4.3.1, where a group without settings is not listed either.
#[tokio::test]
async fn what_has_settings_is_named_by_type() {
    let test = TestBroker::start();
    test.topic("t", 1, &[]).await;
    let timeout = AlterableConfig::default()
        .with_name(str_bytes("consumer.session.timeout.ms"))
        .with_value(Some(str_bytes("50000")));
    let group = AlterConfigsResource::default()
        .with_resource_type(32)
        .with_resource_name(str_bytes("g"))
        .with_configs(vec![timeout]);
    test.ask(1, &IncrementalAlterConfigsRequest::default().with_resources(vec![group])).await;
    assert_eq!(list(&test, 0, &[]).await, (0, vec![]));
    let (group, logger, broker, topic) = ((32, "g"), (8, "1"), (4, "1"), (2, "t"));
    for (types, expected) in [
        (&[][..], &[group, logger, broker, topic][..]),
        (&[2], &[topic]),
        (&[4], &[broker]),
        (&[8], &[logger]),
        (&[16], &[]),
        (&[32], &[group]),
        (&[2, 32, 2], &[group, topic]),
    ] {
        let expected = expected.iter().map(|(kind, name)| (*kind, (*name).to_owned())).collect();
        assert_eq!(list(&test, 1, types).await, (0, expected), "{types:?}");
    }
    for types in [&[0][..], &[1], &[-1], &[32, 77]] {
        assert_eq!(list(&test, 1, types).await, (35, vec![]), "{types:?}");
    }
}
