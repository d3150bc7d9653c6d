use std::collections::BTreeSet;

use kafka_protocol::messages::{InitProducerIdRequest, ProducerId, TransactionalId};

use crate::handlers::testing::{TestBroker, str_bytes};
use crate::handlers::transactions::tests::coordinated;

fn request(transactional_id: Option<&str>, producer_id: i64, producer_epoch: i16) -> InitProducerIdRequest {
    InitProducerIdRequest::default()
        .with_transactional_id(transactional_id.map(|id| TransactionalId(str_bytes(id))))
        .with_transaction_timeout_ms(60_000)
        .with_producer_id(ProducerId(producer_id))
        .with_producer_epoch(producer_epoch)
}

#[tokio::test]
async fn ids_never_repeat_not_even_after_a_restart() {
    let mut test = TestBroker::start();
    let mut seen = BTreeSet::new();
    for _ in 0..2 {
        for version in 0..=5 {
            let response = test.ask(version, &request(None, -1, -1)).await;
            assert_eq!((response.error_code, response.producer_epoch), (0, 0), "version {version}");
            assert!(seen.insert(response.producer_id.0), "{} came twice", response.producer_id.0);
        }
        test = test.restart().await;
    }
}

#[tokio::test]
async fn refusals() {
    let test = TestBroker::start();
    let cases = [
        // Nobody has asked for a coordinator.
        (Some("x"), -1, -1, 16),
        (Some("x"), 5, 1, 16),
        (Some(""), -1, -1, 42),
        (None, 5, -1, 42),
        (None, -1, 5, 42),
        // A whole identity without transactional id is ignored: the answer is a new one.
        (None, 5, 5, 0),
    ];
    for (transactional_id, producer_id, producer_epoch, code) in cases {
        let response = test.ask(4, &request(transactional_id, producer_id, producer_epoch)).await;
        assert_eq!(response.error_code, code, "{transactional_id:?} {producer_id} {producer_epoch}");
        assert_eq!((response.producer_id.0, response.producer_epoch) == (-1, -1), code != 0);
    }
}

/// Measured against Kafka 4.3; without a transactional id the time-out means nothing.
#[tokio::test]
async fn transactions_may_last_a_quarter_of_an_hour() {
    let test = TestBroker::with(&[("transaction.state.log.num.partitions", "1")]);
    coordinated(&test, "x").await;
    for (timeout_ms, code) in [(-1, 50), (0, 50), (1, 0), (900_000, 0), (900_001, 50), (i32::MAX, 50)] {
        let asked = request(Some("x"), -1, -1).with_transaction_timeout_ms(timeout_ms);
        assert_eq!(test.ask(4, &asked).await.error_code, code, "{timeout_ms}");
        let plain = request(None, -1, -1).with_transaction_timeout_ms(timeout_ms);
        assert_eq!(test.ask(4, &plain).await.error_code, 0, "{timeout_ms}");
    }
}
