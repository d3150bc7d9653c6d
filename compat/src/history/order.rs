//! The order of each key, as all that was told gives it, and what must be in it.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use super::anomaly::{Anomaly, Kind};
use super::facts::{Facts, Read, Record, Write};
use super::{Did, Outcome};

/// Offsets of each key and what lies there: from all polls, and from the sends that must have been committed.
pub struct Order {
    /// By key.
    places: Vec<BTreeMap<i64, BTreeSet<usize>>>,
    /// By key: offsets that were read, in order.
    read: Vec<Vec<i64>>,
    /// By record: the place among these of where it was read first.
    ranks: Vec<usize>,
    /// By operation: whether it must have been committed.
    committed: Vec<bool>,
    /// Offsets with two values, and values with two offsets.
    pub anomalies: Vec<Anomaly>,
}

impl Order {
    /// Leaves out offsets of the sends (by place) whose acknowledgement cannot be trusted.
    pub fn of(facts: &Facts<'_>, distrusted: &HashSet<usize>) -> Order {
        let committed = facts.committed();
        let mut places = vec![BTreeMap::<i64, BTreeSet<usize>>::new(); facts.keys.len()];
        for (place, write) in facts.writes.iter().enumerate() {
            let offset = write.offset.filter(|_| committed[write.operation] && !distrusted.contains(&place));
            if let Some(offset) = offset {
                let record = &facts.records[write.record];
                places[record.key].entry(offset).or_default().insert(write.record);
            }
        }
        let mut read = vec![Vec::new(); facts.keys.len()];
        for (number, record) in facts.records.iter().enumerate() {
            for offset in &record.read_at {
                places[record.key].entry(*offset).or_default().insert(number);
            }
            read[record.key].extend(&record.read_at);
        }
        for offsets in &mut read {
            offsets.sort_unstable();
            offsets.dedup();
        }
        let mut order = Order { places, read, ranks: Vec::new(), committed, anomalies: Vec::new() };
        let rank = |record: &Record| record.read_at.first().map_or(0, |at| order.rank_of(record.key, *at));
        order.ranks = facts.records.iter().map(rank).collect();
        order.anomalies = order.contradictions(facts);
        order
    }

    fn contradictions(&self, facts: &Facts<'_>) -> Vec<Anomaly> {
        let mut found = Vec::new();
        for (key, places) in self.places.iter().enumerate() {
            let mut places_of: BTreeMap<usize, Vec<i64>> = BTreeMap::new();
            for (offset, records) in places {
                records.iter().for_each(|record| places_of.entry(*record).or_default().push(*offset));
                if records.len() > 1 {
                    let values: Vec<u64> =
                        records.iter().map(|record| facts.records[*record].value).collect();
                    let words = format!("offset {offset} of {} holds {values:?}", facts.keys[key]);
                    let operations = records.iter().flat_map(|record| tellers(facts, *record)).collect();
                    found.push(Anomaly { kind: Kind::InconsistentOffset, words, operations });
                }
            }
            for (record, offsets) in places_of.iter().filter(|(_, offsets)| offsets.len() > 1) {
                let words = format!("{} lies at {offsets:?}", facts.name(&facts.records[*record]));
                let operations = tellers(facts, *record);
                found.push(Anomaly { kind: Kind::Duplicate, words, operations });
            }
        }
        found
    }

    fn rank_of(&self, key: usize, offset: i64) -> usize {
        self.read[key].partition_point(|read| *read < offset)
    }

    /// The place of what was read among the offsets of its key that were read.
    pub fn rank(&self, facts: &Facts<'_>, read: &Read) -> usize {
        let record = &facts.records[read.record];
        match record.read_at[..] {
            [_] => self.ranks[read.record],
            _ => self.rank_of(record.key, read.offset),
        }
    }

    /// The offset with this place.
    pub fn at_rank(&self, key: usize, rank: usize) -> i64 {
        self.read[key][rank]
    }
}

/// Who wrote a record, and the first that read it.
fn tellers(facts: &Facts<'_>, record: usize) -> Vec<usize> {
    let record = &facts.records[record];
    let writer = facts.writer_of(record).map(|write| write.operation);
    writer.into_iter().chain(record.readers.first().copied()).collect()
}

/// What must be read and is not; what must not be read and is.
pub fn visibility(facts: &Facts<'_>, order: &Order) -> Vec<Anomaly> {
    let mut found = missing(facts, order);
    for record in facts.records.iter().filter(|record| !record.readers.is_empty()) {
        let (name, readers) = (facts.name(record), &record.readers);
        let Some(write) = facts.writer_of(record) else {
            let words = format!("{name} was read, and nobody wrote it");
            found.push(Anomaly { kind: Kind::Phantom, words, operations: readers.clone() });
            continue;
        };
        if facts.operations[write.operation].outcome == Outcome::Failed {
            let words = format!("{name} was read, and its transaction was aborted");
            let operations = [write.operation].into_iter().chain(readers.iter().copied()).collect();
            found.push(Anomaly { kind: Kind::AbortedRead, words, operations });
        }
        let in_transaction = matches!(facts.operations[write.operation].did, Did::Transaction(_));
        if in_transaction && readers.contains(&write.operation) {
            let words = format!("{name} was read within the transaction that wrote it");
            let operations = vec![write.operation];
            found.push(Anomaly { kind: Kind::PrecommittedRead, words, operations });
        }
    }
    found
}

fn missing(facts: &Facts<'_>, order: &Order) -> Vec<Anomaly> {
    let mut partly_read = HashSet::new();
    // Where the last record lies that was read; a duplicate counts where it was first.
    let mut bounds = vec![-1; facts.keys.len()];
    for record in facts.records.iter().filter(|record| record.is_read) {
        partly_read.extend(facts.writer_of(record).map(|write| write.operation));
        let first = record.read_at.first().copied().unwrap_or(-1);
        bounds[record.key] = first.max(bounds[record.key]);
    }
    let missing = facts
        .writes
        .iter()
        .filter(|write| order.committed[write.operation] && !facts.records[write.record].is_read);
    let tell = |write: &Write| {
        let record = &facts.records[write.record];
        let (name, key, bound) = (facts.name(record), facts.keys[record.key], bounds[record.key]);
        let (kind, words) = if partly_read.contains(&write.operation) {
            (Kind::TornTransaction, format!("{name} is missing, other records of its transaction were read"))
        } else if write.offset.is_some_and(|offset| offset <= bound) {
            (Kind::LostWrite, format!("{name} is missing, although {key} was read up to {bound}"))
        } else {
            (Kind::UnseenWrite, format!("{name} is missing; {key} was read up to {bound}"))
        };
        Anomaly { kind, words, operations: vec![write.operation] }
    };
    missing.map(tell).collect()
}
