use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use parking_lot::Mutex;

use crate::env::{File, OpenMode};
use crate::log::checked_index::CheckedIndex;
use crate::log::dirty::Dirty;
use crate::log::handles::{FileKey, FileKind, PinnedHandle};
use crate::log::index::{IndexFile, OffsetEntry, TimeEntry};
use crate::log::scan::{Found, Scanner};
use crate::log::state_file::SegmentRecord;
use crate::log::{AbortedTransaction, LogDirectory, LogError, names};
use crate::model::{Offset, Timestamp};
use crate::protocol::batch::BatchHeader;

/// The largest timestamp of a segment, and the last offset of the first batch that has it. -1 where there
/// is none.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Largest {
    pub timestamp: Timestamp,
    pub last_offset: Offset,
}

impl Largest {
    pub(super) const NONE: Largest = Largest { timestamp: Timestamp::NONE, last_offset: Offset::NONE };

    /// Takes note of a batch. One that compaction has emptied has a time and no record of that time.
    pub(super) fn add_batch(&mut self, header: &BatchHeader) {
        if header.records_count > 0 {
            self.add(header.max_timestamp, header.last_offset());
        }
    }

    pub(super) fn add(&mut self, timestamp: Timestamp, last_offset: Offset) {
        if timestamp > self.timestamp {
            *self = Largest { timestamp, last_offset };
        }
    }
}

/// One segment's files. Only the writer changes it; readers see sizes that never name bytes not yet
/// written.
pub(super) struct Segment {
    pub base_offset: Offset,
    pub path: PathBuf,
    pub offset_index: IndexFile<OffsetEntry>,
    pub time_index: IndexFile<TimeEntry>,
    /// Of the transactions whose markers are in this segment.
    pub transaction_index: CheckedIndex<AbortedTransaction>,
    key: FileKey,
    bytes: AtomicU64,
    largest: Mutex<Largest>,
    /// Since when, on the monotonic axis, its newest records grow old.
    birth_ms: AtomicI64,
    /// A look-up met an index entry that does not match the log: the index is to be written anew.
    index_damaged: AtomicBool,
    /// The file as long as the name is another's.
    retired: OnceLock<Arc<dyn File>>,
}

impl Segment {
    /// The segment `base_offset` of the partition directory `partition`. Touches no file.
    pub(super) fn new(partition: &Path, generation: u64, base_offset: Offset) -> Segment {
        let key = |kind| FileKey { generation, base_offset: base_offset.0, kind };
        let path = |extension| names::file(partition, base_offset, extension);
        Segment {
            base_offset,
            path: path(names::LOG),
            offset_index: IndexFile::new(key(FileKind::OffsetIndex), path(names::OFFSET_INDEX)),
            time_index: IndexFile::new(key(FileKind::TimeIndex), path(names::TIME_INDEX)),
            transaction_index: CheckedIndex::new(
                key(FileKind::TransactionIndex),
                path(names::TRANSACTION_INDEX),
            ),
            key: key(FileKind::Log),
            bytes: AtomicU64::new(0),
            largest: Mutex::new(Largest::NONE),
            birth_ms: AtomicI64::new(i64::MIN),
            index_damaged: AtomicBool::new(false),
            retired: OnceLock::new(),
        }
    }

    /// Bytes of whole batches.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Acquire)
    }

    pub(super) fn set_bytes(&self, bytes: u64) {
        self.bytes.store(bytes, Ordering::Release);
    }

    pub(super) fn largest(&self) -> Largest {
        *self.largest.lock()
    }

    pub(super) fn set_largest(&self, largest: Largest) {
        *self.largest.lock() = largest;
    }

    pub(super) fn birth_ms(&self) -> i64 {
        self.birth_ms.load(Ordering::Relaxed)
    }

    /// Its newest records are as old as its youngest batch.
    pub(super) fn born(&self, birth_ms: i64) {
        self.birth_ms.fetch_max(birth_ms, Ordering::Relaxed);
    }

    pub(super) fn mark_index_damaged(&self) {
        self.index_damaged.store(true, Ordering::Relaxed);
    }

    pub(super) fn take_index_damaged(&self) -> bool {
        self.index_damaged.swap(false, Ordering::Relaxed)
    }

    /// An offset as the indexes hold it; the roll rules keep it in range.
    pub(super) fn relative(&self, offset: Offset) -> i32 {
        i32::try_from(offset.0 - self.base_offset.0)
            .expect("a segment rolls before relative offsets pass 2^31-1")
    }

    fn open(&self, directory: &LogDirectory) -> io::Result<Arc<dyn File>> {
        directory.env.files.open(&self.path, OpenMode::Write)
    }

    /// The `.log` file's handle.
    pub(super) fn handle(&self, directory: &LogDirectory) -> Result<Arc<dyn File>, LogError> {
        let handles = &directory.handles;
        let opened = handles.get_unless_retired(&self.retired, self.key, || self.open(directory));
        opened.map_err(LogError::reading(&self.path))
    }

    /// The `.log` file's handle, kept until the guard is dropped.
    pub(super) fn pin(&self, directory: &LogDirectory) -> Result<PinnedHandle, LogError> {
        let pinned = directory.handles.pin(self.key, || self.open(directory));
        pinned.map_err(LogError::changing("open", &self.path))
    }

    /// Adds aborted transactions to its index, durable with the next sync. After an error none counts.
    pub(super) fn add_aborted(
        &self,
        directory: &LogDirectory,
        dirty: &mut Dirty,
        aborted: &[AbortedTransaction],
    ) -> Result<(), LogError> {
        let (files, handles) = (&*directory.env.files, &directory.handles);
        let index = &self.transaction_index;
        let failed = || LogError::changing("write", index.path());
        let pin = || index.pin(files, handles).map_err(failed());
        dirty.pinned(self.base_offset, FileKind::TransactionIndex, pin)?;
        index.append(files, handles, aborted).map_err(failed())
    }

    /// Its files are about to be replaced by others of the same names: readers that have it, or find it in an
    /// older list, go on with the files that it has now. Those stay open until the last of these readers is
    /// gone.
    pub(super) fn retire(&self, directory: &LogDirectory) -> Result<(), LogError> {
        let (files, handles) = (&*directory.env.files, &*directory.handles);
        let file = self.handle(directory)?;
        self.retired.get_or_init(|| file);
        let indexes = [
            (self.offset_index.retire(files, handles), self.offset_index.path()),
            (self.time_index.retire(files, handles), self.time_index.path()),
            (self.transaction_index.retire(files, handles), self.transaction_index.path()),
        ];
        indexes.into_iter().try_for_each(|(result, path)| result.map_err(LogError::reading(path)))
    }

    /// One opening of one file: another segment of the same base offset has another number.
    pub(super) fn generation(&self) -> u64 {
        self.key.generation
    }

    /// Closes its handles: the files are going away.
    pub(super) fn forget_handles(&self, directory: &LogDirectory) {
        let indexes = [self.offset_index.key(), self.time_index.key(), self.transaction_index.key()];
        for key in indexes.into_iter().chain([self.key]) {
            directory.handles.forget(key);
        }
    }

    /// Walks its batches from the boundary `position` up to `end`.
    pub(super) fn scan(
        &self,
        directory: &LogDirectory,
        position: u64,
        end: u64,
    ) -> Result<Scanner, LogError> {
        // Where there is nothing to read there need be no file.
        let file = if position < end { Some(self.handle(directory)?) } else { None };
        Ok(Scanner::new(file, &self.path, position, end, self.base_offset))
    }

    /// A batch boundary at or before the batch that contains `offset` or follows it.
    pub(super) fn floor_of_offset(&self, directory: &LogDirectory, offset: Offset) -> Result<u64, LogError> {
        self.floor(directory, |entry| self.base_offset.plus(i64::from(entry.relative_offset)) <= offset)
    }

    /// A batch boundary at or before `position`.
    pub(super) fn floor_of_position(&self, directory: &LogDirectory, position: u64) -> Result<u64, LogError> {
        self.floor(directory, |entry| entry.position as u64 <= position)
    }

    fn floor(
        &self,
        directory: &LogDirectory,
        belongs: impl Fn(&OffsetEntry) -> bool,
    ) -> Result<u64, LogError> {
        let (files, handles) = (&*directory.env.files, &*directory.handles);
        match self.offset_index.last_where(files, handles, belongs) {
            Ok(None) => Ok(0),
            Ok(Some(entry)) if self.confirms(directory, entry)? => Ok(entry.position as u64),
            // Nothing is known of the index: the reader could not wait for it.
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                Err(LogError::reading(self.offset_index.path())(error))
            }
            // The index is a cache: without it a look-up only takes longer.
            Ok(Some(_)) | Err(_) => {
                tracing::warn!(path = %self.offset_index.path().display(), "offset index is wrong");
                self.mark_index_damaged();
                Ok(0)
            }
        }
    }

    /// Whether the batch that an index entry names is there.
    fn confirms(&self, directory: &LogDirectory, entry: OffsetEntry) -> Result<bool, LogError> {
        let mut scanner = self.scan(directory, entry.position as u64, self.bytes())?;
        let last_offset = self.base_offset.plus(i64::from(entry.relative_offset));
        match scanner.next() {
            Ok(found) => Ok(found.is_some_and(|found| found.header.last_offset() == last_offset)),
            Err(LogError::Corrupt { .. }) => Ok(false),
            Err(other) => Err(other),
        }
    }

    /// The first batch that ends at or after `offset`.
    pub(super) fn first_batch_from(
        &self,
        directory: &LogDirectory,
        offset: Offset,
        end: u64,
    ) -> Result<Option<Found>, LogError> {
        let floor = self.floor_of_offset(directory, offset)?;
        let mut scanner = self.scan(directory, floor.min(end), end)?;
        while let Some(found) = scanner.next()? {
            if found.header.last_offset() >= offset {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    /// As the state snapshot keeps it.
    pub(super) fn record(&self) -> SegmentRecord {
        let largest = self.largest();
        SegmentRecord {
            base_offset: self.base_offset,
            bytes: self.bytes(),
            max_timestamp: largest.timestamp,
            max_timestamp_offset: largest.last_offset,
            offset_index: self.offset_index.summary(),
            time_index: self.time_index.summary(),
            transaction_index: self.transaction_index.summary(),
        }
    }
}
