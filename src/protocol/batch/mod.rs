//! Record batches, format 2 (KIP-98): header, checksum, records, what a produced batch must fulfil, building.
//!
//! Our own scanner: the `kafka-protocol` crate's record decoder drops duplicate header keys and has no bound
//! on decompression.
//!
//! **Owns** the bytes of a batch and the rules that follow from them alone.
//! **Does not own** sequence checks (they need the producer's state) or the offsets it hands out.
//! **Invariants**: nothing is allocated by a number from the wire before it was compared with the bytes that
//! remain; decompression stops at its caps; a batch that passed [`validate_produced`] is one whole batch
//! whose offsets run from 0 without a gap.

mod build;
mod compacted;
mod compression;
mod control;
mod header;
mod produced;
mod rebuild;
mod records;

pub use build::{BatchBuilder, NewRecord};
pub use compacted::{with_fewer_records, without_records};
pub use compression::{Codec, DecompressionCaps, compress, decompress};
pub use control::{ControlType, EndTransactionMarker};
pub use header::{
    Attributes, BatchError, BatchHeader, CRC_FROM, CompressionType, HEADER_BYTES, LENGTH_PREFIX_BYTES, MAGIC,
    TimestampType, patch_base_offset_and_epoch, patch_log_append_time, verify_crc,
};
pub use produced::{
    BytesLeft, ProduceRules, ProducedBatch, RECORD_ERRORS_MAX, RecordError, Rejection, validate_produced,
    validate_produced_within,
};
pub use records::{Header, Headers, Record, RecordSet, Records, records};
