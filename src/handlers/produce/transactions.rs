//! What transactional batches go through before they are appended: their coordinator is asked wherever they
//! would begin their transaction (KIP-890).

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use kafka_protocol::messages::ProduceRequest;

use super::outcome::Outcome;
use super::{
    Failure, RequestContext, Topic, TopicKey, VERSION_WITH_TOPIC_IDS, is_closed, open_partition, outcomes,
};
use crate::broker::{TransactionCheck, TransactionRefused};
use crate::env::time;
use crate::handlers::errors::KafkaError;
use crate::handlers::transactions::is_final;
use crate::model::{ProducerId, TopicId};
use crate::partition::{Partition, Verification};
use crate::protocol::ErrorCode;
use crate::protocol::batch::{BatchHeader, ProducedBatch};
use crate::transaction::{NamedPartition, ProducerIdAndEpoch};

/// First version whose clients know TRANSACTION_ABORTABLE.
const VERSION_WITH_ABORTABLE: i16 = 11;
/// First version whose transactions are of version 2: a batch adds its partition.
const VERSION_WITH_IMPLICIT_ADDING: i16 = 12;

/// What refuses a request with transactional batches as a whole, if anything does. As in Kafka, before
/// anything else is looked at.
pub(super) fn refused_as_a_whole(request: &ProduceRequest) -> Option<Failure> {
    let partitions = request.topic_data.iter().flat_map(|topic| &topic.partition_data);
    let records = partitions.filter_map(|partition| partition.records.as_ref());
    let mut producers =
        records.filter_map(transactional).map(|header| (header.producer_id, header.producer_epoch));
    let first = producers.next()?;
    if request.transactional_id.is_none() {
        return Some(ErrorCode::TransactionalIdAuthorizationFailed.into());
    }
    let words = "Transactional records contained more than one producer ID";
    let mut of_others =
        producers.filter(|(id, _)| id.0 != ProducerId::NONE.0).filter(|other| *other != first);
    of_others.next().map(|_| Failure::new(ErrorCode::InvalidProducerIdMapping, words))
}

fn transactional(records: &Bytes) -> Option<BatchHeader> {
    BatchHeader::parse(records).ok().filter(|header| header.attributes.is_transactional())
}

/// Has the coordinator vouch for batches that would begin their transaction in their partitions; those that
/// it does not vouch for become refusals.
///
/// The connection is not read meanwhile, so that batches of one producer stay in their order.
pub(super) async fn verify(
    context: &RequestContext,
    transactional_id: Option<&str>,
    topics: &mut [Topic],
    patience: Duration,
) {
    let Some(transactional_id) = transactional_id else { return };
    let mut waiting: Vec<&mut Outcome> =
        outcomes(topics).filter(|outcome| outcome.transactional().is_some()).collect();
    if waiting.is_empty() {
        return;
    }
    let version = context.header.api_version;
    let adds = version >= VERSION_WITH_IMPLICIT_ADDING;
    let rules = context.broker.verification_rules();
    if !adds && !rules.is_enabled {
        waiting.iter_mut().for_each(|outcome| outcome.show(Verification::NotRequired));
        return;
    }
    let clock = &context.broker.env().clock;
    let give_up = clock.monotonic().saturating_add(rules.retry_max);
    loop {
        let now = context.broker.storage().times().stamp;
        // Again with every attempt: a marker that came meanwhile has taken the guard away.
        let mut asked: Vec<&mut &mut Outcome> = waiting
            .iter_mut()
            .filter_map(|outcome| outcome.begin_verification(adds, now).then_some(outcome))
            .collect();
        let Some(check) = check(transactional_id, &asked, adds) else { return };
        let answer = time::timeout(patience, context.broker.verify_transaction(check)).await;
        let code = |answer: Result<(), TransactionRefused>| {
            answer.map_or_else(|refused| refused.code(), |()| ErrorCode::None)
        };
        let codes = match answer {
            Ok(answers) => answers.into_iter().map(code).collect(),
            Err(_) => vec![ErrorCode::RequestTimedOut; asked.len()],
        };
        // The transaction before is being ended: that takes a moment, and the client would wait longer.
        let is_early = adds && codes.contains(&ErrorCode::ConcurrentTransactions);
        if is_early && clock.monotonic() < give_up {
            time::sleep(rules.retry_backoff).await;
            continue;
        }
        for (outcome, code) in asked.iter_mut().zip(codes).filter(|(_, code)| code.is_error()) {
            outcome.refuse(told(code, version), is_final(code));
        }
        return;
    }
}

/// Answers of the coordinator that came before the batches were checked.
pub(super) struct AskedFirst(Vec<Topic>);

/// The same before the batches of a request are checked that takes long to check: the turn that this needs
/// must not be kept while somebody is waited for. As Kafka does with all requests: a batch that is found
/// wrong then may have added its partition to the transaction, which ends there as in all others.
pub(super) async fn ask_first(
    context: &RequestContext,
    request: &ProduceRequest,
    patience: Duration,
) -> Option<AskedFirst> {
    let transactional_id = request.transactional_id.clone()?;
    let mut topics = to_ask_about(context, request);
    verify(context, Some(transactional_id.as_str()), &mut topics, patience).await;
    Some(AskedFirst(topics))
}

fn to_ask_about(context: &RequestContext, request: &ProduceRequest) -> Vec<Topic> {
    let image = context.broker.image();
    let by_id = context.header.api_version >= VERSION_WITH_TOPIC_IDS;
    let topics = request.topic_data.iter().map(|data| {
        let topic_id = TopicId(data.topic_id);
        let found = TopicKey { name: data.name.as_str(), topic_id }.find(&image, by_id).ok();
        let found = found.filter(|topic| !is_closed(context, &topic.name));
        let partitions = data.partition_data.iter().map(|data| {
            let partition =
                found.as_ref().and_then(|it| open_partition(&context.broker, it, data.index).ok());
            let batch = data.records.as_ref().and_then(ProducedBatch::to_ask_about);
            let outcome = match (partition, batch) {
                (Some(partition), Some(batch)) => {
                    Outcome::Checked { partition, batch, verification: Verification::Ongoing }
                }
                // Found by the check as well, unless it comes to be meanwhile: then the client asks again.
                _ => Outcome::refused(ErrorCode::UnknownTopicOrPartition.into()),
            };
            (data.index, outcome)
        });
        Topic { name: data.name.clone(), topic_id, partitions: partitions.collect() }
    });
    topics.collect()
}

impl AskedFirst {
    /// Shows what was answered with the batches that were checked meanwhile.
    pub(super) fn show(mut self, topics: &mut [Topic]) {
        for (outcome, asked) in outcomes(topics).zip(outcomes(&mut self.0)) {
            if outcome.transactional().is_none() {
                continue;
            }
            match asked {
                Outcome::Checked { verification, .. } => outcome.show(*verification),
                refused => std::mem::swap(outcome, refused),
            }
        }
    }
}

/// What is to be asked; `None` where nothing is.
fn check(transactional_id: &str, asked: &[&mut &mut Outcome], adds: bool) -> Option<TransactionCheck> {
    let header = asked.first()?.transactional()?;
    let producer =
        ProducerIdAndEpoch { producer_id: header.producer_id, producer_epoch: header.producer_epoch };
    let partitions = asked.iter().filter_map(|outcome| outcome.partition());
    let named = |partition: &Arc<Partition>| NamedPartition {
        topic: partition.topic().clone(),
        partition: partition.topic_partition().partition,
    };
    let partitions = partitions.map(named).collect();
    Some(TransactionCheck { transactional_id: transactional_id.into(), producer, partitions, adds })
}

/// What the client is told of an answer of the coordinator: what it can act on, by its version.
fn told(code: ErrorCode, version: i16) -> Failure {
    let knows_abortable = version >= VERSION_WITH_ABORTABLE;
    let is_version_2 = version >= VERSION_WITH_IMPLICIT_ADDING;
    match code {
        // KIP-588: producers abort and go on.
        ErrorCode::ProducerFenced => ErrorCode::InvalidProducerEpoch.into(),
        ErrorCode::TransactionAbortable if knows_abortable => code.into(),
        ErrorCode::InvalidTxnState | ErrorCode::TransactionAbortable => {
            let words = "Partition was not added to the transaction";
            Failure::new(ErrorCode::InvalidTxnState, words)
        }
        ErrorCode::ConcurrentTransactions if is_version_2 => code.into(),
        // Older clients do not try these again as they should; this one they do, without asking for metadata.
        ErrorCode::ConcurrentTransactions
        | ErrorCode::RequestTimedOut
        | ErrorCode::NetworkException
        | ErrorCode::CoordinatorLoadInProgress
        | ErrorCode::CoordinatorNotAvailable
        | ErrorCode::NotCoordinator => {
            let words =
                "Unable to verify the partition has been added to the transaction. Underlying error: ";
            Failure::new(ErrorCode::NotEnoughReplicas, format!("{words}{}", code.name()))
        }
        other => other.into(),
    }
}

#[cfg(test)]
mod tests;
