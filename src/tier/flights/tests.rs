use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use futures_util::FutureExt;
use tokio::sync::Notify;

use super::Flights;
use crate::store::StoreError;
use crate::tier::TierError;

#[tokio::test]
async fn a_load_goes_on_when_its_asker_is_gone() {
    let flights = Flights::<u32, u32>::default();
    let (answers, loads) = (Arc::new(Notify::new()), Arc::new(AtomicU32::new(0)));
    let load = || {
        let (answers, loads) = (Arc::clone(&answers), Arc::clone(&loads));
        async move {
            loads.fetch_add(1, Ordering::Relaxed);
            answers.notified().await;
            Ok(Arc::new(7))
        }
    };
    for _ in 0..3 {
        assert!(flights.join(1, load()).now_or_never().is_none(), "there is no answer yet");
        tokio::task::yield_now().await;
    }
    answers.notify_one();
    assert_eq!(*flights.join(1, load()).await.unwrap(), 7);
    assert_eq!(loads.load(Ordering::Relaxed), 1, "each asker began anew");
    assert!(flights.0.lock().is_empty());
}

#[tokio::test]
async fn what_failed_is_loaded_again() {
    let flights = Flights::<u32, u32>::default();
    let failure = TierError::from(StoreError::Unavailable("away".to_owned()));
    let fails = failure.clone();
    assert_eq!(flights.join(1, async move { Err(fails) }).await, Err(failure));
    assert_eq!(*flights.join(1, async { Ok(Arc::new(8)) }).await.unwrap(), 8);
}

#[tokio::test]
async fn a_load_that_breaks_off_is_told_and_stands_in_nobodys_way() {
    let flights = Flights::<u32, u32>::default();
    let broken = flights.join(1, async { panic!("as if it had a bug") }).await;
    assert!(matches!(broken, Err(TierError::Store(StoreError::Unavailable(_)))), "{broken:?}");
    assert!(flights.join(2, pending()).now_or_never().is_none());
    assert_eq!(*flights.join(1, async { Ok(Arc::new(9)) }).await.unwrap(), 9);
}
