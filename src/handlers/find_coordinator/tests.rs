use kafka_protocol::messages::FindCoordinatorRequest;

use crate::handlers::testing::{TestBroker, str_bytes};

#[tokio::test]
async fn there_is_no_coordinator_in_any_version() {
    let test = TestBroker::start();
    for version in 0..=6 {
        for (key_type, code) in [(0, 15), (1, 15), (2, if version >= 6 { 15 } else { 42 }), (9, 42)] {
            let request = match version {
                0 if key_type != 0 => continue,
                0..=3 => FindCoordinatorRequest::default().with_key(str_bytes("g")),
                _ => FindCoordinatorRequest::default()
                    .with_coordinator_keys(vec![str_bytes("g"), str_bytes("h")]),
            };
            let response = test.ask(version, &request.with_key_type(key_type)).await;
            if version <= 3 {
                let found = (response.error_code, response.node_id.0, response.host.as_str(), response.port);
                assert_eq!(found, (code, -1, "", -1), "version {version} type {key_type}");
                assert_eq!(response.error_message.is_some_and(|words| !words.is_empty()), version >= 1);
            } else {
                let keys: Vec<_> = response.coordinators.iter().map(|found| found.key.as_str()).collect();
                assert_eq!(keys, ["g", "h"]);
                for found in &response.coordinators {
                    assert_eq!((found.error_code, found.node_id.0, found.port), (code, -1, -1));
                }
            }
        }
    }
}
