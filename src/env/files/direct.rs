//! Writes past the page cache (`O_DIRECT`), for a file that is overwritten again and again.
//!
//! Saves the copy into the page cache and the work of writing that back. Whatever the system does not take
//! this way goes the ordinary way, by another descriptor of the same file; the kernel keeps both in step.

use std::io;
use std::os::fd::BorrowedFd;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;
use rustix::fs::OFlags;

use super::{BLOCK_BYTES, File, RealFile};

/// Blocks whose memory is not aligned are copied into memory that is, up to so many bytes; more is not worth
/// the copy.
const STAGING_BYTES: usize = 64 << 10;

struct DirectFile {
    /// Reads, syncs, and writes what cannot go past the cache. An error of a write-back is told to this
    /// descriptor; one of a direct write to the write itself.
    file: RealFile,
    direct: std::fs::File,
    /// Aligned memory from `block_start` on; taken at the first use.
    staging: Mutex<Vec<u8>>,
    /// The system did not take blocks of this size.
    refused: AtomicBool,
}

/// The file, opened a second time for direct writes if the file system has them.
pub(super) fn open(path: &Path, file: RealFile) -> Arc<dyn File> {
    let flags = i32::try_from(OFlags::DIRECT.bits()).expect("open's flags are a C int");
    match std::fs::OpenOptions::new().write(true).custom_flags(flags).open(path) {
        Ok(direct) => Arc::new(DirectFile { file, direct, staging: Mutex::default(), refused: false.into() }),
        Err(_) => Arc::new(file),
    }
}

/// Where in `memory`, or how far behind its begin, the first block can begin that is written without a copy.
pub fn block_start(memory: &[u8]) -> usize {
    let address = memory.as_ptr() as usize;
    address.next_multiple_of(BLOCK_BYTES) - address
}

impl DirectFile {
    /// Writes whole blocks past the cache. `false`: they are not written, or only in part.
    fn write_direct(&self, bytes: &[u8], offset: u64) -> io::Result<bool> {
        let whole_blocks =
            bytes.len().is_multiple_of(BLOCK_BYTES) && offset.is_multiple_of(BLOCK_BYTES as u64);
        if !whole_blocks || self.refused.load(Ordering::Relaxed) {
            return Ok(false);
        }
        let written = if block_start(bytes) == 0 {
            self.direct.write_all_at(bytes, offset)
        } else if bytes.len() <= STAGING_BYTES {
            let mut staging = self.staging.lock();
            staging.resize(STAGING_BYTES + BLOCK_BYTES, 0);
            let start = block_start(&staging);
            let staged = &mut staging[start..start + bytes.len()];
            staged.copy_from_slice(bytes);
            self.direct.write_all_at(staged, offset)
        } else {
            return Ok(false);
        };
        match written {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::InvalidInput => {
                self.refused.store(true, Ordering::Relaxed);
                Ok(false)
            }
            Err(error) => Err(error),
        }
    }
}

impl File for DirectFile {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.file.read_at(buffer, offset)
    }

    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        if self.write_direct(bytes, offset)? { Ok(()) } else { self.file.write_all_at(bytes, offset) }
    }

    fn sync_data(&self) -> io::Result<()> {
        self.file.sync_data()
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        self.file.set_len(length)
    }

    fn length(&self) -> io::Result<u64> {
        self.file.length()
    }

    fn drop_cache(&self, offset: u64, length: u64) -> io::Result<()> {
        self.file.drop_cache(offset, length)
    }

    fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        self.file.descriptor()
    }
}
