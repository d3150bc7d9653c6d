use std::io;

/// Why the log cannot go on, or could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum WalError {
    /// A frame could not be written or synced. Never retried: the kernel forgets the pages of a failed sync.
    /// The process must stop (exit 74); what was not committed by then never will be.
    #[error("the write-ahead log failed: {0}")]
    Fatal(String),
    /// The directory could not be opened.
    #[error("the write-ahead log could not be opened: {0}")]
    Open(#[from] io::Error),
}

/// Why there is no credit.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum NoCredit {
    /// All pre-written space is taken: wait for `credit_available`.
    #[error("the write-ahead log has no free space yet")]
    Full,
    /// The same, and the disk has no room to pre-write more: waiting may be in vain.
    #[error("the write-ahead log's disk is full")]
    DiskFull,
    /// An entry is larger than any file may be.
    #[error("the entry is too large for the write-ahead log")]
    TooLarge,
    /// The log has failed or was shut down.
    #[error("the write-ahead log has stopped")]
    Stopped,
}

/// Why replay ended early.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError<E> {
    /// Acknowledged frames are damaged. Nothing was changed; the process must not start (exit 74).
    #[error("{0}")]
    Corrupt(Corruption),
    /// The files could not be synced or read.
    #[error("the write-ahead log could not be read: {0}")]
    Io(#[from] io::Error),
    /// The visitor failed.
    #[error("{0}")]
    Visitor(E),
}

/// Where acknowledged frames are damaged.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("the write-ahead log is corrupt: {file} at byte {offset}, LSN {}: {message}", lsn.0)]
pub struct Corruption {
    /// The file's path.
    pub file: String,
    /// Where the damaged frame begins in it.
    pub offset: u64,
    /// The damaged frame's LSN.
    pub lsn: super::Lsn,
    /// What is wrong and how that is known.
    pub message: String,
}
