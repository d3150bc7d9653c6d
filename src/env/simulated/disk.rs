//! The state of a simulated disk: both planes of every file and directory.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Component, Path, PathBuf};

use super::fault::{Fault, Operation};
use super::random;

/// What a disk writes atomically: a torn write is torn at these boundaries of the file.
pub(super) const SECTOR_BYTES: u64 = 512;

pub(super) type Inode = u64;

pub(super) const ROOT: Inode = 0;

/// A change to a file's content that no sync has covered.
#[derive(Clone)]
pub(super) enum Change {
    Write { offset: u64, bytes: Vec<u8> },
    SetLength(u64),
}

impl Change {
    pub(super) fn apply(&self, plane: &mut Vec<u8>) {
        match self {
            Change::Write { offset, bytes } => {
                let start = index(*offset);
                let end = start + bytes.len();
                if plane.len() < end {
                    plane.resize(end, 0);
                }
                plane[start..end].copy_from_slice(bytes);
            }
            Change::SetLength(length) => plane.resize(index(*length), 0),
        }
    }
}

/// An offset in memory; simulated files are small.
pub(super) fn index(offset: u64) -> usize {
    usize::try_from(offset).expect("a simulated file fits in memory")
}

#[derive(Clone, Default)]
pub(super) struct FileState {
    pub(super) live: Vec<u8>,
    pub(super) durable: Vec<u8>,
    pub(super) unsynced: Vec<Change>,
}

impl FileState {
    pub(super) fn change(&mut self, change: Change) {
        change.apply(&mut self.live);
        self.unsynced.push(change);
    }

    pub(super) fn sync(&mut self) {
        for change in self.unsynced.drain(..) {
            change.apply(&mut self.durable);
        }
    }

    /// Changes bits wherever the byte is kept: a write that is still to be synced carries the damage along.
    pub(super) fn flip(&mut self, offset: u64, mask: u8) {
        let at = index(offset);
        let unsynced = self.unsynced.iter_mut().filter_map(|change| match change {
            Change::Write { offset: start, bytes } => bytes.get_mut(at.checked_sub(index(*start))?),
            Change::SetLength(_) => None,
        });
        let planes = self.live.get_mut(at).into_iter().chain(self.durable.get_mut(at));
        planes.chain(unsynced).for_each(|byte| *byte ^= mask);
    }

    /// Clean pages leave the cache: what is read next is what the disk holds, under the dirty pages.
    pub(super) fn drop_cache(&mut self, offset: u64, length: u64) {
        let mut on_disk = self.durable.clone();
        for change in &self.unsynced {
            change.apply(&mut on_disk);
        }
        let end = index(offset.saturating_add(length)).min(self.live.len()).min(on_disk.len());
        let start = index(offset).min(end);
        self.live[start..end].copy_from_slice(&on_disk[start..end]);
    }
}

#[derive(Clone, Default)]
pub(super) struct Directory {
    pub(super) live: BTreeMap<String, Inode>,
    pub(super) durable: BTreeMap<String, Inode>,
}

/// One name in one directory gets (or loses) its target.
#[derive(Clone)]
pub(super) struct Edit {
    pub(super) directory: Inode,
    pub(super) name: String,
    pub(super) target: Option<Inode>,
}

/// Edits that reach the disk together or not at all (a rename is two).
pub(super) type Edits = Vec<Edit>;

/// What `begin` decided about an operation.
#[derive(PartialEq, Eq)]
pub(super) enum Verdict {
    /// Do it.
    Run,
    /// The lights go out in the middle of it: do any part, then fail.
    Crash,
    /// Fail with this error, as the device would.
    Fail(io::ErrorKind),
}

pub(super) struct Disk {
    pub(super) files: BTreeMap<Inode, FileState>,
    pub(super) directories: BTreeMap<Inode, Directory>,
    pub(super) unsynced_edits: Vec<Edits>,
    pub(super) next_inode: Inode,
    pub(super) locks: BTreeSet<PathBuf>,
    pub(super) operations: u64,
    pub(super) crash_at: Option<u64>,
    pub(super) crashed: bool,
    pub(super) capacity_bytes: u64,
    pub(super) faults: Vec<Fault>,
    pub(super) random: u64,
}

impl Disk {
    pub(super) fn new(seed: u64) -> Disk {
        Disk {
            files: BTreeMap::new(),
            directories: BTreeMap::from([(ROOT, Directory::default())]),
            unsynced_edits: Vec::new(),
            next_inode: ROOT + 1,
            locks: BTreeSet::new(),
            operations: 0,
            crash_at: None,
            crashed: false,
            capacity_bytes: u64::MAX,
            faults: Vec::new(),
            random: seed,
        }
    }

    /// Reads are not counted: the disk is the same before and after.
    pub(super) fn begin_read(&mut self, path: &Path) -> io::Result<()> {
        self.alive()?;
        match self.strike(Operation::Read, path) {
            Some(error) => Err(error.into()),
            None => Ok(()),
        }
    }

    pub(super) fn alive(&self) -> io::Result<()> {
        if self.crashed { Err(crash_error()) } else { Ok(()) }
    }

    /// Counts an operation that changes the disk and decides its fate.
    pub(super) fn begin(&mut self, operation: Operation, path: &Path) -> io::Result<Verdict> {
        self.alive()?;
        let number = self.operations;
        self.operations += 1;
        if self.crash_at.is_some_and(|at| number >= at) {
            self.crashed = true;
            return Ok(Verdict::Crash);
        }
        Ok(self.strike(operation, path).map_or(Verdict::Run, Verdict::Fail))
    }

    /// `begin` for operations that happen wholly or not at all, even at a crash.
    pub(super) fn begin_atomic(&mut self, operation: Operation, path: &Path) -> io::Result<Outcome> {
        match self.begin(operation, path)? {
            Verdict::Run => Ok(Outcome { happens: true, result: Ok(()) }),
            Verdict::Crash => Ok(Outcome { happens: self.coin(), result: Err(crash_error()) }),
            Verdict::Fail(error) => Err(error.into()),
        }
    }

    fn strike(&mut self, operation: Operation, path: &Path) -> Option<io::ErrorKind> {
        let path = path.to_string_lossy();
        let matching = |fault: &Fault| fault.operation == operation && path.contains(&fault.path_contains);
        let mut struck = None;
        self.faults.retain_mut(|fault| {
            if !matching(fault) || struck.is_some() {
                return true;
            }
            if fault.skip > 0 {
                fault.skip -= 1;
                return true;
            }
            struck = Some(fault.error);
            false
        });
        struck
    }

    pub(super) fn coin(&mut self) -> bool {
        random::next(&mut self.random) & 1 == 0
    }

    /// Bytes of every file that a live name reaches. Removed files count no more, even while they are open.
    pub(super) fn used_bytes(&self) -> u64 {
        let names = self.directories.values().flat_map(|directory| directory.live.values());
        names.filter_map(|inode| self.files.get(inode)).map(|file| file.live.len() as u64).sum()
    }

    /// Room left; counting is skipped on a disk without a bound.
    pub(super) fn free_bytes(&self) -> u64 {
        match self.capacity_bytes {
            u64::MAX => u64::MAX,
            capacity => capacity.saturating_sub(self.used_bytes()),
        }
    }

    pub(super) fn resolve(&self, path: &Path) -> io::Result<Inode> {
        let mut inode = ROOT;
        for name in names(path) {
            let directory = self.directories.get(&inode).ok_or(io::ErrorKind::NotADirectory)?;
            inode = *directory.live.get(&name).ok_or_else(|| not_found(path))?;
        }
        Ok(inode)
    }

    pub(super) fn directory(&self, path: &Path) -> io::Result<(Inode, &Directory)> {
        let inode = self.resolve(path)?;
        let directory = self.directories.get(&inode).ok_or(io::ErrorKind::NotADirectory)?;
        Ok((inode, directory))
    }

    /// The directory that holds `path`'s last name, and that name.
    pub(super) fn parent(&self, path: &Path) -> io::Result<(Inode, String)> {
        let name = names(path).pop().ok_or(io::ErrorKind::InvalidInput)?;
        let (inode, _) = self.directory(path.parent().unwrap_or(Path::new("")))?;
        Ok((inode, name))
    }

    pub(super) fn edit(&mut self, edits: Edits) {
        for Edit { directory, name, target } in &edits {
            let live = &mut self.directories.get_mut(directory).expect("edits name live directories").live;
            match target {
                Some(inode) => live.insert(name.clone(), *inode),
                None => live.remove(name),
            };
        }
        self.unsynced_edits.push(edits);
    }

    pub(super) fn harden(&mut self, edits: &Edits) {
        for Edit { directory, name, target } in edits {
            let directory = self.directories.get_mut(directory).expect("inodes are not freed before a crash");
            match target {
                Some(inode) => directory.durable.insert(name.clone(), *inode),
                None => directory.durable.remove(name),
            };
        }
    }

    pub(super) fn take_inode(&mut self) -> Inode {
        self.next_inode += 1;
        self.next_inode - 1
    }
}

/// An operation that happens wholly or not at all, and what its caller is told.
pub(super) struct Outcome {
    pub(super) happens: bool,
    pub(super) result: io::Result<()>,
}

pub(super) fn crash_error() -> io::Error {
    io::Error::other("the simulated machine has crashed")
}

pub(super) fn not_found(path: &Path) -> io::Error {
    io::Error::new(io::ErrorKind::NotFound, format!("{} does not exist", path.display()))
}

fn names(path: &Path) -> Vec<String> {
    let normal = path.components().filter_map(|component| match component {
        Component::Normal(name) => Some(name.to_string_lossy().into_owned()),
        _ => None,
    });
    normal.collect()
}
