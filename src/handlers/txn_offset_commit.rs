//! TxnOffsetCommit, key 28, versions 0 to 5.
//!
//! Keeps offsets for a group once a transaction commits.
//!
//! v1: throttling. v2: leader epochs (KIP-320). v3: who the consumer is (KIP-447); flexible. v4:
//! TRANSACTION_ABORTABLE. v5: the group's partition is added to the transaction by itself (KIP-890).

use bytes::Bytes;
use kafka_protocol::messages::txn_offset_commit_request::TxnOffsetCommitRequestTopic;
use kafka_protocol::messages::txn_offset_commit_response::{
    TxnOffsetCommitResponsePartition, TxnOffsetCommitResponseTopic,
};
use kafka_protocol::messages::{TxnOffsetCommitRequest, TxnOffsetCommitResponse};

use super::errors::KafkaError;
use super::exchange::{answer, decode};
use super::groups::{caller, kept, kept_if_any};
use super::offset_outcomes::{Outcomes, TopicOutcome, committed, existing, offset, refused};
use super::transactions::{counted, is_final, kept_id, reply};
use super::view::topic_name;
use super::{Api, Reply, RequestContext};
use crate::broker::TransactionCheck;
use crate::coordinator::{CoordinatorError, TransactionPass};
use crate::group::{GroupReply, GroupRequest, OffsetCommit, OffsetCommitPartition, OffsetCommitTopic};
use crate::model::{ProducerEpoch, ProducerId};
use crate::partition::Verification;
use crate::protocol::ErrorCode;
use crate::transaction::{NamedPartition, ProducerIdAndEpoch};

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

async fn handle(context: RequestContext, body: Bytes) -> Reply {
    let request: TxnOffsetCommitRequest = match decode(&context.header, body) {
        Ok(request) => request,
        Err(reply) => return reply,
    };
    let mut outcomes = Outcomes::default();
    let asked = request.topics.iter().map(|topic| (topic.name.as_str(), offsets(topic)));
    let topics = existing(&context.broker.image(), asked, &mut outcomes);
    if topics.is_empty() {
        return answer(&context.header, &response(outcomes.into_topics()));
    }
    let pass = match request.group_id.is_empty() {
        true => Err(ErrorCode::InvalidGroupId),
        false => pass(&context, &request).await,
    };
    let pass = match pass {
        Ok(pass) => pass,
        Err(code) => {
            let refused = told(&context, &topics, code);
            return answer(&context.header, &response(outcomes.and(refused)));
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
        let results = match reply(asked).await {
            Ok(GroupReply::OffsetCommit(Ok(topics))) => committed(&topics),
            Ok(GroupReply::OffsetCommit(Err(error))) => told(&context, &topics, error.code()),
            Ok(other) => unreachable!("a reply is of its request's kind: {other:?}"),
            Err(error) => told(&context, &topics, error.code()),
        };
        answer(&context.header, &response(outcomes.and(results)))
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
    if producer_id.0 < 0 {
        return Err(ErrorCode::InvalidProducerIdMapping);
    }
    if producer_epoch.0 < 0 {
        return Err(ErrorCode::InvalidProducerEpoch);
    }
    let pass = |verification| TransactionPass { producer_id, producer_epoch, verification };
    if !adds && !context.broker.verification_rules().is_enabled {
        return Ok(pass(Verification::NotRequired));
    }
    let id = context.broker.group_partition(&request.group_id);
    let partition = id.and_then(|id| context.broker.partition(id)).ok_or(ErrorCode::NotCoordinator)?;
    let now = context.broker.storage().times().stamp;
    let guard = partition.begin_verification((producer_id, producer_epoch), NO_SEQUENCE, adds, now);
    let Some(guard) = guard.map_err(|error| error.code())? else { return Ok(pass(Verification::Ongoing)) };
    let check = TransactionCheck {
        transactional_id: kept_id(&request.transactional_id),
        producer: ProducerIdAndEpoch { producer_id, producer_epoch },
        partitions: vec![NamedPartition {
            topic: partition.topic().clone(),
            partition: partition.topic_partition().partition,
        }],
        adds,
    };
    let answer = context.broker.verify_transaction(check).await.pop().expect("one for the partition");
    match answer {
        Ok(()) => Ok(pass(Verification::Verified(guard))),
        Err(refused) if is_final(refused.code()) => {
            partition.end_verification(producer_id, guard);
            Err(told_of(refused.code(), version))
        }
        Err(refused) => Err(told_of(refused.code(), version)),
    }
}

/// What the client is told of an answer of the transaction's coordinator.
fn told_of(code: ErrorCode, version: i16) -> ErrorCode {
    match code {
        ErrorCode::ProducerFenced => ErrorCode::InvalidProducerEpoch,
        ErrorCode::TransactionAbortable if version < VERSION_WITH_ABORTABLE => ErrorCode::InvalidTxnState,
        code => code,
    }
}

/// A refusal of all, counted, in a code that the client knows.
fn told(context: &RequestContext, topics: &[OffsetCommitTopic], code: ErrorCode) -> Vec<TopicOutcome> {
    let code = match code {
        ErrorCode::CoordinatorLoadInProgress if context.header.api_version < VERSION_WITH_LOADING => {
            ErrorCode::CoordinatorNotAvailable
        }
        code => code,
    };
    refused(topics, counted(context, code))
}

fn offsets(topic: &TxnOffsetCommitRequestTopic) -> Vec<OffsetCommitPartition> {
    let offsets = topic.partitions.iter().map(|partition| {
        let place = (partition.partition_index, partition.committed_offset);
        offset(place, partition.committed_leader_epoch, partition.committed_metadata.as_ref())
    });
    offsets.collect()
}

fn response(topics: Vec<TopicOutcome>) -> TxnOffsetCommitResponse {
    let topics = topics.into_iter().map(|(name, partitions)| {
        let partitions = partitions.into_iter().map(|(index, code)| {
            TxnOffsetCommitResponsePartition::default().with_partition_index(index).with_error_code(code)
        });
        TxnOffsetCommitResponseTopic::default()
            .with_name(topic_name(&name))
            .with_partitions(partitions.collect())
    });
    TxnOffsetCommitResponse::default().with_topics(topics.collect())
}
