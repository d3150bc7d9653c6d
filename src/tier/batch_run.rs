//! Batches that lie in blocks: finding them by their headers, and taking them out as slices.

use std::ops::Range;

use bytes::Bytes;

use super::segment_head::BLOCK_BYTES;
use crate::protocol::batch::{BatchHeader, HEADER_BYTES};

/// Neighbouring blocks of a segment, in memory.
#[derive(Default)]
pub(super) struct BlockRun {
    /// The first one's number.
    pub first: u32,
    pub blocks: Vec<Bytes>,
}

/// The block in which that byte of the log lies.
pub(super) fn block_of(position: u64) -> u32 {
    u32::try_from(position / BLOCK_BYTES as u64).expect("segments have at most 2^31 bytes")
}

impl BlockRun {
    /// Number of the block that would come behind.
    pub(super) fn next(&self) -> u32 {
        self.first + self.blocks.len() as u32
    }

    /// Blocks before that one are not needed any more. An empty run begins there.
    pub(super) fn drop_before(&mut self, block: u32) {
        let count = (block.saturating_sub(self.first) as usize).min(self.blocks.len());
        self.blocks.drain(..count);
        self.first = if self.blocks.is_empty() { block.max(self.first) } else { self.first + count as u32 };
    }

    /// Bytes of the log that are all in the run, as slices of its blocks.
    pub(super) fn slices(&self, range: Range<u64>) -> Vec<Bytes> {
        let mut slices = Vec::new();
        let mut at = range.start;
        while at < range.end {
            let block = block_of(at);
            let within = (at - u64::from(block) * BLOCK_BYTES as u64) as usize;
            let bytes = &self.blocks[(block - self.first) as usize];
            let length = (bytes.len() - within).min((range.end - at) as usize);
            slices.push(bytes.slice(within..within + length));
            at += length as u64;
        }
        slices
    }

    /// The same in one piece.
    pub(super) fn copy(&self, range: Range<u64>) -> Bytes {
        match self.slices(range).as_slice() {
            [one] => one.clone(),
            several => Bytes::from(several.concat()),
        }
    }

    /// The header that begins there; it is all in the run. A batch beyond the end of the log is none.
    pub(super) fn header(&self, position: u64, log_bytes: u64) -> Result<BatchHeader, String> {
        let bytes = self.copy(position..position + HEADER_BYTES as u64);
        let header = BatchHeader::parse(&bytes).map_err(|error| error.to_string())?;
        let is_whole = position + header.size_bytes() as u64 <= log_bytes;
        let ascends = header.last_offset_delta >= 0 && header.next_offset() > header.base_offset;
        if is_whole && ascends { Ok(header) } else { Err("a batch passes the segment's end".to_owned()) }
    }
}

#[cfg(test)]
mod tests;
