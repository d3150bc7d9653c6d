//! Groups as those see them who measure.

use super::admin::{CLASSIC, CONSUMER};
use super::classic::{ClassicGroup, State};
use super::durable::GroupKind;
use super::record::GroupRecord;
use super::shard::GroupShard;
use crate::model::Offset;

/// A group as it is now, committed or not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupView<'a> {
    /// Its id.
    pub group_id: &'a str,
    /// `classic` or `consumer`.
    pub group_type: &'static str,
    /// Kafka's name of its state.
    pub state: &'static str,
    /// How many members it has.
    pub members: usize,
    /// Its generation, or its group epoch: one more with each rebalance, and kept over restarts.
    pub rebalances: u32,
    /// What it has committed, by topic and partition.
    pub offsets: Vec<OffsetView<'a>>,
}

/// A committed offset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OffsetView<'a> {
    /// The topic's name.
    pub topic: &'a str,
    /// The partition's index.
    pub partition: i32,
    /// The next offset to read.
    pub offset: Offset,
}

impl GroupShard {
    /// Calls back with a record for each committed offset, committed to the log or not: by group, topic and
    /// partition. None of those of transactions that are open.
    pub fn visit_offsets(&self, visit: &mut dyn FnMut(GroupRecord)) {
        for (group_id, group) in self.durable.sorted() {
            for topic in group.offsets.topics() {
                for (partition, committed) in &topic.partitions {
                    visit(GroupRecord::OffsetCommit {
                        group_id: group_id.clone(),
                        topic: topic.topic.clone(),
                        partition: *partition,
                        offset: Some(committed.clone()),
                    });
                }
            }
        }
    }

    /// Calls back for every group, in no order.
    pub fn visit(&self, visit: &mut dyn FnMut(GroupView<'_>)) {
        for (group_id, group) in self.durable.groups() {
            let (group_type, state, members, generation) = match &group.kind {
                Some(GroupKind::Classic(recorded)) => {
                    let live = self.soft.classic.get(group_id);
                    let state = live.map_or(State::Empty, ClassicGroup::state);
                    let generation = live.map_or(recorded.generation_id, ClassicGroup::generation_id);
                    (CLASSIC, state.name(), live.map_or(0, ClassicGroup::members_count), generation)
                }
                Some(GroupKind::Consumer(group)) => {
                    (CONSUMER, group.state_name(), group.members_count(), group.group_epoch())
                }
                // Left behind, and not a group.
                None => continue,
            };
            let rebalances = generation.try_into().unwrap_or(0);
            let offsets = group.offsets.topics().iter().flat_map(|topic| {
                topic.partitions.iter().map(|(partition, committed)| OffsetView {
                    topic: &topic.topic,
                    partition: *partition,
                    offset: committed.offset,
                })
            });
            let offsets = offsets.collect();
            visit(GroupView { group_id, group_type, state, members, rebalances, offsets });
        }
    }
}
