//! Histories of keyed records, and what a cleaning may do to them. By the log's public face alone: the crash
//! tests run against the optimised library as well.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;

use crate::env::Random;
use crate::env::simulated::SeededRandom;
use crate::log::{CleaningLimits, CleaningStats, Compaction, LogConfig, LogError, PartitionLog};
use crate::model::{LeaderEpoch, Offset, ProducerEpoch, ProducerId, Timestamp};
use crate::protocol::batch::{BatchBuilder, CompressionType, DecompressionCaps, NewRecord, records};

pub(super) const DELETE_RETENTION: Duration = Duration::from_secs(100);
pub(super) const STEP_BYTES: u64 = 300;

pub(super) fn limits(keys: u64) -> CleaningLimits {
    CleaningLimits { key_map_bytes: keys * 24, key_map_load_factor: 1.0, write_buffer_bytes: 200 }
}

pub(super) fn config() -> LogConfig {
    LogConfig {
        segment_bytes: 700,
        index_interval_bytes: 200,
        compaction: Some(Compaction { delete_retention: DELETE_RETENTION, ..Compaction::default() }),
        ..LogConfig::default()
    }
}

/// A record as it was written: key, value or tombstone.
pub(super) type Written = (u8, Option<u32>);

/// Everything that was appended, by offset, and the batches that hold it.
#[derive(Clone, Default)]
pub(super) struct History {
    pub records: Vec<Written>,
    pub batches: Vec<Bytes>,
}

impl History {
    /// Batches of one to three records of few keys, one in six a tombstone; some are compressed, all are of
    /// one of three idempotent producers.
    pub(super) fn draw(seed: u64, batches: usize) -> History {
        let random = SeededRandom::new(seed);
        let pick = |bound: u64| random.next_u64() % bound;
        let mut history = History::default();
        let mut sequences = [0; 3];
        for _ in 0..batches {
            let records: Vec<Written> =
                (0..=pick(3)).map(|_| (pick(8) as u8, (pick(6) > 0).then(|| pick(1 << 30) as u32))).collect();
            let producer = pick(3) as usize;
            let compression = [CompressionType::None, CompressionType::Lz4][pick(2) as usize];
            let producer = (producer as i64, sequences[producer]);
            sequences[producer.0 as usize] += records.len() as i32;
            history.push(&records, producer, compression);
        }
        history
    }

    pub(super) fn push(&mut self, records: &[Written], producer: (i64, i32), compression: CompressionType) {
        let mut builder = BatchBuilder::new();
        builder.base_offset = Offset(self.records.len() as i64);
        builder.partition_leader_epoch = LeaderEpoch(1);
        builder.compression = compression;
        (builder.producer_id, builder.base_sequence) = (ProducerId(producer.0), producer.1);
        builder.producer_epoch = ProducerEpoch(0);
        for (at, (key, value)) in records.iter().enumerate() {
            let value = value.map(u32::to_be_bytes);
            let timestamp = Timestamp(1000 + (self.records.len() + at) as i64);
            let value = value.as_ref().map(|bytes| &bytes[..]);
            builder.push(NewRecord { timestamp, key: Some(&[*key]), value, headers: &[] });
        }
        self.records.extend_from_slice(records);
        self.batches.push(Bytes::from(builder.build()));
    }

    pub(super) fn end(&self) -> i64 {
        self.records.len() as i64
    }

    /// What a cleaning may never take away, and never bring back: records are those that were written, those
    /// from `uncleaned` on are all there, and of each key the newest one is the newest there was, unless that
    /// is a tombstone and nothing is left of the key.
    pub(super) fn check(&self, found: &BTreeMap<i64, Written>, start: i64, uncleaned: i64, what: &str) {
        for (offset, record) in found {
            assert_eq!(self.records[*offset as usize], *record, "{what}: offset {offset}");
        }
        for offset in start.max(uncleaned)..self.end() {
            assert!(found.contains_key(&offset), "{what}: offset {offset} was never to be cleaned");
        }
        let written = newest_of((start..).zip(self.records.iter().skip(start as usize)));
        let left = newest_of(found.range(start..).map(|(at, record)| (*at, record)));
        for (key, (offset, value)) in &written {
            let left = left.get(key);
            assert!(
                left == Some(&(*offset, *value)) || (left.is_none() && value.is_none()),
                "{what}: of key {key} {left:?} is left, the newest is {value:?} at {offset}"
            );
        }
    }
}

/// The last of each key: its offset and value.
fn newest_of<'a>(records: impl Iterator<Item = (i64, &'a Written)>) -> BTreeMap<u8, (i64, Option<u32>)> {
    records.map(|(offset, (key, value))| (*key, (offset, *value))).collect()
}

/// Every record in these batches, by offset.
pub(super) fn records_of(mut bytes: &[u8]) -> BTreeMap<i64, Written> {
    let mut found = BTreeMap::new();
    while !bytes.is_empty() {
        let set = records(bytes, &DecompressionCaps::default()).unwrap();
        for record in &set {
            let record = record.unwrap();
            let value = record.value.map(|value| u32::from_be_bytes(value.try_into().unwrap()));
            let offset = set.header().base_offset.0 + i64::from(record.offset_delta);
            assert_eq!(record.timestamp, Timestamp(1000 + offset), "a record's time stays");
            found.insert(offset, (record.key.unwrap()[0], value));
        }
        bytes = &bytes[set.header().size_bytes()..];
    }
    found
}

/// One whole cleaning, whether it is due or not; `None` if nothing can be cleaned.
pub(super) fn clean(log: &PartitionLog, limits: CleaningLimits) -> Result<Option<CleaningStats>, LogError> {
    let Some(cleanable) = log.cleanable(Offset(i64::MAX))? else { return Ok(None) };
    if cleanable.cleanable_bytes == 0 {
        return Ok(None);
    }
    let mut cleaning = log.begin_cleaning(&cleanable, limits, None)?;
    while !cleaning.step(log, STEP_BYTES)?.is_done {}
    Ok(Some(cleaning.stats()))
}

pub(super) fn checkpoint(log: &PartitionLog) -> Result<i64, LogError> {
    let end = log.sync()?;
    log.checkpointed(end)?;
    Ok(end.0)
}
