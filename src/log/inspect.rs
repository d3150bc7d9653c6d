//! Looking at a partition's files without taking them over: nothing is written, cut, synced or kept open.

mod check;
mod findings;

use std::path::Path;

pub use check::{Counts, PartitionCheck};
pub use findings::{Finding, Severity, Watcher};

use crate::env::{Files, OpenMode};
use crate::log::index::{IndexEntry, OffsetEntry, TimeEntry};
use crate::log::metadata_file::{self, Metadata};
use crate::log::scan::{Found, Scanner};
use crate::log::{AbortedTransaction, LeaderEpochs, LogError, ProducerStates, names, state_file};
use crate::model::{Offset, Timestamp, TopicId, TopicPartition};
use crate::protocol::batch::BatchHeader;

/// Index entries read at once.
const ENTRIES_AT_ONCE: usize = 4096;

/// What a file of a partition's directory is, by its name.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FileKind {
    /// `<base>.log`
    Segment,
    /// `<base>.index`
    OffsetIndex,
    /// `<base>.timeindex`
    TimeIndex,
    /// `<base>.txnindex`
    TransactionIndex,
    /// `<offset>.state`
    State,
    /// `partition.metadata`
    Metadata,
}

/// The kind of a file, and the offset in its name.
pub fn kind_of(name: &str) -> Option<(FileKind, Offset)> {
    if name == names::METADATA {
        return Some((FileKind::Metadata, Offset::NONE));
    }
    let (offset, extension) = names::parse_file(name)?;
    let kind = match extension {
        names::LOG => FileKind::Segment,
        names::OFFSET_INDEX => FileKind::OffsetIndex,
        names::TIME_INDEX => FileKind::TimeIndex,
        names::TRANSACTION_INDEX => FileKind::TransactionIndex,
        names::STATE => FileKind::State,
        _ => return None,
    };
    Some((kind, offset))
}

/// The directory of a partition in a data directory.
pub fn partition_directory(topic: &str, partition: i32) -> String {
    names::partition_directory(topic, partition)
}

/// Whether a directory waits for its removal, or was set aside because nobody knew it.
pub fn is_set_aside(name: &str) -> bool {
    names::is_deleted_directory(name) || names::is_stray_directory(name)
}

/// Whether a file is left of an interrupted replacement.
pub fn is_temporary(name: &str) -> bool {
    name.ends_with(names::TEMPORARY_SUFFIX)
}

/// A batch as it lies in a segment.
#[derive(Clone, Copy, Debug)]
pub struct BatchView {
    /// First byte in the file.
    pub position: u64,
    /// Its header.
    pub header: BatchHeader,
    /// CRC-32C of its bytes, to be compared with the header's.
    pub computed_crc: u32,
}

impl BatchView {
    /// Whether the bytes are those that were written.
    pub fn is_right(&self) -> bool {
        self.computed_crc == self.header.crc
    }
}

/// Walks through record batches that stand one after another: a segment, or a file of stranded batches.
pub struct SegmentWalk {
    scanner: Scanner,
    length: u64,
}

impl SegmentWalk {
    /// From the file's begin; a batch that begins below `offset_min` is damage.
    pub fn open(files: &dyn Files, path: &Path, offset_min: Offset) -> Result<SegmentWalk, LogError> {
        let file = files.open(path, OpenMode::Read).map_err(LogError::reading(path))?;
        let length = file.length().map_err(LogError::reading(path))?;
        Ok(SegmentWalk { scanner: Scanner::new(Some(file), path, 0, length, offset_min), length })
    }

    /// Bytes of the file.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// Where the next batch begins.
    pub fn position(&self) -> u64 {
        self.scanner.position()
    }

    /// The next batch, its checksum computed in bounded memory; `None` at the end. After an error nothing
    /// follows: it cannot be told where the next batch would begin.
    pub fn next_batch(&mut self) -> Result<Option<BatchView>, LogError> {
        let Some(found) = self.scanner.next()? else { return Ok(None) };
        let computed_crc = self.scanner.checksum(&found)?;
        Ok(Some(BatchView { position: found.position, header: found.header, computed_crc }))
    }

    /// All bytes of a batch; its length was compared with the file's.
    pub fn bytes(&self, batch: &BatchView) -> Result<Vec<u8>, LogError> {
        self.scanner.read(&Found { position: batch.position, header: batch.header })
    }
}

/// Visits the entries of an offset index: number, relative offset, position. Returns the bytes left over at
/// its end, which are no entry.
pub fn visit_offset_index(
    files: &dyn Files,
    path: &Path,
    visit: &mut dyn FnMut(u64, i32, i32),
) -> Result<u64, LogError> {
    visit_index(files, path, &mut |at, entry: OffsetEntry| visit(at, entry.relative_offset, entry.position))
}

/// The same for a time index: number, timestamp, relative offset.
pub fn visit_time_index(
    files: &dyn Files,
    path: &Path,
    visit: &mut dyn FnMut(u64, Timestamp, i32),
) -> Result<u64, LogError> {
    visit_index(files, path, &mut |at, entry: TimeEntry| visit(at, entry.timestamp, entry.relative_offset))
}

/// The same for an index of aborted transactions.
pub fn visit_transaction_index(
    files: &dyn Files,
    path: &Path,
    visit: &mut dyn FnMut(u64, AbortedTransaction),
) -> Result<u64, LogError> {
    visit_index(files, path, visit)
}

fn visit_index<E: IndexEntry>(
    files: &dyn Files,
    path: &Path,
    visit: &mut dyn FnMut(u64, E),
) -> Result<u64, LogError> {
    let file = files.open(path, OpenMode::Read).map_err(LogError::reading(path))?;
    let length = file.length().map_err(LogError::reading(path))?;
    let entries = length / E::BYTES as u64;
    let mut at = 0;
    while at < entries {
        let count = (entries - at).min(ENTRIES_AT_ONCE as u64) as usize;
        let mut bytes = vec![0; count * E::BYTES];
        file.read_exact_at(&mut bytes, at * E::BYTES as u64).map_err(LogError::reading(path))?;
        for entry in bytes.chunks_exact(E::BYTES) {
            visit(at, E::decode(entry));
            at += 1;
        }
    }
    Ok(length % E::BYTES as u64)
}

/// What a `.state` file says of one segment.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SegmentView {
    /// Its first offset.
    pub base_offset: Offset,
    /// Bytes that were synced.
    pub bytes: u64,
    /// Largest timestamp, or -1.
    pub max_timestamp: Timestamp,
    /// Last offset of the first batch that has it, or -1.
    pub max_timestamp_offset: Offset,
    /// Good entries of its offset index.
    pub offset_index_entries: u32,
    /// Good entries of its time index.
    pub time_index_entries: u32,
    /// Good entries of its index of aborted transactions.
    pub transaction_index_entries: u32,
}

/// A `.state` file.
pub struct StateView {
    /// Whose.
    pub topic_partition: TopicPartition,
    /// Everything below lies in synced segments.
    pub offset: Offset,
    /// Idempotent producers.
    pub producers: ProducerStates,
    /// Leader epochs.
    pub leader_epochs: LeaderEpochs,
    /// Segments, oldest first.
    pub segments: Vec<SegmentView>,
    /// Where the next cleaning reads keys from.
    pub first_dirty_offset: Offset,
    /// End of what any cleaning has touched.
    pub cleaned_end_offset: Offset,
}

/// Reads a `.state` file; the inner error says what is wrong with its bytes.
pub fn read_state(files: &dyn Files, path: &Path) -> Result<Result<StateView, &'static str>, LogError> {
    let bytes = files.read(path, state_file::BYTES_MAX).map_err(LogError::reading(path))?;
    Ok(state_file::decode_any(&bytes).map(|(topic_partition, snapshot)| StateView {
        topic_partition,
        offset: snapshot.offset,
        segments: snapshot.segments.iter().map(segment_view).collect(),
        first_dirty_offset: snapshot.cleaned.first_dirty_offset,
        cleaned_end_offset: snapshot.cleaned.end_offset,
        producers: snapshot.producers,
        leader_epochs: snapshot.leader_epochs,
    }))
}

fn segment_view(record: &state_file::SegmentRecord) -> SegmentView {
    SegmentView {
        base_offset: record.base_offset,
        bytes: record.bytes,
        max_timestamp: record.max_timestamp,
        max_timestamp_offset: record.max_timestamp_offset,
        offset_index_entries: record.offset_index.entries,
        time_index_entries: record.time_index.entries,
        transaction_index_entries: record.transaction_index.entries,
    }
}

/// The topic id in a directory's `partition.metadata`; `None` if it names none.
pub fn read_metadata(files: &dyn Files, directory: &Path) -> Result<Option<TopicId>, LogError> {
    match metadata_file::read(files, directory)? {
        Metadata::Of(topic_id) => Ok(Some(topic_id)),
        Metadata::Unreadable => Ok(None),
    }
}
