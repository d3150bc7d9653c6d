//! A member as a client is one: it gives up first, says so, and takes what it was given.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::driver::{Driver, Reply};
use crate::group::GroupError;
use crate::group::request::ConsumerGroupHeartbeat;
use crate::model::TopicId;

/// A client of version 1, which makes its member id itself.
#[derive(Debug, Clone, Default)]
pub struct Client {
    pub member_id: String,
    pub instance_id: Option<Arc<str>>,
    pub names: Vec<Arc<str>>,
    pub regex: Option<Arc<str>>,
    pub member_epoch: i32,
    /// What it processes.
    pub owned: BTreeMap<TopicId, BTreeSet<i32>>,
    /// What it was given last.
    pub assigned: BTreeMap<TopicId, BTreeSet<i32>>,
    /// It has told everything since it joined.
    pub has_told: bool,
    /// It does not give up partitions yet.
    pub is_slow: bool,
}

impl Client {
    pub fn new(member_id: &str, names: &[&str]) -> Client {
        Client {
            member_id: member_id.to_owned(),
            names: names.iter().map(|name| Arc::from(*name)).collect(),
            ..Client::default()
        }
    }

    pub fn with_regex(member_id: &str, regex: &str) -> Client {
        Client { regex: Some(regex.into()), ..Client::new(member_id, &[]) }
    }

    pub fn with_instance(member_id: &str, instance_id: &str, names: &[&str]) -> Client {
        Client { instance_id: Some(instance_id.into()), ..Client::new(member_id, names) }
    }

    /// What it sends next.
    pub fn request(&self) -> ConsumerGroupHeartbeat {
        let is_full = self.member_epoch == 0 || !self.has_told;
        let owned = self.owned.iter();
        ConsumerGroupHeartbeat {
            rebalance_timeout_ms: if is_full { 30_000 } else { -1 },
            subscribed_topic_names: (is_full && self.regex.is_none()).then(|| self.names.clone()),
            subscribed_topic_regex: self.regex.clone().filter(|_| is_full),
            owned: Some(owned.map(|(topic_id, of)| (*topic_id, of.iter().copied().collect())).collect()),
            instance_id: self.instance_id.clone(),
            ..request(&self.member_id, self.member_epoch)
        }
    }

    /// One heartbeat. A client that is fenced gives up everything, and joins anew with its next.
    pub fn beat(&mut self, driver: &mut Driver) -> Reply {
        let reply = driver.heartbeat(&self.request());
        self.take(&reply);
        reply
    }

    pub fn take(&mut self, reply: &Reply) {
        match reply {
            Ok(reply) => {
                self.has_told = self.member_epoch == reply.member_epoch || self.member_epoch == 0;
                self.member_epoch = reply.member_epoch;
                if let Some(assignment) = &reply.assignment {
                    let sets = assignment.iter().map(|(id, of)| (*id, of.iter().copied().collect()));
                    self.assigned = sets.collect();
                }
                self.follow();
            }
            Err(GroupError::FencedMemberEpoch(_) | GroupError::UnknownMemberId) => {
                self.member_epoch = 0;
                self.owned.clear();
                self.assigned.clear();
                self.has_told = false;
            }
            Err(_) => {}
        }
    }

    /// Gives up what it is to give up, and takes what is new: the broker gave that when nobody had it.
    pub fn follow(&mut self) {
        if self.is_slow {
            return;
        }
        self.owned = self.assigned.clone();
    }

    pub fn count(&self) -> usize {
        self.owned.values().map(BTreeSet::len).sum()
    }
}

/// The least that a heartbeat carries.
pub fn request(member_id: &str, member_epoch: i32) -> ConsumerGroupHeartbeat {
    ConsumerGroupHeartbeat {
        group_id: "group".into(),
        member_id: member_id.into(),
        member_epoch,
        instance_id: None,
        rack_id: None,
        rebalance_timeout_ms: -1,
        subscribed_topic_names: None,
        subscribed_topic_regex: None,
        server_assignor: None,
        owned: None,
        client_makes_member_id: true,
    }
}

/// Heartbeats of all, round after round, until nobody is told anything new.
pub fn settle(driver: &mut Driver, clients: &mut [Client]) {
    const ROUNDS_MAX: usize = 12;
    for _ in 0..ROUNDS_MAX {
        for client in clients.iter_mut() {
            client.beat(driver).expect("an answer");
        }
        driver.advance(std::time::Duration::from_secs(1));
        if driver.state() == "Stable" {
            return;
        }
    }
    panic!("not stable after {ROUNDS_MAX} rounds: {:?}", driver.group());
}
