//! Compacted topics in the machine: cleaning them, and what must be left of them.

use std::collections::BTreeMap;

use bytes::Bytes;

use crate::env::simulated::SimulatedWorld;
use crate::log::{AbortedTransaction, CleaningLimits};
use crate::model::{Offset, TransactionResult};
use crate::partition::{CheckpointReach, CleanStep, Partition};
use crate::protocol::batch::{BatchHeader, DecompressionCaps, records};
use crate::wal::SyncMode;

use super::machine::{Batch, Ended, Machine, Model, Promised, id};
use super::transactions::{aborted_from, is_part, mark, marker, partition, settled, verify_ends, write};

/// Keys of all records of a partition.
pub(super) const KEYS: u8 = 7;
/// One step of a cleaning: several to a segment.
const STEP_BYTES: u64 = 3000;

/// What a record of a compacted topic has as its key, and whether it is a tombstone.
pub(super) fn key_of(value: &[u8], place: i32) -> (u8, bool) {
    (value[0].wrapping_add(place as u8) % KEYS, value.len().is_multiple_of(5))
}

impl Machine {
    /// One cleaning, whether it is due or not; whether it took anything away.
    pub(super) fn clean(&mut self, index: usize, partition: i32, draw: u64) -> Result<bool, Ended> {
        let Some(open) = self.storage.partition(id(&self.model.topics[index], partition)) else {
            return Err(Ended);
        };
        let Some(cleanable) = open.log().cleanable(open.decided_in_segments()).map_err(|_| Ended)? else {
            return Ok(false);
        };
        if cleanable.cleanable_bytes == 0 {
            return Ok(false);
        }
        let promised = &mut self.model.topics[index].partitions[partition as usize];
        promised.cleaned_to = promised.cleaned_to.max(cleanable.first_uncleanable_offset);
        // Now and then a map that takes several cleanings.
        let keys = if draw.is_multiple_of(3) { 4 } else { 100 };
        let limits =
            CleaningLimits { key_map_bytes: keys * 24, key_map_load_factor: 1.0, write_buffer_bytes: 700 };
        // What is in the bucket is not cleaned here: there may be something older of every key.
        let waits_below = open.log().config().tiering.map(|_| Offset(0));
        let Some(mut cleaning) = self.storage.begin_cleaning(&open, &cleanable, limits, waits_below) else {
            return Err(Ended);
        };
        loop {
            match self.storage.clean_step(&open, &mut cleaning, STEP_BYTES) {
                CleanStep::Went(_) => {}
                CleanStep::Done(_, stats) => return Ok(stats.written_bytes < stats.read_bytes),
                CleanStep::BrokeOff => return Err(Ended),
                // A disk that has crashed cannot be read either.
                CleanStep::Damaged if self.world.files.crashed() => return Err(Ended),
                CleanStep::Damaged => panic!("a cleaning found damage"),
            }
        }
    }
}

type Left = (u8, Option<Vec<u8>>);

/// Of control batches nothing.
fn records_of(base_offset: Offset, batch: &Bytes, into: &mut BTreeMap<i64, Left>) {
    if BatchHeader::parse(batch).unwrap().attributes.is_control() {
        return;
    }
    for record in &records(batch, &DecompressionCaps::default()).unwrap() {
        let record = record.unwrap();
        let value = record.value.map(<[u8]>::to_vec);
        into.insert(base_offset.0 + i64::from(record.offset_delta), (record.key.unwrap()[0], value));
    }
}

/// What is left are records that were sent, all of those that no cleaning ever reached, and of each key the
/// newest, unless that is a tombstone and the key is gone altogether: no older value comes back. What was
/// aborted, or is not decided, is no key's newest.
pub(super) fn verify_compacted(
    name: &str,
    open: &Partition,
    batches: &[(Offset, Bytes)],
    promised: &Promised,
    range: [Offset; 2],
) {
    let [start, end] = range.map(|offset| offset.0);
    let in_log: Vec<_> = promised.batches.iter().filter(|batch| batch.end_offset.0 <= end).cloned().collect();
    let all_of = |batches: &[Batch]| {
        let mut all = BTreeMap::new();
        batches.iter().for_each(|batch| records_of(batch.base_offset, &batch.bytes, &mut all));
        all
    };
    let (sent, mut found) = (all_of(&in_log), BTreeMap::new());
    batches.iter().for_each(|(base, bytes)| records_of(*base, bytes, &mut found));
    for (offset, record) in &found {
        assert!(sent.get(offset) == Some(record), "{name}: offset {offset} holds what nobody sent");
    }
    let uncleaned = start.max(promised.cleaned_to.0);
    for (offset, _) in sent.range(uncleaned..) {
        assert!(found.contains_key(offset), "{name}: offset {offset} is gone, and was never to be cleaned");
    }
    for batch in in_log.iter().filter(|batch| batch.base_offset.0 >= uncleaned) {
        let is_there = batches.iter().any(|(base, _)| *base == batch.base_offset);
        assert!(is_there, "{name}: the batch at {} is gone", batch.base_offset);
    }
    let (counting, aborted) = settled(&in_log);
    let counting = all_of(&counting);
    let newest = |records: &BTreeMap<i64, Left>| -> BTreeMap<u8, (i64, bool)> {
        let of_key = |(offset, (key, value)): (&i64, &Left)| (*key, (*offset, value.is_none()));
        records.range(start..).filter(|(offset, _)| counting.contains_key(*offset)).map(of_key).collect()
    };
    let left = newest(&found);
    for (key, (offset, is_tombstone)) in newest(&sent) {
        let found = left.get(&key).map(|(offset, _)| *offset);
        assert!(
            found == Some(offset) || (is_tombstone && found.is_none()),
            "{name}: of key {key} offset {found:?} is left, the newest is {offset}"
        );
    }
    verify_readers(name, open, &found, promised, &aborted);
}

/// Readers of committed records are told to leave out every record of an aborted transaction that is
/// left, and no other one.
fn verify_readers(
    name: &str,
    open: &Partition,
    found: &BTreeMap<i64, Left>,
    promised: &Promised,
    aborted: &[Batch],
) {
    let (start, last_stable_offset, _) = verify_ends(name, open, promised);
    let told = aborted_from(open, &promised.copied, start, last_stable_offset);
    for batch in promised.batches.iter().filter(|batch| is_part(batch)) {
        let header = BatchHeader::parse(&batch.bytes).unwrap();
        let offset = batch.base_offset;
        if header.attributes.is_control() || offset >= last_stable_offset || !found.contains_key(&offset.0) {
            continue;
        }
        let covers = |told: &&AbortedTransaction| {
            told.producer_id == header.producer_id && told.first_offset <= offset && offset < told.last_offset
        };
        let is_aborted = aborted.iter().any(|aborted| aborted.base_offset == offset);
        assert_eq!(told.iter().any(|it| covers(&it)), is_aborted, "{name}: {offset}, of {told:?}");
    }
}

/// A cleaning reads segments alone: it would find nothing decided, come to nothing, and be chosen again.
#[test]
fn a_log_is_chosen_once_its_segments_say_how_its_transactions_ended() {
    let mut machine = Machine::open(SimulatedWorld::new(7), Model::default(), SyncMode::Fsync).unwrap();
    machine.compacts = true;
    machine.create_topic("t", 1).unwrap();
    let open = partition(&machine, 0);
    write(&machine, &open, (1, 0), 0);
    for byte in 0..40 {
        machine.append(0, 0, &[byte; 100], 1).unwrap();
    }
    let settle = |machine: &mut Machine| {
        machine.commit().unwrap();
        machine.storage.flush_step(0).unwrap();
        machine.storage.checkpoint_step(CheckpointReach::All).unwrap();
    };
    let chosen = |machine: &Machine| machine.storage.survey_cleaning(&|_| false).next;
    settle(&mut machine);
    assert!(chosen(&machine).is_none(), "it is open");
    mark(&machine, &open, marker((1, 0), TransactionResult::Commit, 1)).unwrap();
    machine.commit().unwrap();
    assert_eq!(open.watermarks().last_stable_offset, open.watermarks().high_watermark);
    assert!(chosen(&machine).is_none(), "its marker is in memory alone");
    settle(&mut machine);
    assert!(chosen(&machine).is_some());
    assert!(machine.clean(0, 0, 1).unwrap());
    assert!(chosen(&machine).is_none(), "it was cleaned");
}
