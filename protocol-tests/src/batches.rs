//! Record batches: built for producing, taken apart after fetching.

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use highwater::model::{ProducerEpoch, ProducerId, Timestamp};
use highwater::protocol::batch::{
    BatchBuilder, BatchHeader, CompressionType, DecompressionCaps, NewRecord, records, verify_crc,
};

/// A timestamp for records whose time does not matter, in milliseconds: in 2023.
pub const SOME_TIME: i64 = 1_700_000_000_000;

/// All codecs.
pub const CODECS: [CompressionType; 5] = CompressionType::ALL;

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
pub fn compressed(values: &[&str], compression: CompressionType) -> Bytes {
    batch_with(values, SOME_TIME, |builder| builder.compression = compression)
}

/// A batch of an idempotent producer.
pub fn idempotent(producer_id: i64, producer_epoch: i16, base_sequence: i32, values: &[&str]) -> Bytes {
    batch_with(values, SOME_TIME, |builder| {
        builder.producer_id = ProducerId(producer_id);
        builder.producer_epoch = ProducerEpoch(producer_epoch);
        builder.base_sequence = base_sequence;
    })
}

/// One record with a key for each pair.
pub fn keyed(pairs: &[(&str, Option<&str>)]) -> Bytes {
    let mut builder = BatchBuilder::new();
    for (key, value) in pairs {
        builder.push(NewRecord {
            timestamp: Timestamp(SOME_TIME),
            key: Some(key.as_bytes()),
            value: value.map(str::as_bytes),
            headers: &[],
        });
    }
    builder.build().into()
}

/// A batch with some bytes of its header replaced; the checksum is made right again, if it is to be.
pub fn patched(batch: &Bytes, at: usize, bytes: &[u8], checksum: bool) -> Bytes {
    const CRC_AT: usize = 17;
    const CHECKED_FROM: usize = 21;
    let mut batch = batch.to_vec();
    batch[at..at + bytes.len()].copy_from_slice(bytes);
    if checksum {
        let crc = crc32c::crc32c(&batch[CHECKED_FROM..]);
        batch[CRC_AT..CHECKED_FROM].copy_from_slice(&crc.to_be_bytes());
    }
    batch.into()
}

/// What was fetched, batch by batch, each with a good checksum. A batch that is cut off at the end is left
/// out, as clients do.
pub fn split(fetched: &Bytes) -> Result<Vec<(BatchHeader, Bytes)>> {
    let mut rest = fetched.clone();
    let mut batches = Vec::new();
    while let Ok(header) = BatchHeader::parse(&rest) {
        if header.size_bytes() > rest.len() {
            break;
        }
        let batch = rest.split_to(header.size_bytes());
        verify_crc(&batch)?;
        batches.push((header, batch));
    }
    Ok(batches)
}

/// Offset and value of each record.
pub fn values(fetched: &Bytes) -> Result<Vec<(i64, String)>> {
    let mut found = Vec::new();
    for (header, batch) in split(fetched)? {
        let set = records(&batch, &DecompressionCaps::default())?;
        let before = found.len();
        for record in set.iter() {
            let record = record?;
            let value = String::from_utf8(record.value.context("a tombstone")?.to_vec())?;
            found.push((header.base_offset.0 + i64::from(record.offset_delta), value));
        }
        ensure!(found.len() - before == header.records_count as usize, "a count that is not the records'");
    }
    Ok(found)
}
