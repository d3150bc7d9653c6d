//! The gate before every write to a bucket: whether it is still ours.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::sync::watch;

use super::error::TierError;
use super::owner::{OWNER_BYTES_MAX, OWNERS, Owner};
use crate::env::{Clock, Random};
use crate::store::{Answer, Body, Created, Listing, ObjectStore, Parts, StoreError, probe};

/// How long an answer counts that nobody else has taken the bucket over. A broker asks so often, whether or
/// not it writes; who takes over waits so long.
pub const OWNERSHIP_AGE_MAX: Duration = Duration::from_secs(10);

/// What is known of who owns a bucket.
pub struct Ownership {
    /// Past the gate.
    store: Arc<dyn ObjectStore>,
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
    /// One request at a time: whoever waits for it takes its answer.
    asking: tokio::sync::Mutex<()>,
    lost: watch::Sender<Option<Arc<str>>>,
}

#[derive(Clone, Copy, Default)]
struct State {
    /// Ours, once it was seen in the bucket.
    number: Option<u64>,
    /// Monotonic time at which it was asked last whether there is a higher one, and there was none.
    asked: Option<Duration>,
    /// Of creates that raced there, one won.
    probed: bool,
}

impl Ownership {
    /// Of a bucket of which nothing is known yet: nothing is written to it.
    pub fn new(store: Arc<dyn ObjectStore>, clock: Arc<dyn Clock>) -> Ownership {
        let lost = watch::Sender::new(None);
        Ownership { store, clock, state: Mutex::default(), asking: Default::default(), lost }
    }

    /// The highest owner there is; `None`: nobody ever wrote to the bucket.
    pub async fn highest(&self) -> Result<Option<Owner>, TierError> {
        highest_owner(&*self.store).await
    }

    /// The owner of that number, if there is one.
    pub async fn owner(&self, number: u64) -> Result<Option<Owner>, TierError> {
        read_owner(&*self.store, number).await
    }

    /// Makes sure, once, that the store keeps what owners and manifests stand on ([`probe`]). `Denied`: it
    /// does not, or lets us not in. Writes there, so whoever asks knows that the bucket is nobody else's.
    pub async fn probe(&self, random: &dyn Random) -> Result<(), StoreError> {
        if !self.state.lock().probed {
            probe(&self.store, random).await?;
            self.state.lock().probed = true;
        }
        Ok(())
    }

    /// Makes an owner known, unless another one has its number: that one.
    pub async fn create(&self, owner: &Owner) -> Result<Option<Owner>, TierError> {
        create_owner(&*self.store, owner).await
    }

    /// The object of this number is ours: from now on what is written passes, as long as there is no higher
    /// one.
    pub fn confirmed(&self, number: u64) {
        let mut state = self.state.lock();
        (state.number, state.asked) = (Some(number), None);
    }

    /// Our number, once it was seen in the bucket.
    pub fn number(&self) -> Option<u64> {
        self.state.lock().number
    }

    /// The bucket is somebody else's: nothing passes any more, and who waits in [`Ownership::lost`] hears
    /// why.
    pub fn lose(&self, why: &str) {
        self.lost.send_if_modified(|lost| {
            let is_first = lost.is_none();
            lost.get_or_insert_with(|| why.into());
            is_first
        });
    }

    /// Waits until the bucket is somebody else's; why.
    pub async fn lost(&self) -> Arc<str> {
        let mut lost = self.lost.subscribe();
        let why = lost.wait_for(Option::is_some).await.ok().and_then(|why| why.clone());
        why.unwrap_or_else(|| "it is not known any more whose the bucket is".into())
    }

    /// Whether something may be written now. `Denied`: never again; other errors: not before the store was
    /// asked.
    pub async fn check(&self) -> Result<(), StoreError> {
        let Some(number) = self.unsettled()? else { return Ok(()) };
        let came = self.clock.monotonic();
        let _one_at_a_time = self.asking.lock().await;
        // Asked after we came, however long it took: from a slow store nothing else is ever young enough.
        let is_answered = self.state.lock().asked.is_some_and(|asked| asked >= came);
        if self.unsettled()?.is_none() || is_answered {
            return Ok(());
        }
        self.ask(number).await
    }

    /// Our number, if it is to be asked whether there is a higher one.
    fn unsettled(&self) -> Result<Option<u64>, StoreError> {
        if let Some(why) = &*self.lost.borrow() {
            return Err(StoreError::Denied(why.to_string()));
        }
        let State { number, asked, .. } = *self.state.lock();
        let Some(number) = number else {
            let words = "nothing is written before it is known whose the bucket is";
            return Err(StoreError::Unavailable(words.to_owned()));
        };
        let now = self.clock.monotonic();
        let counts = asked.is_some_and(|asked| now.saturating_sub(asked) < OWNERSHIP_AGE_MAX);
        Ok((!counts).then_some(number))
    }

    /// Numbers are taken one after the other and never given back: there is a higher one if there is the
    /// next.
    async fn ask(&self, number: u64) -> Result<(), StoreError> {
        let before = self.clock.monotonic();
        // A GET, not a HEAD: the answer to that says neither why it refuses, nor whether the bucket is there.
        let by = match self.owner(number + 1).await {
            Ok(None) => {
                self.state.lock().asked = Some(before);
                return Ok(());
            }
            Ok(Some(owner)) => owner.to_string(),
            Err(TierError::Store(error)) if !matches!(error, StoreError::Corrupt { .. }) => {
                return Err(error);
            }
            // It is there.
            Err(_) => format!("owner {}", number + 1),
        };
        let why = format!("the bucket was taken over by {by}; this broker was owner {number}");
        self.lose(&why);
        Err(StoreError::Denied(why))
    }
}

/// The highest owner of a bucket; `None`: nobody ever wrote to it.
pub async fn highest_owner(store: &dyn ObjectStore) -> Result<Option<Owner>, TierError> {
    let mut listing = store.list(OWNERS);
    let mut highest = None;
    while let Some(page) = listing.next_page().await? {
        highest = highest.max(page.iter().filter_map(|listed| Owner::parse_key(&listed.key)).max());
    }
    match highest {
        Some(number) => read_owner(store, number).await,
        None => Ok(None),
    }
}

async fn read_owner(store: &dyn ObjectStore, number: u64) -> Result<Option<Owner>, TierError> {
    let key = Owner::key_of(number);
    let bytes = match store.get(&key, None).await {
        Ok(body) => body.whole(OWNER_BYTES_MAX).await?,
        Err(StoreError::NotFound(_)) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    Owner::decode(&bytes, number).map(Some).map_err(|what| TierError::damaged(key, what))
}

/// Makes an owner known, unless another one has its number: that one.
pub async fn create_owner(store: &dyn ObjectStore, owner: &Owner) -> Result<Option<Owner>, TierError> {
    let key = Owner::key_of(owner.number);
    match store.create(&key, owner.encode().into()).await? {
        Created::Mine => Ok(None),
        Created::Taken(bytes) => {
            Owner::decode(&bytes, owner.number).map(Some).map_err(|what| TierError::damaged(key, what))
        }
    }
}

/// A bucket to which only its owner writes. Reads pass.
pub struct OwnedStore {
    /// Past the gate.
    pub store: Arc<dyn ObjectStore>,
    /// The gate.
    pub ownership: Arc<Ownership>,
}

impl ObjectStore for OwnedStore {
    fn put<'a>(&'a self, key: &'a str, body: Vec<Bytes>) -> Answer<'a, ()> {
        Box::pin(async move {
            self.ownership.check().await?;
            self.store.put(key, body).await
        })
    }

    fn put_large<'a>(&'a self, key: &'a str, length: u64, parts: &'a mut dyn Parts) -> Answer<'a, ()> {
        Box::pin(async move {
            self.ownership.check().await?;
            self.store.put_large(key, length, parts).await
        })
    }

    fn create<'a>(&'a self, key: &'a str, body: Bytes) -> Answer<'a, Created> {
        Box::pin(async move {
            self.ownership.check().await?;
            self.store.create(key, body).await
        })
    }

    fn get<'a>(&'a self, key: &'a str, range: Option<Range<u64>>) -> Answer<'a, Body> {
        self.store.get(key, range)
    }

    fn size<'a>(&'a self, key: &'a str) -> Answer<'a, Option<u64>> {
        self.store.size(key)
    }

    fn delete<'a>(&'a self, keys: &'a [String]) -> Answer<'a, ()> {
        Box::pin(async move {
            // Whoever has nothing to remove asks for nothing.
            if keys.is_empty() {
                return Ok(());
            }
            self.ownership.check().await?;
            self.store.delete(keys).await
        })
    }

    fn list(&self, prefix: &str) -> Listing {
        self.store.list(prefix)
    }
}

#[cfg(test)]
mod tests;
