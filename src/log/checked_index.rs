//! An index whose entries nobody could miss: what is read of it is compared with what was written.
//!
//! A rotten offset index costs time, a rotten index of transactions would have readers take records for
//! committed that are not. So a checksum of every block is kept in memory, and with it the block's last
//! entry, so that a look-up reads none but the blocks that it needs.

use std::io;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::env::Files;
use crate::log::LogError;
use crate::log::handles::{FileKey, HandleCache, PinnedHandle};
use crate::log::index::{IndexEntry, IndexFile, IndexSummary};

/// Entries of one block: it is read at once.
pub(super) const BLOCK_ENTRIES: usize = 512;
/// Times that a block is read which is not as it was written: an entry that was taken back and another one
/// written in its place may come between, once for each append.
const READS_MAX: usize = 3;

/// What is known of some entries that follow each other.
#[derive(Clone, Copy, PartialEq, Debug)]
struct Block<E> {
    entries: usize,
    /// CRC-32C of them.
    crc: u32,
    last: E,
}

/// See the head of this file. Blocks are full, but for the last one.
pub(super) struct CheckedIndex<E> {
    file: IndexFile<E>,
    blocks: Mutex<Vec<Block<E>>>,
}

/// An index as it was, to go back to.
pub(super) struct Mark<E> {
    summary: IndexSummary,
    blocks: usize,
    last: Option<Block<E>>,
}

impl<E> Mark<E> {
    /// Whether it had no entry.
    pub(super) fn is_empty(&self) -> bool {
        self.blocks == 0
    }
}

impl<E: IndexEntry + PartialEq> CheckedIndex<E> {
    pub(super) fn new(key: FileKey, path: PathBuf) -> CheckedIndex<E> {
        CheckedIndex { file: IndexFile::new(key, path), blocks: Mutex::default() }
    }

    pub(super) fn path(&self) -> &PathBuf {
        self.file.path()
    }

    pub(super) fn key(&self) -> FileKey {
        self.file.key()
    }

    /// See [`IndexFile::summary`].
    pub(super) fn summary(&self) -> IndexSummary {
        self.file.summary()
    }

    /// See [`IndexFile::pin`].
    pub(super) fn pin(&self, files: &dyn Files, handles: &Arc<HandleCache>) -> io::Result<PinnedHandle> {
        self.file.pin(files, handles)
    }

    /// See [`IndexFile::retire`].
    pub(super) fn retire(&self, files: &dyn Files, handles: &HandleCache) -> io::Result<()> {
        self.file.retire(files, handles)
    }

    /// See [`IndexFile::adopt`].
    pub(super) fn adopt(
        &self,
        files: &dyn Files,
        handles: &HandleCache,
        summary: IndexSummary,
    ) -> io::Result<bool> {
        self.blocks.lock().clear();
        let Some(bytes) = self.file.adopt_bytes(files, handles, summary)? else { return Ok(false) };
        self.learn(&bytes);
        Ok(true)
    }

    /// Empties the file.
    pub(super) fn clear(&self, files: &dyn Files, handles: &HandleCache) -> io::Result<()> {
        self.blocks.lock().clear();
        self.file.clear(files, handles)
    }

    /// Adds entries after the good ones. After an error none of them counts.
    pub(super) fn append(&self, files: &dyn Files, handles: &HandleCache, entries: &[E]) -> io::Result<()> {
        self.file.append(files, handles, entries)?;
        let mut bytes = Vec::with_capacity(entries.len() * E::BYTES);
        entries.iter().for_each(|entry| entry.encode(&mut bytes));
        self.learn(&bytes);
        Ok(())
    }

    /// These bytes follow what is known.
    fn learn(&self, bytes: &[u8]) {
        let mut blocks = self.blocks.lock();
        for bytes in bytes.chunks_exact(E::BYTES) {
            let last = E::decode(bytes);
            match blocks.last_mut().filter(|block| block.entries < BLOCK_ENTRIES) {
                Some(block) => {
                    let crc = crc32c::crc32c_append(block.crc, bytes);
                    *block = Block { entries: block.entries + 1, crc, last };
                }
                None => blocks.push(Block { entries: 1, crc: crc32c::crc32c(bytes), last }),
            }
        }
    }

    /// As it is now.
    pub(super) fn mark(&self) -> Mark<E> {
        let blocks = self.blocks.lock();
        Mark { summary: self.file.summary(), blocks: blocks.len(), last: blocks.last().copied() }
    }

    /// Forgets what was added since.
    pub(super) fn take_back(&self, mark: &Mark<E>) {
        let mut blocks = self.blocks.lock();
        blocks.truncate(mark.blocks);
        if let (Some(block), Some(last)) = (blocks.last_mut(), mark.last) {
            *block = last;
        }
        self.file.take_back(mark.summary);
    }

    /// Visits the entries behind those for which `belongs` holds, which are a front part of the index, until
    /// it is told to break off. What is not as it was written is [`LogError::Corrupt`].
    pub(super) fn visit_after(
        &self,
        files: &dyn Files,
        handles: &HandleCache,
        belongs: impl Fn(&E) -> bool,
        visit: &mut dyn FnMut(E) -> ControlFlow<()>,
    ) -> Result<ControlFlow<()>, LogError> {
        let first = self.blocks.lock().partition_point(|block| belongs(&block.last));
        for at in first.. {
            let Some(bytes) = self.block(files, handles, at)? else { break };
            for entry in bytes.chunks_exact(E::BYTES).map(E::decode).filter(|entry| !belongs(entry)) {
                if visit(entry).is_break() {
                    return Ok(ControlFlow::Break(()));
                }
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    /// Reads blocks from the one with that number on, about `bytes_max` bytes: the last one may pass that.
    /// Gives the bytes that are as they were written, and where to go on if that is not the end.
    pub(super) fn verify(
        &self,
        files: &dyn Files,
        handles: &HandleCache,
        from: usize,
        bytes_max: u64,
    ) -> Result<(u64, Option<usize>), LogError> {
        let mut bytes = 0;
        let end = self.blocks.lock().len();
        for at in from..end {
            if bytes >= bytes_max {
                return Ok((bytes, Some(at)));
            }
            let Some(block) = self.block(files, handles, at)? else { break };
            bytes += block.len() as u64;
        }
        Ok((bytes, None))
    }

    /// A block as it was written; `None` behind the last one.
    fn block(
        &self,
        files: &dyn Files,
        handles: &HandleCache,
        at: usize,
    ) -> Result<Option<Vec<u8>>, LogError> {
        let position = (at * BLOCK_ENTRIES * E::BYTES) as u64;
        for _ in 0..READS_MAX {
            let Some(known) = self.blocks.lock().get(at).copied() else { return Ok(None) };
            let bytes = self.file.read(files, handles, position, known.entries * E::BYTES);
            let bytes = bytes.map_err(LogError::reading(self.path()))?;
            if crc32c::crc32c(&bytes) == known.crc {
                return Ok(Some(bytes));
            }
            // Not rot, if it was written meanwhile.
            if self.blocks.lock().get(at) == Some(&known) {
                break;
            }
        }
        Err(LogError::corrupt(self.path(), position, "entries that are not as they were written"))
    }
}

#[cfg(test)]
mod tests;
