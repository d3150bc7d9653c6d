//! Aborted transactions, as Kafka's `<base>.txnindex` holds them.

use std::sync::Arc;

use crate::log::index::IndexEntry;
use crate::log::segment::Segment;
use crate::log::{EndedTransaction, LogDirectory, LogError, ProducerStates};
use crate::model::{Offset, ProducerId, Timestamp, TransactionResult};
use crate::protocol::batch::BatchError;

/// Version of an entry.
const VERSION: i16 = 0;

/// A transaction that ended without effect: readers of committed records leave its records out.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct AbortedTransaction {
    /// Whose.
    pub producer_id: ProducerId,
    /// Offset of its first record.
    pub first_offset: Offset,
    /// Offset of its marker.
    pub last_offset: Offset,
    /// Below it everything was decided once the marker was written.
    pub last_stable_offset: Offset,
}

impl AbortedTransaction {
    /// `None` for one that took effect. `first_undecided` is the oldest transaction still open.
    pub fn of(ended: EndedTransaction, first_undecided: Option<Offset>) -> Option<AbortedTransaction> {
        let EndedTransaction { producer_id, first_offset, last_offset, result } = ended;
        let last_stable_offset = first_undecided.unwrap_or(last_offset.plus(1));
        let aborted = AbortedTransaction { producer_id, first_offset, last_offset, last_stable_offset };
        (result == TransactionResult::Abort).then_some(aborted)
    }

    /// Whether a reader of `from..end` may meet records of it.
    pub fn overlaps(&self, from: Offset, end: Offset) -> bool {
        self.last_offset >= from && self.first_offset < end
    }
}

impl IndexEntry for AbortedTransaction {
    const BYTES: usize = 34;

    fn encode(&self, to: &mut Vec<u8>) {
        to.extend_from_slice(&VERSION.to_be_bytes());
        for number in [self.producer_id.0, self.first_offset.0, self.last_offset.0, self.last_stable_offset.0]
        {
            to.extend_from_slice(&number.to_be_bytes());
        }
    }

    fn decode(bytes: &[u8]) -> AbortedTransaction {
        let number = |at: usize| {
            i64::from_be_bytes(bytes[at..at + 8].try_into().expect("8 of the 34 bytes of an entry"))
        };
        AbortedTransaction {
            producer_id: ProducerId(number(2)),
            first_offset: Offset(number(10)),
            last_offset: Offset(number(18)),
            last_stable_offset: Offset(number(26)),
        }
    }
}

/// The aborted transactions whose markers are in the last one of these segments, oldest first, which begin
/// with the log's first. One that began before that has no record left.
pub(super) fn aborted_in_last(
    directory: &LogDirectory,
    segments: &[Arc<Segment>],
) -> Result<Vec<AbortedTransaction>, LogError> {
    let mut producers = ProducerStates::default();
    let mut aborted = Vec::new();
    for segment in segments {
        aborted.clear();
        let mut scanner = segment.scan(directory, 0, segment.bytes())?;
        while let Some(found) = scanner.next()? {
            // Of batches that are no markers the header tells all.
            let bytes = match found.header.attributes.is_control() {
                true => scanner.read_verified(&found)?,
                false => Vec::new(),
            };
            let applied = producers.apply_batch(&found.header, &bytes, Timestamp::NONE);
            let damaged =
                |error: BatchError| LogError::corrupt(&segment.path, found.position, error.to_string());
            if let Some(ended) = applied.map_err(damaged)? {
                aborted.extend(AbortedTransaction::of(ended, producers.first_undecided()));
            }
        }
    }
    Ok(aborted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_kafkas() {
        let aborted = AbortedTransaction {
            producer_id: ProducerId(0x0102),
            first_offset: Offset(0x0304),
            last_offset: Offset(0x0506),
            last_stable_offset: Offset(0x0708),
        };
        let mut bytes = Vec::new();
        aborted.encode(&mut bytes);
        let mut expected = vec![0, 0];
        for low in [[1, 2], [3, 4], [5, 6], [7, 8]] {
            expected.extend_from_slice(&[0; 6]);
            expected.extend_from_slice(&low);
        }
        assert_eq!(bytes, expected);
        assert_eq!(AbortedTransaction::decode(&bytes), aborted);
    }
}
