//! What no sound log tells.

use std::fmt;

/// The kinds, with their usual names in brackets.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Kind {
    /// Acknowledged, below what others read, and nobody read it.
    LostWrite,
    /// Acknowledged, and the last polls did not find it.
    UnseenWrite,
    /// Some writes of a transaction were read, others are nowhere.
    TornTransaction,
    /// Of a transaction that was aborted (G1a).
    AbortedRead,
    /// One value at two offsets.
    Duplicate,
    /// Two values at one offset.
    InconsistentOffset,
    /// A reader was not told of a record that others read.
    PollSkip,
    /// A reader went back.
    NonmonotonicPoll,
    /// A writer's later record lies before its earlier one.
    NonmonotonicSend,
    /// Nobody wrote it.
    Phantom,
    /// An acknowledgement told an offset that was taken when the send began.
    RealtimeOffset,
    /// The same with offset 0: a default where something was not known.
    ZeroOffset,
    /// A transaction read what it wrote itself.
    PrecommittedRead,
    /// Transactions that read from each other (G1c).
    Cycle,
    /// The same, where time closes the circle: something was read before it was written.
    RealtimeCycle,
    /// A last stable offset above the high watermark.
    LastStableAboveHigh,
    /// A last stable offset below what was stable before.
    LastStableWentBack,
    /// A high watermark below what it was, or below what was acknowledged or read before.
    HighWatermarkWentBack,
    /// A group's committed offset below what was committed before.
    CommittedWentBack,
    /// A group's committed offset that nobody committed, or only transactions that were aborted.
    StrayCommitted,
}

impl fmt::Display for Kind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Kind::LostWrite => "lost write",
            Kind::UnseenWrite => "unseen acknowledged write",
            Kind::TornTransaction => "torn transaction",
            Kind::AbortedRead => "aborted read (G1a)",
            Kind::Duplicate => "duplicate",
            Kind::InconsistentOffset => "inconsistent offset",
            Kind::PollSkip => "skipped by a poll",
            Kind::NonmonotonicPoll => "polls that go back",
            Kind::NonmonotonicSend => "sends that go back",
            Kind::Phantom => "phantom",
            Kind::RealtimeOffset => "offset that was taken already",
            Kind::ZeroOffset => "zero offset",
            Kind::PrecommittedRead => "read before its own commit",
            Kind::Cycle => "cycle (G1c)",
            Kind::RealtimeCycle => "cycle through time (G1c-realtime)",
            Kind::LastStableAboveHigh => "last stable offset above the high watermark",
            Kind::LastStableWentBack => "last stable offset that went back",
            Kind::HighWatermarkWentBack => "high watermark that went back",
            Kind::CommittedWentBack => "committed offset that went back",
            Kind::StrayCommitted => "committed offset that nobody committed",
        })
    }
}

/// One finding.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Anomaly {
    /// Its kind.
    pub kind: Kind,
    /// What happened, in words.
    pub words: String,
    /// The operations that show it, by their places in the history.
    pub operations: Vec<usize>,
}
