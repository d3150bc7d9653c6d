//! Small decoded objects: loaded once, by whoever asks first, and kept as long as there is room.

use std::fmt::Debug;
use std::future::Future;
use std::hash::Hash;
use std::sync::Arc;

use foyer::{Cache, CacheBuilder, LruConfig};
use parking_lot::Mutex;

use super::error::TierError;
use super::flights::Flights;

/// What the cache itself takes for one, about.
const ENTRY_BYTES: usize = 200;
/// The part of all room that an object which was made here may take.
const MADE_SHARE: usize = 4;

/// Objects by what tells one from all others, for ever: what a key stood for once, it stands for again.
pub(super) struct LazyCache<K: Key, T: Send + Sync + 'static> {
    kept: Arc<Mutex<Cache<K, Arc<T>>>>,
    coming: Flights<K, T>,
    weigh: fn(&T) -> usize,
    bytes_max: usize,
}

/// A key of a [`LazyCache`].
pub(super) trait Key: Eq + Hash + Copy + Debug + Send + Sync + 'static {}

impl<K: Eq + Hash + Copy + Debug + Send + Sync + 'static> Key for K {}

impl<K: Key, T: Send + Sync + 'static> LazyCache<K, T> {
    /// Keeps what was asked for last, as far as it weighs `bytes_max` in all.
    pub(super) fn new(bytes_max: usize, weigh: fn(&T) -> usize) -> LazyCache<K, T> {
        let cache = CacheBuilder::new(bytes_max)
            .with_shards(1)
            .with_eviction_config(LruConfig::default())
            .with_weighter(move |_, object: &Arc<T>| weigh(object) + ENTRY_BYTES)
            .build();
        LazyCache { kept: Arc::new(Mutex::new(cache)), coming: Flights::default(), weigh, bytes_max }
    }

    /// The object, loaded if it is not here. Of several that ask at a time one loads it, and all are told if
    /// that fails. It is kept even if whoever asked is gone when it comes.
    pub(super) async fn get(
        &self,
        key: K,
        load: impl Future<Output = Result<T, TierError>> + Send + 'static,
    ) -> Result<Arc<T>, TierError> {
        if let Some(object) = self.known(key) {
            return Ok(object);
        }
        let kept = Arc::clone(&self.kept);
        let load = async move {
            let object = Arc::new(load.await?);
            drop(kept.lock().insert(key, Arc::clone(&object)));
            Ok(object)
        };
        self.coming.join(key, load).await
    }

    /// The object if it is here.
    pub(super) fn known(&self, key: K) -> Option<Arc<T>> {
        self.kept.lock().get(&key).map(|entry| Arc::clone(entry.value()))
    }

    /// Keeps what was not loaded but made here; not what would leave little room for anything else.
    pub(super) fn keep(&self, key: K, object: &Arc<T>) {
        match (self.weigh)(object) <= self.bytes_max / MADE_SHARE {
            true => drop(self.kept.lock().insert(key, Arc::clone(object))),
            false => self.forget(key),
        }
    }

    /// Lets go what nobody will ask for any more.
    pub(super) fn forget(&self, key: K) {
        drop(self.kept.lock().remove(&key));
    }

    /// What is kept weighs so much.
    #[cfg(test)]
    pub(super) fn bytes(&self) -> usize {
        self.kept.lock().usage()
    }
}
