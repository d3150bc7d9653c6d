//! Retries, resumed bodies, time limits, and what the observer is told.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use parking_lot::Mutex;

use super::super::simulated::{Fault, SimulatedBucket, Strike};
use super::super::{Finished, Observer, Operation, Outcome, RequestOptions, StoreError};
use super::simulated;

#[derive(Default)]
struct Told(Mutex<Vec<Finished>>);

impl Observer for Told {
    fn finished(&self, request: &Finished) {
        self.0.lock().push(*request);
    }
}

impl Told {
    fn outcomes(&self) -> Vec<(Operation, Outcome, u64)> {
        let told = self.0.lock();
        told.iter().map(|request| (request.operation, request.outcome, request.bytes)).collect()
    }
}

fn body(bytes: usize) -> Bytes {
    (0..bytes).map(|at| (at % 251) as u8).collect::<Vec<u8>>().into()
}

#[tokio::test]
async fn each_request_is_told_with_its_end() {
    let simulated = simulated(1);
    let told = Arc::new(Told::default());
    let observer = Arc::clone(&told) as Arc<dyn Observer>;
    let store = simulated.bucket.open_with(SimulatedBucket::quick(), &simulated.env, observer);
    simulated.bucket.strike(Strike::next(Operation::Put, Fault::Unavailable).times(2));
    store.put("a", vec![body(1000)]).await.unwrap();
    assert_eq!(store.size("b").await, Ok(None));
    drop(store.get("a", None).await.unwrap());
    store.get("a", Some(10..20)).await.unwrap().whole(10).await.unwrap();
    assert!(store.create("a", body(5)).await.is_ok());
    let expected = [
        (Operation::Put, Outcome::Unavailable, 0),
        (Operation::Put, Outcome::Unavailable, 0),
        (Operation::Put, Outcome::Done, 1000),
        (Operation::Head, Outcome::NotFound, 0),
        // Its reader went away before the first byte.
        (Operation::Get, Outcome::Abandoned, 0),
        (Operation::Get, Outcome::Done, 10),
        (Operation::Create, Outcome::Exists, 0),
        (Operation::Get, Outcome::Done, 1000),
    ];
    assert_eq!(told.outcomes(), expected);
}

#[tokio::test]
async fn a_body_that_breaks_off_is_taken_up_where_it_did() {
    for seed in 0..30 {
        let simulated = simulated(seed);
        let content = body(100_000);
        simulated.bucket.set_object("a", content.clone());
        simulated.bucket.strike(Strike::next(Operation::Get, Fault::BreaksOff).times(4));
        let read = simulated.store.get("a", Some(5..99_000)).await.unwrap().whole(100_000).await.unwrap();
        assert!(read == content.slice(5..99_000), "seed {seed}");
        assert_eq!(simulated.bucket.requests(Operation::Get), 5, "seed {seed}");
    }
}

#[tokio::test]
async fn requests_are_repeated_so_often_and_no_more() {
    let retries = u64::from(SimulatedBucket::quick().retries);
    let simulated = simulated(1);
    simulated.bucket.set_object("a", body(100));
    simulated.bucket.set_away(true);
    let store = &simulated.store;
    assert!(store.put("b", vec![]).await.unwrap_err().is_transient());
    assert!(store.size("a").await.unwrap_err().is_transient());
    assert!(store.get("a", None).await.unwrap_err().is_transient());
    assert!(store.delete(&["a".to_owned()]).await.unwrap_err().is_transient());
    assert!(store.list("").next_page().await.unwrap_err().is_transient());
    let operations = [Operation::Put, Operation::Head, Operation::Get, Operation::Delete, Operation::List];
    for operation in operations {
        assert_eq!(simulated.bucket.requests(operation), retries + 1, "{operation:?}");
    }
    simulated.bucket.set_away(false);
    simulated.bucket.strike(Strike::next(Operation::Get, Fault::BreaksOff).times(1000));
    let broken = store.get("a", None).await.unwrap().whole(100).await.unwrap_err();
    assert!(broken.is_transient(), "{broken}");
    assert_eq!(simulated.bucket.requests(Operation::Get), 2 * (retries + 1));
}

#[tokio::test]
async fn a_refusal_is_not_repeated() {
    let simulated = simulated(1);
    simulated.bucket.set_denied(Some("403 InvalidAccessKeyId"));
    let denied = StoreError::Denied("403 InvalidAccessKeyId".to_owned());
    assert_eq!(simulated.store.put("b", vec![]).await, Err(denied.clone()));
    assert_eq!(simulated.store.size("b").await, Err(denied));
    assert_eq!(simulated.bucket.requests(Operation::Put), 1);
    assert_eq!(simulated.bucket.requests(Operation::Head), 1);
}

#[tokio::test]
async fn a_request_without_an_answer_is_given_up_in_time() {
    let simulated = simulated(1);
    let told = Arc::new(Told::default());
    let options =
        RequestOptions { timeout: Duration::from_millis(20), retries: 1, ..SimulatedBucket::quick() };
    let observer = Arc::clone(&told) as Arc<dyn Observer>;
    let store = simulated.bucket.open_with(options, &simulated.env, observer);
    simulated.bucket.strike(Strike::next(Operation::Head, Fault::Slow(Duration::from_secs(3600))).times(2));
    let error = store.size("a").await.unwrap_err();
    assert_eq!(error, StoreError::Unavailable("no answer in 20 ms".to_owned()));
    assert_eq!(told.outcomes(), [(Operation::Head, Outcome::TimedOut, 0); 2]);
}

#[tokio::test]
async fn a_completion_whose_answer_was_lost_is_found_done() {
    let simulated = simulated(1);
    for fault in [Fault::AnswerLost, Fault::Unavailable] {
        simulated.bucket.strike(Strike::next(Operation::CompleteParts, fault));
        simulated.bucket.strike(Strike::next(Operation::Part, Fault::AnswerLost).times(2));
        let content = body(3 << 20);
        let (sender, mut parts) = tokio::sync::mpsc::channel(2);
        let pieces = content.clone();
        let send = async move {
            for at in (0..pieces.len()).step_by(100_000) {
                let piece = pieces.slice(at..(at + 100_000).min(pieces.len()));
                sender.send(Ok(piece)).await.unwrap();
            }
        };
        let put = simulated.store.put_large("a", content.len() as u64, &mut parts);
        let (result, ()) = tokio::join!(put, send);
        assert_eq!(result, Ok(()));
        assert!(simulated.bucket.object("a") == Some(content));
        simulated.bucket.remove_object("a");
    }
    assert_eq!(simulated.bucket.uploads_open(), 0);
}

#[tokio::test]
async fn what_cannot_be_stored_whole_is_given_up() {
    let simulated = simulated(1);
    simulated.bucket.strike(Strike::next(Operation::Part, Fault::Denied).after(1));
    let (sender, mut parts) = tokio::sync::mpsc::channel(10);
    for _ in 0..3 {
        sender.send(Ok(body(1 << 20))).await.unwrap();
    }
    let result = simulated.store.put_large("a", 3 << 20, &mut parts).await;
    assert!(matches!(result, Err(StoreError::Denied(_))), "{result:?}");
    assert_eq!(simulated.bucket.uploads_open(), 0, "its parts are removed");
    assert_eq!(simulated.bucket.object("a"), None);

    // What is read from fails, or dies: the object must not look whole.
    drop(sender);
    let result = simulated.store.put_large("a", 3 << 20, &mut parts).await;
    assert!(matches!(result, Err(StoreError::Source(_))), "{result:?}");
    assert_eq!(simulated.bucket.keys(), Vec::<String>::new());
}
