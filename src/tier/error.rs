use crate::model::Offset;

/// What goes wrong in the tier.
#[derive(Debug, thiserror::Error)]
pub enum TierError {
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
    /// The manifest can name no more: its root has a bounded size.
    #[error("the manifest is full: {0}")]
    Full(&'static str),
    /// A change that does not fit the manifest it was made for. Nothing was changed.
    #[error("the change does not fit the manifest: {0}")]
    Misplaced(&'static str),
}
