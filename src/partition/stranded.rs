//! Batches of the WAL whose partition could not be opened.
//!
//! They were acknowledged, their partition's segments are damaged, and the WAL goes on without them so that
//! the other partitions can. They are kept beside the segments and taken in by the start that finds the log
//! mended.

use std::collections::HashSet;
use std::io;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use uuid::Uuid;

use crate::env::Files;
use crate::model::{TopicId, TopicPartition};
use crate::protocol::batch::{BatchHeader, verify_crc};

pub(super) const DIRECTORY: &str = "stranded";
/// Largest file that is read back: what a WAL of the largest capacity holds.
const LENGTH_MAX: u64 = 64 << 30;

/// The file of one partition: its batches as they stood in the WAL, in order of offset.
pub(super) fn path(root: &Path, id: TopicPartition) -> PathBuf {
    root.join(DIRECTORY).join(format!("{id}.batches"))
}

/// Partitions of which something is kept.
pub(super) fn all(files: &dyn Files, root: &Path) -> io::Result<HashSet<TopicPartition>> {
    let directory = root.join(DIRECTORY);
    if !files.exists(&directory)? {
        return Ok(HashSet::new());
    }
    Ok(files.list(&directory)?.iter().filter_map(|name| parse(name)).collect())
}

pub(super) fn parse(name: &str) -> Option<TopicPartition> {
    let (topic_id, partition) = name.strip_suffix(".batches")?.rsplit_once('-')?;
    let topic_id = TopicId(Uuid::parse_str(topic_id).ok()?);
    Some(TopicPartition { topic_id, partition: partition.parse().ok()? })
}

/// Adds batches durably to what earlier starts kept. Called before the checkpoint that gives up the WAL they
/// stand in; a crash in between keeps them twice, and offsets tell.
pub(super) fn keep(files: &dyn Files, root: &Path, id: TopicPartition, batches: &[Bytes]) -> io::Result<()> {
    let directory = root.join(DIRECTORY);
    if !files.exists(&directory)? {
        files.create_dir_all(&directory)?;
        files.sync_dir(root)?;
    }
    let mut kept = load(files, root, id)?;
    let end = kept.last().and_then(|last| BatchHeader::parse(last).ok()).map(|header| header.next_offset());
    let is_new = |batch: &&Bytes| {
        let next = BatchHeader::parse(batch).map(|header| header.next_offset());
        end.is_none_or(|end| next.is_ok_and(|next| next > end))
    };
    kept.extend(batches.iter().filter(is_new).cloned());
    files.replace(&path(root, id), &kept.concat())
}

/// What earlier starts kept. A damaged end is left out: it cannot be told where the next batch would begin.
pub(super) fn load(files: &dyn Files, root: &Path, id: TopicPartition) -> io::Result<Vec<Bytes>> {
    let path = path(root, id);
    if !files.exists(&path)? {
        return Ok(Vec::new());
    }
    let mut rest = Bytes::from(files.read(&path, LENGTH_MAX)?);
    let mut batches = Vec::new();
    while let Ok(header) = BatchHeader::parse(&rest) {
        if rest.len() < header.size_bytes() || verify_crc(&rest[..header.size_bytes()]).is_err() {
            break;
        }
        batches.push(rest.split_to(header.size_bytes()));
    }
    Ok(batches)
}

/// Forgets them: they stand in synced segments that a durable checkpoint names, or their topic is gone.
pub(super) fn forget(files: &dyn Files, root: &Path, id: TopicPartition) -> io::Result<()> {
    files.remove_file(&path(root, id))
}
