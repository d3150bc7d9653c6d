//! Requests of a producer that writes in transactions.

use bytes::Bytes;
use kafka_protocol::messages::add_partitions_to_txn_request::{
    AddPartitionsToTxnTopic, AddPartitionsToTxnTransaction,
};
use kafka_protocol::messages::{
    AddOffsetsToTxnRequest, AddPartitionsToTxnRequest, DescribeTransactionsRequest, EndTxnRequest,
    FindCoordinatorRequest, GroupId, InitProducerIdRequest, ProduceRequest, ProducerId, TransactionalId,
};

use crate::batches::{SOME_TIME, batch_with};
use crate::client::text;
use crate::requests::{Topic, name, new_producer, produce_of};

/// The version of FindCoordinator that is asked.
pub const FIND: i16 = 3;
/// The type of its keys that are transactional ids.
const TRANSACTION: i8 = 1;
/// From this version on, AddPartitionsToTxn has many transactions.
const TRANSACTIONS_FROM: i16 = 4;
/// No transaction is open for so long, unless it is said to be.
const TIMEOUT_MS: i32 = 60_000;

/// Who writes in transactions.
#[derive(Clone, Debug)]
pub struct Writer {
    /// Under which transactional id.
    pub transactional_id: String,
    /// Its producer id.
    pub id: i64,
    /// The epoch of that.
    pub producer_epoch: i16,
}

impl Writer {
    /// The same in another epoch.
    pub fn in_epoch(&self, producer_epoch: i16) -> Writer {
        Writer { producer_epoch, ..self.clone() }
    }

    /// The same with another producer id.
    pub fn with_id(&self, id: i64) -> Writer {
        Writer { id, ..self.clone() }
    }

    /// The same under another transactional id.
    pub fn named(&self, transactional_id: &str) -> Writer {
        Writer { transactional_id: transactional_id.to_owned(), ..self.clone() }
    }

    /// A batch of one transactional record for each value.
    pub fn batch(&self, sequence: i32, values: &[&str]) -> Bytes {
        batch_with(values, SOME_TIME, |builder| {
            builder.producer_id = highwater::model::ProducerId(self.id);
            builder.producer_epoch = highwater::model::ProducerEpoch(self.producer_epoch);
            builder.base_sequence = sequence;
            builder.is_transactional = true;
        })
    }

    /// One value into one partition.
    pub fn produce(&self, version: i16, topic: &Topic, partition: i32, sequence: i32) -> ProduceRequest {
        self.produce_of(version, topic, vec![(partition, Some(self.batch(sequence, &["x"])))])
    }

    /// Any batches.
    pub fn produce_of(
        &self,
        version: i16,
        topic: &Topic,
        batches: Vec<(i32, Option<Bytes>)>,
    ) -> ProduceRequest {
        produce_of(version, topic, -1, batches).with_transactional_id(Some(wire_id(&self.transactional_id)))
    }

    /// AddPartitionsToTxn of this writer alone.
    pub fn add(&self, version: i16, topics: &[(&str, &[i32])]) -> AddPartitionsToTxnRequest {
        if version >= TRANSACTIONS_FROM {
            return AddPartitionsToTxnRequest::default().with_transactions(vec![self.part(topics)]);
        }
        AddPartitionsToTxnRequest::default()
            .with_v3_and_below_transactional_id(wire_id(&self.transactional_id))
            .with_v3_and_below_producer_id(ProducerId(self.id))
            .with_v3_and_below_producer_epoch(self.producer_epoch)
            .with_v3_and_below_topics(added(topics))
    }

    /// The same as one of many.
    pub fn part(&self, topics: &[(&str, &[i32])]) -> AddPartitionsToTxnTransaction {
        AddPartitionsToTxnTransaction::default()
            .with_transactional_id(wire_id(&self.transactional_id))
            .with_producer_id(ProducerId(self.id))
            .with_producer_epoch(self.producer_epoch)
            .with_topics(added(topics))
    }

    /// AddOffsetsToTxn.
    pub fn add_offsets(&self, group: &str) -> AddOffsetsToTxnRequest {
        AddOffsetsToTxnRequest::default()
            .with_transactional_id(wire_id(&self.transactional_id))
            .with_producer_id(ProducerId(self.id))
            .with_producer_epoch(self.producer_epoch)
            .with_group_id(GroupId(text(group)))
    }

    /// EndTxn.
    pub fn end(&self, committed: bool) -> EndTxnRequest {
        EndTxnRequest::default()
            .with_transactional_id(wire_id(&self.transactional_id))
            .with_producer_id(ProducerId(self.id))
            .with_producer_epoch(self.producer_epoch)
            .with_committed(committed)
    }
}

/// A transactional id as the codec crate wants it.
pub fn wire_id(transactional_id: &str) -> TransactionalId {
    TransactionalId(text(transactional_id))
}

fn added(topics: &[(&str, &[i32])]) -> Vec<AddPartitionsToTxnTopic> {
    let topic = |(topic, partitions): &(&str, &[i32])| {
        AddPartitionsToTxnTopic::default().with_name(name(topic)).with_partitions(partitions.to_vec())
    };
    topics.iter().map(topic).collect()
}

/// InitProducerId of this transactional id.
pub fn init(transactional_id: &str) -> InitProducerIdRequest {
    new_producer()
        .with_transactional_id(Some(wire_id(transactional_id)))
        .with_transaction_timeout_ms(TIMEOUT_MS)
}

/// FindCoordinator of a transactional id, in version [`FIND`].
pub fn find_coordinator(transactional_id: &str) -> FindCoordinatorRequest {
    FindCoordinatorRequest::default().with_key(text(transactional_id)).with_key_type(TRANSACTION)
}

/// DescribeTransactions of these transactional ids.
pub fn describe(ids: &[&str]) -> DescribeTransactionsRequest {
    DescribeTransactionsRequest::default().with_transactional_ids(ids.iter().map(|id| wire_id(id)).collect())
}
