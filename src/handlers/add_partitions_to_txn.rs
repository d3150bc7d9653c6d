//! AddPartitionsToTxn, key 24, versions 0 to 5.
//!
//! Takes partitions into a transaction before its records are written, or tells whether they are in it.
//!
//! v1: throttling. v2: PRODUCER_FENCED (KIP-588). v3: flexible. v4: many transactions, and a look that adds
//! nothing: for brokers (KIP-890). v5: TRANSACTION_ABORTABLE.

use std::sync::Arc;

use bytes::Bytes;
use kafka_protocol::messages::add_partitions_to_txn_request::AddPartitionsToTxnTopic;
use kafka_protocol::messages::add_partitions_to_txn_response::{
    AddPartitionsToTxnPartitionResult, AddPartitionsToTxnResult, AddPartitionsToTxnTopicResult,
};
use kafka_protocol::messages::{AddPartitionsToTxnRequest, AddPartitionsToTxnResponse};

use super::errors::KafkaError;
use super::exchange::{answer, decode};
use super::transactions::{added, ask, code_for, counted, kept_id, named, producer, reply, transactional_id};
use super::{Api, Reply, RequestContext};
use crate::coordinator::{Asked, CoordinatorError};
use crate::metadata::ClusterImage;
use crate::protocol::ErrorCode;
use crate::transaction::{
    AddPartitions, NamedPartition, ProducerIdAndEpoch, TransactionReply, TransactionRequest,
    TransactionVersion, VerifyPartitions,
};

/// The row of `APIS`.
pub(super) const API: Api =
    Api { key: 24, handle: |context, body| Box::pin(std::future::ready(handle(context, body))) };

/// First version that knows PRODUCER_FENCED.
const VERSION_WITH_FENCED: i16 = 2;
/// First version with many transactions, which brokers send that let clients of version 2 write.
const VERSION_WITH_TRANSACTIONS: i16 = 4;

/// One transaction of a request.
struct Part {
    transactional_id: Arc<str>,
    producer: ProducerIdAndEpoch,
    verify_only: bool,
    topics: Vec<AddPartitionsToTxnTopic>,
}

/// What its coordinator has, or why it has nothing.
enum Asking {
    /// One code for each partition.
    Refused(Vec<ErrorCode>),
    Adding(Result<Asked<TransactionReply>, CoordinatorError>),
    Verifying(Result<Asked<TransactionReply>, CoordinatorError>),
}

fn handle(context: RequestContext, body: Bytes) -> Reply {
    let request: AddPartitionsToTxnRequest = match decode(&context.header, body) {
        Ok(request) => request,
        Err(reply) => return reply,
    };
    let image = context.broker.image();
    let parts = parts(context.header.api_version, request);
    let asked: Vec<_> = parts
        .into_iter()
        .map(|part| {
            let partitions =
                named(part.topics.iter().map(|topic| (topic.name.as_str(), &topic.partitions[..])));
            let asking = begin(&context, &image, &part, partitions.clone());
            (part, partitions, asking)
        })
        .collect();
    Reply::pending(async move {
        let mut results = Vec::with_capacity(asked.len());
        for (part, partitions, asking) in asked {
            let codes = outcome(asking, &partitions).await.into_iter().map(|code| {
                counted(&context, code_for(context.header.api_version, VERSION_WITH_FENCED, code))
            });
            results.push((part.transactional_id, shown(&part.topics, codes)));
        }
        answer(&context.header, &response(context.header.api_version, results))
    })
}

fn parts(version: i16, request: AddPartitionsToTxnRequest) -> Vec<Part> {
    if version < VERSION_WITH_TRANSACTIONS {
        return vec![Part {
            transactional_id: kept_id(&request.v3_and_below_transactional_id),
            producer: producer(request.v3_and_below_producer_id, request.v3_and_below_producer_epoch),
            verify_only: false,
            topics: request.v3_and_below_topics,
        }];
    }
    let parts = request.transactions.into_iter().map(|transaction| Part {
        transactional_id: kept_id(&transaction.transactional_id),
        producer: producer(transaction.producer_id, transaction.producer_epoch),
        verify_only: transaction.verify_only,
        topics: transaction.topics,
    });
    parts.collect()
}

/// As in Kafka, one partition that does not exist has all others left out.
fn begin(
    context: &RequestContext,
    image: &ClusterImage,
    part: &Part,
    partitions: Vec<NamedPartition>,
) -> Asking {
    let exists = |named: &NamedPartition| {
        image.topic(&named.topic).is_some_and(|topic| (0..topic.partitions).contains(&named.partition))
    };
    if !partitions.iter().all(exists) {
        let code = |named| match exists(named) {
            true => ErrorCode::OperationNotAttempted,
            false => ErrorCode::UnknownTopicOrPartition,
        };
        return Asking::Refused(partitions.iter().map(code).collect());
    }
    let (transactional_id, producer) = (part.transactional_id.clone(), part.producer);
    if part.verify_only {
        let verify = VerifyPartitions { transactional_id, producer, partitions };
        return Asking::Verifying(ask(
            context,
            &part.transactional_id,
            TransactionRequest::VerifyPartitions(verify),
        ));
    }
    let transaction_version = match context.header.api_version >= VERSION_WITH_TRANSACTIONS {
        true => TransactionVersion::V2,
        false => TransactionVersion::V0,
    };
    let add = AddPartitions { transactional_id, producer, partitions, transaction_version };
    Asking::Adding(ask(context, &part.transactional_id, TransactionRequest::AddPartitions(add)))
}

/// One code for each partition.
async fn outcome(asking: Asking, partitions: &[NamedPartition]) -> Vec<ErrorCode> {
    let all = |code| vec![code; partitions.len()];
    match asking {
        Asking::Refused(codes) => codes,
        Asking::Adding(asked) => all(added(asked).await),
        Asking::Verifying(asked) => match reply(asked).await {
            Ok(TransactionReply::VerifyPartitions(Ok(missing))) => {
                let code = |named| match missing.contains(named) {
                    true => ErrorCode::TransactionAbortable,
                    false => ErrorCode::None,
                };
                partitions.iter().map(code).collect()
            }
            Ok(TransactionReply::VerifyPartitions(Err(error))) => all(error.code()),
            Ok(other) => unreachable!("a reply is of its request's kind: {other:?}"),
            Err(error) => all(error.code()),
        },
    }
}

fn shown(
    topics: &[AddPartitionsToTxnTopic],
    mut codes: impl Iterator<Item = ErrorCode>,
) -> Vec<AddPartitionsToTxnTopicResult> {
    let topics = topics.iter().map(|topic| {
        let partitions = topic.partitions.iter().map(|index| {
            let code = codes.next().expect("each partition has one");
            AddPartitionsToTxnPartitionResult::default()
                .with_partition_index(*index)
                .with_partition_error_code(code.code())
        });
        AddPartitionsToTxnTopicResult::default()
            .with_name(topic.name.clone())
            .with_results_by_partition(partitions.collect())
    });
    topics.collect()
}

fn response(
    version: i16,
    results: Vec<(Arc<str>, Vec<AddPartitionsToTxnTopicResult>)>,
) -> AddPartitionsToTxnResponse {
    let response = AddPartitionsToTxnResponse::default();
    if version < VERSION_WITH_TRANSACTIONS {
        let only = results.into_iter().next().map(|(_, topics)| topics).unwrap_or_default();
        return response.with_results_by_topic_v3_and_below(only);
    }
    let results = results.into_iter().map(|(id, topics)| {
        AddPartitionsToTxnResult::default()
            .with_transactional_id(transactional_id(&id))
            .with_topic_results(topics)
    });
    response.with_results_by_transaction(results.collect())
}
