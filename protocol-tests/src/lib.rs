//! The wire, tested against the codec crate: every request in every version, valid, mutated and hostile.
//!
//! **Owns** golden frames and schemas made by Apache Kafka itself (`golden/`), a reader of frames that is
//! driven by Kafka's schemas, a generator of request frames that is driven by the guard's layout lines,
//! mutations, and the way from an API key to the codec crate's decoder. The tests are in `tests/`: `protocol`
//! (golden frames, guard and decoder in lockstep, batches) and `memory` (what decoding costs, a million
//! mutations, and the shapes that would abort a process without the guard). And `wire`: a suite that is aimed
//! at a running broker by its address, and that every broker of the protocol must pass; and `differential`: a
//! script of calls whose answers are compared with those of Apache Kafka, field by field. And `storm`:
//! members of groups by the hundred; `rebalance`: a thousand of one group; and `offsets`: committed by the
//! million.
//! **Does not own** rules: those have unit tests beside the code. Nor brokers: `compat` starts them.

pub mod batches;
pub mod bench;
pub mod client;
pub mod codec;
pub mod differential;
pub mod frames;
pub mod golden;
pub mod groups;
pub mod mutate;
pub mod offsets;
pub mod pieces;
pub mod random;
pub mod rebalance;
pub mod refusals;
pub mod requests;
pub mod schema;
pub mod serving;
pub mod storm;
pub mod transactions;
pub mod values;
pub mod watermarks;
pub mod wire;
