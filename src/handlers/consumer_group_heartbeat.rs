//! ConsumerGroupHeartbeat, key 68, versions 0 to 1.
//!
//! Everything that a member of a consumer group (KIP-848) does: it joins, says what it subscribes to and what
//! it has, learns what it is to have, and leaves.
//!
//! v0: members may be given an id. v1: they make it themselves (KIP-1082), and may subscribe to a regular
//! expression.

use bytes::Bytes;
use kafka_protocol::messages::consumer_group_heartbeat_response::{Assignment, TopicPartitions};
use kafka_protocol::messages::{ConsumerGroupHeartbeatRequest, ConsumerGroupHeartbeatResponse};

use super::exchange::{Failure, answer, decode, text};
use super::groups::{ask, count, kept, kept_if_any};
use super::{Api, Reply, RequestContext};
use crate::group::{ConsumerGroupHeartbeat, ConsumerGroupHeartbeatReply, GroupReply, GroupRequest};
use crate::model::TopicId;
use crate::protocol::ErrorCode;

/// The row of `APIS`.
pub(super) const API: Api =
    Api { key: 68, handle: |context, body| Box::pin(std::future::ready(handle(context, body))) };

/// First version whose members make their ids themselves.
const VERSION_WITH_MEMBERS_OWN_IDS: i16 = 1;

fn handle(context: RequestContext, body: Bytes) -> Reply {
    let request: ConsumerGroupHeartbeatRequest = match decode(&context.header, body) {
        Ok(request) => request,
        Err(reply) => return reply,
    };
    if !context.broker.config().groups.consumer_protocol {
        return answered(&context, Err(ErrorCode::UnsupportedVersion.into()));
    }
    let heartbeat = GroupRequest::ConsumerGroupHeartbeat(understood(context.header.api_version, &request));
    let pick = |reply| if let GroupReply::ConsumerGroupHeartbeat(reply) = reply { Some(reply) } else { None };
    let question = ask(&context, &request.group_id, heartbeat, pick);
    Reply::pending(async move { answered(&context, question.reply().await) })
}

fn understood(version: i16, request: &ConsumerGroupHeartbeatRequest) -> ConsumerGroupHeartbeat {
    let names = request.subscribed_topic_names.as_ref();
    let owned = request.topic_partitions.as_ref();
    ConsumerGroupHeartbeat {
        group_id: kept(&request.group_id),
        member_id: kept(&request.member_id),
        member_epoch: request.member_epoch,
        instance_id: kept_if_any(request.instance_id.as_ref()),
        rack_id: kept_if_any(request.rack_id.as_ref()),
        rebalance_timeout_ms: request.rebalance_timeout_ms,
        subscribed_topic_names: names.map(|names| names.iter().map(|name| kept(&name.0)).collect()),
        subscribed_topic_regex: kept_if_any(request.subscribed_topic_regex.as_ref()),
        server_assignor: kept_if_any(request.server_assignor.as_ref()),
        owned: owned.map(|owned| {
            owned.iter().map(|topic| (TopicId(topic.topic_id), topic.partitions.clone())).collect()
        }),
        client_makes_member_id: version >= VERSION_WITH_MEMBERS_OWN_IDS,
    }
}

fn answered(context: &RequestContext, reply: Result<ConsumerGroupHeartbeatReply, Failure>) -> Reply {
    let response = ConsumerGroupHeartbeatResponse::default();
    let response = match reply {
        Ok(reply) => {
            let interval_ms = i32::try_from(reply.heartbeat_interval.as_millis()).unwrap_or(i32::MAX);
            response
                .with_member_id(Some(text(&reply.member_id)))
                .with_member_epoch(reply.member_epoch)
                .with_heartbeat_interval_ms(interval_ms)
                .with_assignment(reply.assignment.map(assignment))
        }
        Err(failure) => response.with_error_code(failure.code.code()).with_error_message(failure.words()),
    };
    count(context, response.error_code);
    answer(&context.header, &response)
}

fn assignment(topics: Vec<(TopicId, Vec<i32>)>) -> Assignment {
    let topics = topics.into_iter().map(|(topic_id, partitions)| {
        TopicPartitions::default().with_topic_id(topic_id.0).with_partitions(partitions)
    });
    Assignment::default().with_topic_partitions(topics.collect())
}
