//! One member of a group of KIP-848.

#![expect(clippy::disallowed_methods, reason = "what is judged is the time between a program and a broker")]

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use highwater::protocol::ErrorCode;
use kafka_protocol::messages::consumer_group_heartbeat_request::TopicPartitions;
use kafka_protocol::messages::{
    ConsumerGroupHeartbeatRequest, ConsumerGroupHeartbeatResponse, GroupId, TopicName,
};
use uuid::Uuid;

use super::link::{Asked, Life, Link, Next, is_not_ready, milliseconds, pause};
use super::{Claim, REBALANCE_TIMEOUT, SESSION_TIMEOUT, Shared, locked};
use crate::client::text;

const VERSION: i16 = 1;
/// Of a member that leaves.
const LEAVES: i32 = -1;

/// It takes what the broker assigns and gives up what it takes away, at once, and says so.
pub(super) struct Modern {
    link: Link,
    topic: &'static str,
    topic_id: Uuid,
    /// 0 joins.
    member_epoch: i32,
    owned: BTreeSet<i32>,
    /// The broker does not know yet what is owned now, or may not.
    has_to_tell: bool,
    /// An answer was lost since the last one that came: what the broker takes for known may not be.
    lost: bool,
}

impl Modern {
    pub(super) fn new(shared: Arc<Shared>, group: String, seed: u64, topic: &'static str) -> Modern {
        Modern {
            link: Link::new(shared, group, seed),
            topic,
            topic_id: Uuid::nil(),
            member_epoch: 0,
            owned: BTreeSet::new(),
            has_to_tell: true,
            lost: false,
        }
    }

    /// From now on it reads nothing.
    fn give_up_all(&mut self) {
        self.own(BTreeSet::new());
        self.member_epoch = 0;
        self.has_to_tell = true;
    }

    /// Has these from now on, and no others.
    fn own(&mut self, partitions: BTreeSet<i32>) {
        let mut owners = locked(&self.link.shared.owners);
        let owners = owners.entry(self.link.group.clone()).or_default();
        for given_up in self.owned.difference(&partitions) {
            if owners.get(given_up).is_some_and(|claim| claim.member_id == self.link.member_id) {
                owners.remove(given_up);
            }
        }
        let until = self.link.well_at + SESSION_TIMEOUT;
        for partition in &partitions {
            let claim = Claim { member_id: self.link.member_id.clone(), until };
            let before = owners.insert(*partition, claim);
            if let Some(other) = before
                && other.member_id != self.link.member_id
                && other.until > Instant::now()
            {
                self.link.complain(&format!("was given partition {partition} of {}", other.member_id));
            }
        }
        self.owned = partitions;
    }

    fn request(&self) -> ConsumerGroupHeartbeatRequest {
        let request = ConsumerGroupHeartbeatRequest::default()
            .with_group_id(GroupId(text(&self.link.group)))
            .with_member_id(text(&self.link.member_id))
            .with_member_epoch(self.member_epoch);
        if self.member_epoch != 0 && !self.has_to_tell {
            return request;
        }
        let owned = TopicPartitions::default()
            .with_topic_id(self.topic_id)
            .with_partitions(self.owned.iter().copied().collect());
        let owned = if self.owned.is_empty() { Vec::new() } else { vec![owned] };
        request
            .with_rebalance_timeout_ms(milliseconds(REBALANCE_TIMEOUT))
            .with_subscribed_topic_names(Some(vec![TopicName(text(self.topic))]))
            .with_topic_partitions(Some(owned))
    }

    /// Sends heartbeats until the broker has nothing new to say and knows everything.
    fn beat(&mut self) -> Next {
        loop {
            let (sent, request) = (Instant::now(), self.request());
            let Asked::Answered(response) = self.link.ask(VERSION, &request) else {
                (self.lost, self.has_to_tell) = (true, true);
                return if self.member_epoch == 0 { Next::Join } else { Next::Stay };
            };
            self.link.shared.heartbeats.fetch_add(1, Ordering::Relaxed);
            if response.error_code != 0 {
                return self.refused(response.error_code);
            }
            self.answered(sent, &response);
            if !self.has_to_tell {
                return Next::Stay;
            }
        }
    }

    fn answered(&mut self, sent: Instant, response: &ConsumerGroupHeartbeatResponse) {
        if self.member_epoch == 0 {
            self.link.shared.joins.fetch_add(1, Ordering::Relaxed);
        }
        if response.member_epoch < self.member_epoch {
            let (from, to) = (self.member_epoch, response.member_epoch);
            self.link.complain(&format!("its epoch went from {from} to {to}"));
        }
        // Its session runs from when the broker got this, which was no earlier.
        self.link.well_at = sent;
        self.link.is_known = true;
        self.link.present(true);
        (self.lost, self.has_to_tell) = (false, false);
        self.member_epoch = response.member_epoch;
        let partitions = match &response.assignment {
            None => self.owned.clone(),
            Some(assignment) => {
                let topics = &assignment.topic_partitions;
                self.topic_id = topics.first().map_or(self.topic_id, |topic| topic.topic_id);
                topics.iter().flat_map(|topic| topic.partitions.iter().copied()).collect()
            }
        };
        self.has_to_tell = partitions != self.owned;
        self.own(partitions);
    }

    fn refused(&mut self, error_code: i16) -> Next {
        match ErrorCode::from_code(error_code) {
            _ if is_not_ready(error_code) => {
                pause();
                return if self.member_epoch == 0 { Next::Join } else { Next::Stay };
            }
            Some(ErrorCode::UnknownMemberId) => {
                self.give_up_all();
                self.link.unknown("ConsumerGroupHeartbeat");
            }
            Some(ErrorCode::FencedMemberEpoch) => {
                if !self.lost && self.link.well_at.elapsed() < SESSION_TIMEOUT {
                    let member_epoch = self.member_epoch;
                    self.link.complain(&format!("fenced at {member_epoch}, and no answer was lost"));
                }
                self.give_up_all();
            }
            _ => {
                self.link.complain(&format!("error {error_code} to ConsumerGroupHeartbeat"));
                self.give_up_all();
            }
        }
        Next::Join
    }
}

impl Life for Modern {
    fn link(&mut self) -> &mut Link {
        &mut self.link
    }

    fn join(&mut self) -> Next {
        if self.link.member_id.is_empty() {
            let (high, low) = (self.link.chance.bits(), self.link.chance.bits());
            self.link.member_id = Uuid::from_u64_pair(high, low).to_string();
        }
        self.beat()
    }

    fn heartbeat(&mut self) -> Next {
        self.beat()
    }

    fn part(&mut self) -> Next {
        let chance = self.link.chance.below(4);
        self.give_up_all();
        match chance {
            // As after a fence: the same member begins anew.
            0 => return Next::Join,
            // Falls silent.
            1 => {}
            _ => {
                self.member_epoch = LEAVES;
                self.has_to_tell = false;
                let asked: Asked<_> = self.link.ask(VERSION, &self.request());
                drop(asked);
                self.give_up_all();
            }
        }
        self.link.disconnect();
        self.link.forget();
        Next::Gone
    }
}
