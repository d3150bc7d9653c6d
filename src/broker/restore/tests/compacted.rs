//! Compacted topics: what a cleaning left of a transaction was committed.

use std::collections::BTreeMap;

use super::*;
use crate::broker::testing::append_in_transaction;
use crate::broker::tiering::tests::compacted::{
    Written, batch, clean_below, compacted_topic, open_quiet, read, three_leave_the_disk, values,
};
use crate::model::{ProducerEpoch, ProducerId};

/// A node with a compacted topic of which the catalogue knows nothing else.
async fn old_node(bucket: &SimulatedBucket) -> (tempfile::TempDir, Arc<Broker>, Arc<Partition>) {
    let directory = tempfile::tempdir().unwrap();
    let broker = open_quiet(directory.path(), bucket).await;
    let partition = compacted_topic(&broker).await;
    broker.put_catalogue().await.unwrap();
    (directory, broker, partition)
}

type Torn<'a> = (i64, Written<'a>, TransactionResult);

/// Batches of producers' transactions in one closed segment, cleaned and copied; their markers behind it, on
/// the disk alone. Where `is_followed`, a segment is between that is copied as it is.
async fn torn(broker: &Broker, partition: &Arc<Partition>, written: &[Torn<'_>], is_followed: bool) {
    let config = partition.log().config();
    partition.log().set_config(without_rolling(config));
    for (producer_id, record, _) in written {
        let producer = (ProducerId(*producer_id), ProducerEpoch(0));
        append_in_transaction(broker, partition, producer, batch(&[*record])).await;
    }
    close_segment(broker, partition, config).await;
    let clean_end = partition.watermarks().log_end_offset;
    if is_followed {
        append_records(broker, partition, 1).await;
        close_segment(broker, partition, config).await;
    }
    let end = partition.watermarks().log_end_offset;
    end_transactions(broker, partition, written.iter().map(|(id, _, result)| (*id, *result))).await;
    clean_below(broker, partition, clean_end);
    if is_followed {
        partition.log().set_config(LogConfig { compaction: None, ..without_rolling(config) });
    }
    while broker.image().tier(partition.topic_partition()).is_none_or(|tier| tier.remote_end_offset < end) {
        broker.see_to_the_tier().await;
    }
    assert_eq!(broker.image().tier(partition.topic_partition()).unwrap().remote_end_offset, end);
}

/// The catalogue is of before all of it, and knows nothing: the records do.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_cleaning_left_of_a_torn_transaction_stays() {
    use TransactionResult::{Abort, Commit};
    let bucket = bucket();
    let (_old_directory, old, partition) = old_node(&bucket).await;
    let id = partition.topic_partition();
    three_leave_the_disk(&old, &partition).await;
    let (kept, taken_back) = (("a", Some("committed")), ("b", Some("aborted")));
    torn(&old, &partition, &[(7, kept, Commit), (8, taken_back, Abort)], false).await;
    let before = values(&read(&old, &partition).await);
    old.close().await.unwrap();

    let directory = tempfile::tempdir().unwrap();
    let (_, heard) = restored(&Env::real(), directory.path(), &bucket, &DEAD).await.unwrap();
    let ended = &heard.partitions[0].ended;
    let committed = ended.iter().find(|ended| ended.producer_id == ProducerId(7)).unwrap();
    assert_eq!((committed.result, committed.is_known), (Commit, true), "{ended:?}");
    let broker = open_quiet(directory.path(), &bucket).await;
    let partition = broker.partition(id).unwrap();
    let watermarks = partition.watermarks();
    assert_eq!(watermarks.last_stable_offset, watermarks.log_end_offset, "nothing is held back");
    let expected = [("1", "1"), ("2", "2"), ("3", "3"), ("a", "committed")];
    let expected: BTreeMap<_, _> =
        expected.map(|(key, value)| (key.to_owned(), Some(value.to_owned()))).into();
    assert_eq!(before, expected);
    assert_eq!(values(&read(&broker, &partition).await), expected);
    let aborted = partition.local_aborted(Offset(0), watermarks.log_end_offset).unwrap();
    assert!(aborted.is_empty(), "{aborted:?}");
    broker.close().await.unwrap();
}

/// It may have gone on there, and of what was taken back there a cleaning did nothing.
#[tokio::test(flavor = "multi_thread")]
async fn nobody_knows_of_a_transaction_that_a_segment_follows_which_was_not_cleaned() {
    use TransactionResult::Abort;
    let bucket = bucket();
    let (_old_directory, old, partition) = old_node(&bucket).await;
    torn(&old, &partition, &[(8, ("b", Some("aborted")), Abort)], true).await;
    old.close().await.unwrap();
    let directory = tempfile::tempdir().unwrap();
    let (_, heard) = restored(&Env::real(), directory.path(), &bucket, &DEAD).await.unwrap();
    let [ended] = &heard.partitions[0].ended[..] else { panic!("{:?}", heard.partitions[0].ended) };
    assert_eq!((ended.producer_id, ended.result, ended.is_known), (ProducerId(8), Abort, false));
}
