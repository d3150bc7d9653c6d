//! Puts catalogues into the bucket, chunk by chunk, and takes old ones away.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use bytes::Bytes;
use twox_hash::XxHash3_64;

use super::catalogue::{
    CATALOGUE_CHUNKS_MAX, CATALOGUE_ENTRY_BYTES_MAX, CATALOGUES, CatalogueKey, CatalogueKind,
    CatalogueNumber, CatalogueRoot, ChunkEntries, ChunkReference,
};
use super::catalogue_reader::{read_catalogue, read_chunk};
use super::catalogued_partition::CataloguedPartition;
use super::error::TierError;
use super::keys::Nonce;
use crate::env::Random;
use crate::model::{NodeId, Timestamp, TopicPartition};
use crate::store::{Created, ObjectStore};

/// Roots of which a crash left a number taken that was not heard of: at most one each.
const NUMBERS_TRIED_MAX: u32 = 64;

/// What tells the content of a chunk from any other, while the process lives.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Content {
    kind: CatalogueKind,
    bytes: usize,
    hash: u64,
}

/// Who puts catalogues. Keeps a reference for each chunk of the last one, and no entries.
pub struct CatalogueWriter {
    store: Arc<dyn ObjectStore>,
    random: Arc<dyn Random>,
    /// Of the last catalogue that was put by this process.
    contents: HashMap<Content, ChunkReference>,
    /// The newest in the bucket that is whole, as far as it is known.
    newest: Option<CatalogueRoot>,
    /// The highest number there, whole or not: the next one is above it, or it would not be the newest.
    highest: Option<CatalogueNumber>,
    /// Of chunks that the newest one names: which section each is of, as far as it is known.
    sections: HashMap<Nonce, i32>,
    /// What is to go: of older catalogues, and what a draft that was given up left. `None`: not looked yet.
    garbage: Option<Vec<String>>,
}

/// A catalogue that is being made up.
#[derive(Default)]
pub struct CatalogueDraft {
    chunks: Vec<ChunkReference>,
    contents: HashMap<Content, ChunkReference>,
    entries: ChunkEntries,
    kind: Option<CatalogueKind>,
    /// Chunks before the section that is being added.
    section_start: usize,
    /// Chunks that were not there before.
    put: Vec<String>,
}

/// What stands in a root beside its chunks.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CatalogueStamp {
    /// Of the bucket: who writes.
    pub owner: u64,
    /// By the broker's clock.
    pub taken_at: Timestamp,
    /// Whose broker.
    pub node_id: NodeId,
    /// Of which cluster.
    pub cluster_id: String,
}

impl CatalogueWriter {
    /// Of a bucket that is not looked at yet.
    pub fn new(store: Arc<dyn ObjectStore>, random: Arc<dyn Random>) -> CatalogueWriter {
        CatalogueWriter {
            store,
            random,
            contents: HashMap::new(),
            newest: None,
            highest: None,
            sections: HashMap::new(),
            garbage: None,
        }
    }

    /// Takes one more entry, of the same kind as the one before or a later kind. Puts a chunk when one is
    /// full.
    ///
    /// Fails with `Full` where the entry or the catalogue is larger than any may be.
    pub async fn add(
        &mut self,
        draft: &mut CatalogueDraft,
        kind: CatalogueKind,
        key: &[u8],
        value: &[u8],
    ) -> Result<(), TierError> {
        if key.len() + value.len() > CATALOGUE_ENTRY_BYTES_MAX {
            return Err(TierError::Full("an entry of the catalogue is larger than 16 MiB"));
        }
        if draft.kind.is_some_and(|before| before != kind) {
            self.put_chunk(draft).await?;
        }
        draft.kind = Some(kind);
        draft.entries.push(key, value);
        if draft.entries.is_full { self.put_chunk(draft).await } else { Ok(()) }
    }

    /// Names a chunk that is in the bucket, of the same kind as what came before or a later kind.
    pub async fn keep(&mut self, draft: &mut CatalogueDraft, chunk: ChunkReference) -> Result<(), TierError> {
        self.put_chunk(draft).await?;
        if draft.chunks.len() == CATALOGUE_CHUNKS_MAX {
            return Err(TierError::Full("the catalogue has more chunks than a root names"));
        }
        draft.chunks.push(chunk);
        Ok(())
    }

    /// Ends a section of chunks of one kind, which has a number: what follows is in other ones, which stay as
    /// they are where only this one changes.
    pub async fn end_section(
        &mut self,
        draft: &mut CatalogueDraft,
        kind: CatalogueKind,
        section: i32,
    ) -> Result<(), TierError> {
        self.put_chunk(draft).await?;
        let ended = draft.chunks[draft.section_start..].iter().filter(|chunk| chunk.kind == kind);
        self.sections.extend(ended.map(|chunk| (chunk.nonce, section)));
        draft.section_start = draft.chunks.len();
        Ok(())
    }

    /// Takes a section as the newest catalogue has it: nobody knows better now. Where sections are not known,
    /// as after a start, `section_of` tells them by a key.
    pub async fn keep_section(
        &mut self,
        draft: &mut CatalogueDraft,
        kind: CatalogueKind,
        section: i32,
        section_of: impl Fn(&Bytes) -> Option<i32>,
    ) -> Result<(), TierError> {
        let newest = self.newest.iter().flat_map(|newest| &newest.chunks);
        let chunks: Vec<ChunkReference> = newest.filter(|chunk| chunk.kind == kind).copied().collect();
        for chunk in chunks {
            let known = match self.sections.get(&chunk.nonce) {
                Some(known) => Some(*known),
                None => self.learn_section(&chunk, &section_of).await?,
            };
            if known == Some(section) {
                self.keep(draft, chunk).await?;
            }
        }
        Ok(())
    }

    async fn learn_section(
        &mut self,
        chunk: &ChunkReference,
        section_of: impl Fn(&Bytes) -> Option<i32>,
    ) -> Result<Option<i32>, TierError> {
        let entries = match read_chunk(&*self.store, chunk).await {
            Ok(entries) => entries,
            // Nobody can restore from it, and the others must not be lost with it.
            Err(error) if error.is_damage() || error.is_absence() => {
                tracing::error!(%error, "a part of the last catalogue is damaged; it is left out");
                return Ok(None);
            }
            Err(error) => return Err(error),
        };
        let section = entries.first().and_then(|(key, _)| section_of(key));
        self.sections.extend(section.map(|section| (chunk.nonce, section)));
        Ok(section)
    }

    async fn put_chunk(&mut self, draft: &mut CatalogueDraft) -> Result<(), TierError> {
        let entries = std::mem::take(&mut draft.entries);
        let Some(kind) = draft.kind.filter(|_| !entries.is_empty()) else { return Ok(()) };
        if draft.chunks.len() == CATALOGUE_CHUNKS_MAX {
            return Err(TierError::Full("the catalogue has more chunks than a root names"));
        }
        let content = entries.content();
        let content = Content { kind, bytes: content.len(), hash: XxHash3_64::oneshot(content) };
        let reference = match self.contents.get(&content) {
            Some(known) => *known,
            None => {
                let nonce = Nonce::draw(&*self.random);
                let object = entries.encode(kind, nonce);
                let bytes = u32::try_from(object.len()).expect("some MiB at most");
                let reference = ChunkReference { nonce, kind, bytes, crc: crc32c::crc32c(&object) };
                // Nobody names it before the draft is finished.
                self.garbage.get_or_insert_default().push(reference.key());
                draft.put.push(reference.key());
                self.store.put(&reference.key(), vec![object.into()]).await?;
                reference
            }
        };
        draft.chunks.push(reference);
        draft.contents.insert(content, reference);
        Ok(())
    }

    /// Gives a draft up: what was put for it goes, or drafts that fail one after the other would fill the
    /// bucket.
    pub async fn give_up(&mut self, draft: CatalogueDraft) {
        match self.store.delete(&draft.put).await {
            Ok(()) => {
                let gone: HashSet<String> = draft.put.into_iter().collect();
                self.garbage.get_or_insert_default().retain(|key| !gone.contains(key));
            }
            // Named as garbage already: the next catalogue removes it.
            Err(error) => tracing::debug!(%error, "chunks of no catalogue stay in the tier for now"),
        }
    }

    /// What the newest catalogue says of these partitions; nothing of those that it does not know.
    pub async fn known_partitions(
        &self,
        of: &HashSet<TopicPartition>,
    ) -> Result<HashMap<TopicPartition, CataloguedPartition>, TierError> {
        let mut known = HashMap::new();
        let Some(newest) = self.newest.as_ref().filter(|_| !of.is_empty()) else { return Ok(known) };
        for chunk in newest.chunks.iter().filter(|chunk| chunk.kind == CatalogueKind::Partitions) {
            for (key, value) in read_chunk(&*self.store, chunk).await? {
                let id = CataloguedPartition::parse_key(&key).filter(|id| of.contains(id));
                known.extend(id.zip(CataloguedPartition::decode(&value)));
            }
        }
        Ok(known)
    }

    /// Looks what lies in the bucket: before the first draft.
    pub async fn open(&mut self) -> Result<(), TierError> {
        if self.garbage.is_some() {
            return Ok(());
        }
        let mut listing = self.store.list(CATALOGUES);
        let (mut keys, mut numbers) = (Vec::new(), Vec::new());
        while let Some(page) = listing.next_page().await? {
            for key in page.into_iter().map(|listed| listed.key) {
                let Some(parsed) = CatalogueKey::parse(&key) else { continue };
                if let CatalogueKey::Root(number) = parsed {
                    numbers.push(number);
                }
                keys.push(key);
            }
        }
        numbers.sort_unstable();
        self.highest = numbers.last().copied();
        for number in numbers.into_iter().rev() {
            match read_catalogue(&*self.store, number).await {
                Ok(root) => {
                    self.newest = Some(root);
                    break;
                }
                // Nobody can restore from it: the one before counts, and stays until there is another.
                Err(error) if error.is_damage() => tracing::error!(%error, "a catalogue is damaged"),
                Err(error) => return Err(error),
            }
        }
        let kept: HashSet<String> = self.newest.iter().flat_map(named).collect();
        keys.retain(|key| !kept.contains(key));
        self.garbage = Some(keys);
        Ok(())
    }

    /// Makes the draft the newest catalogue, and removes all but that one and the one before it. Whether
    /// there was anything new in it.
    pub async fn finish(
        &mut self,
        mut draft: CatalogueDraft,
        stamp: &CatalogueStamp,
    ) -> Result<bool, TierError> {
        self.put_chunk(&mut draft).await?;
        let CatalogueDraft { chunks, contents, .. } = draft;
        let before = self.newest.iter().flat_map(|newest| &newest.chunks);
        let named: HashSet<Nonce> = before.chain(&chunks).map(|chunk| chunk.nonce).collect();
        self.sections.retain(|nonce, _| named.contains(nonce));
        let is_of = |root: &CatalogueRoot| {
            (root.number.owner, root.node_id, &root.cluster_id)
                == (stamp.owner, stamp.node_id, &stamp.cluster_id)
        };
        if self.newest.as_ref().is_some_and(|newest| newest.chunks == chunks && is_of(newest)) {
            self.contents = contents;
            return Ok(false);
        }
        let before = self.highest.filter(|number| number.owner == stamp.owner);
        let sequence = before.map_or(0, |number| number.sequence);
        let mut root = CatalogueRoot {
            number: CatalogueNumber { owner: stamp.owner, sequence: sequence + 1 },
            nonce: Nonce::draw(&*self.random),
            taken_at: stamp.taken_at,
            node_id: stamp.node_id,
            cluster_id: stamp.cluster_id.clone(),
            chunks,
        };
        self.create(&mut root).await?;
        self.highest = Some(root.number);
        let former = self.newest.replace(root);
        self.contents = contents;
        self.remove_others(former).await;
        Ok(true)
    }

    async fn create(&self, root: &mut CatalogueRoot) -> Result<(), TierError> {
        for _ in 0..NUMBERS_TRIED_MAX {
            if self.store.create(&root.key(), root.encode().into()).await? == Created::Mine {
                return Ok(());
            }
            // Of one that was put and not heard of.
            root.number.sequence += 1;
        }
        Err(TierError::Full("every number that was tried for a catalogue is taken"))
    }

    /// Two stay: the newest, and the one before for whoever finds that one damaged.
    async fn remove_others(&mut self, former: Option<CatalogueRoot>) {
        let kept: HashSet<String> = self.newest.iter().chain(&former).flat_map(named).collect();
        let mut garbage = self.garbage.take().unwrap_or_default();
        garbage.retain(|key| !kept.contains(key));
        match self.store.delete(&garbage).await {
            // Named no more after the next.
            Ok(()) => garbage = former.iter().flat_map(named).collect(),
            Err(error) => {
                tracing::debug!(%error, "old catalogues stay in the tier for now");
                garbage.extend(former.iter().flat_map(named));
            }
        }
        self.garbage = Some(garbage);
    }
}

/// Keys of a catalogue and its chunks.
fn named(root: &CatalogueRoot) -> impl Iterator<Item = String> {
    root.chunks.iter().map(ChunkReference::key).chain([root.key()])
}

#[cfg(test)]
mod tests;
