//! Looking at the log without taking it over: nothing is written, synced or dropped from the cache.

use std::io;
use std::path::Path;

use bytes::BytesMut;
use uuid::Uuid;

use super::error::Corruption;
use super::frame::{FRAME_ALIGNMENT, FRAME_HEADER_BYTES, FrameKind, MAGIC};
use super::log_file::{Found, LogFile};
use super::options::{Lsn, ReplayStart};
use super::replay::{Log, ReplayedEntry, TornTail};
use super::ring::file_number;
use crate::env::{Env, Files};

/// Whether a file's name is one of the log's.
pub fn is_wal_file(name: &str) -> bool {
    file_number(name).is_some()
}

/// A frame as it lies in its file.
pub struct FrameView {
    /// First byte in the file.
    pub position: u64,
    /// Whether it carries entries; if not, it only publishes `durable_lsn`.
    pub is_group: bool,
    /// Entries announced.
    pub entries_count: u32,
    /// Which log.
    pub wal_id: Uuid,
    /// Which start of the broker wrote it.
    pub incarnation: u64,
    /// Its place in the life of the log.
    pub lsn: Lsn,
    /// End of what was durable when it was written (exclusive).
    pub durable_lsn: Lsn,
    /// Bytes of its entries.
    pub payload_bytes: u32,
    /// Header checksum of the frame before.
    pub previous_crc: u32,
    /// Its own header checksum, which the next frame carries.
    pub crc: u32,
    /// Its entries, or what is wrong with them.
    pub entries: Result<Vec<ReplayedEntry>, String>,
}

/// A stretch of a file.
pub enum Piece {
    /// A frame whose header is whole.
    Frame(Box<FrameView>),
    /// Zeroes, written ahead.
    Blank {
        /// First byte.
        position: u64,
        /// Number of bytes.
        bytes: u64,
    },
    /// The inside of a frame of an earlier lap, whose begin was overwritten: it holds nothing.
    Remnant {
        /// First byte.
        position: u64,
        /// Number of bytes.
        bytes: u64,
    },
    /// The begin of a frame whose header makes no sense.
    Damaged {
        /// First byte.
        position: u64,
    },
}

/// Walks through one file of the log, of whatever incarnation and lap, a frame at a time in memory.
pub struct FileWalk {
    file: LogFile,
    position: u64,
}

impl FileWalk {
    /// From the file's begin.
    pub fn open(files: &dyn Files, path: &Path) -> io::Result<FileWalk> {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let file = LogFile::open_to_look(files, path.to_owned(), file_number(name).unwrap_or_default())?;
        Ok(FileWalk { file, position: 0 })
    }

    /// Bytes of the file.
    pub fn length(&self) -> u64 {
        self.file.length
    }

    /// The next stretch; `None` at the end.
    pub fn next_piece(&mut self) -> io::Result<Option<Piece>> {
        let position = self.position;
        if position >= self.file.length {
            return Ok(None);
        }
        if let Some(found) = self.file.header_at((0, position))? {
            self.position += found.header.padded_bytes();
            return self.frame(&found).map(Some);
        }
        let mut magic = [0; MAGIC.len()];
        if position + FRAME_HEADER_BYTES as u64 <= self.file.length {
            self.file.file.read_exact_at(&mut magic, position)?;
        }
        if magic == MAGIC {
            self.position += FRAME_ALIGNMENT;
            return Ok(Some(Piece::Damaged { position }));
        }
        let is_blank = self.is_blank(position)?;
        while self.position < self.file.length && self.is_blank(self.position)? == is_blank {
            self.position += FRAME_ALIGNMENT;
            if self.begins_frame()? {
                break;
            }
        }
        let bytes = self.position.min(self.file.length) - position;
        Ok(Some(if is_blank { Piece::Blank { position, bytes } } else { Piece::Remnant { position, bytes } }))
    }

    fn begins_frame(&self) -> io::Result<bool> {
        let mut magic = [0; MAGIC.len()];
        let there = self.file.file.read_at(&mut magic, self.position)?;
        Ok(there == magic.len() && magic == MAGIC)
    }

    /// Whether the block at a position holds zeroes only.
    fn is_blank(&self, position: u64) -> io::Result<bool> {
        let mut block = [0; FRAME_ALIGNMENT as usize];
        let count = self.file.file.read_at(&mut block, position)?;
        Ok(block[..count].iter().all(|byte| *byte == 0))
    }

    fn frame(&self, found: &Found) -> io::Result<Piece> {
        let header = &found.header;
        let entries = match header.kind {
            FrameKind::Group => self.file.entries(found, &mut BytesMut::new())?.map(|(_, entries)| entries),
            FrameKind::Idle => Ok(Vec::new()),
        };
        Ok(Piece::Frame(Box::new(FrameView {
            position: found.place.1,
            is_group: header.kind == FrameKind::Group,
            entries_count: header.entries,
            wal_id: header.wal_id,
            incarnation: header.incarnation,
            lsn: header.lsn,
            durable_lsn: header.durable_lsn,
            payload_bytes: header.payload_bytes,
            previous_crc: header.previous_crc,
            crc: found.crc,
            entries,
        })))
    }
}

/// What a look at what a start would replay has found.
#[derive(Debug)]
pub struct Verified {
    /// Exclusive end of the last whole frame.
    pub end_lsn: Lsn,
    /// Whole frames from the replay start on.
    pub frames: u64,
    /// Entries in them.
    pub entries: u64,
    /// Bytes of all files.
    pub bytes: u64,
    /// Number of files.
    pub files: usize,
    /// An unacknowledged group at the end that is not whole, as a crash leaves it.
    pub torn: Option<TornTail>,
    /// Damage before what was acknowledged.
    pub corruption: Option<Corruption>,
    /// Frames whose checksums are right and whose entries make no sense.
    pub senseless: Vec<Corruption>,
}

/// Follows the chain of frames as a start would, and visits the entries in order, each with its file and the
/// frame's position in it.
pub fn verify(
    env: &Env,
    dir: &Path,
    start: &ReplayStart,
    visit: &mut dyn FnMut(&Path, u64, ReplayedEntry),
) -> io::Result<Verified> {
    let log = Log::open_to_look(env, dir, *start)?;
    let walk = log.walk()?;
    let mut entries = 0;
    let mut senseless = Vec::new();
    for found in walk.frames.iter().filter(|found| found.header.kind == FrameKind::Group) {
        let (file, position) = (&log.files[found.place.0].path, found.place.1);
        match log.try_entries(found, &mut BytesMut::new())? {
            Ok((_, found)) => {
                entries += found.len() as u64;
                found.into_iter().for_each(|entry| visit(file, position, entry));
            }
            Err(message) => senseless.push(Corruption {
                file: file.display().to_string(),
                offset: position,
                lsn: found.header.lsn,
                message,
            }),
        }
    }
    Ok(Verified {
        end_lsn: walk.end,
        frames: walk.frames.len() as u64,
        entries,
        bytes: log.files.iter().map(|file| file.length).sum(),
        files: log.files.len(),
        torn: walk.torn,
        corruption: walk.corruption,
        senseless,
    })
}
