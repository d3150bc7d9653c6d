//! All batches of a remote segment, by one request, past the reader's caches: what is read once.

use bytes::{Bytes, BytesMut};

use super::body_reader::BodyReader;
use super::error::TierError;
use super::manifest_entry::ManifestEntry;
use super::segment_head::{BLOCK_BYTES, SegmentHead};
use crate::log::CarriedState;
use crate::model::TopicPartition;
use crate::protocol::batch::{BatchHeader, HEADER_BYTES};
use crate::store::ObjectStore;

/// A segment's batches, one after the other, each out of blocks that were compared with their checksums. In
/// memory are one batch, what came of a block, and the head.
pub struct SegmentBody {
    key: String,
    body: BodyReader,
    /// Log bytes that were compared and not taken.
    ready: BytesMut,
    head: SegmentHead,
    state: CarriedState,
    /// The next block.
    block: usize,
}

impl SegmentBody {
    /// Asks for it, and reads what stands before the batches. An object that is damaged may have been so on
    /// its way only: ask again.
    pub async fn open(
        store: &dyn ObjectStore,
        partition: TopicPartition,
        entry: &ManifestEntry,
    ) -> Result<SegmentBody, TierError> {
        let key = entry.key(partition);
        let damaged = |what: &str| TierError::damaged(&key, what);
        let range = entry.position..entry.position + entry.bytes();
        let mut body = BodyReader::new(store.get(&key, Some(range)).await?);
        let head = body.take(entry.head_bytes as usize).await?;
        let head = SegmentHead::decode_of(&head, entry, partition).map_err(damaged)?;
        let producers = body.take(entry.producers_bytes as usize).await?;
        let state = head.carried_state(&producers).map_err(damaged)?;
        Ok(SegmentBody { key, body, ready: BytesMut::new(), head, state, block: 0 })
    }

    /// What was carried to the segment's end.
    pub fn into_state(self) -> CarriedState {
        self.state
    }

    /// The next batch, whole; `None` behind the last.
    pub async fn next_batch(&mut self) -> Result<Option<Bytes>, TierError> {
        if self.ready.is_empty() && self.block == self.head.blocks.len() {
            return Ok(None);
        }
        self.fill(HEADER_BYTES).await?;
        let header = BatchHeader::parse(&self.ready[..HEADER_BYTES])
            .map_err(|error| TierError::damaged(&self.key, format!("no record batch is next: {error}")))?;
        let bytes = header.size_bytes();
        self.fill(bytes).await?;
        Ok(Some(self.ready.split_to(bytes).freeze()))
    }

    /// Makes so many log bytes ready.
    async fn fill(&mut self, bytes: usize) -> Result<(), TierError> {
        while self.ready.len() < bytes {
            let Some(crc) = self.head.blocks.get(self.block).copied() else {
                return Err(TierError::damaged(&self.key, "it ends within a record batch"));
            };
            let at = (self.block * BLOCK_BYTES) as u64;
            let length = (self.head.log_bytes - at).min(BLOCK_BYTES as u64) as usize;
            let block = self.body.take(length).await?;
            if crc32c::crc32c(&block) != crc {
                let what = format!("the block at byte {at} of its batches has another checksum");
                return Err(TierError::damaged(&self.key, what));
            }
            self.ready.extend_from_slice(&block);
            self.block += 1;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
