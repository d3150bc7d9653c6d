//! Record batches: a segment, or batches that are stranded.

use std::path::Path;

use serde_json::json;

use super::words::{codec, json_of, text, time};
use super::{DumpError, Printer, told};
use crate::log::inspect::{BatchView, SegmentWalk};
use crate::model::Offset;
use crate::protocol::batch::{BatchHeader, DecompressionCaps, Record, TimestampType, records};

/// Largest batch whose records are shown, compressed or not.
const BATCH_BYTES_MAX: usize = 256 << 20;
/// Compression is not suspicious here: the broker took the batch.
const CAPS: DecompressionCaps =
    DecompressionCaps { output_bytes_max: BATCH_BYTES_MAX, ratio_max: usize::MAX };
/// Headers of one record that are shown: a few bytes of a compressed batch can be a hundred million of them.
const HEADERS_MAX: usize = 1000;

impl Printer<'_> {
    pub(super) fn batches(&mut self, path: &Path) -> Result<(), DumpError> {
        let mut walk = match SegmentWalk::open(self.files, path, Offset(0)) {
            Ok(walk) => walk,
            Err(error) => return told(self, error),
        };
        self.heading(path, "record batches", walk.length())?;
        loop {
            match walk.next_batch() {
                Ok(Some(batch)) => self.batch(path, &walk, &batch)?,
                Ok(None) => return Ok(()),
                Err(error) => return told(self, error),
            }
        }
    }

    fn batch(&mut self, path: &Path, walk: &SegmentWalk, batch: &BatchView) -> Result<(), DumpError> {
        let position = batch.position;
        self.item(
            || format!("  at {position:<11} {}", batch_words(&batch.header, batch.is_right())),
            || {
                let mut json = batch_json(&batch.header);
                json["position"] = json!(position);
                json["crc_is_right"] = json!(batch.is_right());
                json
            },
        )?;
        if !batch.is_right() {
            let (stored, computed) = (batch.header.crc, batch.computed_crc);
            return self.damage(
                path,
                position,
                &format!("its checksum is {stored:#010x}, its bytes give {computed:#010x}"),
            );
        }
        if self.options.records {
            match batch.header.size_bytes() <= BATCH_BYTES_MAX {
                true => match walk.bytes(batch) {
                    Ok(bytes) => self.records(path, position, &bytes)?,
                    Err(error) => told(self, error)?,
                },
                false => self.damage(path, position, "too large to show its records")?,
            }
        }
        Ok(())
    }

    /// The records of one batch, each on a line.
    pub(super) fn records(&mut self, path: &Path, position: u64, bytes: &[u8]) -> Result<(), DumpError> {
        let set = match records(bytes, &CAPS) {
            Ok(set) => set,
            Err(error) => return self.damage(path, position, &error.to_string()),
        };
        let base = set.header().base_offset;
        for record in &set {
            match record {
                Ok(record) => self.record(base, &record)?,
                Err(error) => return self.damage(path, position, &error.to_string()),
            }
        }
        Ok(())
    }

    fn record(&mut self, base: Offset, record: &Record<'_>) -> Result<(), DumpError> {
        let offset = base.plus(i64::from(record.offset_delta));
        let left_out = record.headers.count().saturating_sub(HEADERS_MAX);
        self.item(
            || {
                let headers: Vec<String> = record
                    .headers
                    .take(HEADERS_MAX)
                    .map(|header| format!("{}={}", text(Some(header.key)), text(header.value)))
                    .collect();
                let headers = if headers.is_empty() {
                    String::new()
                } else {
                    format!("  headers {}", headers.join(", "))
                };
                let headers = match left_out {
                    0 => headers,
                    _ => format!("{headers} and {left_out} more"),
                };
                let (time, key, value) = (time(record.timestamp.0), text(record.key), text(record.value));
                format!("      offset {offset:<11} {time:<24}  key {key}  value {value}{headers}")
            },
            || {
                let headers: Vec<_> = record
                    .headers
                    .take(HEADERS_MAX)
                    .map(|header| json!([json_of(Some(header.key)), json_of(header.value)]))
                    .collect();
                json!({
                    "offset": offset.0, "timestamp": record.timestamp.0, "key": json_of(record.key),
                    "value": json_of(record.value), "headers": headers,
                    "headers_left_out": left_out,
                })
            },
        )
    }
}

/// A batch on one line.
pub(super) fn batch_words(header: &BatchHeader, is_right: bool) -> String {
    let offsets = format!("{}..{}", header.base_offset, header.last_offset());
    let producer = match header.has_producer_id() {
        true => format!(
            "producer {}/{} sequence {}..{}",
            header.producer_id,
            header.producer_epoch,
            header.base_sequence,
            header.last_sequence()
        ),
        false => "no producer id".to_owned(),
    };
    let kind = match (header.attributes.is_control(), header.attributes.is_transactional()) {
        (true, _) => "  control",
        (false, true) => "  transactional",
        (false, false) => "",
    };
    let clock = match header.attributes.timestamp_type() {
        TimestampType::CreateTime => "created",
        TimestampType::LogAppendTime => "appended",
    };
    format!(
        "offsets {offsets:<23} {:>6} records  {:<6} {:>9} bytes  leader epoch {:<4} \
         {clock} {} to {}  {producer}{kind}  crc {:#010x} {}",
        header.records_count,
        codec(header),
        header.size_bytes(),
        header.partition_leader_epoch.0,
        time(header.base_timestamp.0),
        time(header.max_timestamp.0),
        header.crc,
        if is_right { "right" } else { "WRONG" }
    )
}

/// A batch as an object.
pub(super) fn batch_json(header: &BatchHeader) -> serde_json::Value {
    json!({
        "base_offset": header.base_offset.0, "last_offset": header.last_offset().0,
        "records": header.records_count, "codec": codec(header), "bytes": header.size_bytes(),
        "leader_epoch": header.partition_leader_epoch.0, "base_timestamp": header.base_timestamp.0,
        "max_timestamp": header.max_timestamp.0,
        "timestamp_type": format!("{:?}", header.attributes.timestamp_type()),
        "producer_id": header.producer_id.0, "producer_epoch": header.producer_epoch.0,
        "base_sequence": header.base_sequence, "is_transactional": header.attributes.is_transactional(),
        "is_control": header.attributes.is_control(), "crc": header.crc,
    })
}
