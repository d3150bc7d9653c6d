//! What lies in the data directory itself: both copies of the checkpoint, strays, stranded batches.

use std::collections::BTreeSet;
use std::path::Path;

use super::catalogue::{Catalogue, Known};
use super::{Check, Finding, VerifyError, Watcher};
use crate::log::inspect::{self as log_inspect, SegmentWalk};
use crate::model::Offset;
use crate::partition::inspect::{self, CheckpointCopy, CheckpointView};

const COPY_ADVICE: &str = "a start takes the other copy and writes this one anew; look at the disk";
const LOST_ADVICE: &str = "a start is refused: without a checkpoint nobody knows where the write-ahead log \
                           begins; \
                           put a copy of the directory back";
const STRANDED_ADVICE: &str =
    "mend or delete the partition: the start that can open it takes these records in";

impl Check<'_> {
    /// The newest whole copy, and whether both tell the same story.
    pub(super) fn checkpoint(&mut self) -> Result<Option<CheckpointView>, VerifyError> {
        let mut whole = Vec::new();
        let mut unusable = 0;
        for name in inspect::CHECKPOINTS {
            let path = self.root.join(name);
            match inspect::read_checkpoint(self.files, &path) {
                Ok(Some(CheckpointCopy::Whole(view))) => whole.push((path, *view)),
                Ok(Some(CheckpointCopy::Damaged)) => {
                    unusable += 1;
                    self.tally.found(Finding::error(path, "its checksum is wrong", COPY_ADVICE));
                }
                Ok(Some(CheckpointCopy::Newer(version))) => {
                    let path = path.display();
                    return Err(VerifyError::Newer(format!(
                        "{path} has format version {version}: use the newer highwater"
                    )));
                }
                Ok(None) => {}
                Err(error) => {
                    unusable += 1;
                    self.unreadable_path(&path, &error);
                }
            }
        }
        match &whole[..] {
            [] if unusable > 0 || self.has_partitions() => {
                self.tally.found(Finding::error(self.root, "there is no usable checkpoint", LOST_ADVICE));
            }
            [] => {
                let what = "there is no checkpoint yet: its first start did not come to its end";
                self.tally.found(Finding::note(self.root, what, "nothing: the next start begins anew"));
            }
            [(path, only)] if unusable == 0 && only.sequence > 1 => {
                self.tally.found(Finding::error(path, "its other copy is missing", COPY_ADVICE));
            }
            // The first is always written before the second; several starts that were cut off in between
            // leave it further ahead.
            [(path, first), (_, second)] if first.sequence <= second.sequence && first != second => {
                let what = format!(
                    "its sequence is {}, its copy's {}: they cannot both be of this directory",
                    first.sequence, second.sequence
                );
                self.tally.found(Finding::error(path, what, "find out who put an older copy there"));
            }
            _ => {}
        }
        Ok(whole.into_iter().map(|(_, view)| view).max_by_key(|view| view.sequence))
    }

    fn has_partitions(&self) -> bool {
        let names = self.files.list(self.root).unwrap_or_default();
        names.iter().any(|name| {
            let directory = self.root.join(name);
            matches!(log_inspect::read_metadata(self.files, &directory), Ok(Some(_)))
        })
    }

    /// What is in nobody's catalogue.
    pub(super) fn leftovers(&mut self, catalogue: &Catalogue) {
        let mut known: BTreeSet<String> =
            [inspect::PROPERTIES, inspect::LOCK, inspect::WAL_DIRECTORY, inspect::STRANDED_DIRECTORY]
                .into_iter()
                .chain(inspect::CHECKPOINTS)
                .chain([crate::inspect::LISTENERS])
                .map(str::to_owned)
                .collect();
        for topic in catalogue.image.topics() {
            let partitions = 0..topic.partitions;
            known
                .extend(partitions.map(|partition| log_inspect::partition_directory(&topic.name, partition)));
        }
        let names = match self.files.list(self.root) {
            Ok(names) => names,
            Err(error) => return self.unreadable_path(self.root, &error),
        };
        for name in names.into_iter().filter(|name| !known.contains(name)) {
            let path = self.root.join(&name);
            let (what, advice) = self.leftover(&path, &name);
            self.tally.found(Finding::note(path, what, advice));
        }
    }

    fn leftover(&self, path: &Path, name: &str) -> (&'static str, &'static str) {
        if log_inspect::is_temporary(name) {
            return (
                "an interrupted replacement of a file",
                "nothing: it is replaced when it is next needed",
            );
        }
        if log_inspect::is_set_aside(name) {
            return (
                "a directory set aside: deleted, or unknown to the catalogue",
                "remove it once you miss nothing",
            );
        }
        match log_inspect::read_metadata(self.files, path) {
            Ok(Some(_)) => (
                "a partition's directory of which the catalogue knows nothing",
                "nothing: a deleted topic's is removed at the next start, another one is left alone",
            ),
            _ => ("nothing that highwater put here", "nothing: it is left alone"),
        }
    }

    /// Batches of partitions that could not be opened.
    pub(super) fn stranded(&mut self, catalogue: &Catalogue) {
        let directory = self.root.join(inspect::STRANDED_DIRECTORY);
        let names = match self.files.exists(&directory) {
            Ok(true) => self.files.list(&directory),
            Ok(false) => return,
            Err(error) => Err(error),
        };
        let names = match names {
            Ok(names) => names,
            Err(error) => return self.unreadable_path(&directory, &error),
        };
        for name in names {
            let path = directory.join(&name);
            match inspect::stranded_owner(&name).map(|id| catalogue.lookup(id)) {
                None => self.tally.found(Finding::note(path, "not a file of stranded batches", "nothing")),
                Some(Known::Live) => self.stranded_batches(&path),
                Some(Known::Deleted | Known::Unknown) => {
                    let what = "records of a partition that does not exist any more";
                    self.tally.found(Finding::note(path, what, "nothing: a start removes them"));
                }
            }
        }
    }

    fn stranded_batches(&mut self, path: &Path) {
        const DAMAGED: &str = "what follows is lost with it, unless there is a copy of the file";
        let mut walk = match SegmentWalk::open(self.files, path, Offset(0)) {
            Ok(walk) => walk,
            Err(error) => return self.unreadable(error),
        };
        let mut batches = 0;
        loop {
            match walk.next_batch() {
                Ok(Some(batch)) if batch.is_right() => batches += 1,
                Ok(Some(batch)) => {
                    let finding = Finding::error(path, "the checksum of the record batch is wrong", DAMAGED);
                    return self.tally.found(finding.at(batch.position).at_offset(batch.header.base_offset));
                }
                Ok(None) => break,
                Err(error) => return self.tally.found(Finding::of(error, DAMAGED)),
            }
        }
        self.tally.read(walk.length());
        let what = format!("{batches} acknowledged record batches of a partition that could not be opened");
        self.tally.found(Finding::note(path, what, STRANDED_ADVICE));
    }
}
