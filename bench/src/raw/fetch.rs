//! Fetch requests, one outstanding a partition, from its start to its high watermark.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use super::{Done, Target, connect, on_each_partition, wait_until};

const FETCH_KEY: i16 = 1;
/// With sessions (switched off), before tagged fields.
const FETCH_VERSION: i16 = 11;
const WAIT_MS: i32 = 500;
const RESPONSE_BYTES_MAX: i32 = 50 << 20;
/// What a response may have beyond the records asked for.
const BESIDE_RECORDS_BYTES: usize = 1 << 20;
/// Fetches in a row that bring nothing, before it gives up.
const EMPTY_MAX: u32 = 20;

/// From a batch's start to its records; where its fields lie.
const BATCH_HEADER_BYTES: usize = 61;
const BATCH_LENGTH_AT: usize = 8;
const LAST_OFFSET_DELTA_AT: usize = 23;
const RECORDS_COUNT_AT: usize = 57;

/// Runs it; what each connection did, and the seconds it took. A `rate` of bytes a second of each connection
/// has it wait before a fetch that would come too early.
pub(super) fn run(target: &Target, bytes_max: u64, rate: u64) -> Result<(Vec<Done>, f64)> {
    let asked = Asked { bytes_max: i32::try_from(bytes_max)?, rate };
    let start = Instant::now();
    let done = on_each_partition(target, |partition| {
        let mut stream = connect(target.broker)?;
        read_partition(&mut stream, target, partition, asked)
            .with_context(|| format!("partition {partition}"))
    })?;
    Ok((done, start.elapsed().as_secs_f64()))
}

/// Bytes of a fetch, and of a second.
#[derive(Clone, Copy)]
struct Asked {
    bytes_max: i32,
    rate: u64,
}

fn read_partition(stream: &mut TcpStream, target: &Target, partition: u32, asked: Asked) -> Result<Done> {
    let Asked { bytes_max, rate } = asked;
    let start = Instant::now();
    let mut done = Done::default();
    let mut response = vec![0; bytes_max as usize + BESIDE_RECORDS_BYTES];
    let (mut offset, mut empty) = (0, 0);
    while empty < EMPTY_MAX {
        if rate > 0 {
            wait_until(start + Duration::from_secs_f64(done.wire_bytes as f64 / rate as f64));
        }
        let begun = Instant::now();
        stream.write_all(&request(&target.topic, partition, offset, bytes_max))?;
        let mut length = [0; 4];
        stream.read_exact(&mut length)?;
        let length = usize::try_from(i32::from_be_bytes(length))?;
        ensure!(length <= response.len(), "a response of {length} bytes");
        stream.read_exact(&mut response[..length])?;
        done.times_ms.push(begun.elapsed().as_secs_f32() * 1e3);
        done.requests += 1;
        done.wire_bytes += length as u64;
        let Some(fetched) = fetched(&response[..length])? else {
            empty += 1;
            continue;
        };
        done.records += fetched.records;
        empty = if fetched.records == 0 { empty + 1 } else { 0 };
        offset = fetched.next_offset.unwrap_or(offset);
        if offset >= fetched.high_watermark {
            break;
        }
    }
    Ok(done)
}

/// A whole request for one partition, length first.
pub fn request(topic: &str, partition: u32, offset: i64, bytes_max: i32) -> Vec<u8> {
    let mut body = Vec::with_capacity(128);
    body.extend(FETCH_KEY.to_be_bytes());
    body.extend(FETCH_VERSION.to_be_bytes());
    body.extend([0, 0, 0, 1, 0xff, 0xff]); // correlation id, no client id
    body.extend((-1_i32).to_be_bytes()); // a consumer
    body.extend(WAIT_MS.to_be_bytes());
    body.extend(1_i32.to_be_bytes()); // at least so many bytes
    body.extend(RESPONSE_BYTES_MAX.to_be_bytes());
    body.push(0); // read uncommitted
    body.extend([0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff]); // no session
    body.extend(1_i32.to_be_bytes()); // topics
    body.extend((topic.len() as u16).to_be_bytes());
    body.extend(topic.as_bytes());
    body.extend(1_i32.to_be_bytes()); // partitions
    body.extend(partition.to_be_bytes());
    body.extend((-1_i32).to_be_bytes()); // current leader epoch
    body.extend(offset.to_be_bytes());
    body.extend((-1_i64).to_be_bytes()); // log start offset
    body.extend(bytes_max.to_be_bytes());
    body.extend([0; 4]); // topics to forget
    body.extend([0; 2]); // rack
    let mut request = (body.len() as u32).to_be_bytes().to_vec();
    request.extend(body);
    request
}

/// What one response brought.
pub struct Fetched {
    /// Records in whole batches.
    pub records: u64,
    /// After the last whole batch.
    pub next_offset: Option<i64>,
    /// The partition's.
    pub high_watermark: i64,
}

/// Reads a response to [`request`], without its length; none if there is no partition in it.
pub fn fetched(response: &[u8]) -> Result<Option<Fetched>> {
    // Correlation id, throttle time, error code, session id.
    let mut at = 4 + 4 + 2 + 4;
    if int(response, at)? < 1 {
        return Ok(None);
    }
    at += 4;
    let name_bytes = u16::from_be_bytes(bytes(response, at)?);
    // The name, the count of partitions, the partition's index.
    at += 2 + usize::from(name_bytes) + 4 + 4;
    let error_code = i16::from_be_bytes(bytes(response, at)?);
    ensure!(error_code == 0, "error code {error_code}");
    let high_watermark = i64::from_be_bytes(bytes(response, at + 2)?);
    // Last stable offset, log start offset.
    at += 2 + 8 + 8 + 8;
    let aborted = int(response, at)?.max(0) as usize;
    // Aborted transactions, the preferred replica.
    at += 4 + 16 * aborted + 4;
    let length = int(response, at)?.max(0) as usize;
    let records = response.get(at + 4..at + 4 + length).context("a short response")?;
    let (count, next_offset) = count_records(records)?;
    Ok(Some(Fetched { records: count, next_offset, high_watermark }))
}

/// Records in the whole batches of `records`, and the offset after them; the last batch may be cut off.
fn count_records(mut records: &[u8]) -> Result<(u64, Option<i64>)> {
    let (mut count, mut next_offset) = (0, None);
    while records.len() >= BATCH_HEADER_BYTES {
        let length = BATCH_LENGTH_AT + 4 + usize::try_from(int(records, BATCH_LENGTH_AT)?)?;
        if length > records.len() {
            break;
        }
        let base_offset = i64::from_be_bytes(bytes(records, 0)?);
        next_offset = Some(base_offset + i64::from(int(records, LAST_OFFSET_DELTA_AT)?) + 1);
        count += int(records, RECORDS_COUNT_AT)?.max(0) as u64;
        records = &records[length..];
    }
    Ok((count, next_offset))
}

fn int(of: &[u8], at: usize) -> Result<i32> {
    Ok(i32::from_be_bytes(bytes(of, at)?))
}

fn bytes<const N: usize>(of: &[u8], at: usize) -> Result<[u8; N]> {
    Ok(of.get(at..at + N).context("a short response")?.try_into()?)
}
