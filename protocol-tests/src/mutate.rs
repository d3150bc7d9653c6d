//! Frames with bytes changed, the way hostile and broken clients would.

use crate::random::Random;

/// Bytes at the start of a frame that say which request it is; they stay.
const KEPT_BYTES: usize = 8;

/// What hostile counts and lengths look like, fixed and variable-length ones.
const EXTREMES: &[&[u8]] = &[
    &[0x00],
    &[0x7f],
    &[0x80],
    &[0xff],
    &[0xff, 0xff],
    &[0x7f, 0xff],
    &[0x80, 0x00],
    &[0xff, 0xff, 0xff, 0xff],
    &[0xff, 0xff, 0xff, 0xfe],
    &[0x7f, 0xff, 0xff, 0xff],
    &[0x80, 0x00, 0x00, 0x00],
    &[0x00, 0xff, 0xff, 0xff],
    &[0xff, 0xff, 0x03],
    &[0xff, 0xff, 0xff, 0xff, 0x07],
    &[0xff, 0xff, 0xff, 0xff, 0x0f],
    &[0x80, 0x80, 0x80, 0x80, 0x00],
    &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
    &[0x80, 0x80, 0x80, 0x80, 0x80, 0x01],
    &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f],
    &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01],
];

/// Most places that are changed in one frame.
const CHANGES_MAX: usize = 3;

/// `frame` with one to three changes behind the eight bytes that say which request it is; `other` is what may
/// be spliced in.
pub fn mutant(frame: &[u8], other: &[u8], random: &mut Random) -> Vec<u8> {
    let mut bytes = frame.to_vec();
    mutate(&mut bytes, other, KEPT_BYTES, random);
    bytes
}

/// Changes one to three places from `from` on; ends early where nothing is left to change.
pub fn mutate(bytes: &mut Vec<u8>, other: &[u8], from: usize, random: &mut Random) {
    for _ in 0..1 + random.below(CHANGES_MAX) {
        if bytes.len() <= from {
            return;
        }
        change(bytes, other, from, random);
    }
}

fn change(bytes: &mut Vec<u8>, other: &[u8], from: usize, random: &mut Random) {
    let at = from + random.below(bytes.len() - from);
    let length = random.length_of(bytes.len() - at);
    let extreme = EXTREMES[random.below(EXTREMES.len())];
    match random.below(8) {
        0 => bytes[at] ^= 1 << random.below(8),
        1 => bytes[at] = random.bits() as u8,
        // A length or count that lies; then one where none was.
        2 => {
            let end = bytes.len().min(at + extreme.len());
            bytes.splice(at..end, extreme.iter().copied());
        }
        3 => {
            bytes.splice(at..at, extreme.iter().copied());
        }
        4 => bytes.truncate(at),
        5 => {
            bytes.drain(at..at + length);
        }
        6 => {
            let twice = bytes[at..at + length].to_vec();
            bytes.splice(at..at, twice);
        }
        _ => {
            // The end of another frame, or a piece of it.
            let start = random.below(other.len());
            let piece = &other[start..start + random.length_of(other.len() - start)];
            let end = if random.one_in(2) { bytes.len() } else { at };
            bytes.splice(at..end, piece.iter().copied());
        }
    }
}

impl Random {
    /// A length of at least 1, short ones oftener than long ones.
    fn length_of(&mut self, length_max: usize) -> usize {
        let bound = if self.one_in(4) { length_max } else { length_max.min(4) };
        1 + self.below(bound)
    }
}
