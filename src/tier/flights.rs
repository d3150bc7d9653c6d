//! Loads that go on when whoever asked has gone: a fetch gives up waiting long before a slow store answers,
//! and the next one must find what the first one asked for, or join in its wait.

use std::collections::HashMap;
use std::future::Future;
use std::hash::Hash;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::watch;

use super::error::TierError;
use crate::store::StoreError;

type Landed<T> = Option<Result<Arc<T>, TierError>>;
type UnderWay<K, T> = Arc<Mutex<HashMap<K, watch::Receiver<Landed<T>>>>>;

/// What is being loaded: each thing once at a time. A load ends as its requests to the store do, at the
/// latest when these run out of time. There are at most as many as there are things that readers stand
/// before.
pub(super) struct Flights<K, T>(UnderWay<K, T>);

impl<K, T> Default for Flights<K, T> {
    fn default() -> Flights<K, T> {
        Flights(Arc::default())
    }
}

impl<K: Eq + Hash + Clone + Send + 'static, T: Send + Sync + 'static> Flights<K, T> {
    /// What `load` gives, or what a load of the same that is under way will give. What is to be kept of it
    /// must be kept by `load` itself: who asked may be gone by then.
    pub(super) async fn join(
        &self,
        key: K,
        load: impl Future<Output = Result<Arc<T>, TierError>> + Send + 'static,
    ) -> Result<Arc<T>, TierError> {
        let mut landing = self.take_off(key, load);
        let landed = landing.wait_for(Option::is_some).await.ok().and_then(|landed| landed.clone());
        landed.unwrap_or_else(|| Err(StoreError::Unavailable("a load did not end".to_owned()).into()))
    }

    fn take_off(
        &self,
        key: K,
        load: impl Future<Output = Result<Arc<T>, TierError>> + Send + 'static,
    ) -> watch::Receiver<Landed<T>> {
        let mut under_way = self.0.lock();
        if let Some(landing) = under_way.get(&key) {
            return landing.clone();
        }
        let (sender, landing) = watch::channel(None);
        under_way.insert(key.clone(), landing.clone());
        let entry = Entry { under_way: Arc::clone(&self.0), key };
        tokio::spawn(async move {
            let landed = load.await;
            // First, so that nobody joins what has ended.
            drop(entry);
            sender.send_replace(Some(landed));
        });
        landing
    }
}

/// Goes with the load, whichever way that ends.
struct Entry<K: Eq + Hash, T> {
    under_way: UnderWay<K, T>,
    key: K,
}

impl<K: Eq + Hash, T> Drop for Entry<K, T> {
    fn drop(&mut self) {
        self.under_way.lock().remove(&self.key);
    }
}

#[cfg(test)]
mod tests;
