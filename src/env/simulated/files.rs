use std::io;
use std::os::fd::BorrowedFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;

use super::crash::{self, CrashPlan, sectors};
use super::disk::{Change, Directory, Disk, Edit, FileState, Inode, Verdict, crash_error, index, not_found};
use super::fault::{Fault, Operation};
use super::random;
use crate::env::{Entry, File, Files, LockGuard, OpenMode, Space};

/// A disk in memory. Clones share it; paths start at `/`, which always exists.
#[derive(Clone)]
pub struct SimulatedFiles {
    disk: Arc<Mutex<Disk>>,
}

impl SimulatedFiles {
    /// An empty disk. The seed decides what is torn at crashes and failures.
    pub fn new(seed: u64) -> SimulatedFiles {
        SimulatedFiles::of(Disk::new(seed))
    }

    fn of(disk: Disk) -> SimulatedFiles {
        SimulatedFiles { disk: Arc::new(Mutex::new(disk)) }
    }

    /// Operations begun so far that change the disk: creations, writes, lengths, syncs, renames, removals.
    pub fn operations(&self) -> u64 {
        self.disk.lock().operations
    }

    /// Operation number `number` (from 0) fails, perhaps half done, and everything after it.
    pub fn crash_at(&self, number: u64) {
        self.disk.lock().crash_at = Some(number);
    }

    /// Everything fails from now on.
    pub fn crash_now(&self) {
        self.disk.lock().crashed = true;
    }

    /// Whether the crash has happened.
    pub fn crashed(&self) -> bool {
        self.disk.lock().crashed
    }

    /// What a power cut now would leave, as a disk of its own. This one is not changed.
    pub fn after_crash(&self, plan: CrashPlan) -> SimulatedFiles {
        SimulatedFiles::of(crash::power_cut(&self.disk.lock(), plan))
    }

    /// What a killed process leaves: everything it wrote, unsynced as far as it was.
    pub fn after_kill(&self) -> SimulatedFiles {
        SimulatedFiles::of(crash::kill(&self.disk.lock()))
    }

    /// Adds an error to come.
    pub fn inject(&self, fault: Fault) {
        self.disk.lock().faults.push(fault);
    }

    /// The disk's size. Files that would grow past it get `StorageFull`, after what still fits was written.
    pub fn set_capacity(&self, bytes: u64) {
        self.disk.lock().capacity_bytes = bytes;
    }

    /// Bytes in use by files that have a name.
    pub fn used_bytes(&self) -> u64 {
        self.disk.lock().used_bytes()
    }

    /// Flips one bit on the medium, seen by readers at once. The file must be that long.
    pub fn flip_bit(&self, path: &Path, offset: u64, bit: u8) -> io::Result<()> {
        let mut disk = self.disk.lock();
        let inode = disk.resolve(path)?;
        let file = disk.files.get_mut(&inode).ok_or_else(|| not_found(path))?;
        if offset >= file.live.len() as u64 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        file.flip(offset, 1 << bit);
        Ok(())
    }
}

struct SimulatedFile {
    disk: Arc<Mutex<Disk>>,
    inode: Inode,
    path: PathBuf,
    writable: bool,
}

impl SimulatedFile {
    fn with<T>(&self, act: impl FnOnce(&mut FileState) -> T) -> T {
        act(state_of(&mut self.disk.lock(), self.inode))
    }

    fn check_writable(&self) -> io::Result<()> {
        if self.writable { Ok(()) } else { Err(io::ErrorKind::PermissionDenied.into()) }
    }
}

fn state_of(disk: &mut Disk, inode: Inode) -> &mut FileState {
    disk.files.get_mut(&inode).expect("an open file's inode is not freed")
}

impl File for SimulatedFile {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let mut disk = self.disk.lock();
        disk.begin_read(&self.path)?;
        let live = &state_of(&mut disk, self.inode).live;
        let start = index(offset).min(live.len());
        let count = buffer.len().min(live.len() - start);
        buffer[..count].copy_from_slice(&live[start..start + count]);
        Ok(count)
    }

    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.check_writable()?;
        let mut disk = self.disk.lock();
        let (taken, result) = match disk.begin(Operation::Write, &self.path)? {
            Verdict::Run => fitting(&mut disk, self.inode, offset, bytes),
            Verdict::Crash => (part(&mut disk, offset, bytes), Err(crash_error())),
            Verdict::Fail(error) => (part(&mut disk, offset, bytes), Err(error.into())),
        };
        if !taken.is_empty() {
            let change = Change::Write { offset, bytes: taken.to_vec() };
            state_of(&mut disk, self.inode).change(change);
        }
        result
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut disk = self.disk.lock();
        match disk.begin(Operation::Sync, &self.path)? {
            Verdict::Run => {
                state_of(&mut disk, self.inode).sync();
                Ok(())
            }
            // The changes stay unsynced: the plan of the crash decides which of them had been written back.
            Verdict::Crash => Err(crash_error()),
            Verdict::Fail(error) => {
                let mut seed = random::next(&mut disk.random);
                crash::fail_sync(state_of(&mut disk, self.inode), &mut seed);
                Err(error.into())
            }
        }
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        self.check_writable()?;
        let mut disk = self.disk.lock();
        let outcome = disk.begin_atomic(Operation::SetLength, &self.path)?;
        let growth = length.saturating_sub(state_of(&mut disk, self.inode).live.len() as u64);
        if growth > disk.free_bytes() {
            return Err(io::ErrorKind::StorageFull.into());
        }
        if outcome.happens {
            state_of(&mut disk, self.inode).change(Change::SetLength(length));
        }
        outcome.result
    }

    fn length(&self) -> io::Result<u64> {
        self.disk.lock().alive()?;
        Ok(self.with(|file| file.live.len() as u64))
    }

    fn drop_cache(&self, offset: u64, length: u64) -> io::Result<()> {
        self.disk.lock().alive()?;
        self.with(|file| file.drop_cache(offset, length));
        Ok(())
    }

    fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        None
    }
}

/// As much of a write as the disk has room for.
fn fitting<'a>(disk: &mut Disk, inode: Inode, offset: u64, bytes: &'a [u8]) -> (&'a [u8], io::Result<()>) {
    let length = state_of(disk, inode).live.len() as u64;
    let growth = (offset + bytes.len() as u64).saturating_sub(length);
    let free = disk.free_bytes();
    if growth <= free {
        return (bytes, Ok(()));
    }
    let taken = bytes.len().saturating_sub(index(growth - free));
    (&bytes[..taken], Err(io::ErrorKind::StorageFull.into()))
}

/// A beginning of a write, cut at a sector boundary: what had reached the page cache when it was interrupted.
fn part<'a>(disk: &mut Disk, offset: u64, bytes: &'a [u8]) -> &'a [u8] {
    let count = sectors(offset, bytes).count() as u64;
    let kept = random::below(&mut disk.random, count + 1);
    let length: usize = sectors(offset, bytes).take(index(kept)).map(|(_, piece)| piece.len()).sum();
    &bytes[..length]
}

struct SimulatedLock {
    disk: Arc<Mutex<Disk>>,
    path: PathBuf,
}

impl LockGuard for SimulatedLock {}

impl Drop for SimulatedLock {
    fn drop(&mut self) {
        self.disk.lock().locks.remove(&self.path);
    }
}

impl Files for SimulatedFiles {
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Arc<dyn File>> {
        let mut disk = self.disk.lock();
        disk.alive()?;
        let inode = match mode {
            OpenMode::Create => create(&mut disk, path)?,
            OpenMode::Read | OpenMode::Write => disk.resolve(path)?,
        };
        if !disk.files.contains_key(&inode) {
            return Err(io::ErrorKind::IsADirectory.into());
        }
        let file = SimulatedFile {
            disk: Arc::clone(&self.disk),
            inode,
            path: path.to_owned(),
            writable: mode != OpenMode::Read,
        };
        Ok(Arc::new(file))
    }

    fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        let mut disk = self.disk.lock();
        disk.alive()?;
        let missing: Vec<&Path> = path.ancestors().take_while(|path| disk.resolve(path).is_err()).collect();
        for directory in missing.into_iter().rev() {
            create_dir(&mut disk, directory)?;
        }
        disk.directory(path).map(|_| ())
    }

    fn list(&self, path: &Path) -> io::Result<Vec<String>> {
        let mut disk = self.disk.lock();
        disk.begin_read(path)?;
        Ok(disk.directory(path)?.1.live.keys().cloned().collect())
    }

    /// Without a time: a disk has no clock.
    fn entry(&self, path: &Path) -> io::Result<Entry> {
        let disk = self.disk.lock();
        disk.alive()?;
        let inode = disk.resolve(path)?;
        let bytes = disk.files.get(&inode).map_or(0, |file| file.live.len() as u64);
        Ok(Entry { is_directory: disk.directories.contains_key(&inode), bytes, modified: None })
    }

    fn exists(&self, path: &Path) -> io::Result<bool> {
        let disk = self.disk.lock();
        disk.alive()?;
        Ok(disk.resolve(path).is_ok())
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        rename(&mut self.disk.lock(), from, to)
    }

    fn rename_new(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut disk = self.disk.lock();
        disk.alive()?;
        match disk.resolve(to) {
            Ok(_) => Err(io::ErrorKind::AlreadyExists.into()),
            Err(_) => rename(&mut disk, from, to),
        }
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        let mut disk = self.disk.lock();
        disk.alive()?;
        let inode = disk.resolve(path)?;
        if disk.directories.contains_key(&inode) {
            return Err(io::ErrorKind::IsADirectory.into());
        }
        remove(&mut disk, path)
    }

    fn remove_dir_all(&self, path: &Path) -> io::Result<()> {
        let mut disk = self.disk.lock();
        disk.alive()?;
        disk.directory(path)?;
        remove_tree(&mut disk, path)
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        let mut disk = self.disk.lock();
        match disk.begin(Operation::SyncDirectory, path)? {
            Verdict::Run => {}
            Verdict::Crash => return Err(crash_error()),
            Verdict::Fail(error) => return Err(error.into()),
        }
        let (inode, _) = disk.directory(path)?;
        let all = std::mem::take(&mut disk.unsynced_edits);
        let (synced, rest) = all.into_iter().partition(|edits| edits.iter().any(|e| e.directory == inode));
        disk.unsynced_edits = rest;
        let synced: Vec<_> = synced;
        synced.iter().for_each(|edits| disk.harden(edits));
        Ok(())
    }

    fn lock(&self, path: &Path) -> io::Result<Box<dyn LockGuard>> {
        let mut disk = self.disk.lock();
        disk.alive()?;
        if !disk.locks.insert(path.to_owned()) {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        if disk.resolve(path).is_err() {
            // Not counted as an operation: an empty lock file means nothing to a recovery.
            let (directory, name) = disk.parent(path)?;
            let inode = disk.take_inode();
            disk.files.insert(inode, FileState::default());
            disk.edit(vec![Edit { directory, name, target: Some(inode) }]);
        }
        Ok(Box::new(SimulatedLock { disk: Arc::clone(&self.disk), path: path.to_owned() }))
    }

    fn space(&self, _: &Path) -> io::Result<Space> {
        let disk = self.disk.lock();
        disk.alive()?;
        Ok(Space { total_bytes: disk.capacity_bytes, usable_bytes: disk.free_bytes() })
    }

    fn absolute(&self, path: &Path) -> io::Result<PathBuf> {
        Ok(Path::new("/").join(path))
    }
}

fn create(disk: &mut Disk, path: &Path) -> io::Result<Inode> {
    let outcome = disk.begin_atomic(Operation::Create, path)?;
    if disk.resolve(path).is_ok() {
        return Err(io::ErrorKind::AlreadyExists.into());
    }
    let (directory, name) = disk.parent(path)?;
    let inode = disk.take_inode();
    disk.files.insert(inode, FileState::default());
    if outcome.happens {
        disk.edit(vec![Edit { directory, name, target: Some(inode) }]);
    }
    outcome.result.map(|()| inode)
}

fn create_dir(disk: &mut Disk, path: &Path) -> io::Result<()> {
    let outcome = disk.begin_atomic(Operation::CreateDirectory, path)?;
    let (directory, name) = disk.parent(path)?;
    let inode = disk.take_inode();
    disk.directories.insert(inode, Directory::default());
    if outcome.happens {
        disk.edit(vec![Edit { directory, name, target: Some(inode) }]);
    }
    outcome.result
}

fn remove(disk: &mut Disk, path: &Path) -> io::Result<()> {
    let outcome = disk.begin_atomic(Operation::Remove, path)?;
    let (directory, name) = disk.parent(path)?;
    if outcome.happens {
        disk.edit(vec![Edit { directory, name, target: None }]);
    }
    outcome.result
}

/// Entry by entry, as a process must: a crash leaves a directory half emptied.
fn remove_tree(disk: &mut Disk, path: &Path) -> io::Result<()> {
    let inode = disk.resolve(path)?;
    let children: Vec<String> = disk
        .directories
        .get(&inode)
        .map(|directory| directory.live.keys().cloned().collect())
        .unwrap_or_default();
    for child in children {
        remove_tree(disk, &path.join(child))?;
    }
    remove(disk, path)
}

fn rename(disk: &mut Disk, from: &Path, to: &Path) -> io::Result<()> {
    let outcome = disk.begin_atomic(Operation::Rename, from)?;
    let inode = disk.resolve(from)?;
    let (from_directory, from_name) = disk.parent(from)?;
    let (to_directory, to_name) = disk.parent(to)?;
    if let Ok((_, replaced)) = disk.directory(to) {
        let may_replace = replaced.live.is_empty() && disk.directories.contains_key(&inode);
        if !may_replace {
            return Err(io::ErrorKind::DirectoryNotEmpty.into());
        }
    }
    if outcome.happens {
        disk.edit(vec![
            Edit { directory: from_directory, name: from_name, target: None },
            Edit { directory: to_directory, name: to_name, target: Some(inode) },
        ]);
    }
    outcome.result
}
