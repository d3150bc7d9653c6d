//! What says whose data it is and where a start begins: `meta.properties`, `partition.metadata`, the
//! checkpoint.

use std::path::Path;

use serde_json::json;

use super::words::{json_of, text, time};
use super::{DumpError, Printer, told};
use crate::cluster::inspect::read_snapshot;
use crate::log::inspect::read_metadata;
use crate::partition::DirectoryError;
use crate::partition::inspect::{self, CheckpointCopy, CheckpointView, PropertiesView};

impl Printer<'_> {
    pub(super) fn properties(&mut self, path: &Path) -> Result<(), DumpError> {
        self.heading(path, "identity of a data directory", 0)?;
        match inspect::read_properties(self.files, path) {
            Ok(PropertiesView { cluster_id, node_id, directory_id, format_version }) => self.item(
                || {
                    let directory = directory_id.as_deref().unwrap_or("none");
                    let format = format_version;
                    format!("  cluster {cluster_id}  node {node_id}  directory {directory}  format {format}")
                },
                || {
                    json!({
                        "cluster_id": cluster_id, "node_id": node_id, "directory_id": directory_id,
                        "format": format_version,
                    })
                },
            ),
            Err(DirectoryError::Io { path, error }) => Err(DumpError::Unreadable { path, error }),
            Err(other) => self.damage(path, 0, &other.to_string()),
        }
    }

    pub(super) fn metadata(&mut self, path: &Path) -> Result<(), DumpError> {
        self.heading(path, "owner of a partition's directory", 0)?;
        match read_metadata(self.files, path.parent().unwrap_or(path)) {
            Ok(Some(topic_id)) => {
                self.item(|| format!("  topic id {topic_id}"), || json!({"topic_id": topic_id.to_string()}))
            }
            Ok(None) => self.damage(path, 0, "it does not name a topic id"),
            Err(error) => told(self, error),
        }
    }

    pub(super) fn checkpoint(&mut self, path: &Path) -> Result<(), DumpError> {
        let copy = inspect::read_checkpoint(self.files, path)
            .map_err(|error| DumpError::Unreadable { path: path.to_owned(), error })?;
        self.heading(path, "checkpoint", 0)?;
        match copy {
            Some(CheckpointCopy::Whole(view)) => self.whole_checkpoint(path, &view),
            Some(CheckpointCopy::Newer(version)) => self.damage(
                path,
                8,
                &format!("its format version is {version}, which a newer highwater reads"),
            ),
            Some(CheckpointCopy::Damaged) | None => {
                self.damage(path, 0, "its checksum or a length in it is wrong")
            }
        }
    }

    fn whole_checkpoint(&mut self, path: &Path, view: &CheckpointView) -> Result<(), DumpError> {
        let start = view.replay_start;
        self.item(
            || {
                format!(
                    "  sequence {}  replay of wal {} from incarnation {} LSN {} chain {:#010x}  \
                     believed time {}",
                    view.sequence,
                    start.wal_id,
                    start.incarnation,
                    start.lsn,
                    start.previous_crc,
                    time(view.believed_now.0)
                )
            },
            || {
                json!({
                    "sequence": view.sequence, "wal_id": start.wal_id.to_string(),
                    "incarnation": start.incarnation, "lsn": start.lsn.0,
                    "previous_crc": start.previous_crc, "believed_now": view.believed_now.0,
                })
            },
        )?;
        match read_snapshot(&view.metadata) {
            Ok((revision, entries)) => {
                for (key, versioned) in &entries {
                    let value = Some(versioned.value.as_slice());
                    self.item(
                        || format!("  revision {:<8} {key} = {}", versioned.revision, text(value)),
                        || {
                            let (written, value) = (versioned.revision, json_of(value));
                            json!({"revision": written, "key": key, "value": value, "of": revision})
                        },
                    )?;
                }
            }
            Err(error) => self.damage(path, 0, &error.to_string())?,
        }
        for (id, offset) in &view.recovery_offsets {
            self.item(
                || format!("  partition {id}  segments are durable up to offset {offset}"),
                || {
                    let topic_id = id.topic_id.to_string();
                    json!({"topic_id": topic_id, "partition": id.partition, "recovery_offset": offset.0})
                },
            )?;
        }
        Ok(())
    }
}
