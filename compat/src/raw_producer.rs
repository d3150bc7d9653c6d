//! A producer that never retries and knows its batches: what no stock client lets one see.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context, Result, ensure};

const TIMEOUT: Duration = Duration::from_secs(10);
const PRODUCE_KEY: i16 = 0;
/// The oldest version with record batches of magic 2: no tagged fields to write.
const PRODUCE_VERSION: i16 = 3;
const RESPONSE_BYTES_MAX: usize = 1 << 16;
/// From `partition_leader_epoch` to the checksum, which covers what follows it.
const BEFORE_CHECKSUM: [u8; 5] = [0, 0, 0, 0, 2];
/// Of the records of [`RawProducer`].
const TIMESTAMP_MS: i64 = 1_700_000_000_000;

/// Whose a transaction is.
pub struct Origin {
    /// Its transactional id.
    pub transactional_id: &'static str,
    /// Its producer id; the epoch is 0.
    pub producer_id: i64,
}

/// A connection to a broker.
pub struct RawProducer {
    stream: TcpStream,
}

impl RawProducer {
    /// Connects, or fails at once.
    pub fn connect(address: SocketAddr) -> Result<RawProducer> {
        let stream = TcpStream::connect_timeout(&address, TIMEOUT)?;
        stream.set_read_timeout(Some(TIMEOUT))?;
        stream.set_nodelay(true)?;
        Ok(RawProducer { stream })
    }

    /// Sends one batch of records with these keys and the same value, and waits for the answer; the offset of
    /// its first record.
    pub fn produce(&mut self, topic: &str, acks: i16, keys: &[String], value: &[u8]) -> Result<i64> {
        let records: Vec<(Option<&[u8]>, &[u8])> =
            keys.iter().map(|key| (Some(key.as_bytes()), value)).collect();
        self.exchange(topic, &request(topic, 0, acks, &batch(&records, TIMESTAMP_MS)))
    }

    /// Sends one batch to partition 0 as the first of a transaction, and waits for the answer; the offset of
    /// its first record.
    pub fn begin(&mut self, topic: &str, origin: &Origin, batch: Vec<u8>) -> Result<i64> {
        let batch = of_a_transaction(batch, origin);
        self.exchange(topic, &request_of(Some(origin.transactional_id), topic, 0, -1, &batch))
    }

    fn exchange(&mut self, topic: &str, request: &[u8]) -> Result<i64> {
        self.stream.write_all(request)?;
        let mut length = [0; 4];
        self.stream.read_exact(&mut length)?;
        let length = usize::try_from(i32::from_be_bytes(length))?;
        ensure!(length < RESPONSE_BYTES_MAX, "a Produce response of {length} bytes");
        let mut response = vec![0; length];
        self.stream.read_exact(&mut response)?;
        let (error_code, base_offset) = answer(topic, &response)?;
        ensure!(error_code == 0, "error code {error_code}");
        Ok(base_offset)
    }
}

/// Error code and base offset of a response to [`request`], without its length.
pub fn answer(topic: &str, response: &[u8]) -> Result<(i16, i64)> {
    // Correlation id, one topic (its name), one partition, its index; then the two.
    let error_at = 4 + 4 + 2 + topic.len() + 4 + 4;
    let field = response.get(error_at..error_at + 10).context("a short Produce response")?;
    Ok((i16::from_be_bytes(field[..2].try_into()?), i64::from_be_bytes(field[2..].try_into()?)))
}

/// A whole request for one partition of a topic, length first.
pub fn request(topic: &str, partition: u32, acks: i16, batch: &[u8]) -> Vec<u8> {
    request_of(None, topic, partition, acks, batch)
}

fn request_of(
    transactional_id: Option<&str>,
    topic: &str,
    partition: u32,
    acks: i16,
    batch: &[u8],
) -> Vec<u8> {
    let mut body = Vec::new();
    body.extend(PRODUCE_KEY.to_be_bytes());
    body.extend(PRODUCE_VERSION.to_be_bytes());
    body.extend([0, 0, 0, 1]); // correlation id
    body.extend([0xff, 0xff]); // no client id
    match transactional_id {
        Some(id) => {
            body.extend((id.len() as u16).to_be_bytes());
            body.extend(id.as_bytes());
        }
        None => body.extend([0xff, 0xff]),
    }
    body.extend(acks.to_be_bytes());
    body.extend(10_000_i32.to_be_bytes()); // timeout
    body.extend(1_i32.to_be_bytes()); // topics
    body.extend((topic.len() as u16).to_be_bytes());
    body.extend(topic.as_bytes());
    body.extend(1_i32.to_be_bytes()); // partitions
    body.extend(partition.to_be_bytes());
    body.extend((batch.len() as u32).to_be_bytes());
    body.extend(batch);
    let mut request = (body.len() as u32).to_be_bytes().to_vec();
    request.extend(body);
    request
}

/// A record batch of magic 2, not compressed, of no producer; its records, as keys and values, all of one
/// time.
pub fn batch(records: &[(Option<&[u8]>, &[u8])], timestamp_ms: i64) -> Vec<u8> {
    let mut covered = Vec::new();
    covered.extend(0_i16.to_be_bytes()); // attributes
    covered.extend((records.len() as i32 - 1).to_be_bytes()); // last offset delta
    covered.extend(timestamp_ms.to_be_bytes());
    covered.extend(timestamp_ms.to_be_bytes());
    covered.extend((-1_i64).to_be_bytes()); // producer id
    covered.extend((-1_i16).to_be_bytes()); // producer epoch
    covered.extend((-1_i32).to_be_bytes()); // base sequence
    covered.extend((records.len() as u32).to_be_bytes());
    for (delta, (key, value)) in records.iter().enumerate() {
        let mut record = vec![0, 0]; // attributes, timestamp delta
        put_varint(&mut record, delta as i64);
        put_varint(&mut record, key.map_or(-1, |key| key.len() as i64));
        record.extend(key.unwrap_or_default());
        put_varint(&mut record, value.len() as i64);
        record.extend(*value);
        record.push(0); // no headers
        put_varint(&mut covered, record.len() as i64);
        covered.extend(record);
    }
    let mut batch = 0_i64.to_be_bytes().to_vec(); // base offset, which the broker assigns
    let length = BEFORE_CHECKSUM.len() + size_of::<u32>() + covered.len();
    batch.extend((length as u32).to_be_bytes());
    batch.extend(BEFORE_CHECKSUM);
    batch.extend(crc32c::crc32c(&covered).to_be_bytes());
    batch.extend(covered);
    batch
}

/// The same batch as the first one of a producer's transaction.
fn of_a_transaction(mut batch: Vec<u8>, origin: &Origin) -> Vec<u8> {
    const ATTRIBUTES: usize = 21;
    const PRODUCER_ID: usize = 43;
    const TRANSACTIONAL: i16 = 0x10;
    batch[ATTRIBUTES..ATTRIBUTES + 2].copy_from_slice(&TRANSACTIONAL.to_be_bytes());
    batch[PRODUCER_ID..PRODUCER_ID + 8].copy_from_slice(&origin.producer_id.to_be_bytes());
    // Epoch and base sequence.
    batch[PRODUCER_ID + 8..PRODUCER_ID + 14].fill(0);
    let checksum = crc32c::crc32c(&batch[ATTRIBUTES..]);
    batch[ATTRIBUTES - 4..ATTRIBUTES].copy_from_slice(&checksum.to_be_bytes());
    batch
}

/// Zigzag, seven bits to a byte, low ones first.
fn put_varint(bytes: &mut Vec<u8>, value: i64) {
    let mut rest = ((value << 1) ^ (value >> 63)) as u64;
    while rest >= 0x80 {
        bytes.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    bytes.push(rest as u8);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn varints_are_zigzag() {
        for (value, expected) in [
            (0, vec![0]),
            (-1, vec![1]),
            (1, vec![2]),
            (63, vec![126]),
            (64, vec![128, 1]),
            (300, vec![216, 4]),
        ] {
            let mut bytes = Vec::new();
            put_varint(&mut bytes, value);
            assert_eq!(bytes, expected, "{value}");
        }
    }
}
