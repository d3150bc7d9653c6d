//! Files in words, or one JSON object for each thing.

mod words;

mod batches;
mod identity;
mod indexes;
mod state;
mod wal;

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde_json::Value;

use self::words::is_batch;
use crate::env::{Files, OpenMode};
use crate::inspect::LISTENERS;
use crate::log::inspect::{self as log_inspect, FileKind};
use crate::partition::inspect as partition_inspect;
use crate::wal::inspect as wal_inspect;

/// How deep directories may lie in each other: a data directory, a partition in it, its files.
const DEPTH_MAX: usize = 4;

/// What to print, and how.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct DumpOptions {
    /// Records with their keys, values and headers, not batches alone.
    pub records: bool,
    /// One JSON object on a line for each thing, instead of words.
    pub json: bool,
}

/// How it went.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// Everything made sense.
    Whole,
    /// Something did not; it was said where.
    Damaged,
}

/// Why nothing can be told.
#[derive(Debug, thiserror::Error)]
pub enum DumpError {
    /// A file or directory cannot be read.
    #[error("cannot read {path}: {error}")]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// Neither its name nor its begin is one of ours.
    #[error(
        "{0} is no file of highwater: neither its name (.log, .index, .timeindex, .state, .wal, .batches, \
         checkpoint.0, meta.properties, partition.metadata) nor its first bytes say so"
    )]
    Unknown(PathBuf),
    /// What was printed could not be written.
    #[error("cannot write: {0}")]
    Output(#[from] io::Error),
}

/// Prints a file, or everything in a directory in the order of names, to `to`.
pub fn dump(
    files: &dyn Files,
    path: &Path,
    options: DumpOptions,
    to: &mut dyn Write,
) -> Result<Outcome, DumpError> {
    let mut printer = Printer { files, options, to, is_damaged: false };
    match files.list(path) {
        Ok(names) => printer.directory(path, &names, DEPTH_MAX)?,
        Err(_) => {
            let Some(kind) = printer.recognise(path)? else {
                return Err(DumpError::Unknown(path.to_owned()));
            };
            printer.file(path, kind)?;
        }
    }
    Ok(if printer.is_damaged { Outcome::Damaged } else { Outcome::Whole })
}

/// What a file is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Kind {
    Batches,
    OffsetIndex,
    TimeIndex,
    TransactionIndex,
    State,
    Metadata,
    Wal,
    Checkpoint,
    Properties,
    /// Made by a running broker.
    Listeners,
}

struct Printer<'a> {
    files: &'a dyn Files,
    options: DumpOptions,
    to: &'a mut dyn Write,
    is_damaged: bool,
}

impl Printer<'_> {
    fn directory(&mut self, path: &Path, names: &[String], depth: usize) -> Result<(), DumpError> {
        for name in names {
            let inner = path.join(name);
            if let Ok(names) = self.files.list(&inner) {
                if depth > 0 {
                    self.directory(&inner, &names, depth - 1)?;
                }
                continue;
            }
            match self.recognise(&inner)? {
                Some(kind) => self.file(&inner, kind)?,
                None if name == partition_inspect::LOCK => {}
                None => self.heading(&inner, "no file of highwater", 0)?,
            }
        }
        Ok(())
    }

    /// By its name, else by its first bytes.
    fn recognise(&self, path: &Path) -> Result<Option<Kind>, DumpError> {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if let Some((kind, _)) = log_inspect::kind_of(name) {
            return Ok(Some(match kind {
                FileKind::Segment => Kind::Batches,
                FileKind::OffsetIndex => Kind::OffsetIndex,
                FileKind::TimeIndex => Kind::TimeIndex,
                FileKind::TransactionIndex => Kind::TransactionIndex,
                FileKind::State => Kind::State,
                FileKind::Metadata => Kind::Metadata,
            }));
        }
        if wal_inspect::is_wal_file(name) {
            return Ok(Some(Kind::Wal));
        }
        if partition_inspect::CHECKPOINTS.contains(&name) {
            return Ok(Some(Kind::Checkpoint));
        }
        if partition_inspect::stranded_owner(name).is_some() {
            return Ok(Some(Kind::Batches));
        }
        Ok(match name {
            partition_inspect::PROPERTIES => Some(Kind::Properties),
            LISTENERS => Some(Kind::Listeners),
            _ => self.by_magic(path)?,
        })
    }

    fn by_magic(&self, path: &Path) -> Result<Option<Kind>, DumpError> {
        let mut begin = [0; 64];
        let unreadable = |error| DumpError::Unreadable { path: path.to_owned(), error };
        let file = self.files.open(path, OpenMode::Read).map_err(unreadable)?;
        let count = file.read_at(&mut begin, 0).map_err(unreadable)?;
        Ok(match &begin[..count] {
            begin if begin.starts_with(b"HWSTATE\n") => Some(Kind::State),
            begin if begin.starts_with(b"HWCHKPT\0") => Some(Kind::Checkpoint),
            begin if begin.starts_with(b"HWWALFRM") => Some(Kind::Wal),
            begin if is_batch(begin) => Some(Kind::Batches),
            _ => None,
        })
    }

    fn file(&mut self, path: &Path, kind: Kind) -> Result<(), DumpError> {
        match kind {
            Kind::Batches => self.batches(path),
            Kind::OffsetIndex => self.offset_index(path),
            Kind::TimeIndex => self.time_index(path),
            Kind::TransactionIndex => self.transaction_index(path),
            Kind::State => self.state(path),
            Kind::Metadata => self.metadata(path),
            Kind::Wal => self.wal(path),
            Kind::Checkpoint => self.checkpoint(path),
            Kind::Properties => self.properties(path),
            Kind::Listeners => self.heading(path, "ports of the broker that runs here, or was killed", 0),
        }
    }

    /// The line that opens a file.
    fn heading(&mut self, path: &Path, what: &str, bytes: u64) -> Result<(), DumpError> {
        let (path, size) =
            (path.display().to_string(), if bytes > 0 { format!(", {bytes} bytes") } else { String::new() });
        self.item(
            || format!("{path}: {what}{size}"),
            || serde_json::json!({"file": path, "is": what, "bytes": bytes}),
        )
    }

    /// One thing on one line.
    fn item(
        &mut self,
        words: impl FnOnce() -> String,
        json: impl FnOnce() -> Value,
    ) -> Result<(), DumpError> {
        match self.options.json {
            true => writeln!(self.to, "{}", json())?,
            false => writeln!(self.to, "{}", words())?,
        }
        Ok(())
    }

    /// What is wrong, and where.
    fn damage(&mut self, path: &Path, position: u64, what: &str) -> Result<(), DumpError> {
        self.is_damaged = true;
        let path = path.display().to_string();
        self.item(
            || format!("  DAMAGED at byte {position}: {what}"),
            || serde_json::json!({"damaged": path, "position": position, "what": what}),
        )
    }
}

/// An error of the log: damage is told, a file that cannot be read ends it all.
fn told(printer: &mut Printer<'_>, error: crate::log::LogError) -> Result<(), DumpError> {
    use crate::log::LogError;
    match error {
        LogError::Corrupt { path, position, what } => printer.damage(&path, position, &what),
        LogError::Read { path, source } => Err(DumpError::Unreadable { path, error: source }),
        other => Err(DumpError::Output(io::Error::other(other.to_string()))),
    }
}
