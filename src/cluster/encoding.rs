//! Bytes of the embedded store: the entry of one transaction, and the snapshot in a checkpoint.
//! Format: `docs/formats/metadata.md`.

use std::collections::BTreeMap;

use super::{Change, Versioned};
use crate::partition::CatalogueError;

const SNAPSHOT_VERSION: u8 = 1;
const ENTRY_VERSION: u8 = 1;

/// One transaction as the WAL carries it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub revision: u64,
    pub changes: Vec<Change>,
}

impl Entry {
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut bytes = vec![ENTRY_VERSION];
        bytes.extend_from_slice(&self.revision.to_be_bytes());
        put_length(&mut bytes, self.changes.len());
        for change in &self.changes {
            match change {
                Change::Put(key, value) => {
                    bytes.push(1);
                    put_bytes(&mut bytes, key.as_bytes());
                    put_bytes(&mut bytes, value);
                }
                Change::Delete(key) => {
                    bytes.push(0);
                    put_bytes(&mut bytes, key.as_bytes());
                }
            }
        }
        bytes
    }

    pub(super) fn decode(bytes: &[u8]) -> Result<Entry, CatalogueError> {
        let mut reader = Reader(bytes);
        reader.version(ENTRY_VERSION)?;
        let revision = reader.number()?;
        let count = reader.length()?;
        let mut changes = Vec::new();
        for _ in 0..count {
            changes.push(match reader.byte()? {
                1 => Change::Put(reader.text()?, reader.bytes()?.to_vec()),
                _ => Change::Delete(reader.text()?),
            });
        }
        reader.end()?;
        Ok(Entry { revision, changes })
    }
}

/// The whole store at one revision.
pub(super) fn encode_snapshot(revision: u64, entries: &BTreeMap<String, Versioned>) -> Vec<u8> {
    let mut bytes = vec![SNAPSHOT_VERSION];
    bytes.extend_from_slice(&revision.to_be_bytes());
    put_length(&mut bytes, entries.len());
    for (key, versioned) in entries {
        put_bytes(&mut bytes, key.as_bytes());
        bytes.extend_from_slice(&versioned.revision.to_be_bytes());
        put_bytes(&mut bytes, &versioned.value);
    }
    bytes
}

/// A store of these keys, as of its first revision.
pub fn new_snapshot(entries: BTreeMap<String, Vec<u8>>) -> Vec<u8> {
    const REVISION: u64 = 1;
    let versioned = |(key, value)| (key, Versioned { value, revision: REVISION });
    encode_snapshot(REVISION, &entries.into_iter().map(versioned).collect())
}

/// The reverse of [`encode_snapshot`].
pub(super) fn decode_snapshot(bytes: &[u8]) -> Result<(u64, BTreeMap<String, Versioned>), CatalogueError> {
    let mut reader = Reader(bytes);
    reader.version(SNAPSHOT_VERSION)?;
    let revision = reader.number()?;
    let count = reader.length()?;
    let mut entries = BTreeMap::new();
    for _ in 0..count {
        let key = reader.text()?;
        let revision = reader.number()?;
        entries.insert(key, Versioned { value: reader.bytes()?.to_vec(), revision });
    }
    reader.end()?;
    Ok((revision, entries))
}

fn put_length(bytes: &mut Vec<u8>, length: usize) {
    let length = u32::try_from(length).expect("credits bound an entry far below 4 GiB");
    bytes.extend_from_slice(&length.to_be_bytes());
}

fn put_bytes(bytes: &mut Vec<u8>, field: &[u8]) {
    put_length(bytes, field.len());
    bytes.extend_from_slice(field);
}

/// Takes fields off the front; every length is compared with what remains.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, length: usize) -> Result<&'a [u8], CatalogueError> {
        let (field, rest) = self.0.split_at_checked(length).ok_or_else(|| short("ends early"))?;
        self.0 = rest;
        Ok(field)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], CatalogueError> {
        Ok(self.take(N)?.try_into().expect("take gives as many bytes as asked for"))
    }

    fn byte(&mut self) -> Result<u8, CatalogueError> {
        self.array::<1>().map(|[byte]| byte)
    }

    fn number(&mut self) -> Result<u64, CatalogueError> {
        self.array().map(u64::from_be_bytes)
    }

    fn length(&mut self) -> Result<usize, CatalogueError> {
        Ok(u32::from_be_bytes(self.array()?) as usize)
    }

    fn bytes(&mut self) -> Result<&'a [u8], CatalogueError> {
        let length = self.length()?;
        self.take(length)
    }

    fn text(&mut self) -> Result<String, CatalogueError> {
        let bytes = self.bytes()?.to_vec();
        String::from_utf8(bytes).map_err(|_| short("has a key that is not text"))
    }

    fn version(&mut self, known: u8) -> Result<(), CatalogueError> {
        match self.byte()? {
            version if version == known => Ok(()),
            version => Err(short(&format!("has version {version}; this highwater reads {known}"))),
        }
    }

    fn end(&self) -> Result<(), CatalogueError> {
        if self.0.is_empty() { Ok(()) } else { Err(short("has bytes left over")) }
    }
}

fn short(what: &str) -> CatalogueError {
    CatalogueError(format!("the metadata {what}"))
}
