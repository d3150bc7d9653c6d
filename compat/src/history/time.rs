//! What the clock tells: an offset, once known, is known to whoever begins later.

use std::collections::{BTreeMap, HashSet};

use super::anomaly::{Anomaly, Kind};
use super::facts::Facts;
use super::{Did, Operation, Outcome};

/// One operation on a key: what it makes known when it ends.
pub(super) struct Told {
    /// Which.
    pub operation: usize,
    /// The least that can be told of the key from then on.
    pub known: i64,
}

/// For each of `asked`, the greatest of what was known before it began, and who told it.
fn known_before(
    operations: &[Operation],
    told: &[Told],
    asked: impl Iterator<Item = usize>,
) -> Vec<Option<(i64, usize)>> {
    let mut by_end: Vec<&Told> = told.iter().collect();
    by_end.sort_by_key(|told| operations[told.operation].ended);
    let mut greatest: Vec<(u64, i64, usize)> = Vec::new();
    for told in by_end {
        let known = greatest.last().map_or(i64::MIN, |(_, known, _)| *known);
        if told.known > known {
            greatest.push((operations[told.operation].ended, told.known, told.operation));
        }
    }
    let before = |operation: usize| {
        let count = greatest.partition_point(|(ended, ..)| *ended < operations[operation].began);
        count.checked_sub(1).map(|last| (greatest[last].1, greatest[last].2))
    };
    asked.map(before).collect()
}

/// Acknowledgements that cannot be right.
pub struct Offsets {
    /// What was found.
    pub anomalies: Vec<Anomaly>,
    /// Places of sends whose offset counts for nothing.
    pub distrusted: HashSet<usize>,
}

/// An acknowledged offset lies above all that was known when the send began.
pub fn offsets(facts: &Facts<'_>) -> Offsets {
    let operations = facts.operations;
    let mut told: Vec<Vec<Told>> = facts.keys.iter().map(|_| Vec::new()).collect();
    let mut asked: Vec<Vec<(usize, i64)>> = vec![Vec::new(); facts.keys.len()];
    for (place, write) in facts.writes.iter().enumerate() {
        let acknowledged = write.offset.filter(|_| operations[write.operation].outcome == Outcome::Ok);
        if let Some(offset) = acknowledged {
            let key = facts.records[write.record].key;
            told[key].push(Told { operation: write.operation, known: offset });
            asked[key].push((place, offset));
        }
    }
    for read in facts.last_reads() {
        told[read.key].push(Told { operation: read.operation, known: read.offset });
    }
    let mut found = Offsets { anomalies: Vec::new(), distrusted: HashSet::new() };
    for (key, asked) in asked.iter().enumerate() {
        let of = asked.iter().map(|(place, _)| facts.writes[*place].operation);
        for ((place, offset), before) in asked.iter().zip(known_before(operations, &told[key], of)) {
            let write = &facts.writes[*place];
            let record = &facts.records[write.record];
            if let Some((known, teller)) = before.filter(|(known, _)| offset <= known) {
                let kind = if *offset == 0 { Kind::ZeroOffset } else { Kind::RealtimeOffset };
                let words = format!(
                    "{} was acknowledged with offset {offset}; {known} was taken before",
                    facts.name(record)
                );
                found.anomalies.push(Anomaly { kind, words, operations: vec![teller, write.operation] });
                found.distrusted.insert(*place);
            } else if *offset == 0 && !record.read_at.is_empty() && !record.read_at.contains(&0) {
                let words =
                    format!("{} was acknowledged with offset 0 and read elsewhere", facts.name(record));
                let operations = vec![write.operation, record.readers[0]];
                found.anomalies.push(Anomaly { kind: Kind::ZeroOffset, words, operations });
                found.distrusted.insert(*place);
            }
        }
    }
    found
}

/// Watermarks lie above all that was acknowledged or read before, never go back, and keep their order.
pub fn watermarks(facts: &Facts<'_>) -> Vec<Anomaly> {
    let operations = facts.operations;
    let mut seen: BTreeMap<&str, Vec<(usize, i64, i64)>> = BTreeMap::new();
    for (place, operation) in operations.iter().enumerate() {
        if let Did::Watermarks { key, last_stable, high } = &operation.did {
            seen.entry(key).or_default().push((place, *last_stable, *high));
        }
    }
    let mut stable: BTreeMap<&str, Vec<Told>> = BTreeMap::new();
    let mut written: BTreeMap<&str, Vec<Told>> = BTreeMap::new();
    for read in facts.last_reads() {
        for told in [&mut stable, &mut written] {
            let told = told.entry(facts.keys[read.key]).or_default();
            told.push(Told { operation: read.operation, known: read.offset + 1 });
        }
    }
    for write in &facts.writes {
        let acknowledged = write.offset.filter(|_| operations[write.operation].outcome == Outcome::Ok);
        if let Some(offset) = acknowledged {
            let told = Told { operation: write.operation, known: offset + 1 };
            written.entry(facts.keys[facts.records[write.record].key]).or_default().push(told);
        }
    }
    let mut found = Vec::new();
    for (key, seen) in seen {
        for (operation, last_stable, high) in seen.iter().filter(|(_, stable, high)| stable > high) {
            let words = format!("{key}: last stable offset {last_stable}, high watermark {high}");
            found.push(Anomaly { kind: Kind::LastStableAboveHigh, words, operations: vec![*operation] });
        }
        let of_stable = seen.iter().map(|(operation, stable, _)| (*operation, *stable));
        let of_high = seen.iter().map(|(operation, _, high)| (*operation, *high));
        let stable = stable.remove(key).unwrap_or_default();
        let written = written.remove(key).unwrap_or_default();
        found.extend(went_back((key, Kind::LastStableWentBack), operations, stable, of_stable.collect()));
        found.extend(went_back((key, Kind::HighWatermarkWentBack), operations, written, of_high.collect()));
    }
    found
}

/// Whoever was told less than what was known before: of `seen`, operations and what they were told.
pub(super) fn went_back(
    (key, kind): (&str, Kind),
    operations: &[Operation],
    mut told: Vec<Told>,
    seen: Vec<(usize, i64)>,
) -> Vec<Anomaly> {
    told.extend(seen.iter().map(|(operation, known)| Told { operation: *operation, known: *known }));
    let before = known_before(operations, &told, seen.iter().map(|(operation, _)| *operation));
    let pairs = seen.iter().zip(before);
    let back = pairs.filter_map(|((operation, now), before)| {
        let (known, teller) = before.filter(|(known, _)| now < known)?;
        let words = format!("{key}: {now}, and {known} was known before");
        Some(Anomaly { kind, words, operations: vec![teller, *operation] })
    });
    back.collect()
}
