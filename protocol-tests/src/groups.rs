//! What a broker says of a group.

use anyhow::{Context, Result};
use highwater::protocol::ErrorCode;
use kafka_protocol::messages::offset_fetch_request::OffsetFetchRequestGroup;
use kafka_protocol::messages::{
    ConsumerGroupDescribeRequest, GroupId, ListGroupsRequest, OffsetFetchRequest,
};

use crate::client::{Client, text};
use crate::requests::expect_code;

/// From this version on, ListGroups tells types.
const LIST: i16 = 5;
/// Of OffsetFetch.
const FETCH: i16 = 8;
/// Of ConsumerGroupDescribe.
const DESCRIBE: i16 = 1;

/// The type and the state of a group, in Kafka's words; fails if there is no such group.
pub fn type_and_state(client: &mut Client, group: &str) -> Result<(String, String)> {
    let answer = client.ask(LIST, &ListGroupsRequest::default())?;
    expect_code(answer.error_code, ErrorCode::None, "ListGroups")?;
    let found = answer.groups.into_iter().find(|listed| listed.group_id.as_str() == group);
    let found = found.with_context(|| format!("there is no group {group}"))?;
    Ok((found.group_type.to_string(), found.group_state.to_string()))
}

/// The epoch of a group of KIP-848: it grows with every member that joins or goes.
pub fn group_epoch(client: &mut Client, group: &str) -> Result<i32> {
    let request = ConsumerGroupDescribeRequest::default().with_group_ids(vec![GroupId(text(group))]);
    let answer = client.ask(DESCRIBE, &request)?;
    let described = answer.groups.into_iter().next().context("no group in the answer")?;
    expect_code(described.error_code, ErrorCode::None, "ConsumerGroupDescribe")?;
    Ok(described.group_epoch)
}

/// What a group has committed: topic, partition, next offset. Partitions are left out of which a transaction
/// has offsets that has not ended there: one that was confirmed a moment ago may count in a moment only.
pub fn committed(client: &mut Client, group: &str) -> Result<Vec<(String, i32, i64)>> {
    let asked = OffsetFetchRequestGroup::default().with_group_id(GroupId(text(group))).with_topics(None);
    let request = OffsetFetchRequest::default().with_require_stable(true).with_groups(vec![asked]);
    let answer = client.ask(FETCH, &request)?;
    let of_group = answer.groups.into_iter().next().context("no group in the answer")?;
    expect_code(of_group.error_code, ErrorCode::None, "OffsetFetch")?;
    let mut found = Vec::new();
    for topic in of_group.topics {
        for partition in topic.partitions {
            if partition.error_code == ErrorCode::UnstableOffsetCommit.code() {
                continue;
            }
            expect_code(partition.error_code, ErrorCode::None, "a partition")?;
            found.push((topic.name.to_string(), partition.partition_index, partition.committed_offset));
        }
    }
    Ok(found)
}
