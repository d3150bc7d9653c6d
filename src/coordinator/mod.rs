//! One runtime for all coordinators: loads a shard, feeds it, writes its records, and lets replies go when
//! they are committed.
//!
//! **Owns** the task of each shard, its queue, the batches that its records become, its timers, and what is
//! parked until a high watermark.
//! **Does not own** what a shard decides (`group`), or how anything is made durable (`partition`).
//! **Invariants**
//! - One owner per shard: its task, which takes one event after another.
//! - No reply, of reads too, leaves before everything that the shard has written by then is committed.
//! - A failed append unloads the shard, and what is written is loaded again: memory never runs ahead of the
//!   log.
//! - What is too large for the log fails alone: it is neither written nor applied.

mod batches;
mod error;
mod groups;
mod loading;
mod parking;
mod runtime;
mod seat;
mod shard;
mod shard_clock;
mod task;
mod transactions;

pub use error::CoordinatorError;
pub use groups::GroupAsk;
pub use runtime::{Coordinator, EndedTransaction};
pub use seat::{Asked, Beside, WhileOwed};
pub use shard::{InTransaction, Moment, Output, Shard, Surroundings, TransactionPass, World, WriteRules};
