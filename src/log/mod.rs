//! One partition's log: segments on local disk, in Kafka's layout.
//!
//! **Owns** segment files, their indexes, the `.state` snapshots (producers, leader epochs), recovery at
//! opening, retention's plan, the cleaner, and the handles of all these files.
//! **Does not own** what is committed (`partition` says how far readers may go), the WAL that brings back
//! what was not synced, the log start's durability, threads, or object storage.
//! **Invariants**
//! - Readers wait for neither a sync nor the writer: they read a published list and sizes of whole batches.
//! - A file keeps one handle from its first unsynced write to its sync.
//! - Below the recovery offset nothing is ever cut: damage is reported and left as it is.
//! - Indexes are caches, never synced; the `.state` file says how much of them is good.
//! - A `.state` file goes only when two newer ones lie at or below a durable checkpoint.
//! - No jump of the wall clock deletes anything early (`RetentionClock`).
//!
//! Bytes on disk: `docs/formats/log-directory.md`, `docs/formats/partition-state.md`.

mod append;
mod carried_state;
mod checked_index;
mod cleaner;
mod cleanup;
mod config;
mod directory;
mod dirty;
mod error;
mod handles;
mod index;
mod indexer;
pub mod inspect;
mod leader_epochs;
mod lookup;
mod metadata_file;
mod names;
mod partition_log;
mod producer_state;
mod read;
mod recovery;
mod restored;
pub mod retention;
mod retention_clock;
mod scan;
mod scrub;
mod segment;
mod state_file;
mod sync;
mod tiering;
mod transaction_index;

pub use carried_state::CarriedState;
pub use cleaner::{Cleanable, Cleaning, CleaningLimits, CleaningStats, CleaningStep, Sifting, Verdict};
pub use config::{Compaction, LogConfig, Tiering};
pub use directory::{DeletedDirectory, LogDirectory};
pub use error::LogError;
pub use handles::HandleCache;
pub use leader_epochs::{EpochStart, LeaderEpochs};
pub use lookup::TimestampAndOffset;
pub use partition_log::{LogState, PartitionLog, RecoveryPoint};
pub use producer_state::{
    AppendedBatch, BATCHES_MAX, EndedTransaction, MarkerOrigin, MarkerVerdict, OpenTransaction,
    ProducerEntry, ProducerStates, SequenceVerdict, Standing,
};
pub use read::LogRead;
pub use retention_clock::{RetentionClock, Times};
pub use scrub::{ScrubPlace, ScrubStep};
pub use tiering::{CopyLag, TierableSegment};
pub use transaction_index::AbortedTransaction;

#[cfg(test)]
mod tests;
