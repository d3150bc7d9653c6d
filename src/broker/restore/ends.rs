//! Where a restored partition ends, and what lies between the tier and there. Pure.

use std::sync::Arc;

use bytes::Bytes;

use crate::log::CarriedState;
use crate::metadata::TierRecord;
use crate::model::{
    CoordinatorEpoch, LeaderEpoch, Offset, ProducerId, Timestamp, TopicPartition, TransactionResult,
};
use crate::partition::RestoredLog;
use crate::protocol::batch::{
    BatchBuilder, BatchHeader, EndTransactionMarker, patch_base_offset_and_epoch, without_records,
};
use crate::tier::{CataloguedPartition, Root};

/// Offsets that are skipped behind all that is known: so many may have been given out since the catalogue.
///
/// 2^40 are those of 30 hours at ten million records a second in one partition, which is more than a whole
/// broker takes. A catalogue is put at least once a day (`highwater.tier.catalogue.interval.ms` is no
/// longer), unless the bucket is away for so long or refuses; that is logged each time, and
/// `highwater_tier_catalogue_time_seconds` tells its age. And a partition can be restored eight thousand
/// times before an offset reaches 2^53, above which clients that count in floating point lose the last digit.
pub(super) const GAP: i64 = 1 << 40;
/// What stands for it in the log.
const GAP_BATCHES: usize = 2;

/// A transaction whose records are in the tier, and its marker is not: it is ended here.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct EndedHere {
    /// Whose.
    pub producer_id: ProducerId,
    /// Its first record in this partition.
    pub first_offset: Offset,
    /// How it ends.
    pub result: TransactionResult,
    /// Whether it had ended so; otherwise nobody knows, and it is aborted.
    pub is_known: bool,
}

/// What became of a partition.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RestoredPartition {
    /// Name of its topic.
    pub topic: Arc<str>,
    /// Which.
    pub id: TopicPartition,
    /// First offset that counts.
    pub log_start_offset: Offset,
    /// Records below it are restored (exclusive), from the log start on.
    pub restored_end_offset: Offset,
    /// Of what lies between these: the last one that is known.
    pub leader_epoch: LeaderEpoch,
    /// What is produced next gets this offset.
    pub log_end_offset: Offset,
    /// What the tier has of it.
    pub tier: Option<TierRecord>,
    /// Transactions that were torn, and are ended.
    pub ended: Vec<EndedHere>,
    /// Records up to here (exclusive) were in the tier, nothing of them is left, and that was allowed.
    pub lost_end_offset: Option<Offset>,
}

/// What is to be written of it.
pub(super) struct ToWrite {
    log_start_offset: Offset,
    state: CarriedState,
    /// Below it offsets are missing.
    gap_end_offset: Offset,
    pub batches: Vec<Bytes>,
}

impl ToWrite {
    pub fn as_log<'a>(&self, topic: &'a str, topic_partition: TopicPartition) -> RestoredLog<'a> {
        let ToWrite { log_start_offset, gap_end_offset, .. } = *self;
        RestoredLog { topic, topic_partition, log_start_offset, gap_end_offset, state: self.state.clone() }
    }
}

/// What is known of a partition's ends.
pub(super) struct Ends<'a> {
    pub topic: Arc<str>,
    pub id: TopicPartition,
    /// As the metadata store had it.
    pub log_start_offset: Offset,
    /// The largest offset committed for it; 0 where there is none.
    pub committed: Offset,
    pub catalogued: &'a CataloguedPartition,
    /// Its manifest, if anything is in the tier.
    pub root: Option<&'a Root>,
    /// Of what began there or above cleanings have left what was committed alone.
    pub cleaned_from: Offset,
}

impl Ends<'_> {
    /// `state`: as of the end of the manifest.
    pub fn plan(&self, mut state: CarriedState, now: Timestamp) -> (RestoredPartition, ToWrite) {
        let Ends { catalogued, root, .. } = self;
        let remote_end = root.map_or(Offset(0), |root| root.end_offset);
        let log_start = root.map_or(Offset(0), |root| root.log_start_offset);
        let log_start = log_start.max(self.log_start_offset).max(catalogued.log_start_offset);
        // Where the log on disk begins: what lies before is in the tier, or counts no longer.
        let resume = remote_end.max(log_start);
        // What is open there began before it: nothing of it counts where the log start is above the tier's
        // end.
        state.offset = resume;
        let remote_epoch = state.leader_epochs.latest().unwrap_or_default();
        let leader_epoch = catalogued.leader_epoch.max(remote_epoch);
        let ended = self.undecided(&state, remote_end);
        let mut batches = Vec::with_capacity(ended.len() + GAP_BATCHES);
        let mut next = resume;
        for ended in &ended {
            batches.push(marker(&state, ended, (next, remote_epoch), now));
            next = next.plus(1);
        }
        let end = next.max(catalogued.log_end_offset).max(self.committed).plus(GAP);
        // An empty batch at each end, and nothing between, as a cleaning leaves a log: one batch spans 2^31
        // offsets and a segment no more, and what is restored again and again must not grow by segments.
        // Where the last epoch began nobody knows. With the last offset: then every position in the gap is
        // one of an epoch that had reached it.
        batches.push(empty(next, remote_epoch));
        batches.push(empty(end.plus(-1), leader_epoch));
        let tier = root.map(|root| TierRecord {
            manifest: root.number,
            leader_epoch: root.leader_epoch,
            remote_end_offset: remote_end,
            local_log_start_offset: remote_end,
        });
        let partition = RestoredPartition {
            topic: self.topic.clone(),
            id: self.id,
            log_start_offset: log_start,
            restored_end_offset: resume,
            leader_epoch,
            log_end_offset: end,
            tier,
            ended,
            lost_end_offset: None,
        };
        (partition, ToWrite { log_start_offset: log_start, state, gap_end_offset: end, batches })
    }

    /// Transactions with records in the tier and no marker there. They were decided, or nothing of them would
    /// be there. The catalogue says how, if the manifest has not grown since; else, what a cleaning has left
    /// of one was committed.
    fn undecided(&self, state: &CarriedState, remote_end: Offset) -> Vec<EndedHere> {
        let Ends { catalogued, .. } = self;
        let is_known = catalogued.aborted_are_all && catalogued.remote_end_offset == remote_end;
        let open = state.producers.open_transactions();
        let ended = open.map(|(producer_id, first_offset)| {
            let was_aborted = catalogued.aborted.contains(&(producer_id, first_offset));
            let was_cleaned = first_offset >= self.cleaned_from;
            let was_committed = if is_known { !was_aborted } else { was_cleaned };
            let result = match was_committed {
                true => TransactionResult::Commit,
                false => TransactionResult::Abort,
            };
            EndedHere { producer_id, first_offset, result, is_known: is_known || was_cleaned }
        });
        ended.collect()
    }
}

fn marker(
    state: &CarriedState,
    ended: &EndedHere,
    (offset, leader_epoch): (Offset, LeaderEpoch),
    now: Timestamp,
) -> Bytes {
    let entry = state.producers.get(ended.producer_id).expect("whose transaction is open is known");
    // No coordinator: one that comes later is newer than any there was.
    let coordinator_epoch = entry.coordinator_epoch.max(CoordinatorEpoch(0));
    let marker = EndTransactionMarker { result: ended.result, coordinator_epoch };
    let mut batch = marker.batch(ended.producer_id, entry.producer_epoch, now);
    patch_base_offset_and_epoch(&mut batch, offset, leader_epoch);
    batch.into()
}

/// An empty batch of one offset: readers step over it.
fn empty(base_offset: Offset, leader_epoch: LeaderEpoch) -> Bytes {
    let empty = BatchBuilder::new().build();
    let header = BatchHeader::parse(&empty).expect("it was just made");
    let header =
        BatchHeader { base_offset, last_offset_delta: 0, partition_leader_epoch: leader_epoch, ..header };
    without_records(&header).into()
}

#[cfg(test)]
mod tests;
