//! What one process sees one after the other: its polls leave nothing out and never go back, nor do its
//! sends.

use std::collections::{HashMap, HashSet};

use super::anomaly::{Anomaly, Kind};
use super::facts::Facts;
use super::order::Order;
use super::{Did, Outcome};

/// The last read place of each process and key.
#[derive(Default)]
struct Positions(HashMap<(u32, usize), (usize, usize)>);

/// Skips and steps back of polls. Only what anybody has read can be skipped: what nobody read is lost.
pub fn polls(facts: &Facts<'_>, order: &Order) -> Vec<Anomaly> {
    let mut found = Vec::new();
    let mut positions = Positions::default();
    let mut subscribed = HashSet::new();
    let mut reads = facts.reads.iter().peekable();
    for (place, operation) in facts.operations.iter().enumerate() {
        if let Did::Assign { keys, from_start } = &operation.did {
            let kept = |key: usize| !from_start && keys.iter().any(|name| name == facts.keys[key]);
            positions.0.retain(|(process, key), _| *process != operation.process || kept(*key));
            subscribed.remove(&operation.process);
        }
        if operation.did == Did::Subscribe {
            positions.0.retain(|(process, _), _| *process != operation.process);
            subscribed.insert(operation.process);
        }
        // Others of its group read the rest: of a member each poll is judged by itself, and those of one
        // transaction not at all.
        let is_member = subscribed.contains(&operation.process);
        if is_member && !matches!(operation.did, Did::Alone(_)) {
            while reads.next_if(|read| read.operation == place).is_some() {}
            continue;
        }
        // Where the process was when the operation began, then where each of its records was.
        let mut within: HashMap<usize, (usize, usize)> = HashMap::new();
        while let Some(read) = reads.next_if(|read| read.operation == place) {
            let key = facts.records[read.record].key;
            let rank = order.rank(facts, read);
            let before = within.get(&key).or_else(|| positions.0.get(&(operation.process, key)));
            if let Some((last, last_place)) = before.copied()
                && rank != last + 1
            {
                let (now, then) = (order.at_rank(key, rank), order.at_rank(key, last));
                let kind = if rank > last { Kind::PollSkip } else { Kind::NonmonotonicPoll };
                let words = format!(
                    "{}: process {} read offset {now} after {then}",
                    facts.keys[key], operation.process
                );
                found.push(Anomaly { kind, words, operations: vec![last_place, place] });
            }
            within.insert(key, (rank, place));
        }
        if operation.outcome == Outcome::Ok && !is_member {
            let process = operation.process;
            positions.0.extend(within.into_iter().map(|(key, at)| ((process, key), at)));
        }
    }
    found
}

/// Sends whose offset lies before that of an earlier one.
pub fn sends(facts: &Facts<'_>, distrusted: &HashSet<usize>) -> Vec<Anomaly> {
    let mut found = Vec::new();
    let mut last: HashMap<(u32, usize), (i64, usize)> = HashMap::new();
    let mut writes = facts.writes.iter().enumerate().peekable();
    for (place, operation) in facts.operations.iter().enumerate() {
        if operation.did == Did::Restart {
            last.retain(|(process, _), _| *process != operation.process);
        }
        while let Some((number, write)) = writes.next_if(|(_, write)| write.operation == place) {
            let record = &facts.records[write.record];
            let read_at = record.read_at.first().copied();
            let told = write.offset.filter(|_| !distrusted.contains(&number));
            // What failed lies nowhere, or is an aborted read.
            let Some(offset) = told.or(read_at).filter(|_| operation.outcome != Outcome::Failed) else {
                continue;
            };
            let before = last.insert((operation.process, record.key), (offset, place));
            if let Some((then, last_place)) = before.filter(|(then, _)| offset <= *then) {
                let key = facts.keys[record.key];
                let words =
                    format!("{key}: process {} wrote to offset {offset} after {then}", operation.process);
                let operations = vec![last_place, place];
                found.push(Anomaly { kind: Kind::NonmonotonicSend, words, operations });
            }
        }
    }
    found
}
