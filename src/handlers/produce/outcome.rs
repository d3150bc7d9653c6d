//! What becomes of one partition of a Produce request, step by step.

use std::sync::Arc;

use crate::handlers::errors::KafkaError;
use crate::handlers::exchange::Failure;
use crate::model::{Offset, Timestamp};
use crate::partition::{Admission, Appender, Credits, Partition, Storage, Verification};
use crate::protocol::ErrorCode;
use crate::protocol::batch::{BatchHeader, ProducedBatch, RecordError, Rejection};

/// Checked, then admitted; or refused on the way.
pub(super) enum Outcome {
    /// May be appended.
    Checked { partition: Arc<Partition>, batch: ProducedBatch, verification: Verification },
    /// Has its offsets, or its original has.
    Admitted { partition: Arc<Partition>, admission: Admission, log_append_time: Timestamp },
    /// Nothing was written, or nobody knows.
    Refused(Refusal),
}

/// What the client is told instead of offsets.
pub(super) struct Refusal {
    pub(super) failure: Failure,
    pub(super) record_errors: Vec<RecordError>,
    /// -1 where Kafka does not tell it.
    pub(super) log_start_offset: Offset,
}

impl Outcome {
    pub(super) fn refused(failure: Failure) -> Outcome {
        Outcome::Refused(Refusal { failure, record_errors: Vec::new(), log_start_offset: Offset::NONE })
    }

    pub(super) fn rejected(rejection: Rejection, log_start_offset: Offset) -> Outcome {
        let Rejection { code, message, record_errors, is_of_request } = rejection;
        // Measured against Kafka 4.3: the log start comes with what concerns records, not with what concerns
        // the request or the batch as a whole.
        let log_start_offset = match code {
            _ if is_of_request => Offset::NONE,
            ErrorCode::CorruptMessage | ErrorCode::MessageTooLarge => Offset::NONE,
            _ => log_start_offset,
        };
        Outcome::Refused(Refusal { failure: Failure { code, message }, record_errors, log_start_offset })
    }

    pub(super) fn refusal(&self) -> Option<&Refusal> {
        match self {
            Outcome::Refused(refusal) => Some(refusal),
            Outcome::Checked { .. } | Outcome::Admitted { .. } => None,
        }
    }

    /// The header of a transactional batch that is still to be written.
    pub(super) fn transactional(&self) -> Option<&BatchHeader> {
        match self {
            Outcome::Checked { batch, .. } => {
                Some(&batch.header).filter(|it| it.attributes.is_transactional() && it.has_producer_id())
            }
            Outcome::Admitted { .. } | Outcome::Refused(_) => None,
        }
    }

    /// Where it is still to be written.
    pub(super) fn partition(&self) -> Option<&Arc<Partition>> {
        match self {
            Outcome::Checked { partition, .. } => Some(partition),
            Outcome::Admitted { .. } | Outcome::Refused(_) => None,
        }
    }

    /// What it shows when it is appended.
    pub(super) fn show(&mut self, shown: Verification) {
        if let Outcome::Checked { verification, .. } = self {
            *verification = shown;
        }
    }

    /// Whether the coordinator is to be asked: it would begin its transaction in its partition.
    pub(super) fn begin_verification(&mut self, supports_epoch_bump: bool, now: Timestamp) -> bool {
        let Outcome::Checked { partition, batch, .. } = self else { return false };
        let producer = (batch.header.producer_id, batch.header.producer_epoch);
        let sequence = batch.header.base_sequence;
        match partition.begin_verification(producer, sequence, supports_epoch_bump, now) {
            Ok(guard) => {
                self.show(guard.map_or(Verification::Ongoing, Verification::Verified));
                guard.is_some()
            }
            Err(error) => {
                *self = Outcome::refused(error.failure());
                false
            }
        }
    }

    /// The coordinator does not vouch for it; `is_final`: and never will.
    pub(super) fn refuse(&mut self, failure: Failure, is_final: bool) {
        if let Outcome::Checked { partition, batch, verification: Verification::Verified(guard) } = self
            && is_final
        {
            partition.end_verification(batch.header.producer_id, *guard);
        }
        *self = Outcome::refused(failure);
    }

    /// Bytes that are still to be written.
    pub(super) fn payload(&self) -> Option<usize> {
        match self {
            Outcome::Checked { batch, .. } => Some(batch.bytes.len()),
            Outcome::Admitted { .. } | Outcome::Refused(_) => None,
        }
    }

    /// Appends a checked batch. Returns how many records and bytes were appended.
    pub(super) fn append(&mut self, storage: &Storage, credits: &mut Credits) -> (u64, u64) {
        let Outcome::Checked { partition, batch, verification } = self else { return (0, 0) };
        let appender = Appender { is_client: true, verification: *verification };
        let appended = storage.append_by(appender, partition, credits, batch);
        let (outcome, counted) = match appended {
            Ok(admission) => {
                let (log_append_time, counted) = match admission {
                    Admission::Appended { .. } => {
                        let records = u64::try_from(batch.header.records_count).unwrap_or(0);
                        (batch.log_append_time(), (records, batch.bytes.len() as u64))
                    }
                    Admission::Duplicate { timestamp, .. } => (timestamp, (0, 0)),
                };
                (Outcome::Admitted { partition: partition.clone(), admission, log_append_time }, counted)
            }
            Err(error) => {
                let log_start_offset = partition.watermarks().log_start_offset;
                let failure = error.failure();
                (Outcome::Refused(Refusal { failure, record_errors: Vec::new(), log_start_offset }), (0, 0))
            }
        };
        *self = outcome;
        counted
    }
}

/// First offset of a batch or of its original.
pub(super) fn base_offset(admission: &Admission) -> Offset {
    match *admission {
        Admission::Appended { base_offset, .. } | Admission::Duplicate { base_offset, .. } => base_offset,
    }
}

/// First offset after a batch or its original.
pub(super) fn end_offset(admission: &Admission) -> Offset {
    match *admission {
        Admission::Appended { end_offset, .. } | Admission::Duplicate { end_offset, .. } => end_offset,
    }
}
