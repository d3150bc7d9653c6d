use uuid::Uuid;

use super::*;
use crate::model::{CoordinatorEpoch, LeaderEpoch, ProducerEpoch, ProducerId, TopicId, TransactionResult};
use crate::protocol::batch::{BatchBuilder, EndTransactionMarker, NewRecord, patch_base_offset_and_epoch};

const PARTITION: TopicPartition = TopicPartition { topic_id: TopicId(Uuid::from_u128(7)), partition: 1 };
const NOW: Timestamp = Timestamp(99);

fn apply(state: &mut CarriedState, batch: &[u8]) -> Option<AbortedTransaction> {
    state.apply_batch(&BatchHeader::parse(batch).unwrap(), batch, NOW).unwrap()
}

#[test]
fn it_carries_producers_epochs_and_open_transactions() {
    let mut state = CarriedState::default();
    let mut batch = BatchBuilder::new();
    (batch.base_offset, batch.partition_leader_epoch) = (Offset(5), LeaderEpoch(3));
    (batch.producer_id, batch.producer_epoch, batch.base_sequence) = (ProducerId(4), ProducerEpoch(0), 0);
    batch.is_transactional = true;
    batch.push(NewRecord { value: Some(b"v"), ..NewRecord::default() });
    assert_eq!(apply(&mut state, &batch.build()), None);
    assert_eq!((state.offset, state.producers.first_undecided()), (Offset(6), Some(Offset(5))));
    assert_eq!(state.leader_epochs.epoch_for(Offset(5)), Some(LeaderEpoch(3)));

    let bytes = state.encode(PARTITION);
    assert_eq!(CarriedState::decode(&bytes, PARTITION).as_ref(), Ok(&state));
    let other = TopicPartition { partition: 2, ..PARTITION };
    assert!(CarriedState::decode(&bytes, other).is_err());

    let abort =
        EndTransactionMarker { result: TransactionResult::Abort, coordinator_epoch: CoordinatorEpoch(0) };
    let mut marker = abort.batch(ProducerId(4), ProducerEpoch(0), NOW);
    patch_base_offset_and_epoch(&mut marker, Offset(6), LeaderEpoch(3));
    let aborted = apply(&mut state, &marker).expect("its transaction is ended");
    assert_eq!((aborted.first_offset, aborted.last_offset), (Offset(5), Offset(6)));
    assert_eq!((state.offset, state.producers.first_undecided()), (Offset(7), None));
}
