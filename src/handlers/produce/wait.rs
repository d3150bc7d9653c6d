//! The wait between admission and answer.

use std::time::Duration;

use super::ACKS_LEADER;
use super::outcome::{Outcome, end_offset};
use crate::env::time;
use crate::handlers::errors::KafkaError;
use crate::handlers::exchange::Failure;
use crate::partition::{Admission, Storage};
use crate::protocol::ErrorCode;
use crate::wal::Lsn;

/// Waits until what was admitted is as safe as `acks` asks, at most `patience`. What is not becomes a
/// refusal.
pub(super) async fn until_safe(
    storage: &Storage,
    acks: i16,
    mut outcomes: Vec<&mut Outcome>,
    patience: Duration,
) {
    let last = outcomes.iter().filter_map(|outcome| lsn(outcome)).max();
    let waiting = async {
        if let Some(last) = last {
            let reached =
                if acks == ACKS_LEADER { storage.written(last).await } else { storage.committed(last).await };
            if let Err(failed) = reached {
                outcomes.iter_mut().for_each(|outcome| refuse_unless_committed(outcome, &failed.failure()));
            }
        }
        // A duplicate is answered like its original, whatever `acks` says: never before that is committed.
        for outcome in &mut outcomes {
            let Outcome::Admitted { partition, admission: Admission::Duplicate { end_offset, .. }, .. } =
                outcome
            else {
                continue;
            };
            if let Err(error) = partition.committed(*end_offset).await {
                **outcome = Outcome::refused(error.failure());
            }
        }
    };
    if time::timeout(patience, waiting).await.is_err() {
        // The outcome is unknown: the records may still become durable.
        let timed_out = Failure::from(ErrorCode::RequestTimedOut);
        outcomes.iter_mut().for_each(|outcome| refuse_unless_committed(outcome, &timed_out));
    }
}

fn lsn(outcome: &Outcome) -> Option<Lsn> {
    match outcome {
        Outcome::Admitted { admission: Admission::Appended { lsn, .. }, .. } => Some(*lsn),
        _ => None,
    }
}

fn refuse_unless_committed(outcome: &mut Outcome, failure: &Failure) {
    if let Outcome::Admitted { partition, admission, .. } = outcome
        && partition.watermarks().high_watermark < end_offset(admission)
    {
        *outcome = Outcome::refused(failure.clone());
    }
}

#[cfg(test)]
mod tests;
