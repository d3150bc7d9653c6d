use crate::model::Offset;
use crate::store::StoreError;

/// What goes wrong in the tier.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum TierError {
    /// What lies in the bucket is not what was put there. It is never served.
    #[error("{key}: {what}")]
    Damaged {
        /// Of the object.
        key: String,
        /// What is wrong with it.
        what: String,
    },
    /// The store did not do it.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A closed segment is not what it should be: a copy of it must not take its place.
    #[error("the segment at offset {base_offset}, byte {position}: {what}")]
    BadSegment {
        /// The segment's.
        base_offset: Offset,
        /// In its `.log` file.
        position: u64,
        /// What is wrong with it.
        what: String,
    },
    /// A manifest or a catalogue can name no more: its root has a bounded size.
    #[error("the tier has no room for it: {0}")]
    Full(&'static str),
    /// A change that does not fit the manifest it was made for. Nothing was changed.
    #[error("the change does not fit the manifest: {0}")]
    Misplaced(&'static str),
}

impl TierError {
    pub(super) fn damaged(key: impl Into<String>, what: impl Into<String>) -> TierError {
        TierError::Damaged { key: key.into(), what: what.into() }
    }

    /// Whether an object is not there.
    pub fn is_absence(&self) -> bool {
        matches!(self, TierError::Store(StoreError::NotFound(_)))
    }

    /// Whether an object is not what it should be. It may be the way that damaged it: worth a second try.
    pub fn is_damage(&self) -> bool {
        matches!(self, TierError::Damaged { .. } | TierError::Store(StoreError::Corrupt { .. }))
    }
}
