//! AddOffsetsToTxn, key 25, versions 0 to 4.
//!
//! Takes the partition that holds a group's offsets into a transaction: offsets of the group may follow.
//!
//! v1: throttling. v2: PRODUCER_FENCED (KIP-588). v3: flexible. v4: TRANSACTION_ABORTABLE (KIP-890).

use bytes::Bytes;
use kafka_protocol::messages::{AddOffsetsToTxnRequest, AddOffsetsToTxnResponse};

use super::exchange::{answer, decode};
use super::transactions::{added, ask, code_for, counted, kept_id, producer};
use super::{Api, Reply, RequestContext};
use crate::broker::OFFSETS_TOPIC;
use crate::protocol::ErrorCode;
use crate::transaction::{AddPartitions, NamedPartition, TransactionRequest, TransactionVersion};

/// The row of `APIS`.
pub(super) const API: Api =
    Api { key: 25, handle: |context, body| Box::pin(std::future::ready(handle(context, body))) };

/// First version that knows PRODUCER_FENCED.
const VERSION_WITH_FENCED: i16 = 2;

fn handle(context: RequestContext, body: Bytes) -> Reply {
    let request: AddOffsetsToTxnRequest = match decode(&context.header, body) {
        Ok(request) => request,
        Err(reply) => return reply,
    };
    let Some(partition) = context.broker.group_partition(&request.group_id) else {
        let code = counted(&context, ErrorCode::CoordinatorNotAvailable);
        return answer(&context.header, &AddOffsetsToTxnResponse::default().with_error_code(code.code()));
    };
    let transactional_id = kept_id(&request.transactional_id);
    let named = NamedPartition { topic: OFFSETS_TOPIC.into(), partition: partition.partition };
    let add = AddPartitions {
        transactional_id: transactional_id.clone(),
        producer: producer(request.producer_id, request.producer_epoch),
        partitions: vec![named],
        // Clients of version 2 have no need of this API.
        transaction_version: TransactionVersion::V0,
    };
    let asked = ask(&context, &transactional_id, TransactionRequest::AddPartitions(add));
    Reply::pending(async move {
        let code = code_for(context.header.api_version, VERSION_WITH_FENCED, added(asked).await);
        let code = counted(&context, code);
        answer(&context.header, &AddOffsetsToTxnResponse::default().with_error_code(code.code()))
    })
}
