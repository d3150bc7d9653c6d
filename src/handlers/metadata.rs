//! Metadata, key 3, versions 0 to 13.
//!
//! Names this broker, the cluster and the topics asked for, by name or id, with their partitions and leaders.
//! Unknown topics are created if client and `auto.create.topics.enable` allow it. Unlike Kafka, which answers
//! UNKNOWN_TOPIC_OR_PARTITION first and creates later, the answer shows the topic that was just created.
//! Topics that exist are encoded once and kept by the broker until they change (ADR 11).
//! Left out: REBOOTSTRAP_REQUIRED, which nothing here needs to say.
//!
//! v0: an empty list is all topics. v1: `null` is, and an empty list is none; racks, controller, internal
//! topics. v2: cluster id. v3: `throttle_time_ms`. v4: whether to create. v5: offline replicas (KIP-112). v6:
//! nothing. v7: leader epochs (KIP-320). v8: authorized operations (KIP-430). v9: flexible. v10: topic ids in
//! the answer (KIP-516). v11: no cluster operations (KIP-700). v12: topics by id. v13: an error for the whole
//! (KIP-1102).

mod encoded;

use std::collections::HashSet;

use bytes::Bytes;
use kafka_protocol::messages::metadata_request::MetadataRequestTopic;
use kafka_protocol::messages::metadata_response::{MetadataResponseBroker, MetadataResponseTopic};
use kafka_protocol::messages::{BrokerId, MetadataRequest, MetadataResponse};

use super::errors::KafkaError;
use super::exchange::{answer, decode, text, unencodable};
use super::seldom::Seldom;
use super::view::{self, node_id, topic_name};
use super::{Api, Reply, RequestContext};
use crate::broker::{Broker, NewTopic, TopicError, TopicForm};
use crate::metadata::{ClusterImage, TopicImage};
use crate::model::TopicId;
use crate::protocol::ErrorCode;
use crate::protocol::response::EncodeError;

/// The row of `APIS`.
pub(super) const API: Api = Api { key: 3, handle: |context, body| Box::pin(handle(context, body)) };

/// First version in which `null`, not the empty list, asks for all topics.
const VERSION_WITH_NULL_FOR_ALL: i16 = 1;
/// First version in which the client says whether unknown topics may be created.
const VERSION_WITH_ALLOW_CREATION: i16 = 4;
/// First version in which a topic's name may be null.
const VERSION_WITH_NULL_NAMES: i16 = 10;
/// First version in which a topic may be asked for by id.
const VERSION_WITH_TOPIC_IDS: i16 = 12;
/// No leader.
const NO_LEADER: BrokerId = BrokerId(-1);

async fn handle(context: RequestContext, body: Bytes) -> Reply {
    let header = &context.header;
    let request: MetadataRequest = match decode(header, body) {
        Ok(request) => request,
        Err(reply) => return reply,
    };
    if has_odd_null(&request, header.api_version) {
        return Reply::Close("a Metadata request with null where its version has none");
    }
    if let Some(refusal) = refuse_ids(&request, header.api_version) {
        return answer(header, &refusal);
    }
    let wanted = Wanted::of(&request, header.api_version);
    if let Wanted::Names(names) = &wanted
        && (header.api_version < VERSION_WITH_ALLOW_CREATION || request.allow_auto_topic_creation)
        && context.broker.config().auto_create_topics_enable
    {
        create_missing(&context, names).await;
    }
    let image = context.broker.image();
    let form = TopicForm {
        api_version: header.api_version,
        tells_operations: request.include_topic_authorized_operations,
    };
    let mut response = cluster(&context);
    if request.include_cluster_authorized_operations {
        response.cluster_authorized_operations = view::CLUSTER_OPERATIONS;
    }
    let topics = wanted.topics(&context.broker, &image, form);
    let reply = topics.and_then(|topics| encoded::reply(header, &response, &topics));
    reply.unwrap_or_else(|error| unencodable(&error))
}

/// Null where the version has none, which the codec crate lets pass. Measured against Kafka 4.3: it ends the
/// connection.
fn has_odd_null(request: &MetadataRequest, version: i16) -> bool {
    let mut topics = request.topics.iter().flatten();
    (request.topics.is_none() && version < VERSION_WITH_NULL_FOR_ALL)
        || (version < VERSION_WITH_NULL_NAMES && topics.any(|topic| topic.name.is_none()))
}

/// Topic ids stand in requests since version 10 but mean something since 12 only (KAFKA-12701).
fn refuse_ids(request: &MetadataRequest, version: i16) -> Option<MetadataResponse> {
    let topics = request.topics.as_deref().unwrap_or_default();
    let odd = |topic: &MetadataRequestTopic| topic.name.is_none() || !topic.topic_id.is_nil();
    if version >= VERSION_WITH_TOPIC_IDS || !topics.iter().any(odd) {
        return None;
    }
    let refused = topics.iter().map(|topic| {
        MetadataResponseTopic::default()
            .with_error_code(ErrorCode::InvalidRequest.code())
            .with_name(Some(topic.name.clone().unwrap_or_default()))
            .with_topic_id(topic.topic_id)
    });
    Some(MetadataResponse::default().with_controller_id(NO_LEADER).with_topics(refused.collect()))
}

/// What a request asks for, each topic once.
#[derive(Debug, PartialEq, Eq)]
enum Wanted {
    All,
    Names(Vec<String>),
    Ids(Vec<TopicId>),
}

impl Wanted {
    fn of(request: &MetadataRequest, version: i16) -> Wanted {
        let Some(topics) = &request.topics else { return Wanted::All };
        if topics.is_empty() && version < VERSION_WITH_NULL_FOR_ALL {
            return Wanted::All;
        }
        // As Kafka does: one id, and names are not looked at.
        let mut seen = HashSet::new();
        let ids = topics.iter().map(|topic| TopicId(topic.topic_id)).filter(|id| *id != TopicId::ZERO);
        let ids: Vec<TopicId> = ids.filter(|id| seen.insert(*id)).collect();
        if !ids.is_empty() {
            return Wanted::Ids(ids);
        }
        let mut seen = HashSet::new();
        let names = topics.iter().filter_map(|topic| topic.name.as_ref());
        Wanted::Names(names.filter(|name| seen.insert(name.as_str())).map(|name| name.to_string()).collect())
    }

    /// Each topic, encoded.
    fn topics(
        &self,
        broker: &Broker,
        image: &ClusterImage,
        form: TopicForm,
    ) -> Result<Vec<Bytes>, EncodeError> {
        let known = |topic| encoded::topic(broker, topic, form);
        match self {
            Wanted::All => image.topics().map(known).collect(),
            Wanted::Names(names) => {
                let by_name = |name: &String| match image.topic(name) {
                    Some(topic) => known(topic),
                    None => encoded::part(unknown_name(name), form),
                };
                names.iter().map(by_name).collect()
            }
            Wanted::Ids(ids) => {
                let by_id = |id: &TopicId| match image.topic_by_id(*id) {
                    Some(topic) => known(topic),
                    None => encoded::part(unknown_id(*id), form),
                };
                ids.iter().map(by_id).collect()
            }
        }
    }
}

fn unknown_name(name: &str) -> MetadataResponseTopic {
    MetadataResponseTopic::default()
        .with_error_code(view::unknown_topic(name).code())
        .with_name(Some(topic_name(name)))
        .with_is_internal(view::is_internal(name))
}

fn unknown_id(topic_id: TopicId) -> MetadataResponseTopic {
    MetadataResponseTopic::default()
        .with_error_code(ErrorCode::UnknownTopicId.code())
        .with_name(None)
        .with_topic_id(topic_id.0)
}

/// A topic without its partitions.
fn topic_response(topic: &TopicImage) -> MetadataResponseTopic {
    MetadataResponseTopic::default()
        .with_name(Some(topic_name(&topic.name)))
        .with_topic_id(topic.topic_id.0)
        .with_is_internal(view::is_internal(&topic.name))
}

fn cluster(context: &RequestContext) -> MetadataResponse {
    let (broker, connection) = (&context.broker, &context.connection);
    let node = MetadataResponseBroker::default()
        .with_node_id(node_id(broker))
        .with_host(text(&connection.advertised_host))
        .with_port(connection.advertised_port.into())
        .with_rack(broker.config().rack.as_ref().map(text));
    MetadataResponse::default()
        .with_brokers(vec![node])
        .with_cluster_id(Some(text(broker.cluster_id())))
        .with_controller_id(node_id(broker))
        .with_cluster_authorized_operations(view::OPERATIONS_NOT_ASKED)
}

/// Creates what is missing, save internal topics: whoever keeps state in them creates them. Names that are
/// against the rule are answered as such, other failures leave the topic unknown: the client asks again.
async fn create_missing(context: &RequestContext, names: &[String]) {
    let (broker, image) = (context.broker.clone(), context.broker.image());
    let missing = names.iter().filter(|name| image.topic(name).is_none());
    let is_creatable = |name: &&String| {
        !view::is_internal(name) && view::unknown_topic(name) == ErrorCode::UnknownTopicOrPartition
    };
    let creatable = missing.filter(is_creatable);
    let new: Vec<NewTopic> = creatable.take(CREATIONS_MAX).map(|name| new_topic(&broker, name)).collect();
    if new.is_empty() {
        return;
    }
    let created = view::to_the_end(async move { broker.create_topics(new, false).await }).await;
    // What exists now, another connection asked for at the same time.
    let errors = created.iter().filter_map(|result| result.as_ref().err());
    let mut errors = errors.filter(|error| !matches!(error, TopicError::Exists(_)));
    if let Some(error) = errors.next()
        && let Some(untold) = FAILURES.may_tell(context.broker.env().clock.monotonic())
    {
        let (code, more) = (error.code(), errors.count());
        tracing::warn!(%error, %code, more, untold, "a topic could not be created on demand");
    }
}

/// Requests some of whose topics could not be created.
static FAILURES: Seldom = Seldom::new();

/// Topics that one request may bring into being by naming them; those beyond are unknown, and asked for
/// again.
const CREATIONS_MAX: usize = 1000;

fn new_topic(broker: &Broker, name: &str) -> NewTopic {
    let config = broker.config();
    NewTopic {
        name: name.to_owned(),
        partitions: config.num_partitions,
        replication_factor: view::default_replication_factor(&config),
        configs: Default::default(),
    }
}

#[cfg(test)]
mod tests;
