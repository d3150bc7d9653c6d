//! What the handlers of transaction APIs share: who writes, and what clients of a version are told.

use std::sync::Arc;

use kafka_protocol::messages::TransactionalId;

use super::RequestContext;
use super::errors::KafkaError;
use super::exchange::text;
use crate::coordinator::{Asked, CoordinatorError};
use crate::model::{ProducerEpoch, ProducerId};
use crate::protocol::ErrorCode;
use crate::transaction::{NamedPartition, ProducerIdAndEpoch, TransactionReply, TransactionRequest};

/// Id and epoch as a request has them.
pub(super) fn producer(id: kafka_protocol::messages::ProducerId, producer_epoch: i16) -> ProducerIdAndEpoch {
    ProducerIdAndEpoch { producer_id: ProducerId(id.0), producer_epoch: ProducerEpoch(producer_epoch) }
}

/// A transactional id that outlives its request.
pub(super) fn kept_id(id: &TransactionalId) -> Arc<str> {
    id.0.as_str().into()
}

/// A transactional id in a response.
pub(super) fn transactional_id(id: &str) -> TransactionalId {
    TransactionalId(text(id))
}

/// Partitions as a request has them.
pub(super) fn named<'a>(topics: impl Iterator<Item = (&'a str, &'a [i32])>) -> Vec<NamedPartition> {
    let partitions = topics.flat_map(|(name, partitions)| {
        let topic: Arc<str> = name.into();
        partitions.iter().map(move |partition| NamedPartition { topic: topic.clone(), partition: *partition })
    });
    partitions.collect()
}

/// The code for a client of this version. KIP-588: before `fenced_from` a fenced producer is told of its
/// epoch.
pub(super) fn code_for(version: i16, fenced_from: i16, code: ErrorCode) -> ErrorCode {
    match code {
        ErrorCode::ProducerFenced if version < fenced_from => ErrorCode::InvalidProducerEpoch,
        code => code,
    }
}

/// Counts an answer that is an error, and gives it back.
pub(super) fn counted(context: &RequestContext, code: ErrorCode) -> ErrorCode {
    if code != ErrorCode::None {
        context.broker.metrics().request_error(context.header.api_key, code.name());
    }
    code
}

/// Hands a request to the coordinator of a transactional id, in the order of these calls.
pub(super) fn ask(
    context: &RequestContext,
    transactional_id: &str,
    request: TransactionRequest,
) -> Result<Asked<TransactionReply>, CoordinatorError> {
    context.broker.ask_transaction(transactional_id, request)
}

/// Whether no later answer about this producer, under its epoch, would be another one.
pub(super) fn is_final(code: ErrorCode) -> bool {
    matches!(code, ErrorCode::ProducerFenced | ErrorCode::InvalidProducerIdMapping)
}

/// Waits for the reply to what was handed over, if it was.
pub(super) async fn reply<R>(asked: Result<Asked<R>, CoordinatorError>) -> Result<R, CoordinatorError> {
    asked?.reply().await
}

/// The code of an answer to AddPartitions.
pub(super) async fn added(asked: Result<Asked<TransactionReply>, CoordinatorError>) -> ErrorCode {
    match reply(asked).await {
        Ok(TransactionReply::AddPartitions(Ok(()))) => ErrorCode::None,
        Ok(TransactionReply::AddPartitions(Err(error))) => error.code(),
        Ok(other) => unreachable!("a reply is of its request's kind: {other:?}"),
        Err(error) => error.code(),
    }
}

#[cfg(test)]
pub(super) mod tests;
