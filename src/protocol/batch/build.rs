//! Building batches: what the broker writes itself, and what tests produce.

use super::compression::compress;
use super::header::{
    Attributes, BatchHeader, CompressionType, MAGIC, TimestampType, assemble, with_timestamp_type,
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
        let timestamp_delta = record.timestamp.0.wrapping_sub(self.base_timestamp.0);
        let headers = record.headers.iter().map(|(key, value)| (key.as_bytes(), *value));
        let fields = RecordFields {
            timestamp_delta,
            offset_delta: self.records_count,
            key: record.key,
            value: record.value,
        };
        put_record(&mut self.records, &fields, headers);
        self.records_count += 1;
        self
    }

    /// The batch's bytes, checksum included. Without records it is an empty batch of one offset, which
    /// readers step over (as compaction leaves behind).
    pub fn build(&self) -> Vec<u8> {
        let records = compress(self.compression, &self.records);
        let attributes = Attributes::new(self.compression, self.is_transactional, self.is_control);
        let header = BatchHeader {
            base_offset: self.base_offset,
            batch_length: 0,
            partition_leader_epoch: self.partition_leader_epoch,
            magic: MAGIC,
            crc: 0,
            attributes: with_timestamp_type(attributes, self.timestamp_type),
            last_offset_delta: (self.records_count - 1).max(0),
            base_timestamp: self.base_timestamp,
            max_timestamp: self.max_timestamp,
            producer_id: self.producer_id,
            producer_epoch: self.producer_epoch,
            base_sequence: self.base_sequence,
            records_count: self.records_count,
        };
        assemble(&header, &records)
    }
}

/// What stands in a record before its headers.
pub(super) struct RecordFields<'a> {
    pub(super) timestamp_delta: i64,
    pub(super) offset_delta: i32,
    pub(super) key: Option<&'a [u8]>,
    pub(super) value: Option<&'a [u8]>,
}

/// Appends a record, its length in front.
pub(super) fn put_record<'a>(
    buffer: &mut Vec<u8>,
    fields: &RecordFields<'_>,
    headers: impl ExactSizeIterator<Item = (&'a [u8], Option<&'a [u8]>)>,
) {
    let mut body = vec![0];
    varint::put_signed_long(&mut body, fields.timestamp_delta);
    varint::put_signed(&mut body, fields.offset_delta);
    put_nullable(&mut body, fields.key);
    put_nullable(&mut body, fields.value);
    varint::put_signed(&mut body, headers.len() as i32);
    for (key, value) in headers {
        put_nullable(&mut body, Some(key));
        put_nullable(&mut body, value);
    }
    varint::put_signed(buffer, body.len() as i32);
    buffer.extend_from_slice(&body);
}

fn put_nullable(buffer: &mut Vec<u8>, bytes: Option<&[u8]>) {
    varint::put_signed(buffer, bytes.map_or(-1, |bytes| bytes.len() as i32));
    buffer.extend_from_slice(bytes.unwrap_or_default());
}
