//! A classic group: its members agree on a protocol, and one of them, the leader, assigns.
//!
//! Here what a group is; what it does stands in `classic/`, by request. Rules are those of Kafka 4.3's
//! `ClassicGroup` and `GroupMetadataManager`.

mod heartbeat;
mod join;
mod leave;
mod members;
mod protocols;
mod rebalance;
mod state;
mod static_member;
mod sync;
mod upgrade;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

pub(super) use self::join::Joining;
pub(super) use self::members::join_refused;
pub(super) use self::state::State;
use super::error::GroupError;
use super::record::{GroupMetadata, GroupMetadataMember, GroupRecord};
use super::reply::{DescribedGroup, DescribedMember};
use super::request::GroupProtocol;
use super::subscription::CONSUMER_PROTOCOL_TYPE;
use super::timers::Deadline;
use super::work::{Waiting, Work};
use crate::model::Timestamp;

/// A group with members, or with some that are about to join. Lost with the process, but for what
/// [`ClassicGroup::metadata`] gives. A group without any is not kept: its last record says all.
#[derive(Debug)]
pub(super) struct ClassicGroup {
    group_id: Arc<str>,
    /// As it is written down.
    recorded: Arc<GroupMetadata>,
    /// New member ids by instance id that no record has yet.
    renamed: BTreeMap<Arc<str>, Arc<str>>,
    state: State,
    /// Wall clock: it is written down.
    state_since: Timestamp,
    /// `None` until the first member joins.
    protocol_type: Option<Arc<str>>,
    protocol_name: Option<Arc<str>>,
    generation_id: i32,
    leader: Option<Arc<str>>,
    members: BTreeMap<Arc<str>, Member>,
    /// Member ids by instance id.
    static_members: BTreeMap<Arc<str>, Arc<str>>,
    /// Member ids that were given out, until their member joins (KIP-394).
    pending_joins: BTreeMap<Arc<str>, Deadline>,
    /// Members that were told of the generation and have not asked for their assignment.
    pending_syncs: BTreeSet<Arc<str>>,
    /// How many members wait in a join.
    awaiting_joins: usize,
    /// How many members know a protocol; none with 0.
    supported_protocols: BTreeMap<Arc<str>, usize>,
    /// Of all members; `None` while it is not known.
    subscribed_topics: Option<BTreeSet<Arc<str>>>,
    /// While the group forms.
    initial_rebalance: Option<InitialRebalance>,
    join_deadline: Deadline,
    sync_deadline: Deadline,
}

/// `group.initial.rebalance.delay.ms`: a group that forms waits for more members.
#[derive(Debug, Clone, Copy)]
struct InitialRebalance {
    delay: Duration,
    /// By how much it may still be put off.
    remaining: Duration,
    /// Somebody joined since the delay began.
    new_member_added: bool,
}

/// A member.
#[derive(Debug)]
struct Member {
    group_instance_id: Option<Arc<str>>,
    client_id: Arc<str>,
    client_host: Arc<str>,
    rebalance_timeout: Duration,
    session_timeout: Duration,
    /// In its order of preference.
    protocols: Vec<GroupProtocol>,
    assignment: Bytes,
    /// It joined in its first rebalance and was told of no generation yet.
    is_new: bool,
    join: Option<Waiting>,
    sync: Option<Waiting>,
    session: Deadline,
}

impl Member {
    /// What it tells the leader for a protocol.
    fn metadata(&self, protocol_name: Option<&str>) -> Bytes {
        let known = self.protocols.iter().find(|protocol| Some(&*protocol.name) == protocol_name);
        known.map(|protocol| protocol.metadata.clone()).unwrap_or_default()
    }
}

impl ClassicGroup {
    /// The group that a record describes.
    pub fn new(group_id: Arc<str>, metadata: &Arc<GroupMetadata>) -> ClassicGroup {
        let protocol_type = Some(&metadata.protocol_type).filter(|text| !text.is_empty());
        let mut group = ClassicGroup {
            group_id,
            recorded: metadata.clone(),
            renamed: BTreeMap::new(),
            state: if metadata.members.is_empty() { State::Empty } else { State::Stable },
            state_since: metadata.current_state_timestamp,
            protocol_type: protocol_type.cloned(),
            protocol_name: metadata.protocol_name.clone(),
            generation_id: metadata.generation_id,
            leader: metadata.leader.clone(),
            members: BTreeMap::new(),
            static_members: BTreeMap::new(),
            pending_joins: BTreeMap::new(),
            pending_syncs: BTreeSet::new(),
            awaiting_joins: 0,
            supported_protocols: BTreeMap::new(),
            subscribed_topics: None,
            initial_rebalance: None,
            join_deadline: Deadline::default(),
            sync_deadline: Deadline::default(),
        };
        for member in &metadata.members {
            group.insert(member.member_id.clone(), Member::recorded(member, metadata.protocol_name.as_ref()));
        }
        group.subscribed_topics = group.compute_subscribed_topics();
        group
    }

    /// What is written down of it, with the assignments that stand.
    fn metadata(&self) -> GroupMetadata {
        let protocol_name = self.protocol_name.as_deref();
        let member = |(member_id, member): (&Arc<str>, &Member)| {
            member.record(member_id, member.metadata(protocol_name))
        };
        GroupMetadata {
            protocol_type: self.protocol_type.clone().unwrap_or_default(),
            generation_id: self.generation_id,
            protocol_name: self.protocol_name.clone(),
            leader: self.leader.clone(),
            current_state_timestamp: self.state_since,
            members: self.members.iter().map(member).collect(),
        }
    }

    /// Has the group written down like this. `false` if that is more than the log takes: then it stays as it
    /// was written before.
    #[must_use]
    fn write(&mut self, work: &mut Work<'_>, metadata: GroupMetadata) -> bool {
        let metadata = Arc::new(metadata);
        let group_id = self.group_id.clone();
        let record = GroupRecord::GroupMetadata { group_id, metadata: Some(metadata.clone()) };
        if record.batch_bytes() > work.input.batch_bytes_max {
            return false;
        }
        self.recorded = metadata;
        self.renamed.clear();
        work.outcome.records.push(record);
        true
    }

    /// A member that begins a group writes this down before anything else: that the group is there.
    pub fn write_empty(&mut self, work: &mut Work<'_>) {
        let now = work.input.wall;
        let empty = GroupMetadata { current_state_timestamp: now, ..GroupMetadata::default() };
        // Small: the id of a group has a bound.
        let _ = self.write(work, empty);
    }

    /// How many members it has.
    pub fn members_count(&self) -> usize {
        self.members.len()
    }

    /// Its state.
    pub fn state(&self) -> State {
        self.state
    }

    /// Its type; `None` until the first member joins.
    pub fn protocol_type(&self) -> Option<&Arc<str>> {
        self.protocol_type.as_ref()
    }

    /// Members that were given an id and have not joined.
    pub fn has_pending_joins(&self) -> bool {
        !self.pending_joins.is_empty()
    }

    /// Nothing of it is worth keeping beside its record.
    pub fn is_idle(&self) -> bool {
        self.state == State::Empty && self.pending_joins.is_empty()
    }

    /// Since when it is in its state, if a record says it.
    pub fn state_since(&self) -> Option<Timestamp> {
        Some(self.state_since).filter(|since| *since != Timestamp::NONE)
    }

    /// The topics that its members read; `None` while it is not known.
    pub fn subscribed_topics(&self) -> Option<&BTreeSet<Arc<str>>> {
        self.subscribed_topics.as_ref()
    }

    /// Whether its members assign topics, and so have a subscription.
    pub fn uses_consumer_protocol(&self) -> bool {
        self.protocol_type.as_deref() == Some(CONSUMER_PROTOCOL_TYPE)
    }

    /// Whether it reads a topic. While that is not known: yes, for a group of consumers.
    pub fn is_subscribed_to(&self, topic: &str) -> bool {
        match &self.subscribed_topics {
            Some(topics) => topics.contains(topic),
            None => self.uses_consumer_protocol(),
        }
    }

    fn is_leader(&self, member_id: &str) -> bool {
        self.leader.as_deref() == Some(member_id)
    }

    /// KIP-345: the instance id must be this member's; and it must be a member.
    pub fn validate_member(
        &self,
        member_id: &str,
        group_instance_id: Option<&Arc<str>>,
    ) -> Result<(), GroupError> {
        if let Some(group_instance_id) = group_instance_id {
            match self.static_members.get(group_instance_id) {
                None => return Err(GroupError::UnknownMemberId),
                Some(known) if **known != *member_id => return Err(GroupError::FencedInstanceId),
                Some(_) => {}
            }
        }
        if self.members.contains_key(member_id) { Ok(()) } else { Err(GroupError::UnknownMemberId) }
    }

    /// As DescribeGroups shows it.
    pub fn describe(&self) -> DescribedGroup {
        let protocol_name = self.protocol_name.as_deref().filter(|_| self.state == State::Stable);
        let member = |(member_id, member): (&Arc<str>, &Member)| DescribedMember {
            member_id: member_id.clone(),
            group_instance_id: member.group_instance_id.clone(),
            client_id: member.client_id.clone(),
            client_host: member.client_host.clone(),
            metadata: member.metadata(protocol_name),
            assignment: member.assignment.clone(),
        };
        DescribedGroup {
            group_id: self.group_id.clone(),
            state: self.state.name(),
            protocol_type: self.protocol_type.clone().unwrap_or_default(),
            protocol: protocol_name.unwrap_or_default().into(),
            members: self.members.iter().map(member).collect(),
        }
    }
}

impl Member {
    /// What is written down of it.
    fn record(&self, member_id: &Arc<str>, subscription: Bytes) -> GroupMetadataMember {
        GroupMetadataMember {
            member_id: member_id.clone(),
            group_instance_id: self.group_instance_id.clone(),
            client_id: self.client_id.clone(),
            client_host: self.client_host.clone(),
            rebalance_timeout: self.rebalance_timeout,
            session_timeout: self.session_timeout,
            subscription,
            assignment: self.assignment.clone(),
        }
    }

    /// As a record has it: of its protocols only the chosen one.
    fn recorded(member: &GroupMetadataMember, protocol_name: Option<&Arc<str>>) -> Member {
        let protocol =
            |name: &Arc<str>| GroupProtocol { name: name.clone(), metadata: member.subscription.clone() };
        Member {
            group_instance_id: member.group_instance_id.clone(),
            client_id: member.client_id.clone(),
            client_host: member.client_host.clone(),
            rebalance_timeout: member.rebalance_timeout,
            session_timeout: member.session_timeout,
            protocols: protocol_name.map(protocol).into_iter().collect(),
            assignment: member.assignment.clone(),
            is_new: false,
            join: None,
            sync: None,
            session: Deadline::default(),
        }
    }
}
