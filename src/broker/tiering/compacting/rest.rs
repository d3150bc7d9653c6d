//! What compaction leaves of a group of segments, until it is an object: in a file that has no name.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;

use crate::env::{File, FileExtent, Files, OpenMode};
use crate::log::{Sifting, Verdict};
use crate::protocol::batch::{BatchError, BatchHeader, without_records};

/// Its name, as long as it has one: only a crash leaves it.
const NAME: &str = "tier-compaction.tmp";

/// The disk did not take it. Nothing has changed.
#[derive(Debug, thiserror::Error)]
#[error("{}: what compaction leaves could not be kept on the way to the tier: {source}", path.display())]
pub(in crate::broker) struct SpoolError {
    path: PathBuf,
    source: io::Error,
}

/// Why batches are not sifted.
pub(super) enum StepError {
    Batch(BatchError),
    Disk(SpoolError),
}

impl From<BatchError> for StepError {
    fn from(error: BatchError) -> StepError {
        StepError::Batch(error)
    }
}

impl From<SpoolError> for StepError {
    fn from(error: SpoolError) -> StepError {
        StepError::Disk(error)
    }
}

/// Batches that stay, one behind the other.
pub(super) struct Rest {
    path: PathBuf,
    file: Arc<dyn File>,
    bytes: u64,
    /// The last batch that was met.
    last: Option<BatchHeader>,
    /// Whether some batch does not stay as it was.
    pub is_changed: bool,
}

impl Rest {
    /// Nothing yet. The file's name goes at once, and the file with whoever holds it.
    ///
    /// `needed_bytes` must be free: what may be written, and what the disk keeps for records that were
    /// promised to producers.
    pub(super) fn begin(files: &dyn Files, folder: &Path, needed_bytes: u64) -> Result<Rest, SpoolError> {
        let path = folder.join(NAME);
        let open = || {
            let free = files.free_bytes(folder)?;
            if free < needed_bytes {
                let what =
                    format!("{free} bytes are free, and {needed_bytes} needed with the disk's reserve");
                return Err(io::Error::new(io::ErrorKind::StorageFull, what));
            }
            if files.exists(&path)? {
                files.remove_file(&path)?;
            }
            let file = files.open(&path, OpenMode::Create)?;
            files.remove_file(&path)?;
            Ok(file)
        };
        match open() {
            Ok(file) => Ok(Rest { path, file, bytes: 0, last: None, is_changed: false }),
            Err(source) => Err(SpoolError { path, source }),
        }
    }

    /// Takes what stays of these batches.
    pub(super) fn sift(&mut self, sifting: &mut Sifting, batches: &[Bytes]) -> Result<(), StepError> {
        let mut left = Vec::with_capacity(batches.iter().map(Bytes::len).sum());
        for batch in batches {
            self.last = Some(BatchHeader::parse(batch)?);
            match sifting.sift(batch)? {
                Verdict::Keep => left.extend_from_slice(batch),
                changed => {
                    self.is_changed = true;
                    if let Verdict::Replace(bytes) = changed {
                        left.extend_from_slice(&bytes);
                    }
                }
            }
        }
        Ok(self.write(&left)?)
    }

    /// Whether nothing stays.
    pub(super) fn is_empty(&self) -> bool {
        self.bytes == 0
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), SpoolError> {
        let written = self.file.write_all_at(bytes, self.bytes);
        written.map_err(|source| SpoolError { path: self.path.clone(), source })?;
        self.bytes += bytes.len() as u64;
        Ok(())
    }

    /// All of it. Of a group of which nothing stays the last batch does, without its records: somebody must
    /// know how far the offsets went, and where the producers were.
    pub(super) fn finish(mut self) -> Result<FileExtent, SpoolError> {
        if let Some(last) = self.last.filter(|_| self.bytes == 0) {
            self.write(&without_records(&last))?;
        }
        Ok(FileExtent { file: self.file, offset: 0, length: self.bytes })
    }
}
