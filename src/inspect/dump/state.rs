//! `.state`: producers, leader epochs, segments.

use std::path::Path;

use serde_json::json;

use super::words::time;
use super::{DumpError, Printer, told};
use crate::log::ProducerEntry;
use crate::log::inspect::{SegmentView, StateView, read_state};
use crate::model::ProducerId;

impl Printer<'_> {
    pub(super) fn state(&mut self, path: &Path) -> Result<(), DumpError> {
        match read_state(self.files, path) {
            Ok(Ok(view)) => self.whole_state(path, &view),
            Ok(Err(what)) => {
                self.heading(path, "state of a partition", 0)?;
                self.damage(path, 0, what)
            }
            Err(error) => told(self, error),
        }
    }

    fn whole_state(&mut self, path: &Path, view: &StateView) -> Result<(), DumpError> {
        let what = format!("state of partition {} as of offset {}", view.topic_partition, view.offset);
        self.heading(path, &what, 0)?;
        for entry in view.leader_epochs.entries() {
            let (leader_epoch, start) = (entry.leader_epoch.0, entry.start_offset);
            self.item(
                || format!("  leader epoch {leader_epoch:<6} from offset {start}"),
                || json!({"leader_epoch": leader_epoch, "start_offset": start.0}),
            )?;
        }
        for (id, producer) in view.producers.iter() {
            self.producer(id, producer)?;
        }
        view.segments.iter().try_for_each(|segment| self.segment(segment))?;
        let (first_dirty, end) = (view.first_dirty_offset, view.cleaned_end_offset);
        if end.0 == 0 && first_dirty.0 == 0 {
            return Ok(());
        }
        self.item(
            || format!("  cleaned up to {end}; keys from {first_dirty} on are new"),
            || json!({"first_dirty_offset": first_dirty.0, "cleaned_end_offset": end.0}),
        )
    }

    fn producer(&mut self, id: ProducerId, entry: &ProducerEntry) -> Result<(), DumpError> {
        let producer_epoch = entry.producer_epoch.0;
        self.item(
            || {
                let batches: Vec<String> = entry
                    .batches
                    .iter()
                    .map(|batch| {
                        let (first, last) = (batch.first_sequence, batch.last_sequence);
                        format!("{first}..{last} at offset {}", batch.base_offset)
                    })
                    .collect();
                let (when, batches) = (time(entry.last_append.0), batches.join(", "));
                let open = entry.transaction.map_or_else(String::new, |open| {
                    let (from, since) = (open.first_offset, time(open.since.0));
                    format!("  transaction open from offset {from}, since {since}")
                });
                format!(
                    "  producer {id:<10} epoch {producer_epoch:<4} last append {when}  sequences \
                     {batches}{open}"
                )
            },
            || {
                let batches: Vec<_> = entry
                    .batches
                    .iter()
                    .map(|batch| {
                        json!({
                            "first_sequence": batch.first_sequence, "last_sequence": batch.last_sequence,
                            "base_offset": batch.base_offset.0, "last_offset": batch.last_offset.0,
                            "max_timestamp": batch.max_timestamp.0,
                        })
                    })
                    .collect();
                json!({
                    "producer_id": id.0, "producer_epoch": producer_epoch,
                    "last_append": entry.last_append.0, "batches": batches,
                    "coordinator_epoch": entry.coordinator_epoch.0,
                    "transaction_first_offset": entry.transaction.map(|open| open.first_offset.0),
                    "transaction_since": entry.transaction.map(|open| open.since.0),
                })
            },
        )
    }

    fn segment(&mut self, segment: &SegmentView) -> Result<(), DumpError> {
        let SegmentView { base_offset, bytes, max_timestamp, max_timestamp_offset, .. } = *segment;
        let (offsets, times) = (segment.offset_index_entries, segment.time_index_entries);
        let aborted = segment.transaction_index_entries;
        self.item(
            || {
                format!(
                    "  segment {base_offset:<12} {bytes:>10} bytes  largest time {} at offset \
                     {max_timestamp_offset}  {offsets} offset, {times} time, {aborted} transaction entries",
                    time(max_timestamp.0)
                )
            },
            || {
                json!({
                    "segment": base_offset.0, "bytes": bytes, "max_timestamp": max_timestamp.0,
                    "max_timestamp_offset": max_timestamp_offset.0, "offset_index_entries": offsets,
                    "time_index_entries": times, "transaction_index_entries": aborted,
                })
            },
        )
    }
}
