//! Reading segments again, a little at a time, to find rot before somebody needs them.

use std::path::Path;

use crate::log::partition_log::Published;
use crate::log::scan::{Found, Scanner};
use crate::log::segment::Segment;
use crate::log::{LeaderEpochs, LogError, PartitionLog};
use crate::model::Offset;
use crate::protocol::batch::BatchError;

/// How far a scrub has come in a log: a segment, by its base offset, a batch boundary in it, and then a block
/// of its index of transactions.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct ScrubPlace {
    /// The segment, or the first one after it if it is gone.
    pub base_offset: Offset,
    /// Which file of that name: one that took its place is read from its begin.
    pub generation: u64,
    /// Where the next batch begins.
    pub position: u64,
    /// Number of the next block of the index, once all batches were verified.
    pub index_block: usize,
}

/// What one step has done.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ScrubStep {
    /// Bytes that were verified, of batches and of an index.
    pub bytes: u64,
    /// Where the next step goes on; `None` at the log's end.
    pub next: Option<ScrubPlace>,
}

impl PartitionLog {
    /// Verifies the checksums of whole batches of one segment, from `place` on, of about `bytes_max` bytes:
    /// the last one may pass that. Then those of its index of transactions: no other index can have a reader
    /// believe what is not so. Memory is bounded whatever a batch's size. Damage is [`LogError::Corrupt`].
    pub fn scrub(&self, place: ScrubPlace, bytes_max: u64) -> Result<ScrubStep, LogError> {
        let published = self.published();
        let at = published.segments.partition_point(|segment| segment.base_offset < place.base_offset);
        let Some(segment) = published.segments.get(at) else { return Ok(ScrubStep { bytes: 0, next: None }) };
        let is_same = (segment.base_offset, segment.generation()) == (place.base_offset, place.generation);
        let from = if is_same { place } else { begin(segment) };
        let leader_epochs = self.writer.lock().leader_epochs.clone();
        let step = self.scrub_segment_from(&published, at, from, bytes_max, &leader_epochs);
        step.map_err(|error| self.explain_missing(error, segment.base_offset))
    }

    fn scrub_segment_from(
        &self,
        published: &Published,
        at: usize,
        from: ScrubPlace,
        bytes_max: u64,
        leader_epochs: &LeaderEpochs,
    ) -> Result<ScrubStep, LogError> {
        let view = published.view(at);
        let segment = view.segment;
        // What is appended to it while its index is read is left to the next round.
        let end = if from.index_block > 0 { from.position } else { view.bytes };
        let mut scanner = segment.scan(&self.directory, from.position.min(end), end)?;
        let start = scanner.position();
        while scanner.position() - start < bytes_max {
            let Some(found) = scanner.next()? else { break };
            check(&scanner, &segment.path, &found, leader_epochs)?;
        }
        let (position, bytes) = (scanner.position(), scanner.position() - start);
        if position < end {
            return Ok(ScrubStep { bytes, next: Some(ScrubPlace { position, ..from }) });
        }
        let (files, handles) = (&*self.directory.env.files, &*self.directory.handles);
        let left = bytes_max.saturating_sub(bytes);
        let (index_bytes, next) = segment.transaction_index.verify(files, handles, from.index_block, left)?;
        let next = match next {
            Some(index_block) => Some(ScrubPlace { position, index_block, ..from }),
            None => published.segments.get(at + 1).map(|next| begin(next)),
        };
        Ok(ScrubStep { bytes: bytes + index_bytes, next })
    }
}

fn begin(segment: &Segment) -> ScrubPlace {
    let (base_offset, generation) = (segment.base_offset, segment.generation());
    ScrubPlace { base_offset, generation, position: 0, index_block: 0 }
}

fn check(
    scanner: &Scanner,
    path: &Path,
    found: &Found,
    leader_epochs: &LeaderEpochs,
) -> Result<(), LogError> {
    let header = &found.header;
    let damaged = |what: String| Err(LogError::corrupt(path, found.position, what));
    let computed = scanner.checksum(found)?;
    if computed != header.crc {
        let error = BatchError::Crc { stored: header.crc, computed };
        return damaged(format!("offset {}: {error}", header.base_offset));
    }
    // The checksum does not cover the leader epoch; the epoch cache knows what it must be.
    let found_epoch = header.partition_leader_epoch;
    match leader_epochs.epoch_for(header.base_offset) {
        Some(known) if known != found_epoch => {
            damaged(format!("a batch of leader epoch {found_epoch} among those of {known}"))
        }
        _ => Ok(()),
    }
}
