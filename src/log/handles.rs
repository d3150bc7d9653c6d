use std::collections::{BTreeMap, HashMap};
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use parking_lot::Mutex;

use crate::env::File;

/// Which of a segment's files.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(super) enum FileKind {
    Log,
    OffsetIndex,
    TimeIndex,
    TransactionIndex,
}

/// Names an open file without its path. `generation` is unique to one opening of one partition, so a handle
/// of a file that was unlinked is never found under the name of its successor.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) struct FileKey {
    pub generation: u64,
    pub base_offset: i64,
    pub kind: FileKind,
}

struct Slot {
    file: Arc<dyn File>,
    used: u64,
    pins: u32,
}

#[derive(Default)]
struct Slots {
    by_key: HashMap<FileKey, Slot>,
    /// Unpinned handles by their last use: the first goes first.
    by_use: BTreeMap<u64, FileKey>,
    uses: u64,
}

/// Open files of all partitions, least recently used closed first, so that 100,000 partitions are not all
/// open.
///
/// Pinned handles count but are never closed: an error of a write-back is told to the handles that were
/// open when it happened, so a file keeps its handle from its first unsynced write to its sync.
pub struct HandleCache {
    slots: Mutex<Slots>,
    handles_max: usize,
    generations: AtomicU64,
}

impl HandleCache {
    /// A cache that closes handles when more than `handles_max` are open. Pinned ones alone may exceed it.
    pub fn new(handles_max: usize) -> Arc<HandleCache> {
        Arc::new(HandleCache { slots: Mutex::default(), handles_max, generations: AtomicU64::new(0) })
    }

    /// Handles held now.
    pub fn open_count(&self) -> usize {
        self.slots.lock().by_key.len()
    }

    pub(super) fn next_generation(&self) -> u64 {
        self.generations.fetch_add(1, Ordering::Relaxed)
    }

    /// The handle of `key`, opened by `open` if it is not held. Two callers may open it at once; one handle
    /// is kept.
    pub(super) fn get(
        &self,
        key: FileKey,
        open: impl FnOnce() -> io::Result<Arc<dyn File>>,
    ) -> io::Result<Arc<dyn File>> {
        if let Some(file) = self.slots.lock().touch(key) {
            return Ok(file);
        }
        // Not under the lock: an open may wait for the disk.
        let opened = open()?;
        Ok(self.slots.lock().insert(key, opened, self.handles_max))
    }

    /// As `get`, but `retired` wherever it is set: then the file's name is, or is about to be, another's.
    ///
    /// It is looked at again after opening: who sets it does so before the name changes hands, so a file that
    /// was opened while it was not set is the right one.
    pub(super) fn get_unless_retired(
        &self,
        retired: &OnceLock<Arc<dyn File>>,
        key: FileKey,
        open: impl FnOnce() -> io::Result<Arc<dyn File>>,
    ) -> io::Result<Arc<dyn File>> {
        if let Some(file) = retired.get() {
            return Ok(Arc::clone(file));
        }
        let opened = self.get(key, open);
        match retired.get() {
            Some(file) => Ok(Arc::clone(file)),
            None => opened,
        }
    }

    /// As `get`, and the handle stays until the guard is dropped.
    pub(super) fn pin(
        self: &Arc<Self>,
        key: FileKey,
        open: impl Fn() -> io::Result<Arc<dyn File>>,
    ) -> io::Result<PinnedHandle> {
        let opened = self.get(key, open)?;
        let file = self.slots.lock().pin(key, opened);
        Ok(PinnedHandle { file, key, cache: Arc::clone(self) })
    }

    /// Closes the handle of a file that is going away.
    pub(super) fn forget(&self, key: FileKey) {
        let mut slots = self.slots.lock();
        if let Some(slot) = slots.by_key.remove(&key) {
            slots.by_use.remove(&slot.used);
        }
    }
}

impl Slots {
    fn touch(&mut self, key: FileKey) -> Option<Arc<dyn File>> {
        let slot = self.by_key.get_mut(&key)?;
        if slot.pins == 0 {
            self.by_use.remove(&slot.used);
            self.uses += 1;
            slot.used = self.uses;
            self.by_use.insert(slot.used, key);
        }
        Some(Arc::clone(&slot.file))
    }

    /// Keeps `file` unless another caller was quicker; returns the one that is kept.
    fn insert(&mut self, key: FileKey, file: Arc<dyn File>, handles_max: usize) -> Arc<dyn File> {
        if let Some(held) = self.touch(key) {
            return held;
        }
        while self.by_key.len() >= handles_max {
            let Some((_, oldest)) = self.by_use.pop_first() else { break };
            self.by_key.remove(&oldest);
        }
        self.uses += 1;
        self.by_use.insert(self.uses, key);
        self.by_key.insert(key, Slot { file: Arc::clone(&file), used: self.uses, pins: 0 });
        file
    }

    /// Pins the handle, `opened` if it was closed in between.
    fn pin(&mut self, key: FileKey, opened: Arc<dyn File>) -> Arc<dyn File> {
        let file = self.insert(key, opened, usize::MAX);
        let slot = self.by_key.get_mut(&key).expect("inserted in the line above, under the same lock");
        self.by_use.remove(&slot.used);
        slot.pins += 1;
        file
    }

    fn unpin(&mut self, key: FileKey) {
        let Some(slot) = self.by_key.get_mut(&key) else { return };
        // Not pinned: forgotten and opened again meanwhile.
        let Some(pins) = slot.pins.checked_sub(1) else { return };
        slot.pins = pins;
        if pins == 0 {
            self.uses += 1;
            slot.used = self.uses;
            self.by_use.insert(slot.used, key);
        }
    }
}

/// A handle that the cache does not close.
pub(super) struct PinnedHandle {
    pub file: Arc<dyn File>,
    key: FileKey,
    cache: Arc<HandleCache>,
}

impl Drop for PinnedHandle {
    fn drop(&mut self) {
        self.cache.slots.lock().unpin(self.key);
    }
}

#[cfg(test)]
mod tests;
