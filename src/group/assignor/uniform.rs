//! `uniform` where all members subscribe to the same topics: no member has two partitions more than another,
//! and each keeps what it has within that.

use std::collections::HashMap;

use super::{Assignment, GroupSpec, MemberSpec};
use crate::model::{TopicId, TopicPartition};

/// A member that is to get `room` more partitions.
struct Unfilled {
    place: usize,
    room: usize,
}

struct Builder<'a> {
    group: &'a GroupSpec<'a>,
    topics: &'a [TopicId],
    /// What every member gets.
    quota: usize,
    /// Members that still have to get one more than that.
    extra: usize,
    unfilled: Vec<Unfilled>,
    /// To be given away, in this order.
    unassigned: Vec<TopicPartition>,
}

/// Assigns to members of one subscription.
pub(super) fn assign(group: &GroupSpec<'_>) -> Vec<Assignment> {
    let topics = group.members[0].topics;
    let total: usize = topics.iter().map(|id| group.partitions_of(*id).max(0) as usize).sum();
    let mut builder = Builder {
        group,
        topics,
        quota: total / group.members.len(),
        extra: total % group.members.len(),
        unfilled: Vec::new(),
        unassigned: unowned(group, topics),
    };
    let places = 0..group.members.len();
    let mut assignments: Vec<Assignment> = places.map(|place| builder.keep(place)).collect();
    let mut unassigned = builder.unassigned.into_iter();
    for Unfilled { place, room } in builder.unfilled {
        for TopicPartition { topic_id, partition } in unassigned.by_ref().take(room) {
            assignments[place].entry(topic_id).or_default().push(partition);
        }
        assignments[place].values_mut().for_each(|partitions| partitions.sort_unstable());
    }
    debug_assert!(unassigned.next().is_none(), "quotas add up to all partitions");
    assignments
}

/// Partitions that no member has, by topic and partition.
fn unowned(group: &GroupSpec<'_>, topics: &[TopicId]) -> Vec<TopicPartition> {
    let count = |topic_id: &TopicId| group.partitions_of(*topic_id).max(0) as usize;
    let mut owned: HashMap<TopicId, Vec<bool>> =
        topics.iter().map(|topic_id| (*topic_id, vec![false; count(topic_id)])).collect();
    for (topic_id, partitions) in group.members.iter().flat_map(|member| member.assigned) {
        let Some(owned) = owned.get_mut(topic_id) else { continue };
        for partition in partitions {
            if let Some(owned) = owned.get_mut(*partition as usize) {
                *owned = true;
            }
        }
    }
    let free = |topic_id: &TopicId| {
        let (topic_id, owned) = (*topic_id, &owned[topic_id]);
        let free = owned.iter().enumerate().filter(|(_, owned)| !**owned);
        free.map(move |(partition, _)| TopicPartition { topic_id, partition: partition as i32 })
            .collect::<Vec<_>>()
    };
    topics.iter().flat_map(free).collect()
}

impl Builder<'_> {
    /// What a member keeps. What is above its quota goes to `unassigned`; the room that is left is noted.
    fn keep(&mut self, place: usize) -> Assignment {
        let mut takes_extra = self.extra > 0;
        let mut room = self.quota + usize::from(takes_extra);
        let kept = self.keep_up_to(&self.group.members[place], &mut room);
        // The extra partition is left to who has one already, as long as enough members follow to take them.
        if room > 0 && takes_extra && self.group.members.len() - place > self.extra {
            room -= 1;
            takes_extra = false;
        }
        if room > 0 {
            self.unfilled.push(Unfilled { place, room });
        }
        self.extra -= usize::from(takes_extra);
        kept
    }

    fn keep_up_to(&mut self, member: &MemberSpec<'_>, room: &mut usize) -> Assignment {
        let mut kept = Assignment::new();
        for (topic_id, partitions) in member.assigned {
            if self.topics.binary_search(topic_id).is_err() {
                continue;
            }
            // Partitions that do not exist are nobody's: one in the room of another would leave that over.
            let count = self.group.partitions_of(*topic_id);
            let partitions: Vec<i32> =
                partitions.iter().copied().filter(|partition| (0..count).contains(partition)).collect();
            let (keep, give) = partitions.split_at(partitions.len().min(*room));
            *room -= keep.len();
            if !keep.is_empty() {
                kept.insert(*topic_id, keep.to_vec());
            }
            let topic_id = *topic_id;
            self.unassigned
                .extend(give.iter().map(|partition| TopicPartition { topic_id, partition: *partition }));
        }
        kept
    }
}
