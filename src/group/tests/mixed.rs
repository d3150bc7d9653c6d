//! Random members of both protocols in one group, which changes its kind as they come and go.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::driver::*;
use super::migration::{assignment, beat, consumer, read_assignment, topic};
use crate::group::*;
use crate::model::TopicId;

const PARTITIONS: i32 = 8;
const MEMBERS_MAX: usize = 6;

/// A generator that gives the same for the same seed.
struct Seeded(u64);

impl Seeded {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as usize % bound
    }
}

/// A client. One of the classic protocol is eager: it gives up everything before it joins.
struct Client {
    is_classic: bool,
    member_id: Arc<str>,
    /// Generation or member epoch.
    number: i32,
    owned: BTreeSet<i32>,
    join: Option<Ticket>,
    sync: Option<Ticket>,
}

impl Client {
    fn new(is_classic: bool, number: usize) -> Client {
        let member_id = if is_classic { "".into() } else { format!("modern-{number}").into() };
        Client { is_classic, member_id, number: 0, owned: BTreeSet::new(), join: None, sync: None }
    }

    fn step(&mut self, driver: &mut Driver, topic_id: TopicId) {
        if !self.is_classic {
            return self.step_modern(driver, topic_id);
        }
        if let Some(ticket) = self.join {
            if let Some(GroupReply::JoinGroup(reply)) = driver.reply(ticket) {
                self.joined(driver, reply);
            }
        } else if let Some(ticket) = self.sync {
            if let Some(GroupReply::SyncGroup(reply)) = driver.reply(ticket) {
                self.synced(driver, reply);
            }
        } else if self.number == 0 {
            self.send_join(driver);
        } else {
            let request = Heartbeat {
                group_id: GROUP.into(),
                member_id: self.member_id.clone(),
                group_instance_id: None,
                generation_id: self.number,
            };
            let GroupReply::Heartbeat(reply) = driver.ask(GroupRequest::Heartbeat(request)) else { panic!() };
            self.refused(driver, reply.err());
        }
    }

    fn refused(&mut self, driver: &mut Driver, error: Option<GroupError>) {
        match error {
            None => {}
            Some(GroupError::RebalanceInProgress | GroupError::IllegalGeneration) => self.send_join(driver),
            Some(GroupError::UnknownMemberId) => {
                self.member_id = "".into();
                self.send_join(driver);
            }
            Some(error) => panic!("{error:?}"),
        }
    }

    fn send_join(&mut self, driver: &mut Driver) {
        self.owned.clear();
        self.sync = None;
        self.join = Some(driver.send(GroupRequest::JoinGroup(join(&self.member_id))));
    }

    fn joined(&mut self, driver: &mut Driver, reply: JoinGroupReply) {
        self.join = None;
        match reply.error {
            Some(GroupError::MemberIdRequired(member_id)) => {
                self.member_id = member_id;
                return self.send_join(driver);
            }
            Some(error) => return self.refused(driver, Some(error)),
            None => {}
        }
        (self.member_id, self.number) = (reply.member_id.clone(), reply.generation_id);
        let count = reply.members.len() as i32;
        let given = reply.members.iter().zip(0..).map(|(member, place)| {
            let partitions: Vec<i32> = (0..PARTITIONS).filter(|at| at % count == place).collect();
            (member.member_id.clone(), assignment(&partitions))
        });
        self.sync = Some(driver.send(GroupRequest::SyncGroup(SyncGroup {
            group_id: GROUP.into(),
            member_id: reply.member_id.clone(),
            group_instance_id: None,
            generation_id: reply.generation_id,
            protocol_type: reply.protocol_type.clone(),
            protocol_name: reply.protocol_name.clone(),
            assignments: given.collect(),
        })));
    }

    fn synced(&mut self, driver: &mut Driver, reply: Result<SyncedGroup, GroupError>) {
        self.sync = None;
        match reply {
            Ok(synced) => self.owned = read_assignment(synced.assignment),
            Err(error) => self.refused(driver, Some(error)),
        }
    }

    fn step_modern(&mut self, driver: &mut Driver, topic_id: TopicId) {
        let owned = vec![(topic_id, self.owned.iter().copied().collect())];
        match beat(driver, consumer(&self.member_id, self.number, Some(owned))) {
            Ok(reply) => {
                self.number = reply.member_epoch;
                if let Some(assignment) = reply.assignment {
                    self.owned = assignment.into_iter().flat_map(|(_, partitions)| partitions).collect();
                }
            }
            Err(GroupError::UnknownMemberId | GroupError::FencedMemberEpoch(_)) => {
                self.number = 0;
                self.owned.clear();
            }
            Err(error) => panic!("{error:?}"),
        }
    }

    fn leave(&self, driver: &mut Driver) {
        if self.is_classic {
            driver.leave(&[(&self.member_id, None)]);
        } else {
            let _ = beat(driver, consumer(&self.member_id, -1, None));
        }
    }
}

fn check(seed: u64, clients: &[Client]) {
    let mut all = BTreeSet::new();
    for partition in clients.iter().flat_map(|client| &client.owned) {
        assert!(all.insert(partition), "seed {seed}: {partition} has two owners");
    }
}

/// Gives how often the group changed its kind.
fn run(seed: u64) -> usize {
    let mut driver = Driver::without_delay();
    let topic_id = topic(&mut driver, "read", PARTITIONS);
    let mut random = Seeded(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    let mut clients: Vec<Client> = Vec::new();
    let (mut kind, mut changes) = (false, 0);
    for round in 0..160 {
        // The last rounds are calm, and long enough for whoever was killed to be missed.
        match random.below(6) {
            _ if round >= 90 => {}
            0 | 1 if clients.len() < MEMBERS_MAX => {
                clients.push(Client::new(random.below(2) == 0, round));
            }
            2 if !clients.is_empty() => {
                let client = clients.remove(random.below(clients.len()));
                if random.below(3) > 0 {
                    client.leave(&mut driver);
                }
            }
            3 if random.below(3) == 0 => {
                driver.fail_over();
                clients.iter_mut().for_each(|client| (client.join, client.sync) = (None, None));
                clients.iter_mut().filter(|client| client.is_classic).for_each(|client| {
                    // Whoever waited asks again.
                    client.number = if client.owned.is_empty() { 0 } else { client.number };
                });
            }
            _ => {}
        }
        for _ in 0..3 {
            for client in &mut clients {
                client.step(&mut driver, topic_id);
            }
            check(seed, &clients);
        }
        driver.advance(seconds(1));
        let is_consumer = driver.shard.durable.consumer(GROUP).is_some();
        changes += usize::from(is_consumer != kind);
        kind = is_consumer;
    }
    if !clients.is_empty() {
        let owned: usize = clients.iter().map(|client| client.owned.len()).sum();
        assert_eq!(owned, PARTITIONS as usize, "seed {seed}: all is owned at the end");
    }
    driver.fail_over();
    changes
}

#[test]
fn groups_of_both_protocols_have_one_owner_for_each_partition_and_come_to_rest() {
    let changes: usize = (1..=60).map(run).sum();
    assert!(changes > 60, "groups changed their kind {changes} times");
}
