//! Fetch, key 1, versions 4 to 18.
//!
//! Whole batches from the one that contains the offset asked for, in the client's order of partitions, and
//! from the first that has any at least one, whatever its size. Waits up to `max_wait_ms` for `min_bytes`.
//! Records are never copied: they leave as slices of the in-memory tail and extents of segment files.
//! Left out: fetch sessions (every answer is a full one, `session_id` 0; a request for the rest of a session
//! gets FETCH_SESSION_ID_NOT_FOUND), transactions (nothing is ever aborted), followers
//! (NOT_LEADER_OR_FOLLOWER), diverging epochs (followers only), preferred replicas. Like Kafka 4.3, zstd is
//! not refused below version 10.
//!
//! v4: isolation level (KIP-98). v5: log start offset (KIP-107). v6: KAFKA_STORAGE_ERROR. v7: sessions
//! (KIP-227). v8: throttling (KIP-219). v9: leader epochs (KIP-320). v10: zstd (KIP-110). v11: racks
//! (KIP-392). v12: flexible, diverging epochs (KIP-595). v13: topic ids (KIP-516). v14: tiered offsets
//! (KIP-405). v15: replica state (KIP-903). v16: current leader (KIP-951). v17: directory id (KIP-853). v18:
//! high watermark (KIP-1166).

mod partition;

use std::time::Duration;

use bytes::Bytes;
use kafka_protocol::messages::FetchRequest;
use kafka_protocol::messages::fetch_request::FetchPartition;

use self::partition::{fenced, known, shown, unknown};
use super::exchange::decode;
use super::view::{TopicKey, check_leader_epoch, open_partition};
use super::{Api, Hurry, Reply, RequestContext};
use crate::broker::PartitionFetch;
use crate::metadata::{ClusterImage, TopicImage};
use crate::model::{LeaderEpoch, NodeId, Offset, TopicId};
use crate::protocol::ErrorCode;
use crate::protocol::fetch_response::{self, FetchResponse, FetchedPartition, FetchedTopic, NodeEndpoint};

/// The row of `APIS`.
pub(super) const API: Api = Api {
    key: fetch_response::FETCH_KEY,
    handle: |context, body| Box::pin(std::future::ready(handle(context, body))),
};

/// First version that names topics by id.
const VERSION_WITH_TOPIC_IDS: i16 = 13;
/// First version in which the replica's number stands in a field of its own.
const VERSION_WITH_REPLICA_STATE: i16 = 15;
/// `isolation_level` of readers that want committed transactions only.
const READ_COMMITTED: i8 = 1;

fn handle(context: RequestContext, body: Bytes) -> Reply {
    let request: FetchRequest = match decode(&context.header, body) {
        Ok(request) => request,
        Err(reply) => return reply,
    };
    // KIP-227: epochs 0 (begin a session) and -1 (none) ask for everything; others go on with a session.
    if request.session_epoch > 0 {
        return encode(&context, &whole(ErrorCode::FetchSessionIdNotFound, Vec::new()));
    }
    let plan = Plan::of(&context, &request);
    Reply::waiting(plan.held_bytes(), |hurry| async move { plan.run(&context, &hurry).await })
}

/// Longest wait for records, whatever `max_wait_ms` says: the most that librdkafka lets anybody configure,
/// ten times the default after which Java's clients give a request up.
const WAIT_MAX: Duration = Duration::from_secs(300);

/// One partition of the request. Small: it is kept while the request waits.
enum Planned {
    /// Stands at this place of `Plan::fetches`.
    Fetch(usize),
    /// Does not exist. Measured against Kafka 4.3: this does not end the wait.
    Unknown(ErrorCode),
    /// Cannot be read: the client has something to act on, so nothing is waited for.
    Failed(ErrorCode),
    /// The client believes in a leader before this one.
    Fenced(LeaderEpoch),
}

impl Planned {
    fn ends_the_wait(&self) -> bool {
        matches!(self, Planned::Failed(_) | Planned::Fenced(_))
    }
}

struct PlannedTopic {
    name: String,
    topic_id: TopicId,
    partitions: Vec<(i32, Planned)>,
}

/// What is to be read, and where it goes in the response.
struct Plan {
    topics: Vec<PlannedTopic>,
    fetches: Vec<PartitionFetch>,
    bytes_min: u64,
    bytes_max: u64,
    wait: Duration,
    read_committed: bool,
}

impl Plan {
    fn of(context: &RequestContext, request: &FetchRequest) -> Plan {
        let version = context.header.api_version;
        let image = context.broker.image();
        let bytes_max = unsigned(request.max_bytes).min(context.broker.config().fetch_max_bytes.into());
        let mut plan = Plan {
            topics: Vec::with_capacity(request.topics.len()),
            fetches: Vec::new(),
            bytes_min: unsigned(request.min_bytes).min(bytes_max),
            bytes_max,
            wait: wait(request.max_wait_ms),
            read_committed: request.isolation_level == READ_COMMITTED,
        };
        let is_follower = replica_id(request, version) >= 0;
        for topic in &request.topics {
            let topic_id = TopicId(topic.topic_id);
            let found = find(&image, topic.topic.as_str(), topic_id, version);
            let partitions = topic.partitions.iter().map(|asked| {
                let planned = match &found {
                    Err(code) => Planned::Unknown(*code),
                    Ok(_) if is_follower => Planned::Failed(ErrorCode::NotLeaderOrFollower),
                    Ok(topic) => plan_partition(context, topic, asked, &mut plan.fetches),
                };
                (asked.partition, planned)
            });
            let partitions: Vec<(i32, Planned)> = partitions.collect();
            if partitions.iter().any(|(_, planned)| planned.ends_the_wait()) {
                plan.wait = Duration::ZERO;
            }
            let name = found.map_or_else(|_| topic.topic.to_string(), |topic| topic.name.to_string());
            plan.topics.push(PlannedTopic { name, topic_id, partitions });
        }
        plan
    }

    /// Memory that the plan keeps while it waits.
    fn held_bytes(&self) -> u64 {
        let of_topic = |topic: &PlannedTopic| {
            size_of::<PlannedTopic>() + topic.name.len() + size_of_val(topic.partitions.as_slice())
        };
        let topics: usize = self.topics.iter().map(of_topic).sum();
        (topics + size_of_val(self.fetches.as_slice())) as u64
    }

    async fn run(self, context: &RequestContext, hurry: &Hurry) -> Reply {
        let Plan { topics, fetches, bytes_min, bytes_max, wait, read_committed } = self;
        // Measured against Kafka 4.3: it waits unless nothing is to be read or something fails.
        let read = match fetches.is_empty() {
            true => Vec::new(),
            false => tokio::select! {
                read = context.broker.fetch(&fetches, bytes_min, bytes_max, wait) => read,
                () = hurry.asked() => context.broker.fetch(&fetches, 0, bytes_max, Duration::ZERO).await,
            },
        };
        context.broker.metrics().fetched(read.iter().map(|fetched| fetched.bytes).sum());
        let mut read: Vec<_> = read.into_iter().map(Some).collect();
        let topics = topics.into_iter().map(|topic| {
            let partitions = topic.partitions.into_iter().map(|(partition, planned)| match planned {
                Planned::Unknown(code) => unknown(partition, code),
                Planned::Failed(code) => FetchedPartition::failed(partition, code),
                Planned::Fenced(leader_epoch) => fenced(context, partition, leader_epoch),
                Planned::Fetch(place) => {
                    let fetched = read[place].take().expect("each place is taken once");
                    shown(partition, fetched, read_committed, context.header.api_version)
                }
            });
            let partitions = partitions.collect();
            FetchedTopic { name: topic.name, topic_id: topic.topic_id, partitions }
        });
        let response = whole(ErrorCode::None, topics.collect());
        encode(context, &with_endpoints(context, response))
    }
}

fn wait(max_wait_ms: i32) -> Duration {
    Duration::from_millis(unsigned(max_wait_ms)).min(WAIT_MAX)
}

fn unsigned(number: i32) -> u64 {
    u64::try_from(number).unwrap_or(0)
}

fn replica_id(request: &FetchRequest, version: i16) -> i32 {
    match version >= VERSION_WITH_REPLICA_STATE {
        true => request.replica_state.replica_id.0,
        false => request.replica_id.0,
    }
}

fn find(
    image: &ClusterImage,
    name: &str,
    topic_id: TopicId,
    version: i16,
) -> Result<std::sync::Arc<TopicImage>, ErrorCode> {
    let found = TopicKey { name, topic_id }.find(image, version >= VERSION_WITH_TOPIC_IDS);
    found.map_err(|failure| failure.code)
}

fn plan_partition(
    context: &RequestContext,
    topic: &TopicImage,
    asked: &FetchPartition,
    fetches: &mut Vec<PartitionFetch>,
) -> Planned {
    if !(0..topic.partitions).contains(&asked.partition) {
        return Planned::Unknown(ErrorCode::UnknownTopicOrPartition);
    }
    let partition = match open_partition(&context.broker, topic, asked.partition) {
        Ok(partition) => partition,
        Err(failure) => return Planned::Failed(known(failure.code, context.header.api_version)),
    };
    match check_leader_epoch(&partition, asked.current_leader_epoch).map_err(|failure| failure.code) {
        Ok(()) => (),
        Err(ErrorCode::FencedLeaderEpoch) => return Planned::Fenced(partition.leader_epoch()),
        Err(code) => return Planned::Failed(code),
    }
    let (offset, bytes_max) = (Offset(asked.fetch_offset), unsigned(asked.partition_max_bytes));
    fetches.push(PartitionFetch { partition, offset, bytes_max });
    Planned::Fetch(fetches.len() - 1)
}

fn whole(error_code: ErrorCode, topics: Vec<FetchedTopic>) -> FetchResponse {
    FetchResponse { throttle_time_ms: 0, error_code, session_id: 0, topics, node_endpoints: Vec::new() }
}

/// KIP-951: where the leaders listen that partitions name.
fn with_endpoints(context: &RequestContext, mut response: FetchResponse) -> FetchResponse {
    let mut partitions = response.topics.iter().flat_map(|topic| &topic.partitions);
    if partitions.any(|partition| partition.current_leader.is_some()) {
        let (config, connection) = (context.broker.config(), &context.connection);
        response.node_endpoints.push(NodeEndpoint {
            node_id: NodeId(config.node_id.0),
            host: connection.advertised_host.clone(),
            port: connection.advertised_port.into(),
            rack: config.rack.clone(),
        });
    }
    response
}

fn encode(context: &RequestContext, response: &FetchResponse) -> Reply {
    let partitions = response.topics.iter().flat_map(|topic| &topic.partitions);
    for failed in partitions.filter(|partition| partition.error_code.is_error()) {
        context.broker.metrics().request_error(API.key, failed.error_code.name());
    }
    match fetch_response::encode(context.header.api_version, context.header.correlation_id, response) {
        Ok(pieces) => Reply::Pieces(pieces),
        Err(error) => {
            tracing::error!(%error, "a response could not be encoded");
            Reply::Close("a response could not be encoded")
        }
    }
}

#[cfg(test)]
mod tests;
