//! A file of the log, as it is read back.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::{Bytes, BytesMut};

use super::frame::{FRAME_HEADER_BYTES, FrameEntry, FrameHeader, any_metadata, parse_entries};
use super::replay::ReplayedEntry;
use crate::env::{File, Files, OpenMode};

/// How far behind the place where a frame must begin others of the same lap are looked for first. Two of the
/// largest that are written beside others: one that is lost hides only what begins behind it.
pub(super) const FIRST_LOOK_BYTES: u64 = 4 << 20;

/// Index of a file in the log's list, and a byte position in it.
pub(super) type Place = (usize, u64);

/// A frame whose header is right, and where it is.
pub(super) struct Found {
    pub(super) place: Place,
    pub(super) header: FrameHeader,
    pub(super) crc: u32,
    /// Whether there may be metadata in it.
    pub(super) metadata: bool,
}

/// One file.
pub(super) struct LogFile {
    pub(super) number: u64,
    pub(super) path: PathBuf,
    pub(super) file: Arc<dyn File>,
    pub(super) length: u64,
    /// What is cached behind the first look is not what the disk holds, for all that is known.
    doubted: AtomicBool,
}

impl LogFile {
    /// Opens a file that is only read; what is read may be what the cache holds.
    pub(super) fn open_to_look(files: &dyn Files, path: PathBuf, number: u64) -> io::Result<LogFile> {
        LogFile::open(files, path, number, OpenMode::Read, false)
    }

    /// Opens a file that is to be believed: made durable first, and then read from the disk. What is never
    /// read is not dropped from the cache.
    pub(super) fn open_to_replay(files: &dyn Files, path: PathBuf, number: u64) -> io::Result<LogFile> {
        LogFile::open(files, path, number, OpenMode::Write, true)
    }

    fn open(
        files: &dyn Files,
        path: PathBuf,
        number: u64,
        mode: OpenMode,
        doubted: bool,
    ) -> io::Result<LogFile> {
        let file = files.open(&path, mode).map_err(|error| named(&path, &error))?;
        let length = file.length()?;
        Ok(LogFile { number, path, file, length, doubted: AtomicBool::new(doubted) })
    }

    /// Syncs the file and forgets what is cached of its begin.
    pub(super) fn make_durable(&self) -> io::Result<()> {
        let durable = self.file.sync_data().and_then(|()| self.file.drop_cache(0, FIRST_LOOK_BYTES));
        durable.map_err(|error| named(&self.path, &error))
    }

    /// Fills `bytes` from `offset` with what the disk holds.
    pub(super) fn read(&self, bytes: &mut [u8], offset: u64) -> io::Result<()> {
        let is_beyond = offset + bytes.len() as u64 > FIRST_LOOK_BYTES;
        if is_beyond && self.doubted.swap(false, Ordering::Relaxed) {
            let rest = self.length.saturating_sub(FIRST_LOOK_BYTES);
            self.file.drop_cache(FIRST_LOOK_BYTES, rest).map_err(|error| named(&self.path, &error))?;
        }
        self.file.read_exact_at(bytes, offset).map_err(|error| named(&self.path, &error))
    }

    /// The header at a place, if there is a right one.
    pub(super) fn header_at(&self, place: Place) -> io::Result<Option<Found>> {
        let mut bytes = [0; FRAME_HEADER_BYTES];
        if place.1 + bytes.len() as u64 > self.length {
            return Ok(None);
        }
        self.read(&mut bytes, place.1)?;
        Ok(FrameHeader::parse(&bytes).map(|(header, crc)| Found { place, header, crc, metadata: true }))
    }

    /// Whether a frame's entries are what its header says; notes whether there is metadata among them.
    /// `buffer` is used for reading, so that not every frame takes fresh memory.
    pub(super) fn confirm(&self, found: &mut Found, buffer: &mut BytesMut) -> io::Result<bool> {
        let is_right = self.fill(found, buffer)?;
        found.metadata = is_right && any_metadata(buffer);
        Ok(is_right)
    }

    /// A frame's entries, or what is wrong with them; they refer to what was `buffer`'s memory.
    pub(super) fn entries(
        &self,
        found: &Found,
        buffer: &mut BytesMut,
    ) -> io::Result<Result<(Bytes, Vec<ReplayedEntry>), String>> {
        if !self.fill(found, buffer)? {
            return Ok(Err("the checksum of its entries is wrong".to_owned()));
        }
        let payload = std::mem::take(buffer).freeze();
        let lsn = |offset: usize| found.header.lsn.plus(offset as u64);
        let replayed =
            |e: FrameEntry| ReplayedEntry { lsn: lsn(e.offset), header: e.header, payload: e.payload };
        let entries = parse_entries(&payload, found.header.entries);
        Ok(entries.map(|entries| (payload, entries.into_iter().map(replayed).collect())))
    }

    /// Reads a frame's payload; whether it is what the header says. The length is checked against the file
    /// before memory is taken.
    fn fill(&self, found: &Found, buffer: &mut BytesMut) -> io::Result<bool> {
        let start = found.place.1 + FRAME_HEADER_BYTES as u64;
        let length = found.header.payload_bytes;
        if start + u64::from(length) > self.length {
            return Ok(false);
        }
        buffer.resize(length as usize, 0);
        self.read(buffer, start)?;
        Ok(crc32c::crc32c(buffer) == found.header.payload_crc)
    }
}

fn named(path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}
