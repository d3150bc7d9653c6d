//! Files of the write-ahead log, frame by frame.

use std::path::Path;

use serde_json::json;

use super::batches::{batch_json, batch_words};
use super::words::{json_of, text};
use super::{DumpError, Printer};
use crate::cluster::Change;
use crate::cluster::inspect::read_entry;
use crate::protocol::batch::{BatchHeader, verify_crc};
use crate::wal::inspect::{FileWalk, FrameView, Piece};
use crate::wal::{EntryKind, ReplayedEntry};

impl Printer<'_> {
    pub(super) fn wal(&mut self, path: &Path) -> Result<(), DumpError> {
        let unreadable = |error| DumpError::Unreadable { path: path.to_owned(), error };
        let mut walk = FileWalk::open(self.files, path).map_err(unreadable)?;
        self.heading(path, "write-ahead log", walk.length())?;
        while let Some(piece) = walk.next_piece().map_err(unreadable)? {
            match piece {
                Piece::Frame(frame) => self.frame(path, &frame)?,
                Piece::Blank { position, bytes } => self.stretch(position, bytes, "zeroes, written ahead")?,
                Piece::Remnant { position, bytes } => {
                    self.stretch(position, bytes, "rest of an earlier lap")?
                }
                Piece::Damaged { position } => {
                    self.damage(
                        path,
                        position,
                        "a frame begins here, and the checksum of its header is wrong",
                    )?;
                }
            }
        }
        Ok(())
    }

    fn stretch(&mut self, position: u64, bytes: u64, what: &str) -> Result<(), DumpError> {
        self.item(
            || format!("  at {position:<11} {bytes} bytes: {what}"),
            || json!({"position": position, "bytes": bytes, "is": what}),
        )
    }

    fn frame(&mut self, path: &Path, frame: &FrameView) -> Result<(), DumpError> {
        let kind = if frame.is_group { "group" } else { "idle" };
        self.item(
            || {
                format!(
                    "  at {:<11} {kind:<5}  incarnation {:<4} LSN {:<14} durable below {:<14} \
                     {:>4} entries {:>9} bytes  chain {:#010x} to {:#010x}",
                    frame.position,
                    frame.incarnation,
                    frame.lsn.0,
                    frame.durable_lsn.0,
                    frame.entries_count,
                    frame.payload_bytes,
                    frame.previous_crc,
                    frame.crc
                )
            },
            || {
                json!({
                    "position": frame.position, "frame": kind, "wal_id": frame.wal_id.to_string(),
                    "incarnation": frame.incarnation, "lsn": frame.lsn.0, "durable_lsn": frame.durable_lsn.0,
                    "entries": frame.entries_count, "payload_bytes": frame.payload_bytes,
                    "previous_crc": frame.previous_crc, "crc": frame.crc,
                })
            },
        )?;
        match &frame.entries {
            Ok(entries) => entries.iter().try_for_each(|entry| self.entry(path, frame.position, entry)),
            Err(what) => {
                let what = format!("{what}: damaged, or torn by a crash and never acknowledged");
                self.damage(path, frame.position, &what)
            }
        }
    }

    fn entry(&mut self, path: &Path, position: u64, entry: &ReplayedEntry) -> Result<(), DumpError> {
        match entry.header.kind {
            EntryKind::Records => self.records_entry(path, position, entry),
            EntryKind::Metadata => self.metadata_entry(path, position, entry),
        }
    }

    fn records_entry(&mut self, path: &Path, position: u64, entry: &ReplayedEntry) -> Result<(), DumpError> {
        let owner = entry.header.topic_partition.map_or_else(|| "nobody".to_owned(), |id| id.to_string());
        let header = match BatchHeader::parse(&entry.payload) {
            Ok(header) => header,
            Err(error) => {
                return self.damage(path, position, &format!("the entry at LSN {}: {error}", entry.lsn));
            }
        };
        let is_right = verify_crc(&entry.payload).is_ok();
        self.item(
            || {
                format!(
                    "      LSN {:<14} records of {owner}: {}",
                    entry.lsn.0,
                    batch_words(&header, is_right)
                )
            },
            || {
                let mut json = batch_json(&header);
                json["lsn"] = json!(entry.lsn.0);
                json["partition"] = json!(owner);
                json["crc_is_right"] = json!(is_right);
                json
            },
        )?;
        if !is_right {
            return self.damage(
                path,
                position,
                &format!("the batch at LSN {} has a wrong checksum", entry.lsn),
            );
        }
        match self.options.records {
            true => self.records(path, position, &entry.payload),
            false => Ok(()),
        }
    }

    fn metadata_entry(&mut self, path: &Path, position: u64, entry: &ReplayedEntry) -> Result<(), DumpError> {
        let (revision, changes) = match read_entry(&entry.payload) {
            Ok(found) => found,
            Err(error) => {
                return self.damage(path, position, &format!("the entry at LSN {}: {error}", entry.lsn));
            }
        };
        for change in &changes {
            let (verb, key, value) = match change {
                Change::Put(key, value) => ("put", key, Some(value.as_slice())),
                Change::Delete(key) => ("delete", key, None),
            };
            self.item(
                || {
                    let value = value.map_or_else(String::new, |value| format!(" = {}", text(Some(value))));
                    format!("      LSN {:<14} metadata revision {revision}: {verb} {key}{value}", entry.lsn.0)
                },
                || {
                    let (lsn, value) = (entry.lsn.0, json_of(value));
                    json!({"lsn": lsn, "revision": revision, "change": verb, "key": key, "value": value})
                },
            )?;
        }
        Ok(())
    }
}
