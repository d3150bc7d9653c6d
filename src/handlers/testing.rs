//! A real broker on a real directory, asked through the real table of handlers by the codec's client side.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use kafka_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use kafka_protocol::messages::{ProduceRequest, TopicName};
use kafka_protocol::protocol::{Decodable, HeaderVersion, Request, StrBytes};
use uuid::Uuid;

use super::{Connection, LongPoll, Reply, RequestContext, RequestHeader, dispatch};
use crate::broker::{Broker, testing};
use crate::log::LogError;
use crate::model::{
    CoordinatorEpoch, ProducerEpoch, ProducerId, Timestamp, TopicPartition, TransactionResult,
};
use crate::partition::{Appender, MarkerOrigin, Partition, Purpose, TransactionMarker, Verification};
use crate::protocol::Piece;
use crate::protocol::batch::{BatchBuilder, NewRecord, ProducedBatch};

pub(super) const CORRELATION_ID: i32 = 77;

/// A client's connection to a broker, and the broker.
pub(super) struct TestBroker {
    pub(super) broker: Arc<Broker>,
    pub(super) connection: Arc<Connection>,
    pub(super) directory: Arc<tempfile::TempDir>,
}

pub(super) fn connection() -> Arc<Connection> {
    let address = "127.0.0.1:9092".parse().unwrap();
    Arc::new(Connection {
        id: 1,
        peer: address,
        local: address,
        listener_name: "PLAINTEXT".to_owned(),
        advertised_host: "broker.example".to_owned(),
        advertised_port: 19092,
        client_software: parking_lot::Mutex::new(None),
    })
}

impl TestBroker {
    pub(super) fn start() -> TestBroker {
        TestBroker::with(&[])
    }

    /// A broker with these settings, in a new directory.
    pub(super) fn with(settings: &[(&str, &str)]) -> TestBroker {
        TestBroker::open(Arc::new(tempfile::tempdir().unwrap()), settings)
    }

    fn open(directory: Arc<tempfile::TempDir>, settings: &[(&str, &str)]) -> TestBroker {
        let broker = testing::open(directory.path(), settings);
        TestBroker::of(broker, directory)
    }

    /// Of a broker that was opened in some other way.
    pub(super) fn of(broker: Arc<Broker>, directory: Arc<tempfile::TempDir>) -> TestBroker {
        TestBroker { broker, connection: connection(), directory }
    }

    /// Stops the broker and starts it again on the same directory.
    pub(super) async fn restart(self) -> TestBroker {
        self.broker.close().await.unwrap();
        let directory = self.directory.clone();
        drop(self);
        let broker = testing::reopen(directory.path(), &[]).await;
        TestBroker { broker, connection: connection(), directory }
    }

    /// What a handler is given beside the body.
    pub(super) fn context(&self, api_key: i16, api_version: i16) -> RequestContext {
        let client_id = Some("test".to_owned());
        let header = RequestHeader { api_key, api_version, correlation_id: CORRELATION_ID, client_id };
        RequestContext { broker: self.broker.clone(), connection: self.connection.clone(), header }
    }

    /// The handler's reply, waited for.
    pub(super) async fn reply<Q: Request>(&self, api_version: i16, request: &Q) -> Reply {
        let mut body = BytesMut::new();
        request.encode(&mut body, api_version).unwrap();
        let mut reply = dispatch(self.context(Q::KEY, api_version), body.freeze()).await;
        if let Reply::Pending(pending) | Reply::Waiting(LongPoll { reply: pending, .. }) = reply {
            reply = pending.await;
        }
        reply
    }

    /// Asks and decodes the answer, which must be read to its end.
    pub(super) async fn ask<Q: Request>(&self, api_version: i16, request: &Q) -> Q::Response {
        let mut bytes = match self.reply(api_version, request).await {
            Reply::Message(bytes) => bytes,
            Reply::Pieces(pieces) => join(&pieces),
            other => panic!("expected an answer to version {api_version}, got {other:?}"),
        };
        assert_eq!(bytes.get_i32(), CORRELATION_ID);
        if Q::Response::header_version(api_version) >= 1 {
            assert_eq!(bytes.get_u8(), 0, "no tagged fields in the header");
        }
        let response = Q::Response::decode(&mut bytes, api_version).unwrap();
        assert!(!bytes.has_remaining(), "version {api_version} leaves bytes");
        response
    }

    /// Creates a topic and tells its id.
    pub(super) async fn topic(&self, name: &str, partitions: i32, configs: &[(&str, &str)]) -> Uuid {
        let configs = configs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        let name = name.to_owned();
        let new = crate::broker::NewTopic { name, partitions, replication_factor: 1, configs };
        let created = self.broker.create_topics(vec![new], false).await.remove(0).unwrap();
        created.topic.topic_id.0
    }
}

/// The bytes that a list of pieces stands for.
pub(super) fn join(pieces: &[Piece]) -> Bytes {
    let mut joined = BytesMut::new();
    for piece in pieces {
        match piece {
            Piece::Bytes(bytes) => joined.extend_from_slice(bytes),
            Piece::File(extent) => {
                let mut bytes = vec![0; usize::try_from(extent.length).unwrap()];
                extent.file.read_exact_at(&mut bytes, extent.offset).unwrap();
                joined.extend_from_slice(&bytes);
            }
        }
    }
    joined.freeze()
}

pub(super) fn str_bytes(text: &str) -> StrBytes {
    StrBytes::from_string(text.to_owned())
}

/// A batch of records with these timestamps and no keys.
pub(super) fn batch(timestamps: &[i64]) -> Bytes {
    build(timestamps, |_| {})
}

/// A batch of an idempotent producer.
pub(super) fn idempotent(producer_id: i64, producer_epoch: i16, base_sequence: i32, records: usize) -> Bytes {
    build(&vec![1_000; records], |builder| {
        builder.producer_id = ProducerId(producer_id);
        builder.producer_epoch = ProducerEpoch(producer_epoch);
        builder.base_sequence = base_sequence;
    })
}

/// A batch whose header is adjusted before it is built.
pub(super) fn build(timestamps: &[i64], adjust: impl FnOnce(&mut BatchBuilder)) -> Bytes {
    let mut builder = BatchBuilder::new();
    adjust(&mut builder);
    for timestamp in timestamps {
        let record =
            NewRecord { timestamp: Timestamp(*timestamp), value: Some(b"value"), ..NewRecord::default() };
        builder.push(record);
    }
    builder.build().into()
}

/// Produces a batch to partition 0 of a topic and waits until it is committed.
pub(super) async fn produce(test: &TestBroker, topic: &str, records: Bytes) {
    let data = PartitionProduceData::default().with_index(0).with_records(Some(records));
    let topic =
        TopicProduceData::default().with_name(TopicName(str_bytes(topic))).with_partition_data(vec![data]);
    let request =
        ProduceRequest::default().with_acks(-1).with_timeout_ms(30_000).with_topic_data(vec![topic]);
    let response = test.ask(9, &request).await;
    assert_eq!(response.responses[0].partition_responses[0].error_code, 0);
}

/// The open partition 0 of a topic.
fn first_partition(test: &TestBroker, topic: &str) -> Arc<Partition> {
    let topic_id = test.broker.image().topic(topic).unwrap().topic_id;
    test.broker.partition(TopicPartition { topic_id, partition: 0 }).unwrap()
}

/// Appends a record of a producer's transaction to partition 0 of a topic, and waits until it is committed.
pub(super) async fn produce_in_transaction(test: &TestBroker, topic: &str, producer_id: i64, sequence: i32) {
    let batch = build(&[1_000], |builder| {
        builder.producer_id = ProducerId(producer_id);
        builder.producer_epoch = ProducerEpoch(0);
        builder.base_sequence = sequence;
        builder.is_transactional = true;
    });
    let batch = ProducedBatch::of_broker(batch.to_vec());
    let (storage, partition) = (test.broker.storage(), first_partition(test, topic));
    let admitted = storage.admit(Purpose::Records, &[batch.bytes.len()], Duration::from_secs(10)).await;
    let appender = Appender { is_client: true, verification: Verification::NotRequired };
    storage.append_by(appender, &partition, &mut admitted.unwrap(), &batch).unwrap();
    partition.committed(partition.watermarks().log_end_offset).await.unwrap();
}

/// Ends it, and waits until that is committed.
pub(super) async fn end_transaction(
    test: &TestBroker,
    topic: &str,
    producer_id: i64,
    result: TransactionResult,
) {
    let marker = TransactionMarker {
        origin: MarkerOrigin::Client,
        producer_id: ProducerId(producer_id),
        producer_epoch: ProducerEpoch(0),
        coordinator_epoch: CoordinatorEpoch(4),
        result,
        transaction_version: 1,
    };
    let (storage, partition) = (test.broker.storage(), first_partition(test, topic));
    let payloads = [TransactionMarker::PAYLOAD_BYTES];
    let mut credits = storage.admit(Purpose::Records, &payloads, Duration::from_secs(10)).await.unwrap();
    storage.append_markers(&mut credits, &[(partition.clone(), marker)]).remove(0).unwrap();
    partition.committed(partition.watermarks().log_end_offset).await.unwrap();
}

/// Damage as a log finds it.
pub(super) fn damage() -> LogError {
    LogError::Corrupt { path: "t-0/0.log".into(), position: 7, what: "a test".to_owned() }
}
