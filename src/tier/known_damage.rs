//! What comes damaged from the store is fetched once more: it may have been so on its way only. If it still
//! is, that is remembered: consumers ask for it many times a second, and each time it would be fetched twice.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

use super::counters::{Counters, count};
use super::error::TierError;
use crate::env::Clock;

/// How long something is not fetched again once it was damaged twice in a row. Each time it still is, it is
/// twice as long.
const REST_MIN: Duration = Duration::from_secs(1);
const REST_MAX: Duration = Duration::from_secs(60);
/// Pieces of objects that are known at a time. Others are fetched whenever somebody asks.
const KNOWN_MAX: usize = 1024;

/// Pieces of objects, by the key and by where in the object they begin.
pub(super) struct KnownDamage {
    clock: Arc<dyn Clock>,
    counters: Arc<Counters>,
    known: Mutex<HashMap<(String, u64), Known>>,
}

struct Known {
    error: TierError,
    rest: Duration,
    /// Monotonic time.
    until: Duration,
}

impl KnownDamage {
    pub(super) fn new(clock: Arc<dyn Clock>, counters: Arc<Counters>) -> KnownDamage {
        KnownDamage { clock, counters, known: Mutex::default() }
    }

    /// What `first` gives, or `again` if that comes damaged; at once what was found before, while it is not
    /// to be fetched again. `what` it is: for the log.
    pub(super) async fn fetch<T>(
        &self,
        what: &str,
        (key, position): (&str, u64),
        first: impl Future<Output = Result<T, TierError>>,
        again: impl Future<Output = Result<T, TierError>>,
    ) -> Result<T, TierError> {
        self.check(key, position)?;
        let fetched = match first.await {
            Err(error) if error.is_damage() => {
                count(&self.counters.damaged);
                tracing::warn!(%error, "{what} is fetched again");
                again.await
            }
            fetched => fetched,
        };
        match &fetched {
            Ok(_) => self.forget(key, position),
            Err(error) if error.is_damage() => {
                count(&self.counters.damaged);
                self.remember(key, position, error);
                tracing::error!(%error, "{what} is damaged in the store");
            }
            Err(_) => {}
        }
        fetched
    }

    /// Fails, as the last fetch did, while it is not to be fetched again.
    fn check(&self, key: &str, position: u64) -> Result<(), TierError> {
        let known = self.known.lock();
        if known.is_empty() {
            return Ok(());
        }
        match known.get(&(key.to_owned(), position)) {
            Some(it) if self.clock.monotonic() < it.until => Err(it.error.clone()),
            _ => Ok(()),
        }
    }

    /// It was fetched, and was damaged again.
    fn remember(&self, key: &str, position: u64, error: &TierError) {
        let now = self.clock.monotonic();
        let mut known = self.known.lock();
        if known.len() >= KNOWN_MAX {
            known.retain(|_, it| now < it.until);
        }
        let place = (key.to_owned(), position);
        let rest = known.get(&place).map_or(REST_MIN, |it| it.rest.saturating_mul(2).min(REST_MAX));
        if known.len() < KNOWN_MAX || known.contains_key(&place) {
            known.insert(place, Known { error: error.clone(), rest, until: now.saturating_add(rest) });
        }
    }

    /// It was fetched, and is as it should be.
    fn forget(&self, key: &str, position: u64) {
        let mut known = self.known.lock();
        if !known.is_empty() {
            known.remove(&(key.to_owned(), position));
        }
    }
}

#[cfg(test)]
mod tests;
