use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use super::partitions::Size;

/// Which sessions there are, and which must go for a new one. What a session is, is not its business.
///
/// As Kafka's `FetchSessionCache` with one shard and no privileged sessions: when there is no free slot, a
/// new session takes that of the one that has been unused for longest, if that is longer than `unused_min`;
/// else that of the smallest of those in use for longer, if it is smaller than the new one. Beyond Kafka, all
/// sessions together are kept below `bytes_max`: for that only unused ones go.
pub(super) struct SessionCache<S> {
    slots: usize,
    unused_min: Duration,
    bytes_max: usize,
    entries: HashMap<i32, Entry<S>>,
    /// By the time of last use.
    used: BTreeSet<(Duration, i32)>,
    /// By size in partitions: those that were used long after they were begun.
    settled: BTreeSet<(usize, i32)>,
    size: Size,
    evictions_count: u64,
}

struct Entry<S> {
    session: S,
    begun: Duration,
    used: Duration,
    size: Size,
}

impl<S> SessionCache<S> {
    pub fn new(slots: usize, unused_min: Duration, bytes_max: usize) -> SessionCache<S> {
        SessionCache {
            slots,
            unused_min,
            bytes_max,
            entries: HashMap::new(),
            used: BTreeSet::new(),
            settled: BTreeSet::new(),
            size: Size::default(),
            evictions_count: 0,
        }
    }

    pub fn get(&self, id: i32) -> Option<&S> {
        self.entries.get(&id).map(|entry| &entry.session)
    }

    /// Number of sessions.
    pub fn sessions_count(&self) -> usize {
        self.entries.len()
    }

    /// Number of partitions of all sessions.
    pub fn partitions_count(&self) -> usize {
        self.size.partitions
    }

    /// How many sessions had to go for others.
    pub fn evictions_count(&self) -> u64 {
        self.evictions_count
    }

    /// Makes room for a session of this size, if that is its due; other sessions may have to go.
    pub fn make_room(&mut self, now: Duration, size: Size) -> bool {
        if self.slots == 0 || !self.fits(now, size.bytes, None) {
            return false;
        }
        if self.entries.len() < self.slots {
            return true;
        }
        let victim = self.unused(now).or_else(|| {
            let (partitions, id) = self.settled.first()?;
            (*partitions < size.partitions).then_some(*id)
        });
        victim.is_some_and(|id| self.evict(id))
    }

    /// Adds a session under an id that is free, if there is room for it.
    pub fn insert(&mut self, now: Duration, id: i32, size: Size, session: S) -> bool {
        if !self.make_room(now, size) {
            return false;
        }
        self.entries.insert(id, Entry { session, begun: now, used: now, size: Size::default() });
        self.used.insert((now, id));
        self.resize(id, size);
        true
    }

    /// Notes that a session was used and how big it has become. False if it is gone, or has outgrown the
    /// memory there is and had to go.
    pub fn touch(&mut self, now: Duration, id: i32, size: Size) -> bool {
        let Some(entry) = self.entries.get_mut(&id) else { return false };
        self.used.remove(&(entry.used, id));
        entry.used = now;
        self.used.insert((now, id));
        let grown = size.bytes.saturating_sub(entry.size.bytes);
        if grown > 0 && !self.fits(now, grown, Some(id)) {
            return !self.evict(id);
        }
        self.resize(id, size);
        true
    }

    pub fn remove(&mut self, id: i32) -> Option<S> {
        self.resize(id, Size::default());
        let entry = self.entries.remove(&id)?;
        self.used.remove(&(entry.used, id));
        self.settled.remove(&(0, id));
        Some(entry.session)
    }

    fn resize(&mut self, id: i32, size: Size) {
        let Some(entry) = self.entries.get_mut(&id) else { return };
        self.settled.remove(&(entry.size.partitions, id));
        self.size.partitions = self.size.partitions + size.partitions - entry.size.partitions;
        self.size.bytes = self.size.bytes + size.bytes - entry.size.bytes;
        entry.size = size;
        if entry.used.saturating_sub(entry.begun) > self.unused_min {
            self.settled.insert((size.partitions, id));
        }
    }

    /// Whether so many bytes more find room, once unused sessions have gone.
    fn fits(&mut self, now: Duration, bytes: usize, but: Option<i32>) -> bool {
        if bytes > self.bytes_max {
            return false;
        }
        while self.size.bytes + bytes > self.bytes_max {
            let Some(unused) = self.unused(now).filter(|id| Some(*id) != but) else { return false };
            self.evict(unused);
        }
        true
    }

    /// The session that has been unused for longest, if that is long enough.
    fn unused(&self, now: Duration) -> Option<i32> {
        let (used, id) = self.used.first()?;
        (now.saturating_sub(*used) > self.unused_min).then_some(*id)
    }

    fn evict(&mut self, id: i32) -> bool {
        self.evictions_count += 1;
        self.remove(id).is_some()
    }
}

#[cfg(test)]
mod tests;
