//! `uniform` where members subscribe to different topics: as even as their subscriptions allow, by topic.

use std::cmp::Ordering;
use std::collections::{BTreeMap, HashMap};

use super::balancer::Balancer;
use super::{Assignment, GroupSpec};
use crate::model::TopicId;

/// Rounds over all topics. Where all subscribers of a topic subscribe to the same topics, one is enough;
/// where subscriptions overlap, each about halves what is uneven.
const ROUNDS_MAX: usize = 16;

/// A topic while its partitions are given out.
struct Topic {
    topic_id: TopicId,
    /// Places of members, ascending.
    subscribers: Vec<usize>,
    /// Place of each partition's owner.
    owners: Vec<Option<usize>>,
}

impl Topic {
    /// Many partitions for each subscriber first, then few subscribers: these leave the least choice.
    fn order(&self, other: &Topic) -> Ordering {
        let ratio = |one: &Topic, other: &Topic| one.owners.len() as u64 * other.subscribers.len() as u64;
        ratio(other, self)
            .cmp(&ratio(self, other))
            .then(self.subscribers.len().cmp(&other.subscribers.len()))
            .then_with(|| signed(self.topic_id).cmp(&signed(other.topic_id)))
    }
}

/// Kafka compares topic ids as two signed numbers.
fn signed(topic_id: TopicId) -> (i64, i64) {
    let (high, low) = topic_id.0.as_u64_pair();
    (high as i64, low as i64)
}

/// Assigns to members of different subscriptions.
pub(super) fn assign(group: &GroupSpec<'_>) -> Vec<Assignment> {
    let mut loads = vec![0; group.members.len()];
    let mut topics = subscribed(group);
    keep(group, &mut topics, &mut loads);
    topics.sort_by(Topic::order);
    let mut balancer = Balancer::default();
    for topic in &mut topics {
        if topic.owners.contains(&None) {
            give_unowned(topic, &mut balancer, &mut loads);
        }
    }
    balance(&mut topics, &mut balancer, &mut loads);
    collect(topics, group.members.len())
}

fn subscribed(group: &GroupSpec<'_>) -> Vec<Topic> {
    let mut subscribers: BTreeMap<TopicId, Vec<usize>> = BTreeMap::new();
    for (place, member) in group.members.iter().enumerate() {
        for topic_id in member.topics {
            subscribers.entry(*topic_id).or_default().push(place);
        }
    }
    let topic = |(topic_id, subscribers)| {
        let owners = vec![None; group.partitions_of(topic_id).max(0) as usize];
        Topic { topic_id, subscribers, owners }
    };
    subscribers.into_iter().map(topic).collect()
}

/// Every member keeps what it has of the topics that it still subscribes to.
fn keep(group: &GroupSpec<'_>, topics: &mut [Topic], loads: &mut [usize]) {
    let places: HashMap<TopicId, usize> =
        topics.iter().enumerate().map(|(place, topic)| (topic.topic_id, place)).collect();
    for (place, member) in group.members.iter().enumerate() {
        for (topic_id, partitions) in member.assigned {
            if member.topics.binary_search(topic_id).is_err() {
                continue;
            }
            let owners = &mut topics[places[topic_id]].owners;
            for partition in partitions {
                let Some(owner) = owners.get_mut(*partition as usize) else { continue };
                *owner = Some(place);
                loads[place] += 1;
            }
        }
    }
}

fn give_unowned(topic: &mut Topic, balancer: &mut Balancer, loads: &mut [usize]) {
    balancer.begin(&topic.subscribers, loads);
    for owner in topic.owners.iter_mut().filter(|owner| owner.is_none()) {
        let place = balancer.next_least_loaded(loads);
        *owner = Some(place);
        loads[place] += 1;
    }
}

/// Goes over the topics until a whole round has moved nothing, or long enough.
fn balance(topics: &mut [Topic], balancer: &mut Balancer, loads: &mut [usize]) {
    let mut last_moved = None;
    for _ in 0..ROUNDS_MAX {
        let shared = topics.iter_mut().filter(|topic| topic.subscribers.len() >= 2);
        for (place, topic) in shared.enumerate() {
            if last_moved == Some(place) {
                return;
            }
            if balance_topic(topic, balancer, loads) || last_moved.is_none() {
                last_moved = Some(place);
            }
        }
    }
}

/// Moves partitions of one topic from its most to its least loaded subscribers. Tells whether it moved any.
fn balance_topic(topic: &mut Topic, balancer: &mut Balancer, loads: &mut [usize]) -> bool {
    if balancer.begin(&topic.subscribers, loads) <= 1 {
        return false;
    }
    // What each subscriber may give, the last partition first.
    let mut owned: HashMap<usize, Vec<usize>> = HashMap::new();
    for (partition, owner) in topic.owners.iter().enumerate() {
        owned.entry(owner.expect("every partition was given to a subscriber")).or_default().push(partition);
    }
    let mut moved = false;
    // Bounded: every pass moves a partition out of `owned` or takes a member out of the balancer's range.
    while !balancer.is_balanced() {
        let Some(giver) = balancer.next_most_loaded(loads) else { break };
        let Some(partition) = owned.get_mut(&giver).and_then(Vec::pop) else {
            balancer.exclude_most_loaded();
            continue;
        };
        let taker = balancer.next_least_loaded(loads);
        if balancer.is_balanced() {
            break;
        }
        topic.owners[partition] = Some(taker);
        loads[giver] -= 1;
        loads[taker] += 1;
        moved = true;
    }
    moved
}

fn collect(topics: Vec<Topic>, members: usize) -> Vec<Assignment> {
    let mut assignments = vec![Assignment::new(); members];
    for topic in topics {
        for (partition, owner) in topic.owners.iter().enumerate() {
            if let Some(place) = owner {
                assignments[*place].entry(topic.topic_id).or_default().push(partition as i32);
            }
        }
    }
    assignments
}
