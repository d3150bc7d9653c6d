//! Circles of information: who read from whom, and what was over before something else began.

use std::collections::BTreeSet;

use super::Outcome;
use super::anomaly::{Anomaly, Kind};
use super::facts::Facts;

/// Operations by number; numbers above are moments at which an operation had ended.
type Graph = Vec<Vec<usize>>;

/// Circles of reads alone, then those that time closes.
pub fn find(facts: &Facts<'_>) -> Vec<Anomaly> {
    let count = facts.operations.len();
    let mut graph = reads_from(facts);
    let mut in_cycle = BTreeSet::new();
    let mut found = Vec::new();
    let circles = |graph: &Graph| {
        let operations = |component: Vec<usize>| component.into_iter().filter(|node| *node < count).collect();
        let components = components(graph).into_iter().map(operations);
        components.filter(|circle: &BTreeSet<usize>| circle.len() > 1).collect::<Vec<_>>()
    };
    for circle in circles(&graph) {
        let words = format!("{} transactions read from each other in a circle", circle.len());
        in_cycle.extend(circle.iter().copied());
        found.push(Anomaly { kind: Kind::Cycle, words, operations: circle.into_iter().collect() });
    }
    add_time(facts, &mut graph);
    for circle in circles(&graph).into_iter().filter(|circle| circle.is_disjoint(&in_cycle)) {
        let words = match read_before_written(facts, &circle) {
            Some(words) => words,
            None => format!("{} operations that read from each other, or ended before", circle.len()),
        };
        found.push(Anomaly { kind: Kind::RealtimeCycle, words, operations: circle.into_iter().collect() });
    }
    found
}

/// From whoever wrote a record to whoever read it.
fn reads_from(facts: &Facts<'_>) -> Graph {
    let mut graph = vec![BTreeSet::new(); facts.operations.len()];
    for record in &facts.records {
        if let Some(write) = facts.writer_of(record) {
            let others = record.readers.iter().filter(|reader| **reader != write.operation);
            graph[write.operation].extend(others);
        }
    }
    graph.into_iter().map(|next| next.into_iter().collect()).collect()
}

/// From each operation that ended well to all that began later, by way of moments: one edge for each instead
/// of one for each pair. What ended in another way may still come about later.
fn add_time(facts: &Facts<'_>, graph: &mut Graph) {
    let operations = facts.operations;
    let mut ends: Vec<usize> = (0..operations.len())
        .filter(|place| operations[*place].outcome == Outcome::Ok && !operations[*place].steps().is_empty())
        .collect();
    ends.sort_by_key(|place| operations[*place].ended);
    for (moment, place) in ends.iter().enumerate() {
        let node = operations.len() + moment;
        graph[*place].push(node);
        let next = if moment + 1 < ends.len() { vec![node + 1] } else { Vec::new() };
        graph.push(next);
    }
    for place in (0..operations.len()).filter(|place| !operations[*place].steps().is_empty()) {
        let over = ends.partition_point(|end| operations[*end].ended < operations[place].began);
        if let Some(moment) = over.checked_sub(1) {
            graph[operations.len() + moment].push(place);
        }
    }
}

/// The plainest case.
fn read_before_written(facts: &Facts<'_>, circle: &BTreeSet<usize>) -> Option<String> {
    for read in facts.reads.iter().filter(|read| circle.contains(&read.operation)) {
        let record = &facts.records[read.record];
        let Some(write) = facts.writer_of(record) else { continue };
        if facts.operations[read.operation].ended < facts.operations[write.operation].began {
            return Some(format!("{} was read before its send began", facts.name(record)));
        }
    }
    None
}

/// Strongly connected components (Tarjan 1972), without recursion.
fn components(graph: &Graph) -> Vec<Vec<usize>> {
    let mut search = Search {
        graph,
        number: vec![None; graph.len()],
        low: vec![0; graph.len()],
        on_stack: vec![false; graph.len()],
        stack: Vec::new(),
        count: 0,
        found: Vec::new(),
    };
    for root in 0..graph.len() {
        search.from(root);
    }
    search.found
}

struct Search<'a> {
    graph: &'a Graph,
    number: Vec<Option<usize>>,
    low: Vec<usize>,
    on_stack: Vec<bool>,
    stack: Vec<usize>,
    count: usize,
    found: Vec<Vec<usize>>,
}

impl Search<'_> {
    fn from(&mut self, root: usize) {
        if self.number[root].is_some() {
            return;
        }
        self.enter(root);
        // A node, and how many of its edges were followed.
        let mut path = vec![(root, 0)];
        while let Some((node, followed)) = path.last_mut() {
            let node = *node;
            if let Some(next) = self.graph[node].get(*followed).copied() {
                *followed += 1;
                match self.number[next] {
                    None => {
                        self.enter(next);
                        path.push((next, 0));
                    }
                    Some(number) if self.on_stack[next] => self.low[node] = self.low[node].min(number),
                    Some(_) => {}
                }
                continue;
            }
            path.pop();
            if let Some((parent, _)) = path.last() {
                self.low[*parent] = self.low[*parent].min(self.low[node]);
            }
            if Some(self.low[node]) == self.number[node] {
                self.close(node);
            }
        }
    }

    fn enter(&mut self, node: usize) {
        self.number[node] = Some(self.count);
        self.low[node] = self.count;
        self.count += 1;
        self.stack.push(node);
        self.on_stack[node] = true;
    }

    fn close(&mut self, first: usize) {
        let start = self.stack.iter().rposition(|node| *node == first).unwrap_or(0);
        let component = self.stack.split_off(start);
        component.iter().for_each(|node| self.on_stack[*node] = false);
        if component.len() > 1 {
            self.found.push(component);
        }
    }
}
