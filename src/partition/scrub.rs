//! Looking for rot in segments before somebody needs them.

use std::sync::Arc;

use super::{Partition, PartitionStatus, Storage};

impl Storage {
    /// Verifies the checksum of every batch of one segment (`at` counts from the oldest). Damage stops the
    /// partition. Returns whether there is a segment after it to look at.
    pub fn scrub_segment(&self, partition: &Arc<Partition>, at: usize) -> bool {
        if partition.status() != PartitionStatus::Online {
            return false;
        }
        match partition.log().scrub_segment(at) {
            Ok(there) => there,
            Err(error) if error.is_damage() && partition.status() == PartitionStatus::Online => {
                partition.stop(&error);
                false
            }
            // Deleted or removed meanwhile.
            Err(_) => false,
        }
    }

    /// The same for all of a partition's segments.
    pub fn scrub_partition(&self, partition: &Arc<Partition>) {
        let mut at = 0;
        // Ends at the newest segment: their number is that of the files in a directory.
        while self.scrub_segment(partition, at) {
            at += 1;
        }
    }
}
