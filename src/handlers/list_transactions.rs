//! ListTransactions, key 66, versions 0 to 2.
//!
//! Lists transactional ids and where their transactions stand (KIP-664).
//!
//! v1: only those that are open for longer (KIP-994). v2: a pattern for the id (KIP-1152).

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use kafka_protocol::messages::list_transactions_response::TransactionState;
use kafka_protocol::messages::{
    ListTransactionsRequest, ListTransactionsResponse, ProducerId as WireProducerId,
};

use super::errors::KafkaError;
use super::exchange::{answer, decode, text};
use super::groups::kept;
use super::transactions::{counted, reply, transactional_id};
use super::{Api, Reply, RequestContext};
use crate::coordinator::CoordinatorError;
use crate::group::Expression;
use crate::model::ProducerId;
use crate::protocol::ErrorCode;
use crate::transaction::{ListTransactions, ListedTransactions, TransactionReply, TransactionRequest};

/// The row of `APIS`.
pub(super) const API: Api =
    Api { key: 66, handle: |context, body| Box::pin(std::future::ready(handle(context, body))) };

fn handle(context: RequestContext, body: Bytes) -> Reply {
    let request: ListTransactionsRequest = match decode(&context.header, body) {
        Ok(request) => request,
        Err(reply) => return reply,
    };
    let list = match understood(&request) {
        Ok(list) => TransactionRequest::ListTransactions(list),
        Err(code) => {
            let code = counted(&context, code).code();
            return answer(&context.header, &ListTransactionsResponse::default().with_error_code(code));
        }
    };
    let asked = context.broker.ask_all_transactions(&list);
    Reply::pending(async move {
        let mut listed = Ok(ListedTransactions::default());
        for asked in asked {
            match reply(asked).await {
                Ok(TransactionReply::ListTransactions(some)) => {
                    listed = listed.map(|listed| and(listed, some));
                }
                Ok(other) => unreachable!("a reply is of its request's kind: {other:?}"),
                // As Kafka: what is led elsewhere is listed there.
                Err(CoordinatorError::NotCoordinator) => {}
                Err(error) => listed = Err(error.code()),
            }
        }
        let response = ListTransactionsResponse::default();
        let response = match listed {
            Ok(listed) => response
                .with_unknown_state_filters(listed.unknown_state_filters.iter().map(text).collect())
                .with_transaction_states(listed.transactions.iter().map(shown).collect()),
            Err(code) => response.with_error_code(counted(&context, code).code()),
        };
        answer(&context.header, &response)
    })
}

fn understood(request: &ListTransactionsRequest) -> Result<ListTransactions, ErrorCode> {
    let pattern = request.transactional_id_pattern.as_ref().filter(|pattern| !pattern.is_empty());
    let pattern = pattern.map(|pattern| Expression::compile(pattern).map(Arc::new)).transpose();
    let open_longer_than = u64::try_from(request.duration_filter).ok().map(Duration::from_millis);
    Ok(ListTransactions {
        states: request.state_filters.iter().map(kept).collect(),
        producer_ids: request.producer_id_filters.iter().map(|id| ProducerId(id.0)).collect(),
        open_longer_than,
        pattern: pattern.map_err(|_| ErrorCode::InvalidRegularExpression)?,
    })
}

/// Every shard tells of the same unknown filters.
fn and(mut all: ListedTransactions, some: ListedTransactions) -> ListedTransactions {
    all.transactions.extend(some.transactions);
    ListedTransactions { unknown_state_filters: some.unknown_state_filters, ..all }
}

fn shown(listed: &crate::transaction::ListedTransaction) -> TransactionState {
    TransactionState::default()
        .with_transactional_id(transactional_id(&listed.transactional_id))
        .with_producer_id(WireProducerId(listed.producer_id.0))
        .with_transaction_state(text(listed.state.name()))
}
