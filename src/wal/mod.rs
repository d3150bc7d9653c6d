//! The write-ahead log: one order and one commit for the entries of all partitions.
//!
//! Appenders reserve pre-written space, then copy entries into the group that fills; one writer seals a
//! group, writes it as a frame and syncs it while the next one fills. Replay gives the entries back after a
//! crash.
//!
//! **Owns** the files of its directory, their frames (`docs/formats/wal.md`), group commit, credits, replay.
//! **Does not own** what the entries mean, what is acknowledged when, nor the checkpoint: `partition` does.
//! **Invariants**:
//! - a frame is written only into pre-written space: it cannot fail for want of room;
//! - after a failed write or sync of a frame nothing is committed any more, and nothing is retried;
//! - `durable_lsn` is the exclusive end of what `fdatasync` has returned for, also in `Os` mode;
//! - a file is overwritten only after the checkpoint that needs its frames no more is durable (`trim`);
//! - replay gives whole groups, each exactly as appended, in order, and all that was committed: or it
//!   refuses.

mod appender;
mod credit;
mod error;
mod frame;
mod group;
pub mod inspect;
mod log_file;
mod options;
mod provision;
mod replay;
mod ring;
mod scan;
mod writer;

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::io;
use std::path::Path;
use std::sync::Arc;

pub use appender::{Appended, Wake, WalAppender};
pub use credit::Credit;
pub use error::{Corruption, NoCredit, ReplayError, WalError};
pub use group::GroupSlice;
pub use options::{EntryHeader, EntryKind, Lsn, NewIncarnation, ReplayStart, SyncMode, WalOptions};
pub use provision::Provisioner;
pub use replay::{ReplayEnd, ReplayedEntry, TornTail, replay, replay_metadata_first};
pub use ring::WalStatus;
pub use writer::{Committed, WalWriter, Written};

use crate::env::{Env, File, OpenMode};

/// A log that is ready for appends, in its parts.
pub struct OpenedWal<M> {
    /// For those who append; share it.
    pub appender: Arc<WalAppender<M>>,
    /// For the thread that commits.
    pub writer: WalWriter<M>,
    /// For the thread that pre-writes in the background.
    pub provisioner: Provisioner,
    /// Where a replay of this incarnation begins: durable in a checkpoint before the first commit is
    /// acknowledged.
    pub replay_start: ReplayStart,
}

/// Opens the log for a new incarnation and pre-writes the first slot. Makes the directory if there is none.
///
/// Files whose frames `incarnation` still holds are left alone until `trim` reaches its start.
pub fn create<M: Send>(
    env: &Env,
    dir: &Path,
    options: WalOptions,
    incarnation: NewIncarnation,
) -> Result<OpenedWal<M>, WalError> {
    options.check();
    env.files.create_dir_all(dir)?;
    if let Some(parent) = dir.parent() {
        env.files.sync_dir(parent)?;
    }
    let mark = ring::Mark { lsn: incarnation.start_lsn, previous_crc: chain_seed(env) };
    let mut ring = ring::Ring::new(options.clone(), dir.to_owned(), mark);
    let held: BTreeSet<u64> = incarnation.held_files.iter().copied().collect();
    for name in env.files.list(dir)? {
        let Some(number) = ring::file_number(&name) else { continue };
        let file = open_to_write(env, options.sync, &ring::file_path(dir, number), OpenMode::Write)?;
        let length = file.length()?;
        ring.adopt(number, file, length, held.contains(&number));
    }
    let replay_start = ring::Ring::replay_start(mark, incarnation.wal_id, incarnation.incarnation);
    let space = Arc::new(credit::Space::new(ring));
    let mut provisioner = Provisioner::new(env, dir, options.sync, Arc::clone(&space));
    while space.ring().free_bytes() == 0 && provisioner.step()? {}
    let shared = Arc::new(appender::Shared::new(space, replay_start, options.group_bytes_max));
    let writer = WalWriter::new(Arc::clone(&shared), replay_start, options.sync);
    Ok(OpenedWal { appender: Arc::new(WalAppender { shared }), writer, provisioner, replay_start })
}

/// Opens a file for frames or for pre-writing. With a sync after each group the page cache is only in the
/// way; without, it is what takes the frames.
fn open_to_write(env: &Env, sync: SyncMode, path: &Path, mode: OpenMode) -> io::Result<Arc<dyn File>> {
    match sync {
        SyncMode::Fsync => env.files.open_direct(path, mode),
        SyncMode::Os => env.files.open(path, mode),
    }
}

/// What the first frame chains to: random, so that a frame of a start that failed before its checkpoint was
/// durable is never taken for one of ours.
fn chain_seed(env: &Env) -> u32 {
    let mut bytes = [0; 4];
    env.random.fill(&mut bytes);
    u32::from_le_bytes(bytes)
}
