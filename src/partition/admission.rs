//! Credits before anything is promised: after they are granted, nothing can fail for want of space.

use std::time::Duration;

use super::{Storage, StorageFailed};
use crate::env::time;
use crate::wal::{Credit, NoCredit};

/// Space promised to one request: WAL bytes in pre-written files, room in the tail window. What is not used
/// returns when it is dropped.
pub struct Credits(Credit);

impl Credits {
    pub(super) fn wal(&mut self) -> &mut Credit {
        &mut self.0
    }
}

/// What the space is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// Batches: they will also need room in segments.
    Records,
    /// Changes of the metadata store: they need the WAL alone, and go on when the disk is full, since
    /// deleting a topic is how people make room.
    Metadata,
}

/// Why no space was promised. Nothing was written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AdmissionError {
    /// The disk is full, or full to the reserve.
    #[error("the disk that holds the log has no room left; writes go on as soon as it has")]
    DiskFull,
    /// The disk does not keep up.
    #[error("the log did not find room within {0:?}: the disk is slower than the producers")]
    Slow(Duration),
    /// A batch is larger than any file of the WAL may be, or all together are larger than it can ever hold.
    #[error("the batches are too large for the write-ahead log (highwater.wal.capacity.bytes): send fewer")]
    TooLarge,
    /// The storage has failed.
    #[error(transparent)]
    Failed(#[from] StorageFailed),
}

impl Storage {
    /// Waits for room for entries with payloads of these lengths, at most `patience`. The caller does not
    /// read its socket meanwhile: this is where back-pressure comes from.
    pub async fn admit(
        &self,
        purpose: Purpose,
        payloads: &[usize],
        patience: Duration,
    ) -> Result<Credits, AdmissionError> {
        if let Some(credits) = self.try_admit(purpose, payloads)? {
            return Ok(credits);
        }
        let granted = async {
            loop {
                // Asked before looking again, so that a wake-up in between is not lost.
                let changed = self.room_changed();
                if let Some(credits) = self.try_admit(purpose, payloads)? {
                    return Ok(credits);
                }
                changed.await;
            }
        };
        match time::timeout(patience, granted).await {
            Ok(result) => result,
            Err(time::Elapsed) if self.disk_is_full() || self.wal().status().disk_full => {
                Err(AdmissionError::DiskFull)
            }
            Err(time::Elapsed) => Err(AdmissionError::Slow(patience)),
        }
    }

    /// The same without waiting: `None` when there is no room now.
    pub fn try_admit(&self, purpose: Purpose, payloads: &[usize]) -> Result<Option<Credits>, AdmissionError> {
        self.check()?;
        if purpose == Purpose::Records && (self.disk_is_full() || !self.tail_has_room()) {
            self.hurry();
            return Ok(None);
        }
        match self.wal().try_reserve_all(payloads.iter().copied()) {
            Ok(credit) => Ok(Some(Credits(credit))),
            Err(NoCredit::Full | NoCredit::DiskFull) => {
                self.want_wal_room();
                Ok(None)
            }
            Err(NoCredit::TooLarge) => Err(AdmissionError::TooLarge),
            Err(NoCredit::Stopped) => {
                Err(AdmissionError::Failed(StorageFailed("the log is closed".to_owned())))
            }
        }
    }
}
