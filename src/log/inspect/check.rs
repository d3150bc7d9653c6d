//! One partition's directory against its checkpoint: what recovery would object to, and what it would not
//! look at.

use std::iter::Peekable;
use std::path::{Path, PathBuf};
use std::vec::IntoIter;

use super::{Finding, SegmentWalk, Watcher, is_temporary};
use crate::env::{Files, OpenMode};
use crate::log::cleaner::swap::{self, Swap};
use crate::log::index::{IndexEntry, IndexSummary, OffsetEntry, TimeEntry};
use crate::log::metadata_file::{self, Metadata};
use crate::log::state_file::{self, SegmentRecord, Snapshot};
use crate::log::{AbortedTransaction, LeaderEpochs, LogError, RecoveryPoint, names};
use crate::model::{LeaderEpoch, Offset, TopicPartition};
use crate::protocol::batch::BatchHeader;

const SEGMENT_ADVICE: &str = "the broker stops this partition and serves the others: put the file back from \
                              a copy, or delete the topic";
const STATE_ADVICE: &str =
    "a start takes the one before it and replays the segments from there; look at the disk";
const INDEX_ADVICE: &str = "nothing: an index is a cache, and the next start writes it anew";
const LEFTOVER_ADVICE: &str = "nothing: the next start removes it";
const SWAP_ADVICE: &str = "nothing: the next start brings that to its end";
const FOREIGN_ADVICE: &str = "nothing: the broker leaves it alone";

/// Largest index that is read: far above `segment.index.bytes`.
const INDEX_BYTES_MAX: u64 = 256 << 20;

/// What was looked at.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Counts {
    /// `.log` files.
    pub segments: u64,
    /// Record batches below the recovery offset.
    pub batches: u64,
    /// Bytes read.
    pub bytes: u64,
    /// Index files.
    pub indexes: u64,
    /// `.state` files.
    pub states: u64,
    /// Bytes above the recovery offset: the write-ahead log has them.
    pub tail_bytes: u64,
}

/// One partition to be checked.
pub struct PartitionCheck<'a> {
    /// The file system.
    pub files: &'a dyn Files,
    /// The partition's directory.
    pub path: &'a Path,
    /// Who it must belong to.
    pub partition: TopicPartition,
    /// From the checkpoint, and the log start from the catalogue.
    pub point: RecoveryPoint,
}

/// Files that count, ascending, as the next start would find them once a swap of segments that was under way
/// is through.
#[derive(Default)]
struct Listing {
    segments: Vec<Offset>,
    states: Vec<Offset>,
    swap: Option<Swap>,
    /// Segments that do not have their names yet.
    cleaned: Vec<Offset>,
}

impl Listing {
    fn is_new(&self, base: Offset) -> bool {
        self.swap.iter().any(|swap| swap.new.iter().any(|new| new.base_offset == base))
    }

    /// Whether a segment makes way for others.
    fn is_going(&self, base: Offset) -> bool {
        self.swap.iter().any(|swap| swap.old.contains(&base)) && !self.is_new(base)
    }

    fn path(&self, directory: &Path, base: Offset) -> PathBuf {
        let extension = if self.cleaned.contains(&base) { names::CLEANED } else { names::LOG };
        names::file(directory, base, extension)
    }
}

impl PartitionCheck<'_> {
    /// Looks at everything below the recovery offset. What lies above is the write-ahead log's: a start cuts
    /// it and writes it again.
    pub fn run(&self, watcher: &mut dyn Watcher) -> Result<Counts, LogError> {
        let mut counts = Counts::default();
        if !self.files.exists(self.path).map_err(LogError::reading(self.path))? {
            if self.point.offset > Offset(0) {
                let what =
                    format!("the directory is missing; offsets up to {} were in it", self.point.offset);
                watcher.found(Finding::error(self.path, what, SEGMENT_ADVICE));
            }
            return Ok(counts);
        }
        if !self.owner(watcher)? || self.point.offset == Offset(0) {
            return Ok(counts);
        }
        let swap = match swap::unfinished(self.files, self.path) {
            Err(error @ LogError::Corrupt { .. }) => {
                watcher.found(Finding::of(error, SEGMENT_ADVICE));
                return Ok(counts);
            }
            other => other?,
        };
        let listing = self.list(swap, watcher)?;
        let snapshot = self.snapshot(&listing, watcher, &mut counts)?;
        self.missing(&listing, &snapshot, watcher);
        self.segments(&listing, &snapshot, watcher, &mut counts)?;
        Ok(counts)
    }

    /// Whether the directory is this partition's.
    fn owner(&self, watcher: &mut dyn Watcher) -> Result<bool, LogError> {
        let path = self.path.join(names::METADATA);
        let is_new = self.point.offset == Offset(0);
        match metadata_file::read(self.files, self.path)? {
            Metadata::Of(found) if found == self.partition.topic_id => return Ok(true),
            Metadata::Of(found) if is_new => {
                let what = format!("it belongs to topic id {found}, which had the name before");
                watcher.found(Finding::note(path, what, "nothing: the next start sets the directory aside"));
            }
            Metadata::Of(found) => {
                let what = format!("it names topic id {found}, the catalogue {}", self.partition.topic_id);
                watcher.found(Finding::error(path, what, SEGMENT_ADVICE));
            }
            Metadata::Unreadable if is_new => {}
            Metadata::Unreadable => {
                watcher.found(Finding::error(path, "it does not name a topic id", SEGMENT_ADVICE));
            }
        }
        Ok(false)
    }

    fn list(&self, swap: Option<Swap>, watcher: &mut dyn Watcher) -> Result<Listing, LogError> {
        let found = self.files.list(self.path).map_err(LogError::reading(self.path))?;
        let mut listing = Listing { swap, ..Listing::default() };
        let end = self.point.offset;
        for name in &found {
            match names::parse_file(name) {
                Some((base, names::LOG)) if listing.is_going(base) => {}
                Some((base, names::LOG)) if base <= end => listing.segments.push(base),
                Some((base, names::CLEANED)) if listing.is_new(base) => {
                    listing.segments.push(base);
                    listing.cleaned.push(base);
                }
                Some((_, names::CLEANED)) => {
                    let what = "what a cleaning that broke off has written";
                    watcher.found(Finding::note(self.path.join(name), what, LEFTOVER_ADVICE));
                }
                Some((offset, names::STATE)) if offset <= end => listing.states.push(offset),
                Some((_, names::LOG | names::STATE)) => {}
                Some((_, extension)) if names::INDEXES.contains(&extension) => {}
                _ if name == names::METADATA => {}
                _ if name == names::SWAP => {
                    let what = "segments are taking the place of others";
                    watcher.found(Finding::note(self.path.join(name), what, SWAP_ADVICE));
                }
                _ if is_temporary(name) => {
                    let what = "an interrupted replacement of a file";
                    watcher.found(Finding::note(self.path.join(name), what, LEFTOVER_ADVICE));
                }
                _ => {
                    let what = "not a file of a partition";
                    watcher.found(Finding::note(self.path.join(name), what, FOREIGN_ADVICE));
                }
            }
        }
        listing.segments.sort_unstable();
        listing.segments.dedup();
        Ok(listing)
    }

    /// The newest good snapshot, and a look at all others.
    fn snapshot(
        &self,
        listing: &Listing,
        watcher: &mut dyn Watcher,
        counts: &mut Counts,
    ) -> Result<Snapshot, LogError> {
        let mut newest = None;
        for &offset in &listing.states {
            let path = names::file(self.path, offset, names::STATE);
            let bytes = self.files.read(&path, state_file::BYTES_MAX).map_err(LogError::reading(&path))?;
            counts.states += 1;
            counts.bytes += bytes.len() as u64;
            match state_file::decode(&bytes, self.partition) {
                Ok(mut snapshot) if snapshot.offset == offset => {
                    listing.swap.iter().for_each(|swap| swap.apply(&mut snapshot));
                    newest = Some(snapshot);
                }
                Ok(snapshot) => {
                    let what = format!("it is the state as of offset {}", snapshot.offset);
                    watcher.found(Finding::error(path, what, STATE_ADVICE));
                }
                Err(what) => watcher.found(Finding::error(path, what, STATE_ADVICE)),
            }
        }
        if newest.is_none() {
            let what =
                format!("there is no good state of producers and leader epochs up to {}", self.point.offset);
            let advice = match self.point.local_start() {
                Offset(0) => "a start makes it again from the segments, which must all be there",
                _ => SEGMENT_ADVICE,
            };
            watcher.found(Finding::error(self.path, what, advice));
        }
        Ok(newest.unwrap_or_else(|| Snapshot {
            offset: Offset(0),
            producers: Default::default(),
            leader_epochs: LeaderEpochs::default(),
            segments: Vec::new(),
            cleaned: Default::default(),
        }))
    }

    /// Segments that the snapshot knows and that are not there, or the other way round.
    fn missing(&self, listing: &Listing, snapshot: &Snapshot, watcher: &mut dyn Watcher) {
        for (at, record) in snapshot.segments.iter().enumerate() {
            let end = snapshot.segments.get(at + 1).map_or(snapshot.offset, |next| next.base_offset);
            let is_closed = at + 1 < snapshot.segments.len();
            let is_needed = end > self.point.local_start() && (record.bytes > 0 || is_closed);
            if is_needed && listing.segments.binary_search(&record.base_offset).is_err() {
                let path = names::file(self.path, record.base_offset, names::LOG);
                let what = format!("it is missing; offsets {} to {end} were in it", record.base_offset);
                watcher.found(Finding::error(path, what, SEGMENT_ADVICE).at_offset(record.base_offset));
            }
        }
        for (at, &base) in listing.segments.iter().enumerate() {
            let is_known = snapshot.segments.iter().any(|record| record.base_offset == base);
            if base < snapshot.offset && !is_known && !self.is_dead(listing, at) {
                let path = names::file(self.path, base, names::LOG);
                let what =
                    format!("there was no such segment when offset {} was made durable", snapshot.offset);
                watcher.found(Finding::error(path, what, SEGMENT_ADVICE));
            }
        }
    }

    /// Wholly below the log start: an unlinked file can come back after a power cut, and goes again.
    fn is_dead(&self, listing: &Listing, at: usize) -> bool {
        listing.segments.get(at + 1).is_some_and(|&next| next <= self.point.local_start())
    }

    fn segments(
        &self,
        listing: &Listing,
        snapshot: &Snapshot,
        watcher: &mut dyn Watcher,
        counts: &mut Counts,
    ) -> Result<(), LogError> {
        let mut reached = None;
        for (at, &base) in listing.segments.iter().enumerate() {
            if self.is_dead(listing, at) {
                continue;
            }
            let place = snapshot.segments.iter().position(|record| record.base_offset == base);
            let segment = SegmentCheck {
                whole: self,
                snapshot,
                path: listing.path(self.path, base),
                base,
                next_base: listing.segments.get(at + 1).copied(),
                record: place.map(|at| snapshot.segments[at]),
                was_closed: place.is_some_and(|at| at + 1 < snapshot.segments.len()),
            };
            counts.segments += 1;
            reached = segment.run(watcher, counts)?;
        }
        // A segment that broke off has said so.
        let is_needed = self.point.offset > self.point.local_start();
        if let Some(reached) = reached
            && is_needed
            && reached < self.point.offset
        {
            let last = listing.segments.last().copied().unwrap_or_default();
            let path = names::file(self.path, last, names::LOG);
            let what = format!("offsets {reached} to {} were in it and are missing", self.point.offset);
            watcher.found(Finding::error(path, what, SEGMENT_ADVICE).at_offset(reached));
        }
        Ok(())
    }
}

struct SegmentCheck<'a> {
    whole: &'a PartitionCheck<'a>,
    snapshot: &'a Snapshot,
    path: PathBuf,
    base: Offset,
    next_base: Option<Offset>,
    record: Option<SegmentRecord>,
    was_closed: bool,
}

impl SegmentCheck<'_> {
    /// How far the batches below the recovery offset reach; `None` if the walk broke off.
    fn run(&self, watcher: &mut dyn Watcher, counts: &mut Counts) -> Result<Option<Offset>, LogError> {
        let mut indexes = self.indexes(watcher, counts)?;
        let mut walk = SegmentWalk::open(self.whole.files, &self.path, self.base)?;
        let known = self.record.map_or(0, |record| record.bytes);
        if walk.length() < known || (self.was_closed && known > 0 && walk.length() != known) {
            let what = format!("it has {} bytes, and {known} were made durable", walk.length());
            watcher.found(self.error(what).at(walk.length().min(known)));
        }
        let mut expected = self.base;
        let mut leader_epoch = LeaderEpoch::NONE;
        loop {
            let before = walk.position();
            let batch = match walk.next_batch() {
                Ok(batch) => batch,
                // Above the recovery offset nothing is promised, and it may be torn.
                Err(LogError::Corrupt { .. }) if expected >= self.whole.point.offset && before >= known => {
                    None
                }
                Err(error @ LogError::Corrupt { .. }) => {
                    watcher.found(Finding::of(error, SEGMENT_ADVICE).at_offset(expected));
                    return Ok(None);
                }
                Err(other) => return Err(other),
            };
            let batch = batch.filter(|batch| batch.header.base_offset < self.whole.point.offset);
            let Some(batch) = batch else {
                counts.tail_bytes += walk.length().saturating_sub(before);
                break;
            };
            let (header, position) = (&batch.header, batch.position);
            if let Some(what) = self.objection(&batch, expected, known, leader_epoch) {
                watcher.found(self.error(what).at(position).at_offset(header.base_offset));
            }
            indexes.compare(self, position, header, watcher);
            leader_epoch = leader_epoch.max(header.partition_leader_epoch);
            expected = header.next_offset();
            counts.batches += 1;
            counts.bytes += header.size_bytes() as u64;
            watcher.read(header.size_bytes() as u64);
        }
        indexes.finish(self, watcher);
        if let Some(next) = self.next_base.filter(|next| self.is_gap(expected, *next)) {
            let what = format!("offsets {expected} to {next} are missing at its end");
            watcher.found(self.error(what).at(walk.position()).at_offset(expected));
        }
        Ok(Some(expected))
    }

    fn error(&self, what: impl Into<String>) -> Finding {
        Finding::error(&self.path, what, SEGMENT_ADVICE)
    }

    /// Whether records are missing that count: below the log start a replay leaves them out, and where the
    /// log was cleaned they are compacted away.
    fn is_gap(&self, expected: Offset, found: Offset) -> bool {
        let may_miss = self.whole.point.local_start().max(self.snapshot.cleaned.end_offset);
        found > expected.max(may_miss)
    }

    fn objection(
        &self,
        batch: &super::BatchView,
        expected: Offset,
        known: u64,
        newest: LeaderEpoch,
    ) -> Option<String> {
        let header = &batch.header;
        let (base, next) = (header.base_offset, header.next_offset());
        let end = batch.position + header.size_bytes() as u64;
        if !batch.is_right() {
            let (stored, computed) = (header.crc, batch.computed_crc);
            return Some(format!(
                "the checksum of the record batch is {stored:#010x}, its bytes give {computed:#010x}"
            ));
        }
        if self.is_gap(expected, base) {
            return Some(format!("offsets {expected} to {base} are missing before it"));
        }
        if next > self.whole.point.offset {
            let durable = self.whole.point.offset;
            return Some(format!("one record batch goes on to {next}, but the durable end is {durable}"));
        }
        if self.next_base.is_some_and(|following| next > following) {
            return Some(format!("it goes on to {next}, where the next segment has begun"));
        }
        if batch.position < known && known < end {
            return Some(format!("{known} bytes were made durable, which is inside of this record batch"));
        }
        let found = header.partition_leader_epoch;
        let known = self.snapshot.leader_epochs.epoch_for(base).filter(|_| base < self.snapshot.offset);
        match known {
            Some(known) if known != found => Some(format!("leader epoch {found} among batches of {known}")),
            _ if found < newest => Some(format!("leader epoch {found} after {newest}")),
            _ => None,
        }
    }

    /// The front of both indexes that the snapshot vouches for.
    fn indexes(&self, watcher: &mut dyn Watcher, counts: &mut Counts) -> Result<Indexes, LogError> {
        let (offsets, times) = match self.record {
            Some(SegmentRecord { offset_index, time_index, transaction_index, .. }) => {
                let summary = transaction_index;
                self.index::<AbortedTransaction>(names::TRANSACTION_INDEX, summary, watcher, counts)?;
                (
                    self.index::<OffsetEntry>(names::OFFSET_INDEX, offset_index, watcher, counts)?,
                    self.index::<TimeEntry>(names::TIME_INDEX, time_index, watcher, counts)?,
                )
            }
            None => Default::default(),
        };
        Ok(Indexes { offsets: offsets.into_iter().peekable(), times: times.into_iter().peekable() })
    }

    fn index<E: IndexEntry>(
        &self,
        extension: &str,
        summary: IndexSummary,
        watcher: &mut dyn Watcher,
        counts: &mut Counts,
    ) -> Result<Vec<E>, LogError> {
        let path = names::file(self.whole.path, self.base, extension);
        let wanted = u64::from(summary.entries) * E::BYTES as u64;
        if wanted == 0 || wanted > INDEX_BYTES_MAX {
            return Ok(Vec::new());
        }
        counts.indexes += 1;
        let point = self.whole.point;
        // As a start has it: of that index alone the records that have left the disk are missed.
        let is_missed = extension == names::TRANSACTION_INDEX && point.local_start() > point.log_start_offset;
        let lost = |path: PathBuf, what: String| match is_missed {
            true => Finding::error(path, what, SEGMENT_ADVICE),
            false => Finding::note(path, what, INDEX_ADVICE),
        };
        if !self.whole.files.exists(&path).map_err(LogError::reading(&path))? {
            watcher.found(lost(path, "it is missing".to_owned()));
            return Ok(Vec::new());
        }
        let file = self.whole.files.open(&path, OpenMode::Read).map_err(LogError::reading(&path))?;
        let length = file.length().map_err(LogError::reading(&path))?;
        if length < wanted {
            let what = format!("it has {length} bytes, {wanted} were written");
            watcher.found(lost(path, what).at(length));
            return Ok(Vec::new());
        }
        let mut bytes = vec![0; wanted as usize];
        file.read_exact_at(&mut bytes, 0).map_err(LogError::reading(&path))?;
        counts.bytes += wanted;
        if crc32c::crc32c(&bytes) != summary.crc {
            watcher.found(lost(path, "its checksum is not the one that was noted".to_owned()));
            return Ok(Vec::new());
        }
        Ok(bytes.chunks_exact(E::BYTES).map(E::decode).collect())
    }
}

/// Entries that are still to be met on the walk through the batches.
struct Indexes {
    offsets: Peekable<IntoIter<OffsetEntry>>,
    times: Peekable<IntoIter<TimeEntry>>,
}

impl Indexes {
    fn compare(
        &mut self,
        segment: &SegmentCheck<'_>,
        position: u64,
        header: &BatchHeader,
        watcher: &mut dyn Watcher,
    ) {
        let relative = header.last_offset().0 - segment.base.0;
        let due = |entry: &OffsetEntry| entry.position as u64 <= position;
        while let Some(entry) = self.offsets.next_if(due) {
            if (entry.position as u64, i64::from(entry.relative_offset)) != (position, relative) {
                let what = format!("an entry names byte {}, where no such batch begins", entry.position);
                let path = names::file(segment.whole.path, segment.base, names::OFFSET_INDEX);
                watcher.found(Finding::note(path, what, INDEX_ADVICE));
            }
        }
        let due = |entry: &TimeEntry| i64::from(entry.relative_offset) <= relative;
        while let Some(entry) = self.times.next_if(due) {
            if (entry.timestamp, i64::from(entry.relative_offset)) != (header.max_timestamp, relative) {
                let what =
                    format!("an entry names time {}, which is not that of the batch", entry.timestamp.0);
                let path = names::file(segment.whole.path, segment.base, names::TIME_INDEX);
                watcher.found(Finding::note(path, what, INDEX_ADVICE));
            }
        }
    }

    fn finish(&mut self, segment: &SegmentCheck<'_>, watcher: &mut dyn Watcher) {
        let left = [
            (self.offsets.next().is_some(), names::OFFSET_INDEX),
            (self.times.next().is_some(), names::TIME_INDEX),
        ];
        for (_, extension) in left.into_iter().filter(|(is_left, _)| *is_left) {
            let path = names::file(segment.whole.path, segment.base, extension);
            watcher.found(Finding::note(path, "it goes on behind the last batch", INDEX_ADVICE));
        }
    }
}
