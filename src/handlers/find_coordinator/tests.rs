use kafka_protocol::messages::FindCoordinatorRequest;

use crate::handlers::testing::{TestBroker, str_bytes};

fn request(version: i16, key_type: i8, keys: &[&str]) -> FindCoordinatorRequest {
    let request = FindCoordinatorRequest::default().with_key_type(key_type);
    match version {
        0..=3 => request.with_key(str_bytes(keys[0])),
        _ => request.with_coordinator_keys(keys.iter().map(|key| str_bytes(key)).collect()),
    }
}

#[tokio::test]
async fn trap_62_every_type_in_every_version() {
    let test = TestBroker::start();
    for version in 0..=6 {
        for (key_type, code) in [(0, 0), (1, 0), (2, if version >= 6 { 15 } else { 42 }), (9, 42)] {
            if version == 0 && key_type != 0 {
                continue;
            }
            let response = test.ask(version, &request(version, key_type, &["g", "h"])).await;
            let expected = if code == 0 { (code, 1, "broker.example", 19092) } else { (code, -1, "", -1) };
            if version <= 3 {
                let found = (response.error_code, response.node_id.0, response.host.as_str(), response.port);
                assert_eq!(found, expected, "version {version} type {key_type}");
                assert_eq!(response.error_message.is_some_and(|words| !words.is_empty()), version >= 1);
            } else {
                let keys: Vec<_> = response.coordinators.iter().map(|found| found.key.as_str()).collect();
                assert_eq!(keys, ["g", "h"]);
                for found in &response.coordinators {
                    let found = (found.error_code, found.node_id.0, found.host.as_str(), found.port);
                    assert_eq!(found, expected, "version {version} type {key_type}");
                }
            }
        }
    }
}

#[tokio::test]
async fn the_topic_is_made_by_the_first_who_asks_for_a_group() {
    let settings = [
        ("offsets.topic.num.partitions", "7"),
        ("offsets.topic.replication.factor", "2"),
        ("offsets.topic.segment.bytes", "2000000"),
    ];
    let test = TestBroker::with(&settings);
    test.ask(3, &request(3, 1, &["t"])).await;
    assert!(test.broker.image().topic("__consumer_offsets").is_none(), "a transaction needs another one");
    let topic = test.broker.image().topic("__transaction_state").unwrap().clone();
    let configs: Vec<_> = topic.configs.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
    let uncompressed = ("compression.type", "uncompressed");
    let expected = [("cleanup.policy", "compact"), uncompressed, ("segment.bytes", "104857600")];
    assert_eq!((topic.partitions, configs.as_slice()), (50, &expected[..]));
    test.ask(3, &request(3, 0, &["g"])).await;
    let topic = test.broker.image().topic("__consumer_offsets").unwrap().clone();
    assert_eq!((topic.partitions, topic.replication_factor), (7, 2));
    let expected =
        [("cleanup.policy", "compact"), ("compression.type", "producer"), ("segment.bytes", "2000000")];
    let configs: Vec<_> = topic.configs.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
    assert_eq!(configs, expected);
    test.ask(3, &request(3, 0, &["other"])).await;
    assert_eq!(test.broker.image().topic("__consumer_offsets").unwrap().topic_id, topic.topic_id);
}
