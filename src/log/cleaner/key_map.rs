use std::hash::Hasher;

use crate::env::Random;
use crate::model::Offset;

/// Words of a slot: 128 bits of hash, and the offset plus one, so that zeroes are an empty slot.
type Slot = [u64; 3];

/// Bytes of one entry, as in Kafka's offset map.
pub(super) const ENTRY_BYTES: u64 = size_of::<Slot>() as u64;

/// The last offset of every key of a stretch of a log, in memory of fixed size.
///
/// Of a key only 128 bits of hash are kept, so that memory does not depend on keys. Two keys that collide
/// would be taken for one; with the largest map there is (2^31 bytes) the chance of one collision is below
/// 2^-76, and the hash has a seed that nobody outside knows, so that nobody can make one. Open addressing,
/// and never full.
pub(super) struct KeyMap {
    slots: Vec<Slot>,
    entries: usize,
    entries_max: usize,
    seed: [u64; 4],
    latest: Option<Offset>,
}

/// No room for another key.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Full;

impl KeyMap {
    /// A map within `memory_bytes`, filled at most to the share `load_factor`; it has room for one key at
    /// least. The memory comes zeroed from the system, which gives pages when they are touched: few keys take
    /// few of them.
    pub(super) fn new(memory_bytes: u64, load_factor: f64, random: &dyn Random) -> KeyMap {
        let slots = usize::try_from(memory_bytes / ENTRY_BYTES).unwrap_or(usize::MAX).max(2);
        // One slot at least stays empty: it ends every search.
        let entries_max = ((slots as f64 * load_factor) as usize).clamp(1, slots - 1);
        let seed = [random.next_u64(), random.next_u64(), random.next_u64(), random.next_u64()];
        KeyMap { slots: vec![[0; 3]; slots], entries: 0, entries_max, seed, latest: None }
    }

    /// The key's last offset is `offset`: offsets ascend. A key that is known always fits.
    pub(super) fn put(&mut self, key: &[u8], offset: Offset) -> Result<(), Full> {
        let hash = self.hash(key);
        let at = self.search(hash);
        if self.slots[at][2] == 0 {
            if self.entries == self.entries_max {
                return Err(Full);
            }
            self.entries += 1;
        }
        self.slots[at] = [hash[0], hash[1], offset.0 as u64 + 1];
        self.reached(offset);
        Ok(())
    }

    /// Everything up to `offset` (inclusive) was looked at.
    pub(super) fn reached(&mut self, offset: Offset) {
        self.latest = self.latest.max(Some(offset));
    }

    /// How far it reaches (inclusive): nothing is known of what lies behind.
    pub(super) fn latest(&self) -> Option<Offset> {
        self.latest
    }

    /// Whether a record of that key at `offset` is its newest, as far as the map reaches.
    pub(super) fn is_newest(&self, key: &[u8], offset: Offset) -> bool {
        let known = self.slots[self.search(self.hash(key))][2];
        (offset.0 as u64) + 1 >= known
    }

    /// Share of the slots in use.
    pub(super) fn utilization(&self) -> f64 {
        self.entries as f64 / self.slots.len() as f64
    }

    /// The slot of the hash, or the empty one where it would go.
    fn search(&self, hash: [u64; 2]) -> usize {
        let mut at = (hash[0] % self.slots.len() as u64) as usize;
        loop {
            let slot = &self.slots[at];
            if slot[2] == 0 || (slot[0] == hash[0] && slot[1] == hash[1]) {
                return at;
            }
            at = (at + 1) % self.slots.len();
        }
    }

    fn hash(&self, key: &[u8]) -> [u64; 2] {
        let half = |seed: &[u64]| {
            let mut hasher = std::hash::DefaultHasher::new();
            hasher.write_u64(seed[0]);
            hasher.write_u64(seed[1]);
            hasher.write(key);
            hasher.finish()
        };
        [half(&self.seed[..2]), half(&self.seed[2..])]
    }
}

#[cfg(test)]
mod tests;
