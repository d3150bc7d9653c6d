//! The keys of groups (KIP-848, `kafka-configs --entity-type groups`): Kafka's names, types, bounds and
//! defaults as of 4.3.1.
//!
//! Those of share and streams groups are checked, kept and shown like the others; such groups are not served.

use super::definition::Allowed::{Any, AtLeast, OffsetReset, OneOf};
use super::definition::Kind::{Boolean, Int, String};
use super::definition::{Allowed, Definition, Kind};
use super::definitions::broker_key;
use super::settings::Settings;

/// A broker key that bounds a group's, and what it says where this broker does not know it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Bound {
    /// The broker key.
    pub broker_key: &'static str,
    /// Kafka's default.
    default: i64,
}

impl Bound {
    /// What the broker allows.
    pub fn value(&self, settings: &Settings) -> i64 {
        match broker_key(self.broker_key) {
            Some(known) => settings.number(known.name),
            None => self.default,
        }
    }
}

/// A group's key.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct GroupDefinition {
    /// The key; its default is that of its broker key.
    pub definition: Definition,
    /// The broker key that says what holds for groups without a value of their own.
    pub broker_key: Option<&'static str>,
    /// What it must not be below.
    pub least: Option<Bound>,
    /// What it must not be above.
    pub most: Option<Bound>,
}

/// Session timeouts, each of which must be greater than the heartbeat interval beside it.
pub(super) const SESSIONS: [(&str, &str); 3] = [
    ("consumer.session.timeout.ms", "consumer.heartbeat.interval.ms"),
    ("share.session.timeout.ms", "share.heartbeat.interval.ms"),
    ("streams.session.timeout.ms", "streams.heartbeat.interval.ms"),
];

const fn key(
    name: &'static str,
    kind: Kind,
    default: &'static str,
    allowed: Allowed,
    doc: &'static str,
) -> GroupDefinition {
    let definition = Definition { name, kind, default: Some(default), allowed, doc, dynamic: true };
    GroupDefinition { definition, broker_key: None, least: None, most: None }
}

impl GroupDefinition {
    const fn under(self, broker_key: &'static str) -> GroupDefinition {
        GroupDefinition { broker_key: Some(broker_key), ..self }
    }

    const fn least(self, broker_key: &'static str, default: i64) -> GroupDefinition {
        GroupDefinition { least: Some(Bound { broker_key, default }), ..self }
    }

    const fn most(self, broker_key: &'static str, default: i64) -> GroupDefinition {
        GroupDefinition { most: Some(Bound { broker_key, default }), ..self }
    }
}

const SHARE: &str = "Kept and shown: share groups are not served yet.";
const STREAMS: &str = "Kept and shown: streams groups are not served.";

/// Keys of a group, in the order in which Kafka looks at their bounds.
#[rustfmt::skip]
pub const GROUP: &[GroupDefinition] = &[
    key("consumer.heartbeat.interval.ms", Int, "5000", AtLeast(1),
        "How often the members of this consumer group are told to be heard of.")
        .under("group.consumer.heartbeat.interval.ms")
        .least("group.consumer.min.heartbeat.interval.ms", 5_000)
        .most("group.consumer.max.heartbeat.interval.ms", 15_000),
    key("consumer.session.timeout.ms", Int, "45000", AtLeast(1),
        "Silence after which a member of this consumer group is taken for dead.")
        .under("group.consumer.session.timeout.ms")
        .least("group.consumer.min.session.timeout.ms", 45_000)
        .most("group.consumer.max.session.timeout.ms", 60_000),
    key("consumer.assignment.interval.ms", Int, "1000", AtLeast(0),
        "Least time between two assignments of this consumer group.")
        .under("group.consumer.assignment.interval.ms")
        .least("group.consumer.min.assignment.interval.ms", 0)
        .most("group.consumer.max.assignment.interval.ms", 15_000),
    key("share.heartbeat.interval.ms", Int, "5000", AtLeast(1), SHARE)
        .under("group.share.heartbeat.interval.ms")
        .least("group.share.min.heartbeat.interval.ms", 5_000)
        .most("group.share.max.heartbeat.interval.ms", 15_000),
    key("share.session.timeout.ms", Int, "45000", AtLeast(1), SHARE)
        .under("group.share.session.timeout.ms")
        .least("group.share.min.session.timeout.ms", 45_000)
        .most("group.share.max.session.timeout.ms", 60_000),
    key("share.record.lock.duration.ms", Int, "30000", AtLeast(1_000), SHARE)
        .under("group.share.record.lock.duration.ms")
        .least("group.share.min.record.lock.duration.ms", 15_000)
        .most("group.share.max.record.lock.duration.ms", 60_000),
    key("share.delivery.count.limit", Int, "5", AtLeast(2), SHARE)
        .under("group.share.delivery.count.limit")
        .least("group.share.min.delivery.count.limit", 2)
        .most("group.share.max.delivery.count.limit", 10),
    key("share.partition.max.record.locks", Int, "2000", AtLeast(100), SHARE)
        .under("group.share.partition.max.record.locks")
        .least("group.share.min.partition.max.record.locks", 100)
        .most("group.share.max.partition.max.record.locks", 10_000),
    key("share.auto.offset.reset", String, "latest", OffsetReset, SHARE),
    key("share.isolation.level", String, "read_uncommitted",
        OneOf(&["read_committed", "read_uncommitted"]), SHARE),
    key("share.renew.acknowledge.enable", Boolean, "true", Any, SHARE),
    key("share.assignment.interval.ms", Int, "1000", AtLeast(0), SHARE)
        .under("group.share.assignment.interval.ms")
        .least("group.share.min.assignment.interval.ms", 0)
        .most("group.share.max.assignment.interval.ms", 15_000),
    key("streams.heartbeat.interval.ms", Int, "5000", AtLeast(1), STREAMS)
        .under("group.streams.heartbeat.interval.ms")
        .least("group.streams.min.heartbeat.interval.ms", 5_000)
        .most("group.streams.max.heartbeat.interval.ms", 15_000),
    key("streams.session.timeout.ms", Int, "45000", AtLeast(1), STREAMS)
        .under("group.streams.session.timeout.ms")
        .least("group.streams.min.session.timeout.ms", 45_000)
        .most("group.streams.max.session.timeout.ms", 60_000),
    key("streams.num.standby.replicas", Int, "0", AtLeast(0), STREAMS)
        .under("group.streams.num.standby.replicas")
        .most("group.streams.max.standby.replicas", 2),
    key("streams.initial.rebalance.delay.ms", Int, "3000", AtLeast(0), STREAMS)
        .under("group.streams.initial.rebalance.delay.ms"),
    key("streams.assignment.interval.ms", Int, "1000", AtLeast(0), STREAMS)
        .under("group.streams.assignment.interval.ms")
        .least("group.streams.min.assignment.interval.ms", 0)
        .most("group.streams.max.assignment.interval.ms", 15_000),
];

/// The group key of that name.
pub(super) fn group_key(name: &str) -> Option<&'static GroupDefinition> {
    GROUP.iter().find(|entry| entry.definition.name == name)
}
