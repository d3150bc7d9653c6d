//! Transactions through the real table of handlers: what clients see in every version.

use std::time::Duration;

use kafka_protocol::messages::add_partitions_to_txn_request::{
    AddPartitionsToTxnTopic, AddPartitionsToTxnTransaction,
};
use kafka_protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use kafka_protocol::messages::offset_fetch_request::OffsetFetchRequestTopic;
use kafka_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use kafka_protocol::messages::txn_offset_commit_request::{
    TxnOffsetCommitRequestPartition, TxnOffsetCommitRequestTopic,
};
use kafka_protocol::messages::txn_offset_commit_response::TxnOffsetCommitResponseTopic;
use kafka_protocol::messages::write_txn_markers_request::{WritableTxnMarker, WritableTxnMarkerTopic};
use kafka_protocol::messages::write_txn_markers_response::WritableTxnMarkerResult;
use kafka_protocol::messages::{
    AddOffsetsToTxnRequest, AddPartitionsToTxnRequest, DescribeTransactionsRequest, EndTxnRequest,
    FetchRequest, FindCoordinatorRequest, GroupId, InitProducerIdRequest, ListTransactionsRequest,
    OffsetFetchRequest, ProduceRequest, ProducerId, TopicName, TransactionalId, TxnOffsetCommitRequest,
    WriteTxnMarkersRequest,
};

use bytes::Bytes;

use crate::broker::testing;
use crate::handlers::testing::{TestBroker, build, str_bytes};
use crate::model;
use crate::partition::{CheckpointReach, Partition, TransactionMarker};

/// Longest wait for something that tasks do.
const PATIENCE: Duration = Duration::from_secs(20);

fn id(id: &str) -> TransactionalId {
    TransactionalId(str_bytes(id))
}

fn topic_name(name: &str) -> TopicName {
    TopicName(str_bytes(name))
}

/// Waits until a transactional id has a coordinator that is loaded.
pub(in crate::handlers) async fn coordinated(test: &TestBroker, transactional_id: &str) {
    let find = FindCoordinatorRequest::default().with_key_type(1).with_key(str_bytes(transactional_id));
    assert_eq!(test.ask(3, &find).await.error_code, 0);
    eventually(async || test.ask(0, &ListTransactionsRequest::default()).await.error_code == 0).await;
}

async fn eventually(mut look: impl AsyncFnMut() -> bool) {
    let seen = async {
        while !look().await {
            tokio::task::yield_now().await;
        }
    };
    crate::env::time::timeout(PATIENCE, seen).await.expect("it comes about");
}

/// A broker with a topic `t` of two partitions, one partition of transactions and one of groups.
async fn started() -> TestBroker {
    started_with(&[]).await
}

async fn started_with(more: &[(&str, &str)]) -> TestBroker {
    let mut settings =
        vec![("transaction.state.log.num.partitions", "1"), ("offsets.topic.num.partitions", "1")];
    settings.extend(more);
    let test = TestBroker::with(&settings);
    test.topic("t", 2, &[]).await;
    coordinated(&test, "x").await;
    let find = FindCoordinatorRequest::default().with_key(str_bytes("g"));
    assert_eq!(test.ask(0, &find).await.error_code, 0);
    test
}

/// A transactional producer as the client has it.
struct Producer<'a> {
    test: &'a TestBroker,
    id: i64,
    producer_epoch: i16,
    sequence: i32,
    is_version_2: bool,
}

impl<'a> Producer<'a> {
    async fn new(test: &'a TestBroker, is_version_2: bool) -> Producer<'a> {
        let request = InitProducerIdRequest::default()
            .with_transactional_id(Some(id("x")))
            .with_transaction_timeout_ms(60_000)
            .with_producer_id(ProducerId(-1))
            .with_producer_epoch(-1);
        let mut response = None;
        eventually(async || {
            let answer = test.ask(4, &request).await;
            let is_busy = [14, 15, 51].contains(&answer.error_code);
            response = Some(answer);
            !is_busy
        })
        .await;
        let response = response.unwrap();
        assert_eq!(response.error_code, 0);
        let (id, producer_epoch) = (response.producer_id.0, response.producer_epoch);
        Producer { test, id, producer_epoch, sequence: 0, is_version_2 }
    }

    async fn add(&self, version: i16, partition: i32) -> i16 {
        let topic =
            AddPartitionsToTxnTopic::default().with_name(topic_name("t")).with_partitions(vec![partition]);
        let request = AddPartitionsToTxnRequest::default();
        let request = match version < 4 {
            true => request
                .with_v3_and_below_transactional_id(id("x"))
                .with_v3_and_below_producer_id(ProducerId(self.id))
                .with_v3_and_below_producer_epoch(self.producer_epoch)
                .with_v3_and_below_topics(vec![topic]),
            false => request.with_transactions(vec![
                AddPartitionsToTxnTransaction::default()
                    .with_transactional_id(id("x"))
                    .with_producer_id(ProducerId(self.id))
                    .with_producer_epoch(self.producer_epoch)
                    .with_verify_only(true)
                    .with_topics(vec![topic]),
            ]),
        };
        let response = self.test.ask(version, &request).await;
        let topics = match version < 4 {
            true => &response.results_by_topic_v3_and_below,
            false => &response.results_by_transaction[0].topic_results,
        };
        topics[0].results_by_partition[0].partition_error_code
    }

    /// A batch of one.
    fn records(&self) -> Bytes {
        build(&[1_000], |builder| {
            builder.producer_id = model::ProducerId(self.id);
            builder.producer_epoch = model::ProducerEpoch(self.producer_epoch);
            builder.base_sequence = self.sequence;
            builder.is_transactional = true;
        })
    }

    async fn write(&mut self, version: i16, partition: i32) -> i16 {
        let data = PartitionProduceData::default().with_index(partition).with_records(Some(self.records()));
        let topic = TopicProduceData::default().with_name(topic_name("t")).with_partition_data(vec![data]);
        let request = ProduceRequest::default()
            .with_transactional_id(Some(id("x")))
            .with_acks(-1)
            .with_timeout_ms(30_000)
            .with_topic_data(vec![topic]);
        let code = self.test.ask(version, &request).await.responses[0].partition_responses[0].error_code;
        self.sequence += i32::from(code == 0);
        code
    }

    /// One record in the transaction, as a client of its version sends it.
    async fn send(&mut self) {
        if self.is_version_2 {
            eventually(async || match self.write(12, 0).await {
                // CONCURRENT_TRANSACTIONS: the one before is being ended.
                51 => false,
                code => {
                    assert_eq!(code, 0);
                    true
                }
            })
            .await;
        } else {
            eventually(async || match self.add(3, 0).await {
                // CONCURRENT_TRANSACTIONS: the one before is being ended.
                51 => false,
                code => {
                    assert_eq!(code, 0);
                    true
                }
            })
            .await;
            assert_eq!(self.write(11, 0).await, 0);
        }
    }

    async fn end(&mut self, committed: bool) -> i16 {
        let version = if self.is_version_2 { 5 } else { 4 };
        let request = EndTxnRequest::default()
            .with_transactional_id(id("x"))
            .with_producer_id(ProducerId(self.id))
            .with_producer_epoch(self.producer_epoch)
            .with_committed(committed);
        let response = self.test.ask(version, &request).await;
        if self.is_version_2 && response.error_code == 0 {
            assert_eq!((response.producer_id.0, response.producer_epoch), (self.id, self.producer_epoch + 1));
            (self.producer_epoch, self.sequence) = (self.producer_epoch + 1, 0);
        }
        response.error_code
    }

    fn offset_commit(&self, offset: i64) -> TxnOffsetCommitRequest {
        let partition = TxnOffsetCommitRequestPartition::default()
            .with_partition_index(0)
            .with_committed_offset(offset)
            .with_committed_metadata(Some(str_bytes("")));
        let topic = TxnOffsetCommitRequestTopic::default()
            .with_name(topic_name("t"))
            .with_partitions(vec![partition]);
        TxnOffsetCommitRequest::default()
            .with_transactional_id(id("x"))
            .with_group_id(GroupId(str_bytes("g")))
            .with_producer_id(ProducerId(self.id))
            .with_producer_epoch(self.producer_epoch)
            .with_generation_id(-1)
            .with_topics(vec![topic])
    }

    /// Adds the group's partition to the transaction.
    async fn add_offsets(&self) {
        let add = AddOffsetsToTxnRequest::default()
            .with_transactional_id(id("x"))
            .with_producer_id(ProducerId(self.id))
            .with_producer_epoch(self.producer_epoch)
            .with_group_id(GroupId(str_bytes("g")));
        eventually(async || self.test.ask(3, &add).await.error_code == 0).await;
    }

    /// An offset in the transaction, as a client of its version sends it.
    async fn send_offset(&self, offset: i64) {
        if !self.is_version_2 {
            self.add_offsets().await;
        }
        let version = if self.is_version_2 { 5 } else { 3 };
        eventually(async || self.commit_offset(version, offset).await == 0).await;
    }

    async fn commit_offset(&self, version: i16, offset: i64) -> i16 {
        self.test.ask(version, &self.offset_commit(offset)).await.topics[0].partitions[0].error_code
    }
}

/// End of what a reader of this isolation is given, and how many transactions it is to leave out.
async fn readable(test: &TestBroker, isolation_level: i8) -> (i64, usize) {
    let partition = FetchPartition::default().with_partition(0).with_partition_max_bytes(1 << 20);
    let topic = FetchTopic::default().with_topic(topic_name("t")).with_partitions(vec![partition]);
    let request = FetchRequest::default()
        .with_max_bytes(1 << 20)
        .with_isolation_level(isolation_level)
        .with_topics(vec![topic]);
    let response = test.ask(12, &request).await;
    let partition = &response.responses[0].partitions[0];
    assert_eq!(partition.error_code, 0);
    let end = if isolation_level == 1 { partition.last_stable_offset } else { partition.high_watermark };
    (end, partition.aborted_transactions.as_ref().map_or(0, Vec::len))
}

async fn stable(test: &TestBroker, end: i64) {
    eventually(async || readable(test, 1).await.0 == end).await;
}

#[tokio::test]
async fn an_id_that_nobody_uses_expires() {
    let interval = "transaction.remove.expired.transaction.cleanup.interval.ms";
    let test = started_with(&[("transactional.id.expiration.ms", "1"), (interval, "1")]).await;
    Producer::new(&test, true).await;
    eventually(async || {
        let request = DescribeTransactionsRequest::default().with_transactional_ids(vec![id("x")]);
        test.ask(0, &request).await.transaction_states[0].error_code == 105
    })
    .await;
}

#[tokio::test]
async fn trap_79_transactions_of_both_versions_commit_and_abort() {
    for is_version_2 in [false, true] {
        let test = started().await;
        let mut producer = Producer::new(&test, is_version_2).await;
        producer.send().await;
        assert_eq!(readable(&test, 1).await, (0, 0), "nothing is decided");
        assert_eq!(producer.end(true).await, 0);
        stable(&test, 2).await;
        producer.send().await;
        assert_eq!(producer.end(false).await, 0);
        stable(&test, 4).await;
        assert_eq!(readable(&test, 1).await, (4, 1));
        producer.send().await;
        assert_eq!((readable(&test, 0).await.0, readable(&test, 1).await.0), (5, 4));
        assert_eq!(producer.end(true).await, 0);
        stable(&test, 6).await;
        let epochs = if is_version_2 { 3 } else { 0 };
        assert_eq!(producer.producer_epoch, epochs);
    }
}

#[tokio::test]
async fn trap_78_a_second_producer_fences_the_first_and_ends_what_it_left_open() {
    for is_version_2 in [false, true] {
        let test = started().await;
        let mut first = Producer::new(&test, is_version_2).await;
        first.send().await;
        let mut second = Producer::new(&test, is_version_2).await;
        assert_eq!(second.id, first.id);
        assert!(second.producer_epoch > first.producer_epoch);
        // INVALID_PRODUCER_EPOCH where it writes, PRODUCER_FENCED where it ends.
        assert_eq!((first.write(11, 0).await, first.end(true).await), (47, 90));
        stable(&test, 2).await;
        assert_eq!(readable(&test, 1).await, (2, 1));
        second.send().await;
        assert_eq!(second.end(true).await, 0);
        stable(&test, 4).await;
    }
}

#[tokio::test]
async fn trap_80_records_of_no_transaction_are_refused() {
    let test = started().await;
    let mut producer = Producer::new(&test, false).await;
    // INVALID_TXN_STATE, and TRANSACTION_ABORTABLE for who knows it.
    assert_eq!((producer.write(10, 0).await, producer.write(11, 0).await), (48, 120));
    assert_eq!(producer.add(5, 0).await, 120);
    assert_eq!(producer.add(3, 0).await, 0);
    assert_eq!(producer.add(5, 0).await, 0);
    assert_eq!((producer.write(11, 0).await, producer.write(11, 1).await), (0, 120));
    assert_eq!(producer.end(true).await, 0);
    stable(&test, 2).await;
    // The transaction is over: a record that comes late would begin another one, which nobody ends.
    eventually(async || match producer.write(10, 0).await {
        // NOT_ENOUGH_REPLICAS until the coordinator knows that the marker is written.
        19 => false,
        code => {
            assert_eq!(code, 48);
            true
        }
    })
    .await;
    assert_eq!(readable(&test, 0).await.0, 2);
}

#[tokio::test]
async fn trap_82_an_end_that_comes_again_is_answered_as_before() {
    for is_version_2 in [false, true] {
        let test = started().await;
        let mut producer = Producer::new(&test, is_version_2).await;
        producer.send().await;
        let producer_epoch = producer.producer_epoch;
        assert_eq!(producer.end(true).await, 0);
        stable(&test, 2).await;
        eventually(async || {
            producer.producer_epoch = producer_epoch;
            // CONCURRENT_TRANSACTIONS until its markers are written.
            match producer.end(true).await {
                51 => false,
                code => {
                    assert_eq!(code, 0);
                    true
                }
            }
        })
        .await;
        assert_eq!(readable(&test, 0).await.0, 2, "no marker is written for it");
        producer.producer_epoch = producer_epoch;
        let otherwise = producer.end(false).await;
        assert_eq!(otherwise, 48, "it cannot end otherwise");
    }
}

async fn committed(test: &TestBroker, require_stable: bool) -> (i64, i16) {
    let topic = OffsetFetchRequestTopic::default().with_name(topic_name("t")).with_partition_indexes(vec![0]);
    let request = OffsetFetchRequest::default()
        .with_group_id(GroupId(str_bytes("g")))
        .with_require_stable(require_stable)
        .with_topics(Some(vec![topic]));
    let response = test.ask(7, &request).await;
    // While the group's coordinator is loading there is an error for the whole.
    let Some(topic) = response.topics.first() else { return (-1, response.error_code) };
    (topic.partitions[0].committed_offset, topic.partitions[0].error_code)
}

#[tokio::test]
async fn trap_85_offsets_of_a_transaction_count_once_it_commits() {
    for is_version_2 in [false, true] {
        let test = started().await;
        let mut producer = Producer::new(&test, is_version_2).await;
        eventually(async || committed(&test, false).await == (-1, 0)).await;
        for (offset, commits, expected) in [(5, true, 5), (7, false, 5), (9, true, 9)] {
            let before = committed(&test, false).await;
            if !is_version_2 {
                let refused = producer.commit_offset(4, offset).await;
                assert!([120, 51].contains(&refused), "{refused}: the group is not in the transaction");
            }
            producer.send_offset(offset).await;
            assert_eq!(committed(&test, false).await, before);
            assert_eq!(committed(&test, true).await, (-1, 88), "UNSTABLE_OFFSET_COMMIT");
            assert_eq!(producer.end(commits).await, 0);
            eventually(async || committed(&test, true).await == (expected, 0)).await;
        }
        let test = test.restart().await;
        coordinated(&test, "x").await;
        eventually(async || committed(&test, true).await == (9, 0)).await;
    }
}

#[tokio::test]
async fn trap_83_a_restart_keeps_open_transactions_and_ends_decided_ones() {
    let test = started().await;
    let mut producer = Producer::new(&test, true).await;
    producer.send().await;
    let (producer_id, producer_epoch, sequence) = (producer.id, producer.producer_epoch, producer.sequence);
    let test = test.restart().await;
    coordinated(&test, "x").await;
    assert_eq!(readable(&test, 1).await.0, 0);
    let mut producer =
        Producer { test: &test, id: producer_id, producer_epoch, sequence, is_version_2: true };
    assert_eq!(producer.write(12, 0).await, 0);
    assert_eq!(producer.end(true).await, 0);
    let test = test.restart().await;
    stable(&test, 3).await;
}

#[tokio::test]
async fn trap_83_transactions_are_described_listed_and_ended_by_administrators() {
    let test = started().await;
    let mut producer = Producer::new(&test, true).await;
    producer.send().await;
    let described = async |name: &str| {
        let request = DescribeTransactionsRequest::default().with_transactional_ids(vec![id(name)]);
        let mut response = test.ask(0, &request).await;
        response.transaction_states.remove(0)
    };
    let ongoing = described("x").await;
    assert_eq!((ongoing.error_code, ongoing.transaction_state.as_str()), (0, "Ongoing"));
    assert_eq!((ongoing.producer_id.0, ongoing.producer_epoch), (producer.id, producer.producer_epoch));
    assert_eq!((ongoing.transaction_timeout_ms, ongoing.transaction_start_time_ms > 0), (60_000, true));
    assert_eq!((ongoing.topics[0].topic.as_str(), &ongoing.topics[0].partitions[..]), ("t", &[0][..]));
    assert_eq!((described("y").await.error_code, described("").await.error_code), (105, 42));

    let list = |filter: fn(ListTransactionsRequest) -> ListTransactionsRequest| {
        filter(ListTransactionsRequest::default().with_duration_filter(-1))
    };
    for (version, request, expected) in [
        (0, list(|all| all), 1),
        (1, list(|all| all.with_state_filters(vec![str_bytes("Ongoing")])), 1),
        (1, list(|all| all.with_state_filters(vec![str_bytes("Empty")])), 0),
        (1, list(|all| all.with_producer_id_filters(vec![ProducerId(-5)])), 0),
        (1, list(|all| all.with_duration_filter(3_600_000)), 0),
        (2, list(|all| all.with_transactional_id_pattern(Some(str_bytes("[w-z]")))), 1),
        (2, list(|all| all.with_transactional_id_pattern(Some(str_bytes("y.*")))), 0),
    ] {
        let response = test.ask(version, &request).await;
        assert_eq!((response.error_code, response.transaction_states.len()), (0, expected), "{request:?}");
    }
    let unknown = list(|all| all.with_state_filters(vec![str_bytes("Odd")]));
    assert_eq!(test.ask(1, &unknown).await.unknown_state_filters, [str_bytes("Odd")]);
    let broken = list(|all| all.with_transactional_id_pattern(Some(str_bytes("["))));
    assert_eq!(test.ask(2, &broken).await.error_code, 128);

    let topic = |name: &str, partitions: Vec<i32>| {
        WritableTxnMarkerTopic::default().with_name(topic_name(name)).with_partition_indexes(partitions)
    };
    let marker = WritableTxnMarker::default()
        .with_producer_id(ProducerId(producer.id))
        .with_producer_epoch(producer.producer_epoch)
        .with_coordinator_epoch(0)
        .with_topics(vec![topic("t", vec![0, 7]), topic("none", vec![0])]);
    let written = test.ask(1, &WriteTxnMarkersRequest::default().with_markers(vec![marker])).await;
    let codes: Vec<i16> = written.markers[0]
        .topics
        .iter()
        .flat_map(|topic| topic.partitions.iter().map(|partition| partition.error_code))
        .collect();
    assert_eq!(codes, [0, 3, 3]);
    assert_eq!(readable(&test, 1).await, (2, 1));
}

/// Else its next transactions would be decided, and hold readers of committed ones for ever.
#[tokio::test]
async fn a_client_that_writes_markers_does_not_fence_the_coordinator() {
    for is_version_2 in [false, true] {
        let test = started().await;
        let mut producer = Producer::new(&test, is_version_2).await;
        producer.send().await;
        let topic =
            WritableTxnMarkerTopic::default().with_name(topic_name("t")).with_partition_indexes(vec![0]);
        let marker = WritableTxnMarker::default()
            .with_producer_id(ProducerId(producer.id))
            .with_producer_epoch(producer.producer_epoch)
            .with_coordinator_epoch(i32::MAX)
            .with_topics(vec![topic]);
        let written = test.ask(1, &WriteTxnMarkersRequest::default().with_markers(vec![marker])).await;
        assert_eq!(written.markers[0].topics[0].partitions[0].error_code, 0);
        assert_eq!(readable(&test, 1).await, (2, 1), "it ends what is open");
        let before = producer.end(true).await;
        assert_eq!(before, 0, "the coordinator does not know");
        eventually(async || {
            let request = DescribeTransactionsRequest::default().with_transactional_ids(vec![id("x")]);
            let state = test.ask(0, &request).await.transaction_states.remove(0).transaction_state;
            state.as_str() == "CompleteCommit"
        })
        .await;
        let end = readable(&test, 0).await.0;
        for (more, commits) in [(2, true), (4, false)] {
            producer.send().await;
            assert_eq!(producer.end(commits).await, 0);
            stable(&test, end + more).await;
        }
    }
}

/// What is kept for no producer no marker would ever end, and the group's offsets would be unstable for ever.
#[tokio::test]
async fn offsets_of_no_producer_are_refused() {
    let test = started_with(&[("transaction.partition.verification.enable", "false")]).await;
    let mut producer = Producer::new(&test, false).await;
    eventually(async || committed(&test, false).await == (-1, 0)).await;
    let (id, producer_epoch) = (producer.id, producer.producer_epoch);
    for (id, producer_epoch, code) in [(-1, 0, 49), (-1, -1, 49), (id, -1, 47), (id, producer_epoch, 0)] {
        (producer.id, producer.producer_epoch) = (id, producer_epoch);
        assert_eq!(producer.commit_offset(3, 5).await, code, "{id} {producer_epoch}");
        let unstable = committed(&test, true).await.1 == 88;
        assert_eq!(unstable, code == 0, "{id} {producer_epoch}");
    }
}

/// A marker of producer -1 would lie in the log for every reader.
#[tokio::test]
async fn markers_of_nobody_are_refused_and_none_for_nothing_is_answered() {
    let test = started().await;
    let marker = |id: i64, producer_epoch: i16, partitions: Vec<i32>| {
        let topic =
            WritableTxnMarkerTopic::default().with_name(topic_name("t")).with_partition_indexes(partitions);
        WritableTxnMarker::default()
            .with_producer_id(ProducerId(id))
            .with_producer_epoch(producer_epoch)
            .with_topics(vec![topic])
    };
    let markers = vec![
        marker(-1, 0, vec![0]),
        marker(5, -1, vec![0]),
        marker(6, 0, vec![]),
        marker(7, 0, vec![]).with_topics(vec![]),
    ];
    let written = test.ask(1, &WriteTxnMarkersRequest::default().with_markers(markers)).await;
    let codes =
        |marker: &WritableTxnMarkerResult| (marker.producer_id.0, marker.topics[0].partitions[0].error_code);
    let codes: Vec<_> = written.markers.iter().map(codes).collect();
    assert_eq!(codes, [(-1, 42), (5, 42)], "INVALID_REQUEST");
    assert_eq!(readable(&test, 0).await.0, 0, "nothing was written");
}

#[tokio::test]
async fn offsets_in_transactions_are_answered_as_kafka_does() {
    let test = started().await;
    let producer = Producer::new(&test, true).await;
    for (id, producer_epoch, code) in [(-1, 0, 49), (producer.id, -1, 47), (-1, -1, 49)] {
        let request = producer.offset_commit(1);
        let request = request.with_producer_id(ProducerId(id)).with_producer_epoch(producer_epoch);
        let answer = test.ask(5, &request).await;
        assert_eq!(answer.topics[0].partitions[0].error_code, code, "{id} {producer_epoch}");
    }
    // A topic is answered as often as it is named, unless a partition is missing.
    let mut request = producer.offset_commit(1);
    request.topics.push(request.topics[0].clone());
    for (second, expected) in [(0, vec![vec![0], vec![0]]), (7, vec![vec![3, 0]])] {
        request.topics[1].partitions[0].partition_index = second;
        let answer = test.ask(5, &request).await;
        let codes = |topic: &TxnOffsetCommitResponseTopic| -> Vec<i16> {
            topic.partitions.iter().map(|partition| partition.error_code).collect()
        };
        let codes: Vec<_> = answer.topics.iter().map(codes).collect();
        assert_eq!(codes, expected);
    }
}

/// So many syncs of the log since the start, the last one included of which anybody was told: it is counted
/// after those who wait for it are woken, before its writer is let go.
fn wal_commits(test: &TestBroker) -> u64 {
    test.broker.storage().idle_step().unwrap();
    const COUNT: &str = "highwater_wal_commit_duration_seconds_count ";
    let rendered = test.broker.metrics().render();
    rendered.lines().find_map(|line| line.strip_prefix(COUNT)).unwrap().parse().unwrap()
}

/// The decision, all markers, and that it is complete: one after the other, and each is one. That of the
/// group's offsets is one of the markers.
#[tokio::test]
async fn a_commit_across_100_partitions_and_a_group_takes_three_commits_of_the_log() {
    for (is_version_2, has_offsets) in [(false, false), (true, false), (false, true), (true, true)] {
        let test = started().await;
        test.topic("wide", 100, &[]).await;
        let mut producer = Producer::new(&test, is_version_2).await;
        if is_version_2 {
            producer.write_wide().await;
        } else {
            producer.add_wide().await;
        }
        if has_offsets {
            producer.send_offset(7).await;
        }
        let before = wal_commits(&test);
        assert_eq!(producer.end(true).await, 0);
        let request = DescribeTransactionsRequest::default().with_transactional_ids(vec![id("x")]);
        eventually(async || {
            test.ask(0, &request).await.transaction_states[0].transaction_state.as_str() == "CompleteCommit"
        })
        .await;
        assert_eq!(wal_commits(&test) - before, 3, "version 2: {is_version_2}, offsets: {has_offsets}");
    }
}

impl Producer<'_> {
    /// All partitions of the topic `wide`, as clients of version 1 add them.
    async fn add_wide(&self) {
        let wide = AddPartitionsToTxnTopic::default()
            .with_name(topic_name("wide"))
            .with_partitions((0..100).collect());
        let add = AddPartitionsToTxnRequest::default()
            .with_v3_and_below_transactional_id(id("x"))
            .with_v3_and_below_producer_id(ProducerId(self.id))
            .with_v3_and_below_producer_epoch(self.producer_epoch)
            .with_v3_and_below_topics(vec![wide]);
        let added = self.test.ask(3, &add).await.results_by_topic_v3_and_below;
        assert!(added[0].results_by_partition.iter().all(|partition| partition.partition_error_code == 0));
    }

    /// A record in each of them, which adds them in version 2.
    async fn write_wide(&self) {
        let data =
            |index| PartitionProduceData::default().with_index(index).with_records(Some(self.records()));
        let topic = TopicProduceData::default()
            .with_name(topic_name("wide"))
            .with_partition_data((0..100).map(data).collect());
        let request = ProduceRequest::default()
            .with_transactional_id(Some(id("x")))
            .with_acks(-1)
            .with_timeout_ms(30_000)
            .with_topic_data(vec![topic]);
        let written = self.test.ask(12, &request).await;
        let mut partitions = written.responses[0].partition_responses.iter();
        assert!(partitions.all(|partition| partition.error_code == 0), "{written:?}");
    }
}

/// Offsets of one group's transactions, and an open one for as long as it is: neither who reads what is
/// committed nor the cleaner is held up by what has ended (redpanda#24637).
#[tokio::test]
async fn trap_84_transactions_of_groups_hold_up_neither_compaction_nor_the_last_stable_offset() {
    let eager =
        [("log.roll.ms", "1"), ("log.cleaner.backoff.ms", "10"), ("log.cleaner.min.cleanable.ratio", "0")];
    for is_version_2 in [false, true] {
        let test = started_with(&eager).await;
        let image = test.broker.image();
        let offsets = image.topic("__consumer_offsets").unwrap().topic_partitions().next().unwrap();
        let offsets = test.broker.partition(offsets).unwrap();
        let mut producer = Producer::new(&test, is_version_2).await;
        for round in 1..=8 {
            producer.send_offset(round).await;
            assert_eq!(producer.end(round % 3 > 0).await, 0);
        }
        eventually(async || committed(&test, true).await == (8, 0)).await;
        cleaned(&test, &offsets, offsets.watermarks().log_end_offset).await;
        // Markers stay for a day, and with them of 8 batches the one that counts.
        let markers = 8 * TransactionMarker::PAYLOAD_BYTES as u64;
        assert!(offsets.log().size_bytes() < markers + 300, "{} bytes", offsets.log().size_bytes());

        // One stays open: what others commit is not readable below it, and is not cleaned.
        producer.send_offset(9).await;
        let watermarks = offsets.watermarks();
        let open = watermarks.last_stable_offset;
        assert!(open < watermarks.high_watermark);
        for offset in 1..=8 {
            testing::commit_offset(&test.broker, "h", "t", 0, offset).await;
        }
        assert_eq!(offsets.watermarks().last_stable_offset, open);
        cleaned(&test, &offsets, open).await;
        assert_eq!(producer.end(true).await, 0);
        eventually(async || committed(&test, true).await == (9, 0)).await;
        let end = offsets.watermarks().log_end_offset;
        assert_eq!(offsets.watermarks().last_stable_offset, end);
        cleaned(&test, &offsets, end).await;
        let test = test.restart().await;
        eventually(async || committed(&test, true).await == (9, 0)).await;
    }
}

/// Ends active segments, which are never cleaned, and waits until the cleaner has read so far. Again and
/// again: the broker may be writing the last batch to its segment, or taking a checkpoint without it, just
/// then.
async fn cleaned(test: &TestBroker, partition: &Partition, end: model::Offset) {
    let storage = test.broker.storage();
    eventually(async || {
        storage.flush_step(0).unwrap();
        partition.log().roll_if_due().unwrap();
        storage.checkpoint_step(CheckpointReach::All).unwrap();
        let cleanable = partition.log().cleanable(partition.decided_in_segments()).unwrap();
        cleanable.expect("it is compacted").first_dirty_offset >= end
    })
    .await;
}
