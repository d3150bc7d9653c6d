//! Verified blocks of segment objects, out of memory, the disk cache, or the store.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use parking_lot::Mutex;
use tokio::sync::Semaphore;

use super::block_cache::{BlockCache, BlockKey, FoundIn};
use super::counters::{Counters, count};
use super::error::TierError;
use super::keys::Nonce;
use super::known_damage::KnownDamage;
use super::segment_head::{BLOCK_BYTES, SegmentHead};
use super::stream::Stream;
use crate::store::{Body, ObjectStore, StoreError};

/// A reader that is at most so far behind what a stream will bring next waits for that stream.
const JOIN_BLOCKS_MAX: u32 = 8;
/// Streams of all readers. Beyond it a reader gets block by block.
const STREAMS_MAX: usize = 256;
/// Times that a reader joins a stream which others then drive past it.
const JOINS_MAX: usize = 3;

/// The log bytes of one segment object.
pub(super) struct BlockSource {
    /// Key of the object.
    pub key: String,
    /// With the checksums of the blocks.
    pub head: Arc<SegmentHead>,
    /// First of the log bytes in the object.
    pub log_position: u64,
}

impl BlockSource {
    /// How many blocks it has.
    pub(super) fn count(&self) -> u32 {
        self.head.blocks.len() as u32
    }

    /// Length of a block.
    pub(super) fn block_bytes(&self, block: u32) -> usize {
        let at = u64::from(block) * BLOCK_BYTES as u64;
        (self.head.log_bytes.saturating_sub(at)).min(BLOCK_BYTES as u64) as usize
    }

    /// Bytes of the object in which those blocks lie.
    pub(super) fn range(&self, blocks: Range<u32>) -> Range<u64> {
        let position = |block: u32| (u64::from(block) * BLOCK_BYTES as u64).min(self.head.log_bytes);
        self.log_position + position(blocks.start)..self.log_position + position(blocks.end)
    }

    /// Where in the object a block begins.
    fn block_position(&self, block: u32) -> u64 {
        self.range(block..block + 1).start
    }

    fn cache_key(&self, block: u32) -> BlockKey {
        BlockKey { nonce: self.head.nonce, block }
    }

    /// A block's bytes, if they are what was uploaded.
    fn verify(&self, block: u32, bytes: Bytes) -> Result<Bytes, TierError> {
        if crc32c::crc32c(&bytes) == self.head.blocks[block as usize] {
            return Ok(bytes);
        }
        let at = self.block_position(block);
        Err(TierError::damaged(&self.key, format!("the block at byte {at} has another checksum")))
    }
}

/// All blocks, for all readers.
pub(super) struct Blocks {
    pub store: Arc<dyn ObjectStore>,
    pub cache: BlockCache,
    pub counters: Arc<Counters>,
    /// Room for blocks that nobody has asked for yet, one permit each.
    pub room_ahead: Arc<Semaphore>,
    damage: Arc<KnownDamage>,
    streams: Mutex<Streams>,
}

#[derive(Default)]
struct Streams {
    by_object: HashMap<Nonce, Vec<Arc<Stream>>>,
    count: usize,
}

impl Blocks {
    pub(super) fn new(
        store: Arc<dyn ObjectStore>,
        cache: BlockCache,
        counters: Arc<Counters>,
        damage: Arc<KnownDamage>,
        blocks_ahead: usize,
    ) -> Arc<Blocks> {
        let room_ahead = Arc::new(Semaphore::new(blocks_ahead));
        Arc::new(Blocks { store, cache, counters, room_ahead, damage, streams: Mutex::default() })
    }

    /// One block. `window` blocks from there on are asked for at once, if it has to be fetched; those behind
    /// it are brought as far as there is room.
    pub(super) async fn block(
        self: &Arc<Blocks>,
        source: &Arc<BlockSource>,
        block: u32,
        window: u32,
    ) -> Result<Bytes, TierError> {
        if let Some(bytes) = self.ready(source, block, window) {
            count(&self.counters.memory_hits);
            return Ok(bytes);
        }
        let crc = source.head.blocks[block as usize];
        if let Some((bytes, found_in)) = self.cache.get(source.cache_key(block), crc).await {
            match found_in {
                FoundIn::Memory => count(&self.counters.memory_hits),
                FoundIn::Disk => count(&self.counters.disk_hits),
            }
            return Ok(bytes);
        }
        count(&self.counters.misses);
        for _ in 0..JOINS_MAX {
            let Some(stream) = self.stream_for(source, block, window) else { break };
            if let Some(bytes) = stream.take(block, window).await? {
                return Ok(bytes);
            }
            if let Some((bytes, _)) = self.cache.get(source.cache_key(block), crc).await {
                return Ok(bytes);
            }
        }
        self.fetch_next(source, block..block + 1, &mut None).await
    }

    /// A block that a stream has brought already, and holds.
    fn ready(&self, source: &BlockSource, block: u32, window: u32) -> Option<Bytes> {
        let streams = self.streams.lock();
        let of_object = streams.by_object.get(&source.head.nonce)?;
        of_object.iter().find_map(|stream| stream.take_ready(block, window))
    }

    /// The stream that will bring the block; a new one if there is none.
    fn stream_for(
        self: &Arc<Blocks>,
        source: &Arc<BlockSource>,
        block: u32,
        window: u32,
    ) -> Option<Arc<Stream>> {
        let mut streams = self.streams.lock();
        let of_object = streams.by_object.entry(source.head.nonce).or_default();
        if let Some(stream) = of_object.iter().find(|stream| stream.will_bring(block, JOIN_BLOCKS_MAX)) {
            return Some(Arc::clone(stream));
        }
        if streams.count == STREAMS_MAX {
            return None;
        }
        let end = block.saturating_add(window.max(1)).min(source.count());
        let stream = Arc::new(Stream::new(Arc::clone(source), block..end));
        streams.by_object.entry(source.head.nonce).or_default().push(Arc::clone(&stream));
        streams.count += 1;
        drop(streams);
        let (blocks, running) = (Arc::clone(self), Arc::clone(&stream));
        tokio::spawn(async move {
            running.run(&blocks).await;
            blocks.forget(&running);
        });
        Some(stream)
    }

    /// Blocks that all streams hold for readers.
    #[cfg(test)]
    pub(super) fn ready_blocks(&self) -> usize {
        let streams = self.streams.lock();
        streams.by_object.values().flatten().map(|stream| stream.ready_blocks()).sum()
    }

    fn forget(&self, stream: &Arc<Stream>) {
        let mut streams = self.streams.lock();
        let nonce = stream.source.head.nonce;
        let Some(of_object) = streams.by_object.get_mut(&nonce) else { return };
        of_object.retain(|other| !Arc::ptr_eq(other, stream));
        if of_object.is_empty() {
            streams.by_object.remove(&nonce);
        }
        streams.count -= 1;
    }

    /// The next block of a body that is under way; a body that fails, or brings something else, is no reason
    /// to give up: the block is asked for once more, alone, as [`KnownDamage::fetch`].
    pub(super) async fn fetch_next(
        &self,
        source: &BlockSource,
        blocks: Range<u32>,
        coming: &mut Option<BlockBody>,
    ) -> Result<Bytes, TierError> {
        let block = blocks.start;
        let first = async {
            let mut body = match coming.take() {
                Some(body) => body,
                None => self.open(source, blocks).await?,
            };
            let bytes = body.next(source.block_bytes(block)).await?;
            *coming = Some(body);
            source.verify(block, bytes)
        };
        let alone = async {
            let mut body = self.open(source, block..block + 1).await?;
            let bytes = body.next(source.block_bytes(block)).await?;
            source.verify(block, bytes)
        };
        let place = (source.key.as_str(), source.block_position(block));
        let bytes = self.damage.fetch("a block", place, first, alone).await?;
        count(&self.counters.blocks_fetched);
        self.cache.insert(source.cache_key(block), bytes.clone());
        Ok(bytes)
    }

    async fn open(&self, source: &BlockSource, blocks: Range<u32>) -> Result<BlockBody, TierError> {
        let body = self.store.get(&source.key, Some(source.range(blocks))).await?;
        Ok(BlockBody { body, rest: Bytes::new() })
    }
}

/// A body out of which blocks are taken.
pub(super) struct BlockBody {
    body: Body,
    /// Of the piece that came last.
    rest: Bytes,
}

impl BlockBody {
    async fn next(&mut self, length: usize) -> Result<Bytes, StoreError> {
        if self.rest.len() >= length {
            return Ok(self.rest.split_to(length));
        }
        let mut block = BytesMut::with_capacity(length);
        loop {
            let taken = self.rest.split_to(self.rest.len().min(length - block.len()));
            block.extend_from_slice(&taken);
            if block.len() == length {
                return Ok(block.freeze());
            }
            // A body ends with the promised length or with an error.
            match self.body.next().await? {
                Some(bytes) => self.rest = bytes,
                None => return Err(StoreError::Unavailable("a body ended too soon".to_owned())),
            }
        }
    }
}
