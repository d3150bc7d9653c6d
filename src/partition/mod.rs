//! Partitions that append, read and wait, and the storage that carries them: WAL, segments, checkpoints.
//!
//! **Owns** the in-memory tail, watermarks, admission, what "committed" means, the checkpoint and recovery,
//! and the order of every durable step between WAL and segments.
//! **Does not own** segment files (`log`), frames (`wal`), the catalogue of topics (`cluster`, behind
//! [`Catalogue`]), nor any wire format but the record batch header.
//! **Invariants**: the high watermark never passes what the WAL has committed and never goes back; segments
//! hold committed batches only; the WAL is trimmed only below a durable checkpoint; offsets in the WAL are in
//! the order in which they were given out. The core is synchronous and driven by steps: `threads` wraps it.

mod admission;
mod appending;
mod catalogue;
mod checkpoint;
mod clean;
mod clean_stop;
mod directory;
mod durability;
mod flush;
mod flush_queue;
pub mod inspect;
mod leader;
mod producers;
mod reading;
mod recovery;
mod removal;
mod restored;
mod scrub;
mod storage;
mod stranded;
mod tail;
mod threads;
mod transactions;
mod waiters;

#[cfg(test)]
mod tests;

pub use admission::{AdmissionError, Credits, Purpose};
pub use catalogue::{Catalogue, CatalogueError, CatalogueSnapshot, Lookup, PartitionSpec};
pub use clean::{CleanStep, CleaningSurvey};
pub use directory::{BrokerDirectory, DirectoryError};
pub use durability::StorageFailed;
pub use flush::CheckpointReach;
pub use leader::{
    Admission, AppendError, Divergence, Partition, PartitionRead, PartitionStatus, ReadError, Watermarks,
};
pub use producers::{ActiveProducer, OpenTransactions};
pub use recovery::OpenError;
pub use restored::{EmptyDirectory, RestoredDirectory, RestoredDirectoryError, RestoredLog};
pub use scrub::Scrubbed;
pub use storage::{CommitObservation, CommitObserver, Member, Storage, StorageOptions};
pub use threads::StorageThreads;
pub use transactions::{Appender, TransactionMarker, Verification, VerificationGuard};
pub use waiters::FetchWaiter;

pub use crate::log::{LogConfig, MarkerOrigin};
