//! InitProducerId, key 22, versions 0 to 5.
//!
//! Gives an idempotent producer an id that no other has or had; a transactional one the id and the epoch that
//! go with its transactional id, and ends what an earlier producer left open.
//! Left out: version 6, which is unstable in Kafka.
//!
//! v1: throttling. v2: flexible. v3: the producer may name the id it has (KIP-360). v4: PRODUCER_FENCED
//! (KIP-588). v5: implicit AddPartitionsToTxn (KIP-890).

use std::time::Duration;

use bytes::Bytes;
use kafka_protocol::messages::{InitProducerIdRequest, InitProducerIdResponse, ProducerId as WireProducerId};

use super::errors::KafkaError;
use super::exchange::{answer, decode};
use super::transactions::{ask, code_for, counted, kept_id, producer};
use super::{Api, Reply, RequestContext, view};
use crate::model::{ProducerEpoch, ProducerId};
use crate::protocol::ErrorCode;
use crate::transaction::{InitProducerId, ProducerIdAndEpoch, TransactionReply, TransactionRequest};

/// The row of `APIS`.
pub(super) const API: Api = Api { key: 22, handle: |context, body| Box::pin(handle(context, body)) };

/// First epoch of a new id.
const FIRST_EPOCH: ProducerEpoch = ProducerEpoch(0);

/// First version that knows PRODUCER_FENCED.
const VERSION_WITH_FENCED: i16 = 4;

async fn handle(context: RequestContext, body: Bytes) -> Reply {
    let request: InitProducerIdRequest = match decode(&context.header, body) {
        Ok(request) => request,
        Err(reply) => return reply,
    };
    if let Some(code) = refusal(&request) {
        return shown(&context, Err(code));
    }
    let Some(transactional_id) = request.transactional_id.as_ref().map(kept_id) else {
        let broker = context.broker.clone();
        let allocation = view::to_the_end(async move { broker.allocate_producer_id().await });
        let allocated = allocation.await.map_err(|error| error.code());
        let producer = |producer_id| ProducerIdAndEpoch { producer_id, producer_epoch: FIRST_EPOCH };
        return shown(&context, allocated.map(producer));
    };
    let named = producer(request.producer_id, request.producer_epoch);
    let init = InitProducerId {
        transactional_id: transactional_id.clone(),
        transaction_timeout: Duration::from_millis(
            request.transaction_timeout_ms.max(0).unsigned_abs().into(),
        ),
        expected: Some(named).filter(|named| *named != ProducerIdAndEpoch::NONE),
        fresh_producer_id: None,
    };
    let asked = ask(&context, &transactional_id, TransactionRequest::InitProducerId(init.clone()));
    Reply::pending(async move {
        let reply = context.broker.transaction_reply(&transactional_id, asked, init, |init, id| {
            init.fresh_producer_id = Some(id);
            TransactionRequest::InitProducerId(init.clone())
        });
        let outcome = match reply.await {
            Ok(TransactionReply::InitProducerId(outcome)) => outcome.map_err(|error| error.code()),
            Ok(other) => unreachable!("a reply is of its request's kind: {other:?}"),
            Err(error) => Err(error.code()),
        };
        shown(&context, outcome)
    })
}

fn shown(context: &RequestContext, outcome: Result<ProducerIdAndEpoch, ErrorCode>) -> Reply {
    let response = InitProducerIdResponse::default();
    let response = match outcome {
        Ok(producer) => response
            .with_producer_id(WireProducerId(producer.producer_id.0))
            .with_producer_epoch(producer.producer_epoch.0),
        Err(code) => {
            let code = counted(context, code_for(context.header.api_version, VERSION_WITH_FENCED, code));
            response
                .with_error_code(code.code())
                .with_producer_id(WireProducerId(ProducerId::NONE.0))
                .with_producer_epoch(ProducerEpoch::NONE.0)
        }
    };
    answer(&context.header, &response)
}

/// Measured against Kafka 4.3: half an identity is refused; without a transactional id a whole one is
/// ignored.
fn refusal(request: &InitProducerIdRequest) -> Option<ErrorCode> {
    let named = request.producer_id.0 != ProducerId::NONE.0;
    if named != (request.producer_epoch != ProducerEpoch::NONE.0) {
        return Some(ErrorCode::InvalidRequest);
    }
    let is_empty = request.transactional_id.as_ref().is_some_and(|id| id.is_empty());
    is_empty.then_some(ErrorCode::InvalidRequest)
}

#[cfg(test)]
mod tests;
