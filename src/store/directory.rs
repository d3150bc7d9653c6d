//! `file:///…`: a directory as a bucket. For one disk, or one that several machines mount.
//!
//! An object is written under another name, synced, and only then given its own, whose directory is synced
//! too: after a power cut it is there whole or not at all, and what was answered is there.

#[cfg(test)]
mod tests;
mod tree;

use std::collections::BTreeMap;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream;
use parking_lot::Mutex;
use tokio::sync::Semaphore;

use self::tree::Tree;
use super::StoreError;
use super::backend::{Answered, Backend, Page, PageToken, PartId, PutIfAbsent, Upload};
use crate::env::{Env, File, OpenMode};

/// Pieces in which bodies are read.
const CHUNK_BYTES: u64 = 256 << 10;
/// Pieces that are read at a time, of all bodies. A commit of the log waits in the disk's queue behind what
/// readers have asked it for: half a MiB, and nothing that the kernel reads ahead (which is 8 MiB of each
/// file on some machines, and was 80 ms without a commit with twenty readers). What other numbers cost:
/// `docs/bench/tiering.md`.
const READS_MAX: usize = 2;
/// What is asked of the file system at once, of the 64 threads that may wait for a disk: a mount that hangs
/// keeps these, and what else the broker asks its disks for goes on.
const OPERATIONS_MAX: usize = 16;
/// Objects in parts that are under way at once.
const UPLOADS_MAX: usize = 1000;

/// A directory with objects; cheap to clone.
#[derive(Clone)]
pub(super) struct Directory(Arc<Shared>);

struct Shared {
    env: Env,
    tree: Tree,
    uploads: Mutex<BTreeMap<String, Staged>>,
    reads: Arc<Semaphore>,
    operations: Arc<Semaphore>,
    /// Why nothing can be trusted any more: a folder could not be synced, and the kernel forgets what it
    /// was. A name that is seen could then be gone after a power cut, so no one is shown it.
    broken: OnceLock<String>,
}

/// A file that is not an object yet.
#[derive(Clone)]
struct Staged {
    file: Arc<dyn File>,
    path: PathBuf,
    /// Where its parts end.
    ends: Vec<u64>,
}

impl Staged {
    fn forget_pages(&self, length: u64) {
        forget_pages(&*self.file, &self.path, 0, length);
    }
}

/// What comes from here, or goes there, is old: in the page cache it would take the place of what is hot. Who
/// reads it again finds it in the cache for blocks.
fn forget_pages(file: &dyn File, path: &Path, offset: u64, length: u64) {
    if let Err(error) = file.drop_cache(offset, length) {
        tracing::debug!(path = %path.display(), %error, "its pages stay in the page cache");
    }
}

impl Directory {
    /// The directory must be there: one that is not may be a disk that is not mounted.
    pub(super) fn open(env: &Env, root: &Path) -> Result<Directory, StoreError> {
        let root = env.files.absolute(root).map_err(|error| failed(root, &error))?;
        let tree = Tree::open(env, &root)?;
        let (env, uploads, broken) = (env.clone(), Mutex::default(), OnceLock::new());
        let reads = Arc::new(Semaphore::new(READS_MAX));
        let operations = Arc::new(Semaphore::new(OPERATIONS_MAX));
        Ok(Directory(Arc::new(Shared { env, tree, uploads, reads, operations, broken })))
    }

    /// Runs what waits for a disk where that holds up nobody.
    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Shared) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let shared = Arc::clone(&self.0);
        let one_of_few = Arc::clone(&shared.operations).acquire_owned().await;
        let one_of_few = one_of_few.expect("the semaphore is never closed");
        let work = move || {
            // It goes on when nobody waits for it any more, and counts as long.
            let _one_of_few = one_of_few;
            match shared.broken.get() {
                Some(why) => Err(StoreError::Denied(format!("{why}: start again when the disk is well"))),
                None => work(&shared),
            }
        };
        let done = tokio::task::spawn_blocking(work).await;
        done.unwrap_or_else(|error| Err(StoreError::Unavailable(error.to_string())))
    }
}

/// What an error of the file system means for who asked.
fn failed(path: &Path, error: &io::Error) -> StoreError {
    let message = format!("{}: {error}", path.display());
    match error.kind() {
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => StoreError::Denied(message),
        _ => StoreError::Unavailable(message),
    }
}

impl Shared {
    fn stage(&self) -> Result<Staged, StoreError> {
        let path = self.tree.staging(&self.env.random.uuid().simple().to_string());
        let opened = self.env.files.open(&path, OpenMode::Create);
        let file = opened.map_err(|error| failed(&path, &error))?;
        Ok(Staged { file, path, ends: Vec::new() })
    }

    /// A staged file with those pieces, synced.
    fn write(&self, body: &[Bytes]) -> Result<Staged, StoreError> {
        let staged = self.stage()?;
        let pieces: Vec<&[u8]> = body.iter().map(|piece| &piece[..]).collect();
        let written = staged.file.write_all_vectored_at(&pieces, 0).and_then(|()| staged.file.sync_data());
        match written {
            Ok(()) => {
                staged.forget_pages(body.iter().map(|piece| piece.len() as u64).sum());
                Ok(staged)
            }
            Err(error) => {
                // Written again, it is another file: the kernel forgets what it could not write of this one.
                self.drop_staged(&staged);
                Err(failed(&staged.path, &error))
            }
        }
    }

    /// Gives a synced file its key. Durable when this returns: the directory's entry is what is synced last.
    fn publish(&self, staged: &Staged, key: &str, if_absent: bool) -> Result<PutIfAbsent, StoreError> {
        let (path, folder) = self.tree.path_in_folders(key);
        for (folder, parent) in self.tree.not_known_durable(key) {
            let made = self.env.files.create_dir_all(&folder);
            made.map_err(|error| failed(&folder, &error))?;
            self.sync_folder(&parent)?;
            self.tree.known_durable(folder);
        }
        let files = &self.env.files;
        let renamed = match if_absent {
            true => files.rename_new(&staged.path, &path),
            false => files.rename(&staged.path, &path),
        };
        match renamed {
            Ok(()) => {
                self.sync_folder(&folder)?;
                Ok(PutIfAbsent::Written)
            }
            Err(error) if if_absent && error.kind() == io::ErrorKind::AlreadyExists => {
                self.drop_staged(staged);
                // Whoever gave it that name may have died before this: what is seen must stay.
                self.sync_folder(&folder)?;
                Ok(PutIfAbsent::Refused)
            }
            Err(error) => {
                self.drop_staged(staged);
                Err(failed(&path, &error))
            }
        }
    }

    /// Makes the names in a folder durable. A failure is final.
    fn sync_folder(&self, folder: &Path) -> Result<(), StoreError> {
        self.env.files.sync_dir(folder).map_err(|error| {
            let why = format!("{} cannot be synced: {error}", folder.display());
            tracing::error!("{why}");
            StoreError::Unavailable(self.broken.get_or_init(|| why).clone())
        })
    }

    /// What stays behind all the same is removed by a later start.
    fn drop_staged(&self, staged: &Staged) {
        match self.env.files.remove_file(&staged.path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                tracing::debug!(path = %staged.path.display(), %error, "a temporary file stays");
            }
            _ => {}
        }
    }

    fn open(&self, key: &str) -> Result<Arc<dyn File>, StoreError> {
        let path = self.tree.path(key);
        self.env.files.open(&path, OpenMode::Read).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => StoreError::NotFound(key.to_owned()),
            _ => failed(&path, &error),
        })
    }

    fn upload(&self, upload: &Upload) -> Result<Staged, StoreError> {
        let uploads = self.uploads.lock();
        uploads.get(&upload.id).cloned().ok_or_else(|| StoreError::NotFound(upload.key.clone()))
    }
}

impl Backend for Directory {
    async fn put(&self, key: &str, body: &[Bytes]) -> Result<(), StoreError> {
        let (key, body) = (key.to_owned(), body.to_vec());
        self.blocking(move |shared| shared.publish(&shared.write(&body)?, &key, false).map(|_| ())).await
    }

    async fn put_if_absent(&self, key: &str, body: &Bytes) -> Result<PutIfAbsent, StoreError> {
        let (key, body) = (key.to_owned(), body.clone());
        self.blocking(move |shared| shared.publish(&shared.write(&[body])?, &key, true)).await
    }

    async fn get(&self, key: &str, range: Option<Range<u64>>) -> Result<Answered, StoreError> {
        let name = key.to_owned();
        let (file, size) = self
            .blocking(move |shared| {
                let file = shared.open(&name)?;
                file.read_nothing_ahead().map_err(|error| failed(&shared.tree.path(&name), &error))?;
                let size = file.length().map_err(|error| failed(&shared.tree.path(&name), &error))?;
                Ok((file, size))
            })
            .await?;
        let range = range.unwrap_or(0..size);
        if range.end > size {
            let what = format!("bytes {range:?} are asked for, and it has {size}");
            return Err(StoreError::corrupt(key, what));
        }
        let length = range.end - range.start;
        let (directory, key) = (self.clone(), key.to_owned());
        let chunks = stream::try_unfold(range, move |left| {
            let (directory, file, key) = (directory.clone(), Arc::clone(&file), key.clone());
            async move {
                if left.is_empty() {
                    return Ok(None);
                }
                let count = CHUNK_BYTES.min(left.end - left.start);
                let one_of_few = Arc::clone(&directory.0.reads).acquire_owned().await;
                let one_of_few = one_of_few.expect("the semaphore is never closed");
                let bytes = directory.blocking(move |shared| {
                    // A read goes on when nobody waits for it any more, and counts as long.
                    let _one_of_few = one_of_few;
                    shared.read(&*file, &key, left.start, count)
                });
                Ok(Some((bytes.await?, left.start + count..left.end)))
            }
        });
        Ok(Answered { length, chunks: chunks.boxed() })
    }

    async fn head(&self, key: &str) -> Result<u64, StoreError> {
        let key = key.to_owned();
        self.blocking(move |shared| {
            let length = shared.open(&key)?.length();
            length.map_err(|error| failed(&shared.tree.path(&key), &error))
        })
        .await
    }

    /// Not synced: an object that comes back after a power cut is one that no one names.
    async fn delete(&self, keys: &[String]) -> Result<(), StoreError> {
        let keys = keys.to_vec();
        self.blocking(move |shared| {
            for path in keys.iter().map(|key| shared.tree.path(key)) {
                match shared.env.files.remove_file(&path) {
                    Err(error) if absent(&error) => {}
                    Err(error) => return Err(failed(&path, &error)),
                    Ok(()) => {}
                }
            }
            Ok(())
        })
        .await
    }

    async fn list(&self, prefix: &str, from: Option<PageToken>) -> Result<Page, StoreError> {
        let prefix = prefix.to_owned();
        self.blocking(move |shared| shared.tree.page(&shared.env, &prefix, from)).await
    }

    async fn begin_parts(&self, key: &str) -> Result<Upload, StoreError> {
        let key = key.to_owned();
        self.blocking(move |shared| {
            if shared.uploads.lock().len() >= UPLOADS_MAX {
                return Err(StoreError::Unavailable(format!("{UPLOADS_MAX} objects are being written")));
            }
            let staged = shared.stage()?;
            let id = shared.env.random.uuid().simple().to_string();
            shared.uploads.lock().insert(id.clone(), staged);
            Ok(Upload { key, id })
        })
        .await
    }

    async fn put_part(&self, upload: &Upload, index: usize, body: &[Bytes]) -> Result<PartId, StoreError> {
        let (upload, body) = (upload.clone(), body.to_vec());
        self.blocking(move |shared| {
            let mut staged = shared.upload(&upload)?;
            // Parts come one behind the other; one that is repeated lies where it lay.
            staged.ends.truncate(index);
            let start = staged.ends.last().copied().unwrap_or(0);
            let pieces: Vec<&[u8]> = body.iter().map(|piece| &piece[..]).collect();
            let written = staged.file.write_all_vectored_at(&pieces, start);
            written.map_err(|error| failed(&staged.path, &error))?;
            staged.ends.push(start + body.iter().map(|piece| piece.len() as u64).sum::<u64>());
            shared.uploads.lock().insert(upload.id, staged);
            Ok(PartId(String::new()))
        })
        .await
    }

    async fn complete_parts(&self, upload: &Upload, _: &[PartId]) -> Result<(), StoreError> {
        let upload = upload.clone();
        self.blocking(move |shared| {
            let staged = shared.upload(&upload)?;
            // After a failed sync nothing is known of the file: it is given up, never synced again.
            shared.uploads.lock().remove(&upload.id);
            if let Err(error) = staged.file.sync_data() {
                shared.drop_staged(&staged);
                return Err(failed(&staged.path, &error));
            }
            staged.forget_pages(staged.ends.last().copied().unwrap_or(0));
            shared.publish(&staged, &upload.key, false).map(|_| ())
        })
        .await
    }

    async fn abort_parts(&self, upload: &Upload) -> Result<(), StoreError> {
        let upload = upload.clone();
        self.blocking(move |shared| {
            let staged = shared.uploads.lock().remove(&upload.id);
            if let Some(staged) = staged {
                shared.drop_staged(&staged);
            }
            Ok(())
        })
        .await
    }
}

fn absent(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

impl Shared {
    fn read(&self, file: &dyn File, key: &str, start: u64, count: u64) -> Result<Bytes, StoreError> {
        let mut bytes = vec![0; usize::try_from(count).map_err(|_| StoreError::corrupt(key, "too large"))?];
        match file.read_exact_at(&mut bytes, start) {
            Ok(()) => {
                forget_pages(file, &self.tree.path(key), start, count);
                Ok(bytes.into())
            }
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                Err(StoreError::corrupt(key, "it became shorter while it was read"))
            }
            Err(error) => Err(failed(&self.tree.path(key), &error)),
        }
    }
}
