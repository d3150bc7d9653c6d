//! What is remembered of a partition's producers between two copies.

use super::*;
use crate::model::{ProducerEpoch, ProducerId};
use crate::protocol::batch::{BatchBuilder, NewRecord};

/// A closed segment with a batch of each of these producers, the first of each.
async fn segment_of(broker: &Broker, partition: &Arc<Partition>, producers: std::ops::Range<i64>) {
    for producer_id in producers {
        let mut builder = BatchBuilder::new();
        (builder.producer_id, builder.producer_epoch) = (ProducerId(producer_id), ProducerEpoch(0));
        builder.base_sequence = 0;
        builder.push(NewRecord { timestamp: Timestamp(1), ..NewRecord::default() });
        append_batch(broker, partition, builder).await;
    }
    let end = partition.watermarks().log_end_offset;
    settled(broker, partition, || {
        let copyable = partition.log().tierable(Offset(0), Offset(0), end, usize::MAX).unwrap();
        copyable.last().is_some_and(|last| last.end_offset == end)
    })
    .await;
}

/// The producers that the newest copied segment tells of, and whether they are remembered.
async fn known(broker: &Broker, partition: &Partition) -> (usize, bool) {
    let tiering = broker.tiering.as_ref().unwrap();
    let remote = tiering.partition(partition.topic_partition());
    let root = remote.known_root().unwrap();
    let leaf = tiering.reader().leaf(&root, root.leaves.last().unwrap()).await.unwrap();
    let state = tiering.reader().state(root.partition, leaf.entries.last().unwrap()).await.unwrap();
    let is_remembered = remote.writer.lock().await.carried.is_some();
    (state.producers.len(), is_remembered)
}

/// A partition has its producers twice; a third copy is kept where it is small.
#[tokio::test(flavor = "multi_thread")]
async fn many_producers_are_read_again_instead_of_kept() {
    let (directory, bucket) = (tempfile::tempdir().unwrap(), bucket());
    let broker = open(directory.path(), &bucket).await;
    let partition = tiered(&broker).await;
    for (producers, expected) in [(0..100, (100, true)), (100..101, (101, false)), (101..110, (110, false))] {
        segment_of(&broker, &partition, producers).await;
        broker.see_to_the_tier().await;
        assert_eq!(known(&broker, &partition).await, expected);
    }
    drop(partition);
    broker.close().await.unwrap();
}
