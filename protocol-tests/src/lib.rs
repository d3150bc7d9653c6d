//! The wire, tested against the codec crate: every request in every version, valid, mutated and hostile.
//!
//! **Owns** golden frames made by Apache Kafka itself (`golden/`), a generator of request frames that is
//! driven by the guard's layout lines, and the way from an API key to the codec crate's decoder. The tests
//! are in `tests/`: `protocol` (guard and decoder in lockstep, mutations, batches) and `memory` (what
//! decoding costs, and the shapes that would abort a process without the guard).
//! **Does not own** rules: those have unit tests beside the code.

pub mod codec;
pub mod frames;
pub mod random;
