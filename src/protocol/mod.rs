//! The Kafka protocol as bytes: frames, headers, the guard, record batches, the zero-copy fetch writer.
//!
//! **Owns** what can be told from bytes alone: which versions are served, whether a request's counts and
//! lengths are honest, whether a produced record batch is whole, and how responses are laid out on the wire.
//! **Does not own** sockets, topics, offsets or any state: callers pass in what a rule needs.
//! **Invariants**
//! - Nothing reaches the decoder of the `kafka-protocol` crate before [`guard::Guard::check`] walked the
//!   whole frame: the crate reserves memory by counts taken from the wire.
//! - Every count and length from the wire is compared with the bytes that remain before memory is taken;
//!   decompression has an output cap and a ratio cap.
//! - Record bytes are never re-encoded: a batch is patched in place (offset, leader epoch, timestamp) or left
//!   alone, unless its topic wants another codec: then its records are compressed anew, byte for byte as they
//!   were.

pub mod batch;
mod error_code;
pub mod fetch_response;
pub mod frame;
pub mod guard;
mod layouts;
mod piece;
pub mod response;
mod varint;
pub mod versions;

pub use error_code::ErrorCode;
pub use piece::Piece;
