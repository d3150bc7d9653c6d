//! All rules over one history, and what they found in words.

use std::collections::BTreeMap;
use std::fmt;

use anyhow::Result;

use super::anomaly::{Anomaly, Kind};
use super::facts::Facts;
use super::order::Order;
use super::{Did, Operation, cycles, offsets, order, sequence, time};

/// Of each kind, so many are told in words.
const TOLD_MAX: usize = 5;
/// Of each of these, so many operations.
const OPERATIONS_TOLD_MAX: usize = 6;
/// An operation's line, cut off there: polls may be long.
const LINE_CHARACTERS_MAX: usize = 400;

/// What a history shows.
pub struct Findings<'a> {
    operations: &'a [Operation],
    /// By kind.
    pub anomalies: BTreeMap<Kind, Vec<Anomaly>>,
    counts: String,
}

/// Checks a history by every rule; fails if it is none.
pub fn check(operations: &[Operation]) -> Result<Findings<'_>> {
    let facts = Facts::of(operations)?;
    let times = time::offsets(&facts);
    let order = Order::of(&facts, &times.distrusted);
    let mut found = times.anomalies;
    found.extend(order.anomalies.iter().cloned());
    found.extend(order::visibility(&facts, &order));
    found.extend(sequence::polls(&facts, &order));
    found.extend(sequence::sends(&facts, &times.distrusted));
    found.extend(cycles::find(&facts));
    found.extend(time::watermarks(&facts));
    found.extend(offsets::committed(&facts));
    let mut anomalies: BTreeMap<Kind, Vec<Anomaly>> = BTreeMap::new();
    for anomaly in found {
        anomalies.entry(anomaly.kind).or_default().push(anomaly);
    }
    Ok(Findings { operations, anomalies, counts: counts(&facts) })
}

fn counts(facts: &Facts<'_>) -> String {
    let transactions = facts.operations.iter().filter(|one| matches!(one.did, Did::Transaction(_))).count();
    let (operations, writes, reads) = (facts.operations.len(), facts.writes.len(), facts.reads.len());
    format!(
        "{operations} operations, {transactions} of them transactions; {writes} records sent to {} \
         partitions, {reads} records read",
        facts.keys.len()
    )
}

impl Findings<'_> {
    /// Whether there is nothing to tell.
    pub fn is_sound(&self) -> bool {
        self.anomalies.is_empty()
    }
}

impl fmt::Display for Findings<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(formatter, "{}", self.counts)?;
        if self.is_sound() {
            return writeln!(formatter, "nothing that a sound log would not show");
        }
        for (kind, anomalies) in &self.anomalies {
            writeln!(formatter, "{kind}: {}", anomalies.len())?;
            for anomaly in anomalies.iter().take(TOLD_MAX) {
                writeln!(formatter, "  {}", anomaly.words)?;
                for place in anomaly.operations.iter().take(OPERATIONS_TOLD_MAX) {
                    let line = serde_json::to_string(&self.operations[*place]).map_err(|_| fmt::Error)?;
                    let line: String = line.chars().take(LINE_CHARACTERS_MAX).collect();
                    writeln!(formatter, "    line {}: {line}", place + 1)?;
                }
            }
        }
        Ok(())
    }
}
