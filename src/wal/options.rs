use std::fmt;

use uuid::Uuid;

use super::frame::FRAME_ALIGNMENT;
use crate::model::TopicPartition;

/// A byte position in the log's life: monotonic, never reused, also across incarnations.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Lsn(pub u64);

impl fmt::Display for Lsn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Lsn {
    pub(super) fn plus(self, bytes: u64) -> Lsn {
        Lsn(self.0.checked_add(bytes).expect("2^64 bytes are more than any disk writes in its life"))
    }
}

/// When a written group counts as committed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SyncMode {
    /// After `fdatasync`: it survives a power cut.
    Fsync,
    /// At once: it survives the process, not a power cut.
    Os,
}

/// How the log lies on the disk.
#[derive(Clone, Debug)]
pub struct WalOptions {
    /// When a group counts as committed.
    pub sync: SyncMode,
    /// Size of a recycled file. A multiple of `slot_bytes`.
    pub file_bytes: u64,
    /// How much is pre-written at a time. A multiple of 8192.
    pub slot_bytes: u64,
    /// Target size of a group. At most half a slot; a bigger entry gets a group of its own.
    pub group_bytes_max: usize,
    /// Space for frames that are not trimmed yet.
    pub capacity_bytes: u64,
    /// Pre-writing goes on in the background until this much is free (or the capacity is reached).
    pub free_bytes_target: u64,
}

impl Default for WalOptions {
    fn default() -> WalOptions {
        WalOptions {
            sync: SyncMode::Fsync,
            file_bytes: 64 << 20,
            slot_bytes: 4 << 20,
            group_bytes_max: 1 << 20,
            capacity_bytes: 512 << 20,
            free_bytes_target: 128 << 20,
        }
    }
}

impl WalOptions {
    /// The largest frame that goes into a recycled file. Half a slot, so that one slot alone gives credit; an
    /// entry whose frame would be larger gets a file of its own.
    pub(super) fn frame_bytes_max(&self) -> u64 {
        self.slot_bytes / 2
    }

    /// The most that can be promised at a time, once all is trimmed: nothing of the file that is being filled
    /// counts, since it may be full but for the part that no frame fits into.
    pub(super) fn promise_bytes_max(&self) -> u64 {
        (self.files_max() as u64 - 1).saturating_mul(self.file_bytes - self.frame_bytes_max())
    }

    /// How many recycled files there are at most.
    pub(super) fn files_max(&self) -> usize {
        usize::try_from(self.capacity_bytes / self.file_bytes).unwrap_or(usize::MAX).max(FILES_MIN)
    }

    pub(super) fn check(&self) {
        assert!(self.slot_bytes > 0 && self.slot_bytes.is_multiple_of(2 * FRAME_ALIGNMENT), "{self:?}");
        assert!(self.file_bytes > 0 && self.file_bytes.is_multiple_of(self.slot_bytes), "{self:?}");
        assert!(self.free_bytes_target > 0, "{self:?}");
        assert!(self.group_bytes_max as u64 <= self.frame_bytes_max(), "{self:?}");
    }
}

/// One file fills while another is trimmed.
const FILES_MIN: usize = 2;

/// What an entry is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum EntryKind {
    /// A record batch of a partition.
    Records = 1,
    /// A change of the embedded metadata store.
    Metadata = 2,
}

/// What stands before an entry's payload.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct EntryHeader {
    /// What the payload is.
    pub kind: EntryKind,
    /// Whose it is: by id, never by name. `None` for what belongs to no partition.
    pub topic_partition: Option<TopicPartition>,
}

/// Where replay begins; kept in the checkpoint.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ReplayStart {
    /// Identity of this log: frames of another are never taken.
    pub wal_id: Uuid,
    /// Only frames of this incarnation are taken.
    pub incarnation: u64,
    /// The first frame's LSN.
    pub lsn: Lsn,
    /// Header CRC of the frame before it, or the incarnation's random seed.
    pub previous_crc: u32,
}

/// What a start writes into: an incarnation that no earlier start has used.
#[derive(Clone, Debug)]
pub struct NewIncarnation {
    /// Identity of this log.
    pub wal_id: Uuid,
    /// Above every incarnation whose frames were seen.
    pub incarnation: u64,
    /// LSN of its first frame.
    pub start_lsn: Lsn,
    /// Numbers of the files that hold replayed frames: not overwritten until `trim` reaches `start_lsn`.
    pub(super) held_files: Vec<u64>,
}

impl NewIncarnation {
    /// The first incarnation of a log. Its id must be new too: a start that failed before its checkpoint was
    /// durable may have left frames.
    pub fn first(wal_id: Uuid) -> NewIncarnation {
        NewIncarnation { wal_id, incarnation: 1, start_lsn: Lsn(0), held_files: Vec::new() }
    }
}
