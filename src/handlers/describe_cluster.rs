//! DescribeCluster, key 60, versions 0 to 2.
//!
//! Names the cluster and its one broker.
//! Left out: controllers as such (there are none: MISMATCHED_ENDPOINT_TYPE), fenced brokers.
//!
//! v0: KIP-700. v1: endpoint type (KIP-919). v2: fenced brokers (KIP-1073).

use bytes::Bytes;
use kafka_protocol::messages::describe_cluster_response::DescribeClusterBroker;
use kafka_protocol::messages::{BrokerId, DescribeClusterRequest, DescribeClusterResponse};

use super::exchange::{answer, decode, text};
use super::view::{self, node_id};
use super::{Api, Reply, RequestContext};
use crate::protocol::ErrorCode;

/// The row of `APIS`.
pub(super) const API: Api =
    Api { key: 60, handle: |context, body| Box::pin(std::future::ready(handle(&context, body))) };

/// `endpoint_type` of brokers.
const BROKERS: i8 = 1;
/// `endpoint_type` of controllers.
const CONTROLLERS: i8 = 2;

fn handle(context: &RequestContext, body: Bytes) -> Reply {
    let header = &context.header;
    let request: DescribeClusterRequest = match decode(header, body) {
        Ok(request) => request,
        Err(reply) => return reply,
    };
    let response = match request.endpoint_type {
        BROKERS => described(context, request.include_cluster_authorized_operations),
        CONTROLLERS => refused(
            ErrorCode::MismatchedEndpointType,
            "The request was sent to an endpoint of type BROKER, but we wanted an endpoint of type \
             CONTROLLER",
        ),
        other => refused(ErrorCode::UnsupportedEndpointType, &format!("Unsupported endpoint type {other}")),
    };
    answer(header, &response)
}

fn described(context: &RequestContext, with_operations: bool) -> DescribeClusterResponse {
    let (broker, connection) = (&context.broker, &context.connection);
    let node = DescribeClusterBroker::default()
        .with_broker_id(node_id(broker))
        .with_host(text(&connection.advertised_host))
        .with_port(connection.advertised_port.into())
        .with_rack(broker.config().rack.as_ref().map(text));
    let operations = if with_operations { view::CLUSTER_OPERATIONS } else { view::OPERATIONS_NOT_ASKED };
    DescribeClusterResponse::default()
        .with_error_message(None)
        .with_endpoint_type(BROKERS)
        .with_cluster_id(text(broker.cluster_id()))
        .with_controller_id(node_id(broker))
        .with_brokers(vec![node])
        .with_cluster_authorized_operations(operations)
}

fn refused(code: ErrorCode, words: &str) -> DescribeClusterResponse {
    DescribeClusterResponse::default()
        .with_error_code(code.code())
        .with_error_message(Some(text(words)))
        .with_endpoint_type(BROKERS)
        .with_controller_id(BrokerId(-1))
        .with_cluster_authorized_operations(view::OPERATIONS_NOT_ASKED)
}

#[cfg(test)]
mod tests;
