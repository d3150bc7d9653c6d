use std::time::Duration;

use super::*;
use crate::broker::retention::remove_old_segments;
use crate::broker::testing::{open, two_segments};
use crate::broker::{FetchFailure, FetchLimits, PartitionFetch};
use crate::model::LeaderEpoch;
use crate::partition::PartitionRead;

const RECORD: TierRecord = TierRecord {
    manifest: 1,
    leader_epoch: LeaderEpoch(0),
    remote_end_offset: Offset(10),
    local_log_start_offset: Offset(0),
};

#[tokio::test]
async fn a_local_start_moves_as_far_as_the_tier_goes_and_never_back() {
    let directory = tempfile::tempdir().unwrap();
    let broker = open(directory.path(), &[]);
    let partition = two_segments(&broker).await;
    let id = partition.topic_partition();
    let moved = broker.move_local_log_starts(vec![(partition.clone(), Offset(10))]).await.unwrap();
    assert!(moved.is_empty(), "nothing is in the tier");
    broker.replace_tier_record(id, None, RECORD).await.unwrap();
    let moved = broker.move_local_log_starts(vec![(partition.clone(), Offset(11))]).await.unwrap();
    assert!(moved.is_empty(), "not so much is in the tier");
    let moved = broker.move_local_log_starts(vec![(partition.clone(), Offset(10))]).await.unwrap();
    assert_eq!(moved.len(), 1);
    let whole = partition.log().size_bytes();
    remove_old_segments(&moved);
    assert!(partition.log().size_bytes() < whole, "the segment is still there");
    for late in [4, 10] {
        let moved = broker.move_local_log_starts(vec![(partition.clone(), Offset(late))]).await.unwrap();
        assert!(moved.is_empty(), "the local start moves to {late}");
    }
    drop((moved, partition));
    broker.close().await.unwrap();
    drop(broker);

    let broker = open(directory.path(), &[]);
    assert_eq!(broker.image().tier(id).unwrap().local_log_start_offset, Offset(10));
    let partition = broker.partition(id).expect("the missing segment is not missed");
    let watermarks = partition.watermarks();
    assert_eq!((watermarks.log_start_offset, watermarks.local_log_start_offset), (Offset(0), Offset(10)));
    assert_eq!(watermarks.log_end_offset, Offset(15));
    assert_eq!(partition.leader_epoch_at(Offset(0)), LeaderEpoch(0), "the epoch of what is in the tier");
    let remote = partition.read(Offset(9), 1 << 20, true).unwrap();
    assert!(matches!(remote, PartitionRead::Remote(_)));
    let local = partition.read(Offset(10), 1 << 20, true).unwrap();
    assert!(matches!(local, PartitionRead::Segments(_)));
    let limits =
        FetchLimits { bytes_min: 1, bytes_max: 1 << 20, wait: Duration::ZERO, read_committed: false };
    let request = PartitionFetch {
        partition,
        offset: Offset(0),
        bytes_max: 1 << 20,
        last_fetched_epoch: LeaderEpoch::NONE,
    };
    let fetched = broker.fetch(&[request], limits).await.remove(0).result;
    assert!(matches!(fetched, Err(FetchFailure::Remote(_))), "nothing reads the tier yet");
}

#[tokio::test]
async fn a_record_is_replaced_only_where_the_expected_one_is() {
    let directory = tempfile::tempdir().unwrap();
    let broker = open(directory.path(), &[]);
    let partition = two_segments(&broker).await;
    let id = partition.topic_partition();
    let newer = TierRecord { manifest: 2, ..RECORD };
    let is_conflict = |result| assert!(matches!(result, Err(MetadataError::Conflict(_))), "{result:?}");
    is_conflict(broker.replace_tier_record(id, Some(RECORD), newer).await);
    broker.replace_tier_record(id, None, RECORD).await.unwrap();
    is_conflict(broker.replace_tier_record(id, None, newer).await);
    is_conflict(broker.replace_tier_record(id, Some(newer), newer).await);
    broker.replace_tier_record(id, Some(RECORD), newer).await.unwrap();
    assert_eq!(broker.image().tier(id), Some(newer));

    broker.delete_topic(id.topic_id).await.unwrap();
    assert_eq!(broker.image().tier(id), None);
    is_conflict(broker.replace_tier_record(id, None, RECORD).await);
    assert_eq!(broker.metadata.get(&keys::tier(id)), None);
}
