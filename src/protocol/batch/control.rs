//! Control records: the markers in control batches (KIP-98), told apart by their keys.

use super::build::{BatchBuilder, NewRecord};
use super::compression::DecompressionCaps;
use super::header::BatchError;
use super::records::records;
use crate::model::{CoordinatorEpoch, ProducerEpoch, ProducerId, Timestamp, TransactionResult};

/// Version of the keys and of the values that are written.
const VERSION: i16 = 0;
const ABORT: i16 = 0;
const COMMIT: i16 = 1;

/// What a control record says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ControlType {
    /// The producer's transaction ended without effect.
    Abort,
    /// The producer's transaction took effect.
    Commit,
    /// A type that only KRaft logs hold, or one defined later; readers step over it.
    Other(i16),
}

impl ControlType {
    /// Reads the type from a control record's key: version `int16` (any from 0), type `int16`, then whatever
    /// later versions add. `None` if the key is too short or its version negative.
    pub fn parse(key: &[u8]) -> Option<ControlType> {
        let [v0, v1, t0, t1] = *key.first_chunk::<4>()?;
        if i16::from_be_bytes([v0, v1]) < 0 {
            return None;
        }
        Some(match i16::from_be_bytes([t0, t1]) {
            ABORT => ControlType::Abort,
            COMMIT => ControlType::Commit,
            other => ControlType::Other(other),
        })
    }
}

/// The control record that ends a transaction in one partition.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct EndTransactionMarker {
    /// How it ends.
    pub result: TransactionResult,
    /// Of the coordinator that says so.
    pub coordinator_epoch: CoordinatorEpoch,
}

impl EndTransactionMarker {
    /// Bytes of a control batch with this marker alone, as [`EndTransactionMarker::batch`] makes it.
    pub const BATCH_BYTES: usize = 78;

    /// Reads a control record; `None` if it ends no transaction or cannot be read. What later versions add
    /// to key or value is stepped over.
    pub fn parse(key: &[u8], value: &[u8]) -> Option<EndTransactionMarker> {
        let result = match ControlType::parse(key)? {
            ControlType::Abort => TransactionResult::Abort,
            ControlType::Commit => TransactionResult::Commit,
            ControlType::Other(_) => return None,
        };
        let [v0, v1, e0, e1, e2, e3] = *value.first_chunk::<6>()?;
        if i16::from_be_bytes([v0, v1]) < 0 {
            return None;
        }
        let coordinator_epoch = CoordinatorEpoch(i32::from_be_bytes([e0, e1, e2, e3]));
        Some(EndTransactionMarker { result, coordinator_epoch })
    }

    /// The marker in a control batch; `None` if compaction has emptied it, or it holds something else.
    pub fn of_batch(batch: &[u8]) -> Result<Option<EndTransactionMarker>, BatchError> {
        let set = records(batch, &DecompressionCaps::default())?;
        let Some(record) = set.iter().next().transpose()? else { return Ok(None) };
        let parts = record.key.zip(record.value);
        Ok(parts.and_then(|(key, value)| EndTransactionMarker::parse(key, value)))
    }

    /// A control batch with this marker, byte for byte as Kafka 4.3 writes it, save offset and leader epoch.
    pub fn batch(&self, producer_id: ProducerId, producer_epoch: ProducerEpoch, now: Timestamp) -> Vec<u8> {
        let kind = match self.result {
            TransactionResult::Abort => ABORT,
            TransactionResult::Commit => COMMIT,
        };
        let key = [VERSION.to_be_bytes(), kind.to_be_bytes()].concat();
        let value = [&VERSION.to_be_bytes()[..], &self.coordinator_epoch.0.to_be_bytes()].concat();
        let mut builder = BatchBuilder::new();
        builder.is_transactional = true;
        builder.is_control = true;
        builder.producer_id = producer_id;
        builder.producer_epoch = producer_epoch;
        builder.push(NewRecord { timestamp: now, key: Some(&key), value: Some(&value), headers: &[] });
        builder.build()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::batch::BatchHeader;

    #[test]
    fn the_key_tells_the_type() {
        for (key, expected) in [
            (&[0, 0, 0, 0][..], Some(ControlType::Abort)),
            (&[0, 0, 0, 1], Some(ControlType::Commit)),
            (&[0, 9, 0, 1, 7, 7], Some(ControlType::Commit)),
            (&[0, 0, 0, 2], Some(ControlType::Other(2))),
            (&[0xff, 0xff, 0, 1], None),
            (&[0, 0, 0], None),
        ] {
            assert_eq!(ControlType::parse(key), expected, "{key:?}");
        }
    }

    fn marker(result: TransactionResult, coordinator_epoch: i32) -> EndTransactionMarker {
        EndTransactionMarker { result, coordinator_epoch: CoordinatorEpoch(coordinator_epoch) }
    }

    #[test]
    fn key_and_value_tell_the_marker() {
        let commit = marker(TransactionResult::Commit, 258);
        for (key, value, expected) in [
            (&[0, 0, 0, 1][..], &[0, 0, 0, 0, 1, 2][..], Some(commit)),
            (&[0, 0, 0, 0], &[0, 0, 0, 0, 0, 7], Some(marker(TransactionResult::Abort, 7))),
            // Later versions add to the end.
            (&[0, 1, 0, 1, 9], &[0, 1, 0, 0, 1, 2, 9, 9], Some(commit)),
            (&[0, 0, 0, 2], &[0, 0, 0, 0, 1, 2], None),
            (&[0, 0, 0, 1], &[0, 0, 0, 0, 1], None),
            (&[0, 0, 0, 1], &[0xff, 0xff, 0, 0, 1, 2], None),
        ] {
            assert_eq!(EndTransactionMarker::parse(key, value), expected, "{key:?} {value:?}");
        }
    }

    #[test]
    fn a_batch_is_kafkas_and_is_read_back() {
        let abort = marker(TransactionResult::Abort, 3);
        let batch = abort.batch(ProducerId(4711), ProducerEpoch(5), Timestamp(1_700_000_000_000));
        assert_eq!(batch.len(), EndTransactionMarker::BATCH_BYTES);
        let header = BatchHeader::parse(&batch).unwrap();
        assert!(header.attributes.is_control() && header.attributes.is_transactional());
        assert_eq!((header.producer_id, header.producer_epoch), (ProducerId(4711), ProducerEpoch(5)));
        assert_eq!((header.base_sequence, header.records_count, header.last_offset_delta), (-1, 1, 0));
        assert_eq!(EndTransactionMarker::of_batch(&batch), Ok(Some(abort)));
        // Length, attributes, deltas, key and value with their lengths, no headers.
        let record = [32, 0, 0, 0, 8, 0, 0, 0, 0, 12, 0, 0, 0, 0, 0, 3, 0];
        assert_eq!(batch[61..], record);
    }
}
