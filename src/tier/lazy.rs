//! Small decoded objects: loaded once, by whoever asks first, and kept as long as there is room.

use std::future::Future;
use std::sync::Arc;

use foyer::{Cache, CacheBuilder, LruConfig};
use parking_lot::Mutex;
use tokio::sync::OnceCell;

use super::error::TierError;
use super::keys::Nonce;

/// One object, and how many bytes it is charged with.
struct Slot<T> {
    weight: usize,
    cell: OnceCell<Arc<T>>,
}

/// Objects by the nonce in their key.
pub(super) struct LazyCache<T: Send + Sync + 'static> {
    slots: Mutex<Cache<Nonce, Arc<Slot<T>>>>,
}

impl<T: Send + Sync + 'static> LazyCache<T> {
    pub(super) fn new(bytes_max: usize) -> LazyCache<T> {
        let cache = CacheBuilder::new(bytes_max)
            .with_shards(1)
            .with_eviction_config(LruConfig::default())
            .with_weighter(|_, slot: &Arc<Slot<T>>| slot.weight)
            .build();
        LazyCache { slots: Mutex::new(cache) }
    }

    /// The object, loaded if it is not here. Of several that ask at a time one loads it; if that fails, the
    /// next tries.
    pub(super) async fn get(
        &self,
        nonce: Nonce,
        weight: usize,
        load: impl Future<Output = Result<T, TierError>>,
    ) -> Result<Arc<T>, TierError> {
        let slot = self.slot(nonce, weight);
        let load = async { load.await.map(Arc::new) };
        slot.cell.get_or_try_init(|| load).await.cloned()
    }

    fn slot(&self, nonce: Nonce, weight: usize) -> Arc<Slot<T>> {
        let slots = self.slots.lock();
        if let Some(entry) = slots.get(&nonce) {
            return Arc::clone(entry.value());
        }
        let slot = Arc::new(Slot { weight, cell: OnceCell::new() });
        drop(slots.insert(nonce, Arc::clone(&slot)));
        slot
    }
}
