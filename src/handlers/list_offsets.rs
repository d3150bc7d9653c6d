//! ListOffsets, key 2, versions 1 to 10.
//!
//! The latest and earliest offset, the offset of the record with the largest timestamp, or of the first
//! record at or after a timestamp: that record's own, not its batch's.
//! A reader of committed transactions is told of nothing at or above the last stable offset.
//! What has left the local disk for the tier is looked for there; "earliest local" is where the disk begins,
//! "latest tiered" the last offset of which the metadata store knows that it is in the tier, -1 without one.
//! Times that may lie in the tier are looked up side by side, once all others have their answers. What takes
//! longer than `timeout_ms`, or, where that is not said, than `remote.list.offsets.request.timeout.ms`, is
//! answered REQUEST_TIMED_OUT; what it asked the store for comes all the same, for the next request.
//!
//! v1: one offset for each partition (KIP-79). v2: isolation level (KIP-98). v3: throttling. v4: leader
//! epochs (KIP-320). v5: OFFSET_NOT_AVAILABLE. v6: flexible. v7: largest timestamp (KIP-734). v8: earliest
//! local (KIP-405). v9: latest tiered (KIP-1005). v10: timeout (KIP-1075).

mod by_time;
mod look_up;

use std::collections::HashMap;
use std::time::Duration;

use bytes::Bytes;
use kafka_protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use kafka_protocol::messages::list_offsets_response::{
    ListOffsetsPartitionResponse, ListOffsetsTopicResponse,
};
use kafka_protocol::messages::{ListOffsetsRequest, ListOffsetsResponse};

use self::by_time::Sought;
use self::look_up::LookUp;
use super::exchange::{Failure, answer, decode};
use super::view::{TopicKey, check_leader_epoch, check_online, open_partition};
use super::{Api, Reply, RequestContext};
use crate::metadata::ClusterImage;
use crate::model::{LeaderEpoch, Offset, Timestamp, TopicId};
use crate::partition::Partition;
use crate::protocol::ErrorCode;

/// The row of `APIS`.
pub(super) const API: Api =
    Api { key: 2, handle: |context, body| Box::pin(std::future::ready(handle(context, body))) };

/// First version that tells leader epochs.
const VERSION_WITH_LEADER_EPOCH: i16 = 4;

/// `isolation_level` of readers that want all records.
const READ_UNCOMMITTED: i8 = 0;
/// `isolation_level` of readers that want committed transactions only.
const READ_COMMITTED: i8 = 1;

/// An offset as it is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Found {
    timestamp: Timestamp,
    offset: Offset,
    leader_epoch: LeaderEpoch,
}

/// No record is that late, or nothing is tiered.
const NOTHING: Found =
    Found { timestamp: Timestamp::NONE, offset: Offset::NONE, leader_epoch: LeaderEpoch::NONE };

/// What a request's timestamp asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Query {
    Latest,
    Earliest,
    EarliestLocal,
    LatestTiered,
    ByTime(Sought),
}

impl Query {
    /// `None` for what the version does not know.
    fn of(timestamp: i64, version: i16) -> Option<Query> {
        match timestamp {
            -1 => Some(Query::Latest),
            -2 => Some(Query::Earliest),
            // KIP-734
            -3 if version >= 7 => Some(Query::ByTime(Sought::Largest)),
            // KIP-405
            -4 if version >= 8 => Some(Query::EarliestLocal),
            // KIP-1005
            -5 if version >= 9 => Some(Query::LatestTiered),
            0.. => Some(Query::ByTime(Sought::AtOrAfter(Timestamp(timestamp)))),
            _ => None,
        }
    }
}

fn handle(context: RequestContext, body: Bytes) -> Reply {
    let request: ListOffsetsRequest = match decode(&context.header, body) {
        Ok(request) => request,
        Err(reply) => return reply,
    };
    Reply::pending(async move {
        let topics = topics(&context, &request).await;
        answer(&context.header, &ListOffsetsResponse::default().with_topics(topics))
    })
}

/// A partition that is named, and its answer, once it has one.
struct Asked<'a> {
    topic: &'a ListOffsetsTopic,
    partition: i32,
    found: Option<Result<Found, Failure>>,
}

/// One result for each topic and partition that is named, also if it is named twice: that is refused.
async fn topics(context: &RequestContext, request: &ListOffsetsRequest) -> Vec<ListOffsetsTopicResponse> {
    // Measured against Kafka 4.3: it fails at the number, for all partitions.
    let is_known_level = [READ_UNCOMMITTED, READ_COMMITTED].contains(&request.isolation_level);
    let mut times = times_named(&request.topics);
    let read_committed = request.isolation_level == READ_COMMITTED;
    let mut asked: Vec<Asked<'_>> = Vec::new();
    let mut in_tier = Vec::new();
    for topic in &request.topics {
        for partition in &topic.partitions {
            let named = (topic.name.as_str(), partition.partition_index);
            let begun = match times.remove(&named) {
                None => continue,
                Some(_) if !is_known_level => Err(ErrorCode::UnknownServerError.into()),
                Some(2..) => Err(ErrorCode::InvalidRequest.into()),
                Some(_) => begin(context, &topic.name, partition, read_committed),
            };
            let at = asked.len();
            let found = match begun {
                Ok(Begun::Found(found)) => Some(Ok(found)),
                Ok(Begun::ByTime(look_up)) if look_up.reaches_into_tier() => {
                    in_tier.push(async move { (at, look_up.find(context).await) });
                    None
                }
                Ok(Begun::ByTime(look_up)) => Some(look_up.find(context).await),
                Err(failure) => Some(Err(failure)),
            };
            asked.push(Asked { topic, partition: partition.partition_index, found });
        }
    }
    for (at, found) in look_up::in_time(in_tier, wait(context, request)).await {
        asked[at].found = Some(found);
    }
    let mut places: HashMap<&str, usize> = HashMap::new();
    let mut topics: Vec<ListOffsetsTopicResponse> = Vec::new();
    for Asked { topic, partition, found } in asked {
        let found = found.unwrap_or_else(|| Err(ErrorCode::RequestTimedOut.into()));
        let place = *places.entry(topic.name.as_str()).or_insert_with(|| {
            topics.push(ListOffsetsTopicResponse::default().with_name(topic.name.clone()));
            topics.len() - 1
        });
        topics[place].partitions.push(partition_response(context, partition, found));
    }
    topics
}

/// How long the tier is waited for: as in Kafka, as the request says, if it does.
fn wait(context: &RequestContext, request: &ListOffsetsRequest) -> Duration {
    match u64::try_from(request.timeout_ms) {
        Ok(wait @ 1..) => Duration::from_millis(wait),
        _ => context.broker.config().tiering.list_offsets_wait,
    }
}

fn times_named(topics: &[ListOffsetsTopic]) -> HashMap<(&str, i32), u32> {
    let mut times: HashMap<(&str, i32), u32> = HashMap::new();
    for topic in topics {
        for partition in &topic.partitions {
            *times.entry((topic.name.as_str(), partition.partition_index)).or_default() += 1;
        }
    }
    times
}

/// A look-up as far as it goes without a wait.
enum Begun {
    Found(Found),
    ByTime(LookUp),
}

fn begin(
    context: &RequestContext,
    name: &str,
    asked: &ListOffsetsPartition,
    read_committed: bool,
) -> Result<Begun, Failure> {
    let Some(query) = Query::of(asked.timestamp, context.header.api_version) else {
        return Err(ErrorCode::UnsupportedVersion.into());
    };
    let image = context.broker.image();
    let topic = TopicKey { name, topic_id: TopicId::ZERO }.find(&image, false)?;
    let partition = open_partition(&context.broker, &topic, asked.partition_index)?;
    check_online(&partition)?;
    check_leader_epoch(&partition, asked.current_leader_epoch)?;
    let watermarks = partition.watermarks();
    Ok(Begun::Found(match query {
        Query::Latest if read_committed => latest(&partition, watermarks.last_stable_offset),
        Query::Latest => latest(&partition, watermarks.high_watermark),
        Query::Earliest => earliest(&partition, watermarks.log_start_offset),
        Query::EarliestLocal => earliest(&partition, watermarks.local_log_start_offset),
        Query::LatestTiered => latest_tiered(&partition, &image),
        Query::ByTime(sought) => {
            let end = read_committed.then_some(watermarks.last_stable_offset);
            return Ok(Begun::ByTime(LookUp { partition, sought, end }));
        }
    }))
}

fn latest(partition: &Partition, offset: Offset) -> Found {
    Found { timestamp: Timestamp::NONE, offset, leader_epoch: partition.leader_epoch() }
}

fn earliest(partition: &Partition, offset: Offset) -> Found {
    // Measured against Kafka 4.3: an empty log begins in the current epoch.
    let leader_epoch = match partition.leader_epoch_at(offset) {
        LeaderEpoch::NONE if offset == partition.watermarks().log_end_offset => partition.leader_epoch(),
        leader_epoch => leader_epoch,
    };
    Found { timestamp: Timestamp::NONE, offset, leader_epoch }
}

/// The last offset that the tier holds, as far as the metadata store knows (KIP-1005).
fn latest_tiered(partition: &Partition, image: &ClusterImage) -> Found {
    let Some(tier) = image.tier(partition.topic_partition()) else { return NOTHING };
    if tier.remote_end_offset <= Offset(0) {
        return NOTHING;
    }
    let offset = tier.remote_end_offset.plus(-1);
    Found { timestamp: Timestamp::NONE, offset, leader_epoch: partition.leader_epoch_at(offset) }
}

fn partition_response(
    context: &RequestContext,
    index: i32,
    found: Result<Found, Failure>,
) -> ListOffsetsPartitionResponse {
    let response = ListOffsetsPartitionResponse::default().with_partition_index(index);
    let (code, found) = match found {
        Ok(found) => (ErrorCode::None, found),
        Err(failure) => {
            context.broker.metrics().request_error(API.key, failure.code.name());
            (failure.code, NOTHING)
        }
    };
    let response =
        response.with_error_code(code.code()).with_timestamp(found.timestamp.0).with_offset(found.offset.0);
    match context.header.api_version >= VERSION_WITH_LEADER_EPOCH {
        true => response.with_leader_epoch(found.leader_epoch.0),
        false => response,
    }
}

#[cfg(test)]
mod tests;
