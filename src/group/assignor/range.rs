//! `range`: of each topic a contiguous piece for each member.

use std::cmp::Ordering;
use std::collections::HashMap;

use super::{Assignment, GroupSpec, MemberSpec};
use crate::model::TopicId;

/// How a topic is cut: `extra` more members get one partition more than `quota`.
struct Cut {
    partitions: i32,
    subscribers: i32,
    /// First partition that nobody has yet.
    next: i32,
    /// Members that have had their turn.
    served: i32,
}

impl Cut {
    fn take(&mut self) -> Vec<i32> {
        let extra = i32::from(self.served < self.partitions % self.subscribers);
        let end = self.partitions.min(self.next + self.partitions / self.subscribers + extra);
        let range = (self.next..end).collect();
        self.next = end;
        self.served += 1;
        range
    }
}

/// Cuts each topic among its subscribers. Topics with as many partitions and the same subscribers are cut at
/// the same places, so that who joins two of them finds both sides of a key.
pub(super) fn assign(group: &GroupSpec<'_>) -> Vec<Assignment> {
    let mut cuts: HashMap<TopicId, Cut> = HashMap::new();
    for topic_id in group.members.iter().flat_map(|member| member.topics) {
        let partitions = group.partitions_of(*topic_id);
        let cut = cuts.entry(*topic_id).or_insert(Cut { partitions, subscribers: 0, next: 0, served: 0 });
        cut.subscribers += 1;
    }
    let mut places: Vec<usize> = (0..group.members.len()).collect();
    places.sort_by(|one, other| by_instance(&group.members[*one], &group.members[*other]));
    let mut assignments = vec![Assignment::new(); group.members.len()];
    for place in places {
        for topic_id in group.members[place].topics {
            let range = cuts.get_mut(topic_id).map(Cut::take).unwrap_or_default();
            if !range.is_empty() {
                assignments[place].insert(*topic_id, range);
            }
        }
    }
    assignments
}

/// Static members first, by instance id: they come back under other member ids and are to find the same
/// partitions.
fn by_instance(one: &MemberSpec<'_>, other: &MemberSpec<'_>) -> Ordering {
    match (one.instance_id, other.instance_id) {
        (Some(one), Some(other)) => one.cmp(other),
        (Some(_), None) => Ordering::Less,
        (None, Some(_)) => Ordering::Greater,
        (None, None) => one.member_id.cmp(other.member_id),
    }
}
