//! Newtypes for the field's words, so that an offset is never mistaken for an epoch.
//!
//! **Owns** identifiers and positions. **Does not own** behaviour: every rule about them lives in a higher
//! room.
//! **Invariants**: plain `Copy` values in wire width, ordered as their numbers are.

mod base64;
mod time;

use std::fmt;

use uuid::Uuid;

pub use base64::{base64_id, parse_base64_id};

macro_rules! number {
    ($(#[$doc:meta])* $name:ident($inner:ty)) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
        pub struct $name(pub $inner);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

number! {
    /// Position of a record in a partition, from 0. `-1` on the wire stands for "unknown".
    Offset(i64)
}
number! {
    /// Generation of a partition's leadership; grows by at least one at every start. `-1` is "unknown".
    LeaderEpoch(i32)
}
number! {
    /// Identity of an idempotent producer. `-1` is "none".
    ProducerId(i64)
}
number! {
    /// Fencing generation of a producer id. `-1` is "none".
    ProducerEpoch(i16)
}
number! {
    /// Generation of a transaction coordinator: of two that say how a transaction ends, the larger holds.
    /// `-1` is "none".
    CoordinatorEpoch(i32)
}
number! {
    /// A broker's `node.id`.
    NodeId(i32)
}
number! {
    /// Wall-clock milliseconds since the Unix epoch. `-1` is "none".
    Timestamp(i64)
}

impl Offset {
    /// "Unknown" on the wire.
    pub const NONE: Offset = Offset(-1);

    /// The offset `count` further on.
    pub fn plus(self, count: i64) -> Offset {
        Offset(self.0 + count)
    }
}

impl LeaderEpoch {
    /// "Unknown" on the wire: no check is made.
    pub const NONE: LeaderEpoch = LeaderEpoch(-1);
}

impl ProducerId {
    /// A batch without idempotence.
    pub const NONE: ProducerId = ProducerId(-1);
}

impl ProducerEpoch {
    /// A batch without idempotence.
    pub const NONE: ProducerEpoch = ProducerEpoch(-1);
}

impl CoordinatorEpoch {
    /// No coordinator has ended a transaction of the producer yet.
    pub const NONE: CoordinatorEpoch = CoordinatorEpoch(-1);
}

/// How a transaction ends.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum TransactionResult {
    /// Without effect.
    Abort,
    /// With effect.
    Commit,
}

impl Timestamp {
    /// "No timestamp".
    pub const NONE: Timestamp = Timestamp(-1);
}

/// Random identity of one incarnation of a topic (KIP-516). A topic created again under its name gets
/// another.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct TopicId(pub Uuid);

impl TopicId {
    /// The all-zero id: "not given".
    pub const ZERO: TopicId = TopicId(Uuid::nil());
}

impl fmt::Display for TopicId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.as_hyphenated().fmt(f)
    }
}

/// One partition of one incarnation of a topic. Names never identify data: they can be reused.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct TopicPartition {
    /// The topic's incarnation.
    pub topic_id: TopicId,
    /// Partition index, from 0.
    pub partition: i32,
}

impl fmt::Display for TopicPartition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.topic_id, self.partition)
    }
}
