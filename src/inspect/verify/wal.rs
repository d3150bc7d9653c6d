//! The write-ahead log: its chain, its entries, and how they go on where the segments end.

use std::path::Path;

use super::catalogue::{Catalogue, Known};
use super::{Check, Finding, Stretch, Stretches, Watcher};
use crate::model::Offset;
use crate::partition::inspect::{CheckpointView, WAL_DIRECTORY};
use crate::protocol::batch::{BatchHeader, verify_crc};
use crate::wal::inspect;
use crate::wal::{Corruption, EntryKind, ReplayedEntry};

const ADVICE: &str = "a start is refused with exit code 74: put a copy of the directory back, or ask for \
                      help with this line";
const TORN_ADVICE: &str = "nothing: it was never acknowledged, and the next start leaves it out";

impl Check<'_> {
    /// Replays the log into the catalogue, and tells what it holds of each partition.
    pub(super) fn wal(&mut self, checkpoint: &CheckpointView, catalogue: &mut Catalogue) -> Stretches {
        let directory = self.root.join(WAL_DIRECTORY);
        let mut stretches = Stretches::new();
        let start = checkpoint.replay_start;
        match self.files.exists(&directory) {
            Ok(true) => {}
            Ok(false) => {
                self.tally.found(Finding::error(directory, "the write-ahead log is missing", ADVICE));
                return stretches;
            }
            Err(error) => {
                self.unreadable_path(&directory, &error);
                return stretches;
            }
        }
        let tally = &mut self.tally;
        let verified = inspect::verify(self.env, &directory, &start, &mut |path, position, entry| {
            tally.read(entry.payload.len() as u64);
            match entry.header.kind {
                EntryKind::Metadata => catalogue.replay(path, position, &entry.payload),
                EntryKind::Records => {
                    if let Err(what) = records(&mut stretches, &entry) {
                        let what = format!("the entry at LSN {}: {what}", entry.lsn);
                        tally.found(Finding::error(path, what, ADVICE).at(position));
                    }
                }
            }
        });
        match verified {
            Ok(verified) => self.conclude(verified, checkpoint),
            Err(error) => self.unreadable_path(&directory, &error),
        }
        stretches
    }

    fn conclude(&mut self, verified: inspect::Verified, checkpoint: &CheckpointView) {
        self.summary.wal_frames = verified.frames;
        self.summary.wal_entries = verified.entries;
        self.summary.wal_bytes = verified.bytes;
        for Corruption { file, offset, lsn, message } in
            verified.corruption.into_iter().chain(verified.senseless)
        {
            let what = format!("acknowledged records at LSN {lsn} are damaged: {message}");
            self.tally.found(Finding::error(file, what, ADVICE).at(offset));
        }
        if let Some(torn) = verified.torn {
            let what =
                format!("the log ends at LSN {}; behind it a group that a crash tore begins", torn.lsn);
            self.tally.found(Finding::note(torn.file, what, TORN_ADVICE).at(torn.offset));
        }
        if verified.entries > 0 {
            let (entries, frames) = (verified.entries, verified.frames);
            let what = format!(
                "{entries} entries in {frames} frames from LSN {} to {} are not in a checkpoint",
                checkpoint.replay_start.lsn, verified.end_lsn
            );
            let path = self.root.join(WAL_DIRECTORY);
            self.tally.found(Finding::note(path, what, "nothing: the next start replays them"));
        }
    }

    /// Whether the log goes on where each partition's segments end, and knows what it is about.
    pub(super) fn compare(
        &mut self,
        checkpoint: &CheckpointView,
        catalogue: &Catalogue,
        stretches: &Stretches,
    ) {
        let path = self.root.join(WAL_DIRECTORY);
        for (id, stretch) in stretches {
            match catalogue.lookup(*id) {
                Known::Unknown => {
                    let what =
                        format!("it holds records of partition {id}, of which the catalogue knows nothing");
                    self.tally.found(Finding::error(&path, what, ADVICE));
                }
                Known::Deleted => {}
                Known::Live => {
                    let offset = checkpoint.recovery_offsets.get(id).copied().unwrap_or_default();
                    self.compare_live(&path, *id, *stretch, offset);
                }
            }
        }
        for (id, start) in catalogue.log_starts() {
            let offset = checkpoint.recovery_offsets.get(&id).copied().unwrap_or_default();
            let end = stretches.get(&id).map_or(offset, |stretch| stretch.end.max(offset));
            if start > end {
                let what = format!("partition {id} starts at {start}, and its records end at {end}");
                self.tally.found(Finding::error(self.root, what, ADVICE).at_offset(start));
            }
        }
        for (id, tier) in catalogue.tiers() {
            // Only what a checkpoint covers is copied.
            let offset = checkpoint.recovery_offsets.get(&id).copied().unwrap_or_default();
            let (start, end) = (tier.local_log_start_offset, tier.remote_end_offset);
            if start > end || end > offset.max(catalogue.image.log_start(id)) {
                let what = format!(
                    "of partition {id} the tier ends at {end} and the disk begins at {start}, and segments \
                     are durable up to {offset}"
                );
                self.tally.found(Finding::error(self.root, what, ADVICE).at_offset(start));
            }
        }
    }

    fn compare_live(
        &mut self,
        path: &Path,
        id: crate::model::TopicPartition,
        stretch: Stretch,
        offset: Offset,
    ) {
        if stretch.base > offset {
            let what = format!(
                "of partition {id} it begins at offset {}, and segments are durable up to {offset} only",
                stretch.base
            );
            self.tally.found(Finding::error(path, what, ADVICE).at_offset(offset));
        }
    }
}

/// Checks a batch as it would be replayed, and that it follows the one before.
fn records(stretches: &mut Stretches, entry: &ReplayedEntry) -> Result<(), String> {
    let Some(id) = entry.header.topic_partition else { return Err("records of no partition".to_owned()) };
    let header = BatchHeader::parse(&entry.payload).map_err(|error| error.to_string())?;
    verify_crc(&entry.payload).map_err(|error| error.to_string())?;
    let (base, end) = (header.base_offset, header.next_offset());
    let stretch = stretches.entry(id).or_insert(Stretch { base, end: base });
    let due = stretch.end;
    stretch.end = end;
    match base == due {
        true => Ok(()),
        false => Err(format!("offset {base} of partition {id} follows, {due} is due")),
    }
}
