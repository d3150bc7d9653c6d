//! Produce, key 0, versions 3 to 13.
//!
//! Checks every batch, compresses it anew where its topic wants another codec (`compression.type`), waits for
//! room for all of them, gives them their offsets in the order of the request, and answers when they are
//! written (`acks=1`) or committed (`acks=-1`); a duplicate is answered like its original, and not before
//! that is committed. `acks=0` is never answered: an error closes the connection.
//! Batches of a transaction are taken once its coordinator knows of their partition: it is asked before the
//! first one, and takes the partition in from version 12 on.
//! Left out: `min.insync.replicas`, and who leads instead (KIP-951): there is no other broker.
//!
//! v3: record batches (KIP-98). v4: KAFKA_STORAGE_ERROR. v5: log start offset (KIP-107). v6: nothing. v7:
//! zstd (KIP-110). v8: errors of single records (KIP-467). v9: flexible. v10: current leader (KIP-951). v11:
//! nothing. v12: implicit AddPartitionsToTxn (KIP-890). v13: topic ids (KIP-516).

mod checking;
mod outcome;
mod rules;
mod transactions;
mod wait;

use bytes::Bytes;
use kafka_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use kafka_protocol::messages::produce_response::{
    BatchIndexAndErrorMessage, PartitionProduceResponse, TopicProduceResponse,
};
use kafka_protocol::messages::{ProduceRequest, ProduceResponse};

use self::outcome::{Outcome, Refusal};
use super::errors::KafkaError;
use super::exchange::{Failure, answer, decode, text};
use super::seldom::{Seldom, shortened};
use super::view::{self, TopicKey, open_partition};
use super::{Api, Reply, RequestContext};
use crate::model::{Offset, Timestamp, TopicId};
use crate::partition::{Purpose, Verification};
use crate::protocol::ErrorCode;
use crate::protocol::batch::{BytesLeft, ProduceRules, validate_produced_within};

/// The row of `APIS`.
pub(super) const API: Api = Api { key: 0, handle: |context, body| Box::pin(handle(context, body)) };

/// First version that names topics by id.
const VERSION_WITH_TOPIC_IDS: i16 = 13;
/// The client waits for no answer.
const ACKS_NONE: i16 = 0;
/// The client waits until its records are written.
const ACKS_LEADER: i16 = 1;
/// The client waits until its records are committed.
const ACKS_ALL: i16 = -1;
/// Client id that may write to internal topics. As Kafka's `AdminUtils.ADMIN_CLIENT_ID`.
const ADMIN_CLIENT_ID: &str = "__admin_client";

/// One topic of a request, on its way to becoming one of the response.
struct Topic {
    name: kafka_protocol::messages::TopicName,
    topic_id: TopicId,
    partitions: Vec<(i32, Outcome)>,
}

fn outcomes(topics: &mut [Topic]) -> impl Iterator<Item = &mut Outcome> {
    topics.iter_mut().flat_map(|topic| topic.partitions.iter_mut().map(|(_, outcome)| outcome))
}

async fn handle(context: RequestContext, body: Bytes) -> Reply {
    let request: ProduceRequest = match decode(&context.header, body) {
        Ok(request) => request,
        Err(reply) => return reply,
    };
    let started = context.broker.env().clock.monotonic();
    let (acks, timeout) = (request.acks, view::change_timeout(request.timeout_ms));
    let patience = timeout.min(ADMISSION_WAIT_MAX);
    let transactional_id = request.transactional_id.clone();
    let refused = refused_as_a_whole(&request);
    let takes_long = checking::takes_long(&context, &request);
    let asked = match takes_long && refused.is_none() {
        true => transactions::ask_first(&context, &request, patience).await,
        false => None,
    };
    let (mut topics, grown) = match takes_long {
        true => checking::check_aside(&context, request, refused, patience).await,
        false => (check(&context, request, refused).0, None),
    };
    let transactional_id = transactional_id.as_ref().map(|id| id.as_str());
    match asked {
        Some(asked) => asked.show(&mut topics),
        None => transactions::verify(&context, transactional_id, &mut topics, patience).await,
    }
    append(&context, &mut topics, patience).await;
    drop(grown);
    if acks == ACKS_NONE {
        return unanswered(&context, topics);
    }
    Reply::pending(async move {
        let passed = context.broker.env().clock.monotonic().saturating_sub(started);
        let waiting = outcomes(&mut topics).collect();
        wait::until_safe(context.broker.storage(), acks, waiting, timeout.saturating_sub(passed)).await;
        answer(&context.header, &response(&context, topics))
    })
}

/// Refusals that nobody is told of but the log.
static REFUSALS: Seldom = Seldom::new();

/// As Kafka does: who does not listen to answers learns of an error by losing its connection.
fn unanswered(context: &RequestContext, mut topics: Vec<Topic>) -> Reply {
    let mut refusals = outcomes(&mut topics).filter_map(|outcome| outcome.refusal());
    match refusals.next() {
        None => Reply::None,
        Some(Refusal { failure, .. }) => {
            if let Some(untold) = REFUSALS.may_tell(context.broker.env().clock.monotonic()) {
                let client = shortened(context.header.client_id.as_deref());
                let (code, reason) = (failure.code, &failure.message);
                tracing::info!(client, %code, reason, untold, "acks=0 produce refused");
            }
            Reply::Close("a Produce request with acks=0 failed")
        }
    }
}

/// Looks up every partition and checks every batch.
///
/// `refused` is what refuses every partition, if anything does. Also gives what is left of
/// [`checking::BYTES_MAX`].
fn check(
    context: &RequestContext,
    request: ProduceRequest,
    refused: Option<WholeRefusal>,
) -> (Vec<Topic>, BytesLeft) {
    let image = context.broker.image();
    let by_id = context.header.api_version >= VERSION_WITH_TOPIC_IDS;
    let mut left = checking::BYTES_MAX;
    let checked = request.topic_data.into_iter().map(|data| {
        let TopicProduceData { name, topic_id, partition_data, .. } = data;
        let topic_id = TopicId(topic_id);
        let found = TopicKey { name: name.as_str(), topic_id }.find(&image, by_id);
        let found = found.map(|topic| {
            let rules = rules::of(&context.broker.topic_config(&topic), context.header.api_version);
            (topic, rules)
        });
        let partitions = partition_data.into_iter().map(|data| {
            let outcome = match (&found, &refused) {
                (_, Some(WholeRefusal { failure, comes_first: true })) => Outcome::refused(failure.clone()),
                (Err(failure), _) => Outcome::refused(failure.clone()),
                (Ok((topic, _)), _) if is_closed(context, &topic.name) => {
                    let words = format!("Cannot append to internal topic {}", topic.name);
                    Outcome::refused(Failure::new(ErrorCode::InvalidTopicException, words))
                }
                (Ok((topic, rules)), None) => check_partition(context, topic, rules, &data, &mut left),
                (Ok(_), Some(WholeRefusal { failure, .. })) => Outcome::refused(failure.clone()),
            };
            (data.index, outcome)
        });
        let partitions = partitions.collect();
        Topic { name, topic_id, partitions }
    });
    (checked.collect(), left)
}

/// What refuses every partition of a request.
struct WholeRefusal {
    failure: Failure,
    /// Also those that do not exist.
    comes_first: bool,
}

/// What refuses every partition of a request, if anything does.
fn refused_as_a_whole(request: &ProduceRequest) -> Option<WholeRefusal> {
    if let Some(failure) = transactions::refused_as_a_whole(request) {
        return Some(WholeRefusal { failure, comes_first: true });
    }
    let has_known_acks = [ACKS_NONE, ACKS_LEADER, ACKS_ALL].contains(&request.acks);
    let failure = ErrorCode::InvalidRequiredAcks.into();
    (!has_known_acks).then_some(WholeRefusal { failure, comes_first: false })
}

fn is_closed(context: &RequestContext, topic: &str) -> bool {
    view::is_internal(topic) && context.header.client_id.as_deref() != Some(ADMIN_CLIENT_ID)
}

fn check_partition(
    context: &RequestContext,
    topic: &crate::metadata::TopicImage,
    rules: &ProduceRules,
    data: &PartitionProduceData,
    left: &mut BytesLeft,
) -> Outcome {
    let partition = match open_partition(&context.broker, topic, data.index) {
        Ok(partition) => partition,
        Err(failure) => return Outcome::refused(failure),
    };
    let now = context.broker.env().clock.now();
    match validate_produced_within(data.records.as_ref().unwrap_or(&Bytes::new()), now, rules, left) {
        Ok(batch) => Outcome::Checked { partition, batch, verification: Verification::Ongoing },
        Err(rejection) => Outcome::rejected(rejection, partition.watermarks().log_start_offset),
    }
}

/// Longest wait for room before a request is refused: meanwhile its connection is not read.
const ADMISSION_WAIT_MAX: std::time::Duration = std::time::Duration::from_secs(10);

/// Gives the batches their offsets, once there is room for all of them.
async fn append(context: &RequestContext, topics: &mut [Topic], patience: std::time::Duration) {
    let storage = context.broker.storage();
    let payloads: Vec<usize> = outcomes(topics).filter_map(|outcome| outcome.payload()).collect();
    if payloads.is_empty() {
        return;
    }
    match storage.admit(Purpose::Records, &payloads, patience).await {
        Ok(mut credits) => {
            let (mut records, mut bytes) = (0, 0);
            for outcome in outcomes(topics) {
                let (more, payload) = outcome.append(storage, &mut credits);
                records += more;
                bytes += payload;
            }
            context.broker.metrics().appended(records, bytes);
        }
        Err(error) => {
            let waiting = outcomes(topics).filter(|outcome| outcome.payload().is_some());
            waiting.for_each(|outcome| *outcome = Outcome::refused(error.failure()));
        }
    }
}

fn response(context: &RequestContext, topics: Vec<Topic>) -> ProduceResponse {
    let by_id = context.header.api_version >= VERSION_WITH_TOPIC_IDS;
    let responses = topics.into_iter().map(|topic| {
        let partitions = topic.partitions.iter().map(|(index, outcome)| {
            if let Some(refusal) = outcome.refusal() {
                context.broker.metrics().request_error(API.key, refusal.failure.code.name());
            }
            partition_response(*index, outcome)
        });
        let response = TopicProduceResponse::default().with_partition_responses(partitions.collect());
        match by_id {
            true => response.with_topic_id(topic.topic_id.0),
            false => response.with_name(topic.name),
        }
    });
    ProduceResponse::default().with_responses(responses.collect())
}

fn partition_response(index: i32, outcome: &Outcome) -> PartitionProduceResponse {
    let response = PartitionProduceResponse::default().with_index(index).with_error_message(None);
    match outcome {
        Outcome::Refused(refusal) => {
            let records = refusal.record_errors.iter().map(|error| {
                BatchIndexAndErrorMessage::default()
                    .with_batch_index(error.batch_index)
                    .with_batch_index_error_message(Some(text(&error.message)))
            });
            response
                .with_error_code(refusal.failure.code.code())
                .with_error_message(refusal.failure.words())
                .with_base_offset(Offset::NONE.0)
                .with_log_append_time_ms(Timestamp::NONE.0)
                .with_log_start_offset(refusal.log_start_offset.0)
                .with_record_errors(records.collect())
        }
        Outcome::Admitted { partition, admission, log_append_time } => response
            .with_base_offset(outcome::base_offset(admission).0)
            .with_log_append_time_ms(log_append_time.0)
            .with_log_start_offset(partition.watermarks().log_start_offset.0),
        Outcome::Checked { .. } => unreachable!("every checked batch is appended or refused"),
    }
}

#[cfg(test)]
mod tests;
