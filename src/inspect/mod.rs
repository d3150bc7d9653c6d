//! Looking at a data directory from outside: what is in it, and whether it is whole.
//!
//! **Owns** `dump`, which tells files in words, and `verify`, which checks a directory that no broker has
//! open. **Does not own** any format: each room reads its own files (`log::inspect`, `wal::inspect`,
//! `partition::inspect`, `cluster::inspect`), and what it says of them is put together here.
//! **Invariants**
//! - Nothing is written, created, cut, synced or renamed (the lock file is opened, and only where it is).
//! - Memory is bounded by one batch, one frame of the write-ahead log, one index or one checkpoint.
//! - Damage is told with file and position, and ends nothing but what cannot be told without what it hit.

mod dump;
mod verify;

pub use dump::{DumpError, DumpOptions, Outcome, dump};
pub use verify::{Summary, VerifyError, verify};

/// Name of the file in which a running broker tells its ports.
pub const LISTENERS: &str = "listeners.json";

pub use crate::log::inspect::{Finding, Severity, Watcher};
