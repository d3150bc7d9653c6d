//! The checkpoint: where replay starts, and what holds below that point.
//!
//! Two copies stand side by side and are written one after the other, so that neither a crash between the
//! writes nor a flipped bit in one of them costs the broker its memory of where it was.

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};

use uuid::Uuid;

use crate::env::Files;
use crate::model::{Offset, Timestamp, TopicId, TopicPartition};
use crate::wal::{Lsn, ReplayStart};

const MAGIC: &[u8; 8] = b"HWCHKPT\0";
const VERSION: u16 = 1;
/// Largest checkpoint that is read: ten million partitions with a gigabyte of metadata do not reach it.
pub(super) const LENGTH_MAX: u64 = 2 << 30;
pub(super) const COPIES: [&str; 2] = ["checkpoint.0", "checkpoint.1"];

/// What a checkpoint says. Format: `docs/formats/checkpoint.md`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Checkpoint {
    /// One more at each checkpoint.
    pub sequence: u64,
    /// From where the WAL is replayed.
    pub replay_start: ReplayStart,
    /// Wall-clock time ([`crate::log::LogDirectory::time_to_keep`]), so that a clock that was set forward
    /// while the broker was down is not taken at its word, nor one that is behind.
    pub believed_now: Timestamp,
    /// The metadata store's content, at an LSN of at least `replay_start`.
    pub metadata: Vec<u8>,
    /// Per partition the end of what its synced segments hold (exclusive). Absent means 0.
    pub recovery_offsets: HashMap<TopicPartition, Offset>,
}

/// Why no checkpoint could be read.
#[derive(Debug, thiserror::Error)]
pub(super) enum CheckpointError {
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error(
        "{path} is damaged and so is its copy: without it nobody knows where the write-ahead log starts; \
         nothing was changed"
    )]
    Damaged { path: PathBuf },
    #[error("{path} has format version {version}; this highwater reads up to {VERSION}: use the newer one")]
    Newer { path: PathBuf, version: u16 },
}

impl Checkpoint {
    /// Reads the newest whole copy; `None` if neither exists, as in a new directory.
    pub(super) fn load(files: &dyn Files, root: &Path) -> Result<Option<Checkpoint>, CheckpointError> {
        let mut newest: Option<Checkpoint> = None;
        let mut damaged = None;
        for name in COPIES {
            let path = root.join(name);
            if !files.exists(&path)? {
                continue;
            }
            match Checkpoint::decode(&files.read(&path, LENGTH_MAX)?) {
                Ok(checkpoint) => {
                    if newest.as_ref().is_none_or(|other| other.sequence < checkpoint.sequence) {
                        newest = Some(checkpoint);
                    }
                }
                Err(Unreadable::Damaged) => damaged = Some(path),
                Err(Unreadable::Newer(version)) => return Err(CheckpointError::Newer { path, version }),
            }
        }
        match (newest, damaged) {
            (None, Some(path)) => Err(CheckpointError::Damaged { path }),
            (newest, _) => Ok(newest),
        }
    }

    /// Makes the checkpoint durable in both copies. When it returns, the WAL below `replay_start` is not
    /// needed any more: a crash after the first copy leaves that one newer, and the WAL is trimmed only after
    /// both.
    pub(super) fn store(&self, files: &dyn Files, root: &Path) -> io::Result<()> {
        let bytes = self.encode();
        COPIES.iter().try_for_each(|name| files.replace(&root.join(name), &bytes))
    }

    fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(96 + self.metadata.len() + self.recovery_offsets.len() * 28);
        bytes.extend_from_slice(MAGIC);
        bytes.extend_from_slice(&VERSION.to_be_bytes());
        bytes.extend_from_slice(&self.sequence.to_be_bytes());
        bytes.extend_from_slice(self.replay_start.wal_id.as_bytes());
        bytes.extend_from_slice(&self.replay_start.incarnation.to_be_bytes());
        bytes.extend_from_slice(&self.replay_start.lsn.0.to_be_bytes());
        bytes.extend_from_slice(&self.replay_start.previous_crc.to_be_bytes());
        bytes.extend_from_slice(&self.believed_now.0.to_be_bytes());
        bytes.extend_from_slice(&(self.metadata.len() as u64).to_be_bytes());
        bytes.extend_from_slice(&self.metadata);
        bytes.extend_from_slice(&(self.recovery_offsets.len() as u64).to_be_bytes());
        let mut offsets: Vec<_> = self.recovery_offsets.iter().collect();
        offsets.sort_unstable();
        for (topic_partition, offset) in offsets {
            bytes.extend_from_slice(topic_partition.topic_id.0.as_bytes());
            bytes.extend_from_slice(&topic_partition.partition.to_be_bytes());
            bytes.extend_from_slice(&offset.0.to_be_bytes());
        }
        bytes.extend_from_slice(&crc32c::crc32c(&bytes).to_be_bytes());
        bytes
    }

    pub(super) fn decode(bytes: &[u8]) -> Result<Checkpoint, Unreadable> {
        let (content, crc) = bytes.split_last_chunk::<4>().ok_or(Unreadable::Damaged)?;
        if crc32c::crc32c(content) != u32::from_be_bytes(*crc) {
            return Err(Unreadable::Damaged);
        }
        let mut reader = Reader(content);
        if reader.take::<8>()? != *MAGIC {
            return Err(Unreadable::Damaged);
        }
        match u16::from_be_bytes(reader.take()?) {
            VERSION => reader.checkpoint(),
            version => Err(Unreadable::Newer(version)),
        }
    }
}

/// Why a copy cannot be read.
pub(super) enum Unreadable {
    Damaged,
    Newer(u16),
}

/// Takes fields off the front. Lengths are compared with what remains before anything is reserved.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take<const N: usize>(&mut self) -> Result<[u8; N], Unreadable> {
        let (field, rest) = self.0.split_first_chunk().ok_or(Unreadable::Damaged)?;
        self.0 = rest;
        Ok(*field)
    }

    fn take_u64(&mut self) -> Result<u64, Unreadable> {
        self.take().map(u64::from_be_bytes)
    }

    fn take_bytes(&mut self) -> Result<&'a [u8], Unreadable> {
        let length = usize::try_from(self.take_u64()?).map_err(|_| Unreadable::Damaged)?;
        let (field, rest) = self.0.split_at_checked(length).ok_or(Unreadable::Damaged)?;
        self.0 = rest;
        Ok(field)
    }

    fn checkpoint(&mut self) -> Result<Checkpoint, Unreadable> {
        let sequence = self.take_u64()?;
        let replay_start = ReplayStart {
            wal_id: Uuid::from_bytes(self.take()?),
            incarnation: self.take_u64()?,
            lsn: Lsn(self.take_u64()?),
            previous_crc: u32::from_be_bytes(self.take()?),
        };
        let believed_now = Timestamp(i64::from_be_bytes(self.take()?));
        let metadata = self.take_bytes()?.to_vec();
        let count = self.take_u64()?;
        if count.checked_mul(28) != Some(self.0.len() as u64) {
            return Err(Unreadable::Damaged);
        }
        let mut recovery_offsets = HashMap::new();
        for _ in 0..count {
            let topic_id = TopicId(Uuid::from_bytes(self.take()?));
            let partition = i32::from_be_bytes(self.take()?);
            let offset = Offset(i64::from_be_bytes(self.take()?));
            recovery_offsets.insert(TopicPartition { topic_id, partition }, offset);
        }
        Ok(Checkpoint { sequence, replay_start, believed_now, metadata, recovery_offsets })
    }
}
