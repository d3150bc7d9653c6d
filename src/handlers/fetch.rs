//! Fetch, key 1, versions 4 to 18.
//!
//! Whole batches from the one that contains the offset asked for, and from the first partition that has any
//! at least one, whatever its size. Waits up to `max_wait_ms` for `min_bytes`. Without a session the order is
//! the client's; in a session partitions that gave records go behind the others, and only news is answered.
//! Records are never copied: they leave as slices of the in-memory tail and extents of segment files.
//! A reader of committed transactions gets what lies below the last stable offset, and which of the
//! transactions in it were aborted.
//! Left out: followers (refused as Kafka refuses brokers that are no
//! replicas), preferred replicas. Like Kafka 4.3, zstd is not refused below version 10.
//!
//! v4: isolation level (KIP-98). v5: log start offset (KIP-107). v6: KAFKA_STORAGE_ERROR. v7: sessions
//! (KIP-227). v8: throttling (KIP-219). v9: leader epochs (KIP-320). v10: zstd (KIP-110). v11: racks
//! (KIP-392). v12: flexible, diverging epochs (KIP-595). v13: topic ids (KIP-516). v14: tiered offsets
//! (KIP-405). v15: replica state (KIP-903). v16: current leader (KIP-951). v17: directory id (KIP-853). v18:
//! high watermark (KIP-1166).

mod asked;
mod partition;
mod plan;

use std::time::Duration;

use bytes::Bytes;
use kafka_protocol::messages::FetchRequest;

use self::asked::Naming;
use self::partition::{led, shown, unknown};
use self::plan::{Plan, Planned, PlannedPartition, PlannedTopic};
use super::errors::KafkaError;
use super::exchange::decode;
use super::{Api, Hurry, Reply, RequestContext};
use crate::broker::{
    self, AnsweredPartition, FetchContext, FetchKey, FetchLimits, NO_SESSION, PartitionAsk, SessionAnswer,
    SessionChange,
};
use crate::model::NodeId;
use crate::protocol::ErrorCode;
use crate::protocol::fetch_response::{self, FetchResponse, FetchedPartition, FetchedTopic, NodeEndpoint};

/// The row of `APIS`.
pub(super) const API: Api = Api {
    key: fetch_response::FETCH_KEY,
    handle: |context, body| Box::pin(std::future::ready(handle(context, body))),
};

/// First version that names topics by id.
const VERSION_WITH_TOPIC_IDS: i16 = 13;
/// `isolation_level` of readers that want all records.
const READ_UNCOMMITTED: i8 = 0;
/// `isolation_level` of readers that want committed transactions only.
const READ_COMMITTED: i8 = 1;

fn handle(context: RequestContext, body: Bytes) -> Reply {
    let request: FetchRequest = match decode(&context.header, body) {
        Ok(request) => request,
        Err(reply) => return reply,
    };
    let image = context.broker.image();
    let by_id = context.header.api_version >= VERSION_WITH_TOPIC_IDS;
    let naming = Naming { image: &image, by_id };
    let change = SessionChange {
        session_epoch: request.session_epoch,
        by_id,
        asked: &naming.asked(&request),
        forgotten: &naming.forgotten(&request),
    };
    let sessions = context.broker.fetch_sessions();
    let (session, to_fetch) = match sessions.begin(request.session_id, &change, |id| naming.name_of(id)) {
        Ok(begun) => begun,
        Err(error) => return encode(&context, &whole(error.code(), NO_SESSION, Vec::new())),
    };
    let plan = Plan::of(&context, &request, &to_fetch);
    if ![READ_UNCOMMITTED, READ_COMMITTED].contains(&request.isolation_level) && !plan.finds_nothing() {
        return encode(&context, &unforeseen(&request, by_id));
    }
    // Needed once more if a session is to remember it.
    let asks = match session.begins_session() {
        true => to_fetch.into_iter().map(|(_, ask)| ask).collect(),
        false => Vec::new(),
    };
    let held_bytes = plan.held_bytes() + size_of_val(asks.as_slice()) as u64;
    let read_committed = request.isolation_level == READ_COMMITTED;
    let work = Work { session, plan, asks, read_committed };
    Reply::waiting(held_bytes, |hurry| async move { work.run(&context, &hurry).await })
}

/// What is left of a request while it waits.
struct Work {
    session: FetchContext,
    plan: Plan,
    /// What was asked, in the order of the request.
    asks: Vec<PartitionAsk>,
    read_committed: bool,
}

impl Work {
    async fn run(self, context: &RequestContext, hurry: &Hurry) -> Reply {
        let Work { session, plan, asks, read_committed } = self;
        let Plan { topics, fetches, limits, is_follower } = plan;
        let at_once = FetchLimits { bytes_min: 0, wait: Duration::ZERO, ..limits };
        // Measured against Kafka 4.3: it waits unless nothing is to be read or something fails.
        let read = match fetches.is_empty() {
            true => Vec::new(),
            false => tokio::select! {
                read = context.broker.fetch(&fetches, limits) => read,
                () = hurry.asked() => context.broker.fetch(&fetches, at_once).await,
            },
        };
        context.broker.metrics().fetched(read.iter().map(|fetched| fetched.bytes).sum());
        let mut answers =
            Answers { context, read: read.into_iter().map(Some).collect(), asks, read_committed };
        let answered = topics.into_iter().flat_map(|topic| answers.of(topic)).collect();
        let SessionAnswer { session_id, answered } =
            context.broker.fetch_sessions().finish(session, answered);
        let response = match answered {
            Ok(answered) => whole(ErrorCode::None, session_id, in_topics(answered)),
            Err(error) => whole(error.code(), session_id, Vec::new()),
        };
        // Measured against Kafka 4.3: followers are not told where leaders listen.
        encode(context, &if is_follower { response } else { with_endpoints(context, response) })
    }
}

/// What was read, to be put where it belongs.
struct Answers<'a> {
    context: &'a RequestContext,
    read: Vec<Option<broker::FetchedPartition>>,
    asks: Vec<PartitionAsk>,
    read_committed: bool,
}

impl Answers<'_> {
    fn of(&mut self, PlannedTopic { topic, partitions }: PlannedTopic) -> Vec<AnsweredPartition> {
        let answered = partitions.into_iter().map(|PlannedPartition { partition, place, planned }| {
            let ask = self.asks.get(place as usize).copied();
            let key = FetchKey { topic: topic.clone(), partition };
            AnsweredPartition { key, ask, fetched: self.fetched(partition, planned) }
        });
        answered.collect()
    }

    fn fetched(&mut self, partition: i32, planned: Planned) -> FetchedPartition {
        match planned {
            Planned::Unknown(code) => unknown(partition, code),
            Planned::Failed(code) => FetchedPartition::failed(partition, code),
            Planned::Led(code, leader_epoch) => led(self.context, partition, code, leader_epoch),
            Planned::Fetch(place) => {
                let fetched = self.read[place as usize].take().expect("each place is taken once");
                shown(partition, fetched, self.read_committed, self.context.header.api_version)
            }
        }
    }
}

/// Partitions of one topic that stand side by side become one topic of the response.
fn in_topics(answered: Vec<AnsweredPartition>) -> Vec<FetchedTopic> {
    let mut topics: Vec<FetchedTopic> = Vec::new();
    let mut last = None;
    for AnsweredPartition { key, fetched, .. } in answered {
        match topics.last_mut().filter(|_| last.as_ref() == Some(&key.topic)) {
            Some(topic) => topic.partitions.push(fetched),
            None => {
                let name = key.topic.name().map_or_else(String::new, |name| name.to_string());
                let topic_id = key.topic.topic_id();
                topics.push(FetchedTopic { name, topic_id, partitions: vec![fetched] });
                last = Some(key.topic);
            }
        }
    }
    topics
}

/// Measured against Kafka 4.3: what it does not foresee, an isolation level that there is not, ends the
/// request after its session has gone on. Before there were topic ids, each partition says so too.
fn unforeseen(request: &FetchRequest, by_id: bool) -> FetchResponse {
    let topics = request.topics.iter().filter(|_| !by_id).map(|topic| {
        let partitions = topic.partitions.iter().map(|asked| asked.partition);
        let partitions = partitions.map(|partition| unknown(partition, ErrorCode::UnknownServerError));
        FetchedTopic {
            name: topic.topic.to_string(),
            topic_id: Default::default(),
            partitions: partitions.collect(),
        }
    });
    whole(ErrorCode::UnknownServerError, request.session_id, topics.collect())
}

fn whole(error_code: ErrorCode, session_id: i32, topics: Vec<FetchedTopic>) -> FetchResponse {
    FetchResponse { throttle_time_ms: 0, error_code, session_id, topics, node_endpoints: Vec::new() }
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
    let codes = partitions.map(|partition| partition.error_code).chain([response.error_code]);
    for code in codes.filter(|code| code.is_error()) {
        context.broker.metrics().request_error(API.key, code.name());
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
