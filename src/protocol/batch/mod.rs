//! Record batches, format 2 (KIP-98): header, checksum, validation, patching, records.
//!
//! Our own scanner: the `kafka-protocol` crate's record decoder drops duplicate header keys and has no bound on
//! decompression.

mod header;

pub use header::{
    Attributes, BatchError, BatchHeader, CompressionType, HEADER_BYTES, LENGTH_PREFIX_BYTES, MAGIC,
    TimestampType, patch_base_offset_and_epoch, patch_log_append_time, verify_crc,
};
