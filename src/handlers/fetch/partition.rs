//! How one partition of a Fetch request is answered.

use crate::broker::{self, Fetched};
use crate::handlers::RequestContext;
use crate::handlers::errors::KafkaError;
use crate::log;
use crate::model::LeaderEpoch;
use crate::partition::Divergence;
use crate::protocol::ErrorCode;
use crate::protocol::fetch_response::{
    AbortedTransaction, EpochEndOffset, FetchedPartition, LeaderIdAndEpoch,
};

/// First version whose clients know KAFKA_STORAGE_ERROR.
const VERSION_WITH_STORAGE_ERROR: i16 = 6;
/// First version that is told who leads, with FENCED_LEADER_EPOCH and NOT_LEADER_OR_FOLLOWER (KIP-951).
const VERSION_WITH_CURRENT_LEADER: i16 = 16;

/// Measured against Kafka 4.3: what does not exist has an empty list of aborted transactions, other failures
/// null.
pub(super) fn unknown(partition: i32, code: ErrorCode) -> FetchedPartition {
    FetchedPartition { aborted_transactions: Some(Vec::new()), ..FetchedPartition::failed(partition, code) }
}

/// Says who leads now, and how, to clients that listen.
pub(super) fn led(
    context: &RequestContext,
    partition: i32,
    code: ErrorCode,
    leader_epoch: LeaderEpoch,
) -> FetchedPartition {
    let tells_leader = context.header.api_version >= VERSION_WITH_CURRENT_LEADER;
    let leader_id = context.broker.node_id();
    let current_leader = tells_leader.then_some(LeaderIdAndEpoch { leader_id, leader_epoch });
    FetchedPartition { current_leader, ..FetchedPartition::failed(partition, code) }
}

/// Older clients take a code they do not know for a fatal one.
pub(super) fn known(code: ErrorCode, version: i16) -> ErrorCode {
    match code {
        ErrorCode::KafkaStorageError if version < VERSION_WITH_STORAGE_ERROR => {
            ErrorCode::NotLeaderOrFollower
        }
        code => code,
    }
}

fn told(aborted: Vec<log::AbortedTransaction>) -> Vec<AbortedTransaction> {
    let told = aborted.into_iter().map(|aborted| {
        let log::AbortedTransaction { producer_id, first_offset, .. } = aborted;
        AbortedTransaction { producer_id, first_offset }
    });
    told.collect()
}

pub(super) fn shown(
    partition: i32,
    fetched: broker::FetchedPartition,
    read_committed: bool,
    version: i16,
) -> FetchedPartition {
    match fetched.result {
        Ok(Fetched { records, watermarks, aborted, diverging }) => FetchedPartition {
            high_watermark: watermarks.high_watermark,
            last_stable_offset: watermarks.last_stable_offset,
            log_start_offset: watermarks.log_start_offset,
            // Measured against Kafka 4.3: null where nothing was read because the logs diverge.
            aborted_transactions: (read_committed && diverging.is_none()).then(|| told(aborted)),
            diverging_epoch: diverging.map(|Divergence { leader_epoch, end_offset, .. }| EpochEndOffset {
                leader_epoch,
                end_offset,
            }),
            records,
            ..FetchedPartition::failed(partition, ErrorCode::None)
        },
        // Measured against Kafka 4.3: OFFSET_OUT_OF_RANGE, too, comes with offsets of -1.
        Err(error) => FetchedPartition::failed(partition, known(error.code(), version)),
    }
}
