//! The wire, tested against the codec crate: every request in every version, valid, mutated and hostile.
//!
//! **Owns** golden frames and schemas made by Apache Kafka itself (`golden/`), a reader of frames that is
//! driven by Kafka's schemas, a generator of request frames that is driven by the guard's layout lines,
//! mutations, and the way from an API key to the codec crate's decoder. The tests are in `tests/`: `protocol`
//! (golden frames, guard and decoder in lockstep, batches) and `memory` (what decoding costs, a million
//! mutations, and the shapes that would abort a process without the guard).
//! **Does not own** rules: those have unit tests beside the code.

pub mod codec;
pub mod frames;
pub mod golden;
pub mod mutate;
pub mod random;
pub mod schema;
pub mod values;
