use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::credit::Space;
use super::error::WalError;
use super::group::pool;
use super::open_to_write;
use super::options::SyncMode;
use super::ring::Work;
use crate::env::{Env, File, OpenMode};

/// After the disk was found full, the next attempt comes this much later.
const DISK_FULL_PAUSE: Duration = Duration::from_secs(1);
/// Zeroes are written in pieces of this size.
const ZERO_BYTES: usize = 256 << 10;

/// Pre-writes slots in the background, so that a frame only ever overwrites blocks that the disk has already
/// given: it cannot want for space, and its sync changes no metadata.
pub struct Provisioner {
    env: Env,
    dir: PathBuf,
    sync: SyncMode,
    space: Arc<Space>,
    /// Monotonic time before which a full disk is not tried again.
    not_before: Duration,
}

impl Provisioner {
    pub(super) fn new(env: &Env, dir: &Path, sync: SyncMode, space: Arc<Space>) -> Provisioner {
        Provisioner { env: env.clone(), dir: dir.to_owned(), sync, space, not_before: Duration::ZERO }
    }

    /// Does one step: unlinks a file or pre-writes a slot. Returns whether there may be more to do at once.
    ///
    /// A full disk is no error: credit just does not grow, `status` says so, and a later call tries again.
    /// Any other failure fails the whole log, for it is the log's own disk that is broken.
    pub fn step(&mut self) -> Result<bool, WalError> {
        if self.env.clock.monotonic() < self.not_before {
            return Ok(false);
        }
        let work = {
            let mut ring = self.space.ring();
            if ring.stopped { None } else { ring.next_work() }
        };
        let Some(work) = work else { return Ok(false) };
        match self.perform(work) {
            Ok(()) => {
                self.space.announce();
                Ok(true)
            }
            Err(Failure::DiskFull) => {
                self.space.ring().disk_full = true;
                self.not_before = self.env.clock.monotonic() + DISK_FULL_PAUSE;
                self.space.announce();
                Ok(false)
            }
            Err(Failure::Broken(error)) => {
                self.space.fail();
                Err(WalError::Fatal(format!("pre-writing a slot returned: {error}")))
            }
        }
    }

    /// Blocks until there may be something to do, the log has stopped, or the time is over.
    pub fn wait(&self, timeout: Duration) {
        self.space.wait_for_attention(timeout);
    }

    fn perform(&self, work: Work) -> Result<(), Failure> {
        let files = &self.env.files;
        match work {
            Work::Remove(path) => Ok(files.remove_file(&path)?),
            Work::Extend { number, path, from, to } => {
                // A descriptor of its own: Linux reports a failed write-back once per descriptor, and this
                // sync must not swallow an error that belongs to the writer's frames in the same file.
                let file = open_to_write(&self.env, self.sync, &path, OpenMode::Write)?;
                write_zeroes(&*file, from, to)?;
                file.sync_data().map_err(Failure::Broken)?;
                self.space.ring().extended(number, to);
                Ok(())
            }
            Work::Create { number, path, bytes, dedicated } => {
                let file = self.create(&path, bytes)?;
                self.space.ring().created(number, file, bytes, dedicated);
                Ok(())
            }
        }
    }

    fn create(&self, path: &Path, bytes: u64) -> Result<Arc<dyn File>, Failure> {
        let file = open_to_write(&self.env, self.sync, path, OpenMode::Create)?;
        if let Err(error) = write_zeroes(&*file, 0, bytes) {
            // Its number is not used again; what it took is given back for segments to use.
            self.env.files.remove_file(path).map_err(Failure::Broken)?;
            return Err(error.into());
        }
        file.sync_data().map_err(Failure::Broken)?;
        self.env.files.sync_dir(&self.dir).map_err(Failure::Broken)?;
        Ok(file)
    }
}

enum Failure {
    DiskFull,
    Broken(io::Error),
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Failure {
        match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Failure::DiskFull,
            _ => Failure::Broken(error),
        }
    }
}

fn write_zeroes(file: &dyn File, from: u64, to: u64) -> io::Result<()> {
    let mut memory = pool::aligned(ZERO_BYTES);
    memory.resize(ZERO_BYTES, 0);
    let zeroes = memory.freeze();
    let mut at = from;
    while at < to {
        let count = usize::try_from(to - at).unwrap_or(ZERO_BYTES).min(ZERO_BYTES);
        file.write_all_at(&zeroes[..count], at)?;
        at += count as u64;
    }
    Ok(())
}
