//! ConsumerGroupDescribe, key 69, versions 0 to 1.
//!
//! Tells state, epochs, members and assignments of consumer groups (KIP-848).
//!
//! v0: all of it. v1: whether a member speaks the classic protocol (KIP-1099).

use std::sync::Arc;

use bytes::Bytes;
use kafka_protocol::messages::consumer_group_describe_response::{
    Assignment, DescribedGroup, Member, TopicPartitions,
};
use kafka_protocol::messages::{ConsumerGroupDescribeRequest, ConsumerGroupDescribeResponse};
use kafka_protocol::protocol::StrBytes;

use super::exchange::{Failure, answer, decode, text};
use super::groups::{ask_each, group_id, kept};
use super::view::{GROUP_OPERATIONS, OPERATIONS_NOT_ASKED, topic_name};
use super::{Api, Reply, RequestContext};
use crate::group::{
    DescribedConsumerGroup, DescribedConsumerGroupMember, DescribedTopicPartitions, GroupReply, GroupRequest,
};
use crate::protocol::ErrorCode;

/// The row of `APIS`.
pub(super) const API: Api = Api { key: 69, handle: |context, body| Box::pin(handle(context, body)) };

/// First version that tells of a member's protocol.
const VERSION_WITH_MEMBER_TYPE: i16 = 1;
/// A member that speaks the classic protocol, and one that does not.
const CLASSIC: i8 = 0;
const CONSUMER: i8 = 1;
/// In versions that do not tell.
const UNKNOWN: i8 = -1;

async fn handle(context: RequestContext, body: Bytes) -> Reply {
    let request: ConsumerGroupDescribeRequest = match decode(&context.header, body) {
        Ok(request) => request,
        Err(reply) => return reply,
    };
    let ids: Vec<Arc<str>> = request.group_ids.iter().map(|id| kept(&id.0)).collect();
    let described = match context.broker.config().groups.consumer_protocol {
        true => {
            let pick =
                |reply| if let GroupReply::ConsumerGroupDescribe(reply) = reply { Some(reply) } else { None };
            let describe = |group_id| GroupRequest::ConsumerGroupDescribe { group_id };
            let mut described = ask_each(&context, &ids, describe, pick).await;
            // Such a group can have offsets, and nothing else.
            for (_, described) in ids.iter().zip(&mut described).filter(|(id, _)| id.is_empty()) {
                *described = Err(ErrorCode::InvalidGroupId.into());
            }
            described
        }
        false => ids.iter().map(|_| Err(ErrorCode::UnsupportedVersion.into())).collect(),
    };
    let operations = match request.include_authorized_operations {
        true => GROUP_OPERATIONS,
        false => OPERATIONS_NOT_ASKED,
    };
    let version = context.header.api_version;
    let groups = ids.iter().zip(described).map(|(id, described)| match described {
        Ok(described) => shown(version, described).with_authorized_operations(operations),
        Err(failure) => refused(id, &failure),
    });
    answer(&context.header, &ConsumerGroupDescribeResponse::default().with_groups(groups.collect()))
}

fn refused(id: &str, failure: &Failure) -> DescribedGroup {
    let group = DescribedGroup::default().with_group_id(group_id(id)).with_error_code(failure.code.code());
    // Kafka has words for this one alone.
    match failure.code {
        ErrorCode::GroupIdNotFound => group.with_error_message(failure.words()),
        _ => group,
    }
}

fn shown(version: i16, described: DescribedConsumerGroup) -> DescribedGroup {
    let members = described.members.into_iter().map(|described| member(version, described));
    DescribedGroup::default()
        .with_group_id(group_id(&described.group_id))
        .with_group_state(StrBytes::from_static_str(described.state))
        .with_group_epoch(described.group_epoch)
        .with_assignment_epoch(described.assignment_epoch)
        .with_assignor_name(StrBytes::from_static_str(described.assignor_name))
        .with_members(members.collect())
}

fn member(version: i16, described: DescribedConsumerGroupMember) -> Member {
    let member_type = match (version >= VERSION_WITH_MEMBER_TYPE, described.is_classic) {
        (false, _) => UNKNOWN,
        (true, true) => CLASSIC,
        (true, false) => CONSUMER,
    };
    let names = described.subscribed_topic_names.iter().map(|name| topic_name(name));
    Member::default()
        .with_member_id(text(&described.member_id))
        .with_instance_id(described.instance_id.as_ref().map(text))
        .with_rack_id(described.rack_id.as_ref().map(text))
        .with_member_epoch(described.member_epoch)
        .with_client_id(text(&described.client_id))
        .with_client_host(text(&described.client_host))
        .with_subscribed_topic_names(names.collect())
        .with_subscribed_topic_regex(described.subscribed_topic_regex.as_ref().map(text))
        .with_assignment(assignment(described.assignment))
        .with_target_assignment(assignment(described.target_assignment))
        .with_member_type(member_type)
}

fn assignment(topics: Vec<DescribedTopicPartitions>) -> Assignment {
    let topics = topics.into_iter().map(|topic| {
        TopicPartitions::default()
            .with_topic_id(topic.topic_id.0)
            .with_topic_name(topic_name(&topic.topic_name))
            .with_partitions(topic.partitions)
    });
    Assignment::default().with_topic_partitions(topics.collect())
}
