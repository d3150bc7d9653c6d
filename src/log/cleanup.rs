//! Removing what nobody may read any more, and looking for rot in what stays.

use std::sync::Arc;
use std::time::Duration;

use crate::log::partition_log::Published;
use crate::log::retention::{self, Reason, RemotePart, SegmentSummary};
use crate::log::segment::Segment;
use crate::log::{LogError, PartitionLog};
use crate::model::Offset;

impl PartitionLog {
    /// The log start that retention asks for, if it moves. Nothing above `high_watermark` goes, nor above
    /// the checkpoint (`checkpointed`): what the WAL would bring back is not deleted.
    pub fn next_log_start(&self, high_watermark: Offset) -> Option<(Offset, Reason)> {
        let checkpointed = self.writer.lock().checkpointed;
        let config = *self.config.read();
        let next = retention::next_log_start(&self.summaries(), &config, high_watermark.min(checkpointed));
        next.filter(|(offset, _)| *offset > self.log_start_offset())
    }

    /// The log start that retention asks for, if it moves, of a log of which `remote` is kept elsewhere.
    /// Bounds are as for [`PartitionLog::next_log_start`].
    pub fn next_log_start_over_tiers(
        &self,
        high_watermark: Offset,
        remote: &RemotePart<'_>,
    ) -> Option<(Offset, Reason)> {
        let end_max = high_watermark.min(self.writer.lock().checkpointed);
        let config = *self.config.read();
        let next = retention::next_log_start_over_tiers(remote, &self.summaries(), &config, end_max);
        next.filter(|(offset, _)| *offset > self.log_start_offset())
    }

    /// The local log start that retention asks for, if it moves. Nothing goes that is not kept elsewhere too,
    /// where everything below `remote_end` is; else bounds are as for [`PartitionLog::next_log_start`].
    pub fn next_local_log_start(
        &self,
        high_watermark: Offset,
        remote_end: Offset,
    ) -> Option<(Offset, Reason)> {
        let tiering = self.config.read().tiering?;
        let end_max = high_watermark.min(remote_end).min(self.writer.lock().checkpointed);
        let next = retention::next_local_log_start(&self.summaries(), &tiering, end_max);
        next.filter(|(offset, _)| *offset > self.local_log_start_offset())
    }

    /// Removes the segments that lie wholly below the local log start and returns how many. The caller has
    /// made that start durable, and with it that what lies below counts no more, or is kept elsewhere.
    ///
    /// An active segment all of whose records are below it is closed first: an empty one keeps the end's
    /// name.
    pub fn delete_old_segments(&self) -> Result<usize, LogError> {
        self.roll_if_dead()?;
        let start = self.local_log_start_offset();
        let dead = |published: &Published| {
            published.segments.windows(2).take_while(|pair| pair[1].base_offset <= start).count()
        };
        if dead(&self.published()) == 0 {
            // Without waiting for a sync.
            return self.check_open().map(|()| 0);
        }
        // Unlinking excludes a sync: its snapshot and its handles name segments that are there.
        let mut syncing = self.syncing.lock();
        self.check_open()?;
        self.finish_swap(&mut syncing)?;
        let mut writer = self.writer.lock();
        self.check_open()?;
        let mut published = self.published();
        let count = dead(&published);
        if count == 0 {
            return Ok(0);
        }
        let end = published.end;
        let mut segments = Vec::clone(&published.segments);
        let removed: Vec<Arc<Segment>> = segments.drain(..count).collect();
        published.segments = Arc::new(segments);
        *self.published.write() = published;
        // A client may have deleted records that are still on their way here: their epochs come with them.
        // Those of what is kept elsewhere stay.
        writer.leader_epochs.truncate_below(self.log_start_offset().min(end));
        for segment in &removed {
            writer.dirty.forget(segment.base_offset);
        }
        drop(writer);
        // Not followed by a directory sync: a segment that comes back after a crash is removed by recovery.
        removed.iter().try_for_each(|segment| self.unlink_segment(segment))?;
        Ok(count)
    }

    pub(super) fn summaries(&self) -> Vec<SegmentSummary> {
        let published = self.published();
        let now = self.directory.clock.monotonic_ms();
        let summary = |at| {
            let view = published.view(at);
            let age = now.saturating_sub(view.segment.birth_ms());
            SegmentSummary {
                base_offset: view.segment.base_offset,
                end_offset: view.end,
                bytes: view.bytes,
                age: Duration::from_millis(u64::try_from(age).unwrap_or(0)),
            }
        };
        (0..published.segments.len()).map(summary).collect()
    }

    /// Removes a segment's files; readers that hold them open may go on.
    pub(super) fn unlink_segment(&self, segment: &Segment) -> Result<(), LogError> {
        let files = &*self.directory.env.files;
        segment.forget_handles(&self.directory);
        let indexes =
            [segment.offset_index.path(), segment.time_index.path(), segment.transaction_index.path()];
        for path in indexes.into_iter().chain([&segment.path]) {
            if files.exists(path).map_err(LogError::reading(path))? {
                files.remove_file(path).map_err(LogError::changing("remove", path))?;
            }
        }
        Ok(())
    }
}
