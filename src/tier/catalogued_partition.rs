//! Where one partition was when a catalogue was taken.

use super::fields::{Reader, Writer};
use crate::model::{LeaderEpoch, Offset, ProducerId, TopicPartition};

/// Aborted transactions that are remembered for one partition. Beyond it a restore lists those that it has to
/// abort without being told.
pub const CATALOGUED_ABORTED_MAX: usize = 1000;
const ABORTED_BYTES: usize = 16;

/// A partition in the catalogue.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct CataloguedPartition {
    /// Of its leader then.
    pub leader_epoch: LeaderEpoch,
    /// First offset that counted.
    pub log_start_offset: Offset,
    /// First offset that was not given out.
    pub log_end_offset: Offset,
    /// Everything below lay in the tier; 0 where nothing did.
    pub remote_end_offset: Offset,
    /// Producers and first offsets of transactions with records below the remote end that were aborted by a
    /// marker above it. All others with records there were committed.
    pub aborted: Vec<(ProducerId, Offset)>,
    /// Whether `aborted` are all.
    pub aborted_are_all: bool,
}

impl CataloguedPartition {
    /// Key of a partition's entry.
    pub fn key(partition: TopicPartition) -> Vec<u8> {
        let mut to = Writer::default();
        to.partition(partition);
        to.0
    }

    /// Reads a key back.
    pub fn parse_key(key: &[u8]) -> Option<TopicPartition> {
        let mut from = Reader(key);
        from.partition().filter(|_| from.0.is_empty())
    }

    /// The same with no more aborted transactions than are remembered.
    pub fn within_bounds(mut self) -> CataloguedPartition {
        self.aborted_are_all &= self.aborted.len() <= CATALOGUED_ABORTED_MAX;
        self.aborted.truncate(CATALOGUED_ABORTED_MAX);
        self
    }

    /// Its value.
    pub fn encode(&self) -> Vec<u8> {
        let mut to = Writer::default();
        to.i32(self.leader_epoch.0);
        to.i64(self.log_start_offset.0);
        to.i64(self.log_end_offset.0);
        to.i64(self.remote_end_offset.0);
        to.u8(self.aborted_are_all.into());
        to.count(self.aborted.len());
        for (producer_id, first_offset) in &self.aborted {
            to.i64(producer_id.0);
            to.i64(first_offset.0);
        }
        to.0
    }

    /// Reads a value back; `None` if it is none.
    pub fn decode(value: &[u8]) -> Option<CataloguedPartition> {
        let mut from = Reader(value);
        let mut partition = CataloguedPartition {
            leader_epoch: from.leader_epoch()?,
            log_start_offset: from.offset()?,
            log_end_offset: from.offset()?,
            remote_end_offset: from.offset()?,
            aborted_are_all: from.u8()? != 0,
            aborted: Vec::new(),
        };
        let count = from.count(ABORTED_BYTES, CATALOGUED_ABORTED_MAX)?;
        for _ in 0..count {
            partition.aborted.push((ProducerId(from.i64()?), from.offset()?));
        }
        let is_sound =
            partition.log_start_offset.0 >= 0 && partition.log_end_offset >= partition.log_start_offset;
        (is_sound && from.0.is_empty()).then_some(partition)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::TopicId;

    #[test]
    fn the_bytes_of_a_partition_are_as_drawn() {
        let partition = CataloguedPartition {
            leader_epoch: LeaderEpoch(3),
            log_start_offset: Offset(4),
            log_end_offset: Offset(9),
            remote_end_offset: Offset(7),
            aborted: vec![(ProducerId(1), Offset(5))],
            aborted_are_all: true,
        };
        let bytes = partition.encode();
        let expected = [
            &3_i32.to_be_bytes()[..],
            &4_i64.to_be_bytes(),
            &9_i64.to_be_bytes(),
            &7_i64.to_be_bytes(),
            &[1, 0, 0, 0, 1],
            &1_i64.to_be_bytes(),
            &5_i64.to_be_bytes(),
        ];
        assert_eq!(bytes, expected.concat());
        assert_eq!(CataloguedPartition::decode(&bytes), Some(partition));
        for length in 0..bytes.len() {
            assert_eq!(CataloguedPartition::decode(&bytes[..length]), None, "{length} bytes");
        }
        assert_eq!(CataloguedPartition::decode(&[bytes, vec![0]].concat()), None);
        let id = TopicPartition { topic_id: TopicId::ZERO, partition: 7 };
        let key = CataloguedPartition::key(id);
        assert_eq!(key.len(), 20);
        assert_eq!(CataloguedPartition::parse_key(&key), Some(id));
        assert_eq!(CataloguedPartition::parse_key(&key[1..]), None);
    }
}
