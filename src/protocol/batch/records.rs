//! The records of a batch, one after another, without copying them.
//!
//! ```text
//! length varint | attributes 1 | timestamp delta varlong | offset delta varint
//! key length varint, key | value length varint, value | header count varint
//!   each header: key length varint, key | value length varint, value
//! a length of -1 is null, which a header key may not be
//! ```

use std::borrow::Cow;

use super::compression::{DecompressionCaps, decompress};
use super::header::{BatchError, BatchHeader, HEADER_BYTES, TimestampType};
use crate::model::{Offset, Timestamp};
use crate::protocol::varint;

/// One record, borrowed from its batch.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Record<'a> {
    /// Offset less the batch's base offset.
    pub offset_delta: i32,
    /// Its timestamp: the producer's, or the batch's if the broker set it.
    pub timestamp: Timestamp,
    /// `None` for a record without key.
    pub key: Option<&'a [u8]>,
    /// `None` for a tombstone.
    pub value: Option<&'a [u8]>,
    /// Headers in their order; keys may repeat.
    pub headers: Headers<'a>,
}

/// A record header.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Header<'a> {
    /// A UTF-8 string by convention; not checked, as Kafka does not.
    pub key: &'a [u8],
    /// `None` for a header without value.
    pub value: Option<&'a [u8]>,
}

/// The headers of a record. They were walked when the record was read, so iterating cannot fail.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Headers<'a> {
    remaining: u32,
    bytes: &'a [u8],
}

impl<'a> Iterator for Headers<'a> {
    type Item = Header<'a>;

    fn next(&mut self) -> Option<Header<'a>> {
        self.remaining = self.remaining.checked_sub(1)?;
        read_header(&mut self.bytes).ok()
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.remaining as usize, Some(self.remaining as usize))
    }
}

impl ExactSizeIterator for Headers<'_> {}

/// The records of one batch, decompressed if need be.
pub struct RecordSet<'a> {
    header: BatchHeader,
    bytes: Cow<'a, [u8]>,
}

/// Opens the batch at the front of `batch` for reading; what follows the batch is not looked at.
///
/// Compressed records are decompressed into one buffer within `caps`. The checksum is not verified.
pub fn records<'a>(batch: &'a [u8], caps: &DecompressionCaps) -> Result<RecordSet<'a>, BatchError> {
    let header = BatchHeader::parse(batch)?;
    let expected = header.size_bytes();
    let actual = batch.len();
    let bytes = batch.get(HEADER_BYTES..expected).ok_or(BatchError::Truncated { expected, actual })?;
    let bytes = decompress(header.attributes.compression()?, bytes, caps)?;
    Ok(RecordSet { header, bytes })
}

impl RecordSet<'_> {
    /// The batch's header.
    pub fn header(&self) -> &BatchHeader {
        &self.header
    }

    /// Bytes of the records, uncompressed.
    pub fn size_bytes(&self) -> usize {
        self.bytes().len()
    }

    /// The records, uncompressed, as they lie one behind the other.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The records in offset order. The iterator ends after the first error; it is an error if the bytes hold
    /// more or fewer records than the header says.
    pub fn iter(&self) -> Records<'_> {
        let log_append_time = self.header.attributes.timestamp_type() == TimestampType::LogAppendTime;
        Records {
            bytes: &self.bytes,
            index: 0,
            // A negative count is no records, and then any byte is one too many.
            count: u32::try_from(self.header.records_count).unwrap_or(0),
            base_timestamp: self.header.base_timestamp.0,
            fixed_timestamp: log_append_time.then_some(self.header.max_timestamp),
        }
    }

    /// First record in offset order that is at or after `timestamp`, and whose offset is at or above `start`:
    /// its offset and its timestamp.
    pub fn first_at_or_after(
        &self,
        timestamp: Timestamp,
        start: Offset,
    ) -> Result<Option<(Offset, Timestamp)>, BatchError> {
        for record in self {
            let record = record?;
            let offset = Offset(self.header.base_offset.0.wrapping_add(i64::from(record.offset_delta)));
            if record.timestamp >= timestamp && offset >= start {
                return Ok(Some((offset, record.timestamp)));
            }
        }
        Ok(None)
    }
}

impl<'a> IntoIterator for &'a RecordSet<'_> {
    type Item = Result<Record<'a>, BatchError>;
    type IntoIter = Records<'a>;

    fn into_iter(self) -> Records<'a> {
        self.iter()
    }
}

/// Iterator over the records of a [`RecordSet`].
pub struct Records<'a> {
    bytes: &'a [u8],
    index: u32,
    count: u32,
    base_timestamp: i64,
    fixed_timestamp: Option<Timestamp>,
}

impl<'a> Iterator for Records<'a> {
    type Item = Result<Record<'a>, BatchError>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        let result = if self.index < self.count {
            self.read()
        } else if self.bytes.is_empty() {
            return None;
        } else {
            Err("bytes are left over after the last record")
        };
        let index = self.index;
        self.index += 1;
        if result.is_err() {
            self.count = 0;
            self.bytes = &[];
        }
        Some(result.map_err(|reason| BatchError::Record { index, reason }))
    }
}

impl<'a> Records<'a> {
    #[inline]
    fn read(&mut self) -> Result<Record<'a>, &'static str> {
        let length = varint::signed(&mut self.bytes).ok_or("its length cannot be read")?;
        let length = usize::try_from(length).map_err(|_| "its length is negative")?;
        let mut body = self.bytes.split_off(..length).ok_or("it is longer than the batch")?;
        body.split_off_first().ok_or("it is too short")?;
        let timestamp_delta = varint::signed_long(&mut body).ok_or("its timestamp cannot be read")?;
        let offset_delta = varint::signed(&mut body).ok_or("its offset cannot be read")?;
        let key = read_nullable(&mut body)?;
        let value = read_nullable(&mut body)?;
        let headers = read_headers(&mut body)?;
        if !body.is_empty() {
            return Err("it is longer than its fields");
        }
        let timestamp =
            self.fixed_timestamp.unwrap_or(Timestamp(self.base_timestamp.wrapping_add(timestamp_delta)));
        Ok(Record { offset_delta, timestamp, key, value, headers })
    }
}

#[inline]
fn read_nullable<'a>(body: &mut &'a [u8]) -> Result<Option<&'a [u8]>, &'static str> {
    match varint::signed(body).ok_or("a length cannot be read")? {
        -1 => Ok(None),
        length => {
            let length = usize::try_from(length).map_err(|_| "a length is negative")?;
            body.split_off(..length).map(Some).ok_or("a field is longer than the record")
        }
    }
}

#[inline]
fn read_headers<'a>(body: &mut &'a [u8]) -> Result<Headers<'a>, &'static str> {
    let count = varint::signed(body).ok_or("its header count cannot be read")?;
    let count = u32::try_from(count).map_err(|_| "its header count is negative")?;
    // Each header takes at least two bytes.
    if count as usize > body.len() / 2 {
        return Err("it has more headers than bytes");
    }
    let bytes = *body;
    for _ in 0..count {
        read_header(body)?;
    }
    Ok(Headers { remaining: count, bytes: &bytes[..bytes.len() - body.len()] })
}

fn read_header<'a>(bytes: &mut &'a [u8]) -> Result<Header<'a>, &'static str> {
    let key = read_nullable(bytes)?.ok_or("a header key is null")?;
    Ok(Header { key, value: read_nullable(bytes)? })
}

#[cfg(test)]
mod tests;
