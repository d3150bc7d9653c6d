//! What a Fetch request comes to: which partitions are read and how, which are refused and why.

use std::sync::Arc;
use std::time::Duration;

use kafka_protocol::messages::FetchRequest;

use super::READ_COMMITTED;
use super::partition::known;
use crate::broker::{FetchKey, FetchLimits, FetchTopic, PartitionAsk, PartitionFetch};
use crate::handlers::RequestContext;
use crate::handlers::view::{check_leader_epoch, open_partition};
use crate::metadata::{ClusterImage, TopicImage};
use crate::model::{LeaderEpoch, TopicId};
use crate::protocol::ErrorCode;

/// First version in which the replica's number stands in a field of its own.
const VERSION_WITH_REPLICA_STATE: i16 = 15;
/// Longest wait for records, whatever `max_wait_ms` says: the most that librdkafka lets anybody configure,
/// ten times the default after which Java's clients give a request up.
const WAIT_MAX: Duration = Duration::from_secs(300);

/// What one partition of the answer comes to.
pub(super) enum Planned {
    /// Stands at this place of `Plan::fetches`.
    Fetch(u32),
    /// Does not exist. Measured against Kafka 4.3: this does not end the wait.
    Unknown(ErrorCode),
    /// Cannot be read: the client has something to act on, so nothing is waited for.
    Failed(ErrorCode),
    /// This broker leads it, but not as the client believes; the leader epoch.
    Led(ErrorCode, LeaderEpoch),
}

/// One partition of the answer. Small: it is kept while the request waits.
pub(super) struct PlannedPartition {
    pub partition: i32,
    /// Where it stands among what is to be fetched.
    pub place: u32,
    pub planned: Planned,
}

/// Partitions of one topic that stand side by side.
pub(super) struct PlannedTopic {
    pub topic: FetchTopic,
    pub partitions: Vec<PlannedPartition>,
}

/// What is to be read, and where it goes in the response.
pub(super) struct Plan {
    /// In the order of the answer.
    pub topics: Vec<PlannedTopic>,
    pub fetches: Vec<PartitionFetch>,
    pub limits: FetchLimits,
    pub is_follower: bool,
}

impl Plan {
    /// A plan for these partitions. Kafka's order: what can be read or fails in the attempt, then topics of
    /// unknown ids, then what does not exist; and in each the client's.
    pub fn of(
        context: &RequestContext,
        request: &FetchRequest,
        to_fetch: &[(FetchKey, PartitionAsk)],
    ) -> Plan {
        let image = context.broker.image();
        let is_follower = replica_id(request, context.header.api_version) >= 0;
        let mut planner = Planner { context, image: &image, is_follower, fetches: Vec::new(), last: None };
        let [mut topics, mut without_name, mut unknown] = [const { Vec::new() }; 3];
        for (place, (key, ask)) in (0..).zip(to_fetch) {
            let planned = planner.plan(key, ask);
            let part = match planned {
                Planned::Unknown(ErrorCode::UnknownTopicId) => &mut without_name,
                Planned::Unknown(_) => &mut unknown,
                Planned::Fetch(_) | Planned::Failed(_) | Planned::Led(..) => &mut topics,
            };
            add(part, &key.topic, PlannedPartition { partition: key.partition, place, planned });
        }
        let fetches = planner.fetches;
        let bytes_max = i64::from(request.max_bytes).min(context.broker.config().fetch_max_bytes.into());
        let limits = FetchLimits {
            bytes_min: i64::from(request.min_bytes).min(bytes_max),
            bytes_max,
            wait: wait(request.max_wait_ms),
            read_committed: request.isolation_level == READ_COMMITTED,
        };
        let mut plan = Plan { topics, fetches, limits, is_follower };
        if plan.planned().any(Planned::ends_the_wait) {
            plan.limits.wait = Duration::ZERO;
        }
        for PlannedTopic { topic, partitions } in without_name.into_iter().chain(unknown) {
            partitions.into_iter().for_each(|planned| add(&mut plan.topics, &topic, planned));
        }
        plan
    }

    /// Whether everything that is named is unknown.
    pub fn finds_nothing(&self) -> bool {
        self.planned().all(|planned| matches!(planned, Planned::Unknown(_)))
    }

    fn planned(&self) -> impl Iterator<Item = &Planned> {
        self.topics.iter().flat_map(|topic| &topic.partitions).map(|partition| &partition.planned)
    }

    /// Memory that the plan keeps while it waits.
    pub fn held_bytes(&self) -> u64 {
        let of_topic = |topic: &PlannedTopic| {
            let name = topic.topic.name().map_or(0, |name| name.len());
            size_of::<PlannedTopic>() + name + size_of_val(topic.partitions.as_slice())
        };
        let topics: usize = self.topics.iter().map(of_topic).sum();
        (topics + size_of_val(self.fetches.as_slice())) as u64
    }
}

impl Planned {
    fn ends_the_wait(&self) -> bool {
        matches!(self, Planned::Failed(_) | Planned::Led(..))
    }
}

fn add(topics: &mut Vec<PlannedTopic>, topic: &FetchTopic, planned: PlannedPartition) {
    match topics.last_mut() {
        Some(last) if last.topic == *topic => last.partitions.push(planned),
        _ => topics.push(PlannedTopic { topic: topic.clone(), partitions: vec![planned] }),
    }
}

struct Planner<'a> {
    context: &'a RequestContext,
    image: &'a ClusterImage,
    is_follower: bool,
    fetches: Vec<PartitionFetch>,
    /// The topic that was looked up last: the next partition is often one of it.
    last: Option<(Arc<str>, Option<Arc<TopicImage>>)>,
}

impl Planner<'_> {
    fn plan(&mut self, key: &FetchKey, ask: &PartitionAsk) -> Planned {
        let Some(name) = key.topic.name() else { return Planned::Unknown(ErrorCode::UnknownTopicId) };
        let topic = match self.topic(name) {
            Some(topic) if (0..topic.partitions).contains(&key.partition) => topic,
            _ => return Planned::Unknown(ErrorCode::UnknownTopicOrPartition),
        };
        let topic_id = key.topic.topic_id();
        if topic_id != TopicId::ZERO && topic_id != topic.topic_id {
            // The session is of an earlier topic of this name.
            return Planned::Failed(ErrorCode::InconsistentTopicId);
        }
        let partition = match open_partition(&self.context.broker, &topic, key.partition) {
            Ok(partition) => partition,
            Err(failure) => return Planned::Failed(known(failure.code, self.context.header.api_version)),
        };
        let leader_epoch = partition.leader_epoch();
        match check_leader_epoch(&partition, ask.current_leader_epoch.0).map_err(|failure| failure.code) {
            Ok(()) if self.is_follower => as_seen_by_a_follower(ask, leader_epoch),
            Ok(()) => {
                let PartitionAsk { offset, bytes_max, last_fetched_epoch, .. } = *ask;
                self.fetches.push(PartitionFetch { partition, offset, bytes_max, last_fetched_epoch });
                let place = self.fetches.len() - 1;
                Planned::Fetch(u32::try_from(place).expect("a request names fewer partitions than 2^32"))
            }
            Err(ErrorCode::FencedLeaderEpoch) => Planned::Led(ErrorCode::FencedLeaderEpoch, leader_epoch),
            Err(code) => Planned::Failed(code),
        }
    }

    fn topic(&mut self, name: &Arc<str>) -> Option<Arc<TopicImage>> {
        match &self.last {
            Some((last, found)) if last == name => found.clone(),
            _ => {
                let found = self.image.topic(name).cloned();
                self.last = Some((name.clone(), found.clone()));
                found
            }
        }
    }
}

/// No broker follows this one. Measured against Kafka 4.3: a follower that names the right leader epoch is
/// told that it is one of an epoch to come.
fn as_seen_by_a_follower(ask: &PartitionAsk, leader_epoch: LeaderEpoch) -> Planned {
    match ask.current_leader_epoch.0 {
        0.. => Planned::Failed(ErrorCode::UnknownLeaderEpoch),
        _ => Planned::Led(ErrorCode::NotLeaderOrFollower, leader_epoch),
    }
}

pub(super) fn wait(max_wait_ms: i32) -> Duration {
    Duration::from_millis(u64::try_from(max_wait_ms).unwrap_or(0)).min(WAIT_MAX)
}

fn replica_id(request: &FetchRequest, version: i16) -> i32 {
    match version >= VERSION_WITH_REPLICA_STATE {
        true => request.replica_state.replica_id.0,
        false => request.replica_id.0,
    }
}
