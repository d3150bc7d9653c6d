pub(super) mod pool;

use std::ops::Range;
use std::sync::{Arc, OnceLock};

use bytes::{Bytes, BytesMut};
use pool::Pool;

use super::frame::{
    ENTRY_HEADER_BYTES, FRAME_ALIGNMENT, FRAME_HEADER_BYTES, FrameHeader, padded, push_entry,
};
use super::options::{EntryHeader, Lsn};
use super::ring::Placement;

/// An entry's payload inside its group's buffer. A clone costs a counter; it pins the whole buffer.
#[derive(Clone, Debug)]
pub struct GroupSlice {
    frozen: Arc<OnceLock<Bytes>>,
    range: Range<usize>,
}

impl GroupSlice {
    /// The payload as it was patched, without a copy; `None` until the writer has sealed the group.
    pub fn bytes(&self) -> Option<Bytes> {
        self.frozen.get().map(|frame| frame.slice(self.range.clone()))
    }

    /// The payload's length.
    pub fn len(&self) -> usize {
        self.range.len()
    }

    /// Whether the payload is empty.
    pub fn is_empty(&self) -> bool {
        self.range.is_empty()
    }

    /// Bytes of the buffer that this slice pins, for budgets; `None` until the group is sealed.
    pub fn pinned_bytes(&self) -> Option<usize> {
        self.frozen.get().map(Bytes::len)
    }
}

/// A frame that is being filled.
pub(super) struct Group<M> {
    buffer: BytesMut,
    frozen: Arc<OnceLock<Bytes>>,
    members: Vec<M>,
    entries: u32,
    dedicated: Option<u64>,
}

impl<M> Group<M> {
    /// An empty group with room for about `bytes`.
    pub(super) fn new(bytes: usize, pool: &Pool) -> Group<M> {
        let mut buffer = pool.take(bytes);
        buffer.resize(FRAME_HEADER_BYTES, 0);
        let frozen = Arc::new(OnceLock::new());
        Group { buffer, frozen, members: Vec::new(), entries: 0, dedicated: None }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.entries == 0
    }

    /// Bytes so far, without padding.
    pub(super) fn len(&self) -> usize {
        self.buffer.len()
    }

    /// The space that its frame takes so far.
    pub(super) fn padded_bytes(&self) -> u64 {
        if self.is_empty() { 0 } else { padded(self.buffer.len()) }
    }

    pub(super) fn dedicate(&mut self, number: u64) {
        self.dedicated = Some(number);
    }

    /// The file made for this group, if it holds an oversized entry.
    pub(super) fn dedicated(&self) -> Option<u64> {
        self.dedicated
    }

    /// Copies an entry in, into memory of the pool if the group's is used up; lets the caller patch the copy,
    /// and returns the entry's place in the frame.
    pub(super) fn push(
        &mut self,
        header: &EntryHeader,
        payload: &[u8],
        patch: impl FnOnce(&mut [u8]),
        pool: &Pool,
    ) -> (usize, GroupSlice) {
        // Up to the frame's padding, and no byte more: a group as large as the last one must fit.
        let offset = self.buffer.len();
        let end = padded(offset + ENTRY_HEADER_BYTES + payload.len()) as usize;
        pool.reserve(&mut self.buffer, end - offset);
        let range = push_entry(&mut self.buffer, header, payload);
        patch(&mut self.buffer[range.clone()]);
        self.entries += 1;
        (offset, GroupSlice { frozen: Arc::clone(&self.frozen), range })
    }

    pub(super) fn remember(&mut self, member: M) {
        self.members.push(member);
    }

    /// Pads the frame and completes `header`, whose counts and CRC come from the content.
    pub(super) fn seal(mut self, mut header: FrameHeader, pool: &Arc<Pool>) -> Sealed<M> {
        let payload = &self.buffer[FRAME_HEADER_BYTES..];
        header.entries = self.entries;
        header.payload_bytes = u32::try_from(payload.len()).expect("an entry is bounded far below 2^32");
        header.payload_crc = crc32c::crc32c(payload);
        let encoded = header.encode();
        self.buffer[..FRAME_HEADER_BYTES].copy_from_slice(&encoded);
        let length = self.buffer.len().next_multiple_of(FRAME_ALIGNMENT as usize);
        self.buffer.resize(length, 0);
        let frame = pool.freeze(self.buffer);
        self.frozen.set(frame.clone()).expect("a group is sealed once");
        Sealed { frame, crc: FrameHeader::crc_of(&encoded), entries: self.entries, members: self.members }
    }
}

/// A frame as it goes to the disk.
pub(super) struct Sealed<M> {
    pub(super) frame: Bytes,
    pub(super) crc: u32,
    pub(super) entries: u32,
    pub(super) members: Vec<M>,
}

/// A group that takes no more entries, and where it goes.
pub(super) struct PlacedGroup<M> {
    pub(super) group: Group<M>,
    pub(super) lsn: Lsn,
    pub(super) placement: Placement,
}
