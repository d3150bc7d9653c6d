//! Evens out the loads of a topic's subscribers.
//!
//! Subscribers stand in ascending order of load. From the left a range of least loaded ones grows whenever
//! all of it has got one partition more; from the right a range of most loaded ones grows whenever all of it
//! has given one away.

/// The two ranges of one topic's subscribers.
#[derive(Default)]
pub(super) struct Balancer {
    /// Members by load, ascending; those that have nothing to give stand at the end, from `most_end` on.
    members: Vec<usize>,
    /// The least loaded are `members[..least_end]`.
    least_end: usize,
    /// Load of the least loaded, when their turn of partitions began.
    least_load: i64,
    next_least: usize,
    /// The most loaded are `members[most_start..most_end]`.
    most_start: usize,
    most_end: usize,
    /// Load of the most loaded, when their turn of giving began.
    most_load: i64,
    /// Members of the range whose turn of giving is still to come: `members[most_start..turn]`.
    turn: usize,
    /// Where the member stands that gave last.
    last_most: usize,
}

impl Balancer {
    /// Begins with the subscribers of a topic (at least one, ascending). Gives the difference between the
    /// highest and the lowest load.
    pub(super) fn begin(&mut self, subscribers: &[usize], loads: &[usize]) -> usize {
        self.members.clear();
        self.members.extend_from_slice(subscribers);
        self.members.sort_by_key(|member| (loads[*member], *member));
        let lowest = loads[self.members[0]];
        let highest = loads[self.members[self.members.len() - 1]];
        let end = self.members.len();
        *self = Balancer {
            members: std::mem::take(&mut self.members),
            least_end: 0,
            least_load: lowest as i64 - 1,
            next_least: 0,
            most_start: end,
            most_end: end,
            most_load: highest as i64 + 1,
            turn: end,
            last_most: end,
        };
        highest - lowest
    }

    /// The member that gets the next partition.
    pub(super) fn next_least_loaded(&mut self, loads: &[usize]) -> usize {
        if self.next_least >= self.least_end {
            self.least_load += 1;
            let more = self.members[self.least_end..].iter();
            let load = self.least_load;
            self.least_end += more.take_while(|member| loads[**member] as i64 == load).count();
            self.next_least = 0;
        }
        self.next_least += 1;
        self.members[self.next_least - 1]
    }

    /// The member that gives the next partition away; `None` if nobody has one to give.
    pub(super) fn next_most_loaded(&mut self, loads: &[usize]) -> Option<usize> {
        if self.turn <= self.most_start {
            self.widen_most(loads);
        }
        self.last_most = self.turn.checked_sub(1)?;
        self.turn = self.last_most;
        Some(self.members[self.last_most])
    }

    fn widen_most(&mut self, loads: &[usize]) {
        // Nobody is left in the range: whoever stands next to it begins a new one, however low its load.
        let is_empty = self.most_end <= self.most_start && self.most_start > 0;
        self.most_load =
            if is_empty { loads[self.members[self.most_start - 1]] as i64 } else { self.most_load - 1 };
        let more = self.members[..self.most_start].iter().rev();
        let load = self.most_load;
        self.most_start -= more.take_while(|member| loads[**member] as i64 == load).count();
        self.turn = self.most_end;
    }

    /// The member that was asked last has nothing of this topic to give: it leaves the range.
    pub(super) fn exclude_most_loaded(&mut self) {
        self.most_end -= 1;
        self.members.swap(self.last_most, self.most_end);
    }

    /// Whether another move would make nothing better.
    pub(super) fn is_balanced(&self) -> bool {
        self.most_load - self.least_load <= 1
    }
}
