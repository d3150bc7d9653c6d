//! Batches that are stored otherwise than they came: compressed as the topic wants it (`compression.type`),
//! or with record offsets that run from 0.

use super::build::{RecordFields, put_record};
use super::compression::{Codec, compress_by};
use super::header::{Attributes, BatchHeader, assemble, with_timestamp_type};
use super::records::RecordSet;

/// Builds a batch of these records again, under `header` as it is to be stored. Producer, epoch, sequence and
/// all of a record but its offset stay; the delete horizon, which is the cleaner's, goes (as in Kafka 4.3).
///
/// With `offsets_run` the records' bytes are taken as they are. The records were read through before.
pub(super) fn rebuild(header: &BatchHeader, set: &RecordSet<'_>, offsets_run: bool, codec: Codec) -> Vec<u8> {
    let attributes = header.attributes;
    let kept = Attributes::new(codec.compression, attributes.is_transactional(), attributes.is_control());
    let header =
        BatchHeader { attributes: with_timestamp_type(kept, attributes.timestamp_type()), ..*header };
    let records = match offsets_run {
        true => compress_by(codec, set.bytes()),
        false => compress_by(codec, &numbered(set)),
    };
    assemble(&header, &records)
}

/// The records with offsets from 0 on. Measured against Kafka 4.3: it does so to what old clients numbered
/// wrongly and compressed.
fn numbered(set: &RecordSet<'_>) -> Vec<u8> {
    let base_timestamp = set.header().base_timestamp.0;
    let mut bytes = Vec::with_capacity(set.size_bytes());
    for (offset_delta, record) in (0..).zip(set.iter().flatten()) {
        let timestamp_delta = record.timestamp.0.wrapping_sub(base_timestamp);
        let fields = RecordFields { timestamp_delta, offset_delta, key: record.key, value: record.value };
        put_record(&mut bytes, &fields, record.headers.map(|header| (header.key, header.value)));
    }
    bytes
}

#[cfg(test)]
mod tests;
