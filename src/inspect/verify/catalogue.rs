//! The catalogue as a start would have it: the checkpoint's snapshot and what the write-ahead log adds.

use std::path::{Path, PathBuf};

use super::Finding;
use crate::cluster::{Change, inspect};
use crate::metadata::{ClusterImage, MetadataChange, TierRecord};
use crate::model::{Offset, TopicPartition};
use crate::partition::inspect::CHECKPOINTS;

const ADVICE: &str = "a start is refused: put a copy of the directory back, or ask for help with this line";

/// Found while the catalogue is put together.
pub(super) struct Objection {
    path: Option<(PathBuf, u64)>,
    what: String,
}

impl Objection {
    /// What was found in the checkpoint has no place of its own.
    pub(super) fn at_root(self, root: &Path) -> Finding {
        match self.path {
            Some((path, position)) => Finding::error(path, self.what, ADVICE).at(position),
            None => Finding::error(root.join(CHECKPOINTS[0]), self.what, ADVICE),
        }
    }
}

/// What is known of a partition.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Known {
    Live,
    Deleted,
    Unknown,
}

pub(super) struct Catalogue {
    pub(super) image: ClusterImage,
    revision: u64,
    pub(super) findings: Vec<Objection>,
}

impl Catalogue {
    pub(super) fn restore(snapshot: &[u8]) -> Catalogue {
        let mut catalogue = Catalogue { image: ClusterImage::default(), revision: 0, findings: Vec::new() };
        match inspect::read_snapshot(snapshot) {
            Ok((revision, entries)) => {
                catalogue.revision = revision;
                for (key, versioned) in &entries {
                    catalogue.apply(None, key, Some(&versioned.value));
                }
            }
            Err(error) => catalogue.findings.push(Objection { path: None, what: error.0 }),
        }
        catalogue
    }

    /// Takes in an entry of the write-ahead log; one that the snapshot contains changes nothing.
    pub(super) fn replay(&mut self, path: &Path, position: u64, entry: &[u8]) {
        let place = || Some((path.to_owned(), position));
        match inspect::read_entry(entry) {
            Ok((revision, _)) if revision <= self.revision => {}
            Ok((revision, changes)) => {
                if revision != self.revision + 1 {
                    let what = format!("metadata revision {revision} follows {}", self.revision);
                    self.findings.push(Objection { path: place(), what });
                }
                self.revision = revision;
                for change in &changes {
                    match change {
                        Change::Put(key, value) => self.apply(place(), key, Some(value)),
                        Change::Delete(key) => self.apply(place(), key, None),
                    }
                }
            }
            Err(error) => self.findings.push(Objection { path: place(), what: error.0 }),
        }
    }

    fn apply(&mut self, path: Option<(PathBuf, u64)>, key: &str, value: Option<&[u8]>) {
        if let Err(error) = self.image.apply(MetadataChange { key, value }) {
            self.findings.push(Objection { path, what: error.to_string() });
        }
    }

    /// Log starts that were moved, of topics that exist.
    pub(super) fn log_starts(&self) -> impl Iterator<Item = (TopicPartition, Offset)> + '_ {
        let all = self.image.topics().flat_map(|topic| topic.topic_partitions());
        all.map(|id| (id, self.image.log_start(id))).filter(|(_, start)| *start > Offset(0))
    }

    /// What the tier holds of partitions that exist.
    pub(super) fn tiers(&self) -> impl Iterator<Item = (TopicPartition, TierRecord)> + '_ {
        let all = self.image.topics().flat_map(|topic| topic.topic_partitions());
        all.filter_map(|id| Some((id, self.image.tier(id)?)))
    }

    pub(super) fn lookup(&self, id: TopicPartition) -> Known {
        match (self.image.topic_by_id(id.topic_id), self.image.tombstone(id.topic_id)) {
            (Some(topic), _) if (0..topic.partitions).contains(&id.partition) => Known::Live,
            (None, Some(_)) => Known::Deleted,
            _ => Known::Unknown,
        }
    }
}
