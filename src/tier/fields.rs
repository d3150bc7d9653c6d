//! Numbers of fixed width, big-endian, one behind the other, under a checksum.

use uuid::Uuid;

use super::keys::Nonce;
use crate::model::{LeaderEpoch, Offset, Timestamp, TopicId, TopicPartition};

/// CRC-32C at the end of what is checked as a whole.
pub(super) const CRC_BYTES: usize = 4;
/// Longest identity of a cluster that is taken.
pub(super) const CLUSTER_ID_BYTES_MAX: usize = 256;

/// Bytes that are built up.
#[derive(Default)]
pub(super) struct Writer(pub Vec<u8>);

impl Writer {
    /// What [`begin`] takes off, and whose object of which name it is.
    pub(super) fn begin(magic: &[u8; 8], version: u16, nonce: Nonce, partition: TopicPartition) -> Writer {
        let mut to = Writer(Vec::new()).begin_own(magic, version, nonce);
        to.partition(partition);
        to
    }

    /// The same of an object that is no partition's, behind what is there.
    pub(super) fn begin_own(mut self, magic: &[u8; 8], version: u16, nonce: Nonce) -> Writer {
        self.raw(magic);
        self.u16(version);
        self.u16(0);
        self.raw(&nonce.0);
        self
    }

    pub(super) fn raw(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    pub(super) fn u8(&mut self, value: u8) {
        self.0.push(value);
    }

    pub(super) fn u16(&mut self, value: u16) {
        self.raw(&value.to_be_bytes());
    }

    pub(super) fn u32(&mut self, value: u32) {
        self.raw(&value.to_be_bytes());
    }

    pub(super) fn u64(&mut self, value: u64) {
        self.raw(&value.to_be_bytes());
    }

    pub(super) fn i32(&mut self, value: i32) {
        self.raw(&value.to_be_bytes());
    }

    pub(super) fn i64(&mut self, value: i64) {
        self.raw(&value.to_be_bytes());
    }

    /// A count of what has a bound far below 2^32.
    pub(super) fn count(&mut self, value: usize) {
        self.u32(u32::try_from(value).expect("counts are bounded by what an object may hold"));
    }

    /// A cluster's identity; its text is cut to [`CLUSTER_ID_BYTES_MAX`].
    pub(super) fn cluster_id(&mut self, text: &str) {
        let end = text.floor_char_boundary(CLUSTER_ID_BYTES_MAX);
        self.count(end);
        self.raw(&text.as_bytes()[..end]);
    }

    pub(super) fn partition(&mut self, partition: TopicPartition) {
        self.raw(partition.topic_id.0.as_bytes());
        self.i32(partition.partition);
    }

    /// The checksum of all before it, at the end.
    pub(super) fn finish(mut self) -> Vec<u8> {
        let crc = crc32c::crc32c(&self.0);
        self.u32(crc);
        self.0
    }
}

/// Takes fields off the front. `None`: there are too few bytes.
pub(super) struct Reader<'a>(pub &'a [u8]);

impl<'a> Reader<'a> {
    pub(super) fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    pub(super) fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.try_into().ok()
    }

    pub(super) fn u8(&mut self) -> Option<u8> {
        self.array().map(u8::from_be_bytes)
    }

    pub(super) fn u16(&mut self) -> Option<u16> {
        self.array().map(u16::from_be_bytes)
    }

    pub(super) fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_be_bytes)
    }

    pub(super) fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_be_bytes)
    }

    pub(super) fn i32(&mut self) -> Option<i32> {
        self.array().map(i32::from_be_bytes)
    }

    pub(super) fn i64(&mut self) -> Option<i64> {
        self.array().map(i64::from_be_bytes)
    }

    pub(super) fn offset(&mut self) -> Option<Offset> {
        self.i64().map(Offset)
    }

    pub(super) fn timestamp(&mut self) -> Option<Timestamp> {
        self.i64().map(Timestamp)
    }

    pub(super) fn leader_epoch(&mut self) -> Option<LeaderEpoch> {
        self.i32().map(LeaderEpoch)
    }

    pub(super) fn nonce(&mut self) -> Option<Nonce> {
        self.array().map(Nonce)
    }

    pub(super) fn cluster_id(&mut self) -> Option<String> {
        let length = self.count(1, CLUSTER_ID_BYTES_MAX)?;
        String::from_utf8(self.take(length)?.to_vec()).ok()
    }

    pub(super) fn partition(&mut self) -> Option<TopicPartition> {
        let topic_id = TopicId(Uuid::from_bytes(self.array()?));
        Some(TopicPartition { topic_id, partition: self.i32()? })
    }

    /// A count of at most `max` elements of `element_bytes` each that can still be there.
    pub(super) fn count(&mut self, element_bytes: usize, max: usize) -> Option<usize> {
        let count = self.u32()? as usize;
        (count <= max && count <= self.0.len() / element_bytes).then_some(count)
    }
}

/// What stands before the checksum at the end of `bytes`, if that is right.
pub(super) fn checked(bytes: &[u8]) -> Result<&[u8], &'static str> {
    let (content, crc) = bytes.split_last_chunk::<CRC_BYTES>().ok_or("it is too short")?;
    if crc32c::crc32c(content) != u32::from_be_bytes(*crc) {
        return Err("its checksum does not match");
    }
    Ok(content)
}

/// Takes magic and version off the front, and two bytes that are 0.
pub(super) fn begin<'a>(
    content: &'a [u8],
    magic: &'static [u8; 8],
    version: u16,
) -> Result<Reader<'a>, &'static str> {
    let mut from = Reader(content);
    if from.take(magic.len()) != Some(magic) {
        return Err("it is something else");
    }
    match (from.u16(), from.u16()) {
        (Some(found), Some(0)) if found == version => Ok(from),
        (Some(_), Some(_)) => Err("its format version is not one that this version of Highwater reads"),
        _ => Err("it is too short"),
    }
}
