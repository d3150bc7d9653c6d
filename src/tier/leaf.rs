//! Leaves of a manifest: immutable objects of at most 64 KiB, `docs/formats/tier.md`.

use super::fields::{CRC_BYTES, Reader, Writer, begin, checked};
use super::keys::{Nonce, ObjectKey};
use super::manifest_entry::{ENTRY_BYTES, ManifestEntry};
use crate::model::{Offset, Timestamp, TopicPartition};

const MAGIC: &[u8; 8] = b"HWTIERLF";
const VERSION: u16 = 1;
const HEADER_BYTES: usize = 8 + 4 + 16 + 20 + 4;

/// Bytes of a root or a leaf.
pub const MANIFEST_OBJECT_BYTES_MAX: usize = 64 << 10;
/// Segments that one leaf names.
pub const LEAF_ENTRIES_MAX: usize = 512;

const _: () = assert!(HEADER_BYTES + LEAF_ENTRIES_MAX * ENTRY_BYTES + CRC_BYTES <= MANIFEST_OBJECT_BYTES_MAX);

/// A run of a partition's segments.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Leaf {
    /// The object's.
    pub nonce: Nonce,
    /// Ascending by offset, none over another; at least one, at most [`LEAF_ENTRIES_MAX`].
    pub entries: Vec<ManifestEntry>,
}

/// What a root knows of a leaf.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LeafReference {
    /// The leaf's.
    pub nonce: Nonce,
    /// Of the first segment that counts.
    pub base_offset: Offset,
    /// Of the last segment, exclusive.
    pub end_offset: Offset,
    /// Entries at its front that count no longer: they are removed.
    pub skipped: u32,
    /// Entries that count.
    pub count: u32,
    /// Log bytes of these.
    pub log_bytes: u64,
    /// No batch of these has a larger timestamp.
    pub max_timestamp: Timestamp,
    /// Length of the object; 0: it has none, the root itself holds the entries.
    pub bytes: u32,
    /// CRC-32C of all of it.
    pub crc: u32,
}

/// Bytes of one in a root.
pub(super) const REFERENCE_BYTES: usize = 64;

/// Whether no entry lies over another and all stand in order.
pub(super) fn ascend(entries: &[ManifestEntry]) -> bool {
    entries.windows(2).all(|pair| pair[0].end_offset <= pair[1].base_offset)
}

impl Leaf {
    /// What it takes in memory.
    pub(super) fn memory_bytes(&self) -> usize {
        size_of::<Leaf>() + self.entries.capacity() * size_of::<ManifestEntry>()
    }

    /// Its object.
    pub fn encode(&self, partition: TopicPartition) -> Vec<u8> {
        let mut to = Writer::begin(MAGIC, VERSION, self.nonce, partition);
        to.count(self.entries.len());
        self.entries.iter().for_each(|entry| entry.encode(&mut to));
        to.finish()
    }

    /// Reads the object that `reference` names; otherwise says what is wrong with it.
    pub fn decode(
        bytes: &[u8],
        partition: TopicPartition,
        reference: &LeafReference,
    ) -> Result<Leaf, &'static str> {
        if bytes.len() != reference.bytes as usize || crc32c::crc32c(bytes) != reference.crc {
            return Err("it is not what the root names");
        }
        let (owner, leaf) = Leaf::decode_any(bytes)?;
        match owner == partition && leaf.is_named_by(reference) {
            true => Ok(leaf),
            false => Err("it is not what the root names"),
        }
    }

    /// Whether a root means this one.
    pub(super) fn is_named_by(&self, reference: &LeafReference) -> bool {
        self.nonce == reference.nonce
            && self.entries.len() == reference.skipped as usize + reference.count as usize
            && self.live(reference).first().map(|entry| entry.base_offset) == Some(reference.base_offset)
            && self.entries.last().map(|entry| entry.end_offset) == Some(reference.end_offset)
    }

    /// The same for whatever leaf.
    pub fn decode_any(bytes: &[u8]) -> Result<(TopicPartition, Leaf), &'static str> {
        if bytes.len() > MANIFEST_OBJECT_BYTES_MAX {
            return Err("it is longer than any leaf is");
        }
        let mut from = begin(checked(bytes)?, MAGIC, VERSION)?;
        let (owner, leaf) = read(&mut from).ok_or("its counts or entries make no sense")?;
        if !from.0.is_empty() || leaf.entries.is_empty() || !ascend(&leaf.entries) {
            return Err("its entries do not ascend");
        }
        Ok((owner, leaf))
    }

    /// Key of its object.
    pub fn key(&self, partition: TopicPartition) -> String {
        ObjectKey::Leaf(partition, self.nonce).to_string()
    }

    /// The entries that count.
    pub fn live(&self, reference: &LeafReference) -> &[ManifestEntry] {
        self.entries.get(reference.skipped as usize..).unwrap_or_default()
    }

    /// What a root says of it; `object` is its encoding, and empty where it has none.
    pub(super) fn reference(&self, object: &[u8]) -> LeafReference {
        let (first, last) = (self.entries.first(), self.entries.last());
        let (first, last) = first.zip(last).expect("a leaf has entries");
        LeafReference {
            nonce: self.nonce,
            base_offset: first.base_offset,
            end_offset: last.end_offset,
            skipped: 0,
            count: u32::try_from(self.entries.len()).expect("a few hundred"),
            log_bytes: self.entries.iter().map(|entry| entry.log_bytes).sum(),
            max_timestamp: self.entries.iter().map(|entry| entry.max_timestamp).max().unwrap_or_default(),
            bytes: u32::try_from(object.len()).expect("at most 64 KiB"),
            crc: crc32c::crc32c(object),
        }
    }
}

fn read(from: &mut Reader<'_>) -> Option<(TopicPartition, Leaf)> {
    let (nonce, owner) = (from.nonce()?, from.partition()?);
    let count = from.count(ENTRY_BYTES, LEAF_ENTRIES_MAX)?;
    let mut entries = Vec::with_capacity(count);
    for _ in 0..count {
        entries.push(ManifestEntry::decode(from)?);
    }
    Some((owner, Leaf { nonce, entries }))
}

impl LeafReference {
    /// Whether the leaf has no object: its entries stand in the root.
    pub fn is_inline(&self) -> bool {
        self.bytes == 0
    }

    /// Key of the leaf's object, if it has one.
    pub fn key(&self, partition: TopicPartition) -> String {
        ObjectKey::Leaf(partition, self.nonce).to_string()
    }

    pub(super) fn encode(&self, to: &mut Writer) {
        to.raw(&self.nonce.0);
        to.i64(self.base_offset.0);
        to.i64(self.end_offset.0);
        to.u32(self.skipped);
        to.u32(self.count);
        to.u64(self.log_bytes);
        to.i64(self.max_timestamp.0);
        to.u32(self.bytes);
        to.u32(self.crc);
    }

    pub(super) fn decode(from: &mut Reader<'_>) -> Option<LeafReference> {
        let reference = LeafReference {
            nonce: from.nonce()?,
            base_offset: from.offset()?,
            end_offset: from.offset()?,
            skipped: from.u32()?,
            count: from.u32()?,
            log_bytes: from.u64()?,
            max_timestamp: from.timestamp()?,
            bytes: from.u32()?,
            crc: from.u32()?,
        };
        let total = u64::from(reference.skipped) + u64::from(reference.count);
        let is_sound = reference.base_offset.0 >= 0
            && reference.end_offset > reference.base_offset
            && reference.count > 0
            && total <= LEAF_ENTRIES_MAX as u64
            && reference.log_bytes <= u64::MAX >> 16
            && reference.bytes as usize <= MANIFEST_OBJECT_BYTES_MAX;
        is_sound.then_some(reference)
    }
}

#[cfg(test)]
mod tests;
