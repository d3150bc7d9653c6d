//! Highwater: a broker that speaks the Kafka binary protocol.
//!
//! The rooms, lowest first, and which may know which are held by `tests/tidy.rs`; `ARCHITECTURE.md` is the
//! map.

pub mod admin;
pub mod broker;
pub mod cli;
pub mod cluster;
pub mod config;
pub mod coordinator;
pub mod env;
pub mod group;
pub mod handlers;
pub mod inspect;
pub mod log;
pub mod metadata;
pub mod model;
pub mod partition;
pub mod protocol;
pub mod server;
pub mod store;
pub mod telemetry;
pub mod tier;
pub mod transaction;
pub mod wal;
pub mod wire;
