//! Compaction: of each key the newest record stays.
//!
//! **Owns** which log is due and how far (`plan`), the map of keys, what of a batch survives (`filter`), the
//! new segments and the swap by which they take the place of the old ones. Segments that lie elsewhere are
//! sifted by the same rules (`sifting`).
//! **Does not own** when anything is done, how fast and by whom (`broker::cleaning`), nor which transactions
//! are decided: what is not must lie at or above the end that the caller gives.
//! **Invariants**
//! - Only closed segments below the durable checkpoint are touched: what the WAL would bring back is not.
//! - Memory: one key map of fixed size, one batch and what it decompresses to, one write buffer, the index of
//!   the segment that is written; and, as in Kafka, some bytes for each remembered producer and for each
//!   transaction that was aborted since the last cleaning.
//! - Readers wait for nothing: who has an old segment keeps its files (`Segment::retire`).
//! - A tombstone goes only from a log whose older records of that key are durably gone: segments are swapped
//!   one after the other, oldest first, each durable before the next is begun.

mod cleaning;
mod filter;
mod key_map;
mod output;
mod plan;
mod sifting;
mod survey;
pub(super) mod swap;
mod swapping;
mod transactions;

pub use cleaning::{Cleaning, CleaningLimits, CleaningStats, CleaningStep};
pub use filter::Verdict;
pub use plan::Cleanable;
pub use sifting::Sifting;
pub(super) use swapping::PendingSwap;
