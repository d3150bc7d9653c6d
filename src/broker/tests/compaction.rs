//! Compacted topics in the machine: cleaning them, and what must be left of them.

use std::collections::BTreeMap;

use bytes::Bytes;

use crate::log::CleaningLimits;
use crate::model::Offset;
use crate::partition::CleanStep;
use crate::protocol::batch::{DecompressionCaps, records};

use super::machine::{Ended, Machine, Promised, id};

/// Keys of all records of a partition.
const KEYS: u8 = 7;
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
        let high_watermark = open.watermarks().high_watermark;
        let Some(cleanable) = open.log().cleanable(high_watermark).map_err(|_| Ended)? else {
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
        let Some(mut cleaning) = self.storage.begin_cleaning(&open, &cleanable, limits) else {
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

fn records_of(base_offset: Offset, batch: &Bytes, into: &mut BTreeMap<i64, Left>) {
    for record in &records(batch, &DecompressionCaps::default()).unwrap() {
        let record = record.unwrap();
        let value = record.value.map(<[u8]>::to_vec);
        into.insert(base_offset.0 + i64::from(record.offset_delta), (record.key.unwrap()[0], value));
    }
}

/// What is left are records that were sent, all of those that no cleaning ever reached, and of each key the
/// newest, unless that is a tombstone and the key is gone altogether: no older value comes back.
pub(super) fn verify_compacted(
    name: &str,
    batches: &[(Offset, Bytes)],
    promised: &Promised,
    range: [Offset; 2],
) {
    let [start, end] = range.map(|offset| offset.0);
    let (mut sent, mut found) = (BTreeMap::new(), BTreeMap::new());
    for batch in promised.batches.iter().filter(|batch| batch.end_offset.0 <= end) {
        records_of(batch.base_offset, &batch.bytes, &mut sent);
    }
    batches.iter().for_each(|(base, bytes)| records_of(*base, bytes, &mut found));
    for (offset, record) in &found {
        assert!(sent.get(offset) == Some(record), "{name}: offset {offset} holds what nobody sent");
    }
    for (offset, _) in sent.range(start.max(promised.cleaned_to.0)..) {
        assert!(found.contains_key(offset), "{name}: offset {offset} is gone, and was never to be cleaned");
    }
    let newest = |records: &BTreeMap<i64, Left>| -> BTreeMap<u8, (i64, bool)> {
        let of_key = |(offset, (key, value)): (&i64, &Left)| (*key, (*offset, value.is_none()));
        records.range(start..).map(of_key).collect()
    };
    let left = newest(&found);
    for (key, (offset, is_tombstone)) in newest(&sent) {
        let found = left.get(&key).map(|(offset, _)| *offset);
        assert!(
            found == Some(offset) || (is_tombstone && found.is_none()),
            "{name}: of key {key} offset {found:?} is left, the newest is {offset}"
        );
    }
}
