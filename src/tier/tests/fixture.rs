use uuid::Uuid;

use crate::env::Random;
use crate::env::simulated::SeededRandom;
use crate::log::AbortedTransaction;
use crate::model::{
    CoordinatorEpoch, LeaderEpoch, Offset, ProducerEpoch, ProducerId, Timestamp, TopicId, TopicPartition,
    TransactionResult,
};
use crate::protocol::batch::{
    BatchBuilder, BatchHeader, EndTransactionMarker, NewRecord, patch_base_offset_and_epoch,
};
use crate::tier::{ManifestEntry, Nonce, ObjectName, SegmentSource};

pub(in crate::tier) const PARTITION: TopicPartition =
    TopicPartition { topic_id: TopicId(Uuid::from_u128(0x1234_5678_9abc_def0)), partition: 3 };
pub(in crate::tier) const NOW: Timestamp = Timestamp(1_790_000_000_000);

/// A nonce that is told apart at a glance.
pub(in crate::tier) fn nonce(number: u64) -> Nonce {
    Nonce(u128::from(number).to_be_bytes())
}

/// One of a segment of 100 offsets.
pub(in crate::tier) fn entry(base: i64) -> ManifestEntry {
    ManifestEntry {
        base_offset: Offset(base),
        end_offset: Offset(base + 100),
        object: ObjectName { base_offset: Offset(base), nonce: nonce(base as u64 + 1) },
        position: 0,
        head_bytes: 1000,
        head_crc: 7,
        producers_bytes: 50,
        log_bytes: 1 << 20,
        max_timestamp: Timestamp(base),
        max_timestamp_offset: Offset(base + 99),
        first_leader_epoch: LeaderEpoch(1),
        last_leader_epoch: LeaderEpoch(2),
        aborted: 0,
        first_undecided: Offset::NONE,
        uploaded_at: NOW,
        is_committed: false,
    }
}

/// A segment as a log would have it.
#[derive(Clone, Default, Debug)]
pub(in crate::tier) struct MadeSegment {
    pub base: i64,
    pub end: i64,
    pub bytes: Vec<u8>,
    /// Header and position of each batch.
    pub batches: Vec<(BatchHeader, u64)>,
    pub aborted: Vec<AbortedTransaction>,
}

impl MadeSegment {
    /// From there on, without a batch.
    pub(in crate::tier) fn new(base: i64) -> MadeSegment {
        MadeSegment { base, end: base, ..MadeSegment::default() }
    }

    /// Adds a whole batch at the end, and leaves a gap of so many offsets behind it.
    pub(in crate::tier) fn push(&mut self, mut batch: Vec<u8>, leader_epoch: i32, gap: i64) {
        patch_base_offset_and_epoch(&mut batch, Offset(self.end), LeaderEpoch(leader_epoch));
        let header = BatchHeader::parse(&batch).unwrap();
        self.batches.push((header, self.bytes.len() as u64));
        self.bytes.extend_from_slice(&batch);
        self.end = header.next_offset().0 + gap;
    }

    /// A batch of records with those timestamps, of an idempotent producer.
    pub(in crate::tier) fn push_records(&mut self, timestamps: &[i64], value_bytes: usize) {
        self.push(records(timestamps, value_bytes, None), 1, 0);
    }

    /// A batch in a transaction of that producer.
    pub(in crate::tier) fn push_transactional(&mut self, producer_id: i64, sequence: i32) {
        self.push(records(&[self.end], 10, Some((producer_id, sequence))), 1, 0);
    }

    /// The marker that ends it.
    pub(in crate::tier) fn push_marker(&mut self, producer_id: i64, result: TransactionResult) {
        let marker = EndTransactionMarker { result, coordinator_epoch: CoordinatorEpoch(0) };
        let batch = marker.batch(ProducerId(producer_id), ProducerEpoch(0), Timestamp(self.end));
        self.push(batch, 1, 0);
    }

    pub(in crate::tier) fn source(&self) -> SegmentSource {
        SegmentSource {
            partition: PARTITION,
            base_offset: Offset(self.base),
            end_offset: Offset(self.end),
            log_bytes: self.bytes.len() as u64,
            aborted: self.aborted.clone(),
            is_clean: false,
            is_committed: false,
            nonce: nonce(self.base as u64 + 1),
            now: NOW,
        }
    }
}

/// One batch.
pub(in crate::tier) fn records(
    timestamps: &[i64],
    value_bytes: usize,
    transaction: Option<(i64, i32)>,
) -> Vec<u8> {
    let mut builder = BatchBuilder::new();
    if let Some((producer_id, sequence)) = transaction {
        builder.producer_id = ProducerId(producer_id);
        builder.producer_epoch = ProducerEpoch(0);
        builder.base_sequence = sequence;
        builder.is_transactional = true;
    }
    // Bytes that no two blocks have in common.
    let mut value = vec![0; value_bytes];
    SeededRandom::new(timestamps.first().map_or(0, |it| *it as u64)).fill(&mut value);
    for &timestamp in timestamps {
        builder.push(NewRecord {
            timestamp: Timestamp(timestamp),
            value: Some(&value),
            ..NewRecord::default()
        });
    }
    builder.build()
}

/// Each shorter form of `whole`, and each with one bit turned.
pub(in crate::tier) fn damaged_forms(whole: &[u8]) -> impl Iterator<Item = (String, Vec<u8>)> {
    let shorter = (0..whole.len()).map(|length| (format!("{length} bytes"), whole[..length].to_vec()));
    let turned = (0..whole.len() * 8).map(|bit| {
        let mut bytes = whole.to_vec();
        bytes[bit / 8] ^= 1 << (bit % 8);
        (format!("bit {bit}"), bytes)
    });
    let longer = std::iter::once(("a byte more".to_owned(), [whole, &[0]].concat()));
    shorter.chain(turned).chain(longer)
}

/// `bytes` with its last four as the checksum of all before.
pub(in crate::tier) fn with_right_crc(mut bytes: Vec<u8>) -> Vec<u8> {
    let at = bytes.len() - 4;
    let crc = crc32c::crc32c(&bytes[..at]);
    bytes[at..].copy_from_slice(&crc.to_be_bytes());
    bytes
}
