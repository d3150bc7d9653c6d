//! The broker as a process, over real sockets.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod batches;
mod cleaning;
mod client;
mod configs;
mod damage;
mod disk;
mod durability;
mod eventually;
mod fetch;
mod groups;
mod hostile;
mod idempotence;
mod inspect;
mod lifecycle;
mod metrics;
mod offsets;
mod process;
mod produce;
mod requests;
mod restore;
mod retention;
mod tier;
mod topics;
mod transactions;
mod wire;
