//! What the embedded store wrote, in its own terms.

use std::collections::BTreeMap;

use super::encoding::{self, Entry};
use super::{Change, Versioned};
use crate::partition::CatalogueError;

/// The revision and the changes of one transaction, as an entry of the WAL carries them.
pub fn read_entry(bytes: &[u8]) -> Result<(u64, Vec<Change>), CatalogueError> {
    Entry::decode(bytes).map(|entry| (entry.revision, entry.changes))
}

/// The revision and the content of the store, as a checkpoint carries them.
pub fn read_snapshot(bytes: &[u8]) -> Result<(u64, BTreeMap<String, Versioned>), CatalogueError> {
    encoding::decode_snapshot(bytes)
}
