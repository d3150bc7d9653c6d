//! `<20 digits>.state`: what cannot be rebuilt from the segments. Drawn in
//! `docs/formats/partition-state.md`.

use crate::log::index::IndexSummary;
use crate::log::{AppendedBatch, EpochStart, LeaderEpochs, OpenTransaction, ProducerEntry, ProducerStates};
use crate::model::{
    CoordinatorEpoch, LeaderEpoch, Offset, ProducerEpoch, ProducerId, Timestamp, TopicId, TopicPartition,
};

const MAGIC: &[u8; 8] = b"HWSTATE\n";
/// The first one knew of no cleaning.
const VERSION_UNCLEANED: u16 = 1;
/// The second one knew of no transactions.
const VERSION_WITHOUT_TRANSACTIONS: u16 = 2;
const VERSION: u16 = 3;

/// The largest file that is read: some millions of producers.
pub(super) const BYTES_MAX: u64 = 1 << 30;

const EPOCH_BYTES: usize = 12;
const PRODUCER_BYTES_MIN: usize = 19;
const BATCH_BYTES: usize = 32;
/// Of version 2.
const SEGMENT_BYTES_MIN: usize = 48;
const CRC_BYTES: usize = 4;

/// A segment as it was when the snapshot was taken.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct SegmentRecord {
    pub base_offset: Offset,
    /// Bytes of `.log` that were synced.
    pub bytes: u64,
    /// Largest timestamp, -1 if there is none.
    pub max_timestamp: Timestamp,
    /// Last offset of the first batch with that timestamp, -1 if there is none.
    pub max_timestamp_offset: Offset,
    pub offset_index: IndexSummary,
    pub time_index: IndexSummary,
    pub transaction_index: IndexSummary,
}

impl SegmentRecord {
    /// Of a segment of which no byte is vouched for.
    pub(super) fn of_nothing(base_offset: Offset) -> SegmentRecord {
        SegmentRecord {
            base_offset,
            bytes: 0,
            max_timestamp: Timestamp::NONE,
            max_timestamp_offset: Offset::NONE,
            offset_index: IndexSummary::default(),
            time_index: IndexSummary::default(),
            transaction_index: IndexSummary::default(),
        }
    }
}

/// How far a log was cleaned.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Cleaned {
    /// The next cleaning reads keys from here on: below, every key's older records are gone.
    pub first_dirty_offset: Offset,
    /// End of what any cleaning has touched, or of what a restore has skipped: below, offsets may be missing.
    pub end_offset: Offset,
}

impl Cleaned {
    /// Both, the further of each.
    pub(super) fn and(self, other: Cleaned) -> Cleaned {
        Cleaned {
            first_dirty_offset: self.first_dirty_offset.max(other.first_dirty_offset),
            end_offset: self.end_offset.max(other.end_offset),
        }
    }
}

/// State as of `offset`: everything below it is in synced segments.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Snapshot {
    pub offset: Offset,
    pub producers: ProducerStates,
    pub leader_epochs: LeaderEpochs,
    /// Oldest first.
    pub segments: Vec<SegmentRecord>,
    pub cleaned: Cleaned,
}

pub(super) fn encode(snapshot: &Snapshot, partition: TopicPartition) -> Vec<u8> {
    let mut to = Writer::default();
    to.0.extend_from_slice(MAGIC);
    to.0.extend_from_slice(&VERSION.to_be_bytes());
    to.0.extend_from_slice(partition.topic_id.0.as_bytes());
    to.i32(partition.partition);
    to.i64(snapshot.offset.0);
    to.count(snapshot.leader_epochs.entries().len());
    for entry in snapshot.leader_epochs.entries() {
        to.i32(entry.leader_epoch.0);
        to.i64(entry.start_offset.0);
    }
    to.count(snapshot.producers.len());
    for (id, entry) in snapshot.producers.iter() {
        to.producer(id, entry);
    }
    to.count(snapshot.segments.len());
    for segment in &snapshot.segments {
        to.segment(segment);
    }
    to.cleaned(snapshot.cleaned);
    to.finish()
}

/// Bytes that are built up.
#[derive(Default)]
pub(super) struct Writer(pub Vec<u8>);

impl Writer {
    fn i32(&mut self, value: i32) {
        self.0.extend_from_slice(&value.to_be_bytes());
    }

    pub(super) fn i64(&mut self, value: i64) {
        self.0.extend_from_slice(&value.to_be_bytes());
    }

    pub(super) fn count(&mut self, value: usize) {
        let value =
            u32::try_from(value).expect("far fewer than 2^32 entries fit the memory of one partition");
        self.0.extend_from_slice(&value.to_be_bytes());
    }

    fn producer(&mut self, id: ProducerId, entry: &ProducerEntry) {
        self.i64(id.0);
        self.0.extend_from_slice(&entry.producer_epoch.0.to_be_bytes());
        self.i32(entry.coordinator_epoch.0);
        let none = OpenTransaction { first_offset: Offset::NONE, since: Timestamp::NONE };
        let transaction = entry.transaction.unwrap_or(none);
        self.i64(transaction.first_offset.0);
        self.i64(transaction.since.0);
        self.i64(entry.last_append.0);
        self.0.push(u8::try_from(entry.batches.len()).expect("at most five batches are kept"));
        for batch in &entry.batches {
            self.i32(batch.first_sequence);
            self.i32(batch.last_sequence);
            self.i64(batch.base_offset.0);
            self.i64(batch.last_offset.0);
            self.i64(batch.max_timestamp.0);
        }
    }

    pub(super) fn cleaned(&mut self, cleaned: Cleaned) {
        self.i64(cleaned.first_dirty_offset.0);
        self.i64(cleaned.end_offset.0);
    }

    /// The checksum of all before it, at the end.
    pub(super) fn finish(mut self) -> Vec<u8> {
        let crc = crc32c::crc32c(&self.0);
        self.0.extend_from_slice(&crc.to_be_bytes());
        self.0
    }

    pub(super) fn segment(&mut self, segment: &SegmentRecord) {
        self.i64(segment.base_offset.0);
        self.0.extend_from_slice(&segment.bytes.to_be_bytes());
        self.i64(segment.max_timestamp.0);
        self.i64(segment.max_timestamp_offset.0);
        for index in [segment.offset_index, segment.time_index, segment.transaction_index] {
            self.0.extend_from_slice(&index.entries.to_be_bytes());
            self.0.extend_from_slice(&index.crc.to_be_bytes());
        }
    }
}

/// Reads a snapshot; otherwise says what is wrong with it.
pub(super) fn decode(bytes: &[u8], partition: TopicPartition) -> Result<Snapshot, &'static str> {
    match decode_any(bytes)? {
        (owner, snapshot) if owner == partition => Ok(snapshot),
        _ => Err("it belongs to another partition"),
    }
}

/// The same for a snapshot of whatever partition.
pub(super) fn decode_any(bytes: &[u8]) -> Result<(TopicPartition, Snapshot), &'static str> {
    let (content, crc) = bytes.split_last_chunk::<CRC_BYTES>().ok_or("it is too short")?;
    if crc32c::crc32c(content) != u32::from_be_bytes(*crc) {
        return Err("its checksum does not match");
    }
    let mut from = Reader::new(content);
    if from.take(MAGIC.len()) != Some(MAGIC) {
        return Err("it is not a state file");
    }
    from.has_transactions = match from.array().map(u16::from_be_bytes) {
        Some(VERSION) => true,
        Some(VERSION_UNCLEANED | VERSION_WITHOUT_TRANSACTIONS) => false,
        _ => return Err("its format version is none of 1 to 3"),
    };
    let is_cleaned = content[MAGIC.len()..].first_chunk() != Some(&VERSION_UNCLEANED.to_be_bytes());
    let owner = from.owner().ok_or("it is too short")?;
    from.snapshot(is_cleaned).map(|snapshot| (owner, snapshot)).ok_or("its counts do not fit its length")
}

/// Takes fields off the front.
pub(super) struct Reader<'a> {
    pub rest: &'a [u8],
    /// Whether producers and segments say what they know of transactions.
    pub has_transactions: bool,
}

impl<'a> Reader<'a> {
    /// For the newest version.
    pub(super) fn new(bytes: &'a [u8]) -> Reader<'a> {
        Reader { rest: bytes, has_transactions: true }
    }

    pub(super) fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(count)?;
        self.rest = rest;
        Some(taken)
    }

    pub(super) fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.try_into().ok()
    }

    fn i32(&mut self) -> Option<i32> {
        self.array().map(i32::from_be_bytes)
    }

    pub(super) fn i64(&mut self) -> Option<i64> {
        self.array().map(i64::from_be_bytes)
    }

    fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_be_bytes)
    }

    /// A count whose elements, of at least `element_bytes` each, can still be there.
    pub(super) fn count(&mut self, element_bytes: usize) -> Option<usize> {
        let count = self.u32()? as usize;
        (count <= self.rest.len() / element_bytes).then_some(count)
    }

    fn owner(&mut self) -> Option<TopicPartition> {
        let topic_id = TopicId(uuid::Uuid::from_bytes(self.array()?));
        Some(TopicPartition { topic_id, partition: self.i32()? })
    }

    fn snapshot(&mut self, is_cleaned: bool) -> Option<Snapshot> {
        let offset = Offset(self.i64()?);
        let count = self.count(EPOCH_BYTES)?;
        let mut leader_epochs = Vec::with_capacity(count);
        for _ in 0..count {
            let leader_epoch = LeaderEpoch(self.i32()?);
            leader_epochs.push(EpochStart { leader_epoch, start_offset: Offset(self.i64()?) });
        }
        let leader_epochs = LeaderEpochs::from_entries(leader_epochs)?;
        let mut producers = ProducerStates::default();
        for _ in 0..self.count(PRODUCER_BYTES_MIN)? {
            let id = ProducerId(self.i64()?);
            producers.insert(id, self.producer()?);
        }
        let segments = self.segments()?;
        let cleaned = if is_cleaned { self.cleaned()? } else { Cleaned::default() };
        self.rest.is_empty().then_some(Snapshot { offset, producers, leader_epochs, segments, cleaned })
    }

    pub(super) fn segments(&mut self) -> Option<Vec<SegmentRecord>> {
        let count = self.count(SEGMENT_BYTES_MIN)?;
        let mut segments = Vec::with_capacity(count);
        for _ in 0..count {
            segments.push(self.segment()?);
        }
        Some(segments)
    }

    pub(super) fn cleaned(&mut self) -> Option<Cleaned> {
        Some(Cleaned { first_dirty_offset: Offset(self.i64()?), end_offset: Offset(self.i64()?) })
    }

    fn producer(&mut self) -> Option<ProducerEntry> {
        let producer_epoch = ProducerEpoch(self.array().map(i16::from_be_bytes)?);
        let (coordinator_epoch, transaction) = match self.has_transactions {
            true => (CoordinatorEpoch(self.i32()?), self.transaction()?),
            false => (CoordinatorEpoch::NONE, None),
        };
        let last_append = Timestamp(self.i64()?);
        let count = usize::from(self.array::<1>()?[0]);
        if count > self.rest.len() / BATCH_BYTES {
            return None;
        }
        let mut batches = Vec::with_capacity(count);
        for _ in 0..count {
            batches.push(AppendedBatch {
                first_sequence: self.i32()?,
                last_sequence: self.i32()?,
                base_offset: Offset(self.i64()?),
                last_offset: Offset(self.i64()?),
                max_timestamp: Timestamp(self.i64()?),
            });
        }
        Some(ProducerEntry { producer_epoch, coordinator_epoch, transaction, last_append, batches })
    }

    fn transaction(&mut self) -> Option<Option<OpenTransaction>> {
        let (first_offset, since) = (Offset(self.i64()?), Timestamp(self.i64()?));
        Some((first_offset != Offset::NONE).then_some(OpenTransaction { first_offset, since }))
    }

    fn index(&mut self) -> Option<IndexSummary> {
        Some(IndexSummary { entries: self.u32()?, crc: self.u32()? })
    }

    fn segment(&mut self) -> Option<SegmentRecord> {
        Some(SegmentRecord {
            base_offset: Offset(self.i64()?),
            bytes: self.array().map(u64::from_be_bytes)?,
            max_timestamp: Timestamp(self.i64()?),
            max_timestamp_offset: Offset(self.i64()?),
            offset_index: self.index()?,
            time_index: self.index()?,
            transaction_index: match self.has_transactions {
                true => self.index()?,
                false => IndexSummary::default(),
            },
        })
    }
}

#[cfg(test)]
mod tests;
