//! Building batches: what the broker writes itself, and what tests produce.

use super::compression::compress;
use super::header::{
    Attributes, CompressionType, HEADER_BYTES, LENGTH_PREFIX_BYTES, MAGIC, TimestampType, with_timestamp_type,
};
use crate::model::{LeaderEpoch, Offset, ProducerEpoch, ProducerId, Timestamp};
use crate::protocol::varint;

/// A record to be written.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct NewRecord<'a> {
    /// Its timestamp.
    pub timestamp: Timestamp,
    /// `None`: no key.
    pub key: Option<&'a [u8]>,
    /// `None`: a tombstone.
    pub value: Option<&'a [u8]>,
    /// Key and value of each header, in order.
    pub headers: &'a [(&'a str, Option<&'a [u8]>)],
}

/// Collects records into one batch. Public fields go into the header as they are.
#[derive(Clone, Debug)]
pub struct BatchBuilder {
    /// Offset of the first record; 0 in what a producer sends.
    pub base_offset: Offset,
    /// Leader epoch; -1 in what a producer sends.
    pub partition_leader_epoch: LeaderEpoch,
    /// How records are compressed when the batch is built.
    pub compression: CompressionType,
    /// Meaning of the timestamps.
    pub timestamp_type: TimestampType,
    /// Part of a transaction.
    pub is_transactional: bool,
    /// Holds control records.
    pub is_control: bool,
    /// Idempotent producer.
    pub producer_id: ProducerId,
    /// Its epoch.
    pub producer_epoch: ProducerEpoch,
    /// Sequence number of the first record.
    pub base_sequence: i32,
    records: Vec<u8>,
    records_count: i32,
    base_timestamp: Timestamp,
    max_timestamp: Timestamp,
}

impl Default for BatchBuilder {
    fn default() -> BatchBuilder {
        BatchBuilder {
            base_offset: Offset(0),
            partition_leader_epoch: LeaderEpoch::NONE,
            compression: CompressionType::None,
            timestamp_type: TimestampType::CreateTime,
            is_transactional: false,
            is_control: false,
            producer_id: ProducerId::NONE,
            producer_epoch: ProducerEpoch::NONE,
            base_sequence: -1,
            records: Vec::new(),
            records_count: 0,
            base_timestamp: Timestamp::NONE,
            max_timestamp: Timestamp::NONE,
        }
    }
}

impl BatchBuilder {
    /// An empty batch without producer id, compression or flags.
    pub fn new() -> BatchBuilder {
        BatchBuilder::default()
    }

    /// Adds a record; its offset is the next one.
    pub fn push(&mut self, record: NewRecord<'_>) -> &mut BatchBuilder {
        if self.records_count == 0 {
            self.base_timestamp = record.timestamp;
        }
        self.max_timestamp = self.max_timestamp.max(record.timestamp);
        let mut body = vec![0];
        varint::put_signed_long(&mut body, record.timestamp.0.wrapping_sub(self.base_timestamp.0));
        varint::put_signed(&mut body, self.records_count);
        put_nullable(&mut body, record.key);
        put_nullable(&mut body, record.value);
        varint::put_signed(&mut body, record.headers.len() as i32);
        for (key, value) in record.headers {
            put_nullable(&mut body, Some(key.as_bytes()));
            put_nullable(&mut body, *value);
        }
        varint::put_signed(&mut self.records, body.len() as i32);
        self.records.extend_from_slice(&body);
        self.records_count += 1;
        self
    }

    /// The batch's bytes, checksum included. Without records it is an empty batch of one offset, which
    /// readers step over (as compaction leaves behind).
    pub fn build(&self) -> Vec<u8> {
        let records = compress(self.compression, &self.records);
        let mut batch = Vec::with_capacity(HEADER_BYTES + records.len());
        batch.extend_from_slice(&self.base_offset.0.to_be_bytes());
        let batch_length = (HEADER_BYTES - LENGTH_PREFIX_BYTES + records.len()) as i32;
        batch.extend_from_slice(&batch_length.to_be_bytes());
        batch.extend_from_slice(&self.partition_leader_epoch.0.to_be_bytes());
        batch.extend_from_slice(&MAGIC.to_be_bytes());
        batch.extend_from_slice(&[0; 4]);
        let checked_from = batch.len();
        batch.extend_from_slice(&self.attributes().0.to_be_bytes());
        batch.extend_from_slice(&(self.records_count - 1).max(0).to_be_bytes());
        batch.extend_from_slice(&self.base_timestamp.0.to_be_bytes());
        batch.extend_from_slice(&self.max_timestamp.0.to_be_bytes());
        batch.extend_from_slice(&self.producer_id.0.to_be_bytes());
        batch.extend_from_slice(&self.producer_epoch.0.to_be_bytes());
        batch.extend_from_slice(&self.base_sequence.to_be_bytes());
        batch.extend_from_slice(&self.records_count.to_be_bytes());
        batch.extend_from_slice(&records);
        let crc = crc32c::crc32c(&batch[checked_from..]);
        batch[checked_from - 4..checked_from].copy_from_slice(&crc.to_be_bytes());
        batch
    }

    fn attributes(&self) -> Attributes {
        let compression = match self.compression {
            CompressionType::None => 0,
            CompressionType::Gzip => 1,
            CompressionType::Snappy => 2,
            CompressionType::Lz4 => 3,
            CompressionType::Zstd => 4,
        };
        let flags = i16::from(self.is_transactional) << 4 | i16::from(self.is_control) << 5;
        with_timestamp_type(Attributes(compression | flags), self.timestamp_type)
    }
}

fn put_nullable(buffer: &mut Vec<u8>, bytes: Option<&[u8]>) {
    varint::put_signed(buffer, bytes.map_or(-1, |bytes| bytes.len() as i32));
    buffer.extend_from_slice(bytes.unwrap_or_default());
}
