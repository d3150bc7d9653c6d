use kafka_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use kafka_protocol::messages::{
    DescribeTransactionsRequest, InitProducerIdRequest, ProduceRequest, ProduceResponse, TopicName,
    TransactionalId,
};

use super::{refused_as_a_whole, told};
use crate::handlers::produce::checking::all_turns;
use crate::handlers::testing::{TestBroker, batch, build, str_bytes};
use crate::handlers::transactions::tests::coordinated;
use crate::model::{ProducerEpoch, ProducerId};
use crate::protocol::ErrorCode;

fn transactional(producer_id: i64, producer_epoch: i16) -> bytes::Bytes {
    build(&[1], |builder| {
        builder.producer_id = ProducerId(producer_id);
        builder.producer_epoch = ProducerEpoch(producer_epoch);
        builder.base_sequence = 0;
        builder.is_transactional = true;
    })
}

fn request(transactional_id: Option<&str>, records: Vec<bytes::Bytes>) -> ProduceRequest {
    let partitions = (0..).zip(records).map(|(index, records)| {
        PartitionProduceData::default().with_index(index).with_records(Some(records))
    });
    let topic = TopicProduceData::default()
        .with_name(TopicName(str_bytes("t")))
        .with_partition_data(partitions.collect());
    ProduceRequest::default()
        .with_transactional_id(transactional_id.map(|id| TransactionalId(str_bytes(id))))
        .with_acks(-1)
        .with_timeout_ms(5_000)
        .with_topic_data(vec![topic])
}

/// As Kafka 4.3's `KafkaApis.handleProduceRequest` and `ReplicaManager.handleProduceAppend`.
#[test]
fn what_refuses_a_request_as_a_whole() {
    let code = |id, records| refused_as_a_whole(&request(id, records)).map(|failure| failure.code);
    assert_eq!(code(None, vec![batch(&[1])]), None);
    assert_eq!(code(Some("x"), vec![batch(&[1])]), None, "a transactional id asks for no transaction");
    let unauthorized = Some(ErrorCode::TransactionalIdAuthorizationFailed);
    assert_eq!(code(None, vec![batch(&[1]), transactional(1, 0)]), unauthorized);
    assert_eq!(code(Some("x"), vec![transactional(1, 0), transactional(1, 0)]), None);
    let mapping = Some(ErrorCode::InvalidProducerIdMapping);
    for other in [(2, 0), (1, 1)] {
        assert_eq!(code(Some("x"), vec![transactional(1, 0), transactional(other.0, other.1)]), mapping);
    }
}

#[test]
fn what_the_coordinator_says_is_told_in_words_that_the_client_knows() {
    use ErrorCode::*;
    for (code, version, expected) in [
        (ProducerFenced, 9, InvalidProducerEpoch),
        (ProducerFenced, 12, InvalidProducerEpoch),
        (InvalidTxnState, 9, InvalidTxnState),
        (TransactionAbortable, 10, InvalidTxnState),
        (TransactionAbortable, 11, TransactionAbortable),
        (TransactionAbortable, 12, TransactionAbortable),
        (ConcurrentTransactions, 11, NotEnoughReplicas),
        (ConcurrentTransactions, 12, ConcurrentTransactions),
        (CoordinatorNotAvailable, 12, NotEnoughReplicas),
        (CoordinatorLoadInProgress, 9, NotEnoughReplicas),
        (NotCoordinator, 13, NotEnoughReplicas),
        (InvalidProducerIdMapping, 12, InvalidProducerIdMapping),
    ] {
        assert_eq!(told(code, version).code, expected, "{code:?} in version {version}");
    }
}

/// Of a request with a batch that the coordinator does not vouch for only that one is refused.
#[tokio::test]
async fn what_is_not_verified_is_not_written_and_the_rest_is() {
    let test = TestBroker::start();
    test.topic("t", 2, &[]).await;
    for version in [9, 12] {
        let response = test.ask(version, &request(Some("x"), vec![transactional(1, 0), batch(&[1])])).await;
        let partitions = &response.responses[0].partition_responses;
        assert!(partitions[0].error_code != 0, "version {version}: {partitions:?}");
        assert_eq!(partitions[1].error_code, 0, "version {version}: {partitions:?}");
    }
    let response = test.ask(12, &request(None, vec![transactional(1, 0), batch(&[1])])).await;
    let codes = response.responses[0].partition_responses.iter().map(|partition| partition.error_code);
    assert_eq!(codes.collect::<Vec<_>>(), [53, 53]);
}

/// A batch that is to be compressed anew: its partition is in the transaction before a turn is waited for.
#[tokio::test]
async fn the_coordinator_is_asked_before_a_turn_is_taken() {
    let test = TestBroker::with(&[("transaction.state.log.num.partitions", "1")]);
    test.topic("t", 1, &[("compression.type", "gzip")]).await;
    coordinated(&test, "x").await;
    let id = || TransactionalId(str_bytes("x"));
    let init = InitProducerIdRequest::default()
        .with_transactional_id(Some(id()))
        .with_transaction_timeout_ms(60_000)
        .with_producer_id((-1).into())
        .with_producer_epoch(-1);
    let producer = test.ask(4, &init).await;
    assert_eq!(producer.error_code, 0);
    let batch = || transactional(producer.producer_id.0, producer.producer_epoch);
    let all = all_turns().await;
    let impatient = request(Some("x"), vec![batch()]).with_timeout_ms(500);
    let code = |response: ProduceResponse| response.responses[0].partition_responses[0].error_code;
    assert_eq!(code(test.ask(12, &impatient).await), ErrorCode::RequestTimedOut.code());
    drop(all);
    let describe = DescribeTransactionsRequest::default().with_transactional_ids(vec![id()]);
    let described = test.ask(0, &describe).await.transaction_states.remove(0);
    assert_eq!((described.transaction_state.as_str(), described.topics.len()), ("Ongoing", 1));
    assert_eq!(code(test.ask(12, &request(Some("x"), vec![batch()])).await), 0);
    // Nobody vouches for another producer, whatever its batch is.
    let stranger = transactional(producer.producer_id.0 + 1, 0);
    let refused = code(test.ask(12, &request(Some("x"), vec![stranger])).await);
    assert_eq!(refused, ErrorCode::InvalidProducerIdMapping.code());
}
