use std::io;
use std::marker::PhantomData;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};

use crate::env::{File, Files, OpenMode};
use crate::log::handles::{FileKey, HandleCache, PinnedHandle};
use crate::model::Timestamp;

/// Entries read at once when a look-up has come near: one page of offsets.
const SCAN_ENTRIES: u32 = 512;

/// An entry of fixed size, ascending.
pub(super) trait IndexEntry: Copy {
    /// Bytes on disk.
    const BYTES: usize;
    fn encode(&self, to: &mut Vec<u8>);
    /// `bytes` has `BYTES` bytes.
    fn decode(bytes: &[u8]) -> Self;
}

/// `<base>.index`: where the batch that ends with an offset begins.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct OffsetEntry {
    /// Last offset of the batch, less the segment's base offset (as Kafka writes it).
    pub relative_offset: i32,
    /// First byte of the batch.
    pub position: i32,
}

impl IndexEntry for OffsetEntry {
    const BYTES: usize = 8;

    fn encode(&self, to: &mut Vec<u8>) {
        to.extend_from_slice(&self.relative_offset.to_be_bytes());
        to.extend_from_slice(&self.position.to_be_bytes());
    }

    fn decode(bytes: &[u8]) -> OffsetEntry {
        let (offset, position) = bytes.split_at(4);
        let number = |bytes: &[u8]| i32::from_be_bytes(bytes.try_into().expect("half of 8 bytes"));
        OffsetEntry { relative_offset: number(offset), position: number(position) }
    }
}

/// `<base>.timeindex`: the largest timestamp so far, and where it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct TimeEntry {
    /// Largest timestamp of the segment up to and with that batch.
    pub timestamp: Timestamp,
    /// Last offset of the first batch with that timestamp, less the segment's base offset (as Kafka writes
    /// it).
    pub relative_offset: i32,
}

impl IndexEntry for TimeEntry {
    const BYTES: usize = 12;

    fn encode(&self, to: &mut Vec<u8>) {
        to.extend_from_slice(&self.timestamp.0.to_be_bytes());
        to.extend_from_slice(&self.relative_offset.to_be_bytes());
    }

    fn decode(bytes: &[u8]) -> TimeEntry {
        let (timestamp, offset) = bytes.split_at(8);
        TimeEntry {
            timestamp: Timestamp(i64::from_be_bytes(timestamp.try_into().expect("8 of 12 bytes"))),
            relative_offset: i32::from_be_bytes(offset.try_into().expect("4 of 12 bytes")),
        }
    }
}

/// What is good of an index file.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct IndexSummary {
    /// Entries from the front.
    pub entries: u32,
    /// CRC-32C of them; 0 for none.
    pub crc: u32,
}

impl IndexSummary {
    /// Of an index with these entries.
    pub(super) fn of<E: IndexEntry>(entries: &[E]) -> IndexSummary {
        let mut bytes = Vec::with_capacity(entries.len() * E::BYTES);
        entries.iter().for_each(|entry| entry.encode(&mut bytes));
        let count = u32::try_from(entries.len()).expect("an index is bounded by its segment's bytes");
        IndexSummary { entries: count, crc: crc32c::crc32c(&bytes) }
    }
}

/// One index file of one segment: a cache, never synced. It grows by append; how many entries of it are
/// good is known from the `.state` file, not from its length.
pub(super) struct IndexFile<E> {
    key: FileKey,
    path: PathBuf,
    entries: AtomicU32,
    /// CRC-32C of the good entries.
    crc: AtomicU32,
    /// The file as long as the name is another's: see `Segment::retire`.
    retired: OnceLock<Arc<dyn File>>,
    entry: PhantomData<fn() -> E>,
}

impl<E: IndexEntry> IndexFile<E> {
    pub(super) fn new(key: FileKey, path: PathBuf) -> IndexFile<E> {
        let (entries, crc) = (AtomicU32::new(0), AtomicU32::new(0));
        IndexFile { key, path, entries, crc, retired: OnceLock::new(), entry: PhantomData }
    }

    pub(super) fn path(&self) -> &PathBuf {
        &self.path
    }

    pub(super) fn key(&self) -> FileKey {
        self.key
    }

    /// Good entries.
    pub(super) fn entries_count(&self) -> u32 {
        self.entries.load(Ordering::Acquire)
    }

    pub(super) fn bytes(&self) -> u64 {
        u64::from(self.entries_count()) * E::BYTES as u64
    }

    fn handle(&self, files: &dyn Files, handles: &HandleCache) -> io::Result<Arc<dyn File>> {
        handles.get_unless_retired(&self.retired, self.key, || self.open(files))
    }

    /// Reads a piece of it. Who reads makes no file: one that is not there was removed meanwhile.
    pub(super) fn read(
        &self,
        files: &dyn Files,
        handles: &HandleCache,
        position: u64,
        length: usize,
    ) -> io::Result<Vec<u8>> {
        let open = || files.open(&self.path, OpenMode::Write);
        let file = handles.get_unless_retired(&self.retired, self.key, open)?;
        let mut bytes = vec![0; length];
        file.read_exact_at(&mut bytes, position)?;
        Ok(bytes)
    }

    /// Its handle, kept until the guard is dropped: a write that is to be synced goes through it.
    pub(super) fn pin(&self, files: &dyn Files, handles: &Arc<HandleCache>) -> io::Result<PinnedHandle> {
        handles.pin(self.key, || self.open(files))
    }

    fn open(&self, files: &dyn Files) -> io::Result<Arc<dyn File>> {
        match files.open(&self.path, OpenMode::Write) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => files.open(&self.path, OpenMode::Create),
            other => other,
        }
    }

    /// Its name is about to become another file's: what is open now is used from here on.
    pub(super) fn retire(&self, files: &dyn Files, handles: &HandleCache) -> io::Result<()> {
        if self.entries_count() > 0 {
            let file = self.handle(files, handles)?;
            self.retired.get_or_init(|| file);
        }
        Ok(())
    }

    /// Count and checksum of the good entries.
    pub(super) fn summary(&self) -> IndexSummary {
        IndexSummary { entries: self.entries_count(), crc: self.crc.load(Ordering::Acquire) }
    }

    fn set(&self, summary: IndexSummary) {
        self.entries.store(summary.entries, Ordering::Release);
        self.crc.store(summary.crc, Ordering::Release);
    }

    /// Takes the front of the file as good if it is what the summary says, and cuts off what follows.
    /// `false`: the file is no use and must be written anew.
    ///
    /// A checksum, not a look whether entries ascend: never synced, a page of the file may hold what an
    /// earlier life wrote there.
    pub(super) fn adopt(
        &self,
        files: &dyn Files,
        handles: &HandleCache,
        summary: IndexSummary,
    ) -> io::Result<bool> {
        self.adopt_bytes(files, handles, summary).map(|bytes| bytes.is_some())
    }

    /// The same, and gives the bytes of the entries.
    pub(super) fn adopt_bytes(
        &self,
        files: &dyn Files,
        handles: &HandleCache,
        summary: IndexSummary,
    ) -> io::Result<Option<Vec<u8>>> {
        self.set(IndexSummary::default());
        if !files.exists(&self.path)? {
            return Ok((summary.entries == 0).then(Vec::new));
        }
        let file = self.handle(files, handles)?;
        let length = file.length()?;
        let expected = u64::from(summary.entries) * E::BYTES as u64;
        if length < expected {
            return Ok(None);
        }
        let mut bytes = vec![0; usize::try_from(expected).map_err(io::Error::other)?];
        file.read_exact_at(&mut bytes, 0)?;
        if crc32c::crc32c(&bytes) != summary.crc {
            return Ok(None);
        }
        if length > expected {
            file.set_len(expected)?;
        }
        self.set(summary);
        Ok(Some(bytes))
    }

    /// Empties the file.
    pub(super) fn clear(&self, files: &dyn Files, handles: &HandleCache) -> io::Result<()> {
        self.set(IndexSummary::default());
        if files.exists(&self.path)? { self.handle(files, handles)?.set_len(0) } else { Ok(()) }
    }

    /// Adds entries after the good ones. After an error none of them counts.
    pub(super) fn append(&self, files: &dyn Files, handles: &HandleCache, entries: &[E]) -> io::Result<()> {
        if entries.is_empty() {
            return Ok(());
        }
        let mut bytes = Vec::with_capacity(entries.len() * E::BYTES);
        entries.iter().for_each(|entry| entry.encode(&mut bytes));
        self.handle(files, handles)?.write_all_at(&bytes, self.bytes())?;
        let added = u32::try_from(entries.len()).map_err(io::Error::other)?;
        let good = self.summary();
        let crc = crc32c::crc32c_append(good.crc, &bytes);
        self.set(IndexSummary { entries: good.entries + added, crc });
        Ok(())
    }

    /// The last entry for which `belongs` holds; `belongs` holds for a front part of the index.
    pub(super) fn last_where(
        &self,
        files: &dyn Files,
        handles: &HandleCache,
        belongs: impl Fn(&E) -> bool,
    ) -> io::Result<Option<E>> {
        let (mut low, mut high) = (0, self.entries_count());
        if high == 0 {
            return Ok(None);
        }
        let read = |at: u32, count: u32| {
            self.read(files, handles, u64::from(at) * E::BYTES as u64, count as usize * E::BYTES)
        };
        // Everything below `low` belongs, nothing from `high` on does.
        while high - low > SCAN_ENTRIES {
            let middle = low + (high - low) / 2;
            if belongs(&E::decode(&read(middle, 1)?)) {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        // One entry more to the left, for it may be the last that belongs.
        let from = low.saturating_sub(1);
        let bytes = read(from, high - from)?;
        Ok(bytes.chunks_exact(E::BYTES).map(E::decode).take_while(|entry| belongs(entry)).last())
    }

    /// Forgets entries at the end again, the last ones that were added.
    pub(super) fn take_back(&self, summary: IndexSummary) {
        self.set(summary);
    }

    /// The last entry.
    pub(super) fn last(&self, files: &dyn Files, handles: &HandleCache) -> io::Result<Option<E>> {
        let count = self.entries_count();
        if count == 0 {
            return Ok(None);
        }
        let bytes = self.read(files, handles, u64::from(count - 1) * E::BYTES as u64, E::BYTES)?;
        Ok(Some(E::decode(&bytes)))
    }
}

#[cfg(test)]
mod tests;
