//! The metadata store: what the cluster agrees on.
//!
//! **Owns** versioned keys, compare-and-set transactions and the embedded store that keeps them in the WAL.
//! **Does not own** the meaning of the keys (`metadata`), nor who changes them (`broker`).
//! **Invariants**: a transaction is answered only when it is durable; revisions grow by one and never repeat;
//! the embedded store's changes stand in the WAL in the order of their revisions.

mod embedded;
mod encoding;
pub mod inspect;
mod store;

#[cfg(test)]
mod tests;

pub use embedded::{EmbeddedMetadata, LogConfigs};
pub use encoding::new_snapshot;
pub use store::{Applied, Change, Compare, MetadataError, MetadataStore, Transaction, Versioned};
