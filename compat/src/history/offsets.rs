//! What groups have committed: it never goes back, and is what a member committed.

use std::collections::BTreeMap;

use super::anomaly::{Anomaly, Kind};
use super::facts::Facts;
use super::time::{Told, went_back};
use super::{Did, Outcome};

/// What is known of one group and key.
#[derive(Default)]
struct Place {
    /// Confirmed to who committed it.
    confirmed: Vec<Told>,
    /// Operations and what the broker told them, in order.
    seen: Vec<(usize, i64)>,
    /// Who sent an offset.
    sent: BTreeMap<i64, Vec<usize>>,
    /// The greatest that must be committed in the end, and who sent it.
    least: Option<(i64, usize)>,
}

/// Committed offsets that went back, were lost, or that nobody committed.
pub fn committed(facts: &Facts<'_>) -> Vec<Anomaly> {
    let is_committed = facts.committed();
    let mut places: BTreeMap<(&str, &str), Place> = BTreeMap::new();
    for (operation, did) in facts.operations.iter().enumerate() {
        for (group, key, next) in did.offsets() {
            let place = places.entry((group, key)).or_default();
            place.sent.entry(next).or_default().push(operation);
            if did.outcome == Outcome::Ok {
                place.confirmed.push(Told { operation, known: next });
            }
            if is_committed[operation] {
                place.least = place.least.max(Some((next, operation)));
            }
        }
        if let Did::Committed { group, key, next } = &did.did {
            places.entry((group, key)).or_default().seen.push((operation, *next));
        }
    }
    places
        .into_iter()
        .flat_map(|((group, key), place)| place.check(facts, &format!("{group} {key}")))
        .collect()
}

impl Place {
    fn check(self, facts: &Facts<'_>, name: &str) -> Vec<Anomaly> {
        let mut found = Vec::new();
        for (operation, next) in &self.seen {
            let senders = self.sent.get(next).map_or(&[][..], Vec::as_slice);
            if senders.iter().all(|sender| facts.operations[*sender].outcome == Outcome::Failed) {
                let words = match senders {
                    [] => format!("{name}: {next} is committed, and nobody sent it"),
                    _ => format!("{name}: {next} is committed, and its transaction was aborted"),
                };
                let operations = senders.iter().copied().chain([*operation]).collect();
                found.push(Anomaly { kind: Kind::StrayCommitted, words, operations });
            }
        }
        // A transaction whose end nobody was told, but whose records were read, has its offsets in the end.
        if let (Some((operation, last)), Some((least, sender))) = (self.seen.last(), self.least)
            && *last < least
            && facts.operations[sender].ended < facts.operations[*operation].began
        {
            let words = format!("{name}: {last} in the end, and {least} was committed");
            found.push(Anomaly {
                kind: Kind::CommittedWentBack,
                words,
                operations: vec![sender, *operation],
            });
        }
        let kind = Kind::CommittedWentBack;
        found.extend(went_back((name, kind), facts.operations, self.confirmed, self.seen));
        found
    }
}
