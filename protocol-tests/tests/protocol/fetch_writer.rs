//! From the codec crate's Fetch response to the broker's own.

use highwater::model::{LeaderEpoch, NodeId, Offset, ProducerId, TopicId};
use highwater::protocol::fetch_response::{
    AbortedTransaction, EpochEndOffset, FetchResponse, FetchedPartition, FetchedTopic, LeaderIdAndEpoch,
    NodeEndpoint,
};
use highwater::protocol::{ErrorCode, Piece};
use kafka_protocol::messages::fetch_response as crates;

/// The same response for the broker's writer; `None` if it holds what the broker never says: tagged fields
/// that nobody knows, snapshots, null instead of no records.
pub fn ours(reply: &kafka_protocol::messages::FetchResponse) -> Option<FetchResponse> {
    let topics = reply.responses.iter().map(topic).collect::<Option<_>>()?;
    reply.unknown_tagged_fields.is_empty().then(|| FetchResponse {
        throttle_time_ms: reply.throttle_time_ms,
        error_code: code(reply.error_code),
        session_id: reply.session_id,
        topics,
        node_endpoints: reply.node_endpoints.iter().map(endpoint).collect(),
    })
}

fn code(number: i16) -> ErrorCode {
    ErrorCode::from_code(number).expect("golden codes are small")
}

fn topic(topic: &crates::FetchableTopicResponse) -> Option<FetchedTopic> {
    Some(FetchedTopic {
        name: topic.topic.to_string(),
        topic_id: TopicId(topic.topic_id),
        partitions: topic.partitions.iter().map(partition).collect::<Option<_>>()?,
    })
}

fn partition(partition: &crates::PartitionData) -> Option<FetchedPartition> {
    if partition.snapshot_id != crates::SnapshotId::default() {
        return None;
    }
    let diverging_epoch = EpochEndOffset {
        leader_epoch: LeaderEpoch(partition.diverging_epoch.epoch),
        end_offset: Offset(partition.diverging_epoch.end_offset),
    };
    let current_leader = LeaderIdAndEpoch {
        leader_id: NodeId(partition.current_leader.leader_id.0),
        leader_epoch: LeaderEpoch(partition.current_leader.leader_epoch),
    };
    let aborted = |transaction: &crates::AbortedTransaction| AbortedTransaction {
        producer_id: ProducerId(transaction.producer_id.0),
        first_offset: Offset(transaction.first_offset),
    };
    let has_diverging_epoch = partition.diverging_epoch != crates::EpochEndOffset::default();
    let has_current_leader = partition.current_leader != crates::LeaderIdAndEpoch::default();
    Some(FetchedPartition {
        partition: partition.partition_index,
        error_code: code(partition.error_code),
        high_watermark: Offset(partition.high_watermark),
        last_stable_offset: Offset(partition.last_stable_offset),
        log_start_offset: Offset(partition.log_start_offset),
        aborted_transactions: partition
            .aborted_transactions
            .as_ref()
            .map(|all| all.iter().map(aborted).collect()),
        preferred_read_replica: NodeId(partition.preferred_read_replica.0),
        diverging_epoch: has_diverging_epoch.then_some(diverging_epoch),
        current_leader: has_current_leader.then_some(current_leader),
        records: vec![Piece::Bytes(partition.records.clone()?)],
    })
}

fn endpoint(endpoint: &crates::NodeEndpoint) -> NodeEndpoint {
    NodeEndpoint {
        node_id: NodeId(endpoint.node_id.0),
        host: endpoint.host.to_string(),
        port: endpoint.port,
        rack: endpoint.rack.as_ref().map(ToString::to_string),
    }
}
