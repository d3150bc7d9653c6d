//! InitProducerId, key 22, versions 0 to 5.
//!
//! Gives an idempotent producer an id that no other has or had.
//! Left out: transactional ids (COORDINATOR_NOT_AVAILABLE until there are transactions), and version 6, which
//! is unstable in Kafka.
//!
//! v1: throttling. v2: flexible. v3: the producer may name the id it has (KIP-360). v4: PRODUCER_FENCED
//! (KIP-588). v5: implicit AddPartitionsToTxn (KIP-890).

use bytes::Bytes;
use kafka_protocol::messages::{InitProducerIdRequest, InitProducerIdResponse, ProducerId as WireProducerId};

use super::errors::KafkaError;
use super::exchange::{answer, decode};
use super::{Api, Reply, RequestContext, view};
use crate::model::{ProducerEpoch, ProducerId};
use crate::protocol::ErrorCode;

/// The row of `APIS`.
pub(super) const API: Api = Api { key: 22, handle: |context, body| Box::pin(handle(context, body)) };

/// First epoch of a new id.
const FIRST_EPOCH: ProducerEpoch = ProducerEpoch(0);

/// Kafka's default of `transaction.max.timeout.ms`; the setting comes with transactions.
const TRANSACTION_TIMEOUT_MS_MAX: i32 = 15 * 60 * 1000;

async fn handle(context: RequestContext, body: Bytes) -> Reply {
    let header = &context.header;
    let request: InitProducerIdRequest = match decode(header, body) {
        Ok(request) => request,
        Err(reply) => return reply,
    };
    let broker = context.broker.clone();
    let outcome = match refusal(&request) {
        Some(code) => Err(code),
        None => {
            let allocation = view::to_the_end(async move { broker.allocate_producer_id().await });
            allocation.await.map_err(|error| error.code())
        }
    };
    let response = InitProducerIdResponse::default();
    let response = match outcome {
        Ok(id) => response.with_producer_id(WireProducerId(id.0)).with_producer_epoch(FIRST_EPOCH.0),
        Err(code) => {
            context.broker.metrics().request_error(API.key, code.name());
            response
                .with_error_code(code.code())
                .with_producer_id(WireProducerId(ProducerId::NONE.0))
                .with_producer_epoch(ProducerEpoch::NONE.0)
        }
    };
    answer(header, &response)
}

/// Measured against Kafka 4.3: half an identity is refused; without a transactional id a whole one is
/// ignored.
fn refusal(request: &InitProducerIdRequest) -> Option<ErrorCode> {
    let named = request.producer_id.0 != ProducerId::NONE.0;
    if named != (request.producer_epoch != ProducerEpoch::NONE.0) {
        return Some(ErrorCode::InvalidRequest);
    }
    match request.transactional_id.as_ref().map(|id| id.as_str()) {
        None => None,
        Some("") => Some(ErrorCode::InvalidRequest),
        Some(_) if !(1..=TRANSACTION_TIMEOUT_MS_MAX).contains(&request.transaction_timeout_ms) => {
            Some(ErrorCode::InvalidTransactionTimeout)
        }
        Some(_) => Some(ErrorCode::CoordinatorNotAvailable),
    }
}

#[cfg(test)]
mod tests;
