//! Which member of a consumer group gets which partitions: Kafka's server-side assignors as pure functions.
//!
//! **Owns** `uniform` and `range`: a group's members, their topics and what they have go in, what each is to
//! have comes out.
//! **Does not own** when an assignment is due, how members get there (`consumer`), nor names of topics.
//! **Invariants**
//! - Every partition of a subscribed topic goes to exactly one member that subscribes to it.
//! - Same input, same output: members are taken in ascending order of their ids. (Kafka takes them as its
//!   hash maps do.)
//! - `uniform` keeps what a member has as far as balance allows.
//!
//! Racks play no part: Kafka 4.3's own assignors do not look at them either, though a change of racks lets a
//! new assignment be made (`consumer::metadata_hash`).

mod balancer;
mod mixed;
mod range;
mod uniform;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap};

use crate::model::TopicId;

/// Partitions of each topic, ascending. A topic of which there is none is not in it.
pub type Assignment = BTreeMap<TopicId, Vec<i32>>;

/// What an assignor knows of a member.
#[derive(Debug, Clone, Copy)]
pub struct MemberSpec<'a> {
    /// Its id.
    pub member_id: &'a str,
    /// Its `group.instance.id` (KIP-345).
    pub instance_id: Option<&'a str>,
    /// Topics that exist and that it subscribes to, ascending, each once.
    pub topics: &'a [TopicId],
    /// What the last assignment gave it.
    pub assigned: &'a Assignment,
}

/// What an assignor knows of a group.
#[derive(Debug, Clone, Copy)]
pub struct GroupSpec<'a> {
    /// Its members, in ascending order of ids.
    pub members: &'a [MemberSpec<'a>],
    /// Whether all subscribe to the same topics.
    pub homogeneous: bool,
    /// Number of partitions of every topic that a member subscribes to.
    pub partitions: &'a HashMap<TopicId, i32>,
}

impl GroupSpec<'_> {
    fn partitions_of(&self, topic_id: TopicId) -> i32 {
        self.partitions.get(&topic_id).copied().unwrap_or_default()
    }
}

/// A server-side assignor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Assignor {
    /// Balances the number of partitions over all topics, and is sticky.
    Uniform,
    /// Gives each member a range of each topic, the same of topics with as many partitions.
    Range,
}

impl Assignor {
    /// All, in the order of `group.consumer.assignors`' default: the first serves who names none.
    pub const ALL: [Assignor; 2] = [Assignor::Uniform, Assignor::Range];

    /// As members and settings name it.
    pub fn name(self) -> &'static str {
        match self {
            Assignor::Uniform => "uniform",
            Assignor::Range => "range",
        }
    }

    /// The assignor of a name.
    pub fn from_name(name: &str) -> Option<Assignor> {
        Assignor::ALL.into_iter().find(|assignor| assignor.name() == name)
    }

    /// Assigns. The result has one entry for each member, in their order.
    pub fn assign(self, group: &GroupSpec<'_>) -> Vec<Assignment> {
        if group.members.is_empty() {
            return Vec::new();
        }
        match self {
            Assignor::Range => range::assign(group),
            Assignor::Uniform if group.homogeneous => uniform::assign(group),
            Assignor::Uniform => mixed::assign(group),
        }
    }
}
