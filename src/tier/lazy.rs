//! Small decoded objects: loaded once, by whoever asks first, and kept as long as there is room.

use std::future::Future;
use std::sync::Arc;

use foyer::{Cache, CacheBuilder, LruConfig};
use parking_lot::Mutex;

use super::error::TierError;
use super::flights::Flights;
use super::keys::Nonce;

/// One object, and how many bytes it is charged with.
struct Kept<T> {
    weight: usize,
    object: Arc<T>,
}

/// Objects by the nonce in their key.
pub(super) struct LazyCache<T: Send + Sync + 'static> {
    kept: Arc<Mutex<Cache<Nonce, Arc<Kept<T>>>>>,
    coming: Flights<Nonce, T>,
}

impl<T: Send + Sync + 'static> LazyCache<T> {
    pub(super) fn new(bytes_max: usize) -> LazyCache<T> {
        let cache = CacheBuilder::new(bytes_max)
            .with_shards(1)
            .with_eviction_config(LruConfig::default())
            .with_weighter(|_, kept: &Arc<Kept<T>>| kept.weight)
            .build();
        LazyCache { kept: Arc::new(Mutex::new(cache)), coming: Flights::default() }
    }

    /// The object, loaded if it is not here. Of several that ask at a time one loads it, and all are told if
    /// that fails. It is kept even if whoever asked is gone when it comes.
    pub(super) async fn get(
        &self,
        nonce: Nonce,
        weight: usize,
        load: impl Future<Output = Result<T, TierError>> + Send + 'static,
    ) -> Result<Arc<T>, TierError> {
        if let Some(entry) = self.kept.lock().get(&nonce) {
            return Ok(Arc::clone(&entry.value().object));
        }
        let kept = Arc::clone(&self.kept);
        let load = async move {
            let object = Arc::new(load.await?);
            drop(kept.lock().insert(nonce, Arc::new(Kept { weight, object: Arc::clone(&object) })));
            Ok(object)
        };
        self.coming.join(nonce, load).await
    }
}
