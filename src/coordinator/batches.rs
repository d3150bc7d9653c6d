//! Records on their way into the log: gathered into batches. What belongs together is never split.

use super::TransactionPass;
use crate::group::RECORD_OVERHEAD_BYTES;
use crate::model::Timestamp;
use crate::partition::Appender;
use crate::protocol::batch::{BatchBuilder, CompressionType, NewRecord, ProducedBatch};

/// Size up to which the records of several events share a batch. One event's are never split, so that a
/// batch may be larger.
pub(super) const BATCH_BYTES: usize = 256 << 10;

/// Key and value of a record.
pub(super) type Encoded = (Vec<u8>, Option<Vec<u8>>);

/// Batches that are being made.
pub(super) struct Batches {
    compression: CompressionType,
    timestamp: Timestamp,
    closed: Vec<Write>,
    open: BatchBuilder,
    open_bytes: usize,
}

/// One batch, and what its writer has to show for it.
pub(super) struct Write {
    pub(super) batch: ProducedBatch,
    pub(super) appender: Appender,
}

impl Batches {
    pub(super) fn new(compression: CompressionType, timestamp: Timestamp) -> Batches {
        let open = Batches::empty(compression);
        Batches { compression, timestamp, closed: Vec::new(), open, open_bytes: 0 }
    }

    fn empty(compression: CompressionType) -> BatchBuilder {
        let mut batch = BatchBuilder::new();
        batch.compression = compression;
        batch
    }

    /// Bytes that records take, at most and uncompressed.
    pub(super) fn bytes_of(records: &[Encoded]) -> usize {
        let bytes = records.iter().map(|(key, value)| key.len() + value.as_ref().map_or(0, Vec::len));
        bytes.sum::<usize>() + records.len() * RECORD_OVERHEAD_BYTES
    }

    /// Adds the records of one event, all to the same batch.
    pub(super) fn add(&mut self, records: &[Encoded]) {
        let bytes = Batches::bytes_of(records);
        if self.open_bytes > 0 && self.open_bytes + bytes > BATCH_BYTES {
            self.close();
        }
        for (key, value) in records {
            let (key, value) = (Some(key.as_slice()), value.as_deref());
            self.open.push(NewRecord { timestamp: self.timestamp, key, value, headers: &[] });
        }
        self.open_bytes += bytes;
    }

    fn close(&mut self) {
        if self.open_bytes > 0 {
            let open = std::mem::replace(&mut self.open, Batches::empty(self.compression));
            let batch = ProducedBatch::of_broker(open.build());
            self.closed.push(Write { batch, appender: Appender::COORDINATOR });
            self.open_bytes = 0;
        }
    }

    /// A batch of records of a producer's transaction.
    pub(super) fn in_transaction(&self, records: &[Encoded], pass: TransactionPass) -> Write {
        let mut batch = Batches::empty(self.compression);
        batch.is_transactional = true;
        batch.producer_id = pass.producer_id;
        batch.producer_epoch = pass.producer_epoch;
        for (key, value) in records {
            let (key, value) = (Some(key.as_slice()), value.as_deref());
            batch.push(NewRecord { timestamp: self.timestamp, key, value, headers: &[] });
        }
        let appender = Appender { verification: pass.verification, ..Appender::COORDINATOR };
        Write { batch: ProducedBatch::of_broker(batch.build()), appender }
    }

    /// Adds a batch behind what was added by now.
    pub(super) fn add_write(&mut self, write: Write) {
        self.close();
        self.closed.push(write);
    }

    /// Whether these should be written before more is added: at most one is closed then.
    pub(super) fn are_full(&self) -> bool {
        !self.closed.is_empty() || self.open_bytes >= BATCH_BYTES / 2
    }

    /// The batches as the log takes them, in order.
    pub(super) fn build(mut self) -> Vec<Write> {
        self.close();
        self.closed
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::batch::{ProduceRules, validate_produced};

    fn record(bytes: usize) -> Vec<Encoded> {
        vec![(vec![0; bytes], None)]
    }

    fn counts(batches: Batches) -> Vec<i32> {
        batches.build().iter().map(|write| write.batch.header.records_count).collect()
    }

    #[test]
    fn events_share_a_batch_and_none_is_split() {
        let new = || Batches::new(CompressionType::None, Timestamp(5));
        assert_eq!(counts(new()), [] as [i32; 0]);
        let mut batches = new();
        (0..10).for_each(|_| batches.add(&record(10)));
        assert!(!batches.are_full());
        assert_eq!(counts(batches), [10]);

        let mut batches = new();
        batches.add(&record(BATCH_BYTES / 2 - 100));
        assert!(!batches.are_full());
        let large: Vec<Encoded> = (0..4).flat_map(|_| record(BATCH_BYTES / 4)).collect();
        batches.add(&large);
        assert!(batches.are_full());
        assert_eq!(counts(batches), [1, 4]);
    }

    /// They go into the log without being checked: whatever a client's batch must be they are.
    #[test]
    fn batches_are_such_as_clients_may_send() {
        let rules = ProduceRules { keys_required: true, ..ProduceRules::lenient() };
        for compression in CompressionType::ALL {
            let mut batches = Batches::new(compression, Timestamp(5));
            (0..300).for_each(|number| batches.add(&[(vec![3; number], Some(vec![4; 2 * number]))]));
            batches.add(&[(b"gone".to_vec(), None)]);
            for write in batches.build() {
                let checked = validate_produced(&write.batch.bytes, Timestamp(9), &rules).unwrap();
                assert_eq!((checked.bytes, checked.header), (write.batch.bytes, write.batch.header));
            }
        }
    }

    #[test]
    fn the_estimate_is_never_too_small() {
        let records: Vec<Encoded> =
            (0..1000).map(|number| (vec![1; number % 7], Some(vec![2; number]))).collect();
        let mut batches = Batches::new(CompressionType::None, Timestamp(i64::MAX / 2));
        batches.add(&records);
        let bytes: usize = batches.build().iter().map(|write| write.batch.bytes.len()).sum();
        assert!(bytes <= Batches::bytes_of(&records) + 61);
    }
}
