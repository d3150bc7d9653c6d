use kafka_protocol::messages::DescribeClusterRequest;

use crate::handlers::testing::TestBroker;
use crate::handlers::view::{CLUSTER_OPERATIONS, OPERATIONS_NOT_ASKED};

#[tokio::test]
async fn names_the_cluster_and_its_broker() {
    let test = TestBroker::with(&[("broker.rack", "r1"), ("node.id", "3")]);
    for version in 0..=2 {
        for (asked, operations) in [(false, OPERATIONS_NOT_ASKED), (true, CLUSTER_OPERATIONS)] {
            let request = DescribeClusterRequest::default().with_include_cluster_authorized_operations(asked);
            let response = test.ask(version, &request).await;
            assert_eq!((response.error_code, response.cluster_authorized_operations), (0, operations));
            assert_eq!(
                (response.cluster_id.as_str(), response.controller_id.0),
                (test.broker.cluster_id(), 3)
            );
            let [broker] = &response.brokers[..] else { panic!("{response:?}") };
            assert_eq!((broker.broker_id.0, broker.host.as_str(), broker.port), (3, "broker.example", 19092));
            assert_eq!(broker.rack.as_deref(), Some("r1"));
        }
    }
}

#[tokio::test]
async fn there_are_only_brokers() {
    let test = TestBroker::start();
    for version in 1..=2 {
        for (endpoint_type, code) in [(1, 0), (2, 114), (0, 115), (3, 115)] {
            let request = DescribeClusterRequest::default().with_endpoint_type(endpoint_type);
            let response = test.ask(version, &request).await;
            assert_eq!(response.error_code, code, "type {endpoint_type}");
            assert_eq!(response.brokers.is_empty(), code != 0);
        }
    }
}
