//! Transactions as a partition has them: who may begin one, what its markers do, how far they let readers.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use bytes::Bytes;

use crate::env::simulated::{CrashPlan, SimulatedWorld};
use crate::log::AbortedTransaction;
use crate::model::{CoordinatorEpoch, Offset, ProducerEpoch, ProducerId, Timestamp, TransactionResult};
use crate::partition::{
    Admission, AppendError, Appender, CheckpointReach, Credits, MarkerOrigin, Partition, PartitionRead,
    Purpose, TransactionMarker, Verification,
};
use crate::protocol::batch::{
    BatchBuilder, BatchHeader, EndTransactionMarker, NewRecord, ProduceRules, ProducedBatch,
    validate_produced,
};
use crate::wal::SyncMode;

use super::bucket::Copied;
use super::compaction::KEYS;
use super::machine::{Batch, Ended, Machine, Model, Promised, id};

const NOW: Timestamp = Timestamp(1000);
/// Steps of transactions that follow each other in one partition.
const STEPS_AT_ONCE: u32 = 6;

pub(super) fn machine(partitions: i32) -> Machine {
    let mut machine = Machine::open(SimulatedWorld::new(7), Model::default(), SyncMode::Fsync).unwrap();
    machine.create_topic("bank", partitions).unwrap();
    machine
}

pub(super) fn partition(machine: &Machine, index: i32) -> Arc<Partition> {
    machine.storage.partition(id(&machine.model.topics[0], index)).unwrap()
}

pub(crate) fn transactional(producer: (i64, i16), sequence: i32) -> ProducedBatch {
    let mut builder = BatchBuilder::new();
    builder.producer_id = ProducerId(producer.0);
    builder.producer_epoch = ProducerEpoch(producer.1);
    builder.base_sequence = sequence;
    builder.is_transactional = true;
    let key = [(sequence % i32::from(KEYS)) as u8];
    let key = Some(&key[..]);
    builder.push(NewRecord { timestamp: NOW, key, value: Some(b"debit"), ..NewRecord::default() });
    validate_produced(&builder.build().into(), NOW, &ProduceRules::lenient()).unwrap()
}

pub(crate) fn marker(producer: (i64, i16), result: TransactionResult, version: i16) -> TransactionMarker {
    TransactionMarker {
        origin: MarkerOrigin::Client,
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
pub(super) fn write(machine: &Machine, partition: &Arc<Partition>, producer: (i64, i16), sequence: i32) {
    let identity = (ProducerId(producer.0), ProducerEpoch(producer.1));
    let guard = partition.begin_verification(identity, sequence, false, NOW).unwrap();
    let verification = guard.map_or(Verification::Ongoing, Verification::Verified);
    let batch = transactional(producer, sequence);
    append(machine, partition, &batch, Appender { is_client: true, verification }).unwrap();
}

pub(super) fn mark(
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
    let done = AtomicBool::new(false);
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

/// Whether a batch is part of a transaction, or ends one.
pub(super) fn is_part(batch: &Batch) -> bool {
    BatchHeader::parse(&batch.bytes).unwrap().attributes.is_transactional()
}

/// Where one producer of a workload is in a partition.
#[derive(Clone, Copy, Default)]
struct Place {
    producer_epoch: i16,
    next_sequence: i32,
    first_offset: Option<Offset>,
}

/// What the batches of a partition come to, in order: each producer's place, and what was aborted.
fn replayed(batches: &[Batch]) -> (BTreeMap<i64, Place>, Vec<AbortedTransaction>) {
    let mut places: BTreeMap<i64, Place> = BTreeMap::new();
    let mut aborted = Vec::new();
    for batch in batches.iter().filter(|batch| is_part(batch)) {
        let header = BatchHeader::parse(&batch.bytes).unwrap();
        let place = places.entry(header.producer_id.0).or_default();
        if place.producer_epoch != header.producer_epoch.0 {
            (place.producer_epoch, place.next_sequence) = (header.producer_epoch.0, 0);
        }
        if !header.attributes.is_control() {
            place.next_sequence = header.last_sequence() + 1;
            place.first_offset.get_or_insert(batch.base_offset);
            continue;
        }
        let first_offset = place.first_offset.take();
        let marker = EndTransactionMarker::of_batch(&batch.bytes).unwrap().unwrap();
        if let Some(first_offset) = first_offset.filter(|_| marker.result == TransactionResult::Abort) {
            let first_undecided = places.values().filter_map(|place| place.first_offset).min();
            let last_offset = batch.base_offset;
            aborted.push(AbortedTransaction {
                producer_id: header.producer_id,
                first_offset,
                last_offset,
                last_stable_offset: first_undecided.unwrap_or(last_offset.plus(1)),
            });
        }
    }
    (places, aborted)
}

/// After a recovery, when all that is in a log is committed: how far readers of committed transactions get,
/// and which they leave out, is what the batches say.
pub(super) fn verify(name: &str, open: &Partition, promised: &Promised) {
    let (start, expected, mut aborted) = verify_ends(name, open, promised);
    aborted.retain(|aborted| start < expected && aborted.overlaps(start, expected));
    aborted.sort_by_key(|aborted| aborted.last_offset);
    assert_eq!(
        aborted_from(open, &promised.copied, start, expected),
        aborted,
        "{name}: aborted transactions"
    );
}

/// The last stable offset, and which producers have a transaction open. Gives the log start, the last stable
/// offset, and all that was ever aborted.
pub(super) fn verify_ends(
    name: &str,
    open: &Partition,
    promised: &Promised,
) -> (Offset, Offset, Vec<AbortedTransaction>) {
    let watermarks = open.watermarks();
    let (start, end) = (watermarks.log_start_offset, watermarks.high_watermark);
    let in_log: Vec<_> = promised.batches.iter().filter(|batch| batch.end_offset <= end).cloned().collect();
    let (places, aborted) = replayed(&in_log);
    let first_open = places.values().filter_map(|place| place.first_offset).min();
    let expected = first_open.unwrap_or(end).max(start);
    assert_eq!(watermarks.last_stable_offset, expected, "{name}: last stable offset, {start} to {end}");
    let open_now = open.active_producers().unwrap();
    let found = open_now.iter().filter(|producer| producer.transaction.is_some()).count();
    assert_eq!(found, places.values().filter(|place| place.first_offset.is_some()).count(), "{name}");
    (start, expected, aborted)
}

/// Batches of records that count: of no transaction, or of one that was committed. Beside them those of
/// aborted ones, which a reader is to leave out; what is open is in neither.
pub(super) fn settled(batches: &[Batch]) -> (Vec<Batch>, Vec<Batch>) {
    let (mut counting, mut aborted) = (Vec::new(), Vec::new());
    let mut open: BTreeMap<ProducerId, Vec<Batch>> = BTreeMap::new();
    for batch in batches {
        let header = BatchHeader::parse(&batch.bytes).unwrap();
        if !header.attributes.is_transactional() {
            counting.push(batch.clone());
        } else if !header.attributes.is_control() {
            open.entry(header.producer_id).or_default().push(batch.clone());
        } else {
            let marker = EndTransactionMarker::of_batch(&batch.bytes).unwrap().unwrap();
            let ended = open.remove(&header.producer_id).unwrap_or_default();
            let commits = marker.result == TransactionResult::Commit;
            if commits { counting.extend(ended) } else { aborted.extend(ended) }
        }
    }
    (counting, aborted)
}

/// What a reader of committed transactions is told, a small piece of the log at a time.
pub(super) fn aborted_from(
    open: &Partition,
    copied: &Copied,
    start: Offset,
    end: Offset,
) -> Vec<AbortedTransaction> {
    let mut all: Vec<AbortedTransaction> = Vec::new();
    let mut at = start;
    while at < end {
        let (read, mut aborted) = open.read_committed(at, 400, true).unwrap();
        let next = match read {
            PartitionRead::Empty(_) => panic!("nothing at {at}, below the last stable offset {end}"),
            PartitionRead::Remote(_) => {
                let (next, in_bucket) = copied.read(at);
                aborted.retain(|aborted| aborted.overlaps(at, next));
                aborted.extend(in_bucket);
                aborted.extend(open.local_aborted(at, next).unwrap());
                next
            }
            PartitionRead::Tail(pieces, _) => {
                BatchHeader::parse(pieces.last().unwrap()).unwrap().next_offset()
            }
            PartitionRead::Segments(watermarks) => {
                let below = Some(watermarks.last_stable_offset);
                let read = open.read_segments_below(below, at, 400, true).unwrap();
                aborted.retain(|aborted| aborted.overlaps(at, read.next_offset));
                aborted.extend(read.aborted);
                read.next_offset
            }
        };
        assert!(aborted.iter().all(|aborted| aborted.overlaps(at, next)), "{at} to {next}: {aborted:?}");
        all.extend(aborted);
        at = next;
    }
    all.sort_by_key(|aborted| aborted.last_offset);
    all.dedup();
    all
}

impl Machine {
    /// One of three producers writes in its transaction, or has it ended. The third one's are of version 2.
    pub(super) fn go_on_with_a_transaction(
        &mut self,
        index: usize,
        partition: i32,
        draw: u64,
    ) -> Result<(), Ended> {
        let Some(open) = self.storage.partition(id(&self.model.topics[index], partition)) else {
            return Err(Ended);
        };
        let promised = &self.model.topics[index].partitions[partition as usize];
        let producer_id = 21 + (draw % 3) as i64;
        let place = replayed(&promised.batches).0.get(&producer_id).copied().unwrap_or_default();
        let (bytes, sequence, admission) = if place.first_offset.is_some() && draw % 5 < 2 {
            let version = if producer_id == 23 { 2 } else { 1 };
            let result =
                if draw.is_multiple_of(2) { TransactionResult::Abort } else { TransactionResult::Commit };
            let producer_epoch = place.producer_epoch + i16::from(version == 2);
            let marker = marker((producer_id, producer_epoch), result, version);
            let mut credits = self.admit(TransactionMarker::PAYLOAD_BYTES)?;
            let now = self.storage_env().clock.now();
            let admission = self.storage.append_markers(&mut credits, &[(open, marker)]).remove(0);
            let coordinator_epoch = marker.coordinator_epoch;
            let bytes = EndTransactionMarker { result, coordinator_epoch }.batch(
                marker.producer_id,
                marker.producer_epoch,
                now,
            );
            (Bytes::from(bytes), -1, admission)
        } else {
            let batch = transactional((producer_id, place.producer_epoch), place.next_sequence);
            let appender = Appender { is_client: true, verification: Verification::NotRequired };
            let mut credits = self.admit(batch.bytes.len())?;
            let admission = self.storage.append_by(appender, &open, &mut credits, &batch);
            (batch.bytes, place.next_sequence, admission)
        };
        let Admission::Appended { base_offset, end_offset, .. } = admission.map_err(|_| Ended)? else {
            panic!("it was taken for a duplicate");
        };
        let promised = &mut self.model.topics[index].partitions[partition as usize];
        promised.batches.push(Batch { base_offset, end_offset, bytes, sequence });
        Ok(())
    }
}

impl Machine {
    /// Some steps of all three producers. In three cases of four nothing is open behind them, and a
    /// checkpoint covers it: else there would seldom be something to clean.
    pub(super) fn run_transactions(&mut self, index: usize, partition: i32, draw: u64) -> Result<(), Ended> {
        for step in 0..STEPS_AT_ONCE {
            self.go_on_with_a_transaction(index, partition, draw.rotate_right(7 * step) >> 8)?;
        }
        if draw.is_multiple_of(4) {
            return Ok(());
        }
        for producer in 0..3 {
            let promised = &self.model.topics[index].partitions[partition as usize];
            let place = replayed(&promised.batches).0.get(&(21 + producer as i64)).copied();
            if place.is_some_and(|place| place.first_offset.is_some()) {
                let ends = |draw: &u64| draw % 3 == producer && draw % 5 < 2;
                let draw = (draw >> 8..).find(ends).expect("one in eight does");
                self.go_on_with_a_transaction(index, partition, draw)?;
            }
        }
        self.storage.checkpoint_step(CheckpointReach::All)?;
        Ok(())
    }
}

/// Aborted ones are told of wherever their markers are: in the tail, in segments, after a restart, and after
/// their index was lost.
#[test]
fn readers_of_committed_transactions_are_told_what_to_leave_out() {
    let mut machine = machine(1);
    for draw in 0..400_u64 {
        machine.go_on_with_a_transaction(0, 0, draw.wrapping_mul(2_654_435_761) >> 7).unwrap();
        if draw % 10 == 0 {
            machine.commit().unwrap();
        }
        match draw {
            100 | 250 => machine.storage.flush_step(0).unwrap(),
            200 => drop(machine.storage.checkpoint_step(CheckpointReach::All).unwrap()),
            _ => {}
        }
    }
    machine.commit().unwrap();
    let survivors = machine.verify();
    let kinds =
        |machine: &Machine| machine.durable_files().keys().filter(|name| name.ends_with(".txnindex")).count();
    assert!(kinds(&machine) > 2, "the log has several indexes");
    let world = machine.world.after_crash(CrashPlan::DropUnsynced);
    drop(machine);
    let machine = Machine::open(world, survivors, SyncMode::Fsync).unwrap();
    let survivors = machine.verify();
    let indexes = machine.durable_files();
    let world = machine.world.after_kill();
    drop(machine);
    for name in indexes.keys().filter(|name| name.ends_with(".txnindex")) {
        let path = std::path::Path::new(super::machine::ROOT).join(name);
        crate::env::Files::remove_file(&world.files, &path).unwrap();
    }
    let machine = Machine::open(world, survivors, SyncMode::Fsync).unwrap();
    machine.verify();
    let written_anew = machine.durable_files();
    for (name, bytes) in indexes.iter().filter(|(name, _)| name.ends_with(".txnindex")) {
        assert_eq!(written_anew.get(name), Some(bytes), "{name}");
    }
}

/// The workloads would prove nothing of transactions if there were none in them.
#[test]
fn workloads_abort_and_commit() {
    use super::crash_points::{Workload, work};
    let (mut aborted, mut open) = (0, 0);
    for seed in [5, 10, 25, 35] {
        let world = SimulatedWorld::new(seed);
        let mut machine = Machine::open(world, Model::default(), SyncMode::Fsync).unwrap();
        work(&mut machine, Workload::Transactional(seed)).unwrap();
        for promised in machine.model.topics.iter().flat_map(|topic| &topic.partitions) {
            let (places, ended) = replayed(&promised.batches);
            aborted += ended.len();
            open += places.values().filter(|place| place.first_offset.is_some()).count();
        }
        machine.verify();
    }
    assert!(aborted > 5 && open > 5, "{aborted} aborted, {open} open");
}
