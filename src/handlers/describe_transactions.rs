//! DescribeTransactions, key 65, version 0.
//!
//! Tells where transactions stand, and what partitions they have (KIP-664).

use std::sync::Arc;

use bytes::Bytes;
use kafka_protocol::messages::describe_transactions_response::{TopicData, TransactionState};
use kafka_protocol::messages::{
    DescribeTransactionsRequest, DescribeTransactionsResponse, ProducerId as WireProducerId,
};

use super::errors::KafkaError;
use super::exchange::{answer, decode, text};
use super::transactions::{ask, counted, kept_id, reply, transactional_id};
use super::view::topic_name;
use super::{Api, Reply, RequestContext};
use crate::protocol::ErrorCode;
use crate::transaction::{DescribedTransaction, TransactionReply, TransactionRequest};

/// The row of `APIS`.
pub(super) const API: Api = Api { key: 65, handle: |context, body| Box::pin(handle(context, body)) };

/// Transactions of one request that are asked about at a time.
const TRANSACTIONS_AT_ONCE: usize = 256;

async fn handle(context: RequestContext, body: Bytes) -> Reply {
    let request: DescribeTransactionsRequest = match decode(&context.header, body) {
        Ok(request) => request,
        Err(reply) => return reply,
    };
    let ids: Vec<Arc<str>> = request.transactional_ids.iter().map(kept_id).collect();
    let mut states = Vec::with_capacity(ids.len());
    for some in ids.chunks(TRANSACTIONS_AT_ONCE) {
        let describe = |id: &Arc<str>| {
            let request = TransactionRequest::DescribeTransaction { transactional_id: id.clone() };
            ask(&context, id, request)
        };
        let asked: Vec<_> = some.iter().map(describe).collect();
        for (id, asked) in some.iter().zip(asked) {
            let described = match reply(asked).await {
                _ if id.is_empty() => Err(ErrorCode::InvalidRequest),
                Ok(TransactionReply::DescribeTransaction(described)) => {
                    described.map_err(|error| error.code())
                }
                Ok(other) => unreachable!("a reply is of its request's kind: {other:?}"),
                Err(error) => Err(error.code()),
            };
            states.push(shown(&context, id, described));
        }
    }
    answer(&context.header, &DescribeTransactionsResponse::default().with_transaction_states(states))
}

fn shown(
    context: &RequestContext,
    id: &str,
    described: Result<DescribedTransaction, ErrorCode>,
) -> TransactionState {
    let state = TransactionState::default().with_transactional_id(transactional_id(id));
    let described = match described {
        Ok(described) => described,
        Err(code) => return state.with_error_code(counted(context, code).code()),
    };
    let mut topics: Vec<TopicData> = Vec::new();
    for named in &described.partitions {
        match topics.last_mut().filter(|topic| topic.topic.as_str() == &*named.topic) {
            Some(topic) => topic.partitions.push(named.partition),
            None => topics.push(
                TopicData::default()
                    .with_topic(topic_name(&named.topic))
                    .with_partitions(vec![named.partition]),
            ),
        }
    }
    let timeout_ms = i32::try_from(described.transaction_timeout.as_millis()).unwrap_or(i32::MAX);
    state
        .with_transaction_state(text(described.state.name()))
        .with_transaction_timeout_ms(timeout_ms)
        .with_transaction_start_time_ms(described.start_timestamp.0)
        .with_producer_id(WireProducerId(described.producer.producer_id.0))
        .with_producer_epoch(described.producer.producer_epoch.0)
        .with_topics(topics)
}
