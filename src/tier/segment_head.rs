//! What stands before the records in a segment object: `docs/formats/tier.md`.

use super::fields::{CRC_BYTES, Reader, Writer, begin, checked};
use super::keys::Nonce;
use super::manifest_entry::ManifestEntry;
use crate::log::{AbortedTransaction, CarriedState};
use crate::model::{LeaderEpoch, Offset, ProducerId, Timestamp, TopicPartition};

const MAGIC: &[u8; 8] = b"HWTIERSG";
const VERSION: u16 = 1;
/// With the table of sections and its own checksum.
pub const HEADER_BYTES: usize = 132;
const SECTIONS: usize = 4;

/// Log bytes under one checksum.
pub const BLOCK_BYTES: usize = 1 << 20;
/// Log bytes of one segment: positions in Kafka's indexes have 31 bits.
pub const LOG_BYTES_MAX: u64 = i32::MAX as u64;
/// All that stands before the producers. Half a million aborted transactions fit.
pub const HEAD_BYTES_MAX: usize = 16 << 20;
/// Some hundred thousand producers.
pub const PRODUCERS_BYTES_MAX: usize = 64 << 20;

const INDEX_BYTES: usize = 20;
const BLOCK_CRC_BYTES: usize = 4;
const ABORTED_BYTES: usize = 32;

/// Where a batch begins.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct IndexEntry {
    /// Its base offset.
    pub base_offset: Offset,
    /// Its first byte, from the begin of the log bytes.
    pub position: u32,
    /// Largest timestamp of all batches before it; -1 if there is none.
    pub max_timestamp_before: Timestamp,
}

/// Bytes and their checksum.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Section {
    /// Length.
    pub bytes: u32,
    /// CRC-32C.
    pub crc: u32,
}

impl Section {
    pub(super) fn of(bytes: &[u8]) -> Section {
        let length = u32::try_from(bytes.len()).expect("sections are bounded far below 4 GiB");
        Section { bytes: length, crc: crc32c::crc32c(bytes) }
    }
}

/// Header and sections of a segment object, but for what the section `producers` holds.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SegmentHead {
    /// The object's.
    pub nonce: Nonce,
    /// Whose records these are.
    pub partition: TopicPartition,
    /// The segment's.
    pub base_offset: Offset,
    /// Exclusive: where the next segment begins.
    pub end_offset: Offset,
    /// Length of the record batches, as in the `.log` file.
    pub log_bytes: u64,
    /// Largest timestamp of a batch, -1 if there is none.
    pub max_timestamp: Timestamp,
    /// Last offset of the first batch that has it, -1 if there is none.
    pub max_timestamp_offset: Offset,
    /// Of the first batch, -1 if there is none.
    pub first_leader_epoch: LeaderEpoch,
    /// Of the last batch, -1 if there is none.
    pub last_leader_epoch: LeaderEpoch,
    /// Ascending; one for the first batch, then for every batch that begins 64 KiB or more behind.
    pub index: Vec<IndexEntry>,
    /// CRC-32C of each [`BLOCK_BYTES`] of log bytes; the last block may be shorter.
    pub blocks: Vec<u32>,
    /// Whose markers are in the segment, in the order of these.
    pub aborted: Vec<AbortedTransaction>,
    /// The section behind: [`crate::log::CarriedState`] as of the end offset.
    pub producers: Section,
}

impl SegmentHead {
    /// What it takes in memory.
    pub(super) fn memory_bytes(&self) -> usize {
        size_of::<SegmentHead>()
            + self.index.capacity() * size_of::<IndexEntry>()
            + self.blocks.capacity() * size_of::<u32>()
            + self.aborted.capacity() * size_of::<AbortedTransaction>()
    }

    /// What stands in an object before the producers.
    pub fn encode(&self) -> Vec<u8> {
        let sections = [self.encode_index(), self.encode_blocks(), self.encode_aborted()];
        let mut to = Writer::begin(MAGIC, VERSION, self.nonce, self.partition);
        to.i64(self.base_offset.0);
        to.i64(self.end_offset.0);
        to.u64(self.log_bytes);
        to.i64(self.max_timestamp.0);
        to.i64(self.max_timestamp_offset.0);
        to.i32(self.first_leader_epoch.0);
        to.i32(self.last_leader_epoch.0);
        let table = sections.iter().map(|section| Section::of(section)).chain([self.producers]);
        for section in table {
            to.u32(section.bytes);
            to.u32(section.crc);
        }
        let mut bytes = to.finish();
        sections.iter().for_each(|section| bytes.extend_from_slice(section));
        bytes
    }

    fn encode_index(&self) -> Vec<u8> {
        let mut to = Writer::default();
        for entry in &self.index {
            to.i64(entry.base_offset.0);
            to.u32(entry.position);
            to.i64(entry.max_timestamp_before.0);
        }
        to.0
    }

    fn encode_blocks(&self) -> Vec<u8> {
        let mut to = Writer::default();
        self.blocks.iter().for_each(|crc| to.u32(*crc));
        to.0
    }

    fn encode_aborted(&self) -> Vec<u8> {
        let mut to = Writer::default();
        for aborted in &self.aborted {
            to.i64(aborted.producer_id.0);
            to.i64(aborted.first_offset.0);
            to.i64(aborted.last_offset.0);
            to.i64(aborted.last_stable_offset.0);
        }
        to.0
    }

    /// Reads what [`SegmentHead::encode`] wrote, and nothing more; otherwise says what is wrong with it.
    pub fn decode(bytes: &[u8]) -> Result<SegmentHead, &'static str> {
        if bytes.len() > HEAD_BYTES_MAX {
            return Err("it is longer than any head is");
        }
        let (header, mut rest) = bytes.split_at_checked(HEADER_BYTES).ok_or("it is too short")?;
        let mut from = begin(checked(header)?, MAGIC, VERSION)?;
        let (mut head, table) = read_header(&mut from).ok_or("it is too short")?;
        let mut sections = [&[][..]; SECTIONS - 1];
        for (section, to) in table.iter().zip(&mut sections) {
            let (taken, behind) = rest.split_at_checked(section.bytes as usize).ok_or("it is too short")?;
            if crc32c::crc32c(taken) != section.crc {
                return Err("the checksum of a section does not match");
            }
            (*to, rest) = (taken, behind);
        }
        let [index, blocks, aborted] = sections;
        head.index = elements(index, INDEX_BYTES, index_entry)?;
        head.blocks = elements(blocks, BLOCK_CRC_BYTES, |from| from.u32())?;
        head.aborted = elements(aborted, ABORTED_BYTES, aborted_transaction)?;
        if !rest.is_empty() {
            return Err("bytes are left over");
        }
        head.check()?;
        Ok(head)
    }

    /// Rules that its numbers keep, whatever the checksums say.
    fn check(&self) -> Result<(), &'static str> {
        if self.base_offset.0 < 0 || self.end_offset <= self.base_offset || self.log_bytes > LOG_BYTES_MAX {
            return Err("its offsets or lengths make no sense");
        }
        if self.blocks.len() as u64 != self.log_bytes.div_ceil(BLOCK_BYTES as u64) {
            return Err("it has not one checksum for each block");
        }
        let is_first = |entry: &IndexEntry| entry.position == 0;
        let ascends = |pair: &[IndexEntry]| {
            pair[0].base_offset < pair[1].base_offset && pair[0].position < pair[1].position
        };
        let within = |entry: &IndexEntry| {
            let offset = entry.base_offset;
            u64::from(entry.position) < self.log_bytes
                && offset >= self.base_offset
                && offset < self.end_offset
        };
        let is_sound = self.index.first().is_some_and(is_first) == (self.log_bytes > 0)
            && self.index.windows(2).all(ascends)
            && self.index.last().is_none_or(within)
            && self.index.first().is_none_or(within);
        if is_sound { Ok(()) } else { Err("its index does not ascend within the segment") }
    }

    /// Reads the head that `entry` names; otherwise says what is wrong with it.
    pub fn decode_of(
        bytes: &[u8],
        entry: &ManifestEntry,
        partition: TopicPartition,
    ) -> Result<SegmentHead, &'static str> {
        if crc32c::crc32c(bytes) != entry.head_crc {
            return Err("its head is not what the manifest names");
        }
        let head = SegmentHead::decode(bytes)?;
        if head.is_of(entry, partition) { Ok(head) } else { Err("its head is another segment's") }
    }

    /// Reads the section of the producers; otherwise says what is wrong with it.
    pub fn carried_state(&self, producers: &[u8]) -> Result<CarriedState, &'static str> {
        if crc32c::crc32c(producers) != self.producers.crc {
            return Err("the checksum of its producers does not match");
        }
        CarriedState::decode(producers, self.partition)
    }

    /// Whether it is the head that `entry` names.
    pub(super) fn is_of(&self, entry: &ManifestEntry, partition: TopicPartition) -> bool {
        self.partition == partition
            && self.nonce == entry.object.nonce
            && (self.base_offset, self.end_offset) == (entry.base_offset, entry.end_offset)
            && self.log_bytes == entry.log_bytes
            && self.producers.bytes == entry.producers_bytes
    }

    /// First byte of the last indexed batch that begins at or below `offset`; 0 if there is none.
    pub fn floor_of_offset(&self, offset: Offset) -> u32 {
        let after = self.index.partition_point(|entry| entry.base_offset <= offset);
        after.checked_sub(1).map_or(0, |at| self.index[at].position)
    }

    /// First byte of an indexed batch at or before the first batch whose largest timestamp is `timestamp` or
    /// later.
    pub fn floor_of_timestamp(&self, timestamp: Timestamp) -> u32 {
        let after = self.index.partition_point(|entry| entry.max_timestamp_before < timestamp);
        after.checked_sub(1).map_or(0, |at| self.index[at].position)
    }

    /// Aborted transactions whose markers are in the segment and that have records in `from..end`.
    pub fn aborted_in(&self, from: Offset, end: Offset) -> impl Iterator<Item = AbortedTransaction> {
        self.aborted.iter().copied().filter(move |aborted| aborted.overlaps(from, end))
    }
}

/// The header's fields behind magic and version; the lists are empty.
fn read_header(from: &mut Reader<'_>) -> Option<(SegmentHead, [Section; SECTIONS])> {
    let head = SegmentHead {
        nonce: from.nonce()?,
        partition: from.partition()?,
        base_offset: from.offset()?,
        end_offset: from.offset()?,
        log_bytes: from.u64()?,
        max_timestamp: from.timestamp()?,
        max_timestamp_offset: from.offset()?,
        first_leader_epoch: from.leader_epoch()?,
        last_leader_epoch: from.leader_epoch()?,
        index: Vec::new(),
        blocks: Vec::new(),
        aborted: Vec::new(),
        producers: Section::default(),
    };
    let mut table = [Section::default(); SECTIONS];
    for section in &mut table {
        *section = Section { bytes: from.u32()?, crc: from.u32()? };
    }
    let producers = table[SECTIONS - 1];
    from.0.is_empty().then_some((SegmentHead { producers, ..head }, table))
}

/// All that a section holds. Its length was compared with the bytes that are there.
fn elements<T>(
    bytes: &[u8],
    element_bytes: usize,
    read: impl Fn(&mut Reader<'_>) -> Option<T>,
) -> Result<Vec<T>, &'static str> {
    if !bytes.len().is_multiple_of(element_bytes) {
        return Err("a section ends within an entry");
    }
    let mut elements = Vec::with_capacity(bytes.len() / element_bytes);
    let mut from = Reader(bytes);
    while let Some(element) = read(&mut from) {
        elements.push(element);
    }
    Ok(elements)
}

fn index_entry(from: &mut Reader<'_>) -> Option<IndexEntry> {
    let (base_offset, position) = (from.offset()?, from.u32()?);
    Some(IndexEntry { base_offset, position, max_timestamp_before: from.timestamp()? })
}

fn aborted_transaction(from: &mut Reader<'_>) -> Option<AbortedTransaction> {
    Some(AbortedTransaction {
        producer_id: ProducerId(from.i64()?),
        first_offset: from.offset()?,
        last_offset: from.offset()?,
        last_stable_offset: from.offset()?,
    })
}

const _: () = assert!(HEADER_BYTES == 8 + 4 + 16 + 20 + 5 * 8 + 2 * 4 + SECTIONS * 8 + CRC_BYTES);

#[cfg(test)]
mod tests;
