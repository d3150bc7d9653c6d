use std::sync::Arc;

use super::*;
use crate::broker::testing::{append_records, open, two_segments};
use crate::broker::{NewTopic, RecordDeletion};
use crate::log::{LogConfig, Tiering};
use crate::metadata::TierRecord;
use crate::model::{LeaderEpoch, TopicPartition};
use crate::partition::CheckpointReach;

/// A partition with so many records, all committed.
async fn filled(broker: &Broker, records: i64) -> Arc<Partition> {
    let new =
        NewTopic { name: "t".to_owned(), partitions: 1, replication_factor: 1, configs: Default::default() };
    let created = broker.create_topics(vec![new], false).await.remove(0).unwrap();
    let id = TopicPartition { topic_id: created.topic.topic_id, partition: 0 };
    let partition = broker.partition(id).unwrap();
    append_records(broker, &partition, records).await;
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

/// What was copied leaves the disk by local retention, and nothing else; the log start stays.
#[tokio::test]
async fn what_is_in_the_tier_leaves_the_disk() {
    let directory = tempfile::tempdir().unwrap();
    let broker = open(directory.path(), &[]);
    let partition = two_segments(&broker).await;
    let id = partition.topic_partition();
    let tiering =
        Tiering { copies: true, local_retention_age_max: Some(Duration::ZERO), local_retention_bytes: None };
    let tight = LogConfig {
        retention_age_max: Some(Duration::ZERO),
        tiering: Some(tiering),
        ..partition.log().config()
    };
    partition.log().set_config(tight);
    let starts = || {
        let watermarks = partition.watermarks();
        [watermarks.log_start_offset.0, watermarks.local_log_start_offset.0]
    };
    broker.retain().await.unwrap();
    assert_eq!(starts(), [0, 0], "nothing is copied");
    let mut record = TierRecord {
        manifest: 1,
        leader_epoch: LeaderEpoch(0),
        remote_end_offset: Offset(10),
        local_log_start_offset: Offset(0),
    };
    broker.replace_tier_record(id, None, record).await.unwrap();
    broker.retain().await.unwrap();
    assert_eq!(starts(), [0, 10]);
    assert_eq!(partition.log().segments_count(), 2, "the last one was closed, so that it can be copied");
    let tierable = partition.log().tierable(Offset(10), Offset(10), Offset(15), 9).unwrap();
    assert_eq!(tierable.len(), 1);
    broker.storage().checkpoint_step(CheckpointReach::All).unwrap();
    record.local_log_start_offset = Offset(10);
    let next = TierRecord { manifest: 2, remote_end_offset: Offset(15), ..record };
    broker.replace_tier_record(id, Some(record), next).await.unwrap();
    broker.retain().await.unwrap();
    assert_eq!((starts(), partition.log().size_bytes()), ([0, 15], 0));
    // Nothing is copied any more: the disk is not emptied ahead of the log.
    append_records(&broker, &partition, 5).await;
    broker.storage().checkpoint_step(CheckpointReach::All).unwrap();
    partition.log().set_config(LogConfig { tiering: Some(Tiering { copies: false, ..tiering }), ..tight });
    broker.retain().await.unwrap();
    assert_eq!(starts(), [0, 15], "the tier has a part, of which nobody says how old it is");
}
