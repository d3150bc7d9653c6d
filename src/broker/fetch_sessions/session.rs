use std::sync::Arc;

use super::partitions::{CachedPartition, FetchKey, FetchTopic, PartitionAsk, Partitions, Size};
use crate::model::TopicId;
use crate::protocol::Piece;
use crate::protocol::fetch_response::FetchedPartition;

/// Session epoch of a request that begins a session; the first that goes on with it has the next.
pub(super) const INITIAL_EPOCH: i32 = 0;
/// Session epoch of a request that wants no session, and ends the one that it names.
pub(super) const FINAL_EPOCH: i32 = -1;

/// The epoch after one that goes on with a session. KIP-227: after the last comes 1, as 0 begins a session.
pub(super) fn next_epoch(session_epoch: i32) -> i32 {
    session_epoch.checked_add(1).unwrap_or(1)
}

/// Why a request cannot go on with a session.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum SessionError {
    /// It does not exist, or no more.
    #[error("there is no such fetch session")]
    NotFound,
    /// It has another epoch: a request was lost, repeated or overtaken.
    #[error("the fetch session has another epoch")]
    InvalidEpoch,
    /// It was begun with topic ids and the request has none, or the other way round.
    #[error("the fetch session mixes requests with and without topic ids")]
    TopicIdMismatch,
}

/// One partition of a request, and its answer.
pub struct AnsweredPartition {
    /// Which.
    pub key: FetchKey,
    /// What was wanted of it: needed to begin a session.
    pub ask: Option<PartitionAsk>,
    /// The answer.
    pub fetched: FetchedPartition,
}

/// The changes that a request makes to its session.
pub struct SessionChange<'a> {
    /// `session_epoch`.
    pub session_epoch: i32,
    /// Whether topics are named by id.
    pub by_id: bool,
    /// Partitions that are new or whose wishes are.
    pub asked: &'a [(FetchKey, PartitionAsk)],
    /// Partitions that the client wants no more.
    pub forgotten: &'a [FetchKey],
}

/// One client's session: what it wants and what it knows.
pub(super) struct FetchSession {
    by_id: bool,
    /// That of the next request.
    session_epoch: i32,
    partitions: Partitions,
}

impl FetchSession {
    /// A session as it is once this answer has left: later answers leave out what stays so.
    pub fn begun(by_id: bool, answered: &[AnsweredPartition]) -> FetchSession {
        let mut partitions = Partitions::default();
        for AnsweredPartition { key, ask, fetched } in answered {
            let Some(ask) = *ask else { continue };
            partitions.push(CachedPartition {
                key: key.clone(),
                ask,
                high_watermark: fetched.high_watermark,
                log_start_offset: fetched.log_start_offset,
            });
        }
        FetchSession { by_id, session_epoch: next_epoch(INITIAL_EPOCH), partitions }
    }

    /// Takes a request's changes in. If nothing is left to fetch, the session is over.
    pub fn go_on(&mut self, change: &SessionChange<'_>) -> Result<(), SessionError> {
        if change.session_epoch != self.session_epoch {
            return Err(SessionError::InvalidEpoch);
        }
        if change.by_id != self.by_id {
            return Err(SessionError::TopicIdMismatch);
        }
        for (key, ask) in change.asked {
            self.partitions.ask(key.clone(), *ask);
        }
        for key in change.forgotten {
            self.partitions.remove(key);
        }
        self.session_epoch = next_epoch(self.session_epoch);
        Ok(())
    }

    /// Everything that is to be fetched now, in its order. As Kafka, a name once found stays: a topic that is
    /// deleted is then an unknown one, and one that is created again under the name has another id.
    pub fn asked(&mut self, name_of: impl Fn(TopicId) -> Option<Arc<str>>) -> Vec<(FetchKey, PartitionAsk)> {
        let resolved = self.partitions.iter_mut().map(|partition| {
            if let FetchTopic::WithId(topic_id, name @ None) = &mut partition.key.topic {
                *name = name_of(*topic_id);
            }
            (partition.key.clone(), partition.ask)
        });
        resolved.collect()
    }

    /// Leaves of the answer to the request of this epoch what the client does not know yet, and puts
    /// partitions that gave records behind the others.
    pub fn answer(
        &mut self,
        session_epoch: i32,
        answered: Vec<AnsweredPartition>,
    ) -> Result<Vec<AnsweredPartition>, SessionError> {
        if self.session_epoch != next_epoch(session_epoch) {
            // The client has gone on meanwhile, and may have forgotten what was fetched.
            return Err(SessionError::InvalidEpoch);
        }
        Ok(answered.into_iter().filter(|one| self.is_news(one)).collect())
    }

    fn is_news(&mut self, AnsweredPartition { key, fetched, .. }: &AnsweredPartition) -> bool {
        let Some(known) = self.partitions.get_mut(key) else { return true };
        let mut news = known.high_watermark != fetched.high_watermark
            || known.log_start_offset != fetched.log_start_offset
            || fetched.preferred_read_replica.0 >= 0
            || fetched.diverging_epoch.is_some();
        // An error comes with offsets of -1, so that the partition is sent again once it is over.
        known.high_watermark = fetched.high_watermark;
        known.log_start_offset = fetched.log_start_offset;
        news |= fetched.error_code.is_error();
        if fetched.records.iter().any(|piece| Piece::length(piece) > 0) {
            self.partitions.move_to_back(key);
            news = true;
        }
        news
    }

    pub fn is_empty(&self) -> bool {
        self.partitions.iter().next().is_none()
    }

    pub fn size(&self) -> Size {
        self.partitions.size()
    }
}

#[cfg(test)]
mod tests;
