use crate::model::{LeaderEpoch, Offset};

/// One leader's stretch of the log: from `start_offset` to the next entry's.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct EpochStart {
    /// The leader's epoch.
    pub leader_epoch: LeaderEpoch,
    /// Offset of the first record it appended.
    pub start_offset: Offset,
}

/// Which leader epoch wrote which offsets (KIP-101, KIP-320). Ascending in both fields; one entry per start
/// of the broker that was followed by an append, and retention drops old ones.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct LeaderEpochs {
    entries: Vec<EpochStart>,
}

impl LeaderEpochs {
    /// From entries as they were saved; `None` if they do not ascend.
    pub fn from_entries(entries: Vec<EpochStart>) -> Option<LeaderEpochs> {
        let ascends = |pair: &[EpochStart]| {
            pair[0].leader_epoch < pair[1].leader_epoch && pair[0].start_offset < pair[1].start_offset
        };
        entries.windows(2).all(ascends).then_some(LeaderEpochs { entries })
    }

    /// All entries, oldest first.
    pub fn entries(&self) -> &[EpochStart] {
        &self.entries
    }

    /// Notes that `leader_epoch` appends at `start_offset`. Nothing happens unless it is newer than all
    /// before.
    pub fn assign(&mut self, leader_epoch: LeaderEpoch, start_offset: Offset) {
        if leader_epoch.0 < 0 || self.latest().is_some_and(|latest| latest >= leader_epoch) {
            return;
        }
        // An epoch that was assigned at this very offset wrote nothing.
        self.truncate_from(start_offset);
        self.entries.push(EpochStart { leader_epoch, start_offset });
    }

    /// The newest epoch with records.
    pub fn latest(&self) -> Option<LeaderEpoch> {
        self.entries.last().map(|entry| entry.leader_epoch)
    }

    /// The epoch that wrote `offset`.
    pub fn epoch_for(&self, offset: Offset) -> Option<LeaderEpoch> {
        let after = self.entries.partition_point(|entry| entry.start_offset <= offset);
        after.checked_sub(1).map(|at| self.entries[at].leader_epoch)
    }

    /// What OffsetForLeaderEpoch answers: the largest epoch not above `requested`, and the offset after its
    /// last record. `None` is Kafka's (-1, -1): the epoch is unknown here, or newer than all.
    ///
    /// As Kafka's `LeaderEpochFileCache.endOffsetFor`: an epoch older than the first entry is answered with
    /// itself and the first entry's start.
    pub fn end_offset_for(
        &self,
        requested: LeaderEpoch,
        log_end_offset: Offset,
    ) -> Option<(LeaderEpoch, Offset)> {
        let latest = self.latest().filter(|_| requested != LeaderEpoch::NONE)?;
        if requested == latest {
            return Some((requested, log_end_offset));
        }
        let higher = self.entries.partition_point(|entry| entry.leader_epoch <= requested);
        let end = self.entries.get(higher)?.start_offset;
        let floor = higher.checked_sub(1).map_or(requested, |at| self.entries[at].leader_epoch);
        Some((floor, end))
    }

    /// Forgets all that starts at or above `offset`: the log was cut there.
    pub fn truncate_from(&mut self, offset: Offset) {
        self.entries.retain(|entry| entry.start_offset < offset);
    }

    /// Forgets what ended at or below `log_start_offset`; the epoch that spans it now starts there.
    pub fn truncate_below(&mut self, log_start_offset: Offset) {
        let after = self.entries.partition_point(|entry| entry.start_offset <= log_start_offset);
        let Some(spanning) = after.checked_sub(1) else { return };
        self.entries.drain(..spanning);
        self.entries[0].start_offset = log_start_offset;
    }
}

#[cfg(test)]
mod tests;
