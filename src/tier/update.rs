//! Changes of a manifest, as the objects to put: a root, and now and then a leaf.

use std::collections::HashSet;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::error::TierError;
use super::keys::{Nonce, ObjectName};
use super::leaf::{LEAF_ENTRIES_MAX, Leaf, LeafReference, ascend};
use super::manifest_entry::ManifestEntry;
use super::root::{LEAVES_MAX, RETIRED_MAX, Retired, RetiredObject, Root, TAIL_ENTRIES_MAX};
use crate::env::Random;
use crate::log::Times;
use crate::model::{LeaderEpoch, Offset, TopicPartition};

/// Leaves that one update removes entries of: so many are read for it, and so long may its garbage be.
pub const LEAVES_PER_REMOVAL_MAX: usize = 8;

/// Who changes a manifest, when, and under which names.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Stamp {
    /// Of the root to be. Above the one before; further up where a number is taken by a root that never
    /// became current.
    pub number: u64,
    /// Of the root to be.
    pub root_nonce: Nonce,
    /// Of the leaf to be, with an object or without.
    pub leaf_nonce: Nonce,
    /// Of the leader that writes.
    pub leader_epoch: LeaderEpoch,
    /// By the broker's clock: objects are replaced at its stamp, and kept until it is believed that the grace
    /// is over.
    pub times: Times,
    /// How long replaced objects are kept for readers that are at them.
    pub grace: Duration,
}

impl Stamp {
    /// For the root that follows `root`.
    pub fn after(
        root: &Root,
        random: &dyn Random,
        leader_epoch: LeaderEpoch,
        times: Times,
        grace: Duration,
    ) -> Stamp {
        let (root_nonce, leaf_nonce) = (Nonce::draw(random), Nonce::draw(random));
        Stamp { number: root.number + 1, root_nonce, leaf_nonce, leader_epoch, times, grace }
    }
}

/// An object of a manifest, to be put.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ManifestObject {
    /// Its key.
    pub key: String,
    /// All of it.
    pub bytes: Bytes,
}

/// One change. Put the leaf, then create the root, then make its number current; then the garbage may go.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Update {
    /// Of a name that was never used.
    pub leaf: Option<ManifestObject>,
    /// To be created, if nothing has its name.
    pub root: ManifestObject,
    /// Keys that nothing names once the root is current.
    pub garbage: Vec<String>,
    /// The root, decoded.
    pub next: Root,
    /// The leaf, decoded.
    pub next_leaf: Option<Leaf>,
}

/// What an operation has changed so far.
struct Change {
    next: Root,
    leaf: Option<Leaf>,
    garbage: Vec<String>,
    retired: Vec<RetiredObject>,
}

impl Change {
    fn of(root: &Root) -> Change {
        Change { next: root.clone(), leaf: None, garbage: Vec::new(), retired: Vec::new() }
    }

    fn finish(mut self, stamp: &Stamp) -> Result<Update, TierError> {
        if self.next.leaves.len() > LEAVES_MAX {
            return Err(TierError::Full("its root names no more leaves"));
        }
        if stamp.number <= self.next.number {
            return Err(TierError::Misplaced("the number of a root is not above the one before"));
        }
        if self.next.number > 0 {
            self.retired.push(RetiredObject::Root(self.next.number));
        }
        let since = stamp.times.stamp;
        let Root { partition, retired, .. } = &mut self.next;
        retired.extend(self.retired.into_iter().map(|what| Retired { what, since }));
        let is_over = |retired: &&Retired| retired.is_over(stamp.times.believed, stamp.grace);
        let over = retired.iter().take_while(is_over).count();
        let released = over.max(retired.len().saturating_sub(RETIRED_MAX));
        self.garbage.extend(retired.drain(..released).map(|retired| retired.what.key(*partition)));
        (self.next.number, self.next.nonce) = (stamp.number, stamp.root_nonce);
        self.next.leader_epoch = stamp.leader_epoch;
        let partition = self.next.partition;
        let object = |leaf: &Leaf| ManifestObject {
            key: leaf.key(partition),
            bytes: Bytes::from(leaf.encode(partition)),
        };
        Ok(Update {
            leaf: self.leaf.as_ref().map(object),
            root: ManifestObject { key: self.next.key(), bytes: Bytes::from(self.next.encode()) },
            garbage: self.garbage,
            next: self.next,
            next_leaf: self.leaf,
        })
    }

    /// Puts a new leaf of these entries in the place of those references: a small one behind all others into
    /// the root, every other one as an object.
    fn put_leaf(&mut self, at: Range<usize>, nonce: Nonce, entries: Vec<ManifestEntry>) {
        let is_last = at.end == self.next.leaves.len();
        let leaf = (!entries.is_empty()).then_some(Leaf { nonce, entries });
        let (tail, object) = match leaf {
            Some(leaf) if is_last && leaf.entries.len() <= TAIL_ENTRIES_MAX => (Some(leaf), None),
            leaf => (None, leaf),
        };
        let encoded = object.as_ref().map(|leaf| leaf.encode(self.next.partition)).unwrap_or_default();
        let reference = tail.as_ref().or(object.as_ref()).map(|leaf| leaf.reference(&encoded));
        let replaced = self.next.leaves.splice(at, reference).filter(|reference| !reference.is_inline());
        self.retired.extend(replaced.map(|reference| RetiredObject::Leaf(reference.nonce)));
        if is_last {
            self.next.tail = tail.map(Arc::new);
        }
        self.leaf = object;
    }
}

impl Root {
    /// The leaf that [`Root::add`] needs for so many segments; `None`: none.
    pub fn leaf_for(&self, segments: usize) -> Option<&LeafReference> {
        let in_root = self.tail_entries().len();
        let has_room = self.tail.is_some() || self.leaves.len() < LEAVES_MAX;
        let is_small = in_root + segments <= TAIL_ENTRIES_MAX && has_room;
        self.leaves.iter().rev().find(|leaf| !leaf.is_inline()).filter(|_| !is_small)
    }

    /// Segments that count and stand in the root itself.
    fn tail_entries(&self) -> &[ManifestEntry] {
        let tail = self.tail.as_ref().zip(self.leaves.last());
        tail.map_or(&[], |(tail, reference)| tail.live(reference))
    }

    /// Adds segments behind all others, with those that stand in the root at most [`LEAF_ENTRIES_MAX`]. They
    /// stand there, too, until they are too many. `last` is the leaf of [`Root::leaf_for`]: it is written
    /// anew with all of these then, or left alone and a new one begun where they do not all fit.
    pub fn add(
        &self,
        entries: &[ManifestEntry],
        last: Option<&Leaf>,
        stamp: &Stamp,
    ) -> Result<Update, TierError> {
        let Some((first, newest)) = entries.first().zip(entries.last()) else {
            return Err(TierError::Misplaced("no segment is to be added"));
        };
        let is_sound = entries.iter().all(ManifestEntry::is_sound) && ascend(entries);
        let added = [self.tail_entries(), entries].concat();
        if !is_sound || first.base_offset < self.end_offset || added.len() > LEAF_ENTRIES_MAX {
            return Err(TierError::Misplaced("segments are to be added that do not follow the others"));
        }
        let live = match (self.leaf_for(entries.len()), last) {
            (Some(reference), Some(leaf)) => Some(live_of(reference, leaf)?),
            (None, _) => None,
            (Some(_), None) => return Err(TierError::Misplaced(NOT_THAT_LEAF)),
        };
        let mut change = Change::of(self);
        change.next.end_offset = newest.end_offset;
        let count = self.leaves.len();
        let tail_at = count - usize::from(self.tail.is_some());
        match live.filter(|live| live.len() + added.len() <= LEAF_ENTRIES_MAX) {
            Some(live) => change.put_leaf(tail_at - 1..count, stamp.leaf_nonce, [live, &added].concat()),
            None => change.put_leaf(tail_at..count, stamp.leaf_nonce, added),
        }
        change.finish(stamp)
    }

    /// The leaves to read for a removal of all below `offset`: the first ones, at most
    /// [`LEAVES_PER_REMOVAL_MAX`].
    pub fn leaves_below(&self, offset: Offset) -> &[LeafReference] {
        let count = self.leaves.partition_point(|leaf| leaf.base_offset < offset);
        &self.leaves[..count.min(LEAVES_PER_REMOVAL_MAX)]
    }

    /// Raises the log start and removes segments that end at or below it. `leaves` are those of
    /// [`Root::leaves_below`]. No leaf is written: the root says what counts no longer.
    ///
    /// With more leaves below it than that, the log start is raised to where the next one begins, and the
    /// removal is to be made again: by the root alone, also after a crash.
    pub fn remove_below(&self, offset: Offset, leaves: &[Leaf], stamp: &Stamp) -> Result<Update, TierError> {
        let below = self.leaves_below(offset);
        if below.len() != leaves.len() {
            return Err(TierError::Misplaced(NOT_THAT_LEAF));
        }
        let mut change = Change::of(self);
        let mut kept = Vec::with_capacity(1);
        for (reference, leaf) in below.iter().zip(leaves) {
            let live = live_of(reference, leaf)?;
            let count = live.iter().take_while(|entry| entry.end_offset <= offset).count();
            let (removed, left) = live.split_at(count);
            change.garbage.extend(removed.iter().map(|entry| entry.key(self.partition)));
            match left.first() {
                Some(first) => kept.push(without_first(reference, removed, first.base_offset)),
                None if reference.is_inline() => change.next.tail = None,
                None => change.garbage.push(reference.key(self.partition)),
            }
        }
        let next_below = self.leaves.get(below.len()).filter(|leaf| leaf.base_offset < offset);
        let reached = next_below.map_or(offset, |leaf| leaf.base_offset);
        change.next.log_start_offset = self.log_start_offset.max(reached);
        change.next.leaves.splice(..below.len(), kept);
        change.finish(stamp)
    }

    /// Puts segments in the place of those that make up `range`, all in that leaf. Objects that nothing names
    /// any more wait for the readers' grace.
    pub fn replace(
        &self,
        range: Range<Offset>,
        entries: &[ManifestEntry],
        leaf: &Leaf,
        stamp: &Stamp,
    ) -> Result<Update, TierError> {
        let at = self.leaves.iter().position(|reference| reference.nonce == leaf.nonce);
        let at = at.ok_or(TierError::Misplaced(NOT_THAT_LEAF))?;
        let live = live_of(&self.leaves[at], leaf)?;
        let from = live.iter().position(|entry| entry.base_offset == range.start);
        let to = live.iter().position(|entry| entry.end_offset == range.end);
        let (Some(from), Some(to)) = (from, to) else {
            return Err(TierError::Misplaced("no segment begins or ends where others are to be replaced"));
        };
        let is_within = |entry: &ManifestEntry| {
            entry.is_sound() && entry.base_offset >= range.start && entry.end_offset <= range.end
        };
        if from > to || !entries.iter().all(is_within) || !ascend(entries) {
            return Err(TierError::Misplaced("segments do not fit the place of those they replace"));
        }
        let (replaced, behind) = (&live[from..=to], &live[to + 1..]);
        if live.len() - replaced.len() + entries.len() > LEAF_ENTRIES_MAX {
            return Err(TierError::Full("a leaf names no more segments"));
        }
        let mut change = Change::of(self);
        let named: HashSet<ObjectName> = entries.iter().map(|entry| entry.object).collect();
        let gone = replaced.iter().filter(|entry| !named.contains(&entry.object));
        change.retired.extend(gone.map(|entry| RetiredObject::Segment(entry.object)));
        change.put_leaf(at..at + 1, stamp.leaf_nonce, [&live[..from], entries, behind].concat());
        change.finish(stamp)
    }

    /// Notes that what lies below `offset` is sifted with every key below.
    pub fn cleaned_below(&self, offset: Offset, stamp: &Stamp) -> Result<Update, TierError> {
        if offset > self.end_offset {
            return Err(TierError::Misplaced("more is to be called clean than there is"));
        }
        let mut change = Change::of(self);
        change.next.clean_offset = self.clean_offset.max(offset);
        change.finish(stamp)
    }

    /// Keys of all objects that this root keeps alive but for the segments, which leaves name.
    pub fn named(&self) -> impl Iterator<Item = String> {
        let partition: TopicPartition = self.partition;
        let objects = self.leaves.iter().filter(|leaf| !leaf.is_inline());
        let leaves = objects.map(move |leaf| leaf.key(partition));
        let retired = self.retired.iter().map(move |retired| retired.what.key(partition));
        let own = (self.number > 0).then(|| self.key());
        leaves.chain(retired).chain(own)
    }
}

const NOT_THAT_LEAF: &str = "a leaf is not the one that the root names there";

/// The entries of a leaf that count.
fn live_of<'a>(reference: &LeafReference, leaf: &'a Leaf) -> Result<&'a [ManifestEntry], TierError> {
    let live = leaf.live(reference);
    let is_that = leaf.nonce == reference.nonce && live.len() == reference.count as usize;
    if is_that { Ok(live) } else { Err(TierError::Misplaced(NOT_THAT_LEAF)) }
}

/// Its largest timestamp may have been one of the removed: it stays a bound.
fn without_first(reference: &LeafReference, removed: &[ManifestEntry], base_offset: Offset) -> LeafReference {
    let count = u32::try_from(removed.len()).expect("at most those of a leaf");
    let log_bytes: u64 = removed.iter().map(|entry| entry.log_bytes).sum();
    LeafReference {
        base_offset,
        skipped: reference.skipped + count,
        count: reference.count - count,
        log_bytes: reference.log_bytes - log_bytes,
        ..*reference
    }
}

#[cfg(test)]
mod tests;
