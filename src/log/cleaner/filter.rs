//! What of a batch survives. Pure.
//!
//! Compressed records are not looked into on the way into a topic that is not compacted, so that a producer
//! may have sent what cannot be read, and the topic be compacted later. Such a batch stays as it is: it has
//! no keys that anybody knows. (Kafka refuses it when it is produced.)

use std::collections::HashMap;

use super::key_map::{Full, KeyMap};
use super::transactions::TransactionSieve;
use crate::log::Times;
use crate::model::{Offset, ProducerEpoch, ProducerId, Timestamp};
use crate::protocol::batch::{
    BatchError, BatchHeader, ControlType, DecompressionCaps, RecordSet, records, with_fewer_records,
    without_records,
};

/// The records of a batch, as far as memory is given for them: no more than for one that is produced to a
/// compacted topic.
pub(super) fn read(batch: &[u8]) -> Result<RecordSet<'_>, BatchError> {
    records(batch, &DecompressionCaps::default())
}

/// A producer's place in the log, by its newest batch.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct LastBatch {
    pub producer_epoch: ProducerEpoch,
    /// `None`: only markers are known of it.
    pub last_offset: Option<Offset>,
}

/// What becomes of a batch.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// It stays, byte for byte.
    Keep,
    /// These bytes take its place.
    Replace(Vec<u8>),
    /// Nothing of it stays.
    Drop,
}

/// What decides which records stay, in one cleaning.
pub(super) struct Filter<'a> {
    pub keys: &'a KeyMap,
    /// Time at the begin of the cleaning.
    pub now: Times,
    /// `delete.retention.ms`.
    pub delete_retention_ms: i64,
    /// Tombstones and markers at or above it do not begin to wait: older records of their keys, or batches
    /// of their transactions, may be left where this cleaning does not come.
    pub waits_below: Offset,
    /// The newest batch of each producer that is remembered.
    pub last_batches: &'a HashMap<ProducerId, LastBatch>,
    pub transactions: &'a mut TransactionSieve,
    /// Counts batches that nobody can read.
    pub unreadable: &'a mut u64,
}

/// What the batch as a whole allows.
#[derive(Clone, Copy)]
struct Allowed {
    /// Its records go whatever their keys are.
    discards: bool,
    /// Its producer's newest, or the last one below the end: it stays though nothing be left in it.
    stays_empty: bool,
    /// A marker whose transaction is gone: from now on it waits for its time.
    begins_to_wait: bool,
}

impl Filter<'_> {
    /// As Kafka's `Cleaner.cleanInto` with `MemoryRecords.filterTo`. Batches come in the order of their
    /// offsets. `is_last`: the last one that this cleaning touches, which keeps its offsets known.
    pub(super) fn batch(&mut self, bytes: &[u8], header: &BatchHeader, is_last: bool) -> Verdict {
        let set = read(bytes);
        let allowed = self.allowed(set.as_ref().ok(), header, is_last);
        if allowed.discards {
            return nothing_left(header, allowed);
        }
        let left = set.and_then(|set| self.left(&set, header, allowed));
        left.unwrap_or_else(|_| {
            *self.unreadable += 1;
            Verdict::Keep
        })
    }

    fn left(
        &self,
        set: &RecordSet<'_>,
        header: &BatchHeader,
        allowed: Allowed,
    ) -> Result<Verdict, BatchError> {
        let (keeps, has_tombstone) = self.survivors(set, header)?;
        let kept = keeps.iter().filter(|keep| **keep).count();
        if kept == 0 {
            return Ok(nothing_left(header, allowed));
        }
        let known = header.delete_horizon();
        // KIP-534: counted from the cleaning that meets it first, once.
        let may_wait = known.is_none() && header.last_offset() < self.waits_below;
        let sets_horizon = may_wait && (has_tombstone || allowed.begins_to_wait);
        if kept == keeps.len() && !sets_horizon {
            return Ok(Verdict::Keep);
        }
        let from_now = Timestamp(self.now.stamp.0.saturating_add(self.delete_retention_ms));
        let horizon = if sets_horizon { Some(from_now) } else { known };
        with_fewer_records(set, &|at| keeps[at], horizon).map(Verdict::Replace)
    }

    /// `set`: the records, if they can be read.
    fn allowed(&mut self, set: Option<&RecordSet<'_>>, header: &BatchHeader, is_last: bool) -> Allowed {
        let (producer_id, last_offset) = (header.producer_id, header.last_offset());
        let is_control = header.attributes.is_control();
        let may_go = match (is_control, header.attributes.is_transactional()) {
            (true, _) => self.transactions.marker(producer_id, last_offset, control_of(set)),
            (false, true) => self.transactions.batch(producer_id, last_offset),
            (false, false) => false,
        };
        let has_expired = self.has_expired(header);
        let is_producers_last = header.has_producer_id()
            && self.last_batches.get(&producer_id).is_some_and(|last| match last.last_offset {
                Some(offset) => offset == last_offset,
                None => is_control && last.producer_epoch == header.producer_epoch,
            });
        Allowed {
            discards: may_go && (!is_control || has_expired),
            stays_empty: is_producers_last || is_last,
            begins_to_wait: may_go && is_control,
        }
    }

    /// Whether what waits in it has waited long enough. Also what began to wait before anything was kept
    /// elsewhere waits for what is there.
    fn has_expired(&self, header: &BatchHeader) -> bool {
        let is_over = header.delete_horizon().is_some_and(|horizon| horizon <= self.now.believed);
        is_over && header.last_offset() < self.waits_below
    }

    /// Which records stay, and whether one of those is a tombstone whose time begins now.
    fn survivors(&self, set: &RecordSet<'_>, header: &BatchHeader) -> Result<(Vec<bool>, bool), BatchError> {
        let is_control = header.attributes.is_control();
        let tombstones_go = self.has_expired(header);
        let mut has_tombstone = false;
        let keep = |record: Result<crate::protocol::batch::Record<'_>, BatchError>| {
            let record = record?;
            let offset = header.base_offset.plus(i64::from(record.offset_delta));
            let is_beyond = self.keys.latest().is_none_or(|latest| offset > latest);
            if is_control || is_beyond {
                return Ok(true);
            }
            // As in Kafka: a record without a key, from before the topic was compacted, goes.
            let Some(key) = record.key else { return Ok(false) };
            let is_tombstone = record.value.is_none();
            let stays = self.keys.is_newest(key, offset) && !(is_tombstone && tombstones_go);
            has_tombstone |= stays && is_tombstone;
            Ok(stays)
        };
        let keeps = set.iter().map(keep).collect::<Result<Vec<bool>, BatchError>>()?;
        Ok((keeps, has_tombstone))
    }
}

fn nothing_left(header: &BatchHeader, allowed: Allowed) -> Verdict {
    match allowed.stays_empty {
        true if header.records_count == 0 => Verdict::Keep,
        true => Verdict::Replace(without_records(header)),
        false => Verdict::Drop,
    }
}

/// What the marker in a control batch says; `None` for an emptied one. One that nobody can read is kept.
fn control_of(set: Option<&RecordSet<'_>>) -> Option<ControlType> {
    const UNREADABLE: ControlType = ControlType::Other(-1);
    let Some(set) = set else { return Some(UNREADABLE) };
    let record = set.iter().next()?;
    Some(record.ok().and_then(|record| record.key.and_then(ControlType::parse)).unwrap_or(UNREADABLE))
}

/// Puts the keys of a batch's records from `from` on into the map; `Full` where it has no room for the next
/// one. `transactions` as far as the walk has come.
pub(super) fn map_batch(
    keys: &mut KeyMap,
    transactions: &mut TransactionSieve,
    (bytes, header): (&[u8], &BatchHeader),
    from: Offset,
) -> Result<(), Full> {
    let attributes = header.attributes;
    let set = read(bytes).ok();
    let goes = match (attributes.is_control(), attributes.is_transactional()) {
        (true, _) => {
            transactions.marker(header.producer_id, header.last_offset(), control_of(set.as_ref()));
            true
        }
        (false, true) => transactions.batch(header.producer_id, header.last_offset()),
        (false, false) => false,
    };
    // Of a batch that cannot be read to its end no key counts: older records of those it seems to have stay.
    let whole = set.filter(|set| !goes && set.iter().all(|record| record.is_ok()));
    if let Some(set) = whole {
        for record in set.iter().flatten() {
            let offset = header.base_offset.plus(i64::from(record.offset_delta));
            if let Some(key) = record.key.filter(|_| offset >= from)
                && keys.put(key, offset).is_err()
            {
                return Err(Full);
            }
        }
    }
    if header.last_offset() >= from {
        keys.reached(header.last_offset());
    }
    Ok(())
}

#[cfg(test)]
mod tests;
