use parking_lot::Mutex;

use crate::env::Random;

/// One step of SplitMix64 (Steele, Lea, Flood 2014): small, seeded, good enough to choose faults.
pub(super) fn next(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut mixed = *state;
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

/// A number below `bound`, which must not be 0.
pub(super) fn below(state: &mut u64, bound: u64) -> u64 {
    next(state) % bound
}

/// Randomness that a seed repeats.
pub struct SeededRandom {
    state: Mutex<u64>,
}

impl SeededRandom {
    /// A generator; equal seeds give equal bytes.
    pub fn new(seed: u64) -> SeededRandom {
        SeededRandom { state: Mutex::new(seed) }
    }
}

impl Random for SeededRandom {
    fn fill(&self, buffer: &mut [u8]) {
        let mut state = self.state.lock();
        for chunk in buffer.chunks_mut(8) {
            let bytes = next(&mut state).to_le_bytes();
            chunk.copy_from_slice(&bytes[..chunk.len()]);
        }
    }
}
