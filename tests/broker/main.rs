//! The broker as a process, over real sockets.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod batches;
mod client;
mod disk;
mod durability;
mod eventually;
mod fetch;
mod idempotence;
mod lifecycle;
mod process;
mod produce;
mod requests;
mod topics;
mod wire;
