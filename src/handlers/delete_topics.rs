//! DeleteTopics, key 20, versions 1 to 6.
//!
//! Deletes topics by name or id. When a topic is answered its deletion is durable and its name free; its
//! files are unlinked in the background.
//! Left out: quotas.
//!
//! v1: `throttle_time_ms`. v2: nothing. v3: TOPIC_DELETION_DISABLED. v4: flexible. v5: error messages
//! (KIP-599). v6: topic ids (KIP-516).

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use bytes::Bytes;
use kafka_protocol::messages::delete_topics_request::DeleteTopicState;
use kafka_protocol::messages::delete_topics_response::DeletableTopicResult;
use kafka_protocol::messages::{DeleteTopicsRequest, DeleteTopicsResponse};

use super::errors::KafkaError;
use super::exchange::{Failure, answer, decode};
use super::view::{self, topic_name};
use super::{Api, Reply, RequestContext};
use crate::broker::Broker;
use crate::env::time;
use crate::metadata::ClusterImage;
use crate::model::TopicId;
use crate::protocol::ErrorCode;

/// The row of `APIS`.
pub(super) const API: Api = Api { key: 20, handle: |context, body| Box::pin(handle(context, body)) };

/// First version that knows TOPIC_DELETION_DISABLED.
const VERSION_WITH_DELETION_DISABLED: i16 = 3;
/// First version that tells messages.
const VERSION_WITH_MESSAGES: i16 = 5;
/// First version in which a topic may be named by id.
const VERSION_WITH_TOPIC_IDS: i16 = 6;

/// A topic as the request names it. Ordered, so that one named twice is found.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Named {
    Name(String),
    Id(TopicId),
    /// Both or neither: an error whatever it names.
    Contradiction(Option<String>, TopicId),
}

/// One topic of the answer.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Deletion {
    name: Option<String>,
    topic_id: TopicId,
    /// `None`: it exists and is to be deleted.
    failure: Option<Failure>,
}

async fn handle(context: RequestContext, body: Bytes) -> Reply {
    let header = &context.header;
    let request: DeleteTopicsRequest = match decode(header, body) {
        Ok(request) => request,
        Err(reply) => return reply,
    };
    let named = named(&request);
    let planned = match context.broker.config().delete_topic_enable {
        true => plan(&context.broker.image(), named),
        false => disabled(named, header.api_version),
    };
    let patience = view::change_timeout(request.timeout_ms);
    let broker = context.broker.clone();
    let unknown = planned.clone();
    let deleting = view::to_the_end(async move { delete(&broker, planned).await });
    let done = time::timeout(patience, deleting).await.unwrap_or_else(|time::Elapsed| timed_out(unknown));
    let responses = done.into_iter().map(|deletion| shown(deletion, header.api_version)).collect();
    answer(header, &DeleteTopicsResponse::default().with_responses(responses))
}

fn named(request: &DeleteTopicsRequest) -> Vec<Named> {
    let names = request.topic_names.iter().map(|name| Named::Name(name.to_string()));
    let topics = request.topics.iter().map(|DeleteTopicState { name, topic_id, .. }| {
        match (name.as_ref().map(|name| name.to_string()), TopicId(*topic_id)) {
            (Some(name), TopicId::ZERO) => Named::Name(name),
            (None, topic_id) if topic_id != TopicId::ZERO => Named::Id(topic_id),
            (name, topic_id) => Named::Contradiction(name, topic_id),
        }
    });
    names.chain(topics).collect()
}

/// The messages are Kafka's, since tools show them to people.
fn plan(image: &ClusterImage, named: Vec<Named>) -> Vec<Deletion> {
    let mut times: BTreeMap<Named, u32> = BTreeMap::new();
    named.into_iter().for_each(|named| *times.entry(named).or_default() += 1);
    let by_id: HashSet<TopicId> = times
        .keys()
        .filter_map(|named| if let Named::Id(topic_id) = named { Some(*topic_id) } else { None })
        .collect();
    let mut planned: Vec<Deletion> =
        times.into_iter().map(|(named, times)| plan_one(image, named, times > 1, &by_id)).collect();
    // A topic named both ways is not deleted.
    let contested: HashSet<TopicId> = planned
        .iter()
        .filter(|deletion| {
            deletion.failure.as_ref().is_some_and(|failure| failure.message == NAMED_BOTH_WAYS)
        })
        .map(|deletion| deletion.topic_id)
        .collect();
    planned.retain(|deletion| deletion.failure.is_some() || !contested.contains(&deletion.topic_id));
    planned
}

const NAMED_BOTH_WAYS: &str = "The provided topic name maps to an ID that was already supplied.";

fn plan_one(image: &ClusterImage, named: Named, twice: bool, by_id: &HashSet<TopicId>) -> Deletion {
    let invalid = |words: &str| Some(Failure::new(ErrorCode::InvalidRequest, words));
    match named {
        Named::Name(name) if twice => {
            Deletion { name: Some(name), topic_id: TopicId::ZERO, failure: invalid("Duplicate topic name.") }
        }
        Named::Id(topic_id) if twice => {
            Deletion { name: None, topic_id, failure: invalid("Duplicate topic id.") }
        }
        Named::Name(name) => match image.topic(&name) {
            None => Deletion {
                name: Some(name),
                topic_id: TopicId::ZERO,
                failure: Some(ErrorCode::UnknownTopicOrPartition.into()),
            },
            Some(topic) => {
                let failure = if by_id.contains(&topic.topic_id) { invalid(NAMED_BOTH_WAYS) } else { None };
                Deletion { name: Some(name), topic_id: topic.topic_id, failure }
            }
        },
        Named::Id(topic_id) => {
            let name = image.topic_by_id(topic_id).map(|topic| topic.name.to_string());
            let failure = name.is_none().then(|| ErrorCode::UnknownTopicId.into());
            Deletion { name, topic_id, failure }
        }
        Named::Contradiction(name, topic_id) => {
            let words = match name {
                Some(_) => "You may not specify both topic name and topic id.",
                None => "Neither topic name nor id were specified.",
            };
            Deletion { name, topic_id, failure: invalid(words) }
        }
    }
}

/// `delete.topic.enable=false`.
fn disabled(named: Vec<Named>, version: i16) -> Vec<Deletion> {
    let code = match version >= VERSION_WITH_DELETION_DISABLED {
        true => ErrorCode::TopicDeletionDisabled,
        false => ErrorCode::InvalidRequest,
    };
    let refused = named.into_iter().map(|named| {
        let (name, topic_id) = match named {
            Named::Name(name) => (Some(name), TopicId::ZERO),
            Named::Id(topic_id) => (None, topic_id),
            Named::Contradiction(name, topic_id) => (name, topic_id),
        };
        Deletion { name, topic_id, failure: Some(code.into()) }
    });
    refused.collect()
}

async fn delete(broker: &Arc<Broker>, mut planned: Vec<Deletion>) -> Vec<Deletion> {
    for deletion in planned.iter_mut().filter(|deletion| deletion.failure.is_none()) {
        deletion.failure = broker.delete_topic(deletion.topic_id).await.err().map(|error| error.failure());
    }
    planned
}

fn timed_out(mut planned: Vec<Deletion>) -> Vec<Deletion> {
    let undecided = planned.iter_mut().filter(|deletion| deletion.failure.is_none());
    undecided.for_each(|deletion| deletion.failure = Some(ErrorCode::RequestTimedOut.into()));
    planned
}

fn shown(deletion: Deletion, version: i16) -> DeletableTopicResult {
    let mut result = DeletableTopicResult::default();
    result.name = deletion.name.map(|name| topic_name(&name));
    if version >= VERSION_WITH_TOPIC_IDS {
        result.topic_id = deletion.topic_id.0;
    }
    result.error_message = None;
    if let Some(failure) = deletion.failure {
        result.error_code = failure.code.code();
        if version >= VERSION_WITH_MESSAGES {
            result.error_message = failure.words();
        }
    }
    result
}

#[cfg(test)]
mod tests;
