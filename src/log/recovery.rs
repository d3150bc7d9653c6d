//! Opening a partition's directory: what lies below the recovery offset is checked and kept, the rest is
//! cut away (the WAL appends it again).

use std::path::Path;
use std::sync::Arc;

use crate::env::OpenMode;
use crate::log::cleaner::swap;
use crate::log::dirty::Dirty;
use crate::log::handles::FileKind;
use crate::log::index::IndexSummary;
use crate::log::indexer::{self, Indexer};
use crate::log::metadata_file::{self, Metadata};
use crate::log::segment::{Largest, Segment};
use crate::log::state_file::{self, Cleaned, SegmentRecord, Snapshot};
use crate::log::{
    AbortedTransaction, LeaderEpochs, LogDirectory, LogError, ProducerStates, RecoveryPoint, names,
    transaction_index,
};
use crate::model::{Offset, TopicPartition};
use crate::protocol::batch::BatchError;

/// What of a partition's directory is to be made durable at the next sync.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Changed {
    /// Names in the data directory: the partition's own directory is new.
    pub parent: bool,
    /// Names in the partition's directory.
    pub names: bool,
    /// `partition.metadata` was written.
    pub metadata: bool,
    /// There is no good `.state` file for the end offset.
    pub state: bool,
}

impl Changed {
    pub(super) fn any(self) -> bool {
        self != Changed::default()
    }
}

/// A directory after recovery.
pub(super) struct Recovered {
    /// At least one; the last is the active one.
    pub segments: Vec<Arc<Segment>>,
    pub producers: ProducerStates,
    pub leader_epochs: LeaderEpochs,
    pub cleaned: Cleaned,
    /// Offsets of the `.state` files, ascending.
    pub states: Vec<Offset>,
    pub dirty: Dirty,
    pub changed: Changed,
    /// Whether there are a directory and a file of the active segment.
    pub is_made: bool,
}

/// One recovery under way.
pub(super) struct Recovery<'a> {
    pub directory: &'a LogDirectory,
    pub path: &'a Path,
    pub partition: TopicPartition,
    pub point: RecoveryPoint,
    pub index_interval_bytes: u32,
}

/// Offsets of the files of each kind, ascending.
#[derive(Default)]
struct Listing {
    segments: Vec<Offset>,
    states: Vec<Offset>,
}

impl Recovery<'_> {
    pub(super) fn run(&self) -> Result<Recovered, LogError> {
        let files = &*self.directory.env.files;
        if self.point.offset == Offset(0) && !files.exists(self.path).map_err(LogError::reading(self.path))? {
            return Ok(self.unmade());
        }
        let mut changed = self.ensure_directory()?;
        swap::finish(files, self.path, self.partition)?;
        let listing = self.list(&mut changed)?;
        let (snapshot, states) = self.load_snapshot(&listing, &mut changed)?;
        let generation = self.directory.handles.next_generation();
        let bases = self.bases_to_keep(&listing, &snapshot, &mut changed)?;
        let segments: Vec<Arc<Segment>> =
            bases.iter().map(|&base| Arc::new(Segment::new(self.path, generation, base))).collect();
        let named: Vec<Offset> = snapshot.segments.iter().map(|record| record.base_offset).collect();
        let mut replay =
            Replay { recovery: self, state: snapshot, dirty: Dirty::default(), aborted: Vec::new() };
        replay.segments(&segments)?;
        let Replay { state, dirty, .. } = replay;
        changed.state = self.point.offset > Offset(0) && states.last() != Some(&self.point.offset);
        let (producers, mut leader_epochs, cleaned) = (state.producers, state.leader_epochs, state.cleaned);
        // From the log start on, wherever the records are.
        leader_epochs.truncate_below(self.point.log_start_offset);
        // An index of transactions may be a new file.
        changed.names |= !dirty.is_empty();
        let is_made = true;
        let mut recovered =
            Recovered { segments, producers, leader_epochs, cleaned, states, dirty, changed, is_made };
        self.drop_dead(&mut recovered)?;
        self.ensure_active(&mut recovered, generation)?;
        // A snapshot that names segments which retention has removed since: written anew now, so that this
        // recovery leaves nothing for the next one to mend, whether or not the removal outlives a power cut.
        let is_as_named = recovered.segments.iter().map(|segment| segment.base_offset).eq(named);
        recovered.changed.state |= self.point.offset > Offset(0) && !is_as_named;
        Ok(recovered)
    }

    /// A log of which nothing was ever written. Its directory is made with its first batch: a topic of a
    /// thousand partitions costs nothing on disk but its entry in the catalogue, which is durable before, and
    /// says which partitions there are. What is missing here was never there: whatever was durable in a
    /// directory has a recovery offset above 0, and must be found.
    fn unmade(&self) -> Recovered {
        let generation = self.directory.handles.next_generation();
        Recovered {
            segments: vec![Arc::new(Segment::new(self.path, generation, Offset(0)))],
            producers: ProducerStates::default(),
            leader_epochs: LeaderEpochs::default(),
            cleaned: Cleaned::default(),
            states: Vec::new(),
            dirty: Dirty::default(),
            changed: Changed::default(),
            is_made: false,
        }
    }

    /// Makes what [`Recovery::unmade`] left out; may be repeated where it was interrupted. Tells what is to
    /// be made durable.
    pub(super) fn make(&self, active: &Segment) -> Result<Changed, LogError> {
        let files = &*self.directory.env.files;
        let changed = self.ensure_directory()?;
        if !files.exists(&active.path).map_err(LogError::reading(&active.path))? {
            let created = files.open(&active.path, OpenMode::Create);
            created.map_err(LogError::changing("create", &active.path))?;
        }
        Ok(changed)
    }

    fn corrupt(&self, what: impl Into<String>) -> LogError {
        LogError::corrupt(self.path, 0, what)
    }

    /// Makes the directory and its metadata file where nothing durable can be missing yet; else checks
    /// them.
    fn ensure_directory(&self) -> Result<Changed, LogError> {
        let files = &*self.directory.env.files;
        // What a killed process created may be there and yet not durable.
        let is_new = self.point.offset == Offset(0);
        let changed = Changed { parent: is_new, names: is_new, metadata: is_new, state: false };
        if !files.exists(self.path).map_err(LogError::reading(self.path))? {
            if self.point.offset > Offset(0) {
                let what =
                    format!("the directory is missing, and offsets up to {} were in it", self.point.offset);
                return Err(self.corrupt(what));
            }
            files.create_dir_all(self.path).map_err(LogError::changing("create", self.path))?;
        }
        let path = self.path.join(names::METADATA);
        match metadata_file::read(files, self.path)? {
            Metadata::Of(found) if found == self.partition.topic_id => {}
            Metadata::Of(found) => {
                let expected = self.partition.topic_id;
                return Err(LogError::WrongTopic { path, found, expected });
            }
            Metadata::Unreadable if !is_new => {
                return Err(LogError::corrupt(&path, 0, "it does not name a topic id"));
            }
            // An interrupted creation.
            Metadata::Unreadable => self.write_metadata()?,
        }
        Ok(changed)
    }

    fn write_metadata(&self) -> Result<(), LogError> {
        let files = &*self.directory.env.files;
        let path = self.path.join(names::METADATA);
        let content = metadata_file::encode(self.partition.topic_id);
        let exists = files.exists(&path).map_err(LogError::reading(&path))?;
        let mode = if exists { OpenMode::Write } else { OpenMode::Create };
        let write = || {
            let file = files.open(&path, mode)?;
            file.set_len(0)?;
            file.write_all_at(content.as_bytes(), 0)
        };
        write().map_err(LogError::changing("write", &path))
    }

    /// Lists the directory; leftovers of interrupted work and what lies above the recovery offset go.
    fn list(&self, changed: &mut Changed) -> Result<Listing, LogError> {
        let found = self.directory.env.files.list(self.path).map_err(LogError::reading(self.path))?;
        let mut listing = Listing::default();
        let end = self.point.offset;
        for name in &found {
            match names::parse_file(name) {
                // Named by the end itself: an empty active segment, if nothing is in it.
                Some((base, names::LOG)) if base <= end => listing.segments.push(base),
                Some((offset, names::STATE)) if offset <= end => listing.states.push(offset),
                Some((_, names::LOG | names::STATE)) => self.remove(&self.path.join(name), changed)?,
                Some((base, extension))
                    if names::INDEXES.contains(&extension) && !self.has_log(&found, base) =>
                {
                    self.remove(&self.path.join(name), changed)?;
                }
                // Of a cleaning that broke off: a swap that was announced is through.
                Some((_, names::CLEANED)) => self.remove(&self.path.join(name), changed)?,
                None if name.ends_with(names::TEMPORARY_SUFFIX) => {
                    self.remove(&self.path.join(name), changed)?
                }
                Some((_, extension)) if extension.ends_with(names::TEMPORARY_SUFFIX) => {
                    self.remove(&self.path.join(name), changed)?;
                }
                _ => {}
            }
        }
        Ok(listing)
    }

    fn has_log(&self, found: &[String], base: Offset) -> bool {
        base <= self.point.offset
            && found.iter().any(|name| names::parse_file(name) == Some((base, names::LOG)))
    }

    fn remove(&self, path: &Path, changed: &mut Changed) -> Result<(), LogError> {
        changed.names = true;
        self.directory.env.files.remove_file(path).map_err(LogError::changing("remove", path))
    }

    /// The newest good snapshot; from offset 0 the segments themselves tell all.
    fn load_snapshot(
        &self,
        listing: &Listing,
        changed: &mut Changed,
    ) -> Result<(Snapshot, Vec<Offset>), LogError> {
        let empty = Snapshot {
            offset: Offset(0),
            producers: ProducerStates::default(),
            leader_epochs: LeaderEpochs::default(),
            segments: Vec::new(),
            cleaned: Cleaned::default(),
        };
        let mut reasons = Vec::new();
        let mut damaged = Vec::new();
        for (at, &offset) in listing.states.iter().enumerate().rev() {
            let path = names::file(self.path, offset, names::STATE);
            let bytes = self.directory.env.files.read(&path, state_file::BYTES_MAX);
            let bytes = bytes.map_err(LogError::reading(&path))?;
            match state_file::decode(&bytes, self.partition) {
                Ok(snapshot) if snapshot.offset == offset => {
                    self.remove_states(&damaged, changed)?;
                    return Ok((snapshot, listing.states[..=at].to_vec()));
                }
                Ok(_) => reasons.push(format!("{}: it names another offset", path.display())),
                Err(reason) => reasons.push(format!("{}: {reason}", path.display())),
            }
            tracing::warn!(path = %path.display(), "producer state is damaged; taking the one before it");
            damaged.push(offset);
        }
        if self.point.local_start() > Offset(0) && self.point.offset > Offset(0) {
            let what = format!(
                "no good producer state is left below offset {}, and the records that could tell it \
                 are deleted; {}",
                self.point.offset,
                if reasons.is_empty() { "there is no .state file".to_owned() } else { reasons.join("; ") }
            );
            return Err(self.corrupt(what));
        }
        self.remove_states(&damaged, changed)?;
        Ok((empty, Vec::new()))
    }

    fn remove_states(&self, offsets: &[Offset], changed: &mut Changed) -> Result<(), LogError> {
        for &offset in offsets {
            let path = names::file(self.path, offset, names::STATE);
            self.remove(&path, changed)?;
        }
        Ok(())
    }

    /// Base offsets of the segments that stay, after a look whether any is missing.
    fn bases_to_keep(
        &self,
        listing: &Listing,
        snapshot: &Snapshot,
        changed: &mut Changed,
    ) -> Result<Vec<Offset>, LogError> {
        for (at, record) in snapshot.segments.iter().enumerate() {
            let end = snapshot.segments.get(at + 1).map_or(snapshot.offset, |next| next.base_offset);
            // Closed, and of no bytes: it took the place of one that the state knew.
            let is_closed = at + 1 < snapshot.segments.len();
            let needed = end > self.point.local_start() && (record.bytes > 0 || is_closed);
            if needed && listing.segments.binary_search(&record.base_offset).is_err() {
                let path = names::file(self.path, record.base_offset, names::LOG);
                let what = format!("the file is missing; it held offsets {} to {end}", record.base_offset);
                return Err(LogError::corrupt(&path, 0, what));
            }
        }
        // An unlinked segment can come back when the directory was not synced before the crash.
        let start = self.point.local_start();
        let is_dead = |at: usize| {
            listing.segments.get(at + 1).is_some_and(|&next| next <= start)
                && listing.segments[at] < snapshot.offset.min(start)
        };
        let mut kept = Vec::new();
        for (at, &base) in listing.segments.iter().enumerate() {
            let is_known = snapshot.segments.iter().any(|record| record.base_offset == base);
            if is_dead(at) && listing.segments[at + 1] <= snapshot.offset {
                self.remove_segment(base, changed)?;
            } else if base < snapshot.offset && !is_known {
                let path = names::file(self.path, base, names::LOG);
                let what =
                    format!("no such segment was there when offset {} was made durable", snapshot.offset);
                return Err(LogError::corrupt(&path, 0, what));
            } else {
                // Made after the snapshot: its name may not be durable.
                changed.names |= !is_known;
                kept.push(base);
            }
        }
        Ok(kept)
    }

    fn remove_segment(&self, base: Offset, changed: &mut Changed) -> Result<(), LogError> {
        for extension in names::INDEXES.into_iter().chain([names::LOG]) {
            let path = names::file(self.path, base, extension);
            if self.directory.env.files.exists(&path).map_err(LogError::reading(&path))? {
                self.remove(&path, changed)?;
            }
        }
        Ok(())
    }

    /// Removes segments that hold nothing at or above the log start, once their state was replayed.
    fn drop_dead(&self, recovered: &mut Recovered) -> Result<(), LogError> {
        let start = self.point.local_start();
        let count = recovered.segments.windows(2).take_while(|pair| pair[1].base_offset <= start).count();
        for segment in recovered.segments.drain(..count) {
            recovered.dirty.forget(segment.base_offset);
            segment.forget_handles(self.directory);
            self.remove_segment(segment.base_offset, &mut recovered.changed)?;
        }
        Ok(())
    }

    fn ensure_active(&self, recovered: &mut Recovered, generation: u64) -> Result<(), LogError> {
        if recovered.segments.is_empty() {
            let segment = Segment::new(self.path, generation, self.point.offset);
            let created = self.directory.env.files.open(&segment.path, OpenMode::Create);
            created.map_err(LogError::changing("create", &segment.path))?;
            recovered.segments.push(Arc::new(segment));
            recovered.changed.names = true;
        }
        Ok(())
    }
}

/// Carries the snapshot forward to the recovery offset.
struct Replay<'a> {
    recovery: &'a Recovery<'a>,
    /// Its `offset` is how far it has come.
    state: Snapshot,
    dirty: Dirty,
    /// Transactions whose end was met in the segment that is looked at, and which is not in its index.
    aborted: Vec<AbortedTransaction>,
}

impl Replay<'_> {
    fn segments(&mut self, segments: &[Arc<Segment>]) -> Result<(), LogError> {
        let records = std::mem::take(&mut self.state.segments);
        for (at, segment) in segments.iter().enumerate() {
            let closed = at + 1 < segments.len();
            let place = records.iter().position(|record| record.base_offset == segment.base_offset);
            let record = place.map(|at| records[at]);
            let was_closed = place.is_some_and(|at| at + 1 < records.len());
            self.segment(segment, record, was_closed)?;
            self.finish_index(segment, record, closed)?;
            self.finish_transaction_index(&segments[..=at], record)?;
            let clock = &self.recovery.directory.clock;
            segment.born(clock.birth_ms(segment.largest().timestamp));
        }
        let (point, reached) = (self.recovery.point, self.state.offset);
        if reached < point.offset {
            let what = format!("offsets {reached} to {} were in it and are missing", point.offset);
            let path = segments.last().map_or(self.recovery.path, |segment| &segment.path);
            return Err(LogError::corrupt(path, segments.last().map_or(0, |segment| segment.bytes()), what));
        }
        Ok(())
    }

    /// Checks one segment's length, replays what the snapshot does not know, cuts what lies above the
    /// recovery offset.
    fn segment(
        &mut self,
        segment: &Arc<Segment>,
        record: Option<SegmentRecord>,
        was_closed: bool,
    ) -> Result<(), LogError> {
        let directory = self.recovery.directory;
        let length = segment.handle(directory)?.length().map_err(LogError::reading(&segment.path))?;
        let known = record.map_or(0, |record| record.bytes);
        // A record of no bytes vouches for nothing: its segment took the place of one that the state knew.
        if length < known || (was_closed && known > 0 && length > known) {
            let what = format!("the file has {length} bytes, but {known} bytes of it were made durable");
            return Err(LogError::corrupt(&segment.path, length.min(known), what));
        }
        let mut largest = record.map_or(Largest::NONE, |record| Largest {
            timestamp: record.max_timestamp,
            last_offset: record.max_timestamp_offset,
        });
        let end = self.replay(segment, known, length, &mut largest)?;
        segment.set_largest(largest);
        segment.set_bytes(end);
        if length > end {
            let pin = || segment.pin(directory);
            let file = &self.dirty.pinned(segment.base_offset, FileKind::Log, pin)?.file;
            file.set_len(end).map_err(LogError::changing("cut", &segment.path))?;
        }
        Ok(())
    }

    /// Applies the batches from the byte `from` on that lie below the recovery offset; returns where they
    /// end.
    fn replay(
        &mut self,
        segment: &Arc<Segment>,
        from: u64,
        length: u64,
        largest: &mut Largest,
    ) -> Result<u64, LogError> {
        let point = self.recovery.point;
        let mut scanner = segment.scan(self.recovery.directory, from, length)?;
        // Beyond the recovery offset nothing is looked at: it may be torn.
        while self.state.offset < point.offset {
            let before = scanner.position();
            let Some(found) = scanner.next()? else { break };
            if found.header.base_offset >= point.offset {
                self.state.offset = point.offset;
                return Ok(before);
            }
            if found.header.next_offset() > point.offset {
                let what = format!(
                    "offsets {} to {} are one record batch, but the durable end is {}",
                    found.header.base_offset,
                    found.header.last_offset(),
                    point.offset
                );
                return Err(LogError::corrupt(&segment.path, found.position, what));
            }
            let bytes = scanner.read_verified(&found)?;
            largest.add_batch(&found.header);
            if found.header.next_offset() <= self.state.offset {
                continue;
            }
            let now = self.recovery.directory.times().stamp;
            let applied = self.state.producers.apply_batch(&found.header, &bytes, now);
            let damaged =
                |error: BatchError| LogError::corrupt(&segment.path, found.position, error.to_string());
            if let Some(ended) = applied.map_err(damaged)? {
                let first_undecided = self.state.producers.first_undecided();
                self.aborted.extend(AbortedTransaction::of(ended, first_undecided));
            }
            self.state.leader_epochs.assign(found.header.partition_leader_epoch, found.header.base_offset);
            self.state.offset = found.header.next_offset();
        }
        Ok(scanner.position())
    }

    /// Takes the indexes as they are if they are what the snapshot says, and adds what it does not know;
    /// else writes them anew.
    fn finish_index(
        &self,
        segment: &Arc<Segment>,
        record: Option<SegmentRecord>,
        closed: bool,
    ) -> Result<(), LogError> {
        let directory = self.recovery.directory;
        let interval = self.recovery.index_interval_bytes;
        if !record.is_some_and(|record| self.adopt_indexes(segment, record)) {
            if segment.bytes() > 0 && record.is_some() {
                tracing::warn!(path = %segment.path.display(), "index missing or wrong: rebuilding");
            }
            return indexer::rebuild(segment, directory, interval, closed);
        }
        let known = record.map_or(0, |record| record.bytes);
        if known < segment.bytes() {
            let mut indexer = Indexer::resume(segment, directory, interval)?;
            let mut scanner = segment.scan(directory, known, segment.bytes())?;
            while let Some(found) = scanner.next()? {
                indexer.add(segment, found.position, &found.header);
            }
            if closed {
                indexer.close(segment);
            }
            indexer.flush(segment, directory)?;
        }
        Ok(())
    }

    /// The same for the index of transactions, of the last one of these segments. It is synced, so that it is
    /// hardly ever written anew: that takes a walk through all that lies before it.
    fn finish_transaction_index(
        &mut self,
        segments: &[Arc<Segment>],
        record: Option<SegmentRecord>,
    ) -> Result<(), LogError> {
        let directory = self.recovery.directory;
        let (files, handles) = (&*directory.env.files, &*directory.handles);
        let segment = segments.last().expect("the one that is looked at");
        let (index, mut missing) = (&segment.transaction_index, std::mem::take(&mut self.aborted));
        let summary = record.map_or_else(IndexSummary::default, |record| record.transaction_index);
        let adopted = index.adopt(files, handles, summary);
        if !adopted.map_err(LogError::reading(index.path()))? {
            let point = self.recovery.point;
            if point.local_start() > point.log_start_offset {
                // What began below the local start would be told of as if it had begun there.
                let what = "the index of aborted transactions is missing or wrong, and records that could \
                            tell of them have left this disk";
                return Err(LogError::corrupt(index.path(), 0, what));
            }
            tracing::warn!(path = %index.path().display(), "index missing or wrong: rebuilding");
            index.clear(files, handles).map_err(LogError::changing("cut", index.path()))?;
            missing = transaction_index::aborted_in_last(directory, segments)?;
        }
        if missing.is_empty() { Ok(()) } else { segment.add_aborted(directory, &mut self.dirty, &missing) }
    }

    fn adopt_indexes(&self, segment: &Segment, record: SegmentRecord) -> bool {
        let directory = self.recovery.directory;
        let (files, handles) = (&*directory.env.files, &*directory.handles);
        let offsets = segment.offset_index.adopt(files, handles, record.offset_index);
        let times = segment.time_index.adopt(files, handles, record.time_index);
        matches!((offsets, times), (Ok(true), Ok(true)))
    }
}
