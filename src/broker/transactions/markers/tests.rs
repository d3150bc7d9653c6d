use std::collections::BTreeMap;

use super::*;
use crate::broker::testing::{PATIENCE, append_in_transaction, eventually, open};
use crate::broker::{NewTopic, TRANSACTIONS_TOPIC};
use crate::group::{Caller, GroupRequest};
use crate::metadata::TopicImage;
use crate::model::{LeaderEpoch, ProducerEpoch, ProducerId, Timestamp, TransactionResult};
use crate::protocol::batch::{BatchBuilder, NewRecord};
use crate::transaction::{
    AddPartitions, EndTransaction, InitProducerId, ProducerIdAndEpoch, TransactionVersion,
};

/// Turns in which a task that was just spawned is polled.
const TURNS: usize = 20;
pub(in crate::broker::transactions) const ID: &str = "transfers";

/// A topic of one partition with a record of a producer's open transaction.
pub(in crate::broker::transactions) async fn written(
    broker: &Broker,
    producer: ProducerIdAndEpoch,
) -> (Arc<TopicImage>, Arc<Partition>) {
    let configs = BTreeMap::new();
    let new = NewTopic { name: "t".to_owned(), partitions: 1, replication_factor: 1, configs };
    let topic = broker.create_topics(vec![new], false).await.remove(0).unwrap().topic;
    let partition = broker.partition(topic.topic_partitions().next().unwrap()).unwrap();
    let mut builder = BatchBuilder::new();
    builder.push(NewRecord { value: Some(b"debit"), ..NewRecord::default() });
    let producer = (producer.producer_id, producer.producer_epoch);
    append_in_transaction(broker, &partition, producer, builder).await;
    (topic, partition)
}

pub(in crate::broker::transactions) fn t() -> Vec<NamedPartition> {
    vec![NamedPartition { topic: "t".into(), partition: 0 }]
}

/// Asks the coordinator once it is loaded.
async fn ask(broker: &Broker, request: TransactionRequest) -> TransactionReply {
    eventually(|| broker.ask_transaction(ID, request.clone()).ok()).await.reply().await.unwrap()
}

/// A producer of the coordinator's.
pub(in crate::broker::transactions) async fn begun(broker: &Broker) -> ProducerIdAndEpoch {
    let request = InitProducerId {
        transactional_id: ID.into(),
        transaction_timeout: PATIENCE,
        expected: None,
        fresh_producer_id: Some(ProducerId(7)),
    };
    match ask(broker, TransactionRequest::InitProducerId(request)).await {
        TransactionReply::InitProducerId(Ok(producer)) => producer,
        refused => panic!("{refused:?}"),
    }
}

/// The coordinator must not take its transaction for complete, or readers of committed records would be held
/// up for ever.
#[tokio::test]
async fn a_partition_gets_its_marker_when_its_deletion_has_failed() {
    let directory = tempfile::tempdir().unwrap();
    let broker = open(directory.path(), &[("transaction.state.log.num.partitions", "1")]);
    broker.ensure_transactions_topic().await.unwrap();
    let producer = begun(&broker).await;
    let (topic, partition) = written(&broker, producer).await;
    let (transactional_id, transaction_version) = (Arc::from(ID), TransactionVersion::V2);
    let partitions = t();
    let add = AddPartitions { transactional_id, producer, partitions, transaction_version };
    let added = ask(&broker, TransactionRequest::AddPartitions(add)).await;
    assert_eq!(added, TransactionReply::AddPartitions(Ok(())));

    broker.storage.take_offline(topic.topic_id, topic.topic_partitions());
    let end = EndTransaction {
        transactional_id: ID.into(),
        producer,
        result: TransactionResult::Commit,
        transaction_version,
        fresh_producer_id: None,
    };
    let ended = ask(&broker, TransactionRequest::EndTransaction(end)).await;
    assert!(matches!(ended, TransactionReply::EndTransaction(Ok(_))), "{ended:?}");
    // The task that writes the marker was spawned before that left.
    for _ in 0..TURNS {
        tokio::task::yield_now().await;
    }
    broker.bring_back(&topic);
    eventually(|| (partition.watermarks().last_stable_offset == Offset(2)).then_some(())).await;
}

/// Else it would write one some time, behind the back of who does it now, and end another transaction by it.
#[tokio::test]
async fn who_writes_markers_stops_when_the_shard_that_asked_is_gone() {
    let directory = tempfile::tempdir().unwrap();
    let broker = open(directory.path(), &[("transaction.state.log.num.partitions", "1")]);
    let producer = ProducerIdAndEpoch { producer_id: ProducerId(7), producer_epoch: ProducerEpoch(0) };
    let (topic, partition) = written(&broker, producer).await;
    // No marker can be written as long as it is offline.
    broker.storage.take_offline(topic.topic_id, topic.topic_partitions());
    let asked = WriteMarkers {
        transactional_id: ID.into(),
        producer,
        decided_at: Timestamp(0),
        coordinator_epoch: LeaderEpoch(0),
        result: TransactionResult::Abort,
        partitions: t(),
        transaction_version: TransactionVersion::V0,
    };
    assert!(broker.image().topic(TRANSACTIONS_TOPIC).is_none(), "there is no shard at all");
    let writing = write(Arc::downgrade(&broker), topic.topic_partitions().next().unwrap(), asked);
    time::timeout(PATIENCE, writing).await.expect("it ends");
    broker.bring_back(&topic);
    assert_eq!(partition.watermarks().log_end_offset, Offset(1));
}

/// A producer whose transaction has a record in `t` and a place among the groups' offsets.
struct Late {
    broker: Arc<Broker>,
    groups: Arc<Partition>,
    partition: Arc<Partition>,
    producer: ProducerIdAndEpoch,
    _directory: tempfile::TempDir,
}

impl Late {
    async fn new() -> Late {
        let directory = tempfile::tempdir().unwrap();
        let settings = [("transaction.state.log.num.partitions", "1"), ("offsets.topic.num.partitions", "1")];
        let broker = open(directory.path(), &settings);
        broker.ensure_transactions_topic().await.unwrap();
        let groups = broker.ensure_offsets_topic().await.unwrap();
        let groups = broker.partition(groups.topic_partitions().next().unwrap()).unwrap();
        let producer = begun(&broker).await;
        let (_, partition) = written(&broker, producer).await;
        let (transactional_id, partitions) = (Arc::from(ID), Late::partitions());
        let transaction_version = TransactionVersion::V0;
        let add = AddPartitions { transactional_id, producer, partitions, transaction_version };
        let added = ask(&broker, TransactionRequest::AddPartitions(add)).await;
        assert_eq!(added, TransactionReply::AddPartitions(Ok(())));
        // The groups' shard serves.
        let list = || GroupRequest::ListGroups(Default::default());
        eventually(|| broker.ask_group("g", Caller::default(), list()).ok()).await;
        Late { broker, groups, partition, producer, _directory: directory }
    }

    fn partitions() -> Vec<NamedPartition> {
        [t(), vec![NamedPartition { topic: OFFSETS_TOPIC.into(), partition: 0 }]].concat()
    }

    fn asked(&self, decided_at: Timestamp) -> WriteMarkers {
        WriteMarkers {
            transactional_id: ID.into(),
            producer: self.producer,
            decided_at,
            coordinator_epoch: LeaderEpoch(0),
            result: TransactionResult::Abort,
            partitions: Late::partitions(),
            transaction_version: TransactionVersion::V0,
        }
    }

    fn shard(&self) -> TopicPartition {
        self.broker.transaction_partition(ID).unwrap()
    }

    /// Decides to abort; when that was.
    async fn decided(&self) -> Timestamp {
        let end = EndTransaction {
            transactional_id: ID.into(),
            producer: self.producer,
            result: TransactionResult::Abort,
            transaction_version: TransactionVersion::V0,
            fresh_producer_id: None,
        };
        let ended = ask(&self.broker, TransactionRequest::EndTransaction(end)).await;
        assert!(matches!(ended, TransactionReply::EndTransaction(Ok(_))), "{ended:?}");
        let mut decided_at = None;
        self.broker.transactions.0.look(self.shard(), |shard| {
            shard.visit(&mut |it| decided_at = Some(it.last_update_timestamp));
        });
        decided_at.unwrap()
    }

    fn ends(&self) -> [Offset; 2] {
        [&self.groups, &self.partition].map(|it| it.watermarks().log_end_offset)
    }
}

/// Who waited for room while the shard was loaded again, and its transaction ended by others, would end the
/// next one: with version 1 its producer is the same.
#[tokio::test]
async fn who_comes_too_late_writes_no_marker() {
    let late = Late::new().await;
    let writing = write(Arc::downgrade(&late.broker), late.shard(), late.asked(Timestamp(1)));
    time::timeout(PATIENCE, writing).await.expect("it ends");
    assert_eq!(late.ends(), [Offset(0), Offset(1)]);
}

/// The same between its place in the queue of the groups' shard and its turn. A look at that shard holds it
/// up, on a thread of its own as everybody else goes on.
#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn who_is_overtaken_in_the_queue_of_the_groups_writes_no_marker() {
    let late = Arc::new(Late::new().await);
    let (hold, held) = tokio::sync::oneshot::channel();
    let (let_go, wait) = std::sync::mpsc::channel::<()>();
    let holder = late.clone();
    let holding = tokio::task::spawn_blocking(move || {
        let mut hold = Some(hold);
        holder.broker.look_at_groups(|_| {
            hold.take().expect("one shard").send(()).unwrap();
            wait.recv_timeout(PATIENCE).unwrap();
        });
    });
    held.await.unwrap();
    // Who was told to write the markers is held up as well, or comes too late.
    let asked = Arc::new(late.asked(late.decided().await));
    let (broker, shard) = (Arc::downgrade(&late.broker), late.shard());
    let debt = Debt { broker: &broker, shard, asked: &asked };
    let marker = TransactionMarker {
        origin: MarkerOrigin::Coordinator,
        producer_id: late.producer.producer_id,
        producer_epoch: late.producer.producer_epoch,
        coordinator_epoch: CoordinatorEpoch(0),
        result: TransactionResult::Abort,
        transaction_version: 0,
    };
    let (own, plain) = ((late.groups.clone(), marker), vec![(late.partition.clone(), marker)]);
    let mut appending = Box::pin(late.broker.append_with_group(Some(debt), own, plain));
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    assert!(appending.as_mut().poll(&mut context).is_pending());
    assert_eq!(late.broker.while_owed(Some(debt), || ()), Ok(()), "when it was queued, it was owed");
    assert_eq!(late.broker.tell_written(shard, &asked, &asked.partitions).await, Ok(true));
    let_go.send(()).unwrap();
    holding.await.unwrap();
    let (own, plain) = time::timeout(PATIENCE, appending).await.expect("it ends");
    let not_owed = Some(MarkerRefused::Coordinator(CoordinatorError::NotCoordinator));
    assert_eq!((own.err(), plain.into_iter().next().unwrap().err()), (not_owed.clone(), not_owed));
    assert_eq!(late.ends(), [Offset(0), Offset(1)]);
}

/// Its offsets wait for their coordinator; who reads what is committed need not.
#[tokio::test]
async fn partitions_get_their_markers_while_the_coordinator_of_groups_is_away() {
    let directory = tempfile::tempdir().unwrap();
    let settings = [("transaction.state.log.num.partitions", "1"), ("offsets.topic.num.partitions", "1")];
    let broker = open(directory.path(), &settings);
    let topic = broker.ensure_offsets_topic().await.unwrap();
    let producer = ProducerIdAndEpoch { producer_id: ProducerId(7), producer_epoch: ProducerEpoch(0) };
    let (_, partition) = written(&broker, producer).await;
    broker.storage.take_offline(topic.topic_id, topic.topic_partitions());
    let offsets = NamedPartition { topic: OFFSETS_TOPIC.into(), partition: 0 };
    let marker = TransactionMarker {
        origin: MarkerOrigin::Client,
        producer_id: producer.producer_id,
        producer_epoch: producer.producer_epoch,
        coordinator_epoch: CoordinatorEpoch(0),
        result: TransactionResult::Commit,
        transaction_version: 0,
    };
    let partitions = [vec![offsets], t()].concat();
    let ended = broker.end_transactions(partitions.iter().map(|partition| (partition, marker))).await;
    assert!(matches!(ended[0], Err(MarkerRefused::Coordinator(_))), "{ended:?}");
    assert_eq!(ended[1], Ok(()));
    assert_eq!(partition.watermarks().last_stable_offset, Offset(2));
}

/// Its coordinators end with their partitions, and nobody else would lead them.
#[tokio::test]
async fn coordinators_serve_again_when_the_deletion_of_their_topic_has_failed() {
    let directory = tempfile::tempdir().unwrap();
    let broker = open(directory.path(), &[("transaction.state.log.num.partitions", "1")]);
    let topic = broker.ensure_transactions_topic().await.unwrap();
    let list = || TransactionRequest::ListTransactions(Default::default());
    eventually(|| broker.ask_transaction(ID, list()).ok()).await;
    broker.storage.take_offline(topic.topic_id, topic.topic_partitions());
    eventually(|| broker.transactions.0.partitions().is_empty().then_some(())).await;
    broker.bring_back(&topic);
    eventually(|| broker.ask_transaction(ID, list()).ok()).await;
}
