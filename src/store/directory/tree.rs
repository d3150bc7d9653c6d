//! Where objects lie in a directory, and which of its folders are durable.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use parking_lot::Mutex;

use super::super::backend::{Page, PageToken};
use super::super::{Listed, Listing, StoreError};
use super::{absent, failed};
use crate::env::Env;

/// Beside the objects' folders; keys do not begin with a dot.
const STAGING: &str = ".staging";
/// What lies there so long is nobody's any more.
const STAGED_MS_MAX: i64 = 24 * 3_600_000;
/// Folders that are remembered as durable; forgotten ones are synced once more.
const FOLDERS_MAX: usize = 100_000;
/// Folders in one another.
const DEPTH_MAX: usize = 32;

pub(super) struct Tree {
    root: PathBuf,
    /// Folders whose entry in their parent this process has synced.
    durable: Mutex<BTreeSet<PathBuf>>,
}

impl Tree {
    pub(super) fn open(env: &Env, root: &Path) -> Result<Tree, StoreError> {
        match env.files.exists(root) {
            Ok(true) => {}
            Ok(false) => {
                let root = root.display();
                let message = format!("there is no directory {root}; create it, or mount its disk");
                return Err(StoreError::Denied(message));
            }
            Err(error) => return Err(failed(root, &error)),
        }
        let staging = root.join(STAGING);
        env.files.create_dir_all(&staging).map_err(|error| failed(&staging, &error))?;
        let tree = Tree { root: root.to_owned(), durable: Mutex::default() };
        tree.clear_staging(env, &staging);
        Ok(tree)
    }

    /// Removes what processes left there that ended in the middle.
    fn clear_staging(&self, env: &Env, staging: &Path) {
        for name in env.files.list(staging).unwrap_or_default() {
            let path = staging.join(name);
            let modified = env.files.entry(&path).ok().and_then(|entry| entry.modified);
            let age_ms = modified.map(|modified| env.clock.now().0.saturating_sub(modified.0));
            if age_ms.is_some_and(|age_ms| age_ms > STAGED_MS_MAX)
                && let Err(error) = env.files.remove_file(&path)
            {
                tracing::debug!(path = %path.display(), %error, "a temporary file stays");
            }
        }
    }

    pub(super) fn path(&self, key: &str) -> PathBuf {
        self.root.join(key)
    }

    pub(super) fn staging(&self, name: &str) -> PathBuf {
        self.root.join(STAGING).join(name)
    }

    /// The path of an object and its folder.
    pub(super) fn path_in_folders(&self, key: &str) -> (PathBuf, PathBuf) {
        let path = self.path(key);
        let folder = path.parent().map_or_else(|| self.root.clone(), Path::to_owned);
        (path, folder)
    }

    /// Folders of a key whose names this process has not synced, with the folders that those names stand
    /// in, from the root down. One that is there may have been made by a process that did not come to sync
    /// it.
    pub(super) fn not_known_durable(&self, key: &str) -> Vec<(PathBuf, PathBuf)> {
        let durable = self.durable.lock();
        let mut folders = Vec::new();
        let mut folder = self.root.clone();
        let names: Vec<&str> = key.split('/').collect();
        for name in &names[..names.len() - 1] {
            let parent = folder.clone();
            folder.push(name);
            if !durable.contains(&folder) {
                folders.push((folder.clone(), parent));
            }
        }
        folders
    }

    /// The name of that folder is synced.
    pub(super) fn known_durable(&self, folder: PathBuf) {
        let mut durable = self.durable.lock();
        if durable.len() >= FOLDERS_MAX {
            durable.clear();
        }
        durable.insert(folder);
    }

    /// Keys behind the token, in the order of the walk.
    pub(super) fn page(&self, env: &Env, prefix: &str, from: Option<PageToken>) -> Result<Page, StoreError> {
        let mut walk = Walk { env, root: &self.root, objects: Vec::new() };
        let from: Option<Vec<String>> = from.map(|token| token.0.split('/').map(str::to_owned).collect());
        walk.folder(prefix, from.as_deref(), 0)?;
        // One more than a page was looked for, so that the last page is known to be the last.
        let more = walk.objects.len() > Listing::PAGE_KEYS_MAX;
        walk.objects.truncate(Listing::PAGE_KEYS_MAX);
        let below = |key: &str| key.strip_prefix(prefix).unwrap_or(key).trim_start_matches('/').to_owned();
        let next = walk.objects.last().filter(|_| more).map(|last| PageToken(below(&last.key)));
        Ok(Page { objects: walk.objects, next })
    }
}

struct Walk<'a> {
    env: &'a Env,
    root: &'a Path,
    objects: Vec<Listed>,
}

impl Walk<'_> {
    fn is_full(&self) -> bool {
        self.objects.len() > Listing::PAGE_KEYS_MAX
    }

    /// Objects of a folder that come behind `from`, whose first word is a name in this folder.
    fn folder(&mut self, folder: &str, from: Option<&[String]>, depth: usize) -> Result<(), StoreError> {
        let path = self.root.join(folder);
        let names = match self.env.files.list(&path) {
            Ok(names) => names,
            Err(error) if absent(&error) => return Ok(()),
            Err(error) => return Err(failed(&path, &error)),
        };
        for name in names {
            // Keys are not that deep: somebody's links in a circle are.
            if self.is_full() || depth > DEPTH_MAX {
                break;
            }
            let from = match from.and_then(|from| from.split_first()) {
                Some((first, _)) if name < *first => continue,
                Some((first, rest)) if name == *first => Some(rest),
                _ => None,
            };
            if folder.is_empty() && name == STAGING {
                continue;
            }
            let key = if folder.is_empty() { name } else { format!("{folder}/{name}") };
            self.entry(&key, from, depth)?;
        }
        Ok(())
    }

    /// An object, or a folder of them. `from` without a word is the object that was given out last.
    fn entry(&mut self, key: &str, from: Option<&[String]>, depth: usize) -> Result<(), StoreError> {
        let path = self.root.join(key);
        let entry = match self.env.files.entry(&path) {
            Ok(entry) => entry,
            // It was removed meanwhile.
            Err(error) if absent(&error) => return Ok(()),
            Err(error) => return Err(failed(&path, &error)),
        };
        if entry.is_directory {
            return self.folder(key, from, depth + 1);
        }
        if !from.is_some_and(<[String]>::is_empty) {
            // Where the time is not known it is now: then nothing is taken for old.
            let modified = entry.modified.unwrap_or_else(|| self.env.clock.now());
            self.objects.push(Listed { key: key.to_owned(), bytes: entry.bytes, modified });
        }
        Ok(())
    }
}
