//! The primitive types that the keys and values of coordinators' records are made of: Kafka's, as in its
//! messages.
//!
//! **Owns** how a number, a text, an array's count or a tagged field is written in a record and read again.
//! **Does not own** any record: which fields it has is said where it is used.
//! **Invariants**
//! - Nothing that was read is trusted: a count beyond the bytes that are there takes no memory.
//! - What is read is copied: it does not keep a batch in memory.

use std::sync::Arc;

use bytes::Bytes;

/// The longest text of the older versions of records.
pub const TEXT_BYTES_MAX: usize = i16::MAX as usize;

/// Most that a record takes in a batch beside its key and value.
pub const RECORD_OVERHEAD_BYTES: usize = 40;

/// A record that this version cannot read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unreadable record: {0}")]
pub struct UnreadableRecord(pub String);

/// Builds a key, a value or, by default, a part of one.
#[derive(Default)]
pub struct Writer(Vec<u8>);

impl Writer {
    /// Begins with a key's type or a value's version.
    pub fn new(type_or_version: i16) -> Writer {
        Writer(type_or_version.to_be_bytes().to_vec())
    }

    /// As they are.
    pub fn raw(&mut self, bytes: &[u8]) {
        self.0.extend(bytes);
    }

    /// 16 bits.
    pub fn int16(&mut self, value: i16) {
        self.0.extend(value.to_be_bytes());
    }

    /// 32 bits.
    pub fn int32(&mut self, value: i32) {
        self.0.extend(value.to_be_bytes());
    }

    /// 64 bits.
    pub fn int64(&mut self, value: i64) {
        self.0.extend(value.to_be_bytes());
    }

    /// Length in 16 bits. Requests with longer texts are refused before.
    pub fn string(&mut self, text: &str) {
        let text = &text[..text.floor_char_boundary(TEXT_BYTES_MAX)];
        self.int16(text.len() as i16);
        self.0.extend(text.as_bytes());
    }

    /// As [`Writer::string`]; null is length -1.
    pub fn nullable_string(&mut self, text: Option<&str>) {
        match text {
            Some(text) => self.string(text),
            None => self.int16(-1),
        }
    }

    /// Length in 32 bits.
    pub fn bytes(&mut self, bytes: &[u8]) {
        self.int32(bytes.len() as i32);
        self.0.extend(bytes);
    }

    /// Seven bits a byte, the lowest first.
    pub fn unsigned_varint(&mut self, mut value: u32) {
        while value >= 0x80 {
            self.0.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
    }

    /// Length plus one as a variable-length number.
    pub fn compact_string(&mut self, text: &str) {
        self.unsigned_varint(text.len() as u32 + 1);
        self.0.extend(text.as_bytes());
    }

    /// As [`Writer::compact_string`]; null is 0.
    pub fn compact_nullable_string(&mut self, text: Option<&str>) {
        match text {
            Some(text) => self.compact_string(text),
            None => self.unsigned_varint(0),
        }
    }

    /// 16 bytes.
    pub fn uuid(&mut self, id: uuid::Uuid) {
        self.0.extend(id.as_bytes());
    }

    /// What was written.
    pub fn finish(self) -> Vec<u8> {
        self.0
    }
}

/// Reads a key or a value: a million of them while a coordinator loads, so nothing is counted or taken for a
/// field.
pub struct Reader<'a> {
    bytes: &'a [u8],
    what: &'static str,
}

type Read<T> = Result<T, UnreadableRecord>;

impl<'a> Reader<'a> {
    /// Of a key or value, which errors name as `what`.
    pub fn new(bytes: &'a [u8], what: &'static str) -> Reader<'a> {
        Reader { bytes, what }
    }

    /// Something is not as it should be.
    pub fn error(&self, problem: &str) -> UnreadableRecord {
        UnreadableRecord(format!("{}: {problem}", self.what))
    }

    fn take(&mut self, count: usize) -> Read<&'a [u8]> {
        self.bytes.split_off(..count).ok_or_else(|| self.error("ends too early"))
    }

    /// So many bytes as they are.
    fn array<const COUNT: usize>(&mut self) -> Read<[u8; COUNT]> {
        let (array, rest) = self.bytes.split_first_chunk().ok_or_else(|| self.error("ends too early"))?;
        self.bytes = rest;
        Ok(*array)
    }

    /// A version up to `newest`.
    pub fn version(&mut self, newest: i16) -> Read<i16> {
        let version = self.int16()?;
        if !(0..=newest).contains(&version) {
            return Err(self.error(&format!("version {version}")));
        }
        Ok(version)
    }

    /// 8 bits.
    pub fn int8(&mut self) -> Read<i8> {
        Ok(i8::from_be_bytes(self.array()?))
    }

    /// 16 bits.
    pub fn int16(&mut self) -> Read<i16> {
        Ok(i16::from_be_bytes(self.array()?))
    }

    /// 32 bits.
    pub fn int32(&mut self) -> Read<i32> {
        Ok(i32::from_be_bytes(self.array()?))
    }

    /// 64 bits.
    pub fn int64(&mut self) -> Read<i64> {
        Ok(i64::from_be_bytes(self.array()?))
    }

    /// Length in 16 bits.
    pub fn string(&mut self) -> Read<Arc<str>> {
        self.nullable_string()?.ok_or_else(|| self.error("null where a text is due"))
    }

    /// As [`Reader::string`]; a negative length is null.
    pub fn nullable_string(&mut self) -> Read<Option<Arc<str>>> {
        match usize::try_from(self.int16()?) {
            Ok(length) => self.text(length).map(Some),
            Err(_) => Ok(None),
        }
    }

    fn text(&mut self, length: usize) -> Read<Arc<str>> {
        if length == 0 {
            // Shared: most offsets have empty metadata.
            return Ok(Arc::default());
        }
        let bytes = self.take(length)?;
        std::str::from_utf8(bytes).map(Into::into).map_err(|_| self.error("not UTF-8"))
    }

    /// Length in 32 bits. Copied: a slice would keep the whole batch in memory.
    pub fn bytes(&mut self) -> Read<Bytes> {
        let length = usize::try_from(self.int32()?).map_err(|_| self.error("null where bytes are due"))?;
        Ok(Bytes::copy_from_slice(self.take(length)?))
    }

    /// As [`Reader::bytes`]; a negative length is null.
    pub fn nullable_bytes(&mut self) -> Read<Option<Bytes>> {
        match usize::try_from(self.int32()?) {
            Ok(length) => Ok(Some(Bytes::copy_from_slice(self.take(length)?))),
            Err(_) => Ok(None),
        }
    }

    /// Count of an array whose elements take at least `least` bytes each.
    pub fn count(&mut self, least: usize) -> Read<usize> {
        let count = usize::try_from(self.int32()?).map_err(|_| self.error("null where an array is due"))?;
        self.check_count(count, least)
    }

    /// Count plus one of a compact array.
    pub fn compact_count(&mut self, least: usize) -> Read<usize> {
        let count = self.compact_length()?.ok_or_else(|| self.error("null where an array is due"))?;
        self.check_count(count, least)
    }

    /// As [`Reader::count`]; a negative count is null.
    pub fn nullable_count(&mut self, least: usize) -> Read<Option<usize>> {
        match usize::try_from(self.int32()?) {
            Ok(count) => self.check_count(count, least).map(Some),
            Err(_) => Ok(None),
        }
    }

    /// As [`Reader::compact_count`]; 0 is null.
    pub fn compact_nullable_count(&mut self, least: usize) -> Read<Option<usize>> {
        match self.compact_length()? {
            Some(count) => self.check_count(count, least).map(Some),
            None => Ok(None),
        }
    }

    fn check_count(&self, count: usize, least: usize) -> Read<usize> {
        if count > self.bytes.len() / least.max(1) {
            return Err(self.error("counts more elements than it holds"));
        }
        Ok(count)
    }

    /// Seven bits a byte, the lowest first.
    pub fn unsigned_varint(&mut self) -> Read<u32> {
        let mut value = 0;
        for shift in (0..32).step_by(7) {
            let [byte] = self.array()?;
            value |= u32::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(self.error("a number of more than 32 bits"))
    }

    /// `None` is null.
    fn compact_length(&mut self) -> Read<Option<usize>> {
        Ok((self.unsigned_varint()? as usize).checked_sub(1))
    }

    /// Length plus one as a variable-length number.
    pub fn compact_string(&mut self) -> Read<Arc<str>> {
        self.compact_nullable_string()?.ok_or_else(|| self.error("null where a text is due"))
    }

    /// As [`Reader::compact_string`]; 0 is null.
    pub fn compact_nullable_string(&mut self) -> Read<Option<Arc<str>>> {
        match self.compact_length()? {
            Some(length) => self.text(length).map(Some),
            None => Ok(None),
        }
    }

    /// Length plus one as a variable-length number. Copied.
    pub fn compact_bytes(&mut self) -> Read<Bytes> {
        let length = self.compact_length()?.ok_or_else(|| self.error("null where bytes are due"))?;
        Ok(Bytes::copy_from_slice(self.take(length)?))
    }

    /// 16 bytes.
    pub fn uuid(&mut self) -> Read<uuid::Uuid> {
        Ok(uuid::Uuid::from_bytes(self.array()?))
    }

    /// Tagged fields: those that `read` does not know it leaves, and they are skipped.
    pub fn tagged_fields(&mut self, mut read: impl FnMut(u32, &mut Reader<'_>) -> Read<()>) -> Read<()> {
        let count = self.unsigned_varint()? as usize;
        for _ in 0..self.check_count(count, 2)? {
            let tag = self.unsigned_varint()?;
            let size = self.unsigned_varint()? as usize;
            let mut field = Reader { bytes: self.take(size)?, what: self.what };
            read(tag, &mut field)?;
        }
        Ok(())
    }
}
