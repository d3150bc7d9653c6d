//! What a store must do, tried on the store itself: the same suite for each kind of store, and for a bucket
//! that somebody wants to know more about.

use std::collections::BTreeSet;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::join_all;

use super::{Answer, Created, Listed, ObjectStore, Parts, StoreError};
use crate::env::Random;

/// One expectation and what became of it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Checked {
    /// What is expected, in a few words.
    pub name: &'static str,
    /// Why it is not so.
    pub result: Result<(), String>,
}

/// What a check works with.
struct Bench {
    store: Arc<dyn ObjectStore>,
    /// Its own folder, where nothing else lies.
    folder: String,
    /// Bytes of what is called large: several parts.
    large_bytes: usize,
}

/// Creates of one key at a time.
const RACERS: usize = 8;
/// Keys that they race for.
const RACES: usize = 4;
/// More than a request may remove or a page hold would take long on a slow store: enough for several pages of
/// the simulated one.
const LISTED: usize = 10;

/// Checks everything, in a folder of that store that it makes up and empties again.
pub async fn check(store: &Arc<dyn ObjectStore>, random: &dyn Random, large_bytes: usize) -> Vec<Checked> {
    let folder = format!("conformance/{}", random.uuid().simple());
    let bench = Bench { store: Arc::clone(store), folder: folder.clone(), large_bytes };
    let results = [
        ("an object is read as it was put, and may be put again", bench.put_and_get().await),
        ("ranges are read, and must be there", bench.ranges().await),
        ("what is not there is not found", bench.absent().await),
        ("a large object is stored in parts", bench.large().await),
        ("a large object whose source ends too soon is not stored", bench.large_that_fails().await),
        ("a create that comes second is told what is there", bench.create().await),
        ("of creates that race one wins, and all know which", bench.races().await),
        ("a folder is listed whole, and nothing beside it", bench.list().await),
        ("objects are removed, and those that are not there too", bench.delete().await),
        ("nothing stays", bench.clean_up().await),
    ];
    results.into_iter().map(|(name, result)| Checked { name, result }).collect()
}

/// Bytes that differ from place to place.
fn pattern(bytes: usize, salt: u8) -> Bytes {
    (0..bytes).map(|at| (at.wrapping_mul(31) >> 3) as u8 ^ salt).collect::<Vec<u8>>().into()
}

fn told(what: &str) -> impl FnOnce(StoreError) -> String {
    move |error| format!("{what}: {error}")
}

fn expect<T: PartialEq + std::fmt::Debug>(what: &str, found: T, expected: T) -> Result<(), String> {
    if found == expected { Ok(()) } else { Err(format!("{what}: {found:?}, not {expected:?}")) }
}

impl Bench {
    fn key(&self, name: &str) -> String {
        format!("{}/{name}", self.folder)
    }

    async fn read(&self, key: &str, range: Option<std::ops::Range<u64>>) -> Result<Bytes, String> {
        let body = self.store.get(key, range).await.map_err(told("get"))?;
        let length = body.length();
        let bytes = body.whole(usize::MAX).await.map_err(told("body"))?;
        expect("bytes that were read", bytes.len() as u64, length)?;
        Ok(bytes)
    }

    async fn put_and_get(&self) -> Result<(), String> {
        for (name, bytes) in [("empty", 0), ("small", 1), ("medium", 300_000)] {
            let key = self.key(name);
            let body = pattern(bytes, 1);
            for _ in 0..2 {
                let pieces = vec![body.slice(..bytes / 3), Bytes::new(), body.slice(bytes / 3..)];
                self.store.put(&key, pieces).await.map_err(told("put"))?;
            }
            if self.read(&key, None).await? != body {
                return Err(format!("{name}: other bytes are read than were put"));
            }
            let size = self.store.size(&key).await.map_err(told("size"))?;
            expect("size", size, Some(bytes as u64))?;
        }
        Ok(())
    }

    async fn ranges(&self) -> Result<(), String> {
        let key = self.key("ranges");
        let body = pattern(100_000, 2);
        self.store.put(&key, vec![body.clone()]).await.map_err(told("put"))?;
        for range in [0..100_000_usize, 0..1, 99_999..100_000, 12_345..67_890, 5..5] {
            let bytes = self.read(&key, Some(range.start as u64..range.end as u64)).await?;
            if bytes != body.slice(range.clone()) {
                return Err(format!("the range {range:?} is read as other bytes"));
            }
        }
        for range in [99_999..100_001, 100_000..100_001, 200_000..200_001] {
            match self.store.get(&key, Some(range.clone())).await {
                Err(StoreError::Corrupt { .. }) => {}
                other => return Err(format!("the range {range:?} of 100000 bytes: {other:?}")),
            }
        }
        Ok(())
    }

    async fn absent(&self) -> Result<(), String> {
        let key = self.key("absent");
        for range in [None, Some(0..10)] {
            match self.store.get(&key, range).await {
                Err(StoreError::NotFound(_)) => {}
                other => return Err(format!("get: {other:?}")),
            }
        }
        expect("size", self.store.size(&key).await.map_err(told("size"))?, None)?;
        let mut listing = self.store.list(&key);
        expect("a page", listing.next_page().await.map_err(told("list"))?, None)
    }

    async fn large(&self) -> Result<(), String> {
        let body = pattern(self.large_bytes, 3);
        for (name, piece_bytes) in [("large", 100_003), ("large-in-one", self.large_bytes)] {
            let key = self.key(name);
            let mut parts = Pieces { rest: body.clone(), piece_bytes };
            let put = self.store.put_large(&key, body.len() as u64, &mut parts);
            put.await.map_err(told("put_large"))?;
            if self.read(&key, None).await? != body {
                return Err("other bytes are read than were put".to_owned());
            }
            let end = body.len() as u64;
            if self.read(&key, Some(end - 10..end)).await? != body.slice(body.len() - 10..) {
                return Err("its end is another one".to_owned());
            }
        }
        Ok(())
    }

    async fn large_that_fails(&self) -> Result<(), String> {
        let key = self.key("large-that-fails");
        let bytes = self.large_bytes;
        for (given, said) in [(bytes - 1, bytes), (bytes + 1, bytes), (10, 20), (20, 10), (0, bytes)] {
            let mut parts = Pieces { rest: pattern(given, 4), piece_bytes: 100_003 };
            match self.store.put_large(&key, said as u64, &mut parts).await {
                Err(StoreError::Source(_)) => {}
                other => return Err(format!("{given} bytes instead of {said}: {other:?}")),
            }
            let size = self.store.size(&key).await.map_err(told("size"))?;
            expect("size of what was not stored", size, None)?;
        }
        Ok(())
    }

    async fn create(&self) -> Result<(), String> {
        let key = self.key("create");
        let (first, second) = (pattern(1000, 5), pattern(1000, 6));
        let created = |body: &Bytes| {
            let (store, key, body) = (Arc::clone(&self.store), key.clone(), body.clone());
            async move { store.create(&key, body).await.map_err(told("create")) }
        };
        expect("the first", created(&first).await?, Created::Mine)?;
        expect("the second", created(&second).await? == Created::Taken(first.clone()), true)?;
        expect("the first again", created(&first).await?, Created::Mine)?;
        if self.read(&key, None).await? != first {
            return Err("the second is there".to_owned());
        }
        Ok(())
    }

    async fn races(&self) -> Result<(), String> {
        for race in 0..RACES {
            let key = self.key(&format!("race-{race}"));
            let body = |racer: usize| pattern(2000, racer as u8 + 10);
            let racers = (0..RACERS).map(|racer| self.store.create(&key, body(racer)));
            let results = join_all(racers).await;
            let there = self.read(&key, None).await?;
            let mut winners = 0;
            for (racer, result) in results.into_iter().enumerate() {
                match result.map_err(told("create"))? {
                    Created::Mine => {
                        winners += 1;
                        expect("what the winner reads", there == body(racer), true)?;
                    }
                    Created::Taken(taken) => expect("what a loser is told", taken == there, true)?,
                }
            }
            expect("winners", winners, 1)?;
        }
        Ok(())
    }

    async fn listed(&self, folder: &str) -> Result<Vec<Listed>, String> {
        let mut listing = self.store.list(folder);
        let mut all = Vec::new();
        while let Some(page) = listing.next_page().await.map_err(told("list"))? {
            if page.is_empty() || page.len() > super::Listing::PAGE_KEYS_MAX {
                return Err(format!("a page of {} keys", page.len()));
            }
            all.extend(page);
        }
        Ok(all)
    }

    async fn list(&self) -> Result<(), String> {
        let folder = self.key("list");
        let mut expected = BTreeSet::new();
        for number in 0..LISTED {
            let key = format!("{folder}/{}/{number}.object", number % 3);
            self.store.put(&key, vec![pattern(number, 7)]).await.map_err(told("put"))?;
            expected.insert((key, number as u64));
        }
        // A neighbour whose name begins as the folder's.
        self.store.put(&format!("{folder}-2/0.object"), vec![]).await.map_err(told("put"))?;
        let found = self.listed(&folder).await?;
        if found.iter().any(|object| object.modified.0 <= 0) {
            return Err("an object has no time".to_owned());
        }
        expect("objects", found.len(), LISTED)?;
        let found: BTreeSet<_> = found.into_iter().map(|object| (object.key, object.bytes)).collect();
        expect("the folder", found, expected)
    }

    async fn delete(&self) -> Result<(), String> {
        let keys: Vec<String> = ["small", "absent", "medium"].iter().map(|name| self.key(name)).collect();
        for _ in 0..2 {
            self.store.delete(&keys).await.map_err(told("delete"))?;
            for key in &keys {
                expect("size", self.store.size(key).await.map_err(told("size"))?, None)?;
            }
        }
        self.store.delete(&[]).await.map_err(told("delete of nothing"))
    }

    async fn clean_up(&self) -> Result<(), String> {
        let keys: Vec<String> = self.listed(&self.folder).await?.into_iter().map(|found| found.key).collect();
        self.store.delete(&keys).await.map_err(told("delete"))?;
        expect("objects", self.listed(&self.folder).await?, Vec::new())
    }
}

/// A content that comes in pieces.
struct Pieces {
    rest: Bytes,
    piece_bytes: usize,
}

impl Parts for Pieces {
    fn next(&mut self) -> Answer<'_, Option<Bytes>> {
        let piece = self.rest.split_to(self.piece_bytes.min(self.rest.len()));
        Box::pin(async move { Ok(Some(piece).filter(|piece| !piece.is_empty())) })
    }
}
