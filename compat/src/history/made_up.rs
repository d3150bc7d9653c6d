//! Histories of clients and a broker that do nothing wrong, made up from a seed: the rules find nothing in
//! them, and what is planted in them.

use std::collections::BTreeMap;

use super::{Did, Operation, Outcome, Polled, Sent, SentOffsets, Step};
use crate::stream::LogStream;

const KEYS: usize = 6;
const PROCESSES: u32 = 6;
/// Of one poll and key.
const POLLED_MAX: usize = 8;
/// Nanoseconds from one operation's end to the next one's.
const TICK: u64 = 1_000;
/// Operations begin up to so many ticks before they end, so many are in progress together.
const TICKS_MAX: u64 = 5;

/// One place of a log.
#[derive(Clone, Copy)]
struct Entry {
    offset: i64,
    value: u64,
}

/// All partitions, and who is where.
struct World {
    random: LogStream,
    /// Committed records of each key.
    logs: Vec<Vec<Entry>>,
    /// The next offset of each key: markers and aborted records take some.
    ends: Vec<i64>,
    /// What of each log a process has read.
    read: BTreeMap<(u32, usize), usize>,
    /// What each process has sent of offsets to its group, and what is committed of that.
    sent_offsets: BTreeMap<(u32, String), i64>,
    committed: BTreeMap<(u32, String), i64>,
    /// When each process ended its last operation.
    idle_since: BTreeMap<u32, u64>,
    next_value: u64,
    now: u64,
    history: Vec<Operation>,
}

/// The group of a process.
fn group(process: u32) -> String {
    format!("of-{process}")
}

/// The name of a key.
pub fn key(number: usize) -> String {
    format!("t-{number}")
}

/// About so many operations, and the polls that read everything at the end.
pub fn history(operations: usize, seed: u64) -> Vec<Operation> {
    let mut world = World {
        random: LogStream::new(seed),
        logs: vec![Vec::new(); KEYS],
        ends: vec![0; KEYS],
        read: BTreeMap::new(),
        sent_offsets: BTreeMap::new(),
        committed: BTreeMap::new(),
        idle_since: BTreeMap::new(),
        next_value: 1,
        now: 1_000_000,
        history: Vec::new(),
    };
    for _ in 0..operations {
        world.step();
    }
    world.read_everything();
    world.history
}

impl World {
    fn below(&mut self, bound: u64) -> u64 {
        self.random.below(bound)
    }

    fn any_key(&mut self) -> usize {
        usize::try_from(self.below(KEYS as u64)).unwrap_or_default()
    }

    fn step(&mut self) {
        let process = u32::try_from(self.below(u64::from(PROCESSES))).unwrap_or_default();
        match self.below(100) {
            0..35 => self.send(process),
            35..70 => {
                let polled = self.poll(process);
                let sent = self.offsets(process, &polled);
                self.note(process, Outcome::Ok, Did::Alone(Step::Poll(polled)));
                if self.below(3) == 0 {
                    self.commit(process, &sent);
                    self.note(process, Outcome::Ok, Did::Alone(Step::Offsets(sent)));
                }
            }
            70..92 => self.transaction(process),
            92..94 => self.look_at_committed(process),
            94..97 => self.watermarks(),
            97 => self.note(process, Outcome::Ok, Did::Restart),
            _ => self.assign(process),
        }
    }

    fn note(&mut self, process: u32, outcome: Outcome, did: Did) {
        self.now += TICK;
        let idle = self.idle_since.insert(process, self.now).unwrap_or_default();
        let began = (self.now - self.below(TICKS_MAX * TICK)).max(idle);
        self.history.push(Operation { process, began, ended: self.now, outcome, did });
    }

    fn value(&mut self) -> u64 {
        self.next_value += 1;
        self.next_value
    }

    /// Takes an offset; what lies there is read if it is of use to anybody.
    fn append(&mut self, key: usize, value: Option<u64>) -> i64 {
        let offset = self.ends[key];
        self.ends[key] += 1;
        self.logs[key].extend(value.map(|value| Entry { offset, value }));
        offset
    }

    fn send(&mut self, process: u32) {
        let (key, value) = (self.any_key(), self.value());
        let outcome = if self.below(20) == 0 { Outcome::Unknown } else { Outcome::Ok };
        let was_written = outcome == Outcome::Ok || self.below(2) == 0;
        let offset = was_written.then(|| self.append(key, Some(value)));
        let offset = offset.filter(|_| outcome == Outcome::Ok);
        let sent = Sent { key: self::key(key), value, offset };
        self.note(process, outcome, Did::Alone(Step::Send(sent)));
        if outcome == Outcome::Unknown {
            self.note(process, Outcome::Ok, Did::Restart);
        }
    }

    /// Reads on in every key.
    fn poll(&mut self, process: u32) -> BTreeMap<String, Vec<(i64, u64)>> {
        let mut polled = BTreeMap::new();
        for key in 0..KEYS {
            let from = self.read.entry((process, key)).or_default();
            let to = self.logs[key].len().min(*from + POLLED_MAX);
            let records: Vec<(i64, u64)> =
                self.logs[key][*from..to].iter().map(|entry| (entry.offset, entry.value)).collect();
            *from = to;
            if !records.is_empty() {
                polled.insert(self::key(key), records);
            }
        }
        polled
    }

    fn transaction(&mut self, process: u32) {
        let before = self.read.clone();
        let (outcome, is_committed) = match self.below(10) {
            0 | 1 => (Outcome::Failed, false),
            2 => (Outcome::Unknown, self.below(2) == 0),
            _ => (Outcome::Ok, true),
        };
        let mut steps = Vec::new();
        let mut written = Vec::new();
        for _ in 0..=self.below(4) {
            if self.below(3) == 0 {
                let polled = self.poll(process);
                let sent = self.offsets(process, &polled);
                steps.push(Step::Poll(polled));
                if is_committed {
                    self.commit(process, &sent);
                }
                steps.push(Step::Offsets(sent));
                continue;
            }
            let (key, value) = (self.any_key(), self.value());
            let offset = self.append(key, None);
            written.push((key, Entry { offset, value }));
            steps.push(Step::Send(Sent { key: self::key(key), value, offset: Some(offset) }));
        }
        for (key, entry) in written {
            if is_committed {
                self.logs[key].push(entry);
            }
            self.append(key, None);
        }
        if outcome != Outcome::Ok {
            self.read = before;
        }
        self.note(process, outcome, Did::Transaction(steps));
        if outcome == Outcome::Unknown {
            self.note(process, Outcome::Ok, Did::Restart);
        }
    }

    /// What the group of a process has read with this poll: never less than it sent before.
    fn offsets(&mut self, process: u32, polled: &Polled) -> SentOffsets {
        let mut next = BTreeMap::new();
        for (key, records) in polled {
            let Some((offset, _)) = records.last() else { continue };
            let sent = self.sent_offsets.entry((process, key.clone())).or_default();
            if *sent <= offset + 1 {
                *sent = offset + 1;
                next.insert(key.clone(), offset + 1);
            }
        }
        SentOffsets { group: group(process), next }
    }

    fn commit(&mut self, process: u32, sent: &SentOffsets) {
        self.committed.extend(sent.next.iter().map(|(key, next)| ((process, key.clone()), *next)));
    }

    fn look_at_committed(&mut self, process: u32) {
        let of_process = self.committed.iter().filter(|((of, _), _)| *of == process);
        let seen: Vec<(String, i64)> = of_process.map(|((_, key), next)| (key.clone(), *next)).collect();
        for (key, next) in seen {
            self.note(PROCESSES, Outcome::Ok, Did::Committed { group: group(process), key, next });
        }
    }

    fn watermarks(&mut self) {
        let key = self.any_key();
        let end = self.ends[key];
        let did = Did::Watermarks { key: self::key(key), last_stable: end, high: end };
        self.note(PROCESSES, Outcome::Ok, did);
    }

    fn assign(&mut self, process: u32) {
        let from_start = self.below(50) == 0;
        if from_start {
            self.read.retain(|(of, _), _| *of != process);
        }
        let keys = (0..KEYS).map(self::key).collect();
        self.note(process, Outcome::Ok, Did::Assign { keys, from_start });
    }

    fn read_everything(&mut self) {
        let process = PROCESSES + 1;
        let keys = (0..KEYS).map(self::key).collect();
        self.note(process, Outcome::Ok, Did::Assign { keys, from_start: true });
        loop {
            let polled = self.poll(process);
            if polled.is_empty() {
                return;
            }
            self.note(process, Outcome::Ok, Did::Alone(Step::Poll(polled)));
        }
    }
}
