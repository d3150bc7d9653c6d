//! Segments that take the place of others, so that a crash leaves either the old ones or the new ones, with
//! states that say the same.
//!
//! The order, and why it is right:
//!
//! 1. `<base>.log.cleaned` is written and synced, then the directory is, for its name. A crash leaves the old
//!    segments and a file that recovery removes.
//! 2. `segments.swap` is written by [`Files::replace`], durable when it returns. From here on there is no way
//!    back: everything that follows is done again, from the begin, by the recovery that finds the file. Each
//!    step may be repeated. Not before the names in 1 are durable: the rename of this file could survive a
//!    power cut that they do not.
//! 3. Each `.cleaned` file gets its segment's name, which replaces the old file of that name at once; the
//!    other old files go. The directory is synced.
//! 4. Every `.state` file that names old segments is replaced by one that names the new ones.
//! 5. `segments.swap` goes, not before 3 and 4 are durable: without it a recovery misses the segments that a
//!    state names. The directory is synced: were the file to come back behind a later cleaning's back, that
//!    one's unfinished `.cleaned` file would be taken for this one's.
//!
//! Drawn in `docs/formats/log-directory.md`.

use std::path::Path;

use crate::env::Files;
use crate::log::state_file::{self, Cleaned, Reader, SegmentRecord, Snapshot, Writer};
use crate::log::{LogError, names};
use crate::model::{Offset, TopicPartition};

const MAGIC: &[u8; 8] = b"HWSWAP\r\n";
/// The first one knew of no transaction indexes.
const VERSION_WITHOUT_TRANSACTIONS: u16 = 1;
const VERSION: u16 = 2;
/// The largest file that is read: far more segments than are ever replaced at once.
const BYTES_MAX: u64 = 1 << 20;

/// Segments that take the place of others.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(in crate::log) struct Swap {
    /// Base offsets of those that go, ascending.
    pub old: Vec<Offset>,
    /// Where the successor of the last one begins: all of them end below.
    pub end_offset: Offset,
    /// Those that come, ascending; the first has the base offset of the first that goes.
    pub new: Vec<SegmentRecord>,
    /// How far the log is cleaned with this.
    pub cleaned: Cleaned,
}

impl Swap {
    fn encode(&self) -> Vec<u8> {
        let mut to = Writer(MAGIC.to_vec());
        to.0.extend_from_slice(&VERSION.to_be_bytes());
        to.count(self.old.len());
        self.old.iter().for_each(|base| to.i64(base.0));
        to.i64(self.end_offset.0);
        to.count(self.new.len());
        self.new.iter().for_each(|segment| to.segment(segment));
        to.cleaned(self.cleaned);
        to.finish()
    }

    fn decode(bytes: &[u8]) -> Option<Swap> {
        let (content, crc) = bytes.split_last_chunk::<4>()?;
        if crc32c::crc32c(content) != u32::from_be_bytes(*crc) {
            return None;
        }
        let mut from = Reader::new(content);
        let is_ours = from.take(MAGIC.len())? == MAGIC;
        let version = u16::from_be_bytes(from.array()?);
        let is_ours = is_ours && [VERSION_WITHOUT_TRANSACTIONS, VERSION].contains(&version);
        from.has_transactions = version == VERSION;
        let count = from.count(size_of::<i64>())?;
        let old = (0..count).map(|_| from.i64().map(Offset)).collect::<Option<Vec<_>>>()?;
        let end_offset = Offset(from.i64()?);
        let (new, cleaned) = (from.segments()?, from.cleaned()?);
        (is_ours && from.rest.is_empty()).then_some(Swap { old, end_offset, new, cleaned })
    }

    /// The state as it is with the new segments; may be applied again.
    ///
    /// A state that ends within the old segments knew only a front part of their batches, and where that ends
    /// in the new ones nobody knows. It vouches for nothing of them: a replay reads them whole, and leaves
    /// out what lies below the state's offset.
    pub(in crate::log) fn apply(&self, snapshot: &mut Snapshot) {
        snapshot.cleaned = snapshot.cleaned.and(self.cleaned);
        let is_inside = |record: &SegmentRecord| {
            self.old.contains(&record.base_offset)
                || self.new.iter().any(|new| new.base_offset == record.base_offset)
        };
        if !snapshot.segments.iter().any(is_inside) {
            return;
        }
        let knows_all = snapshot.offset >= self.end_offset;
        let known = self.new.iter().filter(|new| knows_all || new.base_offset < snapshot.offset);
        let known =
            known.map(|new| if knows_all { *new } else { SegmentRecord::of_nothing(new.base_offset) });
        snapshot.segments.retain(|record| !is_inside(record));
        snapshot.segments.extend(known);
        snapshot.segments.sort_by_key(|record| record.base_offset);
    }
}

/// The end of step 1, and step 2.
pub(in crate::log) fn announce(files: &dyn Files, directory: &Path, swap: &Swap) -> Result<(), LogError> {
    files.sync_dir(directory).map_err(LogError::changing("sync", directory))?;
    let path = directory.join(names::SWAP);
    files.replace(&path, &swap.encode()).map_err(LogError::changing("write", &path))
}

/// A swap that was announced and not brought to its end.
pub(in crate::log) fn unfinished(files: &dyn Files, directory: &Path) -> Result<Option<Swap>, LogError> {
    let path = directory.join(names::SWAP);
    if !files.exists(&path).map_err(LogError::reading(&path))? {
        return Ok(None);
    }
    let bytes = files.read(&path, BYTES_MAX).map_err(LogError::reading(&path))?;
    let damaged = || LogError::corrupt(&path, 0, "it does not say which segments take the place of which");
    Swap::decode(&bytes).map(Some).ok_or_else(damaged)
}

/// Step 3. Where the index of a replaced segment is left, it is not the one that the state describes.
pub(in crate::log) fn change_names(files: &dyn Files, directory: &Path, swap: &Swap) -> Result<(), LogError> {
    let remove = |base: Offset, extensions: &[&str]| {
        extensions.iter().try_for_each(|extension| {
            let path = names::file(directory, base, extension);
            match files.exists(&path).map_err(LogError::reading(&path))? {
                true => files.remove_file(&path).map_err(LogError::changing("remove", &path)),
                false => Ok(()),
            }
        })
    };
    for new in &swap.new {
        let from = names::file(directory, new.base_offset, names::CLEANED);
        if files.exists(&from).map_err(LogError::reading(&from))? {
            let to = names::file(directory, new.base_offset, names::LOG);
            files.rename(&from, &to).map_err(LogError::changing("rename", &from))?;
        }
    }
    let gone = swap.old.iter().filter(|old| !swap.new.iter().any(|new| new.base_offset == **old));
    for base in gone {
        remove(*base, &names::INDEXES)?;
        remove(*base, &[names::LOG])?;
    }
    files.sync_dir(directory).map_err(LogError::changing("sync", directory))
}

/// Step 4, for the states of that partition, the newest last. Damaged ones are left to recovery.
pub(in crate::log) fn change_states(
    files: &dyn Files,
    directory: &Path,
    partition: TopicPartition,
    swap: &Swap,
) -> Result<(), LogError> {
    for name in files.list(directory).map_err(LogError::reading(directory))? {
        if !matches!(names::parse_file(&name), Some((_, names::STATE))) {
            continue;
        }
        let path = directory.join(&name);
        let bytes = files.read(&path, state_file::BYTES_MAX).map_err(LogError::reading(&path))?;
        let Ok(before) = state_file::decode(&bytes, partition) else { continue };
        let mut after = before.clone();
        swap.apply(&mut after);
        if after != before {
            let bytes = state_file::encode(&after, partition);
            files.replace(&path, &bytes).map_err(LogError::changing("write", &path))?;
        }
    }
    Ok(())
}

/// Step 5.
pub(in crate::log) fn forget(files: &dyn Files, directory: &Path) -> Result<(), LogError> {
    let path = directory.join(names::SWAP);
    files.remove_file(&path).map_err(LogError::changing("remove", &path))?;
    files.sync_dir(directory).map_err(LogError::changing("sync", directory))
}

/// Brings an announced swap to its end: what recovery does before it looks at anything else.
pub(in crate::log) fn finish(
    files: &dyn Files,
    directory: &Path,
    partition: TopicPartition,
) -> Result<bool, LogError> {
    let Some(swap) = unfinished(files, directory)? else { return Ok(false) };
    change_names(files, directory, &swap)?;
    change_states(files, directory, partition, &swap)?;
    forget(files, directory)?;
    Ok(true)
}

#[cfg(test)]
mod tests;
