//! One file per API key: authorise, resolve, call one room below, fill the response.
//!
//! **Owns** the table of served APIs (`APIS`), from which dispatch, ApiVersions and the coverage document are
//! fed, and the shape of a request and of its reply.
//! **Does not own** sockets, frames, order (`server`) or any state (`broker` and below).
//! **Invariants**
//! - Only this room branches on wire versions.
//! - A handler returns a `Reply`, never a `Result`: failure is an error code inside the response.
//! - A handler runs in connection order until its work is admitted; what may wait goes into `Reply::Pending`,
//!   or, if it may wait in vain, into `Reply::Waiting`.

mod add_offsets_to_txn;
mod add_partitions_to_txn;
mod alter_configs;
mod api;
mod api_versions;
mod assignment;
mod config_resources;
mod connection;
mod consumer_group_describe;
mod consumer_group_heartbeat;
mod create_partitions;
mod create_topics;
mod delete_groups;
mod delete_records;
mod delete_topics;
mod describe_cluster;
mod describe_configs;
mod describe_groups;
mod describe_log_dirs;
mod describe_producers;
mod describe_topic_partitions;
mod describe_transactions;
mod end_txn;
mod errors;
mod exchange;
mod fetch;
mod find_coordinator;
mod groups;
mod heartbeat;
mod incremental_alter_configs;
mod init_producer_id;
mod join_group;
mod leave_group;
mod list_config_resources;
mod list_groups;
mod list_offsets;
mod list_transactions;
mod metadata;
mod offset_commit;
mod offset_delete;
mod offset_fetch;
mod offset_for_leader_epoch;
mod offset_outcomes;
mod produce;
mod reply;
mod seldom;
mod sync_group;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
mod transactions;
mod txn_offset_commit;
mod view;
mod write_txn_markers;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;

pub use api::Api;
pub use connection::{ClientSoftware, Connection};
pub use reply::{Hurry, LongPoll, PendingReply, Reply};

use crate::broker::Broker;
pub use crate::protocol::frame::RequestHeader;

/// What a handler is given beside the request's body.
#[derive(Clone)]
pub struct RequestContext {
    /// Everything below.
    pub broker: Arc<Broker>,
    /// The connection by which the request came.
    pub connection: Arc<Connection>,
    /// The request's header: its version is served, except that ApiVersions comes in any (KIP-511).
    pub header: RequestHeader,
}

/// A handler's work; boxed, so that an idle connection does not hold room for the biggest of them.
pub type Handling = Pin<Box<dyn Future<Output = Reply> + Send>>;

/// What `server` calls for each request of a connection, in order.
pub trait RequestHandler: Send + Sync + 'static {
    /// Runs in connection order: the connection's next request is read once the future is done. The future
    /// may be dropped when the connection ends.
    ///
    /// `body` is the frame after the request header, already checked by the guard. For an ApiVersions request
    /// of an unknown version it is unchecked and must not be decoded.
    fn handle(&self, connection: &Arc<Connection>, header: RequestHeader, body: Bytes) -> Handling;
}

/// Answers requests by `APIS`, on behalf of a broker.
pub struct BrokerHandler {
    broker: Arc<Broker>,
}

impl BrokerHandler {
    /// A handler for the server of this broker.
    pub fn new(broker: Arc<Broker>) -> BrokerHandler {
        BrokerHandler { broker }
    }
}

impl RequestHandler for BrokerHandler {
    fn handle(&self, connection: &Arc<Connection>, header: RequestHeader, body: Bytes) -> Handling {
        let broker = self.broker.clone();
        dispatch(RequestContext { broker, connection: connection.clone(), header }, body)
    }
}

/// Every API that is served, ascending by key.
pub const APIS: &[Api] = &[
    produce::API,
    fetch::API,
    list_offsets::API,
    metadata::API,
    offset_commit::API,
    offset_fetch::API,
    find_coordinator::API,
    join_group::API,
    heartbeat::API,
    leave_group::API,
    sync_group::API,
    describe_groups::API,
    list_groups::API,
    api_versions::API,
    create_topics::API,
    delete_topics::API,
    delete_records::API,
    init_producer_id::API,
    offset_for_leader_epoch::API,
    add_partitions_to_txn::API,
    add_offsets_to_txn::API,
    end_txn::API,
    write_txn_markers::API,
    txn_offset_commit::API,
    describe_configs::API,
    alter_configs::API,
    describe_log_dirs::API,
    create_partitions::API,
    delete_groups::API,
    incremental_alter_configs::API,
    offset_delete::API,
    describe_cluster::API,
    describe_producers::API,
    describe_transactions::API,
    list_transactions::API,
    consumer_group_heartbeat::API,
    consumer_group_describe::API,
    list_config_resources::API,
    describe_topic_partitions::API,
];

/// The API of a key, if it is served.
pub fn api(key: i16) -> Option<&'static Api> {
    APIS.iter().find(|api| api.key == key)
}

/// Hands a request to its API's handler. Runs in connection order until its work is admitted.
///
/// The server lets no version through that `protocol::versions` does not serve, save for ApiVersions.
pub fn dispatch(context: RequestContext, body: Bytes) -> Handling {
    match api(context.header.api_key) {
        Some(api) => (api.handle)(context, body),
        None => Box::pin(std::future::ready(Reply::Close("the API is not served"))),
    }
}
