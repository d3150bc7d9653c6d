//! Many members that come, go, fall silent and are restarted, in random order; what must hold, holds.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::driver::{Driver, GROUP, commit, join, seconds};
use crate::group::{
    GroupError, GroupReply, GroupRequest, Heartbeat, JoinGroup, JoinGroupReply, OffsetCommit, SyncGroup,
    Ticket,
};

/// Names the seed of one run, to repeat it.
const SEED: &str = "HIGHWATER_GROUP_SEED";
const RUNS: u64 = 100;
const STEPS: usize = 400;
const CLIENTS: usize = 8;
const PARTITIONS: usize = 12;
const SESSION: Duration = seconds(45);
const REBALANCE: Duration = seconds(60);
/// Clients look at their answers at least so often: what they know may be so old.
const STEP: Duration = seconds(1);
/// Joins, syncs and what a slow member may add: nothing waits longer.
const PATIENCE: Duration = seconds(400);

/// xorshift: the same for the same seed, everywhere.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % bound as u64) as usize
    }
}

/// What a client knows.
#[derive(Default)]
struct Client {
    instance: Option<&'static str>,
    member_id: Arc<str>,
    generation: Option<JoinGroupReply>,
    /// A request that waits, and since when.
    waits: Option<(Ticket, Duration)>,
    has_assignment: bool,
    /// When it was last heard of, or answered.
    heard: Duration,
    /// When it was first told of its generation, and which that is.
    joined: Duration,
    joined_generation: i32,
    /// It left, or was replaced: its member id is worth nothing.
    ended: bool,
}

struct Run {
    driver: Driver,
    random: Random,
    clients: Vec<Client>,
    /// Owners by generation and partition, as they were told: instance ids, or member ids of dynamic ones.
    owned: BTreeMap<(i32, u8), Arc<str>>,
    completed: usize,
}

impl Run {
    fn new(seed: u64) -> Run {
        let instance = |at: usize| ["a", "b"].get(at).copied();
        let client = |at| Client { instance: instance(at), ..Client::default() };
        Run {
            driver: Driver::new(),
            random: Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1),
            clients: (0..CLIENTS).map(client).collect(),
            owned: BTreeMap::new(),
            completed: 0,
        }
    }

    fn step(&mut self) {
        let at = self.random.below(CLIENTS);
        match self.random.below(100) {
            0 => self.fail_over(),
            1 => self.leave(at),
            // The client is killed and comes back knowing nothing.
            2 => self.kill(at),
            3 => self.advance(seconds(50)),
            4..=25 => {
                let by = Duration::from_millis(self.random.below(4000) as u64);
                self.advance(by);
            }
            26..=45 => self.heartbeat(at),
            46..=50 => self.commit(at),
            _ => self.proceed(at),
        }
        self.receive();
    }

    fn advance(&mut self, by: Duration) {
        let end = self.driver.monotonic + by;
        while self.driver.monotonic < end {
            self.driver.advance(STEP.min(end - self.driver.monotonic));
            self.receive();
            let now = self.driver.monotonic;
            for (ticket, since) in self.clients.iter().filter_map(|client| client.waits) {
                assert!(now < since + PATIENCE, "{ticket:?} waits since {since:?}");
            }
        }
    }

    fn fail_over(&mut self) {
        self.driver.fail_over();
        for client in &mut self.clients {
            client.waits = None;
            // A member of a generation that was not written down is unknown to the next process.
            client.ended |= !client.has_assignment;
        }
    }

    fn kill(&mut self, at: usize) {
        if let Some((ticket, _)) = self.clients[at].waits {
            self.driver.forget(ticket);
        }
        self.clients[at] = Client { instance: self.clients[at].instance, ..Client::default() };
    }

    fn leave(&mut self, at: usize) {
        let client = &self.clients[at];
        if client.waits.is_none() && !client.member_id.is_empty() {
            let member_id = client.member_id.clone();
            let instance = client.instance;
            self.driver.leave(&[(&member_id, instance)]);
            self.kill(at);
        }
    }

    /// The next thing a client does: it joins, or it syncs.
    fn proceed(&mut self, at: usize) {
        let now = self.driver.monotonic;
        let client = &self.clients[at];
        if client.waits.is_some() {
            return;
        }
        let request = match &client.generation {
            Some(generation) if !client.has_assignment => self.sync_of(at, generation),
            _ => GroupRequest::JoinGroup(JoinGroup {
                group_instance_id: client.instance.map(Into::into),
                ..join(&client.member_id)
            }),
        };
        // A follower that has its assignment joins again now and then; mostly it has no reason to.
        if client.has_assignment && self.random.below(20) > 0 {
            return;
        }
        let ticket = self.driver.send(request);
        self.clients[at].waits = Some((ticket, now));
    }

    /// The leader gives each partition to one member, in turn.
    fn sync_of(&self, at: usize, generation: &JoinGroupReply) -> GroupRequest {
        let members = &generation.members;
        let partitions = |index: usize| -> Vec<u8> {
            (0..PARTITIONS).filter(|part| part % members.len() == index).map(|part| part as u8).collect()
        };
        let assignment = |(index, member): (usize, &crate::group::JoinGroupMember)| {
            (member.member_id.clone(), partitions(index).into())
        };
        GroupRequest::SyncGroup(SyncGroup {
            group_id: GROUP.into(),
            member_id: generation.member_id.clone(),
            group_instance_id: self.clients[at].instance.map(Into::into),
            generation_id: generation.generation_id,
            protocol_type: generation.protocol_type.clone(),
            protocol_name: generation.protocol_name.clone(),
            assignments: members.iter().enumerate().map(assignment).collect(),
        })
    }

    fn heartbeat(&mut self, at: usize) {
        let client = &self.clients[at];
        let Some(generation) = &client.generation else { return };
        let request = Heartbeat {
            group_id: GROUP.into(),
            member_id: client.member_id.clone(),
            group_instance_id: client.instance.map(Into::into),
            generation_id: generation.generation_id,
        };
        let GroupReply::Heartbeat(reply) = self.driver.ask(GroupRequest::Heartbeat(request)) else {
            panic!()
        };
        self.heard(at, reply.err());
    }

    fn commit(&mut self, at: usize) {
        let client = &self.clients[at];
        let Some(generation) = &client.generation else { return };
        let request = OffsetCommit {
            member_id: client.member_id.clone(),
            group_instance_id: client.instance.map(Into::into),
            generation_id_or_member_epoch: generation.generation_id,
            ..commit("read", i64::from(generation.generation_id))
        };
        let reply = self.driver.commit(request);
        // No commit of an older generation overwrites one of a newer.
        if reply.is_ok() {
            assert_eq!(self.driver.fetch("read"), i64::from(generation.generation_id));
        }
        self.heard(at, reply.err());
    }

    fn heard(&mut self, at: usize, error: Option<GroupError>) {
        match error {
            None => {
                self.clients[at].heard = self.driver.monotonic;
            }
            Some(GroupError::RebalanceInProgress | GroupError::IllegalGeneration) => {
                let client = &mut self.clients[at];
                if client.waits.is_none() {
                    client.has_assignment = false;
                    client.generation = None;
                }
            }
            Some(GroupError::UnknownMemberId) => self.unknown(at),
            Some(other) => panic!("{other:?}"),
        }
    }

    /// A member was called unknown: it must have been silent for a session, or too late in a rebalance.
    fn unknown(&mut self, at: usize) {
        let client = &self.clients[at];
        let now = self.driver.monotonic;
        let silent = now - client.heard + STEP >= SESSION;
        let late = !client.has_assignment && now - client.joined + STEP >= REBALANCE;
        assert!(
            client.ended || silent || late,
            "{} is unknown at {now:?}, heard of at {:?}, joined at {:?}",
            client.member_id,
            client.heard,
            client.joined
        );
        self.kill(at);
    }

    /// Clients take what was answered.
    fn receive(&mut self) {
        for at in 0..CLIENTS {
            let Some((ticket, _)) = self.clients[at].waits else { continue };
            let Some(reply) = self.driver.reply(ticket) else { continue };
            self.clients[at].waits = None;
            match reply {
                GroupReply::JoinGroup(reply) => self.joined(at, reply),
                GroupReply::SyncGroup(Ok(synced)) => self.synced(at, &synced.assignment),
                GroupReply::SyncGroup(Err(error)) => self.heard(at, Some(error)),
                other => panic!("{other:?}"),
            }
        }
    }

    fn joined(&mut self, at: usize, reply: JoinGroupReply) {
        let now = self.driver.monotonic;
        let client = &mut self.clients[at];
        match reply.error.clone() {
            None => {
                client.member_id = reply.member_id.clone();
                client.has_assignment = false;
                client.heard = now;
                if client.joined_generation != reply.generation_id {
                    client.joined_generation = reply.generation_id;
                    client.joined = now;
                }
                client.generation = Some(reply);
                client.ended = false;
            }
            Some(GroupError::MemberIdRequired(member_id)) => {
                client.member_id = member_id;
                client.heard = now;
                client.ended = false;
            }
            Some(error) => self.heard(at, Some(error)),
        }
    }

    /// Within one generation no partition is given to two.
    fn synced(&mut self, at: usize, assignment: &[u8]) {
        let client = &mut self.clients[at];
        let Some(generation) = &client.generation else { panic!("a sync without a generation") };
        client.heard = self.driver.monotonic;
        let owner = client.instance.map_or(client.member_id.clone(), Into::into);
        for partition in assignment {
            let known = self.owned.entry((generation.generation_id, *partition)).or_insert(owner.clone());
            assert_eq!(*known, owner, "partition {partition} of {}", generation.generation_id);
        }
        client.has_assignment = true;
        self.completed += 1;
    }

    /// Everybody who is there goes on, nobody leaves: the group becomes stable.
    fn settle(&mut self) {
        for round in 0.. {
            assert!(round < 200, "the group does not become stable: {}", self.driver.state());
            for at in 0..CLIENTS {
                self.heartbeat(at);
                if !self.clients[at].has_assignment {
                    self.proceed(at);
                }
                self.receive();
            }
            self.advance(seconds(5));
            self.receive();
            if self.clients.iter().all(|client| client.has_assignment) && self.driver.state() == "Stable" {
                return;
            }
        }
    }
}

#[test]
fn whatever_members_do_the_group_holds() {
    let seeds = match std::env::var(SEED) {
        Ok(seed) => seed.parse().map(|seed| seed..seed + 1).unwrap(),
        Err(_) => 1..RUNS + 1,
    };
    let mut completed = 0;
    for seed in seeds {
        println!("{SEED}={seed} cargo test --lib whatever_members_do_the_group_holds");
        let mut run = Run::new(seed);
        for _ in 0..STEPS {
            run.step();
        }
        run.settle();
        run.driver.fail_over();
        assert_eq!(run.driver.state(), "Stable");
        completed += run.completed;
    }
    println!("{completed} assignments");
    assert!(completed > 10 * CLIENTS, "only {completed} assignments");
}
