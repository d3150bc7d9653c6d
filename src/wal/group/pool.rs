#[cfg(test)]
mod tests;

use std::ops::RangeInclusive;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use parking_lot::Mutex;

use crate::wal::frame::padded;

/// Large buffers kept for reuse: fresh memory of this size costs a page fault every 4 KiB.
const KEPT_BUFFERS_MAX: usize = 4;
/// Smaller ones are left to the allocator; so are the rare ones of oversized entries.
const KEPT_BYTES: RangeInclusive<usize> = 256 << 10..=4 << 20;

/// Group buffers that no slice pins any more.
#[derive(Default)]
pub(in crate::wal) struct Pool {
    kept: Mutex<Vec<BytesMut>>,
}

impl Pool {
    /// An empty buffer with room for about `bytes`.
    pub(in crate::wal) fn take(&self, bytes: usize) -> BytesMut {
        let capacity = usize::try_from(padded(bytes)).unwrap_or(bytes);
        let kept = if KEPT_BYTES.contains(&capacity) { self.kept.lock().pop() } else { None };
        kept.unwrap_or_else(|| BytesMut::with_capacity(capacity))
    }

    /// Freezes a buffer without a copy; its memory comes back when the last slice is gone.
    pub(in crate::wal) fn freeze(self: &Arc<Pool>, buffer: BytesMut) -> Bytes {
        if !KEPT_BYTES.contains(&buffer.capacity()) {
            return buffer.freeze();
        }
        Bytes::from_owner(Pooled { buffer, pool: Arc::clone(self) })
    }
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
        let mut buffer = std::mem::take(&mut self.buffer);
        buffer.clear();
        let mut kept = self.pool.kept.lock();
        if kept.len() < KEPT_BUFFERS_MAX {
            kept.push(buffer);
        }
    }
}
