//! The root of a manifest: a numbered object of at most 64 KiB, `docs/formats/tier.md`.

use std::sync::Arc;
use std::time::Duration;

use super::fields::{CRC_BYTES, Reader, Writer, begin, checked};
use super::keys::{Nonce, ObjectKey, ObjectName};
use super::leaf::{Leaf, LeafReference, MANIFEST_OBJECT_BYTES_MAX, REFERENCE_BYTES, ascend};
use super::manifest_entry::{ENTRY_BYTES, ManifestEntry};
use crate::model::{LeaderEpoch, Offset, Timestamp, TopicPartition};

const MAGIC: &[u8; 8] = b"HWTIERRT";
const VERSION: u16 = 3;
/// Before the last leaf could stand in the root.
const VERSION_2: u16 = 2;
/// Before compacted topics were tiered: without the offset below which the tier is clean.
const VERSION_1: u16 = 1;
const HEADER_BYTES: usize = 8 + 4 + 16 + 20 + 8 + 4 + 8 + 8 + 8;

/// Leaves that one root names: 300,000 segments where leaves are full.
pub const LEAVES_MAX: usize = 640;
/// Objects that wait for the end of a reader's grace. Beyond it the oldest wait no longer.
pub const RETIRED_MAX: usize = 700;
/// Segments of the last leaf that stand in the root: of nine segments that come one by one, eight are named
/// by one object, and one by two.
pub const TAIL_ENTRIES_MAX: usize = 8;

const RETIRED_BYTES: usize = 33;
const LENGTH_MAX: usize = HEADER_BYTES
    + 4
    + LEAVES_MAX * REFERENCE_BYTES
    + 4
    + RETIRED_MAX * RETIRED_BYTES
    + TAIL_BYTES_MAX
    + CRC_BYTES;
const TAIL_BYTES_MAX: usize = 4 + TAIL_ENTRIES_MAX * ENTRY_BYTES;
const _: () = assert!(LENGTH_MAX <= MANIFEST_OBJECT_BYTES_MAX);

const WHAT_SEGMENT: u8 = 1;
const WHAT_LEAF: u8 = 2;
const WHAT_ROOT: u8 = 3;

/// An object that was replaced and that a reader may still be at.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Retired {
    /// Which.
    pub what: RetiredObject,
    /// Since when no root names it any more.
    pub since: Timestamp,
}

/// What kind of object was replaced.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum RetiredObject {
    /// Records.
    Segment(ObjectName),
    /// A part of the manifest.
    Leaf(Nonce),
    /// An earlier root.
    Root(u64),
}

impl RetiredObject {
    /// Its key.
    pub fn key(&self, partition: TopicPartition) -> String {
        match *self {
            RetiredObject::Segment(name) => ObjectKey::Segment(partition, name),
            RetiredObject::Leaf(nonce) => ObjectKey::Leaf(partition, nonce),
            RetiredObject::Root(number) => ObjectKey::Root(partition, number),
        }
        .to_string()
    }
}

/// What a partition's manifest is at one moment. Immutable: an [`super::Update`] holds the next one.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Root {
    /// Whose.
    pub partition: TopicPartition,
    /// Of the object; 0 for one that was never written: the manifest is empty.
    pub number: u64,
    /// The writer's, told in no other object.
    pub nonce: Nonce,
    /// Of the leader that wrote it.
    pub leader_epoch: LeaderEpoch,
    /// What ends at or below it counts no longer.
    pub log_start_offset: Offset,
    /// Exclusive end of all that was ever added: the next segment begins here, or above.
    pub end_offset: Offset,
    /// Of a compacted partition: what lies below was sifted with every key below.
    pub clean_offset: Offset,
    /// Ascending by offset.
    pub leaves: Vec<LeafReference>,
    /// Oldest first.
    pub retired: Vec<Retired>,
    /// The last of the leaves, where it is a small one: it has no object of its own.
    pub tail: Option<Arc<Leaf>>,
}

impl Root {
    /// Of a partition of which nothing was ever uploaded.
    pub fn empty(partition: TopicPartition, log_start_offset: Offset) -> Root {
        Root {
            partition,
            number: 0,
            nonce: Nonce::default(),
            leader_epoch: LeaderEpoch::NONE,
            log_start_offset,
            end_offset: Offset(0),
            clean_offset: Offset(0),
            leaves: Vec::new(),
            retired: Vec::new(),
            tail: None,
        }
    }

    /// Key of its object.
    pub fn key(&self) -> String {
        ObjectKey::Root(self.partition, self.number).to_string()
    }

    /// Its object.
    pub fn encode(&self) -> Vec<u8> {
        let mut to = Writer::begin(MAGIC, VERSION, self.nonce, self.partition);
        to.u64(self.number);
        to.i32(self.leader_epoch.0);
        to.i64(self.log_start_offset.0);
        to.i64(self.end_offset.0);
        to.i64(self.clean_offset.0);
        to.count(self.leaves.len());
        self.leaves.iter().for_each(|leaf| leaf.encode(&mut to));
        to.count(self.retired.len());
        self.retired.iter().for_each(|retired| retired.encode(&mut to));
        let tail = self.tail.as_ref().map_or(&[][..], |tail| &tail.entries);
        to.count(tail.len());
        tail.iter().for_each(|entry| entry.encode(&mut to));
        to.finish()
    }

    /// Reads the root of that number; otherwise says what is wrong with it.
    pub fn decode(bytes: &[u8], partition: TopicPartition, number: u64) -> Result<Root, &'static str> {
        let root = Root::decode_any(bytes)?;
        let is_named = (root.partition, root.number) == (partition, number);
        if is_named { Ok(root) } else { Err("it belongs to another partition or has another number") }
    }

    /// The same for whatever root.
    pub fn decode_any(bytes: &[u8]) -> Result<Root, &'static str> {
        if bytes.len() > MANIFEST_OBJECT_BYTES_MAX {
            return Err("it is longer than any root is");
        }
        let content = checked(bytes)?;
        let known = [VERSION_1, VERSION_2].into_iter();
        let earlier =
            known.filter_map(|version| Some((version, begin(content, MAGIC, version).ok()?))).next();
        let (version, mut from) = match earlier {
            Some(earlier) => earlier,
            None => (VERSION, begin(content, MAGIC, VERSION)?),
        };
        let root = Root::read(&mut from, version).ok_or("its counts or entries make no sense")?;
        let ascends = |pair: &[LeafReference]| pair[0].end_offset <= pair[1].base_offset;
        let is_sound = from.0.is_empty()
            && root.leaves.windows(2).all(ascends)
            && root.leaves.last().is_none_or(|leaf| leaf.end_offset <= root.end_offset)
            && root.clean_offset <= root.end_offset
            && root.has_every_leaf();
        if is_sound { Ok(root) } else { Err("its leaves do not ascend") }
    }

    fn read(from: &mut Reader<'_>, version: u16) -> Option<Root> {
        let nonce = from.nonce()?;
        let mut root = Root {
            nonce,
            partition: from.partition()?,
            number: from.u64()?,
            leader_epoch: from.leader_epoch()?,
            log_start_offset: from.offset()?,
            end_offset: from.offset()?,
            clean_offset: if version == VERSION_1 { Offset(0) } else { from.offset()? },
            leaves: Vec::new(),
            retired: Vec::new(),
            tail: None,
        };
        let count = from.count(REFERENCE_BYTES, LEAVES_MAX)?;
        root.leaves.reserve_exact(count);
        for _ in 0..count {
            root.leaves.push(LeafReference::decode(from)?);
        }
        let count = from.count(RETIRED_BYTES, RETIRED_MAX)?;
        root.retired.reserve_exact(count);
        for _ in 0..count {
            root.retired.push(Retired::decode(from)?);
        }
        if version < VERSION {
            return Some(root);
        }
        let count = from.count(ENTRY_BYTES, TAIL_ENTRIES_MAX)?;
        let mut entries = Vec::with_capacity(count);
        for _ in 0..count {
            entries.push(ManifestEntry::decode(from)?);
        }
        if !entries.is_empty() {
            let nonce = root.leaves.last()?.nonce;
            root.tail = Some(Arc::new(Leaf { nonce, entries }));
        }
        Some(root)
    }

    /// Whether the last leaf alone, if any, is here and has no object.
    fn has_every_leaf(&self) -> bool {
        let inline = self.leaves.iter().filter(|leaf| leaf.is_inline()).count();
        match (&self.tail, self.leaves.last()) {
            (None, _) => inline == 0,
            (Some(tail), Some(last)) => {
                inline == 1 && last.is_inline() && tail.is_named_by(last) && ascend(&tail.entries)
            }
            (Some(_), None) => false,
        }
    }

    /// The leaf that holds `offset`, or the one behind the gap in which it lies; `None`: it is at or above
    /// the end.
    pub fn leaf_of(&self, offset: Offset) -> Option<&LeafReference> {
        self.leaves.get(self.leaves.partition_point(|leaf| leaf.end_offset <= offset))
    }

    /// What it takes in memory, its tail included.
    pub(super) fn memory_bytes(&self) -> usize {
        let tail = self.tail.as_ref().map_or(0, |tail| tail.memory_bytes());
        size_of::<Root>()
            + self.leaves.capacity() * size_of::<LeafReference>()
            + self.retired.capacity() * size_of::<Retired>()
            + tail
    }

    /// Segments that count.
    pub fn segments(&self) -> u64 {
        self.leaves.iter().map(|leaf| u64::from(leaf.count)).sum()
    }

    /// Log bytes of these.
    pub fn log_bytes(&self) -> u64 {
        self.leaves.iter().map(|leaf| leaf.log_bytes).sum()
    }
}

impl Retired {
    /// Whether no reader can be at it any more.
    pub fn is_over(&self, now: Timestamp, grace: Duration) -> bool {
        let grace_ms = i64::try_from(grace.as_millis()).unwrap_or(i64::MAX);
        now.0.saturating_sub(self.since.0) >= grace_ms
    }

    fn encode(&self, to: &mut Writer) {
        let (what, nonce, number) = match self.what {
            RetiredObject::Segment(name) => (WHAT_SEGMENT, name.nonce, name.base_offset.0 as u64),
            RetiredObject::Leaf(nonce) => (WHAT_LEAF, nonce, 0),
            RetiredObject::Root(number) => (WHAT_ROOT, Nonce::default(), number),
        };
        to.u8(what);
        to.raw(&nonce.0);
        to.u64(number);
        to.i64(self.since.0);
    }

    fn decode(from: &mut Reader<'_>) -> Option<Retired> {
        let (what, nonce, number) = (from.u8()?, from.nonce()?, from.u64()?);
        let what = match what {
            WHAT_SEGMENT => RetiredObject::Segment(ObjectName { base_offset: Offset(number as i64), nonce }),
            WHAT_LEAF => RetiredObject::Leaf(nonce),
            WHAT_ROOT => RetiredObject::Root(number),
            _ => return None,
        };
        Some(Retired { what, since: from.timestamp()? })
    }
}

#[cfg(test)]
mod tests;
