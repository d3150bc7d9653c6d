//! Reading what lies in the bucket: heads, leaves, roots, and whole batches in verified blocks.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::sync::Semaphore;

use super::block_cache::{BlockCache, DISK_BUFFER_BYTES, DiskCache};
use super::blocks::{BlockSource, Blocks};
use super::counters::{Counters, RemoteReads};
use super::error::TierError;
use super::keys::{Nonce, ObjectKey};
use super::known_damage::KnownDamage;
use super::lazy::LazyCache;
use super::leaf::{Leaf, LeafReference, MANIFEST_OBJECT_BYTES_MAX};
use super::manifest_entry::ManifestEntry;
use super::root::Root;
use super::segment_head::{BLOCK_BYTES, PRODUCERS_BYTES_MAX, SegmentHead};
use super::sequences::Sequences;
use crate::env::Env;
use crate::log::CarriedState;
use crate::model::{Offset, TopicPartition};
use crate::store::ObjectStore;

/// Bytes that permits of `served` stand for, one each.
pub(super) const SERVED_UNIT_BYTES: usize = 4 << 10;
/// What a look-up by time holds of the memory for answers: a batch may lie in two blocks.
pub(super) const LOOK_UP_BYTES: usize = 2 * BLOCK_BYTES;
/// Below it no block would fit its share.
const MEMORY_BYTES_MIN: usize = 16 << 20;

/// What a reader may use.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RemoteReaderOptions {
    /// Memory for blocks, read-ahead, answers under way, and what is decoded; at least 16 MiB are taken.
    pub memory_bytes: usize,
    /// A cache on disk, if one is wanted.
    pub disk: Option<DiskCache>,
}

/// How the memory is shared out.
struct Shares {
    /// Blocks in the cache.
    cache: usize,
    /// Blocks read ahead.
    ahead: usize,
    /// Blocks that readers wait for, and what they were given until it is sent.
    served: usize,
    /// Heads; leaves.
    decoded: usize,
    /// Roots; producers' states as of where a partition's copy ends.
    newest: usize,
}

impl Shares {
    fn of(options: &RemoteReaderOptions) -> Shares {
        let all = options.memory_bytes.max(MEMORY_BYTES_MIN);
        // A buffer that fills while another is written.
        let disk = if options.disk.is_some() { 2 * DISK_BUFFER_BYTES } else { 0 };
        let unit = all.saturating_sub(disk).max(MEMORY_BYTES_MIN / 2) / 32;
        Shares { cache: 10 * unit, ahead: 8 * unit, served: 8 * unit, decoded: 2 * unit, newest: unit }
    }
}

/// Reads remote segments, for all partitions of a broker.
pub struct RemoteReader {
    loader: Arc<Loader>,
    pub(super) blocks: Arc<Blocks>,
    roots: LazyCache<(TopicPartition, u64), Root>,
    heads: LazyCache<Nonce, SegmentHead>,
    leaves: LazyCache<Nonce, Leaf>,
    /// By the offset as of which they are.
    states: LazyCache<(TopicPartition, Offset), CarriedState>,
    pub(super) sequences: Mutex<Sequences>,
    pub(super) served: Arc<Semaphore>,
    pub(super) served_permits: u32,
    /// Look-ups by time at once: together they hold at most half of the memory for answers, so that those
    /// whose store hangs leave some to fetches.
    pub(super) look_ups: Semaphore,
    counters: Arc<Counters>,
}

impl RemoteReader {
    /// A reader over that store, with empty caches.
    pub async fn open(store: Arc<dyn ObjectStore>, env: &Env, options: &RemoteReaderOptions) -> RemoteReader {
        let shares = Shares::of(options);
        let counters = Arc::<Counters>::default();
        let damage = Arc::new(KnownDamage::new(env.clock.clone(), Arc::clone(&counters)));
        let cache = BlockCache::open(&*env.files, shares.cache, options.disk.as_ref()).await;
        let blocks_ahead = shares.ahead / BLOCK_BYTES;
        let served_permits = u32::try_from(shares.served / SERVED_UNIT_BYTES).unwrap_or(u32::MAX >> 4);
        RemoteReader {
            blocks: Blocks::new(
                Arc::clone(&store),
                cache,
                Arc::clone(&counters),
                Arc::clone(&damage),
                blocks_ahead,
            ),
            loader: Arc::new(Loader { store, damage }),
            roots: LazyCache::new(shares.newest, Root::memory_bytes),
            heads: LazyCache::new(shares.decoded, SegmentHead::memory_bytes),
            leaves: LazyCache::new(shares.decoded, Leaf::memory_bytes),
            states: LazyCache::new(shares.newest, CarriedState::memory_bytes),
            sequences: Mutex::default(),
            served: Arc::new(Semaphore::new(served_permits as usize)),
            served_permits,
            look_ups: Semaphore::new((shares.served / 2 / LOOK_UP_BYTES).max(1)),
            counters,
        }
    }

    /// What it did so far.
    pub fn counters(&self) -> RemoteReads {
        self.counters.snapshot()
    }

    /// Bytes of blocks that are cached in memory.
    pub fn cached_bytes(&self) -> usize {
        self.blocks.cache.memory_bytes()
    }

    /// The root of that number.
    pub async fn root(&self, partition: TopicPartition, number: u64) -> Result<Arc<Root>, TierError> {
        let loader = Arc::clone(&self.loader);
        let load = async move {
            let key = ObjectKey::Root(partition, number).to_string();
            let decode = |bytes: Bytes| Root::decode(&bytes, partition, number);
            loader.load(key, None, MANIFEST_OBJECT_BYTES_MAX, decode).await
        };
        self.roots.get((partition, number), load).await
    }

    /// Takes note of a root that took the place of the one numbered `former`: nobody need read it.
    pub fn replaced_root(&self, former: u64, root: &Arc<Root>) {
        self.roots.forget((root.partition, former));
        self.roots.keep((root.partition, root.number), root);
    }

    /// A leaf of a manifest. One that stands in the root is there already.
    pub async fn leaf(&self, root: &Root, reference: &LeafReference) -> Result<Arc<Leaf>, TierError> {
        let partition = root.partition;
        if let Some(tail) = root.tail.as_ref().filter(|tail| tail.nonce == reference.nonce) {
            return Ok(Arc::clone(tail));
        }
        let (loader, named) = (Arc::clone(&self.loader), *reference);
        let load = async move {
            let decode = move |bytes: Bytes| Leaf::decode(&bytes, partition, &named);
            loader.load(named.key(partition), None, MANIFEST_OBJECT_BYTES_MAX, decode).await
        };
        let leaf = self.leaves.get(reference.nonce, load).await?;
        // A leaf is kept by its own name, and a root may say other things of it than the one before.
        let count = reference.skipped as usize + reference.count as usize;
        if leaf.entries.len() == count {
            return Ok(leaf);
        }
        Err(TierError::damaged(reference.key(partition), "it has another number of entries"))
    }

    /// Index, block checksums and aborted transactions of a segment.
    pub async fn head(
        &self,
        partition: TopicPartition,
        entry: &ManifestEntry,
    ) -> Result<Arc<SegmentHead>, TierError> {
        let (loader, named) = (Arc::clone(&self.loader), *entry);
        let load = async move {
            let range = named.position..named.producers_position();
            let decode = move |bytes: Bytes| SegmentHead::decode_of(&bytes, &named, partition);
            loader.load(named.key(partition), Some(range), named.head_bytes as usize, decode).await
        };
        self.heads.get(entry.object.nonce, load).await
    }

    /// Producers and leader epochs of a partition as of `offset`, if [`RemoteReader::keep_state`] was told of
    /// them and they are not forgotten.
    pub fn known_state(&self, partition: TopicPartition, offset: Offset) -> Option<Arc<CarriedState>> {
        self.states.known((partition, offset))
    }

    /// Remembers a state, in the place of the one as of `former`.
    pub fn keep_state(&self, partition: TopicPartition, former: Offset, state: &Arc<CarriedState>) {
        self.states.forget((partition, former));
        self.states.keep((partition, state.offset), state);
    }

    /// Producers and leader epochs as of the segment's end.
    pub async fn state(
        &self,
        partition: TopicPartition,
        entry: &ManifestEntry,
    ) -> Result<CarriedState, TierError> {
        let head = self.head(partition, entry).await?;
        let decode = |bytes: Bytes| head.carried_state(&bytes);
        let range = entry.producers_position()..entry.log_position();
        self.loader.load(entry.key(partition), Some(range), PRODUCERS_BYTES_MAX, decode).await
    }

    pub(super) async fn source(
        &self,
        partition: TopicPartition,
        entry: &ManifestEntry,
    ) -> Result<Arc<BlockSource>, TierError> {
        let head = self.head(partition, entry).await?;
        let (key, log_position) = (entry.key(partition), entry.log_position());
        Ok(Arc::new(BlockSource { key, head, log_position }))
    }
}

/// What a load needs of a reader, which may be gone when it ends.
struct Loader {
    store: Arc<dyn ObjectStore>,
    damage: Arc<KnownDamage>,
}

impl Loader {
    /// A small object or a part of one, as [`KnownDamage::fetch`].
    async fn load<T>(
        &self,
        key: String,
        range: Option<Range<u64>>,
        bytes_max: usize,
        decode: impl Fn(Bytes) -> Result<T, &'static str>,
    ) -> Result<T, TierError> {
        let once = async || -> Result<T, TierError> {
            let bytes = self.store.get(&key, range.clone()).await?.whole(bytes_max).await?;
            decode(bytes).map_err(|what| TierError::damaged(&key, what))
        };
        let position = range.as_ref().map_or(0, |range| range.start);
        self.damage.fetch("an object", (&key, position), once(), once()).await
    }
}

#[cfg(test)]
mod tests;
