//! Reading a closed segment's `.log` file for an upload. Blocks the thread.

use bytes::{Bytes, BytesMut};

use super::error::TierError;
use super::segment_head::BLOCK_BYTES;
use super::segment_scan::{ScannedSegment, SegmentScan};
use crate::env::FileExtent;
use crate::model::Offset;

/// Bytes of a file that are in memory at once during a walk.
const PIECE_BYTES: u64 = 256 << 10;

/// Walks over all of a segment's file.
pub fn scan_file(
    mut scan: SegmentScan,
    file: &FileExtent,
    base_offset: Offset,
) -> Result<ScannedSegment, TierError> {
    let mut piece = vec![0; PIECE_BYTES.min(file.length) as usize];
    let mut at = 0;
    while at < file.length {
        let count = PIECE_BYTES.min(file.length - at) as usize;
        read(file, &mut piece[..count], at, base_offset)?;
        scan.push(&piece[..count])?;
        at += count as u64;
    }
    scan.finish()
}

/// The blocks of a segment's file, one after the other, each compared with the checksum of the walk before: a
/// byte that the disk changed since is not uploaded.
pub struct SegmentBlocks {
    file: FileExtent,
    base_offset: Offset,
    blocks: Vec<u32>,
    next: usize,
}

impl SegmentBlocks {
    /// From the first one on.
    pub fn new(file: FileExtent, base_offset: Offset, blocks: Vec<u32>) -> SegmentBlocks {
        SegmentBlocks { file, base_offset, blocks, next: 0 }
    }

    /// The next one; `None` behind the last.
    pub fn next_block(&mut self) -> Result<Option<Bytes>, TierError> {
        let mut block = BytesMut::new();
        Ok(self.append_next(&mut block)?.then(|| block.freeze()))
    }

    /// Appends the next one; `false` behind the last.
    pub fn append_next(&mut self, to: &mut BytesMut) -> Result<bool, TierError> {
        let Some(&crc) = self.blocks.get(self.next) else { return Ok(false) };
        let at = (self.next * BLOCK_BYTES) as u64;
        let from = to.len();
        to.resize(from + (BLOCK_BYTES as u64).min(self.file.length.saturating_sub(at)) as usize, 0);
        let block = &mut to[from..];
        read(&self.file, block, at, self.base_offset)?;
        if crc32c::crc32c(block) != crc {
            let what = "the block that begins here has changed since it was checked".to_owned();
            return Err(TierError::BadSegment { base_offset: self.base_offset, position: at, what });
        }
        self.next += 1;
        Ok(true)
    }
}

fn read(file: &FileExtent, to: &mut [u8], at: u64, base_offset: Offset) -> Result<(), TierError> {
    let read = file.file.read_exact_at(to, file.offset + at);
    read.map_err(|error| TierError::BadSegment { base_offset, position: at, what: error.to_string() })
}

#[cfg(test)]
mod tests;
