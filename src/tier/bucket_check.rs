//! Whether what lies in the bucket is what manifests say, and how much nothing names. Nothing is changed.

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;

use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::future::BoxFuture;

use super::body_reader::BodyReader;
use super::error::TierError;
use super::keys::{ObjectKey, TOPICS, partition_folder};
use super::manifest_entry::ManifestEntry;
use super::remote_reader::{RemoteReader, RemoteReaderOptions};
use super::root::Root;
use super::segment_head::{BLOCK_BYTES, SegmentHead};
use crate::env::Env;
use crate::model::{Offset, TopicPartition};
use crate::store::{ObjectStore, StoreError};

/// Segments that are looked at side by side. Of each a piece of its body is in memory, and its head.
const SEGMENTS_AT_ONCE: usize = 4;
/// Manifests of one partition that are read one after the other, where each is followed by another meanwhile.
const MANIFESTS_FOLLOWED_MAX: u32 = 5;
/// Memory for roots and leaves.
const MEMORY_BYTES: usize = 16 << 20;

/// Why a check does not go on.
#[derive(Debug, thiserror::Error)]
pub enum BucketCheckError {
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// It cannot be told which manifests hold.
    #[error("{0}")]
    Manifests(String),
}

/// Who says which manifest of a partition holds.
pub trait CurrentManifests: Sync {
    /// Its number; `None`: it has none.
    fn number(&self, partition: TopicPartition) -> BoxFuture<'_, Result<Option<u64>, BucketCheckError>>;
}

/// Takes the newest root that lies in the bucket for the one that holds. Without the metadata store nobody
/// knows better: one above that which holds is of a change that broke off, and what it names is there too.
pub struct NewestManifests(pub Arc<dyn ObjectStore>);

impl CurrentManifests for NewestManifests {
    fn number(&self, partition: TopicPartition) -> BoxFuture<'_, Result<Option<u64>, BucketCheckError>> {
        Box::pin(async move { Ok(newest_manifest(&*self.0, partition).await?) })
    }
}

/// The highest number of a root that lies in the bucket, by one listing; `None`: there is none.
pub async fn newest_manifest(
    store: &dyn ObjectStore,
    partition: TopicPartition,
) -> Result<Option<u64>, StoreError> {
    let mut newest = None;
    let mut pages = store.list(&format!("{}/manifest", partition_folder(partition)));
    while let Some(page) = pages.next_page().await? {
        let numbers = page.iter().filter_map(|listed| root_number(&listed.key));
        newest = newest.max(numbers.max());
    }
    Ok(newest)
}

fn root_number(key: &str) -> Option<u64> {
    match ObjectKey::parse(key) {
        Some(ObjectKey::Root(_, number)) => Some(number),
        _ => None,
    }
}

/// What is wrong with an object that a manifest names, or with a manifest.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct BucketFault {
    /// Whose it is.
    pub partition: TopicPartition,
    /// Of the object.
    pub key: String,
    /// In words.
    pub what: String,
}

/// Hears of a check as it goes on, from one task.
pub trait BucketWatcher: Sync {
    /// Something is wrong.
    fn found(&self, fault: &BucketFault);
    /// So many bytes more were read.
    fn read(&self, bytes: u64);
}

/// Objects and their bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct ObjectCount {
    /// How many.
    pub objects: u64,
    /// Bytes of all of them.
    pub bytes: u64,
}

impl ObjectCount {
    fn add(&mut self, bytes: u64) {
        self.objects += 1;
        self.bytes += bytes;
    }
}

/// What a check has looked at.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct BucketSummary {
    /// Partitions with a manifest.
    pub partitions: u64,
    /// Segment objects that manifests name.
    pub segments: ObjectCount,
    /// Objects under our names that no manifest names: on their way, replaced a short while ago, or left by
    /// a crash until they are collected.
    pub unnamed: ObjectCount,
    /// Segment objects of partitions that have no manifest, which are among the unnamed: nobody reads them.
    pub without_manifest: ObjectCount,
    /// Segments that were not looked at: what names them was written anew as often as it was read.
    pub unread: u64,
    /// Objects under `topics/` with names that are not ours.
    pub foreign: ObjectCount,
    /// Things that are wrong.
    pub faults: u64,
}

/// Partitions of which anything lies in the bucket, by one listing; and what there is that is not ours.
pub async fn partitions_in_bucket(
    store: &dyn ObjectStore,
) -> Result<(BTreeSet<TopicPartition>, ObjectCount), StoreError> {
    let mut partitions = BTreeSet::new();
    let mut foreign = ObjectCount::default();
    let mut pages = store.list(TOPICS.trim_end_matches('/'));
    while let Some(page) = pages.next_page().await? {
        for listed in page {
            let Some(key) = ObjectKey::parse(&listed.key) else {
                foreign.add(listed.bytes);
                continue;
            };
            let (ObjectKey::Segment(partition, _)
            | ObjectKey::Leaf(partition, _)
            | ObjectKey::Root(partition, _)) = key;
            partitions.insert(partition);
        }
    }
    Ok((partitions, foreign))
}

/// A check of a bucket against its manifests.
pub struct BucketCheck<'a> {
    store: Arc<dyn ObjectStore>,
    reader: RemoteReader,
    manifests: &'a dyn CurrentManifests,
    watcher: &'a dyn BucketWatcher,
    /// Whether the content of segments is left unread: they must be there, with the right size.
    sizes_only: bool,
    summary: BucketSummary,
}

/// How an object was found.
enum Looked {
    Whole(u64),
    Wrong(String),
}

impl<'a> BucketCheck<'a> {
    /// Of that store.
    pub async fn new(
        store: Arc<dyn ObjectStore>,
        env: &Env,
        manifests: &'a dyn CurrentManifests,
        watcher: &'a dyn BucketWatcher,
        sizes_only: bool,
    ) -> BucketCheck<'a> {
        let options = RemoteReaderOptions { memory_bytes: MEMORY_BYTES, disk: None };
        let reader = RemoteReader::open(Arc::clone(&store), env, &options).await;
        BucketCheck { store, reader, manifests, watcher, sizes_only, summary: BucketSummary::default() }
    }

    /// Looks at all that lies there. `expected` are partitions that somebody knows of, whether or not
    /// anything of them is in the bucket.
    pub async fn run(mut self, expected: &[TopicPartition]) -> Result<BucketSummary, BucketCheckError> {
        let (mut partitions, foreign) = partitions_in_bucket(&*self.store).await?;
        self.summary.foreign = foreign;
        partitions.extend(expected);
        for partition in partitions {
            self.partition(partition).await?;
        }
        Ok(self.summary)
    }

    async fn partition(&mut self, partition: TopicPartition) -> Result<(), BucketCheckError> {
        let mut named = HashSet::new();
        let number = self.manifests.number(partition).await?;
        if let Some(number) = number {
            self.summary.partitions += 1;
            self.manifest(partition, number, &mut named).await?;
        }
        let mut pages = self.store.list(&partition_folder(partition));
        while let Some(page) = pages.next_page().await? {
            for listed in page {
                // What is not ours was counted.
                let Some(key) = ObjectKey::parse(&listed.key).filter(|key| !named.contains(key)) else {
                    continue;
                };
                self.summary.unnamed.add(listed.bytes);
                if number.is_none() && matches!(key, ObjectKey::Segment(..)) {
                    self.summary.without_manifest.add(listed.bytes);
                }
            }
        }
        Ok(())
    }

    /// Everything that the manifest of that number names.
    async fn manifest(
        &mut self,
        partition: TopicPartition,
        number: u64,
        named: &mut HashSet<ObjectKey>,
    ) -> Result<(), BucketCheckError> {
        let mut root = match self.reader.root(partition, number).await {
            Ok(root) => root,
            Err(error) => {
                if self.manifests.number(partition).await? == Some(number) {
                    self.fault(partition, ObjectKey::Root(partition, number).to_string(), words(error)?);
                }
                return Ok(());
            }
        };
        let mut from = Offset(0);
        for _ in 0..MANIFESTS_FOLLOWED_MAX {
            match self.leaves(&root, from, named).await? {
                Some(rewritten) => (root, from) = rewritten,
                None => return Ok(()),
            }
        }
        let left = root.leaves.iter().filter(|leaf| leaf.end_offset > from);
        self.summary.unread += left.map(|leaf| u64::from(leaf.count)).sum::<u64>();
        Ok(())
    }

    /// What the leaves name from an offset on. Where one is gone since a newer manifest has others in its
    /// place: that manifest, and where to go on in it.
    async fn leaves(
        &mut self,
        root: &Root,
        from: Offset,
        named: &mut HashSet<ObjectKey>,
    ) -> Result<Option<(Arc<Root>, Offset)>, BucketCheckError> {
        let partition = root.partition;
        named.extend(root.named().filter_map(|key| ObjectKey::parse(&key)));
        for reference in root.leaves.iter().filter(|leaf| leaf.end_offset > from) {
            let leaf = match self.reader.leaf(root, reference).await {
                Ok(leaf) => leaf,
                Err(error) => {
                    let what = words(error)?;
                    let is_of = |newer: &Root| newer.leaves.iter().any(|leaf| leaf.nonce == reference.nonce);
                    match self.current(root).await? {
                        Current::Other(newer) if !is_of(&newer) => {
                            return Ok(Some((newer, from.max(reference.base_offset))));
                        }
                        Current::Same | Current::Other(_) => {
                            self.fault(partition, reference.key(partition), what);
                        }
                        Current::Gone => {}
                    }
                    continue;
                }
            };
            let live = leaf.live(reference);
            let live = &live[live.partition_point(|entry| entry.end_offset <= from)..];
            named.extend(live.iter().map(|entry| ObjectKey::Segment(partition, entry.object)));
            self.segments(root, live).await?;
        }
        Ok(None)
    }

    async fn segments(&mut self, root: &Root, live: &[ManifestEntry]) -> Result<(), BucketCheckError> {
        let (store, sizes_only, watcher) = (Arc::clone(&self.store), self.sizes_only, self.watcher);
        let look = |entry: ManifestEntry| {
            let store = Arc::clone(&store);
            async move { (entry, look_at(&*store, root.partition, &entry, sizes_only, watcher).await) }
        };
        let mut looked =
            futures_util::stream::iter(live.iter().copied().map(look)).buffered(SEGMENTS_AT_ONCE);
        while let Some((entry, looked)) = looked.next().await {
            match looked? {
                Looked::Whole(bytes) => self.summary.segments.add(bytes),
                Looked::Wrong(what) if self.is_still_named(root, &entry).await? => {
                    self.summary.segments.objects += 1;
                    self.fault(root.partition, entry.key(root.partition), what);
                }
                // It was removed while we looked.
                Looked::Wrong(_) => {}
            }
        }
        Ok(())
    }

    /// A broker that runs may remove what it named a moment ago.
    async fn is_still_named(&self, root: &Root, entry: &ManifestEntry) -> Result<bool, BucketCheckError> {
        let newer = match self.current(root).await? {
            Current::Same => return Ok(true),
            Current::Other(newer) => newer,
            Current::Gone => return Ok(false),
        };
        let Some(reference) = newer.leaf_of(entry.base_offset) else { return Ok(false) };
        Ok(match self.reader.leaf(&newer, reference).await {
            Ok(leaf) => leaf.live(reference).iter().any(|other| other.object == entry.object),
            Err(_) => true,
        })
    }

    /// What holds now. One that cannot be read takes no fault back.
    async fn current(&self, root: &Root) -> Result<Current, BucketCheckError> {
        let Some(number) = self.manifests.number(root.partition).await? else { return Ok(Current::Gone) };
        if number == root.number {
            return Ok(Current::Same);
        }
        match self.reader.root(root.partition, number).await {
            Ok(newer) => Ok(Current::Other(newer)),
            Err(TierError::Store(error)) if error.is_transient() => Err(error.into()),
            Err(_) => Ok(Current::Same),
        }
    }

    fn fault(&mut self, partition: TopicPartition, key: String, what: String) {
        self.summary.faults += 1;
        self.watcher.found(&BucketFault { partition, key, what });
    }
}

/// The manifest that holds, beside the one that is being checked.
enum Current {
    /// That one.
    Same,
    /// A newer one.
    Other(Arc<Root>),
    /// The topic was deleted, or left the tier.
    Gone,
}

/// What an error says of an object; those of the store itself end the check.
fn words(error: TierError) -> Result<String, StoreError> {
    match error {
        TierError::Store(StoreError::NotFound(_)) => Ok("it is missing".to_owned()),
        TierError::Store(StoreError::Corrupt { what, .. }) => Ok(what),
        TierError::Store(error) => Err(error),
        TierError::Damaged { what, .. } => Ok(what),
        other => Ok(other.to_string()),
    }
}

/// A segment's object. One that is damaged is fetched once more: it may have been so on its way only.
async fn look_at(
    store: &dyn ObjectStore,
    partition: TopicPartition,
    entry: &ManifestEntry,
    sizes_only: bool,
    watcher: &dyn BucketWatcher,
) -> Result<Looked, StoreError> {
    let look = async || match sizes_only {
        true => size(store, partition, entry).await,
        false => content(store, partition, entry, watcher).await,
    };
    let mut looked = look().await;
    if looked.as_ref().is_err_and(TierError::is_damage) {
        looked = look().await;
    }
    match looked {
        Ok(bytes) => Ok(Looked::Whole(bytes)),
        Err(error) => words(error).map(Looked::Wrong),
    }
}

/// Where the entry's bytes end, which is where the object does.
fn object_bytes(entry: &ManifestEntry) -> u64 {
    entry.position + entry.bytes()
}

fn of_size(key: &str, entry: &ManifestEntry, found: u64) -> Result<u64, TierError> {
    let expected = object_bytes(entry);
    match found == expected {
        true => Ok(found),
        false => {
            Err(TierError::damaged(key, format!("it has {found} bytes where it should have {expected}")))
        }
    }
}

async fn size(
    store: &dyn ObjectStore,
    partition: TopicPartition,
    entry: &ManifestEntry,
) -> Result<u64, TierError> {
    let key = entry.key(partition);
    let found = store.size(&key).await?.ok_or_else(|| StoreError::NotFound(key.clone()))?;
    of_size(&key, entry, found)
}

/// Reads all of it, by one request, and compares every checksum. Holds the head and a piece of the body.
async fn content(
    store: &dyn ObjectStore,
    partition: TopicPartition,
    entry: &ManifestEntry,
    watcher: &dyn BucketWatcher,
) -> Result<u64, TierError> {
    let key = entry.key(partition);
    let body = store.get(&key, None).await?;
    let bytes = of_size(&key, entry, body.length())?;
    let mut reading = Reading { body: BodyReader::new(body), watcher };
    let damaged = |what: &str| TierError::damaged(&key, what);
    reading.checksum(entry.position).await?;
    let head = reading.take(entry.head_bytes as usize).await?;
    let head = SegmentHead::decode_of(&head, entry, partition).map_err(damaged)?;
    if reading.checksum(u64::from(entry.producers_bytes)).await? != head.producers.crc {
        return Err(damaged("the checksum of its producers does not match"));
    }
    let mut at = 0;
    for crc in &head.blocks {
        let length = (head.log_bytes - at).min(BLOCK_BYTES as u64);
        if reading.checksum(length).await? != *crc {
            let position = entry.log_position() + at;
            return Err(damaged(&format!("the block at byte {position} has another checksum")));
        }
        at += length;
    }
    Ok(bytes)
}

/// A body, from its beginning on, and who hears how much of it was read.
struct Reading<'a> {
    body: BodyReader,
    watcher: &'a dyn BucketWatcher,
}

impl Reading<'_> {
    async fn take(&mut self, count: usize) -> Result<Bytes, StoreError> {
        let taken = self.body.take(count).await?;
        self.watcher.read(count as u64);
        Ok(taken)
    }

    /// CRC-32C of the next bytes.
    async fn checksum(&mut self, mut count: u64) -> Result<u32, StoreError> {
        let mut crc = 0;
        while count > 0 {
            let some = self.body.some(usize::try_from(count).unwrap_or(usize::MAX)).await?;
            self.watcher.read(some.len() as u64);
            crc = crc32c::crc32c_append(crc, &some);
            count -= some.len() as u64;
        }
        Ok(crc)
    }
}

#[cfg(test)]
mod tests;
