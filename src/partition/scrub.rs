//! Looking for rot in segments before somebody needs them.

use std::sync::Arc;

use super::{Partition, PartitionStatus, Storage};
use crate::log::ScrubPlace;

/// What one step of the scrubber has done.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Scrubbed {
    /// Bytes that were verified.
    pub bytes: u64,
    /// Where the next step goes on; `None`: this partition is through, or stopped.
    pub next: Option<ScrubPlace>,
    /// Whether damage was found. It has stopped the partition, with a line in the log that says where.
    pub is_damaged: bool,
}

impl Scrubbed {
    const NOTHING: Scrubbed = Scrubbed { bytes: 0, next: None, is_damaged: false };
}

impl Storage {
    /// Verifies the checksums of some batches of a partition, of about `bytes_max` bytes. Damage stops the
    /// partition, and no other.
    pub fn scrub_step(&self, partition: &Arc<Partition>, place: ScrubPlace, bytes_max: u64) -> Scrubbed {
        if partition.status() != PartitionStatus::Online {
            return Scrubbed::NOTHING;
        }
        let rewrites = partition.rewrites();
        match partition.log().scrub(place, bytes_max) {
            Ok(step) => Scrubbed { bytes: step.bytes, next: step.next, is_damaged: false },
            // A full disk had segments cut and written again while they were read: the next round tells.
            Err(_) if partition.rewrite_end().is_some() || partition.rewrites() != rewrites => {
                Scrubbed::NOTHING
            }
            Err(error) if error.is_damage() && partition.status() == PartitionStatus::Online => {
                partition.stop(&error);
                Scrubbed { is_damaged: true, ..Scrubbed::NOTHING }
            }
            // Deleted or removed meanwhile.
            Err(_) => Scrubbed::NOTHING,
        }
    }

    /// The same for all of a partition's segments at once.
    pub fn scrub_partition(&self, partition: &Arc<Partition>) {
        let mut place = Some(ScrubPlace::default());
        // Ends at the newest segment: their number is that of the files in a directory.
        while let Some(from) = place {
            place = self.scrub_step(partition, from, u64::MAX).next;
        }
    }
}
