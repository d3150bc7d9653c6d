//! A data directory, checked offline: what a start would object to, and what it would not look at.

mod catalogue;
mod root;
mod wal;

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use self::catalogue::Catalogue;
use super::{Finding, Severity, Watcher};
use crate::env::{Env, Files};
use crate::log::inspect::{self as log_inspect, Counts, PartitionCheck};
use crate::log::{LogError, RecoveryPoint};
use crate::metadata::TopicImage;
use crate::model::{Offset, TopicPartition};
use crate::partition::DirectoryError;
use crate::partition::inspect::{self, CheckpointView};

const READ_ADVICE: &str = "look at the permissions and at the disk (dmesg, smartctl)";

/// Why there is nothing to be told about a directory.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// It is not a data directory of ours.
    #[error("{0} is not a data directory: there is no meta.properties in it")]
    NotADataDirectory(PathBuf),
    /// A newer version made it.
    #[error("{0}")]
    Newer(String),
    /// It cannot be read, or a broker has it open.
    #[error("{0}")]
    Unreadable(String),
}

/// What was looked at and found.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Summary {
    /// Topics in the catalogue.
    pub topics: u64,
    /// Partitions in the catalogue.
    pub partitions: u64,
    /// What their directories hold.
    pub logs: Counts,
    /// Frames of the write-ahead log that a start would replay.
    pub wal_frames: u64,
    /// Entries in them.
    pub wal_entries: u64,
    /// Bytes of the write-ahead log's files.
    pub wal_bytes: u64,
    /// Things that are damaged or missing.
    pub errors: u64,
    /// Things worth knowing.
    pub notes: u64,
    /// Files and directories that could not be read.
    pub unreadable: u64,
    /// How long it took.
    pub duration: Duration,
}

/// Counts what passes by.
struct Tally<'a> {
    watcher: &'a mut dyn Watcher,
    errors: u64,
    notes: u64,
}

impl Watcher for Tally<'_> {
    fn found(&mut self, finding: Finding) {
        match finding.severity {
            Severity::Error => self.errors += 1,
            Severity::Note => self.notes += 1,
        }
        self.watcher.found(finding);
    }

    fn read(&mut self, bytes: u64) {
        self.watcher.read(bytes);
    }
}

/// Checks a directory. It is locked meanwhile, so that no broker starts; where one runs, that is an error.
pub fn verify(env: &Env, root: &Path, watcher: &mut dyn Watcher) -> Result<Summary, VerifyError> {
    let began = env.clock.monotonic();
    let unreadable = |error: io::Error| VerifyError::Unreadable(format!("{}: {error}", root.display()));
    env.files.list(root).map_err(unreadable)?;
    if !env.files.exists(&root.join(inspect::PROPERTIES)).map_err(unreadable)? {
        return Err(VerifyError::NotADataDirectory(root.to_owned()));
    }
    let _lock = inspect::lock(&*env.files, root).map_err(refused)?;
    let mut check = Check {
        env,
        files: &*env.files,
        root,
        tally: Tally { watcher, errors: 0, notes: 0 },
        summary: Summary::default(),
    };
    check.run()?;
    let Check { tally, summary, .. } = check;
    let duration = env.clock.monotonic().saturating_sub(began);
    Ok(Summary { errors: tally.errors, notes: tally.notes, duration, ..summary })
}

fn refused(error: DirectoryError) -> VerifyError {
    VerifyError::Unreadable(match error {
        DirectoryError::InUse(root) => format!(
            "a broker runs on {}: stop it first, or look at single files with highwater dump",
            root.display()
        ),
        other => other.to_string(),
    })
}

struct Check<'a> {
    env: &'a Env,
    files: &'a dyn Files,
    root: &'a Path,
    tally: Tally<'a>,
    summary: Summary,
}

impl Check<'_> {
    fn run(&mut self) -> Result<(), VerifyError> {
        self.properties()?;
        let Some(checkpoint) = self.checkpoint()? else { return Ok(()) };
        let mut catalogue = Catalogue::restore(&checkpoint.metadata);
        let stretches = self.wal(&checkpoint, &mut catalogue);
        for what in std::mem::take(&mut catalogue.findings) {
            self.tally.found(what.at_root(self.root));
        }
        self.compare(&checkpoint, &catalogue, &stretches);
        self.partitions(&checkpoint, &catalogue);
        self.leftovers(&catalogue);
        self.stranded(&catalogue);
        Ok(())
    }

    fn properties(&mut self) -> Result<(), VerifyError> {
        let path = self.root.join(inspect::PROPERTIES);
        const ADVICE: &str = "a start is refused: put the file back from a copy";
        match inspect::read_properties(self.files, &path) {
            Ok(found) => {
                let ids = [Some(&found.cluster_id), found.directory_id.as_ref()];
                for id in ids.into_iter().flatten().filter(|id| crate::model::parse_base64_id(id).is_none()) {
                    let what = format!("{id} is not 22 characters of base64");
                    self.tally.found(Finding::error(&path, what, ADVICE));
                }
                if found.directory_id.is_none() {
                    self.tally.found(Finding::error(&path, "directory.id is missing", ADVICE));
                }
                if found.node_id.parse::<i32>().is_err() {
                    self.tally.found(Finding::error(&path, format!("node.id={}", found.node_id), ADVICE));
                }
                Ok(())
            }
            Err(error @ DirectoryError::NewerFormat { .. }) => Err(VerifyError::Newer(error.to_string())),
            Err(DirectoryError::Damaged { why, .. }) => {
                self.tally.found(Finding::error(path, why, ADVICE));
                Ok(())
            }
            Err(other) => Err(VerifyError::Unreadable(other.to_string())),
        }
    }

    /// Every partition of the catalogue.
    fn partitions(&mut self, checkpoint: &CheckpointView, catalogue: &Catalogue) {
        for topic in catalogue.image.topics() {
            self.summary.topics += 1;
            for id in topic.topic_partitions() {
                self.summary.partitions += 1;
                let offset = checkpoint.recovery_offsets.get(&id).copied().unwrap_or_default();
                let point = RecoveryPoint {
                    offset,
                    log_start_offset: catalogue.image.log_start(id),
                    local_log_start_offset: catalogue.image.local_log_start(id),
                };
                self.partition(topic, id, point);
            }
        }
    }

    fn partition(&mut self, topic: &TopicImage, id: TopicPartition, point: RecoveryPoint) {
        let path = self.root.join(log_inspect::partition_directory(&topic.name, id.partition));
        let check = PartitionCheck { files: self.files, path: &path, partition: id, point };
        match check.run(&mut self.tally) {
            Ok(counts) => self.summary.logs = sum(self.summary.logs, counts),
            Err(error) => self.unreadable(error),
        }
    }

    fn unreadable(&mut self, error: LogError) {
        self.summary.unreadable += 1;
        self.tally.found(Finding::of(error, READ_ADVICE));
    }

    fn unreadable_path(&mut self, path: &Path, error: &io::Error) {
        self.summary.unreadable += 1;
        self.tally.found(Finding::error(path, format!("it cannot be read: {error}"), READ_ADVICE));
    }
}

/// What the write-ahead log holds of one partition.
#[derive(Clone, Copy, Debug)]
struct Stretch {
    base: Offset,
    end: Offset,
}

type Stretches = BTreeMap<TopicPartition, Stretch>;

fn sum(left: Counts, right: Counts) -> Counts {
    Counts {
        segments: left.segments + right.segments,
        batches: left.batches + right.batches,
        bytes: left.bytes + right.bytes,
        indexes: left.indexes + right.indexes,
        states: left.states + right.states,
        tail_bytes: left.tail_bytes + right.tail_bytes,
    }
}
