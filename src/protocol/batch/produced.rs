//! What a produced batch must fulfil before it may be appended.
//!
//! The rules, their order and their error codes are Kafka 4.3's: some seventy shapes of batch were produced
//! to it (its `ProduceRequest`, `UnifiedLog` and `LogValidator` check in turn). What differs here no stock
//! client meets:
//! - Kafka decompresses every batch. Here that is done only when a rule needs the records: keys on a
//!   compacted topic, timestamps that must not be too old, a topic that wants another codec. Else a
//!   compressed batch is judged by its header.
//! - Records whose offsets do not run from 0 without a gap are numbered anew, as Kafka does to compressed
//!   ones; it takes uncompressed ones as they are.
//! - Negative lengths other than -1 are INVALID_RECORD; Kafka takes them.
//! - A length of 2^31-1 is INVALID_RECORD as any batch that is cut off, not UNKNOWN_SERVER_ERROR.

use bytes::Bytes;

use super::compression::{Codec, DecompressionCaps};
use super::header::{
    BatchError, BatchHeader, CompressionType, HEADER_BYTES, LENGTH_PREFIX_BYTES, MAGIC, TimestampType,
    patch_base_offset_and_epoch, patch_timestamp, verify_crc, with_timestamp_type,
};
use super::rebuild::rebuild;
use super::records::{Record, RecordSet, records};
use crate::model::{LeaderEpoch, Offset, Timestamp};
use crate::protocol::ErrorCode;

/// Errors of single records that are told to the client at most; the batch fails as a whole anyway.
pub const RECORD_ERRORS_MAX: usize = 100;

/// First Produce version that may carry Zstandard (KIP-110).
const ZSTD_PRODUCE_VERSION_MIN: i16 = 7;

/// What topic and request say about the batches they take.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ProduceRules {
    /// Version of the Produce request.
    pub api_version: i16,
    /// `max.message.bytes`: size of a batch, header included.
    pub batch_bytes_max: usize,
    /// `message.timestamp.type`.
    pub timestamp_type: TimestampType,
    /// `message.timestamp.before.max.ms`: how far a record may lie in the past. `i64::MAX`: no bound.
    pub timestamp_before_max_ms: i64,
    /// `message.timestamp.after.max.ms`: how far a record may lie in the future. `i64::MAX`: no bound.
    pub timestamp_after_max_ms: i64,
    /// The topic is compacted: every record needs a key.
    pub keys_required: bool,
    /// `compression.type`; `None` keeps what producers send.
    pub codec: Option<Codec>,
    /// Bounds for batches that must be decompressed.
    pub decompression: DecompressionCaps,
}

impl ProduceRules {
    /// Every whole batch passes and stays as it is.
    pub fn lenient() -> ProduceRules {
        ProduceRules {
            api_version: i16::MAX,
            batch_bytes_max: usize::MAX,
            timestamp_type: TimestampType::CreateTime,
            timestamp_before_max_ms: i64::MAX,
            timestamp_after_max_ms: i64::MAX,
            keys_required: false,
            codec: None,
            decompression: DecompressionCaps::default(),
        }
    }

    /// Whether what may be a batch must be decompressed or compressed: that takes too long for a thread on
    /// which connections wait.
    pub fn take_long(&self, records: &[u8], now: Timestamp) -> bool {
        let Ok(header) = BatchHeader::parse(records) else { return false };
        let Ok(compression) = header.attributes.compression() else { return false };
        self.recompress(compression)
            || compression != CompressionType::None && self.need_records(&header, now)
    }

    /// Whether a compressed batch must be decompressed to be judged. One whose header tells of a timestamp
    /// out of bounds is, so that the records at fault can be named.
    fn need_records(&self, header: &BatchHeader, now: Timestamp) -> bool {
        let bounded_below =
            self.timestamp_type == TimestampType::CreateTime && self.timestamp_before_max_ms != i64::MAX;
        self.keys_required
            || bounded_below
            || timestamp_fault(header, header.max_timestamp, now, self).is_some()
    }

    /// Whether a batch is to be stored by another codec.
    fn recompress(&self, compression: CompressionType) -> bool {
        self.codec.is_some_and(|codec| codec.compression != compression)
    }
}

/// What the batches of one request may still take together, in bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BytesLeft {
    /// What they decompress to, one after the other.
    pub decompressed: usize,
    /// What is kept of those that are built again, beyond the bytes that came.
    pub added: usize,
}

impl BytesLeft {
    /// No bounds but those of a single batch.
    pub const UNBOUNDED: BytesLeft = BytesLeft { decompressed: usize::MAX, added: usize::MAX };
}

/// One record that broke a rule (KIP-467).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RecordError {
    /// Position in the batch, from 0.
    pub batch_index: i32,
    /// What is wrong with it.
    pub message: String,
}

/// Why a batch is not appended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Rejection {
    /// For the partition's `error_code`.
    pub code: ErrorCode,
    /// For the partition's `error_message` (Produce 8 and later).
    pub message: String,
    /// For the partition's `record_errors` (Produce 8 and later); at most [`RECORD_ERRORS_MAX`].
    pub record_errors: Vec<RecordError>,
    /// Whether it breaks a rule of the request, not of the log: Kafka 4.3 does not tell where the log starts
    /// then.
    pub is_of_request: bool,
}

impl Rejection {
    fn new(code: ErrorCode, message: impl Into<String>) -> Rejection {
        Rejection { code, message: message.into(), record_errors: Vec::new(), is_of_request: false }
    }

    fn of_request(self) -> Rejection {
        Rejection { is_of_request: true, ..self }
    }

    fn invalid(message: impl Into<String>) -> Rejection {
        Rejection::new(ErrorCode::InvalidRecord, message)
    }

    fn corrupt(message: impl Into<String>) -> Rejection {
        Rejection::new(ErrorCode::CorruptMessage, message)
    }
}

/// A batch that may be appended once its sequence number is found right.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ProducedBatch {
    /// The header as it will be stored, save base offset, leader epoch and checksum.
    pub header: BatchHeader,
    /// The bytes as they came, or as they were built again: exactly one batch.
    pub bytes: Bytes,
    /// Whether timestamp type or max timestamp differ from what the bytes say, which they do not if the batch
    /// was built again.
    rewrites_timestamp: bool,
}

impl ProducedBatch {
    /// A batch that the broker itself has built.
    pub fn of_broker(bytes: Vec<u8>) -> ProducedBatch {
        let header = BatchHeader::parse(&bytes).expect("a batch of our own is a good one");
        ProducedBatch { header, bytes: bytes.into(), rewrites_timestamp: false }
    }

    /// One whose checksum alone was verified, to ask about its producer: it is not to be appended.
    pub fn to_ask_about(bytes: &Bytes) -> Option<ProducedBatch> {
        let header = BatchHeader::parse(bytes).ok()?;
        verify_crc(bytes).ok()?;
        Some(ProducedBatch { header, bytes: bytes.clone(), rewrites_timestamp: false })
    }

    /// Makes a copy of [`ProducedBatch::bytes`] what is to be stored: offset, leader epoch and, where the
    /// broker sets or corrects the batch's timestamp, that and the checksum.
    pub fn patch(&self, copy: &mut [u8], base_offset: Offset, leader_epoch: LeaderEpoch) {
        patch_base_offset_and_epoch(copy, base_offset, leader_epoch);
        if self.rewrites_timestamp {
            patch_timestamp(copy, self.header.attributes.timestamp_type(), self.header.max_timestamp);
        }
    }

    /// What the response's `log_append_time_ms` is: -1 where producers set the time.
    pub fn log_append_time(&self) -> Timestamp {
        match self.header.attributes.timestamp_type() {
            TimestampType::CreateTime => Timestamp::NONE,
            TimestampType::LogAppendTime => self.header.max_timestamp,
        }
    }
}

/// Checks the records of one partition of a Produce request.
///
/// Everything but the producer's sequence is checked here. `now` becomes the batch's time on topics with
/// LogAppendTime. Trailing bytes that are the start of a batch, but no whole one, are cut off (measured
/// against Kafka 4.3).
pub fn validate_produced(
    records: &Bytes,
    now: Timestamp,
    rules: &ProduceRules,
) -> Result<ProducedBatch, Rejection> {
    validate_produced_within(records, now, rules, &mut { BytesLeft::UNBOUNDED })
}

/// The same for one of several batches that may not take more than `left` together. Beyond it
/// MESSAGE_TOO_LARGE tells the client to send less at a time.
pub fn validate_produced_within(
    records: &Bytes,
    now: Timestamp,
    rules: &ProduceRules,
    left: &mut BytesLeft,
) -> Result<ProducedBatch, Rejection> {
    let size = only_batch_bytes(records).map_err(Rejection::of_request)?;
    let bytes = records.slice(..size);
    let header = BatchHeader::parse(&bytes).map_err(|error| Rejection::corrupt(error.to_string()))?;
    let compression = check_header(&header, &bytes, rules)?;
    let is_compressed = compression != CompressionType::None;
    if is_compressed && !rules.recompress(compression) && !rules.need_records(&header, now) {
        return Ok(with_timestamp(header, bytes, header.max_timestamp, now, rules));
    }
    let checked = check_records(&header, &bytes, now, rules, left)?;
    if checked.offsets_run && !rules.recompress(compression) {
        let largest = checked.largest;
        return Ok(with_timestamp(header, bytes, largest, now, rules));
    }
    let codec = rules.codec.unwrap_or(Codec { compression, level: None });
    build_again(&header, &checked, codec, now, rules, left)
}

/// Size of the first batch, which must be the only one.
fn only_batch_bytes(records: &[u8]) -> Result<usize, Rejection> {
    let Some(size) = next_batch_bytes(records)? else {
        return Err(Rejection::invalid("there must be one record batch per partition, but there is none"));
    };
    // Measured against Kafka 4.3: older formats are INVALID_RECORD (and not UNSUPPORTED_FOR_MESSAGE_FORMAT).
    let magic = records[MAGIC_AT] as i8;
    if magic != MAGIC {
        return Err(Rejection::invalid(BatchError::Magic(magic).to_string()));
    }
    if next_batch_bytes(&records[size..])?.is_some() {
        return Err(Rejection::invalid("there must be one record batch per partition, but there are more"));
    }
    Ok(size)
}

const MAGIC_AT: usize = 16;
/// Smallest length field of any format there ever was: a format 0 message without key and value.
const LENGTH_MIN: i32 = 14;

/// Size of the batch at the front; `None` if the bytes end before it does.
fn next_batch_bytes(bytes: &[u8]) -> Result<Option<usize>, Rejection> {
    let Some(&[.., l0, l1, l2, l3]) = bytes.first_chunk::<LENGTH_PREFIX_BYTES>() else { return Ok(None) };
    let length = i32::from_be_bytes([l0, l1, l2, l3]);
    if length < LENGTH_MIN {
        return Err(Rejection::corrupt(BatchError::Length(length).to_string()));
    }
    let Some(&magic) = bytes.get(MAGIC_AT) else { return Ok(None) };
    if magic as i8 > MAGIC || (magic as i8) < 0 {
        return Err(Rejection::corrupt(BatchError::Magic(magic as i8).to_string()));
    }
    let size = LENGTH_PREFIX_BYTES + length as usize;
    Ok((size <= bytes.len()).then_some(size))
}

fn check_header(
    header: &BatchHeader,
    bytes: &[u8],
    rules: &ProduceRules,
) -> Result<CompressionType, Rejection> {
    let unknown = |error: BatchError| Rejection::new(ErrorCode::UnknownServerError, error.to_string());
    let compression = header.attributes.compression().map_err(unknown);
    if rules.api_version < ZSTD_PRODUCE_VERSION_MIN {
        let compression = compression.clone().map_err(Rejection::of_request)?;
        if compression == CompressionType::Zstd {
            let message = format!("Produce version {} may not carry zstd (KIP-110)", rules.api_version);
            return Err(Rejection::new(ErrorCode::UnsupportedCompressionType, message).of_request());
        }
    }
    if header.base_offset != Offset(0) {
        return Err(Rejection::invalid(format!("base offset is {}, must be 0", header.base_offset)));
    }
    check_size(bytes.len(), rules)?;
    verify_crc(bytes).map_err(|error| Rejection::corrupt(error.to_string()))?;
    // Measured against Kafka 4.3, which has no code of its own for it.
    let compression = compression?;
    let (count, last) = (header.records_count, header.last_offset_delta);
    if count <= 0 || last != count - 1 {
        return Err(Rejection::invalid(format!("{count} records do not fit offsets 0 to {last}")));
    }
    if header.attributes.is_control() {
        return Err(Rejection::invalid("clients may not write control records"));
    }
    if header.has_producer_id() && header.base_sequence < 0 {
        let message = format!("producer {} gives sequence {}", header.producer_id, header.base_sequence);
        return Err(Rejection::invalid(message));
    }
    Ok(compression)
}

/// Records that were read through.
struct CheckedRecords<'a> {
    set: RecordSet<'a>,
    /// Their largest timestamp.
    largest: Timestamp,
    /// Whether their offsets run from 0 without a gap.
    offsets_run: bool,
}

/// Reads the records through.
fn check_records<'a>(
    header: &BatchHeader,
    bytes: &'a [u8],
    now: Timestamp,
    rules: &ProduceRules,
    left: &mut BytesLeft,
) -> Result<CheckedRecords<'a>, Rejection> {
    let is_compressed = header.attributes.compression() != Ok(CompressionType::None);
    let set = match is_compressed {
        true => decompressed(bytes, rules, &mut left.decompressed),
        false => open(bytes, rules),
    }?;
    let mut largest = Timestamp::NONE;
    let mut offsets_run = true;
    let mut faults = Faults::default();
    for (index, record) in (0..).zip(&set) {
        let record = record.map_err(|error| Rejection::invalid(error.to_string()))?;
        offsets_run &= record.offset_delta == index;
        largest = largest.max(record.timestamp);
        faults.check(header, index, &record, now, rules);
    }
    faults.finish()?;
    Ok(CheckedRecords { set, largest, offsets_run })
}

/// The batch as the topic wants it. Measured against Kafka 4.3: `max.message.bytes` counts before and after.
fn build_again(
    header: &BatchHeader,
    checked: &CheckedRecords<'_>,
    codec: Codec,
    now: Timestamp,
    rules: &ProduceRules,
    left: &mut BytesLeft,
) -> Result<ProducedBatch, Rejection> {
    let header = header_with_timestamp(header, checked.largest, now, rules);
    let bytes = Bytes::from(rebuild(&header, &checked.set, checked.offsets_run, codec));
    check_size(bytes.len(), rules)?;
    let came = header.size_bytes();
    left.added = left.added.checked_sub(bytes.len().saturating_sub(came)).ok_or_else(|| {
        let words =
            "the batches of the request, compressed as their topics want it, take more than is allowed";
        Rejection::new(ErrorCode::MessageTooLarge, words)
    })?;
    let header = BatchHeader::parse(&bytes).expect("it was just built");
    Ok(ProducedBatch { header, bytes, rewrites_timestamp: false })
}

fn check_size(bytes: usize, rules: &ProduceRules) -> Result<(), Rejection> {
    if bytes <= rules.batch_bytes_max {
        return Ok(());
    }
    let message = format!("record batch of {bytes} bytes, at most {} are allowed", rules.batch_bytes_max);
    Err(Rejection::new(ErrorCode::MessageTooLarge, message))
}

fn open<'a>(bytes: &'a [u8], rules: &ProduceRules) -> Result<RecordSet<'a>, Rejection> {
    records(bytes, &rules.decompression).map_err(|error| Rejection::invalid(error.to_string()))
}

/// Takes what comes out off `bytes_left`; of what cannot be decompressed, all that could have come out.
fn decompressed<'a>(
    bytes: &'a [u8],
    rules: &ProduceRules,
    bytes_left: &mut usize,
) -> Result<RecordSet<'a>, Rejection> {
    let mut caps = rules.decompression;
    let could_become = caps.bytes_max(bytes.len());
    caps.output_bytes_max = caps.output_bytes_max.min(*bytes_left);
    let is_short = could_become > *bytes_left;
    match records(bytes, &caps) {
        Ok(set) => {
            *bytes_left -= set.size_bytes();
            Ok(set)
        }
        Err(BatchError::TooLarge { .. }) if is_short => {
            *bytes_left = 0;
            let words = "the batches of the request decompress to more than is allowed together";
            Err(Rejection::new(ErrorCode::MessageTooLarge, words))
        }
        Err(error) => {
            *bytes_left = bytes_left.saturating_sub(could_become);
            Err(Rejection::invalid(error.to_string()))
        }
    }
}

/// Collects what is wrong with single records.
#[derive(Default)]
struct Faults {
    count: usize,
    any_timestamp: bool,
    errors: Vec<RecordError>,
}

impl Faults {
    #[inline]
    fn check(
        &mut self,
        header: &BatchHeader,
        batch_index: i32,
        record: &Record<'_>,
        now: Timestamp,
        rules: &ProduceRules,
    ) {
        if rules.keys_required && record.key.is_none() {
            self.add(batch_index, "a compacted topic takes no record without key".to_owned());
        } else if let Some(message) = timestamp_fault(header, record.timestamp, now, rules) {
            self.any_timestamp = true;
            self.add(batch_index, message);
        }
    }

    #[cold]
    fn add(&mut self, batch_index: i32, message: String) {
        self.count += 1;
        if self.errors.len() < RECORD_ERRORS_MAX {
            self.errors.push(RecordError { batch_index, message });
        }
    }

    fn finish(self) -> Result<(), Rejection> {
        if self.count == 0 {
            return Ok(());
        }
        // Measured against Kafka 4.3: one bad timestamp makes INVALID_TIMESTAMP the code of the whole batch.
        let code = if self.any_timestamp { ErrorCode::InvalidTimestamp } else { ErrorCode::InvalidRecord };
        let message = format!("{} records were refused", self.count);
        Err(Rejection { record_errors: self.errors, ..Rejection::new(code, message) })
    }
}

/// KIP-937: bounds on how far a record's time may lie from the broker's.
#[inline]
fn timestamp_fault(
    header: &BatchHeader,
    timestamp: Timestamp,
    now: Timestamp,
    rules: &ProduceRules,
) -> Option<String> {
    if rules.timestamp_type == TimestampType::CreateTime && timestamp != Timestamp::NONE {
        let age = now.0.saturating_sub(timestamp.0);
        let out_of_range =
            age > rules.timestamp_before_max_ms || age.saturating_neg() > rules.timestamp_after_max_ms;
        return out_of_range.then(|| out_of_range_message(timestamp, now, rules));
    }
    (header.attributes.timestamp_type() == TimestampType::LogAppendTime)
        .then(|| "a producer may not set the timestamp type to LogAppendTime".to_owned())
}

#[cold]
fn out_of_range_message(timestamp: Timestamp, now: Timestamp, rules: &ProduceRules) -> String {
    let oldest = now.0.saturating_sub(rules.timestamp_before_max_ms);
    let newest = now.0.saturating_add(rules.timestamp_after_max_ms);
    format!("timestamp {timestamp} lies outside {oldest} to {newest}")
}

/// Settles the batch's timestamp in a batch that is kept as it came.
fn with_timestamp(
    header: BatchHeader,
    bytes: Bytes,
    largest: Timestamp,
    now: Timestamp,
    rules: &ProduceRules,
) -> ProducedBatch {
    let settled = header_with_timestamp(&header, largest, now, rules);
    let rewrites_timestamp =
        (header.attributes, header.max_timestamp) != (settled.attributes, settled.max_timestamp);
    ProducedBatch { header: settled, bytes, rewrites_timestamp }
}

/// The broker's own time, or the records' largest if the producer told another.
fn header_with_timestamp(
    header: &BatchHeader,
    largest: Timestamp,
    now: Timestamp,
    rules: &ProduceRules,
) -> BatchHeader {
    let max_timestamp = match rules.timestamp_type {
        TimestampType::CreateTime => largest,
        TimestampType::LogAppendTime => now,
    };
    let attributes = with_timestamp_type(header.attributes, rules.timestamp_type);
    BatchHeader { attributes, max_timestamp, ..*header }
}

const _: () = assert!(MAGIC_AT < HEADER_BYTES);

#[cfg(test)]
mod tests;
