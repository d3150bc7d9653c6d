//! Random members, topics and fail-overs: no partition has two owners, and every group comes to rest.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::client::{Client, request};
use super::driver::Driver;
use crate::group::GroupError;
use crate::model::TopicId;

/// A generator that gives the same for the same seed.
pub struct Seeded(u64);

impl Seeded {
    pub fn new(seed: u64) -> Seeded {
        Seeded(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as usize % bound
    }
}

const TOPICS: [&str; 4] = ["alpha", "beta", "gamma-1", "gamma-2"];
const EXPRESSIONS: [&str; 3] = ["gamma-.*", ".*a", "nothing"];

struct World {
    seed: u64,
    random: Seeded,
    driver: Driver,
    clients: Vec<Client>,
    /// Members that never come back.
    born: usize,
}

impl World {
    fn new(seed: u64) -> World {
        let mut driver = Driver::new();
        driver.topic("alpha", 3);
        World { seed, random: Seeded::new(seed), driver, clients: Vec::new(), born: 0 }
    }

    fn subscription(&mut self) -> Client {
        self.born += 1;
        let member_id = format!("member-{}", self.born);
        let expression = EXPRESSIONS[self.random.below(EXPRESSIONS.len())];
        match self.random.below(4) {
            0 => Client::with_regex(&member_id, expression),
            1 => {
                let instance_id = format!("instance-{}", self.born);
                Client::with_instance(&member_id, &instance_id, &TOPICS[..2])
            }
            _ => {
                let first = self.random.below(TOPICS.len());
                Client::new(&member_id, &TOPICS[first..=(first + 1).min(TOPICS.len() - 1)])
            }
        }
    }

    /// One thing that happens.
    fn happen(&mut self) {
        let some = (!self.clients.is_empty()).then(|| self.random.below(self.clients.len().max(1)));
        match (self.random.below(20), some) {
            (0 | 1, _) if self.clients.len() < 12 => {
                let client = self.subscription();
                self.clients.push(client);
            }
            (2, Some(at)) => self.leave(at),
            (3, Some(at)) => {
                // Killed: nothing is heard of it any more.
                self.clients.remove(at);
            }
            (4, _) => {
                let name = TOPICS[self.random.below(TOPICS.len())];
                let known = self.driver.image.topic(name).map_or(0, |topic| topic.partitions);
                let partitions = known + 1 + self.random.below(4) as i32;
                if partitions < 20 {
                    self.driver.topic(name, partitions);
                }
            }
            (5, _) if self.random.below(4) == 0 => {
                let name = TOPICS[self.random.below(TOPICS.len())];
                self.driver.delete_topic(name);
            }
            (6, _) => self.driver.fail_over(),
            (7, Some(at)) => self.clients[at].is_slow = !self.clients[at].is_slow,
            (8, Some(at)) => self.clients[at].has_told = false,
            (9, Some(at)) if self.clients[at].instance_id.is_some() => self.bounce(at),
            (10, Some(at)) if self.clients[at].regex.is_none() => {
                let name = TOPICS[self.random.below(TOPICS.len())];
                self.clients[at].names = vec![name.into()];
                self.clients[at].has_told = false;
            }
            (11, Some(at)) => {
                // The answer is lost.
                let sent = self.clients[at].request();
                let _ = self.driver.heartbeat(&sent);
            }
            (12 | 13, _) => {
                let seconds = 1 + self.random.below(9) as u64;
                self.pass(Duration::from_secs(seconds));
            }
            (_, Some(at)) => self.beat(at),
            _ => {}
        }
    }

    fn leave(&mut self, at: usize) {
        let client = self.clients.remove(at);
        let mut leaving = request(&client.member_id, -1);
        leaving.instance_id = client.instance_id.clone();
        let _ = self.driver.heartbeat(&leaving);
    }

    /// A static member goes and comes back as another.
    fn bounce(&mut self, at: usize) {
        let mut leaving = request(&self.clients[at].member_id, -2);
        leaving.instance_id = self.clients[at].instance_id.clone();
        if self.driver.heartbeat(&leaving).is_ok() {
            self.born += 1;
            let (old, member_id) = (&self.clients[at], format!("member-{}", self.born));
            self.clients[at] = Client {
                member_id,
                instance_id: old.instance_id.clone(),
                names: old.names.clone(),
                ..Client::default()
            };
        }
    }

    fn beat(&mut self, at: usize) {
        let mut client = self.clients[at].clone();
        if !client.is_slow {
            client.follow();
        }
        let joins = client.member_epoch == 0;
        match client.beat(&mut self.driver) {
            Ok(_) => {}
            // Who joins, for the first time or again, is never fenced.
            Err(GroupError::FencedMemberEpoch(_) | GroupError::UnknownMemberId) if !joins => {}
            // The answer to its join was lost. As in Kafka it comes in again when its session has ended.
            Err(GroupError::UnreleasedInstanceId(_)) if client.member_epoch == 0 => {}
            // The group is gone, or a static member that was killed holds the instance id.
            Err(GroupError::GroupIdNotFound(_)) => {
                let instance_id = client.instance_id.clone();
                let (names, regex) = (client.names.clone(), client.regex.clone());
                client = Client { instance_id, names, regex, ..Client::new(&client.member_id, &[]) };
            }
            Err(error) => panic!("seed {}: {error:?}", self.seed),
        }
        self.clients[at] = client;
        self.check();
    }

    fn pass(&mut self, time: Duration) {
        self.driver.advance(time);
        // Who was fenced gives up by itself: a client knows its own deadlines.
        let Some(group) = &self.driver.group else { return };
        for client in &mut self.clients {
            if client.member_epoch > 0 && !group.members.contains_key(client.member_id.as_str()) {
                client.take(&Err(GroupError::UnknownMemberId));
            }
        }
        self.check();
    }

    /// What clients process, as they were told and as they have told, nobody else processes.
    fn check(&self) {
        let mut owners: BTreeMap<(TopicId, i32), &str> = BTreeMap::new();
        for client in &self.clients {
            for (topic_id, partitions) in &client.owned {
                for partition in partitions {
                    let before = owners.insert((*topic_id, *partition), &client.member_id);
                    assert_eq!(
                        before, None,
                        "seed {}: {topic_id}-{partition} of {}",
                        self.seed, client.member_id
                    );
                }
            }
        }
    }

    /// Nothing happens but heartbeats: soon all partitions of all subscribed topics have an owner.
    fn come_to_rest(&mut self) {
        const ROUNDS_MAX: usize = 75;
        self.clients.iter_mut().for_each(|client| client.is_slow = false);
        for _ in 0..ROUNDS_MAX {
            for at in 0..self.clients.len() {
                self.beat(at);
            }
            self.pass(Duration::from_secs(1));
        }
        // All who died are gone by now; what is left of the last change takes few rounds.
        let Some(group) = &self.driver.group else { return };
        if self.clients.is_empty() {
            return;
        }
        assert_eq!(group.state_name(), "Stable", "seed {}: {group:?}", self.seed);
        assert_eq!(group.members.len(), self.clients.len(), "seed {}", self.seed);
        let mut expected = BTreeSet::new();
        for (_, member) in group.members() {
            let topics = super::super::update::subscribed_topics(group, &self.driver.image, &member.metadata);
            for topic_id in topics {
                let topic = self.driver.image.topic_by_id(topic_id).unwrap();
                expected.extend((0..topic.partitions).map(|partition| (topic_id, partition)));
            }
        }
        let owned = self.clients.iter().flat_map(|client| {
            client.owned.iter().flat_map(|(id, of)| of.iter().map(|partition| (*id, *partition)))
        });
        assert_eq!(owned.collect::<BTreeSet<_>>(), expected, "seed {}", self.seed);
        self.driver.fail_over();
    }
}

#[test]
fn no_partition_has_two_owners_and_every_group_comes_to_rest() {
    for seed in 1..=150 {
        let mut world = World::new(seed);
        for _ in 0..120 {
            world.happen();
        }
        world.come_to_rest();
    }
}

#[test]
fn a_thousand_members_come_to_rest_in_few_rounds() {
    let mut driver = Driver::new();
    driver.topic("topic", 1000);
    driver.settings.consumer_group_assignment_interval = Duration::from_secs(1);
    let mut clients: Vec<Client> =
        (0..1000).map(|number| Client::new(&format!("member-{number:04}"), &["topic"])).collect();
    let mut rounds = 0;
    while rounds == 0 || driver.state() != "Stable" {
        for client in &mut clients {
            client.beat(&mut driver).unwrap();
        }
        driver.advance(Duration::from_secs(5));
        rounds += 1;
        assert!(rounds < 6, "{}", driver.state());
    }
    assert!(clients.iter().all(|client| client.count() == 1));
}
