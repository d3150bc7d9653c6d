//! What was found damaged in the store: consumers ask for it many times a second, and each time it would be
//! fetched twice.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

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
    known: Mutex<HashMap<(String, u64), Known>>,
}

struct Known {
    error: TierError,
    rest: Duration,
    /// Monotonic time.
    until: Duration,
}

impl KnownDamage {
    pub(super) fn new(clock: Arc<dyn Clock>) -> KnownDamage {
        KnownDamage { clock, known: Mutex::default() }
    }

    /// Fails, as the last fetch did, while it is not to be fetched again.
    pub(super) fn check(&self, key: &str, position: u64) -> Result<(), TierError> {
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
    pub(super) fn remember(&self, key: &str, position: u64, error: &TierError) {
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
    pub(super) fn forget(&self, key: &str, position: u64) {
        let mut known = self.known.lock();
        if !known.is_empty() {
            known.remove(&(key.to_owned(), position));
        }
    }
}

#[cfg(test)]
mod tests;
