//! How a batch gets its offsets: under the partition's short lock, with no await and no disk inside.

use std::sync::Arc;

use super::flush_queue::FlushQueue;
use super::leader::State;
use super::storage::Member;
use super::tail::TailBatch;
use super::transactions::{Appender, TransactionMarker, VerificationGuard};
use super::{Admission, AppendError, Credits, Partition};
use crate::log::{MarkerVerdict, SequenceVerdict};
use crate::model::{Offset, ProducerEpoch, ProducerId, Timestamp};
use crate::protocol::batch::{BatchHeader, ProducedBatch};
use crate::wal::{EntryHeader, EntryKind, WalAppender};

/// What an append needs beside the batch.
pub(super) struct Append<'a> {
    pub wal: &'a WalAppender<Member>,
    pub queue: &'a FlushQueue,
    pub credits: &'a mut Credits,
    /// The broker's clock, as far as it is believed.
    pub now: Timestamp,
}

impl Partition {
    /// Gives a validated batch its offsets and puts it into the WAL. Takes about a microsecond and waits for
    /// nothing: space was promised by the credits, durability comes with the group.
    pub(super) fn append(
        self: &Arc<Self>,
        append: Append<'_>,
        batch: &ProducedBatch,
        appender: Appender,
    ) -> Result<Admission, AppendError> {
        let mut state = self.state.lock();
        state.online()?;
        let header = &batch.header;
        let verdict = state.verdict(header, appender);
        if let SequenceVerdict::Duplicate(original) = verdict {
            let end_offset = original.last_offset.plus(1);
            let (base_offset, timestamp) = (original.base_offset, original.max_timestamp);
            return Ok(Admission::Duplicate { base_offset, end_offset, timestamp });
        }
        refuse(header, verdict)?;
        let now = append.now;
        let (header, admission) = self.put(&mut state, append, batch);
        state.producers.apply(&header, now);
        if header.attributes.is_transactional() {
            state.transactions.wrote(header.producer_id);
            state.settle();
        }
        Ok(admission)
    }

    /// The same with a marker. One that was written before is not written again: like a duplicate, it is to
    /// be answered once everything below its `end_offset` is committed.
    pub(super) fn append_marker(
        self: &Arc<Self>,
        append: Append<'_>,
        marker: &TransactionMarker,
        timestamp: Timestamp,
    ) -> Result<Admission, AppendError> {
        let TransactionMarker { producer_id, producer_epoch, coordinator_epoch, .. } = *marker;
        let mut state = self.state.lock();
        state.online()?;
        let verdict = state.producers.check_marker(
            marker.origin,
            producer_id,
            producer_epoch,
            coordinator_epoch,
            marker.transaction_version,
        );
        match verdict {
            MarkerVerdict::Append => {}
            MarkerVerdict::Written => {
                let end_offset = state.watermarks.log_end_offset;
                return Ok(Admission::Duplicate { base_offset: Offset::NONE, end_offset, timestamp });
            }
            MarkerVerdict::StaleEpoch { current } => {
                let words = format!(
                    "a marker of producer {producer_id} has epoch {producer_epoch}, {current} has been seen"
                );
                return Err(AppendError::InvalidProducerEpoch(words));
            }
            MarkerVerdict::StaleCoordinator { current } => {
                let words = format!(
                    "a marker of producer {producer_id} has coordinator epoch {coordinator_epoch}, {current} \
                     has been seen"
                );
                return Err(AppendError::CoordinatorFenced(words));
            }
        }
        let now = append.now;
        let (header, admission) = self.put(&mut state, append, &marker.batch(timestamp));
        let ended = state.producers.end_transaction(&header, marker.marker(), now);
        state.transactions.marked(marker);
        if let Some(ended) = ended {
            let first_undecided = state.producers.first_undecided();
            state.transactions.ended(ended, first_undecided);
        }
        state.settle();
        Ok(admission)
    }

    /// Whether a batch of a transaction would be let in now. Whoever alone appends such batches and markers
    /// to this partition may go by it until it does that next.
    pub fn check_transaction(&self, batch: &ProducedBatch, appender: Appender) -> Result<(), AppendError> {
        let state = self.state.lock();
        state.online()?;
        refuse(&batch.header, state.verdict(&batch.header, appender))
    }

    /// Puts a batch that may be appended behind the last one.
    fn put(
        self: &Arc<Self>,
        state: &mut State,
        append: Append<'_>,
        batch: &ProducedBatch,
    ) -> (BatchHeader, Admission) {
        let Append { wal, queue, credits, .. } = append;
        let base_offset = state.watermarks.log_end_offset;
        let end_offset = base_offset.plus(i64::from(batch.header.last_offset_delta) + 1);
        let partition_leader_epoch = self.leader_epoch();
        let header = BatchHeader { base_offset, partition_leader_epoch, ..batch.header };
        let entry = EntryHeader { kind: EntryKind::Records, topic_partition: Some(self.topic_partition()) };
        let patch = |copy: &mut [u8]| batch.patch(copy, base_offset, partition_leader_epoch);
        let member = Member::Records { partition: self.clone(), end_offset };
        let appended = wal.append(credits.wal(), entry, &batch.bytes, patch, member);
        let first_of_tail = state.tail.is_empty();
        state.tail.push(TailBatch {
            base_offset,
            end_offset,
            max_timestamp: header.max_timestamp,
            lsn: appended.lsn,
            slice: appended.slice,
        });
        state.epochs.assign(partition_leader_epoch, base_offset);
        state.watermarks.log_end_offset = end_offset;
        if first_of_tail {
            // Under the lock, as is the advance of the high watermark: a batch that is committed is in the
            // queue, so no checkpoint passes it.
            queue.place(self, Some(appended.lsn), true);
        }
        (header, Admission::Appended { base_offset, end_offset, lsn: appended.lsn })
    }

    /// Before the coordinator is asked whether a transaction goes on: what [`Appender`] is to show when its
    /// first batch here is appended. `None`: it is open here, and nobody need be asked.
    ///
    /// `base_sequence` of that batch; `supports_epoch_bump`: a transaction of version 2. The guard is good
    /// until the producer has written, or a marker has come.
    pub fn begin_verification(
        &self,
        (producer_id, producer_epoch): (ProducerId, ProducerEpoch),
        base_sequence: i32,
        supports_epoch_bump: bool,
        now: Timestamp,
    ) -> Result<Option<VerificationGuard>, AppendError> {
        let mut state = self.state.lock();
        state.online()?;
        let known = state.producers.get(producer_id).map(|entry| entry.producer_epoch);
        if let Some(current) = known.filter(|current| producer_epoch < *current) {
            return Err(stale(producer_id, producer_epoch, current));
        }
        if state.producers.has_open(producer_id, producer_epoch) {
            return Ok(None);
        }
        let transactions = &mut state.transactions;
        let producer = (producer_id, producer_epoch);
        Ok(Some(transactions.begin_verification(producer, base_sequence, supports_epoch_bump, now)))
    }

    /// The coordinator has refused who asked under this guard, for good: nothing is kept of it, unless others
    /// ask as well.
    pub fn end_verification(&self, producer_id: ProducerId, guard: VerificationGuard) {
        self.state.lock().transactions.refused(producer_id, guard);
    }
}

impl State {
    fn verdict(&self, header: &BatchHeader, appender: Appender) -> SequenceVerdict {
        self.producers.check(header, self.transactions.standing(header.producer_id, appender))
    }
}

fn stale(producer_id: ProducerId, found: ProducerEpoch, current: ProducerEpoch) -> AppendError {
    let words = format!("producer {producer_id} has epoch {found}, {current} has been seen");
    AppendError::InvalidProducerEpoch(words)
}

/// Says why a batch is not appended.
fn refuse(header: &BatchHeader, verdict: SequenceVerdict) -> Result<(), AppendError> {
    let producer = header.producer_id;
    match verdict {
        SequenceVerdict::Append | SequenceVerdict::Duplicate(_) => Ok(()),
        SequenceVerdict::OutOfOrder { expected } => {
            let found = header.base_sequence;
            let words = format!("producer {producer} sent sequence {found}, {expected} should have come");
            Err(AppendError::OutOfOrderSequence(words))
        }
        SequenceVerdict::StaleEpoch { current } => Err(stale(producer, header.producer_epoch, current)),
        SequenceVerdict::NotInTransaction => {
            let words = format!("records of producer {producer} are not part of an ongoing transaction");
            Err(AppendError::InvalidTransactionState(words))
        }
        SequenceVerdict::OutsideOfTransaction => {
            let words = format!("producer {producer} has a transaction open, and sent records of none");
            Err(AppendError::InvalidTransactionState(words))
        }
    }
}
