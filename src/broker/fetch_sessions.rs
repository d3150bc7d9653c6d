//! Fetch sessions (KIP-227): a client names its partitions once and then only what changes.
//!
//! Two locks, never held together nor over an await: one for which sessions there are, and one in each
//! session. A session outlives its connection, as in Kafka, and is gone after a restart.

mod cache;
mod partitions;
mod session;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use parking_lot::Mutex;

use self::cache::SessionCache;
pub use self::partitions::{FetchKey, FetchTopic, PartitionAsk};
use self::partitions::{Partitions, Size};
pub use self::session::{AnsweredPartition, SessionChange, SessionError};
use self::session::{FINAL_EPOCH, FetchSession, INITIAL_EPOCH};
use crate::env::Env;
use crate::model::TopicId;
use crate::telemetry::Metrics;

/// A session that is not used for so long may go for another. As Kafka's constant.
const UNUSED_MIN: Duration = Duration::from_secs(120);
/// Memory for all sessions together: some 260,000 partitions. Without room a client is answered without a
/// session, which every client knows how to live with.
const BYTES_MAX: usize = 64 << 20;
/// The `session_id` of answers without a session.
pub const NO_SESSION: i32 = 0;

/// A session as requests share it.
struct Shared {
    session: Mutex<FetchSession>,
    /// Its size after the last change.
    partitions: AtomicUsize,
    bytes: AtomicUsize,
}

impl Shared {
    fn new(session: FetchSession) -> Shared {
        let Size { partitions, bytes } = session.size();
        Shared { session: Mutex::new(session), partitions: partitions.into(), bytes: bytes.into() }
    }

    fn note_size(&self, Size { partitions, bytes }: Size) {
        self.partitions.store(partitions, Ordering::Release);
        self.bytes.store(bytes, Ordering::Release);
    }

    fn size(&self) -> Size {
        let partitions = self.partitions.load(Ordering::Acquire);
        Size { partitions, bytes: self.bytes.load(Ordering::Acquire) }
    }
}

/// How a request stands to sessions: decided when it comes, needed again when it is answered.
pub struct FetchContext(Kind);

enum Kind {
    /// It has none and wants none.
    Sessionless,
    /// It wants one.
    Begins { by_id: bool },
    /// It goes on with one.
    GoesOn { id: i32, session_epoch: i32, shared: Arc<Shared> },
}

impl FetchContext {
    /// Whether the answer must tell what was asked.
    pub fn begins_session(&self) -> bool {
        matches!(self.0, Kind::Begins { .. })
    }
}

/// What a request is answered with.
pub struct SessionAnswer {
    /// The session, or `NO_SESSION`.
    pub session_id: i32,
    /// The partitions that the client must be told of.
    pub answered: Result<Vec<AnsweredPartition>, SessionError>,
}

/// All sessions of the broker.
pub struct FetchSessions {
    env: Env,
    metrics: Arc<Metrics>,
    cache: Mutex<SessionCache<Arc<Shared>>>,
}

impl FetchSessions {
    /// No sessions yet, and never more than `slots`.
    pub fn new(env: Env, metrics: Arc<Metrics>, slots: usize) -> FetchSessions {
        let cache = Mutex::new(SessionCache::new(slots, UNUSED_MIN, BYTES_MAX));
        FetchSessions { env, metrics, cache }
    }

    /// What a request is to fetch, each partition once: what it names, or what its session holds after it.
    ///
    /// A partition that is named twice is fetched where it was named first, as it was wanted last.
    pub fn begin(
        &self,
        session_id: i32,
        change: &SessionChange<'_>,
        name_of: impl Fn(TopicId) -> Option<Arc<str>>,
    ) -> Result<(FetchContext, Vec<(FetchKey, PartitionAsk)>), SessionError> {
        let kind = match change.session_epoch {
            INITIAL_EPOCH | FINAL_EPOCH => {
                if session_id != NO_SESSION {
                    // Whatever its epoch is: the client begins anew.
                    self.change_cache(|cache| cache.remove(session_id));
                }
                match change.session_epoch {
                    FINAL_EPOCH => Kind::Sessionless,
                    _ => Kind::Begins { by_id: change.by_id },
                }
            }
            session_epoch => match self.go_on(session_id, change)? {
                Some(shared) => {
                    let to_fetch = shared.session.lock().asked(name_of);
                    let kind = Kind::GoesOn { id: session_id, session_epoch, shared };
                    return Ok((FetchContext(kind), to_fetch));
                }
                None => Kind::Sessionless,
            },
        };
        Ok((FetchContext(kind), each_once(change.asked)))
    }

    /// Takes a request's changes into its session; `None` if nothing is left of that.
    fn go_on(&self, id: i32, change: &SessionChange<'_>) -> Result<Option<Arc<Shared>>, SessionError> {
        let shared = self.cache.lock().get(id).cloned().ok_or(SessionError::NotFound)?;
        let is_empty = {
            let mut session = shared.session.lock();
            session.go_on(change)?;
            shared.note_size(session.size());
            session.is_empty()
        };
        let now = self.env.clock.monotonic();
        let stays = self.change_cache(|cache| match is_empty {
            true => cache.remove(id).is_some(),
            // The size as it is by now: the last one to come here tells the cache of the last change.
            false => cache.touch(now, id, shared.size()),
        });
        match (is_empty, stays) {
            (true, _) => Ok(None),
            (false, true) => Ok(Some(shared)),
            (false, false) => Err(SessionError::NotFound),
        }
    }

    /// The answer to a request, of all that was fetched for it.
    pub fn finish(&self, context: FetchContext, answered: Vec<AnsweredPartition>) -> SessionAnswer {
        match context.0 {
            Kind::Sessionless => SessionAnswer { session_id: NO_SESSION, answered: Ok(answered) },
            Kind::Begins { by_id } => {
                let session_id = self.create(by_id, &answered);
                SessionAnswer { session_id, answered: Ok(answered) }
            }
            Kind::GoesOn { id, session_epoch, shared } => {
                let answered = shared.session.lock().answer(session_epoch, answered);
                SessionAnswer { session_id: id, answered }
            }
        }
    }

    /// Begins a session, if there is room for one. Its id, or `NO_SESSION`.
    fn create(&self, by_id: bool, answered: &[AnsweredPartition]) -> i32 {
        let now = self.env.clock.monotonic();
        let size = Size::of(answered.iter().map(|one| &one.key));
        if !self.change_cache(|cache| cache.make_room(now, size)) {
            return NO_SESSION;
        }
        let shared = Arc::new(Shared::new(FetchSession::begun(by_id, answered)));
        self.change_cache(|cache| {
            let id = self.free_id(cache);
            // Another one may have been quicker.
            if cache.insert(now, id, shared.size(), shared) { id } else { NO_SESSION }
        })
    }

    /// A random positive number that no session has. There are fewer sessions than numbers, so one is found.
    fn free_id(&self, cache: &SessionCache<Arc<Shared>>) -> i32 {
        let mut id = (self.env.random.next_u64() >> 33) as i32;
        while id == NO_SESSION || cache.get(id).is_some() {
            id = id.checked_add(1).unwrap_or(1);
        }
        id
    }

    fn change_cache<R>(&self, change: impl FnOnce(&mut SessionCache<Arc<Shared>>) -> R) -> R {
        let mut cache = self.cache.lock();
        let before = cache.evictions_count();
        let result = change(&mut cache);
        let evicted = cache.evictions_count() - before;
        self.metrics.fetch_sessions(cache.sessions_count(), cache.partitions_count(), evicted);
        result
    }
}

fn each_once(asked: &[(FetchKey, PartitionAsk)]) -> Vec<(FetchKey, PartitionAsk)> {
    if asked.len() < 2 {
        return asked.to_vec();
    }
    let mut partitions = Partitions::default();
    for (key, ask) in asked {
        partitions.ask(key.clone(), *ask);
    }
    partitions.iter().map(|partition| (partition.key.clone(), partition.ask)).collect()
}

#[cfg(test)]
mod tests;
