use std::sync::Arc;

use super::*;
use crate::broker::testing::open;
use crate::broker::{NewTopic, RecordDeletion};
use crate::model::{Timestamp, TopicPartition};
use crate::partition::Purpose;
use crate::protocol::batch::{BatchBuilder, NewRecord, ProduceRules, validate_produced};

/// A partition with so many records, all committed.
async fn filled(broker: &Broker, records: i64) -> Arc<Partition> {
    let new =
        NewTopic { name: "t".to_owned(), partitions: 1, replication_factor: 1, configs: Default::default() };
    let created = broker.create_topics(vec![new], false).await.remove(0).unwrap();
    let id = TopicPartition { topic_id: created.topic.topic_id, partition: 0 };
    let partition = broker.partition(id).unwrap();
    let mut builder = BatchBuilder::new();
    for _ in 0..records {
        builder.push(NewRecord { timestamp: Timestamp(1), ..NewRecord::default() });
    }
    let rules = ProduceRules { api_version: 11, batch_bytes_max: 1 << 20, ..ProduceRules::lenient() };
    let batch = validate_produced(&builder.build().into(), Timestamp(1), &rules).unwrap();
    let storage = broker.storage();
    let patience = Duration::from_secs(30);
    let mut credits = storage.admit(Purpose::Records, &[batch.bytes.len()], patience).await.unwrap();
    storage.append(&partition, &mut credits, &batch).unwrap();
    partition.committed(Offset(records)).await.unwrap();
    partition
}

/// Retention looked before a client deleted records, and acts after.
#[tokio::test]
async fn a_log_start_that_a_client_moved_does_not_go_back() {
    let directory = tempfile::tempdir().unwrap();
    let broker = open(directory.path(), &[]);
    let partition = filled(&broker, 10).await;
    let deletion = RecordDeletion { partition: partition.clone(), before: Some(Offset(8)) };
    assert_eq!(broker.delete_records(&[deletion]).await, [Ok(Offset(8))]);
    for late in [5, 8] {
        let moved = broker.move_log_starts(vec![(partition.clone(), Offset(late))]).await.unwrap();
        assert!(moved.is_empty(), "the start moves to {late}");
    }
    let id = partition.topic_partition();
    assert_eq!(broker.image().log_start(id), Offset(8));
    broker.close().await.unwrap();
    drop((broker, partition));
    let broker = open(directory.path(), &[]);
    assert_eq!(broker.partition(id).unwrap().watermarks().log_start_offset, Offset(8));
}

/// As if its removal had failed, or a flush had been under way meanwhile.
#[tokio::test]
async fn what_lies_below_an_older_log_start_goes_at_the_next_look() {
    let directory = tempfile::tempdir().unwrap();
    let broker = open(directory.path(), &[]);
    let partition = filled(&broker, 10).await;
    broker.storage().flush_step(0).unwrap();
    let moved = broker.move_log_starts(vec![(partition.clone(), Offset(10))]).await.unwrap();
    assert_eq!(moved.len(), 1);
    assert!(partition.log().size_bytes() > 0, "the records are in no segment");
    broker.retain().await.unwrap();
    assert_eq!(partition.log().size_bytes(), 0);
    assert_eq!(partition.watermarks().log_start_offset, Offset(10));
}
