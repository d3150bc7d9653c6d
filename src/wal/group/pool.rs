#[cfg(test)]
mod tests;

use std::ops::RangeInclusive;
use std::sync::Arc;

use bytes::{Buf, Bytes, BytesMut};
use parking_lot::Mutex;

use crate::env::BLOCK_BYTES;
use crate::env::files::block_start;
use crate::wal::frame::padded;

/// Bytes of buffers kept for reuse: fresh memory costs a page fault every 4 KiB. About what the tail holds
/// while segments are written at full speed.
const KEPT_BYTES_MAX: usize = 16 << 20;
/// Smaller ones are left to the allocator; so are the rare ones of oversized entries.
const KEPT_BYTES: RangeInclusive<usize> = 64 << 10..=4 << 20;

/// Group buffers that no slice pins any more.
#[derive(Default)]
pub(in crate::wal) struct Pool {
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    /// The one that came back last is the last, and most likely still in the processor's cache.
    buffers: Vec<BytesMut>,
    bytes: usize,
}

impl Kept {
    /// The last one that holds so much, but not twice as much.
    fn take(&mut self, bytes: usize) -> Option<BytesMut> {
        let fits = bytes..bytes.saturating_mul(2);
        let index = self.buffers.iter().rposition(|buffer| fits.contains(&usable(buffer)))?;
        let buffer = self.buffers.swap_remove(index);
        self.bytes -= usable(&buffer);
        Some(buffer)
    }
}

impl Pool {
    /// An empty buffer with room for `bytes` at least, and no more than about twice as many.
    pub(in crate::wal) fn take(&self, bytes: usize) -> BytesMut {
        let capacity = usize::try_from(padded(bytes)).unwrap_or(bytes);
        if !KEPT_BYTES.contains(&capacity) {
            return BytesMut::with_capacity(capacity);
        }
        // Powers of two, so that one that comes back fits the next group, though that is a little larger.
        let capacity = capacity.next_power_of_two();
        let kept = self.kept.lock().take(capacity);
        kept.unwrap_or_else(|| aligned(capacity))
    }

    /// Freezes a buffer without a copy; its memory comes back when the last slice is gone.
    pub(in crate::wal) fn freeze(self: &Arc<Pool>, buffer: BytesMut) -> Bytes {
        if !KEPT_BYTES.contains(&usable(&buffer)) {
            return buffer.freeze();
        }
        Bytes::from_owner(Pooled { buffer, pool: Arc::clone(self) })
    }

    /// Makes room for `more` bytes, by moving to a larger buffer of the pool if need be.
    pub(in crate::wal) fn reserve(&self, buffer: &mut BytesMut, more: usize) {
        let needed = buffer.len() + more;
        if needed <= buffer.capacity() {
            return;
        }
        if needed < *KEPT_BYTES.start() {
            // The allocator may have room behind it.
            return buffer.reserve(more);
        }
        let mut larger = self.take(needed.max(buffer.len() * 2));
        larger.extend_from_slice(buffer);
        self.give_back(std::mem::replace(buffer, larger));
    }

    fn give_back(&self, mut buffer: BytesMut) {
        buffer.clear();
        let capacity = usable(&buffer);
        let mut kept = self.kept.lock();
        if KEPT_BYTES.contains(&capacity) && kept.bytes + capacity <= KEPT_BYTES_MAX {
            kept.bytes += capacity;
            kept.buffers.push(buffer);
        }
    }
}

/// An empty buffer with room for `bytes`, whose memory can be written to the disk without another copy.
pub(in crate::wal) fn aligned(bytes: usize) -> BytesMut {
    let mut buffer = BytesMut::with_capacity(bytes + BLOCK_BYTES - 1);
    let before = block_start(&buffer);
    buffer.resize(before, 0);
    buffer.advance(before);
    buffer
}

/// The room that was asked for: more is what alignment left over.
fn usable(buffer: &BytesMut) -> usize {
    buffer.capacity() / BLOCK_BYTES * BLOCK_BYTES
}

struct Pooled {
    buffer: BytesMut,
    pool: Arc<Pool>,
}

impl AsRef<[u8]> for Pooled {
    fn as_ref(&self) -> &[u8] {
        &self.buffer
    }
}

impl Drop for Pooled {
    fn drop(&mut self) {
        self.pool.give_back(std::mem::take(&mut self.buffer));
    }
}
