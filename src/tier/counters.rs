use std::sync::atomic::{AtomicU64, Ordering};

/// What remote reads did since the start.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct RemoteReads {
    /// Blocks that a reader asked for and that were in memory.
    pub memory_hits: u64,
    /// Blocks that a reader asked for and that were in the disk cache.
    pub disk_hits: u64,
    /// Blocks that a reader had to wait for.
    pub misses: u64,
    /// Blocks that came from the store, asked for or read ahead.
    pub blocks_fetched: u64,
    /// Times that an object or a block was not what it should be, also where the second try was good.
    pub damaged: u64,
}

/// The same, counted from many places.
#[derive(Default)]
pub(super) struct Counters {
    pub memory_hits: AtomicU64,
    pub disk_hits: AtomicU64,
    pub misses: AtomicU64,
    pub blocks_fetched: AtomicU64,
    pub damaged: AtomicU64,
}

/// One more.
pub(super) fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

impl Counters {
    pub(super) fn snapshot(&self) -> RemoteReads {
        let of = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        RemoteReads {
            memory_hits: of(&self.memory_hits),
            disk_hits: of(&self.disk_hits),
            misses: of(&self.misses),
            blocks_fetched: of(&self.blocks_fetched),
            damaged: of(&self.damaged),
        }
    }
}
