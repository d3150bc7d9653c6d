//! Committed offsets of one group, small in memory: sorted vectors, no maps.
//!
//! Once a group has committed a first time its vectors stand, and a commit writes one entry. An insertion in
//! the middle moves what follows: some 10 µs among 10,000 partitions, once per partition.

use std::sync::Arc;

use super::record::CommittedOffset;

/// Offsets by topic and partition.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct GroupOffsets(Vec<TopicOffsets>);

/// Offsets of one topic.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct TopicOffsets {
    /// The topic's name, shared with all groups of the shard.
    pub topic: Arc<str>,
    /// By partition index; never empty.
    pub partitions: Vec<(i32, CommittedOffset)>,
}

impl GroupOffsets {
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// All, by name.
    pub fn topics(&self) -> &[TopicOffsets] {
        &self.0
    }

    /// Those of one topic.
    pub fn topic(&self, topic: &str) -> Option<&TopicOffsets> {
        self.0.binary_search_by(|known| (*known.topic).cmp(topic)).ok().map(|at| &self.0[at])
    }

    /// Sets an offset. `name` gives the shared name of a topic that is new to the group.
    pub fn set(
        &mut self,
        topic: &str,
        partition: i32,
        offset: CommittedOffset,
        name: impl FnOnce() -> Arc<str>,
    ) {
        let at = match self.0.binary_search_by(|known| (*known.topic).cmp(topic)) {
            Ok(at) => at,
            Err(at) => {
                grow(&mut self.0);
                self.0.insert(at, TopicOffsets { topic: name(), partitions: Vec::new() });
                at
            }
        };
        let partitions = &mut self.0[at].partitions;
        match partitions.binary_search_by_key(&partition, |known| known.0) {
            Ok(at) => partitions[at].1 = offset,
            Err(at) => {
                grow(partitions);
                partitions.insert(at, (partition, offset));
            }
        }
    }

    /// Takes an offset away, if it is there.
    pub fn remove(&mut self, topic: &str, partition: i32) {
        let Ok(at) = self.0.binary_search_by(|known| (*known.topic).cmp(topic)) else { return };
        let partitions = &mut self.0[at].partitions;
        if let Ok(at) = partitions.binary_search_by_key(&partition, |known| known.0) {
            partitions.remove(at);
        }
        if partitions.is_empty() {
            self.0.remove(at);
        }
    }
}

impl TopicOffsets {
    /// The offset of a partition.
    pub fn get(&self, partition: i32) -> Option<&CommittedOffset> {
        let at = self.partitions.binary_search_by_key(&partition, |known| known.0).ok()?;
        Some(&self.partitions[at].1)
    }
}

/// Room for one more: a vector's own growth would begin with four.
fn grow<T>(vector: &mut Vec<T>) {
    if vector.len() == vector.capacity() {
        vector.reserve_exact(vector.len() / 2 + 1);
    }
}
