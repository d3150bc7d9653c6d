/// Why the store did not do it; told apart by what its caller does next.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum StoreError {
    /// There is no object under that key.
    #[error("there is no object {0}")]
    NotFound(String),
    /// Credentials, permissions, the bucket's name, the address: a person must look. Nothing was written by
    /// the request that was refused.
    #[error("the object store refuses: {0}")]
    Denied(String),
    /// Away, overloaded, too slow; try later. **A write may have happened, or may still happen.**
    #[error("the object store is not available: {0}")]
    Unavailable(String),
    /// An object is not what its reader was promised: shorter, longer, larger than can be held.
    #[error("the object {key} is damaged: {what}")]
    Corrupt {
        /// Its key.
        key: String,
        /// What is wrong with it.
        what: String,
    },
    /// What was to be stored could not be read; nothing is stored.
    #[error("what was to be stored cannot be read: {0}")]
    Source(String),
}

impl StoreError {
    pub(super) fn corrupt(key: &str, what: impl Into<String>) -> StoreError {
        StoreError::Corrupt { key: key.to_owned(), what: what.into() }
    }

    /// Whether the same request may succeed later.
    pub fn is_transient(&self) -> bool {
        matches!(self, StoreError::Unavailable(_))
    }
}
