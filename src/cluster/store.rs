use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use crate::metadata::ClusterImage;
use crate::partition::{AdmissionError, StorageFailed};

/// A value and the revision that wrote it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Versioned {
    /// The value.
    pub value: Vec<u8>,
    /// The store's revision when it was written.
    pub revision: u64,
}

/// What must hold for a transaction to be applied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Compare {
    /// The key does not exist.
    Absent(String),
    /// The key was last written by this revision.
    Unchanged(String, u64),
}

/// One change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// Sets a key.
    Put(String, Vec<u8>),
    /// Removes a key, if it exists.
    Delete(String),
}

/// Changes that are applied together, or not at all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Transaction {
    /// All must hold.
    pub compares: Vec<Compare>,
    /// In order.
    pub changes: Vec<Change>,
}

/// A transaction that was applied and is durable.
#[derive(Debug, Clone)]
pub struct Applied {
    /// The revision that it made.
    pub revision: u64,
    /// The catalogue at that revision.
    pub image: Arc<ClusterImage>,
}

/// Why a transaction was not applied, or is not known to be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MetadataError {
    /// A compare did not hold. Nothing changed.
    #[error("somebody else changed {0} meanwhile")]
    Conflict(String),
    /// No room in the log. Nothing changed.
    #[error(transparent)]
    Admission(#[from] AdmissionError),
    /// The store failed before it could say that the change is durable.
    #[error(transparent)]
    Failed(#[from] StorageFailed),
}

/// Versioned keys with transactions.
pub trait MetadataStore: Send + Sync + 'static {
    /// Reads a key, changes that are not durable yet included: a compare-and-set built on it must see them.
    fn get(&self, key: &str) -> Option<Versioned>;

    /// Applies a transaction; completes when it survives a power cut.
    fn transact(
        &self,
        transaction: Transaction,
    ) -> Pin<Box<dyn Future<Output = Result<Applied, MetadataError>> + Send + '_>>;
}
