//! DescribeGroups, ListGroups, DeleteGroups.

use std::sync::Arc;

use super::classic::{ClassicGroup, State};
use super::consumer;
use super::durable::GroupKind;
use super::error::GroupError;
use super::offset_requests::{group_not_found, offset_tombstone};
use super::record::GroupRecord;
use super::reply::{DescribedGroup, ListedGroup};
use super::request::ListGroups;
use super::shard::GroupShard;
use super::subscription::CONSUMER_PROTOCOL_TYPE;

/// Kafka's name for the type of a classic group.
pub(super) const CLASSIC: &str = "classic";
/// And of a consumer group.
pub(super) const CONSUMER: &str = "consumer";

impl GroupShard {
    /// Where a classic group stands; `None` if there is none.
    pub(super) fn classic_state(&self, group_id: &str) -> Option<State> {
        match self.soft.classic.get(group_id) {
            Some(group) => Some(group.state()),
            None => self.durable.classic(group_id).map(|_| State::Empty),
        }
    }

    pub(super) fn describe_group(&self, group_id: &Arc<str>) -> Result<DescribedGroup, GroupError> {
        if let Some(group) = self.soft.classic.get(group_id) {
            return Ok(group.describe());
        }
        if self.durable.consumer(group_id).is_some() {
            let words = format!("Group {group_id} is not a classic group.");
            return Err(GroupError::GroupIdNotFound(words));
        }
        let metadata = self.durable.classic(group_id).ok_or_else(|| group_not_found(group_id))?;
        Ok(ClassicGroup::new(group_id.clone(), metadata).describe())
    }

    pub(super) fn list_groups(&self, request: &ListGroups) -> Vec<ListedGroup> {
        let passes = |filter: &[Arc<str>], name: &str| {
            filter.is_empty() || filter.iter().any(|wanted| wanted.trim().eq_ignore_ascii_case(name))
        };
        let passes = |group: &ListedGroup| {
            passes(&request.states, group.state) && passes(&request.types, group.group_type)
        };
        self.listed().into_iter().filter(passes).collect()
    }

    /// All groups, by id.
    fn listed(&self) -> Vec<ListedGroup> {
        let mut listed = Vec::new();
        for (group_id, group) in self.durable.sorted() {
            let metadata = match &group.kind {
                None => continue,
                Some(GroupKind::Classic(metadata)) => metadata,
                Some(GroupKind::Consumer(group)) => {
                    listed.push(ListedGroup {
                        group_id: group_id.clone(),
                        protocol_type: CONSUMER_PROTOCOL_TYPE.into(),
                        state: group.state_name(),
                        group_type: CONSUMER,
                    });
                    continue;
                }
            };
            let live = self.soft.classic.get(group_id);
            let protocol_type = match live {
                Some(group) => group.protocol_type().cloned().unwrap_or_default(),
                None => metadata.protocol_type.clone(),
            };
            listed.push(ListedGroup {
                group_id: group_id.clone(),
                protocol_type,
                state: live.map_or(State::Empty, ClassicGroup::state).name(),
                group_type: CLASSIC,
            });
        }
        listed
    }

    /// The group and all its offsets; the group last, so that it is there while there is anything of it.
    pub(super) fn delete_group(
        &mut self,
        group_id: &Arc<str>,
        records: &mut Vec<GroupRecord>,
    ) -> Result<(), GroupError> {
        let consumer = self.durable.consumer(group_id);
        let is_empty = match consumer {
            Some(group) => group.is_empty(),
            None => self.classic_state(group_id).ok_or_else(|| group_not_found(group_id))? == State::Empty,
        };
        if !is_empty {
            return Err(GroupError::NonEmptyGroup);
        }
        if let Some(group) = self.durable.group(group_id) {
            let offsets = group.offsets.descending();
            records.extend(offsets.map(|(topic, at, _)| offset_tombstone(group_id, topic, at)));
            let pending = self.durable.pending().of_group(group_id);
            let only_pending = pending.filter(|(topic, at)| {
                group.offsets.topic(topic).is_none_or(|known| known.get(*at).is_none())
            });
            records.extend(only_pending.map(|(topic, at)| offset_tombstone(group_id, topic, at)));
        }
        match consumer {
            Some(group) => records.extend(consumer::tombstones(group)),
            None => records.push(GroupRecord::GroupMetadata { group_id: group_id.clone(), metadata: None }),
        }
        self.soft.remove_classic(group_id);
        Ok(())
    }
}
