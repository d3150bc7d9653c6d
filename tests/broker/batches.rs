//! Record batches: built for producing, taken apart after fetching.

use bytes::Bytes;
use highwater::model::{ProducerEpoch, ProducerId, Timestamp};
use highwater::protocol::batch::{
    BatchBuilder, BatchHeader, CompressionType, DecompressionCaps, NewRecord, records, verify_crc,
};

/// A timestamp for records whose time does not matter, in milliseconds: in 2023.
pub const SOME_TIME: i64 = 1_700_000_000_000;

/// Each of these values as a record of `timestamp` and on, in one batch that `adjust` may change before.
pub fn batch_with(values: &[&str], timestamp: i64, adjust: impl FnOnce(&mut BatchBuilder)) -> Bytes {
    let mut builder = BatchBuilder::new();
    adjust(&mut builder);
    for (value, timestamp) in values.iter().zip(timestamp..) {
        let timestamp = Timestamp(timestamp);
        builder.push(NewRecord { timestamp, value: Some(value.as_bytes()), ..NewRecord::default() });
    }
    builder.build().into()
}

/// The same, of no producer and not compressed.
pub fn batch(values: &[&str]) -> Bytes {
    batch_with(values, SOME_TIME, |_| {})
}

/// The same, compressed.
pub fn compressed(values: &[&str], timestamp: i64, compression: CompressionType) -> Bytes {
    batch_with(values, timestamp, |builder| builder.compression = compression)
}

/// The same, of an idempotent producer.
pub fn idempotent(producer_id: i64, producer_epoch: i16, base_sequence: i32, values: &[&str]) -> Bytes {
    batch_with(values, SOME_TIME, |builder| {
        builder.producer_id = ProducerId(producer_id);
        builder.producer_epoch = ProducerEpoch(producer_epoch);
        builder.base_sequence = base_sequence;
    })
}

/// What was fetched, batch by batch, each whole and with a good checksum.
pub fn split(fetched: &Bytes) -> Vec<(BatchHeader, Bytes)> {
    let mut rest = fetched.clone();
    let mut batches = Vec::new();
    while !rest.is_empty() {
        let header = BatchHeader::parse(&rest).expect("a batch");
        assert!(header.size_bytes() <= rest.len(), "a batch is cut off");
        let batch = rest.split_to(header.size_bytes());
        verify_crc(&batch).expect("the checksum is right");
        batches.push((header, batch));
    }
    batches
}

/// Offset and value of each record.
pub fn values(fetched: &Bytes) -> Vec<(i64, String)> {
    let mut found = Vec::new();
    for (header, batch) in split(fetched) {
        let set = records(&batch, &DecompressionCaps::default()).expect("records");
        for record in set.iter() {
            let record = record.expect("a record");
            let value = String::from_utf8(record.value.expect("a value").to_vec()).expect("text");
            found.push((header.base_offset.0 + i64::from(record.offset_delta), value));
        }
    }
    found
}
