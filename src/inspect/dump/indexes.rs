//! Indexes: of offsets, of times, of aborted transactions.

use std::path::Path;

use serde_json::json;

use super::words::time;
use super::{DumpError, Printer, told};
use crate::log::inspect::{FileKind, kind_of, visit_offset_index, visit_time_index, visit_transaction_index};
use crate::log::{AbortedTransaction, LogError};
use crate::model::Offset;

/// Absolute offsets are the segment's, which the file's name tells.
fn base_of(path: &Path) -> Offset {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    match kind_of(name) {
        Some((FileKind::OffsetIndex | FileKind::TimeIndex, base)) => base,
        _ => Offset(0),
    }
}

impl Printer<'_> {
    pub(super) fn offset_index(&mut self, path: &Path) -> Result<(), DumpError> {
        let base = base_of(path);
        self.heading(path, "offset index", 0)?;
        let (files, mut before, mut result) = (self.files, None, Ok(()));
        let left = visit_offset_index(files, path, &mut |at, relative, position| {
            if result.is_err() {
                return;
            }
            let offset = base.plus(i64::from(relative));
            let shown = self.item(
                || format!("  entry {at:<8} offset {offset:<12} begins at byte {position}"),
                || json!({"entry": at, "offset": offset.0, "position": position}),
            );
            result = shown.and_then(|()| match before.replace((relative, position)) {
                Some(last) if last.0 >= relative || last.1 >= position => {
                    self.damage(path, at * 8, "it does not ascend")
                }
                _ => Ok(()),
            });
        });
        result?;
        self.left_over(path, left)
    }

    pub(super) fn time_index(&mut self, path: &Path) -> Result<(), DumpError> {
        let base = base_of(path);
        self.heading(path, "time index", 0)?;
        let (files, mut before, mut result) = (self.files, None, Ok(()));
        let left = visit_time_index(files, path, &mut |at, timestamp, relative| {
            if result.is_err() {
                return;
            }
            let offset = base.plus(i64::from(relative));
            let shown = self.item(
                || format!("  entry {at:<8} {:<24}  offset {offset}", time(timestamp.0)),
                || json!({"entry": at, "timestamp": timestamp.0, "offset": offset.0}),
            );
            result = shown.and_then(|()| match before.replace((timestamp, relative)) {
                Some(last) if last.0 >= timestamp || last.1 >= relative => {
                    self.damage(path, at * 12, "it does not ascend")
                }
                _ => Ok(()),
            });
        });
        result?;
        self.left_over(path, left)
    }

    pub(super) fn transaction_index(&mut self, path: &Path) -> Result<(), DumpError> {
        self.heading(path, "index of aborted transactions", 0)?;
        let (files, mut before, mut result) = (self.files, None, Ok(()));
        let left = visit_transaction_index(files, path, &mut |at, aborted| {
            if result.is_err() {
                return;
            }
            let AbortedTransaction { producer_id, first_offset, last_offset, last_stable_offset } = aborted;
            let shown = self.item(
                || {
                    format!(
                        "  entry {at:<8} producer {producer_id:<10} offsets {first_offset} to {last_offset}  \
                         last stable offset {last_stable_offset}"
                    )
                },
                || {
                    json!({
                        "entry": at, "producer_id": producer_id.0, "first_offset": first_offset.0,
                        "last_offset": last_offset.0, "last_stable_offset": last_stable_offset.0,
                    })
                },
            );
            result = shown.and_then(|()| match before.replace(last_offset) {
                Some(last) if last >= last_offset => self.damage(path, at * 34, "it does not ascend"),
                _ => Ok(()),
            });
        });
        result?;
        self.left_over(path, left)
    }

    fn left_over(&mut self, path: &Path, left: Result<u64, LogError>) -> Result<(), DumpError> {
        match left {
            Ok(0) => Ok(()),
            Ok(bytes) => self.damage(path, 0, &format!("its last {bytes} bytes are no whole entry")),
            Err(error) => told(self, error),
        }
    }
}
