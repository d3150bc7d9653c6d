//! Files as the log needs them: positional, explicitly synced, directories too.

#![expect(clippy::disallowed_methods, clippy::disallowed_types, reason = "this is the room that owns files")]

mod direct;
mod haste;
#[cfg(test)]
mod tests;

use std::io::{self, IoSlice};
use std::num::NonZeroU64;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub use direct::block_start;
pub use haste::{is_cached, without_waiting};

use crate::model::Timestamp;

/// Of what direct writes are made, in the file and in memory: the largest block that a disk is known to have.
pub const BLOCK_BYTES: usize = 4096;

/// How a file is opened. Every mode but `Read` allows reading too.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum OpenMode {
    /// Must exist; not writable.
    Read,
    /// Must exist.
    Write,
    /// Must not exist. Its directory entry survives a crash only after `sync_dir` of its parent.
    Create,
}

/// An open file. Positional only: there is no cursor to share.
pub trait File: Send + Sync + 'static {
    /// Reads up to `buffer.len()` bytes at `offset`; 0 at the end of the file.
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize>;
    /// Writes all of `bytes` at `offset`. After an error any part may have been written.
    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()>;
    /// Writes all of `pieces`, one behind the other, at `offset`. After an error any part may have been
    /// written. For files whose pieces the system does not take together: as one write, of a copy.
    fn write_all_vectored_at(&self, pieces: &[&[u8]], offset: u64) -> io::Result<()> {
        self.write_all_at(&pieces.concat(), offset)
    }

    /// Makes content and length durable (`fdatasync`). An error is final: the kernel forgets the dirty pages,
    /// so a second call that succeeds proves nothing.
    fn sync_data(&self) -> io::Result<()>;
    /// Cuts or extends (with zeroes) the file. Durable only after `sync_data`.
    fn set_len(&self, length: u64) -> io::Result<()>;
    /// The file's length.
    fn length(&self) -> io::Result<u64>;
    /// Asks the kernel to forget clean cached pages of a range, so that the next read comes from the disk.
    fn drop_cache(&self, offset: u64, length: u64) -> io::Result<()>;
    /// Asks the kernel to read what it is asked for and nothing ahead of that: for who reads ahead itself. A
    /// hint, which files that are not the system's do without.
    fn read_nothing_ahead(&self) -> io::Result<()> {
        Ok(())
    }
    /// The descriptor, where there is one, for `sendfile` and residency probes.
    fn descriptor(&self) -> Option<BorrowedFd<'_>>;

    /// Fills `buffer` from `offset` or fails with `UnexpectedEof`.
    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        let mut filled = 0;
        while filled < buffer.len() {
            match self.read_at(&mut buffer[filled..], offset + filled as u64)? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                count => filled += count,
            }
        }
        Ok(())
    }
}

/// A run of bytes of an open file, to be sent as it lies there.
#[derive(Clone)]
pub struct FileExtent {
    /// The file; kept open as long as the extent lives, so a deleted segment can still be sent.
    pub file: Arc<dyn File>,
    /// First byte.
    pub offset: u64,
    /// Number of bytes.
    pub length: u64,
}

/// Held as long as the directory is ours; released on drop or when the process dies.
pub trait LockGuard: Send + Sync + 'static {}

/// Room on a file system.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Space {
    /// All of it.
    pub total_bytes: u64,
    /// What is free for us: less than what is free where some is kept for the administrator.
    pub usable_bytes: u64,
}

/// What lies under a path.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Entry {
    /// Or a file.
    pub is_directory: bool,
    /// A file's length.
    pub bytes: u64,
    /// When its content was last changed, where that is known.
    pub modified: Option<Timestamp>,
}

/// A file system.
pub trait Files: Send + Sync + 'static {
    /// Opens a file.
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Arc<dyn File>>;
    /// The same for a file that is overwritten in whole blocks and seldom read: where the system can, blocks
    /// go to the disk without a copy in the page cache. What is written is durable after `sync_data`, no
    /// sooner. Blocks whose memory begins at a multiple of [`BLOCK_BYTES`] are not copied at all.
    fn open_direct(&self, path: &Path, mode: OpenMode) -> io::Result<Arc<dyn File>> {
        self.open(path, mode)
    }

    /// Creates a directory and its missing parents.
    fn create_dir_all(&self, path: &Path) -> io::Result<()>;
    /// Names of a directory's entries, sorted. Not their paths.
    fn list(&self, path: &Path) -> io::Result<Vec<String>>;
    /// What a file or directory of that path is; `NotFound` if there is none.
    fn entry(&self, path: &Path) -> io::Result<Entry>;
    /// Whether a file or directory of that path exists.
    fn exists(&self, path: &Path) -> io::Result<bool>;
    /// Atomically gives a file or directory another name, replacing a file of that name.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// The same for a file, unless the name is taken: `AlreadyExists`, and nothing has changed.
    fn rename_new(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Removes a file.
    fn remove_file(&self, path: &Path) -> io::Result<()>;
    /// Removes a directory with everything in it.
    fn remove_dir_all(&self, path: &Path) -> io::Result<()>;
    /// Makes creations, renames and removals inside a directory durable.
    fn sync_dir(&self, path: &Path) -> io::Result<()>;
    /// Takes an exclusive lock by the file's name; `WouldBlock` if another process holds it.
    fn lock(&self, path: &Path) -> io::Result<Box<dyn LockGuard>>;
    /// How much room there is on the file system that holds `path`.
    fn space(&self, path: &Path) -> io::Result<Space>;
    /// A path from the root: below the working directory if it is not one already. Nothing is resolved.
    fn absolute(&self, path: &Path) -> io::Result<PathBuf>;

    /// How many threads may well work on this file system side by side. One, unless it says more: who counts
    /// operations, to break off at each of them in turn, needs them in one order.
    fn lanes(&self) -> usize {
        1
    }

    /// Bytes free for us on the file system that holds `path`.
    fn free_bytes(&self, path: &Path) -> io::Result<u64> {
        Ok(self.space(path)?.usable_bytes)
    }

    /// Reads a whole file of at most `length_max` bytes; longer is `InvalidData`.
    fn read(&self, path: &Path, length_max: u64) -> io::Result<Vec<u8>> {
        let file = self.open(path, OpenMode::Read)?;
        let length = file.length()?;
        if length > length_max {
            let message = format!("{} has {length} bytes; at most {length_max} are expected", path.display());
            return Err(io::Error::new(io::ErrorKind::InvalidData, message));
        }
        let mut bytes = vec![0; usize::try_from(length).map_err(io::Error::other)?];
        file.read_exact_at(&mut bytes, 0)?;
        Ok(bytes)
    }

    /// Replaces a file's content so that a crash leaves either the old or the new one, whole.
    ///
    /// Temporary file, `fdatasync`, rename, directory sync: a rename that reached the disk before the content
    /// would leave an empty file under the name, and without the last step the old name could come back after
    /// the caller was told that the new content is durable.
    fn replace(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let parent = path.parent().ok_or(io::ErrorKind::InvalidInput)?;
        let mut temporary = path.as_os_str().to_owned();
        temporary.push(".tmp");
        let temporary = PathBuf::from(temporary);
        if self.exists(&temporary)? {
            self.remove_file(&temporary)?;
        }
        let file = self.open(&temporary, OpenMode::Create)?;
        file.write_all_at(bytes, 0)?;
        file.sync_data()?;
        self.rename(&temporary, path)?;
        self.sync_dir(parent)
    }
}

/// Syncs that wait for one disk side by side: the file system commits them together.
const LANES: usize = 4;

/// Pieces in one system call: what Linux takes at most (`UIO_MAXIOV`).
const PIECES_MAX: usize = 1024;

/// The operating system's file system.
pub struct RealFiles;

struct RealFile(std::fs::File);

impl File for RealFile {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        if haste::in_haste() {
            return haste::read_cached(self.0.as_fd(), buffer, offset);
        }
        loop {
            match self.0.read_at(buffer, offset) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                other => return other,
            }
        }
    }

    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.0.write_all_at(bytes, offset)
    }

    fn write_all_vectored_at(&self, pieces: &[&[u8]], mut offset: u64) -> io::Result<()> {
        let mut slices: Vec<IoSlice<'_>> = pieces.iter().map(|piece| IoSlice::new(piece)).collect();
        let mut rest = slices.as_mut_slice();
        // Skips pieces without a byte: a write of nothing but those would look like one that got nowhere.
        IoSlice::advance_slices(&mut rest, 0);
        while !rest.is_empty() {
            match rustix::io::pwritev(&self.0, &rest[..rest.len().min(PIECES_MAX)], offset) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(count) => {
                    IoSlice::advance_slices(&mut rest, count);
                    offset += count as u64;
                }
                Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        self.0.sync_data()
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        self.0.set_len(length)
    }

    fn length(&self) -> io::Result<u64> {
        Ok(self.0.metadata()?.len())
    }

    fn drop_cache(&self, offset: u64, length: u64) -> io::Result<()> {
        // Without a length it is the whole rest.
        let Some(length) = NonZeroU64::new(length) else { return Ok(()) };
        Ok(rustix::fs::fadvise(&self.0, offset, Some(length), rustix::fs::Advice::DontNeed)?)
    }

    fn read_nothing_ahead(&self) -> io::Result<()> {
        Ok(rustix::fs::fadvise(&self.0, 0, None, rustix::fs::Advice::Random)?)
    }

    fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        Some(self.0.as_fd())
    }
}

struct RealLock(#[expect(dead_code, reason = "the lock lives as long as the descriptor")] std::fs::File);

impl LockGuard for RealLock {}

impl RealFile {
    fn open(path: &Path, mode: OpenMode) -> io::Result<RealFile> {
        if haste::in_haste() {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let mut options = std::fs::OpenOptions::new();
        options.read(true);
        match mode {
            OpenMode::Read => &mut options,
            OpenMode::Write => options.write(true),
            OpenMode::Create => options.write(true).create_new(true),
        };
        Ok(RealFile(options.open(path)?))
    }
}

impl Files for RealFiles {
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Arc<dyn File>> {
        Ok(Arc::new(RealFile::open(path, mode)?))
    }

    fn open_direct(&self, path: &Path, mode: OpenMode) -> io::Result<Arc<dyn File>> {
        Ok(direct::open(path, RealFile::open(path, mode)?))
    }

    fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        std::fs::create_dir_all(path)
    }

    fn list(&self, path: &Path) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in std::fs::read_dir(path)? {
            // A name that is not UTF-8 was not made by us.
            if let Ok(name) = entry?.file_name().into_string() {
                names.push(name);
            }
        }
        names.sort_unstable();
        Ok(names)
    }

    fn entry(&self, path: &Path) -> io::Result<Entry> {
        let metadata = std::fs::metadata(path)?;
        let since = metadata.modified()?.duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        let modified = i64::try_from(since.as_millis()).ok().map(Timestamp);
        Ok(Entry { is_directory: metadata.is_dir(), bytes: metadata.len(), modified })
    }

    fn exists(&self, path: &Path) -> io::Result<bool> {
        match std::fs::exists(path) {
            // A name below a file: there is nothing.
            Err(error) if error.kind() == io::ErrorKind::NotADirectory => Ok(false),
            found => found,
        }
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        std::fs::rename(from, to)
    }

    fn rename_new(&self, from: &Path, to: &Path) -> io::Result<()> {
        use rustix::fs::{CWD, RenameFlags, renameat_with};
        use rustix::io::Errno;
        match renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
            // Not every file system has it (NFS). A second name, which is never given over a first one, and
            // then the old one removed: a crash in between leaves both, of one file.
            Err(Errno::INVAL | Errno::NOSYS) => {
                std::fs::hard_link(from, to)?;
                std::fs::remove_file(from)
            }
            renamed => Ok(renamed?),
        }
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        std::fs::remove_file(path)
    }

    fn remove_dir_all(&self, path: &Path) -> io::Result<()> {
        std::fs::remove_dir_all(path)
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        std::fs::File::open(path)?.sync_all()
    }

    fn lock(&self, path: &Path) -> io::Result<Box<dyn LockGuard>> {
        let file = std::fs::OpenOptions::new().create(true).truncate(false).write(true).open(path)?;
        rustix::fs::flock(&file, rustix::fs::FlockOperation::NonBlockingLockExclusive)?;
        Ok(Box::new(RealLock(file)))
    }

    fn space(&self, path: &Path) -> io::Result<Space> {
        let stat = rustix::fs::statvfs(path)?;
        let bytes = |blocks: u64| blocks.saturating_mul(stat.f_frsize);
        Ok(Space { total_bytes: bytes(stat.f_blocks), usable_bytes: bytes(stat.f_bavail) })
    }

    fn absolute(&self, path: &Path) -> io::Result<PathBuf> {
        Ok(std::env::current_dir()?.join(path))
    }

    fn lanes(&self) -> usize {
        LANES
    }
}
