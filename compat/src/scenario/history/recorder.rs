//! What everybody was told, by one clock.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::park_timeout;
use std::time::{Duration, Instant};

use anyhow::Result;
use protocol_tests::client::Client;
use protocol_tests::groups::committed;
use protocol_tests::watermarks::watermarks;

use super::{PARTITIONS, groups, topics};
use crate::history::{Did, Operation, Outcome};

/// The process of a history that looks at watermarks.
const WATCHER: u32 = 1_000;
const WATCHED_EVERY: Duration = Duration::from_millis(100);

/// The history as it comes about.
pub struct Recorder {
    start: Instant,
    operations: Mutex<Vec<Operation>>,
    ends: Mutex<BTreeMap<String, Ends>>,
}

/// The greatest offsets of one key.
#[derive(Clone, Copy)]
struct Ends {
    acknowledged: i64,
    polled: i64,
}

impl Default for Recorder {
    fn default() -> Recorder {
        Recorder { start: Instant::now(), operations: Mutex::default(), ends: Mutex::default() }
    }
}

impl Recorder {
    /// Nanoseconds since the start.
    pub fn now(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }

    /// Notes what ends now.
    pub fn note(&self, process: u32, began: u64, outcome: Outcome, did: Did) {
        let mut operations = self.operations();
        let operation = Operation { process, began, ended: self.now(), outcome, did };
        self.note_ends(&operation);
        operations.push(operation);
    }

    fn note_ends(&self, operation: &Operation) {
        let mut ends = self.ends();
        let mut of = |key: &str, note: fn(&mut Ends, i64), offset| {
            note(ends.entry(key.to_owned()).or_insert(Ends { acknowledged: -1, polled: -1 }), offset);
        };
        for (key, offset, _) in operation.reads() {
            of(key, |ends, offset| ends.polled = ends.polled.max(offset), offset);
        }
        for sent in operation.sends().filter(|_| operation.outcome == Outcome::Ok) {
            if let Some(offset) = sent.offset {
                of(&sent.key, |ends, offset| ends.acknowledged = ends.acknowledged.max(offset), offset);
            }
        }
    }

    /// Keys with acknowledged records that nobody has polled yet.
    pub fn unseen(&self) -> Vec<String> {
        let ends = self.ends();
        let unseen = ends.iter().filter(|(_, ends)| ends.polled < ends.acknowledged);
        unseen.map(|(key, _)| key.clone()).collect()
    }

    fn ends(&self) -> MutexGuard<'_, BTreeMap<String, Ends>> {
        self.ends.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn operations(&self) -> MutexGuard<'_, Vec<Operation>> {
        self.operations.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The greatest offset of each key that was acknowledged or read: the last polls must come that far.
    pub fn last_offsets(&self) -> BTreeMap<String, i64> {
        let last = |(key, ends): (&String, &Ends)| (key.clone(), ends.acknowledged.max(ends.polled));
        self.ends().iter().map(last).collect()
    }

    /// The history so far.
    pub fn take(&self) -> Vec<Operation> {
        std::mem::take(&mut *self.operations())
    }
}

/// Asks the broker for what all groups have committed; fails where it cannot tell now.
pub fn look_at_committed(client: &mut Client, recorder: &Recorder) -> Result<()> {
    for group in groups() {
        let began = recorder.now();
        for (topic, partition, next) in committed(client, &group)? {
            let did = Did::Committed { group: group.clone(), key: format!("{topic}-{partition}"), next };
            recorder.note(WATCHER, began, Outcome::Ok, did);
        }
    }
    Ok(())
}

/// Asks the broker for watermarks and committed offsets again and again, without a proxy between.
pub fn watch(broker: SocketAddr, recorder: &Recorder, is_over: &AtomicBool) -> Result<()> {
    let topics = topics();
    let mut client = None;
    while !is_over.load(Ordering::Acquire) {
        park_timeout(WATCHED_EVERY);
        // A broker that was killed comes back.
        let Some(mut connected) = client.take().or_else(|| Client::connect(broker).ok()) else { continue };
        let began = recorder.now();
        let Ok(found) = watermarks(&mut connected, &topics, PARTITIONS.cast_signed()) else { continue };
        // Its coordinators may come later than it does.
        drop(look_at_committed(&mut connected, recorder));
        client = Some(connected);
        for found in found {
            let key = format!("{}-{}", found.topic, found.partition);
            let did = Did::Watermarks { key, last_stable: found.last_stable, high: found.high };
            recorder.note(WATCHER, began, Outcome::Ok, did);
        }
    }
    Ok(())
}
