//! What compaction leaves of a batch: the same batch with fewer records, or none.

use super::build::{RecordFields, put_record};
use super::compression::{Codec, compress_by};
use super::header::{Attributes, BatchError, BatchHeader, CompressionType, TimestampType, assemble};
use super::header::{with_delete_horizon, with_timestamp_type};
use super::records::RecordSet;
use crate::model::Timestamp;

/// The batch with those records only for which `keeps` holds, by their place in it; at least one. As Kafka's
/// `MemoryRecords.filterTo`: offsets, base offset, last offset, producer and sequence stay, so that a
/// producer's next batch still follows; it is compressed by its own codec at that codec's default level; the
/// max timestamp is that of the records that are left.
///
/// `delete_horizon` takes the place of the base timestamp, and record times are kept relative to it
/// (KIP-534).
pub fn with_fewer_records(
    set: &RecordSet<'_>,
    keeps: &dyn Fn(usize) -> bool,
    delete_horizon: Option<Timestamp>,
) -> Result<Vec<u8>, BatchError> {
    let old = set.header();
    let mut base_timestamp = delete_horizon;
    let mut max_timestamp = Timestamp::NONE;
    let (mut records, mut records_count) = (Vec::with_capacity(set.size_bytes()), 0);
    for (at, record) in set.iter().enumerate() {
        let record = record?;
        if !keeps(at) {
            continue;
        }
        let base = *base_timestamp.get_or_insert(record.timestamp);
        max_timestamp = max_timestamp.max(record.timestamp);
        let fields = RecordFields {
            timestamp_delta: record.timestamp.0.wrapping_sub(base.0),
            offset_delta: record.offset_delta,
            key: record.key,
            value: record.value,
        };
        put_record(&mut records, &fields, record.headers.map(|header| (header.key, header.value)));
        records_count += 1;
    }
    if old.attributes.timestamp_type() == TimestampType::LogAppendTime {
        max_timestamp = old.max_timestamp;
    }
    let codec = Codec { compression: old.attributes.compression()?, level: None };
    let header = BatchHeader {
        attributes: with_delete_horizon(old.attributes, delete_horizon.is_some()),
        base_timestamp: base_timestamp.unwrap_or(Timestamp::NONE),
        max_timestamp,
        records_count,
        ..*old
    };
    Ok(assemble(&header, &compress_by(codec, &records)))
}

/// The batch without any record: it holds a producer's place, or the offsets up to its last. As Kafka's
/// `DefaultRecordBatch.writeEmptyHeader`.
pub fn without_records(header: &BatchHeader) -> Vec<u8> {
    let old = header.attributes;
    let plain = Attributes::new(CompressionType::None, old.is_transactional(), old.is_control());
    let emptied = BatchHeader {
        attributes: with_timestamp_type(plain, old.timestamp_type()),
        base_timestamp: Timestamp::NONE,
        records_count: 0,
        ..*header
    };
    assemble(&emptied, &[])
}

#[cfg(test)]
mod tests;
