//! Making the log durable: segments, names, and the state that cannot be rebuilt from them.

use std::sync::Arc;

use crate::env::{File, OpenMode};
use crate::log::dirty::Dirty;
use crate::log::recovery::Changed;
use crate::log::state_file::{self, Snapshot};
use crate::log::{LogError, PartitionLog, indexer, names};
use crate::model::Offset;

/// Good `.state` files kept at or below the checkpoint: the newest, and one in case it is damaged.
const GENERATIONS: usize = 2;

/// What one sync has to do, taken from the writer.
struct Work {
    dirty: Dirty,
    changed: Changed,
    snapshot: Snapshot,
}

impl Changed {
    /// Both together.
    pub(super) fn and(self, other: Changed) -> Changed {
        Changed {
            parent: self.parent | other.parent,
            names: self.names | other.names,
            metadata: self.metadata | other.metadata,
            state: self.state | other.state,
        }
    }
}

impl PartitionLog {
    /// Makes everything written so far durable and returns the offset after it: the next recovery offset.
    ///
    /// Appends go on meanwhile; what they add is not covered. Does nothing if nothing changed. After
    /// [`LogError::NoSpace`] it may be called again; [`LogError::RewindNeeded`] asks for
    /// `rewind_to_synced`.
    pub fn sync(&self) -> Result<Offset, LogError> {
        let _sync = self.syncing.lock();
        self.check_open()?;
        self.repair_indexes()?;
        let Some(work) = self.take_work()? else { return Ok(self.synced_end_offset()) };
        if let Err(error) = self.do_work(&work) {
            // Segments that were synced stay so; the rest is done again at the next call, or after the
            // rewind.
            let mut writer = self.writer.lock();
            writer.changed =
                writer.changed.and(work.changed).and(Changed { state: true, ..Changed::default() });
            writer.dirty_since.get_or_insert(self.directory.env.clock.monotonic());
            return Err(error);
        }
        let mut writer = self.writer.lock();
        let end = work.snapshot.offset;
        writer.synced = end;
        if writer.states.last() != Some(&end) && end > Offset(0) {
            writer.states.push(end);
        }
        Ok(end)
    }

    /// Has the disk take what was written since it last did, once that is at least `at_least` bytes: the next
    /// sync finds little left to wait for. Promises nothing: names, sizes and state wait for
    /// [`PartitionLog::sync`], and so does the synced end.
    ///
    /// Fails as a sync does.
    pub fn write_back(&self, at_least: u64) -> Result<(), LogError> {
        let _sync = self.syncing.lock();
        self.check_open()?;
        let dirty: Vec<_> = {
            let mut writer = self.writer.lock();
            if writer.unwritten_bytes < at_least || writer.rewind_needed.is_some() {
                return Ok(());
            }
            writer.unwritten_bytes = 0;
            let files = writer.dirty.iter();
            files
                .map(|(base_offset, extension, pinned)| (base_offset, extension, pinned.file.clone()))
                .collect()
        };
        let sync = |(base_offset, extension, file): &(Offset, &str, Arc<dyn File>)| {
            file.sync_data().map_err(|error| self.sync_failed(*base_offset, extension, error))
        };
        dirty.iter().try_for_each(sync)
    }

    /// The caller's checkpoint with that recovery offset is durable: removes `.state` files that no
    /// recovery can need any more.
    pub fn checkpointed(&self, offset: Offset) -> Result<(), LogError> {
        let _sync = self.syncing.lock();
        self.check_open()?;
        let mut writer = self.writer.lock();
        writer.checkpointed = writer.checkpointed.max(offset);
        let usable = writer.states.partition_point(|&state| state <= offset);
        let surplus = usable.saturating_sub(GENERATIONS);
        let removed: Vec<Offset> = writer.states.drain(..surplus).collect();
        drop(writer);
        for state in removed {
            let path = names::file(&self.path, state, names::STATE);
            // Not synced: a file that comes back is an older generation more.
            self.directory.env.files.remove_file(&path).map_err(LogError::changing("remove", &path))?;
        }
        Ok(())
    }

    /// Takes what is dirty from the writer; `None` if nothing is.
    fn take_work(&self) -> Result<Option<Work>, LogError> {
        let mut writer = self.writer.lock();
        if let Some(path) = &writer.rewind_needed {
            return Err(LogError::RewindNeeded { path: path.clone() });
        }
        if writer.dirty.is_empty() && !writer.changed.any() {
            return Ok(None);
        }
        writer.dirty_since = None;
        writer.unsynced_bytes = 0;
        writer.unwritten_bytes = 0;
        writer.leader_epochs.truncate_below(self.log_start_offset());
        let leader_epochs = writer.leader_epochs.clone();
        let published = self.published();
        let snapshot = Snapshot {
            offset: published.end,
            producers: writer.producers.clone(),
            leader_epochs,
            segments: published.segments.iter().map(|segment| segment.record()).collect(),
            cleaned: writer.cleaned,
        };
        let (dirty, changed) = (std::mem::take(&mut writer.dirty), std::mem::take(&mut writer.changed));
        Ok(Some(Work { dirty, changed, snapshot }))
    }

    fn do_work(&self, work: &Work) -> Result<(), LogError> {
        for (base_offset, extension, pinned) in work.dirty.iter() {
            pinned.file.sync_data().map_err(|error| self.sync_failed(base_offset, extension, error))?;
        }
        self.sync_names(work.changed)?;
        self.write_state(&work.snapshot)
    }

    fn sync_failed(&self, base_offset: Offset, extension: &str, error: std::io::Error) -> LogError {
        let path = names::file(&self.path, base_offset, extension);
        match LogError::changing("sync", &path)(error) {
            LogError::NoSpace { path, .. } => {
                self.writer.lock().rewind_needed = Some(path.clone());
                LogError::RewindNeeded { path }
            }
            other => other,
        }
    }

    fn sync_names(&self, changed: Changed) -> Result<(), LogError> {
        let files = &*self.directory.env.files;
        if changed.metadata {
            let path = self.path.join(names::METADATA);
            let synced = files.open(&path, OpenMode::Write).and_then(|file| file.sync_data());
            synced.map_err(LogError::changing("sync", &path))?;
        }
        if changed.names {
            files.sync_dir(&self.path).map_err(LogError::changing("sync", &self.path))?;
        }
        if changed.parent {
            let parent = &self.directory.path;
            files.sync_dir(parent).map_err(LogError::changing("sync", parent))?;
        }
        Ok(())
    }

    /// The state file of an empty log would say nothing.
    fn write_state(&self, snapshot: &Snapshot) -> Result<(), LogError> {
        if snapshot.offset == Offset(0) {
            return Ok(());
        }
        let path = names::file(&self.path, snapshot.offset, names::STATE);
        let bytes = state_file::encode(snapshot, self.partition);
        self.directory.env.files.replace(&path, &bytes).map_err(LogError::changing("write", &path))
    }

    /// Writes indexes anew that a look-up found wrong.
    fn repair_indexes(&self) -> Result<(), LogError> {
        let published = self.published();
        for segment in published.segments.iter().filter(|segment| segment.take_index_damaged()) {
            let mut writer = self.writer.lock();
            let interval = self.config.read().index_interval_bytes;
            let active = self.published().active().base_offset;
            indexer::rebuild(segment, &self.directory, interval, segment.base_offset < active)?;
            if segment.base_offset == active {
                writer.indexer = indexer::Indexer::resume(segment, &self.directory, interval)?;
            }
            // Their lengths may have changed, and the snapshot names them.
            writer.changed.state = true;
        }
        Ok(())
    }
}
