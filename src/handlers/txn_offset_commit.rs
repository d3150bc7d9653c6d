//! TxnOffsetCommit, key 28, versions 0 to 5.
//!
//! Keeps offsets for a group once a transaction commits.
//!
//! v1: throttling. v2: leader epochs (KIP-320). v3: who the consumer is (KIP-447); flexible. v4:
//! TRANSACTION_ABORTABLE. v5: the group's partition is added to the transaction by itself (KIP-890).

use std::collections::HashMap;

use bytes::Bytes;
use kafka_protocol::messages::txn_offset_commit_request::TxnOffsetCommitRequestTopic;
use kafka_protocol::messages::txn_offset_commit_response::{
    TxnOffsetCommitResponsePartition, TxnOffsetCommitResponseTopic,
};
use kafka_protocol::messages::{TxnOffsetCommitRequest, TxnOffsetCommitResponse};

use super::errors::KafkaError;
use super::exchange::{answer, decode};
use super::groups::{caller, code_of, kept, kept_if_any};
use super::view::topic_name;
use super::{Api, Reply, RequestContext};
use crate::broker::{OFFSETS_TOPIC, TransactionCheck};
use crate::coordinator::{CoordinatorError, TransactionPass};
use crate::group::{GroupReply, GroupRequest, OffsetCommit, OffsetCommitPartition, OffsetCommitTopic};
use crate::metadata::ClusterImage;
use crate::model::{LeaderEpoch, Offset, ProducerEpoch, ProducerId, TopicId};
use crate::partition::Verification;
use crate::protocol::ErrorCode;

/// The row of `APIS`.
pub(super) const API: Api = Api { key: 28, handle: |context, body| Box::pin(handle(context, body)) };

/// First version whose clients know COORDINATOR_LOAD_IN_PROGRESS here (KAFKA-7296).
const VERSION_WITH_LOADING: i16 = 2;
/// First version that knows TRANSACTION_ABORTABLE.
const VERSION_WITH_ABORTABLE: i16 = 4;
/// First version that adds the group's partition by itself.
const VERSION_WITH_IMPLICIT_ADDING: i16 = 5;
/// A coordinator's batches have no sequence numbers.
const NO_SEQUENCE: i32 = -1;

/// What became of each partition, by topic.
type Results = Vec<(String, Vec<(i32, i16)>)>;

async fn handle(context: RequestContext, body: Bytes) -> Reply {
    let request: TxnOffsetCommitRequest = match decode(&context.header, body) {
        Ok(request) => request,
        Err(reply) => return reply,
    };
    let mut results = Results::new();
    let topics = existing(&context.broker.image(), &request.topics, &mut results);
    if topics.is_empty() {
        return answer(&context.header, &response(results));
    }
    let code = match request.group_id.is_empty() {
        true => Err(ErrorCode::InvalidGroupId),
        false => pass(&context, &request).await,
    };
    let pass = match code {
        Ok(pass) => pass,
        Err(code) => {
            refuse(&context, &topics, code, &mut results);
            return answer(&context.header, &response(results));
        }
    };
    let commit = OffsetCommit {
        group_id: kept(&request.group_id),
        member_id: kept(&request.member_id),
        group_instance_id: kept_if_any(request.group_instance_id.as_ref()),
        generation_id_or_member_epoch: request.generation_id,
        retention: None,
        supports_member_epoch: false,
        transaction: Some(pass.producer_id),
        topics: topics.clone(),
    };
    let asked = match context.broker.group_partition(&request.group_id) {
        Some(partition) => {
            let (caller, commit) = (caller(&context), GroupRequest::OffsetCommit(commit));
            context.broker.ask_group_in_transaction(partition, caller, commit, pass)
        }
        None => Err(CoordinatorError::NotCoordinator),
    };
    Reply::pending(async move {
        let reply = async { asked?.reply().await };
        match reply.await {
            Ok(GroupReply::OffsetCommit(Ok(committed))) => {
                for topic in committed {
                    let partitions = topic.partitions.iter();
                    let codes = partitions.map(|(index, error)| (*index, code_of(error.as_ref())));
                    results.push((topic.name.to_string(), codes.collect()));
                }
            }
            Ok(GroupReply::OffsetCommit(Err(error))) => {
                refuse(&context, &topics, error.code(), &mut results);
            }
            Ok(other) => unreachable!("a reply is of its request's kind: {other:?}"),
            Err(error) => refuse(&context, &topics, error.code(), &mut results),
        }
        answer(&context.header, &response(results))
    })
}

/// What the partition that holds the group is to be shown: the transaction's coordinator vouches for it,
/// where the transaction is not open there already.
async fn pass(
    context: &RequestContext,
    request: &TxnOffsetCommitRequest,
) -> Result<TransactionPass, ErrorCode> {
    let version = context.header.api_version;
    let adds = version >= VERSION_WITH_IMPLICIT_ADDING;
    let (producer_id, producer_epoch) =
        (ProducerId(request.producer_id.0), ProducerEpoch(request.producer_epoch));
    if producer_id.0 < 0 || producer_epoch.0 < 0 {
        return Err(ErrorCode::InvalidProducerIdMapping);
    }
    let pass = |verification| TransactionPass { producer_id, producer_epoch, verification };
    if !adds && !context.broker.verification_rules().is_enabled {
        return Ok(pass(Verification::NotRequired));
    }
    let id = context.broker.group_partition(&request.group_id);
    let partition = id.and_then(|id| context.broker.partition(id)).ok_or(ErrorCode::NotCoordinator)?;
    let now = context.broker.storage().believed_now();
    let guard = partition.begin_verification((producer_id, producer_epoch), NO_SEQUENCE, adds, now);
    let Some(guard) = guard.map_err(|error| error.code())? else { return Ok(pass(Verification::Ongoing)) };
    let check = TransactionCheck {
        transactional_id: request.transactional_id.to_string(),
        producer_id,
        producer_epoch,
        partitions: vec![(OFFSETS_TOPIC.to_owned(), partition.topic_partition().partition)],
        adds,
    };
    let answer = context.broker.verify_transaction(check).await.pop().expect("one for the partition");
    match answer {
        Ok(()) => Ok(pass(Verification::Verified(guard))),
        Err(refused) => Err(match refused.code() {
            ErrorCode::ProducerFenced => ErrorCode::InvalidProducerEpoch,
            ErrorCode::TransactionAbortable if version < VERSION_WITH_ABORTABLE => ErrorCode::InvalidTxnState,
            code => code,
        }),
    }
}

fn refuse(context: &RequestContext, topics: &[OffsetCommitTopic], code: ErrorCode, results: &mut Results) {
    let code = match code {
        ErrorCode::CoordinatorLoadInProgress if context.header.api_version < VERSION_WITH_LOADING => {
            ErrorCode::CoordinatorNotAvailable
        }
        code => code,
    };
    context.broker.metrics().request_error(API.key, code.name());
    for topic in topics {
        let partitions = topic.partitions.iter().map(|partition| (partition.partition, code.code()));
        results.push((topic.name.to_string(), partitions.collect()));
    }
}

/// What of a request concerns partitions that exist; the rest is refused.
fn existing(
    image: &ClusterImage,
    topics: &[TxnOffsetCommitRequestTopic],
    results: &mut Results,
) -> Vec<OffsetCommitTopic> {
    let mut existing = Vec::with_capacity(topics.len());
    for topic in topics {
        let partitions_count = image.topic(&topic.name).map_or(0, |topic| topic.partitions);
        let exists = |index: i32| (0..partitions_count).contains(&index);
        let (known, unknown): (Vec<_>, Vec<_>) =
            topic.partitions.iter().partition(|partition| exists(partition.partition_index));
        if !unknown.is_empty() {
            let code = ErrorCode::UnknownTopicOrPartition.code();
            let refused = unknown.iter().map(|partition| (partition.partition_index, code));
            results.push((topic.name.to_string(), refused.collect()));
        }
        let partitions = known.into_iter().map(|partition| OffsetCommitPartition {
            partition: partition.partition_index,
            offset: Offset(partition.committed_offset),
            leader_epoch: LeaderEpoch(partition.committed_leader_epoch),
            metadata: kept_if_any(partition.committed_metadata.as_ref()).unwrap_or_default(),
        });
        let partitions: Vec<_> = partitions.collect();
        if !partitions.is_empty() {
            existing.push(OffsetCommitTopic { topic_id: TopicId::ZERO, name: kept(&topic.name), partitions });
        }
    }
    existing
}

/// As Kafka: what was found out of one topic at different times is told together.
fn response(results: Results) -> TxnOffsetCommitResponse {
    let mut merged = Results::new();
    let mut places = HashMap::new();
    for (name, partitions) in results {
        let place = *places.entry(name.clone()).or_insert(merged.len());
        match merged.get_mut(place) {
            Some((_, known)) => known.extend(partitions),
            None => merged.push((name, partitions)),
        }
    }
    let topics = merged.into_iter().map(|(name, partitions)| {
        let partitions = partitions.into_iter().map(|(index, code)| {
            TxnOffsetCommitResponsePartition::default().with_partition_index(index).with_error_code(code)
        });
        TxnOffsetCommitResponseTopic::default()
            .with_name(topic_name(&name))
            .with_partitions(partitions.collect())
    });
    TxnOffsetCommitResponse::default().with_topics(topics.collect())
}
