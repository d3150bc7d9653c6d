//! Which reads go on where another has ended, and how far ahead is read for them.

use std::collections::{HashMap, VecDeque};

use crate::model::{Offset, TopicPartition};

/// Readers that are remembered. One that is forgotten begins with a small window again.
const SEQUENCES_MAX: usize = 4096;

/// Blocks that are asked for at once at most: 32 MiB.
pub(super) const WINDOW_BLOCKS_MAX: u32 = 32;

/// A fetch names its offset and nothing else: whoever asks for the offset where a read ended is taken for
/// that reader.
#[derive(Default)]
pub(super) struct Sequences {
    /// By what is asked for next: the last window, and which entry of `order` this is.
    expected: HashMap<(TopicPartition, Offset), (u32, u64)>,
    /// Oldest first; what is not in `expected` any more is passed over.
    order: VecDeque<((TopicPartition, Offset), u64)>,
    count: u64,
}

impl Sequences {
    /// Blocks to ask for, from that offset on: twice those of the read before, one for a reader that is new.
    /// The same again where a read is given up, as those are that a slow store keeps waiting.
    pub(super) fn window(&self, partition: TopicPartition, from: Offset) -> u32 {
        let before = self.expected.get(&(partition, from));
        before.map_or(1, |(window, _)| window.saturating_mul(2).min(WINDOW_BLOCKS_MAX))
    }

    /// A read from `from` with that window ended at `next_offset`.
    pub(super) fn went_on(
        &mut self,
        partition: TopicPartition,
        from: Offset,
        next_offset: Offset,
        window: u32,
    ) {
        self.expected.remove(&(partition, from));
        self.count += 1;
        let key = (partition, next_offset);
        self.expected.insert(key, (window, self.count));
        self.order.push_back((key, self.count));
        while self.order.len() > SEQUENCES_MAX {
            let Some((key, number)) = self.order.pop_front() else { break };
            if self.expected.get(&key).is_some_and(|(_, of)| *of == number) {
                self.expected.remove(&key);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::fixture::PARTITION;
    use super::*;

    #[test]
    fn windows_double_for_who_reads_on() {
        let mut sequences = Sequences::default();
        let mut windows = Vec::new();
        for at in 0..8 {
            let from = Offset(at * 10);
            let window = sequences.window(PARTITION, from);
            assert_eq!(sequences.window(PARTITION, from), window, "the first read was given up");
            windows.push(window);
            sequences.went_on(PARTITION, from, Offset((at + 1) * 10), window);
        }
        assert_eq!(sequences.expected.len(), 1, "where a reader was is forgotten");
        assert_eq!(windows, [1, 2, 4, 8, 16, 32, 32, 32]);
        // Another place, another partition.
        assert_eq!(sequences.window(PARTITION, Offset(75)), 1);
        let other = TopicPartition { partition: 9, ..PARTITION };
        assert_eq!(sequences.window(other, Offset(80)), 1);
        assert_eq!(sequences.window(PARTITION, Offset(80)), 32);
    }

    #[test]
    fn the_oldest_are_forgotten() {
        let mut sequences = Sequences::default();
        for at in 0..3 * SEQUENCES_MAX as i64 {
            sequences.went_on(PARTITION, Offset(-1), Offset(at), 4);
            sequences.went_on(PARTITION, Offset(-1), Offset(0), 4);
        }
        assert!(sequences.expected.len() <= SEQUENCES_MAX && sequences.order.len() == SEQUENCES_MAX);
        assert_eq!(sequences.window(PARTITION, Offset(1)), 1);
        assert_eq!(sequences.window(PARTITION, Offset(0)), 8);
    }
}
