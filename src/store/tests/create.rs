//! Every way in which a create can end, and that the rule finds the truth.

use bytes::Bytes;

use super::super::simulated::{Fault, Strike};
use super::super::{Created, Operation, StoreError};
use super::{Simulated, simulated};

const KEY: &str = "manifest/00000000000000000007.root";

fn ours() -> Bytes {
    Bytes::from_static(b"ours, with a nonce")
}

fn theirs() -> Bytes {
    Bytes::from_static(b"theirs, with another nonce")
}

/// A bucket where creates meet those faults, one after the other.
fn with(faults: &[Fault]) -> Simulated {
    let simulated = simulated(7);
    for fault in faults {
        simulated.bucket.strike(Strike::next(Operation::Create, *fault));
    }
    simulated
}

/// The key is free, or somebody else has it; then creates meet `faults`.
async fn check(faults: &[Fault], taken: bool, created: Created, requests: u64) {
    let simulated = with(faults);
    if taken {
        simulated.bucket.set_object(KEY, theirs());
    }
    let result = simulated.store.create(KEY, ours()).await;
    assert_eq!(result, Ok(created), "{faults:?}, taken {taken}");
    let there = if taken { theirs() } else { ours() };
    assert_eq!(simulated.bucket.object(KEY), Some(there), "{faults:?}, taken {taken}");
    assert_eq!(simulated.bucket.requests(Operation::Create), requests, "{faults:?}, taken {taken}");
}

#[tokio::test]
async fn every_ambiguous_answer_is_cleared_up() {
    use Fault::{AnswerLost, Conflict, LandsLate, Unavailable};
    // Written and answered.
    check(&[], false, Created::Mine, 1).await;
    // Written, the answer lost: read back as ours, and not written again.
    check(&[AnswerLost], false, Created::Mine, 1).await;
    // Not written.
    check(&[Unavailable], false, Created::Mine, 2).await;
    check(&[Unavailable, Unavailable, AnswerLost], false, Created::Mine, 3).await;
    // 409, though there is nothing.
    check(&[Conflict], false, Created::Mine, 2).await;
    check(&[Conflict, Unavailable, AnswerLost], false, Created::Mine, 3).await;
    // Somebody else's, whatever is said.
    check(&[], true, Created::Taken(theirs()), 1).await;
    check(&[AnswerLost], true, Created::Taken(theirs()), 1).await;
    check(&[Unavailable], true, Created::Taken(theirs()), 1).await;
    check(&[Conflict], true, Created::Taken(theirs()), 1).await;
    check(&[LandsLate], true, Created::Taken(theirs()), 1).await;
}

#[tokio::test]
async fn what_lands_late_is_ours_all_the_same() {
    for seed in 0..20 {
        let simulated = simulated(seed);
        simulated.bucket.strike(Strike::next(Operation::Create, Fault::LandsLate).times(2));
        assert_eq!(simulated.store.create(KEY, ours()).await, Ok(Created::Mine), "seed {seed}");
        assert_eq!(simulated.bucket.object(KEY), Some(ours()), "seed {seed}");
    }
}

/// The first try is lost, somebody else is quicker, and then our first one arrives: it must not matter.
#[tokio::test]
async fn somebody_who_is_quicker_than_a_late_write_wins() {
    let simulated = with(&[Fault::LandsLate]);
    simulated.bucket.strike(Strike::next(Operation::Get, Fault::Unavailable).times(1000));
    let unknown = simulated.store.create("other/key", ours()).await;
    assert!(matches!(unknown, Err(StoreError::Unavailable(_))), "{unknown:?}");
    // By now it has landed.
    assert_eq!(simulated.bucket.object("other/key"), Some(ours()));

    let simulated = with(&[Fault::LandsLate]);
    let other = simulated.bucket.open(&simulated.env);
    let (first, second) = tokio::join!(simulated.store.create(KEY, ours()), other.create(KEY, theirs()));
    let (first, second) = (first.unwrap(), second.unwrap());
    let there = simulated.bucket.object(KEY).unwrap();
    assert_eq!(first == Created::Mine, there == ours(), "{first:?}");
    assert_eq!(second == Created::Mine, there == theirs(), "{second:?}");
}

#[tokio::test]
async fn nothing_is_tried_for_ever() {
    let retries = super::SimulatedBucket::quick().retries;
    for (fault, requests) in [
        (Fault::Unavailable, u64::from(retries) + 1),
        (Fault::Conflict, u64::from(retries) + 1),
        // A person must look: not again.
        (Fault::Denied, 1),
    ] {
        let simulated = simulated(3);
        simulated.bucket.strike(Strike::next(Operation::Create, fault).times(1000));
        let error = simulated.store.create(KEY, ours()).await.unwrap_err();
        assert_eq!(error.is_transient(), fault != Fault::Denied, "{error}");
        assert_eq!(simulated.bucket.requests(Operation::Create), requests, "{fault:?}");
        assert_eq!(simulated.bucket.object(KEY), None);
    }
}

/// A first request was lost after it was done; the credentials then ran out. The key tells all the same.
#[tokio::test]
async fn a_refusal_is_cleared_up_too() {
    let simulated = with(&[Fault::Denied]);
    simulated.bucket.set_object(KEY, ours());
    assert_eq!(simulated.store.create(KEY, ours()).await, Ok(Created::Mine));
}

#[tokio::test]
async fn an_unreadable_key_is_no_answer() {
    let simulated = with(&[Fault::AnswerLost]);
    simulated.bucket.strike(Strike::next(Operation::Get, Fault::Unavailable).times(1000));
    let error = simulated.store.create(KEY, ours()).await.unwrap_err();
    assert!(error.is_transient(), "{error}");
    // As its caller must: the same bytes again, once the store is back.
    let again = simulated.bucket.open(&simulated.env);
    simulated.bucket.clear_faults();
    assert_eq!(again.create(KEY, ours()).await, Ok(Created::Mine));
}
