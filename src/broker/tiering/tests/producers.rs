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

/// The producers that the newest copied segment tells of.
async fn copied(broker: &Broker, partition: &Partition) -> usize {
    let tiering = broker.tiering.as_ref().unwrap();
    let remote = tiering.partition(partition.topic_partition());
    let root = remote.root(tiering.reader(), record(broker, partition)).await.unwrap();
    let leaf = tiering.reader().leaf(&root, root.leaves.last().unwrap()).await.unwrap();
    let state = tiering.reader().state(root.partition, leaf.entries.last().unwrap()).await.unwrap();
    state.producers.len()
}

/// From one copy to the next they are remembered; once others have taken that memory, or after a start, they
/// are read where they were put.
#[tokio::test(flavor = "multi_thread")]
async fn the_next_copy_knows_the_producers_of_the_one_before() {
    let (directory, bucket) = (tempfile::tempdir().unwrap(), bucket());
    let broker = open(directory.path(), &bucket).await;
    let partition = tiered(&broker).await;
    for (producers, gets) in [(0..3, 0), (3..5, 0), (5..6, 1)] {
        let expected = producers.end as usize;
        segment_of(&broker, &partition, producers).await;
        if gets > 0 {
            let remote_end = record(&broker, &partition).unwrap().remote_end_offset;
            let forgotten = Arc::default();
            let reader = broker.tiering.as_ref().unwrap().reader();
            reader.keep_state(partition.topic_partition(), remote_end, &forgotten);
        }
        let before = bucket.requests(Request::Get);
        broker.see_to_the_tier().await;
        assert_eq!(bucket.requests(Request::Get) - before, gets, "where they were put");
        assert_eq!(copied(&broker, &partition).await, expected);
    }
    segment_of(&broker, &partition, 6..8).await;
    let (broker, partition) = restarted(open, (broker, partition), directory.path(), &bucket).await;
    broker.see_to_the_tier().await;
    assert_eq!(copied(&broker, &partition).await, 8);
    drop(partition);
    broker.close().await.unwrap();
}
