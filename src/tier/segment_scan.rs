//! One walk over a segment's batches, which makes its head and its manifest entry.

use bytes::Bytes;

use super::error::TierError;
use super::keys::{Nonce, ObjectName};
use super::manifest_entry::ManifestEntry;
use super::segment_head::{
    BLOCK_BYTES, HEAD_BYTES_MAX, IndexEntry, LOG_BYTES_MAX, PRODUCERS_BYTES_MAX, Section, SegmentHead,
};
use crate::log::{AbortedTransaction, CarriedState};
use crate::model::{LeaderEpoch, Offset, Timestamp, TopicPartition};
use crate::protocol::batch::{BatchHeader, CRC_FROM, HEADER_BYTES};

/// Log bytes between two entries of the index, at least.
const INDEX_INTERVAL_BYTES: u64 = 64 << 10;
/// A control batch is read whole, for its marker: an ordinary one has 78 bytes.
const CONTROL_BATCH_BYTES_MAX: usize = 64 << 10;

/// A closed segment that is to be uploaded.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SegmentSource {
    /// Whose it is.
    pub partition: TopicPartition,
    /// Of the segment.
    pub base_offset: Offset,
    /// Exclusive: where the next segment begins.
    pub end_offset: Offset,
    /// Length of its `.log` file.
    pub log_bytes: u64,
    /// Its transaction index.
    pub aborted: Vec<AbortedTransaction>,
    /// A cleaning went over it: of a transaction without effect a marker may be left, and a batch without
    /// records, and no entry in the index.
    pub is_clean: bool,
    /// All of it was cleaned: every transaction with records in it was committed.
    pub is_committed: bool,
    /// Of the object to be.
    pub nonce: Nonce,
    /// By the broker's clock.
    pub now: Timestamp,
}

/// What a walk found: all of the object but its log bytes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ScannedSegment {
    /// For the manifest.
    pub entry: ManifestEntry,
    /// The object's first bytes.
    pub head: Bytes,
    /// What follows the head; the log bytes follow it.
    pub producers: Bytes,
    /// CRC-32C of each block of log bytes.
    pub blocks: Vec<u32>,
    /// As of the segment's end: for the walk over the next one.
    pub state: CarriedState,
}

/// A walk in progress. Bytes are pushed as they come, in pieces of any size: no batch is held in memory.
pub struct SegmentScan {
    source: SegmentSource,
    state: CarriedState,
    /// As of the end, if it is known: the batches that are left do not tell it.
    end_state: Option<CarriedState>,
    /// Bytes that were pushed.
    position: u64,
    /// A header in part.
    pending: Vec<u8>,
    batch: Option<Batch>,
    index: Vec<IndexEntry>,
    blocks: BlockChecksums,
    largest: (Timestamp, Offset),
    leader_epochs: (LeaderEpoch, LeaderEpoch),
}

/// A batch in progress.
struct Batch {
    header: BatchHeader,
    position: u64,
    rest: u64,
    crc: u32,
    /// All so far of one that is looked into.
    content: Vec<u8>,
}

/// Checksums of blocks, one after the other.
#[derive(Default)]
struct BlockChecksums {
    done: Vec<u32>,
    crc: u32,
    filled: usize,
}

impl BlockChecksums {
    fn push(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let (now, later) = bytes.split_at(bytes.len().min(BLOCK_BYTES - self.filled));
            self.crc = crc32c::crc32c_append(self.crc, now);
            self.filled += now.len();
            if self.filled == BLOCK_BYTES {
                self.close();
            }
            bytes = later;
        }
    }

    fn close(&mut self) {
        if self.filled > 0 {
            self.done.push(std::mem::take(&mut self.crc));
            self.filled = 0;
        }
    }
}

impl SegmentScan {
    /// `state` is as of the segment's base offset: that of the segment before.
    pub fn new(source: SegmentSource, state: CarriedState) -> Result<SegmentScan, TierError> {
        let scan = SegmentScan {
            position: 0,
            pending: Vec::with_capacity(HEADER_BYTES),
            batch: None,
            index: Vec::new(),
            blocks: BlockChecksums::default(),
            largest: (Timestamp::NONE, Offset::NONE),
            leader_epochs: (LeaderEpoch::NONE, LeaderEpoch::NONE),
            end_state: None,
            source,
            state,
        };
        if scan.state.offset > scan.source.base_offset {
            return Err(scan.damaged(0, format!("the state is as of offset {} already", scan.state.offset)));
        }
        let is_within = |aborted: &AbortedTransaction| {
            aborted.last_offset >= scan.source.base_offset && aborted.last_offset < scan.source.end_offset
        };
        let aborted = &scan.source.aborted;
        let ascend = |pair: &[AbortedTransaction]| pair[0].last_offset < pair[1].last_offset;
        if !aborted.iter().all(is_within) || !aborted.windows(2).all(ascend) {
            return Err(scan.damaged(0, "the transaction index is that of another".to_owned()));
        }
        if scan.source.log_bytes > LOG_BYTES_MAX {
            return Err(scan.damaged(0, format!("{} bytes are more than any has", scan.source.log_bytes)));
        }
        Ok(scan)
    }

    /// For a segment of which compaction has left a part: what was carried to its end is known from before.
    pub fn of_rest(source: SegmentSource, end_state: CarriedState) -> Result<SegmentScan, TierError> {
        let begin = CarriedState { offset: source.base_offset, ..CarriedState::default() };
        let scan = SegmentScan::new(source, begin)?;
        if end_state.offset != scan.source.end_offset {
            return Err(scan.damaged(0, format!("the state of its end is as of {}", end_state.offset)));
        }
        Ok(SegmentScan { end_state: Some(end_state), ..scan })
    }

    /// The next bytes of the `.log` file.
    pub fn push(&mut self, mut bytes: &[u8]) -> Result<(), TierError> {
        self.blocks.push(bytes);
        while !bytes.is_empty() {
            let taken = match self.batch.as_mut() {
                None => self.take_header(bytes)?,
                Some(batch) => {
                    let taken = bytes.len().min(usize::try_from(batch.rest).unwrap_or(usize::MAX));
                    batch.push(&bytes[..taken]);
                    taken
                }
            };
            self.position += taken as u64;
            bytes = &bytes[taken..];
            if let Some(batch) = self.batch.take_if(|batch| batch.rest == 0) {
                self.end_batch(&batch)?;
            }
        }
        Ok(())
    }

    fn take_header(&mut self, bytes: &[u8]) -> Result<usize, TierError> {
        let taken = bytes.len().min(HEADER_BYTES - self.pending.len());
        self.pending.extend_from_slice(&bytes[..taken]);
        if self.pending.len() == HEADER_BYTES {
            let position = self.position + taken as u64 - HEADER_BYTES as u64;
            let header = BatchHeader::parse(&self.pending)
                .map_err(|error| self.damaged(position, format!("no record batch begins here: {error}")))?;
            self.begin_batch(header, position)?;
        }
        Ok(taken)
    }

    fn begin_batch(&mut self, header: BatchHeader, position: u64) -> Result<(), TierError> {
        let (base, next) = (header.base_offset, header.next_offset());
        let due = self.state.offset.max(self.source.base_offset);
        if header.last_offset_delta < 0 || base < due || next <= base || next > self.source.end_offset {
            let what = format!(
                "a record batch of offsets {base} to {} cannot stand where offsets {due} and later, below \
                 {}, are due",
                header.last_offset(),
                self.source.end_offset
            );
            return Err(self.damaged(position, what));
        }
        let bytes = header.size_bytes();
        if position + bytes as u64 > self.source.log_bytes {
            return Err(self.damaged(position, format!("a record batch of {bytes} bytes passes the end")));
        }
        if header.attributes.is_control() && bytes > CONTROL_BATCH_BYTES_MAX {
            return Err(self.damaged(position, format!("a control batch of {bytes} bytes is none of ours")));
        }
        let last = self.index.last().map(|entry| u64::from(entry.position));
        if last.is_none_or(|last| position - last >= INDEX_INTERVAL_BYTES) {
            let max_timestamp_before = self.largest.0;
            let position = u32::try_from(position).expect("segments have at most 2^31 bytes");
            self.index.push(IndexEntry { base_offset: base, position, max_timestamp_before });
        }
        let crc = crc32c::crc32c(&self.pending[CRC_FROM..]);
        let content = match header.attributes.is_control() {
            true => self.pending.clone(),
            false => Vec::new(),
        };
        self.pending.clear();
        self.batch = Some(Batch { header, position, rest: (bytes - HEADER_BYTES) as u64, crc, content });
        Ok(())
    }

    fn end_batch(&mut self, batch: &Batch) -> Result<(), TierError> {
        let header = &batch.header;
        if batch.crc != header.crc {
            let what = format!("offset {}: the checksum does not match", header.base_offset);
            return Err(self.damaged(batch.position, what));
        }
        match self.end_state {
            Some(_) => self.state.offset = header.next_offset(),
            None => self.carry(batch)?,
        }
        // What compaction has emptied has a time and no record of that time.
        if header.records_count > 0 && header.max_timestamp > self.largest.0 {
            self.largest = (header.max_timestamp, header.last_offset());
        }
        let epochs = &mut self.leader_epochs;
        epochs.1 = header.partition_leader_epoch;
        if batch.position == 0 {
            epochs.0 = header.partition_leader_epoch;
        }
        Ok(())
    }

    /// Takes the batch into the state.
    fn carry(&mut self, batch: &Batch) -> Result<(), TierError> {
        let ended = self.state.apply_batch(&batch.header, &batch.content, self.source.now);
        let ended = ended.map_err(|error| self.damaged(batch.position, error.to_string()))?;
        let Some(ended) = ended else { return Ok(()) };
        // Readers are to be told of it: else they would be shown records that were taken back. Of one that a
        // cleaning went over there are none left.
        let known = &self.source.aborted;
        match known.binary_search_by_key(&ended.last_offset, |known| known.last_offset) {
            Ok(at) if known[at].producer_id == ended.producer_id => Ok(()),
            Err(_) if self.source.is_clean => Ok(()),
            _ => {
                let what = format!("the transaction index lacks the one that ends at {}", ended.last_offset);
                Err(self.damaged(batch.position, what))
            }
        }
    }

    /// All bytes were pushed.
    pub fn finish(mut self) -> Result<ScannedSegment, TierError> {
        if self.position != self.source.log_bytes || self.batch.is_some() || !self.pending.is_empty() {
            let what = format!("{} bytes are no whole batches of {}", self.position, self.source.log_bytes);
            return Err(self.damaged(self.position, what));
        }
        self.blocks.close();
        self.state.offset = self.source.end_offset;
        self.state = self.end_state.take().unwrap_or(self.state);
        let producers = self.state.encode(self.source.partition);
        if producers.len() > PRODUCERS_BYTES_MAX {
            return Err(self.damaged(0, format!("its producers take {} bytes", producers.len())));
        }
        let head = self.head(Section::of(&producers));
        let bytes = head.encode();
        if bytes.len() > HEAD_BYTES_MAX {
            return Err(self.damaged(0, format!("its head takes {} bytes", bytes.len())));
        }
        let first_undecided = self.state.producers.first_undecided().unwrap_or(Offset::NONE);
        let entry = entry_of(&head, Section::of(&bytes), self.source.now);
        Ok(ScannedSegment {
            entry: ManifestEntry { first_undecided, is_committed: self.source.is_committed, ..entry },
            head: Bytes::from(bytes),
            producers: Bytes::from(producers),
            blocks: head.blocks,
            state: self.state,
        })
    }

    fn head(&mut self, producers: Section) -> SegmentHead {
        SegmentHead {
            nonce: self.source.nonce,
            partition: self.source.partition,
            base_offset: self.source.base_offset,
            end_offset: self.source.end_offset,
            log_bytes: self.source.log_bytes,
            max_timestamp: self.largest.0,
            max_timestamp_offset: self.largest.1,
            first_leader_epoch: self.leader_epochs.0,
            last_leader_epoch: self.leader_epochs.1,
            index: std::mem::take(&mut self.index),
            blocks: std::mem::take(&mut self.blocks.done),
            aborted: std::mem::take(&mut self.source.aborted),
            producers,
        }
    }

    fn damaged(&self, position: u64, what: String) -> TierError {
        TierError::BadSegment { base_offset: self.source.base_offset, position, what }
    }
}

impl Batch {
    fn push(&mut self, bytes: &[u8]) {
        self.crc = crc32c::crc32c_append(self.crc, bytes);
        self.rest -= bytes.len() as u64;
        if self.header.attributes.is_control() {
            self.content.extend_from_slice(bytes);
        }
    }
}

fn entry_of(head: &SegmentHead, section: Section, now: Timestamp) -> ManifestEntry {
    ManifestEntry {
        base_offset: head.base_offset,
        end_offset: head.end_offset,
        object: ObjectName { base_offset: head.base_offset, nonce: head.nonce },
        position: 0,
        head_bytes: section.bytes,
        head_crc: section.crc,
        producers_bytes: head.producers.bytes,
        log_bytes: head.log_bytes,
        max_timestamp: head.max_timestamp,
        max_timestamp_offset: head.max_timestamp_offset,
        first_leader_epoch: head.first_leader_epoch,
        last_leader_epoch: head.last_leader_epoch,
        aborted: u32::try_from(head.aborted.len()).expect("a head of 16 MiB holds half a million"),
        first_undecided: Offset::NONE,
        uploaded_at: now,
        is_committed: false,
    }
}

#[cfg(test)]
mod tests;
