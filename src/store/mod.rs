//! Object storage behind one seam: S3 and what speaks like it, Google's, Azure's, a directory, or memory.
//!
//! **Owns** the trait [`ObjectStore`], what every store must keep (retries, the rule of creates, parts,
//! resumed reads, time limits), the stores themselves, and `simulated`: a bucket in memory with faults.
//! **Does not own** what lies in the objects: it knows of no segment and no manifest, and trusts no content.
//! Whoever reads checks the checksums that he wrote.
//! **Invariants**:
//! - an object under a key is written once and never changes: only the same bytes are ever put there again;
//! - `create` says `Mine` only after the bucket was seen to hold these bytes under the key, or said so
//!   itself;
//! - a repeated request is a new request of ours: counted, bounded, with a jittered pause before it. No
//!   library below repeats any;
//! - a body is streamed, and ends with exactly the promised bytes or with an error.

mod backend;
mod client;
mod cloud;
pub mod conformance;
mod directory;
mod error;
mod observer;
mod open;
mod options;
mod probe;
mod seam;
pub mod simulated;

#[cfg(test)]
mod tests;

pub use error::StoreError;
pub use observer::{Finished, NoObserver, Observer, Operation, Outcome};
pub use open::{StoreOptions, Variables, open};
pub use options::RequestOptions;
pub use probe::probe;
pub use seam::{Answer, Body, Created, Listed, Listing, ObjectStore, Parts};
