//! The bytes of a frame; drawn in `docs/formats/wal.md`.

#[cfg(test)]
mod tests;

use bytes::{Buf, Bytes};
use uuid::Uuid;

use super::{EntryHeader, EntryKind, Lsn};
use crate::model::{TopicId, TopicPartition};

/// Frames start at multiples of this and are padded with zeroes to one: a disk block that holds an
/// acknowledged frame is never written again, so no torn write can reach it.
pub(super) const FRAME_ALIGNMENT: u64 = 4096;
/// Bytes before the entries.
pub(super) const FRAME_HEADER_BYTES: usize = 72;
/// Bytes before each entry's payload.
pub(super) const ENTRY_HEADER_BYTES: usize = 28;
/// The longest payload of one entry: frame lengths are 32 bits wide, and no request comes near this.
pub(super) const ENTRY_PAYLOAD_BYTES_MAX: usize = 1 << 30;

pub(super) const MAGIC: [u8; 8] = *b"HWWALFRM";
const VERSION: u16 = 1;
const CRC_OFFSET: usize = 68;

/// The space that a frame of `bytes` (header and payload) takes.
pub(super) fn padded(bytes: usize) -> u64 {
    (bytes as u64).next_multiple_of(FRAME_ALIGNMENT)
}

/// The space that an entry takes in the worst case, alone in its frame.
pub(super) fn entry_cost(payload_bytes: usize) -> u64 {
    padded(FRAME_HEADER_BYTES + ENTRY_HEADER_BYTES + payload_bytes)
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum FrameKind {
    /// Carries entries.
    Group = 1,
    /// Carries none: it publishes `durable_lsn`.
    Idle = 2,
}

/// What precedes a frame's entries.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct FrameHeader {
    pub(super) kind: FrameKind,
    pub(super) entries: u32,
    pub(super) wal_id: Uuid,
    pub(super) incarnation: u64,
    pub(super) lsn: Lsn,
    /// Exclusive end of what was known to be durable when the frame was written.
    pub(super) durable_lsn: Lsn,
    pub(super) payload_bytes: u32,
    /// Header CRC of the frame before: with the exact LSN, it chains frames.
    pub(super) previous_crc: u32,
    pub(super) payload_crc: u32,
}

impl FrameHeader {
    /// Encodes the header; its last four bytes are its CRC-32C.
    pub(super) fn encode(&self) -> [u8; FRAME_HEADER_BYTES] {
        let mut bytes = [0; FRAME_HEADER_BYTES];
        bytes[0..8].copy_from_slice(&MAGIC);
        bytes[8..10].copy_from_slice(&VERSION.to_be_bytes());
        bytes[10] = self.kind as u8;
        bytes[12..16].copy_from_slice(&self.entries.to_be_bytes());
        bytes[16..32].copy_from_slice(self.wal_id.as_bytes());
        bytes[32..40].copy_from_slice(&self.incarnation.to_be_bytes());
        bytes[40..48].copy_from_slice(&self.lsn.0.to_be_bytes());
        bytes[48..56].copy_from_slice(&self.durable_lsn.0.to_be_bytes());
        bytes[56..60].copy_from_slice(&self.payload_bytes.to_be_bytes());
        bytes[60..64].copy_from_slice(&self.previous_crc.to_be_bytes());
        bytes[64..68].copy_from_slice(&self.payload_crc.to_be_bytes());
        let crc = crc32c::crc32c(&bytes[..CRC_OFFSET]);
        bytes[CRC_OFFSET..].copy_from_slice(&crc.to_be_bytes());
        bytes
    }

    /// Reads a header and its own CRC; `None` if these bytes are no header of this version.
    pub(super) fn parse(bytes: &[u8]) -> Option<(FrameHeader, u32)> {
        let mut bytes = bytes.get(..FRAME_HEADER_BYTES)?;
        if !bytes.starts_with(&MAGIC) {
            return None;
        }
        let crc = crc32c::crc32c(&bytes[..CRC_OFFSET]);
        bytes.advance(MAGIC.len());
        if bytes.get_u16() != VERSION {
            return None;
        }
        let kind = match bytes.get_u16() >> 8 {
            1 => FrameKind::Group,
            2 => FrameKind::Idle,
            _ => return None,
        };
        let header = FrameHeader {
            kind,
            entries: bytes.get_u32(),
            wal_id: Uuid::from_u128(bytes.get_u128()),
            incarnation: bytes.get_u64(),
            lsn: Lsn(bytes.get_u64()),
            durable_lsn: Lsn(bytes.get_u64()),
            payload_bytes: bytes.get_u32(),
            previous_crc: bytes.get_u32(),
            payload_crc: bytes.get_u32(),
        };
        (bytes.get_u32() == crc).then_some((header, crc))
    }

    /// The CRC in an encoded header, to which the next frame chains.
    pub(super) fn crc_of(encoded: &[u8; FRAME_HEADER_BYTES]) -> u32 {
        let mut crc = &encoded[CRC_OFFSET..];
        crc.get_u32()
    }

    /// The LSN of the frame after this one.
    pub(super) fn end_lsn(&self) -> Lsn {
        Lsn(self.lsn.0.saturating_add(self.padded_bytes()))
    }

    /// The space that the frame takes in its file.
    pub(super) fn padded_bytes(&self) -> u64 {
        padded(FRAME_HEADER_BYTES + self.payload_bytes as usize)
    }
}

/// Appends an entry's header and payload to a frame, and returns where the payload lies in it.
pub(super) fn push_entry(
    frame: &mut bytes::BytesMut,
    header: &EntryHeader,
    payload: &[u8],
) -> std::ops::Range<usize> {
    let length = u32::try_from(payload.len()).expect("credits are refused for entries above their bound");
    let partition = header.topic_partition;
    frame.extend_from_slice(&length.to_be_bytes());
    frame.extend_from_slice(&[header.kind as u8, u8::from(partition.is_some()), 0, 0]);
    let partition = partition.unwrap_or(TopicPartition { topic_id: TopicId::ZERO, partition: 0 });
    frame.extend_from_slice(partition.topic_id.0.as_bytes());
    frame.extend_from_slice(&partition.partition.to_be_bytes());
    let start = frame.len();
    frame.extend_from_slice(payload);
    start..frame.len()
}

/// One entry of a frame as it was read back.
pub(super) struct FrameEntry {
    /// Where the entry's header lies in the frame.
    pub(super) offset: usize,
    pub(super) header: EntryHeader,
    pub(super) payload: Bytes,
}

/// Splits a frame's payload into its entries. The message says what is wrong with a payload that has no such
/// shape although its CRC is right.
pub(super) fn parse_entries(payload: &Bytes, count: u32) -> Result<Vec<FrameEntry>, String> {
    let possible = payload.len() / ENTRY_HEADER_BYTES;
    if count as usize > possible {
        return Err(format!("{count} entries are announced in {} bytes", payload.len()));
    }
    let mut entries = Vec::with_capacity(count as usize);
    let mut rest = payload.clone();
    for _ in 0..count {
        let offset = FRAME_HEADER_BYTES + payload.len() - rest.len();
        let (header, length) = parse_entry_header(&mut rest)?;
        if length > rest.len() {
            return Err(format!("an entry of {length} bytes is announced where {} remain", rest.len()));
        }
        entries.push(FrameEntry { offset, header, payload: rest.split_to(length) });
    }
    if rest.is_empty() { Ok(entries) } else { Err(format!("{} bytes follow the last entry", rest.len())) }
}

/// Whether a payload holds metadata, or may: one that has no such shape is not vouched for.
pub(super) fn any_metadata(payload: &[u8]) -> bool {
    let mut rest = payload;
    while let Some((header, behind)) = rest.split_first_chunk::<ENTRY_HEADER_BYTES>() {
        let length = u32::from_be_bytes([header[0], header[1], header[2], header[3]]);
        let entry = behind.split_at_checked(length as usize);
        let Some((_, following)) = entry.filter(|_| header[4] == EntryKind::Records as u8) else {
            return true;
        };
        rest = following;
    }
    !rest.is_empty()
}

fn parse_entry_header(rest: &mut Bytes) -> Result<(EntryHeader, usize), String> {
    if rest.len() < ENTRY_HEADER_BYTES {
        return Err(format!("an entry begins {} bytes before the end", rest.len()));
    }
    let length = rest.get_u32() as usize;
    let kind = match rest.get_u8() {
        1 => EntryKind::Records,
        2 => EntryKind::Metadata,
        other => return Err(format!("entry kind {other} is unknown")),
    };
    let has_partition = rest.get_u8() == 1;
    rest.advance(2);
    let topic_id = TopicId(Uuid::from_u128(rest.get_u128()));
    let partition = TopicPartition { topic_id, partition: rest.get_i32() };
    Ok((EntryHeader { kind, topic_partition: has_partition.then_some(partition) }, length))
}
