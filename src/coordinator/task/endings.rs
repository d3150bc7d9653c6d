//! Markers in a shard's log, and those that share their commit.

use std::time::Duration;

use super::{Task, Unload};
use crate::coordinator::seat::{Beside, Ended, Ending, Event};
use crate::coordinator::{CoordinatorError, Shard};
use crate::partition::{Admission, AppendError, Credits, TransactionMarker};

/// Markers that are written at a time; one ending may have more.
const MARKERS_MAX: usize = 64;

impl<S: Shard> Task<S> {
    /// Writes the markers that are next in the queue, and applies each once it is in the log.
    pub(super) async fn end_transactions(&mut self, patience: Duration) -> Result<(), Unload> {
        let mut endings: Vec<Ending> = Vec::new();
        let mut markers = 0;
        while markers < MARKERS_MAX
            && let Some(Event::End(ending)) = self.taken.pop_front_if(|event| matches!(event, Event::End(_)))
        {
            markers += 1 + ending.beside.markers.len();
            endings.push(ending);
        }
        let payloads = vec![TransactionMarker::PAYLOAD_BYTES; markers];
        let Some(mut credits) = self.admit(&payloads, patience).await? else {
            endings.into_iter().for_each(|it| Event::<S>::End(it).fail(CoordinatorError::NotAvailable));
            // Nor would those behind them find room: they need not wait as long, one after the other.
            self.refuse_writes();
            return Ok(());
        };
        // Each shares a commit within itself. None is held for all of them: each waits for shards that others
        // may be looking at, and everybody's commits would wait with it.
        for Ending { marker, beside, reply_to } in endings {
            let _ = reply_to.send(self.end(marker, beside, &mut credits));
        }
        self.release()
    }

    fn end(
        &mut self,
        marker: TransactionMarker,
        beside: Beside,
        credits: &mut Credits,
    ) -> Result<Vec<Ended>, CoordinatorError> {
        let mut markers = vec![(self.partition.clone(), marker)];
        markers.extend(beside.markers);
        let mut appended = Vec::new();
        (beside.while_owed)(&mut || appended = self.shared.storage.append_markers(credits, &markers));
        if appended.is_empty() {
            return Err(CoordinatorError::NotCoordinator);
        }
        if let Ok(Admission::Appended { end_offset, .. }) = &appended[0] {
            self.written_end = *end_offset;
            // If this panics, the shard is loaded again from a log that has the marker; who asked hears that
            // this is not the coordinator, and asks again.
            if let Some(shard) = self.seat.shard.lock().as_mut() {
                shard.end_transaction(marker.producer_id, marker.result);
            }
        }
        Ok(appended.into_iter().map(ended).collect())
    }
}

/// The end of a marker in its partition, now or before.
fn ended(appended: Result<Admission, AppendError>) -> Ended {
    let (Admission::Appended { end_offset, .. } | Admission::Duplicate { end_offset, .. }) = appended?;
    Ok(end_offset)
}
