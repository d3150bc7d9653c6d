//! The swap of segments in a log that is being read and written.

use std::sync::Arc;

use super::swap::{self, Swap};
use crate::log::indexer::Indexer;
use crate::log::segment::Segment;
use crate::log::state_file::Cleaned;
use crate::log::{LogError, PartitionLog, names};
use crate::model::Offset;

/// A segment that is to take the place of others; its file lies, synced, under its `.cleaned` name.
pub(super) struct NewSegment {
    pub segment: Arc<Segment>,
    pub indexer: Indexer,
}

/// A swap that was announced: it will be brought to its end, now or by the next recovery.
pub(in crate::log) struct PendingSwap {
    swap: Swap,
    old: Vec<Arc<Segment>>,
    new: Vec<NewSegment>,
    is_published: bool,
}

/// Segments for which others are ready.
pub(super) struct Replacement {
    /// Neighbours, oldest first.
    pub old: Vec<Arc<Segment>>,
    /// Where the successor of the last one begins.
    pub end_offset: Offset,
    pub new: Vec<NewSegment>,
    /// Where the next cleaning reads keys from, if this is the last swap of this one.
    pub first_dirty_offset: Option<Offset>,
}

impl PartitionLog {
    /// Puts new segments in the place of old ones. `false`: some of the old ones are gone meanwhile, and
    /// nothing was changed.
    ///
    /// The order of steps, and why it is right, stands at the head of `swap`.
    pub(super) fn replace_segments(&self, replacement: Replacement) -> Result<bool, LogError> {
        let mut syncing = self.syncing.lock();
        self.check_open()?;
        self.finish_swap(&mut syncing)?;
        let Replacement { old, end_offset, new, first_dirty_offset } = replacement;
        if self.place_of(&old).is_none() {
            return Ok(false);
        }
        let known = self.writer.lock().cleaned;
        let first_dirty_offset = first_dirty_offset.unwrap_or(known.first_dirty_offset);
        let swap = Swap {
            old: old.iter().map(|segment| segment.base_offset).collect(),
            end_offset,
            new: new.iter().map(NewSegment::record).collect(),
            cleaned: known.and(Cleaned { first_dirty_offset, end_offset }),
        };
        // Before the names change hands.
        old.iter().try_for_each(|segment| segment.retire(&self.directory))?;
        swap::announce(&*self.directory.env.files, &self.path, &swap)?;
        *syncing = Some(PendingSwap { swap, old, new, is_published: false });
        self.finish_swap(&mut syncing)?;
        Ok(true)
    }

    /// Brings an announced swap to its end, if there is one. After an error (a full disk) it is called again,
    /// before anything else takes segments away.
    pub(in crate::log) fn finish_swap(&self, syncing: &mut Option<PendingSwap>) -> Result<(), LogError> {
        let Some(pending) = syncing else { return Ok(()) };
        let files = &*self.directory.env.files;
        swap::change_names(files, &self.path, &pending.swap)?;
        if !pending.is_published {
            pending.new.iter_mut().try_for_each(|new| self.write_indexes(new))?;
            self.publish_swap(pending);
            pending.is_published = true;
        }
        swap::change_states(files, &self.path, self.partition, &pending.swap)?;
        swap::forget(files, &self.path)?;
        *syncing = None;
        Ok(())
    }

    /// In files of their own: readers of the old segments may have the old ones open. There is none of
    /// transactions: a cleaning leaves no record of an aborted one behind.
    fn write_indexes(&self, new: &mut NewSegment) -> Result<(), LogError> {
        let files = &*self.directory.env.files;
        for extension in names::INDEXES {
            let path = names::file(&self.path, new.segment.base_offset, extension);
            if files.exists(&path).map_err(LogError::reading(&path))? {
                files.remove_file(&path).map_err(LogError::changing("remove", &path))?;
            }
        }
        new.indexer.flush(&new.segment, &self.directory)
    }

    fn publish_swap(&self, pending: &PendingSwap) {
        let mut writer = self.writer.lock();
        let at = self.place_of(&pending.old).expect("nobody takes segments away while a swap is under way");
        let mut published = self.published();
        let mut segments = Vec::clone(&published.segments);
        let new = pending.new.iter().map(|new| Arc::clone(&new.segment));
        segments.splice(at..at + pending.old.len(), new);
        published.segments = Arc::new(segments);
        *self.published.write() = published;
        writer.cleaned = writer.cleaned.and(pending.swap.cleaned);
        for segment in &pending.old {
            writer.dirty.forget(segment.base_offset);
            segment.forget_handles(&self.directory);
        }
    }

    /// Where these very segments stand in the list, the active one not among them.
    fn place_of(&self, old: &[Arc<Segment>]) -> Option<usize> {
        let published = self.published();
        let closed = &published.segments[..published.segments.len() - 1];
        let first = old.first()?;
        let at = closed.iter().position(|segment| Arc::ptr_eq(segment, first))?;
        let found = closed.get(at..at + old.len())?;
        found.iter().zip(old).all(|(found, old)| Arc::ptr_eq(found, old)).then_some(at)
    }

    /// Notes how far the log is cleaned, where no swap did. As a swap of nothing: a state that is replaced by
    /// another of its name may be the new one to a recovery, and the old one again after the power cut that
    /// follows, if the directory was not synced. Announced, a recovery syncs that first.
    pub(super) fn note_cleaned(&self, first_dirty_offset: Offset) -> Result<(), LogError> {
        let mut syncing = self.syncing.lock();
        self.check_open()?;
        self.finish_swap(&mut syncing)?;
        let known = self.writer.lock().cleaned;
        let cleaned = Cleaned { first_dirty_offset, ..known }.and(known);
        if cleaned == known {
            return Ok(());
        }
        let (old, new, end_offset) = (Vec::new(), Vec::new(), known.end_offset);
        let swap = Swap { old, end_offset, new, cleaned };
        swap::announce(&*self.directory.env.files, &self.path, &swap)?;
        *syncing = Some(PendingSwap { swap, old: Vec::new(), new: Vec::new(), is_published: true });
        self.writer.lock().cleaned = cleaned;
        self.finish_swap(&mut syncing)
    }

    /// Removes what a cleaning that breaks off has written.
    pub(super) fn discard_cleaned(&self) -> Result<(), LogError> {
        let syncing = self.syncing.lock();
        self.check_open()?;
        if syncing.is_some() {
            return Ok(());
        }
        let files = &*self.directory.env.files;
        for name in files.list(&self.path).map_err(LogError::reading(&self.path))? {
            if matches!(names::parse_file(&name), Some((_, names::CLEANED))) {
                let path = self.path.join(&name);
                files.remove_file(&path).map_err(LogError::changing("remove", &path))?;
            }
        }
        Ok(())
    }
}

impl NewSegment {
    /// As it will stand in the state, its indexes as they will be written.
    fn record(&self) -> crate::log::state_file::SegmentRecord {
        let (offset_index, time_index) = self.indexer.summaries();
        crate::log::state_file::SegmentRecord { offset_index, time_index, ..self.segment.record() }
    }
}
