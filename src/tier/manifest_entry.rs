use super::fields::{Reader, Writer};
use super::keys::{ObjectKey, ObjectName};
use super::segment_head::{HEAD_BYTES_MAX, HEADER_BYTES, LOG_BYTES_MAX, PRODUCERS_BYTES_MAX};
use crate::model::{LeaderEpoch, Offset, Timestamp, TopicPartition};

/// Bytes of one in a leaf.
pub(super) const ENTRY_BYTES: usize = 113;

/// The kind of object that an entry points into.
const KIND_SEGMENT: u8 = 1;
/// The same, of a segment in which there is nothing of an aborted transaction.
const KIND_COMMITTED_SEGMENT: u8 = 2;

/// Where one segment's records lie, and all that plans need to know of them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ManifestEntry {
    /// The segment's.
    pub base_offset: Offset,
    /// Exclusive: where the next segment begins.
    pub end_offset: Offset,
    /// The object that holds it.
    pub object: ObjectName,
    /// Its first byte in that object.
    pub position: u64,
    /// Header and the sections that look-ups need. The section of the producers follows, then the log bytes.
    pub head_bytes: u32,
    /// CRC-32C of these.
    pub head_crc: u32,
    /// Length of the section of the producers.
    pub producers_bytes: u32,
    /// Length of the record batches.
    pub log_bytes: u64,
    /// Largest timestamp of a batch, -1 if there is none.
    pub max_timestamp: Timestamp,
    /// Last offset of the first batch that has it, -1 if there is none.
    pub max_timestamp_offset: Offset,
    /// Of the first batch, -1 if there is none.
    pub first_leader_epoch: LeaderEpoch,
    /// Of the last batch, -1 if there is none.
    pub last_leader_epoch: LeaderEpoch,
    /// Aborted transactions whose markers are in the segment.
    pub aborted: u32,
    /// First offset of the oldest transaction that is open at the segment's end, -1 if there is none. All
    /// markers of transactions with records below it are in this segment, or in those before.
    pub first_undecided: Offset,
    /// By the broker's clock.
    pub uploaded_at: Timestamp,
    /// A cleaning went over all of it before it was copied: every transaction with records in it was
    /// committed, also where its marker is not in the tier.
    pub is_committed: bool,
}

impl ManifestEntry {
    /// Key of its object.
    pub fn key(&self, partition: TopicPartition) -> String {
        ObjectKey::Segment(partition, self.object).to_string()
    }

    /// The first byte of the producers in the object.
    pub fn producers_position(&self) -> u64 {
        self.position + u64::from(self.head_bytes)
    }

    /// The first byte of the log in the object.
    pub fn log_position(&self) -> u64 {
        self.producers_position() + u64::from(self.producers_bytes)
    }

    /// Bytes of the object that are its own.
    pub fn bytes(&self) -> u64 {
        self.log_position() - self.position + self.log_bytes
    }

    /// Whether a transaction with records below `end` is still open at the segment's end: its marker stands
    /// in a later one.
    pub fn leaves_undecided(&self, end: Offset) -> bool {
        self.first_undecided != Offset::NONE && self.first_undecided < end
    }

    pub(super) fn encode(&self, to: &mut Writer) {
        to.i64(self.base_offset.0);
        to.i64(self.end_offset.0);
        to.u8(if self.is_committed { KIND_COMMITTED_SEGMENT } else { KIND_SEGMENT });
        to.raw(&self.object.nonce.0);
        to.i64(self.object.base_offset.0);
        to.u64(self.position);
        to.u32(self.head_bytes);
        to.u32(self.head_crc);
        to.u32(self.producers_bytes);
        to.u64(self.log_bytes);
        to.i64(self.max_timestamp.0);
        to.i64(self.max_timestamp_offset.0);
        to.i32(self.first_leader_epoch.0);
        to.i32(self.last_leader_epoch.0);
        to.u32(self.aborted);
        to.i64(self.first_undecided.0);
        to.i64(self.uploaded_at.0);
    }

    pub(super) fn decode(from: &mut Reader<'_>) -> Option<ManifestEntry> {
        let (base_offset, end_offset) = (from.offset()?, from.offset()?);
        let is_committed = match from.u8()? {
            KIND_SEGMENT => false,
            KIND_COMMITTED_SEGMENT => true,
            _ => return None,
        };
        let nonce = from.nonce()?;
        let entry = ManifestEntry {
            base_offset,
            end_offset,
            object: ObjectName { nonce, base_offset: from.offset()? },
            position: from.u64()?,
            head_bytes: from.u32()?,
            head_crc: from.u32()?,
            producers_bytes: from.u32()?,
            log_bytes: from.u64()?,
            max_timestamp: from.timestamp()?,
            max_timestamp_offset: from.offset()?,
            first_leader_epoch: from.leader_epoch()?,
            last_leader_epoch: from.leader_epoch()?,
            aborted: from.u32()?,
            first_undecided: from.offset()?,
            uploaded_at: from.timestamp()?,
            is_committed,
        };
        entry.is_sound().then_some(entry)
    }

    /// Whether its lengths and offsets can be worked with.
    pub(super) fn is_sound(&self) -> bool {
        self.base_offset.0 >= 0
            && self.end_offset > self.base_offset
            && self.position <= u64::MAX >> 1
            && (HEADER_BYTES..=HEAD_BYTES_MAX).contains(&(self.head_bytes as usize))
            && self.producers_bytes as usize <= PRODUCERS_BYTES_MAX
            && self.log_bytes <= LOG_BYTES_MAX
    }
}
