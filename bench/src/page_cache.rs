//! Fills the page cache before each case, so that what a case writes goes into recycled pages.
//!
//! A guest of a host that takes free pages back pays for each page that it touches for the first time; how
//! many of those a case meets depends on what ran before it. With next to no free memory there are none: each
//! new page of a file comes from the cache. The cache is filled with zeros from a sparse file as large as the
//! memory, which occupies no disk.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

use anyhow::Result;

use crate::machine;

/// Filled until no more is free.
const FREE_TARGET_MIB: u64 = 1_024;
const CHUNK_BYTES: usize = 1 << 20;

/// The sparse file, and how far it was read: the pages read longest ago are the first that the kernel reuses,
/// so reading on around the file brings back what it took.
pub struct PageCache {
    file: File,
    chunks: u64,
    next: u64,
}

impl PageCache {
    /// Makes the file.
    pub fn new(path: &Path) -> Result<PageCache> {
        let chunks = machine::memory_mib()?;
        let file = File::options().create(true).truncate(true).read(true).write(true).open(path)?;
        file.set_len(chunks * CHUNK_BYTES as u64)?;
        Ok(PageCache { file, chunks, next: 0 })
    }

    /// Reads until little memory is free, at most twice around; what is free then, in MiB.
    pub fn fill(&mut self) -> Result<u64> {
        const CHUNKS_BETWEEN_LOOKS: u64 = 64;
        let mut buffer = vec![0; CHUNK_BYTES];
        for read in 0..2 * self.chunks {
            if read % CHUNKS_BETWEEN_LOOKS == 0 && machine::memory_free_mib()? < FREE_TARGET_MIB {
                break;
            }
            if self.next == self.chunks {
                self.next = 0;
            }
            self.file.seek(SeekFrom::Start(self.next * CHUNK_BYTES as u64))?;
            self.file.read_exact(&mut buffer)?;
            self.next += 1;
        }
        machine::memory_free_mib()
    }
}
