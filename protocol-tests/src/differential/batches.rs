//! Fetched batches in words, whatever codec they were compressed by.

use bytes::Bytes;
use highwater::protocol::batch::{DecompressionCaps, records};

use super::names::Names;
use crate::batches::split;

/// One text for each batch. The records themselves are told by a checksum of what they decompress to, since
/// two libraries may compress the same differently.
pub fn describe(fetched: &Bytes, names: &mut Names) -> Vec<String> {
    let batches = match split(fetched) {
        Ok(batches) => batches,
        Err(error) => return vec![format!("damaged: {error}")],
    };
    let described = batches.iter().map(|(header, batch)| {
        let content = match records(batch, &DecompressionCaps::default()) {
            Ok(set) => format!("{} bytes {:08x}", set.size_bytes(), checksum(&set)),
            Err(error) => error.to_string(),
        };
        let mut time = |time| names.number("timestamp", time);
        let times = format!("{} to {}", time(header.base_timestamp.0), time(header.max_timestamp.0));
        let producer = names.number("producer_id", header.producer_id.0);
        format!(
            "offset {} +{}, leader epoch {}, attributes {}, times {times}, \
             producer {producer} epoch {} sequence {}, {} records of {content}",
            header.base_offset,
            header.last_offset_delta,
            header.partition_leader_epoch.0,
            header.attributes.0,
            header.producer_epoch.0,
            header.base_sequence,
            header.records_count,
        )
    });
    let mut described: Vec<String> = described.collect();
    let whole: usize = batches.iter().map(|(_, batch)| batch.len()).sum();
    if whole < fetched.len() {
        described.push(format!("{} bytes of one more", fetched.len() - whole));
    }
    described
}

/// Of keys, values and headers, one after the other.
fn checksum(set: &highwater::protocol::batch::RecordSet) -> u32 {
    let mut crc = 0;
    for record in set.iter().map_while(Result::ok) {
        let mut add = |bytes: Option<&[u8]>| {
            crc = crc32c::crc32c_append(crc, &[u8::from(bytes.is_some())]);
            crc = crc32c::crc32c_append(crc, bytes.unwrap_or_default());
        };
        add(record.key);
        add(record.value);
        for header in record.headers {
            add(Some(header.key));
            add(header.value);
        }
    }
    crc
}
