//! Frames of the requests about groups: bodies that end early, bytes that follow, versions that there are
//! not.

use anyhow::Result;
use kafka_protocol::messages::{
    ConsumerGroupDescribeRequest, ConsumerGroupHeartbeatRequest, DeleteGroupsRequest, DescribeGroupsRequest,
    FindCoordinatorRequest, HeartbeatRequest, JoinGroupRequest, LeaveGroupRequest, ListGroupsRequest,
    OffsetCommitRequest, OffsetDeleteRequest, OffsetFetchRequest, SyncGroupRequest,
};
use kafka_protocol::protocol::Request;

use super::super::frames;
use super::{Case, Talk, group};

frames! {
    "frames-offset-commit" 2..=9, OffsetCommitRequest |_| OffsetCommitRequest::default();
    "frames-offset-fetch" 1..=9, OffsetFetchRequest |version| match version {
        0..8 => OffsetFetchRequest::default().with_topics(Some(Vec::new())),
        _ => OffsetFetchRequest::default(),
    };
    "frames-find-coordinator" 0..=6, FindCoordinatorRequest |_| FindCoordinatorRequest::default();
    "frames-join-group" 0..=9, JoinGroupRequest |_| JoinGroupRequest::default();
    "frames-heartbeat" 0..=4, HeartbeatRequest |_| HeartbeatRequest::default();
    "frames-leave-group" 0..=5, LeaveGroupRequest |_| LeaveGroupRequest::default();
    "frames-sync-group" 0..=5, SyncGroupRequest |_| SyncGroupRequest::default();
    "frames-describe-groups" 0..=6, DescribeGroupsRequest |_| DescribeGroupsRequest::default();
    "frames-list-groups" 0..=5, ListGroupsRequest |_| ListGroupsRequest::default();
    "frames-delete-groups" 0..=2, DeleteGroupsRequest |_| DeleteGroupsRequest::default();
    "frames-offset-delete" 0..=0, OffsetDeleteRequest |_| OffsetDeleteRequest::default();
    "frames-consumer-group-heartbeat" 0..=1, ConsumerGroupHeartbeatRequest |_| {
        ConsumerGroupHeartbeatRequest::default()
    };
    "frames-consumer-group-describe" 0..=1, ConsumerGroupDescribeRequest |_| {
        ConsumerGroupDescribeRequest::default()
    };
}

fn bodies<Q: Request>(talk: &mut Talk, make: fn(i16) -> Q) -> Result<()> {
    group(talk)?;
    frames::bodies(talk, make)
}
