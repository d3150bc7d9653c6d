//! Transactions as a partition has them: who may begin one, what its markers do, how far they let readers.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::env::simulated::SimulatedWorld;
use crate::model::{CoordinatorEpoch, Offset, ProducerEpoch, ProducerId, Timestamp, TransactionResult};
use crate::partition::{
    Admission, AppendError, Appender, Credits, Partition, Purpose, TransactionMarker, Verification,
};
use crate::protocol::batch::{BatchBuilder, NewRecord, ProduceRules, ProducedBatch, validate_produced};
use crate::wal::SyncMode;

use super::machine::{Machine, Model, id};

const NOW: Timestamp = Timestamp(1000);

fn machine(partitions: i32) -> Machine {
    let mut machine = Machine::open(SimulatedWorld::new(7), Model::default(), SyncMode::Fsync).unwrap();
    machine.create_topic("bank", partitions).unwrap();
    machine
}

fn partition(machine: &Machine, index: i32) -> Arc<Partition> {
    machine.storage.partition(id(&machine.model.topics[0], index)).unwrap()
}

pub(super) fn transactional(producer: (i64, i16), sequence: i32) -> ProducedBatch {
    let mut builder = BatchBuilder::new();
    builder.producer_id = ProducerId(producer.0);
    builder.producer_epoch = ProducerEpoch(producer.1);
    builder.base_sequence = sequence;
    builder.is_transactional = true;
    builder.push(NewRecord { timestamp: NOW, value: Some(b"debit"), ..NewRecord::default() });
    let rules = ProduceRules { transactions_allowed: true, ..ProduceRules::lenient() };
    validate_produced(&builder.build().into(), NOW, &rules).unwrap()
}

pub(super) fn marker(producer: (i64, i16), result: TransactionResult, version: i16) -> TransactionMarker {
    TransactionMarker {
        producer_id: ProducerId(producer.0),
        producer_epoch: ProducerEpoch(producer.1),
        coordinator_epoch: CoordinatorEpoch(3),
        result,
        transaction_version: version,
    }
}

fn credits(machine: &Machine, payloads: &[usize]) -> Credits {
    loop {
        match machine.storage.try_admit(Purpose::Records, payloads).unwrap() {
            Some(credits) => return credits,
            None => assert!(machine.storage.provision_step().unwrap(), "no room for {payloads:?}"),
        }
    }
}

fn append(
    machine: &Machine,
    partition: &Arc<Partition>,
    batch: &ProducedBatch,
    appender: Appender,
) -> Result<Admission, AppendError> {
    let mut credits = credits(machine, &[batch.bytes.len()]);
    machine.storage.append_by(appender, partition, &mut credits, batch)
}

/// Has a producer write, after its coordinator was asked where it must be.
fn write(machine: &Machine, partition: &Arc<Partition>, producer: (i64, i16), sequence: i32) {
    let identity = (ProducerId(producer.0), ProducerEpoch(producer.1));
    let guard = partition.begin_verification(identity, sequence, false, NOW).unwrap();
    let verification = guard.map_or(Verification::Ongoing, Verification::Verified);
    let batch = transactional(producer, sequence);
    append(machine, partition, &batch, Appender { is_client: true, verification }).unwrap();
}

fn mark(
    machine: &Machine,
    partition: &Arc<Partition>,
    marker: TransactionMarker,
) -> Result<Admission, AppendError> {
    let mut credits = credits(machine, &[TransactionMarker::PAYLOAD_BYTES]);
    machine.storage.append_markers(&mut credits, &[(partition.clone(), marker)]).remove(0)
}

fn last_stable(partition: &Partition) -> i64 {
    partition.watermarks().last_stable_offset.0
}

#[test]
fn the_last_stable_offset_waits_for_the_first_open_transaction_and_for_its_markers_commit() {
    let mut machine = machine(1);
    let partition = partition(&machine, 0);
    write(&machine, &partition, (1, 0), 0);
    write(&machine, &partition, (2, 0), 0);
    machine.commit().unwrap();
    assert_eq!((last_stable(&partition), partition.watermarks().high_watermark), (0, Offset(2)));

    mark(&machine, &partition, marker((2, 0), TransactionResult::Commit, 1)).unwrap();
    machine.commit().unwrap();
    assert_eq!(last_stable(&partition), 0, "the first one is open");

    mark(&machine, &partition, marker((1, 0), TransactionResult::Abort, 1)).unwrap();
    assert_eq!(last_stable(&partition), 0, "its marker is not committed");
    machine.commit().unwrap();
    assert_eq!(last_stable(&partition), 4);

    write(&machine, &partition, (1, 0), 1);
    assert_eq!(last_stable(&partition), 4, "never above the high watermark");
    machine.commit().unwrap();
    assert_eq!((last_stable(&partition), partition.watermarks().high_watermark), (4, Offset(5)));
}

#[test]
fn records_of_a_transaction_that_nobody_vouches_for_are_refused() {
    let machine = machine(1);
    let partition = partition(&machine, 0);
    let batch = transactional((1, 0), 0);
    let identity = (ProducerId(1), ProducerEpoch(0));
    let refused = append(&machine, &partition, &batch, Appender::CLIENT);
    assert!(matches!(refused, Err(AppendError::InvalidTransactionState(_))), "{refused:?}");

    // The coordinator's answer comes when the transaction has been aborted meanwhile.
    let guard = partition.begin_verification(identity, 0, false, NOW).unwrap().unwrap();
    mark(&machine, &partition, marker((1, 0), TransactionResult::Abort, 1)).unwrap();
    let late = Appender { is_client: true, verification: Verification::Verified(guard) };
    let refused = append(&machine, &partition, &batch, late);
    assert!(matches!(refused, Err(AppendError::InvalidTransactionState(_))), "{refused:?}");

    write(&machine, &partition, (1, 0), 0);
    assert_eq!(partition.begin_verification(identity, 1, false, NOW), Ok(None), "it is open here");
    append(&machine, &partition, &transactional((1, 0), 1), Appender::CLIENT).unwrap();
    let stale = partition.begin_verification((ProducerId(1), ProducerEpoch(-1)), 0, false, NOW);
    assert!(matches!(stale, Err(AppendError::InvalidProducerEpoch(_))), "{stale:?}");
}

/// Version 1 cannot tell a marker that comes late from the next transaction's own; version 2 can.
#[test]
fn a_late_marker_ends_the_next_transaction_of_version_1_and_none_of_version_2() {
    let mut machine = machine(2);
    let [first, second] = [0, 1].map(|index| partition(&machine, index));
    write(&machine, &first, (1, 0), 0);
    mark(&machine, &first, marker((1, 0), TransactionResult::Commit, 1)).unwrap();
    write(&machine, &first, (1, 0), 1);
    mark(&machine, &first, marker((1, 0), TransactionResult::Commit, 1)).unwrap();
    machine.commit().unwrap();
    assert_eq!(last_stable(&first), 4, "torn: that is why there is version 2");

    write(&machine, &second, (1, 0), 0);
    mark(&machine, &second, marker((1, 1), TransactionResult::Commit, 2)).unwrap();
    let again = mark(&machine, &second, marker((1, 1), TransactionResult::Commit, 2));
    assert!(matches!(again, Ok(Admission::Duplicate { end_offset: Offset(2), .. })), "{again:?}");
    write(&machine, &second, (1, 1), 0);
    let late = mark(&machine, &second, marker((1, 1), TransactionResult::Commit, 2));
    assert!(matches!(late, Err(AppendError::InvalidProducerEpoch(_))), "{late:?}");
    machine.commit().unwrap();
    assert_eq!(last_stable(&second), 2);
    let mut fenced = marker((1, 2), TransactionResult::Abort, 2);
    fenced.coordinator_epoch = CoordinatorEpoch(2);
    let fenced = mark(&machine, &second, fenced);
    assert!(matches!(fenced, Err(AppendError::CoordinatorFenced(_))), "{fenced:?}");
}

#[test]
fn the_markers_of_many_partitions_share_one_commit() {
    // The groups of this storage hold 4 KiB: a real one holds a thousand times that.
    const PARTITIONS: i32 = 30;
    let mut machine = machine(PARTITIONS);
    let partitions: Vec<_> = (0..PARTITIONS).map(|index| partition(&machine, index)).collect();
    partitions.iter().for_each(|partition| write(&machine, partition, (1, 0), 0));
    machine.commit().unwrap();

    let commits = Arc::new(AtomicU64::new(0));
    let counter = commits.clone();
    machine.storage.observe_commits(Box::new(move |_| {
        counter.fetch_add(1, Ordering::Relaxed);
    }));
    let commit = marker((1, 0), TransactionResult::Commit, 1);
    let markers: Vec<_> = partitions.iter().map(|partition| (partition.clone(), commit)).collect();
    let mut credits = credits(&machine, &[TransactionMarker::PAYLOAD_BYTES; PARTITIONS as usize]);
    let storage = machine.storage.clone();
    let done = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        // A writer that takes what it finds must not find half of them.
        let writer = scope.spawn(|| {
            while !done.load(Ordering::Acquire) {
                storage.commit_step().unwrap();
            }
        });
        let admitted = machine.storage.append_markers(&mut credits, &markers);
        assert!(admitted.iter().all(Result::is_ok));
        done.store(true, Ordering::Release);
        writer.join().unwrap();
    });
    machine.commit().unwrap();
    assert_eq!(commits.load(Ordering::Relaxed), 1);
    assert!(partitions.iter().all(|partition| last_stable(partition) == 2));
}
