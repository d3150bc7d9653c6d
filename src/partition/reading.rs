//! What readers get: slices of the tail, extents of segments, and which of the transactions in them took no
//! effect.

use bytes::Bytes;

use super::{Partition, PartitionRead, ReadError, Watermarks};
use crate::env::FileExtent;
use crate::env::files::without_waiting;
use crate::log::{AbortedTransaction, LogError, LogRead};
use crate::model::{Offset, Timestamp};
use crate::protocol::batch::BatchHeader;

/// Said to who reads what is just written again after a full disk.
const BEING_REWRITTEN: &str = "its segments are being written again after the disk was full; try again";
/// Reads of files in one look-up that does not wait: a segment takes about a dozen where its index is right,
/// and its index of transactions half as many.
const READS_AT_ONCE_MAX: u32 = 64;

impl Partition {
    /// Reads committed batches from the one that contains `from`, of about `bytes_max` bytes.
    ///
    /// An offset between the high watermark and the log end is not an error: there is nothing yet.
    pub fn read(&self, from: Offset, bytes_max: u64, at_least_one: bool) -> Result<PartitionRead, ReadError> {
        let until = |watermarks: &Watermarks| watermarks.high_watermark;
        self.read_until(until, from, bytes_max, at_least_one).map(|(read, _)| read)
    }

    /// The same below the last stable offset, and the transactions that took no effect: all that a reader of
    /// the tail must know of, and those of a reader of segments whose markers are in the tail.
    pub fn read_committed(
        &self,
        from: Offset,
        bytes_max: u64,
        at_least_one: bool,
    ) -> Result<(PartitionRead, Vec<AbortedTransaction>), ReadError> {
        let until = |watermarks: &Watermarks| watermarks.last_stable_offset;
        self.read_until(until, from, bytes_max, at_least_one)
    }

    fn read_until(
        &self,
        until: impl FnOnce(&Watermarks) -> Offset,
        from: Offset,
        bytes_max: u64,
        at_least_one: bool,
    ) -> Result<(PartitionRead, Vec<AbortedTransaction>), ReadError> {
        let state = self.state.lock();
        state.readable()?;
        let watermarks = state.watermarks;
        if from < watermarks.log_start_offset || from > watermarks.log_end_offset {
            return Err(ReadError::OffsetOutOfRange { offset: from, watermarks });
        }
        let end = until(&watermarks);
        if from >= end {
            return Ok((PartitionRead::Empty(watermarks), Vec::new()));
        }
        if from < watermarks.local_log_start_offset {
            return Ok((PartitionRead::Remote(watermarks), Vec::new()));
        }
        if state.tail.start_offset().is_some_and(|start| start <= from) {
            let pieces = state.tail.read(from, end, bytes_max, at_least_one);
            let read_end = pieces.last().map_or(from, |last| end_offset(last));
            let aborted = state.transactions.aborted(from, read_end);
            return Ok((PartitionRead::Tail(pieces, watermarks), aborted));
        }
        Ok((PartitionRead::Segments(watermarks), state.transactions.aborted(from, end)))
    }

    /// The part of a read that lies in segments, if it can be found without waiting for the disk. `None` says
    /// nothing about the log: [`Partition::read_segments`] finds out. As [`Partition::read_segments_below`].
    pub fn read_segments_at_once(
        &self,
        below: Option<Offset>,
        from: Offset,
        bytes_max: u64,
        at_least_one: bool,
    ) -> Option<LogRead> {
        let read = || self.read_log(below, from, bytes_max, at_least_one);
        without_waiting(READS_AT_ONCE_MAX, read).ok()
    }

    /// The part of a read that lies in segments; may wait for the disk. A damaged log stops the partition.
    pub fn read_segments(
        &self,
        from: Offset,
        bytes_max: u64,
        at_least_one: bool,
    ) -> Result<Vec<FileExtent>, ReadError> {
        self.read_segments_below(None, from, bytes_max, at_least_one).map(|read| read.extents)
    }

    /// The same with a last stable offset, which the read ends below, and the aborted transactions in it
    /// whose markers are in segments.
    pub fn read_segments_below(
        &self,
        below: Option<Offset>,
        from: Offset,
        bytes_max: u64,
        at_least_one: bool,
    ) -> Result<LogRead, ReadError> {
        let rewrites = self.rewrites();
        let error = match self.read_log(below, from, bytes_max, at_least_one) {
            Ok(read) => return Ok(read),
            Err(error) => error,
        };
        // Retention may have moved the start past `from` since the caller looked.
        let watermarks = self.watermarks();
        if from < watermarks.log_start_offset || from > watermarks.log_end_offset {
            return Err(ReadError::OffsetOutOfRange { offset: from, watermarks });
        }
        // The same of the local start.
        if from < watermarks.local_log_start_offset {
            return Err(ReadError::Remote { offset: from, watermarks });
        }
        let rewritten = self.rewrite_end().is_some() || self.rewrites() != rewrites;
        match error {
            LogError::Closed { .. } => Err(ReadError::Deleted),
            // Committed, and not in the segments at the moment: no reason for a consumer to go elsewhere.
            LogError::OutOfRange { .. } => Err(ReadError::Stopped(BEING_REWRITTEN.into())),
            _ if rewritten => Err(ReadError::Stopped(BEING_REWRITTEN.into())),
            damage => Err(ReadError::Stopped(self.stop(&damage))),
        }
    }

    /// Aborted transactions with batches in `from..end` whose markers are on local disk or in memory. For
    /// who reads `from` in the tier, and knows there of the markers below the local log start. Waits for the
    /// disk.
    pub fn local_aborted(&self, from: Offset, end: Offset) -> Result<Vec<AbortedTransaction>, ReadError> {
        // The tail before the segments: a marker that moves meanwhile is then in at least one of them.
        let in_tail = {
            let state = self.state.lock();
            state.readable()?;
            state.transactions.aborted(from, end)
        };
        let rewrites = self.rewrites();
        let is_behind = self.rewrite_end().is_some();
        let mut aborted = match self.log().aborted_between(from, end) {
            // While segments are written again after a full disk, markers are missing that come last.
            _ if is_behind || self.rewrites() != rewrites => {
                return Err(ReadError::Stopped(BEING_REWRITTEN.into()));
            }
            Ok(aborted) => aborted,
            Err(LogError::Closed { .. }) => return Err(ReadError::Deleted),
            Err(error) if error.is_damage() => return Err(ReadError::Stopped(self.stop(&error))),
            Err(error) => return Err(ReadError::Stopped(error.to_string().into())),
        };
        aborted.extend(in_tail);
        aborted.sort_unstable_by_key(|aborted| (aborted.last_offset, aborted.producer_id));
        aborted.dedup();
        Ok(aborted)
    }

    /// Segments hold committed batches only, so their end needs no second look at the high watermark.
    fn read_log(
        &self,
        below: Option<Offset>,
        from: Offset,
        bytes_max: u64,
        at_least_one: bool,
    ) -> Result<LogRead, LogError> {
        let log = self.log();
        match below {
            None => log.read(from, log.written_end_offset(), bytes_max, at_least_one),
            Some(last_stable_offset) => {
                let rewrites = self.rewrites();
                let is_behind = self.rewrite_end().is_some_and(|end| log.written_end_offset() < end);
                let read = log.read_committed(from, last_stable_offset, bytes_max, at_least_one)?;
                // While segments are written again after a full disk, aborted transactions are missing whose
                // markers come last: their records must not be taken for committed ones.
                if is_behind || self.rewrites() != rewrites {
                    let (log_start_offset, log_end_offset) =
                        (log.local_log_start_offset(), log.written_end_offset());
                    return Err(LogError::OutOfRange { requested: from, log_start_offset, log_end_offset });
                }
                Ok(read)
            }
        }
    }

    /// Tail batches that could hold the first record at or after `timestamp`, or the one with the largest.
    pub fn tail_batches(&self, matches: impl Fn(Timestamp) -> bool) -> Vec<Bytes> {
        let state = self.state.lock();
        let Watermarks { log_start_offset, high_watermark, .. } = state.watermarks;
        let readable = state.tail.batches_below(high_watermark);
        let matching =
            readable.filter(|batch| batch.end_offset > log_start_offset && matches(batch.max_timestamp));
        matching.filter_map(|batch| batch.slice.bytes()).collect()
    }
}

fn end_offset(batch: &[u8]) -> Offset {
    BatchHeader::parse(batch).expect("it was checked when it was admitted").next_offset()
}
