//! Readers of committed transactions.

use std::time::Duration;

use super::{batches, only, partition, request};
use crate::handlers::testing::{TestBroker, batch, end_transaction, produce, produce_in_transaction};
use crate::model::TransactionResult;

/// Offsets of batches, last stable offset, aborted transactions by producer and first offset.
type Found = (Vec<i64>, i64, Option<Vec<(i64, i64)>>);

async fn fetch(test: &TestBroker, isolation_level: i8, from: i64) -> Found {
    let asked = request(12, ("t", Default::default()), vec![partition(0, from)]);
    let response = test.ask(12, &asked.with_isolation_level(isolation_level)).await;
    let found = only(&response);
    assert_eq!(found.error_code, 0);
    let bases = batches(found).into_iter().map(|(base, _)| base).collect();
    let aborted = found.aborted_transactions.as_ref().map(|aborted| {
        let one = |aborted: &kafka_protocol::messages::fetch_response::AbortedTransaction| {
            (aborted.producer_id.0, aborted.first_offset)
        };
        aborted.iter().map(one).collect()
    });
    (bases, found.last_stable_offset, aborted)
}

#[tokio::test]
async fn trap_53_a_read_ends_below_the_last_stable_offset_and_tells_what_was_aborted() {
    let mut test = TestBroker::start();
    test.topic("t", 1, &[]).await;
    produce_in_transaction(&test, "t", 8, 0).await;
    produce_in_transaction(&test, "t", 7, 0).await;
    produce(&test, "t", batch(&[1])).await;
    assert_eq!(fetch(&test, 1, 0).await, (vec![], 0, Some(vec![])));
    // Other readers see all, and the last stable offset as well.
    assert_eq!(fetch(&test, 0, 0).await, (vec![0, 1, 2], 0, None));
    end_transaction(&test, "t", 7, TransactionResult::Abort).await;
    assert_eq!(fetch(&test, 1, 0).await, (vec![], 0, Some(vec![])), "the first one is open");
    end_transaction(&test, "t", 8, TransactionResult::Abort).await;
    produce_in_transaction(&test, "t", 8, 1).await;

    // In the tail, then in segments: the same, sorted by first offset and not by the markers.
    for place in ["tail", "segments"] {
        let both = Some(vec![(8, 0), (7, 1)]);
        assert_eq!(fetch(&test, 1, 0).await, (vec![0, 1, 2, 3, 4], 5, both.clone()), "{place}");
        assert_eq!(fetch(&test, 1, 3).await, (vec![3, 4], 5, both), "{place}: the markers count");
        assert_eq!(fetch(&test, 1, 4).await, (vec![4], 5, Some(vec![(8, 0)])), "{place}");
        assert_eq!(fetch(&test, 1, 5).await, (vec![], 5, Some(vec![])), "{place}");
        assert_eq!(fetch(&test, 0, 5).await, (vec![5], 5, None), "{place}");
        test = test.restart().await;
    }
    end_transaction(&test, "t", 8, TransactionResult::Commit).await;
    // One in a segment, one in the tail.
    assert_eq!(fetch(&test, 1, 5).await, (vec![5], 7, Some(vec![])));
    assert_eq!(fetch(&test, 1, 6).await, (vec![6], 7, Some(vec![])));
}

#[tokio::test]
async fn trap_53_a_wait_ends_with_the_marker_and_not_with_the_records() {
    let test = TestBroker::start();
    test.topic("t", 1, &[]).await;
    let asked = request(12, ("t", Default::default()), vec![partition(0, 0)]).with_isolation_level(1);
    let asked = asked.with_max_wait_ms(60_000);
    let waiting = test.ask(12, &asked);
    let writing = async {
        produce_in_transaction(&test, "t", 7, 0).await;
        produce(&test, "t", batch(&[1])).await;
        end_transaction(&test, "t", 7, TransactionResult::Commit).await;
    };
    let both = async { tokio::join!(waiting, writing) };
    let (response, ()) =
        crate::env::time::timeout(Duration::from_secs(30), both).await.expect("the marker wakes it");
    assert_eq!(batches(only(&response)), [(0, 1), (1, 2), (2, 3)]);
    assert_eq!(only(&response).last_stable_offset, 3);
}
