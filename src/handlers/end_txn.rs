//! EndTxn, key 26, versions 0 to 5.
//!
//! Commits or aborts a transaction. The answer leaves once that is decided for good; markers follow.
//!
//! v1: throttling. v2: PRODUCER_FENCED (KIP-588). v3: flexible. v4: TRANSACTION_ABORTABLE. v5: version 2 of
//! transactions: an epoch for each, told in the answer (KIP-890).

use bytes::Bytes;
use kafka_protocol::messages::{EndTxnRequest, EndTxnResponse, ProducerId as WireProducerId};

use super::errors::KafkaError;
use super::exchange::{answer, decode};
use super::transactions::{ask, code_for, counted, kept_id, producer};
use super::{Api, Reply, RequestContext};
use crate::model::TransactionResult;
use crate::protocol::ErrorCode;
use crate::transaction::{
    EndTransaction, ProducerIdAndEpoch, TransactionReply, TransactionRequest, TransactionVersion,
};

/// The row of `APIS`.
pub(super) const API: Api =
    Api { key: 26, handle: |context, body| Box::pin(std::future::ready(handle(context, body))) };

/// First version that knows PRODUCER_FENCED.
const VERSION_WITH_FENCED: i16 = 2;
/// First version of clients that go by version 2 of transactions.
const VERSION_OF_TRANSACTIONS_2: i16 = 5;

fn handle(context: RequestContext, body: Bytes) -> Reply {
    let request: EndTxnRequest = match decode(&context.header, body) {
        Ok(request) => request,
        Err(reply) => return reply,
    };
    let version = context.header.api_version;
    let transactional_id = kept_id(&request.transactional_id);
    let end = EndTransaction {
        transactional_id: transactional_id.clone(),
        producer: producer(request.producer_id, request.producer_epoch),
        result: if request.committed { TransactionResult::Commit } else { TransactionResult::Abort },
        transaction_version: match version >= VERSION_OF_TRANSACTIONS_2 {
            true => TransactionVersion::V2,
            false => TransactionVersion::V0,
        },
        fresh_producer_id: None,
    };
    let asked = ask(&context, &transactional_id, TransactionRequest::EndTransaction(end.clone()));
    Reply::pending(async move {
        let reply = context.broker.transaction_reply(&transactional_id, asked, end, |end, id| {
            end.fresh_producer_id = Some(id);
            TransactionRequest::EndTransaction(end.clone())
        });
        let (code, producer) = match reply.await {
            Ok(TransactionReply::EndTransaction(Ok(producer))) => (ErrorCode::None, producer),
            Ok(TransactionReply::EndTransaction(Err(error))) => (error.code(), ProducerIdAndEpoch::NONE),
            Ok(other) => unreachable!("a reply is of its request's kind: {other:?}"),
            Err(error) => (error.code(), ProducerIdAndEpoch::NONE),
        };
        let code = counted(&context, code_for(version, VERSION_WITH_FENCED, code));
        let response = EndTxnResponse::default()
            .with_error_code(code.code())
            .with_producer_id(WireProducerId(producer.producer_id.0))
            .with_producer_epoch(producer.producer_epoch.0);
        answer(&context.header, &response)
    })
}
