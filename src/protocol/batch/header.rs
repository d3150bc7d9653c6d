//! The 61 bytes in front of every record batch, and the few of them a broker may change.
//!
//! ```text
//!  0 base offset 8 | 8 batch length 4 (of what follows it) | 12 partition leader epoch 4 | 16 magic 1
//! 17 crc 4 (CRC-32C of all that follows it) | 21 attributes 2 | 23 last offset delta 4 | 27 base timestamp 8
//! 35 max timestamp 8 | 43 producer id 8 | 51 producer epoch 2 | 53 base sequence 4 | 57 records count 4
//! 61 records
//! ```

use thiserror::Error;

use crate::model::{LeaderEpoch, Offset, ProducerEpoch, ProducerId, Timestamp};

/// Bytes of a batch before its records.
pub const HEADER_BYTES: usize = 61;

/// Base offset and length: what the length field does not count.
pub const LENGTH_PREFIX_BYTES: usize = 12;

/// First byte that the checksum covers.
pub const CRC_FROM: usize = ATTRIBUTES_AT;

/// The only record format there is (Kafka 4 dropped 0 and 1: KIP-724).
pub const MAGIC: i8 = 2;

const LENGTH_AT: usize = 8;
const LEADER_EPOCH_AT: usize = 12;
const MAGIC_AT: usize = 16;
const CRC_AT: usize = 17;
const ATTRIBUTES_AT: usize = 21;
const LAST_OFFSET_DELTA_AT: usize = 23;
const BASE_TIMESTAMP_AT: usize = 27;
const MAX_TIMESTAMP_AT: usize = 35;
const PRODUCER_ID_AT: usize = 43;
const PRODUCER_EPOCH_AT: usize = 51;
const BASE_SEQUENCE_AT: usize = 53;
const RECORDS_COUNT_AT: usize = 57;

/// What is wrong with bytes that should be a record batch.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
pub enum BatchError {
    /// The bytes end before the batch does; more of them may make it whole.
    #[error("a record batch of {expected} bytes has only {actual}")]
    Truncated {
        /// Bytes needed: the header's, or the whole batch's once its length is known.
        expected: usize,
        /// Bytes there.
        actual: usize,
    },
    /// The length field is too small for a header.
    #[error("record batch length {0} is impossible")]
    Length(i32),
    /// Not format 2.
    #[error("record batch magic {0} is not 2")]
    Magic(i8),
    /// The checksum does not match.
    #[error("record batch checksum is {stored:#010x}, should be {computed:#010x}")]
    Crc {
        /// In the header.
        stored: u32,
        /// Of the bytes.
        computed: u32,
    },
    /// A compression type nobody has defined.
    #[error("record batch compression type {0} is unknown")]
    Compression(u8),
    /// A record's lengths or counts do not fit its bytes.
    #[error("record {index} is malformed: {reason}")]
    Record {
        /// Position in the batch, from 0.
        index: u32,
        /// Which rule it breaks.
        reason: &'static str,
    },
    /// The compressed records cannot be decompressed.
    #[error("{compression:?} data is damaged")]
    Damaged {
        /// By what it claims to be compressed.
        compression: CompressionType,
    },
    /// Decompressing would take more memory than the caller allows.
    #[error("records decompress to more than the {bytes_max} bytes allowed")]
    TooLarge {
        /// The bound.
        bytes_max: usize,
    },
}

/// How the records of a batch are compressed (attribute bits 0 to 2).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CompressionType {
    /// Not at all.
    None,
    /// gzip.
    Gzip,
    /// Snappy: framed as by xerial's Java library, or one raw block.
    Snappy,
    /// LZ4 frames.
    Lz4,
    /// Zstandard (KIP-110).
    Zstd,
}

impl CompressionType {
    /// All of them, in the order of their bits.
    pub const ALL: [CompressionType; 5] = [
        CompressionType::None,
        CompressionType::Gzip,
        CompressionType::Snappy,
        CompressionType::Lz4,
        CompressionType::Zstd,
    ];

    /// The attribute bits that stand for it.
    pub(super) fn bits(self) -> i16 {
        match self {
            CompressionType::None => 0,
            CompressionType::Gzip => 1,
            CompressionType::Snappy => 2,
            CompressionType::Lz4 => 3,
            CompressionType::Zstd => 4,
        }
    }
}

/// What a batch's timestamps mean (attribute bit 3).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TimestampType {
    /// Set by the producer, record by record.
    CreateTime,
    /// Set by the broker: the max timestamp holds for every record of the batch (KIP-32).
    LogAppendTime,
}

/// The attribute bits of a batch.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Attributes(pub i16);

impl Attributes {
    const COMPRESSION: i16 = 0b111;
    const LOG_APPEND_TIME: i16 = 1 << 3;
    const TRANSACTIONAL: i16 = 1 << 4;
    const CONTROL: i16 = 1 << 5;
    const DELETE_HORIZON: i16 = 1 << 6;

    /// The compression type; 5 to 7 are undefined.
    pub fn compression(self) -> Result<CompressionType, BatchError> {
        match self.0 & Self::COMPRESSION {
            0 => Ok(CompressionType::None),
            1 => Ok(CompressionType::Gzip),
            2 => Ok(CompressionType::Snappy),
            3 => Ok(CompressionType::Lz4),
            4 => Ok(CompressionType::Zstd),
            other => Err(BatchError::Compression(other as u8)),
        }
    }

    /// What the timestamps mean.
    pub fn timestamp_type(self) -> TimestampType {
        if self.0 & Self::LOG_APPEND_TIME == 0 {
            TimestampType::CreateTime
        } else {
            TimestampType::LogAppendTime
        }
    }

    /// Attributes with nothing but these.
    pub(super) fn new(compression: CompressionType, is_transactional: bool, is_control: bool) -> Attributes {
        let transactional = if is_transactional { Self::TRANSACTIONAL } else { 0 };
        let control = if is_control { Self::CONTROL } else { 0 };
        Attributes(compression.bits() | transactional | control)
    }

    /// Part of a transaction.
    pub fn is_transactional(self) -> bool {
        self.0 & Self::TRANSACTIONAL != 0
    }

    /// Holds control records (transaction markers), which no client may write.
    pub fn is_control(self) -> bool {
        self.0 & Self::CONTROL != 0
    }

    /// The base timestamp is the time from which tombstones may go (set by the cleaner).
    pub fn has_delete_horizon(self) -> bool {
        self.0 & Self::DELETE_HORIZON != 0
    }
}

/// The header of one record batch, decoded. Wire order of the fields.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BatchHeader {
    /// Offset of the first record; 0 from a producer.
    pub base_offset: Offset,
    /// Bytes of the batch after the length field itself; at least 49.
    pub batch_length: i32,
    /// Epoch of the leader that appended it.
    pub partition_leader_epoch: LeaderEpoch,
    /// Always [`MAGIC`] in a parsed header.
    pub magic: i8,
    /// CRC-32C of everything from the attributes on.
    pub crc: u32,
    /// Flag bits.
    pub attributes: Attributes,
    /// Offset of the last record less the base offset; kept by compaction even if that record went.
    pub last_offset_delta: i32,
    /// What record timestamps are relative to, or the delete horizon.
    pub base_timestamp: Timestamp,
    /// Largest timestamp of a record.
    pub max_timestamp: Timestamp,
    /// Idempotent producer, or -1.
    pub producer_id: ProducerId,
    /// Its epoch, or -1.
    pub producer_epoch: ProducerEpoch,
    /// Sequence number of the first record, or -1.
    pub base_sequence: i32,
    /// Number of records; fewer than `last_offset_delta + 1` after compaction.
    pub records_count: i32,
}

fn at<const N: usize>(header: &[u8; HEADER_BYTES], offset: usize) -> [u8; N] {
    let mut bytes = [0; N];
    bytes.copy_from_slice(&header[offset..offset + N]);
    bytes
}

impl BatchHeader {
    /// The time from which its tombstones and markers may go, once a cleaner has set it (KIP-534).
    pub fn delete_horizon(&self) -> Option<Timestamp> {
        self.attributes.has_delete_horizon().then_some(self.base_timestamp)
    }

    /// Reads the header at the front of `bytes`. Neither the checksum nor the records are looked at, and the
    /// bytes may end before the batch does.
    pub fn parse(bytes: &[u8]) -> Result<BatchHeader, BatchError> {
        let Some(header) = bytes.first_chunk::<HEADER_BYTES>() else {
            return Err(BatchError::Truncated { expected: HEADER_BYTES, actual: bytes.len() });
        };
        let magic = header[MAGIC_AT] as i8;
        if magic != MAGIC {
            return Err(BatchError::Magic(magic));
        }
        let batch_length = i32::from_be_bytes(at(header, LENGTH_AT));
        if batch_length < (HEADER_BYTES - LENGTH_PREFIX_BYTES) as i32 {
            return Err(BatchError::Length(batch_length));
        }
        Ok(BatchHeader {
            base_offset: Offset(i64::from_be_bytes(at(header, 0))),
            batch_length,
            partition_leader_epoch: LeaderEpoch(i32::from_be_bytes(at(header, LEADER_EPOCH_AT))),
            magic,
            crc: u32::from_be_bytes(at(header, CRC_AT)),
            attributes: Attributes(i16::from_be_bytes(at(header, ATTRIBUTES_AT))),
            last_offset_delta: i32::from_be_bytes(at(header, LAST_OFFSET_DELTA_AT)),
            base_timestamp: Timestamp(i64::from_be_bytes(at(header, BASE_TIMESTAMP_AT))),
            max_timestamp: Timestamp(i64::from_be_bytes(at(header, MAX_TIMESTAMP_AT))),
            producer_id: ProducerId(i64::from_be_bytes(at(header, PRODUCER_ID_AT))),
            producer_epoch: ProducerEpoch(i16::from_be_bytes(at(header, PRODUCER_EPOCH_AT))),
            base_sequence: i32::from_be_bytes(at(header, BASE_SEQUENCE_AT)),
            records_count: i32::from_be_bytes(at(header, RECORDS_COUNT_AT)),
        })
    }

    /// Bytes of the whole batch, header included.
    pub fn size_bytes(&self) -> usize {
        LENGTH_PREFIX_BYTES + self.batch_length as usize
    }

    /// Offset of the last record (inclusive).
    pub fn last_offset(&self) -> Offset {
        Offset(self.base_offset.0.wrapping_add(i64::from(self.last_offset_delta)))
    }

    /// Offset after the last record: the base offset of the next batch.
    pub fn next_offset(&self) -> Offset {
        Offset(self.last_offset().0.wrapping_add(1))
    }

    /// Whether an idempotent producer wrote it.
    pub fn has_producer_id(&self) -> bool {
        self.producer_id.0 > ProducerId::NONE.0
    }

    /// Sequence number of the last record; numbers wrap from 2^31-1 to 0 (KIP-98). -1 without a sequence.
    pub fn last_sequence(&self) -> i32 {
        if self.base_sequence < 0 {
            return self.base_sequence;
        }
        (i64::from(self.base_sequence) + i64::from(self.last_offset_delta)).rem_euclid(1 << 31) as i32
    }
}

/// One whole batch: `records`, compressed as the header says, behind it. Length, magic and checksum are
/// computed; those in `header` do not matter.
pub(super) fn assemble(header: &BatchHeader, records: &[u8]) -> Vec<u8> {
    let mut batch = Vec::with_capacity(HEADER_BYTES + records.len());
    batch.extend_from_slice(&header.base_offset.0.to_be_bytes());
    let batch_length = (HEADER_BYTES - LENGTH_PREFIX_BYTES + records.len()) as i32;
    batch.extend_from_slice(&batch_length.to_be_bytes());
    batch.extend_from_slice(&header.partition_leader_epoch.0.to_be_bytes());
    batch.extend_from_slice(&MAGIC.to_be_bytes());
    batch.extend_from_slice(&[0; ATTRIBUTES_AT - CRC_AT]);
    batch.extend_from_slice(&header.attributes.0.to_be_bytes());
    batch.extend_from_slice(&header.last_offset_delta.to_be_bytes());
    batch.extend_from_slice(&header.base_timestamp.0.to_be_bytes());
    batch.extend_from_slice(&header.max_timestamp.0.to_be_bytes());
    batch.extend_from_slice(&header.producer_id.0.to_be_bytes());
    batch.extend_from_slice(&header.producer_epoch.0.to_be_bytes());
    batch.extend_from_slice(&header.base_sequence.to_be_bytes());
    batch.extend_from_slice(&header.records_count.to_be_bytes());
    batch.extend_from_slice(records);
    let crc = crc32c::crc32c(&batch[ATTRIBUTES_AT..]);
    batch[CRC_AT..ATTRIBUTES_AT].copy_from_slice(&crc.to_be_bytes());
    batch
}

/// Checks the CRC-32C of the batch at the front of `batch`; what follows the batch is not looked at.
pub fn verify_crc(batch: &[u8]) -> Result<(), BatchError> {
    let header = BatchHeader::parse(batch)?;
    let expected = header.size_bytes();
    let actual = batch.len();
    let bytes = batch.get(ATTRIBUTES_AT..expected).ok_or(BatchError::Truncated { expected, actual })?;
    let computed = crc32c::crc32c(bytes);
    if computed == header.crc { Ok(()) } else { Err(BatchError::Crc { stored: header.crc, computed }) }
}

/// Writes the offset and leader epoch that the broker assigned. Both lie outside the checksum.
///
/// `batch` starts with a header that was parsed before.
pub fn patch_base_offset_and_epoch(batch: &mut [u8], base_offset: Offset, leader_epoch: LeaderEpoch) {
    batch[..LENGTH_AT].copy_from_slice(&base_offset.0.to_be_bytes());
    batch[LEADER_EPOCH_AT..MAGIC_AT].copy_from_slice(&leader_epoch.0.to_be_bytes());
}

/// Gives all records of the batch the broker's time: sets the attribute bit and the max timestamp, and
/// computes the checksum anew (KIP-32). `batch` is exactly one batch.
pub fn patch_log_append_time(batch: &mut [u8], now: Timestamp) {
    patch_timestamp(batch, TimestampType::LogAppendTime, now);
}

/// Sets timestamp type and max timestamp, and computes the checksum anew. `batch` is exactly one batch.
pub(super) fn patch_timestamp(batch: &mut [u8], kind: TimestampType, max_timestamp: Timestamp) {
    let attributes = i16::from_be_bytes([batch[ATTRIBUTES_AT], batch[ATTRIBUTES_AT + 1]]);
    let attributes = with_timestamp_type(Attributes(attributes), kind);
    batch[ATTRIBUTES_AT..LAST_OFFSET_DELTA_AT].copy_from_slice(&attributes.0.to_be_bytes());
    batch[MAX_TIMESTAMP_AT..PRODUCER_ID_AT].copy_from_slice(&max_timestamp.0.to_be_bytes());
    let crc = crc32c::crc32c(&batch[ATTRIBUTES_AT..]);
    batch[CRC_AT..ATTRIBUTES_AT].copy_from_slice(&crc.to_be_bytes());
}

/// The attributes with another timestamp type.
pub(super) fn with_timestamp_type(attributes: Attributes, kind: TimestampType) -> Attributes {
    match kind {
        TimestampType::CreateTime => Attributes(attributes.0 & !Attributes::LOG_APPEND_TIME),
        TimestampType::LogAppendTime => Attributes(attributes.0 | Attributes::LOG_APPEND_TIME),
    }
}

/// The attributes with the delete horizon's bit set or not.
pub(super) fn with_delete_horizon(attributes: Attributes, is_set: bool) -> Attributes {
    match is_set {
        true => Attributes(attributes.0 | Attributes::DELETE_HORIZON),
        false => Attributes(attributes.0 & !Attributes::DELETE_HORIZON),
    }
}

#[cfg(test)]
mod tests;
