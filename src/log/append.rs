//! The writer: appends batches, rolls segments, rewinds after a failed sync.

use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;

use crate::env::OpenMode;
use crate::log::handles::FileKind;
use crate::log::indexer::Indexer;
use crate::log::partition_log::{ActiveAge, Published, Writer};
use crate::log::recovery::Recovery;
use crate::log::scan::BATCH_BYTES_MAX;
use crate::log::segment::Segment;
use crate::log::{LogConfig, LogError, PartitionLog, RecoveryPoint, retention};
use crate::model::{Offset, TransactionResult};
use crate::protocol::batch::{BatchError, BatchHeader, EndTransactionMarker};

/// Batches are gathered up to about this size into one write. More is not cheaper, and one write of 1 MiB
/// and above was seen to take 3-10 ms: the kernel then looks for large pieces of memory.
const RUN_BYTES: usize = 256 << 10;

/// Batches that go to the active segment in one write.
#[derive(Default)]
struct Run<'a> {
    batches: Vec<(BatchHeader, &'a Bytes)>,
    bytes: usize,
}

impl PartitionLog {
    /// Appends whole batches with final offsets, in order, to the page cache.
    ///
    /// A batch that lies wholly below the written end is skipped, so a failed call may be repeated with the
    /// same batches. One that lies wholly below the local log start counts for the state and the end, and
    /// is not written.
    pub fn append(&self, batches: &[Bytes]) -> Result<(), LogError> {
        let config = *self.config.read();
        let mut writer = self.writer.lock();
        self.check_open()?;
        check_trusted(&writer)?;
        let published = self.published();
        if !writer.is_made && !batches.is_empty() {
            self.make(&mut writer, published.active())?;
        }
        let mut session = Session { log: self, writer: &mut writer, published, config };
        session.append(batches)
    }

    /// Makes the directory and the first segment's file.
    fn make(&self, writer: &mut Writer, active: &Segment) -> Result<(), LogError> {
        let changed = self.recovery(RecoveryPoint::default()).make(active)?;
        writer.changed = writer.changed.and(changed);
        writer.is_made = true;
        Ok(())
    }

    fn recovery(&self, point: RecoveryPoint) -> Recovery<'_> {
        Recovery {
            directory: &self.directory,
            path: &self.path,
            partition: self.partition,
            point,
            index_interval_bytes: self.config.read().index_interval_bytes,
        }
    }

    /// Closes the active segment if it has records and is older than `segment.ms`, so that idle topics
    /// expire.
    pub fn roll_if_due(&self) -> Result<bool, LogError> {
        self.roll_when(|log, writer, published| {
            let config = *log.config.read();
            let active = published.active();
            let now = log.directory.clock.monotonic_ms();
            // Records older than the bound when this process found them count as well: a broker that
            // restarts often must still roll.
            let is_old = now.saturating_sub(active.birth_ms()) >= writer.active.age_max_ms(&config);
            active.bytes() > 0 && (is_old || writer.active.is_due(&config, now, -1))
        })
    }

    /// Closes the active segment if local retention would have it go and it cannot before it is copied, which
    /// closed segments are. Everything below `remote_end` was copied.
    pub fn roll_if_in_the_way(&self, remote_end: Offset) -> Result<bool, LogError> {
        self.roll_when(|log, writer, published| {
            let Some(tiering) = log.config.read().tiering else { return false };
            let end_max = remote_end.min(writer.checkpointed);
            published.active().bytes() > 0 && retention::is_active_due(&log.summaries(), &tiering, end_max)
        })
    }

    /// Closes the active segment if everything in it lies below the log start; its successor keeps the
    /// end's name.
    pub(super) fn roll_if_dead(&self) -> Result<bool, LogError> {
        self.roll_when(|log, _, published| {
            let is_dead = published.end <= log.local_log_start_offset();
            is_dead && published.active().base_offset < published.end
        })
    }

    fn roll_when(
        &self,
        due: impl FnOnce(&PartitionLog, &Writer, &Published) -> bool,
    ) -> Result<bool, LogError> {
        let config = *self.config.read();
        let mut writer = self.writer.lock();
        self.check_open()?;
        check_trusted(&writer)?;
        let published = self.published();
        if !due(self, &writer, &published) {
            return Ok(false);
        }
        let end = published.end;
        Session { log: self, writer: &mut writer, published, config }.roll(end)?;
        Ok(true)
    }

    /// Goes back to the last good sync after [`LogError::RewindNeeded`]: everything above is cut away,
    /// state and all. The caller appends from `written_end_offset()` on, out of the WAL.
    pub fn rewind_to_synced(&self) -> Result<(), LogError> {
        let mut syncing = self.syncing.lock();
        let mut writer = self.writer.lock();
        self.check_open()?;
        let config = *self.config.read();
        let point = self.point(writer.synced);
        for segment in self.published().segments.iter() {
            segment.forget_handles(&self.directory);
        }
        let recovered = self.recovery(point).run()?;
        // Recovery has brought it to its end.
        *syncing = None;
        // What the failed sync took with it is still to be synced.
        let (changed, checkpointed) = (writer.changed, writer.checkpointed);
        let (published, fresh) = PartitionLog::assemble(&self.directory, &config, point, recovered)?;
        *writer = fresh;
        writer.changed = writer.changed.and(changed);
        writer.checkpointed = checkpointed;
        *self.published.write() = published;
        Ok(())
    }
}

fn check_trusted(writer: &Writer) -> Result<(), LogError> {
    match &writer.rewind_needed {
        Some(path) => Err(LogError::RewindNeeded { path: PathBuf::clone(path) }),
        None => Ok(()),
    }
}

impl Published {
    pub(super) fn active(&self) -> &Arc<Segment> {
        self.segments.last().expect("there is always an active segment")
    }
}

/// Whether a batch is the marker of an aborted transaction.
fn aborts(header: &BatchHeader, batch: &[u8]) -> Result<bool, BatchError> {
    if !header.attributes.is_control() {
        return Ok(false);
    }
    let marker = EndTransactionMarker::of_batch(batch)?;
    Ok(marker.is_some_and(|marker| marker.result == TransactionResult::Abort))
}

/// One append under the writer's lock.
struct Session<'a> {
    log: &'a PartitionLog,
    writer: &'a mut Writer,
    published: Published,
    config: LogConfig,
}

impl Session<'_> {
    fn append(&mut self, batches: &[Bytes]) -> Result<(), LogError> {
        let mut run = Run::default();
        let mut end = self.published.end;
        for batch in batches {
            let header = self.check(batch, end)?;
            let Some(header) = header else { continue };
            end = header.next_offset();
            if end <= self.log.local_log_start_offset() {
                self.flush(&mut run)?;
                self.skip(&header, batch)?;
                continue;
            }
            let aborts = aborts(&header, batch).map_err(|error| self.refuse(error.to_string()))?;
            let rolls = self.must_roll(&header, &run);
            if rolls || aborts {
                self.flush(&mut run)?;
            }
            if rolls {
                self.roll_for(&header)?;
            }
            if self.published.active().bytes() == 0 && run.bytes == 0 {
                self.writer.active.first_timestamp_ms = header.max_timestamp.0;
            }
            run.bytes += batch.len();
            run.batches.push((header, batch));
            if aborts {
                self.flush_abort(&header, &mut run)?;
            } else if run.bytes >= RUN_BYTES {
                self.flush(&mut run)?;
            }
        }
        self.flush(&mut run)
    }

    /// The batch's header; `None` if it is in the log already.
    fn check(&self, batch: &Bytes, end: Offset) -> Result<Option<BatchHeader>, LogError> {
        let refuse = |what: String| self.refuse(what);
        let header = BatchHeader::parse(batch).map_err(|error| refuse(error.to_string()))?;
        if header.size_bytes() != batch.len() || header.last_offset_delta < 0 {
            return Err(refuse(format!("{} bytes are not one whole batch", batch.len())));
        }
        if header.next_offset() <= end {
            return Ok(None);
        }
        if header.base_offset < end {
            return Err(refuse(format!("a batch at offset {} overlaps the end {end}", header.base_offset)));
        }
        Ok(Some(header))
    }

    fn must_roll(&self, header: &BatchHeader, run: &Run<'_>) -> bool {
        let active = self.published.active();
        let bytes = active.bytes() + run.bytes as u64;
        let is_empty = bytes == 0;
        if header.last_offset().0 - active.base_offset.0 > i64::from(i32::MAX) {
            return true;
        }
        if is_empty {
            return false;
        }
        let size = bytes + header.size_bytes() as u64;
        let index_bytes = active.offset_index.bytes().max(active.time_index.bytes());
        let now = self.log.directory.clock.monotonic_ms();
        size > u64::from(self.config.segment_bytes).min(BATCH_BYTES_MAX)
            || index_bytes >= u64::from(self.config.segment_index_bytes)
            || self.writer.active.is_due(&self.config, now, header.max_timestamp.0)
    }

    fn roll_for(&mut self, header: &BatchHeader) -> Result<(), LogError> {
        let end = self.published.end;
        let fits = header.last_offset().0 - end.0 <= i64::from(i32::MAX);
        self.roll(if fits { end } else { header.base_offset })
    }

    /// Begins the segment `base_offset`. An empty predecessor goes: two segments would claim the same
    /// offsets.
    fn roll(&mut self, base_offset: Offset) -> Result<(), LogError> {
        let directory = &*self.log.directory;
        let previous = Arc::clone(self.published.active());
        if previous.base_offset == base_offset {
            return Ok(());
        }
        self.writer.indexer.close(&previous);
        self.writer.indexer.flush(&previous, directory)?;
        let generation = directory.handles.next_generation();
        let segment = Segment::new(&self.log.path, generation, base_offset);
        let created = directory.env.files.open(&segment.path, OpenMode::Create);
        created.map_err(LogError::changing("create", &segment.path))?;
        self.mark_dirty();
        self.writer.changed.names = true;
        let mut segments = Vec::clone(&self.published.segments);
        if previous.bytes() == 0 {
            self.writer.dirty.forget(previous.base_offset);
            self.log.unlink_segment(&previous)?;
            segments.pop();
        }
        segments.push(Arc::new(segment));
        self.writer.indexer = Indexer::new(self.config.index_interval_bytes);
        self.writer.active = ActiveAge::new(directory, &self.config);
        self.published.segments = Arc::new(segments);
        self.published.active_bytes = 0;
        self.publish();
        Ok(())
    }

    /// A batch below the local log start: nobody reads it here, but its producer's next batch follows it.
    fn skip(&mut self, header: &BatchHeader, batch: &[u8]) -> Result<(), LogError> {
        self.apply(header, batch)?;
        self.mark_dirty();
        self.writer.changed.state = true;
        self.published.end = header.next_offset();
        self.publish();
        Ok(())
    }

    fn apply(&mut self, header: &BatchHeader, batch: &[u8]) -> Result<(), LogError> {
        let now = self.log.directory.times().stamp;
        let applied = self.writer.producers.apply_batch(header, batch, now);
        applied.map_err(|error| self.refuse(error.to_string()))?;
        self.writer.leader_epochs.assign(header.partition_leader_epoch, header.base_offset);
        Ok(())
    }

    fn refuse(&self, what: String) -> LogError {
        LogError::NotAppendable { path: self.log.path.clone(), what }
    }

    fn mark_dirty(&mut self) {
        let now = self.log.directory.env.clock.monotonic();
        self.writer.dirty_since.get_or_insert(now);
    }

    fn publish(&self) {
        *self.log.published.write() = self.published.clone();
    }

    /// Writes the marker of an aborted transaction, which is alone in its run.
    ///
    /// Its entry in the index comes first: a marker without one would have readers take records for committed
    /// that are not. An entry whose marker was not written is taken back.
    fn flush_abort(&mut self, header: &BatchHeader, run: &mut Run<'_>) -> Result<(), LogError> {
        let Some(aborted) = self.writer.producers.aborted_by(header) else { return self.flush(run) };
        let active = Arc::clone(self.published.active());
        let before = active.transaction_index.mark();
        // Its file may be new.
        self.writer.changed.names |= before.is_empty();
        active.add_aborted(&self.log.directory, &mut self.writer.dirty, &[aborted])?;
        self.flush(run).inspect_err(|_| active.transaction_index.take_back(&before))
    }

    fn flush(&mut self, run: &mut Run<'_>) -> Result<(), LogError> {
        if run.batches.is_empty() {
            return Ok(());
        }
        let active = Arc::clone(self.published.active());
        self.mark_dirty();
        self.write(&active, run)?;
        let mut position = active.bytes();
        for (header, batch) in &run.batches {
            self.writer.indexer.add(&active, position, header);
            self.apply(header, batch)?;
            active.born(self.log.directory.clock.birth_ms(header.max_timestamp));
            position += batch.len() as u64;
            self.published.end = header.next_offset();
        }
        self.writer.unsynced_bytes += run.bytes as u64;
        self.writer.unwritten_bytes += run.bytes as u64;
        active.set_bytes(position);
        self.published.active_bytes = position;
        self.publish();
        *run = Run::default();
        self.writer.indexer.flush(&active, &self.log.directory)
    }

    /// Writes the run behind the segment's good end; after an error nothing of it is left.
    fn write(&mut self, active: &Arc<Segment>, run: &Run<'_>) -> Result<(), LogError> {
        let pin = || active.pin(&self.log.directory);
        let file = &self.writer.dirty.pinned(active.base_offset, FileKind::Log, pin)?.file;
        let end = active.bytes();
        let batches: Vec<&[u8]> = run.batches.iter().map(|(_, batch)| &batch[..]).collect();
        file.write_all_vectored_at(&batches, end).map_err(|error| {
            let error = LogError::changing("write", &active.path)(error);
            match (file.set_len(end), error) {
                (Err(source), LogError::NoSpace { path, .. }) => LogError::Io { action: "cut", path, source },
                (_, error) => error,
            }
        })
    }
}
