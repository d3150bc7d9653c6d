//! Plays the coordinator: writes what a shard gives, carries time, restarts it.

use std::time::Duration;

use bytes::Bytes;

use crate::model::{LeaderEpoch, ProducerEpoch, ProducerId, Timestamp, TransactionResult};
use crate::transaction::{
    AddPartitions, DescribedTransaction, Effect, EndTransaction, InitProducerId, Input, ListTransactions,
    ListedTransactions, MarkersWritten, NamedPartition, Outcome, ProducerIdAndEpoch, Ticket,
    TransactionError, TransactionRecord, TransactionReply, TransactionRequest, TransactionSettings,
    TransactionShard, TransactionState, TransactionVersion, VerifyPartitions, WriteMarkers,
};

pub const ID: &str = "transfers";
pub const START: Timestamp = Timestamp(1_700_000_000_000);
pub const TIMEOUT: Duration = Duration::from_secs(60);

/// A shard and its world.
pub struct Driver {
    pub shard: TransactionShard,
    pub settings: TransactionSettings,
    pub monotonic: Duration,
    pub wall: Timestamp,
    pub batch_bytes_max: usize,
    pub coordinator_epoch: LeaderEpoch,
    /// All records that were written, as bytes.
    pub log: Vec<(Bytes, Option<Bytes>)>,
    /// The same, as they are read.
    pub records: Vec<TransactionRecord>,
    /// What was asked for and is not done.
    pub owed: Vec<WriteMarkers>,
    pub next_producer_id: i64,
}

pub const fn producer(producer_id: i64, producer_epoch: i16) -> ProducerIdAndEpoch {
    ProducerIdAndEpoch { producer_id: ProducerId(producer_id), producer_epoch: ProducerEpoch(producer_epoch) }
}

pub fn partition(topic: &str, partition: i32) -> NamedPartition {
    NamedPartition { topic: topic.into(), partition }
}

impl Default for Driver {
    fn default() -> Driver {
        Driver {
            shard: TransactionShard::default(),
            settings: TransactionSettings::default(),
            monotonic: Duration::from_secs(1000),
            wall: START,
            batch_bytes_max: 1 << 20,
            coordinator_epoch: LeaderEpoch(4),
            log: Vec::new(),
            records: Vec::new(),
            owed: Vec::new(),
            next_producer_id: 1000,
        }
    }
}

impl Driver {
    pub fn input(&self) -> Input<'_> {
        Input {
            monotonic: self.monotonic,
            wall: self.wall,
            believed: self.wall,
            settings: &self.settings,
            batch_bytes_max: self.batch_bytes_max,
            coordinator_epoch: self.coordinator_epoch,
        }
    }

    fn call(&mut self, call: impl FnOnce(&mut TransactionShard, Input<'_>) -> Outcome) -> Outcome {
        let mut shard = std::mem::take(&mut self.shard);
        let mut outcome = call(&mut shard, self.input());
        self.shard = shard;
        assert!(!outcome.may_be_divided || outcome.effects.is_empty());
        for record in &outcome.records {
            self.write(record.clone());
        }
        for Effect::WriteMarkers(markers) in outcome.effects.drain(..) {
            self.owed.push(markers);
        }
        outcome
    }

    /// Writes a record, and reads it as after a restart.
    pub fn write(&mut self, record: TransactionRecord) {
        let (key, value) = record.encode();
        let (key, value) = (Bytes::from(key), value.map(Bytes::from));
        let read = TransactionRecord::decode(&key, value.as_deref()).unwrap().unwrap();
        assert_eq!(read, record);
        self.shard.replay(read);
        self.log.push((key, value));
        self.records.push(record);
    }

    pub fn request(&mut self, request: TransactionRequest) -> TransactionReply {
        let ticket = Ticket(1);
        let mut outcome = self.call(|shard, input| shard.request(input, ticket, request));
        let (answered, reply) = outcome.replies.pop().unwrap();
        assert_eq!((answered, outcome.replies.len()), (ticket, 0));
        reply
    }

    pub fn fresh(&mut self) -> Option<ProducerId> {
        self.next_producer_id += 1;
        Some(ProducerId(self.next_producer_id - 1))
    }

    pub fn init(
        &mut self,
        expected: Option<ProducerIdAndEpoch>,
    ) -> Result<ProducerIdAndEpoch, TransactionError> {
        self.init_with(ID, TIMEOUT, expected)
    }

    pub fn init_with(
        &mut self,
        id: &str,
        transaction_timeout: Duration,
        expected: Option<ProducerIdAndEpoch>,
    ) -> Result<ProducerIdAndEpoch, TransactionError> {
        let mut request = InitProducerId {
            transactional_id: id.into(),
            transaction_timeout,
            expected,
            fresh_producer_id: None,
        };
        let mut reply = self.request(TransactionRequest::InitProducerId(request.clone()));
        if reply == TransactionReply::NeedsProducerId {
            request.fresh_producer_id = self.fresh();
            reply = self.request(TransactionRequest::InitProducerId(request));
        }
        let TransactionReply::InitProducerId(reply) = reply else { panic!("{reply:?}") };
        reply
    }

    pub fn add(
        &mut self,
        producer: ProducerIdAndEpoch,
        partitions: &[NamedPartition],
        transaction_version: TransactionVersion,
    ) -> Result<(), TransactionError> {
        self.add_to(ID, producer, partitions, transaction_version)
    }

    pub fn add_to(
        &mut self,
        id: &str,
        producer: ProducerIdAndEpoch,
        partitions: &[NamedPartition],
        transaction_version: TransactionVersion,
    ) -> Result<(), TransactionError> {
        let (transactional_id, partitions) = (id.into(), partitions.to_vec());
        let request = AddPartitions { transactional_id, producer, partitions, transaction_version };
        let reply = self.request(TransactionRequest::AddPartitions(request));
        let TransactionReply::AddPartitions(reply) = reply else { panic!("{reply:?}") };
        reply
    }

    pub fn verify(
        &mut self,
        producer: ProducerIdAndEpoch,
        partitions: &[NamedPartition],
    ) -> Result<Vec<NamedPartition>, TransactionError> {
        let (transactional_id, partitions) = (ID.into(), partitions.to_vec());
        let request = VerifyPartitions { transactional_id, producer, partitions };
        let reply = self.request(TransactionRequest::VerifyPartitions(request));
        let TransactionReply::VerifyPartitions(reply) = reply else { panic!("{reply:?}") };
        reply
    }

    pub fn end(
        &mut self,
        producer: ProducerIdAndEpoch,
        result: TransactionResult,
        transaction_version: TransactionVersion,
    ) -> Result<ProducerIdAndEpoch, TransactionError> {
        self.end_of(ID, producer, result, transaction_version)
    }

    pub fn end_of(
        &mut self,
        id: &str,
        producer: ProducerIdAndEpoch,
        result: TransactionResult,
        transaction_version: TransactionVersion,
    ) -> Result<ProducerIdAndEpoch, TransactionError> {
        let mut request = EndTransaction {
            transactional_id: id.into(),
            producer,
            result,
            transaction_version,
            fresh_producer_id: None,
        };
        let mut reply = self.request(TransactionRequest::EndTransaction(request.clone()));
        if reply == TransactionReply::NeedsProducerId {
            request.fresh_producer_id = self.fresh();
            reply = self.request(TransactionRequest::EndTransaction(request));
        }
        let TransactionReply::EndTransaction(reply) = reply else { panic!("{reply:?}") };
        reply
    }

    /// Some markers of a request for them are written.
    pub fn tell(&mut self, markers: &WriteMarkers, partitions: &[NamedPartition]) -> bool {
        let reply = self.request(TransactionRequest::MarkersWritten(MarkersWritten {
            transactional_id: markers.transactional_id.clone(),
            producer: markers.producer,
            decided_at: markers.decided_at,
            partitions: partitions.to_vec(),
        }));
        let TransactionReply::MarkersWritten { is_complete } = reply else { panic!("{reply:?}") };
        is_complete
    }

    /// All markers that are owed are written.
    pub fn write_markers(&mut self) {
        for markers in std::mem::take(&mut self.owed) {
            assert!(self.tell(&markers, &markers.partitions));
        }
    }

    pub fn describe(&mut self) -> Result<DescribedTransaction, TransactionError> {
        let reply = self.request(TransactionRequest::DescribeTransaction { transactional_id: ID.into() });
        let TransactionReply::DescribeTransaction(reply) = reply else { panic!("{reply:?}") };
        reply
    }

    pub fn list(&mut self, request: ListTransactions) -> ListedTransactions {
        let reply = self.request(TransactionRequest::ListTransactions(request));
        let TransactionReply::ListTransactions(listed) = reply else { panic!("{reply:?}") };
        listed
    }

    pub fn state(&mut self) -> TransactionState {
        self.describe().unwrap().state
    }

    /// Time goes by, and what is due is done as it comes due.
    pub fn pass(&mut self, duration: Duration) {
        let end = self.monotonic + duration;
        while let Some(deadline) = self.shard.next_deadline().filter(|deadline| *deadline <= end) {
            self.go_to(deadline.max(self.monotonic));
            self.call(|shard, input| shard.advance(input));
        }
        self.go_to(end);
    }

    fn go_to(&mut self, monotonic: Duration) {
        self.wall.0 += (monotonic - self.monotonic).as_millis() as i64;
        self.monotonic = monotonic;
    }

    pub fn advance(&mut self) -> Outcome {
        self.call(|shard, input| shard.advance(input))
    }

    pub fn expire(&mut self) -> Outcome {
        self.call(|shard, input| shard.expire(input))
    }

    pub fn unwritten(&mut self, records: &[TransactionRecord]) {
        let outcome = self.call(|shard, input| shard.unwritten(input, records));
        assert_eq!(outcome, Outcome::default());
    }

    /// The process ends, and another one reads what was written.
    pub fn restart(&mut self) {
        self.restart_with(self.log.len());
    }

    /// As [`Driver::restart`], with the first records only.
    pub fn restart_with(&mut self, count: usize) {
        self.log.truncate(count);
        self.records.truncate(count);
        self.shard = TransactionShard::default();
        self.owed.clear();
        self.monotonic = Duration::from_secs(10);
        self.coordinator_epoch.0 += 1;
        for (key, value) in self.log.clone() {
            let record = TransactionRecord::decode(&key, value.as_deref()).unwrap().unwrap();
            self.shard.replay(record);
        }
        let outcome = self.call(|shard, input| shard.loaded(input));
        assert_eq!(outcome.records, []);
    }

    /// States of the written records; of a tombstone, Dead.
    pub fn states(&self) -> Vec<TransactionState> {
        let state = |record: &TransactionRecord| {
            record.metadata.as_ref().map_or(TransactionState::Dead, |metadata| metadata.state)
        };
        self.records.iter().map(state).collect()
    }
}
