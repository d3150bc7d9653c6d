use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use super::filter::{Filter, LastBatch, Verdict, map_batch};
use super::key_map::KeyMap;
use super::output::Output;
use super::plan::{self, Cleanable, ClosedSegment, GroupLimits};
use super::survey::Survey;
use super::swapping::Replacement;
use super::transactions::TransactionSieve;
use crate::log::scan::Scanner;
use crate::log::segment::Segment;
use crate::log::{LogError, PartitionLog, Times};
use crate::model::{Offset, ProducerId, Timestamp};
use crate::protocol::batch::{BatchHeader, without_records};

/// What one cleaning may take.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct CleaningLimits {
    /// Memory for keys: what does not fit is left to the next cleaning.
    pub key_map_bytes: u64,
    /// Share of it that is filled at most.
    pub key_map_load_factor: f64,
    /// Bytes gathered for one write.
    pub write_buffer_bytes: usize,
}

/// What one step has done.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CleaningStep {
    /// Bytes read and written.
    pub bytes: u64,
    /// Whether this was the last one.
    pub is_done: bool,
}

/// What a cleaning has done so far.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct CleaningStats {
    /// Bytes read to learn keys.
    pub mapped_bytes: u64,
    /// Bytes of the segments that were read to be copied.
    pub read_bytes: u64,
    /// Bytes of them that were left.
    pub written_bytes: u64,
    /// Share of the key map that was used.
    pub key_map_utilization: f64,
    /// Where the next cleaning begins.
    pub first_dirty_offset: Offset,
    /// Batches that stay as they are, since nobody can read them.
    pub unreadable_batches: u64,
}

/// One cleaning of one log, a step at a time: the keys of its dirty part are read, then its segments are
/// copied, group by group and oldest first, without what is obsolete. It may be dropped between any two
/// steps: what was swapped stays.
pub struct Cleaning {
    keys: KeyMap,
    now: Times,
    delete_retention_ms: i64,
    waits_below: Offset,
    limits: CleaningLimits,
    group_limits: GroupLimits,
    first_dirty_offset: Offset,
    /// Segments that may be touched, oldest first.
    sources: Vec<Source>,
    survey: Option<Survey>,
    phase: Phase,
    stats: CleaningStats,
}

struct Source {
    segment: Arc<Segment>,
    facts: ClosedSegment,
}

enum Phase {
    /// Reads keys of the source with that number.
    Mapping {
        at: usize,
        scanner: Option<Scanner>,
        transactions: TransactionSieve,
    },
    /// Groups that are still to be copied, the next one last.
    Copying {
        groups: Vec<Range<usize>>,
        copy: Option<Box<Copy>>,
        transactions: TransactionSieve,
    },
    Done,
}

/// A group on its way to become one segment.
struct Copy {
    group: Range<usize>,
    /// The source that is read.
    at: usize,
    scanner: Option<Scanner>,
    output: Output,
    last_batches: HashMap<ProducerId, LastBatch>,
    is_changed: bool,
    /// The last batch that was read.
    last: Option<BatchHeader>,
}

impl PartitionLog {
    /// How far the log could be cleaned now; `None` where it is not compacted. Of what lies below
    /// `decided_end` its segments tell how it was decided.
    pub fn cleanable(&self, decided_end: Offset) -> Result<Option<Cleanable>, LogError> {
        let config = self.config();
        let Some(compaction) = config.compaction else { return Ok(None) };
        let reads_first =
            compaction.max_compaction_lag < crate::log::Compaction::default().max_compaction_lag;
        let sources = self.sources(reads_first)?;
        let facts: Vec<ClosedSegment> = sources.iter().map(|source| source.facts).collect();
        let (cleaned, checkpointed) = {
            let writer = self.writer.lock();
            (writer.cleaned, writer.checkpointed)
        };
        let first_dirty_offset = cleaned.first_dirty_offset.max(self.local_log_start_offset());
        let end_max = decided_end.min(checkpointed);
        Ok(Some(plan::cleanable(&facts, &compaction, first_dirty_offset, end_max)))
    }

    /// Whether that is worth it, by the topic's settings.
    pub fn is_cleaning_due(&self, cleanable: &Cleanable) -> bool {
        self.config().compaction.is_some_and(|compaction| cleanable.is_due(&compaction))
    }

    /// Begins a cleaning that goes as far as `cleanable` says. There may be one at a time for a log.
    ///
    /// `waits_below`: nothing at or above it begins to wait for its removal, as older records are kept
    /// elsewhere that were not cleaned with its key; `None` where there are none elsewhere.
    pub fn begin_cleaning(
        &self,
        cleanable: &Cleanable,
        limits: CleaningLimits,
        waits_below: Option<Offset>,
    ) -> Result<Cleaning, LogError> {
        {
            let mut syncing = self.syncing.lock();
            self.check_open()?;
            self.finish_swap(&mut syncing)?;
        }
        let config = self.config();
        let retention = config.compaction.map_or(std::time::Duration::MAX, |some| some.delete_retention);
        let mut sources = self.sources(false)?;
        sources.retain(|source| source.facts.end_offset <= cleanable.first_uncleanable_offset);
        let first_dirty_offset = cleanable.first_dirty_offset;
        let at = sources.partition_point(|source| source.facts.end_offset <= first_dirty_offset);
        let random = &*self.directory.env.random;
        Ok(Cleaning {
            keys: KeyMap::new(limits.key_map_bytes, limits.key_map_load_factor, random),
            now: self.directory.times(),
            delete_retention_ms: milliseconds(retention),
            waits_below: waits_below.unwrap_or(Offset(i64::MAX)),
            limits,
            group_limits: GroupLimits {
                bytes: u64::from(config.segment_bytes),
                index_bytes: u64::from(config.segment_index_bytes),
            },
            first_dirty_offset,
            sources,
            survey: None,
            phase: Phase::Mapping { at, scanner: None, transactions: TransactionSieve::default() },
            stats: CleaningStats { first_dirty_offset, ..CleaningStats::default() },
        })
    }

    /// Closed segments with something at or above the log start.
    fn sources(&self, reads_first: bool) -> Result<Vec<Source>, LogError> {
        let published = self.published();
        let (start, now) = (self.local_log_start_offset(), self.directory.clock.monotonic_ms());
        let age = |birth_ms: i64| {
            let age = u64::try_from(now.saturating_sub(birth_ms)).unwrap_or(0);
            std::time::Duration::from_millis(age)
        };
        let mut sources = Vec::new();
        for pair in published.segments.windows(2) {
            let (segment, end_offset) = (&pair[0], pair[1].base_offset);
            if end_offset <= start {
                continue;
            }
            let first = if reads_first { self.first_timestamp(segment)? } else { None };
            let facts = ClosedSegment {
                base_offset: segment.base_offset,
                end_offset,
                bytes: segment.bytes(),
                age: age(segment.birth_ms()),
                first_age: first.map(|time| age(self.directory.clock.birth_ms(time))),
                index_bytes: segment.offset_index.bytes().max(segment.time_index.bytes()),
            };
            sources.push(Source { segment: Arc::clone(segment), facts });
        }
        Ok(sources)
    }

    /// The time of a segment's first batch, if it has one.
    fn first_timestamp(&self, segment: &Segment) -> Result<Option<Timestamp>, LogError> {
        let first = segment.scan(&self.directory, 0, segment.bytes()).and_then(|mut scanner| scanner.next());
        let first = match first {
            Err(error) if self.has_lost(segment.base_offset, &error) => None,
            first => first?,
        };
        Ok(first.map(|found| found.header.max_timestamp).filter(|time| time.0 > 0))
    }

    /// Whether a file was not there because retention has taken that segment meanwhile: it leaves the list
    /// before its file goes.
    fn has_lost(&self, base_offset: Offset, error: &LogError) -> bool {
        error.is_missing_file() && self.published().segments[0].base_offset > base_offset
    }

    /// Opens a segment for a cleaning: under the lock that a deletion needs, so that the file is not one of a
    /// later topic of that name. Who has it open keeps it, whatever becomes of its name.
    fn scan_to_clean(&self, segment: &Segment) -> Result<Scanner, LogError> {
        let _sync = self.syncing.lock();
        self.check_open()?;
        segment.scan(&self.directory, 0, segment.bytes())
    }

    fn last_batches(&self) -> HashMap<ProducerId, LastBatch> {
        let writer = self.writer.lock();
        let last = |(id, entry): (ProducerId, &crate::log::ProducerEntry)| {
            let last_offset = entry.batches.last().map(|batch| batch.last_offset);
            (id, LastBatch { producer_epoch: entry.producer_epoch, last_offset })
        };
        writer.producers.iter().map(last).collect()
    }
}

impl Cleaning {
    /// What was done so far.
    pub fn stats(&self) -> CleaningStats {
        self.stats
    }

    /// Goes on for about `bytes_max` bytes, read and written together; the last batch may pass that.
    pub fn step(&mut self, log: &PartitionLog, bytes_max: u64) -> Result<CleaningStep, LogError> {
        let before = self.bytes();
        // Somebody changed `cleanup.policy`: nothing more of it is compacted. Or the log is copied elsewhere
        // from now on, and what waits for its removal has to wait for what is there.
        let config = log.config();
        let knows_of_copies = self.waits_below < Offset(i64::MAX);
        if config.compaction.is_none() || (config.tiering.is_some() && !knows_of_copies) {
            self.phase = Phase::Done;
            log.discard_cleaned()?;
        }
        while !matches!(self.phase, Phase::Done) && self.bytes() - before < bytes_max {
            let done = match self.phase {
                Phase::Mapping { .. } => self.map_next(log),
                Phase::Copying { .. } => self.copy_next(log),
                Phase::Done => Ok(()),
            };
            match done {
                Err(error) if self.has_lost(log, &error) => self.give_way(log)?,
                done => done?,
            }
        }
        self.stats.key_map_utilization = self.keys.utilization();
        Ok(CleaningStep { bytes: self.bytes() - before, is_done: matches!(self.phase, Phase::Done) })
    }

    /// Whether a file was not there because retention has taken segments since the cleaning began.
    fn has_lost(&self, log: &PartitionLog, error: &LogError) -> bool {
        self.sources.first().is_some_and(|first| log.has_lost(first.facts.base_offset, error))
    }

    /// Retention was quicker. The rest must not be called clean while older records of its keys may be left
    /// in what was not gone over: the next cleaning begins anew.
    fn give_way(&mut self, log: &PartitionLog) -> Result<(), LogError> {
        self.stats.first_dirty_offset = self.first_dirty_offset;
        self.abandon(log)
    }

    /// Removes what a cleaning that will not go on has left.
    pub fn abandon(&mut self, log: &PartitionLog) -> Result<(), LogError> {
        self.phase = Phase::Done;
        log.discard_cleaned()
    }

    fn bytes(&self) -> u64 {
        self.stats.mapped_bytes + self.stats.read_bytes + self.stats.written_bytes
    }

    /// Reads the keys of one batch.
    fn map_next(&mut self, log: &PartitionLog) -> Result<(), LogError> {
        let Phase::Mapping { at, scanner, transactions } = &mut self.phase else { return Ok(()) };
        let Some(source) = self.sources.get(*at) else {
            self.begin_copying();
            return Ok(());
        };
        let open = match scanner {
            Some(open) => open,
            None => scanner.insert(log.scan_to_clean(&source.segment)?),
        };
        let Some(found) = open.next()? else {
            // Offsets that are missing at its end were looked at as well.
            self.keys.reached(source.facts.end_offset.plus(-1));
            (*at, *scanner) = (*at + 1, None);
            return Ok(());
        };
        let header = &found.header;
        if header.last_offset() < self.first_dirty_offset {
            return Ok(());
        }
        let attributes = header.attributes;
        if self.survey.is_none() && (attributes.is_control() || attributes.is_transactional()) {
            let survey = log.survey(self.first_dirty_offset)?;
            *transactions = TransactionSieve::new(survey.aborted.clone());
            self.survey = Some(survey);
        }
        let undecided_from = self.survey.as_ref().and_then(|survey| survey.undecided_from);
        if undecided_from.is_some_and(|undecided| undecided <= header.base_offset) {
            self.begin_copying();
            return Ok(());
        }
        let bytes = open.read_verified(&found)?;
        self.stats.mapped_bytes += bytes.len() as u64;
        let batch = (&bytes[..], &found.header);
        if map_batch(&mut self.keys, transactions, batch, self.first_dirty_offset).is_err() {
            // The last segment is copied to its end: aborted transactions behind the last key are sifted too,
            // as the index that names them goes.
            if self.survey.is_none() {
                self.survey = Some(log.survey(self.first_dirty_offset)?);
            }
            self.begin_copying();
        }
        Ok(())
    }

    /// The map reaches as far as it does: segments behind its end are left for the next cleaning.
    fn begin_copying(&mut self) {
        let Some(latest) = self.keys.latest() else {
            self.phase = Phase::Done;
            return;
        };
        self.stats.first_dirty_offset = latest.plus(1);
        let reached = self.sources.partition_point(|source| source.facts.base_offset <= latest);
        let facts: Vec<ClosedSegment> = self.sources[..reached].iter().map(|source| source.facts).collect();
        let mut groups = plan::groups(&facts, self.group_limits);
        groups.reverse();
        let aborted = self.survey.as_ref().map(|survey| survey.aborted.clone()).unwrap_or_default();
        self.phase = Phase::Copying { groups, copy: None, transactions: TransactionSieve::new(aborted) };
    }

    /// Copies one batch, or ends a group.
    fn copy_next(&mut self, log: &PartitionLog) -> Result<(), LogError> {
        let Phase::Copying { groups, copy, transactions } = &mut self.phase else { return Ok(()) };
        let Some(open) = copy else {
            match groups.pop() {
                Some(group) => *copy = Some(Box::new(begin_copy(log, &self.sources, group, &self.limits))),
                None => self.phase = Phase::Done,
            }
            return Ok(());
        };
        if open.at == open.group.end {
            let copy = *copy.take().expect("looked at in the lines above");
            let first_dirty = groups.is_empty().then_some(self.stats.first_dirty_offset);
            return match end_copy(log, &self.sources, copy, first_dirty)? {
                true => Ok(()),
                false => self.give_way(log),
            };
        }
        let source = &self.sources[open.at];
        let scanner = match &mut open.scanner {
            Some(scanner) => scanner,
            None => open.scanner.insert(log.scan_to_clean(&source.segment)?),
        };
        let Some(found) = scanner.next()? else {
            (open.at, open.scanner) = (open.at + 1, None);
            return Ok(());
        };
        let bytes = scanner.read_verified(&found)?;
        let is_last = open.at + 1 == self.sources.len() && found.end() >= source.facts.bytes;
        self.stats.read_bytes += bytes.len() as u64;
        let mut filter = Filter {
            keys: &self.keys,
            now: self.now,
            delete_retention_ms: self.delete_retention_ms,
            waits_below: self.waits_below,
            last_batches: &open.last_batches,
            transactions,
            unreadable: &mut self.stats.unreadable_batches,
        };
        open.last = Some(found.header);
        let left = match filter.batch(&bytes, &found.header, is_last) {
            Verdict::Keep => bytes,
            changed => {
                open.is_changed = true;
                let Verdict::Replace(bytes) = changed else { return Ok(()) };
                bytes
            }
        };
        self.stats.written_bytes += left.len() as u64;
        open.output.push(log, &left)
    }
}

/// As timestamps count.
pub(super) fn milliseconds(duration: std::time::Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

fn begin_copy(log: &PartitionLog, sources: &[Source], group: Range<usize>, limits: &CleaningLimits) -> Copy {
    let births = sources[group.clone()].iter().map(|source| source.segment.birth_ms());
    let base_offset = sources[group.start].facts.base_offset;
    let output = Output::new(base_offset, births.max().unwrap_or(i64::MIN), limits.write_buffer_bytes);
    let (at, last_batches) = (group.start, log.last_batches());
    Copy { group, at, scanner: None, output, last_batches, is_changed: false, last: None }
}

/// Puts what is left of a group in its place; `false` if some of it is gone meanwhile.
fn end_copy(
    log: &PartitionLog,
    sources: &[Source],
    copy: Copy,
    first_dirty_offset: Option<Offset>,
) -> Result<bool, LogError> {
    if copy.group.len() == 1 && !copy.is_changed {
        log.discard_cleaned()?;
        first_dirty_offset.map_or(Ok(()), |offset| log.note_cleaned(offset))?;
        return Ok(true);
    }
    let (group, mut output) = (&sources[copy.group], copy.output);
    if let Some(last) = copy.last.filter(|_| output.is_empty()) {
        // A segment stays for the offsets: the one before it must not seem to go on to the one behind it.
        output.push(log, &without_records(&last))?;
    }
    let replacement = Replacement {
        old: group.iter().map(|source| Arc::clone(&source.segment)).collect(),
        end_offset: group.last().expect("a group is never empty").facts.end_offset,
        new: output.finish(log)?,
        first_dirty_offset,
    };
    log.replace_segments(replacement)
}
