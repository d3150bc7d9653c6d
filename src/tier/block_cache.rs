//! Blocks in memory, and on disk what is read more than once: a hybrid cache of the crate `foyer`.

use std::collections::{HashSet, VecDeque};
use std::io::{Read, Write};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use foyer::{
    BlockEngineConfig, Code, DeviceBuilder, Error, FsDeviceBuilder, HybridCache, HybridCacheBuilder,
    HybridCachePolicy, HybridCacheProperties, Location, LruConfig, RecoverMode, Source,
};
use parking_lot::Mutex;

use super::keys::Nonce;
use super::segment_head::BLOCK_BYTES;
use crate::env::Files;

/// Blocks that are remembered to have been fetched: 64 GiB of them, in 3 MiB.
const FETCHED_MAX: usize = 64 << 10;

/// What the disk cache gives up at once: several blocks.
const DISK_REGION_BYTES: usize = 8 << 20;
/// Buffers of what is being written to it.
pub(super) const DISK_BUFFER_BYTES: usize = 4 << 20;
/// Regions that the disk cache works with at least.
const DISK_BYTES_MIN: u64 = 8 * DISK_REGION_BYTES as u64;

/// Where blocks are kept on disk.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DiskCache {
    /// A directory of its own, whose content is worth nothing.
    pub path: PathBuf,
    /// How much it may hold. Below 64 MiB there is no cache on disk.
    pub bytes: u64,
}

/// A block of a segment object.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) struct BlockKey {
    pub nonce: Nonce,
    pub block: u32,
}

/// Its bytes, at most [`BLOCK_BYTES`].
struct CachedBlock {
    bytes: Bytes,
    /// What comes from the disk is not, until somebody has compared its checksum: who had it loaded may have
    /// given up waiting, and others find it in memory.
    is_verified: AtomicBool,
}

impl Code for BlockKey {
    fn encode(&self, writer: &mut impl Write) -> Result<(), Error> {
        writer.write_all(&self.nonce.0).map_err(Error::io_error)?;
        writer.write_all(&self.block.to_be_bytes()).map_err(Error::io_error)
    }

    fn decode(reader: &mut impl Read) -> Result<BlockKey, Error> {
        let (mut nonce, mut block) = ([0; 16], [0; 4]);
        reader.read_exact(&mut nonce).map_err(Error::io_error)?;
        reader.read_exact(&mut block).map_err(Error::io_error)?;
        Ok(BlockKey { nonce: Nonce(nonce), block: u32::from_be_bytes(block) })
    }

    fn estimated_size(&self) -> usize {
        20
    }
}

impl Code for CachedBlock {
    fn encode(&self, writer: &mut impl Write) -> Result<(), Error> {
        writer.write_all(&(self.bytes.len() as u32).to_be_bytes()).map_err(Error::io_error)?;
        writer.write_all(&self.bytes).map_err(Error::io_error)
    }

    fn decode(reader: &mut impl Read) -> Result<CachedBlock, Error> {
        let mut length = [0; 4];
        reader.read_exact(&mut length).map_err(Error::io_error)?;
        // The disk may say anything: no more than a block is taken, and its checksum is compared.
        let length = (u32::from_be_bytes(length) as usize).min(BLOCK_BYTES);
        let mut bytes = vec![0; length];
        reader.read_exact(&mut bytes).map_err(Error::io_error)?;
        Ok(CachedBlock { bytes: Bytes::from(bytes), is_verified: AtomicBool::new(false) })
    }

    fn estimated_size(&self) -> usize {
        4 + self.bytes.len()
    }
}

/// Where a block was found.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum FoundIn {
    Memory,
    Disk,
}

/// Verified blocks. A block that was fetched for the first time stays in memory alone: what a catch-up reader
/// passes once is never written to the disk that the log is on.
pub(super) struct BlockCache {
    hybrid: HybridCache<BlockKey, CachedBlock>,
    fetched: Mutex<Fetched>,
}

/// Which blocks were fetched lately.
#[derive(Default)]
struct Fetched {
    known: HashSet<BlockKey>,
    order: VecDeque<BlockKey>,
}

impl Fetched {
    /// Whether it is remembered; it is from now on.
    fn again(&mut self, key: BlockKey) -> bool {
        if !self.known.insert(key) {
            return true;
        }
        self.order.push_back(key);
        if self.order.len() > FETCHED_MAX
            && let Some(oldest) = self.order.pop_front()
        {
            self.known.remove(&oldest);
        }
        false
    }
}

impl BlockCache {
    /// A cache of that many bytes in memory. Without a usable disk it has memory alone.
    pub(super) async fn open(files: &dyn Files, memory_bytes: usize, disk: Option<&DiskCache>) -> BlockCache {
        let mut hybrid = None;
        let disk = disk.filter(|disk| disk.bytes >= DISK_BYTES_MIN);
        // The crate takes it for granted that the directory can be made.
        let usable = disk.filter(|disk| {
            let made = files.create_dir_all(&disk.path);
            made.inspect_err(|error| no_disk(disk, error)).is_ok()
        });
        if let Some(disk) = usable {
            // Past the page cache where the file system can: it is the hot readers'.
            for direct in [true, false] {
                match open(memory_bytes, Some((disk, direct))).await {
                    Ok(opened) => {
                        hybrid = Some(opened);
                        break;
                    }
                    Err(error) if direct => tracing::debug!(%error, "the disk cache takes no direct writes"),
                    Err(error) => no_disk(disk, &error),
                }
            }
        }
        let hybrid = match hybrid {
            Some(hybrid) => hybrid,
            None => open(memory_bytes, None).await.expect("a cache in memory opens nothing"),
        };
        BlockCache { hybrid, fetched: Mutex::default() }
    }

    /// The block, if it is here and its checksum is this one.
    pub(super) async fn get(&self, key: BlockKey, crc: u32) -> Option<(Bytes, FoundIn)> {
        let entry = match self.hybrid.get(&key).await {
            Ok(entry) => entry?,
            Err(error) => {
                tracing::debug!(%error, "the disk cache cannot be read");
                return None;
            }
        };
        let block = entry.value();
        if !block.is_verified.load(Ordering::Relaxed) {
            if crc32c::crc32c(&block.bytes) != crc {
                tracing::warn!(block = key.block, "a block of the disk cache is damaged");
                self.hybrid.remove(&key);
                return None;
            }
            block.is_verified.store(true, Ordering::Relaxed);
        }
        let found_in = if entry.source() == Source::Disk { FoundIn::Disk } else { FoundIn::Memory };
        Some((block.bytes.clone(), found_in))
    }

    /// Keeps a verified block that was fetched.
    pub(super) fn insert(&self, key: BlockKey, bytes: Bytes) {
        let again = self.fetched.lock().again(key);
        let location = if again { Location::Default } else { Location::InMem };
        let properties = HybridCacheProperties::default().with_location(location);
        let block = CachedBlock { bytes, is_verified: AtomicBool::new(true) };
        drop(self.hybrid.insert_with_properties(key, block, properties));
    }

    /// Bytes in memory.
    pub(super) fn memory_bytes(&self) -> usize {
        self.hybrid.memory().usage()
    }
}

fn no_disk(disk: &DiskCache, error: &dyn std::fmt::Display) {
    tracing::warn!(path = %disk.path.display(), %error, "no disk cache: blocks are kept in memory alone");
}

async fn open(
    memory_bytes: usize,
    disk: Option<(&DiskCache, bool)>,
) -> Result<HybridCache<BlockKey, CachedBlock>, Error> {
    let builder = HybridCacheBuilder::new()
        .with_name("highwater-tier")
        .with_policy(HybridCachePolicy::WriteOnEviction)
        .with_flush_on_close(false)
        .memory(memory_bytes)
        // A shard has to hold several blocks.
        .with_shards(1)
        .with_eviction_config(LruConfig::default())
        .with_weighter(|_, block: &CachedBlock| block.bytes.len())
        .storage()
        // What was kept by an earlier run is let go: reading it all would take longer than it saves.
        .with_recover_mode(RecoverMode::None);
    let Some((disk, direct)) = disk else { return builder.build().await };
    let capacity = usize::try_from(disk.bytes).unwrap_or(usize::MAX);
    let device = FsDeviceBuilder::new(&disk.path).with_capacity(capacity).with_direct(direct).build()?;
    let engine = BlockEngineConfig::new(device)
        .with_block_size(DISK_REGION_BYTES)
        .with_indexer_shards(4)
        .with_buffer_pool_size(DISK_BUFFER_BYTES)
        .with_submit_queue_size_threshold(DISK_BUFFER_BYTES);
    builder.with_engine_config(engine).build().await
}

#[cfg(test)]
mod tests;
