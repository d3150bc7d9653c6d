//! The catalogue in the bucket: what a node must know that takes over, beside what manifests tell. A numbered
//! root and the chunks that it names, `docs/formats/tier.md`.

use bytes::Bytes;

use super::fields::{CLUSTER_ID_BYTES_MAX, CRC_BYTES, Reader, Writer, begin, checked};
use super::keys::{Nonce, number};
use crate::model::{NodeId, Timestamp};

const ROOT_MAGIC: &[u8; 8] = b"HWTIERCR";
const CHUNK_MAGIC: &[u8; 8] = b"HWTIERCC";
const VERSION: u16 = 1;
/// Under it lie all catalogues.
pub(super) const CATALOGUES: &str = "catalogue";

/// Chunks of one catalogue: 4 GiB where all are full, some 40 million offsets.
pub const CATALOGUE_CHUNKS_MAX: usize = 16_384;
/// Bytes of entries at which a chunk is full, whatever follows.
pub const CHUNK_ENTRIES_BYTES: usize = 1 << 20;
/// From here on a chunk ends behind an entry whose key says so: a new entry moves no other chunk's ends.
const CHUNK_ENTRIES_BYTES_MIN: usize = 128 << 10;
/// One key in so many ends a chunk.
const KEYS_PER_END: u32 = 512;
/// One entry, at most.
pub const CATALOGUE_ENTRY_BYTES_MAX: usize = 16 << 20;

const REFERENCE_BYTES: usize = 16 + 1 + 4 + 4;
const CHUNK_HEADER_BYTES: usize = 8 + 4 + 16 + 1 + 4;
/// A chunk, at most.
pub(super) const CHUNK_BYTES_MAX: usize =
    CHUNK_HEADER_BYTES + CHUNK_ENTRIES_BYTES + CATALOGUE_ENTRY_BYTES_MAX + CRC_BYTES;
/// A root, at most.
pub(super) const CATALOGUE_ROOT_BYTES_MAX: usize = 8
    + 4
    + 16
    + 16
    + 8
    + 4
    + 4
    + CLUSTER_ID_BYTES_MAX
    + 4
    + CATALOGUE_CHUNKS_MAX * REFERENCE_BYTES
    + CRC_BYTES;

/// What the entries of a chunk are.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum CatalogueKind {
    /// Keys and values of the metadata store.
    Metadata,
    /// Where partitions are.
    Partitions,
    /// Committed offsets, as records of `__consumer_offsets`.
    Offsets,
}

impl CatalogueKind {
    const ALL: [CatalogueKind; 3] =
        [CatalogueKind::Metadata, CatalogueKind::Partitions, CatalogueKind::Offsets];

    fn code(self) -> u8 {
        self as u8 + 1
    }

    fn of_code(code: u8) -> Option<CatalogueKind> {
        CatalogueKind::ALL.into_iter().find(|kind| kind.code() == code)
    }
}

/// Where a catalogue stands among all.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct CatalogueNumber {
    /// Of the owner that wrote it.
    pub owner: u64,
    /// From 1, within the owner's.
    pub sequence: u64,
}

/// What an object of a catalogue is, told from its key.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum CatalogueKey {
    Root(CatalogueNumber),
    Chunk(Nonce),
}

impl CatalogueKey {
    /// `None`: it is none of ours.
    pub fn parse(key: &str) -> Option<CatalogueKey> {
        let name = key.strip_prefix(CATALOGUES)?.strip_prefix('/')?;
        let parsed = match name.rsplit_once('.')? {
            (name, "root") => {
                let (owner, sequence) = name.split_once('-')?;
                let (owner, sequence) = (number(owner)?, number(sequence)?);
                CatalogueKey::Root(CatalogueNumber { owner, sequence })
            }
            (name, "chunk") => CatalogueKey::Chunk(Nonce::parse(name)?),
            _ => return None,
        };
        (parsed.key() == key).then_some(parsed)
    }

    pub fn key(self) -> String {
        match self {
            CatalogueKey::Root(CatalogueNumber { owner, sequence }) => {
                format!("{CATALOGUES}/{owner:020}-{sequence:020}.root")
            }
            CatalogueKey::Chunk(nonce) => format!("{CATALOGUES}/{nonce}.chunk"),
        }
    }
}

/// What a root knows of a chunk.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ChunkReference {
    /// The chunk's.
    pub nonce: Nonce,
    /// Of its entries.
    pub kind: CatalogueKind,
    /// Length of the object.
    pub bytes: u32,
    /// CRC-32C of all of it.
    pub crc: u32,
}

impl ChunkReference {
    /// Key of the chunk's object.
    pub fn key(&self) -> String {
        CatalogueKey::Chunk(self.nonce).key()
    }
}

/// A catalogue.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CatalogueRoot {
    /// As in the key.
    pub number: CatalogueNumber,
    /// The writer's, told in no other object.
    pub nonce: Nonce,
    /// When it was taken, by the broker's clock.
    pub taken_at: Timestamp,
    /// Whose broker.
    pub node_id: NodeId,
    /// Of which cluster; its text is cut to 256 bytes.
    pub cluster_id: String,
    /// By kind, then in the order of their entries; at most [`CATALOGUE_CHUNKS_MAX`].
    pub chunks: Vec<ChunkReference>,
}

impl CatalogueRoot {
    /// Key of its object.
    pub fn key(&self) -> String {
        CatalogueKey::Root(self.number).key()
    }

    /// Its object.
    pub fn encode(&self) -> Vec<u8> {
        let mut to = Writer::default().begin_own(ROOT_MAGIC, VERSION, self.nonce);
        to.u64(self.number.owner);
        to.u64(self.number.sequence);
        to.i64(self.taken_at.0);
        to.i32(self.node_id.0);
        to.cluster_id(&self.cluster_id);
        to.count(self.chunks.len());
        for chunk in &self.chunks {
            to.raw(&chunk.nonce.0);
            to.u8(chunk.kind.code());
            to.u32(chunk.bytes);
            to.u32(chunk.crc);
        }
        to.finish()
    }

    /// Reads the root of that number; otherwise says what is wrong with it.
    pub fn decode(bytes: &[u8], number: CatalogueNumber) -> Result<CatalogueRoot, &'static str> {
        let mut from = begin(checked(bytes)?, ROOT_MAGIC, VERSION)?;
        let root = CatalogueRoot::read(&mut from).ok_or("its counts or entries make no sense")?;
        let is_whole = from.0.is_empty() && root.number == number;
        if is_whole { Ok(root) } else { Err("it has another number, or bytes left over") }
    }

    fn read(from: &mut Reader<'_>) -> Option<CatalogueRoot> {
        let nonce = from.nonce()?;
        let number = CatalogueNumber { owner: from.u64()?, sequence: from.u64()? };
        let taken_at = from.timestamp()?;
        let node_id = NodeId(from.i32()?);
        let cluster_id = from.cluster_id()?;
        let count = from.count(REFERENCE_BYTES, CATALOGUE_CHUNKS_MAX)?;
        let mut chunks = Vec::with_capacity(count);
        for _ in 0..count {
            let nonce = from.nonce()?;
            let kind = CatalogueKind::of_code(from.u8()?)?;
            chunks.push(ChunkReference { nonce, kind, bytes: from.u32()?, crc: from.u32()? });
        }
        Some(CatalogueRoot { number, nonce, taken_at, node_id, cluster_id, chunks })
    }
}

/// Entries on their way into a chunk.
#[derive(Default)]
pub(super) struct ChunkEntries {
    encoded: Writer,
    count: usize,
    /// Whether the chunk ends here.
    pub is_full: bool,
}

impl ChunkEntries {
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Key and value of one more.
    pub fn push(&mut self, key: &[u8], value: &[u8]) {
        self.encoded.count(key.len());
        self.encoded.count(value.len());
        self.encoded.raw(key);
        self.encoded.raw(value);
        self.count += 1;
        let bytes = self.encoded.0.len();
        let is_end = crc32c::crc32c(key).is_multiple_of(KEYS_PER_END);
        self.is_full = bytes >= CHUNK_ENTRIES_BYTES || (bytes >= CHUNK_ENTRIES_BYTES_MIN && is_end);
    }

    /// All entries as they are encoded: equal ones make equal chunks, but for the nonce.
    pub fn content(&self) -> &[u8] {
        &self.encoded.0
    }

    /// The chunk's object.
    pub fn encode(&self, kind: CatalogueKind, nonce: Nonce) -> Vec<u8> {
        let bytes = CHUNK_HEADER_BYTES + self.encoded.0.len() + CRC_BYTES;
        let mut to = Writer(Vec::with_capacity(bytes)).begin_own(CHUNK_MAGIC, VERSION, nonce);
        to.u8(kind.code());
        to.count(self.count);
        to.raw(&self.encoded.0);
        to.finish()
    }
}

/// Key and value of an entry.
pub type CatalogueEntry = (Bytes, Bytes);

/// Reads the entries of the chunk that `reference` names; otherwise says what is wrong with it.
pub(super) fn decode_chunk(
    bytes: &Bytes,
    reference: &ChunkReference,
) -> Result<Vec<CatalogueEntry>, &'static str> {
    if bytes.len() != reference.bytes as usize || crc32c::crc32c(bytes) != reference.crc {
        return Err("it is not what the catalogue names");
    }
    let mut from = begin(checked(bytes)?, CHUNK_MAGIC, VERSION)?;
    let is_named = from.nonce() == Some(reference.nonce) && from.u8() == Some(reference.kind.code());
    if !is_named {
        return Err("it is not what the catalogue names");
    }
    let entries = read_entries(bytes, &mut from).ok_or("its counts or lengths make no sense")?;
    if from.0.is_empty() { Ok(entries) } else { Err("bytes are left over") }
}

fn read_entries(bytes: &Bytes, from: &mut Reader<'_>) -> Option<Vec<CatalogueEntry>> {
    const LENGTHS_BYTES: usize = 8;
    let count = from.count(LENGTHS_BYTES, CHUNK_BYTES_MAX)?;
    let mut entries = Vec::with_capacity(count);
    for _ in 0..count {
        let (key, value) = (from.u32()? as usize, from.u32()? as usize);
        let (key, value) = (from.take(key)?, from.take(value)?);
        entries.push((bytes.slice_ref(key), bytes.slice_ref(value)));
    }
    Some(entries)
}

#[cfg(test)]
mod tests;
