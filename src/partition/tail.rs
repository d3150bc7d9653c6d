//! The in-memory tail of a partition: batches that stand in the WAL and not yet in a segment.

use std::collections::VecDeque;

use bytes::Bytes;

use crate::model::{Offset, Timestamp};
use crate::wal::{GroupSlice, Lsn};

/// One batch of the tail. Its bytes are a slice of the WAL group's buffer: nothing is copied.
pub(super) struct TailBatch {
    pub base_offset: Offset,
    /// First offset after it.
    pub end_offset: Offset,
    pub max_timestamp: Timestamp,
    pub lsn: Lsn,
    pub slice: GroupSlice,
}

/// Batches in offset order, without gaps between them.
#[derive(Default)]
pub(super) struct Tail {
    batches: VecDeque<TailBatch>,
    bytes: u64,
}

impl Tail {
    pub(super) fn push(&mut self, batch: TailBatch) {
        debug_assert!(self.batches.back().is_none_or(|last| last.end_offset == batch.base_offset));
        self.bytes += batch.slice.len() as u64;
        self.batches.push_back(batch);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.batches.is_empty()
    }

    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// First offset it holds.
    pub(super) fn start_offset(&self) -> Option<Offset> {
        self.batches.front().map(|batch| batch.base_offset)
    }

    /// LSN of its oldest batch: what holds back the tail window and the checkpoint.
    pub(super) fn oldest_lsn(&self) -> Option<Lsn> {
        self.batches.front().map(|batch| batch.lsn)
    }

    /// Whole batches from the one that contains `from`, ending at or before `end`, of at most `bytes_max`
    /// bytes together; the first one in any case if `at_least_one`.
    pub(super) fn read(&self, from: Offset, end: Offset, bytes_max: u64, at_least_one: bool) -> Vec<Bytes> {
        let first = self.batches.partition_point(|batch| batch.end_offset <= from);
        let mut pieces: Vec<Bytes> = Vec::new();
        let mut total = 0;
        for batch in self.batches.range(first..).take_while(|batch| batch.end_offset <= end) {
            total += batch.slice.len() as u64;
            if total > bytes_max && !(at_least_one && pieces.is_empty()) {
                break;
            }
            pieces.push(batch.slice.bytes().expect("a batch below the high watermark is in a sealed group"));
        }
        pieces
    }

    /// Batches that end at or before `end`, oldest first, at most about `bytes_max` bytes but at least one.
    pub(super) fn flushable(&self, end: Offset, bytes_max: u64) -> Vec<Bytes> {
        self.read(self.start_offset().unwrap_or_default(), end, bytes_max, true)
    }

    /// Forgets batches below `end`: they stand in a segment now.
    pub(super) fn drop_below(&mut self, end: Offset) {
        while let Some(front) = self.batches.front() {
            if front.end_offset > end {
                break;
            }
            self.bytes -= front.slice.len() as u64;
            self.batches.pop_front();
        }
    }

    /// Batches below `end`, with the largest timestamp of each, for look-ups by time.
    pub(super) fn batches_below(&self, end: Offset) -> impl Iterator<Item = &TailBatch> {
        self.batches.iter().take_while(move |batch| batch.end_offset <= end)
    }
}
