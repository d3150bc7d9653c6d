//! A bucket in memory, with the faults that buckets have, for tests of whatever stands on a store.

mod backend;
mod fault;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use parking_lot::Mutex;

use self::backend::Connection;
pub use self::fault::{Fault, FaultRates, Strike};
use super::client::Client;
use super::{NoObserver, ObjectStore, Observer, Operation, RequestOptions};
use crate::env::simulated::SeededRandom;
use crate::env::{Clock, Env, Random};
use crate::model::Timestamp;

/// A bucket; cheap to clone, all clones are the same one. Outlives the processes that use it.
#[derive(Clone)]
pub struct SimulatedBucket {
    state: Arc<Mutex<State>>,
    clock: Arc<dyn Clock>,
}

struct State {
    objects: BTreeMap<String, Object>,
    /// Parts by upload, then index.
    uploads: BTreeMap<String, BTreeMap<usize, Bytes>>,
    uploads_begun: u64,
    /// Writes that were not answered and are still to happen.
    late: Vec<Late>,
    strikes: Vec<Strike>,
    rates: FaultRates,
    away: bool,
    /// Creates put, whatever is there.
    overwrites: bool,
    denied: Option<String>,
    kill: Option<Kill>,
    requests: BTreeMap<Operation, u64>,
    random: SeededRandom,
}

#[derive(Clone)]
struct Object {
    bytes: Bytes,
    modified: Timestamp,
}

/// The end of a process, at a request.
struct Kill {
    /// Requests before it.
    requests: u64,
    /// Whether that one is carried out.
    is_done: bool,
    kill: Box<dyn FnOnce() + Send>,
}

/// Lands once that many more requests have come.
struct Late {
    requests: u64,
    key: String,
    bytes: Bytes,
    if_absent: bool,
}

impl SimulatedBucket {
    /// An empty bucket. The seed decides which requests the rates strike, and where; the clock says when an
    /// object was stored.
    pub fn new(clock: Arc<dyn Clock>, seed: u64) -> SimulatedBucket {
        let state = State {
            objects: BTreeMap::new(),
            uploads: BTreeMap::new(),
            uploads_begun: 0,
            late: Vec::new(),
            strikes: Vec::new(),
            rates: FaultRates::default(),
            away: false,
            overwrites: false,
            denied: None,
            kill: None,
            requests: BTreeMap::new(),
            random: SeededRandom::new(seed),
        };
        SimulatedBucket { state: Arc::new(Mutex::new(state)), clock }
    }

    /// A store over it that repeats quickly, as tests want it. Several are several processes.
    pub fn open(&self, env: &Env) -> Arc<dyn ObjectStore> {
        self.open_with(SimulatedBucket::quick(), env, Arc::new(NoObserver))
    }

    /// The same with limits and an observer of one's own.
    pub fn open_with(
        &self,
        options: RequestOptions,
        env: &Env,
        observer: Arc<dyn Observer>,
    ) -> Arc<dyn ObjectStore> {
        Arc::new(Client::new(Connection(self.clone()), options, env.clone(), observer))
    }

    /// Limits that suit tests.
    pub fn quick() -> RequestOptions {
        RequestOptions {
            backoff: Duration::from_micros(100),
            backoff_max: Duration::from_millis(2),
            part_bytes: 1 << 20,
            ..RequestOptions::default()
        }
    }

    /// One fault to come.
    pub fn strike(&self, strike: Strike) {
        self.state.lock().strikes.push(strike);
    }

    /// How often requests fail from now on.
    pub fn set_rates(&self, rates: FaultRates) {
        self.state.lock().rates = rates;
    }

    /// Nothing that was set to fail does any more; late writes still land.
    pub fn clear_faults(&self) {
        let mut state = self.state.lock();
        state.strikes.clear();
        state.rates = FaultRates::default();
        state.away = false;
        state.denied = None;
        state.kill = None;
    }

    /// Whether every request fails from now on: 503.
    pub fn set_away(&self, away: bool) {
        self.state.lock().away = away;
    }

    /// After so many more requests `kill` is called, and none is answered any more: the next one is carried
    /// out or not, and those behind it are not.
    pub fn kill_at(&self, requests: u64, is_done: bool, kill: impl FnOnce() + Send + 'static) {
        self.state.lock().kill = Some(Kill { requests, is_done, kill: Box::new(kill) });
    }

    /// Whether it is a store that does not know put-if-absent and puts.
    pub fn set_overwrites(&self, overwrites: bool) {
        self.state.lock().overwrites = overwrites;
    }

    /// Refuses every request from now on, in those words; `None` lets them through again.
    pub fn set_denied(&self, why: Option<&str>) {
        self.state.lock().denied = why.map(str::to_owned);
    }

    /// All keys, in order.
    pub fn keys(&self) -> Vec<String> {
        self.state.lock().objects.keys().cloned().collect()
    }

    /// An object as it lies there.
    pub fn object(&self, key: &str) -> Option<Bytes> {
        self.state.lock().objects.get(key).map(|object| object.bytes.clone())
    }

    /// Puts an object there, past all rules: another's, or a damaged one.
    pub fn set_object(&self, key: &str, bytes: impl Into<Bytes>) {
        let object = Object { bytes: bytes.into(), modified: self.clock.now() };
        self.state.lock().objects.insert(key.to_owned(), object);
    }

    /// Takes an object away.
    pub fn remove_object(&self, key: &str) {
        self.state.lock().objects.remove(key);
    }

    /// How many requests of a kind there were, failed ones too.
    pub fn requests(&self, operation: Operation) -> u64 {
        self.state.lock().requests.get(&operation).copied().unwrap_or(0)
    }

    /// Objects in parts that were begun and neither completed nor given up.
    pub fn uploads_open(&self) -> usize {
        self.state.lock().uploads.len()
    }
}

impl State {
    /// A number below `bound`, by the seed.
    fn below(&self, bound: u64) -> u64 {
        self.random.next_u64() % bound.max(1)
    }
}
