use std::path::Path;
use std::sync::Arc;

use super::swapping::NewSegment;
use crate::env::{File, OpenMode};
use crate::log::indexer::Indexer;
use crate::log::scan::BATCH_BYTES_MAX;
use crate::log::segment::Segment;
use crate::log::{LogError, PartitionLog, names};
use crate::model::Offset;
use crate::protocol::batch::BatchHeader;

/// Bytes written between two syncs: what the disk is given at once, so that a commit of the WAL that comes
/// behind does not wait for a whole segment.
const UNSYNCED_BYTES_MAX: u64 = 8 << 20;

/// The segments that a group of others becomes: one, unless recompressed records have grown past what a
/// segment holds.
pub(super) struct Output {
    /// Name of the first one.
    base_offset: Offset,
    buffer_bytes: usize,
    /// What segments whose batches these were grew old by.
    birth_ms: i64,
    current: Option<Piece>,
    finished: Vec<NewSegment>,
}

/// One segment on its way.
struct Piece {
    segment: Segment,
    file: Arc<dyn File>,
    indexer: Indexer,
    /// Batches not yet written.
    buffer: Vec<u8>,
    /// Bytes written.
    written: u64,
    /// Bytes of them that no sync has covered.
    unsynced: u64,
}

impl Output {
    pub(super) fn new(base_offset: Offset, birth_ms: i64, buffer_bytes: usize) -> Output {
        Output { base_offset, buffer_bytes, birth_ms, current: None, finished: Vec::new() }
    }

    /// Whether no batch was added.
    pub(super) fn is_empty(&self) -> bool {
        self.current.is_none() && self.finished.is_empty()
    }

    /// Adds a batch that was read or built. What the indexes say of it comes from these very bytes: a header
    /// of the batch as it was before would let them name records that are gone.
    pub(super) fn push(&mut self, log: &PartitionLog, bytes: &[u8]) -> Result<(), LogError> {
        let header = &BatchHeader::parse(bytes).expect("it was read or built");
        let is_full = |piece: &Piece| piece.bytes() + bytes.len() as u64 > BATCH_BYTES_MAX;
        if self.current.as_ref().is_some_and(is_full) {
            self.finish_current(log)?;
        }
        if self.current.is_none() {
            let is_first = self.finished.is_empty();
            self.current =
                Some(log.begin_piece(if is_first { self.base_offset } else { header.base_offset })?);
        }
        let piece = self.current.as_mut().expect("made in the lines above");
        piece.indexer.add(&piece.segment, piece.bytes(), header);
        piece.buffer.extend_from_slice(bytes);
        if piece.buffer.len() >= self.buffer_bytes { piece.flush(&log.path) } else { Ok(()) }
    }

    /// Writes and syncs what is left.
    pub(super) fn finish(mut self, log: &PartitionLog) -> Result<Vec<NewSegment>, LogError> {
        self.finish_current(log)?;
        Ok(self.finished)
    }

    fn finish_current(&mut self, log: &PartitionLog) -> Result<(), LogError> {
        let Some(mut piece) = self.current.take() else { return Ok(()) };
        piece.flush(&log.path)?;
        piece.sync(&log.path)?;
        piece.indexer.close(&piece.segment);
        piece.segment.set_bytes(piece.written);
        piece.segment.set_largest(piece.indexer.largest());
        piece.segment.born(self.birth_ms);
        self.finished.push(NewSegment { segment: Arc::new(piece.segment), indexer: piece.indexer });
        Ok(())
    }
}

impl Piece {
    fn bytes(&self) -> u64 {
        self.written + self.buffer.len() as u64
    }

    fn flush(&mut self, directory: &Path) -> Result<(), LogError> {
        let path = names::file(directory, self.segment.base_offset, names::CLEANED);
        self.file.write_all_at(&self.buffer, self.written).map_err(LogError::changing("write", &path))?;
        self.written += self.buffer.len() as u64;
        self.unsynced += self.buffer.len() as u64;
        self.buffer.clear();
        if self.unsynced >= UNSYNCED_BYTES_MAX { self.sync(directory) } else { Ok(()) }
    }

    fn sync(&mut self, directory: &Path) -> Result<(), LogError> {
        let path = names::file(directory, self.segment.base_offset, names::CLEANED);
        self.unsynced = 0;
        // The file is nobody's yet: a sync that fails for want of space costs this cleaning, no more.
        self.file.sync_data().map_err(LogError::changing("sync", &path))
    }
}

impl PartitionLog {
    /// Makes a file for a segment that is to take the place of others. Under the lock that a deletion needs,
    /// so that it does not come to lie in the directory of a later topic of that name.
    fn begin_piece(&self, base_offset: Offset) -> Result<Piece, LogError> {
        let _sync = self.syncing.lock();
        self.check_open()?;
        let files = &*self.directory.env.files;
        let path = names::file(&self.path, base_offset, names::CLEANED);
        if files.exists(&path).map_err(LogError::reading(&path))? {
            // Of a cleaning that broke off.
            files.remove_file(&path).map_err(LogError::changing("remove", &path))?;
        }
        let file = files.open(&path, OpenMode::Create).map_err(LogError::changing("create", &path))?;
        let generation = self.directory.handles.next_generation();
        let segment = Segment::new(&self.path, generation, base_offset);
        let indexer = Indexer::new(self.config.read().index_interval_bytes);
        Ok(Piece { segment, file, indexer, buffer: Vec::new(), written: 0, unsynced: 0 })
    }
}
