use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::env::File;
use crate::log::LogError;
use crate::model::Offset;
use crate::protocol::batch::{BatchHeader, CRC_FROM, HEADER_BYTES, verify_crc};

/// Bytes read at once: many headers where batches are small, and not much too much where they are large.
const WINDOW_BYTES: usize = 8 << 10;

/// Bytes of a batch that are in memory at once while its checksum is computed.
const PIECE_BYTES: usize = 256 << 10;

/// Bytes of one batch at most: what the length field can say.
pub(super) const BATCH_BYTES_MAX: u64 = i32::MAX as u64;

/// Walks from batch to batch of a segment by their headers.
pub(super) struct Scanner {
    /// `None` where there is nothing to read.
    file: Option<Arc<dyn File>>,
    path: PathBuf,
    position: u64,
    end: u64,
    /// No batch may begin below it.
    offset_min: Offset,
    window: Vec<u8>,
    window_start: u64,
}

/// Why there is a file where something is read.
const NO_FILE: &str = "only a scanner of nothing has no file, and there is no batch for it to read";

/// A batch and where it lies.
#[derive(Clone, Copy, Debug)]
pub(super) struct Found {
    /// First byte in the segment.
    pub position: u64,
    /// Its header.
    pub header: BatchHeader,
}

impl Found {
    /// First byte after it.
    pub(super) fn end(&self) -> u64 {
        self.position + self.header.size_bytes() as u64
    }
}

impl Scanner {
    /// From the batch boundary `position` up to the byte `end`; a batch that begins below `offset_min` is
    /// damage. Without a file there is nothing between the two.
    pub(super) fn new(
        file: Option<Arc<dyn File>>,
        path: &Path,
        position: u64,
        end: u64,
        offset_min: Offset,
    ) -> Scanner {
        let path = path.to_owned();
        Scanner { file, path, position, end, offset_min, window: Vec::new(), window_start: 0 }
    }

    /// Where the next batch begins.
    pub(super) fn position(&self) -> u64 {
        self.position
    }

    /// The next batch; `None` at the end. A header that makes no sense, or a batch that passes the end, is
    /// damage.
    pub(super) fn next(&mut self) -> Result<Option<Found>, LogError> {
        if self.position >= self.end {
            return Ok(None);
        }
        self.fill()?;
        let from = (self.position - self.window_start) as usize;
        let header = BatchHeader::parse(&self.window[from..])
            .map_err(|error| self.damaged(format!("no record batch begins here: {error}")))?;
        let found = Found { position: self.position, header };
        self.check(&found)?;
        self.position = found.end();
        self.offset_min = header.next_offset();
        Ok(Some(found))
    }

    fn fill(&mut self) -> Result<(), LogError> {
        let window_end = self.window_start + self.window.len() as u64;
        let header_end = self.position + HEADER_BYTES as u64;
        if self.position >= self.window_start && header_end <= window_end {
            return Ok(());
        }
        let file = self.file.clone().expect(NO_FILE);
        let wanted = (self.end - self.position).min(WINDOW_BYTES as u64) as usize;
        self.window.resize(wanted, 0);
        self.window_start = self.position;
        let mut filled = 0;
        while filled < wanted {
            let at = self.position + filled as u64;
            let read = file.read_at(&mut self.window[filled..], at);
            match read.map_err(LogError::reading(&self.path))? {
                0 => break,
                count => filled += count,
            }
        }
        self.window.truncate(filled);
        Ok(())
    }

    fn check(&self, found: &Found) -> Result<(), LogError> {
        let header = &found.header;
        let (base, next) = (header.base_offset, header.next_offset());
        if header.last_offset_delta < 0 || base < self.offset_min || next <= base {
            let what = format!(
                "a record batch of offsets {base} to {} cannot stand where offset {} or a later one is due",
                header.last_offset(),
                self.offset_min
            );
            return Err(self.damaged(what));
        }
        if found.end() > self.end {
            let what =
                format!("a record batch of {} bytes passes the end at {}", header.size_bytes(), self.end);
            return Err(self.damaged(what));
        }
        Ok(())
    }

    /// The checksum of a batch's bytes, read a piece at a time.
    pub(super) fn checksum(&self, found: &Found) -> Result<u32, LogError> {
        let (mut at, end) = (found.position + CRC_FROM as u64, found.end());
        let window_end = self.window_start + self.window.len() as u64;
        if self.window_start <= at && end <= window_end {
            let (from, to) = (at - self.window_start, end - self.window_start);
            return Ok(crc32c::crc32c(&self.window[from as usize..to as usize]));
        }
        let mut piece = vec![0; PIECE_BYTES.min((end - at) as usize)];
        let mut crc = 0;
        while at < end {
            let count = piece.len().min((end - at) as usize);
            self.file().read_exact_at(&mut piece[..count], at).map_err(LogError::reading(&self.path))?;
            crc = crc32c::crc32c_append(crc, &piece[..count]);
            at += count as u64;
        }
        Ok(crc)
    }

    /// Reads the whole batch and compares its checksum.
    pub(super) fn read_verified(&self, found: &Found) -> Result<Vec<u8>, LogError> {
        let bytes = self.read(found)?;
        verify_crc(&bytes).map_err(|error| {
            let what = format!("offset {}: {error}", found.header.base_offset);
            LogError::corrupt(&self.path, found.position, what)
        })?;
        Ok(bytes)
    }

    /// Reads the whole batch. Its size was compared with the file's before.
    pub(super) fn read(&self, found: &Found) -> Result<Vec<u8>, LogError> {
        let window_end = self.window_start + self.window.len() as u64;
        if self.window_start <= found.position && found.end() <= window_end {
            let (from, to) = (found.position - self.window_start, found.end() - self.window_start);
            return Ok(self.window[from as usize..to as usize].to_vec());
        }
        let mut bytes = vec![0; found.header.size_bytes()];
        self.file().read_exact_at(&mut bytes, found.position).map_err(LogError::reading(&self.path))?;
        Ok(bytes)
    }

    fn file(&self) -> &dyn File {
        self.file.as_deref().expect(NO_FILE)
    }

    fn damaged(&self, what: String) -> LogError {
        LogError::corrupt(&self.path, self.position, what)
    }
}
