//! Files that a sync has to make durable.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use crate::log::handles::{FileKind, PinnedHandle};
use crate::log::{LogError, names};
use crate::model::Offset;

/// Files with unsynced writes, and the handles that did them: logs, and indexes of transactions. The other
/// indexes are never synced.
#[derive(Default)]
pub(super) struct Dirty(BTreeMap<(Offset, FileKind), PinnedHandle>);

impl Dirty {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    /// The segment of this base offset is gone.
    pub(super) fn forget(&mut self, base_offset: Offset) {
        self.0.remove(&(base_offset, FileKind::Log));
        self.0.remove(&(base_offset, FileKind::TransactionIndex));
    }

    /// The handle of a file that is about to be written to, pinned until the next sync.
    pub(super) fn pinned(
        &mut self,
        base_offset: Offset,
        kind: FileKind,
        pin: impl FnOnce() -> Result<PinnedHandle, LogError>,
    ) -> Result<&PinnedHandle, LogError> {
        match self.0.entry((base_offset, kind)) {
            Entry::Occupied(pinned) => Ok(pinned.into_mut()),
            Entry::Vacant(place) => Ok(place.insert(pin()?)),
        }
    }

    /// The files, each with its segment and its extension.
    pub(super) fn iter(&self) -> impl Iterator<Item = (Offset, &'static str, &PinnedHandle)> {
        self.0.iter().map(|((base_offset, kind), pinned)| {
            let extension = match kind {
                FileKind::TransactionIndex => names::TRANSACTION_INDEX,
                FileKind::Log | FileKind::OffsetIndex | FileKind::TimeIndex => names::LOG,
            };
            (*base_offset, extension, pinned)
        })
    }
}
